"""Streams over SFTP with several requests in flight and bounded memory."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from .sftp_wire import (
    ATTRS,
    CLOSE,
    DATA,
    FOR_READING,
    FSTAT,
    HANDLE,
    NAME,
    OPEN,
    READ,
    REALPATH,
    SftpWire,
    StatusError,
    string,
    u32,
    u64,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

Phase = Callable[[], AbstractContextManager[None]]
_END = 1
_FIRST_WINDOW = 2
_IN_FLIGHT_BYTES = 4 << 20
_FILES_IN_FLIGHT = 64


class ReadAhead(io.RawIOBase, BinaryIO):
    """
    Read a file with requests ahead of the reader, the more the longer it goes straight on.

    A page of a large file so costs a few requests, and a whole one hardly waits. What is held stays below a few MB.
    """

    def __init__(self, wire: SftpWire, handle: bytes, phase: Phase) -> None:
        self._wire = wire
        self._handle = handle
        self._phase = phase
        self._at = 0
        size, first = wire.post(FSTAT, string(handle)), self._post(0, wire.read_bytes)
        self._size = wire.take(size, ATTRS).attributes().size
        self._asked_to = min(wire.read_bytes, self._size)
        self._asked = deque([(first, 0, self._asked_to)])
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
            part = self._held[start : start + wanted] if start or wanted < len(self._held) else self._held
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def forget(self) -> None:
        """Drop what was asked for and is not needed any more."""
        for number, _, _ in self._asked:
            self._wire.forget(number)
        self._asked.clear()

    def _fill(self) -> bool:
        with self._phase():
            if not self._asked or self._asked[0][1] != self._at:
                self.forget()
                self._asked_to = self._at
            self._ask()
            if not self._asked:
                return False
            number, at, size = self._asked.popleft()
            try:
                data = self._wire.take(number, DATA).text()
            except StatusError as error:
                if error.code != _END:
                    raise
                data = b""  # it has become shorter
            if 0 < len(data) < size:
                rest = self._post(at + len(data), size - len(data))
                self._asked.appendleft((rest, at + len(data), size - len(data)))
        self._held, self._held_at = data, at
        self._window = min(self._window * 2, max(_IN_FLIGHT_BYTES // self._wire.read_bytes, 1))
        return bool(data)

    def _ask(self) -> None:
        while len(self._asked) < self._window and self._asked_to < self._size:
            size = min(self._wire.read_bytes, self._size - self._asked_to)
            self._asked.append((self._post(self._asked_to, size), self._asked_to, size))
            self._asked_to += size

    def _post(self, at: int, size: int) -> int:
        return self._wire.post(READ, string(self._handle), u64(at), u32(size))


def pour(wire: SftpWire, handle: bytes, content: BinaryIO, at: int = 0) -> int:
    """Write a stream from `at` on, with as many requests in flight as for reading; give the size it has then."""
    window = max(_IN_FLIGHT_BYTES // wire.write_bytes, 1)
    asked: deque[int] = deque()
    while part := content.read(wire.write_bytes):
        asked.append(wire.post_data(handle, at, part))
        at += len(part)
        if len(asked) >= window:
            wire.take(asked.popleft())
    while asked:
        wire.take(asked.popleft())
    return at


@dataclass(slots=True)
class _Small:
    """A small file on its way: its questions, in the order of their answers."""

    index: int
    path: bytes
    size: int
    real: int
    opened: int
    status: int = 0
    read: int = 0


def small_files(wire: SftpWire, wanted: Iterable[tuple[bytes, int]], root: bytes) -> Iterator[tuple[int, bytes | None]]:
    """
    Read many small files, with the questions about all of them in flight together; None for one to read alone.

    `wanted` are absolute paths and expected sizes. One that is gone, that has grown, that leads out of the root, or that
    the server refuses is for the caller to ask about by itself.
    """
    waiting: deque[_Small] = deque()
    opened: deque[_Small] = deque()
    todo = enumerate(wanted)
    more = True
    while more or waiting or opened:
        while more and len(waiting) + len(opened) < _FILES_IN_FLIGHT:
            try:
                index, (path, size) = next(todo)
            except StopIteration:
                more = False
                break
            real, handle = wire.post(REALPATH, string(path)), wire.post(OPEN, string(path), u32(FOR_READING), u32(0))
            waiting.append(_Small(index, path, size, real, handle))
        half = _FILES_IN_FLIGHT // 2
        while waiting and (len(opened) < half or not opened):
            one = waiting.popleft()
            if _ask_for(wire, one, root):
                opened.append(one)
            else:
                yield one.index, None
        if opened:
            one = opened.popleft()
            yield one.index, _content(wire, one)


def _ask_for(wire: SftpWire, one: _Small, root: bytes) -> bool:
    real, handle = b"", b""
    with suppress(StatusError):
        answer = wire.take(one.real, NAME)
        answer.number()
        real = answer.text()
    with suppress(StatusError):
        handle = wire.take(one.opened, HANDLE).text()
    inside = real.startswith(root.rstrip(b"/") + b"/")
    if handle and inside:
        one.status = wire.post(FSTAT, string(handle))
        one.read = wire.post(READ, string(handle), u64(0), u32(min(max(one.size, 1), wire.read_bytes)))
    if handle:
        wire.forget(wire.post(CLOSE, string(handle)))
    return bool(handle) and inside


def _content(wire: SftpWire, one: _Small) -> bytes | None:
    size, data = -1, b""
    with suppress(StatusError):
        size = wire.take(one.status, ATTRS).attributes().size
    try:
        data = wire.take(one.read, DATA).text()
    except StatusError as error:
        if error.code != _END:
            return None
    return data if len(data) == size else None


__all__ = ["ReadAhead", "pour", "small_files"]
