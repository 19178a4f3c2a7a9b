"""The web application: routes, the gate before them, and errors as problems."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from .. import __version__
from ..core.errors import DrawbarError, InputError
from ..core.register import refused
from . import adapters, agents, context, desk, health, live, problems, runs, syncs, tasks, tools, workflows
from .documents import describe
from .exchange import Threads
from .gate import Gate
from .reference import routes_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..app import App

ROUTERS: tuple[APIRouter, ...] = (
    workflows.router,
    runs.router,
    tasks.router,
    tools.router,
    adapters.router,
    agents.router,
    context.router,
    syncs.router,
    desk.router,
    live.router,
    health.router,
)


def web(app: App, *, hosts: Iterable[str] = ()) -> FastAPI:
    """Make the web application of a landscape; `hosts` are names beside loopback's that requests may use."""
    threads = Threads()

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        yield
        api.state.bell.close()

    api = _routed(lifespan)
    api.state.drawbar = app
    api.state.caller = app.local()
    api.state.threads = threads
    api.state.bell = live.Bell(app, threads)
    api.add_middleware(Gate, hosts=tuple(hosts))
    api.add_exception_handler(DrawbarError, _of_error)
    api.add_exception_handler(ValidationError, _of_model)
    api.add_exception_handler(RequestValidationError, _of_parameters)
    api.add_exception_handler(HTTPException, _of_framework)
    return api


def document() -> dict[str, Any]:
    """Give the OpenAPI document, which no landscape changes."""
    return describe(_routed(None))


def _routed(lifespan: Any) -> FastAPI:
    api = FastAPI(
        title="Drawbar",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        api.include_router(router)

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return describe(api)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(routes_page(describe(api)), media_type="text/plain; charset=utf-8")

    return api


async def _of_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DrawbarError)
    return problems.respond(*problems.of_error(error))


async def _of_model(request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return problems.respond(*problems.of_error(refused(error)))


async def _of_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = [(".".join(str(part) for part in one["loc"][1:]), one["msg"]) for one in error.errors()]
    field, message = said[0]
    detail = [{"field": where, "message": what} for where, what in said]
    return problems.respond(*problems.of_error(InputError(f"{field}: {message}", field=field, detail=detail)))


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods_of(request)))
        said = f"{request.method} is not for {request.url.path}"
        return problems.respond(405, problems.of_status(405, said, next_=f"use {allowed}"), {"Allow": allowed})
    said = f"there is nothing at {request.url.path}" if error.status_code == 404 else str(error.detail)
    next_ = "see /openapi.json" if error.status_code == 404 else None
    return problems.respond(error.status_code, problems.of_status(error.status_code, said, next_=next_))


def _methods_of(request: Request) -> set[str]:
    """Name the methods of a path; it may stand in several routes."""
    found: set[str] = set()
    for router in ROUTERS:
        for route in router.routes:
            if route.matches({**request.scope, "type": "http"})[0] != Match.NONE:
                found |= getattr(route, "methods", None) or set()
    return found or {"GET"}
