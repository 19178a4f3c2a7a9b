"""PostgreSQL's COPY as CSV: the lines of a file as the server prints them, where that is how we print them."""

from __future__ import annotations

import re
import select
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.batch import Chunk, Dialect, Lane
from .sql import Database, step
from .sql_copy import STEP_S, copied, native, speaks_copy, types, unlimited, written_out
from .sql_model import Table
from .sql_shapes import shape

FORM = "postgresql csv"
_CHUNK = 1 << 18
_WAIT_MS = 1000
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


@dataclass(slots=True)
class Lines:
    """The rows of a table as lines; `rows` counts them."""

    database: Database
    table: Table
    lane: Lane
    rows: int = 0

    def chunks(self) -> Generator[Chunk, None, None]:
        self.rows = 0
        with self.database.unit("read", timeout_s=STEP_S, steps=True) as connection, native(connection) as line:
            unlimited(connection)
            connection.exec_driver_sql("set local datestyle = 'ISO, YMD'")
            connection.exec_driver_sql("set local extra_float_digits = 1")
            ended = False
            try:
                for chunk, rows in copied(line, self._query(connection), _lines):
                    self.rows += rows
                    step(connection)
                    yield chunk
                ended = True
            finally:
                if not ended:  # it would have to be read to its end otherwise
                    connection.invalidate()

    def _query(self, connection: Connection) -> str:
        dialect: Dialect = self.lane.facts
        columns = shape(self.table).c
        chosen = [
            sa.cast(columns[source], sa.Text) if word == "boolean" else columns[source]
            for _, source, word in self.lane.fields
        ]
        options = ", ".join(
            f"{word} '{value.replace(chr(39), chr(39) * 2)}'"
            for word, value in (("delimiter", dialect.delimiter), ("quote", dialect.quote), ("null", dialect.null))
        )
        return f"copy ({written_out(connection, sa.select(*chosen))}) to stdout (format csv, {options})"


def _lines(pgconn: Any, poll: select.poll) -> Iterator[tuple[bytes, int]]:
    """Collect messages, each a row; nothing while nothing comes."""
    take = pgconn.get_copy_data
    held: list[bytes] = []
    size = 0
    while True:
        length, data = take(1)
        if length > 0:
            held.append(data)
            size += length
        elif length == 0:
            if size > _CHUNK:
                yield b"".join(held), len(held)
                held, size = [], 0
            if not poll.poll(_WAIT_MS):
                yield b"", 0
            pgconn.consume_input()
        else:
            break
    yield b"".join(held), len(held)
