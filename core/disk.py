"""The floor of the disk: below it nothing new begins, and what runs can still record its outcome."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .errors import Unavailable
from .store import events, holds
from .store.journal import Connection, Journal

_LOOK_S = 0.5
_AGAIN_S = 30.0


def free_mb(folder: Path) -> int:
    return shutil.disk_usage(folder).free // 2**20


class Floor:
    """How much is free where the state lives, looked at now and then."""

    def __init__(self, journal: Journal, min_free_mb: int, measure: Callable[[], int]) -> None:
        self._journal = journal
        self.min_free_mb = min_free_mb
        self._measure = measure
        self._lock = threading.Lock()
        self._seen = 0
        self._until = 0.0

    def free(self) -> int:
        """Give what is free, in MB."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._seen = self._measure()
                self._until = time.monotonic() + _LOOK_S
            return self._seen

    def refusal(self) -> Unavailable | None:
        """Say why nothing new is accepted; None when there is room."""
        free = self.free()
        if free >= self.min_free_mb:
            return None
        return Unavailable(
            f"the disk is too full for new runs: {free} MB free, {self.min_free_mb} wanted",
            retry_after_s=_AGAIN_S,
            next="free some disk, or lower server.min_free_mb",
        )

    def sweep(self) -> None:
        """Tell once, for all processes, that the floor was reached or that there is room again."""
        low = self.refusal() is not None
        with self._journal.read() as conn:
            if holds.word(conn, "disk") == ("low" if low else "ok"):
                return

        def unit(conn: Connection) -> None:
            before = holds.turned(conn, "disk", "low" if low else "ok")
            if before is not None or low:
                body = {"free_mb": self.free(), "floor_mb": self.min_free_mb}
                events.add(conn, "disk.low" if low else "disk.ok", body=body)

        self._journal.write(unit)
