"""PostgreSQL's COPY as CSV: the lines of a file as the server prints them, where that is how we print them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.batch import Lane
from .sql import Database
from .sql_copy import Copied, copied, csv_options, speaks_copy, types, written_out
from .sql_model import Table
from .sql_shapes import shape

FORM = "postgresql csv"
_CHUNK = 1 << 18
_ALIKE = re.compile(
    r"smallint|integer|bigint|numeric(\(.*\))?|double precision|date|text|enum|uuid|boolean|character( varying)?(\(\d+\))?"
)
_STAMP = re.compile(r"timestamp(\(\d\))? without time zone")


def offered_text(database: Database, table: Table, wanted: Mapping[str, str] | None) -> Sequence[Lane]:
    """Offer the columns of a table in words of a file: "timestamp" for what has more than one form, "text" for the others."""
    if not speaks_copy(database):
        return ()
    with database.unit("read") as connection:
        known = types(connection, table)
    names = {column.name: column.name for column in table.columns} if wanted is None else wanted
    words = {name: _word(known.get(source, "")) for name, source in names.items()}
    if len(names) < 2 or None in words.values():
        return ()
    return (Lane(FORM, tuple((name, source, words[name] or "") for name, source in names.items())),)


def _word(said: str) -> str | None:
    if _ALIKE.fullmatch(said):
        return "boolean" if said == "boolean" else "text"
    return "timestamp" if _STAMP.fullmatch(said) else None


def lines(database: Database, table: Table, lane: Lane) -> Copied:
    """Give the rows of a table as lines."""
    return Copied(database, partial(_command, table=table, lane=lane), partial(copied, least_bytes=_CHUNK))


def _command(connection: Connection, table: Table, lane: Lane) -> str:
    connection.exec_driver_sql("set local datestyle = 'ISO, YMD'")
    connection.exec_driver_sql("set local extra_float_digits = 1")
    columns = shape(table).c
    chosen = [
        sa.cast(columns[source], sa.Text) if word == "boolean" else columns[source] for _, source, word in lane.fields
    ]
    return f"copy ({written_out(connection, sa.select(*chosen))}) to stdout (format csv, {csv_options(lane.facts)})"
