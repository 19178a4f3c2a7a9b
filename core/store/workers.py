"""The processes that work on this journal, and what waits for which of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, text

from ..values import dump, load
from .statement import Statement
from .tables import task_runs, workers

_SEEN = Statement(
    "INSERT INTO workers (id, host, pid, started_at, seen_at, queues)"
    " VALUES (:id, :host, :pid, :started_at, :now, :queues)"
    " ON CONFLICT (id) DO UPDATE SET seen_at = :now, queues = :queues"
)
_GONE = Statement("DELETE FROM workers WHERE id = :id")
_FORGET = Statement("DELETE FROM workers WHERE seen_at < :since OR seen_at > :now + 60")


def seen(conn: Connection, *, id: str, host: str, pid: int, started_at: float, queues: list[str], now: float) -> None:  # noqa: A002
    _SEEN(conn, id=id, host=host, pid=pid, started_at=started_at, queues=dump(queues), now=now)


def gone(conn: Connection, id: str) -> None:  # noqa: A002 - the column's name
    _GONE(conn, id=id)


def forget(conn: Connection, *, since: float, now: float) -> None:
    """Forget who was last seen before then."""
    _FORGET(conn, since=since, now=now)


def alive(conn: Connection, *, since: float) -> list[dict[str, Any]]:
    """List who was seen since then, with the queues that each serves."""
    found = conn.execute(select(workers).where(workers.c.seen_at >= since).order_by(workers.c.id)).mappings()
    return [{**row, "queues": load(row["queues"]) or []} for row in found]


def ready(conn: Connection) -> list[tuple[str | None, int, float]]:
    """Count what is ready on each queue, with since when the oldest waits."""
    query = (
        select(task_runs.c.queue, func.count(), func.min(task_runs.c.due_at))
        .where(text("state = 'ready'"))
        .group_by(task_runs.c.queue)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(query)]
