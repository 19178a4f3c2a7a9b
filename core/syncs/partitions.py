"""A whole table in ranges of its key: the plan of a load, kept until all of it is done, and what loads one range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from ..batch import Cursor, Source
from ..errors import ConfigError, InputError
from ..store.ids import new_id
from .config import SyncConfig

KEY = "load"
Window = tuple[Cursor, Cursor]


@runtime_checkable
class Splitting(Protocol):
    """A source that can be parted by the values of a column; a window is from one cursor to another."""

    def reached(self, cursor: Cursor) -> Cursor:
        """Give the cursor behind all that is new now; None when nothing is."""

    def begins(self) -> Cursor:
        """Give the cursor from which on changes are read after a snapshot that begins now; None where no row has a stamp."""

    def split(
        self, by: str | None, ranges: int, *, window: Window | None = None, least: int = 1
    ) -> tuple[str, Sequence[Any]]:
        """Give the column, and the bounds of ranges of about as many rows, at least so many each."""

    def within(self, column: str, low: Any, high: Any, *, portion: str, window: Window | None = None) -> Source: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One load of a table, or of what changed in it. Range n is what lies above bound n-1, up to bound n, itself included; the first and the last are open.

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
    since: Cursor = None
    until: Cursor = None
    """Of a watermark: the cursor before the load and behind it; all ranges lie between them."""
    snapshot: bool = False
    """Of a watermark: all of the table, rows without a stamp too; `until` is where its changes begin."""

    @classmethod
    def made(cls, config: SyncConfig, source: object, since: Cursor) -> Plan | None:
        """Plan a load of all that is there now; None where a watermark finds nothing new."""
        rules, table = config.partitions, str(config.from_.table)
        assert rules is not None
        parted = _splitting(source)
        if config.from_.cursor is None:
            column, bounds = parted.split(rules.by, rules.ranges)
            return cls(new_id(), table, column, list(bounds))
        if config.from_.cursor.snapshot:
            until = parted.begins()  # before anything is read: what changes meanwhile is read again as a change
            column, bounds = parted.split(rules.by, rules.ranges)
            return cls(new_id(), table, column, list(bounds), until=until, snapshot=True)
        if (until := parted.reached(since)) is None:
            return None
        column, bounds = parted.split(rules.by, rules.ranges, window=(since, until), least=config.batch_rows)
        return cls(new_id(), table, column, list(bounds), since=since, until=until)

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
        is_same = config.from_.table == self.table and rules.by in (None, self.column)
        cursor = config.from_.cursor
        kind = (self.until is not None or self.snapshot, self.snapshot)
        return is_same and kind == (cursor is not None, cursor is not None and cursor.snapshot)

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
        window = (self.since, self.until) if self.is_window else None
        return _splitting(whole).within(self.column, low, high, portion=f"{self.portion}:{at}", window=window)

    @property
    def is_window(self) -> bool:
        """Tell whether all ranges lie between two cursors."""
        return self.until is not None and not self.snapshot

    @property
    def portion(self) -> str:
        """Name the load as a whole."""
        return f"{self.table}:{self.id}"

    def after(self, at: int) -> Plan:
        return replace(self, done=tuple(sorted({*self.done, at})))

    def as_kept(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in ("id", "table", "column", "run", "since", "until")}
        said |= {"snapshot": True} if self.snapshot else {}
        return {KEY: {**said, "bounds": list(self.bounds), "done": list(self.done)}}


def _splitting(source: object) -> Splitting:
    if not isinstance(source, Splitting):
        raise ConfigError("partitions: the source cannot be parted", field="partitions")
    return source


def parts_of(name: str, at: int) -> str:
    """Name the sink of one range: each has marks of its own, so that they do not wait for each other."""
    return f"{name}#{at}"


def reached(cursor: Any) -> Cursor:
    """Give how far a sync is whose cursor our state keeps, also in the middle of a load."""
    plan = Plan.kept(cursor)
    return cursor if plan is None else plan.since


def begun(cursor: Any, config: SyncConfig, *, full: bool) -> Plan | None:
    """
    Give the load that goes on; None to begin one, or to read without ranges.

    Raises InputError where that would have rows twice that the half-done one has loaded.
    """
    plan = Plan.kept(cursor)
    if plan is None or (config.partitions is not None and plan.fits(config) and not full):
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


def at_a_time(config: SyncConfig, budgets: Mapping[str, int], *, one_writer: bool) -> int:
    """
    Say how many ranges go at the same time, so that each finds a place at both ends.

    Within one system it is one, and so where one at a time writes (a file of SQLite).
    """
    rules = config.partitions
    assert rules is not None
    ends = (config.from_.adapter, config.to.adapter)
    return 1 if one_writer or ends[0] == ends[1] else max(1, min(rules.parallel, *(budgets[end] for end in ends)))
