"""
Plain values, and their two forms in JSON.

The outward form (`to_json`) follows the contract: decimals are strings with their scale, wide integers are strings, dates
are ISO 8601, bytes are base64; by type and never by value. The inward form (`dump` and `load`) is for our own journal: it
keeps the type, so that an expression over yesterday's output is exact.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import orjson
import simplejson

from .errors import InputError


class Wide(int):
    """An integer of a type that can pass ±(2^53 - 1) (bigint, xs:long, PIC 9(16)): a string in JSON, whatever its value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """What stands for a value that is kept aside: its name there, its size, and how it begins."""

    id: str
    bytes: int
    preview: str

    def as_json(self) -> dict[str, Any]:
        return {"claim": self.id, "bytes": self.bytes, "preview": self.preview}


def plain_decimal(value: Decimal) -> str:
    """Give a decimal in plain notation with its scale: `10.00`, never `1E+1`."""
    text = str(value)
    return format(value, "f") if "E" in text else text


def duration(value: timedelta) -> str:
    """Give an ISO 8601 duration in days and seconds."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    seconds = Decimal(value.seconds) + Decimal(value.microseconds).scaleb(-6)
    clock = f"T{seconds.normalize():f}S" if seconds or not value.days else ""
    return f"{sign}P{f'{value.days}D' if value.days else ''}{clock}"


_OUTWARD: dict[type, Callable[[Any], Any]] = {
    Decimal: plain_decimal,
    Wide: lambda value: str(int(value)),
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: duration,
    UUID: str,
    ClaimCheck: ClaimCheck.as_json,
    bytes: lambda value: base64.b64encode(value).decode(),
    bytearray: lambda value: base64.b64encode(value).decode(),
    memoryview: lambda value: base64.b64encode(value).decode(),
}
_SAME = (str, bool, int, float, type(None))
_AS_IT_IS = frozenset({str, bool, float, type(None)})
_NAMES = frozenset({int, str})
"""No value of one is equal to a value of the other."""


def to_json(value: Any) -> Any:
    """Give the outward form: only dict, list, str, int, float, bool and None are left."""
    kind = type(value)
    if kind in _SAME:
        return str(value) if kind is int and not -(2**63) <= value < 2**64 else value
    if kind is dict:
        return _object(value)
    if (convert := _OUTWARD.get(kind)) is not None:
        return convert(value)
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    for known, convert in _OUTWARD.items():
        if isinstance(value, known):
            return convert(value)
    return str(value)


def _unknown(value: Any) -> Any:
    """Give the outward form of what is no value of JSON: to_json() in fewer steps."""
    convert = _OUTWARD.get(type(value))
    return to_json(value) if convert is None else convert(value)


def _object(value: dict[Any, Any]) -> dict[str, Any]:
    """Give an object's outward form; its plain fields are looked at here, since most of what is answered is rows."""
    form: dict[str, Any] = {}
    for name, item in value.items():
        kind = type(item)
        if kind not in _AS_IT_IS:
            convert = _OUTWARD.get(kind)
            item = to_json(item) if convert is None else convert(item)  # noqa: PLW2901 - what it is outward
        form[name if type(name) is str else str(name)] = item
    return form


_MOST_DIGITS = 4300
_MOST_DEEP = 200
_TAG = "$t"
_MARK = f'"{_TAG}"'
_PLAIN = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
_KEEP = _PLAIN | orjson.OPT_PASSTHROUGH_DATETIME
_INWARD: dict[type, tuple[str, Callable[[Any], Any]]] = {
    Decimal: ("dec", str),
    Wide: ("int", lambda value: str(int(value))),
    datetime: ("dt", datetime.isoformat),
    date: ("d", date.isoformat),
    time: ("tm", time.isoformat),
    timedelta: ("td", lambda value: [value.days, value.seconds, value.microseconds]),
    UUID: ("uuid", str),
    ClaimCheck: ("claim", lambda value: {"id": value.id, "bytes": value.bytes, "preview": value.preview}),
    bytes: ("b", lambda value: base64.b64encode(value).decode()),
}
_BACK: dict[str, Callable[[Any], Any]] = {
    "dec": Decimal,
    "int": Wide,
    "dt": datetime.fromisoformat,
    "d": date.fromisoformat,
    "tm": time.fromisoformat,
    "td": lambda value: timedelta(*value),
    "uuid": UUID,
    "b": base64.b64decode,
    "map": lambda value: value,
    "claim": lambda value: ClaimCheck(value["id"], value["bytes"], value["preview"]),
}


def _tag(value: Any) -> Any:
    kind = type(value)
    if (known := _INWARD.get(kind)) is not None:
        return {_TAG: known[0], "v": known[1](value)}
    if isinstance(value, Mapping):
        body = {str(name): _tag(item) for name, item in value.items()}
        return {_TAG: "map", "v": body} if _TAG in body else body
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_tag(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return {_TAG: "int", "v": str(int(value))}
    if kind in _SAME:
        return value
    return to_json(value)


def _untag(value: Any) -> Any:
    if isinstance(value, dict):
        if _TAG in value:
            inner = value["v"]
            return (
                {name: _untag(item) for name, item in inner.items()}
                if value[_TAG] == "map"
                else _BACK[value[_TAG]](inner)
            )
        return {name: _untag(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_untag(item) for item in value]
    return value


def dump(value: Any) -> str:
    """Write a plain value for our own journal, with its types."""
    try:
        text = orjson.dumps(value, option=_KEEP).decode()
    except TypeError:  # something that JSON does not know
        text = _MARK
    return orjson.dumps(_tag(value)).decode() if _MARK in text else text


def load(text: str | bytes | None) -> Any:
    """Read what `dump` wrote; None gives None."""
    if text is None:
        return None
    if isinstance(text, bytes):
        text = text.decode()
    value = orjson.loads(text)
    return _untag(value) if _MARK in text else value


_CLAIM = f'{{"{_TAG}":"claim","v":'
_TAGGED = re.compile(
    r'\{"\$t":"(dec|int|dt|d|tm|td|uuid|b|claim)","v":("[^"]*"|\[[-0-9,]*\]|\{"id":"[^"]*","bytes":\d+,"preview":"(?:[^"\\]|\\.)*"\})\}'
)


def has_claims(text: str | None) -> bool:
    """Tell whether something of what `dump` wrote is kept aside."""
    return text is not None and _CLAIM in text


def holds_claims(value: Any) -> bool:
    """Tell whether something of a value is kept aside."""
    if isinstance(value, dict):
        return any(map(holds_claims, value.values()))
    return any(map(holds_claims, value)) if isinstance(value, list) else isinstance(value, ClaimCheck)


def outward(text: str) -> str:
    """Turn what `dump` wrote into the outward form, without building the value: a large one stands in memory once more only."""
    if _MARK not in text:
        return text
    if f'{_MARK}:"map"' in text:
        return orjson.dumps(to_json(load(text))).decode()
    return _TAGGED.sub(_as_outward, text)


def _as_outward(found: re.Match[str]) -> str:
    kind, text = found.groups()
    if kind in {"dec", "td", "claim"}:
        return orjson.dumps(to_json(_BACK[kind](orjson.loads(text)))).decode()
    return text


def canonical(value: Any) -> bytes:
    """Give equal values equal bytes: for hashes of arguments, which must not depend on the order of keys."""
    with suppress(TypeError):  # most have nothing that JSON does not know
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | _KEEP)
    try:
        return orjson.dumps(to_json(value), option=orjson.OPT_SORT_KEYS)
    except TypeError as error:  # arguments of a command line may hold bytes that are no UTF-8
        raise InputError(f"this cannot be written as JSON: {error}") from error


def kept_canonical(value: Any) -> bytes:
    """Give what `canonical` gives, of what is one of many that are kept."""
    return _fitting(canonical(value))


def name_of(key: tuple[Any, ...]) -> Hashable:
    """Give a key a name for use in a dict, equal to those of equal keys alone: itself, where it has numbers and texts alone."""
    return key if _NAMES.issuperset(map(type, key)) else kept_canonical(key)


def kept_json(value: Any) -> bytes:
    """Write the outward form of what is one of many that are kept."""
    return _fitting(write_json(value))


def _fitting(text: bytes) -> bytes:
    """Copy a text: what orjson gives holds 4 KB as long as it is kept, however short it is."""
    return bytes(memoryview(text))


def parse_json(text: str | bytes, *, what: str = "body") -> Any:
    """
    Read JSON from outside without rounding: numbers with a point or exponent come as Decimal.

    Raises InputError that names the position; NaN, Infinity and a depth over 200 are refused.
    """
    if isinstance(text, bytes) and _is_simple(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # below it is said what is wrong
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, parse_float=_decimal, parse_constant=_no_constant)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 (byte {error.start})") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{what} has half of a surrogate pair, which is no character") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise InputError(f"{what} is nested more than {_MOST_DEEP} deep") from error
    except (ValueError, InvalidOperation) as error:
        if "integer string conversion" in str(error):  # Python's own limit, in words for its programmers
            raise InputError(f"{what} has an integer of thousands of digits") from error
        raise InputError(f"{what} is not JSON that can be read: {error}") from error
    if _deeper_than(value, _MOST_DEEP):
        raise InputError(f"{what} is nested more than {_MOST_DEEP} deep")
    return value


# Every digit is a 0 and each of .eE a point: then a search for bytes finds what an expression would, in a third of its time.
_DIGITS = bytes.maketrans(b"0123456789.eE", b"0000000000...")
_MANY_DIGITS = b"0" * 18


def _is_simple(text: bytes) -> bool:
    """Tell whether a faster reader gives the same: no number that it would round, and no great depth."""
    if len(text) >= 65_536 or text.count(b"{") + text.count(b"[") > _MOST_DEEP:
        return False
    numbers = text.replace(b'"2.0"', b"").translate(_DIGITS)  # that one is of JSON-RPC, and no number
    return b"0." not in numbers and _MANY_DIGITS not in numbers


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if abs(int(value.as_tuple().exponent)) > _MOST_DIGITS:  # 1E+999999999 in plain notation would fill the memory
        raise ValueError(f"a number of more than {_MOST_DIGITS} digits")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _deeper_than(value: Any, limit: int) -> bool:
    if limit == 0:
        return True
    if isinstance(value, dict):
        return any(_deeper_than(item, limit - 1) for item in value.values())
    if isinstance(value, list):
        return any(_deeper_than(item, limit - 1) for item in value)
    return False


def write_json(value: Any, *, exact: bool = False, indent: bool = False) -> bytes:
    """Write the outward form; `exact` writes decimals and wide integers as JSON numbers (`--numbers exact`)."""
    if exact:
        return simplejson.dumps(
            _exact(value), ensure_ascii=False, use_decimal=True, indent=2 if indent else None
        ).encode()
    if not indent:
        try:
            return orjson.dumps(value, default=_unknown, option=_KEEP)
        except TypeError:  # what JSON cannot hold as it is: integers of any size, names that are no text
            pass
    return orjson.dumps(to_json(value), option=orjson.OPT_INDENT_2 if indent else None)


def json_form(value: Any) -> Any:
    """
    Give nearly the outward form, by way of its text: that is faster, and near enough for a schema.

    Fractions of a bare time and seconds of a zone (in years before 1900) are spelled otherwise. What it gives something for,
    `write_json` can write; TypeError for the rest.
    """
    try:
        return orjson.loads(orjson.dumps(value, default=_unknown, option=_PLAIN))
    except TypeError:  # as in `write_json`
        return orjson.loads(orjson.dumps(to_json(value)))


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _exact(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item) for item in value]
    return to_json(value)


def moment(seconds: float | None) -> str | None:
    """Spell epoch seconds for people and programs: ISO 8601 in UTC, to the millisecond."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
