"""One run of a sync: as it is held while it works, and as the history tells of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..batch import Would
from ..masking import MASK, masked
from ..values import moment
from .asked import Asked
from .config import SyncConfig
from .done import Counts, Done
from .totals import added

CURSOR = "cursor"
"""In the `hidden` of a report: the cursor, and what portions are named after it, must not be seen."""
_SAMPLES = 20
_MOST_PARKED = 100
_NAMES, _ENDS = ("id", "name", "rejects"), ("since", "until")


@dataclass(frozen=True, slots=True)
class SyncRun:
    """
    One run of a sync. States: running, succeeded, failed, nothing (there was nothing to carry).

    `report` is what else an auditor asks: what a dry run would do, drift, deletions, control totals, the configuration's hash.
    """

    id: str
    sync: str
    state: str
    started_at: float
    finished_at: float | None = None
    counts: Counts = field(default_factory=Counts)
    portions: tuple[dict[str, Any], ...] = ()
    cursor_before: Any = None
    cursor_after: Any = None
    error: dict[str, Any] | None = None
    caller: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None

    @property
    def is_final(self) -> bool:
        return self.state != "running"

    @property
    def dry_run(self) -> bool:
        return bool(self.options.get("dry_run"))

    def as_json(self) -> dict[str, Any]:
        ended = self.finished_at or time.time()
        seconds = ended - self.started_at
        unseen = CURSOR in self.report.get("hidden", ())
        return {
            "id": self.id,
            "sync": self.sync,
            "status": self.state,
            "started_at": moment(self.started_at),
            "finished_at": moment(self.finished_at),
            "seconds": round(seconds, 3),
            "rows_per_s": round(self.counts.read / seconds) if seconds > 0 else None,
            "read": self.counts.read,
            "written": self.counts.written,
            "rejected": self.counts.rejected,
            "filtered": self.counts.filtered,
            "files": masked(list(self.portions), _NAMES if unseen else ()),
            "cursor_before": MASK if unseen else self.cursor_before,
            "cursor_after": MASK if unseen else self.cursor_after,
            "dry_run": self.dry_run,
            "options": masked(dict(self.options), _ENDS if unseen else ()),
            "caller": self.caller,
            "run_id": self.run_id,
            "error": self.error,
            **self.report,
        }


def run_of_row(row: Mapping[str, Any]) -> SyncRun:
    return SyncRun(
        id=row["id"],
        sync=row["sync"],
        state=row["state"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        counts=Counts(row["read"], row["written"], row["rejected"], row["filtered"]),
        portions=tuple(row["portions"] or ()),
        cursor_before=row["cursor_before"],
        cursor_after=row["cursor_after"],
        error=row["error"],
        caller=row["caller"],
        options=row["options"] or {},
        report=row["report"] or {},
        run_id=row["run_id"],
    )


@dataclass(slots=True)
class Held:
    """A run that this process holds."""

    id: str
    name: str
    config: SyncConfig
    asked: Asked
    options: dict[str, Any]
    started_at: float
    run_id: str | None
    counts: Counts = field(default_factory=Counts)
    done: list[Done] = field(default_factory=list)
    before: Any = None
    after: Any = None
    report: dict[str, Any] = field(default_factory=dict)
    loaded: str | None = None
    """The load of which all ranges are there, so that the next run begins another."""
    behind: Any = None
    """What our state keeps as the cursor after that load."""

    def parked(self, entry: str) -> None:
        """Add a call whose outcome nobody knows."""
        known = [*self.report.get("parked_entries", ()), entry][:_MOST_PARKED]
        self.report |= {"parked": self.report.get("parked", 0) + 1, "parked_entries": known}

    def proved(self, totals: Sequence[Mapping[str, Any]]) -> None:
        self.report["totals"] = added(self.report.get("totals", ()), totals)

    def would(self, found: Would) -> None:
        """Add what one portion of a dry run would do."""
        before = self.report.get("would", {})
        counts = {
            name: before.get(name, 0) + getattr(found.counts, name)
            for name in ("inserted", "updated", "deleted", "unchanged")
        }
        samples = [*before.get("samples", ()), *found.samples][:_SAMPLES]
        self.report["would"] = {**counts, "samples": samples}
