"""Tasks given to an agent by name: each is a run of one task, and what its model used up is counted."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from .access import AgentConfig, Caller
from .agents_staff import allow, name_of_run
from .agents_steps import Usage
from .audit.audit import Audit
from .engine import Engine
from .expressions import template
from .register import Register, refused
from .store import agents as stored
from .store.journal import Journal
from .views import Run
from .workflow import Task, Workflow

_ANSWER = template("${{ tasks.work.output }}")
_ASKED = {"task": "${{ input.task }}", "input": "${{ input.input }}"}


class AgentRuns:
    def __init__(self, journal: Journal, engine: Engine, agents: Register[AgentConfig], audit: Audit) -> None:
        self._journal = journal
        self._engine = engine
        self._agents = agents
        self._audit = audit

    def start(
        self,
        agent: str,
        task: str,
        *,
        caller: Caller,
        given: Any = None,
        output: Mapping[str, Any] | None = None,
        within_h: float | None = None,
        trigger_id: str | None = None,
    ) -> Run:
        """
        Give an agent a task: its model does it, or, where it has none, whoever answers for it.

        `output` is the JSON Schema of the answer. The same `trigger_id` begins one run and gives it again.
        """
        caller.require("run")
        allow(caller, agent, self._agents.entry(agent).model)
        said: dict[str, Any] = {"agent": agent, "with": _ASKED if given is not None else {"task": _ASKED["task"]}}
        if output is not None:
            said["output"] = dict(output)
        if within_h is not None:
            said["within_h"] = within_h
        try:
            work = Task.model_validate(said)
        except ValidationError as error:
            raise refused(error) from error
        flow = Workflow(description=f"A task of {agent}.", tasks={"work": work}, output=_ANSWER)
        sent = {"task": task} if given is None else {"task": task, "input": given}
        name = name_of_run(agent)
        run = self._engine.start(name, sent, caller=caller, trigger_id=trigger_id, definition=flow)
        self._audit.note("run", caller.name, name, "started", run=run.id)
        return run

    def usage(self, run_id: str) -> dict[str, Any] | None:
        """Count the tokens, and the costs where prices are configured, of a run; None where no model worked in it."""
        with self._journal.read() as conn:
            found, calls = stored.used(conn, run_id)
        if not found:
            return None
        costs = [Decimal(cost) for _, _, cost in found if cost is not None]
        cost = sum(costs, Decimal(0)) if costs else None
        read, written = sum(row[0] for row in found), sum(row[1] for row in found)
        return Usage(len(found), calls, read, written, cost).as_json()
