"""
One HTTP/1.1 connection under one deadline: send a request, read its answer.

`http.client` costs more in parsing eight header lines than the rest of a call together, and its time limit is for each
read, so that a host which drips bytes is never cut off. RFC 9112.

A socket without TLS stays blocking, and the kernel keeps its time. What does not wait keeps the interpreter's lock too: to give it
away and to get it back costs more than a short message, the more threads want it.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from . import soap_sockets

_MAX_HEAD = 65_536
_PART = 262_144
_LONGEST_S = 2**30
_TIMEVAL = struct.Struct("@ll")
_Head = tuple[int, str, Mapping[str, str]]
"""Status, version, headers."""


class Broken(Exception):
    """The answer broke off, or is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """
    One open connection. `deadline` is on the monotonic clock and holds for a whole exchange.

    `name` is whom TLS must prove, where that is not the host that is connected to. Raises TimeoutError and OSError of the socket, and Broken.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, deadline: float, name: str = "") -> None:
        self.deadline = deadline
        self._rest = b""
        self._taken = 0
        self._last_head: tuple[bytes, _Head] = b"", (0, "", {})
        self._plain = tls is None
        self._flags = socket.MSG_DONTWAIT if self._plain else 0
        sock = socket.create_connection((host, port), timeout=left_s(deadline))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock: socket.socket = tls.wrap_socket(sock, server_hostname=name or host) if tls else sock
            if self._plain:
                sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)

    def send(self, data: bytes) -> None:
        if self._plain:
            # Most requests fit into the socket's buffer at once: no waiting before, and no asking whether it can be written.
            sent = soap_sockets.sent(self._sock, data)
            if sent == len(data):
                return
            data = data[sent:]
        self._sock.settimeout(left_s(self.deadline))
        self._sock.sendall(data)
        if self._plain:
            self._sock.settimeout(None)

    def send_now(self, data: bytes) -> bool:
        """Send a request where the socket takes all of it at once. False: it took none, or the connection is of no use."""
        sent = soap_sockets.sent(self._sock, data) if self._plain else 0
        try:
            sent = sent or self._at_once().send(data, self._flags)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        if 0 < sent < len(data):
            self.close()
        return sent == len(data)

    @property
    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def heard(self) -> bytes:
        """What came and was not read yet."""
        return self._rest

    def hear(self) -> bool | None:
        """Take what has come without waiting; None when nothing has, False when nothing more will."""
        try:
            part = self._at_once().recv(_PART, self._flags)
            while not self._plain and self._sock.pending():  # type: ignore[attr-defined]  # TLS keeps some for itself
                part += self._sock.recv(_PART)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            return False
        self._rest += part
        self._taken += len(part)
        return bool(part)

    def _at_once(self) -> socket.socket:
        """Give the socket for what must not wait, which `_flags` say where there is no TLS."""
        if not self._plain:
            self._sock.settimeout(0)
        return self._sock

    def is_stale(self) -> bool:
        """Tell whether the host has closed it (or said something unasked) while it lay idle."""
        return not (self._plain and soap_sockets.is_quiet(self._sock, self._taken)) and bool(self._poll.poll(0))

    def close(self) -> None:
        self._sock.close()

    def receive(self, max_bytes: int) -> tuple[Answer, bool]:
        """Read an answer; tell whether the connection can be used again."""
        status, version, headers = self._head()
        while 100 <= status < 200:
            status, version, headers = self._head()
        said = headers.get("connection", "").lower()
        keep = "keep-alive" in said if version == "1.0" else "close" not in said
        if status in {204, 304}:
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = self._chunks(max_bytes)
        elif (length := headers.get("content-length")) is not None:
            body = self._exactly(_length(length, max_bytes))
        else:
            body, keep = self._to_the_end(max_bytes), False
        if (encoding := headers.get("content-encoding", "identity").lower()) != "identity":
            body = _unzipped(body, encoding, max_bytes)
        return Answer(status, headers, body), keep and not self._rest

    def _more(self) -> bytes:
        if not self._plain:
            self._sock.settimeout(left_s(self.deadline))
            return self._sock.recv(_PART)
        seconds = min(left_s(self.deadline), _LONGEST_S)
        limit = _TIMEVAL.pack(int(seconds), max(int(seconds % 1 * 1_000_000), 1))  # of nothing would be for ever
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        try:
            part = self._sock.recv(_PART)
        except BlockingIOError:
            raise TimeoutError("timed out") from None
        self._taken += len(part)
        return part

    def _head(self) -> _Head:
        """Read a head; most are as the one before."""
        text = self._through(b"\r\n\r\n", b"\n\n")
        if text != self._last_head[0]:
            self._last_head = text, _head(text)
        return self._last_head[1]

    def _through(self, *ends: bytes) -> bytes:
        """Read through the first of these ends; what comes behind it stays for the next read."""
        data = self._rest
        while True:
            found = [(at, end) for end in ends if (at := data.find(end)) >= 0]
            if found:
                at, end = min(found)
                self._rest = data[at + len(end) :]
                return data[:at]
            if len(data) > _MAX_HEAD:
                raise Broken(f"its head is larger than {_MAX_HEAD} bytes")
            part = self._more()
            if not part:
                raise Broken("it closed the connection without an answer" if not data else "its head is cut off")
            data += part

    def _exactly(self, length: int) -> bytes:
        if len(self._rest) >= length:
            body, self._rest = self._rest[:length], self._rest[length:]
            return body
        parts, size = [self._rest], len(self._rest)
        self._rest = b""
        while size < length:
            part = self._more()
            if not part:
                raise Broken(f"{length - size} bytes of it are missing")
            parts.append(part)
            size += len(part)
        body = b"".join(parts)
        self._rest = body[length:]
        return body[:length]

    def _chunks(self, max_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            text = self._through(b"\r\n").partition(b";")[0].strip()
            try:
                length = int(text, 16)
            except ValueError:
                raise Broken(f"a chunk of it has no length: {text[:20]!r}") from None
            size += length
            if length < 0 or size > max_bytes:
                raise Broken(f"it is larger than {max_bytes} bytes")
            if length == 0:
                while self._through(b"\r\n"):
                    pass  # trailers say nothing to us
                return b"".join(parts)
            parts.append(self._exactly(length))
            if self._exactly(2) != b"\r\n":
                raise Broken("a chunk of it does not end where it says")

    def _to_the_end(self, max_bytes: int) -> bytes:
        parts, size = [self._rest], len(self._rest)
        self._rest = b""
        while part := self._more():
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise Broken(f"it is larger than {max_bytes} bytes")
        return b"".join(parts)


def _head(text: bytes) -> _Head:
    first, *lines = text.decode("latin-1").splitlines()
    protocol, _, rest = first.partition(" ")
    if not protocol.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise Broken(f"it is no HTTP: {first[:80]!r}")
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in {" ", "\t"} and name:
            headers[name] += f" {line.strip()}"
        elif line:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(rest[:3]), protocol[5:], headers


def left_s(deadline: float) -> float:
    """Give the seconds to a deadline; TimeoutError when it is past."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _length(text: str, max_bytes: int) -> int:
    lengths = {part.strip() for part in text.split(",")}
    said = lengths.pop()
    if lengths or not (said.isascii() and said.isdigit()):
        raise Broken(f"its length is {text!r}")
    if len(said) > 15 or int(said) > max_bytes:
        raise Broken(f"it is larger than {max_bytes} bytes")
    return int(said)


def _unzipped(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Unpack what a host packed although it was not asked to, within the limit."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise Broken(f"it is encoded as {encoding}, which nobody asked for")
    unpack = zlib.decompressobj(47)
    try:
        plain = unpack.decompress(body, max_bytes)
    except zlib.error as error:
        raise Broken(f"it is no {encoding}: {error}") from None
    if unpack.unconsumed_tail:
        raise Broken(f"unpacked it is larger than {max_bytes} bytes")
    if not unpack.eof:
        raise Broken("its packed body is cut off")
    return plain
