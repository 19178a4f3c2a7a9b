"""
The doorbell: says that tasks are ready, to the threads of this process or through a broker to those of any.

Ringing twice is harmless and a ring may be lost: a task is claimed in the journal, and a ring that nobody answered is rung
again by the sweep, later each time, and never while the broker still holds rings.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from .errors import Unavailable
from .pool import Pool
from .queues import Queue, Queues
from .store import claims
from .store.journal import Journal

log = structlog.get_logger("drawbar.doorbell")
_LOOK_S = 1.0
Place = tuple[str, str, int, Queue]
"""Run, task and item, and the queue that it is on."""


class Bell(Protocol):
    """A broker that carries rings. What it raises is Unavailable: it is away."""

    def ring(self, places: Sequence[Place]) -> None: ...

    def waiting(self, queue: Queue) -> int:
        """Count the rings of a queue that nobody has heard yet."""
        ...

    def answer(self, heard: Callable[[str, str, int], None], threads: int, queues: Sequence[Queue]) -> None:
        """Begin to hear these queues: so many threads at most call `heard` at once."""
        ...

    def stop(self, drain_s: float) -> None: ...


class Doorbell:
    """Rings by the broker where there is one, and in this process while it is away."""

    def __init__(self, journal: Journal, bell: Bell | None, queues: Queues) -> None:
        self._journal = journal
        self._queues = queues
        self.bell = bell
        self.pool: Pool | None = None
        self._looked_at = 0.0
        self._lock = threading.Lock()
        self._away = False

    def ring(self, places: Sequence[Place] = ()) -> None:
        """Say that these tasks are ready; without a broker, that any may be."""
        if self.bell is None:
            self._ring_here()
        elif places:
            self._ring_there(self.bell, places)

    def ring_again(self) -> None:
        """Hear from the sweep that ready tasks wait. Each process sees to the queues that it serves."""
        if self.bell is None:
            self._ring_here()
            return
        with self._lock:
            if time.monotonic() < self._looked_at + _LOOK_S:
                return
            self._looked_at = time.monotonic()
        for queue in self._queues.served:
            try:
                holds_rings = self.bell.waiting(queue) > 0
            except Unavailable as error:
                self._is_away(error)
                return
            if not holds_rings:
                self._ring_queue(self.bell, queue)

    def _ring_queue(self, bell: Bell, queue: Queue) -> None:
        places = self._journal.write(lambda conn: claims.ring_again(conn, self._journal.now(), queue))
        if places:
            self._ring_there(bell, [(*place, queue) for place in places])

    def _ring_there(self, bell: Bell, places: Sequence[Place]) -> None:
        try:
            bell.ring(places)
            self._away = False
        except Unavailable as error:
            self._is_away(error)

    def _is_away(self, error: Unavailable) -> None:
        if not self._away:
            self._away = True
            log.warning("queue.away", error=error.message)
        self._ring_here()

    def _ring_here(self) -> None:
        if self.pool is not None:
            self.pool.ring()
