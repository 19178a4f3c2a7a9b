"""Assignments: tasks that were handed to an agent, each answered once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    insert,
    select,
    text,
    update,
)

from ..errors import InputError
from ..values import dump, load
from .ids import new_id
from .partial import partial_index
from .tables import metadata

assignments = Table(
    "assignments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("task", String(200), nullable=False),
    Column("item", Integer),
    Column("description", Text),
    Column("input", Text),
    Column("state", String(20), nullable=False),
    Column("assigned_at", Float, nullable=False),
    Column("due_at", Float),
    Column("answered_by", String(200)),
    Column("answered_at", Float),
    Column("output", Text),
    Column("error", Text),
)
Index("assignments_run", assignments.c.run_id)
partial_index(
    "assignments_open",
    assignments.c.agent,
    assignments.c.id,
    where="state = 'open'",
)
STATES = ("open", "done", "failed", "expired", "withdrawn")
Row = dict[str, Any]


def assign(conn: Connection, **row: Any) -> str:
    """Hand a task over and give the assignment's id."""
    assignment = new_id()
    conn.execute(insert(assignments).values(id=assignment, state="open", **row))
    return assignment


def find(conn: Connection, assignment: str, *, to_change: bool = False) -> Row:
    """Give an assignment as it is now; `to_change` keeps it so until the unit ends."""
    query = select(assignments).where(assignments.c.id == assignment)
    row = conn.execute(query.with_for_update() if to_change else query).mappings().first()
    if row is None:
        raise InputError(f"there is no assignment {assignment!r}", reason="not_found", next="see drawbar assignments")
    return _plain(row)


def page(
    conn: Connection, *, agent: str | None, state: str | None = "open", after: str | None = None, limit: int = 100
) -> list[Row]:
    """List assignments, oldest first."""
    query = select(assignments)
    if state == "open":
        query = query.where(text("state = 'open'"))  # bound, its partial index would not serve
    elif state is not None:
        query = query.where(assignments.c.state == state)
    if agent is not None:
        query = query.where(assignments.c.agent == agent)
    if after is not None:
        query = query.where(assignments.c.id > after)
    return [_plain(row) for row in conn.execute(query.order_by(assignments.c.id).limit(limit)).mappings()]


def end(
    conn: Connection,
    assignment: str,
    state: str,
    *,
    now: float,
    by: str | None = None,
    output: Any = None,
    error: str | None = None,
) -> None:
    """Close an open assignment; what is closed stays as it is."""
    still_open = and_(assignments.c.id == assignment, assignments.c.state == "open")
    said = {"answered_by": by, "answered_at": now, "error": error}
    conn.execute(
        update(assignments).where(still_open).values(state=state, output=None if error else dump(output), **said)
    )


def expire(conn: Connection, run_id: str, task: str, item: int | None, now: float) -> str | None:
    """Close the open assignment of a task when its time is over, and give its id."""
    same_item = assignments.c.item.is_(None) if item is None else assignments.c.item == item
    mine = and_(assignments.c.run_id == run_id, assignments.c.task == task, same_item, assignments.c.state == "open")
    over = and_(mine, assignments.c.due_at <= now)
    closing = update(assignments).where(over).values(state="expired", answered_at=now)
    found: str | None = conn.execute(closing.returning(assignments.c.id)).scalar()
    return found


def withdraw(conn: Connection, run_id: str, now: float) -> None:
    """Close the open assignments of a run that was cancelled."""
    mine = and_(assignments.c.run_id == run_id, assignments.c.state == "open")
    conn.execute(update(assignments).where(mine).values(state="withdrawn", answered_at=now))


def _plain(row: Any) -> Row:
    plain = dict(row)
    return {**plain, "input": load(plain["input"]), "output": load(plain["output"])}
