"""MCP over stdin and stdout: a JSON text each line; calls are answered when they are done, in any order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

import orjson

from .dialogue import answer, parsed, unexpected
from .toolbox import Toolbox
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
    cancelled: set[str | int] = set()

    def write(message: object) -> None:
        with writing:
            said.write(orjson.dumps(message) + b"\n")
            said.flush()

    def ask(asked: Question) -> None:
        try:
            message = asked.answer(answer(toolbox, asked, caller))
        except Refused as error:
            message = asked.refused(error)
        except Exception as error:  # the outermost loop of a call: the others go on
            message = asked.refused(unexpected(error, asked))
        if asked.id not in cancelled:
            write(message)

    with ThreadPoolExecutor(_THREADS, "drawbar-mcp") as pool:
        while line := given.readline(_MAX_LINE_BYTES + 1):
            try:
                asked = _read(line, given)
            except Refused as error:
                write(error.as_json())
                continue
            if asked is None:
                continue
            if asked.method == "notifications/cancelled":
                # What was sent to a system cannot be called back: it ends, and nobody hears of it here.
                cancelled.add(asked.params.get("requestId", ""))
            elif asked.id is not None:
                cancelled.discard(asked.id)
                pool.submit(ask, asked)


def _read(line: bytes, given: BinaryIO) -> Question | None:
    if len(line) > _MAX_LINE_BYTES:
        while line and not line.endswith(b"\n"):
            line = given.readline(_MAX_LINE_BYTES)
        raise Refused(PARSE_ERROR, f"a message is longer than {_MAX_LINE_BYTES} bytes")
    if not line.strip():
        return None
    return question_of(parsed(line))
