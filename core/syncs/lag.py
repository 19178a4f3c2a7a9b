"""How far syncs are behind their sources, and what a crash can do to them: asked of the systems, and remembered for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

_FRESH_S = 10.0
_PATIENCE_S = 3.0
_AT_ONCE = 8


class Lags:
    """
    What `ask` says of each sync, at most some seconds old.

    A system that is slow or away holds up nobody for longer than `_PATIENCE_S`: its syncs have what was known before, or nothing.
    """

    def __init__(self, ask: Callable[[str], Mapping[str, Any]]) -> None:
        self._ask = ask
        self._known: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._asked: set[str] = set()
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def of(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Give what is known, after asking for what is old."""
        with self._lock:
            before = time.monotonic() - _FRESH_S
            old = [name for name in names if name not in self._asked and self._known.get(name, (-1e9,))[0] < before]
            self._asked.update(old)
            if self._threads is None and old:
                self._threads = ThreadPoolExecutor(_AT_ONCE, "drawbar-lag")
            asked = [self._threads.submit(self._look, name) for name in old] if self._threads else []
        wait(asked, timeout=_PATIENCE_S)
        with self._lock:
            return {name: self._known[name][1] if name in self._known else {} for name in names}

    def forget(self, name: str) -> None:
        """Ask anew the next time: a run has ended."""
        with self._lock:
            self._known.pop(name, None)

    def close(self) -> None:
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    def _look(self, name: str) -> None:
        try:
            found = self._ask(name)
        finally:
            with self._lock:
                self._asked.discard(name)
        with self._lock:
            self._known[name] = (time.monotonic(), found)
