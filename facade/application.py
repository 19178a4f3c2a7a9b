"""The web application: routes, the gate before them, and errors as problems."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from ..core.errors import DrawbarError, InputError
from . import live, problems
from .documents import describe
from .exchange import Threads
from .gate import Gate
from .lane import Lane
from .mcp import Mcp
from .mcp.http import Running
from .mcp.toolbox import Toolbox
from .metrics import Shared
from .reference import routes_lines
from .routes import methods_of, routed
from .swift import Swift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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


def web(app: App, *, hosts: Iterable[str] = (), shared: Shared | None = None) -> FastAPI:
    """
    Make the web application of a landscape.

    `hosts` are names beside loopback's that requests may use, `shared` is what the processes of one port tell each other.
    """
    threads = Threads()

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        yield
        api.state.bell.close()

    api = routed(lifespan)
    _documented(api)
    api.state.drawbar = app
    api.state.threads = threads
    api.state.metrics = shared or Shared()
    api.state.bell = live.Bell(app, threads)
    api.add_middleware(Swift)
    running: Running = {}
    toolbox = Toolbox(app)
    api.add_middleware(Mcp, landscape=app, threads=threads, toolbox=toolbox, running=running)
    names = (*hosts, *app.config.server.names)
    origins = app.config.server.cors
    gate = partial(
        Gate,
        hosts=names,
        any_host=lambda: not names and not app.door.on_loopback,
        origins=origins,
        believes=app.door.is_proxy,
    )
    api.add_middleware(gate)
    api.state.lane = Lane(app, threads, gate(api), toolbox, running)
    if origins:
        # A key is sent by a page that has one; nothing that a browser sends by itself opens anything: no credentials.
        api.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=_METHODS, allow_headers=_SENT, expose_headers=_SHOWN
        )
    api.add_exception_handler(DrawbarError, _of_error)
    api.add_exception_handler(RequestValidationError, _of_parameters)
    api.add_exception_handler(HTTPException, _of_framework)
    return api


def _documented(api: FastAPI) -> None:
    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return describe(api)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(
            "\n".join(["# Drawbar", "", *routes_lines(describe(api))]), media_type="text/plain; charset=utf-8"
        )


async def _of_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DrawbarError)
    return problems.respond(*problems.of_error(error))


async def _of_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = [(".".join(str(part) for part in one["loc"][1:]), one["msg"]) for one in error.errors()]
    field, message = said[0]
    detail = [{"field": where, "message": what} for where, what in said]
    return problems.respond(*problems.of_error(InputError(f"{field}: {message}", field=field, detail=detail)))


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(sorted(methods_of(request.scope)))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allowed})
        said = f"{request.method} is not for {request.url.path}"
        return problems.respond(405, problems.of_status(405, said, next_=f"use {allowed}"), {"Allow": allowed})
    said = f"there is nothing at {request.url.path}" if error.status_code == 404 else str(error.detail)
    next_ = "see /openapi.json" if error.status_code == 404 else None
    return problems.respond(error.status_code, problems.of_status(error.status_code, said, next_=next_))
