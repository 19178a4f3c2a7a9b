"""
Runs that do tasks of other runs.

A child begins, or goes on after a retry, in the unit in which its parent's task leaves its thread. How it stands, and how it
ended, reaches the parent in a unit that follows the child's own: a mark on the child says that this is still to be done, so a
process that dies in between is caught up with. What an operator wants of the parent reaches its children in the same unit.
Locks are taken from above: the parent's row, then the child's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .access import Caller
from .beginning import Beginning, checked, key_of, must_wait, reopen, to_repeat
from .claim import Came, Claim
from .course import Course
from .errors import InputError
from .holds import Holds
from .interpreter import standing
from .masking import texts_at, without
from .plan import Plan, plan_of
from .store import children as stored
from .store.journal import Connection
from .store.runs import Newer
from .values import dump
from .workflow import Workflow, tools_of

if TYPE_CHECKING:
    from .record import Record

MAX_DEPTH = 20
_KEY_S = 1.0
Settle = Callable[[Connection], Came]


class Children:
    """Starts the runs that tasks ask for. `definitions` finds a workflow by its id."""

    def __init__(self, record: Record, definitions: Callable[[str], Workflow | None], holds: Holds) -> None:
        self._record = record
        self._definitions = definitions
        record.aside.below = self.plan
        self._holds = holds

    def plan(self, name: str) -> Plan | None:
        definition = self._definitions(name)
        return None if definition is None else plan_of(definition)

    def settle(self, claim: Claim, env: dict[str, Any]) -> Settle:
        """Look what is to be begun, and say how; Held while somebody holds the workflow."""
        given = claim.known.fill(claim.step.arguments, env, claim.seen)
        carried = claim.known.veils(claim.seen).given.get(claim.task, ())
        name = claim.step.task.workflow
        assert name is not None
        child = claim.child
        if child is not None:
            with self._record.journal.read() as conn:
                stands = stored.stands(conn, child)
            if stands is not None:
                if stands.finished_at is not None and stands.state != "succeeded":
                    self._holds.require(f"workflow:{name}")
                return lambda conn: self._again(conn, child, given, carried, claim.known.caller)
        self._holds.require(f"workflow:{name}")
        beginning = self._beginning(name, given, carried, claim)

        def settle(conn: Connection) -> Came:
            state = "child_waits" if beginning.must_queue(conn) else "child"
            return Came(
                state,
                child=beginning.run_id,
                begin=lambda course: beginning.begin(self._record, course.conn, room=course.room),
            )

        return settle

    def _beginning(self, name: str, given: Any, carried: tuple[str, ...], claim: Claim) -> Beginning:
        definition = self._definitions(name)
        if definition is None:
            raise InputError(f"there is no workflow {name!r}", reason="not_found", next="see drawbar validate")
        with self._record.journal.read() as conn:
            above = stored.depth(conn, claim.run_id) + 1
        if above > MAX_DEPTH:
            raise InputError(
                f"workflow {name}: {MAX_DEPTH} runs stand above it already, and no more may",
                next="look for a workflow that calls itself, directly or through others",
            )
        plan = plan_of(definition)
        try:
            given = checked(plan, given, self._record.aside)
            key = key_of(plan, given)
        except InputError as error:
            error.message = f"workflow {name}: {without(error.message, texts_at(given, carried))}"
            raise
        known = claim.known
        caller = _caller(known.caller, definition)
        return Beginning.of(
            self._record.aside,
            name,
            plan,
            given,
            caller,
            key=key,
            date=known.header.date,
            parent=claim.place,
            carried=carried,
        )

    def _again(self, conn: Connection, child: str, given: Any, carried: tuple[str, ...], caller: Caller) -> Came:
        """Go on with the child of an earlier attempt: what is finished in it is not done again."""
        try:
            course = self._record.open(conn, child)
            if not course.state.ended:
                return Came(standing(course.stood), child=child, begin=lambda _: [])
            stands = stored.stands(conn, child)
            assert stands is not None
            if stands.state == "succeeded":
                hidden = self._record.aside.hidden_in(conn, stands.output)
                return Came("succeeded", dump(self._record.aside.load(conn, stands.output)), hidden=hidden)
            given = checked(course.known.plan, given, self._record.aside)
            again = to_repeat(course, None)
        except Newer as error:
            return Came("delayed", error=error.as_json(), due_at=self._record.journal.now() + _KEY_S, counts=False)
        except InputError as error:
            error.message = without(error.message, texts_at(given, carried))
            return Came("failed", error={**error.as_json(), "run_id": child})
        if (key := must_wait(course)) is not None:
            said = InputError(f"another run of the key {key!r} is under way", reason="conflict").as_json()
            return Came("delayed", error=said, due_at=course.now + _KEY_S, counts=False)

        def begin(parent: Course) -> list[Course]:
            course.room = parent.room
            course.tell("run.retried", body={"by": caller.name, "parent": parent.run_id, "reason": None, "from": None})
            reopen(self._record, course, given, None, again)
            return self._record.follow(course, lambda _: None)

        return Came("child", child=child, begin=begin)


def _caller(caller: Caller, definition: Workflow) -> Caller:
    """Give who a child runs for; a workflow that runs for itself may call what its children name."""
    if caller.kind != "workflow":
        return caller
    return replace(caller, tools=tuple(sorted({*caller.tools, *tools_of(definition)})))
