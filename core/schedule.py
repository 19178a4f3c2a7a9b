"""
Schedules: cron with a time zone, no overlap, a policy for ticks that nobody was there for; one process fires each tick.

What is due is decided by pure functions of epoch seconds; the journal's row says who fires and what was fired. The time is
the wall clock that all processes share: the database's, and on SQLite the machine's. A tick that was fired or skipped does
not come again when that clock is set back.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim

from .errors import DrawbarError, InputError, Unavailable
from .store import events, schedules
from .store.journal import Connection, Journal
from .store.schedules import Kept
from .values import moment
from .workflow import CronTrigger

log = structlog.get_logger("drawbar.schedule")
LATE_S = 30.0
"""A tick that is found later than this came while nobody was there."""
MOST_MISSED = 100
"""So many ticks are made up for under `missed: all`; older ones are skipped."""
_HOLD_S = 60.0
_AGAIN_S = 5.0
_STEPS = 10
_AHEAD_S = 86_400.0
_NEVER = 253_402_300_799.0  # the last second of the year 9999
_OVERLAPS = "the last run still runs"
_AWAY = "nobody was there"


def ticks(spec: CronTrigger, after: float, until: float = float("inf")) -> Iterator[float]:
    """
    Give the ticks after one moment up to another, in epoch seconds.

    Daylight saving is Debian cron's: a fixed time that the change leaves out comes when the hour has passed, one that it
    repeats comes once; with `*` in minute or hour every real hour counts.
    """
    zone = UTC if spec.timezone == "UTC" else ZoneInfo(spec.timezone)
    last = after
    for fits in CronSim(spec.cron, datetime.fromtimestamp(after, zone)):
        tick = fits.timestamp()
        if tick > until:
            return
        if tick > last:  # around a change of the clock cronsim may give an earlier one, or one twice
            last = tick
            yield tick


def latest(spec: CronTrigger, after: float, until: float, most: int) -> list[float]:
    """Give the newest ticks of a span, oldest first; a span of years costs no more than one of days."""
    width = 60.0
    while True:
        start = max(after, until - width)
        found = deque(ticks(spec, start, until), maxlen=most)
        if len(found) == most or start <= after:
            return list(found)
        width *= 2


def delay(name: str, tick: float, jitter_s: float) -> float:
    """
    Give how much later than its tick a schedule starts: from 0 to less than `jitter_s`.

    It follows from the name and the tick alone, so it is the same on every machine and after every restart.
    """
    if not jitter_s:
        return 0.0
    drawn = hashlib.sha256(f"{name}\x1f{tick:.3f}".encode()).digest()
    return jitter_s * int.from_bytes(drawn[:6], "big") / 2**48


@dataclass(frozen=True, slots=True)
class Step:
    """
    What to do about one schedule: fire a tick, or only go on to the next.

    A tick that is `made_up` for waits for the run before it; `skipped` says why which ticks are left out.
    """

    next_at: float
    away_until: float | None = None
    fire: float | None = None
    made_up: bool = False
    skipped: tuple[str, float, float] | None = None


def decide(spec: CronTrigger, kept: Kept, now: float) -> Step | None:
    """Decide what is due; None when nothing is, or when a tick that was missed waits for the run before it."""
    tick, away = kept.next_at, kept.away_until
    made_up = away is not None and tick <= away
    due = tick + delay(kept.name, tick, spec.jitter_s)
    if due > now:
        return None
    if due < now - LATE_S and not made_up:
        return _come_back(spec, kept.name, tick, now)
    if not made_up:
        if kept.busy:
            return Step(_next(spec, tick), skipped=(_OVERLAPS, tick, tick))
        return Step(_next(spec, tick), fire=tick)
    if kept.busy:
        return None
    following = _next(spec, tick)
    if away is not None and following <= away:
        return Step(following, away, tick, made_up=True)
    # What came while we made up for older ticks overlapped with them.
    later = _next(spec, max(now, tick))
    return Step(later, fire=tick, made_up=True, skipped=(_OVERLAPS, following, now) if following < later else None)


def _come_back(spec: CronTrigger, name: str, tick: float, now: float) -> Step:
    """Say what is made up for after an absence."""
    found = latest(spec, tick - 1, now, MOST_MISSED if spec.missed == "all" else 1)
    if spec.missed == "skip":
        found = [one for one in found if one + delay(name, one, spec.jitter_s) >= now - LATE_S]
    first = found[0] if found else _next(spec, now)
    away = None if spec.missed == "skip" else now
    return Step(first, away, skipped=(_AWAY, tick, min(first, now)) if first > tick else None)


def _next(spec: CronTrigger, after: float) -> float:
    return next(ticks(spec, after), _NEVER)


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    One cron. `start` begins the work of a tick (a moment in the schedule's zone) and gives the run that the next tick looks at.

    It may be called again for the same tick after a crash, and raises InputError (conflict) when the work is under way.
    """

    name: str
    spec: CronTrigger
    start: Callable[[datetime], str | None]


class Schedules:
    """All schedules of this process; call `beat` more often than once a second."""

    def __init__(self, journal: Journal, *, clock: Callable[[], float] | None = None) -> None:
        self._journal = journal
        self._clock = clock or (time.time if journal.is_sqlite else journal.now)
        self._all: dict[str, Schedule] = {}
        self._seen_at = 0.0

    def declare(self, wanted: Sequence[Schedule]) -> None:
        """Take over what there is now. A new or changed one starts with its next tick; others go on where they were."""
        now = self._seen_at = self._clock()
        self._all = {one.name: one for one in wanted}
        names = list(self._all)

        def unit(conn: Connection) -> None:
            schedules.keep_only(conn, names)
            for name in names:
                self._enter(conn, self._all[name], now)

        self._journal.write(unit)

    def beat(self) -> None:
        """Fire what is due. What one schedule fails with does not stop the others."""
        now = self._clock()
        if now < self._seen_at - 1:
            log.warning("schedule.clock_was_set_back", by_s=round(self._seen_at - now))
            self.declare(list(self._all.values()))
        self._seen_at = now
        with self._journal.read() as conn:
            rows = {row.name: row for row in schedules.every(conn, list(self._all))}
        for name, one in list(self._all.items()):
            row = rows.get(name)
            if row is None or (not self._is_held(row) and decide(one.spec, row, now) is not None):
                self._serve(one)

    def _enter(self, conn: Connection, one: Schedule, now: float) -> None:
        kept, spec = schedules.find(conn, one.name), f"{one.spec.cron} {one.spec.timezone}"
        if kept is None:
            schedules.add(conn, one.name, spec=spec, next_at=_next(one.spec, now))
        elif kept.spec != spec:
            first = {"spec": spec, "next_at": _next(one.spec, now), "fired_for": None, "away_until": None}
            schedules.change(conn, one.name, seen=kept.next_at, **first)
        elif kept.next_at > (first_at := _next(one.spec, max(now, _fired_for(kept, now)))):  # the clock was ahead once
            schedules.change(conn, one.name, seen=kept.next_at, next_at=first_at, away_until=None)

    def _serve(self, one: Schedule) -> None:
        """Take the steps that are due now, a few at a time."""
        try:
            for _ in range(_STEPS):
                step = self._journal.write(lambda conn: self._take(conn, one))
                if step is None:
                    return
                if step.fire is not None:
                    self._fire(one, step, step.fire)
        except DrawbarError as error:
            log.warning("schedule.fails", schedule=one.name, error=error.message)
        except Exception:  # an outermost loop: the hold runs out and the tick is tried again
            log.exception("schedule.defect", schedule=one.name)

    def _take(self, conn: Connection, one: Schedule) -> Step | None:
        """Decide, and hold the tick that is to be fired, so that nobody else does."""
        now = self._clock()
        kept = schedules.find(conn, one.name)
        if kept is None:
            self._enter(conn, one, now)
            return None
        step = None if self._is_held(kept) else decide(one.spec, kept, now)
        if step is None:
            return None
        if step.fire is not None:
            held = schedules.change(conn, one.name, seen=kept.next_at, held_until=self._journal.now() + _HOLD_S)
            return step if held else None
        moved = {"next_at": step.next_at, "away_until": step.away_until}
        if step.skipped is not None and step.skipped[0] == _OVERLAPS:
            moved["fired_for"] = kept.next_at
        if schedules.change(conn, one.name, seen=kept.next_at, **moved):
            _tell_skipped(conn, one, step)
        return step

    def _fire(self, one: Schedule, step: Step, tick: float) -> None:
        zone = ZoneInfo(one.spec.timezone)
        run: str | None = None
        failed: DrawbarError | None = None
        try:
            run = one.start(datetime.fromtimestamp(tick, zone))
        except Unavailable as error:
            self._put_off(one, tick, error)
            return
        except DrawbarError as error:
            overlaps = isinstance(error, InputError) and error.reason == "conflict"
            if overlaps and step.made_up:
                self._put_off(one, tick, error)
                return
            failed = None if overlaps else error
            step = replace(step, skipped=(_OVERLAPS, tick, tick)) if overlaps else step
        self._journal.write(lambda conn: _conclude(conn, one, step, tick, run, failed))

    def _put_off(self, one: Schedule, tick: float, error: DrawbarError) -> None:
        """Try the same tick again in a while."""
        log.info("schedule.put_off", schedule=one.name, reason=error.message)
        until = self._journal.now() + max(_AGAIN_S, error.retry_after_s or 0)
        self._journal.write(lambda conn: schedules.change(conn, one.name, seen=tick, held_until=until))

    def _is_held(self, kept: Kept) -> bool:
        return kept.held_until is not None and kept.held_until > self._journal.now()


def _fired_for(kept: Kept, now: float) -> float:
    """Give up to when nothing is fired again. What was fired while the clock was days ahead silences nobody for days."""
    fired_for = kept.fired_for or 0
    return fired_for if fired_for < now + _AHEAD_S else 0


def _conclude(
    conn: Connection, one: Schedule, step: Step, tick: float, run: str | None, failed: DrawbarError | None
) -> None:
    after = {"next_at": step.next_at, "away_until": step.away_until, "fired_for": tick, "held_until": None}
    if not schedules.change(conn, one.name, seen=tick, **after, last_run=run):
        return
    _tell_skipped(conn, one, step)
    if failed is not None:
        body = {"schedule": one.name, "tick": moment(tick), "error": failed.as_json()}
        events.add(conn, "schedule.failed", body=body)


def _tell_skipped(conn: Connection, one: Schedule, step: Step) -> None:
    if step.skipped is not None:
        why, first, last = step.skipped
        body: dict[str, Any] = {"schedule": one.name, "reason": why, "from": moment(first), "until": moment(last)}
        events.add(conn, "schedule.skipped", body=body)
