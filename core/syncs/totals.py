"""Control totals of a table against a table: nothing is committed before both ends say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol, runtime_checkable

from ..batch import Row, Sink, Source, Totalling
from ..errors import ConfigError, Rejected, Unavailable
from ..mapping import column_of
from .config import SyncConfig


@dataclass(frozen=True, slots=True)
class Balance:
    """What the source says before it is read."""

    config: SyncConfig
    source: Totalling
    names: Sequence[str]
    before: Sequence[Decimal]

    @classmethod
    def of(cls, config: SyncConfig, source: Source) -> Balance | None:
        if not config.totals:
            return None
        if not isinstance(source, Totalling):
            raise ConfigError("totals: the source cannot count", field="totals")
        names = [_source_of(config, one.sum) for one in config.totals]
        return cls(config, source, names, source.totals(names))

    def prove(self, writing: object) -> list[dict[str, Any]]:
        """Compare with what would be committed; Rejected when they differ, Unavailable when the source moved meanwhile."""
        if not isinstance(writing, Totalling):
            raise ConfigError("totals: the target cannot count", field="totals")
        self.require_still()
        columns = [one.sum for one in self.config.totals]
        return _compared(columns, self.before, writing.totals(columns))

    def require_still(self) -> None:
        if list(self.source.totals(self.names)) != list(self.before):
            raise Unavailable("the source changed while it was read, so its totals prove nothing; nothing was changed")


@dataclass(frozen=True, slots=True)
class RangeBalance:
    """
    What the source says of one range of a load, kept beside its rows.

    All ranges together are compared with the target in the transaction that replaces it.
    """

    before: Balance
    load: str

    @classmethod
    def of_range(cls, config: SyncConfig, source: Source, load: str) -> RangeBalance | None:
        found = Balance.of(config, source)
        return None if found is None else cls(found, load)

    def prove(self, writing: object) -> list[dict[str, Any]] | None:
        """Look whether the range is still what it was before it was read; nothing is there yet to compare it with."""
        self.before.require_still()
        return None

    def noted(self) -> dict[str, Any]:
        return {"load": self.load, "totals": list(self.before.before)}


def prove_load(config: SyncConfig, load: str, noted: Sequence[Any], writing: object) -> list[dict[str, Any]]:
    """Compare what the ranges were at the source with what would be committed. Rejected when they differ."""
    if not isinstance(writing, Totalling):
        raise ConfigError("totals: the target cannot count", field="totals")
    if (lost := sum(not isinstance(one, Mapping) or one.get("load") != load for one in noted)) > 0:
        raise Rejected(
            f"{lost} ranges were loaded without their totals; nothing was changed, and the load begins again"
        )
    columns = [one.sum for one in config.totals]
    summed = [sum(column, Decimal(0)) for column in zip(*(one["totals"] for one in noted), strict=True)]
    return _compared(columns, summed, writing.totals(columns))


@runtime_checkable
class Summing(Protocol):
    """A writing that can count and sum the rows that have some keys, as its transaction sees them."""

    @property
    def key(self) -> Sequence[str]: ...

    def sums(self, keys: Sequence[Sequence[Any]], names: Sequence[str]) -> Sequence[Decimal]: ...


@dataclass(slots=True)
class RowBalance:
    """What batches gave the target, against what it has under the same keys afterwards; the last row of a key counts."""

    config: SyncConfig
    sink: Sink
    rows: dict[tuple[Any, ...], tuple[Decimal, ...]] = field(default_factory=dict)
    proven: list[dict[str, Any]] = field(default_factory=list)

    def saw(self, writing: object, rows: Sequence[Row]) -> None:
        """Remember rows that were written; of so many as are held in memory it is proven at once."""
        key: Sequence[str] = getattr(self.sink, "key", ())
        names = [one.sum for one in self.config.totals]
        for row in rows:
            if missing := [name for name in (*key, *names) if name not in row]:
                raise ConfigError(f"totals: {', '.join(missing)} is not in the row; map it", field="totals")
            self.rows[tuple(row[name] for name in key)] = tuple(_number(name, row[name]) for name in names)
        if len(self.rows) >= self.config.batch_rows:
            self.prove(writing)

    def prove(self, writing: object) -> list[dict[str, Any]]:
        """Compare; Rejected, and nothing is changed, when they differ."""
        if not isinstance(writing, Summing):
            raise ConfigError("totals: the target cannot count", field="totals")
        columns = [one.sum for one in self.config.totals]
        ours = [Decimal(len(self.rows)), *(sum(column, Decimal(0)) for column in zip(*self.rows.values(), strict=True))]
        ours += [Decimal(0)] * (1 + len(columns) - len(ours))
        self.proven = added(self.proven, _compared(columns, ours, writing.sums(list(self.rows), columns)))
        self.rows.clear()
        return self.proven


def added(before: Sequence[Mapping[str, Any]], more: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add what the pages of a run proved."""
    if not before:
        return [dict(one) for one in more]
    return [
        {
            "of": one["of"],
            **{end: f"{Decimal(one[end]) + Decimal(other[end]):f}" for end in ("source", "target")},
            "balances": one["balances"] and other["balances"],
        }
        for one, other in zip(before, more, strict=True)
    ]


def _compared(columns: Sequence[str], ours: Sequence[Decimal], theirs: Sequence[Decimal]) -> list[dict[str, Any]]:
    labels = ["count", *(f"sum({name})" for name in columns)]
    found = [
        {"of": label, "source": f"{one:f}", "target": f"{other:f}", "balances": one == other}
        for label, one, other in zip(labels, ours, theirs, strict=True)
    ]
    wrong = [one for one in found if not one["balances"]]
    if wrong:
        said = "; ".join(
            f"{one['of']} is {one['source']} at the source and {one['target']} at the target" for one in wrong
        )
        raise Rejected(f"the totals differ: {said}; nothing was changed", detail=found)
    return found


def _number(name: str, value: Any) -> Decimal:
    try:
        return Decimal(0) if value is None else Decimal(str(value))
    except InvalidOperation as error:
        raise ConfigError(f"totals: {name} is {value!r}, no number", field="totals") from error


def _source_of(config: SyncConfig, name: str) -> str:
    if config.map is None:
        return name
    template = config.map.get(name)
    source = None if template is None else column_of(template)
    if source is None:
        raise ConfigError(f"totals: {name} is not a column of the source, unchanged", field="totals")
    return source
