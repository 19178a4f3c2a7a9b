"""Prepare a session for one unit of work: its access, its time limit, its longest answer, in each database's own words."""

from __future__ import annotations

import math
import time
from typing import Any, Literal

from sqlalchemy.engine import Connection

from .sql_errors import driver_errors

_LONGEST_LOCK_S = 32_767
"""DB2 takes no more."""
Access = Literal["read", "write", "autocommit"]


def prepare(
    connection: Connection, dialect: str, access: Access, timeout_s: float, limit: int | None, *, steps: bool
) -> None:
    match dialect:
        case "postgresql":
            _postgres(connection, access, timeout_s)
        case "mysql" | "mariadb":
            _mysql(connection, access, timeout_s, limit, steps=steps)
        case "sqlite":
            _sqlite(connection, access, timeout_s)
        case "firebird":
            from .sql_firebird import begin

            with driver_errors(connection):
                begin(connection.connection.dbapi_connection, access, timeout_s)
        case _:
            _other(connection, dialect, access, timeout_s)
    if connection.dialect.driver == "pyodbc" and dialect != "mysql":  # where the session has no limit of its own
        connection.connection.dbapi_connection.timeout = math.ceil(timeout_s)  # type: ignore[union-attr]  # pyodbc's


def _postgres(connection: Connection, access: Access, timeout_s: float) -> None:
    if access == "autocommit":
        connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.execution_options(postgresql_readonly=access == "read")
    local = "" if access == "autocommit" else "local "
    connection.exec_driver_sql(f"set {local}statement_timeout = {max(1, int(timeout_s * 1000))}")


def _mysql(connection: Connection, access: Access, timeout_s: float, limit: int | None, *, steps: bool) -> None:
    """Set what differs from the last unit on this connection; MySQL keeps settings through a rollback."""
    if access == "autocommit":
        connection.execution_options(isolation_level="AUTOCOMMIT")
    longest_s = 0 if steps else timeout_s  # it counts the time in which we read, so a long stream has none
    wanted = (longest_s, timeout_s, limit)
    if connection.info.get("session") != wanted:
        mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        longest = (
            f"max_statement_time = {longest_s:.3f}" if mariadb else f"max_execution_time = {int(longest_s * 1000)}"
        )
        settings = [
            longest,
            f"innodb_lock_wait_timeout = {max(1, int(timeout_s))}",
            f"sql_select_limit = {'default' if limit is None else limit}",
        ]
        if "session" not in connection.info:  # a server that is not strict cuts texts and numbers without a word
            settings.append("sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES')")
        connection.exec_driver_sql(f"set {', '.join(f'session {setting}' for setting in settings)}")
        connection.info["session"] = wanted
    if access == "read":
        connection.exec_driver_sql("start transaction read only")


def _sqlite(connection: Connection, access: Access, timeout_s: float) -> None:
    line: Any = connection.connection.dbapi_connection
    until = [time.monotonic() + timeout_s]
    connection.info["again"] = lambda: until.__setitem__(0, time.monotonic() + timeout_s)
    line.set_progress_handler(lambda: time.monotonic() > until[0], 10_000)
    cursor = line.cursor()  # beside SQLAlchemy's transaction: pragmas have none
    cursor.execute(f"pragma busy_timeout = {int(timeout_s * 1000)}")
    cursor.execute(f"pragma query_only = {int(access == 'read')}")
    cursor.execute("pragma foreign_keys = on")
    cursor.close()
    connection.execution_options(drawbar_access=access)


def _other(connection: Connection, dialect: str, access: Access, timeout_s: float) -> None:
    if access == "autocommit":
        connection.execution_options(isolation_level="AUTOCOMMIT")
    line: Any = connection.connection.dbapi_connection
    match connection.dialect.driver:
        case "oracledb" | "cx_oracle":
            line.call_timeout = max(1, int(timeout_s * 1000))
        case "ibm_db":
            from ibm_db import SQL_ATTR_QUERY_TIMEOUT

            line.set_option({SQL_ATTR_QUERY_TIMEOUT: math.ceil(timeout_s)})
    match dialect:
        case "oracle" if access == "read":
            connection.exec_driver_sql("set transaction read only")
        case "mssql":
            connection.exec_driver_sql(f"set lock_timeout {max(1, int(timeout_s * 1000))}")
        case "db2" | "ibm_db_sa":  # by itself it waits for ever
            connection.exec_driver_sql(f"set current lock timeout wait {min(math.ceil(timeout_s), _LONGEST_LOCK_S)}")
