"""Read tables and statements for syncs: what changed since a watermark in pages, anything else as one stream."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult

from ..core.batch import Columns, Cursor, Flow, Lane, Portion
from ..core.errors import ConfigError, DrawbarError, InputError
from ..core.syncs.drift import Field
from ..core.values import canonical
from .sql import Database
from .sql_model import Table
from .sql_quirks import as_kept, decoder, encoder
from .sql_shapes import readers, shape
from .sql_snapshot import Snapshot, greatest, is_snapshot
from .sql_stamps import before, refuse_last
from .sql_statements import Statement, readers_of, streaming
from .sql_steps import STEP_S
from .sql_stream import ColumnStream, CopiedStream, Page, SqliteStream, Stream, names_of, opened
from .sql_values import writer

if TYPE_CHECKING:
    from .sql_keys import TableKeys
    from .sql_lane import CopiedPage, TableLane

_COUNT_S = 3.0
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:")


class StatementSource:
    """All rows of a statement, each time."""

    one_effect = (
        False,
        "the statement is read whole each time: replace or upsert have one effect, insert repeats rows",
    )

    def __init__(self, database: Database, statement: Statement, parameters: Mapping[str, Any], name: str) -> None:
        self._database = database
        self._statement = statement
        self._parameters = parameters
        self._name = name
        self._apart = False

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        yield Stream(
            self._name, lambda connection: self._open(connection, batch_rows), self._database, apart=self._apart
        )

    def apart(self) -> None:
        """Read all rows before the first is given."""
        self._apart = True

    def _open(self, connection: Connection, rows: int) -> tuple[CursorResult[Any], list[Any]]:
        result = streaming(connection, self._statement, self._parameters, rows)
        return result, readers_of(result, self._database.dialect, self._statement.kinds)

    def total(self, cursor: Cursor) -> int | None:
        return None

    def close(self) -> None: ...


class TableSource:
    """
    A table: all of it each time, or, with a watermark, what changed since the cursor.

    A cursor is {"at": the last stamp, "key": the tie-breakers' values there}, as the driver gives and takes them.
    """

    def __init__(self, database: Database, table: Table, watermark: Mapping[str, Any] | None) -> None:
        self._database = database
        self._table = table
        self._watermark = watermark
        self._lane: TableLane | None = None
        self._flow: Callable[[], Flow] | None = None
        self._order: list[str] = []
        self._apart = False
        self._overlap = timedelta(seconds=watermark.get("overlap_s", 0) if watermark else 0)
        self.one_effect = _effect(watermark)
        self._range: tuple[Any, Any] | None = None
        self._until: Any = None
        if watermark is not None:
            self._order = [watermark["column"], *_breakers(table, watermark)]
            self._zone = ZoneInfo(watermark.get("timezone") or "UTC")

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        if self._watermark is None:
            yield self._whole(batch_rows)
            return
        if self._range is None and self._watermark.get("snapshot") and (cursor is None or is_snapshot(cursor)):
            for each in Snapshot(self._database, self._table, self._order[0]).pages(cursor, batch_rows):
                yield each
                cursor = each.cursor
            if cursor is None:
                return
        last = self._begin(cursor)
        if self._overlap and self._range is None:
            # Rows that commit while pages are read must not come to lie further back than the next run's overlap.
            self._until = greatest(self._database, self._table, self._order[0])
        while (page := (self._page if self._lane is None else self._copied)(last, batch_rows)) is not None:
            refuse_last(self._order[0], page.cursor["at"])
            yield page
            if page.count < batch_rows:
                return
            last = page.cursor

    def lanes(self, wanted: Mapping[str, str] | None) -> Sequence[Lane]:
        from .sql_copy import offered
        from .sql_copy_text import offered_text

        binary = offered(self._database, self._table, wanted)
        return binary if self._watermark else [*binary, *offered_text(self._database, self._table, wanted)]

    def enter(self, lane: Lane) -> bool:
        from .sql_copy_text import FORM, lines
        from .sql_lane import TableLane

        if lane.form == FORM:
            self._flow = partial(lines, self._database, self._table, lane)
            return True

        self._lane = TableLane.of(self._database, self._table, lane, self._order)
        if self._lane is not None:
            self._flow = self._lane.flow
        return self._lane is not None

    def total(self, cursor: Cursor) -> int | None:
        from .sql_totals import about, totals_of

        try:
            with self._database.unit("read", timeout_s=_COUNT_S) as connection:
                if self._watermark is None or is_snapshot(cursor):
                    return about(connection, self._table)
                return int(totals_of(connection, self._table, (), self._newer(self._begin(cursor)))[0])
        except DrawbarError:  # too many to count in time: the progress bar does without
            return None

    def behind(self, cursor: Cursor) -> int | None:
        """Count the rows that no run has read; those of the overlap are read again without being new."""
        from .sql_totals import totals_of

        if self._watermark is None or is_snapshot(cursor):
            return None if self._watermark is None else self.total(cursor)
        try:
            with self._database.unit("read", timeout_s=_COUNT_S) as connection:
                return int(totals_of(connection, self._table, (), self._newer(self._as_read(cursor)))[0])
        except DrawbarError:
            return None

    def close(self) -> None: ...

    def _whole(self, rows: int) -> Portion:
        if self._flow is None:
            return self._stream(rows)
        plain = Stream(self._table.full_name, lambda connection: self._all(connection, rows), self._database)
        return CopiedStream(plain, self._flow, partial(self._stream, rows))

    def _stream(self, rows: int) -> Stream:
        from .sql_lane import TableColumns

        name, database = self._table.full_name, self._database
        if (by_column := TableColumns.of(database, self._table)) is not None:
            convert = readers(self._table, by_column.names, database.dialect)
            return ColumnStream(
                name, lambda connection: self._all(connection, rows), database, by_column=by_column, reads=convert
            )
        if database.dialect == "sqlite":
            from .sql_sqlite import SqliteColumns

            if (near := SqliteColumns.of(database, self._table)) is not None:
                convert = readers(self._table, [column.name for column in self._table.columns], database.dialect)
                return SqliteStream(
                    name,
                    lambda connection: self._all(connection, rows),
                    database,
                    apart=self._apart,
                    by_column=near,
                    reads=convert,
                )
        return Stream(name, lambda connection: self._all(connection, rows), database, apart=self._apart)

    def _copied(self, last: Cursor, rows: int) -> CopiedPage | None:
        assert self._lane is not None
        lane, order = self._lane, [shape(self._table).c[name] for name in self._order]
        return lane.page(
            last,
            lambda connection: lane.query(connection, self._newer(last), order, rows),
            lambda: self._page(last, rows),
        )

    def _all(self, connection: Connection, rows: int) -> tuple[CursorResult[Any], list[Any]]:
        return opened(connection, self._database, self._table, rows)

    def keys(self, names: Sequence[str]) -> TableKeys:
        from .sql_keys import TableKeys

        return TableKeys(self._database, self._table, names)

    def fields(self) -> Sequence[Field]:
        from .sql_widen import fields_of

        return fields_of(self._table)

    def totals(self, names: Sequence[str]) -> list[Decimal]:
        from .sql_totals import totals_of

        with self._database.unit("read", timeout_s=STEP_S) as connection:
            return totals_of(connection, self._table, names)

    def apart(self) -> None:
        """Read all rows of a portion before the first is given."""
        self._apart = True

    def only(self, since: Any, until: Any) -> None:
        """Read from one stamp to another, both included, whatever the cursor says."""
        begin, end = self._stamp(since), self._stamp(until)
        if begin is not None and end is not None and begin > end:
            raise InputError(f"since {since} is after until {until}: nothing lies between them", field="since")
        self._range = begin, end

    def _stamp(self, value: Any) -> Any:
        """Take a stamp that a person wrote; one without a zone has that of the cursor."""
        if self._database.dialect == "sqlite" and isinstance(value, str):
            return self._as_spelled(value)
        stamp = self._as_driver(self._order[0], value)
        is_bare = isinstance(stamp, datetime) and stamp.tzinfo is None
        if is_bare and self._table.column(self._order[0]).kind == "timestamptz":
            return stamp.replace(tzinfo=self._zone)
        return stamp

    def _as_spelled(self, value: str) -> str:
        """Spell a stamp as the stamps of the column are, with a T or a blank: SQLite compares them as texts."""
        column = self._order[0]
        if self._table.column(column).kind not in {"timestamp", "timestamptz"}:
            return value
        with self._database.unit("read", timeout_s=STEP_S) as connection:
            found = connection.execute(sa.select(sa.func.max(shape(self._table).c[column]))).scalar()
        try:
            stamp = datetime.fromisoformat(value)
        except ValueError as error:
            raise InputError(
                f"{value!r} is no stamp such as 2026-11-22 or 2026-11-22 10:00:00", field="since"
            ) from error
        if not isinstance(found, str) or not _STAMP.match(found):
            return value
        if stamp.tzinfo is not None:
            stamp = stamp.astimezone(self._zone).replace(tzinfo=None)
        return stamp.isoformat(found[10])

    def _as_driver(self, name: str, value: Any) -> Any:
        """Take a value that a person wrote; what SQLite keeps as text is compared as text, as it is given."""
        if value is None or not isinstance(value, str) or self._database.dialect == "sqlite":
            return value
        return writer(self._table.column(name), self._database.dialect)(value)

    def _as_kept(self, name: str, value: Any) -> Any:
        """Take a value of a cursor, which holds what the column keeps and not what is meant by it."""
        if self._table.column(name).quirk is not None and isinstance(value, str):
            return writer(as_kept(self._table.column(name)), self._database.dialect)(value)
        return self._as_driver(name, value)

    def _begin(self, cursor: Cursor) -> Cursor:
        """Go back from the cursor by the overlap, and by an hour where local time repeated one."""
        if self._range is not None:
            return None if self._range[0] is None else {"at": self._range[0], "key": None}
        if (cursor := self._as_read(cursor)) is None:
            return None
        moved = self._before(cursor["at"])
        return cursor if moved == cursor["at"] else {"at": moved, "key": None}

    def _before(self, at: Any) -> Any:
        """Move a stamp back; one that a text or a number spells is read, and spelled again."""
        column = self._table.column(self._order[0])
        if column.quirk is None or column.quirk.date is None:
            return before(at, self._overlap, self._zone)
        meant = decoder(column)(at)
        moved = before(meant, self._overlap, self._zone) if isinstance(meant, date) else meant
        return at if moved == meant else encoder(column)(moved)

    def understand(self, cursor: Cursor) -> None:
        """Raise InputError for what is no cursor of this table."""
        if cursor is None or self._watermark is None or (self._watermark.get("snapshot") and is_snapshot(cursor)):
            return
        key = cursor.get("key") if isinstance(cursor, Mapping) else None
        is_key = key is None or (
            isinstance(key, Sequence) and not isinstance(key, str) and len(key) == len(self._order) - 1
        )
        if not isinstance(cursor, Mapping) or set(cursor) != {"at", "key"} or cursor["at"] is None or not is_key:
            raise InputError(
                "this is no cursor of a table",
                field="cursor",
                next=f"at: a value of {self._order[0]}; key: null, or [{', '.join(self._order[1:])}] of the last row; null begins again",
            )

    def _as_read(self, cursor: Cursor) -> Cursor:
        """Take a cursor's values as the driver gives and takes them."""
        if cursor is None:
            return None
        self.understand(cursor)
        at, key = self._as_kept(self._order[0], cursor["at"]), cursor["key"]
        if key is not None:
            key = [self._as_kept(name, part) for name, part in zip(self._order[1:], key, strict=True)]
        return {"at": at, "key": key}

    def _newer(self, last: Cursor) -> list[sa.ColumnElement[bool]]:
        columns = [shape(self._table).c[name] for name in self._order]
        until = self._until if self._range is None else self._range[1]
        stamped = [columns[0].is_not(None) if until is None else columns[0] <= until]
        if last is None:
            return stamped
        if last["key"] is None:
            return [columns[0] >= last["at"], *stamped]
        values = [last["at"], *last["key"]]
        branches = [
            sa.and_(*(columns[near] == values[near] for near in range(at)), columns[at] > values[at])
            for at in range(len(columns))
        ]
        # The first condition says nothing new, but it is what the databases use an index for.
        return [columns[0] >= last["at"], sa.or_(*branches), *stamped]

    def _page(self, last: Cursor, rows: int) -> Page | None:
        names = [column.name for column in self._table.columns]
        columns = shape(self._table).c
        chosen = [columns[name] for name in names] + [
            columns[name].label(f"cursor_{at}") for at, name in enumerate(self._order)
        ]
        query = (
            sa.select(*chosen).where(*self._newer(last)).order_by(*(columns[name] for name in self._order)).limit(rows)
        )
        convert = readers(self._table, names, self._database.dialect)
        with self._database.unit("read", timeout_s=STEP_S) as connection:
            found = connection.execute(query).fetchall()
        if not found:
            return None
        at, *key = found[-1][len(names) :]
        values = Columns.of(names, [raw[: len(names)] for raw in found], convert)
        stamps = names_of(self._table.full_name, [raw[len(names) :] for raw in found])
        name = f"{self._table.full_name} up to {at}"
        return Page(self._identity(last, values), name, {"at": at, "key": key}, values, stamps)

    def _identity(self, last: Cursor, rows: Columns) -> str:
        """Name a page by where it begins and what it holds: rows that came late into the overlap make it another."""
        digest = hashlib.sha256(canonical([self._table.full_name, self._order, last]))
        for row in rows:
            digest.update(canonical(row))
        return f"{self._table.full_name}:{digest.hexdigest()}"


def _effect(watermark: Mapping[str, Any] | None) -> tuple[bool, str]:
    if watermark is None:
        return False, "the table is read whole each time: replace or upsert have one effect, insert repeats rows"
    late = f"{watermark.get('overlap_s', 0):g}"
    return True, f"read from a watermark on; rows that commit more than {late} s after their own stamp are lost"


def _breakers(table: Table, watermark: Mapping[str, Any]) -> list[str]:
    known = {column.name for column in table.columns}
    named = [watermark["tie_breaker"]] if watermark.get("tie_breaker") else list(table.key)
    for name in [watermark["column"], *named]:
        if name not in known:
            raise ConfigError(f"{table.full_name} has no column {name!r}", field="cursor")
    if (quirk := table.column(watermark["column"]).quirk) is not None and not quirk.sortable:
        said = (
            f"{table.full_name}.{watermark['column']} does not keep its values in their order: no cursor can follow it"
        )
        raise ConfigError(said, field="cursor", next="name another column, or read the table whole")
    breakers = [name for name in named if name != watermark["column"]]
    if not breakers and frozenset([watermark["column"]]) not in table.unique:
        raise ConfigError(
            f"{table.full_name} has no key, so rows of equal {watermark['column']} could be lost",
            field="cursor",
            next="name a unique column with tie_breaker",
        )
    return breakers
