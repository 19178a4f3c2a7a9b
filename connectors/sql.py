"""
Connector = wire: a pooled line to one database that comes back by itself.

A call is one unit: connect, prepare the session, execute, commit; each phase has its own meaning for an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, make_url

from ..core.errors import ConfigError
from ..core.trace import CARRIED
from ..core.watch import watching
from .sql_errors import committing, connecting, executing

CONNECT_TIMEOUT_S = 10.0
IDLE_S = 1.0
GRACE_S = 2.0
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql", "firebird": "firebird"}
_LOST = (exc.SQLAlchemyError, OSError)

Access = Literal["read", "write", "autocommit"]


class Beside(Protocol):
    def close(self) -> None: ...


class Database:
    """
    One configured database. Nothing is opened before the first unit; `close` may be called twice.

    `dialect` is SQLAlchemy's name: postgresql, mysql (MariaDB too), sqlite, ...
    """

    def __init__(self, name: str, url: str, *, base: Path, connections: int, call_timeout_s: float) -> None:
        self.name = name
        self.call_timeout_s = call_timeout_s
        self._url = parse_url(url, base)
        self._connections = connections
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
    def dialect(self) -> str:
        return self._url.get_backend_name()

    @property
    def place(self) -> str:
        """Name the database without the password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def knows_read_only(self) -> bool:
        """Tell whether the database itself refuses a write in a unit that reads."""
        return self.dialect in {"postgresql", "mysql", "mariadb", "sqlite"}

    @property
    def engine(self) -> sa.Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

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
        self, access: Access, *, timeout_s: float | None = None, limit: int | None = None, steps: bool = False
    ) -> Iterator[Connection]:
        """
        Run the body in one transaction and commit it; leaving it by an exception rolls back.

        `read` cannot write where the database knows that. With `autocommit` nothing can be undone, so that any error of
        the body is OutcomeUnknown. `limit` bounds what a SELECT sends where no server cursor can (MySQL). With `steps`
        the time limit is that of each step, and the body says `step(connection)` before each.
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
            with watching(_fileno(connection), timeout_s + GRACE_S) as again:
                connection.info["again"] = again
                with connecting(self.name):
                    self._prepare(connection, access, timeout_s, limit, steps=steps)
                with executing(undone=access != "autocommit"):
                    yield connection
                if access == "write":
                    with committing():
                        connection.commit()
        finally:
            _release(connection)

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
            extra = _EXTRAS.get(self.dialect)
            hint = f"pip install 'drawbar[{extra}]'" if extra else f"pip install {missing.name}"
            raise ConfigError(f"{self.name}: the driver {missing.name} is not installed", next=hint) from missing
        except (exc.ArgumentError, TypeError) as error:
            raise ConfigError(f"{self.name}: the url is wrong: {error}", field="url") from error
        _listen(engine)
        return engine

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
        return {}

    def _revive(self, connection: Connection) -> None:
        """Ask a connection that lay idle whether it is still there; a new one takes its place if not."""
        idle_s = time.monotonic() - connection.info.get("used", time.monotonic())
        if idle_s < IDLE_S or self.dialect == "sqlite":
            return
        line = connection.connection.dbapi_connection
        try:
            with watching(_fileno(connection), GRACE_S):
                alive = connection.dialect.do_ping(line)  # type: ignore[arg-type]  # checked out: it is there
        except Exception:  # the driver's own errors have no common root; whatever it is, the line is not good
            alive = False
        if not alive:
            connection.invalidate()
            connection.connection  # noqa: B018 - connects again

    def _prepare(
        self, connection: Connection, access: Access, timeout_s: float, limit: int | None, *, steps: bool
    ) -> None:
        milliseconds = max(1, int(timeout_s * 1000))
        match self.dialect:
            case "postgresql":
                if access == "autocommit":
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.execution_options(postgresql_readonly=access == "read")
                local = "" if access == "autocommit" else "local "
                connection.exec_driver_sql(f"set {local}statement_timeout = {milliseconds}")
            case "mysql" | "mariadb":
                if access == "autocommit":
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                self._prepare_mysql(connection, timeout_s, limit, steps=steps)
                if access == "read":
                    connection.exec_driver_sql("start transaction read only")
            case "sqlite":
                self._prepare_sqlite(connection, access, timeout_s)
            case _:
                if access == "autocommit":
                    connection.execution_options(isolation_level="AUTOCOMMIT")

    def _prepare_mysql(self, connection: Connection, timeout_s: float, limit: int | None, *, steps: bool) -> None:
        """Set what differs from the last unit on this connection; MySQL keeps settings through a rollback."""
        longest_s = 0 if steps else timeout_s  # it counts the time in which we read, so a long stream has none
        wanted = (longest_s, timeout_s, limit)
        if connection.info.get("session") == wanted:
            return
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

    def _prepare_sqlite(self, connection: Connection, access: Access, timeout_s: float) -> None:
        line = connection.connection.dbapi_connection
        until = [time.monotonic() + timeout_s]
        connection.info["again"] = lambda: until.__setitem__(0, time.monotonic() + timeout_s)
        line.set_progress_handler(lambda: time.monotonic() > until[0], 10_000)  # type: ignore[union-attr]  # sqlite3's own
        cursor = line.cursor()  # type: ignore[union-attr]  # beside SQLAlchemy's transaction: pragmas have none
        cursor.execute(f"pragma busy_timeout = {int(timeout_s * 1000)}")
        cursor.execute(f"pragma query_only = {int(access == 'read')}")
        cursor.execute("pragma foreign_keys = on")
        cursor.close()
        connection.execution_options(drawbar_access=access)


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
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigError("a database in memory is empty for each connection; name a file", field="url")
        url = url.set(database=str(base / url.database))
    return url


def _listen(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _own_transactions)
        event.listen(engine, "begin", _begin_sqlite)
    if engine.dialect.driver == "psycopg":
        event.listen(engine, "connect", _exact_json)
    if engine.dialect.driver == "pymysql":
        event.listen(engine, "connect", _logged_in)


def _own_transactions(line: Any, _record: Any) -> None:
    """sqlite3 begins by itself in its own way, under which savepoints do not hold; so we begin."""
    line.isolation_level = None


def _begin_sqlite(connection: Connection) -> None:
    access = connection.get_execution_options().get("drawbar_access", "read")
    if access != "autocommit":
        connection.exec_driver_sql("begin immediate" if access == "write" else "begin")


def _logged_in(line: Any, _record: Any) -> None:
    """From here on the time limit is the unit's, which a tool may set longer than that of a login."""
    line._read_timeout = line._write_timeout = None  # noqa: SLF001 - pymysql takes them in connect() alone


def _exact_json(line: Any, _record: Any) -> None:
    from psycopg.types.json import set_json_loads

    from .sql_values import loads_exact

    set_json_loads(loads_exact, line)


def _fileno(connection: Connection) -> int | None:
    """Find the socket of a connection; None for files and for drivers that hide it."""
    line = connection.connection.dbapi_connection
    owner = getattr(line, "_sock", None) or line
    try:
        return int(owner.fileno())  # type: ignore[union-attr]  # psycopg's connection and pymysql's socket have it
    except (AttributeError, OSError, ValueError, exc.SQLAlchemyError):
        return None


def _release(connection: Connection) -> None:
    """Give the connection back; one that cannot roll back is thrown away by the pool."""
    try:
        if not connection.invalidated:
            connection.info["used"] = time.monotonic()
        connection.close()
    except _LOST:
        connection.invalidate()


def _commented(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    """Carry the trace in a comment of the statement (sqlcommenter's form), where the configuration says so."""
    carried = CARRIED.get()
    if carried is None or not carried.sql_comment:
        return statement, parameters
    return f"{statement} /*traceparent='{carried.traceparent}'*/", parameters
