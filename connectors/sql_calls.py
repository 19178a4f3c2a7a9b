"""Call stored procedures and functions: values bound, result sets bounded, one transaction a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.errors import InputError
from ..core.values import Wide
from .sql import Database
from .sql_errors import driver_errors
from .sql_model import Argument, Called, Column, Procedure, Rows
from .sql_quirks import as_kept
from .sql_session import Access
from .sql_statements import Limits, bounded, cut, done_already, reader_of, readers_of, unique_names
from .sql_values import column_reader, converted, quirk_reader, writer

_DRAIN = 500


def call(
    database: Database,
    procedure: Procedure,
    given: Mapping[str, Any],
    limits: Limits,
    *,
    access: Access,
    timeout_s: float | None,
    leaving: Callable[[], None],
) -> Called:
    """Call with arguments by name; one that is absent has its default or is NULL."""
    values = bound(database, procedure, given)
    with database.unit(access, timeout_s=timeout_s, keeps=procedure.keeps) as connection:
        leaving()
        with done_already() if access == "autocommit" else nullcontext():
            if database.dialect in {"mysql", "mariadb"} and not procedure.is_function:
                return _call_mysql(connection, procedure, values, limits)
            result = connection.execute(sa.text(sql_of(database, procedure, values)), _numbered(procedure, values))
            if not result.returns_rows:
                return Called()
            if procedure.gives == "rows":
                columns = procedure.rows
                convert = [column_reader(column, database.dialect) for column in columns]
                if len(convert) != len(list(result.keys())):
                    convert = readers_of(result, database.dialect, procedure.kinds)
                return Called(sets=[bounded(result, convert, limits)])
            return _single(procedure, result.fetchone(), database.dialect)


def _single(procedure: Procedure, row: Any, dialect: str) -> Called:
    """Read the one row that holds the value of a function or the OUT parameters."""
    if procedure.result is not None:
        return Called(value=_read(procedure.result, row[0], dialect))
    outward = procedure.outward
    return Called(
        out={c.name: _read(c, value, dialect) for c, value in zip(outward, row, strict=True)} if outward else None
    )


def _read(column: Column, value: Any, dialect: str) -> Any:
    convert = column_reader(column, dialect)
    return value if convert is None else convert(value)


def bound(database: Database, procedure: Procedure, given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert what is given to what the driver takes; InputError names what does not fit."""
    values: dict[str, Any] = {}
    skipped: str | None = None
    for argument in procedure.inward:
        name = argument.column.name
        if name not in given and argument.optional:
            skipped = skipped or name
            continue
        if skipped and not (argument.named and database.dialect == "postgresql"):
            raise InputError(f"{skipped}: needed where {name} is given: this database counts by place", field=skipped)
        values[name] = writer(argument.column, database.dialect)(given.get(name))
    return values


def sql_of(database: Database, procedure: Procedure, values: Mapping[str, Any]) -> str:
    """Compose the call, with `:p0`, `:p1` for the values in their order."""
    quote = database.engine.dialect.identifier_preparer.quote
    parts = [part for part in (procedure.schema, procedure.name) if part]
    name = ".".join(map(quote, parts))
    spelled = ", ".join(_spelled(procedure, values, database.dialect, quote))
    match database.dialect, procedure.gives:
        case "firebird", "value":
            return f"select {name}({spelled}) from rdb$database"
        case "firebird", "rows":
            return f"select * from {name}({spelled})" if spelled else f"select * from {name}"
        case "firebird", _:
            return f"execute procedure {name}({spelled})" if spelled else f"execute procedure {name}"
        case "postgresql", _ if not procedure.is_function:
            return f"call {name}({spelled})"
        case "postgresql", "rows" | "nothing":
            return f"select * from {name}({spelled})"
    return f"select {name}({spelled})" if procedure.is_function else f"call {name}({spelled})"


def _spelled(
    procedure: Procedure, values: Mapping[str, Any], dialect: str, quote: Callable[[str], str]
) -> Iterator[str]:
    for at, argument in enumerate(procedure.arguments):
        name = argument.column.name
        if dialect == "postgresql":
            if argument.mode == "out" and procedure.is_function:
                continue
            if argument.mode != "out" and name not in values:
                continue
            value = "null" if argument.mode == "out" else f"cast(:p{at} as {argument.type})"
            prefix = "variadic " if argument.mode == "variadic" else ""
            yield f"{prefix}{quote(name)} => {value}" if argument.named else f"{prefix}{value}"
        elif argument.mode == "in" and name in values:
            yield f":p{at}"
        elif argument.mode in {"out", "inout"} and dialect != "firebird":
            yield f"@drawbar_{at}"


def _numbered(procedure: Procedure, values: Mapping[str, Any]) -> dict[str, Any]:
    places = {argument.column.name: at for at, argument in enumerate(procedure.arguments)}
    return {f"p{places[name]}": value for name, value in values.items()}


def _call_mysql(connection: Connection, procedure: Procedure, values: Mapping[str, Any], limits: Limits) -> Called:
    """Call by a cursor of the driver: SQLAlchemy knows one result set only."""
    line: Any = connection.connection.dbapi_connection
    with driver_errors(connection), closing(_unbuffered(line)) as cursor:
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        quote = connection.dialect.identifier_preparer.quote
        places = [*enumerate(procedure.arguments)]
        for at, argument in places:
            if argument.mode == "inout":
                cursor.execute(f"set @drawbar_{at} = {mark}", (values[argument.column.name],))
        spelled = ", ".join(mark if argument.mode == "in" else f"@drawbar_{at}" for at, argument in places)
        name = ".".join(quote(part) for part in (procedure.schema, procedure.name) if part)
        cursor.execute(f"call {name}({spelled})", tuple(_inward(places, values)))
        sets = [*_sets(cursor, limits, procedure.kinds)]
        outward = [(at, argument) for at, argument in places if argument.mode in {"out", "inout"}]
        if not outward:
            return Called(sets=sets)
        cursor.execute("select " + ", ".join(_variable(at, argument) for at, argument in outward))
        row = cursor.fetchone()
        cursor.fetchone()
        out = {arg.column.name: _of_variable(arg.column, v) for (_, arg), v in zip(outward, row, strict=True)}
        return Called(out, sets=sets)


def _inward(places: Sequence[tuple[int, Argument]], values: Mapping[str, Any]) -> Iterator[Any]:
    for _, argument in places:
        if argument.mode == "in":
            yield values[argument.column.name]


def _unbuffered(line: Any) -> Any:
    """Give a cursor that fetches rows as they are asked for: a procedure's results know no limit."""
    if type(line).__module__.startswith("pymysql"):
        from pymysql.cursors import SSCursor

        return line.cursor(SSCursor)
    return line.cursor()


def _sets(cursor: Any, limits: Limits, known: Mapping[str, Column] | None) -> Iterator[Rows]:
    while True:
        if cursor.description:
            names = unique_names([entry[0] for entry in cursor.description])
            convert = [
                reader_of(name, entry, "mysql", known) for name, entry in zip(names, cursor.description, strict=True)
            ]
            yield cut(cursor.fetchmany, names, convert, limits)
            while cursor.fetchmany(_DRAIN):
                pass
        if not cursor.nextset():
            return


def _variable(at: int, argument: Argument) -> str:
    """Ask for a variable as text: the session has kept its value, and ODBC makes a wrong number of its 38 decimal places."""
    return (
        f"@drawbar_{at}"
        if "bytes" in {argument.column.kind, argument.column.stored}
        else f"cast(@drawbar_{at} as char)"
    )


def _of_variable(column: Column, value: Any) -> Any:
    if column.quirk is not None:
        return quirk_reader(column, partial(_of_variable, as_kept(column)))(value)
    if column.kind == "bytes" or value is None:
        return value
    found = converted(value.decode() if isinstance(value, bytes) else value, column.kind, column.name)
    if isinstance(found, Decimal) and column.scale is not None:
        return found.quantize(Decimal(1).scaleb(-column.scale))
    return Wide(found) if column.kind == "bigint" else found
