"""The share of one system that this process may use: when, how many calls at the same time, and how many start in a second."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from .breaker import Breaker
from .endpoints import Endpoints, Together
from .errors import ConfigError, DrawbarError, NotNow
from .hours import Calendar, Span
from .policy import Budget
from .slices import Holdings, Rate, Slots
from .tool import Effect

_BUSY_AGAIN_S = 1.0


class Share:
    """The budget of one system in this process; who finds it used up waits within its own deadline."""

    def __init__(
        self,
        system: str,
        budget: Budget,
        *,
        clock: Callable[[], float] | None = None,
        tell: Callable[[str, dict[str, Any]], None] = lambda what, body: None,
        holdings: Holdings | None = None,
    ) -> None:
        lines = None if holdings is None else holdings.lines
        self.reads = Breaker(f"reads of {system}", budget.breaker, tell, lines=lines)
        self.writes = Breaker(f"writes of {system}", budget.breaker, tell, lines=lines)
        self.endpoints = Endpoints(system, budget.breaker, tell, lines)
        self._system = system
        self._budget = budget
        self._clock = clock or (holdings.wall if holdings else time.time)
        self._calendar = None if budget.hours is None else Calendar(budget.hours)
        self._free = 0.0, 0.0
        self._slots = Slots(system, budget.concurrency, holdings)
        self._batch = None if budget.batch is None else Slots(f"{system}/batch", budget.batch, holdings)
        self._rate = None if budget.per_second is None else Rate(system, budget.per_second, holdings)

    def line(self, effect: Effect) -> Breaker | Together:
        """Give what watches the calls: where the system has several endpoints, each of them has a line of its own."""
        if self.endpoints:
            return self.endpoints.line(effect)
        return self.reads if effect == "read" else self.writes

    def look(self, needed_s: float) -> None:
        """Refuse at once, with when to come back, a call of this length that may not start now."""
        if self._calendar is None:
            return
        now = self._clock()
        begin, end = self._free
        if begin <= now and now + needed_s <= end:
            return
        span = self._calendar.free(now, needed_s)
        if span is None:
            raise ConfigError(
                f"{self._system} is never open for the {needed_s:g} s that this call may take",
                next=f"give it a shorter time limit, or change adapters.{self._system}.budget.hours",
            )
        if span.start > now:
            raise self._closed(span, now)
        self._free = now, span.last + needed_s

    def is_free(self, effect: Effect, needed_s: float) -> bool:
        """Tell whether a call of this length would begin without waiting, as far as can be seen; nothing is taken."""
        return (
            self._rate is None
            and self._slots.has_room
            and self.line(effect).error is None
            and self.refusal(needed_s) is None
        )

    def begins(self, effect: Effect, needed_s: float) -> bool | None:
        """Tell whether a call would find a place by `take`; None where more than a place is asked of it."""
        if self._rate is not None or self.endpoints or self.line(effect).error is not None:
            return None
        if self._calendar is not None and self.refusal(needed_s) is not None:
            return None
        return self._slots.is_open

    def take(self) -> bool:
        """Hold one place where that takes no waiting; `give_back` ends it."""
        return self._slots.take()

    def lacks(self, waiting: int) -> bool:
        """Hear how many wait for `take`; tell whether `ask`, on a thread, may find places for them."""
        return self._slots.lacks(waiting)

    def ask(self) -> None:
        """Ask the other processes for what is lacking. Raises Unavailable."""
        self._slots.ask()

    def give_back(self) -> None:
        self._slots.release()

    def refusal(self, needed_s: float) -> DrawbarError | None:
        """Say why a call of this length may not start now; None while it may."""
        try:
            self.look(needed_s)
        except (NotNow, ConfigError) as error:
            return error
        return None

    def closed_until(self, needed_s: float) -> float | None:
        """Say when it opens again, in epoch seconds; None while it is open."""
        if self._calendar is None or not isinstance(self.refusal(needed_s), NotNow):
            return None
        span = self._calendar.free(self._clock(), needed_s)
        return span.start if span else None

    def _closed(self, span: Span, now: float) -> NotNow:
        assert self._budget.hours is not None
        assert self._calendar is not None
        opens = datetime.fromtimestamp(span.start, self._calendar.zone)
        begins = span.drawn(self._budget.hours.spread_s, random.random())
        return NotNow(
            f"{self._system} is closed until {opens:%Y-%m-%d %H:%M} ({self._budget.hours.timezone})",
            retry_after_s=round(begins - now, 3),
            next="come back then; a workflow's task or a sync's trigger waits for it by itself",
            pauses=True,
        )

    def slot(self, wait_s: float, *, batch: bool = False) -> AbstractContextManager[Place]:
        """Hold one place for a call of this length; NotNow, with when to come back, when none comes free in time."""
        return Place(self, wait_s, self._slots, self._batch if batch else None)

    def enter(self, wait_s: float, of_batch: Slots | None) -> None:
        """Take what `slot` holds."""
        self.look(wait_s)
        until = time.monotonic() + wait_s
        if of_batch is not None:
            self._take(of_batch, until, "places of batch work")
        try:
            self._take(self._slots, until, "calls")
            try:
                self._start(until, wait_s)
            except BaseException:
                self._slots.release()
                raise
        except BaseException:
            if of_batch is not None:
                of_batch.release()
            raise

    def leave(self, of_batch: Slots | None) -> None:
        """Give back what `enter` took."""
        self._slots.release()
        if of_batch is not None:
            of_batch.release()

    def _take(self, slots: Slots, until: float, what: str) -> None:
        if not slots.acquire(until):
            raise NotNow(
                f"{self._system}: all {slots.total} {what} of its budget are in use", retry_after_s=_BUSY_AGAIN_S
            )

    def _start(self, until: float, needed_s: float) -> None:
        if self._rate is not None:
            start = self._rate.start(until)
            if start > until:
                raise NotNow(
                    f"{self._system}: its budget of {self._budget.per_second:g} calls a second is used up",
                    retry_after_s=round(max(start - time.monotonic(), 0.001), 3),
                )
            time.sleep(max(start - time.monotonic(), 0))
        self.look(needed_s)  # it may have closed while we waited


class Place:
    """What `Share.slot` gives; no generator, since each call makes one."""

    __slots__ = ("_of_batch", "_share", "_slots", "_wait_s")

    def __init__(self, share: Share, wait_s: float, slots: Slots, of_batch: Slots | None) -> None:
        self._share, self._wait_s, self._slots, self._of_batch = share, wait_s, slots, of_batch

    def __enter__(self) -> Self:
        self._share.enter(self._wait_s, self._of_batch)
        return self

    def leaving(self) -> float:
        """
        Look at its lease immediately before the first byte leaves, and give that moment of the monotonic clock.

        NotNow says that this process slept too long: its place may be another's by now.
        """
        now = time.monotonic()
        if self._slots.is_over(now) or (self._of_batch is not None and self._of_batch.is_over(now)):
            raise NotNow(
                f"this process was too slow: its place in the budget {self._slots.name} was given up",
                retry_after_s=_BUSY_AGAIN_S,
            )
        return now

    def __exit__(self, *failed: object) -> None:
        self._share.leave(self._of_batch)


@dataclass(frozen=True, slots=True)
class BatchShare:
    """What batch work takes of the systems at its ends: one place of the share of batch of each, for each with its time limit."""

    ends: Sequence[tuple[Share, float]] = ()

    @classmethod
    def of(cls, ends: Iterable[tuple[str, Share, float]]) -> BatchShare:
        """Take the ends by name: each system once, and all in the same order, so that nobody waits for each other."""
        by_name = {name: (share, limit_s) for name, share, limit_s in ends}
        return cls([by_name[name] for name in sorted(by_name)])

    def look(self) -> None:
        """Refuse what may not start now, as `Share.look` does."""
        for share, limit_s in self.ends:
            share.look(limit_s)

    @contextmanager
    def held(self) -> Iterator[None]:
        with ExitStack() as stack:
            for share, limit_s in self.ends:
                stack.enter_context(share.slot(limit_s, batch=True))
            yield
