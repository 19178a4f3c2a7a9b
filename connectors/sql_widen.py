"""Columns of a table as a sync compares them, and new ones for a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateColumn

from ..core.errors import ConfigError
from ..core.syncs.drift import Field
from .sql import Database
from .sql_model import Column, Table

_MYSQL = frozenset({"mysql", "mariadb"})
_WITH_UUID = frozenset({"postgresql", "mssql"})
_TYPES: dict[str, Callable[[Field, str], Any]] = {
    "integer": lambda *_: sa.Integer(),
    "bigint": lambda *_: sa.BigInteger(),
    "decimal": lambda field, _: sa.Numeric(field.precision, field.scale),
    "float": lambda *_: sa.DOUBLE_PRECISION(),
    "boolean": lambda *_: sa.Boolean(),
    "text": lambda field, _: sa.Text() if field.length is None else sa.String(field.length),
    "date": lambda *_: sa.Date(),
    "time": lambda _, dialect: mysql.TIME(fsp=6) if dialect in _MYSQL else sa.Time(),
    "timestamp": lambda _, dialect: mysql.DATETIME(fsp=6) if dialect in _MYSQL else sa.DateTime(),
    "timestamptz": lambda _, dialect: mysql.DATETIME(fsp=6) if dialect in _MYSQL else sa.DateTime(timezone=True),
    "bytes": lambda *_: sa.LargeBinary(),
    "json": lambda *_: sa.JSON(),
    "uuid": lambda _, dialect: sa.Uuid() if dialect in _WITH_UUID else sa.String(36),
}

_DIGITS = {"mysql": 65, "mariadb": 65, "firebird": 18, "mssql": 38, "oracle": 38, "db2": 31}
"""Of the databases whose decimals have bounds, always."""
_ABSENT: dict[str, frozenset[str]] = {"firebird": frozenset({"json"})}


def fields_of(table: Table) -> list[Field]:
    return [Field(one.name, one.kind, one.length, one.precision, one.scale) for one in table.columns]


def add_columns(database: Database, table: Table, fields: Sequence[Field]) -> None:
    """
    Give a table columns that may be NULL; one that another run has just added is no error.

    ConfigError, and nothing is added, where the database has no type that keeps every value of the source's.
    """
    preparer = database.engine.dialect.identifier_preparer
    name = preparer.quote(table.name)
    full = f"{preparer.quote_schema(table.schema)}.{name}" if table.schema else name
    made = [(field.name, _made(database, table, field)) for field in fields]
    for column, ddl in made:
        with database.unit("write") as connection:
            known = {one["name"] for one in sa.inspect(connection).get_columns(table.name, schema=table.schema)}
            if column not in known:
                # Without the word COLUMN, which Firebird, Oracle and SQL Server do not take; DDL, as Firebird counts no rows of it.
                text = f"ALTER TABLE {full} ADD {ddl}".replace("%", "%%")
                connection.execute(sa.DDL(text))  # type: ignore[no-untyped-call]  # SQLAlchemy has left its types out


def _made(database: Database, table: Table, field: Field) -> str:
    """Compose the column."""
    dialect = database.dialect
    made = _TYPES.get(field.kind)
    lost = _lost(dialect, field)
    if made is None or lost:
        raise ConfigError(
            f"{table.full_name}: a column {field.name} of type {field.type} is not added by itself"
            + (f": {lost}" if lost else ""),
            field="on_drift",
            next=f"add {field.name} to {table.full_name} by hand, and run the sync again; nothing was changed",
        )
    column: sa.Column[Any] = sa.Column(field.name, made(field, dialect))
    return str(CreateColumn(column).compile(dialect=database.engine.dialect))


def _lost(dialect: str, field: Field) -> str | None:
    """Say what the type that the database would get could not keep."""
    if field.kind == "decimal" and dialect in _DIGITS:
        digits = _DIGITS[dialect]
        if field.precision is None:
            return f"it has no bounds, and {dialect} rounds what has more places than were said"
        if field.precision > digits:
            return f"{dialect} keeps {digits} digits"
    if field.kind in _ABSENT.get(dialect, ()):
        return f"{dialect} has no {field.kind}"
    return None


def widened(table: Table, fields: Sequence[Field]) -> Table:
    """Give the table as it is with its new columns."""
    more = tuple(
        Column(one.name, one.kind, length=one.length, precision=one.precision, scale=one.scale)  # type: ignore[arg-type]  # a kind that came from a column
        for one in fields
    )
    return replace(table, columns=(*table.columns, *more))
