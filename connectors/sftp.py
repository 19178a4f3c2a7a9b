"""
Connector = wire: an SFTP server as a drop, over a pool of connections that come back by themselves.

SSH is paramiko's; the protocol on its channel is ours (sftp_wire). One line serves one thread at a time, and one on which a
call failed or timed out is closed, never used again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import Unavailable
from .drop import Files
from .sftp_files import SftpFiles
from .sftp_keys import Secrets
from .sftp_login import Login


class SftpDrop:
    """
    One server and one root on it.

    A session takes an idle connection or makes a new one; `most` bounds how many are open at once.
    """

    def __init__(self, login: Login, root: str, *, most: int, call_timeout_s: float) -> None:
        self._login = login
        self._root = root
        self._call_timeout_s = call_timeout_s
        self._free: list[SftpFiles] = []
        self._slots = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()

    def place(self) -> str:
        return f"sftp://{self._login.username}@{self._login.host}:{self._login.port}/{self._root.lstrip('/')}"

    @contextmanager
    def session(self, timeout_s: float | None = None) -> Iterator[Files]:
        limit = min(timeout_s or self._call_timeout_s, self._call_timeout_s)
        if not self._slots.acquire(timeout=limit):
            raise Unavailable(f"all connections to {self._login.host} are in use", retry_after_s=1)
        try:
            line = self._line(limit)
            try:
                yield line
            finally:
                self._give_back(line)
        finally:
            self._slots.release()

    def close(self) -> None:
        with self._lock:
            free, self._free = self._free, []
        for line in free:
            line.close()

    def _line(self, limit: float) -> SftpFiles:
        while True:
            with self._lock:
                line = self._free.pop() if self._free else None
            if line is None:
                return SftpFiles(self._login, self._root, limit)
            if line.is_good(limit):
                return line
            line.close()

    def _give_back(self, line: SftpFiles) -> None:
        if line.broken:
            line.close()
            return
        line.idle_since = time.monotonic()
        with self._lock:
            self._free.append(line)


__all__ = ["Login", "Secrets", "SftpDrop"]
