"""
The intent of a write: recorded under the fence of its task, by the thread that calls right after that commit.

The intent of the write that a thread goes on with is part of the commit that claimed it (`ahead`), where nothing stands
before the call. Wherever something may (an approval, a hold, the budget, a system that nobody has asked yet, a business key
that was used), the task begins without it and records its intent in a commit of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .claim import Claim
from .course import Course
from .errors import DrawbarError, InputError
from .guard import Guard
from .interpreter import WHOLE, State
from .known import Reading
from .prepared import Prepared
from .store import ledger, runs
from .store.ids import new_id
from .store.journal import Connection

SEALED = "sealed"
"""The one field of a run's input that stands for all arguments of a call, where they must not be seen."""


def call_of(tool: str) -> str:
    """Name the run of one call, which no workflow defines."""
    return f"call:{tool}"


class Stale(Exception):
    """The task is somebody else's by now."""


@dataclass(slots=True)
class Begun:
    """A call whose intent is recorded already."""

    prepared: Prepared
    entry: str
    at: float


class Intents:
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def prepared(self, claim: Claim, env: Mapping[str, Any]) -> Prepared:
        """Fill `with`, and look whether the call may be made. Raises one of the five."""
        name = claim.step.task.tool
        assert name is not None
        arguments = claim.known.fill(claim.step.arguments, env, claim.seen)
        if claim.known.header.workflow == call_of(name) and arguments.keys() == {SEALED}:
            arguments = self._guard.opened(arguments[SEALED])
        claim.arguments = arguments
        if carried := claim.known.veils(claim.seen).given.get(claim.task):
            claim.carried = self._guard.landscape.undeclared(name, carried)
        return self._guard.prepare(name, arguments, claim.known.caller, outside=False, carried=claim.carried)

    def intent(self, claim: Claim, prepared: Prepared, entry: str, now: float) -> ledger.Intent:
        item = None if claim.item == WHOLE else claim.item
        timeout_s = claim.step.task.timeout_s
        return self._guard.intent(
            prepared, entry, now, run_id=claim.run_id, task=claim.task, item=item, timeout_s=timeout_s
        )

    def record(
        self, conn: Connection, claim: Claim, prepared: Prepared, intent: ledger.Intent, now: float
    ) -> ledger.Admission:
        """Record an intent under our fence; the call leaves right after this commit."""
        admission = ledger.admit(conn, intent, now)
        if isinstance(admission, ledger.Fresh):
            until = now + 2 * limit_s(claim, prepared)  # it may wait for its place as long as for the answer
            said = {"run_id": claim.run_id, "task": claim.task, "item": claim.item, "fence": claim.fence}
            if not runs.intend(conn, **said, intent=intent.id, now=now, effect=intent.effect, call_until=until):
                raise Stale
        return admission

    def foreseen(self, course: Course, claim: Claim) -> tuple[ledger.Intent, Begun, runs.Intended] | None:
        """
        Give the intent that is recorded together with the first claim of a write; None where something stands before it.

        `claim` is not made yet. A business key is looked at by `ahead`.
        """
        if claim.step.undoes is not None:
            return None
        found = self._foreseen(course, claim)
        if found is None or found[0].key is not None:
            return None
        prepared, intent = found
        until = course.now + 2 * limit_s(claim, prepared)
        begun = Begun(prepared, intent.id, course.now)
        return intent, begun, runs.Intended(intent.id, intent.effect, until)

    def ahead(self, course: Course) -> None:
        """Record the intent of the write that this thread goes on with, in the unit that has just claimed it."""
        if not course.claims:
            return
        claim = course.claims[0]
        if claim.intent is not None or claim.begun is not None or claim.step.undoes is not None:
            return  # a second attempt looks at what came of the first, and a compensation at what it undoes
        if (found := self._foreseen(course, claim)) is None:
            return
        prepared, intent = found
        try:
            admission = self.record(course.conn, claim, prepared, intent, course.now)
        except InputError:
            return  # the key was used for other arguments: the task says so when its turn comes
        if isinstance(admission, ledger.Fresh):
            claim.begun = Begun(prepared, intent.id, course.now)

    def _foreseen(self, course: Course, claim: Claim) -> tuple[Prepared, ledger.Intent] | None:
        """Prepare a write whose call can leave at once; None where anything stands before it, or goes wrong."""
        bound = self._guard.landscape.known(claim.step.task.tool or "", claim.known.caller.tenant)
        if bound is None or (bound.effect == "read" and bound.rules.key is None):
            return None
        if not bound.share.is_free(bound.effect, bound.timeout_s):
            return None
        try:
            env = env_of(lambda: course.conn, claim, course.state, course.fresh)
        except DrawbarError:
            return None
        try:
            prepared = self.prepared(claim, env)
            if prepared.approval is not None or not prepared.recorded:
                return None
            return prepared, self.intent(claim, prepared, new_id(), course.now)
        except Exception:  # whatever it is ends its own task, later, and not the one whose outcome this unit keeps
            return None


def env_of(conn: Reading, claim: Claim, state: State, fresh: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Give what a task's arguments see, as far as they name it."""
    paths, each = claim.step.arguments.paths, claim.step.task.for_each
    if not paths:
        return {}
    env = claim.known.env(conn, paths, state, fresh)
    if each is not None and claim.item != WHOLE:
        claim.seen |= claim.known.add_item(conn, env, each.as_, claim.step.undoes or claim.task, claim.item)
    return env


def limit_s(claim: Claim, prepared: Prepared) -> float:
    """Give how long the call of a task may take."""
    return min(prepared.tool.timeout_s, claim.step.task.timeout_s or prepared.tool.timeout_s)
