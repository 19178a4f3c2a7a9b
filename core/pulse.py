"""A thread that does one small thing again and again, and survives what goes wrong in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

from .errors import DrawbarError

log = structlog.get_logger("drawbar.pulse")


class Pulse:
    """Calls `beat` every `every_s` seconds until it is stopped; a failure is logged once and tried again."""

    def __init__(self, name: str, every_s: float, beat: Callable[[], object]) -> None:
        self._name = name
        self._every_s = every_s
        self._beat = beat
        self._stop = threading.Event()
        self._failing = ""
        self._thread = threading.Thread(target=self._run, name=f"drawbar-{name}", daemon=True)

    def start(self) -> Pulse:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop after the beat that runs; a second call does nothing."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._beat()
                self._failing = ""
            except Exception as error:  # an outermost loop: the next beat may do
                self._say(error)
            self._stop.wait(self._every_s)

    def _say(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {error}"
        if said != self._failing:
            self._failing = said
            log.warning("pulse.fails", pulse=self._name, error=said, exc_info=not isinstance(error, DrawbarError))


def each_alone(acts: Iterable[Callable[[], object]]) -> int:
    """Do all of them, though some fail: one that cannot be done holds up no other. The last failure is raised at the end."""
    failed: Exception | None = None
    done = 0
    for act in acts:
        try:
            done += bool(act())
        except Exception as error:
            failed = error
    if failed is not None:
        raise failed
    return done
