"""Direct calls of tools, by people, programs and agents: at once, or as a run when another person must agree."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .access import Caller
from .begun import Begun
from .budget import Share
from .calls import given_to, run_of_call
from .desk import Desk
from .engine import Engine
from .errors import InputError, OutcomeUnknown, Rejected, Unavailable, from_json
from .guard import Answer, Guard
from .intents import SEALED, call_of
from .limits import Limits
from .prepared import Prepared
from .queues import named
from .roster import is_served
from .tool import PATIENT, Asker
from .values import canonical
from .views import Run

_QUESTION_S = 5.0
_TAKEN_S = 10.0
_LOOK_S = 0.2


class Direct:
    def __init__(self, guard: Guard, engine: Engine, desk: Desk, limits: Limits | None = None) -> None:
        self._guard = guard
        self._engine = engine
        self._desk = desk
        self._limits = limits

    def call(
        self,
        tool: str,
        arguments: Any,
        *,
        caller: Caller,
        key: str | None = None,
        code: str | None = None,
        outside: bool = True,
        asker: Asker = PATIENT,
    ) -> Answer:
        """
        Call a tool once for all: the answer, or `waiting` with the approval's id.

        `key` is the caller's Idempotency-Key, `code` the one of its preview. What `asker` takes back before it left, does not
        leave. Raises one of the five.
        """
        prepared = self._guard.prepare(tool, arguments, caller, once=key, outside=outside)
        rules = prepared.tool.rules
        if self._limits is None or not caller.is_limited:
            answer = self.made(prepared, key, code, asker)
        else:
            self._limits.step(caller)
            with self._limits.at_work(caller):
                answer = self.made(prepared, key, code, asker)
        if rules.hides:
            return replace(answer, result=self._guard.shown(tool, answer.result, caller), text=None)
        return answer

    def standing(self, tool: str, caller: Caller) -> bool | None:
        """Tell whether a call could be begun: at once, or (False) when a place comes free. None: it is for a thread."""
        guard = self._guard
        bound = guard.landscape.known(tool)
        if bound is None or bound.tool.begin is None or bound.tenant is not None or caller.is_limited:
            return None
        if guard.witness.spans is not None or not guard.holds.is_known:
            return None
        if guard.queues.of_adapter(bound.adapter) is not None:
            return None
        return bound.share.begins(bound.effect, bound.timeout_s)

    def share(self, tool: str) -> Share:
        """Give the budget that a tool is called within, of one that `standing` is for."""
        return self._guard.landscape.share(tool.partition(".")[0])

    def begin(self, tool: str, arguments: Any, *, caller: Caller, asker: Asker = PATIENT) -> Begun:
        """Begin a call that `standing` is for; nothing here waits. Raises one of the five."""
        return Begun(self, self._guard, self._guard.prepare(tool, arguments, caller), asker)

    def made(
        self, prepared: Prepared, key: str | None = None, code: str | None = None, asker: Asker = PATIENT
    ) -> Answer:
        """Make the call here, or where its system can be reached, or ask the person who must agree."""
        queues = self._guard.queues
        if prepared.approval is None and queues.is_elsewhere(queue := queues.of_tool(prepared.tool.name)):
            return self._sent(prepared, key, code, named(queue), asker)
        if prepared.approval is None:
            return self._guard.call(prepared, code=code, asker=asker)
        asker.leaving()
        answer = self._asked(prepared, key, code)
        if answer.state == "waiting":
            self._guard.witness.turned_away(prepared, answer.id, "waiting")
        return answer

    def _sent(self, prepared: Prepared, key: str | None, code: str | None, queue: str, asker: Asker) -> Answer:
        """Leave the call to a process that reaches the system, as a run of one task, and wait for what comes of it."""
        if not is_served(self._guard.journal, queue):
            raise Unavailable(
                f"{prepared.tool.name} is called by processes of the queue {queue!r}, and none is there",
                retry_after_s=_QUESTION_S,
                next=f"start one where the system can be reached: drawbar worker --queues {queue}",
            )
        asker.leaving()
        run = self._begun(prepared, key, code)
        if (answer := self._waited(run.id, prepared.tool.timeout_s + _TAKEN_S)) is not None:
            return replace(answer, repeated=run.is_final)
        self._engine.cancel(run.id, caller=prepared.caller, reason="its caller waits no longer")
        if (answer := self._waited(run.id, _TAKEN_S)) is not None:
            return answer
        raise OutcomeUnknown(
            f"{prepared.tool.name} was taken by a process of the queue {queue!r} and has not ended",
            id=run.id,
            next=f"drawbar show {run.id}",
        )

    def _waited(self, run_id: str, timeout_s: float) -> Answer | None:
        """Give the answer of a run of one task, None when there is none yet. Raises what it failed with."""
        until = time.monotonic() + timeout_s
        while (run := self._engine.wait(run_id, min(_LOOK_S, timeout_s))).state != "parked" and not run.is_final:
            if time.monotonic() >= until:
                return None
        [task] = self._engine.tasks(run_id)
        if task.error is not None and task.state != "succeeded":
            raise from_json(task.error)
        if task.state != "succeeded":
            raise Unavailable(
                "no process took the call in time; nothing was sent", retry_after_s=_QUESTION_S, id=run_id
            )
        return Answer(self._guard.whole(task.output), run_id, run_id=run_id)

    def _asked(self, prepared: Prepared, key: str | None, code: str | None) -> Answer:
        """Start a run of one task: it asks for the approval, waits without a thread, and keeps the answer."""
        run = self._begun(prepared, key, code)
        until = time.monotonic() + _QUESTION_S
        while time.monotonic() < until:
            for question in self._desk.approvals(run_id=run.id):
                return Answer(None, question["id"], state="waiting", run_id=run.id)
            if (found := self._engine.run(run.id)).is_final:
                return self._ended(found)
            time.sleep(0.02)
        return Answer(None, run.id, state="waiting", run_id=run.id)

    def _begun(self, prepared: Prepared, key: str | None, code: str | None) -> Run:
        """Start a run of one task that makes this call."""
        name, given = prepared.tool.name, given_to(prepared)
        definition, sent = run_of_call(self._guard, prepared)
        run = self._engine.start(
            call_of(name),
            sent,
            caller=prepared.caller,
            trigger_id=f"call:{prepared.caller.name}:{prepared.tool.full_name}:{key}" if key else None,
            definition=definition,
            before=lambda conn: self._guard.spend(conn, prepared, code),
        )
        self._refuse_other(prepared, run, given)
        return run

    def _refuse_other(self, prepared: Prepared, run: Run, given: Mapping[str, Any]) -> None:
        """A key stands for the arguments that it came with first."""
        sent = self._guard.whole(run.input)
        sealed = sent.keys() == {SEALED} and self._guard.vault.sealed(str(sent[SEALED]))
        first = self._guard.opened(sent[SEALED]) if sealed else sent
        if canonical(first) != canonical(given):
            raise InputError(
                "this Idempotency-Key was used for other arguments",
                tool=prepared.tool.name,
                id=run.id,
                next="use another key, or the first arguments",
            )

    def _ended(self, run: Run) -> Answer:
        """The same key asked before, and it was answered by now."""
        [task] = self._engine.tasks(run.id)
        if task.error is not None:
            raise from_json(task.error)
        if run.state != "succeeded":
            raise Rejected(f"its run was {run.state} before it was approved; nothing was sent", id=run.id)
        return Answer(self._guard.whole(task.output), run.id, repeated=True, run_id=run.id)
