"""What a new reading of the configuration changes in a landscape that runs, and what it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.errors import ConfigError
from .models import Config

TAKEN = ("adapters", "workflows", "syncs", "agents", "notify", "events", "history")
"""The keys that a running process takes over; all others need a restart."""
_BY_NAME = ("adapters", "workflows", "syncs", "agents")


@dataclass(frozen=True, slots=True)
class Changes:
    """`changed` names what is taken over, `adapters.erp` or `notify`; `restart` the keys that wait for a restart."""

    changed: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, list[str]]:
        return {"changed": self.changed, "restart": self.restart}

    def touches(self, *keys: str) -> bool:
        """Tell whether anything below one of these keys is taken over."""
        return any(one.partition(".")[0] in keys for one in self.changed)


def compared(old: Config, new: Config) -> tuple[Changes, Config]:
    """
    Give what differs, and the new configuration with what needs a restart as it was.

    ConfigError for one that says nothing at all: its file is gone, is just being written, or the disk is full.
    """
    if _says_something(old) and not _says_something(new):
        lost = "has nothing in it" if new.files else "is gone"
        raise ConfigError(
            f"{old.files[0]} {lost}", next="put it back; `version: 1` alone is a landscape without systems"
        )
    changes = Changes()
    kept = {}
    for key in Config.model_fields:
        before, after = getattr(old, key), getattr(new, key)
        if key not in TAKEN:
            if before != after:
                changes.restart.append(key)
                kept[key] = before
        elif key in _BY_NAME:
            changes.changed.extend(f"{key}.{name}" for name in sorted(differing(before, after)))
        elif before != after:
            changes.changed.append(key)
    return changes, new.model_copy(update=kept)


def _says_something(config: Config) -> bool:
    return bool(config.files) and not config.model_fields_set <= {"read_only"}  # which $DRAWBAR_READ_ONLY sets


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Name what came, went or is no longer equal."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
