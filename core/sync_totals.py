"""Control totals of a table against a table: nothing is committed before both ends say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .batch import Source, Totalling
from .errors import ConfigError, Rejected, Unavailable
from .mapping import column_of
from .sync_config import SyncConfig


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
        if list(self.source.totals(self.names)) != list(self.before):
            raise Unavailable("the source changed while it was read, so its totals prove nothing; nothing was changed")
        columns = [one.sum for one in self.config.totals]
        labels = ["count", *(f"sum({name})" for name in columns)]
        found = [
            {"of": label, "source": f"{ours:f}", "target": f"{theirs:f}", "balances": ours == theirs}
            for label, ours, theirs in zip(labels, self.before, writing.totals(columns), strict=True)
        ]
        wrong = [one for one in found if not one["balances"]]
        if wrong:
            said = "; ".join(
                f"{one['of']} is {one['source']} at the source and {one['target']} at the target" for one in wrong
            )
            raise Rejected(f"the totals differ: {said}; nothing was changed", detail=found)
        return found


def _source_of(config: SyncConfig, name: str) -> str:
    if config.map is None:
        return name
    template = config.map.get(name)
    source = None if template is None else column_of(template)
    if source is None:
        raise ConfigError(f"totals: {name} is not a column of the source, unchanged", field="totals")
    return source
