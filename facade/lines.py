"""Lines of a pipe: as many at once as there are."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence

_READ_BYTES = 65536
_MOST_WAITING = 1000


class Heard:
    """What comes in, line by line; None stands for a line that is longer than `most` bytes."""

    def __init__(self, fd: int, most: int) -> None:
        self._fd = fd
        self._most = most
        self._rest = b""
        self._is_skipping = False

    def more(self) -> Sequence[bytes | None] | None:
        """Wait for lines; None at the end."""
        heard = os.read(self._fd, _READ_BYTES)
        if not heard:
            rest, self._rest = self._rest, b""
            return [rest] if rest else None
        *whole, self._rest = (self._rest + heard).split(b"\n")
        if len(whole) == 1 and not self._rest and not self._is_skipping and len(whole[0]) <= self._most:
            return whole
        return list(self._measured(whole))

    def _measured(self, whole: Sequence[bytes]) -> Iterator[bytes | None]:
        for line in whole:
            if not self._is_skipping:
                yield line if len(line) <= self._most else None
            self._is_skipping = False
        if len(self._rest) > self._most or self._is_skipping:
            if not self._is_skipping:
                yield None
            self._is_skipping, self._rest = True, b""


class Said:
    """
    What goes out: who writes takes along what others have to say. A reader that is gone hears nothing.

    In a block of its own, `with`, what is said is gathered.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: deque[bytes] = deque()
        self._writing = threading.Lock()
        self._is_gone = False
        self._gathers = False

    def __enter__(self) -> None:
        """Send what is said meanwhile, by whomever, when the block ends; nothing in it may wait."""
        self._gathers = True

    def __exit__(self, *failed: object) -> None:
        self._gathers = False
        self._send()

    def write(self, line: bytes) -> None:
        self._waiting.append(line)
        if not self._gathers:
            self._send()

    def _send(self) -> None:
        while self._waiting and self._writing.acquire(blocking=len(self._waiting) > _MOST_WAITING):
            try:
                self._flush()
            finally:
                self._writing.release()

    def _flush(self) -> None:
        lines = []
        while self._waiting:
            lines.append(self._waiting.popleft())
        left = memoryview(b"\n".join([*lines, b""]))
        try:
            while left and not self._is_gone:
                left = left[os.write(self._fd, left) :]
        except BrokenPipeError:
            self._is_gone = True
