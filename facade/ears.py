"""Hears which of the calls under way has something to say, for an event loop and for a thread that reads stdin."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

Call = TypeVar("Call")
_ONCE = select.EPOLLIN | select.EPOLLONESHOT if hasattr(select, "epoll") else 0
TICK_S = 0.005
"""So often those are looked at that wait for a place."""
PATIENCE_S = 1.0
"""Who waited so long waits on a thread, which knows when it has waited for too long."""
AT_ONCE = 8
"""So many calls go on before whoever else has something to say is heard: hundreds may end at the same moment."""
AT_ONCE_BESIDE = 2
"""The same, while other systems are called too: theirs wait for these."""
LOOK_S = 0.25
"""So often it is looked whose time is over."""


class Ears(Generic[Call]):
    """An epoll of our own, which an event loop may hear: libuv says nothing of a line that broke."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, Call]] = {}
        self._looks_at = 0.0
        self._epoll = select.epoll() if hasattr(select, "epoll") else None

    @property
    def are_deaf(self) -> bool:
        """Tell whether nothing can be heard: this is not Linux, or `also` failed."""
        return self._epoll is None

    def __len__(self) -> int:
        """Tell how many calls are under way."""
        return len(self._calls)

    def fileno(self) -> int:
        assert self._epoll is not None
        return self._epoll.fileno()

    def also(self, fileno: int) -> None:
        """Hear a line of somebody else too, always."""
        if self._epoll is None:
            return
        try:
            self._epoll.register(fileno, select.EPOLLIN)
        except PermissionError:  # a file always has something to say
            self._epoll.close()
            self._epoll = None

    def leave(self, fileno: int) -> None:
        """Hear it no more."""
        assert self._epoll is not None
        self._epoll.unregister(fileno)

    def listen(self, fileno: int, call: Call, until: float) -> None:
        """Hear once that the line of a call has something to say, or that its time is over and it had not."""
        assert self._epoll is not None
        self._calls[fileno] = until, call
        try:
            self._epoll.modify(fileno, _ONCE)
        except FileNotFoundError:
            self._epoll.register(fileno, _ONCE)

    def heard(self, wait_s: float | None, most: int = AT_ONCE) -> Iterator[tuple[int, Call | None]]:
        """Wait, and give the lines that have something to say; None for one of somebody else, or whose call is over."""
        assert self._epoll is not None
        for fileno, _ in self._epoll.poll(wait_s, most):
            yield fileno, self._taken(fileno)
        if self._calls and (now := time.monotonic()) >= self._looks_at:
            self._looks_at = now + LOOK_S
            for fileno in [each for each, (until, _) in self._calls.items() if until <= now]:
                yield fileno, self._taken(fileno)

    def _taken(self, fileno: int) -> Call | None:
        _, call = self._calls.pop(fileno, (0.0, None))
        return call
