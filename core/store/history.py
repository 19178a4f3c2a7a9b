"""What readers ask the journal: runs, tasks, attempts and events, as plain rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select, text

from .attempts import AT_ONCE, DONE_AT_ONCE
from .statement import Statement
from .tables import attempts, definitions, events, runs, task_runs

Row = dict[str, Any]
_NUMBER = text(
    "UPDATE events SET seq = fresh.seq FROM (SELECT id, nextval('events_numbers') AS seq FROM"
    " (SELECT id FROM events WHERE seq IS NULL ORDER BY id) AS waiting) AS fresh WHERE events.id = fresh.id"
)
_NUMBERER = 0x44726177  # any number that no one else locks
TRIES = (
    "SELECT run_id, task, item, fence, attempt, owner, state, error, notes, started_at, ended_at FROM attempts"
    f" UNION ALL {AT_ONCE} WHERE {DONE_AT_ONCE} AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.run_id = task_runs.run_id"
    " AND attempts.task = task_runs.task AND attempts.item = task_runs.item AND attempts.fence = 1)"
)
"""All attempts: those that have a row of their own, and those that succeeded at once, of which the task's row tells."""
_TRIES = Statement(f"SELECT * FROM ({TRIES}) AS tries WHERE run_id = :run_id ORDER BY ended_at")
_TRIES_AT = Statement(f"SELECT * FROM ({TRIES}) AS tries WHERE run_id = :run_id AND task = :task ORDER BY ended_at")
_TRY_COLUMNS = tuple(attempts.columns.keys())
_RUN = Statement(select(runs).where(runs.c.id == bindparam("of_id")))
_RUN_COLUMNS = tuple(runs.columns.keys())


def run(conn: Connection, run_id: str) -> Row | None:
    row = _RUN(conn, of_id=run_id).fetchone()
    return None if row is None else dict(zip(_RUN_COLUMNS, row, strict=True))


def runs_by(
    conn: Connection,
    *,
    state: str | None,
    workflow: str | None,
    key: str | None,
    since: float | None,
    q: str | None,
    parent: str | None,
    after: str | None,
    limit: int,
) -> list[Row]:
    """List runs, newest first; `after` is the id of the last one of the page before."""
    query = select(runs)
    for column, wanted in ((runs.c.state, state), (runs.c.workflow, workflow), (runs.c.key, key)):
        if wanted is not None:
            query = query.where(column == wanted)
    if parent is not None:
        query = query.where(runs.c.parent_run == parent)
    if since is not None:
        query = query.where(runs.c.created_at >= since)
    for word in (q or "").split():
        texts = (runs.c.id, runs.c.workflow, runs.c.key, runs.c.input, runs.c.error)
        query = query.where(or_(*(column.contains(word, autoescape=True) for column in texts)))
    if after is not None:
        query = query.where(runs.c.id < after)
    return [dict(row) for row in conn.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings()]


def definition_of(conn: Connection, run_id: str) -> str:
    query = select(definitions.c.body).join(runs, runs.c.definition == definitions.c.hash).where(runs.c.id == run_id)
    body: str = conn.execute(query).scalar_one()
    return body


def tasks_of(conn: Connection, run_id: str, *, items: bool, limit: int) -> list[Row]:
    mine = task_runs.c.run_id == run_id
    query = select(task_runs).where(mine if items else and_(mine, task_runs.c.item == -1))
    query = query.order_by(task_runs.c.task, task_runs.c.item).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def attempts_of(conn: Connection, run_id: str, task: str | None) -> list[Row]:
    found = _TRIES(conn, run_id=run_id) if task is None else _TRIES_AT(conn, run_id=run_id, task=task)
    return [dict(zip(_TRY_COLUMNS, row, strict=True)) for row in found.fetchall()]


def events_after(conn: Connection, after: int, limit: int, run_id: str | None, *, numbered: bool) -> list[Row]:
    """Give events by their public number; `numbered` where that is another than the row's own."""
    number = events.c.seq if numbered else events.c.id
    columns = (events.c[name] for name in ("run_id", "type", "task", "item", "body", "at"))
    query = select(number.label("number"), *columns).where(number > after).order_by(number).limit(limit)
    if run_id is not None:
        query = query.where(events.c.run_id == run_id)
    return [dict(row) for row in conn.execute(query).mappings()]


def last_event(conn: Connection, *, numbered: bool) -> int:
    return conn.execute(select(func.max(events.c.seq if numbered else events.c.id))).scalar() or 0


def has_unnumbered(conn: Connection) -> bool:
    return conn.execute(select(events.c.id).where(events.c.seq.is_(None)).limit(1)).first() is not None


def number_events(conn: Connection) -> None:
    """Give numbers to what is committed; one numberer at a time, so that none appears behind a reader."""
    conn.execute(select(func.pg_advisory_xact_lock(_NUMBERER)))
    conn.execute(_NUMBER)
