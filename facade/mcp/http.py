"""
MCP over streamable HTTP: one POST, one answer, nothing kept in between.

A thin ASGI application of our own: the SDK costs 10 to 25 times a bare call (docs/decisions/mcp-of-our-own.md). Any number of
processes give the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ...core.errors import InputError
from ...core.tenants import OF
from .. import problems
from ..crew import Crew
from ..identity import let_in, rate_limit
from ..outgoing import Header
from ..threads import Threads
from .dialogue import is_short, parsed, unexpected, written
from .toolbox import Toolbox
from .waiting import BEAT_S, Waiting
from .wire import INVALID_PARAMS, Question, Refused, batch_of, question_in_batch, question_of

if TYPE_CHECKING:
    from ...app import App
    from ...core.access import Caller

PATH = "/mcp"
_TYPE = (b"content-type", b"application/json")
_STREAM = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
_LOOK_S = 0.1
"""Calls that take longer than this are looked at: has their client gone?"""
Written = tuple[bytes, int]
Running = dict[Waiting, tuple[Any, Receive]]
"""Calls under way: by what their client may take each back, and where the end of its connection is heard."""


class Mcp:
    """ASGI middleware that answers MCP's path, and leaves everything else to the application behind it."""

    def __init__(
        self,
        app: ASGIApp,
        landscape: App,
        threads: Threads,
        toolbox: Toolbox | None = None,
        running: Running | None = None,
    ) -> None:
        """`running` are the calls under way, where others make some too."""
        self._app = app
        self._landscape = landscape
        self._threads = threads
        self._toolbox = toolbox or Toolbox(landscape)
        self._running: Running = {} if running is None else running
        self._looking: asyncio.Task[None] | None = None
        self._listening: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        if path != PATH:
            await self._app(scope, receive, send)
            return
        if scope["method"] != "POST":
            # No stream is offered to GET, and there is no session that DELETE could end.
            await _send(send, 405, b"", [(b"allow", b"POST")])
            return
        request = Request(scope, receive)
        try:
            caller = await let_in(self._landscape.door, self._threads.work, request)
        except InputError as error:
            await problems.respond(*problems.of_error(error))(scope, receive, send)
            return
        await self._answer(request, caller, send)

    async def _answer(self, request: Request, caller: Caller, send: Send) -> None:
        asked: Question | None = None
        try:
            sent, headers = parsed(await request.body()), single(request.scope["headers"])
            if (batch := batch_of(sent, headers)) is not None:
                await self._batch(batch, headers, request, caller, send)
                return
            asked = question_of(sent, headers)
            if asked.id is None:
                self._told(asked, request, caller)
                await _send(send, 202, b"")
                return
        except Refused as error:
            await _send(send, error.status, orjson.dumps(error.as_json()), [_TYPE])
            return
        except Exception as error:  # what nobody expected: the log has more under the id
            await _send(send, 200, orjson.dumps(unexpected(error, asked).as_json()), [_TYPE])
            return
        if is_short(asked):
            body, status = written(self._toolbox, asked, caller, Waiting())
            await _send(send, status, body, [_TYPE])
        elif asked.progress_token is not None and accepts_stream(request.scope["headers"]):
            await self._streamed(asked, request, caller, send)
        else:
            waiting = Waiting()
            body, status = await self._work(asked, request, caller, waiting)
            await _send(send, status, body, _headers(waiting))

    async def _batch(
        self, messages: list[Any], headers: Mapping[str, str], request: Request, caller: Caller, send: Send
    ) -> None:
        """Answer what came together, together."""
        said = await asyncio.gather(*(self._one_of(message, headers, request, caller) for message in messages))
        answers = [one for one in said if one is not None]
        await _send(send, 200 if answers else 202, b"[%s]" % b",".join(answers) if answers else b"", [_TYPE])

    async def _one_of(self, message: Any, headers: Mapping[str, str], request: Request, caller: Caller) -> bytes | None:
        try:
            asked = question_in_batch(message, headers)
        except Refused as error:
            return orjson.dumps(error.as_json())
        if asked.id is None:
            self._told(asked, request, caller)
            return None
        return (await self._work(asked, request, caller, Waiting()))[0]

    async def _work(self, asked: Question, request: Request, caller: Caller, waiting: Waiting) -> Written:
        """Have it answered on a thread; while it runs, its client can take it back."""
        self._running[waiting] = (mark_of(asked.id, caller, _peer(request)), request.receive)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            return await crew_of(self._threads, self._toolbox, self._landscape, asked, caller).do(
                partial(written, self._toolbox, asked, caller, waiting)
            )
        finally:
            del self._running[waiting]

    async def _streamed(self, asked: Question, request: Request, caller: Caller, send: Send) -> None:
        """Answer with a stream of events, once there is something to say before the answer."""
        loop = asyncio.get_running_loop()
        said: asyncio.Queue[Any] = asyncio.Queue()
        waiting = Waiting(asked.progress_token, partial(_post, loop, said))
        work = asyncio.create_task(self._work(asked, request, caller, waiting))
        work.add_done_callback(lambda done: said.put_nowait(None))
        started = False
        while (message := await _next(said, waiting.beat)) is not None:
            if not started:
                started = True
                await send({"type": "http.response.start", "status": 200, "headers": list(_STREAM)})
            await send({"type": "http.response.body", "body": _event(orjson.dumps(message)), "more_body": True})
        body, status = await work
        if started:
            await send({"type": "http.response.body", "body": _event(body)})
        else:
            await _send(send, status, body, _headers(waiting))

    def _told(self, asked: Question, request: Request, caller: Caller) -> None:
        """Hear a notification: the only one that asks for something takes a call back."""
        if asked.method != "notifications/cancelled":
            return
        mark = mark_of(asked.params.get("requestId"), caller, _peer(request))
        found = [waiting for waiting, (known, _) in self._running.items() if known == mark]
        if len(found) == 1:  # ids are the client's own: two clients of one agent may use the same
            found[0].take_back()

    async def _look(self) -> None:
        """Look which calls take long, and hear when the connections of those are closed."""
        while self._running:
            await asyncio.sleep(_LOOK_S)
            for waiting, (_, receive) in list(self._running.items()):
                if not waiting.is_heard and waiting.age_s > _LOOK_S:
                    waiting.is_heard = True
                    task = asyncio.create_task(_until_gone(waiting, receive))
                    self._listening.add(task)
                    task.add_done_callback(self._listening.discard)


def crew_of(threads: Threads, toolbox: Toolbox, app: App, asked: Question, caller: Caller) -> Crew:
    """Give the threads on which a request is answered: those of the system that it calls."""
    name, landscape = "", app.landscape
    if asked.method == "tools/call":
        arguments = asked.params.get("arguments")
        name = toolbox.system_of(str(asked.params.get("name")), arguments if isinstance(arguments, dict) else {})
    if caller.tenant is not None and landscape.is_system(f"{name}{OF}{caller.tenant}"):
        name = f"{name}{OF}{caller.tenant}"
    return threads.crew(name, landscape)


def mark_of(known_as: Any, caller: Caller, peer: str | None) -> Any:
    """Give what a client takes a call back by."""
    return known_as, type(known_as), caller.name, peer


def _headers(waiting: Waiting) -> list[Header]:
    return [_TYPE, *(() if waiting.standing is None else rate_limit(waiting.standing))]


def _peer(request: Request) -> str | None:
    return request.client.host if request.client else None


async def _until_gone(waiting: Waiting, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiting.take_back()  # after the answer too, which changes nothing


async def _next(said: asyncio.Queue[Any], beat: Callable[[], None]) -> Any:
    while True:
        try:
            async with asyncio.timeout(BEAT_S):
                return await said.get()
        except TimeoutError:
            beat()


def _post(loop: asyncio.AbstractEventLoop, said: asyncio.Queue[Any], message: Any) -> None:
    loop.call_soon_threadsafe(said.put_nowait, message)


def _event(message: bytes) -> bytes:
    return b"event: message\r\ndata: " + message + b"\r\n\r\n"


def accepts_stream(headers: Iterable[Header]) -> bool:
    """Tell whether a client takes an answer as a stream of events."""
    return any(name == b"accept" and b"text/event-stream" in value.lower() for name, value in headers)


def single(sent: Iterable[Header]) -> dict[str, str]:
    """Give the headers that route; one that comes twice is refused, since two readers would read two things."""
    headers: dict[str, str] = {}
    for name, value in sent:
        if name.startswith(b"mcp-"):
            key = name.decode("latin-1")
            if key in headers:
                raise Refused(INVALID_PARAMS, f"the header {key} is sent twice")
            headers[key] = value.decode("latin-1").strip()
    return headers


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *(headers or ())]})
    await send({"type": "http.response.body", "body": body})
