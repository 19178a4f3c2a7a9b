"""
Simple types: between the text of XML and plain values, without loss.

A value that a Python type cannot hold (a date with a zone, a leap second, a duration of months, more digits than
microseconds) stays text, and so does one that breaks its own type: what came is never changed or dropped.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from ..core.values import Wide, duration, plain_decimal
from .soap_lexical import fits, is_number, matching
from .soap_types import Facets, Simple

Read = Callable[[str], Any]
Write = Callable[[Any], str]

RANGES = {
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-128, 127),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 255),
}
WIDE: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "long": (-(2**63), 2**63 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
}
LISTS = {"NMTOKENS": "NMTOKEN", "IDREFS": "IDREF", "ENTITIES": "ENTITY"}
_KEPT = {"string", "anySimpleType", "anyType"}
_DAY_TIME = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?")
_BLANKS = re.compile(r"[ \t\r\n]+")
_SPECIAL = {"INF": "INF", "-INF": "-INF", "NaN": "NaN", "+INF": "INF"}


class BadValue(ValueError):
    """A value that its simple type refuses; the message is for the caller."""


def reader(kind: Simple) -> Read:
    """Give what makes a plain value of the text of an element or attribute; it never fails."""
    if kind.items or kind.base in LISTS:
        one = reader(item_of(kind))
        return lambda text: [one(part) for part in _collapsed(text).split(" ") if part]
    if kind.members:
        return _first_of([reader(each) for each in kind.members])
    if kind.base in _KEPT:
        return same
    if is_spelled(kind):
        return _bool if kind.base == "boolean" else _collapsed
    read = _READ.get(kind.base, _int if kind.base in RANGES else _wide if kind.base in WIDE else _collapsed)
    if read in _SURE:
        return read

    def careful(text: str) -> Any:
        try:
            return read(text.strip())
        except (ValueError, InvalidOperation, OverflowError):
            return text

    return careful


def same(text: str) -> str:
    return text


def item_of(kind: Simple) -> Simple:
    """Give the type of a list's items."""
    return kind.items or Simple(LISTS[kind.base])


def is_spelled(kind: Simple) -> bool:
    """Tell whether a number's contract says how it is spelled, so that reading it as a number would lose that."""
    return bool(kind.facets.patterns) and is_number(kind) and not kind.items and not kind.members


def _first_of(readers: list[Read]) -> Read:
    def read(text: str) -> Any:
        return next((value for value in (one(text) for one in readers) if not isinstance(value, str)), text)

    return read


def _collapsed(text: str) -> str:
    """Take blanks together; a space that does not break is none."""
    return " ".join(text.split() if text.isascii() else _BLANKS.split(text.strip(" \t\r\n")))


def _replaced(text: str) -> str:
    return re.sub(r"[\t\n\r]", " ", text)


def _bool(text: str) -> bool | str:
    return True if text in {"true", "1"} else False if text in {"false", "0"} else text


def _float(text: str) -> float | str:
    return _SPECIAL[text] if text in _SPECIAL else float(text)


def _decimal(text: str) -> Decimal | str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if value.is_finite() else text


def _int(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _wide(text: str) -> Wide | str:
    try:
        return Wide(text)
    except ValueError:
        return text


_SURE = (_collapsed, _replaced, same, _decimal, _int, _wide)
"""These never fail, and take blanks around their text."""


def _date(text: str) -> date | str:
    return date.fromisoformat(text) if len(text) == 10 and text[4] == "-" else text


def _datetime(text: str) -> datetime | str:
    fraction = len(text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0])
    return datetime.fromisoformat(text) if fraction <= 6 and text[10:11] == "T" else text


def _time(text: str) -> time | str:
    fraction = len(text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0])
    return time.fromisoformat(text) if fraction <= 6 and text[2:3] == ":" else text


def _timedelta(text: str) -> timedelta | str:
    match = _DAY_TIME.fullmatch(text)
    if not match or not any(match.groups()[1:]):
        return text
    sign, days, hours, minutes, seconds, fraction = match.groups()
    value = timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "0").ljust(6, "0")),
    )
    return -value if sign else value


def _base64(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


_READ: dict[str, Read] = {
    "boolean": _bool,
    "float": _float,
    "double": _float,
    "decimal": _decimal,
    "date": _date,
    "dateTime": _datetime,
    "time": _time,
    "duration": _timedelta,
    "base64Binary": _base64,
    "normalizedString": _replaced,
}


def writer(kind: Simple) -> Write:
    """Give what makes the text of a plain value, not yet escaped; it raises BadValue."""
    if kind.items or kind.base in LISTS:
        return _one_of(kind, _list_writer(writer(item_of(kind))))
    if kind.members:
        return _one_of(kind, _first_that_fits(kind.members))
    write = _spelled_writer(kind) if is_spelled(kind) else _plain_writer(kind)
    check = fits(kind)
    if check is None:
        return write

    def checked(value: Any) -> str:
        text = write(value)
        if not check(text):
            raise BadValue(f"{text[:100]!r} is no {kind.name or kind.base}{_facets_of(kind)}")
        return text

    return checked


def _plain_writer(kind: Simple) -> Write:
    is_whole = kind.base in RANGES or kind.base in WIDE
    write = _number_writer(kind) if kind.base == "decimal" or is_whole else _text
    write = {"boolean": _write_bool, "base64Binary": _write_base64, "float": _write_float, "double": _write_float}.get(
        kind.base, write
    )
    if not kind.facets.enum:
        return write
    known = {_by_value(kind, text): text for text in kind.facets.enum}

    def listed(value: Any) -> str:
        if (found := known.get(_by_value(kind, text := write(value)))) is None:
            raise BadValue(f"{text!r} is none of {', '.join(sorted(kind.facets.enum))}")
        return found

    return listed


def _one_of(kind: Simple, write: Write) -> Write:
    """Refuse what an enumeration of whole lists, or of values of a union, does not name, and what their patterns do not match."""
    check = matching(kind.facets.patterns)
    if not kind.facets.enum and check is None:
        return write
    read = reader(replace(kind, facets=Facets()))
    known = [read(text) for text in kind.facets.enum]

    def checked(value: Any) -> str:
        text = write(value)
        if known and read(text) not in known:
            raise BadValue(f"{text[:100]!r} is none of {', '.join(sorted(kind.facets.enum))}")
        if check is not None and not check(text):
            raise BadValue(f"{text[:100]!r} is no {kind.name or kind.base}{_facets_of(kind)}")
        return text

    return checked


def equals(kind: Simple, text: str) -> Callable[[Any], bool]:
    """Give what tells whether a value is the one that this text spells."""
    read, write = reader(kind), writer(kind)
    wanted = read(text)

    def is_it(value: Any) -> bool:
        try:
            return bool(value == wanted or read(write(value)) == wanted)
        except BadValue:
            return False

    return is_it


def _by_value(kind: Simple, text: str) -> Any:
    """Give what two spellings of one value have alike."""
    try:
        return Decimal(text) if is_number(kind) else text
    except InvalidOperation:
        return text


def _list_writer(one: Write) -> Write:
    def write(value: Any) -> str:
        items = [one(each) for each in (value if isinstance(value, list) else [value])]
        for item in items:
            if not item or _BLANKS.search(item):
                raise BadValue(f"{item!r} cannot be an item of a list that blanks part")
        return " ".join(items)

    return write


def _spelled_writer(kind: Simple) -> Write:
    """Write a number as its caller spells it; a boolean in the spelling that its contract has."""
    fit = fits(kind)
    if kind.base == "boolean":
        said = {
            each: next((text for text in texts if fit is None or fit(text)), texts[0])
            for each, texts in ((True, ("true", "1")), (False, ("false", "0")))
        }
        return lambda value: said[_write_bool(value) == "true"]
    number = _plain_writer(kind)

    def write(value: Any) -> str:
        text = number(value)
        return value.strip() if isinstance(value, str) else text

    return write


def _facets_of(kind: Simple) -> str:
    said = [f"pattern {text}" for text in kind.facets.patterns]
    limits = (kind.facets.minimum, kind.facets.maximum, kind.facets.min_length, kind.facets.max_length)
    if any(each is not None for each in limits):
        low, high = (limits[0] or limits[2], limits[1] or limits[3])
        said.append(f"from {low if low is not None else 'any'} to {high if high is not None else 'any'}")
    return f" ({'; '.join(said)})" if said else ""


def _first_that_fits(members: tuple[Simple, ...]) -> Write:
    writers = [writer(each) for each in members]

    def write(value: Any) -> str:
        for one in writers:
            try:
                return one(value)
            except BadValue:
                continue
        raise BadValue(f"{value!r} fits no type of the union")

    return write


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, (int, float)):
        return str(value)
    raise BadValue(f"{type(value).__name__} is no text")


def _write_bool(value: Any) -> str:
    if value is True or value == "true":
        return "true"
    if value is False or value == "false":
        return "false"
    raise BadValue(f"{value!r} is neither true nor false")


def _write_base64(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    try:
        return base64.b64encode(base64.b64decode(str(value), validate=True)).decode()
    except binascii.Error as error:
        raise BadValue(f"it is no base64: {error}") from None


def _write_float(value: Any) -> str:
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadValue(f"{value!r} is no number") from None
    if math.isinf(number) or math.isnan(number):
        return "NaN" if math.isnan(number) else "INF" if number > 0 else "-INF"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else repr(number)


def _number_writer(kind: Simple) -> Write:
    whole = kind.base != "decimal"
    facets = kind.facets
    low, high = bounds(kind)
    above, below = (Decimal(text) if text else None for text in (facets.above, facets.below))
    digits, fraction = facets.total_digits, facets.fraction_digits
    if whole and (low, high, above, below, digits) == (None,) * 5:
        return _write_int

    def write(value: Any) -> str:
        text = _write_int(value) if whole else _write_decimal(value)
        number = Decimal(text)
        if (low is not None and number < low) or (above is not None and number <= above):
            raise BadValue(f"{text} is too small")
        if (high is not None and number > high) or (below is not None and number >= below):
            raise BadValue(f"{text} is too large")
        before, _, after = text.lstrip("+-").partition(".")
        if digits is not None and len(before.lstrip("0")) + len(after.rstrip("0")) > digits:
            raise BadValue(f"{text} has more than {digits} digits")
        if fraction is not None and len(after.rstrip("0")) > fraction:
            raise BadValue(f"{text} has more than {fraction} digits after the point")
        return text

    return write if (low, high, above, below, digits, fraction) != (None,) * 6 else _write_decimal


def _write_int(value: Any) -> str:
    if type(value) is int:
        return str(value)
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        if isinstance(value, Decimal) and value != value.to_integral_value():
            raise ValueError
        return str(int(value))
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        raise BadValue(f"{value!r} is no whole number") from None


def _write_decimal(value: Any) -> str:
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise BadValue(f"{value!r} is no decimal") from None
    if not number.is_finite() or isinstance(value, bool):
        raise BadValue(f"{value!r} is no decimal")
    return plain_decimal(number)


def bounds(kind: Simple) -> tuple[Decimal | None, Decimal | None]:
    """Give the inclusive limits of a number: its builtin's, narrowed by its facets."""
    low, high = RANGES.get(kind.base) or WIDE.get(kind.base, (None, None))
    lows = [Decimal(each) for each in (low, kind.facets.minimum) if each is not None]
    highs = [Decimal(each) for each in (high, kind.facets.maximum) if each is not None]
    return max(lows, default=None), min(highs, default=None)
