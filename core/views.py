"""Runs and their tasks as people see them: frozen values, read from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from .errors import InputError
from .events import moment
from .interpreter import WHOLE
from .known import shown_task
from .plan import plan_of_body
from .store.tables import attempts, definitions, runs, task_runs
from .values import load, to_json

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
            "created_at": moment(self.created_at),
            "started_at": moment(self.started_at),
            "finished_at": moment(self.finished_at),
        }


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One step of a run; `item` is the number of a for_each's item. `intent` names the ledger's entry."""

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
            "items": self.total,
            "items_failed": self.failed,
            "due_in_s": None if self.due_in_s is None else round(self.due_in_s, 3),
            "started_at": moment(self.started_at),
            "finished_at": moment(self.finished_at),
        }


def run(conn: Connection, run_id: str) -> Run:
    """Give a run; InputError when there is none."""
    row = conn.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise InputError(f"there is no run {run_id!r}", reason="not_found", next="see drawbar runs")
    return _run(row)


def page(
    conn: Connection,
    *,
    state: str | None = None,
    workflow: str | None = None,
    key: str | None = None,
    since: float | None = None,
    q: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Run]:
    """List runs, newest first; `after` is the id of the last one of the page before."""
    if state is not None and state not in STATES:
        raise InputError(f"there is no state {state!r} of runs; there are: {', '.join(STATES)}", field="state")
    query = select(runs)
    for column, wanted in ((runs.c.state, state), (runs.c.workflow, workflow), (runs.c.key, key)):
        if wanted is not None:
            query = query.where(column == wanted)
    if since is not None:
        query = query.where(runs.c.created_at >= since)
    for word in (q or "").split():
        texts = (runs.c.id, runs.c.workflow, runs.c.key, runs.c.input, runs.c.error)
        query = query.where(or_(*(column.contains(word, autoescape=True) for column in texts)))
    if after is not None:
        query = query.where(runs.c.id < after)
    return [_run(row) for row in conn.execute(query.order_by(runs.c.id.desc()).limit(limit))]


def latest(conn: Connection, workflow: str) -> Run | None:
    """Give the newest run of a workflow."""
    query = select(runs).where(runs.c.workflow == workflow).order_by(runs.c.id.desc()).limit(1)
    row = conn.execute(query).one_or_none()
    return None if row is None else _run(row)


def tasks(conn: Connection, run_id: str, now: float, *, items: bool = False, limit: int = 1000) -> list[TaskRun]:
    """List the tasks of a run in the workflow's order, those that have not begun too; `items` adds a for_each's items."""
    found = run(conn, run_id)
    body = conn.execute(
        select(definitions.c.body).join(runs, runs.c.definition == definitions.c.hash).where(runs.c.id == run_id)
    ).scalar_one()
    whole = task_runs.c.run_id == run_id
    query = select(task_runs).where(whole if items else and_(whole, task_runs.c.item == WHOLE))
    rows = conn.execute(query.order_by(task_runs.c.task, task_runs.c.item).limit(limit)).all()
    by_task: dict[str, list[TaskRun]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(_task(row, now))
    plan = plan_of_body(body)
    absent = {"succeeded": "skipped", "failed": "skipped", "cancelled": "cancelled"}.get(found.state, "pending")
    listed: list[TaskRun] = []
    for name, step in plan.steps.items():
        if name in plan.graph.on_failure and name not in by_task:
            continue
        listed += by_task.get(name) or [_absent(run_id, name, step.kind, absent)]
    return listed


def tries(conn: Connection, run_id: str, task: str | None = None) -> list[dict[str, Any]]:
    """List the attempts of a run, in the order they ended."""
    query = select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.ended_at)
    if task is not None:
        query = query.where(attempts.c.task == task)
    return [
        {
            **row,
            "item": None if row["item"] == WHOLE else row["item"],
            "error": load(row["error"]),
            "notes": load(row["notes"]),
            "started_at": moment(row["started_at"]),
            "ended_at": moment(row["ended_at"]),
        }
        for row in conn.execute(query).mappings()
    ]


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        workflow=row.workflow,
        state=row.state,
        key=row.key,
        input=load(row.input),
        output=load(row.output),
        error=load(row.error),
        caller=load(row.caller)["name"],
        reason=row.reason,
        date=row.date,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _task(row: Row[Any], now: float) -> TaskRun:
    return TaskRun(
        run_id=row.run_id,
        task=row.task,
        item=None if row.item == WHOLE else row.item,
        kind=row.kind,
        state=shown_task(row.state),
        attempt=row.attempt,
        output=load(row.outcome),
        error=load(row.error),
        intent=row.intent,
        approval=row.approval,
        total=row.total,
        failed=row.failed,
        due_in_s=None if row.due_at is None or row.state == "ready" else row.due_at - now,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _absent(run_id: str, name: str, kind: str, state: str) -> TaskRun:
    return TaskRun(run_id, name, None, kind, state, 0, None, None, None, None, None, None, None, None, None)
