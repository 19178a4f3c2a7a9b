"""Who holds which task, and which tasks are due: the statements of leases, timers and the sweeper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, text

from .runs import LEASE_S
from .statement import Statement
from .tables import VERSION, task_runs

_BATCH = 100
_UNHURRIED = Statement("SET LOCAL synchronous_commit = off")
Queue = str | None
"""The name of a queue that systems are pinned to; None is the default queue."""

Place = tuple[str, str, int, int]
"""Run, task, item and fence of a claim."""


def unhurried(conn: Connection) -> None:
    """Let the commit of this unit not wait for the disk of PostgreSQL: a crash of the server may undo it."""
    if conn.dialect.name == "postgresql":
        _UNHURRIED(conn)


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
    lease_until: float

    @property
    def dead(self) -> bool:
        """Its process is known to be gone: its call cannot leave any more."""
        return self.lease_until == 0


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


# Runs of newer programs are left to them. A subquery and no join: so the plan is that of the task's index, then of a key.
_OURS = f"(SELECT journal_version FROM runs WHERE runs.id = run_id) <= {VERSION}"
# States stand here as literals, so that their partial indexes serve: bound, they scanned.
_LAPSED = Statement(
    "SELECT run_id, task, item, fence, attempt, intent, effect, started_at, call_until, owner, lease_until"
    " FROM task_runs"
    f" WHERE state = 'running' AND lease_until <= :now AND {_OURS} LIMIT {_BATCH}"
)
_DELAYED = Statement(
    f"SELECT run_id, task, item FROM task_runs WHERE state = 'delayed' AND due_at <= :now AND {_OURS}"
    f" ORDER BY due_at LIMIT {_BATCH}"
)
_WAITING = Statement(
    f"SELECT run_id, task, item, kind, approval FROM task_runs WHERE state = 'waiting' AND due_at <= :now AND {_OURS}"
    f" ORDER BY due_at LIMIT {_BATCH}"
)
# The default queue is no name at all: spelled as an empty one, one index serves all queues.
_ON_QUEUE = "COALESCE({0}queue, '') = :queue"
_READY = Statement(
    "SELECT run_id, task, item, due_at FROM task_runs"
    f" WHERE state = 'ready' AND {_ON_QUEUE.format('')} AND due_at <= :now AND {_OURS} ORDER BY due_at LIMIT 1"
)
# The run's row first, as everywhere: who works on a run has it, and others look for another run.
_FREE = Statement(
    "SELECT t.run_id, t.task, t.item FROM task_runs t JOIN runs r ON r.id = t.run_id"
    f" WHERE t.state = 'ready' AND {_ON_QUEUE.format('t.')} AND t.due_at <= :now AND r.journal_version <= {VERSION}"
    " ORDER BY t.due_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED"
)
_PUT_OFF = Statement(
    "UPDATE task_runs SET due_at = :due_at WHERE run_id = :run_id AND task = :task AND item = :item AND state = 'ready'"
)
# Later each time. The task may be claimed meanwhile all the same: `due_at` of a ready task only says when to ring.
_RING_AGAIN = Statement(
    "UPDATE task_runs SET rings = rings + 1, due_at = :now + LEAST(30, power(2, LEAST(rings, 10)))"
    " WHERE state = 'ready' AND (run_id, task, item) IN (SELECT run_id, task, item FROM task_runs"
    f" WHERE state = 'ready' AND {_ON_QUEUE.format('')} AND due_at <= :now - 1 ORDER BY due_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED)"
    " RETURNING run_id, task, item"
)
_NEXT = Statement(
    "SELECT MIN(due_at) FROM (SELECT due_at FROM"
    f" (SELECT due_at FROM task_runs WHERE state = 'delayed' AND due_at > 0 AND {_OURS} ORDER BY due_at LIMIT 1) AS d"
    " UNION ALL SELECT due_at FROM"
    f" (SELECT due_at FROM task_runs WHERE state = 'waiting' AND due_at > 0 AND {_OURS} ORDER BY due_at LIMIT 1) AS w"
    ") AS due"
)
_STILL = Statement(
    select(task_runs.c.attempt, task_runs.c.intent, task_runs.c.effect, task_runs.c.call_until)
    .where(*(task_runs.c[name] == bindparam(name) for name in ("run_id", "task", "item", "fence")))
    .where(text("state = 'running'"), task_runs.c.lease_until <= bindparam("now"))
    .with_for_update()
)
_ANSWERED = Statement(
    "SELECT DISTINCT a.id FROM task_runs t JOIN approvals a ON a.id = t.approval"
    f" WHERE t.state = 'waiting' AND t.approval IS NOT NULL AND a.state <> 'waiting' AND {_OURS.replace('run_id', 't.run_id')} LIMIT 100"
)
_SETTLED = Statement(
    "SELECT l.id FROM task_runs t JOIN ledger l ON l.id = t.intent"
    f" WHERE t.state = 'parked' AND l.state IN ('done', 'not_done') AND {_OURS.replace('run_id', 't.run_id')} LIMIT 100"
)
_OF_INTENT = Statement(
    f"SELECT run_id, task, item FROM task_runs WHERE intent = :intent AND state = 'parked' AND {_OURS}"
)
_OF_APPROVAL = Statement(
    f"SELECT run_id, task, item, kind FROM task_runs WHERE approval = :approval AND state = 'waiting' AND {_OURS}"
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


def due(conn: Connection, now: float, queues: Sequence[Queue] = (None,)) -> Due:
    """Look for everything whose time has come; for what is ready only on these queues."""
    return Due(
        [Lapsed(*row) for row in _LAPSED(conn, now=now).fetchall()],
        _DELAYED(conn, now=now).fetchall(),
        [Waiting(*row) for row in _WAITING(conn, now=now).fetchall()],
        bool(with_ready(conn, now, queues)),
        _NEXT(conn).fetchone()[0],
    )


def with_ready(conn: Connection, now: float, queues: Sequence[Queue]) -> list[Queue]:
    """Name the queues that have something ready, first the one where it has been ready for longest."""
    found = [(row[3], queue) for queue in queues if (row := _READY(conn, now=now, queue=queue or "").fetchone())]
    return [queue for _, queue in sorted(found, key=lambda one: one[0])]


def _oldest_ready(conn: Connection, now: float, queue: Queue) -> tuple[str, str, int] | None:
    row = _READY(conn, now=now, queue=queue or "").fetchone()
    return None if row is None else (row[0], row[1], row[2])


def free(conn: Connection, now: float, queue: Queue = None) -> tuple[str, str, int] | None:
    """
    Give a task of a queue to claim, the one that has been ready for longest.

    On PostgreSQL its run is locked, and runs that others have locked are passed over while there are any else; the task may
    have been claimed a moment ago, so look at it once more.
    """
    if conn.dialect.name == "sqlite":
        return _oldest_ready(conn, now, queue)
    row: tuple[str, str, int] | None = _FREE(conn, now=now, queue=queue or "").fetchone()
    return row or _oldest_ready(conn, now, queue)


def put_off(conn: Connection, *, place: tuple[str, str, int], until: float) -> None:
    """Let a ready task wait behind all others for a while."""
    run_id, task, item = place
    _PUT_OFF(conn, run_id=run_id, task=task, item=item, due_at=until)


def ring_again(conn: Connection, now: float, queue: Queue = None) -> list[tuple[str, str, int]]:
    """Give tasks of a queue that have been ready for a while, and let each wait twice as long for its next ring."""
    places: list[tuple[str, str, int]] = _RING_AGAIN(conn, now=now, queue=queue or "").fetchall()
    return places


def still_lapsed(conn: Connection, lost: Lapsed, now: float) -> Lapsed | None:
    """Give a claim as it is by now, and let it stay so until the unit ends; None when its lease is not over any more."""
    row = _STILL(conn, **_named((lost.run_id, lost.task, lost.item, lost.fence)), now=now).fetchone()
    if row is None:
        return None
    return lost._replace(attempt=row[0], intent=row[1], effect=row[2], call_until=row[3])


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
