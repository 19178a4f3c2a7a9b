"""REST: its routes, and errors as problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..core.errors import DrawbarError, InputError
from . import live, problems
from .documents import describe
from .reference import routes_lines
from .routes import methods_of, routed
from .swift import Swift

if TYPE_CHECKING:
    from ..app import App
    from .numbers import Shared
    from .threads import Threads


def rest(app: App, threads: Threads, shared: Shared) -> FastAPI:
    """Make the routes of a landscape, behind what everything meets first (front.py)."""
    api = routed()
    _documented(api)
    api.state.drawbar = app
    api.state.threads = threads
    api.state.metrics = shared
    api.state.bell = live.Bell(app, threads)
    api.add_middleware(Swift)
    api.add_exception_handler(DrawbarError, _of_error)
    api.add_exception_handler(RequestValidationError, _of_parameters)
    api.add_exception_handler(HTTPException, _of_framework)
    api.add_exception_handler(Exception, _of_defect)
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


async def _of_defect(request: Request, error: Exception) -> Response:
    """Answer what nobody expected; the framework raises it again, and the gate logs it under the same id."""
    return problems.respond(500, problems.of_defect())


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
