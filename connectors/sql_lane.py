"""Portions of a table of PostgreSQL that can pass as bytes: a whole table, and the pages of a watermark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.batch import Batch, Chunk, Cursor, Flow, Lane, Portion, Reject, Row
from ..core.values import canonical
from .sql import Database, step
from .sql_copy import (
    Copied,
    chosen,
    copying,
    native,
    passes,
    rows_out,
    speaks_copy,
    types,
    unlimited,
    written_out,
)
from .sql_model import Table
from .sql_shapes import shape
from .sql_steps import STEP_S

_PORTION = 1 << 19
_TEXT = 25


@dataclass(frozen=True, slots=True)
class TableLane:
    """A table on a lane that source and target have agreed to. `own` are the types of its columns."""

    database: Database
    table: Table
    lane: Lane
    own: Mapping[str, str]
    cursor: Sequence[tuple[int, int]] = ()
    """Of each column that a cursor holds: its place on the lane, and the type's number."""

    @classmethod
    def of(cls, database: Database, table: Table, lane: Lane, order: Sequence[str]) -> TableLane | None:
        """Enter a lane; None when its types cannot be given, or when it does not carry the order's columns as they are."""
        with database.unit("read") as connection:
            own = types(connection, table)
            if any(source not in own or passes(own[source], theirs) is None for _, source, theirs in lane.fields):
                return None
            places = {
                source: at
                for at, (_, source, theirs) in enumerate(lane.fields)
                if passes(own[source], theirs) == "as it is"
            }
            if not places.keys() >= set(order):
                return None
            numbers = _numbers(connection, [own[name] for name in order])
            cursor = list(zip((places[name] for name in order), numbers, strict=True))
        return cls(database, table, lane, own, cursor)

    def query(
        self, connection: Connection, where: Sequence[Any] = (), order: Sequence[Any] = (), limit: int | None = None
    ) -> str:
        query = sa.select(*chosen(connection, self.table, self.lane, self.own)).where(*where).order_by(*order)
        return written_out(connection, query if limit is None else query.limit(limit))

    def flow(self) -> Flow:
        """Give all of the table."""
        return Copied(self.database, self.query)

    def page(
        self,
        last: Cursor,
        query: Callable[[Connection], str],
        reread: Callable[[], Any],
    ) -> CopiedPage | None:
        """Read one page of a watermark, which fits in memory; its cursor stands in its last row."""
        parts: list[Chunk] = []
        rows = 0
        with self.database.unit("read", timeout_s=STEP_S) as connection, native(connection) as line:
            unlimited(connection)
            last_row = b""
            for chunk, sizes in rows_out(line, query(connection)):
                if sizes:
                    parts.append(chunk)
                    rows += len(sizes)
                    last_row = bytes(chunk[-sizes[-1] :])
            if not rows:
                return None
            at, *key = self._cursor(line, _fields(last_row))
        name = self.table.full_name
        digest = hashlib.sha256(canonical([name, [list(field) for field in self.lane.fields], last]))
        for part in parts:
            digest.update(part)
        cursor = {"at": at, "key": key}
        return CopiedPage(f"{name}:{digest.hexdigest()}", f"{name} up to {at}", cursor, rows, parts, reread)

    def _cursor(self, line: Any, fields: Sequence[bytes | None]) -> Iterator[Any]:
        """Give the values of the order's columns as the driver does."""
        for at, number in self.cursor:
            part = fields[at]
            yield None if part is None else _driver(line, number)(part)


@dataclass(frozen=True, slots=True)
class TableColumns:
    """A table whose rows are read by column: its bytes, and how each column is taken out of them."""

    database: Database
    table: Table
    names: Sequence[str]
    decoders: Sequence[Any]
    own: Sequence[str]

    @classmethod
    def of(cls, database: Database, table: Table) -> TableColumns | None:
        """Look at the types of the columns; None where one of them is only read by row."""
        if not speaks_copy(database):
            return None
        from .sql_unpack import decoder

        names = [column.name for column in table.columns]
        with database.unit("read") as connection:
            known = types(connection, table)
        decoders = [decoder(known.get(name, "")) for name in names]
        if not names or None in decoders:
            return None
        return cls(database, table, names, decoders, [known[name] for name in names])

    def portions(self, rows: int) -> Iterator[list[Sequence[Any]]]:
        """Give the values of all columns, so many rows at a time."""
        from .sql_unpack import columns

        with copying(self.database) as (connection, line):
            query = written_out(connection, sa.select(*(shape(self.table).c[name] for name in self.names)))
            loads = [_driver(line, number) for number in _numbers(connection, self.own)]
            for data, sizes in rows_out(line, query, least_rows=rows, least_bytes=_PORTION):
                if sizes:
                    step(connection)
                    yield list(columns(data, sizes, self.decoders, loads))


def _driver(line: Any, number: int) -> Callable[[bytes], Any]:
    """Give what reads a value as the driver does."""
    from psycopg import pq

    loader = line.adapters.get_loader(number, pq.Format.BINARY)
    load: Callable[[bytes], Any] = loader(number, line).load
    return load


def _numbers(connection: Connection, saids: Sequence[str]) -> list[int]:
    """Give the numbers of types; an enum of somebody's own is read as text."""
    numbers = "select to_regtype(said)::oid from unnest(%(saids)s::text[]) with ordinality as t (said, at) order by at"
    return [int(row[0] or _TEXT) for row in connection.exec_driver_sql(numbers, {"saids": list(saids)})]


@dataclass(slots=True)
class CopiedPage:
    """A page as bytes. When the target wants to see its rows, it is read again as they are then."""

    id: str
    name: str
    cursor: Cursor
    count: int
    parts: Sequence[Chunk]
    reread: Callable[[], Any]

    def flow(self) -> Flow:
        return _Once(self.count, self.parts)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        page: Portion | None = self.reread()
        if page is not None:
            self.id, self.cursor = page.id, page.cursor
            yield from page.batches(batch_rows)

    def missing(self, path: Sequence[str], row: Row) -> str | None:
        return f"there is no column {path[0]}; there are {', '.join(row)}" if path and path[0] not in row else None

    def finished(self) -> None: ...

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Once:
    rows: int
    parts: Sequence[Chunk]

    def chunks(self) -> Generator[Chunk, None, None]:
        yield from self.parts


def _fields(row: bytes) -> list[bytes | None]:
    """Cut a row of COPY's bytes into its fields."""
    fields: list[bytes | None] = []
    at = 2
    for _ in range(int.from_bytes(row[:2], "big")):
        length = int.from_bytes(row[at : at + 4], "big", signed=True)
        at += 4
        fields.append(None if length < 0 else row[at : at + length])
        at += max(length, 0)
    return fields
