"""
The engine: runs of workflows, durable in the journal, worked on by threads of this process.

The journal is the truth and the threads are only a doorbell: every process that opens the same journal picks up what is
ready, and what a process held when it died goes on elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog
from tenacity.wait import wait_base, wait_exponential_jitter

from . import views
from .access import Caller
from .agents_staff import Staff
from .agents_work import AgentWork
from .beginning import Beginning, checked, key_of, must_wait, reopen, to_repeat
from .children import Children
from .claim import Claim
from .context import Shelf
from .course import Course, Unforeseen
from .doorbell import Bell, Doorbell
from .errors import DrawbarError, InputError, Unavailable
from .events import Events, RunEvent
from .guard import Guard
from .holds import Intake
from .interpreter import Want
from .leases import Alive, Leases
from .plan import plan_of
from .pool import Pool, Refused
from .pulse import Pulse
from .queues import Queues
from .ready import Ready
from .record import Record
from .rooms import SPARE
from .roster import BEAT_S, Roster
from .store import approvals, assignments, runs
from .store.journal import Away, Connection, Journal
from .sweep import Sweep
from .views import Run, TaskRun
from .work import RunSync, Work
from .workflow import Workflow

log = structlog.get_logger("drawbar.engine")
T = TypeVar("T")
_POLL_S = 0.5
_WAIT_S = 0.1
_DOUBT_S = 10.0
_LOOK_AGAIN_S = 0.5


class Engine:
    """
    Starts, drives and shows runs. Without `begin` it only writes and reads: other processes do the work.

    `definitions` finds a workflow by its id; `run_sync` runs a sync for a task; `wait` is between the attempts of a task.
    """

    def __init__(
        self,
        journal: Journal,
        guard: Guard,
        definitions: Callable[[str], Workflow | None],
        *,
        threads: int = 16,
        run_sync: RunSync | None = None,
        wait: wait_base | None = None,
        poll_s: float = _POLL_S,
        bell: Bell | None = None,
        intake: Intake | None = None,
        queues: Queues | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._journal = journal
        self._guard = guard
        self._queues = queues or Queues()
        self._definitions = definitions
        self._intake = intake or Intake(guard.holds)
        self._threads = threads + SPARE if threads > SPARE else threads
        self._poll_s = poll_s
        self._leases = Leases(journal)
        self._record = Record(journal, self._leases.owner, guard.aside, self._queues)
        self._alive = Alive(journal, self._leases.owner)
        self._roster = Roster(journal, self._leases.owner, self._queues)
        self._record.shelf = shelf or self._record.shelf
        wait = wait or wait_exponential_jitter(multiplier=1, max=60)
        self._working = partial(AgentWork, self._record, guard, wait)
        self._work = Work(
            self._record,
            self._leases,
            guard,
            wait,
            run_sync,
            Children(self._record, definitions, guard.holds),
            threads,
        )
        # A start or a pull is not made again when the answer to its commit was lost: on a server it claims, and no more.
        self._ahead = self._work.ahead if journal.is_sqlite else None
        self._ready = Ready(self._record, self._leases, guard, self._queues, self._ahead)
        self._doorbell = Doorbell(journal, bell, self._queues)
        self._sweep = Sweep(self._record, self._alive, guard, self._doorbell, poll_s)
        self._pool: Pool | None = None
        self._pulses: list[Pulse] = []
        self._sweeper: threading.Thread | None = None
        self._wake = threading.Event()
        self._record.ring, self._record.wake = self._doorbell.ring, self._wake.set
        self._stopping = False
        self.history = Events(journal, self._record.news)

    def employ(self, staff: Staff) -> None:
        """Let the tasks of agents that have a model be done by it; those of all others are handed over."""
        self._work.agents = self._working(staff)
        self._record.has_model = staff.has_model

    def begin(self) -> None:
        """Start the threads, the sweeper and the leases; what dead processes left is taken up at once."""
        self._alive.begin()
        self._pool = self._work.pool = Pool(
            self._threads, self._work.do, self._pull, reserves=self._doorbell.bell is None
        )
        self._pool.begin()
        self._pulses = [
            Pulse("leases", runs.LEASE_S / 3, self._leases.renew).start(),
            Pulse("catch-up", 10, self._sweep.catch_up).start(),
            Pulse("roster", BEAT_S, self._roster.beat).start(),
        ]
        self._sweeper = threading.Thread(target=self._sweeping, name="drawbar-sweep", daemon=True)
        self._sweeper.start()
        self._doorbell.pool = self._pool
        if self._doorbell.bell is not None:
            self._doorbell.bell.answer(self._rung, self._threads, self._queues.served)
        self._doorbell.ring()

    def stop(self, drain_s: float = 10) -> None:
        """Take no new work, let calls that run end, and give back what was not begun. A second call does nothing."""
        self._stopping = True
        self._wake.set()
        pool, self._pool = self._pool, None
        if pool is not None:
            self._leases.release(pool.stop(drain_s))
        if self._doorbell.bell is not None:
            self._doorbell.bell.stop(drain_s)
        if pool is not None:
            for pulse in self._pulses:
                pulse.stop()
            if self._sweeper is not None:
                self._sweeper.join(timeout=10)
            self._alive.end()
            with suppress(DrawbarError):
                self._roster.end()

    def start(
        self,
        workflow: str,
        input: Any = None,  # noqa: A002 - the word of the contract
        *,
        caller: Caller,
        key: str | None = None,
        trigger_id: str | None = None,
        date: str | None = None,
        group: str | None = None,
        definition: Workflow | None = None,
        before: Callable[[Connection], None] = lambda conn: None,
    ) -> Run:
        """
        Begin a run; Unavailable while the workflow is held or the disk is full. The same `trigger_id` begins one run.

        `group` is the key where the workflow has no rule for one. `definition` is for a workflow that is registered nowhere (one call that needs an approval). `date` is the business date, today (UTC) when absent.
        `before` is one commit with the beginning, and what it raises begins nothing. Raises InputError for an unknown workflow or a wrong input.
        """
        definition = definition or self._definitions(workflow)
        if definition is None:
            raise InputError(f"there is no workflow {workflow!r}", reason="not_found", next="see GET /workflows")
        self._intake.require(f"workflow:{workflow}")
        plan = plan_of(definition)
        given = checked(plan, {} if input is None else input, self._record.aside)
        if key is None and (key := key_of(plan, given)) is None:
            key = group
        with self._guard.witness.beginning(workflow):
            beginning = Beginning.of(self._record.aside, workflow, plan, given, caller, key=key, date=date)

        begun = self._on_a_thread(plan.width, partial(self._begin, beginning, trigger_id, before))
        return self.run(begun) if isinstance(begun, str) else begun

    def _on_a_thread(self, width: int, begin: Callable[[int], tuple[T, list[Claim]]]) -> T:
        """Begin a run on the thread that goes on with it, as far as one is idle: so it may record the intent of its first write."""
        pool = self._pool
        if pool is not None and (reserved := pool.reserve(width)):
            with suppress(Refused):
                return pool.ask(partial(begin, reserved), reserved)
        return begin(0)[0]

    def _has_begun(self, run_id: str) -> bool:
        """Look whether a run is there whose commit had no answer: who hears that it is not begins another one."""
        until = time.monotonic() + _DOUBT_S
        while time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)  # what reached the server may still be on its way to its disk
            with suppress(Away), self._journal.read() as conn:
                return runs.header(conn, run_id) is not None
        return False

    def _begin(
        self,
        beginning: Beginning,
        trigger_id: str | None,
        before: Callable[[Connection], None],
        room: int,
        *,
        foresees: bool = True,
    ) -> tuple[Run | str, list[Claim]]:
        """Commit it; give the run as it has begun, or the id of one that is read."""
        run_id = beginning.run_id

        def unit(conn: Connection) -> list[Course]:
            nonlocal run_id
            if trigger_id is not None and (first := runs.of_trigger(conn, trigger_id)) is not None:
                run_id = first
                return []
            before(conn)
            return beginning.begin(self._record, conn, room=room, trigger_id=trigger_id, foresee=foresee)

        ahead = self._ahead if room else None
        foresee = self._work.foreseen if foresees and ahead is not None else None
        try:
            courses = self._record.write(unit, ahead)
        except Unforeseen as error:
            log.warning("ahead.fails", error=str(error))
            return self._begin(beginning, trigger_id, before, room, foresees=False)
        except Away as error:
            if not (error.in_doubt and self._has_begun(run_id)):
                raise
            return run_id, []  # its tasks are ready, and found by whoever looks next
        claims = self._record.committed(courses)
        self._leases.take(claims)
        if not courses or courses[0].state.ended:
            return run_id, claims
        return views.fresh(courses[0], beginning.input.text), claims

    def run(self, run_id: str) -> Run:
        """Give a run as it is now."""
        with self._journal.read() as conn:
            return views.run(conn, run_id)

    def runs(self, **by: Any) -> list[Run]:
        """List runs, newest first: `state workflow key since q after limit`."""
        with self._journal.read() as conn:
            return views.page(conn, **by)

    def unfinished(self, workflow: str, most: int) -> int:
        """Count the runs of a workflow that are not finished, up to `most`."""
        with self._journal.read() as conn:
            return runs.unfinished(conn, workflow, most)

    def latest(self, workflow: str) -> Run | None:
        """Give the newest run of a workflow, None when it never ran."""
        found = self.runs(workflow=workflow, limit=1)
        return found[0] if found else None

    def tasks(self, run_id: str, *, items: bool = False, limit: int = 1000) -> list[TaskRun]:
        """List the tasks of a run; `items` adds the items of for_each."""
        with self._journal.read() as conn:
            return views.tasks(conn, run_id, self._journal.now(), items=items, limit=limit)

    def attempts(self, run_id: str, task: str | None = None) -> list[dict[str, Any]]:
        """List every attempt that ended, with its error and its evidence."""
        with self._journal.read() as conn:
            return views.tries(conn, run_id, task)

    def events(self, after: int = 0, limit: int = 100, run_id: str | None = None) -> list[RunEvent]:
        """Give events after a number, oldest first."""
        return self.history.page(after, limit, run_id=run_id)

    def wait(self, run_id: str, timeout_s: float) -> Run:
        """Wait until the run is over, at most that long, and give it."""
        until = time.monotonic() + timeout_s
        with self._record.end_of(run_id) as over:
            if self._pool is not None and self._record.memory.get(run_id) is not None:
                over.wait(min(timeout_s, _WAIT_S))  # it was not over when this process last saw it
            while True:
                run = over.run or self.run(run_id)
                left = until - time.monotonic()
                if run.is_final or left <= 0:
                    return run
                over.wait(min(left, _WAIT_S))  # another process may end it

    def cancel(self, run_id: str, *, caller: Caller, reason: str | None = None) -> Run:
        """
        Begin nothing more in it, and undo what it did.

        Calls that run end first, and an unknown outcome is settled first.
        """

        def withdraw(course: Course) -> None:
            approvals.withdraw(course.conn, course.run_id, course.now)
            assignments.withdraw(course.conn, course.run_id, course.now)
            course.take(Want("cancel"))

        return self._operate(run_id, withdraw, "cancelling", caller, reason, may=_live)

    def pause(self, run_id: str, *, caller: Caller, reason: str | None = None) -> Run:
        """Begin nothing more in it until `resume`."""

        def tell(course: Course) -> None:
            course.take(Want("pause" if course.state.wanted in {None, "pause"} else "halt"))

        return self._operate(run_id, tell, "pausing", caller, reason, may=partial(_begun, may_halt=True))

    def resume(self, run_id: str, *, caller: Caller, reason: str | None = None) -> Run:
        """Let a paused run go on."""

        def tell(course: Course) -> None:
            course.take(Want("cancel" if course.state.wanted == "halt" else None))

        return self._operate(run_id, tell, "resumed", caller, reason, may=_begun)

    def retry(
        self,
        run_id: str,
        *,
        caller: Caller,
        reason: str | None = None,
        from_task: str | None = None,
        input: Any = None,  # noqa: A002 - the word of the contract
    ) -> Run:
        """
        Let a failed or cancelled run go on: what did not succeed is done again, and from `from_task` on everything.

        `input` replaces the run's input; only who started a run, or the owner of the state, may say what it does.
        """

        def tell(course: Course) -> None:
            if not course.state.ended or course.state.ended == "succeeded":
                state = course.state.ended or "not over"
                raise InputError(
                    f"run {run_id} is {state}: only a failed or cancelled run is retried", reason="conflict"
                )
            known = course.known
            if caller.name != known.caller.name:  # it goes on with the rights of who started it
                caller.require("operate")
            if input is not None and caller.kind != "cli" and caller.name != known.caller.name:
                raise InputError(f"run {run_id} is {known.caller.name}'s: its input is not yours", reason="forbidden")
            given = known.input if input is None else checked(known.plan, input, self._record.aside)
            if (key := must_wait(course)) is not None:
                raise InputError(f"another run of the key {key!r} is under way", reason="conflict")
            reopen(self._record, course, given, from_task, to_repeat(course, from_task))

        return self._operate(run_id, lambda course: None, "retried", caller, reason, may=tell, body={"from": from_task})

    def _operate(
        self,
        run_id: str,
        tell: Callable[[Course], None],
        what: str,
        caller: Caller,
        reason: str | None,
        *,
        may: Callable[[Course], None],
        body: Any = None,
    ) -> Run:
        """Do it to a run, where it may be done, and to the runs that do tasks of it, as far as it may be done there."""

        def said(course: Course, more: Any) -> None:
            tell(course)
            course.tell(f"run.{what}", body={"by": caller.name, "reason": reason, **(more or {})})

        def told(course: Course) -> None:
            may(course)
            course.known.is_ours = False
            said(course, body)
            if reason is not None:
                runs.give_reason(course.conn, run_id, reason)

        def below(course: Course) -> bool:
            try:
                may(course)
            except InputError:
                return False
            course.known.is_ours = False
            said(course, {"parent": run_id})
            return True

        self._record.take(run_id, told, below=below)
        return self.run(run_id)

    def take(self, run_id: str, tell: Callable[[Course], None]) -> None:
        """Commit what `tell` takes into a run's course, and all that follows."""
        self._record.take(run_id, tell)

    def settled(self, entry_id: str) -> None:
        """Hear that an unknown outcome was settled in the ledger."""
        self._sweep.settled(entry_id)

    def answered(self, approval_id: str) -> None:
        """Hear that an approval was answered."""
        self._sweep.answered(approval_id)

    def _rung(self, run_id: str, task: str, item: int) -> None:
        """Hear from the broker that a task is ready: do it, and go on in its run."""
        pool = self._pool
        if self._stopping or pool is None:
            return
        for claim in self._ready.rung(run_id, task, item):
            pool.go_on(claim)

    def _pull(self) -> Claim | None:
        return None if self._stopping else self._ready.longest()

    def _sweeping(self) -> None:
        """An outermost loop: what goes wrong once is tried again."""
        failing = ""
        while not self._stopping:
            try:
                wait_s = self._sweep.beat()
                failing = ""
            except Exception as error:
                wait_s = self._poll_s
                if failing != str(error):
                    failing = str(error)
                    log.warning("sweep.fails", error=failing, exc_info=not isinstance(error, Unavailable))
            if self._wake.wait(wait_s) and not self._stopping:
                self._wake.clear()


def _live(course: Course) -> None:
    if course.state.ended:
        raise InputError(f"run {course.run_id} is over: it is {course.state.ended}", reason="conflict")


def _begun(course: Course, *, may_halt: bool = False) -> None:
    _live(course)
    if course.queued:
        raise InputError(f"run {course.run_id} waits for another run of its key", reason="conflict")
    if course.state.wanted == "cancel" and not (may_halt and course.known.plan.graph.undo):
        raise InputError(f"run {course.run_id} is being cancelled", reason="conflict")
