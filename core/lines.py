"""
What the processes of a state tell each other about lines to systems that are down.

A line that one of them opens is left alone by all, and one call of all of them tries it. Sound lines cost nothing: only what is
down has a row. When the state is away, each process goes by what it knows itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from .errors import DrawbarError
from .store import breakers
from .store.breakers import Row
from .store.budgets import Budgets

log = structlog.get_logger("drawbar.lines")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """A line as it stands in the state, in times of our monotonic clock."""

    failures: int
    opened: int
    until: float
    trying: float | None
    error: str
    since: float


class Lines:
    """The lines of one state that are down. `heard` are told about theirs by `look`."""

    def __init__(self, store: Budgets) -> None:
        self._store = store
        self.heard: dict[str, Callable[[Said | None], None]] = {}

    def look(self) -> None:
        """Read all that are down, and tell whom it concerns."""
        found = {row[0]: row for row in self._store.write(breakers.rows)}
        for name, hear in list(self.heard.items()):
            row = found.get(name)
            hear(None if row is None else self._said(row))

    def find(self, name: str) -> Said | None:
        row = self._quietly(lambda conn: breakers.find(conn, name), None)
        return None if row is None else self._said(row)

    def open(self, name: str, *, failures: int, opened: int, until: float, error: str, since: float) -> None:
        at = until - self._ahead_s()

        def unit(conn: Any) -> None:
            breakers.put(conn, name, failures=failures, opened=opened, until=at, error=error, since=since)

        self._quietly(unit, None)

    def close(self, name: str) -> None:
        self._quietly(lambda conn: breakers.drop(conn, name), None)

    def take_try(self, name: str, limit_s: float) -> tuple[bool, Said | None]:
        """Ask for the one try; without it, or without a row, say how the line stands. A state that is away lets us try."""

        def unit(conn: Any) -> tuple[bool, Row | None]:
            now = self._store.now()
            taken = breakers.take_try(conn, name, now=now, until=now + limit_s)
            return taken, None if taken else breakers.find(conn, name)

        alone: tuple[bool, Row | None] = (True, None)
        taken, row = self._quietly(unit, alone)
        return taken, None if row is None else self._said(row)

    def give_try_back(self, name: str) -> None:
        self._quietly(lambda conn: breakers.give_try_back(conn, name), None)

    def _said(self, row: Row) -> Said:
        _, failures, opened, until, trying, error, since = row
        ahead_s = self._ahead_s()
        return Said(failures, opened, until + ahead_s, None if trying is None else trying + ahead_s, error, since)

    def _ahead_s(self) -> float:
        return time.monotonic() - self._store.now()

    def _quietly(self, unit: Callable[[Any], T], otherwise: T) -> T:
        try:
            return self._store.write(unit)
        except DrawbarError as error:
            log.debug("lines.away", error=error.message)
            return otherwise
