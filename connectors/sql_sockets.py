"""Find the socket of a driver that hides it, so that a server that went silent can be cut off."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..core.watch import watching

_OPEN = Path("/proc/self/fd")
_TURN = threading.Lock()


def connected(connect: Callable[[], Any], port: int, limit_s: float) -> tuple[Any, int | None]:
    """
    Connect, and give the connection with its socket; None where it cannot be told (no Linux, no TCP).

    One at a time: the socket is the one that came meanwhile. When nobody answers in time it is cut.
    """
    if not _TURN.acquire(timeout=limit_s):
        raise TimeoutError("the connections before this one take too long")
    try:
        before = set(_to(port))
        with watching(lambda: _cut(set(_to(port)) - before), limit_s):
            line = connect()
        found = set(_to(port)) - before
        return line, found.pop() if len(found) == 1 else None
    finally:
        _TURN.release()


def _to(port: int) -> Iterator[int]:
    """List the sockets of this process whose other end has this port."""
    if not _OPEN.is_dir():
        return
    for entry in list(_OPEN.iterdir()):
        try:
            if entry.is_socket() and _peer(int(entry.name)) == port:
                yield int(entry.name)
        except OSError:  # closed meanwhile, or nobody is at its other end
            continue


def _peer(fileno: int) -> int | None:
    with socket.socket(fileno=os.dup(fileno)) as line:
        name = line.getpeername()
    return name[1] if isinstance(name, tuple) else None


def _cut(sockets: set[int]) -> None:
    for fileno in sockets:
        with socket.socket(fileno=os.dup(fileno)) as line:
            line.shutdown(socket.SHUT_RDWR)
