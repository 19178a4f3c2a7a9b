"""
Connections shared out evenly among the processes of one port.

Whoever wakes first takes what waits at a port that several listen to, and that may be all of it: then one core works and the
others rest. So each tells the others how many connections it has, and hands what it takes to the one that has the fewest.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import mmap
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import structlog

_log = structlog.get_logger("drawbar.facade")
MOST = 64
"""Processes of one port."""
AT_ONCE = 16
"""So many connections are taken before the loop does something else."""
_ALIVE_S = 0.5
"""Who said nothing for so long has died, or has no time: others take what it was given."""
_FULL_S = 0.5
_ENTRY = struct.Struct("=id")
_CLOSES = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
Door = tuple[int, int]
"""Two ends of a line by which a process is given connections: what it reads, and what others write. All have both."""


class Fellows:
    """How many connections each process has, on a page of memory that is a file's, and the doors by which they are handed on."""

    def __init__(self, file: Path, place: int, doors: Sequence[Door] = ()) -> None:
        self._place = place
        self._doors = [tuple(_end(fd) for fd in door) for door in doors]
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, MOST * _ENTRY.size)
            self._page = mmap.mmap(fd, MOST * _ENTRY.size)
        finally:
            os.close(fd)

    @property
    def door(self) -> socket.socket | None:
        """Give what can be read when we were given a connection."""
        return self._doors[self._place][0] if self._doors else None

    def tell(self, count: int) -> None:
        """Say how many we have; -1: we take no more."""
        _ENTRY.pack_into(self._page, self._place * _ENTRY.size, count + 1, time.monotonic())

    def give(self, line: socket.socket) -> bool:
        """Hand a connection to who has the fewest; False where that are we."""
        counts = {place: said + self._on_the_way(place) for place, said in self._heard()}
        own = counts.get(self._place, 0)
        place = min(counts, key=lambda each: (counts[each], each != self._place), default=self._place)
        if place == self._place or counts[place] >= own:
            return False
        try:
            socket.send_fds(self._doors[place][1], [b"."], [line.fileno()])
        except OSError:  # it does not take them as fast as they come
            return False
        return True

    def given(self) -> Iterator[socket.socket]:
        """Give the connections that were handed to us, a few of them."""
        return self._taken(self._place)

    def left(self) -> Iterator[socket.socket]:
        """Give those that were handed to who is gone."""
        alive = {place for place, _ in self._heard()} | {self._place}
        for place in range(len(self._doors)):
            if place not in alive and self._on_the_way(place):
                yield from self._taken(place)

    def _heard(self) -> Iterator[tuple[int, int]]:
        """Give the places of those that take connections, with how many they have."""
        since = time.monotonic() - _ALIVE_S
        for place in range(len(self._doors)):
            said, at = _ENTRY.unpack_from(self._page, place * _ENTRY.size)
            if said and (at > since or place == self._place):
                yield place, said - 1

    def _on_the_way(self, place: int) -> int:
        bytes_ = array.array("i", [0])
        fcntl.ioctl(self._doors[place][0], termios.FIONREAD, bytes_)
        return bytes_[0]

    def _taken(self, place: int) -> Iterator[socket.socket]:
        for _ in range(AT_ONCE):
            try:
                said, lines, _, _ = socket.recv_fds(self._doors[place][0], 1, 1, _CLOSES)
            except (BlockingIOError, InterruptedError):
                return
            if not said:
                return
            for fd in lines:
                yield socket.socket(fileno=fd)


class Reception:
    """Takes connections as a server of asyncio's does, its part of them; `open_` are the lines that are open."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], asyncio.Protocol],
        fellows: Fellows,
        open_: Collection[object],
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._fellows = fellows
        self._open = open_
        self._loop = asyncio.get_running_loop()
        self._coming: dict[asyncio.Task[object], asyncio.Protocol] = {}
        self._is_open = True
        self.tell()
        for one in sockets:
            self._loop.add_reader(one, self._knocked, one)
        if fellows.door is not None:
            self._loop.add_reader(fellows.door, self._given)

    def tell(self) -> None:
        """Tell the others how many connections are open, those that come now too; each once, or others are given ours."""
        coming = sum(line not in self._open for line in self._coming.values())
        self._fellows.tell(len(self._open) + coming if self._is_open else -1)

    def tick(self) -> None:
        """Tell the others that we live, and take what those were given that do not."""
        self.tell()
        if self._is_open:
            for line in self._fellows.left():
                self._let_in(line)

    def close(self) -> None:
        self._is_open = False
        self.tell()
        for one in self._sockets:
            self._loop.remove_reader(one)
        if self._fellows.door is not None:
            self._loop.remove_reader(self._fellows.door)

    async def wait_closed(self) -> None:
        """Wait for those who were let in while it closed."""
        if self._coming:
            await asyncio.wait(self._coming)

    def _knocked(self, one: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                line, _ = one.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another was faster, or it is gone
                return
            except OSError as error:  # no descriptor is left: what waits, waits
                _log.warning("port.full", error=error.strerror)
                self._pause(one)
                return
            if self._fellows.give(line):
                line.close()
            else:
                self._let_in(line)

    def _given(self) -> None:
        for line in self._fellows.given():
            self._let_in(line)

    def _let_in(self, line: socket.socket) -> None:
        line.setblocking(False)
        made = self._make()
        task = self._loop.create_task(self._begin(made, line))
        self._coming[task] = made
        self.tell()
        task.add_done_callback(self._came)

    async def _begin(self, made: asyncio.Protocol, line: socket.socket) -> object:
        return await self._loop.connect_accepted_socket(lambda: made, line)

    def _came(self, task: asyncio.Task[object]) -> None:
        del self._coming[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("connection.fails", error=str(error))
        self.tell()

    def _pause(self, one: socket.socket) -> None:
        self._loop.remove_reader(one)

        def again() -> None:
            if self._is_open:
                self._loop.add_reader(one, self._knocked, one)

        self._loop.call_later(_FULL_S, again)


def _end(fd: int) -> socket.socket:
    end = socket.socket(fileno=fd)
    end.setblocking(False)
    return end
