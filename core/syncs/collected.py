"""Ranges that replace a table: they are collected beside it, and all of them are put there in one transaction at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..batch import Sink, Source, Staging
from ..errors import ConfigError
from .config import SyncConfig
from .drift import Described
from .partitions import Plan, parts_of
from .totals import prove_load


def is_collected(config: SyncConfig) -> bool:
    """Tell whether ranges replace everything."""
    return config.partitions is not None and config.to.mode == "replace"


def staging(sink: Sink) -> Staging:
    if not isinstance(sink, Staging):
        raise ConfigError("partitions: the target has no place where ranges could be collected", field="partitions")
    return sink


@dataclass(frozen=True, slots=True)
class Collected:
    """The ranges of one load. What is committed here and there is known to the target alone, so that a crash changes nothing."""

    config: SyncConfig
    sink: Sink
    stage: Staging
    plan: Plan
    columns: Sequence[str]

    @classmethod
    def of(cls, config: SyncConfig, source: Source, sink: Sink, plan: Plan) -> Collected | None:
        if not is_collected(config):
            return None
        return cls(config, sink, staging(sink), plan, _written(config, source, sink))

    @property
    def is_there(self) -> bool:
        """Tell whether the target was replaced by this load already."""
        return self.sink.has(self.plan.portion)

    def begin(self) -> None:
        if not self.is_there:
            self.stage.begin_stage(self.plan.id, self.columns)

    def swap(self, name: str) -> list[dict[str, Any]] | None:
        """Replace the target, and give the totals that were proven. Rejected, and nothing is changed, where it says no."""
        if self.is_there:
            return None
        noted: Sequence[Mapping[str, Any] | None] = ()
        if self.config.totals:
            noted = self.stage.noted([parts_of(name, at) for at in range(self.plan.ranges)])
        with self.stage.swapping(self.plan.id, self.columns) as writing:
            totals = prove_load(self.config, self.plan.id, noted, writing) if self.config.totals else None
            writing.commit(portion=self.plan.portion, cursor=None)
        return totals

    def clear(self) -> None:
        self.stage.clear_stages()


def _written(config: SyncConfig, source: Source, sink: Sink) -> list[str]:
    """Name the columns that every row has."""
    if config.map is not None:
        named = list(config.map)
    elif isinstance(source, Described):
        named = [one.name for one in source.fields()]
    else:
        raise ConfigError("partitions: the source does not say which columns it has; map them", field="map")
    if config.on_drift != "ignore" or not isinstance(sink, Described):
        return named
    there = {one.name for one in sink.fields()}
    return [name for name in named if name in there]
