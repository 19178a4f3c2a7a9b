"""Runs of one key, of which one at a time goes on: who holds it, and who is next."""

from __future__ import annotations

from sqlalchemy import Connection

from .runs import lock
from .statement import Statement
from .tables import VERSION

_QUEUED = Statement(
    "SELECT id FROM runs WHERE key = :key AND workflow = :workflow AND state = 'queued' AND finished_at IS NULL"
    " ORDER BY id LIMIT 1"
)
_HOLD_KEY = Statement("UPDATE runs SET key_held = :held, state = 'running', started_at = :wall WHERE id = :id")
_LOCK_KEY = Statement("SELECT pg_advisory_xact_lock(hashtextextended(:held, 0))")
_LEFT_QUEUED = Statement(
    "SELECT DISTINCT q.workflow, q.key FROM runs q WHERE q.state = 'queued' AND q.finished_at IS NULL"
    f" AND q.journal_version <= {VERSION}"
    " AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.key_held = q.workflow || :between || q.key) LIMIT 100"
)
_KEY_IS_HELD = Statement("SELECT 1 FROM runs WHERE key_held = :held")


def next_run(conn: Connection, workflow: str, key: str) -> str | None:
    """Give the oldest run that waits for a key, locked."""
    while (row := _QUEUED(conn, workflow=workflow, key=key).fetchone()) is not None:
        found = lock(conn, row[0])
        if found is not None and found[1] == "queued" and found[3] is None:
            return str(row[0])  # else it was cancelled while we waited for its lock
    return None


def left(conn: Connection, between: str) -> list[tuple[str, str]]:
    """Give workflow and key of runs that wait for a key which nobody holds; `between` the two in a held key."""
    rows: list[tuple[str, str]] = _LEFT_QUEUED(conn, between=between).fetchall()
    return rows


def lock_key(conn: Connection, held: str) -> str:
    """
    Let one unit at a time look who holds a key and change it; give the key.

    Without it a run that queues behind one that is just ending would wait for ever.
    """
    if conn.dialect.name != "sqlite":
        _LOCK_KEY(conn, held=held)
    return held


def hold(conn: Connection, run_id: str, held: str, wall: float) -> None:
    _HOLD_KEY(conn, id=run_id, held=held, wall=wall)


def is_held(conn: Connection, held: str) -> bool:
    return _KEY_IS_HELD(conn, held=held).fetchone() is not None
