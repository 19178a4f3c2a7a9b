"""What became of the rows of a portion, and of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ..batch import Would


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows; every row that was read is in exactly one of the others."""

    read: int = 0
    written: int = 0
    rejected: int = 0
    filtered: int = 0
    parked: int = 0
    """Calls whose outcome nobody knows: a person settles them."""

    def plus(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.written + other.written,
            self.rejected + other.rejected,
            self.filtered + other.filtered,
            self.parked + other.parked,
        )

    @property
    def balance(self) -> bool:
        return self.read == self.written + self.rejected + self.filtered + self.parked


@dataclass(frozen=True, slots=True)
class Done:
    """A portion that was carried over, or that the target had already (`again`)."""

    id: str
    name: str
    counts: Counts
    rejects: str | None = None
    again: bool = False
    would: Would | None = None
    totals: Sequence[Mapping[str, Any]] | None = None
    parked: Sequence[str] = ()
    """Entries of the ledger."""

    proven: Sequence[Mapping[str, Any]] = ()
    """What a file says of itself in its header or trailer, and what was found in it."""

    def as_json(self) -> dict[str, Any]:
        said = {
            "name": self.name,
            **_named(self.counts),
            "rejects": self.rejects,
            "again": self.again,
            "parked": self.counts.parked or None,
            "totals": list(self.proven) or None,
            "id": self.id,
        }
        return {name: value for name, value in said.items() if value is not None}


Progress = Callable[[Counts, int | None], None]


def _named(counts: Counts) -> dict[str, int]:
    return {
        "read": counts.read,
        "written": counts.written,
        "rejected": counts.rejected,
        "filtered": counts.filtered,
    }


def moment_of(run_id: str, day: str | None, started_at: float) -> dict[str, Any]:
    """Give what expressions see as `run`; it stays the same when a run is repeated."""
    begun = datetime.fromtimestamp(started_at, UTC)
    return {"id": run_id, "date": date.fromisoformat(day) if day else begun.date(), "started_at": begun}
