"""
Expressions in the configuration: CEL between `${{` and `}}`.

The grammar is cel-python's (cel-spec.org); the meaning is ours where CEL has no word for it: decimals and dates keep their
kind, `+ - *` on them are exact, and money never meets a float. An expression is compiled once, to closures over the names
that it uses; it has no side effects, no clock and no randomness.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from .cel_values import Env, EvaluationError, Path, to_text
from .errors import ConfigError


@dataclass(frozen=True, slots=True)
class Expression:
    """One CEL expression. `paths` are the names that it reads: (`tasks`, `order`, `output`)."""

    text: str
    paths: frozenset[Path]
    run: Callable[[Env], Any]

    def __call__(self, env: Env) -> Any:
        try:
            return self.run(env)
        except EvaluationError as error:
            raise EvaluationError(f"{error.message} (in ${{{{ {self.text} }}}})") from error
        except RecursionError as error:
            raise EvaluationError(f"too deep (in ${{{{ {self.text} }}}})") from error
        except (ArithmeticError, TypeError, ValueError) as error:  # NaN has no order, a number can be too large
            raise EvaluationError(f"{type(error).__name__} (in ${{{{ {self.text} }}}})") from error


def compile(text: str, sees: Container[str] | None = None) -> Expression:  # noqa: A001 - what it does
    """Compile one expression; ConfigError says where it is wrong or which name is not seen here."""
    expression = _compiled(text.strip())
    if sees is not None:
        for path in sorted(expression.paths):
            if path[0] not in sees:
                raise ConfigError(f"{path[0]!r} is not seen here{_seen(sees)}")
    return expression


def _seen(sees: Container[str]) -> str:
    return f"; seen are: {', '.join(sorted(sees))}" if isinstance(sees, (set, frozenset, tuple, list)) else ""


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Expression:
    from .cel import compile_text

    run, paths = compile_text(text)
    return Expression(text, paths, run)


_MARK = re.compile(r"\$\$\{|\$\{\{")


def pieces(text: str) -> list[str | Expression]:
    """
    Split a string into literals and expressions; `$${` is a literal `${`.

    Raises ConfigError for `${{` without `}}`.
    """
    found: list[str | Expression] = []
    literal, at = "", 0
    for mark in _MARK.finditer(text):
        if mark.start() < at:
            continue
        literal += text[at : mark.start()]
        if mark.group() == "$${":
            literal, at = literal + "${", mark.end()
            continue
        inner, at = _until_close(text, mark.end())
        if literal:
            found.append(literal)
            literal = ""
        found.append(compile(inner))
    literal += text[at:]
    if literal or not found:
        found.append(literal)
    return found


def _until_close(text: str, start: int) -> tuple[str, int]:
    """Find the `}}` that closes, not one inside a string or a map literal."""
    depth, quote, at = 0, "", start
    while at < len(text):
        char = text[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "{[(":
            depth += 1
        elif text.startswith("}}", at) and depth == 0:
            return text[start:at], at + 2
        elif char in "}])":
            depth -= 1
        at += 1
    raise ConfigError("'${{' is not closed by '}}': put the whole value in quotes")


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """
    Any JSON value with expressions in its strings.

    A string that is only an expression keeps the type of its value; with text around it, it makes a string.
    """

    raw: Any
    paths: frozenset[Path]
    fill: Callable[[Env], Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and repr(self.raw) == repr(other.raw)  # 1 is not true

    def __hash__(self) -> int:
        return hash(repr(self.raw))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(lambda template: template.raw)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"description": "A value; ${{ ... }} in its strings is a CEL expression."}


@dataclass(frozen=True, slots=True)
class Sees:
    """Annotation of a Template: the names that its expressions may use. `Annotated[Template, Sees("input", "run")]`."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, template: Template) -> Template:
        for path in sorted(template.paths):
            if path[0] not in self.names:
                raise PydanticCustomError(
                    "expression", "{said}", {"said": f"{path[0]!r} is not seen here; seen are: {', '.join(self.names)}"}
                )
        return template


def _validated(given: Any) -> Template:
    if isinstance(given, Template):
        return given
    try:
        return template(given)
    except ConfigError as error:
        raise PydanticCustomError("expression", "{said}", {"said": error.message}) from error


def template(raw: Any) -> Template:
    """Compile every expression in a JSON value."""
    fill, paths = _fill(raw)
    return Template(raw, frozenset(paths), fill)


def _fill(raw: Any) -> tuple[Callable[[Env], Any], set[Path]]:
    if isinstance(raw, str):
        return _fill_text(raw)
    if isinstance(raw, Mapping):
        fields = [(name, *_fill(item)) for name, item in raw.items()]
        paths = {path for _, _, found in fields for path in found}
        if not paths and all(isinstance(item, (str, int, float, bool, type(None))) for item in raw.values()):
            constant = {name: fill({}) for name, fill, _ in fields}
            return (lambda env: dict(constant)), paths
        return (lambda env: {name: fill(env) for name, fill, _ in fields}), paths
    if isinstance(raw, list):
        items = [_fill(item) for item in raw]
        return (lambda env: [fill(env) for fill, _ in items]), {path for _, found in items for path in found}
    return (lambda env: raw), set()


def _fill_text(raw: str) -> tuple[Callable[[Env], Any], set[Path]]:
    if "${" not in raw:
        return (lambda env: raw), set()
    found = pieces(raw)
    paths = {path for piece in found if isinstance(piece, Expression) for path in piece.paths}
    if len(found) == 1:
        only = found[0]
        return (only if isinstance(only, Expression) else lambda env: only), paths
    return (lambda env: "".join(_texts(found, env))), paths


def _texts(found: list[str | Expression], env: Env) -> Iterator[str]:
    for piece in found:
        yield piece if isinstance(piece, str) else to_text(piece(env))


__all__ = ["Env", "EvaluationError", "Expression", "Path", "Sees", "Template", "compile", "pieces", "template"]
