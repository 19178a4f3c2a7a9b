"""The reference page of the routes, made from the OpenAPI document: docs/reference/routes.md and /docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")
_COMMON = {"403", "422", "500", "503", "408", "413", "415"}


def routes_lines(said: Mapping[str, Any]) -> Iterator[str]:
    """Describe every route of an OpenAPI document in Markdown."""
    yield said["info"]["description"]
    yield from ("", "Every route may also answer 403, 422, 500 and 503, and one with a body 408, 413 and 415.", "")
    yield "Live: `WS /ws?topics=&after=` sends each event as one JSON text; `topics` and `after` are those of `GET /events`."
    for tag, operations in _by_tag(said).items():
        yield from ("", f"## {tag[0].upper()}{tag[1:]}")
        for method, path, operation in operations:
            yield from ("", f"### `{method.upper()} {path}`", "", *_operation(operation))


def _by_tag(said: Mapping[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    found: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in said["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                found.setdefault(operation["tags"][0], []).append((method, path, operation))
    return found


def _operation(operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"{operation['summary']}."
    if operation.get("description"):
        yield from ("", operation["description"].strip())
    parameters = [one for one in operation.get("parameters", ()) if one["in"] != "path" and one["name"] != "Prefer"]
    if parameters:
        yield from ("", "| parameter | in | |", "|---|---|---|")
        for one in parameters:
            yield f"| `{one['name']}` | {one['in']} | {_cell(_parameter(one))} |"
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        optional = "" if operation["requestBody"]["required"] else ", may be absent"
        yield from ("", f"Body: {_named(schema)}{optional}.")
    answers = []
    for status, answer in operation["responses"].items():
        if status not in _COMMON:
            kinds = [_named(one["schema"]) for one in answer.get("content", {}).values() if "$ref" in one["schema"]]
            answers.append(f"{status}{f' {kinds[0]}' if kinds and int(status) < 400 else ''}")
    yield from ("", f"Answers: {', '.join(answers)}.")


def _parameter(one: Mapping[str, Any]) -> str:
    said = one.get("description") or one["schema"].get("description") or ""
    choices = [
        f"`{choice}`" for part in (one["schema"], *one["schema"].get("anyOf", ())) for choice in part.get("enum", ())
    ]
    return f"{said} {', '.join(choices)}".strip()


def _named(schema: Mapping[str, Any]) -> str:
    return f"`{schema['$ref'].rpartition('/')[2]}`" if "$ref" in schema else "any JSON value"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
