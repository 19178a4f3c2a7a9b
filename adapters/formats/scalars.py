"""Text to value and back, by the declared type of a column (CSV, JSON Lines, fixed width)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import inf, isfinite, isinf, isnan, nextafter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ...core.strict import Strict
from ...core.values import Wide, plain_decimal
from .format import Column

_SYNONYMS = {"text": "string", "int": "integer", "number": "decimal", "bool": "boolean", "timestamp": "datetime"}
Type = Annotated[
    Literal["string", "integer", "bigint", "decimal", "boolean", "date", "datetime"],
    BeforeValidator(lambda given: _SYNONYMS.get(given, given) if isinstance(given, str) else given),
]
Trim = Literal["none", "left", "right", "both"]
STRIPS: dict[Trim, Callable[[str], str]] = {
    "none": str,
    "left": lambda text: text.lstrip(" "),
    "right": lambda text: text.rstrip(" "),
    "both": lambda text: text.strip(" "),
}
Parse = Callable[[str], Any]
Print = Callable[[Any], str]


class ColumnSpec(Strict):
    """One column of a text format."""

    name: str = Field(min_length=1, description="Its name in records.")
    type: Type = Field("string", description="What its text means.")
    scale: int | None = Field(None, ge=0, le=30, description="Digits after the decimal mark.")
    date: str | None = Field(None, description="How a date or time is written, as in strptime: '%d.%m.%Y'.")
    null: list[str] = Field(default_factory=list, description="Texts that mean NULL in this column.")
    true: str = Field("true", description="Text of a true boolean.")
    false: str = Field("false", description="Text of a false boolean.")

    @model_validator(mode="after")
    def _fits(self) -> ColumnSpec:
        if self.scale is not None and self.type != "decimal":
            raise ValueError(f"scale belongs to a decimal, and {self.name} is of type {self.type}")
        if self.date is not None and self.type not in {"date", "datetime"}:
            raise ValueError(f"date belongs to a date or datetime, and {self.name} is of type {self.type}")
        return self

    def column(self) -> Column:
        return Column(self.name, "wide" if self.type == "bigint" else self.type, scale=self.scale)


def named_columns(given: Any) -> Any:
    """Accept columns as names, as `name: type`, as `name: {...}` or as a list of full specifications."""
    if isinstance(given, dict):
        return [{"name": name, **(spec if isinstance(spec, dict) else {"type": spec})} for name, spec in given.items()]
    if isinstance(given, list):
        return [{"name": item} if isinstance(item, str) else item for item in given]
    return given


Columns = Annotated[list[ColumnSpec], BeforeValidator(named_columns)]


def parser(spec: ColumnSpec, decimal_mark: str, *, implied_scale: bool = False) -> Parse:
    """Compile text to value; the parser raises ValueError with a reason. `implied_scale`: no mark is written."""
    match spec.type:
        case "string":
            return str
        case "integer":
            return _integer
        case "bigint":
            return lambda text: Wide(_digits(text))
        case "decimal":
            return _decimal_parser(spec.scale, decimal_mark, implied_scale=implied_scale)
        case "boolean":
            return _boolean_parser(spec.true, spec.false)
        case _:
            return _moment_parser(spec.date, spec.type == "date")


def in_sql(value: datetime) -> str:
    """Give a moment as PostgreSQL does: a blank, no zeros at the end of a second, and of the zone what is not zero."""
    text = value.replace(tzinfo=None).isoformat(" ")
    text = text.rstrip("0") if "." in text else text
    return text if value.tzinfo is None else text + value.isoformat()[-6:].removesuffix(":00")


def printer(spec: ColumnSpec, decimal_mark: str, *, implied_scale: bool = False) -> Print:
    """Compile value to text; the printer raises ValueError with a reason."""
    match spec.type:
        case "string":
            return _text
        case "integer" | "bigint":
            return lambda value: str(_whole(value))
        case "decimal":
            return _decimal_printer(spec.scale, decimal_mark, implied_scale=implied_scale)
        case "boolean":
            return lambda value: spec.true if _truth(value) else spec.false
        case _:
            return _moment_printer(spec.date, spec.type == "date")


def as_decimal(value: Any) -> Decimal:
    """Take a number that a caller or a database gave; floats are refused, because they are not exact."""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int) and not isinstance(value, bool) or isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    elif isinstance(value, float):
        raise ValueError(f"{value!r} is a floating point number, which is not exact; give a decimal or a string")
    else:
        raise ValueError(f"{value!r} is no number")
    if not number.is_finite():
        raise ValueError(f"{value} is no number that can be written")
    return number


def unscaled(value: Any, scale: int) -> int:
    """Give a number as an integer of 10^-scale units; ValueError where a digit would be lost."""
    sign, digits, exponent = as_decimal(value).as_tuple()
    whole = int("".join(map(str, digits)) or "0")
    shift = int(exponent) + scale
    if abs(shift) > 1000:
        raise ValueError(f"{value} is far too large or too small")
    if shift < 0:
        whole, lost = divmod(whole, power_of_ten(-shift))
        if lost:
            raise ValueError(f"{value} has more than {scale} digits after the point")
    else:
        whole *= power_of_ten(shift)
    return -whole if sign else whole


def power_of_ten(exponent: int) -> int:
    return int(10**exponent)


def scaled(value: int, scale: int) -> Decimal:
    """Give 10^-scale units as a decimal that keeps its scale, without rounding."""
    return Decimal(f"{value}E-{scale}")


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_WITH_EXPONENT = 1e15
_BETWEEN = 2.0**54
_DIGITS = 17
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


def _digits(text: str) -> int:
    bare = text.strip(" ")
    if not _INTEGER.fullmatch(bare):
        raise ValueError(f"{text!r} is no integer")
    return int(bare)


def _integer(text: str) -> int:
    value = _digits(text)
    if not -(2**53) < value < 2**53:
        raise ValueError(f"{text} is more than an integer can be in JSON; give the column the type bigint")
    return value


def _decimal_parser(scale: int | None, mark: str, *, implied_scale: bool) -> Parse:
    def parse(text: str) -> Decimal:
        bare = text.strip(" ")
        if mark != ".":
            if "." in bare:
                raise ValueError(f"{text!r} is no number with {mark!r} as its decimal mark")
            bare = bare.replace(mark, ".")
        if not _NUMBER.fullmatch(bare):
            raise ValueError(f"{text!r} is no number")
        if scale is None:
            return Decimal(bare)
        if (point := bare.find(".")) >= 0 and len(bare) - point - 1 == scale:
            return Decimal(bare) or scaled(0, scale)  # no zero has a sign
        if implied_scale and "." not in bare:
            return scaled(int(bare), scale)
        return scaled(unscaled(bare, scale), scale)

    return parse


def _decimal_printer(scale: int | None, mark: str, *, implied_scale: bool) -> Print:
    def show(value: Any) -> str:
        number = as_decimal(value)
        if scale is None:
            return plain_decimal(number).replace(".", mark)
        units = unscaled(number, scale)
        return str(units) if implied_scale else plain_decimal(scaled(units, scale)).replace(".", mark)

    return show


def _boolean_parser(true: str, false: str) -> Parse:
    known = {true.lower(): True, false.lower(): False}

    def parse(text: str) -> bool:
        value = known.get(text.strip(" ").lower())
        if value is None:
            raise ValueError(f"{text!r} is neither {true!r} nor {false!r}")
        return value

    return parse


def _moment_parser(pattern: str | None, is_date: bool) -> Parse:
    kind = date if is_date else datetime

    @lru_cache(maxsize=4096)
    def parse(text: str) -> date | datetime:
        try:
            if pattern is None:
                return kind.fromisoformat(text.strip(" "))
            moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is in the pattern or nowhere
        except ValueError:
            raise ValueError(f"{text!r} is no {kind.__name__} as {pattern or 'in ISO 8601'}") from None
        return moment.date() if is_date else moment

    return parse


def _moment_printer(pattern: str | None, is_date: bool) -> Print:
    kind = date if is_date else datetime

    def show(value: Any) -> str:
        if isinstance(value, str):
            value = kind.fromisoformat(value)
        if is_date and isinstance(value, datetime):
            raise ValueError(f"{value} has a time, and the column is a date")
        if not isinstance(value, kind):
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return value.strftime(pattern) if pattern else value.isoformat()

    return show


def _whole(value: Any) -> int:
    return unscaled(value, 0)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is no boolean")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return shortest(value)
    raise ValueError(f"{type(value).__name__} has no form as text here")


def shortest(value: float) -> str:
    """Give the shortest text that gives the float back, in the form that PostgreSQL gives it."""
    if not isfinite(value):
        return "NaN" if isnan(value) else f"{'-' * (value < 0)}Infinity"
    text = repr(value).removesuffix(".0")
    if abs(value) >= _BETWEEN:
        return _nearer(value, text)
    if not _WITH_EXPONENT <= abs(value) < 10 * _WITH_EXPONENT:
        return text
    digits = text.lstrip("-").replace(".", "").rstrip("0")
    return f"{'-' * (value < 0)}{digits[0]}{'.' * (len(digits) > 1)}{digits[1:]}e+15"


def _nearer(value: float, text: str) -> str:
    """Give more digits to a text that lies exactly between two floats: PostgreSQL prints none of those, though it reads them alike."""
    exact = Fraction(value)
    off = Fraction(text) - exact
    beside = nextafter(value, inf if off > 0 else -inf)
    if off == 0 or isinf(beside) or abs(off) * 2 != (gap := abs(Fraction(beside) - exact)):
        return text
    digits = len(text.partition("e")[0].lstrip("-").replace(".", ""))
    longer = (f"{value:.{places}e}" for places in range(digits, _DIGITS))
    return next(one for one in longer if abs(Fraction(one) - exact) * 2 < gap)
