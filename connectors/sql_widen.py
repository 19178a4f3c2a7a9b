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

_TYPES: dict[str, Callable[[Field, bool], Any]] = {
    "integer": lambda field, _: sa.Integer(),
    "bigint": lambda field, _: sa.BigInteger(),
    "decimal": lambda field, _: sa.Numeric(field.precision, field.scale),
    "float": lambda field, _: sa.Double(),
    "boolean": lambda field, _: sa.Boolean(),
    "text": lambda field, _: sa.Text() if field.length is None else sa.String(field.length),
    "date": lambda field, _: sa.Date(),
    "time": lambda field, is_mysql: mysql.TIME(fsp=6) if is_mysql else sa.Time(),
    "timestamp": lambda field, is_mysql: mysql.DATETIME(fsp=6) if is_mysql else sa.DateTime(),
    "timestamptz": lambda field, is_mysql: mysql.DATETIME(fsp=6) if is_mysql else sa.DateTime(timezone=True),
    "bytes": lambda field, _: sa.LargeBinary(),
    "json": lambda field, _: sa.JSON(),
    "uuid": lambda field, is_mysql: sa.String(36) if is_mysql else sa.Uuid(),
}


def fields_of(table: Table) -> list[Field]:
    return [Field(one.name, one.kind, one.length, one.precision, one.scale) for one in table.columns]


def add_columns(database: Database, table: Table, fields: Sequence[Field]) -> None:
    """Give a table columns that may be NULL; one that another run has just added is no error."""
    preparer = database.engine.dialect.identifier_preparer
    name = preparer.quote(table.name)
    full = f"{preparer.quote_schema(table.schema)}.{name}" if table.schema else name
    for field in fields:
        made = _TYPES.get(field.kind)
        if made is None:
            raise ConfigError(f"{table.full_name}: a column {field.name} of kind {field.kind} is not added by itself")
        column: sa.Column[Any] = sa.Column(field.name, made(field, database.dialect in {"mysql", "mariadb"}))
        ddl = str(CreateColumn(column).compile(dialect=database.engine.dialect))
        with database.unit("write") as connection:
            known = {one["name"] for one in sa.inspect(connection).get_columns(table.name, schema=table.schema)}
            if field.name not in known:
                connection.exec_driver_sql(f"ALTER TABLE {full} ADD COLUMN {ddl.replace('%', '%%')}")


def widened(table: Table, fields: Sequence[Field]) -> Table:
    """Give the table as it is with its new columns."""
    more = tuple(
        Column(one.name, one.kind, length=one.length, precision=one.precision, scale=one.scale)  # type: ignore[arg-type]  # a kind that came from a column
        for one in fields
    )
    return replace(table, columns=(*table.columns, *more))
