"""API keys: who they are for, until when, and never the key itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Float, String, Table, Text, and_, func, insert, select, update

from ..values import dump, load
from .tables import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("scopes", Text),  # null: all that its agent has
    Column("created_at", Float, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("revoked_by", String(200)),
    Column("used_at", Float),
)


def add(conn: Connection, **row: Any) -> None:
    scopes = row.pop("scopes")
    conn.execute(insert(api_keys).values(**row, scopes=None if scopes is None else dump(scopes)))


def find(conn: Connection, key_id: str) -> dict[str, Any] | None:
    row = conn.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    return None if row is None else {**row, "scopes": load(row["scopes"])}


def page(conn: Connection) -> list[dict[str, Any]]:
    """List every key, the oldest first."""
    rows = conn.execute(select(api_keys).order_by(api_keys.c.id)).mappings()
    return [{**row, "scopes": load(row["scopes"])} for row in rows]


def live(conn: Connection, now: float) -> int:
    """Count the keys that open something now."""
    usable = and_(api_keys.c.revoked_at.is_(None), (api_keys.c.expires_at.is_(None)) | (api_keys.c.expires_at > now))
    return int(conn.execute(select(func.count()).select_from(api_keys).where(usable)).scalar_one())


def revoke(conn: Connection, key_id: str, *, by: str, at: float) -> bool:
    """Close a key; false when it was closed already."""
    open_ = and_(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    return conn.execute(update(api_keys).where(open_).values(revoked_at=at, revoked_by=by)).rowcount > 0


def used(conn: Connection, key_id: str, at: float) -> None:
    conn.execute(update(api_keys).where(api_keys.c.id == key_id).values(used_at=at))
