"""Routes that give the first answer again to the same request: every POST with an Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio.to_thread
import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from ..core.answers import FirstAnswer
from ..core.errors import DrawbarError, InputError, Rejected
from . import problems
from .identity import caller_of

HEADER = "idempotency-key"
REPLAYED = {"Idempotent-Replayed": "true"}
"""Says of an answer that it is the first one, given again."""
_KEY = re.compile(r"[!-~]{1,200}")
_HEADERS = ("content-type", "location", "etag", "preference-applied")


class Route(APIRoute):
    """A route of the facade. Of calls of tools the ledger holds the key, even through a crash; what was rejected is kept here."""

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
            return await (_called if self.operation_id == "callTool" else _once)(request, key, handle)

        return once


async def _once(request: Request, key: str, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    state = request.app.state
    answers, work = state.drawbar.answers, state.threads.work
    caller, said = await _asked(request)
    first = await anyio.to_thread.run_sync(answers.begin, caller, key, said, limiter=work)
    if first is not None:
        return _again(first)
    try:
        answer = await _answered(request, handle)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(answers.free, caller, key, limiter=work)
        raise
    await anyio.to_thread.run_sync(answers.end, caller, key, _kept(answer), limiter=work)
    return answer


async def _called(request: Request, key: str, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Call a tool; what its system rejected under this key is not sent again."""
    state = request.app.state
    answers, work = state.drawbar.answers, state.threads.work
    caller, said = await _asked(request)
    first = await anyio.to_thread.run_sync(answers.rejection, caller, key, said, limiter=work)
    if first is not None:
        return _again(first)
    try:
        return await handle(request)
    except Rejected as error:
        answer = problems.respond(*problems.of_error(error))
        await anyio.to_thread.run_sync(answers.rejected, caller, key, said, _kept(answer), limiter=work)
        return answer


async def _asked(request: Request) -> tuple[str, str]:
    """Give who asks, and a hash of what is asked."""
    who = await caller_of(request)
    of = f"tenant {who.tenant}\n" if who.tenant is not None else ""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    said = f"{of}{request.method} {path}?{request.url.query}\n".encode() + _meant(await request.body())
    return who.name, hashlib.sha256(said).hexdigest()


def _meant(body: bytes) -> bytes:
    """Write JSON in one form, whatever its blanks and the order of its names; every number as it was sent."""
    try:
        given = json.loads(body, parse_int=_number, parse_float=_number, parse_constant=_no_number)
        return orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError, RecursionError):  # no JSON, or more than can be written again
        return body


def _number(text: str) -> orjson.Fragment:
    return orjson.Fragment(text)


def _no_number(text: str) -> None:
    raise ValueError(text)


def _again(first: FirstAnswer) -> Response:
    return Response(first.body, first.status, {**first.headers, **REPLAYED})


def _kept(answer: Response) -> FirstAnswer:
    headers = {name: value for name, value in answer.headers.items() if name in _HEADERS}
    return FirstAnswer(answer.status_code, headers, bytes(answer.body))


async def _answered(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give the answer, that of an error too: what was refused once is refused again in the same words."""
    try:
        return await handle(request)
    except DrawbarError as error:
        return problems.respond(*problems.of_error(error))
