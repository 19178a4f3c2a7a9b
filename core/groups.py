"""Groups of messages that are held: one of them is a dead letter, and those after it wait until a person releases the group."""

from __future__ import annotations

import hashlib

from .holds import Holds
from .store import events, holds
from .store.journal import Connection, Journal

_LONGEST = 160


class Groups:
    """Holds of single groups, in the journal, by the queue that they come from."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._holds = Holds(journal)

    def is_held(self, queue: str, group: str) -> bool:
        return self._holds.refusal(_target(queue, group)) is not None

    def hold(self, queue: str, group: str, reason: str) -> None:
        """Hold a group until it is released by name; one that is held stays so."""
        if self.is_held(queue, group):
            return
        said = {"name": _name(queue, group), "kind": "group", "reason": reason[:1000], "until": None}
        row = {
            **said,
            "target": _target(queue, group),
            "held_by": f"the queue {queue}"[:200],
            "since": self._holds.now(),
        }

        def unit(conn: Connection) -> None:
            holds.put(conn, row)
            events.add(conn, "hold.set", body={**said, "by": row["held_by"]})

        self._journal.write(unit)
        self._holds.forget()


def _target(queue: str, group: str) -> str:
    return f"group:{_name(queue, group)}"


def _name(queue: str, group: str) -> str:
    """Name a group as a person says it; a long one is cut and stays apart from others by its hash."""
    if len(group) > _LONGEST:
        group = f"{group[: _LONGEST - 20]}~{hashlib.sha256(group.encode()).hexdigest()[:16]}"
    return f"{queue}:{group}"
