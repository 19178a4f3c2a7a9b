"""What a person decides about a file: to try it again, to let it pass, to put it aside unread."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...connectors.drop import Files
from ...core.errors import Rejected
from ...core.values import write_json
from .aside import REASON, joined, move_aside, move_marker, write_reason
from .found import Found

if TYPE_CHECKING:
    from .feed import Feed


def retried(feed: Feed, files: Files, found: Found) -> dict[str, Any]:
    """Put a file back into the inbox, its failures forgotten; Rejected when another one of that name is there."""
    name = found.name
    if found.path != feed.inbox(name):
        name = feed.origin(name) or name
        if not files.move(found.path, feed.inbox(name)):
            raise Rejected(f"{found.name} is gone")
        files.remove(found.path + REASON)
        feed.forget_decisions(name)
        if (marker := feed.config.ready.marker_of(name)) is not None:
            move_marker(files, found.path.removesuffix(found.name) + marker, feed.inbox(marker))
            files.create(feed.inbox(marker), b"")  # where it has not come back
    elif found.claim is not None:
        feed.claims.gone(files, found.claim)
    feed.decided(name)
    return feed.find(files, name).as_json()


def released(feed: Feed, files: Files, found: Found) -> dict[str, Any]:
    """Let a held file pass what it waits for, or let those pass that wait for one in quarantine."""
    state = "skipped" if found.state == "quarantined" else "released"
    feed.notes.note(feed.full_name, found.name, state, found.mark)
    feed.decided(found.name)
    return feed.find(files, found.name).as_json()


def skipped(feed: Feed, files: Files, found: Found, *, by: str, reason: str | None) -> dict[str, Any]:
    """Put a file into quarantine unread."""
    said = {
        "feed": feed.full_name,
        "file": found.name,
        "error": reason or "skipped",
        "by": by,
        "at": datetime.now(UTC),
    }
    if feed.config.after == "leave":
        feed.notes.note(feed.full_name, found.name, "quarantined", found.mark, reason=write_json(said).decode())
    else:
        folder = joined(feed.folder, feed.config.quarantine)
        other = hashlib.sha256(found.mark.encode()).hexdigest()  # for a name that is free
        name = move_aside(files, found.path, folder, found.name, other)
        if name is None:
            raise Rejected(f"{found.name} is gone")
        write_reason(files, joined(folder, name), said)
        feed.let_marker_follow(files, found.name, folder)
        if feed.config.order is not None:
            feed.notes.note(feed.full_name, found.name, "skipped", found.mark)
    return {**found.as_json(), "state": "quarantined", "reason": said["error"]}
