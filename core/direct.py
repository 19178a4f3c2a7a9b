"""Direct calls of tools, by people, programs and agents: at once, or as a run when another person must agree."""

from __future__ import annotations

import time
from typing import Any

from .access import Caller
from .desk import Desk
from .engine import Engine
from .errors import from_json
from .guard import Answer, Guard, Prepared
from .workflow import Task, Workflow

_QUESTION_S = 5.0


class Direct:
    def __init__(self, guard: Guard, engine: Engine, desk: Desk) -> None:
        self._guard = guard
        self._engine = engine
        self._desk = desk

    def call(
        self, tool: str, arguments: Any, *, caller: Caller, key: str | None = None, outside: bool = True
    ) -> Answer:
        """
        Call a tool once for all: the answer, or `waiting` with the approval's id.

        `key` is the caller's Idempotency-Key. Raises one of the five.
        """
        prepared = self._guard.prepare(tool, arguments, caller, once=key, outside=outside)
        if prepared.approval is None:
            return self._guard.call(prepared)
        return self._asked(prepared, key)

    def _asked(self, prepared: Prepared, key: str | None) -> Answer:
        """Start a run of one task: it asks for the approval, waits without a thread, and keeps the answer."""
        name = prepared.tool.name
        shown = set(prepared.tool.input_schema.get("properties") or prepared.arguments)
        given = {field: value for field, value in prepared.arguments.items() if field in shown}
        asked = {field: f"${{{{ input['{field}'] }}}}" for field in given}
        task = Task.model_validate({"tool": name, "with": asked})
        run = self._engine.start(
            f"call:{name}",
            given,
            caller=prepared.caller,
            trigger_id=f"call:{prepared.caller.name}:{name}:{key}" if key else None,
            definition=Workflow(description=f"One call of {name}.", tasks={"call": task}),
        )
        until = time.monotonic() + _QUESTION_S
        while time.monotonic() < until:
            for question in self._desk.approvals(run_id=run.id):
                return Answer(None, question["id"], state="waiting", run_id=run.id)
            if self._engine.run(run.id).is_final:
                return self._ended(run.id)
            time.sleep(0.02)
        return Answer(None, run.id, state="waiting", run_id=run.id)

    def _ended(self, run_id: str) -> Answer:
        """The same key asked before, and it was answered by now."""
        [task] = self._engine.tasks(run_id)
        if task.error is not None:
            raise from_json(task.error)
        return Answer(task.output, run_id, repeated=True, run_id=run_id)
