"""
Whose turn it is to write, among the processes that share one SQLite file.

SQLite's own waiting polls, and who polls can starve. Here the next one waits in the kernel: it holds `gate` while it waits
for `turn`, so who just wrote cannot overtake it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Turn:
    """Two lock files beside the database; it is ours within `with`. A process that dies gives both back."""

    def __init__(self, database: Path) -> None:
        self._gate = _opened(database, "gate")
        self._turn = _opened(database, "turn")

    def __enter__(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def __exit__(self, *failed: object) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        for fd in (self._gate, self._turn):
            os.close(fd)


def _opened(database: Path, name: str) -> int:
    return os.open(f"{database}-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
