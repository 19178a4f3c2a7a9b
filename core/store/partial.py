"""Indexes of some rows of a table, spelled once for both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Index, MetaData, text

_ON_POSTGRES = "where"


def partial_index(name: str, *columns: Any, where: str, on_postgres: str | None = None, unique: bool = False) -> None:
    """Add an index of the rows that a condition is true of; `on_postgres` where another one serves there."""
    Index(name, *columns, unique=unique, sqlite_where=text(where), info={_ON_POSTGRES: on_postgres or where})


def tell_postgres(metadata: MetaData, conn: Connection, **said: object) -> None:
    """Say the conditions as PostgreSQL wants them, before the tables are made; its dialect is loaded by who has one."""
    if conn.dialect.name != "postgresql":
        return
    for index in (one for table in metadata.tables.values() for one in table.indexes):
        if (where := index.info.get(_ON_POSTGRES)) is not None:
            index.dialect_options["postgresql"]["where"] = text(where)
