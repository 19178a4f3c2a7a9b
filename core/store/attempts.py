"""How each claim of a task ended; a first one that succeeded has no row here: its task's own says it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from .statement import Statement

DONE_AT_ONCE = "fence = 1 AND state = 'succeeded' AND owner IS NOT NULL"
"""Of a task's row: its first claim did it, and has no row among the attempts."""
AT_ONCE = (
    "SELECT run_id, task, item, fence, attempt, owner, state, error,"
    " (SELECT notes FROM ledger WHERE ledger.id = task_runs.intent) AS notes, started_at, finished_at AS ended_at"
    " FROM task_runs"
)
_ATTEMPT = Statement(
    "INSERT INTO attempts (run_id, task, item, fence, attempt, owner, state, error, notes, started_at, ended_at)"
    " VALUES (:run_id, :task, :item, :fence, :attempt, :owner, :state, :error, :notes, :started_at, :ended_at)"
    " ON CONFLICT (run_id, task, item, fence) DO UPDATE SET state = :state, error = :error, notes = :notes"
)
_ENDED = Statement(
    "SELECT 1 FROM attempts WHERE run_id = :run_id AND task = :task AND item = :item AND fence = :fence"
    " AND owner = :owner AND state <> 'lost'"
    " UNION ALL SELECT 1 FROM task_runs WHERE run_id = :run_id AND task = :task AND item = :item AND fence = :fence"
    f" AND owner = :owner AND {DONE_AT_ONCE}"
)
_KEEP_TRIES = Statement(
    "INSERT INTO attempts (run_id, task, item, fence, attempt, owner, state, error, notes, started_at, ended_at)"
    f" {AT_ONCE} WHERE run_id = :run_id AND task = :task AND {DONE_AT_ONCE} ON CONFLICT DO NOTHING"
)


def add(conn: Connection, **row: Any) -> None:
    """Keep how a claim ended; what comes late replaces that it was lost."""
    _ATTEMPT.many(conn, [row])


def has_ended(conn: Connection, place: tuple[str, str, int], fence: int, owner: str) -> bool:
    """Tell whether what came of a claim of ours is stored already."""
    run_id, task, item = place
    return _ENDED(conn, run_id=run_id, task=task, item=item, fence=fence, owner=owner).fetchone() is not None


def keep_tries(conn: Connection, run_id: str, task: str) -> None:
    """Give the attempts of a task that were done at once rows of their own, before the task's row begins anew."""
    _KEEP_TRIES(conn, run_id=run_id, task=task)
