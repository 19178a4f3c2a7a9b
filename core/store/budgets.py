"""
Who holds which part of a budget: a process takes slices here and spends them in memory.

Nothing of it must outlive a crash: PostgreSQL commits it without waiting for the disk, and beside an SQLite journal it has a
file of its own that is never synced, so that no call waits for the journal's turn.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from ..errors import Unavailable
from .journal import Journal
from .statement import Statement
from .tables import allowances, breakers, budget_rates, budget_slots
from .turn import Turn

T = TypeVar("T")
_BUSY_S = 5
Row = tuple[str, int, int]
"""Owner, slots, and how many it wants."""

_LOCK = Statement("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7))")
_QUICKLY = Statement("SET LOCAL synchronous_commit = off")
_FORGET = Statement("DELETE FROM budget_slots WHERE name = :name AND until <= :now")
_ROWS = Statement("SELECT owner, slots, wanted FROM budget_slots WHERE name = :name AND until > :now")
_PUT = Statement(
    "INSERT INTO budget_slots (name, owner, slots, wanted, until) VALUES (:name, :owner, :slots, :wanted, :until)"
    " ON CONFLICT (name, owner) DO UPDATE SET slots = :slots, wanted = :wanted, until = :until"
)
_DROP = Statement("DELETE FROM budget_slots WHERE name = :name AND owner = :owner")
_RATE = Statement("SELECT spent, at FROM budget_rates WHERE name = :name")
_PUT_RATE = Statement(
    "INSERT INTO budget_rates (name, spent, at) VALUES (:name, :spent, :at)"
    " ON CONFLICT (name) DO UPDATE SET spent = :spent, at = :at"
)
_UNMET = Statement("SELECT name FROM budget_slots WHERE wanted > slots AND owner <> :owner AND until > :now")
_FAR_S = 3600.0


def alone(conn: Connection, name: str) -> None:
    """Let no other process at what has this name before this unit ends, and let nobody wait for the disk."""
    if conn.dialect.name == "postgresql":
        _QUICKLY(conn)
        _LOCK(conn, name=name)


def rows(conn: Connection, name: str, now: float) -> list[Row]:
    """Give who holds and who wants slots of a budget, and forget whose lease is over; one process at a time."""
    alone(conn, name)
    _FORGET(conn, name=name, now=now)
    return [tuple(row) for row in _ROWS(conn, name=name, now=now).fetchall()]


def put(conn: Connection, name: str, owner: str, *, slots: int, wanted: int, until: float) -> None:
    _PUT(conn, name=name, owner=owner, slots=slots, wanted=wanted, until=until)


def drop(conn: Connection, name: str, owner: str) -> None:
    _DROP(conn, name=name, owner=owner)


def take_rate(conn: Connection, name: str, *, count: int, every_s: float, now: float, latest: float) -> float:
    """Take the next `count` starts of a rate; give the first, or one after `latest`, and then nothing was taken."""
    alone(conn, name)
    spent, at = _RATE(conn, name=name).fetchone() or (0.0, 0.0)
    first = now if at < now or at > now + _FAR_S else at  # far ahead: from a clock that is no more
    if first <= latest:
        _PUT_RATE(conn, name=name, spent=spent + count, at=first + count * every_s)
    return float(first)


class Budgets:
    """The store of slices of one state; threads share it. `now` and `wall` are the clocks of all its processes."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.now = journal.now
        self.wall: Callable[[], float] = time.time if journal.is_sqlite else journal.now
        self._lock = threading.Lock()
        self._file = None if journal.path is None else Path(f"{journal.path}-budget")
        self._open: tuple[Connection, Turn] | None = None

    def write(self, unit: Callable[[Connection], T]) -> T:
        """Run a unit and commit it. Raises Unavailable."""
        if self._file is None:
            return self._journal.write(unit)
        try:
            with self._lock:
                conn, turn = self._opened(self._file)
                with turn:
                    return _committed(conn, unit)
        except (sqlite3.Error, DatabaseError, OSError) as error:
            self._begin_anew(error)
            raise Unavailable(f"the budgets cannot be read: {error}", retry_after_s=1) from error

    def unmet(self, names: Iterable[str], owner: str) -> set[str]:
        """Name the budgets of which another process wants more than it has."""
        ours = set(names)

        def found(conn: Connection) -> set[str]:
            return ours.intersection(row[0] for row in _UNMET(conn, owner=owner, now=self.now()).fetchall())

        if self._file is None:
            with self._journal.read() as conn:
                return found(conn)
        return self.write(found)

    def held(self) -> Mapping[str, int]:
        """Give how many slots of each budget are held now, by everybody together."""

        def unit(conn: Connection) -> dict[str, int]:
            found: dict[str, int] = {}
            query = select(budget_slots.c.name, budget_slots.c.slots).where(budget_slots.c.until > self.now())
            for name, slots in conn.execute(query):
                found[name] = found.get(name, 0) + slots
            return found

        return self.write(unit)

    def close(self) -> None:
        """Close it; a second call does nothing."""
        with self._lock:
            if self._open is not None:
                conn, turn = self._open
                self._open = None
                conn.close()
                turn.close()

    def _opened(self, file: Path) -> tuple[Connection, Turn]:
        if self._open is None:
            turn = Turn(file)
            engine = create_engine(
                f"sqlite:///{file}", connect_args={"check_same_thread": False, "timeout": _BUSY_S}, poolclass=NullPool
            )
            event.listen(engine, "connect", _prepare)
            with turn:
                conn = engine.connect()
                for table in (budget_slots, budget_rates, breakers, allowances):
                    table.create(conn, checkfirst=True)
            self._open = conn, turn
        return self._open

    def _begin_anew(self, error: Exception) -> None:
        """A file that a power cut has spoilt holds nothing that is worth keeping."""
        self.close()
        said = str(error)
        if self._file is not None and ("malformed" in said or "not a database" in said):
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    Path(f"{self._file}{suffix}").unlink()


def _prepare(driver: Any, record: object) -> None:
    driver.isolation_level = None  # the driver begins nothing
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "wal_autocheckpoint=200"):
        driver.execute(f"PRAGMA {pragma}")


def _committed(conn: Connection, unit: Callable[[Connection], T]) -> T:
    driver = conn.connection
    driver.cursor().execute("BEGIN IMMEDIATE")
    try:
        result = unit(conn)
    except BaseException:
        driver.cursor().execute("ROLLBACK")
        raise
    driver.cursor().execute("COMMIT")
    return result
