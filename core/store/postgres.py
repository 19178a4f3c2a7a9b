"""
The journal on PostgreSQL, for many machines: one transaction a unit; the server lets commits share its flushes.

A unit may run more than once, since only what failed before its commit was sent is run again: when it met another unit (a
deadlock, a key that was taken between look and insert), or when its connection had died.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event

from ..watch import watching
from . import line
from .events import AUDITED, Audited

T = TypeVar("T")
_TRIES = 6
_CONNECT_S = 10
# Unique violation, serialization failure, deadlock; and a server that has forgotten what was prepared.
_MEETS = {"23505", "40001", "40P01", line.FORGOTTEN}
_MAKING = 0x44726177_0001  # any number that no one else locks
_LIMITS_MS = {
    "lock_timeout": 20_000,
    "statement_timeout": 60_000,
    # Who sleeps inside a unit holds the locks of its run: the server ends its transaction.
    "idle_in_transaction_session_timeout": 15_000,
}
# A little longer than the server allows a statement: then it is not the server that is slow.
_SILENT_S = 65.0
_POOL = {"pool_size": 20, "max_overflow": 40, "pool_timeout": 20}


def writers(url: str) -> Engine:
    engine = create_engine(url, connect_args=_said(), **_POOL)
    event.listen(engine, "before_cursor_execute", _send_first)
    return engine


def readers(url: str) -> Engine:
    """Give connections that see one moment and can write nothing."""
    engine = create_engine(url, connect_args=_said(), isolation_level="REPEATABLE READ", **_POOL)
    event.listen(engine, "connect", _only_reads)
    return engine


def _said() -> dict[str, Any]:
    limits = " ".join(f"-c {name}={value}" for name, value in _LIMITS_MS.items())
    return {
        "connect_timeout": _CONNECT_S,
        "options": limits,
        "application_name": "drawbar",
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


def _send_first(conn: Connection, *said: object) -> None:
    """Keep the order of what SQLAlchemy runs in a unit, and of our own statements."""
    if (waiting := line.line_of(conn)) is not None:
        waiting.send()


def _only_reads(driver: Any, record: object) -> None:
    driver.read_only = True


def take_turn(conn: Connection) -> None:
    """Let one process at a time make or change tables; the turn ends with the unit."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
        conn.exec_driver_sql("CREATE SEQUENCE IF NOT EXISTS events_numbers")


def is_refusal(message: str) -> bool:
    """Tell whether the server is there and will not let us in: waiting does not help."""
    return any(said in message for said in ("authentication failed", "does not exist", "no pg_hba.conf entry"))


class Unanswered(Exception):
    """A commit left and had no answer: it may have been made."""


class Transactions:
    """Writes units."""

    def __init__(self, engine: Engine) -> None:
        self._kept = _Kept(engine)
        self._audited: Audited | None = None

    def audited(self, told: Audited) -> None:
        self._audited = told

    def write(self, unit: Callable[[Connection], T]) -> T:
        left = _TRIES
        while True:
            left -= 1
            attempt = _Attempt(self._audited, trusts=left == _TRIES - 1)
            conn = self._kept.take()
            try:
                return attempt.run(conn, unit)
            except Exception as error:
                if attempt.died:
                    self._kept.forget()  # those that waited have died with it
                if left == 0 or not attempt.may_be_repeated(error):
                    if attempt.in_doubt:
                        raise Unanswered(str(getattr(error, "orig", error))) from error
                    raise
            finally:
                self._kept.give(conn)

    def close(self) -> None:
        self._kept.forget()


class _Kept:
    """The connections of writers, which are not given back to their pool after each unit: that cost more than a commit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._waiting = 0

    def take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._waiting += 1
        try:
            return self._engine.connect()
        finally:
            with self._lock:
                self._waiting -= 1

    def give(self, conn: Connection) -> None:
        """Keep it for the next unit, unless it has died, or somebody waits at the pool."""
        with self._lock:
            if not self._waiting and len(self._idle) < _POOL["pool_size"] and not conn.invalidated:
                self._idle.append(conn)
                return
        conn.close()

    def forget(self) -> None:
        """Close what nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for conn in idle:
            conn.invalidate()
            conn.close()
        self._engine.dispose()


class _Attempt:
    """One try of a unit, and what is known of it when it failed."""

    def __init__(self, audited: Audited | None, *, trusts: bool) -> None:
        self._audited = audited
        self._trusts = trusts
        self._committing = False
        self.died = False

    def run(self, conn: Connection, unit: Callable[[Connection], T]) -> T:
        with watched(conn):
            try:
                conn.info[AUDITED] = self._audited
                own = line.opened(conn)
                own.begin(trusts=self._trusts)
                result = unit(conn)
                self._committing = True
                own.commit()
                if conn.in_transaction():
                    conn.commit()  # SQLAlchemy's own; nothing is left to do
            except BaseException:
                self.died = is_dead(conn)
                if self.died:
                    conn.invalidate()
                else:
                    _roll_back(conn)
                raise
            return result

    @property
    def in_doubt(self) -> bool:
        return self.died and self._committing

    def may_be_repeated(self, error: Exception) -> bool:
        state = getattr(getattr(error, "orig", error), "sqlstate", None)
        repeats = state in _MEETS or (state == line.UNTRUE and self._trusts)
        return repeats or (self.died and not self.in_doubt)


def _roll_back(conn: Connection) -> None:
    driver: Any = conn.connection.driver_connection
    driver.rollback()
    if conn.in_transaction():
        conn.rollback()


def watched(conn: Connection) -> AbstractContextManager[object]:
    """
    Cut the line when the body gets no answer for too long.

    A thread that waits for ever keeps its task: its lease is renewed by another line.
    """
    driver: Any = conn.connection.driver_connection
    return watching(driver.fileno(), _SILENT_S)


def is_dead(conn: Connection) -> bool:
    """Tell whether the server is no longer at the other end; statements of ours bypass SQLAlchemy's own look."""
    if conn.invalidated or conn.closed:
        return True
    driver: Any = conn.connection.driver_connection
    return driver is None or bool(driver.closed)
