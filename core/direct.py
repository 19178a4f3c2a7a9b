"""Direct calls of tools, by people, programs and agents: at once, or as a run when another person must agree."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .access import Caller
from .desk import Desk
from .engine import Engine
from .errors import InputError, Rejected, from_json
from .guard import Answer, Guard, Prepared
from .intents import SEALED, call_of
from .values import canonical
from .views import Run
from .workflow import Task, Workflow

_QUESTION_S = 5.0


class Direct:
    def __init__(self, guard: Guard, engine: Engine, desk: Desk) -> None:
        self._guard = guard
        self._engine = engine
        self._desk = desk

    def call(
        self,
        tool: str,
        arguments: Any,
        *,
        caller: Caller,
        key: str | None = None,
        code: str | None = None,
        outside: bool = True,
    ) -> Answer:
        """
        Call a tool once for all: the answer, or `waiting` with the approval's id.

        `key` is the caller's Idempotency-Key, `code` the one of its preview. Raises one of the five.
        """
        prepared = self._guard.prepare(tool, arguments, caller, once=key, outside=outside)
        if prepared.approval is None:
            return self._guard.call(prepared, code=code)
        return self._asked(prepared, key, code)

    def _asked(self, prepared: Prepared, key: str | None, code: str | None) -> Answer:
        """Start a run of one task: it asks for the approval, waits without a thread, and keeps the answer."""
        name = prepared.tool.name
        shown = set(prepared.tool.input_schema.get("properties") or prepared.arguments)
        given = {field: value for field, value in prepared.arguments.items() if field in shown}
        kept = self._guard.kept(prepared.tool, given)
        sent = {SEALED: kept} if self._guard.vault.sealed(kept) else given
        asked = {field: f"${{{{ input[{_literal(field)}] }}}}" for field in sent}
        task = Task.model_validate({"tool": name, "with": asked})
        run = self._engine.start(
            call_of(name),
            sent,
            caller=prepared.caller,
            trigger_id=f"call:{prepared.caller.name}:{name}:{key}" if key else None,
            definition=Workflow(description=f"One call of {name}.", tasks={"call": task}),
            before=lambda conn: self._guard.spend(conn, prepared, code),
        )
        self._refuse_other(prepared, run, given)
        until = time.monotonic() + _QUESTION_S
        while time.monotonic() < until:
            for question in self._desk.approvals(run_id=run.id):
                return Answer(None, question["id"], state="waiting", run_id=run.id)
            if (found := self._engine.run(run.id)).is_final:
                return self._ended(found)
            time.sleep(0.02)
        return Answer(None, run.id, state="waiting", run_id=run.id)

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


def _literal(text: str) -> str:
    """Write a text as a literal of an expression, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)
