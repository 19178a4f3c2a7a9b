"""Arguments as they are typed: `id=42 customer.name=Miller`, JSON, or a file of JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.values import parse_json

_MAX_BYTES = 100 * 1024 * 1024


def json_input(text: str | None, *, what: str) -> Any:
    """Read JSON that was typed, or `@file`, or `@-` for standard input; None where nothing was given."""
    if text is None:
        return None
    if not text.startswith("@"):
        return parse_json(text, what=what)
    name = text[1:]
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}", field=what) from error
    if len(content) > _MAX_BYTES:
        raise InputError(f"{name} is larger than {_MAX_BYTES >> 20} MiB", field=what, reason="too_large")
    return parse_json(content, what=what)


def mapping_input(text: str | None, *, what: str) -> dict[str, Any] | None:
    given = json_input(text, what=what)
    if given is not None and not isinstance(given, dict):
        raise InputError(f"{what} must be a JSON object", field=what)
    return given


def typed(words: Iterable[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read `name=value` words by the schema of the arguments; a dot goes one level down."""
    found: dict[str, Any] = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals or not path:
            raise InputError(f"{word!r} is no name=value", next="write name=value, or --input with JSON")
        *above, last = path.split(".")
        here, inner = found, schema
        for step in above:
            here = here.setdefault(step, {})
            if not isinstance(here, dict):
                raise InputError(f"{path}: {step} has a value of its own already", field=path)
            inner = _property(inner, step, schema)
        here[last] = _value(text, _property(inner, last, schema))
    return found


def _property(schema: Mapping[str, Any], name: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (schema.get("properties") or {}).get(name) or {}
    reference = found.get("$ref") if isinstance(found, Mapping) else None
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        found = (root.get("$defs") or {}).get(reference.removeprefix("#/$defs/")) or {}
    return found if isinstance(found, Mapping) else {}


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    """Read a word as its schema says; without one, as JSON where it is JSON that is no text."""
    kinds = _kinds(schema)
    if text == "null" and "null" in kinds:
        return None
    if "string" in kinds:
        return text
    try:
        value = parse_json(text)
    except InputError:
        return text
    if kinds or not isinstance(value, str):
        return value
    return text


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    said = schema.get("type")
    kinds = {said} if isinstance(said, str) else set(said or ())
    for word in ("anyOf", "oneOf"):
        for one in schema.get(word) or ():
            if isinstance(one, Mapping):
                kinds |= _kinds(one)
    if "enum" in schema and all(isinstance(one, str) for one in schema["enum"]):
        kinds.add("string")
    return kinds
