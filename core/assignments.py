"""Tasks that agents do: an assignment is open until the agent, or an operator for it, has answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .access import Caller
from .aside import Aside
from .course import Course
from .errors import InputError
from .interpreter import WHOLE
from .masking import masked, places, texts_at, without
from .plan import Plan, Step, plan_of_body
from .schema import Checker
from .store import assignments, history, runs
from .store.assignments import STATES
from .store.journal import Connection, Journal
from .values import ClaimCheck, dump, moment, to_json
from .veils import opened

Take = Callable[[str, Callable[[Course], None]], object]


class Assignments:
    """All assignments. `take` commits a fact of a run; `aside` has what must not be seen of what is given."""

    def __init__(self, journal: Journal, take: Take, aside: Aside) -> None:
        self._journal = journal
        self._take = take
        self._aside = aside

    def page(
        self,
        *,
        caller: Caller,
        agent: str | None = None,
        state: str | None = "open",
        after: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """List assignments, oldest first: of one agent, or all; `state` None gives those that are closed, too."""
        _allow(caller, agent)
        if state is not None and state not in STATES:
            raise InputError(
                f"there is no state {state!r} of assignments; there are: {', '.join(STATES)}", field="state"
            )
        with self._journal.read() as conn:
            rows = assignments.page(conn, agent=agent, state=state, after=after, limit=limit)
            return [self._shown(conn, row, caller) for row in rows]

    def find(self, assignment: str, *, caller: Caller) -> dict[str, Any]:
        with self._journal.read() as conn:
            row = assignments.find(conn, assignment)
            _allow(caller, row["agent"])
            return self._shown(conn, row, caller)

    def answer(
        self, assignment: str, *, caller: Caller, output: Any = None, error: str | None = None
    ) -> dict[str, Any]:
        """
        End an assignment with what the task gives, or with why it cannot be done; its run goes on.

        Raises InputError: forbidden for others than its agent or an operator, conflict when it is not open any more, and
        what does not fit the task's `output` leaves it open.
        """
        with self._journal.read() as conn:
            row = assignments.find(conn, assignment)
            _allow(caller, row["agent"])
            step = _step(conn, row)
            texts = self._told(conn, row)
        _require_open(row)
        given = _checked(step, output) if error is None else None
        hidden = places(given, texts)
        error = without(error, texts)
        item = WHOLE if row["item"] is None else row["item"]

        def tell(course: Course) -> None:
            _require_open(assignments.find(course.conn, assignment, to_change=True))
            now = course.now
            if error is None:
                assignments.end(course.conn, assignment, "done", now=now, by=caller.name, output=masked(given, hidden))
            else:
                assignments.end(course.conn, assignment, "failed", now=now, by=caller.name, error=error)
            course.tell("assignment.answered", row["task"], item, {"assignment": assignment, "by": caller.name})
            found = runs.current(course.conn, course.run_id, row["task"], item)
            if found is None or found[0] != "waiting":
                return
            if error is None:
                course.moved(row["task"], item, "succeeded", hidden=hidden, outcome=dump(given))
            else:
                said = {"kind": "rejected", "message": error, "happened": "no", "id": assignment, "by": caller.name}
                course.moved(row["task"], item, "failed", error=said)

        self._take(row["run_id"], tell)
        return self.find(assignment, caller=caller)

    def _told(self, conn: Connection, row: Mapping[str, Any]) -> frozenset[str]:
        """Give what was told to the agent that must not be seen by others."""
        given = row["input"]
        if not isinstance(given, ClaimCheck) or not (hidden := self._aside.hidden_in(conn, dump(given))):
            return frozenset()
        return texts_at(self._aside.whole(conn, given), hidden)

    def _shown(self, conn: Connection, row: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        given = row["input"]
        plan = plan_of_body(history.definition_of(conn, row["run_id"]))
        if isinstance(given, ClaimCheck):
            given = self._seen(conn, given, plan, row, caller)
        return _shown(row, plan.steps[row["task"]], given)

    def _seen(self, conn: Connection, given: ClaimCheck, plan: Plan, row: Mapping[str, Any], caller: Caller) -> Any:
        """Give what an agent is told as this caller may see it: the agent itself sees what its configuration says."""
        sees = caller.sees if caller.name == row["agent"] else ()
        return self._aside.shown(conn, given, opened(plan, self._aside.hidden, self._aside.below, row["task"], sees))


def _allow(caller: Caller, agent: str | None) -> None:
    """Let an agent see and answer its own, and who operates those of all."""
    if agent is None or caller.name != agent or caller.kind != "agent":
        caller.require("operate")


def _require_open(row: Mapping[str, Any]) -> None:
    if row["state"] != "open":
        raise InputError(f"assignment {row['id']} is not open: it is {row['state']}", reason="conflict", id=row["id"])


def _step(conn: Connection, row: Mapping[str, Any]) -> Step:
    return plan_of_body(history.definition_of(conn, row["run_id"])).steps[row["task"]]


def _schema(step: Step) -> Any:
    return None if step.task.output is None else step.task.output.fill({})


def _checked(step: Step, output: Any) -> Any:
    schema = _schema(step)
    if schema is None:
        return output
    try:
        return Checker.of(schema, "output").arguments(output, what="output")
    except InputError as error:
        error.field = "output" if error.field is None else f"output.{error.field}"
        error.next = "see the assignment's output_schema"
        raise


def _shown(row: Mapping[str, Any], step: Step, given: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "agent": row["agent"],
        "state": row["state"],
        "run_id": row["run_id"],
        "task": row["task"],
        "item": row["item"],
        "description": row["description"],
        "input": to_json(given),
        "output_schema": _schema(step),
        "assigned_at": moment(row["assigned_at"]),
        "due_at": moment(row["due_at"]),
        "answered_by": row["answered_by"],
        "answered_at": moment(row["answered_at"]),
        "output": to_json(row["output"]),
        "error": row["error"],
    }
