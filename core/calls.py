"""One call of a tool as a run of one task: for calls that wait, for those of other machines, and for those of agents' models."""

from __future__ import annotations

import json
from typing import Any

from .cel import plain_path
from .guard import Guard
from .intents import SEALED
from .prepared import Prepared
from .workflow import Task, Workflow

TASK = "call"


def run_of_call(guard: Guard, prepared: Prepared) -> tuple[Workflow, dict[str, Any]]:
    """Give the workflow of one task that makes this call, and its input; sealed where it must not be seen."""
    name, given = prepared.tool.name, given_to(prepared)
    kept = "" if prepared.carried else guard.kept(prepared.tool, given)
    sent = {SEALED: kept} if guard.vault.sealed(kept) else given
    asked = {field: f"${{{{ {_input(field, plain=bool(prepared.carried))} }}}}" for field in sent}
    task = Task.model_validate({"tool": name, "with": asked})
    return Workflow(description=f"One call of {name}.", tasks={TASK: task}), sent


def given_to(prepared: Prepared) -> dict[str, Any]:
    """Give the arguments that its caller gave, without those that its configuration binds."""
    shown = set(prepared.tool.input_schema.get("properties") or prepared.arguments)
    return {field: value for field, value in prepared.arguments.items() if field in shown}


def _input(field: str, *, plain: bool) -> str:
    """Name a field of the input, whatever is in it; `plain` where it is to be followed to that field alone."""
    path = f"input.{field}"
    return path if plain and plain_path(path) == ("input", field) else f"input[{json.dumps(field, ensure_ascii=False)}]"
