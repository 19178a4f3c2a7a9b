"""Threads of the facade: those of short work, and those of each system."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from .crew import Crew

if TYPE_CHECKING:
    from ..core.landscape import Landscape

WORK_THREADS = 64
"""Threads for short work on the journal."""
SYSTEM_THREADS = 64
"""Threads for calls of one system, beside those that its budget lets run: a slow one fills its own and no other's."""
MANY_THREADS = 8
"""Threads for what is done to many letters, one call after the other."""
WAITING_THREADS = 256
"""Requests that may wait for a run at the same time; further ones are answered at once."""


@dataclass(slots=True)
class Threads:
    """Threads of the facade's own; the web framework's forty are not touched."""

    work: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(WORK_THREADS))
    many: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MANY_THREADS))
    waiting: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(WAITING_THREADS))
    _systems: dict[str, anyio.CapacityLimiter] = field(default_factory=dict)
    _crews: dict[str, Crew] = field(default_factory=dict)

    def crew(self, name: str, landscape: Landscape) -> Crew:
        """Give the threads that make calls of one system; what is no system's shares those of `""`."""
        is_one = landscape.is_system(name)
        known_as = name if is_one else ""
        crew = self._crews.get(known_as)
        if crew is None:
            crew = self._crews[known_as] = Crew(known_as or "work", SYSTEM_THREADS, asyncio.get_running_loop())
        if is_one:
            crew.most = max(landscape.config(name).budget.concurrency, SYSTEM_THREADS)
        return crew

    def settle(self) -> None:
        """Tell what the threads have ended by now; on the loop's own."""
        for crew in list(self._crews.values()):
            crew.settle()

    def system(self, name: str, landscape: Landscape) -> anyio.CapacityLimiter:
        """Give the threads of one system; a name that nobody registered gets those of short work."""
        if not landscape.is_system(name):
            return self.work
        most = SYSTEM_THREADS + landscape.config(name).budget.concurrency
        limiter = self._systems.setdefault(name, anyio.CapacityLimiter(most))
        limiter.total_tokens = most
        return limiter
