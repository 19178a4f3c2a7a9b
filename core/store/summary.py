"""What an operator asks first: how many runs in which state, and what waits for a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, text

from .assignments import assignments
from .effects import approvals, ledger
from .ledger import for_a_person
from .syncs import sync_runs
from .tables import runs, schedules


def live_runs(conn: Connection) -> list[dict[str, Any]]:
    """Count the runs that have not ended, by state, with when the oldest was made."""
    query = (
        select(runs.c.state, func.count().label("count"), func.min(runs.c.created_at).label("oldest"))
        .where(runs.c.finished_at.is_(None))
        .group_by(runs.c.state)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def ended_runs(conn: Connection, since: float) -> dict[str, int]:
    """Count the runs that ended since then, by state."""
    query = select(runs.c.state, func.count()).where(runs.c.finished_at >= since).group_by(runs.c.state)
    return dict(conn.execute(query).tuples().all())


def waiting_for_a_person(conn: Connection) -> dict[str, Any]:
    """Count open approvals, assignments and dead letters, with the oldest of each."""
    dead = select(func.count(), func.min(ledger.c.intent_at)).where(for_a_person())
    asked = select(func.count(), func.min(approvals.c.asked_at)).where(approvals.c.state == "waiting")
    given = select(func.count(), func.min(assignments.c.assigned_at)).where(text("state = 'open'"))
    return {
        "dead_letters": tuple(conn.execute(dead).one()),
        "approvals": tuple(conn.execute(asked).one()),
        "assignments": tuple(conn.execute(given).one()),
    }


def next_starts(conn: Connection, limit: int = 20) -> list[dict[str, Any]]:
    """Name what the clock starts next."""
    query = select(schedules.c.name, schedules.c.next_at).order_by(schedules.c.next_at).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def synced(conn: Connection, sync: str) -> tuple[float | None, bool]:
    """Say when a sync last ended well, and whether its last run failed."""
    of_it = select(sync_runs.c.finished_at, sync_runs.c.state).where(sync_runs.c.sync == sync)
    newest = of_it.order_by(sync_runs.c.id.desc()).limit(1)
    last = conn.execute(newest.where(sync_runs.c.finished_at.is_not(None))).first()
    well = conn.execute(newest.where(sync_runs.c.state == "succeeded")).first()
    return (None if well is None else well[0]), last is not None and last[1] == "failed"
