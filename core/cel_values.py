"""What CEL's operators and functions mean on plain values: decimals and dates are exact and keep their kind."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from .errors import InputError
from .values import plain_decimal

Path = tuple[str, ...]
Env = Mapping[str, Any]
Run = Callable[[Env], Any]
"""A compiled expression."""
_EXACT = Context(prec=60)


class EvaluationError(InputError):
    """An expression met a value that it cannot work with."""


_DATE_FIELDS = {"year", "month", "day", "hour", "minute", "second"}


def select(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        try:
            return value[name]
        except KeyError:
            near = ", ".join(map(str, list(value)[:8]))
            raise EvaluationError(f"there is no {name}; there are: {near or 'none'}") from None
    if isinstance(value, (date, time)) and name in _DATE_FIELDS and hasattr(value, name):
        return getattr(value, name)
    raise EvaluationError(f"{kind_of(value)} has no {name}")


def reader(path: Path) -> Run:
    """Give what reads a path, `('input', 'order')`."""
    root, *rest = path

    def read(env: Env) -> Any:
        try:
            value = env[root]
        except KeyError:
            raise EvaluationError(f"{root} is not there") from None
        for name in rest:
            value = value[name] if type(value) is dict and name in value else select(value, name)
        return value

    return read


def item_of(value: Any, index: Any) -> Any:
    if isinstance(value, Mapping):
        return select(value, index)
    if isinstance(value, (list, tuple)) and isinstance(index, int) and not isinstance(index, bool):
        if 0 <= index < len(value):
            return value[index]
        raise EvaluationError(f"there is no item {index} in a list of {len(value)}")
    raise EvaluationError(f"{kind_of(value)} cannot be indexed by {kind_of(index)}")


def truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"a condition is true or false, this is {kind_of(value)}")


def kind_of(value: Any) -> str:
    names = {bool: "a boolean", str: "a text", list: "a list", dict: "a map", type(None): "null", float: "a float"}
    if isinstance(value, Decimal):
        return "a decimal"
    if isinstance(value, int) and not isinstance(value, bool):
        return "an integer"
    return names.get(type(value), f"a {type(value).__name__}")


def number(value: Any) -> Any:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return value
    raise EvaluationError(f"{kind_of(value)} is no number")


def _pair(left: Any, right: Any) -> tuple[Any, Any]:
    if isinstance(left, Decimal) and isinstance(right, float) or isinstance(left, float) and isinstance(right, Decimal):
        raise EvaluationError("a float beside a decimal would round: write decimal('0.19') instead of 0.19")
    return number(left), number(right)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


_ADDABLE: tuple[tuple[type, type], ...] = (
    (str, str),
    (list, list),
    (bytes, bytes),
    (date, timedelta),
    (timedelta, date),
    (timedelta, timedelta),
)


def _add(left: Any, right: Any) -> Any:
    if any(isinstance(left, first) and isinstance(right, second) for first, second in _ADDABLE):
        return left + right
    return _arithmetic(operator.add, _EXACT.add, left, right)


def _subtract(left: Any, right: Any) -> Any:
    if (
        isinstance(left, date)
        and isinstance(right, (date, timedelta))
        or isinstance(left, timedelta)
        and isinstance(right, timedelta)
    ):
        try:
            return left - right  # type: ignore[operator]  # a naive and an aware time are told apart below
        except TypeError as error:
            raise EvaluationError(str(error)) from error
    return _arithmetic(operator.sub, _EXACT.subtract, left, right)


def _arithmetic(plain: Callable[[Any, Any], Any], exact: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if type(left) is Decimal is type(right):
        return exact(left, right)
    left, right = _pair(left, right)
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return exact(Decimal(_plain(left)), Decimal(_plain(right)))
    return plain(_plain(left), _plain(right))


def _multiply(left: Any, right: Any) -> Any:
    return _arithmetic(operator.mul, _EXACT.multiply, left, right)


def _divide(left: Any, right: Any) -> Any:
    left, right = _pair(left, right)
    if right == 0:
        raise EvaluationError("division by zero")
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _EXACT.divide(Decimal(_plain(left)), Decimal(_plain(right)))
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _modulo(left: Any, right: Any) -> Any:
    left, right = _pair(left, right)
    if right == 0:
        raise EvaluationError("division by zero")
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _EXACT.remainder(Decimal(_plain(left)), Decimal(_plain(right)))
    if isinstance(left, float) or isinstance(right, float):
        raise EvaluationError("% needs integers or decimals")
    return left - right * _divide(left, right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        numbers = isinstance(left, (int, float, Decimal)) and isinstance(right, (int, float, Decimal))
        if isinstance(left, bool) is isinstance(right, bool) and (
            numbers or isinstance(left, type(right)) or isinstance(right, type(left))
        ):
            try:
                return compare(left, right)
            except TypeError:
                pass
        raise EvaluationError(f"{kind_of(left)} and {kind_of(right)} have no order")

    return ordered


def _in(left: Any, right: Any) -> bool:
    if isinstance(right, (list, tuple, Mapping)):
        return any(_equal(left, item) for item in right)
    raise EvaluationError(f"'in' needs a list or a map, this is {kind_of(right)}")


ARITHMETIC = {_add, _subtract, _multiply, _divide}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "relation_lt": _ordered(operator.lt),
    "relation_le": _ordered(operator.le),
    "relation_gt": _ordered(operator.gt),
    "relation_ge": _ordered(operator.ge),
    "relation_eq": _equal,
    "relation_ne": lambda left, right: not _equal(left, right),
    "relation_in": _in,
    "addition_add": _add,
    "addition_sub": _subtract,
    "multiplication_mul": _multiply,
    "multiplication_div": _divide,
    "multiplication_mod": _modulo,
}


def to_text(value: Any) -> str:
    """Give the text of a value as it stands inside a longer string."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return str(value)
    raise EvaluationError(f"{kind_of(value)} has no text form")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, float):
        raise EvaluationError("a decimal is made of a text or an integer, a float has rounded already")
    try:
        return Decimal(_plain(value)) if not isinstance(value, str) else Decimal(value.strip())
    except (InvalidOperation, TypeError, ValueError):
        raise EvaluationError(f"{value!r} is no decimal") from None


def _int(value: Any) -> int:
    try:
        return int(value.strip()) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        raise EvaluationError(f"{kind_of(value)} is no integer") from None


def _round(value: Any, digits: int = 0) -> Any:
    """Round half up, as invoices do."""
    if isinstance(value, float):
        return round(value, digits)
    return Decimal(_plain(number(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT)


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise EvaluationError(f"{value!r} is no date (YYYY-MM-DD)") from None


def _timestamp(value: Any) -> datetime:
    try:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise EvaluationError(f"{value!r} is no timestamp (ISO 8601)") from None


_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(d|h|ms|m|s)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _duration(value: Any) -> timedelta:
    if not isinstance(value, str) or not value or _DURATION.sub("", value):
        raise EvaluationError(f"{value!r} is no duration (such as 1h30m)")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value)))


def _matches(text: str, pattern: str) -> bool:
    if len(text) > 10_000:
        raise EvaluationError("matches is for texts of up to 10,000 characters")
    return re.search(pattern, text) is not None


def _total(values: Any) -> Any:
    total: Any = 0
    for value in values:
        total = _add(total, value)
    return total


METHODS: dict[str, Callable[..., Any]] = {
    "size": len,
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "matches": _matches,
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "trim": str.strip,
    "split": lambda text, mark: text.split(mark),
    "join": lambda items, mark="": mark.join(items),
    "replace": str.replace,
    "substring": lambda text, start, end=None: text[start:end],
    "indexOf": str.find,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": len,
    "string": to_text,
    "int": _int,
    "uint": _int,
    "double": float,
    "decimal": _decimal,
    "bool": lambda value: {"true": True, "false": False}[value] if isinstance(value, str) else truth(value),
    "bytes": lambda value: value.encode() if isinstance(value, str) else bytes(value),
    "round": _round,
    "abs": lambda value: abs(number(value)),
    "min": lambda *values: min(values[0] if len(values) == 1 else values),
    "max": lambda *values: max(values[0] if len(values) == 1 else values),
    "sum": _total,
    "date": _date,
    "timestamp": _timestamp,
    "duration": _duration,
    "matches": _matches,
    "type": lambda value: kind_of(value).split()[-1],
}


def applied(name: str, apply: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        return apply(*arguments)
    except EvaluationError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, re.error) as error:
        raise EvaluationError(f"{name}({', '.join(map(kind_of, arguments))}): {error}") from error
