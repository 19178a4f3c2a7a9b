"""MCP over stdin and stdout: a JSON text each line; calls are answered when they are done, in any order."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

import orjson

from ...core.pulse import Pulse
from .dialogue import parsed, written
from .toolbox import Toolbox
from .waiting import BEAT_S, Waiting
from .wire import PARSE_ERROR, Question, Refused, question_of

if TYPE_CHECKING:
    from ...app import App
    from ...core.access import Caller

_THREADS = 64
_MAX_LINE_BYTES = 1_000_000


def serve_stdio(app: App, caller: Caller, given: BinaryIO, said: BinaryIO, *, only_preview: bool = False) -> None:
    """Answer until the input ends; calls that run then are answered first."""
    toolbox = Toolbox(app, only_preview=only_preview)
    writing = threading.Lock()
    running: dict[str | int, Waiting] = {}

    def write(message: bytes) -> None:
        with writing:
            said.write(message + b"\n")
            said.flush()

    def tell(message: object) -> None:
        write(orjson.dumps(message))

    def ask(asked: Question, waiting: Waiting) -> None:
        assert asked.id is not None
        message, _ = written(toolbox, asked, caller, waiting)
        if running.get(asked.id) is waiting:
            del running[asked.id]
        if not waiting.is_taken_back:
            write(message)

    def beat() -> None:
        for waiting in list(running.values()):
            waiting.beat()

    pulse = Pulse("mcp-progress", BEAT_S, beat).start()
    with ThreadPoolExecutor(_THREADS, "drawbar-mcp") as pool:
        while line := given.readline(_MAX_LINE_BYTES + 1):
            try:
                asked = _read(line, given)
            except Refused as error:
                tell(error.as_json())
                continue
            if asked is None:
                continue
            if asked.method == "notifications/cancelled":
                _take_back(running, asked)
            elif asked.id is not None:
                waiting = running[asked.id] = Waiting(asked.progress_token, tell)
                pool.submit(ask, asked, waiting)
    pulse.stop()


def _take_back(running: Mapping[str | int, Waiting], asked: Question) -> None:
    known_as = asked.params.get("requestId")
    if isinstance(known_as, (str, int)) and (waiting := running.get(known_as)) is not None:
        waiting.take_back()


def _read(line: bytes, given: BinaryIO) -> Question | None:
    if len(line) > _MAX_LINE_BYTES:
        while line and not line.endswith(b"\n"):
            line = given.readline(_MAX_LINE_BYTES)
        raise Refused(PARSE_ERROR, f"a message is longer than {_MAX_LINE_BYTES} bytes")
    if not line.strip():
        return None
    return question_of(parsed(line))
