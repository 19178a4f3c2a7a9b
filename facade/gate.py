"""The door before every route: foreign hosts and origins, body limits, and what nobody expected."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.errors import DrawbarError, InputError
from . import problems

BODY_LIMIT_BYTES = 1_000_000
BODY_TIMEOUT_S = 30.0
LINGER_BYTES = 256 * 1024 * 1024
LINGER_S = 20.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


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
    ) -> None:
        self.app = app
        self.any_host = any_host
        self.hosts = frozenset(host.lower() for host in hosts) | {"localhost"}
        self.body_limit_bytes = body_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        scope = _versioned(scope)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._admit(scope, headers)
        except InputError as error:
            await _refuse(error, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await self._http(scope, headers, receive, send)

    def _admit(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        name = (urlsplit(f"//{host}").hostname or "") if _parses(host) else ""
        if not (name in self.hosts or is_loopback(name)) and not self.any_host():
            raise InputError(
                "this service answers on loopback names only, and on those of server.names",
                reason="forbidden",
                field="Host",
                next="use http://127.0.0.1, or add this name there",
            )
        origin = headers.get("origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE):
            return
        if not _parses(origin) or urlsplit(origin).netloc.lower() != host.lower():
            raise InputError("requests from pages of another origin are refused", reason="forbidden", field="Origin")

    async def _http(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in own)]
            await send(message)

        try:
            body = await self._body(headers, receive)
        except _TooLarge as error:
            linger = "expect" not in headers
            await _too_large(error, receive if linger else None, sending)
            return
        except DrawbarError as error:
            await problems.respond(*problems.of_error(error))(scope, receive, sending)
            return
        if body is None:  # the client went away
            return
        try:
            await self.app(scope, _replay(body, receive), sending)
        except Exception as error:
            status, problem = problems.unexpected(error, f"{scope['method']} {scope['path']}")
            if not started:
                await problems.respond(status, problem)(scope, receive, sending)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes | None:
        """Read the body, which is small or refused before it is read."""
        said = headers.get("content-length", "")
        if said.isdigit() and int(said) > self.body_limit_bytes:
            raise _TooLarge(self.body_limit_bytes)
        if not said.strip("0") and "transfer-encoding" not in headers:
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


class _TooLarge(InputError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes", reason="too_large", next="send less, or in parts")


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


async def _refuse(error: InputError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problems.respond(*problems.of_error(error))
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    await receive()
    # Before the handshake is accepted, closing answers 403.
    await send({"type": "websocket.close", "code": 1008, "reason": error.message})


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
