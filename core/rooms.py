"""How many threads of this process may work for one system: one that hangs must not take them all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import AbstractContextManager

SPARE = 4
"""Threads beside those that one system may have: what is left for the others."""
_PATIENCE_S = 1.0


class Rooms:
    """Room for `each` threads for every system; a system that lately let somebody go is waited for, for a moment."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._change = threading.Condition(threading.Lock())
        self._inside: Counter[str] = Counter()
        self._moved_at: dict[str, float] = {}
        self._waiting = 0

    def entered(self, system: str, *, must: bool = False) -> AbstractContextManager[bool]:
        """Take part in the work for a system; False when there is no room. Who `must` is let in all the same."""
        return _Visit(self, system, must)

    def enter(self, system: str, *, must: bool) -> bool:
        with self._change:
            if not must and self._inside[system] >= self._each and not self._waited(system):
                return False
            if not self._inside[system]:
                self._moved_at[system] = time.monotonic()
            self._inside[system] += 1
            return True

    def _waited(self, system: str) -> bool:
        still_s = time.monotonic() - self._moved_at.get(system, 0.0)
        self._waiting += 1
        try:
            return self._change.wait_for(lambda: self._inside[system] < self._each, max(_PATIENCE_S - still_s, 0))
        finally:
            self._waiting -= 1

    def leave(self, system: str) -> None:
        with self._change:
            self._inside[system] -= 1
            self._moved_at[system] = time.monotonic()
            if self._waiting:
                self._change.notify_all()


class _Visit:
    """One visit; no generator, since each task makes one."""

    __slots__ = ("_is_in", "_must", "_rooms", "_system")

    def __init__(self, rooms: Rooms, system: str, must: bool) -> None:
        self._rooms, self._system, self._must = rooms, system, must

    def __enter__(self) -> bool:
        self._is_in = self._rooms.enter(self._system, must=self._must)
        return self._is_in

    def __exit__(self, *failed: object) -> None:
        if self._is_in:
            self._rooms.leave(self._system)
