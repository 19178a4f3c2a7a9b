"""What of a run is to be undone, in the order in which it was done, and what came of that."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from .statement import Statement

_HERE = "run_id = :run_id AND task = :task AND item = :item"
_DID = Statement(f"UPDATE task_runs SET done_no = :number WHERE {_HERE}")
# The literal, so that the partial index serves: reading the last of 10,000 costs what reading the last of one costs.
_LAST = Statement(
    "SELECT task, item FROM task_runs WHERE run_id = :run_id AND done_no > 0"
    " ORDER BY done_no DESC, item DESC, task LIMIT 1"
)
_COUNT = Statement(
    "SELECT COUNT(*) FROM task_runs WHERE run_id = :run_id AND task = :task AND item >= 0 AND done_no > 0"
)
_BEGIN = Statement(f"UPDATE task_runs SET done_no = -done_no WHERE {_HERE} AND done_no > 0")
_FREE_KEY = Statement(
    f"UPDATE ledger SET key = NULL WHERE id = (SELECT intent FROM task_runs WHERE {_HERE}) AND state = 'done'"
)
_DONE = Statement(
    "SELECT t.outcome, l.arguments, l.result FROM task_runs t LEFT JOIN ledger l ON l.id = t.intent AND l.state = 'done'"
    " WHERE t.run_id = :run_id AND t.task = :task AND t.item = :item"
)
_KEEP_ENTRY = Statement(f"UPDATE task_runs SET intent = :entry WHERE {_HERE}")
# A letter that was sent is done in the ledger, even where nobody could tell its task.
_UNDONE = (
    " FROM task_runs c LEFT JOIN ledger l ON l.id = c.intent"
    " WHERE c.run_id = :run_id AND c.kind = 'compensation' AND (c.state = 'succeeded' OR l.state = 'done')"
)
_UNDONE_TASKS = Statement(f"SELECT DISTINCT c.task{_UNDONE}")
_RESET_ITEMS = Statement(
    "UPDATE task_runs SET state = 'pending', attempt = 0, intent = NULL, approval = NULL, first_at = NULL, due_at = NULL,"
    " finished_at = NULL, outcome = NULL, error = NULL, rings = 0, done_no = NULL, child = NULL"
    " WHERE run_id = :run_id AND task = :task AND item >= 0"
    f" AND item IN (SELECT c.item{_UNDONE} AND c.task = :compensation)"
)
_RESTORE = Statement("UPDATE task_runs SET done_no = -done_no WHERE run_id = :run_id AND done_no < 0")


class Done(NamedTuple):
    """What a task left: its output, and of the ledger what it sent (as kept) and what came back."""

    output: str | None
    arguments: str | None
    result: str | None


def did(conn: Connection, run_id: str, task: str, item: int, number: int) -> None:
    """Remember something as done; a larger number was done later."""
    _DID(conn, run_id=run_id, task=task, item=item, number=number)


def last(conn: Connection, run_id: str) -> tuple[str, int] | None:
    """Give the task, or item of it, that was done last of all that nobody has begun to undo."""
    row: tuple[str, int] | None = _LAST(conn, run_id=run_id).fetchone()
    return row


def count(conn: Connection, run_id: str, task: str) -> int:
    """Count the items of a task that are to be undone."""
    return int(_COUNT(conn, run_id=run_id, task=task).fetchone()[0])


def begin(conn: Connection, run_id: str, task: str, item: int) -> None:
    """Take something off what is to be undone."""
    _BEGIN(conn, run_id=run_id, task=task, item=item)


def free_key(conn: Connection, run_id: str, task: str, item: int) -> None:
    """Let the business key of what is undone be used again: its first answer is no longer true."""
    _FREE_KEY(conn, run_id=run_id, task=task, item=item)


def done(conn: Connection, run_id: str, task: str, item: int) -> Done:
    return Done(*_DONE(conn, run_id=run_id, task=task, item=item).fetchone())


def keep_entry(conn: Connection, place: tuple[str, str, int], entry: str) -> None:
    """Give a task an entry of the ledger that it had none of."""
    run_id, task, item = place
    _KEEP_ENTRY(conn, run_id=run_id, task=task, item=item, entry=entry)


def compensated(conn: Connection, run_id: str) -> set[str]:
    """Name the compensations that did something."""
    return {row[0] for row in _UNDONE_TASKS(conn, run_id=run_id).fetchall()}


def reset_items(conn: Connection, run_id: str, task: str, compensation: str) -> None:
    """Make the items that were undone pending again."""
    _RESET_ITEMS(conn, run_id=run_id, task=task, compensation=compensation)


def restore(conn: Connection, run_id: str) -> None:
    """Put back what is still done, for the next time that the run fails."""
    _RESTORE(conn, run_id=run_id)
