"""
Whole columns of a batch as the text that COPY takes.

A column whose values are all of a kind that the target's type holds exactly is printed at once; the values of any other go
one by one through the target's own `writer`, which refuses what does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from ..core.batch import Columns, Read
from ..core.errors import InputError
from ..core.values import Wide
from .sql_model import Column

NULL = "\\N"
_SPECIAL = re.compile(r"[\\\t\n\r\x00]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
Show = Callable[[Column, Sequence[Any], Read | None], list[str] | None]
"""Prints the values of a column, None where they are not what it knows."""


class Unprintable(Exception):
    """A value has no text here that the target would surely read as the same value."""


def lines(
    columns: Columns, into: Sequence[Column], writes: Sequence[Callable[[Any], Any]]
) -> tuple[Iterator[str], dict[int, str]]:
    """Print rows for COPY, and say which do not fit; then nothing is to be written. Unprintable where COPY cannot be used."""
    refused: dict[int, str] = {}
    shown = [
        printed(column, values, read, write, refused)
        for column, values, read, write in zip(into, columns.values, columns.reads, writes, strict=True)
    ]
    return map("\t".join, zip(*shown, strict=True)), refused


def printed(
    column: Column, values: Sequence[Any], read: Read | None, write: Callable[[Any], Any], refused: dict[int, str]
) -> list[str]:
    kinds = set(map(type, values))
    has_null = type(None) in kinds
    kinds.discard(type(None))
    if not kinds:
        return [NULL] * len(values)
    there = [value for value in values if value is not None] if has_null else values
    shown = None
    if len(kinds) == 1 and (show := _SHOWS.get((column.kind, next(iter(kinds))))) is not None:
        shown = show(column, there, read)
    if shown is None:
        return _one_by_one(values, read, write, refused)
    if not has_null:
        return shown
    left = iter(shown)
    return [NULL if value is None else next(left) for value in values]


def _one_by_one(
    values: Sequence[Any], read: Read | None, write: Callable[[Any], Any], refused: dict[int, str]
) -> list[str]:
    shown: list[str] = []
    for at, value in enumerate(values):
        try:
            shown.append(_text(write(value if read is None else read(value))))
        except InputError as error:
            refused.setdefault(at, error.message)
            shown.append(NULL)
    return shown


def _text(value: Any) -> str:
    if value is None:
        return NULL
    kind = type(value)
    if kind is str:
        return _escaped([value])[0]
    if kind is bool:
        return "t" if value else "f"
    if kind in (int, Wide, float, UUID, date, datetime, time):
        return str(value)
    if kind is Decimal:
        return str(value)
    if kind is bytes:
        return f"\\\\x{value.hex()}"
    raise Unprintable(kind.__name__)


def _escaped(values: Sequence[str]) -> list[str]:
    found = set(_SPECIAL.findall("".join(values)))
    if "\x00" in found:
        raise Unprintable("a text with a NUL character")
    return [value.translate(_ESCAPES) for value in values] if found else list(values)


def _same(column: Column, values: Sequence[Any], read: Read | None) -> list[str] | None:
    return list(map(str, values))


def _texts(column: Column, values: Sequence[str], read: Read | None) -> list[str] | None:
    if column.length is not None and max(map(len, values)) > column.length:
        return None
    return _escaped(values)


def _decimals(column: Column, values: Sequence[Decimal], read: Read | None) -> list[str] | None:
    if column.scale is None:
        return list(map(str, values)) if all(map(Decimal.is_finite, values)) else None
    return list(map(str, values)) if all(map(Decimal(1).scaleb(-column.scale).same_quantum, values)) else None


def _whole_decimals(column: Column, values: Sequence[int], read: Read | None) -> list[str] | None:
    return list(map(str, values))


def _float_decimals(column: Column, values: Sequence[float], read: Read | None) -> list[str] | None:
    """SQLite's numbers: the shortest text that gives the float back is what was written."""
    scale = column.scale
    if read is None or scale is None or scale > 15 or not all(map(isfinite, values)):
        return None
    return list(map(repr, values)) if all(round(value, scale) == value for value in values) else None


def _booleans(column: Column, values: Sequence[bool], read: Read | None) -> list[str] | None:
    return ["t" if value else "f" for value in values]


def _ones(column: Column, values: Sequence[int], read: Read | None) -> list[str] | None:
    return list(map(str, values)) if set(values) <= {0, 1} else None


def _naive(column: Column, values: Sequence[datetime], read: Read | None) -> list[str] | None:
    """A time with its zone would lose it in such a column without a word."""
    return list(map(str, values)) if {value.tzinfo for value in values} == {None} else None


def _stamps(column: Column, values: Sequence[str], read: Read | None) -> list[str] | None:
    return _dated(_STAMP, datetime.fromisoformat, values, read)


def _days(column: Column, values: Sequence[str], read: Read | None) -> list[str] | None:
    return _dated(_DAY, date.fromisoformat, values, read)


def _dated(
    form: re.Pattern[str], parse: Callable[[str], Any], values: Sequence[str], read: Read | None
) -> list[str] | None:
    """SQLite's dates are texts: those in the one form that every database reads alike pass as they are."""
    if read is None or not all(map(form.fullmatch, values)):
        return None
    try:
        for value in values:
            parse(value)
    except ValueError:
        return None
    return list(values)


def _bytes(column: Column, values: Sequence[bytes], read: Read | None) -> list[str] | None:
    return [f"\\\\x{value.hex()}" for value in values]


_SHOWS: Mapping[tuple[str, type], Show] = {
    ("integer", int): _same,
    ("integer", Wide): _same,
    ("bigint", int): _same,
    ("bigint", Wide): _same,
    ("decimal", Decimal): _decimals,
    ("decimal", int): _whole_decimals,
    ("decimal", float): _float_decimals,
    ("float", float): _same,
    ("boolean", bool): _booleans,
    ("boolean", int): _ones,
    ("text", str): _texts,
    ("date", date): _same,
    ("date", str): _days,
    ("timestamp", datetime): _naive,
    ("timestamp", str): _stamps,
    ("timestamptz", datetime): _same,
    ("time", time): _same,
    ("bytes", bytes): _bytes,
    ("uuid", UUID): _same,
}
