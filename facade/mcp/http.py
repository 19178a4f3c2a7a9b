"""
MCP over streamable HTTP: one POST, one answer, nothing kept in between.

A thin ASGI application of our own: the SDK costs 10 to 25 times a bare call (docs/decisions/mcp-of-our-own.md). Any number of
processes give the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ...core.errors import InputError
from .. import problems
from ..exchange import Threads
from ..identity import let_in
from .dialogue import answer, is_short, parsed, unexpected
from .toolbox import Toolbox
from .wire import INVALID_PARAMS, Question, Refused, question_of

if TYPE_CHECKING:
    from ...app import App
    from ...core.access import Caller

PATH = "/mcp"
_TYPE = (b"content-type", b"application/json")


class Mcp:
    """ASGI middleware that answers MCP's path, and leaves everything else to the application behind it."""

    def __init__(self, app: ASGIApp, landscape: App, threads: Threads) -> None:
        self._app = app
        self._landscape = landscape
        self._threads = threads
        self._toolbox = Toolbox(landscape)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        if path != PATH:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if request.method != "POST":
            # No stream is offered to GET, and there is no session that DELETE could end.
            await _send(send, 405, b"", [(b"allow", b"POST")])
            return
        try:
            caller = await let_in(self._landscape.door, self._threads.work, request)
        except InputError as error:
            await problems.respond(*problems.of_error(error))(scope, receive, send)
            return
        await self._answer(request, caller, send)

    async def _answer(self, request: Request, caller: Caller, send: Send) -> None:
        asked: Question | None = None
        try:
            asked = question_of(parsed(await request.body()), _single(request))
            if asked.id is None:
                await _send(send, 202, b"")
                return
            said, status = asked.answer(await self._result(asked, caller)), 200
        except Refused as error:
            said = asked.refused(error) if asked is not None else error.as_json()
            status = error.status if asked is None or asked.is_modern else 200
        except Exception as error:  # what nobody expected: the log has more under the id
            refused = unexpected(error, asked)
            said, status = asked.refused(refused) if asked else refused.as_json(), 200
        await _send(send, status, orjson.dumps(said), [_TYPE])

    async def _result(self, asked: Question, caller: Caller) -> dict[str, Any]:
        if is_short(asked):
            return answer(self._toolbox, asked, caller)
        limiter = self._threads.work
        arguments = asked.params.get("arguments")
        if asked.method == "tools/call" and isinstance(arguments, (dict, type(None))):
            system = self._toolbox.system_of(str(asked.params.get("name")), arguments or {})
            limiter = self._threads.system(system or "", self._landscape.landscape.names())
        return await anyio.to_thread.run_sync(answer, self._toolbox, asked, caller, limiter=limiter)


def _single(request: Request) -> dict[str, str]:
    """Give the headers; one that routes and comes twice is refused, since two readers would read two things."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in headers and name.startswith("mcp-"):
            raise Refused(INVALID_PARAMS, f"the header {name} is sent twice")
        headers[name] = value
    return headers


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *(headers or ())]})
    await send({"type": "http.response.body", "body": body})
