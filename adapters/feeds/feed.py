"""A feed: which files are ready, who works on one, and where it goes afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from ...connectors.drop import Drop, Files
from ...core.adapter import Place
from ...core.drops import Arrival, Remembers, Twin
from ...core.errors import ConfigError, InputError, Unavailable
from ...core.values import write_json
from ..formats import Format
from .aside import archive_here, joined, move_aside, move_marker, write_reason
from .claiming import LockFiles, Noted
from .claims import Claims
from .config import FeedConfig, LocalFolder
from .found import Found, State, Taken
from .listing import Listing
from .order import Turn, in_turn
from .parts import Parts
from .pattern import Pattern
from .taking import Taking

log = structlog.get_logger("drawbar.feeds")


class Feed:
    """One configured feed of one drop. Nothing is opened before it is used."""

    def __init__(self, owner: str, name: str, config: FeedConfig, drop: Drop, place: Place) -> None:
        self.name = name
        self.full_name = f"{owner}.{name}"
        self.config = config
        self.drop = drop
        self.pattern = Pattern(config.pattern)
        self.folder = self.pattern.folder
        self._notes = place.drops
        self.claims = self._claiming()
        self._base = place.base
        self.spool = place.base / config.spool if config.spool else place.state / "spool" / owner / name
        self.parts = Parts(place.state / "parts" / owner / name)
        self._taking = Taking(self)
        self._lock = threading.Lock()
        self._format: Format | None = None
        self._listing = Listing(config, self.pattern, self.claims)
        self._told: set[str] = set()

    @property
    def notes(self) -> Remembers:
        """Give what is remembered in the journal; ConfigError where there is none."""
        if self._notes is None:
            raise ConfigError(
                f"{self.full_name}: what it asks for is remembered in the journal, and there is none here"
            )
        return self._notes

    @property
    def remembers(self) -> bool:
        config = self.config
        return not (config.duplicate is None and config.order is None and config.expected is None)

    def _claiming(self) -> Claims:
        lease_s = self.config.lease_s
        if self.config.claim == "lock_file":
            return LockFiles(self.drop, self.folder, lease_s)
        if self.config.claim == "journal":
            return Noted(self.drop, self.full_name, self.folder, lease_s, lambda: self.notes)
        return Claims(self.drop, self.folder, lease_s)

    @property
    def format(self) -> Format:
        with self._lock:
            if self._format is None:
                self._format = self.config.format.open(self._base)
            return self._format

    def close(self) -> None:
        self.claims.close()

    def inbox(self, name: str) -> str:
        return joined(self.folder, name)

    def look(self, files: Files) -> list[Found]:
        """List what is in the inbox and what is claimed, in order, and remember what was seen when."""
        turn = self._turn(files)
        return [*turn.ready, *turn.held] if self.config.order else turn.ready

    def _turn(self, files: Files) -> Turn:
        """Give what there is: without an order everything counts as ready, whatever its state."""
        seen = self._listing.seen(files)
        order = self.config.order
        if order is None:
            return Turn(sorted(seen, key=lambda one: (one.modified, one.name)), [])
        notes = self.notes.notes(self.full_name)
        state = {name: note.state for name, note in notes.items()}
        aside = [(one, state.get(one.name) == "skipped") for one in self._listing.quarantined(files)]
        aside += [(one, False) for one in seen if one.state == "quarantined"]
        fits = [one for one in seen if one.state not in {"done", "quarantined"}]
        released = {name for name, said in state.items() if said == "released"}
        turn = in_turn(order, fits, last=self.notes.last_place(self.full_name), aside=aside, released=released)
        for one in turn.held:
            self._tell_once("file.held", one.name, one.why)
        return Turn(turn.ready, [*turn.held, *(one for one in seen if one.state in {"done", "quarantined"})])

    def ready(self, *, wait: bool) -> list[Found]:
        """
        Give the files that may be taken now.

        `wait`: where stability is asked for and was not yet watched, look again after that time.
        """
        with self.drop.session() as files:
            turn = self._turn(files)
        stable_s = self.config.ready.stable_s or 0
        if wait and stable_s and any(one.state == "waiting" for one in (*turn.ready, *turn.held)):
            time.sleep(stable_s + 0.01)
            with self.drop.session() as files:
                turn = self._turn(files)
        return [one for one in turn.ready if one.state in {"ready", "failed"}]

    def in_turn(self, *, wait: bool) -> Iterator[Found]:
        """Give what may be taken; with an order one after the other, each when it is known what came of the one before."""
        if self.config.order is None:
            yield from self.ready(wait=wait)
            return
        tried: set[str] = set()
        while found := next((one for one in self.ready(wait=wait) if one.name not in tried), None):
            tried.add(found.name)
            yield found
            wait = False

    def take(self, found: Found) -> Taken | None:
        """
        Claim a file and copy it; None when another worker was faster, or when it is still growing.

        Raises Unavailable when the copy breaks off; the file is put back.
        """
        return self._taking.one(found)

    def taking(self, *, wait: bool) -> Generator[Taken, None, None]:
        """Take what may be taken, small files by the dozen; what is not given any more when this is closed is put back."""
        return self._taking.every(wait=wait)

    def refused(self, taken: Taken) -> dict[str, Any] | None:
        """Say why a file that was taken is put aside unread; what is only to be reported is."""
        if taken.found.size == 0 and self.config.empty == "quarantine":
            return {"error": "the file is empty", "kind": "rejected"}
        twin = self._twin(taken)
        if twin is None or self.config.duplicate is None:
            return None
        what = "content" if twin.sha256 == taken.sha256 else "name"
        when = datetime.fromtimestamp(twin.at, UTC)
        said = {"error": f"a duplicate: {twin.name} with the same {what} was taken at {when:%Y-%m-%d %H:%M:%S} UTC"}
        body = {"feed": self.full_name, "file": taken.found.name, "of": twin.name, "same": what, "at": when}
        self.notes.tell("file.duplicate", {**body, "then": self.config.duplicate.then})
        return {**said, "kind": "duplicate"} if self.config.duplicate.then == "quarantine" else None

    def is_passed_over(self, taken: Taken) -> bool:
        """Tell whether an empty file is not to be read; it goes where read ones go, and that is told."""
        if taken.found.size or self.config.empty != "skip":
            return False
        log.info("feed.empty", feed=self.full_name, file=taken.found.name)
        if self._notes is not None:
            self._notes.tell("file.empty", {"name": self.full_name, "file": taken.found.name})
        return True

    def _twin(self, taken: Taken) -> Twin | None:
        duplicate, found = self.config.duplicate, taken.found
        if duplicate is None:
            return None
        for twin in self.notes.twins(self.full_name, found.name, taken.sha256, duplicate.within_d):
            same_name, same_content = twin.name == found.name, twin.sha256 == taken.sha256
            if same_name and same_content and abs(twin.file_at - found.modified) < 0.001:
                continue  # it is this very file, whose worker died before it was put away
            if ("content" in duplicate.when and same_content) or ("name" in duplicate.when and same_name):
                return twin
        return None

    def incomplete(self, taken: Taken, why: str) -> None:
        """Put a file back that is not whole yet: that costs no attempt, and it is left alone until it changes."""
        self._listing.leave_alone(taken.found)
        log.info("feed.incomplete", feed=self.full_name, file=taken.found.name, reason=why)
        self._done_with(taken)
        self._taking.back(taken.claim, taken.claim.attempts)

    def put_back(self, taken: Taken) -> None:
        """Put a file back that could not be loaded for no fault of its own."""
        self._done_with(taken)
        self._taking.back(taken.claim, taken.claim.attempts)

    def failed(self, taken: Taken, reason: Mapping[str, Any]) -> bool:
        """Count a failed attempt; after the last one quarantine the file. Tell whether it was."""
        attempts = taken.claim.attempts + 1
        if attempts >= self.config.max_attempts:
            self.quarantine(taken, reason)
            return True
        log.warning("feed.failed", feed=self.full_name, file=taken.found.name, attempts=attempts, **reason)
        self._done_with(taken)
        self._taking.back(taken.claim, attempts)
        return False

    def quarantine(self, taken: Taken, reason: Mapping[str, Any]) -> None:
        """Move a wrong file aside, with a file beside it that says why; one that may only be left is noted."""
        said = {
            "feed": self.full_name,
            "file": taken.found.name,
            "size": taken.found.size,
            "sha256": taken.sha256,
            "attempt": taken.claim.attempts + 1,
            "at": datetime.now(UTC),
            **reason,
        }
        log.warning("feed.quarantined", **{**said, "at": None})
        self._done_with(taken)
        self.forget_decisions(taken.found.name)
        try:
            if self.config.after == "leave":
                self.claims.left(taken.claim, "quarantined", write_json(said).decode())
                return
            with self.drop.session() as files:
                folder = joined(self.folder, self.config.quarantine)
                name = move_aside(files, self.claims.path(taken.claim), folder, taken.found.name, taken.sha256)
                if name is not None:
                    self._say_why(files, joined(folder, name), said)
                self.let_marker_follow(files, taken.found.name, folder)
                self.claims.gone(files, taken.claim)
        finally:
            self.claims.settled(taken.claim)

    def _say_why(self, files: Files, path: str, said: Mapping[str, Any]) -> None:
        """Write the reason beside a file; where the disk is full it stands in the log and with the run alone."""
        try:
            write_reason(files, path, said)
        except Unavailable as error:
            log.warning("feed.no_reason_file", feed=self.full_name, file=path, error=error.message)

    def finish(self, taken: Taken) -> None:
        """
        Archive, delete or leave a file that is loaded, and remember it where something asks for that.

        One that is gone already is no error: another worker finished it.
        """
        config, claim = self.config, taken.claim
        keeps = config.after == "archive"
        folder = joined(self.folder, config.archive) if isinstance(config.archive, str) and keeps else None
        try:
            self._remember(taken)
            if config.after == "leave":
                self.claims.left(claim, "done")
                return
            with self.drop.session() as files:
                if keeps and isinstance(config.archive, LocalFolder):
                    archive_here(self._base / config.archive.local, taken.copy, taken.found.name, taken.sha256)
                if folder is not None:
                    move_aside(files, self.claims.path(claim), folder, taken.found.name, taken.sha256)
                else:
                    files.remove(self.claims.path(claim))
                self.let_marker_follow(files, taken.found.name, folder)
                self.claims.gone(files, claim)
        finally:
            self._done_with(taken)
            self.claims.settled(claim)

    def _remember(self, taken: Taken) -> None:
        config, found = self.config, taken.found
        if not self.remembers:
            return
        place = config.order.place(found) if config.order else None
        self.forget_decisions(found.name)
        arrival = Arrival(found.name, taken.sha256, found.size, found.modified, place)
        self.notes.arrived(self.full_name, arrival)

    def find(self, files: Files, name: str, *, rather: Collection[str] = ()) -> Found:
        """Find a file by its name: in the inbox, claimed, in the archive or in quarantine; `rather` in one of these states."""
        every = list(self._every(files, name))
        if not every:
            raise InputError(f"there is no file {name} in {self.full_name}", reason="not_found", field="name")
        return next((one for one in every if one.state in rather), every[0])

    def _every(self, files: Files, name: str) -> Iterator[Found]:
        origin = self.origin(name)
        if origin is None:
            return
        yield from (found for found in self.look(files) if found.name == name)
        for folder, state in self._listing.folders():
            path = joined(self.folder, folder, name)
            if (entry := files.stat(path)) is not None:
                yield Found(name, path, entry.size, entry.modified, state, self.pattern.match(origin) or {})

    def origin(self, name: str) -> str | None:
        """Give the name that a file which was put aside had in the inbox; None for one of another feed."""
        return self._listing.origin(name)

    def folders(self) -> list[tuple[str, State]]:
        """Name the folders in which files are put aside."""
        return self._listing.folders()

    def aside(self, files: Files) -> Iterator[Found]:
        """Give the files in archive and quarantine."""
        for folder, state in self._listing.folders():
            yield from self._listing.in_folder(files, folder, state)

    def is_there(self, since: float) -> bool:
        """Tell whether anything of the feed is in its inbox, or has been put aside and is not older than a moment."""
        with self.drop.session() as files:
            seen = self._listing.seen(files)
            if any(one.state not in {"done", "quarantined"} for one in seen):
                return True
            return any(one.modified >= since for one in (*seen, *self._listing.quarantined(files)))

    def decided(self, name: str) -> None:
        self._listing.look_anew(name)
        with self._lock:
            self._told.discard(name)

    def forget_decisions(self, name: str) -> None:
        """Forget what a person said of an earlier file of this name."""
        if self.config.order is not None and self.config.claim != "journal":
            self.notes.forget(self.full_name, name)

    def _tell_once(self, kind: str, name: str, why: str | None) -> None:
        with self._lock:
            if why is None or name in self._told:
                return
            self._told.add(name)
        log.warning(kind.replace("file", "feed"), feed=self.full_name, file=name, reason=why)
        self.notes.tell(kind, {"name": self.full_name, "file": name, "reason": why})

    def let_marker_follow(self, files: Files, name: str, folder: str | None) -> None:
        """Move the marker of a file into a folder, or remove it: left behind it would speak for the next of that name."""
        marker = self.config.ready.marker_of(name)
        if marker is not None:
            move_marker(files, self.inbox(marker), folder and joined(folder, marker))

    def _done_with(self, taken: Taken) -> None:
        taken.copy.unlink(missing_ok=True)


__all__ = ["Feed"]
