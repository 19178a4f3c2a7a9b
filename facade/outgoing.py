"""The way out of an answer: what every answer says, compression where it pays, no body for HEAD."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterable, MutableMapping
from typing import Any

import anyio.to_thread
from starlette.types import Message, Send

Header = tuple[bytes, bytes]
JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\Z")
"""The media types of JSON."""
GZIP_FLOOR_BYTES = 2_000
"""Less fits into a packet or two anyway."""
_GZIP_LEVEL = 5
_ON_THREAD_BYTES = 131_072
_NO_GZIP = re.compile(rb"gzip[ \t]*;[ \t]*q=0(?:\.0*)?[ \t]*(?:,|\Z)")
_NOT_CODED = frozenset({204, 206, 304})
_CODED = (
    b"application/json",
    b"application/problem+json",
    b"text/plain",
    b"text/html",
    b"text/css",
    b"text/javascript",
)
_NOTED = "drawbar.headers"
ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
_NAMES = frozenset(name for name, _ in ALWAYS)


def takes_gzip(said: bytes) -> bool:
    """Tell whether who sends this Accept-Encoding reads gzip; `q=0` says that it does not."""
    return b"gzip" in said and _NO_GZIP.search(said) is None


def note(scope: MutableMapping[str, Any], headers: Iterable[Header]) -> None:
    """Let the answer to a request say this too, whatever becomes of it."""
    scope.setdefault(_NOTED, []).extend(headers)


class Outgoing:
    """
    What the application sends an answer to. `noted` grows by what `note` is told until the answer begins.

    A body is compressed when its length is known and the whole of it comes at once: never a stream.
    """

    __slots__ = ("_finished", "_gzips", "_held", "_is_head", "_noted", "_send", "started", "status")

    def __init__(self, send: Send, scope: MutableMapping[str, Any], own: list[Header], *, gzips: bool) -> None:
        self._send = send
        self._noted = scope[_NOTED] = own
        self._is_head = scope["method"] == "HEAD"
        self._gzips = gzips and not self._is_head
        self._held: Message | None = None
        self._finished: asyncio.Event | None = asyncio.Event() if self._is_head else None
        self.started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = message["headers"] = [*message["headers"], *self._noted]
            said = {name for name, _ in message["headers"]}
            headers += ALWAYS if said.isdisjoint(_NAMES) else [pair for pair in ALWAYS if pair[0] not in said]
            if self._gzips and _pays(message["status"], headers):
                self._held = message
                return
        elif self._held is not None:
            message = await self._coded(self._held, message)
        elif self._finished is not None:
            if self._finished.is_set():
                return
            self._finished.set()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def gone(self) -> Message:
        """Wait until HEAD is answered: then nobody listens to the rest of a stream."""
        assert self._finished is not None
        await self._finished.wait()
        return {"type": "http.disconnect"}

    async def _coded(self, start: Message, message: Message) -> Message:
        self._held = None
        if not message.get("more_body"):
            body = message.get("body", b"")
            if len(body) < _ON_THREAD_BYTES:
                coded = gzipped(body)
            else:
                coded = await anyio.to_thread.run_sync(lambda: gzipped(body))
            start["headers"] = [
                *(_weakened(pair) for pair in start["headers"] if pair[0] != b"content-length"),
                (b"content-length", b"%d" % len(coded)),
                (b"content-encoding", b"gzip"),
                (b"vary", b"Accept-Encoding"),
            ]
            message = {"type": "http.response.body", "body": coded, "more_body": False}
        await self._send(start)
        return message


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)


def _weakened(pair: Header) -> Header:
    """Say of an ETag that the bytes are others now (RFC 9110, 8.8.1)."""
    return (pair[0], b"W/" + pair[1]) if pair[0] == b"etag" and pair[1].startswith(b'"') else pair


def _pays(status: int, headers: list[Header]) -> bool:
    if status in _NOT_CODED:
        return False
    said = dict(headers)
    length = said.get(b"content-length", b"0")
    return (
        int(length) >= GZIP_FLOOR_BYTES
        and said.get(b"content-type", b"").startswith(_CODED)
        and b"content-encoding" not in said
    )
