"""
Connector = wire: the SFTP protocol, version 3 (draft-ietf-secsh-filexfer-02), on an SSH channel of paramiko.

Requests of any kind may be in flight together, names are bytes, and nothing is fetched that nobody asked for: what
paramiko's own client does not offer.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paramiko import Channel, SSHException, Transport
from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

INIT, VERSION, OPEN, CLOSE, READ, WRITE = 1, 2, 3, 4, 5, 6
LSTAT, FSTAT, SETSTAT, OPENDIR, READDIR, REMOVE, MKDIR = 7, 8, 9, 11, 12, 13, 14
REALPATH, STAT, RENAME = 16, 17, 18
EXTENDED, STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED_REPLY = 200, 101, 102, 103, 104, 105, 201
NO_SUCH_FILE, REFUSED, FAILURE, UNSUPPORTED = 2, 3, 4, 8
_OK, _END = 0, 1
FOR_READING, FOR_WRITING, FOR_NEW = 0x01, 0x02 | 0x08, 0x02 | 0x08 | 0x20
FOR_REWRITING = 0x02 | 0x08 | 0x10
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000
_WINDOW_BYTES = 6 << 20
_PACKET_BYTES = 256 << 10
_SAFE_BYTES = 32_768
_LARGEST_BYTES = 261_120
_PART_BYTES = 32_000
_LONGEST_ANSWER = 1 << 20


class StatusError(Exception):
    """What a server answered instead of doing it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Attributes:
    size: int
    mode: int
    modified: int


class Answer:
    """One answer, read from the front."""

    def __init__(self, kind: int, body: bytes) -> None:
        self.kind = kind
        self._body = body
        self._at = 0

    def number(self) -> int:
        (value,) = struct.unpack_from(">I", self._body, self._at)
        self._at += 4
        return int(value)

    def long(self) -> int:
        (value,) = struct.unpack_from(">Q", self._body, self._at)
        self._at += 8
        return int(value)

    def text(self) -> bytes:
        size = self.number()
        self._at += size
        if self._at > len(self._body):
            raise SSHException("a string is longer than its answer")
        return self._body[self._at - size : self._at]

    def rest(self) -> bytes:
        return self._body[self._at :]

    @property
    def has_more(self) -> bool:
        return self._at < len(self._body)

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.long() if flags & _HAS_SIZE else 0
        if flags & _HAS_OWNER:
            self._at += 8
        mode = self.number() if flags & _HAS_MODE else 0
        modified = (self.number(), self.number())[1] if flags & _HAS_TIMES else 0
        if flags & _HAS_MORE:
            for _ in range(self.number()):
                self.text(), self.text()
        return Attributes(size, mode, modified)


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


class SftpWire:
    """
    The protocol on one channel, for one thread.

    `post` queues a request and gives its number; `take` waits for that one's answer and keeps what comes before it.
    StatusError is the server's no; everything else that is raised means that the line is lost.
    """

    def __init__(self, transport: Transport, limit_s: float) -> None:
        self._channel = transport.open_session(
            window_size=_WINDOW_BYTES, max_packet_size=_PACKET_BYTES, timeout=limit_s
        )
        self._channel.settimeout(limit_s)
        self._channel.in_buffer = _Pieces()  # the library's own moves all its bytes at each read
        self._out = bytearray()
        self._next = 0
        self._early: dict[int, Answer] = {}
        self._forgotten: set[int] = set()
        self._channel.invoke_subsystem("sftp")
        self.extensions = self._hello()
        self.read_bytes, self.write_bytes = self._limits()

    @property
    def channel(self) -> Channel:
        return self._channel

    @property
    def is_open(self) -> bool:
        return not self._channel.closed

    def limit(self, seconds: float) -> None:
        self._channel.settimeout(seconds)

    def post(self, kind: int, *parts: bytes) -> int:
        self._next = (self._next + 1) & 0xFFFFFFFF
        self._frame(kind, u32(self._next), *parts)
        return self._next

    def post_data(self, handle: bytes, offset: int, data: bytes) -> int:
        """Queue a write; its data goes out without being joined to anything."""
        self._next = (self._next + 1) & 0xFFFFFFFF
        head = u32(self._next) + string(handle) + u64(offset) + u32(len(data))
        self._out += struct.pack(">IB", len(head) + len(data) + 1, WRITE) + head
        room = _PART_BYTES - len(self._out)
        self._out += data[:room]
        self.flush()
        view = memoryview(data)
        for at in range(max(room, 0), len(data), _PART_BYTES):
            self._send(view[at : at + _PART_BYTES])
        return self._next

    def take(self, number: int, *expected: int) -> Answer:
        """Give the answer to a request; StatusError when it is another status than OK."""
        self.flush()
        while number not in self._early:
            self._receive()
        answer = self._early.pop(number)
        if answer.kind == STATUS:
            code, text = answer.number(), answer.text().decode("utf-8", "replace") if answer.has_more else ""
            if code != _OK:
                raise StatusError(code, text)
        elif answer.kind not in expected:
            raise SSHException(f"an answer of kind {answer.kind} was not expected")
        return answer

    def forget(self, number: int) -> None:
        """Drop the answer to a request when it comes: nobody waits for it."""
        if self._early.pop(number, None) is None:
            self._forgotten.add(number)

    def ask(self, kind: int, *parts: bytes, expect: int = STATUS) -> Answer:
        return self.take(self.post(kind, *parts), expect)

    def extended(self, name: str, *parts: bytes) -> Answer:
        return self.ask(EXTENDED, string(name.encode()), *parts, expect=EXTENDED_REPLY)

    def open(self, path: bytes, mode: int) -> bytes:
        return self.ask(OPEN, string(path), u32(mode), u32(0), expect=HANDLE).text()

    def close_handle(self, handle: bytes) -> None:
        self.ask(CLOSE, string(handle))

    def attributes(self, path: bytes, *, follow: bool = True) -> Attributes:
        return self.ask(STAT if follow else LSTAT, string(path), expect=ATTRS).attributes()

    def real_path(self, path: bytes) -> bytes:
        answer = self.ask(REALPATH, string(path), expect=NAME)
        answer.number()
        return answer.text()

    def entries(self, folder: bytes) -> Iterator[tuple[bytes, Attributes]]:
        """List a folder, with `.` and `..` left out; two questions are under way at once."""
        handle = self.ask(OPENDIR, string(folder), expect=HANDLE).text()
        asked = deque(self.post(READDIR, string(handle)) for _ in range(2))
        try:
            while True:
                answer = self.take(asked.popleft(), NAME)
                asked.append(self.post(READDIR, string(handle)))
                for _ in range(answer.number()):
                    name, _long = answer.text(), answer.text()
                    attributes = answer.attributes()
                    if name not in {b".", b".."}:
                        yield name, attributes
        except StatusError as error:
            if error.code != _END:
                raise
        finally:
            for number in (*asked, self.post(CLOSE, string(handle))):
                self.forget(number)
            self.flush()

    def flush(self) -> None:
        if self._out:
            data, self._out = bytes(self._out), bytearray()
            for at in range(0, len(data), _PART_BYTES):
                self._send(data[at : at + _PART_BYTES])

    def _frame(self, kind: int, *parts: bytes) -> None:
        self._out += struct.pack(">IB", sum(map(len, parts)) + 1, kind)
        for part in parts:
            self._out += part
        if len(self._out) >= _PART_BYTES:
            self.flush()

    def _send(self, data: bytes | memoryview) -> None:
        while len(data):
            sent = self._channel.send(bytes(data))
            if sent == 0:
                raise EOFError("the channel is closed")
            data = data[sent:]

    def _receive(self) -> None:
        size, kind, number = struct.unpack(">IBI", self._exactly(9))
        if not 5 <= size <= _LONGEST_ANSWER:
            raise SSHException(f"an answer of {size} bytes")
        body = self._exactly(size - 5)
        if number in self._forgotten:
            self._forgotten.discard(number)
        else:
            self._early[number] = Answer(kind, body)

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            part = self._channel.recv(size)
            if not part:
                raise EOFError("the channel is closed")
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hello(self) -> dict[str, bytes]:
        self._frame(INIT, u32(3))
        self.flush()
        size, kind = struct.unpack(">IB", self._exactly(5))
        if kind != VERSION or not 5 <= size <= _LONGEST_ANSWER:
            raise SSHException("it does not speak SFTP")
        answer = Answer(kind, self._exactly(size - 1))
        answer.number()
        found: dict[str, bytes] = {}
        while answer.has_more:
            name = answer.text().decode("ascii", "replace")
            found[name] = answer.text()
        return found

    def _limits(self) -> tuple[int, int]:
        """Ask how much one request may carry; what every server takes where it does not say."""
        if "limits@openssh.com" not in self.extensions:
            return _SAFE_BYTES, _SAFE_BYTES
        answer = self.extended("limits@openssh.com")
        answer.long()
        read, write = answer.long(), answer.long()
        return min(read or _SAFE_BYTES, _LARGEST_BYTES), min(write or _SAFE_BYTES, _LARGEST_BYTES)


class _Pieces(BufferedPipe):  # type: ignore[type-arg]  # generic in its stubs alone
    """Hold what has come as it came: reading from the front moves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._held: deque[Any] = deque()
        self._free = threading.Condition()
        self._is_closed = False
        self._size = 0

    def feed(self, data: Any) -> None:
        with self._free:
            self._held.append(data)
            self._size += len(data)
            self._free.notify()

    def read_ready(self) -> bool:
        return bool(self._held)

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        with self._free:
            until = None if timeout is None else time.monotonic() + timeout
            while not self._held:
                if self._is_closed:
                    return b""
                left = None if until is None else until - time.monotonic()
                if (left is not None and left <= 0) or not self._free.wait(left):
                    raise PipeTimeout
            piece = self._held.popleft()
            if len(piece) > nbytes:
                self._held.appendleft(memoryview(piece)[nbytes:])
                piece = piece[:nbytes]
            self._size -= len(piece)
            return bytes(piece)

    def empty(self) -> bytes:
        with self._free:
            held, self._size = b"".join(self._held), 0
            self._held.clear()
            return held

    def close(self) -> None:
        with self._free:
            self._is_closed = True
            self._free.notify_all()

    def __len__(self) -> int:
        return self._size
