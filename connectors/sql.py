"""
Connector = wire: a pooled line to one database that comes back by itself.

A call is one unit: connect, prepare the session, execute, commit; each phase has its own meaning for an error.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, ExceptionContext, make_url

from ..core.errors import ConfigError
from ..core.trace import CARRIED
from ..core.watch import watching
from .sql_errors import committing, connecting, executing, is_lost
from .sql_session import Access, prepare
from .sql_text import READ_ONLY
from .sql_undone import undoing

CONNECT_TIMEOUT_S = 10.0
IDLE_S = 1.0
GRACE_S = 2.0
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "firebird": "firebird+firebird",
    "oracle": "oracle+oracledb",
    "mssql": "mssql+pyodbc",
    "db2": "db2+ibm_db",
}
_INSTALL = {
    "psycopg": "'drawbar[postgres]'",
    "pymysql": "'drawbar[mysql]'",
    "sqlalchemy_firebird": "'drawbar[firebird]'",
    "firebird": "'drawbar[firebird]'",
    "pyodbc": "'drawbar[odbc]'",
    "oracledb": "'drawbar[oracle]'",
    "ibm_db_sa": "ibm_db_sa",
    "ibm_db": "ibm_db_sa",
    "ibm_db_dbi": "ibm_db_sa",
}
_DIALECT_OF = {"firebird": "sqlalchemy_firebird", "db2": "ibm_db_sa", "ibm_db_sa": "ibm_db_sa"}
_HIDDEN = frozenset({"firebird", "pyodbc", "pymssql", "ibm_db"})
"""Drivers that hide their socket."""
_PORTS = {"firebird": 3050, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "db2": 50000, "ibm_db_sa": 50000}
_LOST = (exc.SQLAlchemyError, OSError)


class Beside(Protocol):
    def close(self) -> None: ...


class Database:
    """
    One configured database. Nothing is opened before the first unit; `close` may be called twice.

    `code_pages` says that texts may be bytes of another code page, which quirks read (SQLite refuses them otherwise).
    `dialect` is SQLAlchemy's name: postgresql, mysql (MariaDB too), sqlite, ...
    """

    def __init__(
        self, name: str, url: str, *, base: Path, connections: int, call_timeout_s: float, code_pages: bool = False
    ) -> None:
        self.name = name
        self.call_timeout_s = call_timeout_s
        self._url = parse_url(url, base)
        self._connections = connections
        self._code_pages = code_pages
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None
        self._beside: Beside | None = None

    @property
    def driver(self) -> str:
        return self._url.get_driver_name()

    def beside(self, make: Callable[[int], Beside]) -> Beside:
        """Give what stands beside the pool and is closed with it; it is made once, for so many calls at a time."""
        with self._lock:
            if self._beside is None:
                self._beside = make(self._connections)
            return self._beside

    def connect_apart(self, limit_ms: int) -> Any:
        """Open a connection of psycopg that belongs to nobody's pool and can only read."""
        import psycopg

        dialect = self.engine.dialect
        words, named = dialect.create_connect_args(self._url)
        given = {**named, **self._connect_args()}
        only = f"-c default_transaction_read_only=on -c statement_timeout={limit_ms}"
        given["options"] = f"{given.get('options', '')} {only}".strip()
        line = psycopg.connect(*words, **given, autocommit=True)
        found = line.execute("show default_transaction_read_only").fetchone()
        if found is None or found[0] != "on":  # somebody between us and the database kept the options to himself
            line.close()
            raise ConfigError(f"{self.name}: startup options do not reach the database")
        _exact_json(line, None)
        return line

    @property
    def user(self) -> str:
        return self._url.username or ""

    @property
    def dialect(self) -> str:
        return self._url.get_backend_name()

    @property
    def place(self) -> str:
        """Name the database without the password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def knows_read_only(self) -> bool:
        """Tell whether the database itself refuses a write in a unit that reads."""
        return self.dialect in READ_ONLY

    @property
    def engine(self) -> sa.Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def file(self) -> tuple[str, bool] | None:
        """Give the file of SQLite, and whether who reads it and who writes it exclude each other; None for a server."""
        if self.dialect != "sqlite":
            return None
        with self.unit("read") as connection:
            mode = connection.exec_driver_sql("pragma journal_mode").scalar_one()
        return os.path.realpath(str(self._url.database)), mode != "wal"

    def close(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
            beside, self._beside = self._beside, None
        if beside is not None:
            beside.close()
        if engine is not None:
            engine.dispose()

    @contextmanager
    def unit(
        self,
        access: Access,
        *,
        timeout_s: float | None = None,
        limit: int | None = None,
        steps: bool = False,
        keeps: bool | None = None,
    ) -> Iterator[Connection]:
        """
        Run the body in one transaction and commit it; leaving it by an exception rolls back.

        `read` cannot write where the database knows that. With `autocommit` nothing can be undone, so that any error of
        the body is OutcomeUnknown. `limit` bounds what a SELECT sends where no server cursor can (MySQL). With `steps`
        the time limit is that of each step, and the body says `step(connection)` before each. `keeps` says whether a
        write may change tables that cannot roll back; unless it is None the server is asked after an error whether it did.
        """
        timeout_s = timeout_s or self.call_timeout_s
        if self.dialect == "sqlite" and not Path(self._url.database or "").exists():
            raise ConfigError(
                f"{self.name}: there is no file {self._url.database}", next="correct the url of this adapter"
            )
        with connecting(self.name):
            connection = self.engine.connect()
        try:
            with connecting(self.name):
                self._revive(connection)
            with self._watching(connection, timeout_s):
                with connecting(self.name):
                    prepare(connection, self.dialect, access, timeout_s, limit, steps=steps)
                looks = keeps if access == "write" else None
                with undoing(connection, self.dialect, keeps=looks), executing(undone=access != "autocommit"):
                    yield connection
                if access == "write":
                    with committing():
                        connection.commit()
        finally:
            _release(connection)

    @contextmanager
    def _watching(self, connection: Connection, timeout_s: float) -> Iterator[None]:
        """Cut a silent server off; where a statement knows no time limit, end it from outside."""
        ends = partial(_cancel, connection.connection.dbapi_connection) if self.dialect == "firebird" else None
        with watching(_fileno(connection), timeout_s + GRACE_S) as again, watching(ends, timeout_s) as ends_again:
            connection.info["again"] = lambda: (again(), ends_again())
            yield

    def _open(self) -> sa.Engine:
        try:
            engine = sa.create_engine(
                self._url,
                pool_size=self._connections,
                max_overflow=4,
                pool_timeout=self.call_timeout_s,
                connect_args=self._connect_args(),
                hide_parameters=True,
            )
            event.listen(engine, "before_cursor_execute", _commented, retval=True)
        except ModuleNotFoundError as missing:
            raise self._not_installed(missing.name or "") from missing
        except exc.NoSuchModuleError as error:
            if self.dialect in _DIALECT_OF:
                raise self._not_installed(_DIALECT_OF[self.dialect]) from error
            raise ConfigError(f"{self.name}: the url is wrong: {error}", field="url") from error
        except (exc.ArgumentError, TypeError) as error:
            raise ConfigError(f"{self.name}: the url is wrong: {error}", field="url") from error
        _listen(engine)
        if self._code_pages and self.dialect == "sqlite":
            event.listen(engine, "connect", _odd_texts)
        if self.driver in _HIDDEN:
            event.listen(engine, "do_connect", self._connect_hidden())
        return engine

    def _not_installed(self, module: str) -> ConfigError:
        package = _INSTALL.get(module.partition(".")[0], module)
        said = f"{self.name}: the driver {module} is not installed"
        return ConfigError(said, field="url", next=f"pip install {package}")

    def _connect_hidden(self) -> Callable[..., Any]:
        """Make what connects for a driver that hides its socket, and finds it."""
        from .sql_sockets import connected

        wait_s = min(CONNECT_TIMEOUT_S, self.call_timeout_s)
        port = self._url.port or int(str(self._url.query.get("port", 0))) or _PORTS.get(self.dialect, 0)
        firebird = None
        if self.dialect == "firebird":
            from .sql_firebird import Entrance

            firebird = Entrance(self._url, wait_s)

        def connect(dialect: Any, record: Any, words: Any, named: Any) -> Any:
            open_line = firebird.connect if firebird is not None else partial(dialect.connect, *words, **named)
            line, record.info["socket"] = connected(open_line, port, wait_s)
            return line

        return connect

    def _connect_args(self) -> dict[str, Any]:
        wait_s = min(CONNECT_TIMEOUT_S, self.call_timeout_s)
        match self._url.get_driver_name():
            case "psycopg" | "psycopg2":
                named = "application_name" in self._url.query
                return {"connect_timeout": max(2, int(wait_s)), **({} if named else {"application_name": "drawbar"})}
            case "pymysql":  # its connect_timeout ends before the server's greeting
                return {"connect_timeout": max(1, int(wait_s)), "read_timeout": wait_s, "write_timeout": wait_s}
            case "pysqlite":
                return {"timeout": wait_s, "check_same_thread": False}
            case "pyodbc":
                return {"timeout": max(1, int(wait_s)), **_odbc_words(self._url)}
            case "pymssql":
                return {"login_timeout": max(1, int(wait_s)), "timeout": max(1, int(self.call_timeout_s))}
            case "oracledb":
                return {"tcp_connect_timeout": wait_s}
        return {}

    def _revive(self, connection: Connection) -> None:
        """Ask a connection that lay idle whether it is still there; a new one takes its place if not."""
        idle_s = time.monotonic() - connection.info.get("used", time.monotonic())
        if idle_s < IDLE_S or self.dialect == "sqlite":
            return
        line = connection.connection.dbapi_connection
        try:
            with watching(_fileno(connection), GRACE_S):
                alive = _ping(connection, line)
        except Exception:  # the driver's own errors have no common root; whatever it is, the line is not good
            alive = False
        if not alive:
            connection.invalidate()
            connection.connection  # noqa: B018 - connects again


def step(connection: Connection) -> None:
    """Begin the time limit of a unit anew."""
    connection.info["again"]()


def parse_url(text: str, base: Path) -> URL:
    """Read a URL, put the usual driver in and make a path of SQLite absolute; ConfigError never shows the text."""
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        raise ConfigError(
            "this is no database URL such as postgresql://user:password@host/database", field="url"
        ) from None
    if url.drivername in _DRIVERS:
        url = url.set(drivername=_DRIVERS[url.drivername])
    if url.drivername.endswith("+pyodbc") and url.get_backend_name() != "mssql" and url.port:
        url = url.set(port=None).update_query_dict({"port": str(url.port)})  # SQLAlchemy writes it as SQL Server has it
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigError("a database in memory is empty for each connection; name a file", field="url")
        url = url.set(database=str(base / url.database))
    return url


def _listen(engine: sa.Engine) -> None:
    event.listen(engine, "handle_error", _found_lost)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _own_transactions)
        event.listen(engine, "begin", _begin_sqlite)
    if engine.dialect.name.startswith("firebird"):
        event.listen(engine, "after_cursor_execute", _uncounted)
    if engine.dialect.driver == "psycopg":
        event.listen(engine, "connect", _exact_json)
    if engine.dialect.driver == "pyodbc" and engine.dialect.name in {"mysql", "mariadb"}:
        event.listen(engine, "before_cursor_execute", _whole_stamps, retval=True)
    if engine.dialect.driver == "pymysql":
        event.listen(engine, "connect", _logged_in)


def _found_lost(context: ExceptionContext) -> None:
    if not context.is_disconnect and is_lost(context.original_exception):
        context.is_disconnect = True


def _own_transactions(line: Any, _record: Any) -> None:
    """sqlite3 begins by itself in its own way, under which savepoints do not hold; so we begin."""
    line.isolation_level = None


def _odd_texts(line: Any, _record: Any) -> None:
    """Take a text that is none as it is, so that a declared code page can read it."""
    line.text_factory = lambda raw: raw.decode(errors="surrogateescape")


def _begin_sqlite(connection: Connection) -> None:
    access = connection.get_execution_options().get("drawbar_access", "read")
    if access != "autocommit":
        connection.exec_driver_sql("begin immediate" if access == "write" else "begin")


def _logged_in(line: Any, _record: Any) -> None:
    """From here on the time limit is the unit's, which a tool may set longer than that of a login."""
    line._read_timeout = line._write_timeout = None  # noqa: SLF001 - pymysql takes them in connect() alone


def _uncounted(_c: Any, cursor: Any, _sql: str, _given: Any, context: Any, _many: bool) -> None:
    """Keep SQLAlchemy from asking for a count that there is none of: Firebird's driver fails then."""
    if cursor.description is None:
        try:
            context._rowcount = cursor.rowcount  # noqa: SLF001 - where SQLAlchemy would put it itself
        except context.dialect.dbapi.Error:
            context._rowcount = -1  # noqa: SLF001


def _whole_stamps(_c: Any, _u: Any, sql: str, given: Any, _x: Any, many: bool) -> tuple[str, Any]:
    """Send stamps as text: this driver cuts their fractions of a second."""

    def whole(row: Any) -> Any:
        return type(row)(str(value) if isinstance(value, datetime) else value for value in row)

    if not isinstance(given, (list, tuple)):
        return sql, given
    return sql, [whole(row) for row in given] if many else whole(given)


def _exact_json(line: Any, _record: Any) -> None:
    from psycopg.types.json import set_json_loads

    from .sql_values import loads_exact

    set_json_loads(loads_exact, line)


def _odbc_words(url: URL) -> dict[str, str]:
    """Let MariaDB's driver send rows as they are asked for; by itself it fetches all of them first."""
    driver = str(url.query.get("driver", "")).lower()
    return {"NO_CACHE": "1", "FORWARDONLY": "1"} if "maria" in driver or "maodbc" in driver else {}


def _ping(connection: Connection, line: Any) -> bool:
    if connection.dialect.name.startswith("firebird"):  # the dialect's way begins a transaction
        line.ping()
        return True
    return bool(connection.dialect.do_ping(line))


def _cancel(line: Any) -> None:
    from .sql_firebird import cancel

    cancel(line)


def _fileno(connection: Connection) -> int | None:
    """Find the socket of a connection; None for files."""
    if (hidden := connection.info.get("socket")) is not None:
        return int(hidden)
    line = connection.connection.dbapi_connection
    owner = getattr(line, "_sock", None) or line
    try:
        return int(owner.fileno())  # type: ignore[union-attr]  # psycopg's connection and pymysql's socket have it
    except (AttributeError, OSError, ValueError, exc.SQLAlchemyError):
        return None


def _release(connection: Connection) -> None:
    """Give the connection back; one that cannot roll back is thrown away."""
    try:
        if not connection.invalidated:
            connection.info["used"] = time.monotonic()
        connection.close()
    except _LOST:
        with suppress(*_LOST):
            connection.invalidate()
            connection.close()


def _commented(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    """Carry the trace in a comment of the statement (sqlcommenter's form), where the configuration says so."""
    carried = CARRIED.get()
    if carried is None or not carried.sql_comment:
        return statement, parameters
    return f"{statement} /*traceparent='{carried.traceparent}'*/", parameters
