"""One page for the operator, and whether this process itself can work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from .adapter import Finding
from .catalogue import Catalogue
from .disk import Floor
from .errors import DrawbarError
from .roster import unserved
from .store import drops, summary
from .store.journal import Journal
from .values import moment

_DAY_S = 86_400


class Status:
    def __init__(
        self,
        journal: Journal,
        catalogue: Catalogue,
        syncs: Callable[[], Sequence[dict[str, Any]]],
        *,
        floor: Floor,
        held: Callable[[], Sequence[dict[str, Any]]],
    ) -> None:
        self._journal = journal
        self._catalogue = catalogue
        self._syncs = syncs
        self._floor = floor
        self._held = held

    def page(self) -> dict[str, Any]:
        """Show what is down, what is held, what runs, what waits for a person, late files, the syncs, the disk and what starts next."""
        with self._journal.read() as conn:
            live = summary.live_runs(conn)
            ended = summary.ended_runs(conn, time.time() - _DAY_S)
            waiting = summary.waiting_for_a_person(conn)
            starts = summary.next_starts(conn)
            late = drops.missing(conn)
        return {
            "systems": self._catalogue.systems(),
            "held": self._held(),
            "runs": {row["state"]: {"count": row["count"], "oldest": moment(row["oldest"])} for row in live},
            "ended_in_24_h": ended,
            "without_a_worker": unserved(self._journal),
            "waiting_for_a_person": {
                what: {"count": count, "oldest": moment(oldest)} for what, (count, oldest) in waiting.items()
            },
            "late_files": late,
            "syncs": self._syncs(),
            "next_starts": [{"name": row["name"], "at": moment(row["next_at"])} for row in starts],
            "disk": {"free_mb": self._floor.free(), "floor_mb": self._floor.min_free_mb},
        }

    def ready(self) -> list[Finding]:
        """Look at this process alone: a dead system never takes Drawbar out of its balancer."""
        return [self._journal_finding(), self._disk_finding()]

    def _journal_finding(self) -> Finding:
        try:
            self._journal.write(lambda conn: conn.exec_driver_sql("select 1").scalar())
        except DrawbarError as error:
            return Finding("journal", ok=False, found=error.message, next="look at the database of `state:`")
        return Finding("journal", ok=True, found="can be written")

    def _disk_finding(self) -> Finding:
        if (full := self._floor.refusal()) is not None:
            return Finding("disk", ok=False, found=full.message, next=full.next or "")
        return Finding("disk", ok=True, found=f"{self._floor.free()} MB free")
