"""
Removing what is old, in small bites.

Ids sort by the time they were made, so every walk follows a primary key from one end and needs no index of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, select

from . import aside
from . import line as lines
from .definitions import registrations
from .events import AUDIT
from .statement import Statement, surely
from .tables import definitions, meta, runs

BITE = 500
_AUDIT = ", ".join(f"'{one}'" for one in sorted(AUDIT))
_NOT_THE_NEWEST = "id < (SELECT MAX(id) FROM events)"
"""Its number, and with it those before, is never given again."""
_REMOVING = "removing:"
_HAS_DEFINITION = Statement("SELECT 1 FROM definitions WHERE hash = :hash")
_HAS_IT_SURELY = surely("SELECT 1 FROM definitions WHERE hash = :hash")
_SEEN: set[str] = set()
"""Definitions that this process has met: they are mostly there still."""
_RUNS = Statement("SELECT id, finished_at FROM runs WHERE id > :after AND id < :before ORDER BY id LIMIT :most")
_RUN = Statement(
    "DELETE FROM runs WHERE id = :id AND finished_at < :cutoff"
    " AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.run_id = :id AND ledger.state IN ('intent', 'unknown'))"
    " AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.run_id = :id AND ledger.dead = 1 AND ledger.dropped = 0"
    " AND ledger.state <> 'done')"
    " AND NOT EXISTS (SELECT 1 FROM runs parent WHERE parent.id = runs.parent_run"
    " AND (parent.finished_at IS NULL OR parent.finished_at >= :cutoff))"
)
_PARTS = tuple(
    Statement(
        f"DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} WHERE run_id = :id{more} LIMIT {BITE})"
    )
    for table, keys, more in (
        ("attempts", "run_id, task, item, fence", ""),
        ("items", "run_id, task, item", ""),
        ("task_runs", "run_id, task, item", ""),
        ("approvals", "id", ""),
        ("assignments", "id", ""),
        ("agent_steps", "run_id, task, item, no", ""),
        ("events", "id", f" AND type NOT IN ({_AUDIT}) AND {_NOT_THE_NEWEST}"),
    )
)
_PIECES = Statement(
    "DELETE FROM claim_pieces WHERE (claim, piece) IN (SELECT p.claim, p.piece FROM claim_pieces p"
    f" JOIN claims c ON c.id = p.claim WHERE c.run_id = :id LIMIT {aside.BITE})"
)
_CLAIMS = Statement(
    "DELETE FROM claims WHERE run_id = :id AND NOT EXISTS (SELECT 1 FROM claim_pieces p WHERE p.claim = claims.id)"
)
_EVENTS = Statement("SELECT id, run_id, type, at FROM events WHERE id > :after ORDER BY id LIMIT :most")
_EVENT = Statement(f"DELETE FROM events WHERE id = :id AND {_NOT_THE_NEWEST}")
_LEDGER = Statement(
    "SELECT id, state, outcome_at, settled_by, dropped, run_id FROM ledger WHERE id > :after AND id < :before"
    " ORDER BY id LIMIT :most"
)
_ENTRY = Statement(
    "DELETE FROM ledger WHERE id = :id AND state NOT IN ('intent', 'unknown')"
    " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = ledger.run_id)"
)
_SYNC_RUNS = Statement(
    "DELETE FROM sync_runs WHERE id IN (SELECT id FROM sync_runs old WHERE old.id < :before AND old.state <> 'running'"
    " AND old.finished_at < :cutoff"
    " AND EXISTS (SELECT 1 FROM sync_runs last WHERE last.sync = old.sync AND last.id > old.id) LIMIT 200)"
)
_CODES = Statement("DELETE FROM codes WHERE code IN (SELECT code FROM codes WHERE expires_at < :now LIMIT 200)")

Row = tuple[Any, ...]


def has_definition(conn: Connection, digest: str) -> bool:
    line = lines.line_of(conn)
    if line is not None and line.trusts and digest in _SEEN:
        _HAS_IT_SURELY(conn, hash=digest)
        return True
    _SEEN.add(digest)
    return _HAS_DEFINITION(conn, hash=digest).fetchone() is not None


def old_runs(conn: Connection, after: str, before: str) -> list[Row]:
    """Walk over runs that were made before an id: id and when they ended."""
    found: list[Row] = _RUNS(conn, after=after, before=before, most=BITE).fetchall()
    return found


def remove_run(conn: Connection, run_id: str, cutoff: float) -> None:
    """Remove a run that ended before then, with all that belongs to it; the rest of a large one is left for `unfinished`."""
    if _RUN(conn, id=run_id, cutoff=cutoff).rowcount and not remove_parts(conn, run_id):
        conn.execute(meta.insert().values(name=f"{_REMOVING}{run_id}", value=run_id))


def remove_parts(conn: Connection, run_id: str) -> bool:
    """Take one bite of what belonged to a run; true when nothing is left."""
    done: bool = _PIECES(conn, id=run_id).rowcount < aside.BITE
    if done:
        _CLAIMS(conn, id=run_id)
        done = max(part(conn, id=run_id).rowcount for part in _PARTS) < BITE
    if done:
        conn.execute(delete(meta).where(meta.c.name == f"{_REMOVING}{run_id}"))
    return done


def unfinished(conn: Connection) -> list[str]:
    """Name runs that are gone and of which something is left."""
    query = select(meta.c.value).where(meta.c.name.like(f"{_REMOVING}%"))
    return list(conn.execute(query).scalars())


def events_from(conn: Connection, after: int) -> list[Row]:
    """Walk over events: id, run, type and when."""
    found: list[Row] = _EVENTS(conn, after=after, most=BITE).fetchall()
    return found


def remove_event(conn: Connection, number: int) -> None:
    _EVENT(conn, id=number)


def old_entries(conn: Connection, after: str, before: str) -> list[Row]:
    """Walk over the ledger: id, state, when it ended, who settled it, whether it was dropped, and its run."""
    found: list[Row] = _LEDGER(conn, after=after, before=before, most=BITE).fetchall()
    return found


def remove_entry(conn: Connection, entry: str) -> None:
    """Remove an entry that is not open and whose run is gone."""
    _ENTRY(conn, id=entry)


def remove_sync_runs(conn: Connection, before: str, cutoff: float) -> int:
    """Remove runs of syncs that ended before then, never the last of a sync; give how many."""
    return int(_SYNC_RUNS(conn, before=before, cutoff=cutoff).rowcount)


def remove_codes(conn: Connection, now: float) -> int:
    return int(_CODES(conn, now=now).rowcount)


def unused_definitions(conn: Connection) -> list[str]:
    """Name definitions that no run and nothing registered names; goes over all runs, so it is for reading alone."""
    used = set(conn.execute(select(runs.c.definition).distinct()).scalars())
    used |= set(conn.execute(select(registrations.c.hash).where(registrations.c.hash.is_not(None))).scalars())
    return [one for one in conn.execute(select(definitions.c.hash)).scalars() if one not in used]


def remove_definitions(conn: Connection, unused: Collection[str], since: str) -> None:
    """Remove those that no run made after an id, and nothing registered, has come to name since they were looked at."""
    young = set(conn.execute(select(runs.c.definition).where(runs.c.id > since).distinct()).scalars())
    young |= set(conn.execute(select(registrations.c.hash).where(registrations.c.hash.in_(unused))).scalars())
    conn.execute(delete(definitions).where(definitions.c.hash.in_([one for one in unused if one not in young])))
