"""
What the text of a simple type must be where JSON Schema cannot say it: calendars, names, octets, patterns of XML Schema's own.

W3C XML Schema 1.0 part 2. Checked when a value is written, so that what a service must refuse does not leave.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache

import jsonschema_rs
from lxml import etree

from .soap_types import Simple
from .soap_xml import XSD

Fits = Callable[[str], bool]

ZONE = r"(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?"
_YEAR, _MONTH, _DAY = r"-?([1-9]\d{4,8}|\d{4})", r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_CLOCK = r"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?|24:00:00(\.0+)?)"
_FIRST = (
    "_A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff"
)
_MORE = rf"{_FIRST}0-9.\u00b7\-"
_NCNAME = f"[{_FIRST}][{_MORE}]*"
LEXICAL = {
    "date": f"^{_YEAR}-{_MONTH}-{_DAY}{ZONE}$",
    "dateTime": f"^{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{ZONE}$",
    "time": f"^{_CLOCK}{ZONE}$",
    "duration": r"^-?P(?=.)(\d{1,9}Y)?(\d{1,9}M)?(\d{1,9}D)?(T(?=.)(\d{1,9}H)?(\d{1,9}M)?(\d{1,9}(\.\d+)?S)?)?$",
    "gYear": f"^{_YEAR}{ZONE}$",
    "gYearMonth": f"^{_YEAR}-{_MONTH}{ZONE}$",
    "gMonth": f"^--{_MONTH}{ZONE}$",
    "gMonthDay": f"^--{_MONTH}-{_DAY}{ZONE}$",
    "gDay": f"^---{_DAY}{ZONE}$",
    "hexBinary": "^([0-9a-fA-F]{2})*$",
    "language": "^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$",
    "NMTOKEN": f"^[:{_MORE}]+$",
    "Name": f"^[:{_FIRST}][:{_MORE}]*$",
    **dict.fromkeys(("QName", "NOTATION"), rf"^(\{{[^{{}}\s<>\"|\\^`]+\}})?{_NCNAME}$"),
    **dict.fromkeys(("NCName", "ID", "IDREF", "ENTITY"), f"^{_NCNAME}$"),
}
"""The form of a builtin's text, as JSON Schema can say it."""
_CLASSES = (
    (r"[\i-[:]]", f"[{_FIRST}]"),
    (r"[\c-[:]]", f"[{_MORE}]"),
    (r"\p{IsBasicLatin}", r"\x00-\x7f"),
    (r"\p{IsLatin-1Supplement}", r"\u0080-\u00ff"),
)
_BINARY = {"base64Binary", "hexBinary"}
_KEPT = {"string", "normalizedString"}
_DATES = {"date", "dateTime", "gMonthDay", "gYear", "gYearMonth"}
_VALIDATING = threading.Lock()
"""lxml's validators keep their last errors."""


def fits(kind: Simple) -> Fits | None:
    """Give what tells whether a text fits, None where the schema that callers see says it all."""
    checks = list(_checks(kind))
    if len(checks) < 2:
        return checks[0] if checks else None
    return lambda text: all(check(text) for check in checks)


def _checks(kind: Simple) -> Iterator[Fits]:
    facets, is_list = kind.facets, bool(kind.items)
    if kind.members or is_list:
        return
    if kind.base in LEXICAL and kind.base != "hexBinary":
        form = re.compile(LEXICAL[kind.base][1:-1], re.ASCII)
        yield lambda text: form.fullmatch(text.strip()) is not None
    if kind.base in _DATES:
        yield _on_calendar
    if facets.min_length and kind.base not in _KEPT | _BINARY:
        least = facets.min_length
        yield lambda text: len(" ".join(each for each in re.split(r"[ \t\r\n]+", text) if each)) >= least
    limits = (facets.minimum, facets.maximum, facets.above, facets.below)
    bounded = kind.base in _DATES | {"time", "duration", "float", "double"} and any(limits)
    sized = kind.base in _BINARY and (facets.min_length, facets.max_length) != (None, None)
    if bounded or sized or (facets.patterns and (is_number(kind) or not all(map(ecma, facets.patterns)))):
        yield _by_libxml2(kind)


def matching(patterns: Sequence[str]) -> Fits | None:
    """Give what tells whether a text matches all patterns that JSON Schema can say; None where there are none."""
    known = [jsonschema_rs.Draft202012Validator({"pattern": text}) for text in map(ecma, patterns) if text]
    return (lambda text: all(each.is_valid(text) for each in known)) if known else None


def is_number(kind: Simple) -> bool:
    """Tell whether values of a type have many spellings, booleans included."""
    return kind.base in _NUMBERS or kind.base == "boolean"


_NUMBERS = {
    *("decimal", "integer", "long", "int", "short", "byte", "unsignedLong", "unsignedInt", "unsignedShort"),
    *("unsignedByte", "nonNegativeInteger", "positiveInteger", "nonPositiveInteger", "negativeInteger"),
    *("float", "double"),
}


def _on_calendar(text: str) -> bool:
    """Look at year and day: there is no year 0, and February ends."""
    said = text.strip()
    if said.startswith("--"):
        year, rest = 2000, said[2:7]
    else:
        match = re.match(r"-?(\d+)", said)
        if match is None or not match[1].strip("0"):
            return False
        year, rest = int(match[1][-4:]), said[match.end() + 1 : match.end() + 6]
    if len(rest) < 5 or rest[2] != "-":
        return True
    try:
        date(2000 + year % 400, int(rest[:2]), int(rest[3:]))
    except ValueError:
        return False
    return True


def _by_libxml2(kind: Simple) -> Fits:
    """Let libxml2 judge against the facets themselves."""
    said = kind.facets
    given: list[tuple[str, object]] = [("pattern", text) for text in said.patterns[-1:]]
    given += [("minLength", said.min_length), ("maxLength", said.max_length), ("minInclusive", said.minimum)]
    given += [("maxInclusive", said.maximum), ("minExclusive", said.above), ("maxExclusive", said.below)]
    schema = etree.Element(f"{{{XSD}}}schema", nsmap={"xs": XSD})
    element = etree.SubElement(schema, f"{{{XSD}}}element", name="v")
    base = f"xs:{kind.base}"
    for text in said.patterns[:-1]:  # each step of a derivation has its own, and all must match
        inner = etree.SubElement(schema, f"{{{XSD}}}simpleType", name=f"t{len(schema)}")
        step = etree.SubElement(inner, f"{{{XSD}}}restriction", base=base)
        etree.SubElement(step, f"{{{XSD}}}pattern", value=text)
        base = inner.get("name", "")
    step = etree.SubElement(etree.SubElement(element, f"{{{XSD}}}simpleType"), f"{{{XSD}}}restriction", base=base)
    for name, value in given:
        if value is not None:
            etree.SubElement(step, f"{{{XSD}}}{name}", value=str(value))
    try:
        judge = etree.XMLSchema(schema)
    except etree.XMLSchemaParseError:
        return lambda text: True  # facets that mean nothing cannot be held against a value

    def check(text: str) -> bool:
        node = etree.Element("v")
        node.text = text
        try:
            with _VALIDATING:
                return bool(judge.validate(node))
        except etree.XMLSchemaError:
            return False

    return check


@lru_cache(maxsize=4096)
def ecma(pattern: str) -> str | None:
    """Translate a pattern of XML Schema into one of JSON Schema; None when it has no equal."""
    for own, other in _CLASSES:
        pattern = pattern.replace(own, other)
    pattern = re.sub(r"(?<!\\)((?:\\\\)*)\\([ic])", _name_class, pattern)
    if re.search(r"\\[iIcC]|\\p\{Is|-\[", pattern):
        return None
    text = "^(?:" + re.sub(r"(\\.)|([\^$])", _literal, pattern) + ")$"
    try:
        jsonschema_rs.Draft202012Validator({"pattern": text})
    except (ValueError, jsonschema_rs.ValidationError):
        return None
    return text


def _name_class(match: re.Match[str]) -> str:
    chars = f":{_FIRST if match[2] == 'i' else _MORE}"
    opened = match.string.rfind("[", 0, match.start()) > match.string.rfind("]", 0, match.start())
    return match[1] + (chars if opened else f"[{chars}]")


def _literal(match: re.Match[str]) -> str:
    # In XML Schema ^ and $ are characters, but [^...] is a negation there too.
    at = match.start()
    if match[1] or (match[2] == "^" and at and match.string[at - 1] == "["):
        return match[0]
    return f"\\{match[2]}"
