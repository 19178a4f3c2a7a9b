"""One call of a tool as a run of one task: for calls that wait, for those of other machines, and for those of agents' models."""

from __future__ import annotations

import json
from typing import Any

from .guard import Guard
from .intents import SEALED
from .prepared import Prepared
from .workflow import Task, Workflow

TASK = "call"


def run_of_call(guard: Guard, prepared: Prepared) -> tuple[Workflow, dict[str, Any]]:
    """Give the workflow of one task that makes this call, and its input; sealed where it must not be seen."""
    name, given = prepared.tool.name, given_to(prepared)
    kept = guard.kept(prepared.tool, given)
    sent = {SEALED: kept} if guard.vault.sealed(kept) else given
    asked = {field: f"${{{{ input[{_literal(field)}] }}}}" for field in sent}
    task = Task.model_validate({"tool": name, "with": asked})
    return Workflow(description=f"One call of {name}.", tasks={TASK: task}), sent


def given_to(prepared: Prepared) -> dict[str, Any]:
    """Give the arguments that its caller gave, without those that its configuration binds."""
    shown = set(prepared.tool.input_schema.get("properties") or prepared.arguments)
    return {field: value for field, value in prepared.arguments.items() if field in shown}


def _literal(text: str) -> str:
    """Write a text as a literal of an expression, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)
