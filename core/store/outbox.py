"""What was told to whom: a cursor into the events for each outlet, and what it has said lately."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    CursorResult,
    Float,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    or_,
    select,
    text,
    update,
)

from .assignments import assignments
from .effects import approvals, ledger
from .tables import metadata, runs

outbox = Table(
    "outbox",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("cursor", BigInteger, nullable=False),
    Column("holder", String(40)),
    Column("held_until", Float, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("next_at", Float, nullable=False, server_default="0"),
    Column("error", Text),
)
# One matter of one outlet: when it was told last, and how often it happened since.
notices = Table(
    "notices",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("matter", String(500), primary_key=True),
    Column("told_at", Float, nullable=False),
    Column("count", Integer, nullable=False),
)
_ADD = text("INSERT INTO outbox (name, cursor) VALUES (:name, :cursor) ON CONFLICT DO NOTHING")
_TELL = text(
    "INSERT INTO notices (name, matter, told_at, count) VALUES (:name, :matter, :at, 0)"
    " ON CONFLICT (name, matter) DO UPDATE SET told_at = :at, count = 0"
)


def open_at(conn: Connection, name: str, cursor: int) -> int:
    """Give where an outlet goes on; a new one begins at `cursor`."""
    conn.execute(_ADD, {"name": name, "cursor": cursor})
    return int(conn.execute(select(outbox.c.cursor).where(outbox.c.name == name)).scalar_one())


def cursor(conn: Connection, name: str) -> int | None:
    found: int | None = conn.execute(select(outbox.c.cursor).where(outbox.c.name == name)).scalar()
    return found


def hold(conn: Connection, name: str, holder: str, *, now: float, until: float) -> int | None:
    """Take the right to send; give the cursor, None while another has it or it is too early."""
    free = or_(outbox.c.holder == holder, outbox.c.held_until <= now)
    query = update(outbox).where(outbox.c.name == name, free, outbox.c.next_at <= now)
    if not _count(conn, query.values(holder=holder, held_until=until)):
        return None
    return int(conn.execute(select(outbox.c.cursor).where(outbox.c.name == name)).scalar_one())


def keep(conn: Connection, name: str, holder: str, cursor: int) -> None:
    """Go on after an event, and let others send."""
    query = update(outbox).where(outbox.c.name == name, outbox.c.holder == holder, outbox.c.cursor <= cursor)
    conn.execute(query.values(cursor=cursor, held_until=0, failures=0, next_at=0, error=None))


def skip_to(conn: Connection, name: str, cursor: int) -> None:
    """Go on after events that are of no interest."""
    conn.execute(update(outbox).where(outbox.c.name == name, outbox.c.cursor < cursor).values(cursor=cursor))


def put_off(conn: Connection, name: str, holder: str, *, error: str, failures: int, next_at: float) -> None:
    query = update(outbox).where(outbox.c.name == name, outbox.c.holder == holder)
    conn.execute(query.values(held_until=0, failures=failures, next_at=next_at, error=error))


def failures(conn: Connection, name: str) -> int:
    return int(conn.execute(select(outbox.c.failures).where(outbox.c.name == name)).scalar() or 0)


def told_at(conn: Connection, name: str, matter: str) -> float | None:
    found: float | None = conn.execute(
        select(notices.c.told_at).where(notices.c.name == name, notices.c.matter == matter)
    ).scalar()
    return found


def tell(conn: Connection, name: str, matter: str, at: float) -> None:
    """Remember that it was told now."""
    conn.execute(_TELL, {"name": name, "matter": matter, "at": at})


def count(conn: Connection, name: str, matter: str) -> None:
    """Remember that it happened again and was not told."""
    query = update(notices).where(notices.c.name == name, notices.c.matter == matter)
    conn.execute(query.values(count=notices.c.count + 1))


def forget(conn: Connection, name: str, matter: str) -> None:
    conn.execute(delete(notices).where(notices.c.name == name, notices.c.matter == matter))


def told_before(conn: Connection, name: str, before: float) -> list[dict[str, Any]]:
    """List matters that were told before then."""
    query = select(notices.c.matter, notices.c.told_at, notices.c.count)
    query = query.where(notices.c.name == name, notices.c.told_at < before).order_by(notices.c.told_at).limit(100)
    return [dict(row) for row in conn.execute(query).mappings()]


def open_letters(conn: Connection, tool: str) -> int:
    """Count the writes of a tool whose outcome nobody knows."""
    query = select(func.count()).select_from(ledger).where(ledger.c.tool == tool)
    return int(conn.execute(query.where(text("state = 'unknown'"))).scalar_one())


def open_assignments(conn: Connection, agent: str) -> int:
    """Count what an agent has still to answer."""
    query = select(func.count()).select_from(assignments).where(assignments.c.agent == agent)
    return int(conn.execute(query.where(text("state = 'open'"))).scalar_one())


def open_approvals(conn: Connection, workflow: str) -> int:
    """Count the questions of a workflow's runs that wait."""
    query = select(func.count()).select_from(approvals.join(runs, runs.c.id == approvals.c.run_id))
    waits = approvals.c.state == "waiting"
    return int(conn.execute(query.where(runs.c.workflow == workflow, waits)).scalar_one())


def _count(conn: Connection, query: Any) -> int:
    return cast("CursorResult[Any]", conn.execute(query)).rowcount
