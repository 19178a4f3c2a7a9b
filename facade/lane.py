"""
The short way of the calls that come most: from a whole request to the one write of its answer.

It is taken by POSTs of MCP's path, and of a tool's call, that came whole and say nothing unusual; all others go the long way,
through the application, which refuses what is to be refused. Both give the same answers and keep the same rules. What a head
says is looked at once: the next one that says the same is known.
"""

from __future__ import annotations

import contextvars
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from ..core.door import Credentials, digest_of
from ..core.errors import DrawbarError, InputError
from ..core.measure import HTTP_SECONDS, METER
from ..core.trace import PARENT, REQUEST, traceparent_of
from ..core.values import parse_json
from . import problems
from .errands import Errand, Said, ToolByMcp, ToolByRest, of_response, spelled
from .gate import REQUEST_ID, Gate, Headers
from .identity import credentials_of, rate_limit_spelled
from .mcp.dialogue import parsed
from .mcp.http import Running, accepts_stream, crew_of, mark_of, single
from .mcp.toolbox import Toolbox
from .mcp.waiting import Waiting
from .mcp.wire import Refused, question_of
from .outgoing import ALWAYS, HSTS, JSON, Header, takes_gzip
from .threads import Threads
from .turns import Turn, Turns

if TYPE_CHECKING:
    from ..app import App
    from ..core.access import Caller
    from .crew import Crew

_MCP = frozenset({b"/mcp", b"/v1/mcp"})
_CALL = re.compile(rb"(?P<root>/v1)?/tools/(?P<tool>[A-Za-z0-9_.-]{1,200})/call")
_VARIES = frozenset({REQUEST_ID, b"traceparent", b"content-length"})
_COMES_ONCE = _VARIES - {b"content-length"}
_USUAL = frozenset(
    {
        *(b"host", b"accept", b"accept-encoding", b"accept-language", b"authorization", b"content-type", b"user-agent"),
        *(b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"tracestate", b"baggage", b"via", b"forwarded"),
        *(b"connection", b"priority", b"sec-fetch-mode"),
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-real-ip"),
    }
)
_MOST_KNOWN = 1000
_LONGEST_LEARNED_BYTES = 2048
_LINES = {200: b"HTTP/1.1 200 OK\r\n"}


class Line(Protocol):
    """A connection that waits for the answer of one request."""

    def replied(self, answer: bytes) -> None: ...

    def always(self) -> bytes:
        """Give the headers that the server adds to every answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the heads of many requests say alike. `tool` is named where the path names it, under the version in `root`."""

    tool: str | None
    root: str
    shown: str
    credentials: Credentials
    peer: str | None
    gzips: bool
    streams: bool
    fixed: bytes
    mcp: Mapping[str, str]


class _Heard:
    """Stands where somebody would wait for more of a request."""

    def set(self) -> None:
        pass


_HEARD = _Heard()


class Passage:
    """One request under way."""

    __slots__ = (
        *("began", "caller", "context", "errand", "find_crew", "head", "known_as", "line", "more", "turn", "waiting"),
        *("disconnected", "keep_alive", "message_event", "response_complete"),
    )

    find_crew: Callable[[], Crew]
    errand: Errand

    def __init__(self, line: Line, head: Head, known_as: str, caller: Caller) -> None:
        self.disconnected = self.response_complete = False  # these four are what a line of uvicorn's asks of a request
        self.keep_alive = True
        self.message_event = _HEARD
        self.line = line
        self.head = head
        self.known_as = known_as
        self.caller = caller
        self.more = b""
        self.turn: Turn | None = None
        """Of the system that it calls, where the loop follows its calls."""
        self.waiting: Waiting | None = None
        self.began = time.perf_counter()
        self.context = contextvars.copy_context()

    @property
    def crew(self) -> Crew:
        """Give the threads of the system that is called; most calls need none."""
        return self.find_crew()

    def lost(self) -> None:
        """Hear that the client is gone."""
        if self.waiting is not None:
            self.waiting.take_back()


class Lane:
    """Answers what is usual; `running` are the calls that MCP's clients may take back."""

    def __init__(self, app: App, threads: Threads, gate: Gate, toolbox: Toolbox, running: Running) -> None:
        self._app = app
        self._threads = threads
        self._gate = gate
        self._toolbox = toolbox
        self._running = running
        self._heads: dict[Any, Head | None] = {}
        self._learned: dict[tuple[bytes, int, str | None], Head] = {}
        self._looks = False
        self._resting: dict[str, list[Callable[[], None]]] = {}
        self._turns = Turns(self, app.direct, threads)

    def head(self, url: bytes, headers: list[Header], peer: str | None) -> Head | None:
        """Look at the head of a POST; None where the long way is to be gone."""
        alike = [pair for pair in headers if pair[0] not in _VARIES]
        said = (url, peer, *alike)
        try:
            return self._heads[said]
        except KeyError:
            if len(self._heads) >= _MOST_KNOWN:
                self._heads.clear()
            head = self._heads[said] = self._read(url, dict(alike), len(alike), peer)
            return head

    def learn(self, whole: bytes, body: bytes, head: Head, headers: list[Header]) -> None:
        """Hear how a head is spelled, of a request that came as `whole`; one that never comes again is not learned."""
        spelling = whole[: len(whole) - len(body)]
        if len(spelling) > _LONGEST_LEARNED_BYTES or not spelling.endswith(b"\r\n\r\n") or not whole.endswith(body):
            return
        if spelling.count(b"\r\n\r\n") > 1 or any(name in _COMES_ONCE for name, _ in headers):
            return
        if len(self._learned) >= _MOST_KNOWN:
            self._learned.clear()
        self._learned[spelling, len(body), head.peer] = head

    def learned(self, spelling: bytes, length: int, peer: str | None) -> Head | None:
        """Give the head that is spelled so, over a body of this length."""
        return self._learned.get((spelling, length, peer))

    def _read(self, url: bytes, headers: Headers, count: int, peer: str | None) -> Head | None:
        called = _CALL.fullmatch(url)
        if called is None and url not in _MCP:
            return None
        door = self._app.door
        own = {one.lower().encode() for one in (door.tenant_header, door.header) if one}
        usual = headers.keys() <= _USUAL and own.isdisjoint(headers) and count == len(headers)
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        stays = headers.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        if not usual or not stays or (called is not None and JSON.match(kind) is None):
            return None
        scope = {"type": "http", "method": "POST", "client": (peer, 0)}
        try:
            self._gate.admit(scope, headers)
            shown = credentials_of(_of(headers, b"authorization"), [], peer)
        except InputError:
            return None
        behind_tls = self._gate.is_behind_tls(scope, headers)
        return Head(
            tool=None if called is None else called["tool"].decode(),
            root="" if called is None else (called["root"] or b"").decode(),
            shown=digest_of(shown),
            credentials=shown,
            peer=peer,
            gzips=takes_gzip(headers.get(b"accept-encoding", b"")),
            streams=accepts_stream(headers.items()),
            fixed=spelled([*([HSTS] if behind_tls else []), *ALWAYS]) + b"\r\n",
            mcp=single(headers.items()),
        )

    def rests(self, head: Head, then: Callable[[], None]) -> bool:
        """
        Have `then` called when it is known again who calls and what is held; False where it is known, or never was.

        After a moment's rest many come at once: one look is enough for all of them.
        """
        door, holds = self._app.door, self._app.guard.holds
        if (door.known(head.shown) is not None and holds.is_known) or not door.was_known(head.shown):
            return False
        resting = self._resting.setdefault(head.shown, [])
        resting.append(then)
        if len(resting) == 1:
            self._crew().give(
                partial(self._look, head.credentials), partial(self._known, head.shown), contextvars.Context()
            )
        return True

    def puts_off(self, turn: Turn, then: Callable[[], None]) -> bool:
        """Have `then` called in its turn of the loop, where a crowd calls a system and others are called too."""
        return self._turns.puts_off(turn, then)

    def _look(self, credentials: Credentials) -> None:
        self._app.door.renew(credentials)
        self._app.guard.holds.live()

    def _known(self, shown: str, result: object, error: BaseException | None) -> None:
        for then in self._resting.pop(shown):
            then()

    def take(self, line: Line, head: Head, headers: Sequence[Header], body: bytes) -> Passage | None:
        """Begin to answer a request, and tell its line; None, and nothing was done, where the long way is to be gone."""
        caller = self._app.door.known(head.shown)
        if caller is None or caller.tenants or caller.tenant is not None:
            return None
        self._renew(head)
        varying = {name: value for name, value in headers if name in _VARIES}
        passage = Passage(line, head, self._gate.id_of(varying), caller)
        passage.context.run(_stand_in, passage.known_as, varying.get(b"traceparent"))
        errand = self._mcp(passage, body) if head.tool is None else self._rest(passage, body)
        if errand is None:
            return None
        passage.errand = errand
        if not self._turns.take(passage):
            self.by_thread(passage, errand.whole)
        return passage

    def _renew(self, head: Head) -> None:
        """Have what is remembered for a moment looked at again before the moment is over: nobody waits for it."""
        door, holds = self._app.door, self._app.guard.holds
        if door.renews(head.shown):
            self._crew().give(partial(door.renew, head.credentials), _nothing, contextvars.Context())
        if holds.renews and not self._looks:
            self._looks = True
            self._crew().give(holds.renew, self._looked, contextvars.Context())

    def _looked(self, result: object, error: BaseException | None) -> None:
        self._looks = False

    def _crew(self) -> Crew:
        return self._threads.crew("", self._app.landscape)

    def by_thread(self, passage: Passage, work: Callable[[], Said]) -> None:
        """Have a request answered on a thread of the system that it calls."""
        passage.crew.give(work, partial(self._back, passage), passage.context)
        self._turns.left()

    def _back(self, passage: Passage, said: Said | None, error: BaseException | None) -> None:
        self._turns.back()
        self.ended(passage, said, error)

    def _mcp(self, passage: Passage, body: bytes) -> Errand | None:
        head, caller = passage.head, passage.caller
        try:
            asked = question_of(parsed(body), head.mcp)
        except Refused:
            return None
        if asked.method != "tools/call" or asked.id is None or (head.streams and asked.progress_token is not None):
            return None
        waiting = passage.waiting = Waiting()
        waiting.is_heard = True  # its line tells it
        self._running[waiting] = mark_of(asked.id, caller, head.peer), _nobody
        passage.find_crew = partial(crew_of, self._threads, self._toolbox, self._app, asked, caller)
        return ToolByMcp(self._toolbox, asked, caller, waiting, gzips=head.gzips, app=self._app)

    def _rest(self, passage: Passage, body: bytes) -> Errand | None:
        head = passage.head
        assert head.tool is not None
        try:
            said = parse_json(body)
        except DrawbarError:
            return None
        if not isinstance(said, dict) or not said.keys() <= {"arguments"}:
            return None
        arguments = said.get("arguments", {})
        if not isinstance(arguments, dict) or not self._counted(passage):
            return None
        passage.find_crew = partial(self._threads.crew, head.tool.partition(".")[0], self._app.landscape)
        return ToolByRest(self._app, head.tool, arguments, passage.caller, root=head.root, gzips=head.gzips)

    def _counted(self, passage: Passage) -> bool:
        """Count the request where that takes no look at the state."""
        minute = self._app.limits.minute(passage.caller)
        if minute is None:
            return True
        try:
            standing = minute.spend()
        except InputError:
            return False
        if standing is None:
            return False
        passage.more = rate_limit_spelled(standing)
        return True

    def ended(self, passage: Passage, said: Said | None, error: BaseException | None) -> None:
        """Write the answer."""
        if passage.waiting is not None:
            self._running.pop(passage.waiting, None)
            if (standing := passage.waiting.standing) is not None:
                passage.more = rate_limit_spelled(standing)
        if said is None:
            assert error is not None
            said = passage.context.run(_unexpected, error, passage.head)
        status, headers, body = said
        passage.line.replied(
            b"".join(
                (
                    *(_LINES.get(status) or _status_line(status), passage.line.always(), headers),
                    b"content-length: %d\r\nx-request-id: %b\r\n" % (len(body), passage.known_as.encode()),
                    *(passage.more, passage.head.fixed, body),
                )
            )
        )
        route = "/mcp" if passage.head.tool is None else "/tools/{name}/call"
        METER.time(HTTP_SECONDS, time.perf_counter() - passage.began, "POST", route, str(status))


def _stand_in(known_as: str, parent: bytes | None) -> None:
    """Say in which request a context is."""
    REQUEST.set(known_as)
    PARENT.set(traceparent_of(parent))


def _nothing(result: object, error: BaseException | None) -> None:
    """Hear what nobody waits for."""


async def _nobody() -> Any:
    raise AssertionError("its line tells of its end")


def _of(headers: Headers, name: bytes) -> list[str]:
    return [headers[name].decode("latin-1")] if name in headers else []


def _unexpected(error: BaseException, head: Head) -> Said:
    doing = "mcp tools/call" if head.tool is None else f"POST {head.root}/tools/{head.tool}/call"
    return of_response(problems.respond(*problems.unexpected(error, doing)))


def _status_line(status: int) -> bytes:
    return _LINES.setdefault(status, f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
