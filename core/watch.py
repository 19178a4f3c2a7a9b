"""Cut the sockets of database calls that outlive their time: a server that went silent must not hold a thread for ever."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

_LOOK_S = 0.5
Cut = int | Callable[[], object]
"""A socket's descriptor, or what ends the call from another thread; that must return at once."""


class _Watch:
    """One thread for the whole process; it sleeps while nothing is watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._due: dict[int, tuple[float, Cut]] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, cut: Cut, after_s: float) -> int:
        number = next(self._numbers)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._look, name="drawbar-watch", daemon=True)
                self._thread.start()
            if not self._due:
                self._busy.set()
            self._due[number] = (time.monotonic() + after_s, cut)
        return number

    def again(self, number: int, after_s: float) -> None:
        with self._lock:
            if (watched := self._due.get(number)) is not None:
                self._due[number] = (time.monotonic() + after_s, watched[1])

    def remove(self, number: int) -> None:
        with self._lock:
            self._due.pop(number, None)
            if not self._due:
                self._busy.clear()

    def _look(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(_LOOK_S)
            with self._lock:  # while it is held no call can end and give its descriptor to another
                now = time.monotonic()
                for number, (due, cut) in list(self._due.items()):
                    if due <= now:
                        del self._due[number]
                        _cut(cut)
                if not self._due:
                    self._busy.clear()


def _cut(cut: Cut) -> None:
    if callable(cut):
        with contextlib.suppress(Exception):  # whatever it is: the others have to be looked at
            cut()
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(cut)) as line:
        line.shutdown(socket.SHUT_RDWR)


_WATCH = _Watch()


def watch(cut: Cut, after_s: float) -> int:
    """Cut it after this time, unless `unwatch` is told its number before."""
    return _WATCH.add(cut, after_s)


def unwatch(number: int) -> None:
    _WATCH.remove(number)


@contextlib.contextmanager
def watching(cut: Cut | None, after_s: float) -> Iterator[Callable[[], None]]:
    """
    Cut the socket, or call what ends the call, when the body takes longer than `after_s`; its driver then sees a lost connection.

    Gives what begins the time anew, for a body of many steps.
    """
    if cut is None:
        yield lambda: None
        return
    number = _WATCH.add(cut, after_s)
    try:
        yield lambda: _WATCH.again(number, after_s)
    finally:
        _WATCH.remove(number)
