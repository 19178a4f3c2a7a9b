"""Threads that do blocking work for an event loop: many ends wake it once."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .sleepers import Sleepers

T = TypeVar("T")
FEW = 1
"""So many threads keep an interpreter busy with work that hardly waits; more would only take turns."""
PATIENCE_S = 0.002
"""Work that nobody took for so long waits for threads that wait themselves: there must be more of them."""
_FULL = 0.7
"""This share of a core, and more threads would only take turns."""
Then = Callable[[Any, BaseException | None], None]
"""Hears on the loop what came of a work, or why nothing did."""
_Work = tuple[float, Callable[[], Any], Then, contextvars.Context]


class Crew:
    """
    So many threads at most, made when they are needed, and gone when they are idle; for one event loop.

    A few begin. While work waits although they are there, and the interpreter has time left, twice as many work, and again, up
    to `most`.
    """

    def __init__(self, name: str, most: int, loop: asyncio.AbstractEventLoop) -> None:
        self.most = most
        self._name = name
        self._loop = loop
        self._todo: deque[_Work] = deque()
        self._done: deque[tuple[Then, Any, BaseException | None]] = deque()
        self._woken = False
        self._looks = False
        self._looked_at = self._cpu_s = 0.0
        self._lock = threading.Lock()
        self._busy = 0
        self._sleepers: Sleepers[None] = Sleepers(name, self._lock, self._work)

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it on a thread; further work waits in a line."""
        done: asyncio.Future[T] = self._loop.create_future()
        self.give(work, partial(_settled, done), contextvars.copy_context())
        return done

    def give(self, work: Callable[[], Any], then: Then, context: contextvars.Context) -> None:
        """Do it on a thread and tell what came of it, without a future."""
        with self._lock:
            self._todo.append((time.monotonic(), work, then, context))
            if self._busy < min(FEW, self.most):
                self._more(1)
            elif not self._looks and self._busy < self.most:
                self._looks = True
                self._looked_at, self._cpu_s = time.monotonic(), time.process_time()
                self._loop.call_later(PATIENCE_S, self._look)

    def _look(self) -> None:
        """Have more threads where work waits for those that wait themselves."""
        with self._lock:
            now, cpu_s = time.monotonic(), time.process_time()
            is_full = cpu_s - self._cpu_s > _FULL * (now - self._looked_at)
            self._looked_at, self._cpu_s = now, cpu_s
            if self._todo and not is_full and now - self._todo[0][0] >= PATIENCE_S:
                self._more(min(self._busy, len(self._todo), self.most - self._busy))
            self._looks = bool(self._todo) and self._busy < self.most
            if self._looks:
                self._loop.call_later(PATIENCE_S, self._look)

    def _more(self, count: int) -> None:
        """Wake threads, or make them; the lock is held."""
        for _ in range(count):
            self._busy += 1
            self._sleepers.wake(None)

    def _work(self, word: None) -> None:
        while True:
            with self._lock:
                if self._todo:
                    _, work, then, context = self._todo.popleft()
                else:
                    self._busy -= 1
                    self._sleepers.lie_down()
                    work = None
            if work is None:
                if self._sleepers.woken() is None:
                    return
                continue
            try:
                self._say(then, context.run(work), None)
            except BaseException as error:
                self._say(then, None, error)
            del work, then, context

    def _say(self, then: Then, result: Any, error: BaseException | None) -> None:
        self._done.append((then, result, error))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop is closed: nobody waits any longer
                self._done.clear()

    def settle(self) -> None:
        """Tell what has ended by now, before the loop comes to it by itself; on its thread."""
        if self._done:
            self._settle()

    def _settle(self) -> None:
        self._woken = False
        while self._done:
            then, result, error = self._done.popleft()
            try:
                then(result, error)
            except Exception as defect:  # the others are told all the same
                self._loop.call_exception_handler({"message": f"crew {self._name}", "exception": defect})


def _settled(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
