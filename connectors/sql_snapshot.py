"""All of a table by its key, page by page, before what changed since: a load that was cut off goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ..core.batch import Columns, Cursor, Portion
from ..core.errors import ConfigError
from ..core.values import canonical
from .sql import Database
from .sql_model import Table
from .sql_shapes import readers, shape
from .sql_steps import STEP_S
from .sql_stream import Page, names_of

MARK = "snapshot"


def is_snapshot(cursor: Cursor) -> bool:
    """Tell whether a cursor lies within a snapshot."""
    said = cursor.get(MARK) if isinstance(cursor, Mapping) else None
    return isinstance(said, Mapping) and set(said) == {"key", "until"}


class Snapshot:
    """
    Pages in the order of the key, also of rows without a stamp.

    The greatest stamp is taken before the first page: what changes while the snapshot is read is read again as a change.
    """

    def __init__(self, database: Database, table: Table, column: str) -> None:
        if not table.key or any(table.column(name).nullable for name in table.key):
            raise ConfigError(f"{table.full_name} has no key, by which a snapshot is read", field="cursor.snapshot")
        self._database = database
        self._table = table
        self._column = column

    def pages(self, cursor: Any, rows: int) -> Iterator[Portion]:
        """Give the pages that are left; the cursor of the last one is that of the changes."""
        begun: Mapping[str, Any] | None = None if cursor is None else cursor[MARK]
        until = greatest(self._database, self._table, self._column) if begun is None else begun["until"]
        last = None if begun is None else begun["key"]
        while True:
            page, last = self._page(last, until, rows)
            if page is not None:
                yield page
            if last is None:
                return

    def _page(self, last: Any, until: Any, rows: int) -> tuple[Portion | None, Any]:
        names, key = [column.name for column in self._table.columns], list(self._table.key)
        columns = shape(self._table).c
        query = sa.select(*(columns[name] for name in names)).order_by(*(columns[name] for name in key)).limit(rows + 1)
        if last is not None:
            greater = [
                sa.and_(*(columns[near] == last[n] for n, near in enumerate(key[:at])), columns[name] > last[at])
                for at, name in enumerate(key)
            ]
            query = query.where(columns[key[0]] >= last[0], sa.or_(*greater))
        with self._database.unit("read", timeout_s=STEP_S) as connection:
            found = connection.execute(query).fetchall()
        more, found = len(found) > rows, found[:rows]
        if not found:
            return None, None
        at = [names.index(name) for name in key]
        reached = [found[-1][place] for place in at] if more else None
        values = Columns.of(names, found, readers(self._table, names, self._database.dialect))
        ended = None if until is None else {"at": until, "key": None}
        cursor = ended if reached is None else {MARK: {"key": reached, "until": until}}
        stamps = [[raw[names.index(self._column)], *(raw[place] for place in at)] for raw in found]
        identity = hashlib.sha256(canonical([self._table.full_name, MARK, last, until]))
        for row in values:
            identity.update(canonical(row))
        page_id = f"{self._table.full_name}:{MARK}:{identity.hexdigest()}"
        name = f"{self._table.full_name} snapshot after {'the beginning' if last is None else last}"
        return Page(page_id, name, cursor, values, names_of(self._table.full_name, stamps)), reached


def greatest(database: Database, table: Table, column: str) -> Any:
    """Give the greatest stamp that is there."""
    query = sa.select(sa.func.max(shape(table).c[column])).select_from(shape(table))
    with database.unit("read", timeout_s=STEP_S) as connection:
        return connection.execute(query).scalar_one()
