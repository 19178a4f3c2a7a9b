"""
Several processes that serve one port: a parent that keeps them, and what each of them is told.

The parent opens the port once and hands it down, so that a connection that waits is answered by whoever lives. A child that
dies is replaced. A child whose parent dies ends too: each holds one end of a line that breaks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from .signals import Flag

log = structlog.get_logger("drawbar.crowd")
_LOOK_S = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_SOUND_S = 10.0
_END_S = 120.0
_USAGE = 2


@dataclass(frozen=True, slots=True)
class Part:
    """
    What a child is told: the sockets of the port, its end of the line to its parent, the file of who starts, its place, and
    the lines by which each place is handed connections.

    The file stands in a folder of all children of a parent.
    """

    sockets: list[int]
    line: int
    starter: str
    place: int = 0
    doors: Sequence[tuple[int, int]] = ()

    @classmethod
    def read(cls, said: str) -> Part:
        return cls(*json.loads(said))

    def spelled(self) -> str:
        return json.dumps([self.sockets, self.line, self.starter, self.place, self.doors])

    def ready(self) -> None:
        """Tell the parent that we answer."""
        os.write(self.line, b".")

    def watch_parent(self) -> None:
        """End as SIGTERM ends us when our parent is gone."""

        def watch() -> None:
            with contextlib.suppress(ConnectionError):  # it died before it had read that we answer
                os.read(self.line, 1)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=watch, name="drawbar-parent", daemon=True).start()


class Starter:
    """One process at a time does what only one should do: who holds the lock, until it ends."""

    def __init__(self, file: str, begin: Callable[[], None]) -> None:
        self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._begin = begin
        self.begun = False

    def beat(self) -> None:
        if self.begun:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self.begun = True
        self._begin()


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    line: socket.socket
    born: float
    is_ready: bool = False

    def hear(self) -> bool:
        """Tell whether it has just said that it answers."""
        if self.is_ready or not select.select([self.line], [], [], 0)[0]:
            return False
        self.is_ready = self.line.recv(1) == b"."
        return self.is_ready


class Crowd:
    """The parent. `ready` is called once, when the first child answers."""

    def __init__(
        self, count: int, sockets: Sequence[socket.socket], command: Sequence[str], ready: Callable[[], None]
    ) -> None:
        self._sockets = [one.fileno() for one in sockets]
        self._ends = [socket.socketpair() for _ in range(count)]
        self._command = command
        self._ready = ready
        self._said = False
        self._reload_asked = False
        self._stop = Flag()
        self._code = 0
        self._folder = tempfile.TemporaryDirectory(prefix="drawbar-")
        self._places: list[_Child | None] = [None] * count
        self._pauses = [0.0] * count
        self._not_before = [0.0] * count

    def run(self) -> int:
        """Keep the children until SIGTERM or SIGINT; give the exit code."""
        self._stop.raised_by(signal.SIGTERM, signal.SIGINT)
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "_reload_asked", True))
        try:
            while not self._stop.wait(_LOOK_S if self._said else 0.02):
                for place in range(len(self._places)):
                    self._look(place)
                if self._reload_asked:
                    self._reload()
        finally:
            self._end()
            self._folder.cleanup()
        return self._code

    def _reload(self) -> None:
        """Let one that answers read the configuration again; the others follow it by the state."""
        for child in self._places:
            if child is not None and child.is_ready and child.process.poll() is None:
                self._reload_asked = False
                child.process.send_signal(signal.SIGHUP)
                return

    def _look(self, place: int) -> None:
        child = self._places[place]
        if child is None:
            if time.monotonic() >= self._not_before[place]:
                self._places[place] = self._born(place)
        elif child.process.poll() is not None:
            self._places[place] = None
            self._buried(place, child)
        elif child.hear() and not self._said:
            self._said = True
            self._ready()

    def _born(self, place: int) -> _Child:
        ours, theirs = socket.socketpair()
        doors = [(read.fileno(), write.fileno()) for read, write in self._ends]
        part = Part(self._sockets, theirs.fileno(), str(Path(self._folder.name) / "starter"), place, doors)
        process = subprocess.Popen(
            [sys.executable, "-m", "drawbar", *self._command, "--part", part.spelled()],
            pass_fds=[*self._sockets, theirs.fileno(), *(fd for door in doors for fd in door)],
        )
        theirs.close()
        return _Child(process, ours, time.monotonic())

    def _buried(self, place: int, child: _Child) -> None:
        """Replace it: at once, and later each time while it does not live long."""
        child.line.close()
        code = child.process.returncode
        if not self._said and code == _USAGE:  # it has said what is wrong, and so would the next one
            self._code = code
            self._stop.raise_()
            return
        lived_s = time.monotonic() - child.born
        self._pauses[place] = (
            0.0 if lived_s > _SOUND_S else min(max(2 * self._pauses[place], _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        )
        self._not_before[place] = time.monotonic() + self._pauses[place]
        log.warning("process.died", pid=child.process.pid, code=code, lived_s=round(lived_s, 1))

    def _end(self) -> None:
        """Let all of them drain at the same time."""
        children = [child for child in self._places if child is not None]
        for child in children:
            child.process.terminate()
        until = time.monotonic() + _END_S
        for child in children:
            try:
                child.process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                log.warning("process.killed", pid=child.process.pid)
                child.process.kill()
                child.process.wait()
            child.line.close()
