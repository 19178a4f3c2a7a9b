"""A whole table in ranges of its key: the plan of a load, kept until all of it is done, and what loads one range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from .batch import Source
from .errors import ConfigError, InputError
from .store.ids import new_id
from .sync_config import SyncConfig

KEY = "load"


@runtime_checkable
class Splitting(Protocol):
    """A source that can be parted by the values of a column."""

    def split(self, by: str | None, ranges: int) -> tuple[str, Sequence[Any]]: ...

    def within(self, column: str, low: Any, high: Any, *, portion: str) -> Source: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One load of a table. Range n is what lies above bound n-1, up to bound n, itself included; the first and the last are open.

    It is kept in our state, as the sync's cursor, from before the first range on until the load has ended. Whether a range is
    there says the target, which commits its rows and its mark together; `done` only saves asking.
    """

    id: str
    table: str
    column: str
    bounds: Sequence[Any]
    done: tuple[int, ...] = ()
    run: str | None = None
    """The run of the engine whose tasks load it, on whichever workers."""

    @classmethod
    def made(cls, config: SyncConfig, source: object) -> Plan:
        rules = config.partitions
        assert rules is not None
        column, bounds = _splitting(source).split(rules.by, rules.ranges)
        return cls(new_id(), str(config.from_.table), column, list(bounds))

    @classmethod
    def kept(cls, cursor: Any) -> Plan | None:
        """Read a plan that is not done; None where there is none."""
        if not isinstance(cursor, Mapping) or KEY not in cursor:
            return None
        said = cursor[KEY]
        return cls(**{**said, "done": tuple(said["done"])})

    def fits(self, config: SyncConfig) -> bool:
        """Tell whether what is left of it is what the configuration asks for now."""
        rules = config.partitions
        assert rules is not None
        return config.from_.table == self.table and rules.by in (None, self.column)

    @property
    def ranges(self) -> int:
        return len(self.bounds) + 1

    @property
    def left(self) -> list[int]:
        return [at for at in range(self.ranges) if at not in self.done]

    def source(self, whole: object, at: int) -> Source:
        """Give one range of the source, which stays the caller's to close."""
        low = self.bounds[at - 1] if at else None
        high = self.bounds[at] if at < len(self.bounds) else None
        return _splitting(whole).within(self.column, low, high, portion=f"{self.table}:{self.id}:{at}")

    def after(self, at: int) -> Plan:
        return replace(self, done=tuple(sorted({*self.done, at})))

    def as_kept(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in ("id", "table", "column", "run")}
        return {KEY: {**said, "bounds": list(self.bounds), "done": list(self.done)}}


def _splitting(source: object) -> Splitting:
    if not isinstance(source, Splitting):
        raise ConfigError("partitions: the source cannot be parted", field="partitions")
    return source


def parts_of(name: str, at: int) -> str:
    """Name the sink of one range: each has marks of its own, so that they do not wait for each other."""
    return f"{name}#{at}"


def begun(cursor: Any, config: SyncConfig, *, full: bool) -> Plan | None:
    """
    Give the load that goes on; None to begin one.

    Raises InputError where a new one would have rows twice that the half-done one has loaded.
    """
    plan = Plan.kept(cursor)
    if plan is None or (plan.fits(config) and not full):
        return plan
    if "insert" in config.to.modes and plan.done:
        raise InputError(
            f"a load of {plan.table} is done by {len(plan.done)} of {plan.ranges} ranges; from the beginning, they would be "
            "there twice",
            reason="conflict",
            field="full" if full else "partitions",
            next="run it without --full and as it was configured; or empty the target, and drawbar cursor set NAME null",
        )
    return None


def at_a_time(config: SyncConfig, budgets: Mapping[str, int]) -> int:
    """
    Say how many ranges go at the same time, so that each finds a place at both ends.

    Within one system it is one: a file of SQLite is locked for all while one of them commits.
    """
    rules = config.partitions
    assert rules is not None
    ends = (config.from_.adapter, config.to.adapter)
    return 1 if ends[0] == ends[1] else max(1, min(rules.parallel, *(budgets[end] for end in ends)))
