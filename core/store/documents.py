"""The context's documents: every change is compare-and-set, inside one unit of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Row, select
from sqlalchemy.exc import IntegrityError

from ..errors import InputError
from ..values import load
from .statement import Statement
from .tables import documents, meta

_HIGHEST = "documents.highest"
_WRITE = Statement(
    "INSERT INTO documents (scope, key, body, version, created_at, updated_at, updated_by, bytes)"
    " VALUES (:scope, :key, :body, 0, :now, :now, :by, :bytes)"
    " ON CONFLICT (scope, key) DO UPDATE SET body = :body, version = documents.version + 1, updated_at = :now,"
    " updated_by = :by, bytes = :bytes RETURNING version"
)
_SIZES = Statement(
    "SELECT COALESCE(SUM(CASE WHEN key <> :key THEN bytes END), 0), COALESCE(SUM(CASE WHEN key = :key THEN bytes END), 0)"
    " FROM documents WHERE scope = :scope"
)
_SHOWN = ("key", "body", "version", "updated_at", "updated_by")


@dataclass(frozen=True, slots=True)
class Kept:
    key: str
    value: Any
    version: int
    changed_at: float
    by: str
    deleted: bool = False


def page(conn: Connection, scope: str, *, after: str | None, limit: int) -> list[Kept]:
    query = _select().where(documents.c.scope == scope).order_by(documents.c.key).limit(limit)
    return [_kept(row) for row in conn.execute(query if after is None else query.where(documents.c.key > after))]


def find(conn: Connection, scope: str, key: str, *, to_change: bool = False) -> Kept | None:
    """Give a document as it is now; `to_change` keeps it so until the unit ends."""
    query = _select().where(documents.c.scope == scope, documents.c.key == key)
    row = conn.execute(query.with_for_update() if to_change else query).one_or_none()
    return None if row is None else _kept(row)


def bodies(conn: Connection, scope: str, key: str | None) -> dict[str, str]:
    """Give the bodies of the context's documents of a scope, or the one of a key."""
    query = select(documents.c.key, documents.c.body).where(documents.c.scope == scope)
    if key is not None:
        query = query.where(documents.c.key == key)
    return {row[0]: row[1] for row in conn.execute(query)}


def add(conn: Connection, scope: str, key: str, body: str, *, by: str, now: float) -> int:
    """Make a document and give its version; InputError (stale) when there is one."""
    values = {"scope": scope, "key": key, "body": body, "version": 0, "created_at": now, "bytes": _bytes(body)}
    try:
        conn.execute(documents.insert().values(**values, updated_at=now, updated_by=by))
    except IntegrityError as error:
        raise InputError(f"there is already a document {scope}/{key}", reason="stale", next="read it first") from error
    # Read after the insert, which waited for whoever deleted the document in the same moment.
    version = _highest(conn) + 1
    conn.execute(documents.update().where(documents.c.scope == scope, documents.c.key == key).values(version=version))
    return version


def write(conn: Connection, scope: str, key: str, body: str, *, by: str, now: float) -> int:
    """Make a document or write its next version, whichever it is; give the version."""
    version: int = _WRITE(conn, scope=scope, key=key, body=body, by=by, now=now, bytes=_bytes(body)).fetchone()[0]
    if version:
        return version
    version = _highest(conn) + 1
    conn.execute(documents.update().where(documents.c.scope == scope, documents.c.key == key).values(version=version))
    return version


def change(conn: Connection, scope: str, key: str, body: str, *, seen: int, by: str, now: float) -> bool:
    """Write the next version of a document; False when it is no longer the version seen."""
    asked = (documents.c.scope == scope, documents.c.key == key, documents.c.version == seen)
    values = {"body": body, "version": seen + 1, "updated_at": now, "updated_by": by, "bytes": _bytes(body)}
    done = cast("CursorResult[Any]", conn.execute(documents.update().where(*asked).values(**values)))
    return done.rowcount == 1


def remove(conn: Connection, scope: str, key: str, *, seen: int) -> bool:
    """
    Delete a document; False when it is no longer the version seen.

    A document that is made later, under the same key too, has a higher version: who saw the old one cannot change the new.
    """
    asked = (documents.c.scope == scope, documents.c.key == key, documents.c.version == seen)
    done = cast("CursorResult[Any]", conn.execute(documents.delete().where(*asked)))
    if done.rowcount == 1:
        passed(conn, seen)
    return done.rowcount == 1


def passed(conn: Connection, version: int) -> None:
    """Remember that this version was deleted: what is made later has a higher one."""
    if (known := _highest(conn, to_change=True)) >= version:
        return
    if known == 0:
        conn.execute(meta.insert().values(name=_HIGHEST, value=str(version)))
    else:
        conn.execute(meta.update().where(meta.c.name == _HIGHEST).values(value=str(version)))


def sizes(conn: Connection, scope: str, key: str) -> tuple[int, int]:
    """Give the bytes of all other documents of a scope, and of this one."""
    others, own = _SIZES(conn, scope=scope, key=key).fetchone()
    return int(others), int(own)


def _bytes(body: str) -> int:
    return len(body.encode())


def _highest(conn: Connection, *, to_change: bool = False) -> int:
    """Give the highest version that was ever deleted."""
    query = select(meta.c.value).where(meta.c.name == _HIGHEST)
    return int(conn.execute(query.with_for_update() if to_change else query).scalar() or 0)


def _select() -> Any:
    return select(*(documents.c[name] for name in _SHOWN))


def _kept(row: Row[Any]) -> Kept:
    return Kept(row.key, load(row.body), row.version, row.updated_at, row.updated_by or "")
