"""A flag that signals set."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class Flag:
    """
    What SIGTERM or SIGINT asks for, waited for by the main thread.

    An Event has a lock, which the thread that a handler interrupts may hold: it would wait for itself.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def raised_by(self, *signals: signal.Signals) -> Flag:
        for one in signals:
            signal.signal(one, self._heard)
        return self

    def raise_(self) -> None:
        if not self.is_set:
            self.is_set = True
            os.write(self._write, b".")

    def fileno(self) -> int:
        """Name what can be read as soon as it is raised."""
        return self._read

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is raised, or so long; tell whether it is."""
        if not self.is_set:
            select.select([self._read], [], [], timeout_s)
        return self.is_set

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.raise_()
