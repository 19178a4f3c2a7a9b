"""Claims of files that stay where they are: by a lock file beside each, and in the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from ...connectors.drop import Drop, Entry, Files, Wanted
from ...core.drops import Remembers
from ...core.errors import DrawbarError
from .claims import NOBODY, Claim, Claims, Standing, flat

log = structlog.get_logger("drawbar.feeds")
LOCK = ".lock"
_TAKING = ".taking"
_LONGEST_OWNER = 4096


class InPlace(Claims):
    """Claims of files that stay where they are, each made by itself."""

    def take_many(self, files: Files, wanted: Sequence[tuple[str, str, int, str]]) -> list[Claim | None]:
        made: list[Claim | None] = []
        try:
            for path, name, attempts, mark in wanted:
                made.append(self.take(files, path, name, attempts, mark=mark))
        except BaseException:
            for claim in made:
                if claim is not None:
                    with suppress(DrawbarError):
                        self.put_back(files, claim, self.path(claim), claim.attempts)
            raise
        return made


class LockFiles(InPlace):
    """
    A claim is the file NAME.lock, made in one step and naming its owner; others of the drop's users may heed it too.

    Signs of life and failed attempts stand in the hidden folder.
    """

    def __init__(self, drop: Drop, folder: str, lease_s: float) -> None:
        super().__init__(drop, folder, lease_s)
        self._feed_folder = folder

    def path(self, claim: Claim) -> str:
        return f"{self._feed_folder}/{claim.name}".lstrip("/")

    def take(self, files: Files, path: str, name: str, attempts: int = 0, *, mark: str = "") -> Claim | None:
        self._say_alive(files)
        claim, lock = Claim(self.owner, attempts, name), path + LOCK
        if not self._hold(claim):
            return None
        won = False
        try:
            won = files.create(lock, self.owner.encode()) or self._take_over(files, lock, name)
            if won and files.stat(path) is None:  # another worker has just finished it
                files.remove(lock)
                won = False
        finally:
            if not won:
                self._forget(claim)
        self._keep_alive()
        return claim if won else None

    def put_back(self, files: Files, claim: Claim, path: str, attempts: int) -> None:
        try:
            if attempts != claim.attempts:
                self._drop_counts(files, claim)
                files.create(self._count(replace(claim, attempts=attempts)), b"")
            files.remove(self.path(claim) + LOCK)
        finally:
            self._forget(claim)

    def gone(self, files: Files, claim: Claim) -> None:
        self._drop_counts(files, claim)
        files.remove(self.path(claim) + LOCK)

    def standing(self, files: Files, listed: Mapping[str, Entry], *, is_hidden: bool) -> Standing:
        counted, alive = self.listing(files) if is_hidden else ([], [])
        attempts = {claim.name: claim.attempts for claim, _ in counted if claim.owner == NOBODY}
        locks = [name for name in listed if name.endswith(LOCK) and name.removesuffix(LOCK) in listed]
        wanted = [Wanted(f"{self._feed_folder}/{name}".lstrip("/"), listed[name].size) for name in locks]
        owners = {
            locks[at].removesuffix(LOCK): (said or b"").decode(errors="replace") for at, said in files.fetch(wanted)
        }
        known: dict[str, tuple[Claim, str]] = {}
        for name in {*owners, *attempts} & {*listed}:
            claim = Claim(owners.get(name, NOBODY), attempts.get(name, 0), name)
            free = self.is_free(claim, alive)
            if not free or claim.attempts or name in owners:
                known[name] = (claim, "failed" if free else "claimed")
        held = [claim for claim, _ in known.values()]
        self.sweep(files, held, alive)
        return Standing(known=known)

    def _take_over(self, files: Files, lock: str, name: str) -> bool:
        """Take the lock of an owner that is dead; only one of those who find it does."""
        taking = f"{self.folder}/{flat(name)}{_TAKING}"
        if not files.create(taking, self.owner.encode()):
            there = files.stat(taking)
            if there is not None and self.now() - there.modified > self._lease_s:
                files.remove(taking)  # its taker died in between; the next look tries again
            return False
        try:
            there = files.stat(lock)
            ((_, owner),) = files.fetch([Wanted(lock, _LONGEST_OWNER)])
            _, alive = self.listing(files)
            if there is not None and not self._is_dead((owner or b"").decode(errors="replace"), there, alive):
                return False
            files.remove(lock)
            return files.create(lock, self.owner.encode())
        finally:
            files.remove(taking)

    def _is_dead(self, owner: str, lock: Entry, alive: Sequence[Entry]) -> bool:
        """Tell whether a lock is left over; one that does not name its owner yet is so by its age."""
        if not owner or "." not in owner:
            return self.now() - lock.modified > self._lease_s
        if owner == self.owner:
            with self._lock:
                return not any(held.name.rpartition("/")[2] + LOCK == lock.name for held in self._held)
        return self.is_gone(owner) or not self.is_alive(owner, alive)

    def _count(self, claim: Claim) -> str:
        return f"{self.folder}/{Claim(NOBODY, claim.attempts, claim.name).file_name}"

    def _drop_counts(self, files: Files, claim: Claim) -> None:
        if claim.attempts:
            files.remove(self._count(claim))


class Noted(InPlace):
    """Claims in the journal: nothing is written beside the files, so that they may be somebody else's."""

    def __init__(self, drop: Drop, feed: str, folder: str, lease_s: float, notes: Callable[[], Remembers]) -> None:
        super().__init__(drop, folder, lease_s)
        self._feed = feed
        self._feed_folder = folder
        self._journal = notes

    @property
    def _notes(self) -> Remembers:
        return self._journal()

    def path(self, claim: Claim) -> str:
        return f"{self._feed_folder}/{claim.name}".lstrip("/")

    def take(self, files: Files, path: str, name: str, attempts: int = 0, *, mark: str = "") -> Claim | None:
        note = self._notes.notes(self._feed).get(name)
        gone = note.owner if note and note.owner and self.is_gone(note.owner) else ""
        claim = Claim(self.owner, note.attempts if note and note.mark == mark else 0, name)
        if not self._hold(claim):
            return None
        failed = None
        try:
            failed = self._notes.claim(self._feed, name, mark, self.owner, self._lease_s, gone=gone or "")
            if failed is not None and files.stat(path) is None:
                self._notes.forget(self._feed, name)
                failed = None
        finally:
            if failed is None:
                self._forget(claim)
        self._keep_alive()
        return claim if failed is not None else None

    def put_back(self, files: Files, claim: Claim, path: str, attempts: int) -> None:
        try:
            self._notes.end(self._feed, claim.name, self.owner, "failed" if attempts else "open", attempts)
        finally:
            self._forget(claim)

    def gone(self, files: Files, claim: Claim) -> None:
        self._notes.forget(self._feed, claim.name)

    def left(self, claim: Claim, state: str, reason: str | None = None) -> None:
        self._notes.end(self._feed, claim.name, self.owner, state, claim.attempts, reason=reason)

    def standing(self, files: Files, listed: Mapping[str, Entry], *, is_hidden: bool) -> Standing:
        known: dict[str, tuple[Claim, str]] = {}
        reasons: dict[str, str] = {}
        for name, note in self._notes.notes(self._feed).items():
            entry = listed.get(name)
            if entry is None or note.state in {"open", "released", "skipped"}:
                continue
            claim = Claim(note.owner or NOBODY, note.attempts, name)
            if note.state == "claimed":
                free = not note.is_held or (note.owner is not None and self._is_free_here(claim))
                known[name] = (claim, "failed" if free else "claimed")
            elif note.mark == f"{entry.size}:{entry.modified:.3f}":
                known[name] = (claim, note.state)
                if note.reason:
                    reasons[name] = note.reason
        return Standing(known=known, reasons=reasons)

    def close(self) -> None:
        self._ended.set()

    def _is_free_here(self, claim: Claim) -> bool:
        if claim.owner == self.owner:
            with self._lock:
                return not any(held.name == claim.name for held in self._held)
        return self.is_gone(claim.owner)

    def _still_alive(self) -> None:
        with suppress(DrawbarError):
            self._notes.renew(self._feed, self.owner, self._lease_s)


__all__ = ["LOCK", "LockFiles", "Noted"]
