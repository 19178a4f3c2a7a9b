"""Connector = wire: one TCP connection to a terminal, which takes one command at a time."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drawbar.core.errors import ConfigError, DrawbarError, OutcomeUnknown, Unavailable, raise_as

_MAX_LINE = 256


class Line:
    """Ask and be answered. Opens on first use, and again after the terminal hung up."""

    def __init__(self, host: str, port: int, pin: str | None) -> None:
        self.host = host
        self.port = port
        self._pin = pin
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def open(self, timeout_s: float) -> None:
        """Connect and log in; nothing where that is done."""
        with self._turn(time.monotonic() + timeout_s):
            pass

    def ask(self, command: str, timeout_s: float, *, leaving: Callable[[], None] = lambda: None) -> str:
        """
        Send a command and give the line that answers.

        Unavailable until the first byte leaves, OutcomeUnknown from then on. `leaving` is called between the two.
        """
        deadline = time.monotonic() + timeout_s
        with self._turn(deadline) as wire:
            leaving()
            with raise_as(OutcomeUnknown, OSError, UnicodeError, doing="no answer from the terminal"):
                return _exchange(wire, command, deadline)

    def close(self) -> None:
        wire, self._socket = self._socket, None
        if wire is not None:
            wire.close()

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[socket.socket]:
        if not self._lock.acquire(timeout=_left(deadline)):
            raise Unavailable(f"{self.host}:{self.port} is busy with another command")
        try:
            if self._socket is not None and _hung_up(self._socket):
                self.close()
            if self._socket is None:
                self._socket = self._connected(deadline)
            yield self._socket
        except DrawbarError:
            self.close()
            raise
        finally:
            self._lock.release()

    def _connected(self, deadline: float) -> socket.socket:
        with raise_as(Unavailable, OSError, UnicodeError, doing=f"{self.host}:{self.port}"):
            wire = socket.create_connection((self.host, self.port), _left(deadline))
            try:
                answer = _exchange(wire, f"LOGIN {self._pin}", deadline) if self._pin else "OK"
            except BaseException:
                wire.close()
                raise
        if answer != "OK":
            wire.close()
            raise ConfigError("the terminal refuses the pin", field="pin", next="ask whoever keeps the scale")
        return wire


def _exchange(wire: socket.socket, command: str, deadline: float) -> str:
    wire.settimeout(_left(deadline))
    wire.sendall(f"{command}\r\n".encode("ascii"))
    answer = b""
    while not answer.endswith(b"\r\n"):
        wire.settimeout(_left(deadline))
        piece = wire.recv(_MAX_LINE)
        if not piece:
            raise ConnectionResetError("the terminal hung up")
        answer += piece
        if len(answer) > _MAX_LINE:
            raise OSError(f"the answer is longer than {_MAX_LINE} bytes")
    return answer.decode("ascii").strip()


def _hung_up(wire: socket.socket) -> bool:
    """Nothing may come unasked: what is readable now is the end, or a late answer to a call that was given up."""
    try:
        return bool(select.select([wire], [], [], 0)[0])
    except (OSError, ValueError):
        return True


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)
