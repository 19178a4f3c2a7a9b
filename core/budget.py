"""The share of one system that this process may use: calls at the same time, and calls that start in a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Unavailable
from .policy import Budget


class Share:
    """The budget of one system in this process; who finds it used up waits within its own deadline."""

    def __init__(self, system: str, budget: Budget) -> None:
        self._system = system
        self._budget = budget
        self._slots = threading.BoundedSemaphore(budget.concurrency)
        self._batch_slots = threading.BoundedSemaphore(budget.batch or budget.concurrency)
        self._lock = threading.Lock()
        self._next_start = 0.0

    @contextmanager
    def slot(self, wait_s: float, *, batch: bool = False) -> Iterator[None]:
        """Hold one place; Unavailable, with when to come back, when none comes free in time."""
        until = time.monotonic() + wait_s
        with self._held(self._batch_slots, until) if batch else _nothing(), self._held(self._slots, until):
            self._pace(until)
            yield

    @contextmanager
    def _held(self, slots: threading.BoundedSemaphore, until: float) -> Iterator[None]:
        if not slots.acquire(timeout=max(until - time.monotonic(), 0)):
            raise Unavailable(
                f"{self._system}: all {self._budget.concurrency} calls of its budget are in use", retry_after_s=1
            )
        try:
            yield
        finally:
            slots.release()

    def _pace(self, until: float) -> None:
        if self._budget.per_second is None:
            return
        with self._lock:
            start = max(time.monotonic(), self._next_start)
            if start > until:
                raise Unavailable(
                    f"{self._system}: its budget of {self._budget.per_second:g} calls a second is used up",
                    retry_after_s=round(start - time.monotonic(), 3),
                )
            self._next_start = start + 1 / self._budget.per_second
        time.sleep(max(start - time.monotonic(), 0))


@contextmanager
def _nothing() -> Iterator[None]:
    yield
