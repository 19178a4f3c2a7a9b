"""Events as they come: a page, a stream, a WebSocket. Each reader goes on from its own last event: no gap, no double."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from ..core.errors import DrawbarError, InputError
from ..core.values import write_json
from . import problems
from .documents import says
from .exchange import Asked
from .identity import caller_of
from .parameters import Limit
from .shapes import EventPage
from .threads import Threads

if TYPE_CHECKING:
    from ..app import App

router = APIRouter(tags=["live"])

POLL_S = 0.1
PAGE_ROWS = 200
SEND_TIMEOUT_S = 30.0
BEAT_S = 15.0
_TOPICS = {
    "run": "runs",
    "task": "runs",
    "sync": "syncs",
    "approval": "approvals",
    "assignment": "approvals",
    "dead": "dead",
    "file": "files",
    "hold": "holds",
    "system": "systems",
}
TOPICS = ("runs", "syncs", "approvals", "dead", "files", "holds", "systems", "other")
_TOO_SLOW = 1013
_GOING_AWAY = 1012


def topic_of(event_type: str) -> str:
    return _TOPICS.get(event_type.partition(".")[0], "other")


def shown(event: Any) -> dict[str, Any]:
    """Give an event as readers see it."""
    said: dict[str, Any] = event.as_json()
    return {**said, "topic": topic_of(said["type"])}


class Bell:
    """
    Tells readers that there may be new events.

    One look at the journal serves all readers of this process; what a reader gets it reads itself, a page at a time, so a
    slow one costs a page of memory and not a queue.
    """

    def __init__(self, app: App, threads: Threads) -> None:
        self._app = app
        self._threads = threads
        self._last = -1
        self._readers = 0
        self._rung = asyncio.Condition()
        self.closing = False
        self._looking: asyncio.Task[None] | None = None

    async def read(self, after: int, topics: frozenset[str]) -> AsyncIterator[list[dict[str, Any]]]:
        """Give what came after an event, page by page and for ever; an empty page is a heartbeat."""
        self._readers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            while not self.closing:
                found = await self._events(after)
                if not found:
                    yield []
                    await self._wait(after)
                    continue
                after = found[-1].id
                page = [said for event in found if (said := shown(event))["topic"] in topics]
                if page:
                    yield page
        finally:
            self._readers -= 1

    async def begins(self, after: int | None) -> int:
        """Give the event after which a reader hears all; InputError for one that has not come."""
        last = await self.last()
        if after is not None and after > last > 0:  # 0: what was there is gone with its age
            said = f"after is an event that has not come: the newest is {last}"
            raise InputError(said, field="after", next="begin again without it")
        return last if after is None else after

    async def last(self) -> int:
        return await anyio.to_thread.run_sync(self._app.engine.history.last, limiter=self._threads.work)

    def close(self) -> None:
        """Let every reader end; called from a signal too."""
        self.closing = True

    async def _events(self, after: int) -> Sequence[Any]:
        return await anyio.to_thread.run_sync(
            lambda: self._app.engine.events(after=after, limit=PAGE_ROWS), limiter=self._threads.work
        )

    async def _wait(self, after: int) -> None:
        try:
            async with asyncio.timeout(BEAT_S), self._rung:
                await self._rung.wait_for(lambda: self.closing or self._last > after)
        except TimeoutError:
            return

    async def _look(self) -> None:
        while self._readers:
            try:
                last = await self.last()
            except DrawbarError:  # the journal is away for a moment; readers keep what they have
                last = self._last
            if last != self._last or self.closing:
                async with self._rung:
                    self._last = last
                    self._rung.notify_all()
            if self.closing:
                return
            await asyncio.sleep(POLL_S)


def topics_of(said: str | None) -> frozenset[str]:
    if not said:
        return frozenset(TOPICS)
    topics = frozenset(word.strip() for word in said.split(","))
    if unknown := sorted(topics - {*TOPICS}):
        raise InputError(f"there is no topic {unknown[0]!r}", field="topics", next=f"known: {', '.join(TOPICS)}")
    return topics


Topics = Annotated[
    str | None, Query(max_length=200, description=f"Only these, separated by commas: {', '.join(TOPICS)}.")
]
AfterEvent = Annotated[int | None, Query(ge=0, le=2**53, description="Id of the last event that was seen.")]

_ANSWERS = says("listEvents", "What happens", {200: EventPage}, headers=["Last-Event-ID"])
_ANSWERS["responses"][200]["content"]["text/event-stream"] = {"schema": {"type": "string"}}


@router.get("/events", **_ANSWERS)
async def events(asked: Asked, topics: Topics = None, after: AfterEvent = None, limit: Limit = 100) -> Response:
    """
    Give a page of events, or, with `Accept: text/event-stream`, all that come from now on.

    A page without `after` begins with the first event that is kept; a stream without it (and without Last-Event-ID) with
    the next one.
    """
    asked.caller.require("read")
    wanted = topics_of(topics)
    seen = asked.request.headers.get("last-event-id", "")
    if seen and not (seen.isascii() and seen.isdigit() and len(seen) < 16):
        raise InputError("Last-Event-ID is no event's id", field="Last-Event-ID")
    start = int(seen) if seen else after
    bell: Bell = asked.request.app.state.bell
    if "text/event-stream" in asked.request.headers.get("accept", ""):
        return StreamingResponse(_stream(bell, await bell.begins(start), wanted), media_type="text/event-stream")
    if start is not None:
        await bell.begins(start)
    return await _page(asked, start or 0, wanted, limit)


async def _page(asked: Asked, after: int, topics: frozenset[str], limit: int) -> Response:
    items: list[dict[str, Any]] = []
    following: int | None = None
    while len(items) < limit:
        found = await asked.do(asked.app.engine.events, after=after, limit=PAGE_ROWS)
        for event in found:
            after = event.id
            if (said := shown(event))["topic"] in topics:
                items.append(said)
            if len(items) == limit:
                following = after
                break
        if len(found) < PAGE_ROWS:
            break
    return asked.answer({"items": items, "next": following})


async def _stream(bell: Bell, after: int, topics: frozenset[str]) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for page in bell.read(after, topics):
        if not page:
            yield b": still here\n\n"
        for event in page:
            yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event["id"], event["type"].encode(), _written(event))


@router.websocket("/ws")
async def live(socket: WebSocket, topics: str | None = None, after: str | None = None) -> None:
    """Send every event after `after` (or from now on) as one JSON text each."""
    state = socket.app.state
    bell: Bell = state.bell
    try:
        caller = await caller_of(socket)
    except DrawbarError as error:
        await socket.close(1008, error.message[:100])  # before the handshake is accepted this answers 403
        return
    await socket.accept()
    try:
        for name in socket.query_params.keys() - {"topics", "after"}:
            raise InputError(f"there is no parameter {name!r} here", field=name, next="known: after, topics")
        wanted = topics_of(topics)
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 16):
            raise InputError("after is no event's id", field="after")
        caller.require("read")
        first = await bell.begins(int(after) if after is not None else None)
    except InputError as error:
        await socket.send_text(write_json(problems.of_error(error)[1]).decode())
        await socket.close(1008, error.message[:100])
        return
    sending = asyncio.create_task(_send(socket, bell, first, wanted))
    listening = asyncio.create_task(_listen(socket))
    done, _ = await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    for task in {sending, listening} - done:
        task.cancel()
    await asyncio.gather(sending, listening, return_exceptions=True)


async def _send(socket: WebSocket, bell: Bell, after: int, topics: frozenset[str]) -> None:
    try:
        async for page in bell.read(after, topics):
            for event in page:
                # A client that does not read fills its socket's buffer; then this waits, and at last gives it up.
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await socket.send_text(_written(event).decode())
        await socket.close(_GOING_AWAY, "the service stops; come back with after=")
    except TimeoutError:
        await socket.close(_TOO_SLOW, "too slow; come back with after=")
    except DrawbarError as error:
        await socket.close(_TOO_SLOW, error.message[:100])


async def _listen(socket: WebSocket) -> None:
    """Notice that the client goes; what it says is ignored."""
    try:
        while True:
            await socket.receive()
    except (WebSocketDisconnect, RuntimeError):
        return


def _written(event: dict[str, Any]) -> bytes:
    from ..config.secrets import scrub_values

    return write_json(scrub_values(event))
