"""Write rows of syncs into a table, with their cursor beside them in one transaction."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from functools import lru_cache
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..core.batch import Columns, Cursor, Flow, Lane, LaneClosed, Row, RowRefused, Written
from ..core.errors import ConfigError, InputError, Rejected
from ..core.syncs.drift import Field
from .sql import Database, step
from .sql_among import among
from .sql_compare import TableCompared, comparing
from .sql_errors import committing, meaning, said
from .sql_marks import Marking, Marks
from .sql_model import Table
from .sql_shapes import shape
from .sql_steps import BUILD_S, STEP_S
from .sql_tables import change
from .sql_upsert import upserting
from .sql_values import writer
from .sql_widen import add_columns, fields_of, widened

if TYPE_CHECKING:
    from .sql_keys import TableKeys
    from .sql_load import RowLoad
    from .sql_stage import Stage

_AT_ONCE = 50
"""So many rows are worth a COPY."""

_DELETED_AT_ONCE = 200


class TableSink:
    """
    One table as the target of one sync.

    `keeps_cursor` looks whether the table `drawbar_sync` may stand beside it, and makes it.
    """

    def __init__(self, database: Database, table: Table, spec: Mapping[str, Any], *, sync: str) -> None:
        self._database = database
        self._table = table
        self._spec = spec
        self._sync = sync
        self._mode: str = spec.get("mode") or "insert"
        self._key: tuple[str, ...] = tuple(spec.get("key") or table.key)
        self._ignore = spec.get("on_drift") == "ignore"
        self._columns: Sequence[str] = spec.get("columns", ())
        self._wanted: str | None = spec.get("cursor")
        self._marks = Marks(database, table.schema, sync, spec.get("cursor_table"))
        self._keeps: bool | None = None
        self._only_looks = False
        self._rebuilds: bool = spec.get("indexes") == "rebuild"
        self._check()

    @property
    def keeps_cursor(self) -> bool:
        if self._only_looks and not self._marks.is_there():
            return False
        if self._keeps is None:
            self._keeps = self._decide()
        return self._keeps

    @property
    def one_effect(self) -> tuple[bool, str]:
        if self._wanted != "state" and self._table.transactional and self._keeps is not False:
            return True, f"rows and cursor are committed together in {self._table.full_name} and {self._marks.name}"
        return True, "the cursor is kept in our state; rows that come again are written again by their key"

    def peek(self) -> None:
        """Make nothing beside the target: where cursors have no table yet, there is no cursor."""
        self._only_looks = True

    def cursor(self) -> Cursor:
        return self._marks.cursor() if self.keeps_cursor else None

    def has(self, portion: str) -> bool:
        return self.keeps_cursor and self._marks.has(portion)

    def takes(self, lane: Lane) -> Lane | None:
        from .sql_copy import agreed

        if self._mode == "upsert" and not (
            frozenset(self._key) in self._table.unique and {name for name, _, _ in lane.fields} >= set(self._key)
        ):
            return None
        if lane.form == "csv":
            from .sql_csv import agreed_csv

            return agreed_csv(self._database, self._table, lane)
        return agreed(self._database, self._table, lane, ignore=self._ignore)

    @contextmanager
    def writing(self, *, portion: str, file_name: str | None = None, step_s: float = STEP_S) -> Iterator[TableWriting]:
        keeps = self.keeps_cursor
        longest_s = max(step_s, BUILD_S) if self._rebuilds else step_s
        with self._database.unit("write", timeout_s=longest_s, steps=True) as connection:
            self.clear(connection)
            writing = self.begun(connection, self._marks if keeps else None)
            yield writing
            if not writing.committed:
                connection.rollback()

    def staged(self, load: str, part: str) -> TableSink:
        """Give what writes one range of a load into its stage, with marks of its own."""
        spec = {**self._spec, "mode": "insert"}
        return TableSink(self._database, self._stage(load).table, spec, sync=part)

    def begin_stage(self, load: str, columns: Sequence[str]) -> None:
        """Make the stage of a load, unless it is there."""
        if not self.keeps_cursor:
            raise ConfigError(
                f"{self._table.full_name}: nothing there can say which ranges of a load it has", field="partitions"
            )
        self._stage(load).begin(self._marks, columns)

    @contextmanager
    def swapping(self, load: str, columns: Sequence[str]) -> Iterator[TableWriting]:
        """Empty the table and fill it from the stage, in the transaction that the caller commits."""
        from .sql_stage import SWAP_S

        with self.writing(portion=load, step_s=SWAP_S) as writing:
            self._stage(load).pour(writing.connection, columns)
            yield writing

    def noted(self, parts: Sequence[str]) -> list[Cursor]:
        """Give what the ranges of these names have committed beside their rows."""
        return self._marks.cursors(parts)

    def clear_stages(self) -> None:
        """Drop what loads of this sync have left."""
        self._stage("").clear()

    def _stage(self, load: str) -> Stage:
        from .sql_stage import Stage

        return Stage(self._database, self._table, self._marks.schema, self._sync, load)

    def clear(self, connection: Connection) -> None:
        """Make room for what replaces everything."""
        if self._mode == "replace":
            connection.execute(sa.delete(shape(self._table)))

    def begun(self, connection: Connection, marks: Marks | None) -> TableWriting:
        """Write in a transaction that somebody else has begun and, where there are no marks, ends."""
        return TableWriting(
            connection,
            self._database,
            self._table,
            self._mode,
            self._key,
            marks,
            ignore=self._ignore,
            rebuilds=self._rebuilds,
        )

    @property
    def marks(self) -> Marks:
        return self._marks

    @property
    def name(self) -> str:
        return self._table.full_name

    @property
    def is_inserted(self) -> bool:
        return self._mode == "insert"

    @property
    def transactional(self) -> bool:
        return self._table.transactional

    def comparing(self) -> AbstractContextManager[TableCompared]:
        return comparing(self._database, self._table, self._mode, self._key, ignore=self._ignore)

    @property
    def key(self) -> Sequence[str]:
        return self._key

    def keys(self, names: Sequence[str]) -> TableKeys:
        from .sql_keys import TableKeys

        return TableKeys(self._database, self._table, names)

    def delete(self, keys: Collection[tuple[Any, ...]], *, portion: str, cursor: Cursor) -> None:
        """Delete rows by key, with the mark beside them; Rejected, and nothing deleted, when one is not there once."""
        dialect, columns = self._database.dialect, [shape(self._table).c[name] for name in self._key]
        writes = [writer(self._table.column(name), dialect) for name in self._key]
        keeps = self.keeps_cursor
        with self._database.unit("write", timeout_s=STEP_S, steps=True) as connection:
            deleted, left = 0, iter(keys)
            while some := list(islice(left, _DELETED_AT_ONCE)):
                step(connection)
                bound = [[write(part) for write, part in zip(writes, key, strict=True)] for key in some]
                query = sa.delete(shape(self._table)).where(among(columns, bound, dialect))
                deleted += connection.execute(query).rowcount
            if deleted != len(keys):
                raise Rejected(f"{self._table.full_name}: {len(keys)} keys are {deleted} rows; nothing was deleted")
            if keeps:
                self._marks.put(connection, portion, cursor)
            with committing():
                connection.commit()
        if keeps:
            self._marks.moved()

    def fields(self) -> Sequence[Field]:
        return fields_of(self._table)

    def add_fields(self, fields: Sequence[Field]) -> None:
        """Add columns to the table, by DDL that is committed at once."""
        add_columns(self._database, self._table, fields)
        self._table = widened(self._table, fields)

    def foresee(self, fields: Sequence[Field]) -> None:
        self._ignore = True

    def ddl(self) -> str:
        return self._marks.ddl()

    def grants(self) -> str | None:
        return self._marks.grants()

    def rewind(self, cursor: Cursor) -> None:
        self._marks.rewind(cursor, forget=self._mode != "insert")

    def close(self) -> None: ...

    def _check(self) -> None:
        from .sql_copy import speaks_copy

        known = {column.name for column in self._table.columns}
        for name in self._key:
            if name not in known:
                raise ConfigError(f"{self._table.full_name} has no column {name!r}", field="key")
        for name in () if self._ignore else self._columns:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}"
                raise ConfigError(f"{self._table.full_name} has no column {name!r}; {hint}", field="map")
        if self._mode == "upsert" and not self._key:
            raise ConfigError(f"{self._table.full_name} has no primary key; name one with key", field="key")
        if self._rebuilds and not speaks_copy(self._database):
            raise ConfigError(
                f"{self._database.name}: only PostgreSQL, by the driver psycopg, builds indexes within the transaction of a load",
                field="to.indexes",
                next="leave indexes: rebuild out",
            )
        if not self._table.transactional and self._mode != "upsert":
            raise ConfigError(
                f"{self._table.full_name} is of an engine without transactions: only mode upsert can be repeated",
                field="mode",
            )

    def _decide(self) -> bool:
        if self._wanted == "state" or not self._table.transactional:
            return False
        try:
            self._marks.prepare()
        except Rejected as refused:
            if self._wanted == "target" or self._mode == "insert":
                raise ConfigError(
                    f"{self._database.name}: table {self._marks.name} cannot be made: {refused.message}",
                    next=f"let somebody run what drawbar sync {self._sync} --prepare prints; or use cursor: state with mode upsert",
                ) from refused
            return False
        try:
            self._marks.cursor()
        except Rejected as refused:
            if self._wanted == "target" or self._mode == "insert":
                raise ConfigError(
                    f"{self._database.name}: table {self._marks.name} is there and cannot be read: {refused.message}",
                    next=f"let somebody run: {self._marks.grants()}; or name another with cursor_table",
                ) from refused
            return False
        if not self._only_looks and (refused_right := self._marks.refused()) is not None:
            right, why = refused_right
            raise ConfigError(
                f"{self._database.name}: table {self._marks.name}, where the cursor is kept, can be read and not written: "
                f"{right} is refused: {why}",
                field="to.cursor_table",
                next=f"let somebody run: {self._marks.grants()}; or use cursor: state with mode upsert",
            )
        return True


class TableWriting(Marking):
    """One transaction: rows, then the mark of their portion and the cursor."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        table: Table,
        mode: str,
        key: tuple[str, ...],
        marks: Marks | None,
        *,
        ignore: bool,
        rebuilds: bool,
    ) -> None:
        self._connection = connection
        self._database = database
        self._table = table
        self._mode = mode
        self._key = key
        self._marks = marks
        self._ignore = ignore
        self._rebuilds = rebuilds
        self._write_columns = {column.name: writer(column, database.dialect) for column in table.columns}
        self._statement = lru_cache(maxsize=64)(self._compose)
        self._load = _bulk(connection, database, table, mode, key, rebuilds=rebuilds)
        self.committed = False

    @property
    def connection(self) -> Connection:
        return self._connection

    def write(self, rows: Sequence[Row]) -> Written:
        """Write rows in their order; `RowRefused` names every one that the table refuses, and then none is written."""
        if isinstance(rows, Columns) and len(rows) >= _AT_ONCE and (written := self._at_once(rows)) is not None:
            return written
        refused: dict[int, str] = {}
        bound: list[tuple[int, dict[str, Any]]] = []
        for at, row in enumerate(rows):
            try:
                bound.append((at, self._bound(row)))
            except InputError as error:
                refused[at] = error.message
        whole = self._connection.begin_nested()
        self._attempt(bound, refused)
        if refused:
            whole.rollback()
            first = min(refused)
            raise RowRefused(first, refused[first], refused)
        whole.commit()
        return Written(updated=len(rows)) if self._mode == "upsert" else Written(inserted=len(rows))

    def _at_once(self, rows: Columns) -> Written | None:
        """Load a batch by column where the database has a way for that; None when it goes row by row."""
        if self._load is None:
            return None
        try:
            return self._load.write(self._known(rows), self._write_columns)
        except LaneClosed:
            return None

    def pour(self, batches: Iterator[Columns]) -> Written:
        """Write batches by column in one go; LaneClosed when one has to be looked at row by row, and nothing is written."""
        if self._load is None:
            raise LaneClosed(f"{self._database.dialect} is written in batches")
        return self._load.pour(map(self._known, batches), self._write_columns)

    def _known(self, rows: Columns) -> Columns:
        """Leave out what the table has not, where that was agreed."""
        unknown = set(rows.names) - self._write_columns.keys()
        if unknown and not self._ignore:
            raise LaneClosed(f"there is no column {', '.join(sorted(unknown))}")
        return rows.without(unknown) if unknown else rows

    def load(self, lane: Lane, flow: Flow, beat: Callable[[], None]) -> Written:
        """Load rows that come as bytes, all of them or none; LaneClosed when one has to be looked at."""
        from .sql_load import Load, load_binary

        names = [name for name, _, _ in lane.fields]
        load = Load(self._connection, self._table, self._mode, self._key, names, rebuilds=self._rebuilds)
        if lane.form == "csv":
            from .sql_csv import load_csv

            return load_csv(load, lane, flow, beat)
        return load_binary(load, flow, beat)

    def totals(self, names: Sequence[str]) -> list[Decimal]:
        """Count and sum the table as this transaction sees it."""
        from .sql_totals import totals_of

        step(self._connection)
        return totals_of(self._connection, self._table, names)

    @property
    def key(self) -> Sequence[str]:
        return self._key

    def sums(self, keys: Sequence[Sequence[Any]], names: Sequence[str]) -> list[Decimal]:
        """Count and sum the rows of these keys."""
        from .sql_totals import totals_of

        whole = [Decimal(0)] * (1 + len(names))
        columns = [shape(self._table).c[name] for name in self._key]
        for at in range(0, len(keys), _DELETED_AT_ONCE):
            step(self._connection)
            wanted = [
                [self._write_columns[name](part) for name, part in zip(self._key, key, strict=True)]
                for key in keys[at : at + _DELETED_AT_ONCE]
            ]
            found = totals_of(self._connection, self._table, names, [among(columns, wanted, self._database.dialect)])
            whole = [one + more for one, more in zip(whole, found, strict=True)]
        return whole

    def _bound(self, row: Row) -> dict[str, Any]:
        known = self._write_columns
        try:
            return {name: known[name](value) for name, value in row.items()}
        except KeyError:
            pass
        unknown = sorted(row.keys() - known.keys())
        if not self._ignore:
            raise Rejected(
                f"{self._table.full_name} has no column {', '.join(unknown)}; nothing was changed",
                next="map the columns, add them to the table, or say on_drift: ignore",
            )
        return {name: known[name](value) for name, value in row.items() if name in known}

    def _attempt(self, rows: list[tuple[int, dict[str, Any]]], refused: dict[int, str]) -> None:
        """Write under a savepoint; what is refused is halved until the rows that are to blame stand alone."""
        step(self._connection)
        inside = self._connection.begin_nested()
        try:
            self._send(rows)
        except exc.DBAPIError as error:
            if meaning(error) is not Rejected:
                raise
            inside.rollback()
            if len(rows) == 1:
                refused[rows[0][0]] = said(error)[0]
                return
            middle = len(rows) // 2
            self._attempt(rows[:middle], refused)
            self._attempt(rows[middle:], refused)
        else:
            inside.commit()

    def _send(self, rows: list[tuple[int, dict[str, Any]]]) -> None:
        for names, group in groupby(rows, key=lambda item: tuple(item[1])):
            self._statement(names)([values for _, values in group])

    def _compose(self, names: tuple[str, ...]) -> Callable[[list[dict[str, Any]]], None]:
        """Give what writes rows of these columns: one statement for many rows where the dialect has one."""
        if self._mode == "upsert":
            if missing := [name for name in self._key if name not in names]:
                raise Rejected(f"upsert needs the key: {', '.join(missing)} is not in the row; map it")
            statement = upserting(self._table, self._key, names, self._database)
            if statement is None:
                return self._one_by_one
        else:
            columns: dict[str, Any] = {name: sa.bindparam(name) for name in names}
            statement = sa.insert(shape(self._table)).values(columns)
        return lambda rows: _execute(self._connection, statement, rows)

    def _one_by_one(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if not change(self._connection, self._table, self._key, row):
                self._connection.execute(sa.insert(shape(self._table)).values(row))


def _bulk(
    connection: Connection, database: Database, table: Table, mode: str, key: tuple[str, ...], *, rebuilds: bool
) -> RowLoad | None:
    from .sql_copy import speaks_copy

    if not speaks_copy(database) or (mode == "upsert" and frozenset(key) not in table.unique):
        return None
    from .sql_load import RowLoad

    return RowLoad(connection, table, mode, key, rebuilds=rebuilds)


def _execute(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    connection.execute(statement, rows if len(rows) > 1 else rows[0])
