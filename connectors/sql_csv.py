"""
CSV files straight into COPY, with a second reader beside it.

COPY rounds decimals, guesses at dates and forgives what we refuse. So Arrow reads the same bytes by strict types while the
database does: where it finds a value that is not exactly one of the column's type, or another number of rows, nothing is
written, and the rows go one by one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..core.batch import Chunk, Dialect, Flow, Lane, LaneClosed, Written
from .sql import Database
from .sql_copy import copy_csv_in, csv_options, speaks_copy, unlimited
from .sql_load import Load
from .sql_model import Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

FORM = "csv"
_TYPED = {
    "text": {
        "text",
        "integer",
        "bigint",
        "decimal",
        "boolean",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "float",
        "uuid",
    },
    "integer": {"integer", "bigint"},
    "bigint": {"bigint"},
    "decimal": {"decimal"},
    "date": {"date"},
    "datetime": {"timestamp", "timestamptz"},
}
_AHEAD = 4


def agreed_csv(database: Database, table: Table, lane: Lane) -> Lane | None:
    """Agree to a file whose columns the table has, in types that mean the same to COPY and to us."""
    known = {column.name: column for column in table.columns}
    if lane.form != FORM or not speaks_copy(database):
        return None
    fits = all(name in known and known[name].kind in _TYPED.get(said, ()) for name, _, said in lane.fields)
    return lane if fits else None


def load_csv(load: Load, lane: Lane, flow: Flow, beat: Callable[[], None]) -> Written:
    from .sql_csv_columns import column_types, load_columns

    unlimited(load.connection)
    if (kinds := column_types(load.connection, load.table, lane)) is not None:
        return load_columns(load, lane, flow, beat, kinds)
    dialect: Dialect = lane.facts
    second = _SecondReader({source: load.table.column(name) for name, source, _ in lane.fields}, dialect)

    def watched(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            beat()
            second.give(chunk)
            yield chunk

    def counted() -> int:
        flow.rows = second.count()  # type: ignore[misc]  # a file's flow learns it from its readers
        return flow.rows

    try:
        with closing(flow.chunks()) as chunks:
            send = partial(copy_csv_in, more=f", header, {csv_options(dialect)}")
            return load.run(watched(chunks), send, counted, whole=True)
    finally:
        second.stop()


class _SecondReader:
    """Reads the bytes that it is given by Arrow, on a thread of its own."""

    def __init__(self, columns: Mapping[str, Column], dialect: Dialect) -> None:
        self._columns = columns
        self._dialect = dialect
        self._chunks: queue.Queue[Chunk] = queue.Queue(_AHEAD)
        self._rows = 0
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="drawbar-csv", daemon=True)
        self._thread.start()

    def give(self, chunk: Chunk) -> None:
        while self._error is None:
            try:
                self._chunks.put(chunk, timeout=0.2)
            except queue.Full:
                continue
            return
        raise LaneClosed(self._error)

    def count(self) -> int:
        self.give(b"")
        self._thread.join()
        if self._error is not None:
            raise LaneClosed(self._error)
        return self._rows

    def stop(self) -> None:
        """End the thread, whatever it has read."""
        if self._error is None:
            self._error = "stopped"
        while self._thread.is_alive():
            if self._chunks.empty():
                self._chunks.put(b"")
            self._thread.join(0.01)

    def _run(self) -> None:
        import pyarrow as pa

        try:
            self._read()
        except (pa.ArrowException, LaneClosed, OverflowError) as error:
            self._error = str(error).partition("\n")[0]
        except BaseException as error:
            self._error = f"{type(error).__name__}: {error}"

    def _read(self) -> None:
        import pyarrow as pa
        from pyarrow import compute

        from .sql_csv_reader import ChunkReader

        types = {source: found for source, column in self._columns.items() if (found := _strict(column)) is not None}
        read = types or {next(iter(self._columns)): pa.string()}
        bounded = [
            (source, column.length) for source, column in self._columns.items() if source in types and column.length
        ]
        reader = ChunkReader(read, self._dialect)
        for batch in chain.from_iterable(map(reader.batches, iter(self._chunks.get, b""))):
            self._rows += batch.num_rows
            for source, length in bounded:
                texts: Any = batch.column(source)
                longest = compute.max(compute.utf8_length(texts)).as_py()
                if longest is not None and longest > length:
                    raise LaneClosed(f"{source}: {longest} characters, {length} fit")


def _strict(column: Column) -> pa.DataType | None:
    """Give the type by which Arrow refuses what COPY would change without a word; None where COPY is strict itself."""
    import pyarrow as pa

    if column.kind == "text":
        return pa.string() if column.length is not None else None
    known: dict[str, pa.DataType] = {
        "integer": pa.int64(),
        "bigint": pa.int64(),
        "decimal": pa.decimal128(38, 10 if column.scale is None else column.scale),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
    }
    return known.get(column.kind)
