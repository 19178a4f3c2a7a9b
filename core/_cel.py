"""Compile a CEL tree to closures, with exact decimals and dates (see `expressions`)."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from celpy.celparser import CELParseError, CELParser
from lark import Token, Tree

from .errors import ConfigError
from .expressions import Env, EvaluationError, Path
from .values import plain_decimal

Run = Callable[[Env], Any]
_EXACT = Context(prec=60)
_PARSER = CELParser()


def compile_text(text: str) -> tuple[Run, frozenset[Path]]:
    """Parse and compile; ConfigError names the column."""
    compiler = _Compiler()
    try:
        return compiler.build(_PARSER.parse(text)), frozenset(compiler.paths)
    except CELParseError as error:
        where = f" at column {error.column}" if error.column and error.column > 0 else ""
        raise ConfigError(f"not a CEL expression{where}: {text.strip()!r}") from error
    except RecursionError as error:
        raise ConfigError("this expression is nested too deep") from error


class _Compiler:
    """One pass over one tree. `paths` collects what is read; `bound` are the variables of macros."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self.bound: list[str] = []

    def build(self, node: Any) -> Run:
        while isinstance(node, Tree) and len(node.children) == 1 and node.data in _PASS:
            node = node.children[0]
        return getattr(self, f"_{node.data}")(node)  # type: ignore[no-any-return]  # a method for each rule of the grammar

    def _expr(self, node: Tree[Any]) -> Run:
        test, yes, no = map(self.build, node.children)
        return lambda env: yes(env) if _truth(test(env)) else no(env)

    def _conditionalor(self, node: Tree[Any]) -> Run:
        return _logic(*map(self.build, node.children), decides=True)

    def _conditionaland(self, node: Tree[Any]) -> Run:
        return _logic(*map(self.build, node.children), decides=False)

    def _binary(self, node: Tree[Any]) -> Run:
        left_node, right_node = node.children
        apply = _OPERATORS[left_node.data]
        left, right = self.build(left_node.children[0]), self.build(right_node)
        if apply in _ARITHMETIC and _float_beside_decimal(left_node.children[0], right_node):
            raise ConfigError("a float literal beside a decimal: write decimal('0.19') instead of 0.19")
        return lambda env: apply(left(env), right(env))

    _relation = _addition = _multiplication = _binary

    def _unary(self, node: Tree[Any]) -> Run:
        inner = self.build(node.children[1])
        if node.children[0].data == "unary_not":
            return lambda env: not _truth(inner(env))
        return lambda env: -_number(inner(env))

    def _member_dot(self, node: Tree[Any]) -> Run:
        path = self._path(node)
        if path is not None and path[0] not in self.bound:
            self.paths.add(path)
            return _reader(path)
        inner, name = self.build(node.children[0]), str(node.children[1])
        return lambda env: _select(inner(env), name)

    def _path(self, node: Any) -> Path | None:
        """Read `a.b.c` as a path; None when something else is inside."""
        names: list[str] = []
        while isinstance(node, Tree):
            if node.data == "member_dot":
                names.append(str(node.children[1]))
                node = node.children[0]
            elif node.data == "ident":
                return (str(node.children[0]), *reversed(names))
            elif node.data in _PASS and len(node.children) == 1:
                node = node.children[0]
            else:
                return None
        return None

    def _ident(self, node: Tree[Any]) -> Run:
        name = str(node.children[0])
        if name not in self.bound:
            self.paths.add((name,))
        return _reader((name,))

    _dot_ident = _ident

    def _member_index(self, node: Tree[Any]) -> Run:
        inner, index = map(self.build, node.children)
        return lambda env: _index(inner(env), index(env))

    def _member_dot_arg(self, node: Tree[Any]) -> Run:
        target, name = node.children[0], str(node.children[1])
        arguments = node.children[2].children if len(node.children) > 2 else []
        if name in _MACROS:
            return self._macro(name, target, arguments)
        if name not in _METHODS:
            raise ConfigError(f"there is no function {name!r} in expressions; known: {', '.join(sorted(_METHODS))}")
        apply, values = _METHODS[name], [self.build(target), *map(self.build, arguments)]
        return lambda env: _applied(name, apply, [value(env) for value in values])

    def _macro(self, name: str, target: Any, arguments: list[Any]) -> Run:
        variable = self._path(arguments[0]) if arguments else None
        if (
            variable is None
            or len(variable) != 1
            or not (len(arguments) == 2 or (name == "map" and len(arguments) == 3))
        ):
            raise ConfigError(f"{name} is written list.{name}(x, expression)")
        items = self.build(target)
        self.bound.append(variable[0])
        bodies = [self.build(body) for body in arguments[1:]]
        self.bound.pop()
        fold = _MACROS[name]
        return lambda env: fold(
            [[body(inner) for body in bodies] for inner in _each(items(env), variable[0], env)], items(env)
        )

    def _ident_arg(self, node: Tree[Any]) -> Run:
        name = str(node.children[0])
        arguments = node.children[1].children if len(node.children) > 1 else []
        if name == "has":
            return self._has(arguments)
        if name not in _FUNCTIONS:
            raise ConfigError(
                f"there is no function {name!r} in expressions; known: {', '.join(sorted([*_FUNCTIONS, 'has']))}"
            )
        apply, values = _FUNCTIONS[name], [self.build(argument) for argument in arguments]
        return lambda env: _applied(name, apply, [value(env) for value in values])

    def _has(self, arguments: list[Any]) -> Run:
        path = self._path(arguments[0]) if len(arguments) == 1 else None
        if path is None or len(path) < 2:
            inner = self.build(arguments[0]) if len(arguments) == 1 else None
            if inner is None:
                raise ConfigError("has is written has(a.b)")
            return lambda env: _there(lambda: inner(env))
        if path[0] not in self.bound:
            self.paths.add(path)
        reader = _reader(path)
        return lambda env: _there(lambda: reader(env))

    def _list_lit(self, node: Tree[Any]) -> Run:
        items = [self.build(item) for item in (node.children[0].children if node.children else [])]
        return lambda env: [item(env) for item in items]

    def _map_lit(self, node: Tree[Any]) -> Run:
        parts = [self.build(part) for part in (node.children[0].children if node.children else [])]
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        return lambda env: {key(env): value(env) for key, value in pairs}

    def _literal(self, node: Tree[Any]) -> Run:
        value = _literal(node.children[0])  # type: ignore[arg-type]  # the grammar: a literal has one token
        return lambda env: value

    def _member_object(self, node: Tree[Any]) -> Run:
        raise ConfigError("objects of named types are not known here; write a map: {'name': value}")

    def _dot_ident_arg(self, node: Tree[Any]) -> Run:
        raise ConfigError("a leading dot is not known here")


_PASS = {
    "expr",
    "conditionalor",
    "conditionaland",
    "relation",
    "addition",
    "multiplication",
    "unary",
    "member",
    "primary",
    "paren_expr",
}


def _float_beside_decimal(*nodes: Any) -> bool:
    kinds = {_static_kind(node) for node in nodes}
    return kinds == {"float", "decimal"}


def _static_kind(node: Any) -> str:
    while isinstance(node, Tree) and len(node.children) == 1 and node.data in _PASS:
        node = node.children[0]
    if not isinstance(node, Tree):
        return ""
    if node.data == "literal":
        return "float" if getattr(node.children[0], "type", "") == "FLOAT_LIT" else ""
    if node.data == "ident_arg" and str(node.children[0]) in {"decimal", "round"}:
        return "decimal"
    if node.data in {"addition", "multiplication"}:
        inner = {_static_kind(node.children[0].children[0]), _static_kind(node.children[1])}
        return "decimal" if "decimal" in inner else ""
    return ""


def _literal(token: Token) -> Any:
    text = str(token)
    match token.type:
        case "INT_LIT":
            return int(text, 0) if "x" in text else int(text)
        case "UINT_LIT":
            return int(text[:-1], 0)
        case "FLOAT_LIT":
            return float(text)
        case "BOOL_LIT":
            return text == "true"
        case "NULL_LIT":
            return None
        case "BYTES_LIT":
            return ast.literal_eval(text)
        case _:
            return ast.literal_eval(text)


def _reader(path: Path) -> Run:
    root, *rest = path

    def read(env: Env) -> Any:
        try:
            value = env[root]
        except KeyError:
            raise EvaluationError(f"{root} is not there") from None
        for name in rest:
            value = _select(value, name)
        return value

    return read


_DATE_FIELDS = {"year", "month", "day", "hour", "minute", "second"}


def _select(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        try:
            return value[name]
        except KeyError:
            near = ", ".join(map(str, list(value)[:8]))
            raise EvaluationError(f"there is no {name}; there are: {near or 'none'}") from None
    if isinstance(value, (date, time)) and name in _DATE_FIELDS and hasattr(value, name):
        return getattr(value, name)
    raise EvaluationError(f"{_kind(value)} has no {name}")


def _index(value: Any, index: Any) -> Any:
    if isinstance(value, Mapping):
        return _select(value, index)
    if isinstance(value, (list, tuple)) and isinstance(index, int) and not isinstance(index, bool):
        if 0 <= index < len(value):
            return value[index]
        raise EvaluationError(f"there is no item {index} in a list of {len(value)}")
    raise EvaluationError(f"{_kind(value)} cannot be indexed by {_kind(index)}")


def _there(read: Callable[[], Any]) -> bool:
    try:
        return read() is not None
    except EvaluationError:
        return False


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"a condition is true or false, this is {_kind(value)}")


def _logic(left: Run, right: Run, *, decides: bool) -> Run:
    """Combine as CEL does: a side that decides wins over an error of the other."""

    def run(env: Env) -> bool:
        try:
            first = _truth(left(env))
        except EvaluationError:
            if _truth(right(env)) is decides:
                return decides
            raise
        return decides if first is decides else _truth(right(env))

    return run


def _each(items: Any, variable: str, env: Env) -> Iterator[Env]:
    if not isinstance(items, (list, tuple, Mapping)):
        raise EvaluationError(f"{_kind(items)} is no list")
    for item in items:
        yield {**env, variable: item}


_MACROS: dict[str, Callable[[list[list[Any]], Any], Any]] = {
    "all": lambda results, items: all(_truth(result[0]) for result in results),
    "exists": lambda results, items: any(_truth(result[0]) for result in results),
    "exists_one": lambda results, items: sum(_truth(result[0]) for result in results) == 1,
    "filter": lambda results, items: [item for item, result in zip(items, results, strict=True) if _truth(result[0])],
    "map": lambda results, items: [result[-1] for result in results if len(result) == 1 or _truth(result[0])],
}


def _kind(value: Any) -> str:
    names = {bool: "a boolean", str: "a text", list: "a list", dict: "a map", type(None): "null", float: "a float"}
    if isinstance(value, Decimal):
        return "a decimal"
    if isinstance(value, int) and not isinstance(value, bool):
        return "an integer"
    return names.get(type(value), f"a {type(value).__name__}")


def _number(value: Any) -> Any:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return value
    raise EvaluationError(f"{_kind(value)} is no number")


def _pair(left: Any, right: Any) -> tuple[Any, Any]:
    if isinstance(left, Decimal) and isinstance(right, float) or isinstance(left, float) and isinstance(right, Decimal):
        raise EvaluationError("a float beside a decimal would round: write decimal('0.19') instead of 0.19")
    return _number(left), _number(right)


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
        raise EvaluationError(f"{_kind(left)} and {_kind(right)} have no order")

    return ordered


def _in(left: Any, right: Any) -> bool:
    if isinstance(right, (list, tuple, Mapping)):
        return any(_equal(left, item) for item in right)
    raise EvaluationError(f"'in' needs a list or a map, this is {_kind(right)}")


_ARITHMETIC = {_add, _subtract, _multiply, _divide}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
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
    raise EvaluationError(f"{_kind(value)} has no text form")


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
        raise EvaluationError(f"{_kind(value)} is no integer") from None


def _round(value: Any, digits: int = 0) -> Any:
    """Round half up, as invoices do."""
    if isinstance(value, float):
        return round(value, digits)
    return Decimal(_plain(_number(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT)


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


_METHODS: dict[str, Callable[..., Any]] = {
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
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": len,
    "string": to_text,
    "int": _int,
    "uint": _int,
    "double": float,
    "decimal": _decimal,
    "bool": lambda value: {"true": True, "false": False}[value] if isinstance(value, str) else _truth(value),
    "bytes": lambda value: value.encode() if isinstance(value, str) else bytes(value),
    "round": _round,
    "abs": lambda value: abs(_number(value)),
    "min": lambda *values: min(values[0] if len(values) == 1 else values),
    "max": lambda *values: max(values[0] if len(values) == 1 else values),
    "sum": _total,
    "date": _date,
    "timestamp": _timestamp,
    "duration": _duration,
    "matches": _matches,
    "type": lambda value: _kind(value).split()[-1],
}


def _applied(name: str, apply: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        return apply(*arguments)
    except EvaluationError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, re.error) as error:
        raise EvaluationError(f"{name}({', '.join(map(_kind, arguments))}): {error}") from error
