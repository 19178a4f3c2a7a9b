"""Lines to systems that are left alone, as all processes of a state see them. A line without a row is sound."""

from __future__ import annotations

from sqlalchemy import Connection

from .statement import Statement

Row = tuple[str, int, int, float, float | None, str, float]
"""Name, failures, how often it opened, until when nothing is let through, until when one tries, the last error, since when."""

_ROWS = Statement("SELECT name, failures, opened, until, trying, error, since FROM breakers")
_ROW = Statement("SELECT name, failures, opened, until, trying, error, since FROM breakers WHERE name = :name")
_PUT = Statement(
    "INSERT INTO breakers (name, failures, opened, until, trying, error, since)"
    " VALUES (:name, :failures, :opened, :until, NULL, :error, :since)"
    " ON CONFLICT (name) DO UPDATE SET failures = :failures, opened = :opened, until = :until, trying = NULL, error = :error"
)
_TRY = Statement(
    "UPDATE breakers SET trying = :trying WHERE name = :name AND until <= :now AND (trying IS NULL OR trying <= :now)"
)
_UNTRY = Statement("UPDATE breakers SET trying = NULL WHERE name = :name")
_DROP = Statement("DELETE FROM breakers WHERE name = :name")


def rows(conn: Connection) -> list[Row]:
    return [tuple(row) for row in _ROWS(conn).fetchall()]


def find(conn: Connection, name: str) -> Row | None:
    row = _ROW(conn, name=name).fetchone()
    return None if row is None else tuple(row)


def put(conn: Connection, name: str, *, failures: int, opened: int, until: float, error: str, since: float) -> None:
    """Leave a line alone until then; since when it is down stays as the first one said."""
    _PUT(conn, name=name, failures=failures, opened=opened, until=until, error=error, since=since)


def take_try(conn: Connection, name: str, *, now: float, until: float) -> bool:
    """Take the one try of a line whose time is over; False when another process has it, or the line is not down."""
    return bool(_TRY(conn, name=name, now=now, trying=until).rowcount)


def give_try_back(conn: Connection, name: str) -> None:
    _UNTRY(conn, name=name)


def drop(conn: Connection, name: str) -> None:
    _DROP(conn, name=name)
