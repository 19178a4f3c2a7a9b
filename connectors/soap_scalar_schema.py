"""The JSON Schema of simple types, as callers send them or as answers show them."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jsonschema_rs

from ..core.values import to_json
from .soap_scalars import LISTS, RANGES, WIDE, bounds, reader
from .soap_types import Facets, Simple

_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_LEXICAL = {
    "date": rf"^-?\d{{4,}}-\d\d-\d\d{_ZONE}$",
    "dateTime": rf"^-?\d{{4,}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?{_ZONE}$",
    "time": rf"^\d\d:\d\d:\d\d(\.\d+)?{_ZONE}$",
    "duration": r"^-?P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$",
    "gYear": rf"^-?\d{{4,}}{_ZONE}$",
    "gYearMonth": rf"^-?\d{{4,}}-\d\d{_ZONE}$",
    "gMonth": rf"^--\d\d{_ZONE}$",
    "gMonthDay": rf"^--\d\d-\d\d{_ZONE}$",
    "gDay": rf"^---\d\d{_ZONE}$",
    "hexBinary": "^([0-9a-fA-F]{2})*$",
}
_FORMATS = {"date": "date", "dateTime": "date-time", "time": "time", "duration": "duration"}
_HINTS = {
    "date": "YYYY-MM-DD, a zone is optional.",
    "dateTime": "YYYY-MM-DDTHH:MM:SS, a zone is optional.",
    "time": "HH:MM:SS, a zone is optional.",
    "duration": "ISO 8601, like P1DT2H.",
    "hexBinary": "Hexadecimal digits.",
    "anyURI": "URI.",
}
_PLAIN = r"^-?\d+(\.\d+)?$"
_GIVEN = r"^[+-]?(\d+(\.\d*)?|\.\d+)$"
_WHOLE = r"^-?\d+$"


def schema(kind: Simple, *, output: bool) -> dict[str, Any]:
    """Give the JSON Schema of a simple type, as callers send it or as answers show it."""
    if kind.items or kind.base in LISTS:
        items = schema(kind.items or Simple("token"), output=output)
        return {"type": "array", "items": items, **_lengths(kind.facets, "Items")}
    if kind.members:
        return {"anyOf": [schema(each, output=output) for each in kind.members]}
    if kind.base == "decimal" or kind.base in WIDE:
        return _number(kind, output=output)
    if kind.base in RANGES:
        return {"type": "integer", **_limits(kind)}
    if kind.base in {"float", "double"}:
        return {"anyOf": [{"type": "number", **_limits(kind)}, {"type": "string", "enum": ["INF", "-INF", "NaN"]}]}
    if kind.base == "boolean":
        return {"type": "boolean"}
    if kind.base == "base64Binary":
        return {"type": "string", "contentEncoding": "base64"}
    return _string(kind, output=output)


def to_json_default(kind: Simple, text: str) -> Any:
    """Give a default as callers would write it."""
    return to_json(reader(kind)(text))


def _string(kind: Simple, *, output: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "string"}
    if kind.facets.enum:
        return {**said, "enum": list(dict.fromkeys(kind.facets.enum))}
    if (pattern := _LEXICAL.get(kind.base)) and not (output and kind.base == "duration"):
        said["pattern"] = pattern
    if kind.base in _FORMATS and output:
        said["format"] = _FORMATS[kind.base]
    if kind.base in _HINTS:
        said["description"] = _HINTS[kind.base]
    patterns = [text for text in map(ecma, kind.facets.patterns) if text]
    if patterns and "pattern" not in said:
        said["pattern"] = patterns.pop(0)
    if patterns:
        said["allOf"] = [{"pattern": text} for text in patterns]
    return {**said, **({} if kind.base == "hexBinary" else _lengths(kind.facets, "Length"))}


def _number(kind: Simple, *, output: bool) -> dict[str, Any]:
    decimal = kind.base == "decimal"
    form = "decimal" if decimal else "integer"
    if kind.facets.enum:
        return {"type": "string", "format": form, "enum": list(kind.facets.enum)}
    if output:
        return {"type": "string", "format": form, "pattern": _PLAIN if decimal else _WHOLE}
    number = "number" if decimal else "integer"
    pattern = _GIVEN if decimal else _WHOLE
    return {"type": ["string", number], "format": form, "pattern": pattern, **_limits(kind)}


def _limits(kind: Simple) -> dict[str, Any]:
    low, high = bounds(kind)
    facets = kind.facets
    said = {
        "minimum": low,
        "maximum": high,
        "exclusiveMinimum": Decimal(facets.above) if facets.above else None,
        "exclusiveMaximum": Decimal(facets.below) if facets.below else None,
    }
    return {name: _json_number(value) for name, value in said.items() if value is not None and value.is_finite()}


def _json_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _lengths(facets: Facets, noun: str) -> dict[str, int]:
    said = {f"min{noun}": facets.min_length, f"max{noun}": facets.max_length}
    return {name: value for name, value in said.items() if value is not None}


@lru_cache(maxsize=4096)
def ecma(pattern: str) -> str | None:
    """Translate a pattern of XML Schema into one of JSON Schema; None when it has no equal."""
    if re.search(r"\\[iIcC]|\\p\{Is|-\[", pattern):
        return None
    text = "^(?:" + re.sub(r"(\\.)|([\^$])", _literal, pattern) + ")$"
    try:
        jsonschema_rs.Draft202012Validator({"pattern": text})
    except (ValueError, jsonschema_rs.ValidationError):
        return None
    return text


def _literal(match: re.Match[str]) -> str:
    # In XML Schema ^ and $ are characters, but [^...] is a negation there too.
    at = match.start()
    if match[1] or (match[2] == "^" and at and match.string[at - 1] == "["):
        return match[0]
    return f"\\{match[2]}"
