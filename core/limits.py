"""
How often, how many at once and how far an agent may call: limits that hold across the processes of a state.

Like a budget (slices.py), what may be used is leased in slices and spent in memory: an agent without limits costs nothing, and
one with them a look at the state for every hundredth call of its minute.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from .access import Caller
from .errors import DrawbarError, InputError
from .slices import Holdings, Slots
from .store import allowances

MINUTE_S = 60.0
SESSION_S = 3600.0
"""A session in which nothing was called for so long is forgotten: its steps are counted anew."""
_SLOT_S = 1.0
_SLICES = 100
_AHEAD_FROM = 100
"""Slices of so many calls, or more, are used up in less than a second by who needs them: the next one is leased ahead."""
_AHEAD_AGAIN_S = 0.02
_SOON_S = 0.25
_ROOM_S = 1.0
_SWEEP_S = 60.0


@dataclass(slots=True)
class Standing:
    """How an agent stands with its minute: what is left of the limit, and when more is."""

    limit: int
    left: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class _Slice:
    """Calls that were leased, of which slot, until when; what others have left, and when more is free."""

    slot: int
    left: int
    others: int
    until: float
    frees_at: float


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
        self._next: _Slice | None = None
        self._back: list[tuple[int, int]] = []
        self._looks_ahead_at = 0.0 if self._count >= _AHEAD_FROM else math.inf

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
        if (self._left <= 0 or now >= self._until) and not self._goes_on(now):
            return None
        self._left -= 1
        is_low = self._next is None and (self._left < self._count // 2 or self._until - now < _SOON_S)
        if is_low and now >= self._looks_ahead_at:
            self._looks_ahead_at = math.inf
            threading.Thread(target=self._look_ahead, name="drawbar-limits", daemon=True).start()
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
        self._put_back()
        self._use(self._leased(self._back))
        if not self._left:
            self._none_until = self._frees_at

    def _leased(self, back: list[tuple[int, int]], later_s: float = 0.0) -> _Slice:
        """Lease a slice for now, or for so much later; those in `back` return."""
        ahead_s = time.monotonic() - self._holdings.now()

        def unit(conn: Any) -> tuple[float, int, int, int, float | None]:
            now = self._holdings.now()
            for slot, left in back:
                allowances.give_back(conn, self._name, slot, left)
            slot = int((now + later_s) / _SLOT_S)
            end = (slot + 1) * _SLOT_S
            until = MINUTE_S + (now if self._count == 1 else end)  # one alone is used now, a slice until its slot ends
            taken = allowances.take(
                conn, self._name, slot=slot, count=self._count, total=self.total, now=now, until=until
            )
            return now, slot, *taken

        now, slot, left, others, frees_at = self._holdings.write(unit)
        del back[:]
        until = (slot + 1) * _SLOT_S + ahead_s
        return _Slice(slot, left, others, until, ahead_s + (now + MINUTE_S if frees_at is None else frees_at))

    def _look_ahead(self) -> None:
        """Lease what will be needed soon, so that no call waits for it."""
        with self._lock:
            back, self._back = self._back, []
            later_s = _SOON_S if self._until - time.monotonic() < _SOON_S else 0.0
        found = None
        with suppress(DrawbarError):  # the call that needs it says so
            found = self._leased(back, later_s)
        with self._lock:
            self._back += back
            self._next = found if found is not None and found.left else None
            self._looks_ahead_at = time.monotonic() + _AHEAD_AGAIN_S

    def _goes_on(self, now: float) -> bool:
        """Go on with what was leased ahead; False where nothing was."""
        following, self._next = self._next, None
        if following is None or now >= following.until:
            if following is not None:
                self._back.append((following.slot, following.left))
            return False
        self._put_back()
        self._use(following)
        return True

    def _put_back(self) -> None:
        if self._left:
            self._back.append((self._slot, self._left))
        self._left = 0

    def _use(self, taken: _Slice) -> None:
        self._slot, self._left, self._others = taken.slot, taken.left, taken.others
        self._until, self._frees_at = taken.until, taken.frees_at

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
