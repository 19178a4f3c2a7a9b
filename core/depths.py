"""How many messages wait in the queues of systems: asked a few times a minute at most, and nobody waits for the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

import structlog

from .adapter import Adapter, find
from .errors import DrawbarError
from .landscape import Landscape

log = structlog.get_logger("drawbar.depths")
_EVERY_S = 15.0
_FRESH_S = 60.0


class Depth(NamedTuple):
    system: str
    queue: str
    messages: int


class Depths:
    """The depths that this process knows. Who reads has the next ones asked for; what is older than a minute is not told."""

    def __init__(self, landscape: Landscape) -> None:
        self._landscape = landscape
        self._lock = threading.Lock()
        self._asked_at = -_EVERY_S
        self._asks = False
        self._known: dict[str, tuple[float, Mapping[str, int]]] = {}

    def read(self) -> list[Depth]:
        now = time.monotonic()
        with self._lock:
            if not self._asks and now - self._asked_at >= _EVERY_S:
                self._asks, self._asked_at = True, now
                threading.Thread(target=self._ask, name="drawbar-depths", daemon=True).start()
            known = sorted(self._known.items())
        return [
            Depth(system, queue, messages)
            for system, (at, queues) in known
            if now - at < _FRESH_S
            for queue, messages in queues.items()
        ]

    def _ask(self) -> None:
        try:
            for system in self._landscape.systems():
                try:
                    self._ask_one(system)
                except DrawbarError as error:
                    log.debug("depths.unknown", system=system, error=error.message)
        except Exception as error:  # a defect of one adapter ends no scrape
            log.warning("depths.fail", error=f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._asks = False

    def _ask_one(self, system: str) -> None:
        config = self._landscape.config(system)
        share = self._landscape.share(system)
        if find(config.kind).depths is Adapter.depths or share.line("read").error is not None:
            return
        with share.slot(config.call_timeout_s):
            found = self._landscape.adapter(system).depths()
        with self._lock:
            self._known[system] = time.monotonic(), found
