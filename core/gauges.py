"""What stands in the state, as numbers: read a few times a minute at most, however often somebody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .errors import DrawbarError
from .measure import Labels, Metric
from .store import audit, breakers, summary, workers

if TYPE_CHECKING:
    from .disk import Floor
    from .store.journal import Journal

_KEEP_S = 5.0
JOURNAL_UP = Metric("drawbar_journal_up", "1 while the journal can be read.", (), "gauge")
RUNS = Metric("drawbar_runs", "Runs that have not ended, by state.", ("drawbar_run_state",), "gauge")
OLDEST = Metric(
    "drawbar_runs_oldest_age_seconds", "Age of the oldest run that has not ended.", ("drawbar_run_state",), "gauge"
)
READY = Metric("drawbar_tasks_ready", "Tasks that wait for a worker, by queue.", ("drawbar_queue",), "gauge")
READY_AGE = Metric(
    "drawbar_tasks_ready_age_seconds", "How long the oldest of them has waited.", ("drawbar_queue",), "gauge"
)
WORKERS = Metric("drawbar_workers", "Processes that were heard of within the last half minute.", (), "gauge")
WAITING = Metric(
    "drawbar_waiting_for_a_person", "Approvals, assignments and dead letters that are open.", ("drawbar_what",), "gauge"
)
BREAKER = Metric(
    "drawbar_breaker_open", "1 while a line to a system is left alone, for all processes.", ("drawbar_line",), "gauge"
)
SYSTEM_UP = Metric("drawbar_system_up", "0 while a system is down, by its last use.", ("drawbar_system",), "gauge")
SYNC_LAG = Metric("drawbar_sync_lag_seconds", "Time since a sync last ended well.", ("drawbar_sync",), "gauge")
SYNC_FAILED = Metric("drawbar_sync_failed", "1 where the last run of a sync failed.", ("drawbar_sync",), "gauge")
DEPTH = Metric(
    "drawbar_system_queue_messages",
    "Messages that wait in a queue of a system, as of a minute ago at most.",
    ("drawbar_system", "drawbar_queue"),
    "gauge",
)
DISK = Metric("drawbar_disk_free_bytes", "Free bytes where the state lives.", (), "gauge")
UNLINKED = Metric("drawbar_audit_unlinked", "Blocks of the audit that are in no chain yet.", (), "gauge")
STATED = (
    *(JOURNAL_UP, RUNS, OLDEST, READY, READY_AGE, WORKERS, WAITING, BREAKER, SYSTEM_UP, SYNC_LAG, SYNC_FAILED, DISK),
    *(UNLINKED, DEPTH),
)
_RUN_STATES = ("queued", "running", "waiting", "paused", "parked")
_ALIVE_S = 30.0
Value = tuple[Metric, Labels, float]


class Gauges:
    """The state's numbers, as this process reads them. `systems` gives what `status` shows of them, `syncs` names, `depths` of queues elsewhere."""

    def __init__(
        self,
        journal: Journal,
        floor: Floor,
        systems: Callable[[], Sequence[dict[str, Any]]],
        syncs: Callable[[], Sequence[str]],
        depths: Callable[[], Sequence[tuple[str, str, int]]] = tuple,
    ) -> None:
        self._journal = journal
        self._floor = floor
        self._systems = systems
        self._syncs = syncs
        self._depths = depths
        self._lock = threading.Lock()
        self._known: list[Value] = []
        self._until = 0.0

    def read(self) -> list[Value]:
        """Give them, a few seconds old at most; a journal that is away leaves that it is away."""
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._known = [(JOURNAL_UP, (), 1.0), *self._stand()]
                except DrawbarError:
                    self._known = [(JOURNAL_UP, (), 0.0)]
                self._until = time.monotonic() + _KEEP_S
            return self._known

    def _stand(self) -> Iterator[Value]:
        now, clock = time.time(), self._journal.now()
        with self._journal.read() as conn:
            live = {row["state"]: row for row in summary.live_runs(conn)}
            ready = workers.ready(conn)
            alive = list(workers.alive(conn, since=clock - _ALIVE_S))
            waiting = summary.waiting_for_a_person(conn)
            down = list(breakers.rows(conn))
            unlinked = audit.unlinked(conn)
            synced = [(name, *summary.synced(conn, name)) for name in self._syncs()]
        for state in (*_RUN_STATES, *(live.keys() - {*_RUN_STATES})):
            row = live.get(state)
            yield RUNS, (state,), row["count"] if row else 0
            yield OLDEST, (state,), max(now - row["oldest"], 0) if row else 0
        for queue, count, since in ready or [("", 0, clock)]:
            yield READY, (queue or "default",), count
            yield READY_AGE, (queue or "default",), max(clock - since, 0)
        yield WORKERS, (), len(alive)
        for what, (count, _) in waiting.items():
            yield WAITING, (what,), count
        for line in down:
            yield BREAKER, (line[0],), float(line[3] > clock)
        for system in self._systems():
            yield SYSTEM_UP, (system["name"],), float(system.get("state") != "down")
        for name, ended_well_at, failed in synced:
            if ended_well_at is not None:
                yield SYNC_LAG, (name,), max(now - ended_well_at, 0)
            yield SYNC_FAILED, (name,), float(failed)
        yield DISK, (), self._floor.free() * 1_048_576
        yield UNLINKED, (), unlinked
        for system_name, queue_name, messages in self._depths():
            yield DEPTH, (system_name, queue_name), messages
