"""A call that somebody waits for: it can be taken back until it leaves, and it says how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ...core.errors import InputError, NotNow
from ...core.limits import Standing
from ...core.tool import Asker

Tell = Callable[[dict[str, Any]], None]
BEAT_S = 5.0
"""After so long without a word the client is told that the call still runs."""


class Waiting:
    """
    One call; its own thread, and those that carry messages, use it.

    `tell` takes notifications, where the client sent a progress token. Progress only grows, as the protocol asks: what a tool
    says is passed on, and while it says nothing, the seconds.
    """

    __slots__ = ("_began", "_last", "_left", "_lock", "_tell", "_token", "is_heard", "is_taken_back", "standing")

    def __init__(self, token: Any = None, tell: Tell | None = None) -> None:
        self.is_taken_back = False
        self.is_heard = False
        """Whether somebody listens for the end of its connection."""
        self.standing: Standing | None = None
        """How its caller stands with its minute, where it has a limit; an answer over HTTP says it."""
        self._left = False
        self._began = time.monotonic()
        self._token = token
        self._tell = tell if isinstance(token, (str, int)) and not isinstance(token, bool) else None
        self._last = -1.0
        self._lock = threading.Lock()

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def counts(self, count: Callable[[], Standing | None], total: int) -> bool:
        """Count it in the minute of its caller; False when `count` could not. InputError (rate) when there is none left."""
        try:
            self.standing = count()
        except InputError as error:
            self.standing = Standing(total, 0, error.retry_after_s or 0.0)
            raise
        return self.standing is not None

    def asker(self) -> Asker:
        return Asker(self._leaving, self._progress)

    def take_back(self) -> None:
        """The client waits no longer: what has not left, does not; what has, ends by itself and is in the ledger."""
        self.is_taken_back = True

    def beat(self) -> None:
        """Say that the call still runs."""
        self._progress(round(self.age_s, 1), None, "sent, no answer yet" if self._left else "waits for its turn")

    def _leaving(self) -> None:
        if self.is_taken_back:
            raise NotNow("its caller took this call back; nothing was sent", next="call it again if it is still wanted")
        if not self._left:
            self._left = True
            if self._tell is not None:
                self._progress(0.0, None, "sent")

    def _progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        if self._tell is None:
            return
        with self._lock:
            if done <= self._last:
                return
            self._last = done
        said = {"progressToken": self._token, "progress": done, "total": total, "message": message}
        params = {name: value for name, value in said.items() if value is not None}
        self._tell({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
