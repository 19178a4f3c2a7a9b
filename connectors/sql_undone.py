"""What stays of a unit that failed: MySQL and MariaDB keep what was written into tables without transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.errors import DrawbarError, OutcomeUnknown
from .sql_text import Text, code_of

_MYSQL = frozenset({"mysql", "mariadb"})
_NOT_ROLLED_BACK = 1196
_ROLL_BACK = ("innodb", "ndbcluster", "rocksdb", "tokudb")
_QUOTED = re.compile(r"`([^`]+)`")
_WORD = re.compile(r"[\w$]+")


@contextmanager
def undoing(connection: Connection, dialect: str, *, keeps: bool | None) -> Iterator[None]:
    """
    Roll back where the body fails, and raise OutcomeUnknown where the server says that some of it stays.

    A trigger or a function may be what wrote there. A server that is gone says nothing: then `keeps` tells. None: it is not
    asked.
    """
    try:
        yield
    except OutcomeUnknown:
        raise
    except DrawbarError as error:
        if keeps is None or dialect not in _MYSQL or not _stays(connection, keeps=keeps):
            raise
        said = f"{error.message}; what it had changed in tables without transactions stays"
        raise OutcomeUnknown(said, detail=error.detail) from error


def _stays(connection: Connection, *, keeps: bool) -> bool:
    if connection.invalidated:
        return keeps
    line: Any = connection.connection.dbapi_connection
    try:
        cursor = line.cursor()
        cursor.execute("rollback")
        cursor.execute("show warnings")
        return any(int(row[1]) == _NOT_ROLLED_BACK for row in cursor.fetchall())
    except Exception:  # the driver's own errors have no common root; whatever it is, the server says nothing
        return keeps


def keeps_rows(connection: Connection, dialect: str, sql: str) -> bool:
    """Tell whether a statement names a table without transactions, or a view, behind which there may be one."""
    if dialect not in _MYSQL:
        return False
    words = {*_QUOTED.findall(sql), *_WORD.findall(code_of(Text(sql, sql, frozenset()), dialect))}
    found = sa.text(
        "select count(*) from information_schema.tables where (table_schema = database() or table_schema in :words) "
        "and table_name in :words and lower(coalesce(engine, '')) not in :known"
    ).bindparams(sa.bindparam("words", expanding=True), sa.bindparam("known", expanding=True))
    return bool(connection.execute(found, {"words": sorted(words), "known": list(_ROLL_BACK)}).scalar_one())
