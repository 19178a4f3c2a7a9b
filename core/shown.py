"""Tools as models see them: names that are legal everywhere, descriptions of one form, schemas and hints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import __version__
from .access import Caller
from .errors import InputError
from .hours import Hours
from .landscape import Bound
from .schema import with_root
from .values import to_json

Json = dict[str, Any]
MAX_NAME = 64
CODE = "confirmation_code"
_OWN = "drawbar_"
_FILE: Json = {
    "type": ["object", "null"],
    "description": "A file: what it holds is in the content.",
    "properties": {"content_type": {"type": "string"}, "bytes": {"type": "integer"}},
}
_EFFECTS = {
    "read": "Changes nothing.",
    "idempotent": "Changes something; repeating it does no more.",
    "write": "Changes something, every time that it is called.",
}


def name_of(tool: str, adapters: Iterable[str] = ()) -> str:
    """
    Give a tool's name as MCP clients and models take it: letters, digits, `_` and `-`, 64 at most.

    It depends on the tool and on the names of the adapters alone, never on what other tools are known just now: a name that
    could be read as another adapter's tool, or as one of Drawbar's own, ends in a part of its hash.
    """
    adapter, _, own = tool.partition(".")
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in tool)
    is_legal = plain[len(adapter) + 1 :] == own and len(plain) <= MAX_NAME and not plain.startswith(_OWN)
    if is_legal and not any(len(other) > len(adapter) and plain.startswith(f"{other}_") for other in adapters):
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
    if bound.rules.units:
        parts.append(f"Units: {', '.join(f'{field} in {unit}' for field, unit in bound.rules.units.items())}.")
    if hours is not None:
        said = f"open {', '.join(hours.open)}" if hours.open else f"closed {', '.join(hours.closed)}"
        parts.append(f"Its system is {said} ({hours.timezone}).")
    return " ".join(parts)


def as_tool(bound: Bound, caller: Caller, hours: Hours | None = None, adapters: Iterable[str] = ()) -> dict[str, Any]:
    """Write a tool as `tools/list` does; `adapters` are all that there are, for its name."""
    schema: dict[str, Any] = {"type": "object", "properties": {}, **bound.input_schema}
    schema.setdefault("additionalProperties", False)
    if bound.effect in caller.confirm:
        code = {"type": "string", "description": "The code of drawbar_preview with the same arguments."}
        schema["properties"] = {**schema["properties"], CODE: code}
    if bound.rules.examples:
        schema["examples"] = [to_json(one.get("arguments", one)) for one in bound.rules.examples]
    return {
        "name": name_of(bound.name, adapters),
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


def files_of(schema: Mapping[str, Any]) -> dict[str | None, str]:
    """Name the media types of a result that is a file, or of its fields that are (None is the result itself)."""
    fields = {None: schema, **(schema.get("properties") or {})}
    return {
        name: str(one["contentMediaType"])
        for name, one in fields.items()
        if isinstance(one, Mapping) and "contentMediaType" in one and one.get("contentEncoding") == "base64"
    }


def _output_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give the schema of what a call answers: the result, or that it waits."""
    inner = {key: value for key, value in schema.items() if key not in {"$schema", "$defs", "$id"}}
    for field in files_of(schema):
        if field is None:
            inner = _FILE
        else:
            inner["properties"] = {**inner["properties"], field: _FILE}
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


def exported(tools: Iterable[Json], form: str) -> Any:
    """Write tools, as `as_tool` gives them, for a model of this form (`FORMS`). Raises InputError for another."""
    if form not in _EXPORTS:
        raise InputError(f"there is no form {form!r}", field="format", next=f"known: {', '.join(FORMS)}")
    return _EXPORTS[form](list(tools))


def _openai(tools: list[Json]) -> Any:
    """The `tools` of a chat completion."""
    kinds = (
        {"name": one["name"], "description": one["description"], "parameters": one["inputSchema"]} for one in tools
    )
    return [{"type": "function", "function": function} for function in kinds]


def _anthropic(tools: list[Json]) -> Any:
    """The `tools` of a message."""
    return [
        {"name": one["name"], "description": one["description"], "input_schema": one["inputSchema"]} for one in tools
    ]


def _openapi(tools: list[Json]) -> Any:
    """An OpenAPI 3.1 document with one operation a tool, as `POST /tools/{name}/call` answers it."""
    schemas: Json = {}
    paths = {f"/v1/tools/{one['title']}/call": {"post": _operation(one, schemas)} for one in tools}
    said = {"openapi": "3.1.0", "info": {"title": "Tools of Drawbar", "version": __version__}, "paths": paths}
    return {**said, "components": {"schemas": schemas}} if schemas else said


def _operation(one: Json, schemas: Json) -> Json:
    name, output = one["name"], one["outputSchema"]
    answer = output["properties"]["result"]["anyOf"][0]
    if "$defs" in output:
        answer = {**answer, "$defs": output["$defs"]}
    body, said = (
        {"type": "object", "properties": {what: _inner(inner, f"{name}.{what}", schemas)}}
        for what, inner in (("arguments", one["inputSchema"]), ("result", answer))
    )
    return {
        "operationId": name,
        "summary": one["description"].partition(". ")[0],
        "description": one["description"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {**body, "required": ["arguments"]}}},
        },
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": said}}},
            "202": {"description": "Another person must approve it first."},
            "default": {
                "description": "A problem (RFC 9457).",
                "content": {"application/problem+json": {"schema": {"type": "object"}}},
            },
        },
    }


def _inner(schema: Json, name: str, schemas: Json) -> Json:
    """Give a schema for its place in a document; one that refers to its own parts becomes a component."""
    place = f"#/components/schemas/{name}"
    moved: Json = with_root(schema, place)
    if moved == schema:
        return schema
    schemas[name] = moved
    return {"$ref": place}


_EXPORTS: Mapping[str, Callable[[list[Json]], Any]] = {
    "mcp": lambda tools: {"tools": tools},
    "openai": _openai,
    "anthropic": _anthropic,
    "openapi": _openapi,
}
FORMS = tuple(_EXPORTS)
