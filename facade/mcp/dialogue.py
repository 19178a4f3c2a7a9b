"""One question and its answer, whatever carried them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.access import Caller
from ...core.errors import DrawbarError
from ...core.values import parse_json
from .. import problems
from .own import INSTRUCTIONS
from .toolbox import Toolbox
from .wire import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    NOT_CACHED,
    PARSE_ERROR,
    Question,
    Refused,
    discovered,
    initialized,
)

_PAGE = 50


def parsed(text: bytes) -> Any:
    """Read the JSON of a message. Raises Refused."""
    try:
        return parse_json(text)
    except DrawbarError as error:
        raise Refused(PARSE_ERROR, f"Parse error: {error.message}") from error


def unexpected(error: Exception, asked: Question | None) -> Refused:
    """Log what nobody expected, under an id that the answer names."""
    _, problem = problems.unexpected(error, f"mcp {asked.method if asked else ''}")
    return Refused(INTERNAL_ERROR, problem["detail"], {"id": problem["id"]})


def is_short(asked: Question) -> bool:
    """Tell whether it is answered from memory, so that it needs no thread."""
    return asked.method in {"initialize", "server/discover", "ping"}


def answer(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    """Give the result of a request. Raises Refused."""
    match asked.method, asked.is_modern:
        case "tools/call", _:
            return _called(toolbox, asked.params, caller)
        case "tools/list", _:
            return _listed(toolbox, asked, caller)
        case "initialize", False:
            return initialized(asked.params, INSTRUCTIONS)
        case "server/discover", True:
            return discovered(INSTRUCTIONS)
        case "ping", False:
            return {}
    raise Refused(METHOD_NOT_FOUND, f"there is no method {asked.method[:100]!r}")


def _called(toolbox: Toolbox, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments")
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise Refused(INVALID_PARAMS, "name must be a string and arguments an object")
    try:
        return toolbox.call(name, arguments, caller)
    except KeyError:
        raise Refused(INVALID_PARAMS, f"Unknown tool: {name[:100]!r}") from None


def _listed(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    """List tools page by page; the cursor is the name of the last one."""
    tools = toolbox.tools(caller)
    cursor = asked.params.get("cursor")
    names = [tool["name"] for tool in tools]
    if cursor is not None and cursor not in names:
        raise Refused(INVALID_PARAMS, "there is no such cursor: begin again without one")
    start = 0 if cursor is None else names.index(cursor) + 1
    page = tools[start : start + _PAGE]
    said: dict[str, Any] = {"tools": page, **(NOT_CACHED if asked.is_modern else {})}
    return {**said, "nextCursor": page[-1]["name"]} if start + _PAGE < len(tools) else said
