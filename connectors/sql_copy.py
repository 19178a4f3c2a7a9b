"""PostgreSQL's COPY: rows as bytes straight from one socket to another, and which types may pass so."""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..core.batch import Chunk, Dialect, Lane
from .sql import Database, step
from .sql_model import Table
from .sql_shapes import shape
from .sql_steps import STEP_S

if TYPE_CHECKING:
    import psycopg

Taken = tuple[bytearray, list[int]]
"""Rows of a COPY, and the size of each."""
BINARY = "postgresql binary"
_CHUNK = 1 << 17
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_WAIT_MS = 1000
_TYPES = """
select a.attname, format_type(a.atttypid, a.atttypmod) as said, t.typtype, t.oid < 10000 as known, t.typname,
       b.typtype as base_kind, b.oid < 10000 as base_known, format_type(t.typbasetype, t.typtypmod) as base
from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
     left join pg_catalog.pg_type b on b.oid = t.typbasetype
where a.attrelid = to_regclass(%(name)s) and a.attnum > 0 and not a.attisdropped
"""
SAID = re.compile(
    r"(?P<base>[a-z]+(?: varying| precision)?)(?:\((?P<sizes>[\d,]+)\))?(?P<zone> with(?:out)? time zone)?"
)
"""A type as format_type() names it."""
_WIDER = {
    "smallint": ("integer", "bigint", "numeric"),
    "integer": ("bigint", "numeric"),
    "bigint": ("numeric",),
    "date": ("timestamp",),
}
_TEXTS = ("character", "character varying", "text", "enum")


def speaks_copy(database: Database) -> bool:
    return database.dialect == "postgresql" and database.driver == "psycopg"


@contextmanager
def native(connection: Connection) -> Iterator[psycopg.Connection[Any]]:
    """Give psycopg's own connection; its errors come out as SQLAlchemy's, which the unit knows."""
    import psycopg

    line: Any = connection.connection.dbapi_connection
    try:
        yield line
    except psycopg.Error as error:
        lost = bool(line.closed)
        if lost:
            connection.invalidate()
        said: Any = exc.DBAPIError.instance(None, None, error, psycopg.Error, connection_invalidated=lost)
        raise said from error


def quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(shape(table))


def types(connection: Connection, table: Table) -> dict[str, str]:
    """Name the type of each column whose bytes mean the same in every database of PostgreSQL."""
    found: dict[str, str] = {}
    quirky = {column.name for column in table.columns if column.quirk is not None}
    for row in connection.exec_driver_sql(_TYPES, {"name": quoted(connection, table)}):
        if row.attname in quirky:
            continue
        if row.typtype == "d" and row.base_known and row.base_kind == "b":
            found[row.attname] = row.base
        elif row.typtype == "e":
            found[row.attname] = "enum"
        elif row.known and row.typtype in "brm" and not row.typname.startswith("reg"):
            found[row.attname] = row.said
    return found


def passes(ours: str, theirs: str) -> Literal["as it is", "cast"] | None:
    """Tell how a column of one type gets into one of another without losing anything; None when rows have to look."""
    if ours == theirs:
        return "as it is"
    one, other = SAID.fullmatch(ours), SAID.fullmatch(theirs)
    if one is None or other is None or one["zone"] != other["zone"] and one["base"] != "date":
        return None
    base, into = one["base"], other["base"]
    if base in _TEXTS and into in ("text", "character varying"):
        return "as it is" if into == "text" or _holds(one["sizes"], other["sizes"]) else None
    if base == into:
        return "as it is" if base in {"numeric", "timestamp", "time"} and _holds(one["sizes"], other["sizes"]) else None
    wider = into in _WIDER.get(base, ()) and other["zone"] != " with time zone"
    return "cast" if wider and (into != "numeric" or other["sizes"] is None) else None


def _holds(ours: str | None, theirs: str | None) -> bool:
    """Compare sizes: a length, a number of decimal places of a second, or precision and scale."""
    if theirs is None:
        return True
    if ours is None:
        return False
    one, other = (list(map(int, sizes.split(","))) for sizes in (ours, theirs))
    if len(one) == len(other) == 2:
        return other[1] >= one[1] and other[0] - other[1] >= one[0] - one[1]
    return len(one) == len(other) and other[0] >= one[0]


def offered(database: Database, table: Table, wanted: Mapping[str, str] | None) -> Sequence[Lane]:
    """Offer the columns of a table, where all that are wanted can pass."""
    if not speaks_copy(database):
        return ()
    with database.unit("read") as connection:
        known = types(connection, table)
    names = {column.name: column.name for column in table.columns} if wanted is None else wanted
    if not names or any(source not in known for source in names.values()):
        return ()
    return (Lane(BINARY, tuple((name, source, known[source]) for name, source in names.items())),)


def agreed(database: Database, table: Table, lane: Lane, *, ignore: bool) -> Lane | None:
    """Say which types the target has for the columns of a lane; None when a row has to be looked at."""
    if lane.form != BINARY or not speaks_copy(database):
        return None
    with database.unit("read") as connection:
        known = types(connection, table)
        ruled = connection.exec_driver_sql(
            "select relhasrules from pg_catalog.pg_class where oid = to_regclass(%(name)s)",
            {"name": quoted(connection, table)},
        ).scalar()
    columns = {column.name for column in table.columns}
    fields = [(name, source, said) for name, source, said in lane.fields if name in columns or not ignore]
    if ruled or not fields or any(passes(said, known.get(name, "")) is None for name, _, said in fields):
        return None
    return Lane(BINARY, tuple((name, source, known[name]) for name, source, _ in fields))


def chosen(connection: Connection, table: Table, lane: Lane, own: Mapping[str, str]) -> list[sa.ColumnElement[Any]]:
    """Select what a lane wants, cast where the target's type is wider than ours."""
    columns = shape(table).c
    quote = connection.dialect.identifier_preparer.quote
    return [
        columns[source]
        if passes(own[source], theirs) == "as it is"
        else sa.literal_column(f"{quote(source)}::{theirs}")
        for _, source, theirs in lane.fields
    ]


def written_out(connection: Connection, query: sa.Select[Any]) -> str:
    """Give a query with its values in it: COPY takes no parameters."""
    import psycopg

    compiled = query.compile(dialect=connection.dialect)
    line: Any = connection.connection.dbapi_connection
    return psycopg.ClientCursor(line).mogrify(str(compiled), compiled.params)


def unlimited(connection: Connection) -> None:
    """Let a statement last as long as bytes come: the unit looks at each step, and cuts a silent server off."""
    connection.exec_driver_sql("set local statement_timeout = 0")
    connection.exec_driver_sql("set local client_encoding = 'UTF8'")


@contextmanager
def copying(database: Database) -> Iterator[tuple[Connection, psycopg.Connection[Any]]]:
    """Give a connection for one COPY that is read; left early it is thrown away: the rest would have to be read first."""
    with database.unit("read", timeout_s=STEP_S, steps=True) as connection, native(connection) as line:
        unlimited(connection)
        try:
            yield connection, line
        except BaseException:
            connection.invalidate()
            raise


def rows_out(
    line: psycopg.Connection[Any], query: str, *, least_rows: int = 1, least_bytes: int = _CHUNK
) -> Iterator[Taken]:
    """Give what a query answers in binary, as `copied` does, without the frame around all of the rows."""
    command = f"copy ({query}) to stdout (format binary)"
    return copied(line, command, least_rows=least_rows, least_bytes=least_bytes, framed=True)


def copied(
    line: psycopg.Connection[Any],
    command: str,
    *,
    least_rows: int = 1,
    least_bytes: int = _CHUNK,
    framed: bool = False,
) -> Iterator[Taken]:
    """
    Run a COPY and give its rows, so many at a time or more; none while nothing comes.

    psycopg's own loop costs more than the database: it gives row by row through three layers.
    """
    from psycopg import errors, generators, pq

    pgconn = line.pgconn
    pgconn.send_query(command.encode(line.info.encoding))
    begun = line.wait(generators.execute(pgconn))[-1]
    if begun.status != pq.ExecStatus.COPY_OUT:
        raise errors.error_from_result(begun, encoding=line.info.encoding)
    total = 0
    messages = _messages(pgconn, least_rows, least_bytes)
    for rows, sizes in _unframed(messages) if framed else messages:
        total += len(sizes)
        yield rows, sizes
    ended = line.wait(generators.fetch_many(pgconn))[-1]
    if ended.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(ended, encoding=line.info.encoding)
    if ended.command_tuples != total:
        raise errors.DataError(f"the database sent {total} rows and says {ended.command_tuples}")


def _messages(pgconn: Any, least_rows: int, least_bytes: int) -> Iterator[Taken]:
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    take = pgconn.get_copy_data
    held, sizes = bytearray(), list[int]()
    while True:
        size, data = take(1)
        if size > 0:
            held += data
            sizes.append(size)
        elif size == 0:
            if len(held) > least_bytes and len(sizes) >= least_rows:
                yield held, sizes
                held, sizes = bytearray(), []
            if not poll.poll(_WAIT_MS):
                yield bytearray(), []
            pgconn.consume_input()
        else:
            break
    yield held, sizes


def _unframed(messages: Iterator[Taken]) -> Iterator[Taken]:
    """Take the header from before the first row, and leave out the trailer, which is a message of its own."""
    begun = False
    for held, sizes in messages:
        if sizes and not begun:
            begun = True
            header = len(_HEADER) + int.from_bytes(held[15:19], "big")
            del held[:header]
            sizes[0] -= header
            if sizes[0] == 0:
                del sizes[0]
        if sizes and sizes[-1] == len(_TRAILER):
            del held[-len(_TRAILER) :], sizes[-1]
        yield held, sizes


@dataclass(slots=True)
class Copied:
    """What a query answers, as bytes without a frame; `rows` counts them. `out` runs what `query` composes."""

    database: Database
    query: Callable[[Connection], str]
    out: Callable[[psycopg.Connection[Any], str], Iterator[Taken]] = rows_out
    rows: int = 0

    def chunks(self) -> Generator[Chunk, None, None]:
        self.rows = 0
        with copying(self.database) as (connection, line):
            for chunk, sizes in self.out(line, self.query(connection)):
                if sizes:
                    self.rows += len(sizes)
                    step(connection)
                yield chunk


def csv_options(dialect: Dialect) -> str:
    """Say a file's dialect as COPY's options."""
    said = (("delimiter", dialect.delimiter), ("quote", dialect.quote), ("null", dialect.null))
    return ", ".join(f"{word} '{value.replace(chr(39), chr(39) * 2)}'" for word, value in said)


def copy_in(connection: Connection, into: str, chunks: Iterable[Chunk]) -> int:
    """Load chunks of whole rows in binary; gives how many the target took."""
    with native(connection) as line:
        cursor = line.cursor()
        with cursor.copy(f"copy {into} from stdin (format binary)") as copy:
            copy.write(_HEADER)
            for chunk in chunks:
                step(connection)
                if chunk:
                    copy.write(chunk)
            copy.write(_TRAILER)
        return cursor.rowcount


def copy_csv_in(connection: Connection, into: str, chunks: Iterable[Chunk], more: str = "") -> int:
    """Load CSV in UTF-8, where quoted empty text is text and an unquoted one NULL; gives how many rows the target took."""
    with native(connection) as line:
        cursor = line.cursor()
        with cursor.copy(f"copy {into} from stdin (format csv, encoding 'UTF8'{more})") as copy:
            for chunk in chunks:
                copy.write(chunk)
        return cursor.rowcount
