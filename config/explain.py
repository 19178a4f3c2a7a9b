"""What pydantic found, said for a person, at its place in the file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .positions import Document, Path
from .problems import Problem, meant
from .schema import Schema, compose, known_keys
from .secrets import Resolved

_SECRET_KEY = re.compile(r"pass|secret|token|key|credential|url|webhook", re.IGNORECASE)
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "path_type": "a path",
}


def explain(
    error: ValidationError, document: Document, data: Any, resolved: Resolved, early: Collection[Path] = ()
) -> list[Problem]:
    """
    Turn a validation error into problems; where a secret is missing nothing is said twice.

    `early` are keys that were taken out of `data`: what their mapping lacks without them is no mistake.
    """
    lacking = {path[:-1] for path in early}
    found = [
        problem
        for one in _best_branches(error, data)
        if not (one.path in lacking and one.said["type"] not in {"extra_forbidden", "not_yet"})
        for problem in _Sentence(one, document, resolved)
    ]
    return _without_echoes(found)


def not_yet(error: ValidationError, data: Any) -> set[Path]:
    """Give the paths of the keys that a later version brings."""
    found = set()
    for said in error.errors(include_url=False):
        if said["type"] == "not_yet":
            path, key = _located(said, data).path, said["ctx"]["key"]
            found.add(path if path and path[-1] == key else (*path, key))
    return found


def places(error: ValidationError, data: Any) -> set[Path]:
    """Give the paths of the values that are wrong."""
    return {_located(said, data).path for said in error.errors(include_url=False)}


@dataclass(frozen=True, slots=True)
class _Found:
    """One error of pydantic with its path in the data, and the branch of a union that it was found in."""

    path: Path
    branch: tuple[int, str] | None
    said: ErrorDetails


def _best_branches(error: ValidationError, data: Any) -> Iterator[_Found]:
    """Of a union's alternatives keep the one that the writer most likely meant."""
    plain: list[_Found] = []
    unions: dict[Path, dict[str, list[_Found]]] = defaultdict(lambda: defaultdict(list))
    for said in error.errors(include_url=False):
        found = _located(said, data)
        if found.branch is None:
            plain.append(found)
        else:
            depth, label = found.branch
            unions[found.path[:depth]][label].append(found)
    yield from plain
    for place, branches in unions.items():
        yield from min(branches.values(), key=lambda errors: _strangeness(place, errors))


def _strangeness(place: Path, errors: Sequence[_Found]) -> tuple[int, int, int]:
    other_shape = sum(one.path == place and one.said["type"] in _TYPES for one in errors)
    unknown = sum(one.said["type"] == "extra_forbidden" for one in errors)
    return other_shape, unknown, len(errors)


def _located(said: ErrorDetails, data: Any) -> _Found:
    steps = said["loc"]
    kept = _walk(steps, data, 0, ends_missing=said["type"] == "missing")
    path = tuple(steps[at] for at in kept)
    label = next((at for at in range(len(steps)) if at not in kept and steps[at] != "[key]"), None)
    branch = None if label is None else (sum(at < label for at in kept), str(steps[label]))
    return _Found(path, branch, said)


def _walk(steps: Sequence[str | int], data: Any, at: int, *, ends_missing: bool) -> list[int]:
    """
    Give the indices of the steps that lead through the data; the others are labels of a union.

    A label may be a key of the data too (a trigger's `cron`): the reading that uses more steps is right.
    """
    if at == len(steps):
        return []
    if ends_missing and at == len(steps) - 1:
        return [at]
    skipped = _walk(steps, data, at + 1, ends_missing=ends_missing)
    if not _leads(data, steps[at]):
        return skipped
    likelier = isinstance(data[steps[at]], (dict, list)) or at == len(steps) - 1
    taken = [at, *_walk(steps, data[steps[at]], at + 1, ends_missing=ends_missing)]
    return taken if len(taken) + likelier > len(skipped) else skipped


def _leads(data: Any, step: str | int) -> bool:
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)


class _Sentence(Iterable[Problem]):
    """The problems that one error becomes."""

    def __init__(self, found: _Found, document: Document, resolved: Resolved) -> None:
        self.path, self.said = found.path, found.said
        self.document = document
        self.resolved = resolved

    def __iter__(self) -> Iterator[Problem]:
        kind = self.said["type"]
        if kind != "extra_forbidden" and any(
            self.path[:end] in self.resolved.open for end in range(len(self.path) + 1)
        ):
            return
        if kind == "extra_forbidden":
            yield self._unknown_key()
        elif kind == "missing":
            key = str(self.path[-1])
            yield Problem(self.document.key(self.path[:-1]), f"{self._where(self.path[:-1])}{key!r} is missing")
        elif kind == "not_yet":
            key = self.said["ctx"]["key"]
            at = (*self.path, key) if (*self.path, key) in self.document.spots else self.path
            yield Problem(self.document.key(at), str(self.said["ctx"]["sentence"]))
        elif kind == "expression":
            yield Problem(self.document.value(self.path), str(self.said["ctx"]["said"]), stage="references")
        elif self.said["loc"] and self.said["loc"][-1] == "[key]":
            yield self._bad_name()
        else:
            yield self._wrong_value()

    def _where(self, path: Path) -> str:
        return f"{'.'.join(map(str, path))}: " if path else ""

    def _unknown_key(self) -> Problem:
        *above, key = self.path
        known = known_keys(_schema_of(self.document.data), above, self.document.data)
        return Problem(
            self.document.key(self.path), f"unknown key {str(key)!r}", meant(str(key), known, what="known here")
        )

    def _bad_name(self) -> Problem:
        name = str(self.path[-1])
        rule = "a name begins with a letter and has letters, digits and _ only (at most 64)"
        return Problem(self.document.key(self.path), f"{name!r} is no name here", rule)

    def _wrong_value(self) -> Problem:
        kind, value = self.said["type"], self.said["input"]
        spot, key = self.document.value(self.path), self._key()
        if kind in {"literal_error", "enum"}:
            expected = re.findall(r"'([^']*)'|(\b\d+\b)", str(self.said["ctx"]["expected"]))
            choices = [text or number for text, number in expected]
            near = meant(str(value), choices) if self._may_show(key) else ""
            hint = near if near.startswith("did you mean") else f"write one of {', '.join(choices)}"
            return Problem(spot, f"{key!r} must be {self.said['ctx']['expected']}{self._shown(key, value)}", hint)
        if kind in _TYPES:
            hint = "put it in quotes" if kind == "string_type" and isinstance(value, (int, float)) else ""
            return Problem(spot, f"{key!r} must be {_TYPES[kind]}{self._shown(key, value)}", hint)
        text = self.said["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        text = re.sub(r"^(Input|String|Value|List|Dictionary|URL) should", f"{key!r} must", text)
        return Problem(spot, text)

    def _key(self) -> str:
        """Name the value by its key; an item of a list by the list's."""
        named = [step for step in self.path if isinstance(step, str)]
        if not named:
            return "configuration"
        return named[-1] if isinstance(self.path[-1], str) else f"{named[-1]}[{self.path[-1]}]"

    def _may_show(self, key: str) -> bool:
        return self.path not in self.resolved.at and not _SECRET_KEY.search(key)

    def _shown(self, key: str, value: Any) -> str:
        if isinstance(value, dict):
            return ", found a mapping"
        if isinstance(value, list):
            return ", found a list"
        if value is None:
            return ", found nothing"
        if not self._may_show(key):
            return ""
        text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        return f", found {text if len(text) <= 60 else f'{text[:57]}...'}"


def _schema_of(data: Any) -> Schema:
    """Compose the schema with the kinds that this configuration uses: others are not imported for an error."""
    adapters = data.get("adapters") if isinstance(data, dict) else None
    used = [one.get("kind") for one in adapters.values() if isinstance(one, dict)] if isinstance(adapters, dict) else []
    return compose(sorted({kind for kind in used if isinstance(kind, str)}))


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """Drop `'url' is missing` where an unknown key beside it was taken for `url`."""
    meant_keys = {found.group(1) for p in problems if (found := re.search(r"did you mean '(.+)'\?", p.suggestion))}
    echo = {f"{key!r} is missing" for key in meant_keys}
    return [problem for problem in problems if problem.message.rpartition(": ")[2] not in echo]
