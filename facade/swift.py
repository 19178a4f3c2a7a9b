"""Calls of tools over REST, by a way of their own past the framework's routing: the same routes, the same answers."""

from __future__ import annotations

import re

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.errors import DrawbarError
from . import problems, tools
from .exchange import exchange
from .idempotency import HEADER

_PATH = re.compile(r"/tools/([^/\x00-\x1f\x7f]{1,200})/(call|preview)")
_ROUTES = {
    route.path.rpartition("/")[2]: route
    for route in tools.router.routes
    if isinstance(route, APIRoute) and route.path.endswith(("/call", "/preview"))
}
_ANSWERS = {"call": tools.call, "preview": tools.preview}
_KEY = HEADER.encode()


class Swift:
    """ASGI middleware for the two; whatever is unusual in them, and every other path, is the framework's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        found = _PATH.fullmatch(scope["path"].removeprefix(scope.get("root_path", "")))
        if found is None or any(name == _KEY for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTES[found[2]]
        request = Request(scope, receive)
        try:
            answer = await _ANSWERS[found[2]](await exchange(request), found[1])
        except DrawbarError as error:
            answer = problems.respond(*problems.of_error(error))
        await answer(scope, receive, send)
