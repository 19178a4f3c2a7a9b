"""
Arguments and answers against their JSON Schema (2020-12), compiled once.

Arguments come in three steps: their JSON form, its validation, and its conversion to plain values (a string of format
`decimal` becomes a Decimal). A JSON number of more than 15 significant digits is refused where a decimal or a wide integer
is meant: who sent it has rounded it already, or will.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from .errors import ConfigError, InputError
from .values import json_form, to_json

Convert = Callable[[Any], Any]
_MAX_DIGITS = 15
_MOST_SAID = 20
_SAME = frozenset((str, bool, int, float, type(None), Decimal))


def with_root(schema: Any, place: str) -> Any:
    """Let references into a schema find their way when it stands at a place (a JSON pointer, `#/...`) of another document."""
    if isinstance(schema, Mapping):
        return {
            name: f"{place}{part[1:]}"
            if name == "$ref" and isinstance(part, str) and part.startswith("#")
            else with_root(part, place)
            for name, part in schema.items()
        }
    return [with_root(part, place) for part in schema] if isinstance(schema, list) else schema


@dataclass(frozen=True, slots=True)
class Checker:
    """A compiled schema."""

    schema: Mapping[str, Any]
    _validator: Any
    _from_outside: Convert | None
    _from_inside: Convert | None

    @classmethod
    def of(cls, schema: Mapping[str, Any], what: str = "schema") -> Checker:
        """Compile; ConfigError when it is no schema."""
        try:
            validator = _validator(schema)
        except (ValueError, jsonschema_rs.ValidationError) as error:
            raise ConfigError(f"{what} is not a JSON Schema: {str(error).splitlines()[0]}") from error
        outside, inside = (_Converters(schema, outside=outside).build(schema) for outside in (True, False))
        return cls(schema, validator, outside, inside)

    def is_valid(self, form: Any) -> bool:
        return bool(self._validator.is_valid(form))

    def arguments(self, given: Any, *, outside: bool = True, what: str = "arguments") -> Any:
        """
        Check what a caller sent and give plain values.

        `outside` says that numbers were JSON numbers of somebody else. Raises InputError naming the field.
        """
        form = _json_form(given)
        for problem in self._problems(form, what):
            path = ".".join(map(str, problem.instance_path))
            field = ".".join(map(str, [*problem.instance_path, *_named(problem.kind)]))
            raise InputError(
                f"{path or what}: {_sentence(problem)}", field=field or None, next="see the tool's input schema"
            )
        convert = self._from_outside if outside else self._from_inside
        if convert is None:
            return form
        try:
            return convert(form)
        except _Wrong as error:
            raise InputError(str(error), field=error.path) from error

    def _problems(self, form: Any, what: str) -> Any:
        try:
            return () if self._validator.is_valid(form) else self._validator.iter_errors(form)
        except UnicodeEncodeError as error:  # JSON can spell what UTF-8 cannot
            raise InputError(f"{what}: a text holds half a character (a lone surrogate)") from error

    def deviation(self, answer: Any, text: bytes | None = None) -> str | None:
        """
        Say in which ways an answer breaks the schema, the first of them at least; None when it does not.

        `text` is its outward form, where that is written already.
        """
        if self._validator.is_valid(json_form(answer) if text is None else orjson.loads(text)):
            return None
        said, form = [], to_json(answer)
        for problem in islice(self._validator.iter_errors(form), _MOST_SAID):
            path = ".".join(map(str, problem.instance_path))
            said.append(f"{path or 'answer'}: {_sentence(problem)}")
        return "; ".join(said) or None


def _validator(schema: Mapping[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=False)


def _named(kind: Any) -> Sequence[str]:
    """Name the property that is missing, or the first that there is none of; nothing where neither is so."""
    if (missing := getattr(kind, "property", None)) is not None:
        return [missing]
    return list(getattr(kind, "unexpected", ()))[:1]


def _sentence(problem: Any) -> str:
    text = str(problem.message)
    return text if len(text) <= 300 else f"{text[:297]}..."


def _json_form(value: Any) -> Any:
    """Like `to_json`, but a decimal stays a number, which the validator takes and the converter looks at."""
    kind = type(value)
    if kind in _SAME:
        return value
    if kind is dict:
        return {
            name if type(name) is str else str(name): item if type(item) in _SAME else _json_form(item)
            for name, item in value.items()
        }
    if isinstance(value, Decimal):
        return value
    if isinstance(value, Mapping):
        return {str(name): _json_form(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_form(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return to_json(value)


class _Wrong(ValueError):
    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


def _digits(text: str) -> int:
    return len(text.lstrip("-0.").replace(".", "").lstrip("0"))


def _exact_enough(value: Any) -> None:
    if not isinstance(value, str) and _digits(str(value)) > _MAX_DIGITS:
        raise _Wrong(f"a number of more than {_MAX_DIGITS} digits may have been rounded: send it as a text")


def _to_decimal(value: Any) -> Any:
    if value is None or isinstance(value, Decimal):
        return value
    try:
        return Decimal(value if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise _Wrong(f"{value!r} is no decimal") from None


def _to_int(value: Any) -> Any:
    if value is None:
        return value
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise _Wrong(f"{value!r} is no integer") from None


def _sent(convert: Convert) -> Convert:
    def look_first(value: Any) -> Any:
        if value is not None:
            _exact_enough(value)
        return convert(value)

    return look_first


def _text(parse: Callable[[str], Any], what: str) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except (ValueError, binascii.Error):
            raise _Wrong(f"{value!r} is no {what}") from None

    return convert


_FORMATS: dict[str, Convert] = {
    "decimal": _to_decimal,
    "int64": _to_int,
    "integer": _to_int,
    "date": _text(date.fromisoformat, "date (YYYY-MM-DD)"),
    "date-time": _text(datetime.fromisoformat, "timestamp (ISO 8601)"),
    "time": _text(time.fromisoformat, "time (HH:MM:SS)"),
}


_NUMBERS = {"decimal", "int64", "integer"}


def _to_float(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


class _Converters:
    """Build one closure for a schema; None where nothing is to convert. A recursive `$ref` is bound late."""

    def __init__(self, root: Mapping[str, Any], *, outside: bool) -> None:
        self.root = root
        self.outside = outside
        self.known: dict[str, list[Convert | None]] = {}

    def build(self, schema: Any) -> Convert | None:
        if not isinstance(schema, Mapping):
            return None
        if "$ref" in schema:
            return self._reference(str(schema["$ref"]))
        if (form := schema.get("format")) in _FORMATS:
            return _sent(_FORMATS[form]) if self.outside and form in _NUMBERS else _FORMATS[form]
        if schema.get("contentEncoding") == "base64":
            return _text(lambda text: base64.b64decode(text, validate=True), "base64")
        parts = [part for part in (self._object(schema), self._items(schema), self._any_of(schema)) if part]
        if not parts:
            return _to_float if schema.get("type") == "number" or "number" in (schema.get("type") or ()) else None
        if len(parts) == 1:
            return parts[0]
        return lambda value: _through(parts, value)

    def _reference(self, reference: str) -> Convert | None:
        if reference in self.known:
            slot = self.known[reference]
            return lambda value: slot[0](value) if slot and slot[0] else value
        slot = self.known[reference] = []
        target: Any = self.root
        for step in reference.removeprefix("#").strip("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name, {}) if isinstance(target, Mapping) and name else target
        slot.append(self.build(target))
        return slot[0]

    def _object(self, schema: Mapping[str, Any]) -> Convert | None:
        fields = {name: self.build(inner) for name, inner in (schema.get("properties") or {}).items()}
        known = {name: convert for name, convert in fields.items() if convert}
        rest = self.build(schema.get("additionalProperties"))
        if not known and rest is None:
            return None

        def convert(value: Any) -> Any:
            if not isinstance(value, dict):
                return value
            return {
                name: _at(name, known[name], item)
                if name in known
                else (_at(name, rest, item) if rest and name not in fields else item)
                for name, item in value.items()
            }

        return convert

    def _items(self, schema: Mapping[str, Any]) -> Convert | None:
        inner = self.build(schema.get("items"))
        if inner is None:
            return None

        def convert(value: Any) -> Any:
            if not isinstance(value, list):
                return value
            return [_at(str(index), inner, item) for index, item in enumerate(value)]

        return convert

    def _any_of(self, schema: Mapping[str, Any]) -> Convert | None:
        branches = [*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ()), *(schema.get("allOf") or ())]
        converts = [self.build(branch) for branch in branches]
        if not any(converts):
            return None
        defs = self.root.get("$defs", {})
        built = [
            (_validator({**branch, "$defs": defs}), convert) for branch, convert in zip(branches, converts, strict=True)
        ]
        every = "allOf" in schema

        def convert(value: Any) -> Any:
            for validator, branch in built:
                if validator.is_valid(_json_form(value)):
                    value = branch(value) if branch else value
                    if not every:
                        return value
            return value

        return convert


def _through(parts: list[Convert], value: Any) -> Any:
    for part in parts:
        value = part(value)
    return value


def _at(name: str, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except _Wrong as error:
        path = f"{name}.{error.path}" if error.path else name
        text = error.args[0] if error.path else f"{name}: {error.args[0]}"
        raise _Wrong(text, path) from error
