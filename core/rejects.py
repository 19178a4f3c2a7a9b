"""Reject files: records that failed, each with its number, its reason and its original bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .batch import Reject
from .errors import Unavailable, raise_as
from .values import dump

_FIRST = 100


class RejectFile:
    """
    The rejects of one portion, as JSON Lines.

    It is named after the portion, so that a portion that is read again after a crash writes the same file again. Nothing is
    there until `keep`; a portion without rejects leaves no file. `first` are some of them, for who says why a portion failed.
    """

    def __init__(self, folder: Path, sync: str, portion: str, name: str, run: Mapping[str, Any] | None = None) -> None:
        """`run` is what expressions saw as `run`: who sends a corrected record again maps it with the date that it had."""
        own = re.sub(r"(\.[0-9a-f]{12}\.jsonl)+$", "", name)  # of one that was corrected and sent again
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", own)[-80:] or "portion"
        digest = hashlib.sha256(portion.encode()).hexdigest()[:12]
        self.path = folder / sync / f"{safe}.{digest}.jsonl"
        self._temporary = self.path.with_name(f".{self.path.name}.tmp")
        self._file: Any = None
        self._run = None if run is None else dict(run)
        self.first: list[Reject] = []

    def add(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            if self._file is None:
                with raise_as(Unavailable, OSError, doing=f"reject file {self.path}"):
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self._temporary.open("wb")
            if len(self.first) < _FIRST:
                self.first.append(reject)
            with raise_as(Unavailable, OSError, doing=f"reject file {self.path}"):
                self._file.write(dump(_line(reject, self._run)).encode() + b"\n")

    def keep(self) -> Path | None:
        """Put the file in its place, durably, before the rows are committed."""
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return None
        with raise_as(Unavailable, OSError, doing=f"reject file {self.path}"):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._file = None
        return self.path

    def discard(self) -> None:
        """Forget what was not kept; a second call does nothing, and another `add` begins again."""
        self.first = []
        if self._file is not None:
            self._file.close()
            self._file = None
            self._temporary.unlink(missing_ok=True)


def _line(reject: Reject, run: dict[str, Any] | None) -> dict[str, Any]:
    line: dict[str, Any] = {
        "record_no": reject.record_no,
        "reason": reject.reason,
        "raw": base64.b64encode(reject.raw).decode(),
    }
    text = reject.raw.decode("utf-8", "replace")
    if text.isprintable() and text:
        line["text"] = text
    if reject.row is not None:
        line["row"] = dict(reject.row)
    if reject.seen:
        line["seen"] = dict(reject.seen)
    if run is not None:
        line["run"] = run
    return line
