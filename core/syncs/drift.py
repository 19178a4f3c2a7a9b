"""Columns that came, went or changed since the last run, and what is done about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ..errors import Rejected
from ..mapping import column_of
from .config import SyncConfig

_WIDER: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"bigint", "decimal"}),
    "bigint": frozenset({"decimal"}),
    "date": frozenset({"timestamp", "timestamptz"}),
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column as its system describes it; None is no bound."""

    name: str
    kind: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    @property
    def type(self) -> str:
        bounds = [str(one) for one in (self.length, self.precision, self.scale) if one is not None]
        return f"{self.kind}({', '.join(bounds)})" if bounds else self.kind

    def fits(self, target: Field) -> bool:
        """Tell whether every value of this column has a place in the other."""
        if self.kind != target.kind and target.kind not in _WIDER.get(self.kind, ()):
            return False
        if target.length is not None and (self.length is None or self.length > target.length):
            return False
        if target.kind != "decimal" or target.precision is None or self.kind != "decimal":
            return True
        if self.precision is None:
            return False
        scales = (self.scale or 0) <= (target.scale or 0)
        return scales and self.precision - (self.scale or 0) <= target.precision - (target.scale or 0)


@runtime_checkable
class Described(Protocol):
    """An end that knows its columns before it is read or written."""

    def fields(self) -> Sequence[Field]: ...


@runtime_checkable
class Widening(Protocol):
    """A target that can be given columns."""

    def add_fields(self, fields: Sequence[Field]) -> None: ...

    def foresee(self, fields: Sequence[Field]) -> None:
        """Compare as if it had been given them."""


@dataclass(frozen=True, slots=True)
class Change:
    column: str
    change: Literal["new", "gone", "changed"]
    said: str
    stops: bool = False
    add: Field | None = None

    def as_json(self) -> dict[str, Any]:
        return {"column": self.column, "change": self.change, "said": self.said}


def changes(
    config: SyncConfig, now: Sequence[Field], before: Sequence[Mapping[str, Any]] | None, target: Sequence[Field]
) -> list[Change]:
    """Compare the source with what it was at the last run, and with the target."""
    there = {field.name: field for field in target}
    known = None if before is None else {str(one["name"]): Field(**one) for one in before}
    used = _used(config, now)
    tolerated = config.on_drift == "ignore" or config.map is not None
    found = [
        _new(field, known, there, config)
        for field in now
        if known is None or field.name not in known or (field.name not in there and not tolerated)
    ]
    for field in now:
        was = (known or {}).get(field.name)
        if was is not None and was.type != field.type:
            found.append(_changed(field, was, there.get(_to(config, field.name)), used))
    names = {field.name for field in now}
    for name in known or ():
        if name not in names:
            stops = config.map is None and name in there
            found.append(Change(name, "gone", f"the source has no column {name} any more", stops))
    return [one for one in found if one is not None]


def settle(config: SyncConfig, name: str, found: Sequence[Change]) -> list[Field]:
    """Give the columns to add; Rejected where the rules say that drift fails the run."""
    wanted = [one.add for one in found if one.add is not None and config.on_drift == "add_column"]
    stops = [one for one in found if one.stops and not (one.add is not None and config.on_drift == "add_column")]
    if config.on_drift == "add_column":
        stops = [one for one in stops if one.change != "gone"]
    if stops and config.on_drift != "ignore":
        raise Rejected(
            f"sync {name}: {'; '.join(one.said for one in stops)}; nothing was changed",
            field="on_drift",
            detail=[one.as_json() for one in found],
            next="change the target or the map, or say on_drift: ignore, or add_column for what is new",
        )
    return wanted


def as_kept(fields: Sequence[Field]) -> list[dict[str, Any]]:
    names = ("name", "kind", "length", "precision", "scale")
    return [{name: getattr(field, name) for name in names if getattr(field, name) is not None} for field in fields]


def _new(
    field: Field, known: Mapping[str, Field] | None, there: Mapping[str, Field], config: SyncConfig
) -> Change | None:
    missing = config.map is None and field.name not in there
    if known is None and not missing:
        return None
    said = (
        f"the source has a new column {field.name} {field.type}" if known is not None else f"{field.name} {field.type}"
    )
    if missing:
        return Change(field.name, "new", f"{said}, and the target has no column {field.name}", stops=True, add=field)
    return Change(field.name, "new", said if config.map is None else f"{said}, which the map does not use")


def _changed(field: Field, before: Field, target: Field | None, used: frozenset[str]) -> Change:
    said = f"the source's column {field.name} was {before.type} and is {field.type}"
    stops = field.name in used and target is not None and not field.fits(target) and before.fits(target)
    if stops and target is not None:
        said += f", which does not fit the target's {target.type}"
    return Change(field.name, "changed", said, stops)


def _used(config: SyncConfig, now: Sequence[Field]) -> frozenset[str]:
    if config.map is None:
        return frozenset(field.name for field in now)
    return frozenset(path[1] for one in config.map.values() for path in one.paths if path[0] == "row" and len(path) > 1)


def _to(config: SyncConfig, name: str) -> str:
    if config.map is None:
        return name
    return next((to for to, one in config.map.items() if column_of(one) == name), "")
