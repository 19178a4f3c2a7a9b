"""What an agent's model is offered: the tools that the agent may call, and a few of Drawbar's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .access import Caller
from .agents_model import Tool
from .catalogue import Catalogue
from .context import Context
from .cutting import cut
from .errors import InputError
from .guard import Guard
from .landscape import Bound
from .shown import CODE, name_of
from .store.journal import Connection
from .values import parse_json, to_json

MAX_LISTED = 100
"""More tools than these are found by search: every tool costs the model's attention at every step."""
_MAX_FOUND = 30
_TEXT = {"type": "string"}
_VALUE = {"description": "Any JSON value."}
_NAME = {"type": "string", "description": "The tool's name, as drawbar_search gives it."}
_ARGUMENTS = {"type": "object", "description": "Its arguments, by its schema."}
_PLACE = {"scope": _TEXT, "key": _TEXT}


def _tool(name: str, description: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> Tool:
    properties = {**required, **(optional or {})}
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return Tool(name, description, schema)


MORE = _tool("drawbar_more", "Read on in a result that was truncated. Changes nothing.", {"next": _TEXT})
PREVIEW = _tool(
    "drawbar_preview",
    f"Show exactly what a call would send, and get a one-use code for it (its {CODE}). Changes nothing.",
    {"name": _NAME},
    {"arguments": _ARGUMENTS},
)
WRITES = "drawbar_context_put"
DOCUMENTS = (
    _tool("drawbar_context_list", "List the shared documents of a scope. Changes nothing.", {"scope": _TEXT}),
    _tool(
        "drawbar_context_get",
        "Read a shared document, with its version. Changes nothing.",
        _PLACE,
        {"version": {"type": "integer"}},
    ),
    _tool(
        WRITES,
        "Write a shared document. Give the version that you have read; leave it out to make a new one.",
        {**_PLACE, "value": _VALUE},
        {"version": {"type": "integer"}},
    ),
)
FINDERS = (
    _tool(
        "drawbar_search",
        f"Find tools by words of their names and descriptions; {_MAX_FOUND} at most. Changes nothing.",
        {"q": _TEXT},
    ),
    _tool("drawbar_describe", "Read what a tool does and takes. Changes nothing.", {"name": _NAME}),
    _tool("drawbar_call", "Call a tool by its name.", {"name": _NAME}, {"arguments": _ARGUMENTS, CODE: _TEXT}),
)


@dataclass(frozen=True, slots=True)
class Outside:
    """A call of a tool of the landscape."""

    tool: str
    arguments: dict[str, Any]
    code: str | None


@dataclass(frozen=True, slots=True)
class Inside:
    """What one of Drawbar's own tools gives, in the unit that keeps it: it is done once."""

    do: Callable[[Connection], dict[str, Any]]


Result = Callable[[str], Any]
"""Gives what the run of an earlier call gave."""
Own = Callable[[Any, Caller, Result], Inside]


def documents_for(caller: Caller) -> list[Tool]:
    """Give the tools for shared documents that a caller has: none where its configuration names no scopes."""
    if caller.context is None:
        return []
    return [one for one in DOCUMENTS if caller.context.write or one.name != WRITES]


class AgentTools:
    """Names tools as models do, and finds what a model means."""

    def __init__(self, catalogue: Catalogue, guard: Guard, context: Context) -> None:
        self._catalogue = catalogue
        self._guard = guard
        self._context = context

    def offered(self, caller: Caller) -> list[Tool]:
        """Give what this agent's model may call now."""
        found = self._catalogue.offered(caller)
        listed = [self._as_tool(one, caller) for one in found] if len(found) <= MAX_LISTED else list(FINDERS)
        listed += documents_for(caller)
        if caller.confirm:
            listed.append(PREVIEW)
        return [*listed, MORE] if found else listed

    def meant(
        self, name: str, arguments: str, caller: Caller, result: Result, open_: Callable[[Any], Any]
    ) -> Outside | Inside:
        """
        Say what a call means; `open_` takes out of a document what others must not see.

        Raises InputError for what cannot be called, or is no object of JSON.
        """
        given = _object(arguments)
        if name == "drawbar_call":
            inner = given.get("arguments") or {}
            if not isinstance(inner, dict):
                raise InputError("arguments must be an object", field="arguments")
            name, given = _text(given, "name"), {**inner, **{key: given[key] for key in (CODE,) if key in given}}
        if (own := self._own(caller).get(name)) is not None:
            return own(
                {**given, "value": open_(given["value"])} if name == WRITES and "value" in given else given,
                caller,
                result,
            )
        tool = self._named(name, caller)
        code = given.pop(CODE, None)
        return Outside(tool, given, str(code) if code is not None else None)

    def document(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Inside:
        """Say what a call of one of the tools for documents does."""
        return self._documents()[name](arguments, caller, _nothing)

    def _documents(self) -> Mapping[str, Own]:
        return {"drawbar_context_list": self._list, "drawbar_context_get": self._get, WRITES: self._put}

    def _own(self, caller: Caller) -> Mapping[str, Own]:
        own: dict[str, Own] = {
            "drawbar_more": self._more,
            "drawbar_search": self._search,
            "drawbar_describe": self._describe,
        }
        if caller.confirm:
            own["drawbar_preview"] = self._preview
        documents = self._documents()
        return own | {one.name: documents[one.name] for one in documents_for(caller)}

    def _as_tool(self, bound: Bound, caller: Caller) -> Tool:
        shown = self._catalogue.as_tool(bound, caller)
        return Tool(shown["name"], shown["description"], to_json(shown["inputSchema"]))

    def _named(self, name: str, caller: Caller) -> str:
        """Give a tool's own name; what the agent may not see is as unknown as what there is not."""
        for one in self._catalogue.offered(caller):
            if name in {self._catalogue.named(one.name), one.name}:
                return one.name
        raise InputError(f"there is no tool {name[:100]!r} for you", reason="not_found", next="use the tools you have")

    def _more(self, given: Any, caller: Caller, result: Result) -> Inside:
        key, _, start = _text(given, "next").rpartition("/")
        if not start.isdigit():
            raise InputError("there is nothing by this `next`", reason="not_found", field="next")
        rows, following = cut(result(key), int(start))
        return Inside(lambda conn: truncated({"result": rows}, key, following))

    def _preview(self, given: Any, caller: Caller, result: Result) -> Inside:
        shown = self._guard.preview(self._named(_text(given, "name"), caller), given.get("arguments") or {}, caller)
        return Inside(lambda conn: {"result": {"would": to_json(shown["would"]), "code": shown["code"]}})

    def _search(self, given: Any, caller: Caller, result: Result) -> Inside:
        found = self._catalogue.offered(caller, q=_text(given, "q"))
        shown = [
            {"name": self._catalogue.named(one.name), "effect": one.effect, "description": one.description[:200]}
            for one in found[:_MAX_FOUND]
        ]
        return Inside(lambda conn: {"result": {"tools": shown, "found": len(found)}})

    def _describe(self, given: Any, caller: Caller, result: Result) -> Inside:
        wanted = self._named(_text(given, "name"), caller)
        [bound] = [one for one in self._catalogue.offered(caller) if one.name == wanted]
        tool = self._as_tool(bound, caller)
        return Inside(lambda conn: {"result": {"description": tool.description, "arguments": tool.parameters}})

    def _list(self, given: Any, caller: Caller, result: Result) -> Inside:
        scope = _text(given, "scope")
        caller.reads(scope)
        page = self._context.page(scope, limit=200)
        shown = [{"key": one.key, "version": one.version} for one in page]
        return Inside(lambda conn: {"result": {"documents": shown}})

    def _get(self, given: Any, caller: Caller, result: Result) -> Inside:
        scope, key = _text(given, "scope"), _text(given, "key")
        caller.reads(scope)
        found = self._context.get(scope, key, version=_number(given, "version"))
        return Inside(lambda conn: {"result": {"value": to_json(found.value), "version": found.version}})

    def _put(self, given: Any, caller: Caller, result: Result) -> Inside:
        scope, key, version = _text(given, "scope"), _text(given, "key"), _number(given, "version")
        if "value" not in given:
            raise InputError("value is missing", field="value")
        caller.writes(scope)

        def do(conn: Connection) -> dict[str, Any]:
            put = self._context.put_in(conn, scope, key, given["value"], expect=version or 0, by=caller.name)
            return {"result": {"version": put.version}}

        return Inside(do)


def _nothing(key: str) -> Any:
    raise InputError("there is nothing by this `next`", reason="not_found", field="next")


def truncated(said: dict[str, Any], key: str, following: int | None) -> dict[str, Any]:
    """Say that there is more, and how it is asked for."""
    return said if following is None else {**said, "truncated": True, "next": f"{key}/{following}"}


def marked(tool: str, said: Any) -> str:
    """Write what came of a call so that nothing in it can be taken for an instruction, nor end the mark."""
    text = json.dumps(said, ensure_ascii=False).replace("<", "\\u003c")
    return f'<tool_output tool="{name_of(tool)}">\n{text}\n</tool_output>'


def _object(arguments: str) -> dict[str, Any]:
    given = parse_json(arguments, what="arguments") if arguments.strip() else {}
    if not isinstance(given, dict):
        raise InputError("arguments must be a JSON object", field="arguments")
    return given


def _text(given: Any, field: str) -> str:
    found = given.get(field)
    if not isinstance(found, str) or not found:
        raise InputError(f"{field} is missing, or no text", field=field)
    return found


def _number(given: Any, field: str) -> int | None:
    found = given.get(field)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 1):
        raise InputError(f"{field} is a number from 1 on", field=field)
    return found
