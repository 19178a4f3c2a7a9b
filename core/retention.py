"""History is kept for a configured time, then removed in small bites between the commits of those who work."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from .claims_config import ClaimsConfig
from .context_config import ContextConfig
from .retention_config import History
from .store import aside, holds, runs, versions
from .store import retention as stored
from .store.events import AUDIT
from .store.ids import first_id
from .store.journal import Connection, Journal

log = structlog.get_logger("drawbar.retention")
_DAY_S = 86_400.0
_EVERY_S = 3600.0
_BITE_S = 0.01
_REJECTS = re.compile(r".+\.[0-9a-f]{12}\.jsonl\Z")
_NAME = "retention"


class Retention:
    """
    Removes what is old once an hour, whichever process comes first.

    `key_s` is how long business keys are remembered: an entry of the ledger stays at least so long. `rejects` names the
    folders of reject files. `audit` removes what the audit has from before a moment.
    """

    def __init__(
        self,
        journal: Journal,
        keep: History,
        *,
        key_s: Callable[[], float] = lambda: 0.0,
        rejects: Callable[[], Iterable[Path]] = tuple,
        clock: Callable[[], float] = time.time,
        claims: ClaimsConfig | None = None,
        context: ContextConfig | None = None,
        audit: Callable[[float], None] = lambda before: None,
    ) -> None:
        self._journal = journal
        self._keep = keep
        self._key_s = key_s
        self._rejects = rejects
        self._clock = clock
        self._claims_d = (claims or ClaimsConfig()).keep_d
        self._versions_d = (context or ContextConfig()).versions_d
        self._audit = audit
        self._stop = threading.Event()

    def stop(self) -> None:
        """Stop after the bite that is being taken; the next cleaning goes on."""
        self._stop.set()

    def beat(self) -> None:
        """Clean when nobody has for an hour."""
        if self._journal.write(self._take):
            self.clean()

    def clean(self) -> None:
        """Remove everything that is old enough."""
        now = self._clock()
        for run_id in self._read(stored.unfinished):
            self._finish(run_id)
        self._claims(now)
        cutoff = now - self._keep.runs_d * _DAY_S
        self._runs(cutoff)
        self._entries(now, cutoff)
        self._events(cutoff, now - self._keep.audit_d * _DAY_S)
        self._audit(now - self._keep.audit_d * _DAY_S)
        before = first_id(cutoff)
        while not self._stop.is_set() and self._bite(lambda conn: stored.remove_sync_runs(conn, before, cutoff)):
            pass
        while not self._stop.is_set() and self._bite(lambda conn: stored.remove_codes(conn, now - _DAY_S)):
            pass
        old = now - self._versions_d * _DAY_S
        while not self._stop.is_set() and self._bite(lambda conn: versions.remove_old(conn, old)):
            pass
        self._definitions(now)
        self._reject_files(now - self._keep.rejects_d * _DAY_S)

    def _take(self, conn: Connection) -> bool:
        now = self._clock()
        next_at = holds.word(conn, _NAME)
        if next_at is not None and now < float(next_at) < now + 2 * _EVERY_S:
            return False
        holds.turned(conn, _NAME, repr(now + _EVERY_S))
        return True

    def _claims(self, now: float) -> None:
        """Remove large values some time after their run ended; the answers that a key gives again while it is remembered."""
        cutoff = now - max(self._claims_d * _DAY_S, self._key_s())
        after, before = "", first_id(cutoff)
        while not self._stop.is_set() and (page := self._read(aside.old, after, before, 500)):
            after = page[-1][0]
            for claim_id, run_id, created_at, removed_at, _ in page:
                if removed_at is None and not self._give_up(claim_id, run_id, created_at, now, cutoff):
                    continue
                while not self._stop.is_set() and not self._bite(partial(aside.eat, claim_id=claim_id)):
                    pass

    def _give_up(self, claim_id: str, run_id: str | None, created_at: float, now: float, cutoff: float) -> bool:
        def unit(conn: Connection) -> bool:
            if run_id is None:
                is_over = created_at < cutoff
            else:
                runs.lock(conn, run_id)  # a retry either comes before this, or finds it gone
                is_over = aside.is_over(conn, run_id, cutoff)
            if is_over:
                aside.remove(conn, claim_id, now)
            return is_over

        return bool(self._bite(unit))

    def _runs(self, cutoff: float) -> None:
        after, before = "", first_id(cutoff)
        while not self._stop.is_set() and (page := self._read(stored.old_runs, after, before)):
            after = page[-1][0]
            ended = [run_id for run_id, finished_at in page if finished_at is not None and finished_at < cutoff]
            self._each(ended, lambda conn, run_id: stored.remove_run(conn, run_id, cutoff))
        for run_id in self._read(stored.unfinished):
            self._finish(run_id)

    def _finish(self, run_id: str) -> None:
        while not self._stop.is_set() and not self._bite(lambda conn: stored.remove_parts(conn, run_id)):
            pass

    def _entries(self, now: float, cutoff: float) -> None:
        cutoff = min(cutoff, now - self._key_s())
        dead = min(cutoff, now - self._keep.dead_d * _DAY_S)
        after, before = "", first_id(cutoff)
        while not self._stop.is_set() and (page := self._read(stored.old_entries, after, before)):
            after = page[-1][0]
            old = [row[0] for row in page if _is_over(row, cutoff, dead)]
            self._each(old, stored.remove_entry)

    def _events(self, cutoff: float, audit: float) -> None:
        """Remove what belongs to no run; what belongs to one goes with it, but for the audit."""
        after = 0
        while not self._stop.is_set() and (page := self._read(stored.events_from, after)):
            after = page[-1][0]
            old = [
                number
                for number, run_id, kind, at in page
                if at < (audit if kind in AUDIT else cutoff) and (run_id is None or kind in AUDIT)
            ]
            self._each(old, stored.remove_event)
            if page[-1][3] >= cutoff:
                return

    def _definitions(self, now: float) -> None:
        since = first_id(now - _EVERY_S)
        unused = self._read(stored.unused_definitions)
        if unused:
            self._bite(lambda conn: stored.remove_definitions(conn, unused, since))

    def _reject_files(self, cutoff: float) -> None:
        for folder in self._rejects():
            for file in folder.glob("*.jsonl") if folder.is_dir() else ():
                try:
                    if _REJECTS.match(file.name) and file.stat().st_mtime < cutoff:
                        file.unlink(missing_ok=True)
                except OSError as error:
                    log.warning("rejects.stay", file=str(file), error=str(error.strerror))

    def _each(self, found: list[Any], remove: Callable[[Connection, Any], None]) -> None:
        """Remove one by one, so many in a commit as go in a few milliseconds."""
        left = found[::-1]

        def bite(conn: Connection) -> None:
            until = time.monotonic() + _BITE_S
            while left and time.monotonic() < until:
                remove(conn, left[-1])
                left.pop()

        while left and not self._stop.is_set():
            kept = list(left)
            try:
                self._bite(bite)
            except Exception:
                left[:] = kept
                raise

    def _read(self, look: Callable[..., Any], *given: Any) -> Any:
        with self._journal.read() as conn:
            return look(conn, *given)

    def _bite(self, unit: Callable[[Connection], Any]) -> Any:
        """Take one bite, then let the others write for at least as long."""
        began = time.monotonic()
        done = self._journal.write(unit)
        self._stop.wait(max(2 * (time.monotonic() - began), 0.005))
        return done


def _is_over(row: tuple[Any, ...], cutoff: float, dead: float) -> bool:
    _, state, ended_at, settled_by, dropped, run_id = row
    if state in {"intent", "unknown"} or ended_at is None:
        return False
    undone = state == "not_done" or (state == "unavailable" and settled_by is not None)
    if undone and run_id is None and not dropped:
        return False  # somebody has still to send it or to drop it
    return bool(ended_at < (dead if settled_by else cutoff))
