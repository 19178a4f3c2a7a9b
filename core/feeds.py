"""The files of feeds, as an operator sees and moves them."""

from __future__ import annotations

from typing import Any

from .access import Caller
from .adapter import FileAction
from .landscape import Landscape
from .store import events
from .store.journal import Journal


class Feeds:
    def __init__(self, landscape: Landscape, journal: Journal) -> None:
        self._landscape = landscape
        self._journal = journal

    def files(self, adapter: str, feed: str, *, state: str | None = None) -> list[dict[str, Any]]:
        """List files by name; asks the drop itself."""
        found = self._landscape.adapter(adapter).files(feed)
        return sorted(
            (row for row in found if state is None or row["state"] == state), key=lambda row: str(row["name"])
        )

    def act(
        self,
        adapter: str,
        feed: str,
        name: str,
        action: FileAction,
        *,
        caller: Caller,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Move a file as a person decided, and record who did."""
        caller.require("operate")
        row = self._landscape.adapter(adapter).file_act(feed, name, action, by=caller.name, reason=reason)
        said = {"feed": f"{adapter}.{feed}", "file": name, "by": caller.name, "reason": reason}
        self._journal.write(lambda conn: events.add(conn, f"file.{action}", body=said))
        return row
