"""Statements that are compiled once: the journal's hot path runs them on the driver, without SQLAlchemy's way per call."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, bindparam, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as sqlite_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

from . import line as lines

_VALUE = re.compile(r"%\((\w+)\)s|%%")
_AT_ONCE = 50


class Statement:
    """
    One statement; `statement(conn, name=value)` runs it and gives the driver's cursor (rows are plain tuples).

    Within a unit on PostgreSQL it is only asked: it leaves with the next one whose answer somebody looks at, or with the commit.
    Values go to the driver as they are: text, numbers, bytes and None only.
    """

    def __init__(self, clause: ClauseElement | str) -> None:
        self._clause = text(clause) if isinstance(clause, str) else clause
        self._texts: dict[str, str] = {}

    def __call__(self, conn: Connection, **values: Any) -> Any:
        if conn.dialect.name == "sqlite":  # whose driver makes the cursor in the same step
            sql, in_order = self._for_sqlite
            return conn.connection.dbapi_connection.execute(sql, in_order(values))  # type: ignore[union-attr]
        if (line := lines.line_of(conn)) is not None:
            return line.ask(self, values)
        cursor = conn.connection.cursor()
        cursor.execute(self._text(conn.dialect), values)
        return cursor

    def many(self, conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Run it once for each row of values."""
        if len(rows) == 1:
            self(conn, **rows[0])
            return
        if conn.dialect.name == "sqlite":
            sql, in_order = self._for_sqlite
            conn.connection.dbapi_connection.executemany(sql, map(in_order, rows))  # type: ignore[union-attr]
            return
        line = lines.line_of(conn)
        if line is not None and len(rows) <= _AT_ONCE:
            for row in rows:
                line.ask(self, row)
        elif rows:
            if line is not None:
                line.send()
            conn.connection.cursor().executemany(self._text(conn.dialect), rows)

    @cached_property
    def _for_sqlite(self) -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
        """The text for SQLite, and what puts values in its order: the driver is quicker with those than with names."""
        text, names = _numbered(self._clause, sqlite_dialect(paramstyle="pyformat"), "?")
        if len(names) > 1:
            return text, itemgetter(*names)
        return text, lambda values: tuple([values[name] for name in names])

    @cached_property
    def numbered(self) -> tuple[bytes, tuple[str, ...]]:
        """The text for PostgreSQL itself, and the names of what stands in it as $1, $2 and so on."""
        from sqlalchemy.dialects.postgresql import psycopg as of_postgres  # who has SQLite does without

        text, names = _numbered(self._clause, of_postgres.PGDialect_psycopg(), "$")  # type: ignore[no-untyped-call]
        return text.encode(), names

    def _text(self, dialect: Dialect) -> str:
        sql = self._texts.get(dialect.name)
        if sql is None:
            named = sqlite_dialect(paramstyle="named") if dialect.name == "sqlite" else dialect
            sql = self._texts[dialect.name] = str(self._clause.compile(dialect=named))
        return sql


def _numbered(clause: ClauseElement, dialect: Dialect, mark: str) -> tuple[str, tuple[str, ...]]:
    """Give a statement's text with numbers in place of names, and the names in their order."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return "%" if name is None else f"{mark}{names.setdefault(name, len(names) + 1)}"

    return _VALUE.sub(number, str(clause.compile(dialect=dialect))), tuple(names)


def insert(table: Table, *columns: str) -> Statement:
    """Give the statement that inserts a row of these columns."""
    return Statement(table.insert().values({column: bindparam(column) for column in columns}))


def surely(text: str) -> Statement:
    """Give a statement, for PostgreSQL, that fails as `line.UNTRUE` unless it finds a row; it returns what it changes."""
    return Statement(f"WITH found AS ({text}) SELECT 1 / COUNT(*) FROM found")
