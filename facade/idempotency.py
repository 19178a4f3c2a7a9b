"""Routes that give the first answer again to the same request: every POST with an Idempotency-Key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio.to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute

from ..core.answers import FirstAnswer
from ..core.errors import DrawbarError, InputError
from . import problems
from .identity import caller_of

HEADER = "idempotency-key"
_KEY = re.compile(r"[!-~]{1,200}")
_KEPT = ("content-type", "location", "etag", "preference-applied")


class Route(APIRoute):
    """A route of the facade. Calls of tools are left to the ledger, which holds a key even through a crash."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if "POST" not in (self.methods or ()):
            return handle

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None:
                return await handle(request)
            if _KEY.fullmatch(key) is None:
                raise InputError(
                    "Idempotency-Key is 1 to 200 printable letters without spaces", field="Idempotency-Key"
                )
            return await handle(request) if self.operation_id == "callTool" else await _once(request, key, handle)

        return once


async def _once(request: Request, key: str, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    state = request.app.state
    answers, work = state.drawbar.answers, state.threads.work
    who = await caller_of(request)
    caller, of = who.name, f"tenant {who.tenant}\n" if who.tenant is not None else ""
    said = f"{of}{request.method} {request.scope['path']}?{request.url.query}\n".encode() + await request.body()
    first = await anyio.to_thread.run_sync(answers.begin, caller, key, hashlib.sha256(said).hexdigest(), limiter=work)
    if first is not None:
        return Response(first.body, first.status, {**first.headers, "Idempotent-Replayed": "true"})
    try:
        answer = await _answered(request, handle)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(answers.free, caller, key, limiter=work)
        raise
    headers = {name: value for name, value in answer.headers.items() if name in _KEPT}
    kept = FirstAnswer(answer.status_code, headers, bytes(answer.body))
    await anyio.to_thread.run_sync(answers.end, caller, key, kept, limiter=work)
    return answer


async def _answered(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give the answer, that of an error too: what was refused once is refused again in the same words."""
    try:
        return await handle(request)
    except DrawbarError as error:
        return problems.respond(*problems.of_error(error))
