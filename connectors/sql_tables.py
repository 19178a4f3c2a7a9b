"""Write rows of reflected tables: identifiers from the catalogue, values bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.errors import OutcomeUnknown, Rejected
from .sql import Database
from .sql_model import Changed, Condition, Table
from .sql_session import Access
from .sql_shapes import bind_row, condition_with, readers, shape
from .sql_statements import Limits, bounded
from .sql_upsert import upserting

_INEXACT = frozenset({"float", "json", "array", "interval", "other"})


def access_of(table: Table) -> Access:
    return "write" if table.transactional else "autocommit"


def insert(
    database: Database, table: Table, row: Mapping[str, Any], timeout_s: float | None, leaving: Callable[[], None]
) -> Changed:
    """Insert one row; gives the key that the database made where it says so."""
    values = bind_row(table, row, database.dialect)
    made = [name for name in table.key if name not in row]
    statement = sa.insert(shape(table)).values(values)
    returns = bool(made) and database.engine.dialect.insert_returning and database.dialect not in {"mysql", "mariadb"}
    if returns:
        statement = statement.returning(*(shape(table).c[name] for name in made))
    with database.unit(access_of(table), timeout_s=timeout_s) as connection:
        leaving()
        result = connection.execute(statement)
        key = None
        if returns:
            key = bounded(result, readers(table, made, database.dialect), Limits(1, 100_000)).rows[0]
        elif len(made) == 1 and (last := _last_key(connection, result, database.dialect)):
            key = {made[0]: last}
        return Changed(1, key=key)


def _last_key(connection: Connection, result: Any, dialect: str) -> Any:
    last = getattr(result, "lastrowid", None)
    if not last and dialect in {"mysql", "mariadb"}:  # ODBC has no word for it
        return connection.exec_driver_sql("select last_insert_id()").scalar_one()
    return last


def upsert(
    database: Database,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    timeout_s: float | None,
    leaving: Callable[[], None],
) -> Changed:
    """Insert one row, or set the given columns of the one that has its key."""
    values = bind_row(table, row, database.dialect)
    with database.unit(access_of(table), timeout_s=timeout_s) as connection:
        leaving()
        statement = upserting(table, key, list(row), database)
        if statement is not None:
            connection.execute(statement, values)
        elif not change(connection, table, key, values):
            connection.execute(sa.insert(shape(table)).values(values))
        return Changed(1)


def update(
    database: Database,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    timeout_s: float | None,
    leaving: Callable[[], None],
) -> Changed:
    """Set the given columns of the row with this key; more than one such row is Rejected and undone."""
    values = bind_row(table, row, database.dialect)
    with database.unit(access_of(table), timeout_s=timeout_s) as connection:
        leaving()
        count = change(connection, table, key, values)
        if count > 1:
            said, detail = f"{count} rows have this key, one was expected", {"count": count}
            if not table.transactional:
                raise OutcomeUnknown(f"it was executed: {said}", detail=detail)
            raise Rejected(f"{said}; nothing was committed", detail=detail)
        return Changed(count)


def change(connection: Connection, table: Table, key: Sequence[str], values: Mapping[str, Any]) -> int:
    """Set bound values of the rows with this key, and count those rows."""
    rest = {name: value for name, value in values.items() if name not in key}
    by_key = [shape(table).c[name] == values[name] for name in key]
    if not rest:
        return connection.execute(sa.select(sa.func.count()).select_from(shape(table)).where(*by_key)).scalar_one()
    return connection.execute(sa.update(shape(table)).where(*by_key).values(rest)).rowcount


def holds(
    database: Database, table: Table, key: Sequence[str], row: Mapping[str, Any], timeout_s: float | None
) -> bool:
    """Tell whether the row with this key has these values; the database compares, by its own rules."""
    exact = [name for name in row if name in key or table.column(name).kind not in _INEXACT]
    wanted = [condition_with(table, Condition(name, "=", row[name]), database.dialect) for name in exact]
    with database.unit("read", timeout_s=timeout_s) as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(shape(table)).where(*wanted))
        return bool(found.scalar_one())


def rows_with(database: Database, table: Table, key: Sequence[str], row: Mapping[str, Any]) -> int:
    """Count the rows with this key."""
    wanted = [condition_with(table, Condition(name, "=", row[name]), database.dialect) for name in key]
    with database.unit("read") as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(shape(table)).where(*wanted)).scalar_one()


def would_send(database: Database, table: Table, verb: str, row: Mapping[str, Any]) -> str:
    """Give the SQL that `insert`, `upsert` or `update` would send; InputError for a value that does not fit."""
    values = bind_row(table, row, database.dialect)
    by_key = [shape(table).c[name] == sa.bindparam(f"key_{name}") for name in table.key]
    change = (
        sa.update(shape(table)).where(*by_key).values({name: v for name, v in values.items() if name not in table.key})
    )
    add = sa.insert(shape(table)).values(values)
    match verb:
        case "insert":
            return _text(database, add)
        case "update":
            return _text(database, change)
    own = upserting(table, table.key, list(row), database)
    return _text(database, own) if own is not None else f"{_text(database, change)}; or {_text(database, add)}"


def _text(database: Database, statement: Any) -> str:
    return str(statement.compile(dialect=database.engine.dialect))
