"""
The journal: what is durable, and the one way to make it so.

On SQLite (WAL, synchronous=FULL) commits share an fsync: the first caller to find the connection idle commits for all who
wait, each unit under a savepoint of its own. The transaction is ours (`BEGIN IMMEDIATE` on a driver that begins nothing):
with SQLAlchemy's defaults a savepoint's row was seen to survive the outer rollback.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    TimeoutError,  # noqa: A004 - of the pool of connections
)
from sqlalchemy.pool import NullPool

from ..errors import ConfigError, DrawbarError, Unavailable
from ..measure import COMMIT_SECONDS, METER
from ..trace import REQUEST
from . import clock, postgres, upgrade
from .events import AUDITED, REQUEST_OF, UNDONE, Audited
from .tables import meta
from .turn import Turn

log = structlog.get_logger("drawbar.journal")
T = TypeVar("T")
__all__ = ["Away", "Connection", "Journal"]
_BUSY_S = 10
_KEPT_READERS = 16
_PAGE_BYTES = 2048
"""A commit changes a row or two on each of a dozen pages and writes those whole: small ones cost less."""
_CHECKPOINT_BYTES = 32_000_000


class Away(Unavailable):
    """The journal itself cannot be used now: that uses up nobody's attempt."""

    in_doubt = False
    """Whether a commit left and had no answer: it may have been made."""


class Journal:
    """
    One open journal; threads share it.

    A unit given to `write` is quick and pure SQL, may run on another thread, never commits by itself and never calls a wire.
    """

    def __init__(self, engine: Engine, writer: _Writer, path: Path | None) -> None:
        driver = engine.dialect.loaded_dbapi
        self._away = (driver.OperationalError, driver.InterfaceError, OperationalError, InterfaceError, TimeoutError)
        self._engine = engine
        self._writer = writer
        self._closed = False
        self._idle: list[Connection] = []
        self.path = path
        self.upgraded: upgrade.Upgraded | None = None
        """What opening it made or changed."""
        self._offset_s = 0.0
        self._offset_until = 0.0

    @classmethod
    def open(cls, url: str, *, migrate: bool = False) -> Journal:
        """
        Open it, made or found; ConfigError when it cannot be, or when its schema is not for us.

        A file of an earlier version is migrated; a database that many machines share only with `migrate`.
        """
        try:
            path = file_of(url)
            return _open_sqlite(path) if path else _open_postgres(url, migrate=migrate)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigError(f"state: {error}", field="state") from error

    def tell(self, audited: Audited) -> None:
        """Let somebody hear, inside each unit, of the events that are audited."""
        self._writer.audited(audited)

    @property
    def is_sqlite(self) -> bool:
        return self.path is not None

    def write(self, unit: Callable[[Connection], T]) -> T:
        """
        Run a unit and commit it, perhaps together with others.

        What the unit raises undoes that unit alone and is raised here; a commit that fails is Unavailable for everyone in it.
        """
        if self._closed:
            raise Away("the journal is closed")
        if (request := REQUEST.get()) is not None:
            unit = _asked_by(request, unit)
        began = time.perf_counter()
        try:
            return self._writer.write(unit)
        except postgres.Unanswered as error:
            away = _unavailable(error)
            away.in_doubt = True
            raise away from error
        except self._away as error:
            raise _unavailable(error) from error
        finally:
            METER.time(COMMIT_SECONDS, time.perf_counter() - began)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one moment and can write nothing."""
        try:
            if self.is_sqlite:
                yield from self._read_here()
                return
            with self._engine.connect() as conn, postgres.watched(conn):
                yield from self._read_there(conn)
        except self._away as error:
            raise _unavailable(error) from error

    def _read_here(self) -> Iterator[Connection]:
        """Give a connection that was kept open: to take one from the pool and to give it back costs as much as a look."""
        try:
            conn = self._idle.pop()
        except IndexError:
            conn = self._engine.connect()
        try:
            yield conn
            if conn.in_transaction():
                conn.rollback()
        except BaseException:
            conn.close()
            raise
        if self._closed or len(self._idle) >= _KEPT_READERS:
            conn.close()
        else:
            self._idle.append(conn)

    def _read_there(self, conn: Connection) -> Iterator[Connection]:
        try:
            yield conn
        except self._away:
            if postgres.is_dead(conn):
                conn.invalidate()
                self._engine.dispose()
            raise
        finally:
            if not conn.invalidated:
                conn.rollback()  # while it is watched

    def now(self) -> float:
        """Give the journal's own time, in epoch seconds: the same for all processes, and it never jumps."""
        ticks = clock.ticks()
        if ticks > self._offset_until:
            try:
                self._offset_s, keep_s = self._measure_offset()
            except Away:
                if not self._offset_until:
                    raise
                keep_s = 1.0  # what was measured before is good for a while
            self._offset_until = ticks + keep_s
        return ticks + self._offset_s

    def _measure_offset(self) -> tuple[float, float]:
        if not self.is_sqlite:
            with self.read() as conn:
                before = clock.ticks()
                now = float(conn.exec_driver_sql("select extract(epoch from clock_timestamp())").scalar_one())
                return now - (before + clock.ticks()) / 2, 10.0
        boot = clock.boot_id()
        if boot is None:
            return time.time() - clock.ticks(), 0.0
        return self.write(lambda conn: _offset_of(conn, boot)), float("inf")

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._writer.close()
            while self._idle:
                self._idle.pop().close()
            self._engine.dispose()


def _offset_of(conn: Connection, boot: str) -> float:
    """Give what to add to the machine's ticks; the first to ask after a start of the machine decides for all."""
    name = f"clock:{boot}"
    found = conn.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    if found is not None:
        return float(found)
    conn.execute(meta.delete().where(meta.c.name.like("clock:%")))
    offset = time.time() - clock.ticks()
    conn.execute(meta.insert().values(name=name, value=repr(offset)))
    return offset


def _settle(conn: Connection, *, migrate: bool) -> upgrade.Upgraded | None:
    """Make the tables where there are none, or migrate them where that is wanted; refuse a schema that is not for us."""
    postgres.take_turn(conn)
    return upgrade.settle(conn, migrate=migrate)


def _unavailable(error: Exception) -> Away:
    return Away(f"the journal cannot be used: {getattr(error, 'orig', None) or error}", retry_after_s=1)


def reach(url: str) -> None:
    """Look whether we could work on a journal on PostgreSQL, and leave it as it is. Raises ConfigError or Unavailable."""
    with _looking(url) as conn:
        upgrade.agree(conn)


def planned(url: str) -> str | None:
    """Give the SQL that brings a journal up to date, and run none of it; None when it is, or when there is no journal."""
    path = file_of(url)
    if path is not None and not path.exists():
        return None
    with _looking(url) as conn:
        return upgrade.planned(conn)


@contextmanager
def _looking(url: str) -> Iterator[Connection]:
    """Connect to a journal that is left as it is."""
    path = file_of(url)
    try:
        engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true") if path else postgres.readers(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigError(str(error), field="state") from error
    try:
        with engine.connect() as conn, nullcontext() if path else postgres.watched(conn):
            yield conn
    except DatabaseError as error:
        said = str(error.orig)
        away = path is None and isinstance(error, OperationalError) and not postgres.is_refusal(said)
        raise (Unavailable if away else ConfigError)(said, field="state") from error
    except InterfaceError as error:
        raise Unavailable(str(error.orig), field="state") from error
    finally:
        engine.dispose()


def file_of(url: str) -> Path | None:
    """Give the file of an embedded journal; None for one on a server."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"state: {error}", field="state") from error
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("state: the journal needs a file: sqlite:///drawbar.db", field="state")
    return Path(parsed.database).absolute()


def _open_postgres(url: str, *, migrate: bool) -> Journal:
    if make_url(url).get_backend_name() != "postgresql":
        raise ConfigError("state: a journal is on SQLite or PostgreSQL", field="state")
    journal = Journal(postgres.readers(url), postgres.Transactions(postgres.writers(url)), None)
    try:
        journal.upgraded = journal.write(partial(_settle, migrate=migrate))
    except (DrawbarError, DatabaseError) as error:
        journal.close()
        if isinstance(error, DatabaseError):  # no right to make a table, or a migration that fails: it was rolled back
            raise ConfigError(f"state: {error.orig}", field="state", next="the database is as it was") from error
        if isinstance(error, Unavailable) and postgres.is_refusal(error.message):
            raise ConfigError(f"state: {error.message}", field="state") from error
        raise
    if journal.upgraded is not None and journal.upgraded.before is not None:
        log.warning("journal.migrated", before=journal.upgraded.before, after=journal.upgraded.after)
    return journal


def _open_sqlite(path: Path) -> Journal:
    said = {"check_same_thread": False, "timeout": _BUSY_S}
    readers = create_engine(f"sqlite:///{path}", connect_args=said, pool_size=20, max_overflow=40)
    event.listen(readers, "connect", lambda driver, record: _prepare(driver, "query_only=ON"))
    event.listen(readers, "begin", lambda conn: conn.exec_driver_sql("BEGIN"))
    writer = create_engine(f"sqlite:///{path}", connect_args=said, poolclass=NullPool)
    event.listen(writer, "connect", lambda driver, record: _prepare(driver))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            turn = Turn(path)
            opened.callback(turn.close)
            with turn:
                conn = writer.connect()
                opened.callback(conn.close)
                conn.exec_driver_sql(f"PRAGMA page_size={_PAGE_BYTES}")  # of a file that is made now
                conn.exec_driver_sql("PRAGMA journal_mode=WAL")
                upgraded = upgrade.embedded(conn, path)
            journal = Journal(readers, _GroupCommit(conn, turn), path)
            journal.upgraded = journal.write(partial(_settle, migrate=False)) or upgraded
            journal.now()  # measured here, since it writes, and units ask for it
            opened.pop_all()
    except (OSError, sqlite3.Error, DatabaseError) as error:
        raise ConfigError(f"state: {path}: {getattr(error, 'orig', None) or error}", field="state") from error
    return journal


def _prepare(driver: Any, *more: str) -> None:
    driver.isolation_level = None  # the driver begins nothing
    # A checkpoint every 32 MB: what many commits write to one page is carried over once.
    checkpoint = f"wal_autocheckpoint={_CHECKPOINT_BYTES // _PAGE_BYTES}"
    for pragma in ("synchronous=FULL", "cache_size=-16000", "temp_store=MEMORY", checkpoint, *more):
        driver.execute(f"PRAGMA {pragma}")


def _asked_by(request: str, unit: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Tell a unit, which another thread may run, of the request that it is for."""

    def asked(conn: Connection) -> T:
        conn.info[REQUEST_OF] = request
        try:
            return unit(conn)
        finally:
            conn.info[REQUEST_OF] = None

    return asked


class _Writer(Protocol):
    def write(self, unit: Callable[[Connection], T]) -> T: ...

    def audited(self, told: Audited) -> None: ...

    def close(self) -> None: ...


class _Ticket(Generic[T]):
    """One caller's unit, and what came of it."""

    __slots__ = ("done", "error", "result", "turn", "unit")

    def __init__(self, unit: Callable[[Connection], T]) -> None:
        self.unit = unit
        self.result: T | None = None
        self.error: BaseException | None = None
        self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()


class _GroupCommit:
    """One connection that writes; who finds it idle commits for all who wait, then hands it on."""

    def __init__(self, conn: Connection, turn: Turn) -> None:
        self._conn = conn
        conn.info[UNDONE] = 0
        self._turn = turn
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[Any]] = []
        self._led = False
        self._leader = 0

    def audited(self, told: Audited) -> None:
        self._conn.info[AUDITED] = told

    def write(self, unit: Callable[[Connection], T]) -> T:
        if self._leader == threading.get_ident():
            raise RuntimeError("a unit of the journal writes on its own connection, never through the journal")
        ticket = _Ticket(unit)
        with self._lock:
            leads = not self._led
            self._led = True
            if not leads:
                self._waiting.append(ticket)
        if not leads:
            ticket.turn.acquire()
        if not ticket.done:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]  # a unit without an error has its result

    def _lead(self, own: _Ticket[Any]) -> None:
        with self._lock:
            group, self._waiting = [own, *self._waiting], []
        self._leader = threading.get_ident()
        try:
            with self._turn:
                self._commit(group)
        except BaseException as error:
            for ticket in group:
                told = error if ticket is own or isinstance(error, Exception) else Unavailable("interrupted")
                ticket.error = ticket.error or told
        finally:
            self._leader = 0
            with self._lock:
                heir = self._waiting.pop(0) if self._waiting else None
                self._led = heir is not None
            if heir:
                heir.turn.release()
            for ticket in group[1:]:
                ticket.done = True
                ticket.turn.release()

    def _commit(self, group: list[_Ticket[Any]]) -> None:
        driver: Any = self._conn.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE")
        try:
            if len(group) == 1:
                group[0].result = group[0].unit(self._conn)
            else:
                for ticket in group:
                    self._run(driver, ticket)
            driver.execute("COMMIT")
        except BaseException:
            self._conn.info[UNDONE] += 1
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            raise

    def _run(self, driver: Any, ticket: _Ticket[Any]) -> None:
        driver.execute("SAVEPOINT unit")
        try:
            ticket.result = ticket.unit(self._conn)
        except Exception as error:
            self._conn.info[UNDONE] += 1
            if not driver.in_transaction:  # SQLite gave up the whole group: a full disk
                raise
            ticket.error = error
            driver.execute("ROLLBACK TO unit")
        driver.execute("RELEASE unit")

    def close(self) -> None:
        self._conn.close()
        self._turn.close()
