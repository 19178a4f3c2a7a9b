"""The tasks that live threads of this process hold, and the proof for other processes that this one is alive."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from functools import partial
from pathlib import Path

import structlog

from .claim import Claim
from .store import claims as stored
from .store.claims import Place
from .store.ids import new_id
from .store.journal import Journal
from .store.runs import LEASE_S

log = structlog.get_logger("drawbar.leases")


class Leases:
    """Renews what is held, never a lease that is over; releases what the journal says is ours and no thread holds."""

    def __init__(self, journal: Journal) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
        self._journal = journal
        self._held: dict[Place, Claim] = {}
        self._lock = threading.Lock()
        self._orphans: set[Place] = set()

    def take(self, claims: list[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._held[*claim.place, claim.fence] = claim

    def drop(self, claim: Claim) -> None:
        with self._lock:
            self._held.pop((*claim.place, claim.fence), None)

    def lost(self, claim: Claim) -> bool:
        return time.monotonic() > claim.until

    def renew(self) -> None:
        """Renew once; called often enough that a lease outlives two failures."""
        with self._lock:
            held = dict(self._held)
        if held:
            until = time.monotonic() + LEASE_S
            now = self._journal.now()
            for place in self._journal.write(lambda conn: stored.renew(conn, held, now)):
                held[place].until = until
        self._release_orphans(held)

    def _release_orphans(self, held: dict[Place, Claim]) -> None:
        """A commit whose answer was lost leaves a claim that nobody here knows of."""
        with self._journal.read() as conn:
            mine = stored.held_by(conn, self.owner)
        orphans = mine - held.keys()
        with self._lock:
            orphans -= self._held.keys()
        twice = orphans & self._orphans
        self._orphans = orphans - twice
        if twice:
            log.warning("lease.orphans", tasks=len(twice))
            self._journal.write(lambda conn: stored.release(conn, twice))

    def release(self, claims: list[Claim]) -> None:
        """Give back claims that no thread has begun."""
        if claims:
            places = [(*claim.place, claim.fence) for claim in claims]
            self._journal.write(lambda conn: stored.release(conn, places))
        for claim in claims:
            self.drop(claim)


class Alive:
    """
    A lock on a file beside the journal for as long as this process lives.

    Who can take the lock of another knows that it is dead, and need not wait for its leases to run out. A stopped process
    still holds its lock.
    """

    def __init__(self, journal: Journal, owner: str) -> None:
        self._folder = None if journal.path is None else Path(f"{journal.path}-alive")
        self._journal = journal
        self._owner = owner
        self._fd = -1

    def begin(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._fd = os.open(self._file(self._owner), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)

    def end(self) -> None:
        if self._fd >= 0:
            self._file(self._owner).unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def release_dead(self) -> int:
        """End the leases of processes that died; give how many processes."""
        if self._folder is None:
            return 0
        with self._journal.read() as conn:
            owners = stored.owners(conn, self._journal.now())
        dead = [owner for owner in owners if owner != self._owner and self._is_dead(owner)]
        for owner in dead:
            log.warning("worker.dead", owner=owner)
            self._journal.write(partial(stored.release_all_of, owner=owner))
            self._file(owner).unlink(missing_ok=True)
        return len(dead)

    def _is_dead(self, owner: str) -> bool:
        if owner.partition(":")[0] != self._owner.partition(":")[0]:
            return False  # another machine: only its leases can tell
        try:
            fd = os.open(self._file(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True  # it ended, or somebody has seen it dead
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _file(self, owner: str) -> Path:
        assert self._folder is not None
        return self._folder / owner.rpartition(":")[2]
