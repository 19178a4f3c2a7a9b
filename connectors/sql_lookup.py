"""Rows of a table by their keys, many at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ..core.errors import ConfigError, InputError
from ..core.values import kept_canonical, name_of
from .sql import Database
from .sql_among import among
from .sql_model import Table
from .sql_quirks import nulls
from .sql_shapes import compared, compared_writer, readers, shape
from .sql_values import converted

_CHUNK = 300


class TableLookup:
    """
    One table, its key columns and what is taken of a row.

    Where several rows have a key, the lookup is refused: which of them was meant, nobody knows.
    """

    def __init__(self, database: Database, table: Table, key: Sequence[str], columns: Sequence[str]) -> None:
        known = {column.name for column in table.columns}
        for name in [*key, *columns]:
            if name not in known:
                raise ConfigError(f"{table.full_name} has no column {name!r}", field="lookups")
        self._database = database
        self._table = table
        self._key = list(key)
        self._columns = list(columns)

    def find(self, keys: Sequence[tuple[Any, ...]]) -> Mapping[bytes, Mapping[str, Any]]:
        """Give the rows that are there, by the canonical form of the key as it was asked for."""
        found: dict[bytes, Mapping[str, Any]] = {}
        for at in range(0, len(keys), _CHUNK):
            self._some(keys[at : at + _CHUNK], found)
        return found

    def _some(self, keys: Sequence[tuple[Any, ...]], found: dict[bytes, Mapping[str, Any]]) -> None:
        columns, dialect = shape(self._table).c, self._database.dialect
        kinds = [self._table.column(name) for name in self._key]
        writes = [compared_writer(kind, dialect) for kind in kinds]
        asked: dict[Hashable, list[bytes]] = {}
        wanted: list[list[Any]] = []
        for key in keys:
            try:
                ours = [converted(part, kind.kind, kind.name) for part, kind in zip(key, kinds, strict=True)]
                bound = [write(part) for part, write in zip(key, writes, strict=True)]
            except InputError:  # a value that cannot be in this column is not there
                continue
            if None in ours:
                continue
            asked.setdefault(_name(ours), []).append(kept_canonical(list(key)))
            wanted.append(bound)
        if not wanted:
            return
        names = [*self._key, *self._columns]
        reads = readers(self._table, names, dialect)
        same = among([compared(self._table, name, dialect) for name in self._key], wanted, dialect)
        real = [columns[kind.name].not_in(words) for kind in kinds if (words := nulls(kind))]
        query = sa.select(*(columns[name] for name in names)).where(same, *real)
        seen: set[Hashable] = set()
        with self._database.unit("read") as connection:
            for raw in connection.execute(query):
                row = [value if read is None else read(value) for value, read in zip(raw, reads, strict=True)]
                name = _name([converted(part, kind.kind, kind.name) for part, kind in zip(row, kinds, strict=False)])
                if name in seen:
                    raise ConfigError(
                        f"{self._table.full_name} has several rows of one key {', '.join(self._key)}",
                        field="lookups",
                        next="look up by a key that is unique",
                    )
                seen.add(name)
                for asked_as in asked.get(name, ()):
                    found[asked_as] = dict(zip(self._columns, row[len(self._key) :], strict=True))


def _name(key: Sequence[Any]) -> Hashable:
    """Give one name to a key, however many zeros its numbers end with."""
    return name_of(tuple(part.normalize() if isinstance(part, Decimal) else part for part in key))
