"""Rows of a query as portions of a sync: a page that fits in memory, or a stream that is read while it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult

from ..core.batch import Batch, Columns, Cursor, Flow, Made, Reject, Row, as_json
from ..core.store.ids import new_id
from ..core.values import canonical
from .sql import Database, step
from .sql_model import Table
from .sql_shapes import readers, shape
from .sql_spool import spooled
from .sql_statements import unique_names
from .sql_steps import STEP_S

if TYPE_CHECKING:
    from .sql_lane import TableColumns
    from .sql_sqlite import SqliteColumns

_NEAR_ROWS = 1000
"""More rows at once wait for nothing and cost the collector of garbage more."""
_PLAIN_ROWS = frozenset({"psycopg", "pysqlite", "pymysql"})


def names_of(table: str, stamps: Sequence[Sequence[Any]]) -> Made[str]:
    """Give what identifies rows for ever, by their stamp and key; made only where a receiver asks."""
    return Made(lambda stamp: f"{table}:{hashlib.sha256(canonical(list(stamp))).hexdigest()}", stamps)


def _batch(rows: Sequence[Row], first: int, names: Sequence[str] | None = None) -> Batch:
    return Batch(rows, range(first, first + len(rows)), raw=as_json(rows), names=names)


def _missing(path: Sequence[str], row: Row) -> str | None:
    """Say that rows have no such column: all have the same."""
    return f"there is no column {path[0]}; there are {', '.join(row)}" if path and path[0] not in row else None


@dataclass(frozen=True, slots=True)
class Page:
    """A portion of a table that fits in memory: rows of one range of the watermark."""

    id: str
    name: str
    cursor: Cursor
    rows: Columns
    names: Sequence[str]

    @property
    def count(self) -> int:
        return len(self.rows)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        for at in range(0, len(self.rows), batch_rows):
            part = slice(at, at + batch_rows)
            yield _batch(self.rows[part], at + 1, self.names[part])

    def missing(self, path: Sequence[str], row: Row) -> str | None:
        return _missing(path, row)

    def finished(self) -> None: ...

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


@dataclass(frozen=True, slots=True)
class Stream:
    """Everything that a query answers at one moment; `batches` runs it again."""

    name: str
    open: Callable[[Connection], tuple[CursorResult[Any], list[Callable[[Any], Any] | None]]]
    database: Database
    cursor: Cursor = None
    id: str = field(default_factory=lambda: f"full:{new_id()}")
    apart: bool = False
    """Read to the end before the first row is given: the target is in the same file, which reading keeps locked."""

    repeats: ClassVar[bool] = True

    @property
    def is_near(self) -> bool:
        """Tell whether rows are read in this process: then nothing is gained by reading ahead."""
        return self.database.dialect == "sqlite"

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        first = 1
        if self.is_near:
            batch_rows = min(batch_rows, _NEAR_ROWS)
        with closing(self._chunks(batch_rows)) as read:
            names, convert = next(read)
            for chunk in spooled(read) if self.apart else read:
                yield _batch(Columns.of(names, chunk, convert), first)
                first += len(chunk)

    def _chunks(self, rows: int) -> Generator[Any, None, None]:
        """Give names and readers of the columns first, then raw rows."""
        with self.database.unit("read", timeout_s=STEP_S, steps=True) as connection:
            result, convert = self.open(connection)
            yield unique_names(list(result.keys())), convert
            while chunk := fetched(result, rows):
                yield chunk
                step(connection)

    def missing(self, path: Sequence[str], row: Row) -> str | None:
        return _missing(path, row)

    def finished(self) -> None: ...

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


@dataclass(frozen=True, slots=True)
class ColumnStream(Stream):
    """All of a table that can be read by column."""

    by_column: TableColumns = field(kw_only=True)
    reads: Sequence[Callable[[Any], Any] | None] = field(kw_only=True)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        first = 1
        for values in self.by_column.portions(batch_rows):
            yield _batch(found := Columns(self.by_column.names, values, self.reads), first)
            first += len(found)


@dataclass(frozen=True, slots=True)
class SqliteStream(Stream):
    """All of a table of SQLite, which can be poured by column."""

    by_column: SqliteColumns = field(kw_only=True)
    reads: Sequence[Callable[[Any], Any] | None] = field(kw_only=True)

    def pourable(self) -> Iterator[Batch]:
        first = 1
        names = [column.name for column in self.by_column.columns]
        for values in self.by_column.portions():
            yield _batch(found := Columns(names, values, self.reads), first)
            first += len(found)


@dataclass(frozen=True, slots=True)
class CopiedStream:
    """All of a table; it can pass as bytes too."""

    rows: Stream
    flow: Callable[[], Flow]
    better: Callable[[], Stream] | None = None
    """Opens what reads the rows by column, where one of them has to be seen: it takes 45 MB that bytes do without."""
    repeats: ClassVar[bool] = True
    is_near: ClassVar[bool] = False

    @property
    def id(self) -> str:
        return self.rows.id

    @property
    def name(self) -> str:
        return self.rows.name

    @property
    def cursor(self) -> Cursor:
        return self.rows.cursor

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        rows = self.rows if self.better is None else self.better()
        return rows.batches(batch_rows)

    def missing(self, path: Sequence[str], row: Row) -> str | None:
        return _missing(path, row)

    def finished(self) -> None: ...

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


def opened(
    connection: Connection, database: Database, table: Table, rows: int, where: Sequence[sa.ColumnElement[bool]] = ()
) -> tuple[CursorResult[Any], list[Any]]:
    """Begin to read a table, so many rows at a time; give how its columns are read too."""
    names = [column.name for column in table.columns]
    query = sa.select(*(shape(table).c[name] for name in names)).where(*where)
    result = connection.execution_options(stream_results=True, max_row_buffer=rows).execute(query)
    return result, readers(table, names, database.dialect)


def fetched(result: CursorResult[Any], rows: int) -> Sequence[Sequence[Any]]:
    """Fetch rows as the driver gives them: making SQLAlchemy's of them costs as much as reading them."""
    dialect, raw = result.dialect, result.cursor
    if raw is None or dialect.driver not in _PLAIN_ROWS or getattr(result.cursor_strategy, "_rowbuffer", None):
        return result.fetchmany(rows)
    errors = dialect.loaded_dbapi.Error
    try:
        return raw.fetchmany(rows)
    except errors as error:
        lost = dialect.is_disconnect(error, None, raw)
        said: Any = sa.exc.DBAPIError.instance(None, None, error, errors, connection_invalidated=lost)
        raise said from error
