"""Who holds which task, and which tasks are due: the statements of leases, timers and the sweeper."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection

from .runs import LEASE_S
from .statement import Statement

_BATCH = 100

Place = tuple[str, str, int, int]
"""Run, task, item and fence of a claim."""


class Lapsed(NamedTuple):
    """A claim whose lease is over."""

    run_id: str
    task: str
    item: int
    fence: int
    attempt: int
    intent: str | None
    effect: str | None
    started_at: float | None
    call_until: float | None
    owner: str | None


class Waiting(NamedTuple):
    """A task that waits, and whose time is over."""

    run_id: str
    task: str
    item: int
    kind: str
    approval: str | None


class Due(NamedTuple):
    """What a sweep finds. `full` says that there may be more of it."""

    lapsed: list[Lapsed]
    delayed: list[tuple[str, str, int]]
    waiting: list[Waiting]
    ready: bool
    next_at: float | None

    @property
    def full(self) -> bool:
        return _BATCH in {len(self.lapsed), len(self.delayed), len(self.waiting)}


# States stand here as literals, so that their partial indexes serve: bound, they scanned.
_LAPSED = Statement(
    "SELECT run_id, task, item, fence, attempt, intent, effect, started_at, call_until, owner FROM task_runs"
    f" WHERE state = 'running' AND lease_until <= :now LIMIT {_BATCH}"
)
_DELAYED = Statement(
    f"SELECT run_id, task, item FROM task_runs WHERE state = 'delayed' AND due_at <= :now ORDER BY due_at LIMIT {_BATCH}"
)
_WAITING = Statement(
    "SELECT run_id, task, item, kind, approval FROM task_runs WHERE state = 'waiting' AND due_at <= :now"
    f" ORDER BY due_at LIMIT {_BATCH}"
)
_READY = Statement(
    "SELECT run_id, task, item FROM task_runs WHERE state = 'ready' AND due_at <= :now ORDER BY due_at LIMIT 1"
)
_NEXT = Statement(
    "SELECT MIN(due_at) FROM (SELECT MIN(due_at) AS due_at FROM task_runs WHERE state = 'delayed'"
    " UNION ALL SELECT MIN(due_at) FROM task_runs WHERE state = 'waiting') AS due"
)
_STILL = Statement(
    "SELECT 1 FROM task_runs WHERE run_id = :run_id AND task = :task AND item = :item AND state = 'running'"
    " AND fence = :fence AND lease_until <= :now"
)
_ANSWERED = Statement(
    "SELECT DISTINCT a.id FROM task_runs t JOIN approvals a ON a.id = t.approval"
    " WHERE t.state = 'waiting' AND t.approval IS NOT NULL AND a.state <> 'waiting' LIMIT 100"
)
_SETTLED = Statement(
    "SELECT l.id FROM task_runs t JOIN ledger l ON l.id = t.intent"
    " WHERE t.state = 'parked' AND l.state IN ('done', 'not_done') LIMIT 100"
)
_OF_INTENT = Statement("SELECT run_id, task, item FROM task_runs WHERE intent = :intent AND state = 'parked'")
_OF_APPROVAL = Statement(
    "SELECT run_id, task, item, kind FROM task_runs WHERE approval = :approval AND state = 'waiting'"
)
_RENEW = Statement(
    "UPDATE task_runs SET lease_until = :until WHERE run_id = :run_id AND task = :task AND item = :item"
    " AND fence = :fence AND state = 'running' AND lease_until > :now"
)
_MINE = Statement("SELECT run_id, task, item, fence FROM task_runs WHERE state = 'running' AND owner = :owner")
_RELEASE = Statement(
    "UPDATE task_runs SET lease_until = 0 WHERE run_id = :run_id AND task = :task AND item = :item AND fence = :fence"
    " AND state = 'running'"
)
_OWNERS = Statement("SELECT DISTINCT owner FROM task_runs WHERE state = 'running' AND lease_until > :now")
_RELEASE_ALL = Statement(
    "UPDATE task_runs SET lease_until = 0 WHERE state = 'running' AND owner = :owner AND lease_until > 0"
)


def due(conn: Connection, now: float) -> Due:
    """Look for everything whose time has come."""
    return Due(
        [Lapsed(*row) for row in _LAPSED(conn, now=now).fetchall()],
        _DELAYED(conn, now=now).fetchall(),
        [Waiting(*row) for row in _WAITING(conn, now=now).fetchall()],
        oldest_ready(conn, now) is not None,
        _NEXT(conn).fetchone()[0],
    )


def oldest_ready(conn: Connection, now: float) -> tuple[str, str, int] | None:
    """Give the task that has been ready for longest."""
    row: tuple[str, str, int] | None = _READY(conn, now=now).fetchone()
    return row


def is_lapsed(conn: Connection, place: Place, now: float) -> bool:
    return _STILL(conn, **_named(place), now=now).fetchone() is not None


def answered(conn: Connection) -> list[str]:
    """Name approvals that were answered and whose task waits all the same."""
    return [row[0] for row in _ANSWERED(conn).fetchall()]


def settled(conn: Connection) -> list[str]:
    """Name ledger entries that were settled and whose task is parked all the same."""
    return [row[0] for row in _SETTLED(conn).fetchall()]


def parked_by(conn: Connection, intent: str) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = _OF_INTENT(conn, intent=intent).fetchall()
    return found


def waiting_for(conn: Connection, approval: str) -> list[tuple[str, str, int, str]]:
    found: list[tuple[str, str, int, str]] = _OF_APPROVAL(conn, approval=approval).fetchall()
    return found


def renew(conn: Connection, places: Any, now: float) -> list[Place]:
    """Renew leases that are not over; give those that were renewed."""
    return [place for place in places if _RENEW(conn, **_named(place), now=now, until=now + LEASE_S).rowcount]


def held_by(conn: Connection, owner: str) -> set[Place]:
    return {(row[0], row[1], row[2], row[3]) for row in _MINE(conn, owner=owner).fetchall()}


def release(conn: Connection, places: Any) -> None:
    """End leases at once."""
    for place in places:
        _RELEASE(conn, **_named(place))


def owners(conn: Connection, now: float) -> list[str]:
    return [row[0] for row in _OWNERS(conn, now=now).fetchall() if row[0]]


def release_all_of(conn: Connection, owner: str) -> None:
    _RELEASE_ALL(conn, owner=owner)


def _named(place: Place) -> dict[str, Any]:
    return dict(zip(("run_id", "task", "item", "fence"), place, strict=True))
