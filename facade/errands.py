"""
What the short way does with a request: a call of MCP, and one of REST.

`whole` is all of it, on a thread. Where `tool` is named, `begin` may begin it without one: then `answer` or `rest` writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from ..config.secrets import scrub_values
from ..core.errors import DrawbarError
from ..core.values import write_json
from . import problems
from .mcp.dialogue import TENANT, unexpected, written
from .outgoing import GZIP_FLOOR_BYTES, Header, gzipped

if TYPE_CHECKING:
    from ..app import App
    from ..core.access import Caller
    from ..core.begun import Begun
    from ..core.guard import Answer
    from ..core.shown import Json
    from .mcp.toolbox import Toolbox
    from .mcp.waiting import Waiting
    from .mcp.wire import Question

Said = tuple[int, bytes, bytes]
"""A status, headers as they are sent, and the body."""
_JSON = b"content-type: application/json\r\n"
_CODED = b"content-encoding: gzip\r\nvary: Accept-Encoding\r\n"


class Errand(Protocol):
    """One request."""

    @property
    def tool(self) -> str | None:
        """Name the tool that is called, where that is known and it might be begun without a thread."""

    def whole(self) -> Said: ...

    def begin(self) -> Begun | Said | None:
        """Begin it; the answer where that is known by now, None where it is for `whole`."""

    def answer(self, begun: Begun) -> Said | None:
        """Write the answer of what ended; None where that is long, and for `rest`."""

    def rest(self, begun: Begun) -> Said: ...


class ToolByMcp:
    """`tools/call`; `gzips` says that its client reads compressed answers."""

    def __init__(
        self, toolbox: Toolbox, asked: Question, caller: Caller, waiting: Waiting, *, gzips: bool, app: App
    ) -> None:
        self._app = app
        self._toolbox = toolbox
        self._asked = asked
        self._caller = caller
        self._waiting = waiting
        self._gzips = gzips
        self._given: Answer | None = None
        name, arguments = asked.params.get("name"), asked.params.get("arguments")
        self._arguments: dict[str, Any] = arguments if isinstance(arguments, dict) else {}
        self.tool = None
        if isinstance(name, str) and (arguments is None or isinstance(arguments, dict)) and not _names_tenant(asked):
            self.tool = toolbox.plain(name, self._arguments, caller)

    def whole(self) -> Said:
        body, status = written(self._toolbox, self._asked, self._caller, self._waiting)
        return coded(status, _JSON, body, gzips=self._gzips)

    def begin(self) -> Begun | Said | None:
        assert self.tool is not None
        try:
            minute = self._app.limits.minute(self._caller)
            if minute is not None and not self._waiting.counts(minute.spend, minute.total):
                return None
            return self._app.direct.begin(self.tool, self._arguments, caller=self._caller, asker=self._waiting.asker())
        except DrawbarError as error:
            return self._written(self._toolbox.failed(error))
        except Exception as error:  # the others go on
            return self._unexpected(error)

    def answer(self, begun: Begun) -> Said | None:
        try:
            self._given = begun.answer()
            short = self._toolbox.short(self._given)
        except DrawbarError as error:
            short = self._toolbox.failed(error)
        except Exception as error:  # the others go on
            return self._unexpected(error)
        return None if short is None else self._written(short)

    def rest(self, begun: Begun) -> Said:
        assert self.tool is not None
        try:
            given = self._given or begun.rest()
            answer = self._toolbox.long(given, self._caller, self.tool)
        except DrawbarError as error:
            answer = self._toolbox.failed(error)
        except Exception as error:  # the outermost loop of a call
            return self._unexpected(error)
        return self._written(answer)

    def _written(self, answer: Json) -> Said:
        try:
            return coded(200, _JSON, orjson.dumps(self._asked.answer(answer)), gzips=self._gzips)
        except Exception as error:  # the outermost loop of a call
            return self._unexpected(error)

    def _unexpected(self, error: Exception) -> Said:
        return 200, _JSON, orjson.dumps(self._asked.refused(unexpected(error, self._asked)))


class ToolByRest:
    """`POST /tools/{name}/call`; `root` is what its path began with."""

    def __init__(
        self, app: App, tool: str, arguments: dict[str, Any], caller: Caller, *, root: str, gzips: bool
    ) -> None:
        self.tool = tool
        self._app = app
        self._arguments = arguments
        self._caller = caller
        self._root = root
        self._gzips = gzips

    def whole(self) -> Said:
        return self._said(lambda: self._app.direct.call(self.tool, self._arguments, caller=self._caller))

    def begin(self) -> Begun | Said | None:
        try:
            return self._app.direct.begin(self.tool, self._arguments, caller=self._caller)
        except DrawbarError as error:
            return of_error(error)

    def answer(self, begun: Begun) -> Said | None:
        return self._said(begun.answer)

    def rest(self, begun: Begun) -> Said:
        return self._said(begun.rest)

    def _said(self, make: Callable[[], Answer]) -> Said:
        try:
            answer = make()
        except DrawbarError as error:
            return of_error(error)
        if answer.state == "waiting":
            place = spelled([(b"location", f"{self._root}/approvals/{answer.id}".encode())])
            return 202, _JSON + place, write_json({"status": "waiting", "id": answer.id})
        body = write_json(scrub_values({"result": answer.result, "id": answer.id}))
        return coded(200, _JSON, body, gzips=self._gzips)


def coded(status: int, headers: bytes, body: bytes, *, gzips: bool) -> Said:
    """Give an answer, compressed where that pays."""
    if not gzips or len(body) < GZIP_FLOOR_BYTES:
        return status, headers, body
    return status, headers + _CODED, gzipped(body)


def of_error(error: DrawbarError) -> Said:
    return of_response(problems.respond(*problems.of_error(error)))


def of_response(response: Any) -> Said:
    headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    return response.status_code, spelled(headers), response.body


def spelled(headers: list[Header]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def _names_tenant(asked: Question) -> bool:
    meta = asked.params.get("_meta")
    return isinstance(meta, dict) and TENANT in meta
