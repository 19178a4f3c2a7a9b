"""
The sweeper: timers that are due, leases that are over, rings that were lost.

The states stand in its queries as literals, so that their partial indexes serve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import Connection, text

from .course import Course
from .errors import DrawbarError
from .guard import Guard
from .leases import Alive
from .record import Record
from .store import approvals, ledger, runs
from .store.statement import Statement
from .values import dump
from .work import refusal

log = structlog.get_logger("drawbar.sweep")
_BATCH = 100

_LAPSED = Statement(
    text(
        "SELECT run_id, task, item, fence, attempt, intent, effect, intent_at, call_until, owner FROM task_runs"
        f" WHERE state = 'running' AND lease_until <= :now LIMIT {_BATCH}"
    )
)
_DELAYED = Statement(
    text(
        "SELECT run_id, task, item FROM task_runs WHERE state = 'delayed' AND due_at <= :now"
        f" ORDER BY due_at LIMIT {_BATCH}"
    )
)
_WAITING = Statement(
    text(
        "SELECT run_id, task, item, kind, approval FROM task_runs WHERE state = 'waiting' AND due_at <= :now"
        f" ORDER BY due_at LIMIT {_BATCH}"
    )
)
_READY = Statement(text("SELECT 1 FROM task_runs WHERE state = 'ready' AND due_at <= :now LIMIT 1"))
_NEXT = Statement(
    text(
        "SELECT MIN(due_at) FROM (SELECT MIN(due_at) AS due_at FROM task_runs WHERE state = 'delayed'"
        " UNION ALL SELECT MIN(due_at) FROM task_runs WHERE state = 'waiting') AS due"
    )
)
_ANSWERED = Statement(
    text(
        "SELECT a.id FROM task_runs t JOIN approvals a ON a.id = t.approval"
        " WHERE t.state = 'waiting' AND t.approval IS NOT NULL AND a.state <> 'waiting' LIMIT 100"
    )
)
_SETTLED = Statement(
    text(
        "SELECT l.id FROM task_runs t JOIN ledger l ON l.id = t.intent"
        " WHERE t.state = 'parked' AND l.state IN ('done', 'not_done') LIMIT 100"
    )
)
_OF_INTENT = Statement(text("SELECT run_id, task, item FROM task_runs WHERE intent = :intent AND state = 'parked'"))
_OF_APPROVAL = Statement(
    text("SELECT run_id, task, item, kind FROM task_runs WHERE approval = :approval AND state = 'waiting'")
)
_STILL = Statement(
    text(
        "SELECT 1 FROM task_runs WHERE run_id = :run_id AND task = :task AND item = :item AND state = 'running'"
        " AND fence = :fence AND lease_until <= :now"
    )
)


class Sweep:
    """Looks again and again; several processes may, since each finding is looked at once more inside its own commit."""

    def __init__(self, record: Record, alive: Alive, guard: Guard, ring: Callable[[], None], max_wait_s: float) -> None:
        self._record = record
        self._journal = record.journal
        self._alive = alive
        self._guard = guard
        self._ring = ring
        self._max_wait_s = max_wait_s

    def beat(self) -> float:
        """Look once; give how long it may be until there is something again."""
        self._alive.release_dead()
        now = self._journal.now()
        with self._journal.read() as conn:
            lapsed = _LAPSED(conn, now=now).fetchall()
            delayed = _DELAYED(conn, now=now).fetchall()
            waiting = _WAITING(conn, now=now).fetchall()
            ready = _READY(conn, now=now).fetchone()
            next_at = _NEXT(conn).fetchone()[0]
        for row in lapsed:
            self._lapse(*row)
        for run_id, task, item in delayed:
            self._move(run_id, task, item, "delayed", "ready")
        for run_id, task, item, kind, approval in waiting:
            if kind == "wait_s":
                self._move(run_id, task, item, "waiting", "succeeded")
            elif approval is not None:
                self._expire()
        if ready or delayed or lapsed:
            self._ring()
        if len(delayed) == _BATCH or len(waiting) == _BATCH or len(lapsed) == _BATCH:
            return 0
        return self._max_wait_s if next_at is None else min(max(next_at - self._journal.now(), 0.005), self._max_wait_s)

    def catch_up(self) -> None:
        """Find answers whose process died before it told the engine."""
        with self._journal.read() as conn:
            answered = [row[0] for row in _ANSWERED(conn).fetchall()]
            settled = [row[0] for row in _SETTLED(conn).fetchall()]
        for approval in answered:
            self.answered(approval)
        for entry in settled:
            self.settled(entry)

    def _move(self, run_id: str, task: str, item: int, before: str, state: str) -> None:
        """Make a task whose time has come go on."""

        def tell(course: Course) -> None:
            row = runs.current(course.conn, run_id, task, item)
            if row is not None and row[0] == before:
                course.moved(task, item, state, due_at=course.now if state == "ready" else None)

        self._record.take(run_id, tell)

    def _lapse(
        self,
        run_id: str,
        task: str,
        item: int,
        fence: int,
        attempt: int,
        intent: str | None,
        effect: str | None,
        intent_at: float | None,
        call_until: float | None,
        owner: str | None,
    ) -> None:
        """A worker died or was too slow. What may be repeated starts again; a write that may have left us is parked."""

        def tell(course: Course) -> None:
            conn = course.conn
            if _STILL(conn, run_id=run_id, task=task, item=item, fence=fence, now=course.now).fetchone() is None:
                return
            is_open = intent is not None and ledger.find(conn, intent)["state"] in {"intent", "unknown"}
            open_write = effect == "write" and is_open
            state = "parked" if open_write else "ready"
            error = _LOST if open_write else None
            runs.add_attempt(
                conn,
                run_id=run_id,
                task=task,
                item=item,
                fence=fence,
                attempt=attempt,
                owner=owner,
                state="lost",
                error=dump(error) if error else None,
                notes=None,
                started_at=intent_at,
                ended_at=course.now,
            )
            if open_write and intent is not None:
                self._lose(conn, intent, course.now, call_until)
            elif is_open and intent is not None:
                ledger.conclude(conn, intent, state="unavailable", now=course.now, error=_LOST)
            course.tell("task.lost", task, item, {"owner": owner})
            course.moved(task, item, state, due_at=course.now if state == "ready" else None, error=error)

        self._record.take(run_id, tell)

    def _lose(self, conn: Connection, intent: str, now: float, call_until: float | None) -> None:
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
        for row in expired:
            self.answered(row["id"])

    def answered(self, approval_id: str) -> None:
        """Let the task that waits for this approval go on; telling it twice does nothing."""
        with self._journal.read() as conn:
            asked = approvals.find(conn, approval_id)
            places = _OF_APPROVAL(conn, approval=approval_id).fetchall()
        if asked["state"] == "waiting":
            return
        for run_id, task, item, kind in places:
            self._answer(run_id, task, item, kind, asked)
        self._ring()

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
                course.moved(task, item, "failed", error=refusal(asked).as_json())

        self._record.take(run_id, tell)

    def settled(self, entry_id: str) -> None:
        """Let the task whose unknown outcome was settled go on; telling it twice does nothing."""
        with self._journal.read() as conn:
            entry = ledger.find(conn, entry_id)
            places = _OF_INTENT(conn, intent=entry_id).fetchall()
        if entry["state"] not in {"done", "not_done"}:
            return
        for run_id, task, item in places:
            self._settle(run_id, task, item, entry)
        self._ring()

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


_LOST = {
    "kind": "unknown",
    "message": "the process that called died, or was too slow, before it could record the outcome",
    "happened": "unknown",
}
