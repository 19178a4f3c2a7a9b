"""A file of a feed as it was seen, and as it was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from .claims import Claim

State = Literal["ready", "waiting", "held", "claimed", "failed", "done", "archived", "quarantined"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a feed, wherever it is. `path` is where; `captures` come from its name; `why` it is held."""

    name: str
    path: str
    size: int
    modified: float
    state: State
    captures: Mapping[str, Any] = field(default_factory=dict)
    claim: Claim | None = None
    why: str | None = None

    @property
    def mark(self) -> str:
        """Tell this content from another one under the same name, as far as a listing can."""
        return f"{self.size}:{self.modified:.3f}"

    def env(self) -> dict[str, Any]:
        """Give what expressions see as `file`."""
        return {
            "name": self.name,
            "stem": self.name.rpartition(".")[0] or self.name,
            "size": self.size,
            "modified": datetime.fromtimestamp(self.modified, UTC),
            **self.captures,
        }

    def as_json(self) -> dict[str, Any]:
        said = {"name": self.name, "size": self.size, "modified": datetime.fromtimestamp(self.modified, UTC)}
        attempts = {"attempts": self.claim.attempts} if self.claim else {}
        return {**said, "state": self.state, **attempts, **({"reason": self.why} if self.why else {})}


@dataclass(frozen=True, slots=True)
class Taken:
    """A claimed file with its working copy. `id` names its content for ever."""

    found: Found
    claim: Claim
    copy: Path
    sha256: str
    id: str
