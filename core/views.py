"""Runs and their tasks as people see them: frozen values, read from the journal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .interpreter import WHOLE, shown
from .known import shown_task
from .masking import MASK
from .plan import plan_of_body
from .store import history
from .store.history import Row
from .store.journal import Connection
from .values import dump, load, moment, to_json

if TYPE_CHECKING:
    from .course import Course

STATES = ("queued", "running", "waiting", "paused", "parked", "succeeded", "failed", "cancelled")
FINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a workflow. Times are epoch seconds."""

    id: str
    workflow: str
    state: str
    key: str | None
    input: Any
    output: Any
    error: dict[str, Any] | None
    caller: str
    reason: str | None
    date: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    parent_run: str | None = None
    parent_task: str | None = None
    parent_item: int | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    def as_json(self) -> dict[str, Any]:
        return {
            "run_id": self.id,
            "workflow": self.workflow,
            "status": self.state,
            "key": self.key,
            "input": to_json(self.input),
            "output": to_json(self.output),
            "error": to_json(self.error),
            "caller": self.caller,
            "reason": self.reason,
            "date": self.date,
            "parent_run": self.parent_run,
            "parent_task": self.parent_task,
            "parent_item": self.parent_item,
            "created_at": moment(self.created_at),
            "started_at": moment(self.started_at),
            "finished_at": moment(self.finished_at),
        }


@dataclass(frozen=True, slots=True)
class TaskRun:
    """
    One step of a run; `item` is the number of a for_each's item.

    `intent` names the ledger's entry, `child` the run that does the task.
    """

    run_id: str
    task: str
    item: int | None
    kind: str
    state: str
    attempt: int
    output: Any
    error: dict[str, Any] | None
    intent: str | None
    approval: str | None
    child: str | None
    total: int | None
    failed: int | None
    due_in_s: float | None
    started_at: float | None
    finished_at: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "task": self.task,
            "item": self.item,
            "kind": self.kind,
            "status": self.state,
            "attempt": self.attempt,
            "output": to_json(self.output),
            "error": to_json(self.error),
            "intent": self.intent,
            "approval": self.approval,
            "child": self.child,
            "items": self.total,
            "items_failed": self.failed,
            "due_in_s": None if self.due_in_s is None else round(self.due_in_s, 3),
            "started_at": moment(self.started_at),
            "finished_at": moment(self.finished_at),
        }


def run(conn: Connection, run_id: str) -> Run:
    """Give a run; InputError when there is none."""
    row = history.run(conn, run_id)
    if row is None:
        raise InputError(f"there is no run {run_id!r}", reason="not_found", next="see drawbar runs")
    return _run(row)


def ended(course: Course) -> Run | None:
    """Give a run that has just ended as it was stored; None where others may have said something of it."""
    known, came = course.known, course.ended
    if came is None or not known.is_ours:
        return None
    run = fresh(course, dump(known.input))
    return replace(run, output=load(came["output"]), error=came["error"], finished_at=course.wall)


def fresh(course: Course, given: str) -> Run:
    """Give a run that has just begun as it was stored, with its input as a row holds it."""
    header = course.known.header
    parent_run, parent_task, parent_item = header.parent or (None, None, WHOLE)
    return Run(
        id=header.id,
        workflow=header.workflow,
        state=shown(course.state),
        key=course.known.key_shown,
        input=load(given),
        output=None,
        error=None,
        caller=course.known.caller.name,
        reason=None,
        date=header.date,
        created_at=header.created_at,
        started_at=header.created_at,
        finished_at=None,
        parent_run=parent_run,
        parent_task=parent_task,
        parent_item=None if parent_item == WHOLE else parent_item,
    )


def page(
    conn: Connection,
    *,
    state: str | None = None,
    workflow: str | None = None,
    key: str | None = None,
    since: float | None = None,
    q: str | None = None,
    parent: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Run]:
    """List runs, newest first; `after` is the id of the last one of the page before."""
    if state is not None and state not in STATES:
        raise InputError(f"there is no state {state!r} of runs; there are: {', '.join(STATES)}", field="state")
    rows = history.runs_by(
        conn, state=state, workflow=workflow, key=key, since=since, q=q, parent=parent, after=after, limit=limit
    )
    return [_run(row) for row in rows]


def tasks(conn: Connection, run_id: str, now: float, *, items: bool = False, limit: int = 1000) -> list[TaskRun]:
    """List the tasks of a run in the workflow's order, those that have not begun too; `items` adds a for_each's items."""
    state = run(conn, run_id).state
    plan = plan_of_body(history.definition_of(conn, run_id))
    by_task: dict[str, list[TaskRun]] = {}
    for row in history.tasks_of(conn, run_id, items=items, limit=limit):
        if row["state"] != "pending":
            by_task.setdefault(row["task"], []).append(_task(row, now))
    absent = {"succeeded": "skipped", "failed": "skipped", "cancelled": "cancelled"}.get(state, "pending")
    listed: list[TaskRun] = []
    for name, step in plan.steps.items():
        if name in by_task or (step.undoes is None and name not in plan.graph.on_failure):
            listed += by_task.get(name) or [_absent(run_id, name, step.kind, absent)]
    return listed


def tries(conn: Connection, run_id: str, task: str | None = None) -> list[dict[str, Any]]:
    """List the attempts of a run, in the order they ended."""
    run(conn, run_id)
    return [
        {
            **row,
            "item": None if row["item"] == WHOLE else row["item"],
            "error": load(row["error"]),
            "notes": to_json(load(row["notes"])),
            "started_at": moment(row["started_at"]),
            "ended_at": moment(row["ended_at"]),
        }
        for row in history.attempts_of(conn, run_id, task)
    ]


def _run(row: Row) -> Run:
    loaded = {name: load(row[name]) for name in ("input", "output", "error")}
    same = ("id", "workflow", "state", "key", "reason", "date", "created_at", "started_at", "finished_at")
    above = ("parent_run", "parent_task")
    item = None if row["parent_item"] == WHOLE else row["parent_item"]
    caller = load(row["caller"])
    said = {name: row[name] for name in (*same, *above)}
    if caller.get("hides_key"):
        said["key"] = MASK
    return Run(parent_item=item, caller=caller["name"], **loaded, **said)


def _task(row: Row, now: float) -> TaskRun:
    same = (
        "run_id",
        "task",
        "kind",
        "attempt",
        "intent",
        "approval",
        "child",
        "total",
        "failed",
        "started_at",
        "finished_at",
    )
    timed = row["due_at"] is not None and row["state"] in {"delayed", "waiting"}
    return TaskRun(
        item=None if row["item"] == WHOLE else row["item"],
        state=shown_task(row["state"]),
        output=load(row["outcome"]),
        error=load(row["error"]),
        due_in_s=row["due_at"] - now if timed else None,
        **{name: row[name] for name in same},
    )


def _absent(run_id: str, name: str, kind: str, state: str) -> TaskRun:
    return TaskRun(run_id, name, None, kind, state, 0, None, None, None, None, None, None, None, None, None, None)
