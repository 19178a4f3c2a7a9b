"""
What is in doubt after a state was made from a backup: every write of the runs that it holds.

They may have gone on after the backup was taken, in the state that is lost. So a write of such a run, and of the runs that it
starts, is parked the first time that it is to leave: its probe, or a person, says whether it was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import OutcomeUnknown
from .outcome import Outcome
from .store import ledger, runs
from .store.restoring import restored_at
from .values import moment

if TYPE_CHECKING:
    from .store.journal import Connection, Journal
    from .store.runs import Header

_NOTE = "restored"


class Restored:
    """Looks once whether the state was restored: that happens while nobody works on it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        with journal.read() as conn:
            self.at = restored_at(conn)

    def doubt(self, header: Header, entry: str) -> Outcome | None:
        """Give the outcome of a write that may have been done; None where it cannot, or somebody has found out."""
        if self.at is None:
            return None
        with self._journal.read() as conn:
            if not self._held(conn, header):
                return None
            kept = ledger.find(conn, entry)
        if (kept["notes"] or {}).get(_NOTE) == self.at:
            return None  # it was parked for this, and ended by `settle` as not done
        said = f"the state was restored from a backup at {moment(self.at)}, and this may have been done before that"
        return Outcome.of_error(OutcomeUnknown(said), {"left_at": self._journal.now(), _NOTE: self.at})

    def _held(self, conn: Connection, header: Header | None) -> bool:
        """Tell whether the backup holds this run, or one that started it."""
        while header is not None and header.created_at >= (self.at or 0):
            above = header.parent and runs.header(conn, header.parent[0])
            header = above[0] if above else None
        return header is not None
