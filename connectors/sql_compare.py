"""What rows would do to a table: compared with what is there, in units that only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.batch import Row, RowRefused, Would, Written
from ..core.errors import InputError, Rejected
from .sql import Database, step
from .sql_among import among
from .sql_model import Table
from .sql_shapes import readers, shape
from .sql_steps import STEP_S
from .sql_values import converted, writer

_CHUNK = 200
_SAMPLES = 5


@contextmanager
def comparing(
    database: Database, table: Table, mode: str, key: Sequence[str], *, ignore: bool
) -> Iterator[TableCompared]:
    with database.unit("read", timeout_s=STEP_S, steps=True) as connection:
        yield TableCompared(connection, database, table, mode, key, ignore=ignore)


class TableCompared:
    """
    Takes rows as a writing does, and changes nothing.

    What only the database itself would refuse (a check, a foreign key) is not foreseen.
    """

    def __init__(
        self, connection: Connection, database: Database, table: Table, mode: str, key: Sequence[str], *, ignore: bool
    ) -> None:
        self._connection = connection
        self._table = table
        self._mode = mode
        self._key = list(key)
        self._ignore = ignore
        self._dialect = database.dialect
        self._kinds = {column.name: column for column in table.columns}
        self._write = {column.name: writer(column, database.dialect) for column in table.columns}
        self._read = dict(zip(self._kinds, readers(table, list(self._kinds), database.dialect), strict=True))
        self._inserted = self._updated = self._unchanged = 0
        self._samples: dict[str, list[Mapping[str, Any]]] = {"insert": [], "update": [], "delete": []}

    def write(self, rows: Sequence[Row]) -> Written:
        bound: list[tuple[dict[str, Any], dict[str, Any]]] = []
        refused: dict[int, str] = {}
        for at, row in enumerate(rows):
            try:
                bound.append(self._bound(row))
            except InputError as error:
                refused[at] = error.message
        there = self._there([one for _, one in bound]) if self._key else {}
        if self._mode == "insert" and self._key:
            for at, row in enumerate(rows):
                if at not in refused and self._identity(self._bound(row)[0]) in there:
                    refused[at] = f"a row with this key is there already: {self._shown_key(row)}"
        if refused:
            first = min(refused)
            raise RowRefused(first, refused[first], refused)
        for ours, _ in bound:
            self._count(ours, there)
        return Written(inserted=len(rows))

    def would(self) -> Would:
        deleted = 0
        if self._mode == "replace":
            counted = sa.select(sa.func.count()).select_from(shape(self._table))
            deleted = max(0, self._connection.execute(counted).scalar_one() - self._updated - self._unchanged)
        samples = [one for some in self._samples.values() for one in some]
        return Would(Written(self._inserted, self._updated, deleted, self._unchanged), samples)

    def _bound(self, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give a row as our values and as the driver takes them."""
        unknown = sorted(row.keys() - self._kinds.keys())
        if unknown and not self._ignore:
            raise Rejected(f"{self._table.full_name} has no column {', '.join(unknown)}")
        known = {name: value for name, value in row.items() if name in self._kinds}
        bound = {name: self._write[name](value) for name, value in known.items()}
        ours = {name: converted(value, self._kinds[name].kind, name) for name, value in known.items()}
        return ours, bound

    def _there(self, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        columns = shape(self._table).c
        rest = iter([row for row in rows if all(name in row for name in self._key)])
        while chunk := list(islice(rest, _CHUNK)):
            step(self._connection)
            keys = [[row[name] for name in self._key] for row in chunk]
            wanted = among([columns[name] for name in self._key], keys, self._dialect)
            for raw in self._connection.execute(sa.select(*(columns[name] for name in self._kinds)).where(wanted)):
                row = {
                    name: value if (read := self._read[name]) is None else read(value)
                    for name, value in zip(self._kinds, raw, strict=True)
                }
                found[self._identity(row)] = row
        return found

    def _count(self, row: Mapping[str, Any], there: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> None:
        old = there.get(self._identity(row)) if self._key else None
        if old is None:
            self._inserted += 1
            self._sample("insert", {"row": dict(row)})
            return
        changes = {name: [old[name], value] for name, value in row.items() if not same(old[name], value)}
        if not changes:
            self._unchanged += 1
            return
        self._updated += 1
        self._sample("update", {"key": {name: row[name] for name in self._key}, "changes": changes})

    def _sample(self, what: str, said: Mapping[str, Any]) -> None:
        if len(self._samples[what]) < _SAMPLES:
            self._samples[what].append({"would": what, **said})

    def _identity(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        found = (_plain(row.get(name)) for name in self._key)
        return tuple(one.rstrip(" ") if isinstance(one, str) else one for one in found)  # CHAR is padded

    def _shown_key(self, row: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} {row.get(name)}" for name in self._key)


def same(old: Any, new: Any) -> bool:
    """Compare two of our values; a stamp without zone is taken as UTC beside one that has it."""
    return bool(_plain(old) == _plain(new))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
