"""Threads that do blocking work for an event loop: many ends wake it once."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_IDLE_S = 30.0


class Crew(Generic[T]):
    """So many threads at most, made when they are needed, and gone when they are idle; for one event loop."""

    def __init__(self, name: str, most: int, loop: asyncio.AbstractEventLoop) -> None:
        self._name = name
        self._most = most
        self._loop = loop
        self._todo: queue.SimpleQueue[tuple[Callable[[], T], asyncio.Future[T], contextvars.Context]]
        self._todo = queue.SimpleQueue()
        self._done: deque[tuple[asyncio.Future[T], T | None, BaseException | None]] = deque()
        self._woken = False
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it on a thread; further work waits in a line."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._todo.put((work, done, contextvars.copy_context()))
        with self._lock:
            wanted = self._free <= 0 and self._threads < self._most
            if wanted:
                self._threads += 1
            self._free -= not wanted
        if wanted:
            threading.Thread(target=self._work, name=f"drawbar-mcp-{self._name}", daemon=True).start()
        return done

    def _work(self) -> None:
        while True:
            try:
                work, done, context = self._todo.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._free > 0:
                        self._free -= 1
                        self._threads -= 1
                        return
                continue
            try:
                self._say(done, context.run(work), None)
            except BaseException as error:
                self._say(done, None, error)
            del work, done, context
            with self._lock:
                self._free += 1

    def _say(self, done: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
        self._done.append((done, result, error))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop is closed: nobody waits any longer
                self._done.clear()

    def _settle(self) -> None:
        self._woken = False
        while self._done:
            done, result, error = self._done.popleft()
            if done.cancelled():
                continue
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]  # without an error it is the result
