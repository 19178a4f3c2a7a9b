"""What takes no new work, since when and by whom; and whether the disk is too full for new runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, select, text, update

from .statement import Statement
from .tables import meta, metadata

# A hold that is over stays for a moment, until every task that waits for it was told.
holds = Table(
    "holds",
    metadata,
    Column("target", String(300), primary_key=True),
    Column("name", String(300), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("held_by", String(200), nullable=False),
    Column("reason", Text),
    Column("since", Float, nullable=False),
    Column("until", Float),
    Column("over_at", Float),
)
_SHOWN = ("target", "name", "kind", "held_by", "reason", "since", "until")
_PUT = text(
    "INSERT INTO holds (target, name, kind, held_by, reason, since, until, over_at)"
    " VALUES (:target, :name, :kind, :held_by, :reason, :since, :until, :over_at)"
    " ON CONFLICT (target) DO UPDATE SET held_by = :held_by, reason = :reason, since = :since, until = :until, over_at = NULL"
)
_FIRST_WORD = text("INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")
# A task that waits keeps the target in its error; `state` is a literal, so that the partial index serves.
_WAKE = Statement(
    "UPDATE task_runs SET due_at = :now WHERE (run_id, task, item) IN (SELECT run_id, task, item FROM task_runs"
    " WHERE state = 'delayed' AND due_at > :now AND error LIKE :mark LIMIT 200)"
)


def put(conn: Connection, row: dict[str, Any]) -> None:
    """Enter a hold; a second one of the same target replaces the first."""
    conn.execute(_PUT, {"over_at": None, **row})


def live(conn: Connection) -> list[dict[str, Any]]:
    query = select(*(holds.c[name] for name in _SHOWN)).where(holds.c.over_at.is_(None)).order_by(holds.c.target)
    return [dict(row) for row in conn.execute(query).mappings()]


def end(conn: Connection, target: str, now: float) -> bool:
    """Let it go; false when somebody else did."""
    query = update(holds).where(holds.c.target == target, holds.c.over_at.is_(None)).values(over_at=now)
    return conn.execute(query).rowcount == 1


def over(conn: Connection) -> list[tuple[str, float]]:
    """Name what is no longer held and when that was."""
    query = select(holds.c.target, holds.c.over_at).where(holds.c.over_at.is_not(None))
    return [(row[0], row[1]) for row in conn.execute(query)]


def forget(conn: Connection, target: str) -> None:
    conn.execute(delete(holds).where(holds.c.target == target, holds.c.over_at.is_not(None)))


def wake(conn: Connection, target: str, now: float) -> bool:
    """Let tasks go on that wait for this target, so many at a time; true when there may be more."""
    return bool(_WAKE(conn, now=now, mark=f'%"held":"{target}"%').rowcount)


def word(conn: Connection, name: str) -> str | None:
    """Give what all processes remember under a name."""
    found: str | None = conn.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    return found


def first_word(conn: Connection, name: str, value: str) -> None:
    """Remember a word unless there is one."""
    conn.execute(_FIRST_WORD, {"name": name, "value": value})


def turned(conn: Connection, name: str, value: str) -> str | None:
    """Remember a word; give the one before, None when it is the first or the same."""
    before = word(conn, name)
    if before is None:
        conn.execute(_FIRST_WORD, {"name": name, "value": value})
    elif before != value:
        conn.execute(update(meta).where(meta.c.name == name).values(value=value))
    return None if before == value else before
