"""First answers to requests that carry an Idempotency-Key; one that is still worked on has no status."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from ..values import dump, load
from .tables import metadata

http_answers = Table(
    "http_answers",
    metadata,
    Column("caller", String(200), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("began_at", Float, nullable=False),
    Column("until", Float, nullable=False),  # nobody works on it any longer, or its answer may be forgotten
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
)
Index("http_answers_until", http_answers.c.until)


def begin(conn: Connection, caller: str, key: str, hash_: str, *, now: float, until: float) -> dict[str, Any] | None:
    """Take the key, and give None; or give what it was taken for."""
    conn.execute(delete(http_answers).where(http_answers.c.until < now))
    if (found := find(conn, caller, key, now=now, to_change=True)) is not None:
        return found
    conn.execute(insert(http_answers).values(caller=caller, key=key, hash=hash_, began_at=now, until=until))
    return None


def find(conn: Connection, caller: str, key: str, *, now: float, to_change: bool = False) -> dict[str, Any] | None:
    """Give what a key was taken for, without taking it."""
    mine = (http_answers.c.caller == caller, http_answers.c.key == key, http_answers.c.until >= now)
    asked = select(http_answers).where(*mine)
    row = conn.execute(asked.with_for_update() if to_change else asked).mappings().first()
    return None if row is None else {**row, "headers": load(row["headers"])}


def keep(
    conn: Connection, caller: str, key: str, *, status: int, headers: dict[str, str], body: bytes, until: float
) -> None:
    mine = (http_answers.c.caller == caller, http_answers.c.key == key)
    conn.execute(update(http_answers).where(*mine).values(status=status, headers=dump(headers), body=body, until=until))


def free(conn: Connection, caller: str, key: str) -> None:
    """Forget a request that had no final answer, so that it may be tried again."""
    mine = (http_answers.c.caller == caller, http_answers.c.key == key, http_answers.c.status.is_(None))
    conn.execute(delete(http_answers).where(*mine))
