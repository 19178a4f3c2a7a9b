"""How a run begins, and begins again: one that somebody starts, and one that a task of another run starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import asks
from .access import Caller
from .aside import Aside, Kept
from .course import Course, Foresee
from .errors import InputError
from .expressions import EvaluationError
from .interpreter import State
from .known import Known
from .masking import texts_at, without
from .plan import Plan
from .record import held_key
from .store import agents, children, keyed, ledger, retention, runs, undoing
from .store.ids import new_id
from .store.journal import Connection
from .store.tables import VERSION
from .trace import PARENT
from .values import dump, to_json
from .veils import takes, veils_of

if TYPE_CHECKING:
    from .record import Record


@dataclass(frozen=True, slots=True)
class Beginning:
    """A run that is about to begin."""

    known: Known
    input: Kept

    @classmethod
    def of(
        cls,
        aside: Aside,
        workflow: str,
        plan: Plan,
        given: Any,
        caller: Caller,
        *,
        key: str | None = None,
        date: str | None = None,
        parent: tuple[str, str, int] | None = None,
        carried: tuple[str, ...] = (),
    ) -> Beginning:
        """
        Make it of a checked input. `date` is the business date, today (UTC) when absent.

        `carried` are paths of the input that must not be seen, beside those that its own tools hide.
        """
        caller = _tenanted(plan, given, caller)
        run_id, wall = new_id(), time.time()
        day = date or datetime.fromtimestamp(wall, UTC).date().isoformat()
        hidden = (*veils_of(plan, aside.hidden, aside.below).input, *carried)
        hides_key = bool(hidden) and key is not None and _hides(key, plan, given, hidden)
        by = _caller(caller, hides_key=hides_key)
        header = runs.Header(run_id, workflow, plan.hash, by, key, day, wall, parent, PARENT.get())
        kept = aside.veil(given, run_id, hidden)
        return cls(
            Known(header, plan, kept.value, caller, aside, carried=carried, hides_key=hides_key, is_ours=True), kept
        )

    @property
    def run_id(self) -> str:
        return self.known.header.id

    def must_queue(self, conn: Connection) -> bool:
        """Tell whether another run holds its key; what is true stays so until the unit ends."""
        header = self.known.header
        if header.key is None:
            return False
        return keyed.is_held(conn, keyed.lock_key(conn, held_key(header.workflow, header.key)))

    def begin(
        self,
        record: Record,
        conn: Connection,
        *,
        room: int = 0,
        trigger_id: str | None = None,
        foresee: Foresee | None = None,
    ) -> list[Course]:
        """Store it, and all that follows, in a unit of the caller; one whose key is held waits for its turn."""
        header, plan = self.known.header, self.known.plan
        held = None if header.key is None else held_key(header.workflow, header.key)
        queued = self.must_queue(conn)
        if not retention.has_definition(conn, plan.hash):
            runs.keep_definition(conn, plan.hash, plan.body)
        parent, task, item = header.parent or (None, None, None)
        runs.add_run(
            conn,
            id=header.id,
            workflow=header.workflow,
            definition=plan.hash,
            state="queued" if queued else "running",
            version=0,
            input=self.input.store(conn),
            caller=header.caller,
            key=header.key,
            key_held=None if queued else held,
            trigger_id=trigger_id,
            date=header.date,
            journal_version=VERSION,
            created_at=header.created_at,
            started_at=None if queued else header.created_at,
            parent_run=parent,
            parent_task=task,
            parent_item=item,
            trace=header.trace,
        )
        course = record.course(conn, self.known, 0, State(), room)
        course.foresee = foresee
        by = None if parent is None else {"parent": parent, "task": task}
        if queued:
            course.tell("run.queued", body={"key": self.known.key_shown})
            course.put_off()
            return []
        return record.follow(course, lambda course: course.tell("run.started", body=by))


def checked(plan: Plan, given: Any, aside: Aside) -> Any:
    """Check the input of a run; InputError names the field."""
    if plan.input is None:
        return given
    try:
        return plan.input.arguments(given, what="input")
    except InputError as error:
        hidden = veils_of(plan, aside.hidden, aside.below).input
        error.message = without(error.message, texts_at(given, hidden))
        raise


def _hides(key: str, plan: Plan, given: Any, hidden: tuple[str, ...]) -> bool:
    """Tell whether a key says what must not be seen of the input."""
    rule = plan.workflow.key
    return (rule is not None and takes(rule, "input", hidden)) or without(key, texts_at(given, hidden)) != key


def key_of(plan: Plan, given: Any) -> str | None:
    """Give the key that a run of this input has by its workflow's own rule."""
    if plan.workflow.key is None:
        return None
    try:
        key = plan.workflow.key.fill({"input": given})
    except EvaluationError as error:
        raise InputError(f"key: {error.message}", field="key") from error
    return None if key is None else str(to_json(key))


def _tenanted(plan: Plan, given: Any, caller: Caller) -> Caller:
    """Give who a run of this input is for: of the tenant that the workflow's own rule names."""
    if plan.workflow.tenant is None:
        return caller
    try:
        tenant = plan.workflow.tenant.fill({"input": given})
    except EvaluationError as error:
        raise InputError(f"tenant: {error.message}", field="tenant") from error
    return caller.of_tenant(str(tenant or ""), "tenant")


def to_repeat(course: Course, from_task: str | None) -> frozenset[str]:
    """Name what a retry does again: what did not succeed or was undone, all on_failure tasks, what follows `from_task`."""
    plan = course.known.plan
    again = {name for name, task in course.state.tasks.items() if task.state != "succeeded"}
    again |= plan.graph.on_failure.keys() | _undone(course)
    again = _followed(plan, again, _stays(course) - again)
    if from_task is not None:
        if from_task not in plan.graph.tasks:
            raise InputError(f"there is no task {from_task!r} in this run", field="from")
        again = _followed(plan, again | {from_task}, set())
    return frozenset(again)


def _followed(plan: Plan, again: set[str], stays: set[str]) -> set[str]:
    """Add what needs these tasks, but not what stays as it was done."""
    grown = True
    while grown:
        more = {node.name for node in plan.graph.tasks.values() if again & set(node.needs)} - again - stays
        grown = bool(more)
        again = again | more
    return again


def must_wait(course: Course) -> str | None:
    """Give the key of a run that is over when another run holds it by now; what is true stays so until the unit ends."""
    header = course.known.header
    if header.key is None:
        return None
    held = keyed.lock_key(course.conn, held_key(header.workflow, header.key))
    return course.known.key_shown if keyed.is_held(course.conn, held) else None


def reopen(record: Record, course: Course, given: Any, from_task: str | None, again: frozenset[str]) -> None:
    """Let a run that was over go on with this input, and do these tasks again."""
    header = course.known.header
    held = None if header.key is None else held_key(header.workflow, header.key)
    kept = record.aside.veil(given, header.id, course.known.veils().input)
    if dump(kept.value) != dump(course.known.input):  # what an agent was told of the old input is no news of this one
        for name in again:
            agents.forget(course.conn, header.id, name)
    runs.reopen(course.conn, header.id, held=held, given=kept.store(course.conn))
    record.memory.forget(header.id)
    course.known.input = kept.value
    course.known.outputs.clear()
    course.known.veiled.clear()
    asks.retry(course, again, from_task)
    if header.parent is not None:
        children.told(course.conn, header.id)  # how it ended before is no news any more


def _undone(course: Course) -> set[str]:
    """Name the tasks that were undone. What could not be undone is a person's to decide before the run goes on."""
    undo = course.known.plan.graph.undo
    if not undo:
        return set()
    for entry in ledger.failed_compensations(course.conn, course.run_id):
        raise InputError(
            f"a compensation of run {course.run_id} failed: it is a dead letter",
            reason="conflict",
            id=entry,
            next=f"drawbar dead send {entry}, or drawbar dead drop {entry} when what was done shall stay",
        )
    compensated = undoing.compensated(course.conn, course.run_id)
    return {task for task, name in undo.items() if name in compensated}


def _stays(course: Course) -> set[str]:
    """Name the tasks of which a person said that what was done stays done, by dropping the letter of their compensation."""
    compensated = undoing.compensated(course.conn, course.run_id)
    failed = {name for name, task in course.state.tasks.items() if task.state == "failed"}
    return {task for task, name in course.known.plan.graph.undo.items() if name in failed - compensated}


def _caller(caller: Caller, *, hides_key: bool) -> str:
    return dump(
        {
            "name": caller.name,
            "kind": caller.kind,
            "tools": list(caller.tools),
            "scopes": sorted(caller.scopes),
            "approval": list(caller.approval),
            "claims": caller.claims,
            **({"hides_key": True} if hides_key else {}),
            **({"tenant": caller.tenant} if caller.tenant is not None else {}),
            **({"tenants": sorted(caller.tenants)} if caller.tenants is not None else {}),
            **({"context": caller.context.model_dump()} if caller.context is not None else {}),
        }
    )
