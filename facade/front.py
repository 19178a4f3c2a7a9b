"""
What a request meets first: the gate, MCP, and the question whether we are alive. The rest is loaded by who asks for it.

The framework with its routes takes a fifth of the time to start and 16 MB, and a gateway of agents may never need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.errors import DrawbarError
from . import problems
from .alive import ANSWERS
from .gate import Gate
from .lane import Lane
from .mcp import Mcp
from .mcp.http import Running
from .mcp.toolbox import Toolbox
from .numbers import Shared
from .threads import Threads

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..app import App

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SENT = (
    "Authorization",
    "Content-Type",
    "Drawbar-Session",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Protocol-Version",
    "Prefer",
    "Range",
    "Traceparent",
    "X-Request-Id",
)
_SHOWN = (
    "Content-Range",
    "Deprecation",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "Sunset",
    "X-Request-Id",
)


class Front:
    """The web application of a landscape. `lane` is the short way of what is usual; `close` ends streams."""

    def __init__(self, app: App, hosts: Iterable[str], shared: Shared | None) -> None:
        self._app = app
        self._threads = Threads()
        self._shared = shared or Shared()
        self._rest: FastAPI | None = None
        self._loading = asyncio.Lock()
        running: Running = {}
        toolbox = Toolbox(app)
        inner = Mcp(self._behind, app, self._threads, toolbox, running)
        names, origins = (*hosts, *app.config.server.names), app.config.server.cors
        gate = Gate(
            inner,
            hosts=names,
            any_host=lambda: not names and not app.door.on_loopback,
            origins=origins,
            believes=app.door.is_proxy,
        )
        self.lane = Lane(app, self._threads, gate, toolbox, running)
        self._whole: ASGIApp = gate
        if origins:
            # A key is sent by a page that has one; nothing that a browser sends by itself opens anything: no credentials.
            self._whole = CORSMiddleware(
                gate, allow_origins=origins, allow_methods=_METHODS, allow_headers=_SENT, expose_headers=_SHOWN
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._whole(scope, receive, send)

    def close(self) -> None:
        """Let every reader of events end; called from a signal too."""
        if self._rest is not None:
            self._rest.state.bell.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is not MCP's."""
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            answer = ANSWERS.get(scope["path"].removeprefix(scope.get("root_path", "")))
            if answer is not None:
                try:
                    said = await answer(self._app, self._threads)
                except DrawbarError as error:
                    said = problems.respond(*problems.of_error(error))
                await said(scope, receive, send)
                return
        await (self._rest or await self._loaded())(scope, receive, send)

    async def _loaded(self) -> FastAPI:
        async with self._loading:
            if self._rest is None:
                self._rest = await anyio.to_thread.run_sync(
                    partial(_rest, self._app, self._threads, self._shared), limiter=self._threads.work
                )
            return self._rest


def web(app: App, *, hosts: Iterable[str] = (), shared: Shared | None = None) -> Front:
    """
    Make the web application of a landscape.

    `hosts` are names beside loopback's that requests may use, `shared` is what the processes of one port tell each other.
    """
    return Front(app, hosts, shared)


def _rest(app: App, threads: Threads, shared: Shared) -> FastAPI:
    from .application import rest

    return rest(app, threads, shared)
