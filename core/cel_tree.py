"""Compile a CEL tree to closures over the names that it reads (see `expressions`)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from celpy.celparser import CELParseError, CELParser
from lark import Token, Tree

from .cel_values import (
    ARITHMETIC,
    FUNCTIONS,
    METHODS,
    OPERATORS,
    Env,
    EvaluationError,
    Path,
    Run,
    applied,
    item_of,
    kind_of,
    number,
    reader,
    select,
    truth,
)
from .errors import ConfigError


def compile_tree(text: str) -> tuple[Run, frozenset[Path]]:
    """Parse and compile; ConfigError names the column."""
    compiler = _Compiler()
    try:
        return compiler.build(_parser().parse(text)), frozenset(compiler.paths)
    except CELParseError as error:
        where = f" at column {error.column}" if error.column and error.column > 0 else ""
        raise ConfigError(f"not a CEL expression{where}: {text.strip()!r}") from error
    except RecursionError as error:
        raise ConfigError("this expression is nested too deep") from error


@cache
def _parser() -> CELParser:
    """Make the parser once: its grammar takes longer than the start of everything else."""
    return CELParser()


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
        return lambda env: yes(env) if truth(test(env)) else no(env)

    def _conditionalor(self, node: Tree[Any]) -> Run:
        return _logic(*map(self.build, node.children), decides=True)

    def _conditionaland(self, node: Tree[Any]) -> Run:
        return _logic(*map(self.build, node.children), decides=False)

    def _binary(self, node: Tree[Any]) -> Run:
        left_node, right_node = node.children
        apply = OPERATORS[left_node.data]
        left, right = self.build(left_node.children[0]), self.build(right_node)
        if apply in ARITHMETIC and _float_beside_decimal(left_node.children[0], right_node):
            raise ConfigError("a float literal beside a decimal: write decimal('0.19') instead of 0.19")
        return lambda env: apply(left(env), right(env))

    _relation = _addition = _multiplication = _binary

    def _unary(self, node: Tree[Any]) -> Run:
        inner = self.build(node.children[1])
        if node.children[0].data == "unary_not":
            return lambda env: not truth(inner(env))
        return lambda env: -number(inner(env))

    def _member_dot(self, node: Tree[Any]) -> Run:
        path = self._path(node)
        if path is not None and path[0] not in self.bound:
            self.paths.add(path)
            return reader(path)
        inner, name = self.build(node.children[0]), str(node.children[1])
        return lambda env: select(inner(env), name)

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
        return reader((name,))

    _dot_ident = _ident

    def _member_index(self, node: Tree[Any]) -> Run:
        inner, index = map(self.build, node.children)
        return lambda env: item_of(inner(env), index(env))

    def _member_dot_arg(self, node: Tree[Any]) -> Run:
        target, name = node.children[0], str(node.children[1])
        arguments = node.children[2].children if len(node.children) > 2 else []
        if name in _MACROS:
            return self._macro(name, target, arguments)
        if name not in METHODS:
            raise ConfigError(f"there is no function {name!r} in expressions; known: {', '.join(sorted(METHODS))}")
        apply, values = METHODS[name], [self.build(target), *map(self.build, arguments)]
        return lambda env: applied(name, apply, [value(env) for value in values])

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
        if name not in FUNCTIONS:
            raise ConfigError(
                f"there is no function {name!r} in expressions; known: {', '.join(sorted([*FUNCTIONS, 'has']))}"
            )
        apply, values = FUNCTIONS[name], [self.build(argument) for argument in arguments]
        if name == "decimal" and all(map(_is_literal, arguments)):
            with suppress(EvaluationError):  # whoever evaluates it is told
                constant = applied(name, apply, [value({}) for value in values])
                return lambda env: constant
        return lambda env: applied(name, apply, [value(env) for value in values])

    def _has(self, arguments: list[Any]) -> Run:
        path = self._path(arguments[0]) if len(arguments) == 1 else None
        if path is None or len(path) < 2:
            inner = self.build(arguments[0]) if len(arguments) == 1 else None
            if inner is None:
                raise ConfigError("has is written has(a.b)")
            return lambda env: _there(lambda: inner(env))
        if path[0] not in self.bound:
            self.paths.add(path)
        read = reader(path)
        return lambda env: _there(lambda: read(env))

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


def _is_literal(node: Any) -> bool:
    while isinstance(node, Tree) and len(node.children) == 1 and node.data in _PASS:
        node = node.children[0]
    return isinstance(node, Tree) and node.data == "literal"


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


def _there(read: Callable[[], Any]) -> bool:
    try:
        return read() is not None
    except EvaluationError:
        return False


def _logic(left: Run, right: Run, *, decides: bool) -> Run:
    """Combine as CEL does: a side that decides wins over an error of the other."""

    def run(env: Env) -> bool:
        try:
            first = truth(left(env))
        except EvaluationError:
            if truth(right(env)) is decides:
                return decides
            raise
        return decides if first is decides else truth(right(env))

    return run


def _each(items: Any, variable: str, env: Env) -> Iterator[Env]:
    if not isinstance(items, (list, tuple, Mapping)):
        raise EvaluationError(f"{kind_of(items)} is no list")
    for item in items:
        yield {**env, variable: item}


_MACROS: dict[str, Callable[[list[list[Any]], Any], Any]] = {
    "all": lambda results, items: all(truth(result[0]) for result in results),
    "exists": lambda results, items: any(truth(result[0]) for result in results),
    "exists_one": lambda results, items: sum(truth(result[0]) for result in results) == 1,
    "filter": lambda results, items: [item for item, result in zip(items, results, strict=True) if truth(result[0])],
    "map": lambda results, items: [result[-1] for result in results if len(result) == 1 or truth(result[0])],
}
