"""A process that keeps running reads its configuration again: on SIGHUP, and with `--watch` when a file changes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from ..core.errors import DrawbarError

if TYPE_CHECKING:
    from ..app import App

log = structlog.get_logger("drawbar.reload")
_LOOK_S = 0.5
_SUFFIXES = (".yaml", ".yml")
Look = frozenset[tuple[str, int, int, int]]


class Reloader:
    """
    Reloads on a thread of its own, never on the one that hears the signal.

    A file that changes is read once it has been the same for two looks, so that one half written is not.
    """

    def __init__(self, app: App, *, watch: bool = False) -> None:
        self._app = app
        self._watch = watch
        self._asked = False
        self._stop = threading.Event()
        self._seen: Look = (
            frozenset()
        )  # so that what changed since the configuration was read is found by the first look
        self._changing: Look = frozenset()
        self._thread = threading.Thread(target=self._run, name="drawbar-reload", daemon=True)

    def start(self) -> Reloader:
        """Begin to listen; signals are heard where this is called on the main thread."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGHUP, self._hear)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            asked, self._asked = self._asked, False
            if asked or (self._watch and self._has_changed()):
                self._reload(tell=asked)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked = True  # no Event: the thread that is interrupted may hold its lock

    def _has_changed(self) -> bool:
        now = look_at(self._app.config.files)
        settled, self._changing = now == self._changing, now
        return settled and now != self._seen

    def _reload(self, *, tell: bool) -> None:
        self._seen = look_at(self._app.config.files)
        try:
            self._app.reload(caller=self._app.owner(), tell=tell)
        except DrawbarError as error:
            log.warning("config.refused", error=error.message, next=error.next)


def look_at(files: Sequence[Path]) -> Look:
    """Tell the files of a configuration, and others of its folder, by what changes when they are written."""
    folders = {file.parent for file in files} if len(files) > 1 else set()
    others = {one for folder in folders for one in folder.iterdir() if one.suffix in _SUFFIXES}
    return frozenset(_told(file) for file in {*files, *others})


def _told(file: Path) -> tuple[str, int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return str(file), 0, 0, 0
    return str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns
