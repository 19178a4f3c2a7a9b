"""
Claims: one worker wins a file by an atomic rename into a hidden folder beside it; others in `claiming`.

The name of a claimed file says everything: owner, failed attempts, its own name. So no state is lost with a worker, and a
file whose owner is dead, or says nothing for a lease, is taken over by the same rename.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from ...connectors.drop import Drop, Entry, Files
from ...connectors.owners import is_dead_here, own_name
from ...core.errors import DrawbarError

log = structlog.get_logger("drawbar.feeds")
FOLDER = ".drawbar"
NOBODY = "-"
_FORGOTTEN_S = 3600.0
_ALIVE = ".alive"


@dataclass(frozen=True, slots=True)
class Claim:
    """A file in the hidden folder: whose it is, how often it failed, and its name in the drop."""

    owner: str
    attempts: int
    name: str

    @property
    def file_name(self) -> str:
        return f"{self.owner}~{self.attempts}~{flat(self.name)}"

    @classmethod
    def of(cls, file_name: str) -> Claim | None:
        parts = file_name.split("~", 2)
        if len(parts) != 3 or not parts[1].isdigit():
            return None
        return cls(parts[0], int(parts[1]), unflat(parts[2]))


def flat(name: str) -> str:
    """Write a path as one file name, reversibly."""
    return name.replace("¦", "¦0").replace("/", "¦1")


def unflat(name: str) -> str:
    return name.replace("¦1", "/").replace("¦0", "¦")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is claimed: files that are hidden, and what is known of those that stand where they came, by name."""

    hidden: Sequence[tuple[Claim, Entry, bool]] = ()
    known: Mapping[str, tuple[Claim, str]] = field(default_factory=dict)
    """State `claimed`, `failed`, `done` or `quarantined`."""
    reasons: Mapping[str, str] = field(default_factory=dict)


class Claims:
    """The claims of one worker in one folder, kept alive as long as it holds any."""

    def __init__(self, drop: Drop, folder: str, lease_s: float) -> None:
        self.folder = f"{folder}/{FOLDER}".lstrip("/")
        self.owner = own_name()
        self._drop = drop
        self._lease_s = lease_s
        self._lock = threading.Lock()
        self._held: set[Claim] = set()
        self._renewed = float("-inf")
        self._renewer: threading.Thread | None = None
        self._ended = threading.Event()
        self._skew_s = 0.0

    def now(self) -> float:
        """Give the time by the clock of the drop's own system, as far as it is known."""
        return time.time() + self._skew_s

    def path(self, claim: Claim) -> str:
        return f"{self.folder}/{claim.file_name}"

    def take(self, files: Files, path: str, name: str, attempts: int = 0, *, mark: str = "") -> Claim | None:
        """Claim a file; None when another worker was faster."""
        self._say_alive(files)
        claim = Claim(self.owner, attempts, name)
        if not self._hold(claim):
            return None
        try:
            mine = path == self.path(claim)  # lost by us before, when it could not be put back
            won = files.stat(path) is not None if mine else files.move(path, self.path(claim))
        except BaseException:
            self._forget(claim)
            raise
        if not won:
            self._forget(claim)
            return None
        self._keep_alive()
        return claim

    def take_many(self, files: Files, wanted: Sequence[tuple[str, str, int, str]]) -> list[Claim | None]:
        """Claim several files at once, each by path, name, failed attempts and mark; None where another worker was faster."""
        self._say_alive(files)
        claims = [Claim(self.owner, attempts, name) for _, name, attempts, _ in wanted]
        mine = [claim if path != self.path(claim) and self._hold(claim) else None
                for (path, *_), claim in zip(wanted, claims, strict=True)]  # fmt: skip
        moves = [(path, self.path(claim)) for (path, *_), claim in zip(wanted, mine, strict=True) if claim]
        won: Iterator[bool] = iter(())
        try:
            won = iter(files.move_many(moves))
        finally:
            taken = [claim if claim and next(won, False) else None for claim in mine]
            for claim, kept in zip(mine, taken, strict=True):
                if claim is not None and kept is None:
                    self._forget(claim)
        self._keep_alive()
        return taken

    def put_back(self, files: Files, claim: Claim, path: str, attempts: int) -> None:
        """Let others have it: under its own name when it never failed, else hidden with its count of attempts."""
        try:
            if attempts == 0 and files.stat(path) is None:
                files.move(self.path(claim), path)
                return
            files.move(self.path(claim), self.path(Claim(NOBODY, attempts, claim.name)))
        finally:
            self._forget(claim)

    def settled(self, claim: Claim) -> None:
        """Forget a claim whose file has left the folder."""
        self._forget(claim)

    def gone(self, files: Files, claim: Claim) -> None:
        """Remove what stands beside a file that has left the folder."""

    def left(self, claim: Claim, state: str, reason: str | None = None) -> None:
        """Remember what came of a file that stays where it is; only claims in the journal can."""
        raise NotImplementedError

    def standing(self, files: Files, listed: Mapping[str, Entry], *, is_hidden: bool) -> Standing:
        """Give what is claimed; `is_hidden` tells that the hidden folder is there."""
        claimed, alive = self.listing(files) if is_hidden else ([], [])
        self.sweep(files, [claim for claim, _ in claimed], alive)
        return Standing([(claim, entry, self.is_free(claim, alive)) for claim, entry in claimed])

    def listing(self, files: Files) -> tuple[list[tuple[Claim, Entry]], list[Entry]]:
        """Give every claimed file, and the signs of life of their owners."""
        entries = files.list(self.folder)
        found = [(claim, entry) for entry in entries if (claim := Claim.of(entry.name)) is not None]
        return found, [entry for entry in entries if entry.name.endswith(_ALIVE)]

    def is_free(self, claim: Claim, alive: Iterable[Entry]) -> bool:
        """Tell whether nobody works on a claimed file any more."""
        if claim.owner == NOBODY:
            return True
        if claim.owner == self.owner:
            with self._lock:
                return claim not in self._held
        return is_dead_here(claim.owner) or not self.is_alive(claim.owner, alive)

    def is_alive(self, owner: str, alive: Iterable[Entry]) -> bool:
        """Tell whether an owner has given a sign of life within a lease."""
        seen = next((entry.modified for entry in alive if entry.name == owner + _ALIVE), None)
        return seen is not None and self.now() - seen <= self._lease_s

    def is_gone(self, owner: str) -> bool:
        """Tell whether an owner was a process of this machine that has ended."""
        return is_dead_here(owner)

    def close(self) -> None:
        """End the renewal; the sign of life goes when nothing is held."""
        self._ended.set()
        if self._renewed > float("-inf") and not self._held:
            with suppress(DrawbarError), self._drop.session() as files:
                files.remove(f"{self.folder}/{self.owner}{_ALIVE}")

    def sweep(self, files: Files, found: Iterable[Claim], alive: Iterable[Entry]) -> None:
        """Remove old signs of life of owners that hold nothing."""
        owners = {claim.owner for claim in found}
        for entry in alive:
            if entry.name.removesuffix(_ALIVE) not in owners and self.now() - entry.modified > _FORGOTTEN_S:
                files.remove(f"{self.folder}/{entry.name}")

    def _hold(self, claim: Claim) -> bool:
        with self._lock:
            if claim in self._held:
                return False
            self._held.add(claim)
            return True

    def _forget(self, claim: Claim) -> None:
        with self._lock:
            self._held.discard(claim)

    def _say_alive(self, files: Files, *, always: bool = False) -> None:
        if not always and time.monotonic() - self._renewed < self._lease_s / 3:
            return
        files.make_folder(self.folder)
        began = time.time()
        self._skew_s = files.touch(f"{self.folder}/{self.owner}{_ALIVE}") - began
        self._renewed = time.monotonic()

    def _keep_alive(self) -> None:
        with self._lock:
            if self._renewer is not None:
                return
            self._renewer = threading.Thread(target=self._renew, name="drawbar-lease", daemon=True)
            self._renewer.start()

    def _renew(self) -> None:
        """Renew as long as something is held."""
        while not self._ended.wait(self._lease_s / 3):
            with self._lock:
                if not self._held:
                    self._renewer = None
                    return
            self._still_alive()

    def _still_alive(self) -> None:
        try:
            with self._drop.session() as files:
                self._say_alive(files, always=True)
        except DrawbarError as error:
            log.warning("feed.lease", folder=self.folder, error=error.message)
