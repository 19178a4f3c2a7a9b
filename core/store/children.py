"""Runs that tasks of other runs have started: the statements that go up and down between the two."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from .statement import Statement


class Heard(NamedTuple):
    """How a child stands, as its parent is told it."""

    state: str
    output: str | None
    error: str | None
    task: str
    item: int


class Stands(NamedTuple):
    """How a run stands."""

    state: str
    finished_at: float | None
    output: str | None


_STANDS = Statement("SELECT state, finished_at, output FROM runs WHERE id = :id")
_DEPTH = Statement(
    "WITH RECURSIVE above (id, parent, depth) AS ("
    " SELECT id, parent_run, 0 FROM runs WHERE id = :id"
    " UNION ALL SELECT r.id, r.parent_run, a.depth + 1 FROM runs r JOIN above a ON r.id = a.parent WHERE a.depth < 100)"
    " SELECT MAX(depth) FROM above"
)
_TELL = Statement("UPDATE runs SET untold = 1 WHERE id = :id")
_TOLD = Statement(
    "UPDATE runs SET untold = NULL WHERE id = :id RETURNING state, output, error, parent_task, parent_item"
)
_UNTOLD = Statement("SELECT id, parent_run FROM runs WHERE untold = 1 LIMIT 100")
_LIVE = Statement(
    "SELECT child FROM task_runs WHERE run_id = :id AND child IS NOT NULL"
    " AND state IN ('child', 'child_waits', 'child_parked')"
)
_DOING = Statement("SELECT state, child FROM task_runs WHERE run_id = :run_id AND task = :task AND item = :item")
_WANTED = Statement("SELECT wanted FROM runs WHERE id = :id AND finished_at IS NULL")


def stands(conn: Connection, run_id: str) -> Stands | None:
    """Give how a run stands; None when it was removed."""
    row = _STANDS(conn, id=run_id).fetchone()
    return None if row is None else Stands(*row)


def depth(conn: Connection, run_id: str) -> int:
    """Count the runs above this one."""
    return int(_DEPTH(conn, id=run_id).fetchone()[0] or 0)


def tell(conn: Connection, run_id: str) -> None:
    """Mark that the parent has to hear of this run."""
    _TELL(conn, id=run_id)


def told(conn: Connection, run_id: str) -> Heard | None:
    """Give how a run stands now, and take the mark off: what changes later marks it anew."""
    row = _TOLD(conn, id=run_id).fetchone()
    return None if row is None else Heard(*row)


def untold(conn: Connection) -> list[tuple[str, str]]:
    """Name runs, each with its parent, that have not told how they stand."""
    found: list[tuple[str, str]] = _UNTOLD(conn).fetchall()
    return found


def live(conn: Connection, run_id: str) -> list[str]:
    """Name the runs that do tasks of a run now."""
    return [row[0] for row in _LIVE(conn, id=run_id).fetchall()]


def doing(conn: Connection, run_id: str, task: str, item: int) -> tuple[str, str | None] | None:
    """Give the state of a task, and the run that does it."""
    row: tuple[str, str | None] | None = _DOING(conn, run_id=run_id, task=task, item=item).fetchone()
    return row


def wanted_of(conn: Connection, run_id: str) -> str | None:
    """Give what an operator wants of a run that is not over."""
    row = _WANTED(conn, id=run_id).fetchone()
    return row[0] if row else None
