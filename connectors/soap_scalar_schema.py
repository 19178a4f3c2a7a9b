"""The JSON Schema of simple types, as callers send them or as answers show them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..core.values import to_json
from .soap_lexical import LEXICAL, ecma
from .soap_scalars import LISTS, RANGES, WIDE, bounds, is_spelled, item_of, reader
from .soap_types import Facets, Simple

_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_ANSWERED = {
    "date": rf"^-?\d{{4,}}-\d\d-\d\d{_ZONE}$",
    "dateTime": rf"^-?\d{{4,}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?{_ZONE}$",
    "time": rf"^\d\d:\d\d:\d\d(\.\d+)?{_ZONE}$",
    "hexBinary": LEXICAL["hexBinary"],
}
"""What is asked of an answer: services write leap seconds, and 24 o'clock."""
_FORMATS = {"date": "date", "dateTime": "date-time", "time": "time", "duration": "duration"}
_HINTS = {
    "date": "YYYY-MM-DD, a zone is optional.",
    "dateTime": "YYYY-MM-DDTHH:MM:SS, a zone is optional.",
    "time": "HH:MM:SS, a zone is optional.",
    "duration": "ISO 8601, like P1DT2H.",
    "hexBinary": "Hexadecimal digits.",
    "anyURI": "URI.",
    "QName": "{namespace}name.",
}
_PLAIN = r"^-?\d+(\.\d+)?$"
_GIVEN = r"^[+-]?(\d+(\.\d*)?|\.\d+)$"
_WHOLE = r"^-?\d+$"


def schema(kind: Simple, *, output: bool) -> dict[str, Any]:
    """Give the JSON Schema of a simple type, as callers send it or as answers show it."""
    if kind.items or kind.base in LISTS:
        items = schema(item_of(kind), output=output)
        if not output and items.get("type") == "string" and not items.keys() & {"pattern", "enum"}:
            items["pattern"] = r"^\S+$"  # blanks part the items
        return {"type": "array", "items": items, **_lengths(kind.facets, "Items"), **_whole(kind)}
    if kind.members:
        return {"anyOf": [schema(each, output=output) for each in kind.members], **_whole(kind)}
    if is_spelled(kind):
        return _spelled(kind, output=output)
    if kind.base == "decimal" or kind.base in WIDE:
        return _number(kind, output=output)
    if kind.base in RANGES:
        return {"type": "integer", **_limits(kind), **_listed(kind)}
    if kind.base in {"float", "double"}:
        number, limits = {"type": "number"}, _limits(kind)
        special = {"type": "string", "enum": ["INF", "-INF", "NaN"]}
        return {**number, **limits} if limits else {"anyOf": [number, special]}
    if kind.base == "boolean":
        return {"type": "boolean"}
    if kind.base == "base64Binary":
        return {"type": "string", "contentEncoding": "base64", **({} if output else _octets(kind, 4, 3))}
    return _string(kind, output=output)


def to_json_default(kind: Simple, text: str) -> Any:
    """Give a default as callers would write it."""
    return to_json(reader(kind)(text))


def _string(kind: Simple, *, output: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "string"}
    if kind.facets.enum:
        return {**said, "enum": list(dict.fromkeys(kind.facets.enum))}
    if pattern := (_ANSWERED if output else LEXICAL).get(kind.base):
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
    if kind.base == "hexBinary":
        return {**said, **({} if output else _octets(kind, 2, 1))}
    return {**said, **_lengths(kind.facets, "Length")}


def _spelled(kind: Simple, *, output: bool) -> dict[str, Any]:
    """A number whose contract says how it is spelled (leading zeros): a text, that nobody spells anew."""
    if kind.base == "boolean":
        return {"type": "boolean"}
    patterns = [text for text in map(ecma, kind.facets.patterns) if text]
    said: dict[str, Any] = {"type": "string" if output else ["string", "integer"]}
    return {**said, **({"pattern": patterns[-1]} if patterns else {}), "description": "A number, spelled as a text."}


def _listed(kind: Simple) -> dict[str, Any]:
    try:
        numbers = [int(text) for text in kind.facets.enum]
    except ValueError:
        return {}
    return {"enum": list(dict.fromkeys(numbers))} if numbers else {}


def _whole(kind: Simple) -> dict[str, Any]:
    """List the values of a list or a union of which only some are allowed; those that have many spellings are described."""
    said = [to_json(reader(kind)(text)) for text in kind.facets.enum]
    if not said:
        return {}
    plain = [item for value in said for item in (value if isinstance(value, list) else [value])]
    is_text = all(isinstance(item, (str, int)) for item in plain) and not _is_spelled_freely(kind)
    return {"enum": said} if is_text else {"description": f"One of {', '.join(dict.fromkeys(kind.facets.enum))}."}


def _is_spelled_freely(kind: Simple) -> bool:
    """Tell whether one value may be sent in many forms: as a number, or as a text."""
    inside = kind.members or ((item_of(kind),) if kind.items or kind.base in LISTS else ())
    return any(_is_spelled_freely(each) for each in inside) or kind.base == "decimal" or kind.base in WIDE


def _octets(kind: Simple, text: int, octets: int) -> dict[str, int]:
    """Give the lengths of a text that spells so many octets."""
    said = {"minLength": kind.facets.min_length, "maxLength": kind.facets.max_length}
    return {name: -(-count // octets) * text for name, count in said.items() if count is not None}


def _number(kind: Simple, *, output: bool) -> dict[str, Any]:
    decimal = kind.base == "decimal"
    form = "decimal" if decimal else "integer"
    if kind.facets.enum and not output:
        return {"type": "string", "format": form, "enum": list(kind.facets.enum)}
    if output:
        return {"type": "string", "format": form, "pattern": _PLAIN if decimal else _WHOLE}
    number = "number" if decimal else "integer"
    return {"type": ["string", number], "format": form, **_digits(kind.facets, decimal=decimal), **_limits(kind)}


def _digits(facets: Facets, *, decimal: bool) -> dict[str, Any]:
    """Say how a number is spelled, and how many digits it may have."""
    total, fraction = facets.total_digits, facets.fraction_digits
    if total is None and (fraction is None or not decimal):
        return {"pattern": _GIVEN if decimal else _WHOLE}
    before = r"\d+" if total is None else rf"0*\d{{1,{total}}}"
    if not decimal:
        return {"pattern": f"^-?{before}$", "description": f"At most {total} digits."}
    after = rf"\d{{0,{total if fraction is None else fraction}}}0*"
    said = [f"{total} digits"] if total is not None else []
    said += [f"{fraction} {'of them ' if said else 'digits '}after the point"] if fraction is not None else []
    return {"pattern": rf"^[+-]?({before}(\.{after})?|\.{after})$", "description": f"At most {', '.join(said)}."}


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
