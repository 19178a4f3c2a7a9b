"""
Lay the keys and indexes of a table of PostgreSQL aside for a load, and build them again, in the load's own transaction.

An index that grows row by row costs the server a third of a load; built at once, a fifth of that. Only what can be made
again exactly as it was is laid aside, and the catalogue is compared afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..core.batch import LaneClosed
from ..core.errors import Rejected
from .sql import step
from .sql_copy import quoted
from .sql_errors import meaning, said
from .sql_model import Table

log = structlog.get_logger("drawbar.sync")
_LOCKED = "55P03"
_TABLE = """
select case when t.relkind <> 'r' or t.relispartition then 'it is not a plain table'
            when not pg_has_role(t.relowner, 'USAGE') then 'it belongs to somebody else'
            when not has_schema_privilege(t.relnamespace, 'CREATE') then 'an index needs the right CREATE in its schema'
            when exists (select from pg_catalog.pg_trigger g where g.tgrelid = t.oid and not g.tgisinternal)
            then 'its triggers may look for rows by them' end
from pg_catalog.pg_class t where t.oid = to_regclass(%(name)s)
"""
_INDEXES = """
select n.nspname as schema, x.relname as name, pg_get_indexdef(i.indexrelid) as made, s.spcname as space, c.conname, c.contype,
       c.condeferrable, c.condeferred, i.indisclustered, i.indisreplident,
       obj_description(i.indexrelid, 'pg_class') as said, obj_description(c.oid, 'pg_constraint') as said_of_key,
       case when not (i.indisvalid and i.indisready and i.indislive) then 'it is not valid'
            when i.indisexclusion then 'it keeps an exclusion'
            when x.relispartition then 'it is a part of another'
            when s.oid is not null and not has_tablespace_privilege(s.oid, 'CREATE') then 'its tablespace is not ours'
            when exists (select from pg_catalog.pg_attribute a
                         where a.attrelid = i.indexrelid and coalesce(a.attstattarget, -1) <> -1)
            then 'it has targets of statistics'
            when exists (select from pg_catalog.pg_depend d where d.deptype in ('e', 'x')
                         and d.objid in (i.indexrelid, c.oid)) then 'an extension has it'
            when exists (select from pg_catalog.pg_depend d where d.deptype = 'n' and d.refobjid in (i.indexrelid, c.oid)
                         and d.refclassid in ('pg_class'::regclass, 'pg_constraint'::regclass))
            then 'a foreign key or a view depends on it' end as kept,
       (select array_agg(a.attnotnull order by a.attnum) from pg_catalog.pg_attribute a
        where a.attrelid = i.indrelid and a.attnum > 0) as filled, t.relreplident
from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
     join pg_catalog.pg_namespace n on n.oid = x.relnamespace join pg_catalog.pg_class t on t.oid = i.indrelid
     left join pg_catalog.pg_tablespace s on s.oid = x.reltablespace
     left join pg_catalog.pg_constraint c
     on c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u', 'x')
where i.indrelid = to_regclass(%(name)s)
order by not i.indisprimary, x.relname
"""
_KINDS = {"p": "primary key", "u": "unique"}


@contextmanager
def laid_aside(connection: Connection, table: Table, *, if_empty: bool) -> Iterator[None]:
    """
    Drop before the body what can be built again behind it. What cannot is kept, and the log says why.

    Nobody else has the table from here to the end of the transaction, nor waits for it: a lock that is not to be had at
    once keeps all. Rows that a key refuses end the building with the database's own error.
    """
    aside = _Aside(connection, table)
    dropped = aside.drop(if_empty=if_empty)
    yield
    if dropped:
        aside.build(dropped)


@dataclass(frozen=True, slots=True)
class _Aside:
    connection: Connection
    table: Table

    @property
    def _name(self) -> str:
        return quoted(self.connection, self.table)

    def drop(self, *, if_empty: bool) -> Sequence[Any]:
        """Drop what can be built again, and give it."""
        if not (found := self._found()):
            return ()
        why: str | None = self.connection.exec_driver_sql(_TABLE, {"name": self._name}).scalar_one()
        if why is None and if_empty and self._has_rows():
            why = "it has rows"
        if why is None and not self._tried(None, f"lock table {self._name} in access exclusive mode nowait"):
            why = "somebody else is using it"
        if why is not None:
            self._keeps(None, why)
            return ()
        dropped = []
        for index in found:
            if index.kept is not None:
                self._keeps(index.name, index.kept)
            elif self._tried(index.name, self._dropping(index)):
                dropped.append(index)
        return dropped

    def build(self, dropped: Sequence[Any]) -> None:
        """Build them again; LaneClosed when one is not what it was."""
        for index in dropped:
            for statement in self._building(index):
                step(self.connection)
                self._run(statement)
        there = {index.name: index for index in self._found()}
        if changed := [index.name for index in dropped if there.get(index.name) != index]:
            raise LaneClosed(f"{', '.join(changed)}: built again, it is not what it was")

    def _found(self) -> list[Any]:
        return list(self.connection.exec_driver_sql(_INDEXES, {"name": self._name}))

    def _has_rows(self) -> bool:
        return bool(self.connection.exec_driver_sql(f"select exists (select from {self._name})").scalar_one())

    def _tried(self, index: str | None, statement: str) -> bool:
        inside = self.connection.begin_nested()
        try:
            self._run(statement)
        except exc.DBAPIError as error:
            if meaning(error) is not Rejected and getattr(error.orig, "sqlstate", None) != _LOCKED:
                raise
            inside.rollback()
            if index is not None:
                self._keeps(index, said(error)[0])
            return False
        inside.commit()
        return True

    def _keeps(self, index: str | None, reason: str) -> None:
        log.info("sync.indexes_kept", table=self.table.full_name, index=index, reason=reason)

    def _run(self, statement: str) -> None:
        self.connection.exec_driver_sql(statement.replace("%", "%%"))

    def _dropping(self, index: Any) -> str:
        if index.conname is not None:
            return f"alter table {self._name} drop constraint {self._quote(index.conname)}"
        return f"drop index {self._index(index)}"

    def _building(self, index: Any) -> Iterator[str]:
        yield f"set local default_tablespace = {_text(index.space or '')}"
        yield index.made
        if index.conname is not None:
            late = " deferrable" * index.condeferrable + " initially deferred" * index.condeferred
            kind, name = _KINDS[index.contype], self._quote(index.conname)
            yield f"alter table {self._name} add constraint {name} {kind} using index {self._quote(index.name)}{late}"
            if index.said_of_key is not None:
                yield f"comment on constraint {name} on {self._name} is {_text(index.said_of_key)}"
        if index.said is not None:
            yield f"comment on index {self._index(index)} is {_text(index.said)}"
        if index.indisclustered:
            yield f"alter table {self._name} cluster on {self._quote(index.name)}"
        if index.indisreplident:
            yield f"alter table {self._name} replica identity using index {self._quote(index.name)}"

    def _quote(self, name: str) -> str:
        return self.connection.dialect.identifier_preparer.quote(name)

    def _index(self, index: Any) -> str:
        return f"{self._quote(index.schema)}.{self._quote(index.name)}"


def _text(value: str) -> str:
    """Spell a text that goes where a statement takes no parameter."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
