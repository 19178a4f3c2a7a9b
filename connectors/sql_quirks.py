"""Values that a column keeps otherwise than its type says: decoded when they are read, encoded when they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ..core.errors import InputError
from .sql_model import Column, Kind, Quirk

_TEXTS: frozenset[Kind] = frozenset({"text", "other"})
_DATES: frozenset[Kind] = frozenset({"date", "timestamp", "timestamptz"})
_NUMBERS: frozenset[Kind] = frozenset({"integer", "bigint", "decimal"})
_CENTURY = 100


def quirky(column: Column, quirk: Quirk) -> Column:
    """Give the column as callers see it; where the quirk says nothing about such a column it stays as it is."""
    kept = _fitting(column.kind, quirk)
    if kept == Quirk():
        return column
    kind: Kind = column.kind
    if kept.boolean is not None:
        kind = "boolean"
    elif kept.number is not None:
        kind = kept.number
    elif kept.date is not None:
        kind = "timestamp" if "%H" in kept.date else "date"
    elif kept.code_page is not None:
        kind = "text"
    changed = kind != column.kind
    scale = kept.scale if kept.number else None if changed else column.scale
    length = None if changed else column.length
    nullable = column.nullable or bool(kept.null)
    if kept.null and not column.nullable:
        kept = replace(kept, null_as=kept.null[0])
    return replace(column, kind=kind, stored=column.kind, quirk=kept, scale=scale, length=length, nullable=nullable)


def as_kept(column: Column) -> Column:
    """Give the column without its quirk."""
    return column if column.quirk is None else Column(column.name, column.stored or column.kind)


def _fitting(kind: Kind, quirk: Quirk) -> Quirk:
    """Leave out what is said of all columns and means others than this."""
    of_one = quirk.date or quirk.number or quirk.boolean
    if kind in _TEXTS or of_one:
        return quirk
    return Quirk(
        null=quirk.null if kind in _DATES | _NUMBERS else (),
        code_page=quirk.code_page if kind == "bytes" else None,
    )


def decoder(column: Column) -> Callable[[Any], Any]:
    """Give what turns a stored value into the one that is meant; what cannot be read so is given as it is."""
    quirk = column.quirk or Quirk()

    def decode(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, (str, bytes)):
            value = _decoded_text(value, quirk)
        if quirk.null and _is_null(value, quirk):
            return None
        try:
            return _decoded(value, quirk)
        except (ValueError, InvalidOperation):
            return value

    return decode


def _decoded_text(value: str | bytes, quirk: Quirk) -> Any:
    if quirk.code_page is not None:
        bytes_are, read_as = quirk.code_page
        try:
            raw = value if isinstance(value, bytes) else value.encode(read_as, "surrogateescape")
            value = raw.decode(bytes_are)
        except UnicodeError:  # one that was written rightly among those that were not
            return value
    if isinstance(value, bytes):
        return value
    if quirk.nul_bytes == "cut":
        value = value.partition("\0")[0]
    elif quirk.nul_bytes == "strip":
        value = value.replace("\0", "")
    return value.rstrip(" ") if quirk.trailing_blanks else value


def _is_null(value: Any, quirk: Quirk) -> bool:
    text = str(value).strip()
    return any(text == word or text.startswith(f"{word} ") for word in quirk.null)


def _decoded(value: Any, quirk: Quirk) -> Any:
    if quirk.boolean is not None:
        return {quirk.boolean[0]: True, quirk.boolean[1]: False}.get(str(value).strip(), value)
    if quirk.number is not None:
        return _number(str(value), quirk)
    if quirk.date is not None:
        return _date(str(value).strip(), quirk)
    return value


def _number(text: str, quirk: Quirk) -> Any:
    bare = text.strip().replace(quirk.decimal_mark, ".")
    bare = f"-{bare[:-1]}" if bare.endswith("-") else bare
    number = Decimal(bare.replace(" ", ""))
    if not number.is_finite():
        raise ValueError
    if quirk.number == "decimal":
        return number if quirk.scale is None else number.quantize(Decimal(1).scaleb(-quirk.scale))
    if number != int(number):
        raise ValueError
    return int(number)


def _date(text: str, quirk: Quirk) -> date | datetime:
    form = quirk.date or ""
    if text.isdigit() and "%-" not in form:  # a number has lost its leading zeros
        text = text.zfill(len(date(2000, 1, 1).strftime(form)))
    found = datetime.strptime(text, form)  # noqa: DTZ007 - a column has no zone
    if "%y" in form:
        century = 1900 if found.year % _CENTURY >= quirk.pivot else 2000
        found = found.replace(year=century + found.year % _CENTURY)
    return found if "%H" in form else found.date()


def encoder(column: Column) -> Callable[[Any], Any]:
    """Give what turns a value into what is stored; InputError for what cannot be stored so."""
    quirk = column.quirk or Quirk()

    def encode(value: Any) -> Any:
        if value is None:
            return None if quirk.null_as is None else _as_stored(quirk.null_as, column)
        try:
            return _as_stored(_encoded(value, quirk, column), column)
        except (UnicodeError, ValueError) as error:
            raise InputError(
                f"{column.name}: {value!r:.60} cannot be kept there: {error}", field=column.name
            ) from error

    return encode


def _encoded(value: Any, quirk: Quirk, column: Column) -> Any:
    if quirk.boolean is not None:
        return quirk.boolean[0 if value else 1]
    if quirk.number is not None:
        return _spelled(value, quirk)
    if quirk.date is not None:
        return value.strftime(quirk.date)
    if not isinstance(value, str):
        return value
    return _encoded_text(value, quirk, column)


def _encoded_text(value: str, quirk: Quirk, column: Column) -> Any:
    if quirk.nul_bytes and "\0" in value:
        raise ValueError("a NUL byte")
    if quirk.trailing_blanks == "pad" and column.length:
        value = value.ljust(column.length)
    if quirk.code_page is None:
        return value
    bytes_are, read_as = quirk.code_page
    raw = value.encode(bytes_are)
    return raw if column.stored == "bytes" else raw.decode(read_as)


def _spelled(value: Any, quirk: Quirk) -> str:
    number = Decimal(value)
    if quirk.scale is not None:
        if number != round(number, quirk.scale):
            raise ValueError(f"more than {quirk.scale} decimal places")
        number = number.quantize(Decimal(1).scaleb(-quirk.scale))
    text = f"{number:f}".replace(".", quirk.decimal_mark)
    if quirk.width is not None:
        text = text.zfill(quirk.width)
        if len(text) > quirk.width:
            raise ValueError(f"more than {quirk.width} characters")
    return text


def _as_stored(value: Any, column: Column) -> Any:
    if column.stored in {"integer", "bigint"} and isinstance(value, str):
        return int(value)
    if column.stored == "decimal" and isinstance(value, str):
        return Decimal(value)
    return value


def pattern(column: Column, value: str) -> Any:
    """Give a LIKE pattern as the stored texts are spelled."""
    if column.quirk is None or column.quirk.code_page is None:
        return value
    return _encoded_text(value, replace(column.quirk, trailing_blanks=None), column)


def nulls(column: Column) -> list[Any]:
    """Give the stored values that mean NULL."""
    return [_as_stored(word, column) for word in column.quirk.null] if column.quirk is not None else []
