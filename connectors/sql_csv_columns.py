"""
CSV files read by Arrow into columns, which go into PostgreSQL as binary COPY.

Arrow reads by the target's types and refuses what they do not hold exactly; then nothing is written, and the rows go one by
one. What it forgives and we do not is looked for in the bytes, or read as text first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy.engine import Connection

from ..core.ahead import abreast
from ..core.batch import Chunk, Dialect, Flow, Lane, LaneClosed, Written
from .sql import step
from .sql_arrow import Unfit, binary_rows, fits
from .sql_columns import of_text
from .sql_copy import copy_in, types
from .sql_csv_reader import ChunkReader
from .sql_load import Load
from .sql_model import Column, Table

_MOST_DIGITS = 38
_PRECISION = re.compile(r"numeric\((\d+),(\d+)\)")
_HEX = re.compile(rb"(?:\A|[^\w.])0[xX]")


def column_types(connection: Connection, table: Table, lane: Lane) -> Mapping[str, tuple[pa.DataType, str]] | None:
    """Name for each column of the file how it is read, and the target's type; None where one cannot be sent in binary."""
    known = types(connection, table)
    found = {}
    for name, source, _ in lane.fields:
        said = known.get(name, "")
        kind = _read_as(table.column(name), said)
        if kind is None or not fits(_becomes(table.column(name), kind), said):
            return None
        found[source] = kind, said
    return found


def _read_as(column: Column, said: str) -> pa.DataType | None:
    plain: dict[str, pa.DataType] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "bigint": pa.int64(),
        "boolean": pa.bool_(),
        "date": pa.string(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "float": pa.float64(),
    }
    if column.quirk is not None:
        return None
    if column.kind == "decimal":
        sizes = _PRECISION.fullmatch(said)
        return pa.decimal128(int(sizes[1]), int(sizes[2])) if sizes and int(sizes[1]) <= _MOST_DIGITS else None
    return plain.get(column.kind)


def _becomes(column: Column, kind: pa.DataType) -> pa.DataType:
    return pa.date32() if column.kind == "date" else kind


def load_columns(
    load: Load, lane: Lane, flow: Flow, beat: Callable[[], None], kinds: Mapping[str, tuple[pa.DataType, str]]
) -> Written:
    """Load a file whose columns have these types; LaneClosed when it has to be read row by row."""
    packer = _Packer([(source, load.table.column(name), kinds[source]) for name, source, _ in lane.fields], lane.facts)
    rows = 0

    def chunks() -> Iterator[Chunk]:
        nonlocal rows
        with closing(flow.chunks()) as read, closing(abreast(read, packer.pack)) as packed:
            for chunk, count in chain.from_iterable(packed):
                beat()
                step(load.connection)
                rows += count
                yield chunk

    def counted() -> int:
        flow.rows = rows  # type: ignore[misc]  # a file's flow learns it from its readers
        return rows

    return load.run(chunks(), copy_in, counted)


class _Packer:
    """Makes rows as COPY takes them in binary of chunks of whole rows."""

    def __init__(self, columns: Sequence[tuple[str, Column, tuple[pa.DataType, str]]], dialect: Dialect) -> None:
        self._columns = [(source, column) for source, column, _ in columns]
        self._saids = [said for _, _, (_, said) in columns]
        self._reader = ChunkReader({source: kind for source, _, (kind, _) in columns}, dialect)

    def pack(self, chunk: Chunk) -> list[tuple[Chunk, int]]:
        """Give rows with their number; LaneClosed for a value that is not exactly one of its column's type."""
        if _has_hex_mark(chunk) and _HEX.search(chunk):  # Arrow takes such numbers for integers
            raise LaneClosed("a hexadecimal number")
        try:
            return [
                (
                    binary_rows(
                        [_meant(column, batch.column(source)) for source, column in self._columns], self._saids
                    ),
                    rows,
                )
                for batch in self._reader.batches(chunk)
                if (rows := batch.num_rows)
            ]
        except (pa.ArrowException, Unfit, OverflowError) as error:
            raise LaneClosed(str(error).partition("\n")[0]) from error


def _meant(column: Column, found: Any) -> Any:
    if column.kind not in {"date", "text"}:
        return found
    meant = of_text(column, found)
    if meant is None:
        raise LaneClosed(f"{column.name}: a text that is no {column.kind} of this column")
    return meant


def _has_hex_mark(chunk: Chunk) -> bool:
    """Look for 0x; to look for one letter first, and then for its places, costs a fraction of looking for two."""
    if b"x" not in chunk and b"X" not in chunk:
        return False
    bytes_ = np.frombuffer(chunk, np.uint8)
    places = np.flatnonzero((bytes_ | 0x20) == ord("x"))
    return bool((bytes_[places - 1] == ord("0")).any())
