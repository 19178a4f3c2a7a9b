"""The door before every route: foreign hosts and origins, body limits, and what nobody expected."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.errors import DrawbarError, InputError
from ..core.measure import HTTP_SECONDS, METER
from ..core.store.ids import new_id
from ..core.trace import PARENT, REQUEST, traceparent_of
from . import problems
from .outgoing import HSTS, Header, Outgoing, takes_gzip

BODY_LIMIT_BYTES = 1_000_000
BODY_TIMEOUT_S = 30.0
LINGER_BYTES = 256 * 1024 * 1024
LINGER_S = 20.0
REQUEST_ID = b"x-request-id"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_MOST_KNOWN = 1000
_TRACEPARENT = b"traceparent"
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
_PLAIN = {"Accept-Encoding": "identity"}
"""Goes with 415, as RFC 9110 (15.5.16) asks."""
Headers = Mapping[bytes, bytes]


class Gate:
    """
    ASGI middleware.

    A browser page from elsewhere reaches a service on loopback by its own name made to point here (so the Host must be
    loopback, or one of `hosts`) or by a plain cross-origin request (so the Origin must be this very host). With `any_host` it
    may have any name: such a page has no credentials, and without them nobody is let in.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str] = (),
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        any_host: Callable[[], bool] = lambda: False,
        origins: Iterable[str] = (),
        believes: Callable[[str | None], bool] = lambda peer: False,
    ) -> None:
        self.app = app
        self.any_host = any_host
        self.hosts = frozenset(host.lower() for host in hosts) | {"localhost"}
        self.body_limit_bytes = body_limit_bytes
        self.origins = frozenset(origins)
        self.believes = believes
        self._known: dict[bytes, bool] = {}
        self._prefix = new_id()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        scope = _versioned(scope)
        headers: Headers = dict(scope["headers"])
        known_as = self.id_of(headers)
        REQUEST.set(known_as)  # each request has a task, and so a context, of its own
        PARENT.set(traceparent_of(headers.get(_TRACEPARENT)))
        if scope["type"] == "websocket":
            await self._websocket(scope, headers, receive, send)
            return
        own: list[Header] = [(REQUEST_ID, known_as.encode())]
        if scope.get("scheme") == "https" or self.is_behind_tls(scope, headers):
            own.append(HSTS)
        outgoing = Outgoing(send, scope, own, gzips=takes_gzip(headers.get(b"accept-encoding", b"")))
        began = time.perf_counter()
        try:
            self.admit(scope, headers)
            await self._http(scope, headers, receive, outgoing)
        except InputError as error:
            await problems.respond(*problems.of_error(error))(scope, receive, outgoing)
        finally:
            _time(scope, outgoing.status, time.perf_counter() - began)

    def id_of(self, headers: Headers) -> str:
        """Take the caller's id of the request when it is one that can stand in a log, else make one."""
        said = headers.get(REQUEST_ID)
        if said is not None and _SANE_ID.fullmatch(said):
            return said.decode("ascii")
        return f"{self._prefix}-{next(self._numbers):x}"

    def is_behind_tls(self, scope: Scope, headers: Headers) -> bool:
        if headers.get(b"x-forwarded-proto") != b"https":
            return False
        return self.believes(scope["client"][0] if scope.get("client") else None)

    def admit(self, scope: Scope, headers: Headers) -> None:
        """Refuse what a page from elsewhere would send. InputError: forbidden."""
        host = headers.get(b"host", b"")
        if not self._is_known(host) and not self.any_host():
            raise InputError(
                "this service answers on loopback names only, and on those of server.names",
                reason="forbidden",
                field="Host",
                next="use http://127.0.0.1, or add this name there",
            )
        said = headers.get(b"origin")
        if said is None or (scope["type"] == "http" and scope["method"] in _SAFE):
            return
        origin = said.decode("latin-1")
        if origin in self.origins:
            return
        if not _parses(origin) or urlsplit(origin).netloc.lower() != host.decode("latin-1").lower():
            raise InputError("requests from pages of another origin are refused", reason="forbidden", field="Origin")

    def _is_known(self, host: bytes) -> bool:
        """Tell whether a Host is loopback's or one of ours; each is looked at once."""
        known = self._known.get(host)
        if known is None:
            said = host.decode("latin-1")
            name = (urlsplit(f"//{said}").hostname or "") if _parses(said) else ""
            known = name in self.hosts or is_loopback(name)
            if len(self._known) < _MOST_KNOWN:
                self._known[host] = known
        return known

    async def _websocket(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            self.admit(scope, headers)
        except InputError as error:
            await receive()
            # Before the handshake is accepted, closing answers 403.
            await send({"type": "websocket.close", "code": 1008, "reason": error.message})
            return
        await self.app(scope, receive, send)

    async def _http(self, scope: Scope, headers: Headers, receive: Receive, outgoing: Outgoing) -> None:
        try:
            body = await self._body(headers, receive)
            if body:
                _look_at_coding(headers)
        except _TooLarge as error:
            await _too_large(error, None if b"expect" in headers else receive, outgoing)
            return
        except _Coded as error:
            await problems.respond(*problems.of_error(error), _PLAIN)(scope, receive, outgoing)
            return
        except DrawbarError as error:
            await problems.respond(*problems.of_error(error))(scope, receive, outgoing)
            return
        if body is None:  # the client went away
            return
        if scope["method"] == "HEAD":
            scope["method"], receive = "GET", outgoing.gone
        try:
            await self.app(scope, _replay(body, receive), outgoing)
        except Exception as error:
            status, problem = problems.unexpected(error, f"{scope['method']} {scope['path']}")
            if not outgoing.started:
                await problems.respond(status, problem)(scope, receive, outgoing)

    async def _body(self, headers: Headers, receive: Receive) -> bytes | None:
        """Read the body, which is small or refused before it is read."""
        said = headers.get(b"content-length", b"")
        if said.isdigit() and int(said) > self.body_limit_bytes:
            raise _TooLarge(self.body_limit_bytes)
        if not said.strip(b"0") and b"transfer-encoding" not in headers:
            return b""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self.body_limit_bytes:
                        raise _TooLarge(self.body_limit_bytes)
                    if not message.get("more_body"):
                        return b"".join(chunks)
        except TimeoutError:
            raise _Slow(f"the body did not arrive within {BODY_TIMEOUT_S:g} s", next="send it again") from None


class _Slow(InputError):
    def __init__(self, message: str, **said: Any) -> None:
        super().__init__(message, **said)
        self.status = 408  # type: ignore[misc]  # the core has no word for it: only HTTP has slow bodies


class _Coded(InputError):
    def __init__(self) -> None:
        super().__init__("the body is compressed", field="Content-Encoding", next="send it as it is, without coding")
        self.status = 415  # type: ignore[misc]  # the core has no word for it: only HTTP has codings


class _TooLarge(InputError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes", reason="too_large", next="send less, or in parts")


def _look_at_coding(headers: Headers) -> None:
    """Refuse a body that is compressed: a small one may become as large as it likes."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in {b"identity", b""}:
        raise _Coded


def _time(scope: Scope, status: int, seconds: float) -> None:
    """Time a request by its route: paths and methods are whatever callers send."""
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    route = getattr(scope.get("route"), "path", None) or ("/mcp" if scope["path"].endswith("/mcp") else "none")
    METER.time(HTTP_SECONDS, seconds, method, route, str(status))


def is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parses(url: str) -> bool:
    try:
        urlsplit(url if "//" in url else f"//{url}").port  # noqa: B018 - asking for it is what checks it
    except ValueError:
        return False
    return True


def _versioned(scope: Scope) -> Scope:
    """Serve `/v1/...` by the routes without prefix: the newest version."""
    path: str = scope["path"]
    if path == "/v1" or path.startswith("/v1/"):
        return {**scope, "root_path": f"{scope.get('root_path', '')}/v1"}
    return dict(scope)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


async def _too_large(error: InputError, receive: Receive | None, send: Send) -> None:
    """
    Answer at once, then throw away what still comes.

    A connection that is closed with unread bytes is reset, and the client never sees the answer.
    """
    response: Any = problems.respond(*problems.of_error(error), headers={"Connection": "close"})
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    thrown = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while receive is not None and thrown < LINGER_BYTES:
                message = await receive()
                thrown += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError:
        structlog.get_logger("drawbar.facade").info("body_abandoned", thrown_bytes=thrown)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
