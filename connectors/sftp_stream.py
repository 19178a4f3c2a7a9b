"""Streams over SFTP with several requests in flight and bounded memory."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO

from paramiko import SFTPFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

_REQUEST = 32_768
_FIRST_WINDOW = 4
_LARGEST_WINDOW = 64


class ReadAhead(io.RawIOBase, BinaryIO):
    """
    Read a file by windows of requests; the window grows while the reader goes straight on.

    A page of a large file so costs a few requests, and a whole one hardly waits.
    """

    def __init__(self, stream: SFTPFile, size: int, phase: Callable[[], AbstractContextManager[None]]) -> None:
        self._stream = stream
        self._size = size
        self._phase = phase
        self._at = 0
        self._window = _FIRST_WINDOW
        self._held = b""
        self._held_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._size - self._at if size is None or size < 0 else size
        parts: list[bytes] = []
        while wanted > 0:
            if not self._held_at <= self._at < self._held_at + len(self._held) and not self._fill():
                break
            start = self._at - self._held_at
            part = self._held[start : start + wanted]
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _fill(self) -> bool:
        end = min(self._at + self._window * _REQUEST, self._size)
        chunks = [(at, min(_REQUEST, end - at)) for at in range(self._at, end, _REQUEST)]
        if not chunks:
            return False
        with self._phase():
            self._held = b"".join(self._stream.readv(chunks))
        self._held_at = self._at
        self._window = min(self._window * 2, _LARGEST_WINDOW)
        return bool(self._held)


def pour(content: BinaryIO, stream: SFTPFile) -> int:
    """Write a whole stream without waiting for each answer; give its size."""
    stream.set_pipelined(pipelined=True)
    size = 0
    while part := content.read(_REQUEST):
        stream.write(part)
        size += len(part)
    stream.flush()
    return size


__all__ = ["ReadAhead", "pour"]
