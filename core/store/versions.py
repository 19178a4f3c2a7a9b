"""What documents of the context were before: a row a version, written in the unit that replaced it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from ..values import dump, load
from .documents import Kept
from .statement import Statement
from .tables import document_versions as table

_KEEP = Statement(
    "INSERT INTO document_versions (scope, key, version, body, changed_at, changed_by)"
    " VALUES (:scope, :key, :version, :body, :changed_at, :changed_by) ON CONFLICT DO NOTHING"
)
_TRIM = Statement("DELETE FROM document_versions WHERE scope = :scope AND key = :key AND version < :first")
_OLD = Statement(
    "DELETE FROM document_versions WHERE (scope, key, version) IN (SELECT scope, key, version FROM document_versions"
    " WHERE changed_at < :before LIMIT 200)"
)


def keep(conn: Connection, scope: str, kept: Kept) -> None:
    """Keep a version; one that is kept stays as it is."""
    body = None if kept.deleted else dump(kept.value)
    said = {"scope": scope, "key": kept.key, "version": kept.version, "body": body}
    _KEEP(conn, **said, changed_at=kept.changed_at, changed_by=kept.by)


def trim(conn: Connection, scope: str, key: str, first: int) -> None:
    """Remove every version before this one."""
    _TRIM(conn, scope=scope, key=key, first=first)


def remove_old(conn: Connection, before: float) -> int:
    """Take one bite of the versions that were written before then; give how many."""
    return int(_OLD(conn, before=before).rowcount)


def find(conn: Connection, scope: str, key: str, version: int) -> Kept | None:
    here = (table.c.scope == scope, table.c.key == key, table.c.version == version)
    row = conn.execute(select(table).where(*here, table.c.body.is_not(None))).one_or_none()
    return None if row is None else _kept(row)


def page(conn: Connection, scope: str, key: str, *, before: int | None, limit: int) -> list[Kept]:
    """List versions, the newest first."""
    query = select(table).where(table.c.scope == scope, table.c.key == key)
    if before is not None:
        query = query.where(table.c.version < before)
    return [_kept(row) for row in conn.execute(query.order_by(table.c.version.desc()).limit(limit))]


def _kept(row: Row[Any]) -> Kept:
    key, body, version = row.key, row.body, row.version
    return Kept(key, load(body), version, row.changed_at, row.changed_by or "", deleted=body is None)
