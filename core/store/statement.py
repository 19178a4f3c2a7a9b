"""Statements that are compiled once: the journal's hot path runs them on the driver, without SQLAlchemy's way per call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as sqlite_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

LATER = "drawbar.later"
"""Under this name a connection keeps what its commit is to take with it."""
Late = tuple[str, dict[str, Any]]


class Statement:
    """
    One statement; `statement(conn, name=value)` runs it and gives the driver's cursor (rows are plain tuples).

    Values go to the driver as they are: text, numbers and None only.
    """

    def __init__(self, clause: ClauseElement | str) -> None:
        self._clause = text(clause) if isinstance(clause, str) else clause
        self._texts: dict[str, str] = {}

    def __call__(self, conn: Connection, **values: Any) -> Any:
        text = self._text(conn.dialect)
        if conn.dialect.name == "sqlite":  # whose driver makes the cursor in the same step
            return conn.connection.dbapi_connection.execute(text, values)  # type: ignore[union-attr]
        cursor = conn.connection.cursor()
        cursor.execute(text, values)
        return cursor

    def many(self, conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Run it once for each row of values."""
        if len(rows) == 1:
            self(conn, **rows[0])
        elif rows:
            conn.connection.cursor().executemany(self._text(conn.dialect), rows)

    def later(self, conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Run it once for each row of values, together with the commit where that saves waiting: this unit does not read it."""
        kept: list[Late] | None = None if conn.dialect.name == "sqlite" else conn.info.get(LATER)
        if kept is None:
            self.many(conn, rows)
        else:
            text = self._text(conn.dialect)
            kept.extend((text, row) for row in rows)

    def _text(self, dialect: Dialect) -> str:
        sql = self._texts.get(dialect.name)
        if sql is None:
            named = sqlite_dialect(paramstyle="named") if dialect.name == "sqlite" else dialect
            sql = self._texts[dialect.name] = str(self._clause.compile(dialect=named))
        return sql


def insert(table: Table, *columns: str) -> Statement:
    """Give the statement that inserts a row of these columns."""
    return Statement(table.insert().values({column: bindparam(column) for column in columns}))
