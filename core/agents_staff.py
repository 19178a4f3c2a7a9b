"""Who works: the agents of a landscape, what their models work with, and who may give them tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .access import AgentConfig, Caller
from .agents_model import Model
from .agents_tools import AgentTools
from .errors import InputError

Scrub = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Staff:
    """The agents of a landscape, and what their models work with. `count` takes one call of a caller's rate."""

    find: Callable[[str], AgentConfig | None]
    caller: Callable[[str], Caller]
    tools: AgentTools
    model: Model
    scrub: Scrub = lambda value: value
    count: Callable[[Caller], object] = lambda caller: None
    agreed: Callable[[str], bool] = lambda workflow: True
    """Tells whether a workflow is the configuration's: what stands there may give every agent tasks."""

    def has_model(self, agent: str) -> bool:
        config = self.find(agent)
        return config is not None and config.model is not None


def name_of_run(agent: str) -> str:
    """Name the run of a task that was given to an agent directly, which no workflow defines."""
    return f"agent:{agent}"


def allow(caller: Caller, agent: str, config: AgentConfig) -> None:
    """Who gives an agent a task has its tools used: where it says who may, nobody else does."""
    may = config.run_by
    if may is None or caller.kind == "cli" or {caller.name, *caller.roles} & set(may):
        return
    raise InputError(f"{caller.name} may not give {agent} tasks", reason="forbidden", next=f"see agents.{agent}.run_by")
