"""Convert between a driver's values and ours, by the kind of the column and never through a float."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from uuid import UUID

import simplejson

from ..core.errors import InputError
from ..core.values import Wide, to_json
from .sql_model import Column, Kind
from .sql_quirks import decoder, encoder

SAFE = 2**53 - 1
_LONG = frozenset({"text", "bytes", "other", "json"})
_PLAIN = (str, int, float, bool, type(None), Decimal, datetime, date, time, timedelta, bytes)


def plain(value: Any) -> Any:
    """Give a driver's value of unknown type as a plain one."""
    kind = type(value)
    if kind in _PLAIN or kind is Wide:
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return str(value)


def reader(kind: Kind, dialect: str, scale: int | None = None) -> Callable[[Any], Any] | None:
    """Give what turns a driver's value of such a column into ours; None where they are the same."""
    if dialect == "firebird" and kind in _LONG:
        return _firebird_reader(_reader(kind, dialect, scale))
    return _reader(kind, dialect, scale)


def _firebird_reader(then: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    from .sql_firebird import read_long

    if then is None:
        return read_long
    return lambda value: then(read_long(value))


def _reader(kind: Kind, dialect: str, scale: int | None) -> Callable[[Any], Any] | None:
    if kind == "bigint":
        return _wide
    if kind in {"uuid", "array", "other"}:
        return plain
    if kind == "json":
        return _json
    if kind == "bytes":
        return lambda value: value if value is None or type(value) is bytes else _to_bytes(value)
    if dialect == "sqlite":
        return _sqlite_reader(kind, scale)
    if kind == "time" and dialect in {"mysql", "mariadb"}:
        return _clock
    if kind == "decimal" and dialect == "firebird" and scale:
        return partial(_with_scale, Decimal(1).scaleb(-scale))
    return None


def _with_scale(step: Decimal, value: Any) -> Any:
    """Firebird's driver leaves out the zeros at the end of a number."""
    return value.quantize(step) if isinstance(value, Decimal) else value


def column_reader(column: Column, dialect: str) -> Callable[[Any], Any] | None:
    """Give what turns a driver's value of this column into ours, its quirk included; None where they are the same."""
    if column.quirk is None:
        return reader(column.kind, dialect, column.scale)
    return _and_then(reader(column.stored or column.kind, dialect, column.scale), decoder(column), column.kind)


def quirk_reader(column: Column, first: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Give what reads by the result's own type first, and then by the quirk that is said of the column."""
    return _and_then(first, decoder(column), column.kind)


def _and_then(first: Callable[[Any], Any] | None, decode: Callable[[Any], Any], kind: Kind) -> Callable[[Any], Any]:
    wide = _wide if kind == "bigint" else None

    def read(value: Any) -> Any:
        found = decode(value if first is None else first(value))
        return found if wide is None else wide(found)

    return read


def _clock(value: Any) -> Any:
    """MySQL's TIME goes from -838 to 838 hours; within a day it is a time."""
    within = isinstance(value, timedelta) and timedelta(0) <= value < timedelta(days=1)
    return (datetime(1, 1, 1) + value).time() if within else value  # noqa: DTZ001 - a clock has no zone


def _sqlite_reader(kind: Kind, scale: int | None) -> Callable[[Any], Any] | None:
    readers: dict[str, Callable[[Any], Any]] = {
        "integer": lambda value: Wide(value) if type(value) is int and not -SAFE <= value <= SAFE else value,
        "decimal": lambda value: _exact_decimal(value, scale),
        "boolean": lambda value: bool(value) if type(value) is int else value,
        "date": lambda value: _parsed(date.fromisoformat, value),
        "timestamp": lambda value: _parsed(datetime.fromisoformat, value),
        "timestamptz": lambda value: _parsed(datetime.fromisoformat, value),
        "time": lambda value: _parsed(time.fromisoformat, value),
    }
    return readers.get(kind)


def _parsed(parse: Callable[[str], Any], value: Any) -> Any:
    """Give what cannot be parsed as it is: an old database may hold anything."""
    try:
        return parse(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _exact_decimal(value: Any, scale: int | None) -> Any:
    """SQLite keeps numbers as 64-bit floats; the shortest text that gives the float back is what was written."""
    if value is None or isinstance(value, (bytes, Decimal)):
        return value
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
        if scale is not None and number.is_finite() and -number.as_tuple().exponent < scale:  # type: ignore[operator]  # finite: a number
            return number.quantize(Decimal(1).scaleb(-scale))
        return Decimal(f"{number:f}") if number.is_finite() else number
    except (InvalidOperation, ValueError):
        return value


def _wide(value: Any) -> Any:
    return Wide(value) if type(value) is int else value


def _json(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        try:
            return loads_exact(value)
        except ValueError:
            return value
    return plain(value)


def loads_exact(text: str | bytes) -> Any:
    """Read JSON of a column; its numbers with a point come as Decimal."""
    return json.loads(text, parse_float=Decimal)


def dumps_exact(value: Any) -> str:
    """Write JSON for a column; what came as a number stays one, with its digits."""
    return simplejson.dumps(value, ensure_ascii=False, use_decimal=True, default=to_json)


def _to_bytes(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def bindable(value: Any, dialect: str) -> Any:
    """Give a plain value as the driver takes it."""
    if isinstance(value, (dict, list)) and dialect != "postgresql":
        return json.dumps(to_json(value), ensure_ascii=False)
    if isinstance(value, dict):
        return json.dumps(to_json(value), ensure_ascii=False)
    if isinstance(value, Wide):
        return int(value)
    if dialect == "sqlite":
        return _sqlite(value)
    if dialect in {"mysql", "mariadb"} and isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _sqlite(value: Any) -> Any:
    if isinstance(value, Decimal):
        near = float(value)
        return near if Decimal(repr(near)) == value else str(value)
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, timedelta)):
        return str(value)
    return value


def _sqlite_number(value: Decimal, name: str) -> int | float:
    """Give what a column of numbers keeps digit for digit; SQLite makes a float of everything else, text or not."""
    near = float(value)
    if Decimal(repr(near)) == value:
        return near
    if value == (whole := int(value)) and -(2**63) <= whole < 2**63:
        return whole
    raise InputError(f"{name}: SQLite keeps about 15 digits of a number, {value} has more", field=name)


def writer(column: Column, dialect: str) -> Callable[[Any], Any]:
    """Give what turns a value for this column into what the driver takes; it raises InputError for what does not fit."""
    if column.quirk is not None:
        return _quirky_writer(column, dialect)
    into = _INTO.get(column.kind)
    textual = dialect == "sqlite" and column.kind in {"text", "other"}

    def write(value: Any) -> Any:
        if value is None:
            return None
        if textual and isinstance(value, Decimal):
            return f"{value:f}"
        if column.kind == "json":
            return dumps_exact(value)
        if column.kind == "bytes" and isinstance(value, str):
            return value.encode()
        if into:
            value = _fitting(converted(value, column.kind, column.name), column)
            if dialect == "sqlite" and isinstance(value, Decimal):
                return _sqlite_number(value, column.name)
            if dialect == "firebird" and isinstance(value, (datetime, time)) and value.microsecond % 100:
                said = f"{column.name}: Firebird keeps four places of a second, {value.isoformat()} has more"
                raise InputError(said, field=column.name)
        return bindable(value, dialect)

    return write


def _quirky_writer(column: Column, dialect: str) -> Callable[[Any], Any]:
    encode = encoder(column)

    def write(value: Any) -> Any:
        meant = _fitting(converted(value, column.kind, column.name), column)
        return bindable(encode(meant), dialect)

    return write


def _fitting(value: Any, column: Column) -> Any:
    """Refuse what the database would round or cut without a word."""
    if column.scale is not None and isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > column.scale and value != round(value, column.scale):
            raise InputError(f"{column.name}: {value} has more than {column.scale} decimal places", field=column.name)
    if column.length is not None and isinstance(value, str) and len(value) > column.length:
        raise InputError(f"{column.name}: {len(value)} characters, {column.length} fit", field=column.name)
    return value


def converted(value: Any, kind: Kind, name: str) -> Any:
    """Convert a value from JSON (a decimal as text, a date as ISO 8601) to the kind; one that has it already stays."""
    convert = _INTO.get(kind)
    if value is None or convert is None:
        return value
    try:
        return convert(value)
    except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
        raise InputError(f"{name}: {_shown(value)} is no {kind}", field=name) from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _int(value: Any) -> int:
    if isinstance(value, (Decimal, float)) and value != int(value):
        raise ValueError
    return int(value.strip()) if isinstance(value, str) else int(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value.strip() if isinstance(value, str) else int(value) if isinstance(value, int) else value)  # fmt: skip
    if not number.is_finite():
        raise ValueError
    return number


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        value = {"true": 1, "false": 0, "1": 1, "0": 0}.get(value.lower())
    if value in {0, 1}:
        return bool(value)
    raise ValueError


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        if value.time() != time():
            raise ValueError
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value)


def _timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else datetime.fromisoformat(value)  # noqa: DTZ001 - a date has no zone


def _time(value: Any) -> Any:
    return value if isinstance(value, (time, timedelta)) else time.fromisoformat(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError


_INTO: dict[str, Callable[[Any], Any]] = {
    "integer": _int,
    "bigint": _int,
    "decimal": _decimal,
    "float": float,
    "boolean": _bool,
    "text": _text,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamp,
    "uuid": str,
}
