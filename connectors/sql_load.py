"""Load many rows at once into a table of PostgreSQL: COPY, and for an upsert a stage that is merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import chain
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..core.batch import Chunk, Columns, Flow, LaneClosed, RowRefused, Written
from ..core.errors import Rejected
from .sql import step
from .sql_columns import Arrow, Unprintable, arrays, lines, printed
from .sql_copy import copy_csv_in, copy_in, quoted, types, unlimited
from .sql_errors import meaning, said
from .sql_model import Column, Table

Send = Callable[[Connection, str, Iterable[Chunk]], int]
"""Sends chunks into columns of a table; gives how many rows it took."""
_STAGE = "drawbar_stage"
_STAGE_BYTES = 1 << 25
_TWICE = "21000"


class Load:
    """
    Inserts or upserts columns of one table in the transaction of a connection.

    `rebuilds` says that its keys and indexes are built behind the rows, where that can be.
    """

    def __init__(
        self,
        connection: Connection,
        table: Table,
        mode: str,
        key: Sequence[str],
        names: Sequence[str],
        *,
        rebuilds: bool = False,
    ) -> None:
        quote = connection.dialect.identifier_preparer.quote
        self.connection = connection
        self.table = table
        self._is_upsert = mode == "upsert"
        self._if_empty = mode == "insert"
        self._rebuilds = rebuilds
        self._target = quoted(connection, table)
        self._names = ", ".join(map(quote, names))
        self._key = ", ".join(map(quote, key))
        self._rest = [quote(name) for name in names if name not in key]

    def run(self, chunks: Iterable[Chunk], send: Send, sent: Callable[[], int], *, whole: bool = False) -> Written:
        """
        Load all under a savepoint; LaneClosed when the target refuses a row, or took another number than was `sent`.

        `whole` says that chunks end in the middle of a row.
        """
        step(self.connection)
        inside = self.connection.begin_nested()
        try:
            begun = _begun(chunks) if self._rebuilds else chunks
            with self._aside():
                written = self._upsert(begun, send, whole=whole) if self._is_upsert else self._insert(begun, send)
                if written.rows != (count := sent()):  # a trigger of the target kept some out
                    raise LaneClosed(f"{count} rows were sent, and the target took {written.rows}")
        except exc.DBAPIError as error:
            if meaning(error) is not Rejected:
                raise
            inside.rollback()
            raise LaneClosed(said(error)[0]) from error
        except LaneClosed:
            inside.rollback()
            raise
        inside.commit()
        return written

    def _aside(self) -> AbstractContextManager[None]:
        if not self._rebuilds:
            return nullcontext()
        from .sql_indexes import laid_aside

        return laid_aside(self.connection, self.table, if_empty=self._if_empty)

    def _insert(self, chunks: Iterable[Chunk], send: Send) -> Written:
        return Written(inserted=send(self.connection, f"{self._target} ({self._names})", chunks))

    def _upsert(self, chunks: Iterable[Chunk], send: Send, *, whole: bool) -> Written:
        """Stage some, merge them, and go on with an empty stage."""
        run = self.connection.exec_driver_sql
        run(f"create temp table {_STAGE} on commit drop as select {self._names} from {self._target} with no data")
        done = Written()
        for portion in [iter(chunks)] if whole else _portions(chunks):
            staged = send(self.connection, f"{_STAGE} ({self._names})", portion)
            step(self.connection)
            merged = self._merge(staged)
            run(f"truncate {_STAGE}")
            done = Written(
                done.inserted + merged.inserted, done.updated + merged.updated, 0, done.unchanged + merged.unchanged
            )
        run(f"drop table {_STAGE}")
        return done

    def _merge(self, staged: int) -> Written:
        inside = self.connection.begin_nested()
        try:
            found, fresh = self._execute(f"select {self._names} from {_STAGE}")
        except exc.DBAPIError as error:
            inside.rollback()
            if getattr(error.orig, "sqlstate", None) != _TWICE:
                raise
            # The same key more than once: the last row wins, as it would if they had come one by one.
            last = f"select distinct on ({self._key}) {self._names} from {_STAGE} order by {self._key}, ctid desc"
            found, fresh = self._execute(last)
        else:
            inside.commit()
        return Written(fresh, found - fresh, 0, staged - found)

    def _execute(self, rows: str) -> tuple[int, int]:
        change = (
            f"update set {', '.join(f'{name} = excluded.{name}' for name in self._rest)}" if self._rest else "nothing"
        )
        merge = (
            f"with merged as (insert into {self._target} ({self._names}) {rows} on conflict ({self._key}) do {change} "
            "returning (xmax = 0) as fresh) select count(*), count(*) filter (where fresh) from merged"
        )
        found: Any = self.connection.exec_driver_sql(merge.replace("%", "%%")).one()
        return int(found[0]), int(found[1])


def _begun(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Begin to read: a source that reads the target itself has it then, and nobody locks it against that."""
    left = iter(chunks)
    first = next(left, b"")
    return chain([first], left)


def _portions(chunks: Iterable[Chunk]) -> Iterator[Iterator[Chunk]]:
    """Cut a stream of chunks into streams of bounded size."""
    left = iter(chunks)
    ended = False

    def some() -> Iterator[Chunk]:
        nonlocal ended
        size = 0
        while size < _STAGE_BYTES:
            chunk = next(left, None)
            if chunk is None:
                ended = True
                return
            size += len(chunk)
            yield chunk

    while not ended:
        yield some()


def load_binary(load: Load, flow: Flow, beat: Callable[[], None]) -> Written:
    """Load a flow; LaneClosed when the target refuses a row: then rows tell which one it is."""

    def watched(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            beat()
            yield chunk

    unlimited(load.connection)
    with closing(flow.chunks()) as chunks:
        return load.run(watched(chunks), copy_in, lambda: flow.rows)


class RowLoad:
    """Loads batches of columns in the transaction of a connection, where COPY can print them."""

    def __init__(
        self, connection: Connection, table: Table, mode: str, key: Sequence[str], *, rebuilds: bool = False
    ) -> None:
        self._connection = connection
        self._table = table
        self._mode = mode
        self._key = key
        self._rebuilds = rebuilds

    def write(self, rows: Columns, writes: Mapping[str, Callable[[Any], Any]]) -> Written | None:
        """Load all or none; None when they have to go one by one. RowRefused names what does not fit before it is sent."""
        into = [self._table.column(name) for name in rows.names]
        if any(column.quirk is not None for column in into):
            return None
        try:
            text, refused = lines(rows, into, [writes[name] for name in rows.names])
        except Unprintable:
            return None
        if refused:
            first = min(refused)
            raise RowRefused(first, refused[first], refused)
        try:
            return self._loading(rows.names).run([text], copy_csv_in, lambda: len(rows))
        except LaneClosed:
            return None

    def pour(self, batches: Iterator[Columns], writes: Mapping[str, Callable[[Any], Any]]) -> Written:
        """Load batches of the same columns with one COPY; LaneClosed for a row that does not fit."""
        first = next(batches, None)
        if first is None:
            return Written()
        names = list(first.names)
        into, write = [self._table.column(name) for name in names], [writes[name] for name in names]
        if any(column.quirk is not None for column in into):
            raise LaneClosed("a column that is kept otherwise than its type says")
        begun = _arrays(first, into, write)
        known = self._binary_types(names, begun)
        sent = 0

        def chunks() -> Iterator[Chunk]:
            nonlocal sent
            for found in chain([begun], (_arrays(rows, into, write) for rows in batches)):
                yield printed(found) if known is None else _as_binary(found, known)
                sent += len(found[0])
                step(self._connection)

        unlimited(self._connection)
        return self._loading(names, rebuilds=self._rebuilds).run(
            chunks(), copy_csv_in if known is None else copy_in, lambda: sent
        )

    def _loading(self, names: Sequence[str], *, rebuilds: bool = False) -> Load:
        return Load(self._connection, self._table, self._mode, self._key, names, rebuilds=rebuilds)

    def _binary_types(self, names: Sequence[str], found: Sequence[Arrow]) -> Sequence[str] | None:
        """Name the types of the target's columns where all of them can be sent in binary."""
        from .sql_arrow import fits

        known = types(self._connection, self._table)
        if not all(fits(array.type, known.get(name, "")) for name, array in zip(names, found, strict=True)):
            return None
        return [known[name] for name in names]


def _arrays(rows: Columns, into: Sequence[Column], write: Sequence[Callable[[Any], Any]]) -> list[Arrow]:
    try:
        found, refused = arrays(rows, into, write)
    except Unprintable as error:
        raise LaneClosed(f"a value of type {error}") from error
    if refused:
        raise LaneClosed(next(iter(refused.values())))
    return found


def _as_binary(found: Sequence[Arrow], types: Sequence[str]) -> Chunk:
    from .sql_arrow import Unfit, binary_rows, fits

    for array, into in zip(found, types, strict=True):
        if not fits(array.type, into):
            raise LaneClosed(f"values of {array.type} in a column of {into}")
    try:
        return binary_rows(found, types)
    except Unfit as error:
        raise LaneClosed(str(error)) from error
