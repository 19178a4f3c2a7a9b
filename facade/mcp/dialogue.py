"""One question and its answer, whatever carried them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from ...core.access import Caller
from ...core.errors import DrawbarError
from ...core.values import parse_json
from .. import problems
from .own import INSTRUCTIONS
from .toolbox import Toolbox
from .waiting import Waiting
from .wire import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    NO_RESOURCE,
    NOT_CACHED,
    PARSE_ERROR,
    Question,
    Refused,
    discovered,
    initialized,
)

_PAGE = 50
TENANT = "drawbar/tenant"
"""The key of `_meta` that names the tenant, where systems have some."""


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
    return asked.method in {"initialize", "server/discover", "ping", "prompts/list", "resources/templates/list"}


def answer(toolbox: Toolbox, asked: Question, caller: Caller, waiting: Waiting) -> dict[str, Any]:
    """Give the result of a request. Raises Refused."""
    caller = _for_tenant(asked.params, caller)
    if asked.method == "tools/call":
        return _called(toolbox, asked.params, caller, waiting)
    if (cached := _CACHED.get(asked.method)) is not None:
        said = cached(toolbox, asked, caller)
        return {**said, **NOT_CACHED} if asked.is_modern else said
    match asked.method, asked.is_modern:
        case "initialize", False:
            return initialized(asked.params, INSTRUCTIONS)
        case "server/discover", True:
            return discovered(INSTRUCTIONS)
        case "ping", False:
            return {}
        case "prompts/get", _:
            raise Refused(INVALID_PARAMS, "there is no prompt of this name")
    raise Refused(METHOD_NOT_FOUND, f"there is no method {asked.method[:100]!r}")


def _for_tenant(params: Mapping[str, Any], caller: Caller) -> Caller:
    """Give the caller as it calls for the tenant that the request names, beside or instead of a header."""
    meta = params.get("_meta")
    tenant = meta.get(TENANT) if isinstance(meta, dict) else None
    if tenant is None:
        return caller
    if not isinstance(tenant, str) or caller.tenant not in {None, tenant}:
        raise Refused(INVALID_PARAMS, f"_meta.{TENANT} is another tenant than the request's")
    try:
        return caller.of_tenant(tenant, f"_meta.{TENANT}")
    except DrawbarError as error:
        raise Refused(INVALID_PARAMS, error.message) from None


def written(toolbox: Toolbox, asked: Question, caller: Caller, waiting: Waiting) -> tuple[bytes, int]:
    """Give the whole message that answers a request, and the status that HTTP has for it."""
    try:
        return orjson.dumps(asked.answer(answer(toolbox, asked, caller, waiting))), 200
    except Refused as error:
        return orjson.dumps(asked.refused(error)), error.status if asked.is_modern else 200
    except Exception as error:  # the outermost loop of a call: the others go on
        return orjson.dumps(asked.refused(unexpected(error, asked))), 200


def _called(toolbox: Toolbox, params: Mapping[str, Any], caller: Caller, waiting: Waiting) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments")
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise Refused(INVALID_PARAMS, "name must be a string and arguments an object")
    try:
        return toolbox.call(name, arguments, caller, waiting)
    except KeyError:
        near = toolbox.near(name, caller).strip()
        raise Refused(INVALID_PARAMS, f"Unknown tool: {name[:100]!r}{near and '; '}{near}") from None


def _listed(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    """List tools page by page; the cursor is the name of the last one."""
    tools = toolbox.tools(caller)
    cursor = asked.params.get("cursor")
    names = [tool["name"] for tool in tools]
    if cursor is not None and cursor not in names:
        raise Refused(INVALID_PARAMS, "there is no such cursor: begin again without one")
    start = 0 if cursor is None else names.index(cursor) + 1
    page = tools[start : start + _PAGE]
    return {"tools": page, **({"nextCursor": page[-1]["name"]} if start + _PAGE < len(tools) else {})}


def _resources(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    return {"resources": [one for shelf in toolbox.shelves for one in shelf.resources(caller)]}


def _templates(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    return {"resourceTemplates": [one for shelf in toolbox.shelves for one in shelf.templates()]}


def _read(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    uri = asked.params.get("uri")
    if not isinstance(uri, str):
        raise Refused(INVALID_PARAMS, "uri must be a string")
    try:
        for shelf in toolbox.shelves:
            if (found := shelf.read(uri, caller)) is not None:
                return {"contents": [found]}
        said = "there is no resource at this URI"
    except DrawbarError as error:
        said = error.message
    raise Refused(INVALID_PARAMS if asked.is_modern else NO_RESOURCE, said, {"uri": uri[:500]})


def _prompts(toolbox: Toolbox, asked: Question, caller: Caller) -> dict[str, Any]:
    return {"prompts": []}


_CACHED: Mapping[str, Callable[[Toolbox, Question, Caller], dict[str, Any]]] = {
    "tools/list": _listed,
    "resources/list": _resources,
    "resources/templates/list": _templates,
    "resources/read": _read,
    "prompts/list": _prompts,
}
"""What a client of 2026-07-28 may cache, and is told not to: it depends on who asks."""
