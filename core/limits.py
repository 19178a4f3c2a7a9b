"""
How often, how many at once and how far an agent may call: limits that hold across the processes of a state.

Like a budget (slices.py), what may be used is leased in slices and spent in memory: an agent without limits costs nothing, and
one with them a look at the state for every hundredth call of its minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from .access import Caller
from .errors import InputError
from .slices import Holdings, Slots
from .store import allowances

MINUTE_S = 60.0
SESSION_S = 3600.0
"""A session in which nothing was called for so long is forgotten: its steps are counted anew."""
_SLOT_S = 1.0
_SLICES = 100
_ROOM_S = 1.0
_SWEEP_S = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How an agent stands with its minute: what is left of the limit, and when more is."""

    limit: int
    left: int
    reset_s: float


class Minute:
    """The calls of one agent in any minute, as far as this process has taken them."""

    def __init__(self, agent: str, total: int, holdings: Holdings) -> None:
        self.total = total
        self._agent = agent
        self._holdings = holdings
        self._count = max(total // _SLICES, 1)
        self._lock = threading.Lock()
        self._slot = 0
        self._left = 0
        self._others = 0
        self._until = 0.0
        self._frees_at = 0.0
        self._none_until = 0.0

    def spend(self) -> Standing | None:
        """Take one call of what is at hand; None: ask `take`. Never waits. InputError (rate) while there is none."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._spent(time.monotonic())
        finally:
            self._lock.release()

    def take(self) -> Standing:
        """Take one call, from the state when none is at hand. InputError (rate) says when to come back."""
        with self._lock:
            while (standing := self._spent(time.monotonic())) is None:
                self._fetch()
            return standing

    def _spent(self, now: float) -> Standing | None:
        if now < self._none_until:
            raise self._refusal(now)
        if self._left <= 0 or now >= self._until:
            return None
        self._left -= 1
        return Standing(self.total, self._others + self._left, max(self._frees_at - now, 0.0))

    def _refusal(self, now: float) -> InputError:
        return InputError(
            f"{self._agent} has made the {self.total} calls that it may make in a minute",
            reason="rate",
            retry_after_s=round(max(self._none_until - now, 0.001), 3),
            next="come back then, or ask who administers Drawbar for more (per_minute)",
        )

    def _fetch(self) -> None:
        """Lease the next slice; what is left of one whose time is over goes back."""
        old, left = self._slot, self._left
        ahead_s = time.monotonic() - self._holdings.now()

        def unit(conn: Any) -> tuple[float, int, int, int, float | None]:
            now = self._holdings.now()
            if left:
                allowances.give_back(conn, self._name, old, left)
            slot = int(now / _SLOT_S)
            end = (slot + 1) * _SLOT_S
            until = MINUTE_S + (now if self._count == 1 else end)  # one alone is used now, a slice until its slot ends
            taken = allowances.take(
                conn, self._name, slot=slot, count=self._count, total=self.total, now=now, until=until
            )
            return now, slot, *taken

        self._left = 0  # whatever becomes of the unit
        now, self._slot, self._left, self._others, frees_at = self._holdings.write(unit)
        self._until = (self._slot + 1) * _SLOT_S + ahead_s
        self._frees_at = ahead_s + (now + MINUTE_S if frees_at is None else frees_at)
        if not self._left:
            self._none_until = self._frees_at

    @property
    def _name(self) -> str:
        return f"minute:{self._agent}"


class Limits:
    """The limits of all agents, as this process keeps them."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._minutes: dict[str, Minute] = {}
        self._slots: dict[str, Slots] = {}
        self._swept_at = time.monotonic()

    def minute(self, caller: Caller) -> Minute | None:
        """Give the minute of a caller; None when it may call as often as it likes."""
        if caller.per_minute is None:
            return None
        found = self._minutes.get(caller.name)
        if found is None or found.total != caller.per_minute:
            found = self._minutes[caller.name] = Minute(caller.name, caller.per_minute, self._holdings)
        return found

    def count(self, caller: Caller) -> Standing | None:
        """Count one call of a caller's minute. InputError (rate) when there is none left."""
        minute = self.minute(caller)
        return None if minute is None else self.counted(minute)

    def counted(self, minute: Minute) -> Standing:
        """Count one call of a minute, from the state where none is at hand. InputError (rate) when there is none left."""
        self._sweep()
        return minute.take()

    def step(self, caller: Caller) -> None:
        """Count one call of a tool in the caller's session. InputError (rate) when the last one was made already."""
        if caller.max_steps is None or caller.session is None:
            return
        self._sweep()
        now = self._holdings.now()
        take = partial(
            allowances.take, name=f"steps:{caller.name}:{caller.session}", slot=0, count=1, total=caller.max_steps
        )
        got, _, forgotten_at = self._holdings.write(lambda conn: take(conn, now=now, until=now + SESSION_S))
        if not got:
            raise InputError(
                f"{caller.name} has made the {caller.max_steps} calls that it may make for one task",
                reason="rate",
                retry_after_s=round(max((forgotten_at or now) - now, 0.001), 3),
                next="call nothing more for this task: say what is done and what is not",
            )

    @contextmanager
    def at_work(self, caller: Caller) -> Iterator[None]:
        """Hold one of the calls that a caller may have under way. InputError (rate) when none comes free soon."""
        if caller.concurrency is None:
            yield
            return
        slots = self._slots_of(caller.name, caller.concurrency)
        if not slots.acquire(time.monotonic() + _ROOM_S):
            raise InputError(
                f"{caller.name} has {caller.concurrency} calls under way, and may have no more",
                reason="rate",
                retry_after_s=_ROOM_S,
                next="wait until one of them has ended",
            )
        try:
            yield
        finally:
            slots.release()

    def _slots_of(self, agent: str, total: int) -> Slots:
        found = self._slots.get(agent)
        if found is None or found.total != total:
            found = self._slots[agent] = Slots(f"agent:{agent}", total, self._holdings)
        return found

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept_at > _SWEEP_S:
            self._swept_at = now
            sweep: Callable[[Any], None] = partial(allowances.sweep, now=self._holdings.now())
            self._holdings.write(sweep)
