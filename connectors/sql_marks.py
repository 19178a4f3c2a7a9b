"""The table `drawbar_sync` of a target: which portions of a sync it has, and its cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateTable

from ..core.batch import Cursor
from ..core.errors import Rejected, Unavailable
from ..core.values import dump, load
from .sql import Database, step
from .sql_errors import committing

_KEPT = 10_000
_PRUNE_EVERY = 100
_AT_ONCE = 500
_CURSOR = ""


class Marks:
    """
    What one sync has committed in one target.

    The row with the empty portion holds the cursor and a version that grows with each commit; a writer that was overtaken
    finds another version there and commits nothing.
    """

    def __init__(self, database: Database, schema: str | None, sync: str, name: str | None = None) -> None:
        """`name` may carry a schema of its own; without one the table stands beside the target."""
        own, _, bare = (name or "drawbar_sync").rpartition(".")
        self._database = database
        self._sync = sync
        self._version: int | None = None
        self._absent: str | None = None
        self._table = sa.Table(
            bare,
            sa.MetaData(),
            sa.Column("sync", sa.String(100), primary_key=True),
            sa.Column("portion_id", sa.String(64), primary_key=True),
            sa.Column("version", sa.BigInteger, nullable=False),
            sa.Column("state", sa.Text),
            sa.Column("committed_at", sa.DateTime, nullable=False, server_default=sa.func.current_timestamp()),
            schema=own or schema,
            mysql_engine="InnoDB",
        )

    @property
    def name(self) -> str:
        return self._table.fullname

    @property
    def schema(self) -> str | None:
        return self._table.schema

    def ddl(self) -> str:
        text = str(CreateTable(self._table).compile(dialect=self._database.engine.dialect))
        return " ".join(text.split())

    def grants(self) -> str | None:
        """Give what lets our user keep cursors there; None where the database has no rights."""
        if self._database.dialect == "sqlite":
            return None
        preparer = self._database.engine.dialect.identifier_preparer
        user = preparer.quote(self._database.user)
        if self._database.dialect in {"mysql", "mariadb"}:
            with self._database.unit("read") as connection:
                name, _, host = str(connection.exec_driver_sql("select current_user()").scalar_one()).rpartition("@")
            user = f"'{name}'@'{host}'"
        return f"GRANT SELECT, INSERT, UPDATE, DELETE ON {preparer.format_table(self._table)} TO {user}"

    def refused(self) -> tuple[str, str] | None:
        """Name the first right to write that we have not, with what the database says; statements that change nothing tell."""
        if self._database.dialect == "sqlite":  # it has no rights, and one writer at a time
            return None
        columns = self._table.c
        same = sa.select(columns.sync, columns.portion_id, columns.version).where(sa.false())
        tried: dict[str, sa.Executable] = {
            "INSERT": sa.insert(self._table).from_select(
                ["sync", "portion_id", "version"], same, include_defaults=False
            ),
            "UPDATE": sa.update(self._table).where(sa.false()).values(version=columns.version),
            "DELETE": sa.delete(self._table).where(sa.false()),
        }
        for right, statement in tried.items():
            try:
                with self._database.unit("write") as connection:
                    connection.execute(statement)
            except Rejected as error:
                return right, error.message
        return None

    def prepare(self) -> None:
        """Make the table when it is not there; Rejected when we may not."""
        if self.is_there():
            return
        try:
            with self._database.unit("write") as connection:
                connection.execute(CreateTable(self._table))
        except Rejected:
            if not self.is_there():  # another process has just made it
                raise

    def is_there(self) -> bool:
        with self._database.unit("read") as connection:
            return sa.inspect(connection).has_table(self._table.name, schema=self._table.schema)

    def cursor(self) -> Cursor:
        """Read the cursor; from now on somebody else's commit makes ours fail."""
        columns = self._table.c
        with self._database.unit("read") as connection:
            row = connection.execute(sa.select(columns.version, columns.state).where(*self._mine(_CURSOR))).first()
        self._version = row.version if row else 0
        return load(row.state) if row else None

    def cursors(self, syncs: Sequence[str]) -> list[Cursor]:
        """Read the cursors of several syncs, in their order; None where there is none."""
        columns = self._table.c
        found: dict[str, Cursor] = {}
        with self._database.unit("read") as connection:
            for at in range(0, len(syncs), _AT_ONCE):
                named = columns.sync.in_(syncs[at : at + _AT_ONCE])
                rows = connection.execute(
                    sa.select(columns.sync, columns.state).where(named, columns.portion_id == _CURSOR)
                )
                found |= {row.sync: load(row.state) for row in rows}
        return [found.get(sync) for sync in syncs]

    def has(self, portion: str) -> bool:
        with self._database.unit("read") as connection:
            found = connection.execute(sa.select(self._table.c.version).where(*self._mine(_digest(portion)))).first()
        self._absent = None if found else portion
        return found is not None

    def put(self, connection: Connection, portion: str, cursor: Cursor) -> None:
        """Write the mark and the cursor in the rows' transaction; Unavailable when another run has committed meanwhile."""
        if self._version is None:
            self.cursor()
        version = (self._version or 0) + 1
        values = {"version": version, "state": None if cursor is None else dump(cursor)}
        try:
            if self._version:
                moved = connection.execute(
                    sa.update(self._table)
                    .where(*self._mine(_CURSOR), self._table.c.version == self._version)
                    .values(committed_at=sa.func.current_timestamp(), **values)
                )
                if moved.rowcount != 1:
                    raise self._overtaken()
            else:
                connection.execute(sa.insert(self._table).values(sync=self._sync, portion_id=_CURSOR, **values))
            self._mark(connection, portion, version)
        except sa.exc.IntegrityError as error:
            raise self._overtaken() from error
        if version % _PRUNE_EVERY == 0:
            self._prune(connection, version - _KEPT)

    def _mark(self, connection: Connection, portion: str, version: int) -> None:
        if self._absent != portion:  # a full run carries again what is marked already
            connection.execute(sa.delete(self._table).where(*self._mine(_digest(portion))))
        mark = {"sync": self._sync, "portion_id": _digest(portion), "version": version}
        connection.execute(sa.insert(self._table).values(mark))

    def moved(self) -> None:
        """Take note that what `put` wrote is committed."""
        self._version = (self._version or 0) + 1

    def rewind(self, cursor: Cursor, *, forget: bool) -> None:
        """
        Let the next run go on from there; a run that is at work meanwhile commits nothing more.

        `forget`: what was carried is carried again when it comes again.
        """
        self.prepare()
        self.cursor()
        version = (self._version or 0) + 1
        values = {"version": version, "state": None if cursor is None else dump(cursor)}
        with self._database.unit("write") as connection:
            if self._version:
                connection.execute(sa.update(self._table).where(*self._mine(_CURSOR)).values(**values))
            else:
                connection.execute(sa.insert(self._table).values(sync=self._sync, portion_id=_CURSOR, **values))
            if forget:
                carried = (self._table.c.sync == self._sync, self._table.c.portion_id != _CURSOR)
                connection.execute(sa.delete(self._table).where(*carried))
        self.moved()

    def _overtaken(self) -> Unavailable:
        return Unavailable(
            f"sync {self._sync}: another run has committed in {self.name} meanwhile; nothing was changed"
        )

    def _prune(self, connection: Connection, before: int) -> None:
        columns = self._table.c
        old = (columns.sync == self._sync, columns.portion_id != _CURSOR, columns.version < before)
        connection.execute(sa.delete(self._table).where(*old))

    def _mine(self, portion: str) -> list[sa.ColumnElement[Any]]:
        return [self._table.c.sync == self._sync, self._table.c.portion_id == portion]


def _digest(portion: str) -> str:
    return hashlib.sha256(portion.encode()).hexdigest()


class Marking:
    """A transaction of a target that ends with the mark of its portion and the cursor."""

    _connection: Connection
    _marks: Marks | None
    committed = False

    def commit(self, *, portion: str, cursor: Cursor) -> None:
        step(self._connection)
        if self._marks is not None:
            self._marks.put(self._connection, portion, cursor)
        with committing():
            self._connection.commit()
        self.committed = True
        if self._marks is not None:
            self._marks.moved()
