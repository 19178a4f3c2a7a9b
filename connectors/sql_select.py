"""Read rows of a reflected table: a statement for each form of a query, composed once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .sql import Database
from .sql_flood import at_most
from .sql_model import KEPT, Kind, Query, Rows, Table
from .sql_quirks import as_kept
from .sql_shapes import compared_writer, condition_on, form_of, readers, shape, values_of
from .sql_statements import Limits, abandon, bounded
from .sql_values import column_reader, writer

if TYPE_CHECKING:
    from ..core.tool import Reading
    from .sql_pinned import PinnedRead

_MOST_FORMS = 200
_UNBOUNDED: frozenset[Kind] = frozenset({"text", "bytes", "json", "array", "other"})


class _Form:
    """One form of a query: its statement, and how its answer is read."""

    def __init__(self, database: Database, table: Table, query: Query, limits: Limits) -> None:
        self.limits = limits
        self.select = selecting(table, query, database.dialect)
        self.readers = readers(table, query.columns, database.dialect)
        self.readers += [
            column_reader(as_kept(table.column(name)), database.dialect) for _, name in kept_of(table, query)
        ]
        self.pinned: PinnedRead | None = None
        if database.driver == "psycopg":
            with suppress(ImportError):  # the driver is not as we know it
                from .sql_pinned import PinnedRead

                self.pinned = PinnedRead.whole(database, self.select, limits, self.readers)


class TableRead:
    """Reads of one table. `begins` says whether `begin` ever gives something."""

    def __init__(self, database: Database, table: Table, max_bytes: int) -> None:
        self._database = database
        self._table = table
        self._max_bytes = max_bytes
        self._columns = {column.name: column for column in table.columns}
        self._writers = {column.name: compared_writer(column, database.dialect) for column in table.columns}
        self._kept = {column.name: writer(as_kept(column), database.dialect) for column in table.columns}
        self._forms: dict[Any, _Form] = {}
        self.begins = database.driver == "psycopg"
        self._streams = any(column.kind in _UNBOUNDED and not column.length for column in table.columns)

    def rows(self, query: Query, left_s: float) -> Rows:
        form, values = self._form(query)
        if form.pinned is not None and (found := form.pinned.read(values, left_s)) is not None:
            return found
        found = self._ordinary(form, values, left_s)
        if form.pinned is not None:
            form.pinned.grow(left_s)
        return found

    def begin(
        self, query: Query, left_s: float, answer: Callable[[Rows], Any], otherwise: Callable[[], Any]
    ) -> Reading | None:
        """Begin to read without waiting, as `PinnedRead.begin` does."""
        form, values = self._form(query)
        return None if form.pinned is None else form.pinned.begin(values, left_s, answer, otherwise)

    def _form(self, query: Query) -> tuple[_Form, dict[str, Any]]:
        forms = [form_of(condition) for condition in query.where]
        given = None if query.after is None else tuple(value is None for value in query.after)
        key = (tuple(query.columns), tuple(forms), tuple(query.order), given, query.limit)
        if (form := self._forms.get(key)) is None:
            form = _Form(self._database, self._table, query, Limits(query.limit, self._max_bytes))
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            self._forms[key] = form
        values: list[Any] = []
        for condition, known in zip(query.where, forms, strict=True):
            name = condition.column
            values += values_of(condition, known, self._columns[name], self._writers[name])
        for order, last in zip(query.order, query.after or (), strict=False):
            if last is not None:
                values.append(self._kept[order.column](last))
        return form, {f"v{at}": value for at, value in enumerate(values)}

    def _ordinary(self, form: _Form, values: dict[str, Any], left_s: float) -> Rows:
        with self._database.unit("read", timeout_s=left_s) as connection:
            if self._streams:
                connection.execution_options(stream_results=True)
            with at_most(connection, form.limits.bytes):
                result = connection.execute(form.select, values)
                found = bounded(result, form.readers, form.limits)
            cut = found.truncated and len(found.rows) < form.limits.rows
            if not (cut and abandon(connection, result)):
                result.close()
            return found


def kept_of(table: Table, query: Query) -> list[tuple[int, str]]:
    """Name the columns of the order that are not shown as they are kept: the next page begins after what is kept."""
    named = enumerate(item.column for item in query.order)
    return [(at, name) for at, name in named if query.pages and table.column(name).quirk is not None]


def selecting(table: Table, query: Query, dialect: str) -> sa.Select[Any]:
    """Compose the SELECT of a query's form, with a parameter `v0`, `v1` for each value in their order."""
    columns = shape(table).c
    binds = _Binds()
    kept = (columns[name].label(f"{KEPT}{at}") for at, name in kept_of(table, query))
    chosen = sa.select(*(columns[name] for name in query.columns), *kept)
    for condition in query.where:
        form = form_of(condition)
        chosen = chosen.where(condition_on(table, form, binds.take(form[2]), dialect))
    for order in query.order:
        column = columns[order.column]
        if table.column(order.column).nullable:
            chosen = chosen.order_by(sa.case((column.is_(None), 1), else_=0))
        chosen = chosen.order_by(column.desc() if order.descending else column.asc())
    if query.after is not None:
        chosen = chosen.where(_after(table, query, binds))
    most: Any = query.limit + 1
    # as a parameter it would leave PostgreSQL's plans without the number of rows
    return chosen.limit(sa.literal_column(str(most)) if dialect == "postgresql" else most)


class _Binds:
    def __init__(self) -> None:
        self._taken = 0

    def take(self, count: int) -> list[sa.BindParameter[Any]]:
        first = self._taken
        self._taken += count
        return [sa.bindparam(f"v{at}") for at in range(first, self._taken)]


def _after(table: Table, query: Query, binds: _Binds) -> sa.ColumnElement[bool]:
    """Compare with the last row seen: greater in one column, equal in all before it. NULLs come last, as the order says."""
    steps: list[tuple[Any, Any]] = []  # (equal, greater) for each item of the order
    for order, last in zip(query.order, query.after or (), strict=True):
        column, found = shape(table).c[order.column], table.column(order.column)
        if last is None:
            steps.append((column.is_(None), sa.false()))
            continue
        (value,) = binds.take(1)
        greater = column < value if order.descending else column > value
        steps.append((column == value, sa.or_(greater, column.is_(None)) if found.nullable else greater))
    branches = [
        sa.and_(*(equal for equal, _ in steps[:at]), greater)
        for at, (_, greater) in enumerate(steps)
        if not isinstance(greater, sa.False_)
    ]
    return sa.or_(*branches) if branches else sa.false()
