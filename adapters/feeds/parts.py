"""
What a cut upload leaves under its temporary name: kept for who goes on with it, removed when nobody does.

Each upload is noted here, on this machine, before it begins. So only what we have written ourselves is ever removed,
and only when it has not grown for a day.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from ...connectors.drop import Files, part_name, raw_name
from ...core.errors import DrawbarError
from .aside import joined

log = structlog.get_logger("drawbar.feeds")
_OLD_S = 86_400.0
_LOOK_S = 3600.0


class Parts:
    """The uploads of one feed that this machine has begun and not ended."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._looked = float("-inf")

    @contextmanager
    def noted(self, path: str, sha256: str) -> Iterator[None]:
        """Note an upload as long as it may have left something behind: an error leaves the note."""
        folder, _, name = path.rpartition("/")
        part = part_name(raw_name(name), sha256).decode()
        note = self._notes / part.lstrip(".")
        self._notes.mkdir(parents=True, exist_ok=True)
        note.write_text(joined(folder, part), encoding="utf-8")
        yield
        note.unlink(missing_ok=True)

    def sweep(self, files: Files) -> None:
        """Remove what nobody has gone on with for a day; looks once an hour."""
        if time.monotonic() - self._looked < _LOOK_S or not self._notes.is_dir():
            return
        self._looked = time.monotonic()
        for note in self._notes.glob("*.part"):
            if time.time() - note.stat().st_mtime <= _OLD_S:
                continue
            try:
                self._remove(files, note)
            except DrawbarError as error:
                log.warning("feed.part_left", part=note.name, error=error.message)
                return

    def _remove(self, files: Files, note: Path) -> None:
        path = note.read_text(encoding="utf-8")
        there = files.stat(path)
        if there is not None and abs(time.time() - there.modified) <= _OLD_S:
            return  # another worker goes on with it
        if there is not None:
            files.remove(path)
            log.info("feed.part_removed", part=path, size=there.size)
        note.unlink(missing_ok=True)
