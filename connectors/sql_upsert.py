"""Insert a row, or set the given columns of the one that has its key, in one statement of the database's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable
from sqlalchemy.sql.visitors import InternalTraversal

from .sql_model import Table
from .sql_shapes import shape

_NOTHING = {
    "oracle": "dual",
    "mssql": "(SELECT 1 AS one) AS one",
    "db2": "sysibm.sysdummy1 AS one",
    "ibm_db_sa": "sysibm.sysdummy1 AS one",
}
"""One row of nothing, which a MERGE needs as its source: values stand where the columns give them their types."""


class Spoken(Protocol):
    """Whatever knows which SQL it speaks."""

    @property
    def dialect(self) -> str: ...


def upserting(table: Table, key: Sequence[str], names: Sequence[str], database: Spoken) -> Any:
    """
    Compose the dialect's own upsert with a parameter for each column; None where it has none that is safe here.

    The key has to be unique over there. MySQL's acts on any unique key: it is used only where the key is the single one.
    """
    if frozenset(key) not in table.unique:
        return None
    rest = [name for name in names if name not in key]
    columns: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    target = shape(table)
    match database.dialect:
        case "postgresql":
            from sqlalchemy.dialects.postgresql import insert as postgres

            return _on_conflict(postgres(target).values(columns), key, rest)
        case "sqlite":
            from sqlalchemy.dialects.sqlite import insert as sqlite

            return _on_conflict(sqlite(target).values(columns), key, rest)
        case "mysql" | "mariadb" if len(table.unique) == 1:
            from sqlalchemy.dialects.mysql import insert as mysql

            into = mysql(target).values(columns)
            return into.on_duplicate_key_update({name: into.inserted[name] for name in rest or key})
        case "firebird":
            return UpdateOrInsert(target, key, names)
        case "oracle" | "mssql" | "db2" | "ibm_db_sa":
            return Merge(target, key, names)
    return None


def _on_conflict(into: Any, key: Sequence[str], rest: Sequence[str]) -> Any:
    if not rest:
        return into.on_conflict_do_nothing(index_elements=list(key))
    return into.on_conflict_do_update(index_elements=list(key), set_={name: into.excluded[name] for name in rest})


class UpdateOrInsert(Executable, ClauseElement):
    """Firebird's upsert."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy's word and form
        ("target", InternalTraversal.dp_clauseelement),
        ("key", InternalTraversal.dp_plain_obj),
        ("names", InternalTraversal.dp_plain_obj),
    ]

    def __init__(self, target: sa.TableClause, key: Sequence[str], names: Sequence[str]) -> None:
        self.target = target
        self.key = tuple(key)
        self.names = tuple(names)


class Merge(UpdateOrInsert):
    """The upsert of Oracle, SQL Server and DB2."""

    inherit_cache = True


@compiles(UpdateOrInsert)
def _update_or_insert(element: UpdateOrInsert, compiler: Any, **named: Any) -> str:
    words = _Words(element, compiler, named)
    return f"UPDATE OR INSERT INTO {words.table} {words.inserted} MATCHING ({words.columns(element.key)})"


@compiles(Merge)
def _merge(element: Merge, compiler: Any, **named: Any) -> str:
    words = _Words(element, compiler, named)
    is_mssql = compiler.dialect.name == "mssql"
    held = " WITH (HOLDLOCK)" if is_mssql else ""  # else two at once both find nothing
    same = " AND ".join(f"{words.table}.{words.column(name)} = {words.value(name)}" for name in element.key)
    said = f"MERGE INTO {words.table}{held} USING {_NOTHING[compiler.dialect.name]} ON ({same})"
    if rest := [name for name in element.names if name not in element.key]:
        changed = ", ".join(f"{words.column(name)} = {words.value(name)}" for name in rest)
        said += f" WHEN MATCHED THEN UPDATE SET {changed}"
    return f"{said} WHEN NOT MATCHED THEN INSERT {words.inserted}{';' if is_mssql else ''}"


class _Words:
    def __init__(self, element: UpdateOrInsert, compiler: Any, named: dict[str, Any]) -> None:
        self._element = element
        self._compiler = compiler
        self._named = named
        self.table = compiler.preparer.format_table(element.target)
        values = ", ".join(self.value(name) for name in element.names)
        self.inserted = f"({self.columns(element.names)}) VALUES ({values})"

    def column(self, name: str) -> str:
        return str(self._compiler.preparer.format_column(self._element.target.c[name]))

    def columns(self, names: Sequence[str]) -> str:
        return ", ".join(map(self.column, names))

    def value(self, name: str) -> str:
        return str(self._compiler.process(sa.bindparam(name), **self._named))
