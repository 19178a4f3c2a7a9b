"""Calls of a sync that were parked: what a person found out of them, taken in by its next run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from ..errors import InputError
from ..rejects import RejectFile
from ..store import ledger, syncs
from ..store.journal import Connection, Journal
from .done import Counts, Done
from .runs import Held
from .tool_sink import ToolSink

log = structlog.get_logger("drawbar.sync")
_ENDED = {"done": "done", "rejected": "refused", "failed": "refused"}


class Settlements:
    """
    Hears what became of parked calls.

    What was done, by whomever, is not called again; what was not done is called again, under its own entry of the ledger, so
    that `drawbar dead send` and this never make it two.
    """

    def __init__(self, journal: Journal, held: Held, sink: ToolSink, rejects: RejectFile) -> None:
        self._journal = journal
        self._held = held
        self._sink = sink
        self._rejects = rejects
        self._heard: dict[str, str] = {}
        self._counts = Counts()

    def take_in(self) -> None:
        """Hear of all that were settled, and call again what was not done. Raises Unavailable when the other side is away."""
        with self._journal.read() as conn:
            entries = syncs.parked(conn, self._held.name)
        for entry in entries:
            if (became := self._look(entry)) is not None:
                self._heard[entry] = became

    def close(self) -> Done | None:
        """Keep what was heard; give what was called again."""
        try:
            where = self._rejects.keep() if self._heard else None
        finally:
            self._rejects.discard()
        if not self._heard:
            return None
        self._held.report["settled"] = dict(Counter(self._heard.values()))

        def unit(conn: Connection) -> None:
            for entry in self._heard:
                syncs.unpark(conn, entry)

        self._journal.write(unit)
        if self._counts.read == 0:
            return None
        said = "calls that a person settled as not done"
        return Done(f"settled:{self._held.id}", said, self._counts, str(where) if where else None)

    def _look(self, entry: str) -> str | None:
        """Say what became of an entry; None while nobody knows."""
        try:
            with self._journal.read() as conn:
                row = ledger.find(conn, entry)
        except InputError:
            return "forgotten"
        if (ended := _ENDED.get(row["state"])) is not None:
            return ended
        if row["state"] not in ("not_done", "unavailable") or row["tool"] != self._sink.tool:
            return None
        return "dropped" if row["dropped"] else self._again(row)

    def _again(self, row: Mapping[str, Any]) -> str | None:
        try:
            acted = self._sink.again(row)
        except InputError as error:  # the configuration lets nobody call it so: it stays a person's
            log.warning("sync.settled_stays", sync=self._held.name, entry=row["id"], reason=error.message)
            return None
        if acted.ended in ("parked", "waiting"):
            return None
        refused = acted.ended == "refused"
        if refused:
            self._rejects.add([replace(acted.record, reason=f"{acted.said} (ledger entry {acted.entry})")])
        self._counts = self._counts.plus(Counts(1, int(not refused), int(refused)))
        return "refused" if refused else "called again"
