"""MCP over stdin and stdout: a JSON text each line; calls are answered when they are done, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from ..core.pulse import Pulse
from ..core.tenants import OF
from .ahead import Turn, Turns
from .errands import ToolByMcp
from .hands import Hands, Work
from .lines import Heard, Said
from .mcp.dialogue import is_short, parsed, written
from .mcp.toolbox import Toolbox
from .mcp.waiting import BEAT_S, Waiting
from .mcp.wire import PARSE_ERROR, Question, Refused, batch_of, question_in_batch, question_of
from .threads import SYSTEM_THREADS

if TYPE_CHECKING:
    from ..app import App
    from ..core.access import Caller

_MAX_LINE_BYTES = 1_000_000


def serve_stdio(
    app: App,
    caller: Caller,
    given: BinaryIO,
    said: BinaryIO,
    *,
    only_preview: bool = False,
    stop: int | None = None,
) -> None:
    """Answer until the input ends, or `stop` can be read; calls that run then are answered first."""
    talk = _Talk(app, caller, given, said, only_preview=only_preview, stop=stop)
    pulse = Pulse("mcp-progress", BEAT_S, talk.beat).start()
    try:
        Hands("mcp", talk.read, talk.threads_of).run()
    finally:
        pulse.stop()


class _Talk:
    """What one client says, and what it is answered."""

    def __init__(
        self, app: App, caller: Caller, given: BinaryIO, said: BinaryIO, *, only_preview: bool, stop: int | None
    ) -> None:
        self._app = app
        self._landscape = app.landscape
        self._caller = caller
        self._toolbox = Toolbox(app, only_preview=only_preview)
        self._heard = Heard(given.fileno(), _MAX_LINE_BYTES)
        self._said = Said(said.fileno())
        self._running: dict[str | int, Waiting] = {}
        self._turns = Turns(app, given.fileno(), stop)

    def read(self) -> Sequence[Work] | None:
        """Wait for messages; give the calls among them that need a thread, and None at the end."""
        while True:
            hears, heard = self._turns.wait()
            lines = self._heard.more() if hears else ()
            if lines is None:
                self._turns.ended = True
            with self._said:
                works = self._turns.go_on(heard)
                works += [work for line in lines or () for work in self._understood(line)]
            self._turns.note()
            if works:
                return works
            if self._turns.ended and not self._turns:
                return None

    def threads_of(self, system: str) -> int:
        landscape = self._landscape
        return max(landscape.config(system).budget.concurrency, SYSTEM_THREADS) if system else SYSTEM_THREADS

    def beat(self) -> None:
        for waiting in list(self._running.values()):
            waiting.beat()

    def _understood(self, line: bytes | None) -> list[Work]:
        """Read a line; give the calls in it that a thread is to make. Those of a batch are answered each for itself."""
        works: list[Work | None] = []
        try:
            messages, read = _messages(line)
        except Refused as error:
            self._tell(error.as_json())
            return []
        for message in messages:
            try:
                asked = read(message)
            except Refused as error:
                self._tell(error.as_json())
            else:
                works.append(self._asked(asked))
        return [work for work in works if work is not None]

    def _asked(self, asked: Question) -> Work | None:
        """Answer a request, or give the work that answers it."""
        if asked.method == "notifications/cancelled":
            self._take_back(asked)
        if asked.id is None:
            return None
        if is_short(asked):
            self._said.write(written(self._toolbox, asked, self._caller, Waiting())[0])
            return None
        token = asked.progress_token
        waiting = self._running[asked.id] = Waiting(token, self._tell)
        if asked.method == "tools/call" and token is None:
            errand = ToolByMcp(self._toolbox, asked, self._caller, waiting, gzips=False, app=self._app)
            if errand.tool is not None:
                system = errand.tool.partition(".")[0] if self._caller.tenant is None else self._system_of(asked)
                return self._turns.take(Turn(errand, system, self._caller, partial(self._said_of, asked, waiting)))
        return self._system_of(asked), partial(self._answer, asked, waiting)

    def _system_of(self, asked: Question) -> str:
        """Name the system that a call is for, so that one that is slow holds up no other."""
        if asked.method != "tools/call":
            return ""
        arguments = asked.params.get("arguments")
        name = self._toolbox.system_of(str(asked.params.get("name")), arguments if isinstance(arguments, dict) else {})
        if self._caller.tenant is not None and f"{name}{OF}{self._caller.tenant}" in self._landscape.systems():
            return f"{name}{OF}{self._caller.tenant}"
        return name if name in self._landscape.systems() else ""

    def _answer(self, asked: Question, waiting: Waiting) -> None:
        self._said_of(asked, waiting, written(self._toolbox, asked, self._caller, waiting)[0])

    def _said_of(self, asked: Question, waiting: Waiting, message: bytes) -> None:
        assert asked.id is not None
        if self._running.get(asked.id) is waiting:
            del self._running[asked.id]
        if not waiting.is_taken_back:
            self._said.write(message)

    def _take_back(self, asked: Question) -> None:
        known_as = asked.params.get("requestId")
        if isinstance(known_as, (str, int)) and (waiting := self._running.get(known_as)) is not None:
            waiting.take_back()

    def _tell(self, message: object) -> None:
        self._said.write(orjson.dumps(message))


def _messages(line: bytes | None) -> tuple[list[Any], Callable[[Any], Question]]:
    """Give the messages of a line, and how each is read. Raises Refused."""
    if line is None:
        raise Refused(PARSE_ERROR, f"a message is longer than {_MAX_LINE_BYTES} bytes")
    if not line.strip():
        return [], question_of
    sent = parsed(line)
    batch = batch_of(sent)
    return ([sent], question_of) if batch is None else (batch, question_in_batch)
