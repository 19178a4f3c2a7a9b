"""
Slots and rates of a budget that hold across processes: each takes slices from the state and spends them in memory.

A slot is used under a lease. Who has more than is fair while another process wants gives back what is idle, and what is in
use when its call ends. A process that dies gives its slots back when its lease is over.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from .errors import DrawbarError
from .lines import Lines
from .store import budgets
from .store.budgets import Budgets
from .store.ids import new_id

log = structlog.get_logger("drawbar.slices")
T = TypeVar("T")
LEASE_S = 3.0
SLICE_S = 0.1
_MARGIN_S = 0.5
_RENEW_S = 1.5
_TICK_S = 0.1
_IDLE_S = 5.0
"""After so long without a call all is given back; before, to who wants it, a beat after it asked, and who calls again has it."""
_TURN_S = 1.0
_LOOK_S = 0.05
_LONGEST_LOOK_S = 0.4
"""Who asks in vain asks again later and later."""
_AGAIN_S = 1.0
_LINES_S = 0.5


def fair(total: int, wants: Mapping[str, int], turn: int) -> dict[str, int]:
    """
    Share slots so that nobody gets more while another gets less than it wants.

    What cannot be divided goes round: `turn` says whose it is.
    """
    got = dict.fromkeys(wants, 0)
    left = total
    while left > 0 and (open_ := sorted(owner for owner, want in wants.items() if got[owner] < want)):
        each = left // len(open_)
        if each == 0:
            at = turn % len(open_)
            open_ = (open_[at:] + open_[:at])[:left]
        for owner in open_:
            more = min(max(each, 1), wants[owner] - got[owner])
            got[owner] += more
            left -= more
    return got


class Slots:
    """
    The slots of one budget, as far as this process holds them.

    Without `holdings` all of them are ours.
    """

    def __init__(self, name: str, total: int, holdings: Holdings | None) -> None:
        self.name = name
        self.total = total
        self._holdings = holdings
        self._change = threading.Condition(threading.Lock())
        self.asking = threading.Lock()  # one thread at a time agrees with the others
        self._in_use = 0
        self._waiting = 0
        self._outside = 0
        self._wanted = 0
        self._asked_at = 0.0
        self._look_s = _LOOK_S
        self._peak = 0
        self._used_at = 0.0
        self._granted = total if holdings is None else 0
        self._ours = self._granted  # never more than granted; less while others want
        self._until = float("inf") if holdings is None else 0.0

    @property
    def has_room(self) -> bool:
        """Tell whether a call could begin at once; nothing is taken."""
        return self._in_use < self._ours and time.monotonic() < self._until

    def is_over(self, now: float) -> bool:
        """Tell whether the lease ended since what is in use was taken; another process may use it by now."""
        return now >= self._until or self._in_use > self._granted  # renewed too late it grants less than is in use

    def acquire(self, until: float) -> bool:
        """Take a slot until a moment of the monotonic clock; False when none came free."""
        with self._change:
            if self._took(time.monotonic()):
                return True
            self._waiting += 1
        try:
            return self._wait(until)
        finally:
            with self._change:
                self._waiting -= 1

    @property
    def is_open(self) -> bool:
        """Tell whether `take` would take one."""
        return not self._waiting and self.has_room

    def take(self) -> bool:
        """Take a slot where nobody has to wait for it; those that wait come first."""
        if self._waiting:
            return False
        with self._change:
            return self._took(time.monotonic())

    def lacks(self, outside: int) -> bool:
        """Hear how many wait that no thread stands for; tell whether it is time to `ask`."""
        self._outside = outside
        return outside > 0 and self._may_ask()

    def ask(self) -> None:
        """Agree with the other processes on what is needed, unless a thread does so already."""
        if self.asking.acquire(blocking=False):
            try:
                self.settle()
            finally:
                self.asking.release()

    def release(self) -> None:
        with self._change:
            self._in_use -= 1
            self._used_at = time.monotonic()
            gives_back = self._ours < self._granted
            if self._waiting:
                self._change.notify()
        if gives_back and self._holdings is not None:
            self._holdings.wake()

    def _wait(self, until: float) -> bool:
        while True:
            if self._may_ask() and self.asking.acquire(blocking=False):
                try:
                    self.settle()
                finally:
                    self.asking.release()
            with self._change:
                now = time.monotonic()
                if self._took(now):
                    return True
                if now >= until:
                    return False
                left_s = until - now
                self._change.wait(left_s if self._holdings is None else min(left_s, _LOOK_S))
                if self._took(time.monotonic()):
                    return True

    def _took(self, now: float) -> bool:
        if self._in_use >= self._ours or now >= self._until:
            return False
        self._in_use += 1
        self._peak = max(self._peak, self._in_use)
        return True

    def _may_ask(self) -> bool:
        """Ask for more when more is needed than was asked for, else again after a while."""
        if self._holdings is None:
            return False
        needed = min(self._in_use + self._waiting + self._outside, self.total)
        return needed > self._wanted or time.monotonic() - self._asked_at >= self._look_s

    def settle(self) -> None:
        """Agree with the other processes on what is ours: more, less, or the same for longer. Needs `asking`."""
        assert self._holdings is not None
        with self._change:
            keep = self._in_use
            before, self._ours = self._ours, min(self._ours, keep)  # while we agree, nothing more is begun
            needed = keep + self._waiting + self._outside
            self._wanted = wanted = min(self.total, max(needed, self._peak))
            wished = min(self.total, max(2 * needed, self._peak) or self._granted)
        self._asked_at = begun = time.monotonic()
        try:
            granted, ours = self._holdings.agree(self.name, self.total, wanted=wanted, wished=wished, keep=keep)
        except DrawbarError:
            with self._change:
                self._ours = before  # the old lease says until when
            raise
        with self._change:
            self._look_s = _LOOK_S if ours > before else min(2 * self._look_s, _LONGEST_LOOK_S)
            self._granted, self._ours = granted, ours
            self._until = begun + LEASE_S - _MARGIN_S
            self._change.notify_all()
        self._holdings.keep(self)

    def is_due(self, now: float) -> bool:
        """Tell whether something is to be agreed: a lease that ends soon, or slots that are no longer needed."""
        with self._change:
            if self._is_idle(now) or self._ours < self._granted > self._in_use:
                return True
            return self._until - now < LEASE_S - _MARGIN_S - _RENEW_S

    def rest(self, now: float) -> bool:
        """Give all back when nothing was called for a while; True when it was. Needs `asking`."""
        assert self._holdings is not None
        with self._change:
            self._peak = self._in_use
            if not self._is_idle(now):
                return False
            self._granted = self._ours = self._wanted = 0
            self._until = 0.0
        self._holdings.leave(self.name)
        return True

    def _is_idle(self, now: float) -> bool:
        return not self._in_use and not self._waiting and now - self._used_at > _IDLE_S


class Rate:
    """The starts of one budget in a second, as far as this process has taken them."""

    def __init__(self, name: str, per_second: float, holdings: Holdings | None) -> None:
        self._name = name
        self._every_s = 1 / per_second
        self._count = max(1, int(per_second * SLICE_S))
        self._holdings = holdings
        self._lock = threading.Lock()
        self._next = 0.0
        self._left = 0

    def start(self, until: float) -> float:
        """Take one start, on the monotonic clock; one after `until` is not taken: it says when to come back."""
        with self._lock:
            now = time.monotonic()
            if self._holdings is not None and self._is_spent(now):
                first = self._holdings.take_rate(self._name, self._count, self._every_s, until)
                self._next, self._left = first, self._count if first <= until else 0
            first = max(now, self._next)
            if first <= until:
                self._next = (first if self._holdings is None else self._next) + self._every_s
                self._left -= 1
            return first

    def _is_spent(self, now: float) -> bool:
        """Starts that are long over are lost: used now, they would be too many at once."""
        return self._left <= 0 or self._next < now - max(SLICE_S, self._every_s)


class Holdings:
    """What this process holds of all budgets of a state, and the thread that renews it and gives it back."""

    def __init__(self, store: Budgets) -> None:
        self._store = store
        self.lines = Lines(store)
        self._looked_at = 0.0
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
        self._lock = threading.Lock()
        self._kept: dict[str, Slots] = {}
        self._bell = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._said = ""

    def agree(self, name: str, total: int, *, wanted: int, wished: int, keep: int) -> tuple[int, int]:
        """
        Say what we want of a budget; give what is granted, and how much of it is for new calls.

        What nobody wants may be had beside, as far as it is `wished`: who wants it then, gets it.
        """

        def unit(conn: Any) -> tuple[int, int]:
            now = self._store.now()
            others = {owner: (slots, want) for owner, slots, want in budgets.rows(conn, name, now)}
            mine = others.pop(self._owner, (0, 0))[0]
            free = total - sum(slots for slots, _ in others.values())
            wants = {owner: want for owner, (_, want) in others.items()}
            shares = fair(total, {**wants, self._owner: wanted}, int(now / _TURN_S))
            owed = sum(max(shares[owner] - slots, 0) for owner, (slots, _) in others.items())
            share = min(max(shares[self._owner], free - owed), wished)
            granted = max(min(free, share), min(keep, mine))
            budgets.put(conn, name, self._owner, slots=granted, wanted=wanted, until=now + LEASE_S)
            return granted, min(granted, share)

        return self._store.write(unit)

    def leave(self, name: str) -> None:
        self._store.write(lambda conn: budgets.drop(conn, name, self._owner))

    def take_rate(self, name: str, count: int, every_s: float, until: float) -> float:
        """Take a slice of a rate; give its first start on the monotonic clock."""
        ahead_s = time.monotonic() - self._store.now()

        def unit(conn: Any) -> float:
            now = self._store.now()
            return budgets.take_rate(conn, name, count=count, every_s=every_s, now=now, latest=until - ahead_s)

        return self._store.write(unit) + ahead_s

    def keep(self, slots: Slots) -> None:
        """Renew these from now on."""
        if self._kept.get(slots.name) is slots:
            return
        with self._lock:
            self._kept[slots.name] = slots
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="drawbar-budgets", daemon=True)
                self._thread.start()
        self._bell.set()

    def _forget(self, slots: Slots) -> None:
        with self._lock:
            if self._kept.get(slots.name) is slots:
                del self._kept[slots.name]

    def now(self) -> float:
        """Give the clock by which leases end, which all processes share."""
        return self._store.now()

    def write(self, unit: Callable[[Any], T]) -> T:
        """Run a unit where the budgets live. Raises Unavailable."""
        return self._store.write(unit)

    def wall(self) -> float:
        """Give the time of day that all processes share."""
        return self._store.wall()

    def wake(self) -> None:
        self._bell.set()

    def close(self) -> None:
        """Give everything back. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        for name in list(self._kept):
            self._try(partial(self.leave, name))
        self._store.close()

    def _run(self) -> None:
        while not self._closed:
            if not self._kept:
                self._bell.wait()
            self._bell.clear()
            went_well = self._try(self._beat)
            self._bell.wait(_TICK_S if went_well else _AGAIN_S)

    def _beat(self) -> None:
        if self.lines.heard and time.monotonic() - self._looked_at > _LINES_S:
            self._looked_at = time.monotonic()
            self.lines.look()
        with self._lock:
            kept = dict(self._kept)
        unmet = self._store.unmet(kept, self._owner) if kept else set()
        now = time.monotonic()
        for name, slots in kept.items():
            with slots.asking:
                if slots.rest(now):
                    self._forget(slots)
                elif name in unmet or slots.is_due(now):
                    slots.settle()

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except DrawbarError as error:
            if error.message != self._said:
                self._said = error.message
                log.warning("budgets.unagreed", error=error.message)
            return False
        except Exception:  # an outermost loop: without it the leases of this process run out
            log.exception("budgets.defect")
            return False
        self._said = ""
        return True
