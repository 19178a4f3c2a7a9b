"""What a sync needs beside its two ends, as the systems themselves know it: lookups, a column for ranges, effects of tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ..core.adapter import Adapter
from ..core.errors import ConfigError
from ..core.syncs.config import SyncConfig


@runtime_checkable
class Parted(Protocol):
    """A source that says by which column it is parted; ConfigError where there is none."""

    def parted_by(self, by: str | None) -> str: ...


def look_beside(sync: SyncConfig, source: object, adapters: Mapping[str, Adapter[Any]]) -> None:
    """Raise ConfigError for the first that cannot be; systems that this machine does not reach are left out."""
    if sync.partitions is not None and isinstance(source, Parted):
        source.parted_by(sync.partitions.by)
    for name, one in sync.lookups.items():
        if (found := adapters.get(one.adapter)) is not None:
            spec = {"table": one.table, "key": list(one.key), "columns": one.columns}
            try:
                found.finder(spec)
            except ConfigError as error:
                raise ConfigError(f"lookup {name}: {error.message}", field="lookups", next=error.next) from error
    if sync.from_.operation is not None:
        _require(adapters, f"{sync.from_.adapter}.{sync.from_.operation}", "from", reads=True)
    if sync.to.operation is not None:
        _require(adapters, f"{sync.to.adapter}.{sync.to.operation}", "to", reads=False)
    for name, called in sync.calls.items():
        _require(adapters, called.tool, f"calls.{name}", reads=True)


def _require(adapters: Mapping[str, Adapter[Any]], tool: str, place: str, *, reads: bool) -> None:
    """Compare a tool's effect, as the configuration has it or else the system, with what it is wanted for."""
    system, _, named = tool.partition(".")
    if (adapter := adapters.get(system)) is None:
        return
    rules = adapter.config.tools
    own = next((name for name, rule in rules.items() if rule.as_ == named), named)
    said = rules[own].effect if own in rules else None
    effect = said or next((one.effect for one in adapter.tools() if one.name == own), None)
    if effect is None or (effect == "read") == reads:
        return
    if reads:
        raise ConfigError(
            f"{tool} has the effect {effect}: a sync asks only tools that read",
            field=place,
            next=f"say effects: {{{own}: read}} if it changes nothing over there",
        )
    raise ConfigError(f"{tool} only reads: a sync writes with a tool that writes", field=place)
