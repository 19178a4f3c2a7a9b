"""
Connections shared out evenly among the processes of one port.

Whoever wakes first takes what waits at a port that several listen to, and that may be all of it: then one core works and the
others rest. So each tells the others how many connections it has, and steps aside for a moment when another has fewer.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

_log = structlog.get_logger("drawbar.facade")
MOST = 64
"""Processes of one port."""
ASIDE_S = 0.002
_FULL_S = 0.5
_NUMBER = struct.Struct("=i")


class Fellows:
    """
    How many connections each process has, on a page of memory that is a file's.

    For one that died we step aside in vain until it is replaced, no more.
    """

    def __init__(self, file: Path, place: int) -> None:
        self._at = place * _NUMBER.size
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, MOST * _NUMBER.size)
            self._page = mmap.mmap(fd, MOST * _NUMBER.size)
        finally:
            os.close(fd)

    def tell(self, count: int) -> None:
        """Say how many we have; -1: we take no more."""
        _NUMBER.pack_into(self._page, self._at, count + 1)

    @property
    def has_fewer(self) -> bool:
        """Tell whether another one that takes connections has fewer than we."""
        own = _NUMBER.unpack_from(self._page, self._at)[0]
        return any(0 < said < own for (said,) in _NUMBER.iter_unpack(self._page[:]))


class Reception:
    """Takes connections one at a time, as a server of asyncio's does that takes all; `count` says how many are open."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], asyncio.Protocol],
        fellows: Fellows,
        count: Callable[[], int],
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._fellows = fellows
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[object]] = set()
        self._is_open = True
        self.tell()
        for one in sockets:
            self._loop.add_reader(one, self._knocked, one)

    def tell(self) -> None:
        """Tell the others how many connections are open, those that come now too."""
        self._fellows.tell(self._count() + len(self._coming) if self._is_open else -1)

    def close(self) -> None:
        self._is_open = False
        self.tell()
        for one in self._sockets:
            self._loop.remove_reader(one)

    def _knocked(self, one: socket.socket) -> None:
        if self._fellows.has_fewer:
            self._pause(one, ASIDE_S, self._take)
        else:
            self._take(one)

    def _take(self, one: socket.socket) -> None:
        try:
            line, _ = one.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another was faster, or it is gone
            return
        except OSError as error:  # no descriptor is left: what waits, waits
            _log.warning("port.full", error=error.strerror)
            self._pause(one, _FULL_S, self._knocked)
            return
        line.setblocking(False)
        task = self._loop.create_task(self._begin(line))
        self._coming.add(task)
        self.tell()
        task.add_done_callback(self._came)

    async def _begin(self, line: socket.socket) -> object:
        return await self._loop.connect_accepted_socket(self._make, line)

    def _came(self, task: asyncio.Task[object]) -> None:
        self._coming.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("connection.fails", error=str(error))
        self.tell()

    def _pause(self, one: socket.socket, pause_s: float, then: Callable[[socket.socket], None]) -> None:
        self._loop.remove_reader(one)

        def again() -> None:
            if self._is_open:
                self._loop.add_reader(one, self._knocked, one)
                then(one)

        self._loop.call_later(pause_s, again)
