"""Tools as agents see them: names that are legal everywhere, descriptions of one form, schemas and hints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.access import Caller
from ...core.hours import Hours
from ...core.landscape import Bound
from ...core.values import to_json

Json = dict[str, Any]
MAX_NAME = 64
CODE = "confirmation_code"
INSTRUCTIONS = (
    "Tools of systems that cannot be replaced. Effects: a read changes nothing; an idempotent call may be repeated; a write "
    "happens once and may not be taken back. An error says in `happened` whether anything was done: after `unknown` do not call "
    "again. `waiting` means that another person must approve: ask drawbar_status with the id. A result with `truncated` goes on "
    "with drawbar_more. Decimals and wide integers are strings."
)
_EFFECTS = {
    "read": "Changes nothing.",
    "idempotent": "Changes something; repeating it does no more.",
    "write": "Changes something, every time that it is called.",
}


def name_of(tool: str) -> str:
    """Give a tool's name as MCP clients and models take it: letters, digits and `_`, 64 at most."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in tool)
    if len(plain) <= MAX_NAME:
        return plain
    return f"{plain[: MAX_NAME - 9]}_{hashlib.sha256(tool.encode()).hexdigest()[:8]}"


def description_of(bound: Bound, caller: Caller, hours: Hours | None = None) -> str:
    """Say in one form what it does, what follows, what it needs first, and when it answers."""
    parts = [bound.description.strip().rstrip(".") + ".", _EFFECTS[bound.effect]]
    if bound.effect != "read" and bound.rules.key is not None:
        parts.append("The same case again gives the first answer.")
    if bound.rules.approval is not None or bound.effect in caller.approval:
        parts.append("Another person may have to approve it first; it then answers waiting.")
    if bound.effect in caller.confirm:
        parts.append(f"Call drawbar_preview first, and this with its code as {CODE}.")
    if hours is not None:
        said = f"open {', '.join(hours.open)}" if hours.open else f"closed {', '.join(hours.closed)}"
        parts.append(f"Its system is {said} ({hours.timezone}).")
    return " ".join(parts)


def as_tool(bound: Bound, caller: Caller, hours: Hours | None = None) -> dict[str, Any]:
    """Write a tool as `tools/list` does."""
    schema: dict[str, Any] = {"type": "object", "properties": {}, **bound.input_schema}
    schema.setdefault("additionalProperties", False)
    if bound.effect in caller.confirm:
        code = {"type": "string", "description": "The code of drawbar_preview with the same arguments."}
        schema["properties"] = {**schema["properties"], CODE: code}
    if bound.rules.examples:
        schema["examples"] = [to_json(one.get("arguments", one)) for one in bound.rules.examples]
    return {
        "name": name_of(bound.name),
        "title": bound.name,
        "description": description_of(bound, caller, hours),
        "inputSchema": schema,
        "outputSchema": _output_schema(bound.tool.output_schema),
        "annotations": {
            "title": bound.name,
            "readOnlyHint": bound.effect == "read",
            "destructiveHint": bound.effect == "write",
            "idempotentHint": bound.effect != "write" or bound.rules.key is not None,
            "openWorldHint": True,
        },
    }


def _output_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give the schema of what a call answers: the result, or that it waits."""
    inner = {key: value for key, value in schema.items() if key not in {"$schema", "$defs", "$id"}}
    said: Json = {
        "type": "object",
        "properties": {
            "status": {"enum": ["done", "waiting", "preview"]},
            "result": {"anyOf": [inner, {"type": "array"}]},
            "id": {"type": "string"},
            "as_of": {"type": "string"},
            "truncated": {"type": "boolean"},
            "next": {"type": "string"},
            "would": {},
            "code": {"type": "string"},
        },
        "required": ["status"],
    }
    return {**said, "$defs": schema["$defs"]} if "$defs" in schema else said


def _own(name: str, description: str, properties: Mapping[str, Any], required: Sequence[str], **hints: bool) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    annotations = {"readOnlyHint": True, "openWorldHint": False, **hints}
    return {"name": name, "description": description, "inputSchema": schema, "annotations": annotations}


_STRING = {"type": "string"}
_TOOL_NAME = {"type": "string", "description": "The tool's name, as drawbar_search gives it."}
_ARGUMENTS = {"type": "object", "description": "Its arguments, by its input schema."}
_CODE = {"type": "string", "description": "The code of drawbar_preview with the same arguments, where it is needed."}
OWN: list[Json] = [
    _own(
        "drawbar_status",
        "Ask what became of a call that answered waiting. Changes nothing.",
        {"id": {"type": "string", "description": "The id that the call answered."}},
        ["id"],
    ),
    _own(
        "drawbar_more",
        "Read on in a result that was truncated. Changes nothing.",
        {"next": {"type": "string", "description": "The `next` of that result."}},
        ["next"],
    ),
    _own(
        "drawbar_preview",
        "Show exactly what a call would send, and get a one-use code for it, good for ten minutes. Changes nothing.",
        {"name": _TOOL_NAME, "arguments": _ARGUMENTS},
        ["name"],
    ),
]
FINDERS: list[Json] = [
    _own(
        "drawbar_search",
        "Find tools by words of their names and descriptions; 30 at most. Changes nothing.",
        {"q": _STRING, "adapter": _STRING, "effect": {"enum": ["read", "idempotent", "write"]}},
        ["q"],
    ),
    _own(
        "drawbar_describe", "Read a tool's schemas and what it does. Changes nothing.", {"name": _TOOL_NAME}, ["name"]
    ),
    _own(
        "drawbar_call",
        "Call a tool by its name. What follows is what that tool's description says.",
        {"name": _TOOL_NAME, "arguments": _ARGUMENTS, CODE: _CODE},
        ["name"],
        readOnlyHint=False,
        openWorldHint=True,
    ),
]
