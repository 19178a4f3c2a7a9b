"""The doorbell in one process: threads that work on claimed tasks, and look for more when it rings."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Generic, TypeVar

import structlog

from .claim import Claim

log = structlog.get_logger("drawbar.pool")
T = TypeVar("T")


class Refused(Exception):
    """The pool is being stopped: no thread of it has begun what it was asked."""


class _Errand(Generic[T]):
    """What a thread is asked to do, as if who asked did it, before it goes on with what that claimed; who asked waits."""

    def __init__(self, act: Callable[[], tuple[T, list[Claim]]]) -> None:
        self._act = act
        self._context = copy_context()
        self._answer: T | None = None
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def run(self) -> list[Claim]:
        claims: list[Claim] = []
        try:
            self._answer, claims = self._context.run(self._act)
        except BaseException as error:  # who asked raises it
            self._error = error
        self._over.release()
        return claims

    def refuse(self) -> None:
        self._error = Refused()
        self._over.release()

    def answer(self) -> T:
        self._over.acquire()
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # without an error there is an answer


class Pool:
    """
    Threads. `work` does one claim and gives those that it claimed by its outcome; `pull` claims what is ready, if anything.

    An idle thread can be reserved, so that a commit may claim a task for it.
    """

    def __init__(
        self,
        size: int,
        work: Callable[[Claim], list[Claim]],
        pull: Callable[[], Claim | None],
        *,
        reserves: bool = True,
    ) -> None:
        self._reserves = reserves
        self._work = work
        self._pull = pull
        self._change = threading.Lock()
        self._queue: deque[Claim | _Errand[Any]] = deque()
        self._idle = 0
        self._asleep: list[threading.Lock] = []
        """A lock for each thread that waits, which wakes it; the last to lie down is the first to be woken: it is still warm."""
        self._reserved = 0
        self._ringing = False
        self._stopping = False
        self._begun = False
        self._threads = [
            threading.Thread(target=self._run, name=f"drawbar-task-{number}", daemon=True) for number in range(size)
        ]

    def begin(self) -> None:
        with self._change:
            self._begun = True
            self._idle = len(self._threads)
        for thread in self._threads:
            thread.start()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def reserve(self, wanted: int) -> int:
        """Keep idle threads free for claims to come; give how many."""
        if wanted <= 0 or not self._reserves:
            return 0
        with self._change:
            if self._stopping:
                return 0
            kept = max(min(wanted, self._idle - self._reserved - len(self._queue)), 0)
            self._reserved += kept
            return kept

    def give(self, claims: list[Claim], reserved: int) -> None:
        """Hand claims to the threads that were reserved for them; the other reservations end."""
        if not reserved and not claims:
            return
        with self._change:
            self._reserved -= reserved
            self._queue.extend(claims)
            self._wake(len(claims) + self._ringing)

    def ask(self, act: Callable[[], tuple[T, list[Claim]]], reserved: int) -> T:
        """
        Let one of the reserved threads act and go on with the first of the claims that this gives; others take the rest.

        Raises what it raises; Refused when nothing was done, and then the reservations are over too.
        """

        def acted() -> tuple[T, list[Claim]]:
            claims: list[Claim] = []
            try:
                answer, claims = act()
            finally:
                self.give(claims[1:], reserved - 1)
            return answer, claims[:1]

        errand = _Errand(acted)
        with self._change:
            if self._stopping:
                self._reserved -= reserved
                raise Refused
            self._reserved -= 1
            self._queue.append(errand)
            self._wake(1 + self._ringing)
        return errand.answer()

    def ring(self) -> None:
        """Say that there may be ready tasks in the journal."""
        with self._change:
            self._ringing = True
            self._wake(1)

    def stop(self, drain_s: float) -> list[Claim]:
        """Let the calls that run end; give the claims that no thread has begun."""
        with self._change:
            self._stopping = True
            left = list(self._queue)
            self._queue.clear()
            self._wake(len(self._asleep))
        for errand in left:
            if isinstance(errand, _Errand):
                errand.refuse()
        until = time.monotonic() + drain_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(until - time.monotonic(), 0.01))
        return [claim for claim in left if isinstance(claim, Claim)]

    def _run(self) -> None:
        while True:
            found = self._next()
            if found is None and self._stopping:
                return
            if isinstance(found, _Errand):
                found = next(iter(found.run()), None)
            if found is not None:
                self.go_on(found)
            with self._change:
                self._idle += 1

    def _next(self) -> Claim | _Errand[Any] | None:
        """Wait for a claim, an errand or the bell; the thread counts as idle until it goes."""
        with self._change:
            while not self._stopping:
                if self._queue:
                    self._idle -= 1
                    return self._queue.popleft()
                if self._ringing and self._idle > self._reserved:
                    self._ringing = False
                    self._idle -= 1
                    break
                self._sleep()
        return None if self._stopping else self._pulled()

    def _wake(self, threads: int) -> None:
        for _ in range(min(threads, len(self._asleep))):
            self._asleep.pop().release()

    def _sleep(self) -> None:
        """Wait to be woken, without the lock that the caller holds."""
        own = threading.Lock()
        own.acquire()
        self._asleep.append(own)
        self._change.release()
        try:
            own.acquire()
        finally:
            self._change.acquire()

    def _pulled(self) -> Claim | None:
        try:
            claim = self._pull()
        except Exception as error:  # an outermost loop: the sweeper rings again
            log.warning("pull.fails", error=str(error))
            return None
        if claim is not None:
            self.ring()  # there may be more
        return claim

    def go_on(self, claim: Claim) -> None:
        """Work on a claim, and on what its outcomes claim for this thread."""
        following: Claim | None = claim
        while following is not None:
            following = self._do(following)

    def _do(self, claim: Claim) -> Claim | None:
        """Work on a claim; give the one that this thread goes on with."""
        try:
            claims = self._work(claim)
        except Exception:  # an outermost loop: the lease runs out, and the sweeper sees to the task
            log.exception("work.fails", run=claim.run_id, task=claim.task)
            return None
        return claims[0] if claims else None
