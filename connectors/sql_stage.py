"""The table beside a target in which a load in ranges collects what replaces everything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateTable

from ..core.errors import ConfigError, Rejected
from .sql import Database, step
from .sql_errors import committing
from .sql_marks import Marks
from .sql_model import Table
from .sql_shapes import shape

_SYNC_CHARS, _LOAD_CHARS = 8, 12
"""Firebird 3 has names of 31 characters."""

SWAP_S = 3600.0
"""How long the statement may take that puts all rows of a stage into the target."""


class Stage:
    """
    The stage of one load. Its name has the load's, so that a worker of an older load finds no table any more.

    It is like the target, without its foreign keys and triggers: PostgreSQL and MariaDB copy what they know of the target,
    elsewhere it has the columns that are written, and what is unique.
    """

    def __init__(self, database: Database, target: Table, schema: str | None, sync: str, load: str) -> None:
        self._database = database
        self._target = target
        self._load = load
        self._prefix = f"drawbar_{hashlib.sha256(sync.encode()).hexdigest()[:_SYNC_CHARS]}_"
        self.table = replace(target, name=self._prefix + load[-_LOAD_CHARS:], schema=schema)

    def begin(self, marks: Marks, columns: Sequence[str]) -> None:
        """Make it, once for each load: what a crash left of it without its mark is empty."""
        if marks.has(self._mark):
            if self.table.name not in self._there():
                raise ConfigError(
                    f"{self.table.full_name}, where a half-done load collects its rows, is gone",
                    next="drawbar cursor set NAME null, and the next run begins another load",
                )
            return
        self.clear()
        try:
            with self._database.unit("write") as connection:
                connection.exec_driver_sql(self._ddl(connection, columns).replace("%", "%%"))
        except Rejected as refused:
            raise ConfigError(
                f"{self._database.name}: {self.table.full_name}, which collects the ranges, cannot be made: {refused.message}",
                field="partitions",
                next="let somebody grant CREATE there; or put cursor_table into a schema where tables may be made; or leave partitions out",
            ) from refused
        self._note(marks)

    def clear(self) -> None:
        """Drop the stages of this sync, whichever load they were of."""
        for name in self._there():
            with self._database.unit("write") as connection:
                connection.execute(sa.schema.DropTable(sa.Table(name, sa.MetaData(), schema=self.table.schema)))

    def pour(self, connection: Connection, columns: Sequence[str]) -> None:
        """Put all its rows into the target."""
        ours, theirs = shape(self.table).c, shape(self._target)
        rows = sa.select(*(ours[name] for name in columns))
        step(connection)
        connection.execute(sa.insert(theirs).from_select([theirs.c[name] for name in columns], rows))

    @property
    def _mark(self) -> str:
        return f"stage:{self._load}"

    def _note(self, marks: Marks) -> None:
        with self._database.unit("write") as connection:
            marks.put(connection, self._mark, None)
            with committing():
                connection.commit()
        marks.moved()

    def _there(self) -> list[str]:
        with self._database.unit("read") as connection:
            known = sa.inspect(connection).get_table_names(self.table.schema)
        return [str(name) for name in known if str(name).startswith(self._prefix)]

    def _ddl(self, connection: Connection, columns: Sequence[str]) -> str:
        table = connection.dialect.identifier_preparer.format_table
        made, target = table(shape(self.table)), table(shape(self._target))
        match self._database.dialect:
            case "postgresql":
                # Not unlogged: after a crash of the server it would be empty, and its marks would say that it is not.
                including = "defaults including constraints including identity including generated including indexes"
                return f"create table {made} (like {target} including {including})"
            case "mysql" | "mariadb":
                return f"create table {made} like {target}"
        found = sa.Table(
            self._target.name, sa.MetaData(), schema=self._target.schema, autoload_with=connection, resolve_fks=False
        )
        written = [sa.Column(one.name, one.type, nullable=one.nullable) for one in map(found.c.__getitem__, columns)]
        unique = [sa.UniqueConstraint(*sorted(names)) for names in self._target.unique if names <= set(columns)]
        same = sa.Table(self.table.name, sa.MetaData(), *written, *unique, schema=self.table.schema)
        return str(CreateTable(same).compile(dialect=connection.dialect))
