"""The sweeper: timers that are due, leases that are over, rings that were lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from .course import Course
from .doorbell import Doorbell
from .errors import DrawbarError, Rejected
from .guard import Guard
from .interpreter import WHOLE
from .leases import Alive
from .pulse import each_alone
from .record import BETWEEN, Record
from .store import approvals, assignments, attempts, children, claims, keyed, ledger, runs
from .store.claims import Lapsed
from .store.journal import Connection
from .values import dump
from .work import refusal

log = structlog.get_logger("drawbar.sweep")


class Sweep:
    """Looks again and again; several processes may, since each finding is looked at once more inside its own commit."""

    def __init__(self, record: Record, alive: Alive, guard: Guard, doorbell: Doorbell, max_wait_s: float) -> None:
        self._record = record
        self._journal = record.journal
        self._alive = alive
        self._guard = guard
        self._doorbell = doorbell
        self._max_wait_s = max_wait_s

    def beat(self) -> float:
        """Look once; give how long it may be until there is something again."""
        self._alive.release_dead()
        with self._journal.read() as conn:
            found = claims.due(conn, self._journal.now(), self._record.queues.served)
        acts: list[Callable[[], None]] = [partial(self._lapse, lapsed) for lapsed in found.lapsed]
        acts += [partial(self._move, *delayed, "delayed", "ready") for delayed in found.delayed]
        acts += [
            partial(self._move, waiting.run_id, waiting.task, waiting.item, "waiting", "succeeded")
            for waiting in found.waiting
            if waiting.kind == "wait_s"
        ]
        acts += [
            partial(self._overdue, waiting.run_id, waiting.task, waiting.item)
            for waiting in found.waiting
            if waiting.kind == "agent"
        ]
        if any(waiting.approval is not None for waiting in found.waiting):
            acts.append(self._expire)
        if found.ready:
            self._doorbell.ring_again()
        each_alone(acts)
        if found.full:
            return 0
        next_s = self._max_wait_s if found.next_at is None else found.next_at - self._journal.now()
        return min(max(next_s, 0.005), self._max_wait_s)

    def catch_up(self) -> None:
        """Find what nobody told the engine: answers whose process died, and runs that an older program could not begin."""
        with self._journal.read() as conn:
            answered, settled = claims.answered(conn), claims.settled(conn)
            untold = children.untold(conn)
            left = keyed.left(conn, BETWEEN)
        each_alone(
            [partial(self.answered, approval) for approval in answered]
            + [partial(self.settled, entry) for entry in settled]
            + [partial(self._record.hear, parent, child) for child, parent in untold]
            + [partial(self._record.begin_left, *queued) for queued in left]
        )

    def _move(self, run_id: str, task: str, item: int, before: str, state: str) -> None:
        """Make a task whose time has come go on."""

        def tell(course: Course) -> None:
            row = runs.current(course.conn, run_id, task, item)
            if row is not None and row[0] == before:
                course.moved(task, item, state, due_at=course.now if state == "ready" else None)

        self._record.take(run_id, tell)

    def _lapse(self, seen: Lapsed) -> None:
        """A worker died or was too slow. What may be repeated starts again; a write that may have left us is parked."""

        def tell(course: Course) -> None:
            conn = course.conn
            lost = claims.still_lapsed(conn, seen, course.now)
            if lost is None:
                return
            is_open = lost.intent is not None and ledger.is_open(conn, lost.intent)
            open_write = lost.effect == "write" and is_open
            state = "parked" if open_write else "ready"
            error = _LOST if open_write else None
            attempts.add(
                conn,
                run_id=lost.run_id,
                task=lost.task,
                item=lost.item,
                fence=lost.fence,
                attempt=lost.attempt,
                owner=lost.owner,
                state="lost",
                error=dump(error) if error else None,
                notes=None,
                started_at=lost.started_at,
                ended_at=course.now,
            )
            if open_write and lost.intent is not None:
                self._lose(conn, lost.intent, course.now, None if lost.dead else lost.call_until)
            elif is_open and lost.intent is not None:
                ledger.conclude(conn, lost.intent, state="unavailable", now=course.now, error=_LOST)
            course.tell("task.lost", lost.task, lost.item, {"owner": lost.owner})
            due_at = course.now if state == "ready" else None
            course.moved(lost.task, lost.item, state, due_at=due_at, error=error)
            if open_write:
                course.tell("dead.parked", lost.task, lost.item, {"entry": lost.intent, "error": error})

        self._record.take(seen.run_id, tell)

    def _lose(self, conn: Connection, intent: str, now: float, call_until: float | None) -> None:
        """Leave a write to its probe, which is not asked before the call itself has given up, or to a person."""
        entry = ledger.find(conn, intent)
        try:
            bound = self._guard.landscape.tool(entry["tool"])
        except DrawbarError:
            probe_at = None
        else:
            after_s = bound.rules.probe.after_s if bound.rules.probe else 5
            looks = bound.rules.probe is not None or bound.tool.probe is not None
            probe_at = max(now, call_until or now) + after_s if looks else None
        ledger.conclude(conn, intent, state="unknown", now=now, error=_LOST, probe_at=probe_at)

    def _expire(self) -> None:
        expired: list[dict[str, Any]] = self._journal.write(lambda conn: approvals.expire(conn, self._journal.now()))
        each_alone([partial(self.answered, row["id"]) for row in expired])

    def _overdue(self, run_id: str, task: str, item: int) -> None:
        """Fail a task whose agent has not answered in time."""

        def tell(course: Course) -> None:
            number = None if item == WHOLE else item
            row = runs.current(course.conn, run_id, task, item)
            if row is None or row[0] != "waiting":
                return
            if (assignment := assignments.expire(course.conn, run_id, task, number, course.now)) is not None:
                agent = course.known.plan.steps[task].task.agent
                said = Rejected(f"{agent} did not answer in time", id=assignment)
                course.moved(task, item, "failed", error=said.as_json())

        self._record.take(run_id, tell)

    def answered(self, approval_id: str) -> None:
        """Let the task that waits for this approval go on; telling it twice does nothing."""
        with self._journal.read() as conn:
            asked = approvals.find(conn, approval_id)
            places = claims.waiting_for(conn, approval_id)
        if asked["state"] == "waiting":
            return
        for run_id, task, item, kind in places:
            self._answer(run_id, task, item, kind, asked)
        self._doorbell.ring()

    def _answer(self, run_id: str, task: str, item: int, kind: str, asked: dict[str, Any]) -> None:
        def tell(course: Course) -> None:
            row = runs.current(course.conn, run_id, task, item)
            if row is None or row[0] != "waiting":
                return
            if kind != "approval":  # the tool's own rule: its claim looks at the answer
                course.moved(task, item, "ready", due_at=course.now)
            elif asked["state"] == "approved":
                said = {"approved": True, "by": asked["answered_by"], "reason": asked["reason"]}
                course.moved(task, item, "succeeded", outcome=dump(said))
            else:
                rule = course.known.plan.steps[task].task.approval
                skips = asked["state"] == "expired" and rule is not None and rule.on_expiry == "skip"
                course.moved(task, item, "skipped" if skips else "failed", error=refusal(asked).as_json())

        self._record.take(run_id, tell)

    def settled(self, entry_id: str) -> None:
        """Let the task whose unknown outcome was settled go on; telling it twice does nothing."""
        with self._journal.read() as conn:
            entry = ledger.find(conn, entry_id)
            places = claims.parked_by(conn, entry_id)
        if entry["state"] not in {"done", "not_done"}:
            return
        for run_id, task, item in places:
            self._settle(run_id, task, item, entry)
        if entry["dead"] and entry["state"] == "done":
            self._sent(entry)
        self._doorbell.ring()

    def _settle(self, run_id: str, task: str, item: int, entry: dict[str, Any]) -> None:
        def tell(course: Course) -> None:
            row = runs.current(course.conn, run_id, task, item)
            if row is None or row[0] != "parked":
                return
            if entry["state"] == "done":
                course.moved(task, item, "succeeded", outcome=dump(entry["result"]))
            else:
                course.moved(task, item, "ready", due_at=course.now)

        self._record.take(run_id, tell)

    def _sent(self, entry: dict[str, Any]) -> None:
        """Hear that a compensation which had failed was sent again, and was done."""
        task, item = entry["task"], WHOLE if entry["item"] is None else entry["item"]

        def tell(course: Course) -> None:
            row = runs.current(course.conn, course.run_id, task, item)
            if row is None or row[::2] != ("failed", entry["id"]):
                return
            course.moved(task, item, "succeeded", outcome=dump(entry["result"]))
            if item != WHOLE and runs.first_error(course.conn, course.run_id, task) is None:
                course.moved(task, WHOLE, "succeeded")

        self._record.take(entry["run_id"], tell)


_LOST = {
    "kind": "unknown",
    "message": "the process that called died, or was too slow, before it could record the outcome",
    "happened": "unknown",
}
