"""Arguments made from a JSON Schema: plain ones, and strange ones that the schema still allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_FORMATS = {
    "date": "2026-11-22",
    "date-time": "2026-11-22T02:00:00+00:00",
    "time": "02:00:00",
    "decimal": "10.00",
    "int64": "42",
    "integer": "42",
    "uuid": "01931f5c-0000-7000-8000-000000000000",
    "uri": "http://127.0.0.1/",
    "email": "desk@example.com",
    "duration": "PT1S",
}
_PLAIN: dict[str, Any] = {"string": "sample", "integer": 42, "number": 1, "boolean": True, "null": None}
_STRANGE: dict[type, tuple[Any, ...]] = {
    str: (
        "",
        " ",
        "\x00",
        "\r\n",
        "../../../etc/passwd",
        "'; drop table orders; --",
        "<x>&amp;</x>",
        "%s{0}${{1}}*",
        "Zürich 東京 😀",
        "\ud800",
        "x" * 10_000,
    ),
    int: (0, -1, 2**31, 2**53 - 1),
}
_DEPTH = 8


def sample(schema: Mapping[str, Any]) -> Any:
    """Give a value that most likely fits: required fields only, the first branch, the shortest list."""
    return _sample(schema, schema, _DEPTH)


def _sample(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if schema.get("enum"):
        return schema["enum"][0]
    if "$ref" in schema:
        return _sample(_target(str(schema["$ref"]), root), root, depth - 1)
    for word in ("oneOf", "anyOf", "allOf"):
        if schema.get(word):
            return _sample({**schema[word][0], "$defs": {}}, root, depth - 1)
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        fields = schema.get("properties") or {}
        return {name: _sample(fields.get(name, {}), root, depth - 1) for name in schema.get("required") or ()}
    if kind == "array":
        return [_sample(schema.get("items"), root, depth - 1) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", _PLAIN[kind])
    if kind == "string":
        return str(_PLAIN[kind]).ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 10_000)]
    return _PLAIN.get(kind)


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return found


def strange(arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the arguments again and again, each time with one field that nobody expects."""
    for name, value in arguments.items():
        for other in _STRANGE.get(type(value), ()):
            yield {**arguments, name: other}
