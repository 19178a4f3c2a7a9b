"""Which record is a row, which a header, which a trailer: conditions over the record's own fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ...core.errors import ConfigError, InputError
from ...core.expressions import Sees, Template
from ...core.strict import Strict

Names = tuple[str, ...]
Peek = Callable[[Names], Any]
"""Give the value of one field of the record at hand by its path, None where it cannot be read."""
Which = Callable[[Peek], str]
_REMEMBERED = 4096


class LayoutSpec(Strict):
    """One kind of record in a file."""

    when: Annotated[Template, Sees("record")] = Field(description="True for a record of this kind.")
    record: str | None = Field(None, description="The 01 level of the copybook that it has, where there are several.")


LayoutRules = Annotated[
    LayoutSpec, BeforeValidator(lambda given: {"when": given} if isinstance(given, (str, bool)) else given)
]


def compile_layouts(layouts: Mapping[str, LayoutSpec], has: Callable[[Names], bool]) -> Which | None:
    """
    Compile the conditions to one decision; None where a file has rows only.

    What the conditions say depends only on the fields that they name, so an answer is remembered by those fields' values.
    """
    if not layouts:
        return None
    names = sorted({path[1:] for spec in layouts.values() for path in spec.when.paths if len(path) > 1})
    known: dict[tuple[Any, ...], str] = {}

    def which(peek: Peek) -> str:
        seen = tuple(peek(name) for name in names)
        layout = known.get(seen)
        if layout is None:
            layout = _decide(layouts, _nested(zip(names, seen, strict=True)))
            if len(known) < _REMEMBERED:
                known[seen] = layout
        return layout

    for name, spec in layouts.items():
        if not spec.when.paths and spec.when.raw is not True:
            raise ConfigError(f"the layout {name} has a condition that reads no field of the record")
    for path in names:
        if not has(path):
            raise ConfigError(f"layouts: there is no field {'.'.join(path)} in the record")
    return which


def compile_choices(
    rules: Mapping[str, Template], has: Callable[[Names], bool]
) -> Callable[[Peek], frozenset[str]] | None:
    """Compile conditions that say each for itself whether they are true; None where there are none."""
    if not rules:
        return None
    names = sorted({path[1:] for rule in rules.values() for path in rule.paths if len(path) > 1})
    known: dict[tuple[Any, ...], frozenset[str]] = {}

    def choose(peek: Peek) -> frozenset[str]:
        seen = tuple(peek(name) for name in names)
        if (chosen := known.get(seen)) is None:
            record = _nested(zip(names, seen, strict=True))
            try:
                chosen = frozenset(name for name, rule in rules.items() if rule.fill({"record": record}) is True)
            except InputError as wrong:
                raise ValueError(f"redefines: {wrong.message}") from wrong
            if len(known) < _REMEMBERED:
                known[seen] = chosen
        return chosen

    for path in names:
        if not has(path):
            raise ConfigError(f"redefines: there is no field {'.'.join(path)} at a fixed place in the record")
    return choose


def _decide(layouts: Mapping[str, LayoutSpec], record: dict[str, Any]) -> str:
    for name, spec in layouts.items():
        try:
            if spec.when.fill({"record": record}) is True:
                return name
        except InputError as wrong:
            raise ValueError(f"layout {name}: {wrong.message}") from wrong
    said = ", ".join(f"{name}={value!r}" for name, value in record.items())
    raise ValueError(f"no layout fits the record ({said})")


def _nested(values: Iterable[tuple[Names, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for path, value in values:
        inside = record
        for name in path[:-1]:
            inside = inside.setdefault(name, {})
        inside[path[-1]] = value
    return record
