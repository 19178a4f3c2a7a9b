"""A feed: which files are ready, who works on one, and where it goes afterwards."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from ...connectors.drop import Drop, Entry, Files
from ...core.adapter import Place
from ...core.errors import DrawbarError, InputError, Rejected, Unavailable
from ..formats import Format
from .aside import REASON, archive_here, joined, move_aside, move_marker, write_reason
from .claims import FOLDER, Claim, Claims
from .config import FeedConfig, LocalFolder
from .pattern import Pattern

log = structlog.get_logger("drawbar.feeds")
State = Literal["ready", "waiting", "claimed", "failed", "archived", "quarantined"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a feed, wherever it is. `path` is where; `captures` come from its name."""

    name: str
    path: str
    size: int
    modified: float
    state: State
    captures: Mapping[str, Any] = field(default_factory=dict)
    claim: Claim | None = None

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
        return {**said, "state": self.state, **attempts}


@dataclass(frozen=True, slots=True)
class Taken:
    """A claimed file with its working copy. `id` names its content for ever."""

    found: Found
    claim: Claim
    copy: Path
    sha256: str
    id: str


class Feed:
    """One configured feed of one drop. Nothing is opened before it is used."""

    def __init__(self, owner: str, name: str, config: FeedConfig, drop: Drop, place: Place) -> None:
        self.name = name
        self.full_name = f"{owner}.{name}"
        self.config = config
        self.drop = drop
        self.pattern = Pattern(config.pattern)
        self.folder = self.pattern.folder
        self.claims = Claims(drop, self.folder, config.lease_s)
        self._base = place.base
        self._spool = place.base / config.spool if config.spool else place.state / "spool" / owner / name
        self._lock = threading.Lock()
        self._format: Format | None = None
        self._seen: dict[str, tuple[int, float, float]] = {}
        self._incomplete: dict[str, tuple[int, float]] = {}

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
        """List what is in the inbox and what is claimed, the oldest first, and remember what was seen when."""
        entries = files.list(self.folder)
        claimed, alive = self.claims.listing(files) if any(entry.name == FOLDER for entry in entries) else ([], [])
        names = {entry.name for entry in entries}
        found: list[Found] = []
        for entry in entries:
            if entry.is_folder or entry.name.startswith(".") or (captures := self.pattern.match(entry.name)) is None:
                continue
            state: State = "ready" if self._is_ready(entry, names) else "waiting"
            found.append(Found(entry.name, self.inbox(entry.name), entry.size, entry.modified, state, captures))
        for claim, entry in claimed:
            if (captures := self.pattern.match(claim.name)) is not None:
                free = self.claims.is_free(claim, alive)
                path = self.claims.path(claim)
                found.append(
                    Found(
                        claim.name, path, entry.size, entry.modified, "failed" if free else "claimed", captures, claim
                    )
                )
        self._forget_all_but(names)
        self.claims.sweep(files, [claim for claim, _ in claimed], alive)
        return sorted(found, key=lambda one: (one.modified, one.name))

    def ready(self, *, wait: bool) -> list[Found]:
        """
        Give the files that may be taken now.

        `wait`: where stability is asked for and was not yet watched, look again after that time.
        """
        with self.drop.session() as files:
            found = self.look(files)
        stable_s = self.config.ready.stable_s or 0
        if wait and stable_s and any(one.state == "waiting" for one in found):
            time.sleep(stable_s + 0.01)
            with self.drop.session() as files:
                found = self.look(files)
        return [one for one in found if one.state in {"ready", "failed"}]

    def take(self, found: Found) -> Taken | None:
        """
        Claim a file and copy it; None when another worker was faster, or when it is still growing.

        Raises Unavailable when the copy breaks off; the file is put back.
        """
        attempts = found.claim.attempts if found.claim else 0
        with self.drop.session() as files:
            claim = self.claims.take(files, found.path, found.name, attempts)
        if claim is None:
            return None
        try:
            with self.drop.session() as files:
                copy, sha256, size = self._copy(files, claim)
                now = files.stat(self.claims.path(claim))
        except (DrawbarError, OSError) as error:
            self._back(claim, attempts)
            if isinstance(error, OSError):
                raise Unavailable(f"the spool {self._spool}: {error.strerror}") from error
            raise
        if now is None or now.size != size:
            copy.unlink(missing_ok=True)
            self._back(claim, attempts)
            return None
        return Taken(found, claim, copy, sha256, f"{self.full_name}/{found.name}:{size}:{sha256}")

    def incomplete(self, taken: Taken, why: str) -> None:
        """Put a file back that is not whole yet: that costs no attempt, and it is left alone until it changes."""
        found = taken.found
        with self._lock:
            self._incomplete[found.name] = (found.size, found.modified)
        log.info("feed.incomplete", feed=self.full_name, file=found.name, reason=why)
        self._done_with(taken)
        self._back(taken.claim, taken.claim.attempts)

    def put_back(self, taken: Taken) -> None:
        """Put a file back that could not be loaded for no fault of its own."""
        self._done_with(taken)
        self._back(taken.claim, taken.claim.attempts)

    def failed(self, taken: Taken, reason: Mapping[str, Any]) -> bool:
        """Count a failed attempt; after the last one quarantine the file. Tell whether it was."""
        attempts = taken.claim.attempts + 1
        if attempts >= self.config.max_attempts:
            self.quarantine(taken, reason)
            return True
        log.warning("feed.failed", feed=self.full_name, file=taken.found.name, attempts=attempts, **reason)
        self._done_with(taken)
        self._back(taken.claim, attempts)
        return False

    def quarantine(self, taken: Taken, reason: Mapping[str, Any]) -> None:
        """Move a wrong file aside, with a file beside it that says why."""
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
        try:
            with self.drop.session() as files:
                folder = joined(self.folder, self.config.quarantine)
                name = move_aside(files, self.claims.path(taken.claim), folder, taken.found.name, taken.sha256)
                if name is not None:
                    write_reason(files, joined(folder, name), said)
                self._let_marker_follow(files, taken.found.name, folder)
        finally:
            self.claims.settled(taken.claim)

    def finish(self, taken: Taken) -> None:
        """Archive or delete a file that is loaded. One that is gone already is no error: another worker finished it."""
        config, claim = self.config, taken.claim
        keeps = config.after == "archive"
        folder = joined(self.folder, config.archive) if isinstance(config.archive, str) and keeps else None
        try:
            with self.drop.session() as files:
                if keeps and isinstance(config.archive, LocalFolder):
                    archive_here(self._base / config.archive.local, taken.copy, taken.found.name, taken.sha256)
                if folder is not None:
                    move_aside(files, self.claims.path(claim), folder, taken.found.name, taken.sha256)
                else:
                    files.remove(self.claims.path(claim))
                self._let_marker_follow(files, taken.found.name, folder)
        finally:
            self._done_with(taken)
            self.claims.settled(claim)

    def find(self, files: Files, name: str) -> Found:
        """Find a file by its name: in the inbox, claimed, in the archive or in quarantine."""
        captures = self.pattern.match(name)
        if captures is not None:
            for found in self.look(files):
                if found.name == name:
                    return found
            for folder, state in self.folders():
                path = joined(self.folder, folder, name)
                if (entry := files.stat(path)) is not None:
                    return Found(name, path, entry.size, entry.modified, state, captures)
        raise InputError(f"there is no file {name} in {self.full_name}", reason="not_found", field="name")

    def folders(self) -> list[tuple[str, State]]:
        aside: list[tuple[str, State]] = [(self.config.quarantine, "quarantined")]
        if isinstance(self.config.archive, str) and self.config.after == "archive":
            aside.insert(0, (self.config.archive, "archived"))
        return aside

    def aside(self, files: Files) -> Iterator[Found]:
        """Give the files in archive and quarantine."""
        for folder, state in self.folders():
            for entry in files.list(joined(self.folder, folder)):
                if not entry.is_folder and not entry.name.endswith(REASON):
                    path = joined(self.folder, folder, entry.name)
                    yield Found(entry.name, path, entry.size, entry.modified, state)

    def retried(self, files: Files, found: Found) -> dict[str, Any]:
        """Put a file back into the inbox, its failures forgotten; Rejected when another one of that name is there."""
        if not files.move(found.path, self.inbox(found.name)):
            raise Rejected(f"{found.name} is gone")
        files.remove(found.path + REASON)
        with self._lock:
            self._incomplete.pop(found.name, None)
        return self.find(files, found.name).as_json()

    def skipped(self, files: Files, found: Found, *, by: str, reason: str | None) -> dict[str, Any]:
        """Put a file into quarantine unread."""
        files.make_folder(joined(self.folder, self.config.quarantine))
        path = joined(self.folder, self.config.quarantine, found.name)
        if not files.move(found.path, path):
            raise Rejected(f"{found.name} is gone")
        said = {
            "feed": self.full_name,
            "file": found.name,
            "error": reason or "skipped",
            "by": by,
            "at": datetime.now(UTC),
        }
        write_reason(files, path, said)
        return {**found.as_json(), "state": "quarantined", "reason": said["error"]}

    def _is_ready(self, entry: Entry, names: set[str]) -> bool:
        ready, now = self.config.ready, time.monotonic()
        with self._lock:
            size, modified, since = self._seen.get(entry.name, (-1, 0.0, now))
            if (size, modified) != (entry.size, entry.modified):
                since = now
                self._seen[entry.name] = (entry.size, entry.modified, now)
            if self._incomplete.get(entry.name) == (entry.size, entry.modified):
                return False
        marker = ready.marker_of(entry.name)
        return (
            (ready.stable_s is None or now - since >= ready.stable_s)
            and (ready.min_age_s is None or self.claims.now() - entry.modified >= ready.min_age_s)
            and (marker is None or marker in names)
        )

    def _forget_all_but(self, names: set[str]) -> None:
        with self._lock:
            self._seen = {name: seen for name, seen in self._seen.items() if name in names}
            self._incomplete = {name: seen for name, seen in self._incomplete.items() if name in names}

    def _copy(self, files: Files, claim: Claim) -> tuple[Path, str, int]:
        self._spool.mkdir(parents=True, exist_ok=True)
        self._sweep_spool()
        digest, size = hashlib.sha256(), 0
        copy = self._spool / f"{self.claims.owner}~{hashlib.sha256(claim.name.encode()).hexdigest()[:16]}"
        with files.read(self.claims.path(claim)) as source, copy.open("wb") as target:
            while part := source.read(1 << 20):
                digest.update(part)
                target.write(part)
                size += len(part)
        return copy, digest.hexdigest(), size

    def _sweep_spool(self) -> None:
        """Remove working copies of workers of this machine that are gone."""
        for copy in self._spool.iterdir():
            owner = copy.name.partition("~")[0]
            if owner != self.claims.owner and self.claims.is_gone(owner):
                copy.unlink(missing_ok=True)

    def _back(self, claim: Claim, attempts: int) -> None:
        """Put a file back; where that fails, whoever looks next finds that nobody works on it."""
        try:
            with self.drop.session() as files:
                self.claims.put_back(files, claim, self.inbox(claim.name), attempts)
        except DrawbarError as error:
            log.warning("feed.not_put_back", feed=self.full_name, file=claim.name, error=error.message)
        finally:
            self.claims.settled(claim)

    def _let_marker_follow(self, files: Files, name: str, folder: str | None) -> None:
        marker = self.config.ready.marker_of(name)
        if marker is not None:
            move_marker(files, self.inbox(marker), folder)

    def _done_with(self, taken: Taken) -> None:
        taken.copy.unlink(missing_ok=True)


__all__ = ["Feed", "Found", "State", "Taken"]
