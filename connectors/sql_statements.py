"""Run configured statements: values bound only, limits before fetching, one transaction a call."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult

from ..core.errors import ConfigError, DrawbarError, InputError, OutcomeUnknown, Rejected
from .sql import Database
from .sql_errors import driver_errors
from .sql_flood import Flood, at_most, flooding
from .sql_model import Changed, Column, Kind, Rows
from .sql_quirks import quirky
from .sql_session import Access
from .sql_text import Text, counting, parse, projections
from .sql_undone import keeps_rows
from .sql_values import bindable, plain, quirk_reader, reader

_CHUNK = 500
_FIRST = 1
"""So many rows are fetched before it is known how large they are."""
_DESCRIBE_S = 5.0
_STREAMED = frozenset({"select", "with", "values", "table"})
_DESCRIBED = frozenset({"postgresql", "mysql", "mariadb", "firebird"})
_PLANNED = frozenset({"select", "with", "insert", "update", "delete", "replace"})
# Type codes of cursor descriptions, where the driver gives them. PostgreSQL's are OIDs.
POSTGRES: dict[int, Kind] = {
    16: "boolean", 17: "bytes", 20: "bigint", 21: "integer", 23: "integer", 25: "text", 114: "json", 700: "float",
    701: "float", 1042: "text", 1043: "text", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz",
    1186: "interval", 1700: "decimal", 2950: "uuid", 3802: "json", 18: "text", 19: "text", 26: "bigint",
}  # fmt: skip
_MYSQL: dict[int, Kind] = {
    0: "decimal", 1: "integer", 2: "integer", 3: "integer", 4: "float", 5: "float", 7: "timestamp", 8: "bigint",
    9: "integer", 10: "date", 11: "time", 12: "timestamp", 13: "integer", 245: "json", 246: "decimal", 253: "text",
    254: "text",
}  # fmt: skip
# Firebird's driver and ODBC describe columns by Python's types.
_PYTHON: dict[type, Kind] = {
    bool: "boolean", int: "integer", float: "float", Decimal: "decimal", str: "text", bytes: "bytes", bytearray: "bytes",
    date: "date", time: "time", datetime: "timestamp", UUID: "uuid",
}  # fmt: skip
_FEW = 8
"""Of so few values each is looked at by itself: a row by its key is one."""
_SIZED = frozenset({str, bytes})
_BIGINT_BYTES = 8
_INTEGER_DIGITS = 11


EVERY = "*"


@dataclass(frozen=True, slots=True)
class Limits:
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Statement:
    """
    A configured statement. `lists` are parameters of `in (:name)`.

    `kinds` holds what columns of the answer are known to be: in SQLite, and where quirks are declared (EVERY: of all).
    """

    text: Text
    lists: frozenset[str] = frozenset()
    kinds: Mapping[str, Column] | None = None

    def bound(self) -> sa.TextClause:
        return sa.text(self.text.bound).bindparams(*_expanding(self))


def _expanding(statement: Statement) -> list[sa.BindParameter[Any]]:
    return [sa.bindparam(name, expanding=True) for name in sorted(statement.lists & statement.text.parameters)]


def read(
    database: Database, statement: Statement, parameters: Mapping[str, Any], limits: Limits, timeout_s: float | None
) -> Rows:
    """Read at most `limits.rows` rows; the rest is neither fetched nor, where the server can stop, sent."""
    with database.unit("read", timeout_s=timeout_s, limit=limits.rows + 1) as connection:
        with at_most(connection, limits.bytes):
            result = _execute(connection, statement, parameters, stream=statement.text.verb in _STREAMED)
            found = bounded(result, readers_of(result, database.dialect, statement.kinds), limits)
        sent_little = len(found.rows) == limits.rows and "limit" not in statement.text.sql.lower()
        if not (found.truncated and not sent_little and abandon(connection, result)):
            result.close()
        return found


def abandon(connection: Connection, result: CursorResult[Any]) -> bool:
    """Drop a connection of MySQL with an answer that was not read, because closing its cursor would fetch all that is left."""
    if connection.dialect.name not in {"mysql", "mariadb"}:
        return False
    unread = getattr(result.cursor, "_result", None)
    if unread is not None:
        unread.unbuffered_active = False
        unread.connection = None
    connection.invalidate()
    return True


def write(
    database: Database,
    statement: Statement,
    parameters: Mapping[str, Any],
    limits: Limits,
    *,
    timeout_s: float | None,
    transactional: bool,
    expect_rows: int | None,
    keeps: bool,
    leaving: Callable[[], None],
) -> Changed:
    """Run a statement that writes and commit; another number of rows than expected is Rejected and undone."""
    access: Access = "write" if transactional else "autocommit"
    with database.unit(access, timeout_s=timeout_s, keeps=keeps) as connection:
        leaving()
        result = _execute(connection, statement, parameters, stream=False)
        with contextlib.nullcontext() if transactional else done_already():
            rows = None
            if result.returns_rows:
                rows = bounded(result, readers_of(result, database.dialect, statement.kinds), limits).rows
            count = result.rowcount if result.rowcount >= 0 else len(rows or ())
            if expect_rows is not None and count != expect_rows:
                undone = "nothing was committed" if transactional else "this statement cannot be undone"
                raise Rejected(f"{count} rows instead of {expect_rows}; {undone}", detail={"count": count})
            return Changed(count, rows=rows)


def keeps_what_it_wrote(database: Database, statement: Statement, timeout_s: float | None) -> bool:
    """Tell whether the statement may write into tables that cannot roll back."""
    if database.dialect not in {"mysql", "mariadb"}:
        return False
    with database.unit("read", timeout_s=timeout_s) as connection:
        return keeps_rows(connection, database.dialect, statement.text.sql)


@contextlib.contextmanager
def done_already() -> Iterator[None]:
    """Say that what is refused here has happened: without a transaction nothing takes it back."""
    try:
        yield
    except (InputError, Rejected) as error:
        raise OutcomeUnknown(f"it was executed: {error.message}", detail=error.detail) from error


def would_change(database: Database, statement: Statement, parameters: Mapping[str, Any]) -> int | None:
    """Count the rows that an UPDATE or DELETE would touch by a SELECT with the same WHERE; None where nobody can say."""
    sql = counting(statement.text, database.dialect)
    if sql is None:
        return None
    select = Statement(parse(sql, database.dialect, statement.lists), statement.lists)
    known = {name: value for name, value in parameters.items() if name in select.text.parameters}
    try:
        return int(next(iter(read(database, select, known, Limits(1, 10_000), None).rows[0].values())))
    except DrawbarError:
        return None


def describe(database: Database, statement: Statement) -> list[Column] | None:
    """Ask the database for the columns of a query without running it; None where it cannot say."""
    if statement.text.verb not in _STREAMED or database.dialect not in _DESCRIBED:
        return None
    if database.dialect in {"mysql", "mariadb"} and not re.search(
        r"\bfrom\s+(?!dual\b)", statement.text.sql, re.IGNORECASE
    ):
        return None  # MariaDB runs a query of constants to describe it
    wrapped = f"select * from ({statement.text.bound}) as described limit 0"
    if database.dialect == "firebird":
        wrapped = f"select first 0 * from ({statement.text.bound}) as described"
    bound = sa.text(wrapped).bindparams(*_expanding(statement))
    nothing = {name: [None] if name in statement.lists else None for name in statement.text.parameters}
    try:
        with database.unit("read", timeout_s=_DESCRIBE_S) as connection:
            result = connection.execute(bound, nothing)
            return list(_described(result, database.dialect))
    except DrawbarError:
        return None


def meant(column: Column, kinds: Mapping[str, Column]) -> Column:
    """Say of a described column what is declared of it."""
    known = kinds.get(column.name, kinds.get(EVERY))
    return column if known is None or known.quirk is None else quirky(column, known.quirk)


def try_plan(database: Database, statement: Statement) -> str:
    """Let the database plan a statement without running it; raises what is wrong with it."""
    if database.dialect == "firebird":
        return _prepare(database, statement)
    explain = {"postgresql": "explain", "mysql": "explain", "mariadb": "explain", "sqlite": "explain query plan"}
    if database.dialect not in explain or statement.text.verb not in _PLANNED:
        return "not tried: this database cannot plan it without running it"
    nothing = {name: [None] if name in statement.lists else None for name in statement.text.parameters}
    bound = sa.text(f"{explain[database.dialect]} {statement.text.bound}").bindparams(*_expanding(statement))
    with database.unit("write") as connection:
        connection.execute(bound, nothing).close()
        connection.rollback()
    return "planned"


def _prepare(database: Database, statement: Statement) -> str:
    from .sql_firebird import plan

    with database.unit("read") as connection:
        line = connection.connection.dbapi_connection
        bound = statement.bound().bindparams(**{name: [None] for name in statement.lists})
        compiled = bound.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        with driver_errors(connection):
            plan(line, str(compiled))
    return "prepared"


def commits_by_itself(statement: Statement, dialect: str) -> bool:
    """Tell whether the database commits before and after such a statement, whatever we do (DDL in MySQL)."""
    verbs = {"create", "alter", "drop", "truncate", "rename", "grant", "revoke", "call", "load", "analyze"}
    return dialect in {"mysql", "mariadb"} and statement.text.verb in verbs


def sqlite_kinds(database: Database, text: Text) -> dict[str, Column]:
    """Find the declared types of a query's plain columns: SQLite's answers do not carry them."""
    from .sql_reflect import reflect

    found: dict[str, Column] = {}
    tables: dict[str, dict[str, Column]] = {}
    for name, table, column in projections(text, "sqlite"):
        if table not in tables:
            try:
                tables[table] = {known.name: known for known in reflect(database, table).columns}
            except ConfigError:  # a subquery's name, or a mistake that the statement's own error tells better
                tables[table] = {}
        if column == "*":
            found.update(tables[table])
        elif column in tables[table]:
            found[name] = tables[table][column]
    return found


def _described(result: CursorResult[Any], dialect: str) -> Iterator[Column]:
    for name, entry in _entries(result):
        kind = kind_of_entry(entry, dialect) or "other"
        yield Column(name, kind, scale=_scale(entry, kind))


def _scale(entry: Sequence[Any], kind: Kind) -> int | None:
    return abs(entry[5]) if kind == "decimal" and isinstance(entry[5], int) else None


def _entries(result: CursorResult[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Give the columns of a result, named as our rows name them: Firebird and Oracle describe theirs in capitals."""
    if result.cursor is not None and result.cursor.description:
        yield from zip(map(str, result.keys()), result.cursor.description, strict=True)


def _execute(
    connection: Connection, statement: Statement, parameters: Mapping[str, Any], *, stream: bool
) -> CursorResult[Any]:
    dialect = connection.dialect.name.partition(".")[0]
    values = {
        name: [bindable(item, dialect) for item in value] if name in statement.lists else bindable(value, dialect)
        for name, value in parameters.items()
        if name in statement.text.parameters
    }
    if stream:
        connection = connection.execution_options(stream_results=True, max_row_buffer=_CHUNK)
    return connection.execute(statement.bound(), values)


def streaming(
    connection: Connection, statement: Statement, parameters: Mapping[str, Any], rows: int
) -> CursorResult[Any]:
    """Run a query with a server cursor, without limits: for syncs, which hold one batch at a time."""
    connection = connection.execution_options(stream_results=True, max_row_buffer=rows)
    return _execute(connection, statement, parameters, stream=False)


def readers_of(
    result: CursorResult[Any], dialect: str, kinds: Mapping[str, Column] | None = None
) -> list[Callable[[Any], Any] | None]:
    """Give a converter for each column of a result, by the types that the driver describes or that are known."""
    return [reader_of(name, entry, dialect, kinds) for name, entry in _entries(result)]


def reader_of(
    name: str, entry: Sequence[Any], dialect: str, kinds: Mapping[str, Column] | None
) -> Callable[[Any], Any] | None:
    """Give a converter for one column of a result, as its cursor describes it."""
    column = kinds.get(name, kinds.get(EVERY)) if kinds else None
    if column is not None and column.quirk is None:
        return reader(column.kind, dialect, column.scale)
    kind = kind_of_entry(entry, dialect)
    first = plain if kind is None else reader(kind, dialect, _scale(entry, kind))
    if column is None or column.quirk is None:
        return first
    known = quirky(Column(name, kind or "other"), column.quirk)
    return first if known.quirk is None else quirk_reader(known, first)


def bounded(result: CursorResult[Any], readers: Sequence[Callable[[Any], Any] | None], limits: Limits) -> Rows:
    """Fetch in chunks until one of the limits is passed."""
    fetch: Callable[[int], Sequence[Any]] = result.fetchmany
    if result.dialect.name.startswith("firebird"):
        from .sql_firebird import sized

        fetch = sized(fetch, limits.bytes)
    elif result.dialect.name == "sqlite":
        fetch = flooding(fetch, limits.bytes)
    return cut(fetch, unique_names(list(result.keys())), readers, limits)


def cut(
    fetch: Callable[[int], Sequence[Any]],
    names: Sequence[str],
    readers: Sequence[Callable[[Any], Any] | None],
    limits: Limits,
) -> Rows:
    """Fetch and convert until one of the limits is passed; never much more at once than the limit of bytes."""
    convert = [(at, read) for at, read in enumerate(readers) if read is not None]
    rows: list[dict[str, Any]] = []
    size, count = 0, _FIRST
    try:
        while chunk := fetch(min(count, limits.rows + 1 - len(rows))):
            for raw in chunk:
                if len(rows) == limits.rows:
                    return Rows(rows, truncated=True)
                values = list(raw)
                for at, read in convert:
                    values[at] = read(values[at])
                size += row_bytes(values)
                if size > limits.bytes:
                    if not rows:
                        raise Flood(limits.bytes)
                    return Rows(rows, truncated=True)
                rows.append(dict(zip(names, values, strict=True)))
            count = max(1, min(_CHUNK, (limits.bytes - size) * len(rows) // max(size, 1)))
    except Flood:
        if not rows:
            raise
        return Rows(rows, truncated=True)
    return Rows(rows)


def kind_of_entry(entry: Sequence[Any], dialect: str) -> Kind | None:
    """Read the type of one column in a cursor's description."""
    code = entry[1]
    if isinstance(code, int):
        codes = POSTGRES if dialect == "postgresql" else _MYSQL if dialect in {"mysql", "mariadb"} else {}
        return codes.get(code)
    kind = _PYTHON.get(code) if isinstance(code, type) else None
    if kind == "integer" and isinstance(entry[3], int):
        wide = entry[3] == _BIGINT_BYTES if dialect == "firebird" else entry[3] > _INTEGER_DIGITS
        return "bigint" if wide else kind
    return kind


def row_bytes(values: Sequence[Any]) -> int:
    size = 16 * len(values)
    for value in values:
        kind = type(value)
        if kind is str or kind is bytes:
            size += len(value) - 16
    return size


def more_bytes(column: Sequence[Any]) -> int:
    """Give by how much the values of one column are larger in `row_bytes` than as many numbers."""
    if len(column) < _FEW:
        return sum([len(value) - 16 for value in column if type(value) in _SIZED])
    more, kinds = 0, set(map(type, column))
    for kind in kinds & _SIZED:
        found = column if len(kinds) == 1 else [value for value in column if type(value) is kind]
        more += sum(map(len, found)) - 16 * len(found)
    return more


def unique_names(names: list[str]) -> list[str]:
    """Number the repeated names of a join: id, id_2."""
    seen: dict[str, int] = {}
    unique = []
    for name in map(str, names):  # a name with quotes is a kind of its own
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
