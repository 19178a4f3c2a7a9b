"""A table in ranges of one column: where they end, and each of them as a source of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult

from ..core.batch import Cursor, Lane, Portion, Source
from ..core.errors import ConfigError
from ..core.syncs.partitions import Window
from .sql import Database
from .sql_model import Table
from .sql_shapes import shape
from .sql_snapshot import greatest
from .sql_source import TableSource
from .sql_steps import STEP_S
from .sql_stream import CopiedStream, Stream, opened


class PartedSource(TableSource):
    """A table that can also be read in ranges: all of it, or what lies between two cursors."""

    def reached(self, cursor: Cursor) -> Cursor:
        order = [shape(self._table).c[name] for name in self._order]
        last = sa.select(*order).where(*self._newer(self._begin(cursor)))
        with self._database.unit("read", timeout_s=STEP_S) as connection:
            row = connection.execute(last.order_by(*(column.desc() for column in order)).limit(1)).first()
        return None if row is None else {"at": row[0], "key": list(row[1:])}

    def begins(self) -> Cursor:
        until = greatest(self._database, self._table, self._order[0])
        return None if until is None else {"at": until, "key": None}

    def split(
        self, by: str | None, ranges: int, *, window: Window | None = None, least: int = 1
    ) -> tuple[str, Sequence[Any]]:
        name = self.parted_by(by)
        return name, bounds(self._database, self._table, name, ranges, least, self._between(window))

    def parted_by(self, by: str | None) -> str:
        """Name the column that ranges are of; ConfigError where none will do."""
        return _column_of(self._table, by)

    def within(self, column: str, low: Any, high: Any, *, portion: str, window: Window | None = None) -> Source:
        return RangeSource(self._database, self._table, column, low, high, portion, self._between(window), self._apart)

    def _between(self, window: Window | None) -> list[sa.ColumnElement[bool]]:
        """Compare with the cursor before, and with the one behind, itself included."""
        if window is None:
            return []
        columns = [shape(self._table).c[name] for name in self._order]
        since, until = window
        values = [
            self._as_driver(name, value) for name, value in zip(self._order, (until["at"], *until["key"]), strict=True)
        ]
        branches = [
            sa.and_(*(columns[near] == values[near] for near in range(at)), columns[at] < values[at])
            for at in range(len(columns))
        ]
        same = sa.and_(*(column == value for column, value in zip(columns, values, strict=True)))
        return [*self._newer(self._begin(since)), columns[0] <= values[0], sa.or_(*branches, same)]


def _column_of(table: Table, by: str | None) -> str:
    name = by or next(iter(table.key), None)
    if name is None or name not in {column.name for column in table.columns}:
        said = f"has no column {by!r}" if by else "has no key"
        raise ConfigError(f"{table.full_name} {said}, by which it could be parted", field="partitions")
    if table.column(name).nullable:
        raise ConfigError(f"{table.full_name}.{name} may be null, and null is in no range", field="partitions")
    return name


def bounds(
    database: Database, table: Table, name: str, ranges: int, least: int, where: Sequence[sa.ColumnElement[bool]]
) -> list[Any]:
    """Give the values of a column where ranges of about as many rows end; the last range has no end."""
    column, whole = shape(table).c[name], shape(table)
    with database.unit("read", timeout_s=STEP_S) as connection:
        counted = sa.select(sa.func.count()).select_from(whole).where(*where)
        every = max(-(-int(connection.execute(counted).scalar_one()) // ranges), least)
        if ranges == 1 or every == 0:
            return []
        # As text: SQLAlchemy's dialect of Firebird leaves the parentheses of a function without arguments out.
        row_number: Any = sa.literal_column("row_number()", sa.Integer)
        number = sa.over(row_number, order_by=column).label("n")
        numbered = sa.select(column.label("at"), number).where(*where).subquery()
        ends = sa.select(numbered.c.at).where(numbered.c.n % every == 0).distinct().order_by(numbered.c.at)
        return [row[0] for row in connection.execute(ends)][: ranges - 1]


@dataclass(slots=True)
class RangeSource:
    """The rows from after `low` to `high`, itself included; None is no end. `id` is that of its one portion."""

    database: Database
    table: Table
    column: str
    low: Any
    high: Any
    id: str
    where: Sequence[sa.ColumnElement[bool]] = ()
    apart: bool = False
    lane: Any = None
    one_effect = (True, "each range is committed with the mark that it is there; a load that was cut off goes on")

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        open_ = partial(self._opened, rows=batch_rows)
        rows = Stream(self.name, open_, self.database, cursor, self.id, self.apart)
        if self.lane is None:
            yield rows
            return
        from .sql_copy import Copied

        yield CopiedStream(rows, partial(Copied, self.database, partial(self.lane.query, where=self._within())))

    @property
    def name(self) -> str:
        ends = [f"after {self.low}"] * (self.low is not None) + [f"up to {self.high}"] * (self.high is not None)
        return f"{self.table.full_name} {self.column} {' '.join(ends) or 'all'}"

    def lanes(self, wanted: Mapping[str, str] | None) -> Sequence[Lane]:
        from .sql_copy import offered

        return offered(self.database, self.table, wanted)

    def enter(self, lane: Lane) -> bool:
        from .sql_lane import TableLane

        self.lane = TableLane.of(self.database, self.table, lane, [])
        return self.lane is not None

    def total(self, cursor: Cursor) -> int | None:
        return None

    def totals(self, names: Sequence[str]) -> list[Decimal]:
        from .sql_totals import totals_of

        with self.database.unit("read", timeout_s=STEP_S) as connection:
            return totals_of(connection, self.table, names, self._within())

    def close(self) -> None: ...

    def _within(self) -> list[sa.ColumnElement[bool]]:
        column = shape(self.table).c[self.column]
        above = [*self.where] if self.low is None else [*self.where, column > self.low]
        return above if self.high is None else [*above, column <= self.high]

    def _opened(self, connection: Connection, rows: int) -> tuple[CursorResult[Any], list[Any]]:
        return opened(connection, self.database, self.table, rows, self._within())
