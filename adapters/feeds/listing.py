"""What lies in a feed: listed, matched, with what is known of claims and of how long it has been as it is."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...connectors.drop import Entry, Files
from ...core.values import parse_json
from .aside import REASON, joined, walked
from .claiming import LOCK
from .claims import FOLDER, Claim, Claims
from .config import FeedConfig
from .found import Found, State
from .pattern import Pattern

_AGAIN = re.compile(r"\.[0-9a-f]{8}(?:\.\d{19})?$")
"""What is put behind a name that is taken where the file is put aside."""


class Listing:
    """The files of one feed, and what was seen of them when: stability is a matter of two looks."""

    def __init__(self, config: FeedConfig, pattern: Pattern, claims: Claims) -> None:
        self._config = config
        self._pattern = pattern
        self._claims = claims
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, float, float]] = {}
        self._incomplete: dict[str, tuple[int, float]] = {}

    def inbox(self, name: str) -> str:
        return joined(self._pattern.folder, name)

    def seen(self, files: Files) -> list[Found]:
        """List inbox and claims, in no order, and remember what was seen when."""
        apart = {folder for folder, _ in self.folders()}
        listed = walked(files, self._pattern.folder, self._pattern.depth, apart)
        standing = self._claims.standing(files, listed, is_hidden=FOLDER in listed)
        found = [
            self._as_found(name, entry, captures, listed.keys(), standing.known.get(name), standing.reasons.get(name))
            for name, entry in listed.items()
            if not entry.is_folder and self._is_visible(name, listed)
            if (captures := self._pattern.match(name)) is not None
        ]
        for claim, entry, free in standing.hidden:
            if (captures := self._pattern.match(claim.name)) is not None:
                state: State = "failed" if free else "claimed"
                path = self._claims.path(claim)
                found.append(Found(claim.name, path, entry.size, entry.modified, state, captures, claim))
        self._forget_all_but(set(listed))
        return found

    def _is_visible(self, name: str, listed: Mapping[str, Entry]) -> bool:
        if name.rpartition("/")[2].startswith("."):
            return False
        return not (self._config.claim == "lock_file" and name.endswith(LOCK) and name.removesuffix(LOCK) in listed)

    def _as_found(
        self,
        name: str,
        entry: Entry,
        captures: dict[str, Any],
        names: Collection[str],
        known: tuple[Claim, str] | None,
        reason: str | None,
    ) -> Found:
        state: State = "ready" if self._is_ready(name, entry, names) else "waiting"
        claim = None
        if known is not None:
            claim, said = known
            state = said if said in {"claimed", "done", "quarantined"} or state == "ready" else state  # type: ignore[assignment]
        why = str((parse_json(reason.encode()) or {}).get("error")) if reason else None
        return Found(name, self.inbox(name), entry.size, entry.modified, state, captures, claim, why)

    def quarantined(self, files: Files) -> Iterator[Found]:
        return self.in_folder(files, self._config.quarantine, "quarantined")

    def origin(self, name: str) -> str | None:
        """Give the name that a file which was put aside had in the inbox; None for one of another feed."""
        return next((one for one in (name, _AGAIN.sub("", name)) if self._pattern.match(one) is not None), None)

    def folders(self) -> list[tuple[str, State]]:
        aside: list[tuple[str, State]] = [(self._config.quarantine, "quarantined")]
        if isinstance(self._config.archive, str) and self._config.after == "archive":
            aside.insert(0, (self._config.archive, "archived"))
        return aside

    def in_folder(self, files: Files, folder: str, state: State) -> Iterator[Found]:
        """List a folder in which files are put aside, those of other feeds left out."""
        for name, entry in walked(files, joined(self._pattern.folder, folder), self._pattern.depth, ()).items():
            if entry.is_folder or name.endswith(REASON) or (origin := self.origin(name)) is None:
                continue
            path = joined(self._pattern.folder, folder, name)
            yield Found(name, path, entry.size, entry.modified, state, self._pattern.match(origin) or {})

    def leave_alone(self, found: Found) -> None:
        """Let an incomplete file wait until it changes."""
        with self._lock:
            self._incomplete[found.name] = (found.size, found.modified)

    def look_anew(self, name: str) -> None:
        with self._lock:
            self._incomplete.pop(name, None)

    def _is_ready(self, name: str, entry: Entry, names: Collection[str]) -> bool:
        ready, now = self._config.ready, time.monotonic()
        with self._lock:
            size, modified, since = self._seen.get(name, (-1, 0.0, now))
            if (size, modified) != (entry.size, entry.modified):
                since = now
                self._seen[name] = (entry.size, entry.modified, now)
            if self._incomplete.get(name) == (entry.size, entry.modified):
                return False
        marker = ready.marker_of(name)
        return (
            (ready.stable_s is None or now - since >= ready.stable_s)
            and (ready.min_age_s is None or max(self._claims.now() - entry.modified, 0) >= ready.min_age_s)
            and (marker is None or marker in names)
        )

    def _forget_all_but(self, names: set[str]) -> None:
        with self._lock:
            self._seen = {name: seen for name, seen in self._seen.items() if name in names}
            self._incomplete = {name: seen for name, seen in self._incomplete.items() if name in names}
