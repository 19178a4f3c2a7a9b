"""The routes, put together, and the document that says what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match

from .. import __version__
from . import (
    adapters,
    agents,
    assignments,
    audit,
    claims,
    configuration,
    context,
    desk,
    health,
    holds,
    live,
    metrics,
    runs,
    syncs,
    tasks,
    tools,
    workflows,
)
from .documents import describe

# Calls of tools come first: the framework looks at one route after the other.
ROUTERS: tuple[APIRouter, ...] = (
    tools.router,
    workflows.router,
    runs.router,
    claims.router,
    tasks.router,
    adapters.router,
    agents.router,
    assignments.router,
    context.router,
    syncs.router,
    desk.router,
    holds.router,
    configuration.router,
    live.router,
    audit.router,
    metrics.router,
    health.router,
)


def routed(lifespan: Any = None) -> FastAPI:
    """Make a bare application that has every route."""
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
    return api


def document() -> dict[str, Any]:
    """Give the OpenAPI document, which no landscape changes."""
    return describe(routed())


def methods_of(scope: Mapping[str, Any]) -> set[str]:
    """Name the methods of a path; it may stand in several routes, of which those with the fewest parameters are meant."""
    by_path: dict[str, set[str]] = {}
    for route in (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        if route.matches({**scope, "type": "http"})[0] != Match.NONE:
            by_path.setdefault(route.path, set()).update(route.methods or ())
    found = by_path[min(by_path, key=lambda path: path.count("{"))] if by_path else {"GET"}
    return {*found, "OPTIONS", *(["HEAD"] if "GET" in found else [])}
