"""Names that must exist: adapters, feeds, tables, tools, tasks, syncs; and names that must not collide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from ..core.adapter import Adapter, AdapterConfig, find
from ..core.errors import ConfigError
from ..core.queues import queue_of
from ..core.schema import Checker
from ..core.syncs.config import SyncConfig
from ..core.tenants import systems_of
from ..core.workflow import Task, Workflow, check_workflow
from .models import Config
from .positions import Document, Path
from .problems import Problem, meant
from .subflows import check_input, endless

Catalogue = Mapping[str, set[str] | None]
"""The tools of each adapter as callers see them, without its name; None where only the system knows."""
_PLACES = {
    "feed": "feeds",
    "table": "tables",
    "statement": "statements (effect: read)",
    "consume": "consume",
    "publish": "publish",
}


def catalogue(config: Config) -> dict[str, set[str] | None]:
    """Name the tools that the configuration gives without a wire."""
    return {name: _seen(adapter, find(adapter.kind).tool_names(adapter)) for name, adapter in config.adapters.items()}


def _seen(adapter: AdapterConfig, own: set[str] | None) -> set[str] | None:
    if own is None:
        return None
    renamed = {name: rules.as_ for name, rules in adapter.tools.items() if rules.as_}
    return {renamed.get(name, name) for name in own}


@dataclass(frozen=True, slots=True)
class Broken:
    """Values that were taken out because of mistakes of their own: who refers to them is not to blame."""

    places: frozenset[Path] = frozenset()

    def names(self, key: str) -> set[str]:
        """Name what is defined below a key, and not as it was written."""
        return {str(place[1]) for place in self.places if len(place) > 1 and place[0] == key}

    def blames(self, workflow: str, message: str) -> bool:
        """Tell whether a mistake in a workflow's graph follows from what was taken out of it."""
        inside = [place for place in self.places if place[:2] == ("workflows", workflow) and len(place) > 3]
        return any(place[4:5] in {("needs",), ("for_each",)} for place in inside) or any(
            repr(place[3]) in message or f"tasks.{place[3]} " in message for place in inside if len(place) == 4
        )


@dataclass(frozen=True, slots=True)
class Misfit:
    """A name that leads nowhere, by its path; `of_key` when the key itself is wrong, not its value."""

    path: Path
    message: str
    suggestion: str = ""
    of_key: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """What was made over REST, by its id: it can be named too, though not in a file."""

    workflow: Callable[[str], Workflow | None] = lambda name: None
    agent: Callable[[str], object] = lambda name: None


def check_references(
    config: Config, document: Document, tools: Catalogue, broken: Broken | None = None, base: FilePath | None = None
) -> list[Problem]:
    """Find every name that leads nowhere."""
    found = []
    for misfit in _References(config, tools, broken or Broken()).misfits(base or config.base):
        spot = document.key(misfit.path) if misfit.of_key else document.value(misfit.path)
        found.append(Problem(spot, misfit.message, misfit.suggestion, "references"))
    return found


def check_one_workflow(
    config: Config, name: str, workflow: Workflow, registered: Registered = Registered()
) -> list[tuple[Path, str]]:
    """Look at a workflow that is not in a file, against all that is known: path and sentence of each mistake."""
    misfits = _References(config, catalogue(config), Broken(), registered).workflow(name, workflow)
    return [(one.path[2:], f"{one.message}{f'; {one.suggestion}' if one.suggestion else ''}") for one in misfits]


class _Table(BaseModel):
    """A table of an adapter, where both are named in different places."""

    adapter: str
    table: str


class _References:
    def __init__(self, config: Config, tools: Catalogue, broken: Broken, registered: Registered = Registered()) -> None:
        self.config = config
        self.tools = tools
        self.broken = broken
        self.adapters = {*config.adapters, *broken.names("adapters")}
        self.systems = {
            system: own for name, one in config.adapters.items() for system, own in systems_of(name, one).items()
        }
        self.syncs = {*config.syncs, *broken.names("syncs")}
        self.registered = registered

    def misfits(self, base: FilePath) -> Iterator[Misfit]:
        for name, adapter in self.config.adapters.items():
            yield from self._adapter(name, adapter)
            if name not in self.broken.names("adapters"):
                for path, said in find(adapter.kind).mistakes(adapter, base):
                    yield Misfit(("adapters", name, *path), said)
        yield from self._collisions()
        for name, workflow in self.config.workflows.items():
            yield from self.workflow(name, workflow)
        for name, sync in self.config.syncs.items():
            yield from self._place(sync.from_, ("syncs", name, "from"))
            yield from self._place(sync.to, ("syncs", name, "to"))
            yield from self._from_elsewhere(name, sync)
            yield from self._one_queue(name, sync.from_.adapter, sync.to.adapter)
            for at, trigger in enumerate(sync.triggers):
                yield from self._place(trigger, ("syncs", name, "triggers", at))
        yield from self._publication()
        for name, agent in self.config.agents.items():
            for at, glob in enumerate(agent.tools):
                if not set("*?[") & set(glob):
                    yield from self._tool(glob, ("agents", name, "tools", at))

    def _from_elsewhere(self, name: str, sync: SyncConfig) -> Iterator[Misfit]:
        """Check what a sync names beside its two ends: operations, tables that are looked into, tools, several tables."""
        if sync.to.operation is not None:
            yield from self._tool(f"{sync.to.adapter}.{sync.to.operation}", ("syncs", name, "to", "operation"))
        for at, write in enumerate(sync.to.writes or ()):
            place = _Table(adapter=sync.to.adapter, table=write.table)
            yield from self._place(place, ("syncs", name, "to", "writes", at))
        if sync.from_.operation is not None:
            yield from self._tool(f"{sync.from_.adapter}.{sync.from_.operation}", ("syncs", name, "from", "operation"))
        for lookup, one in sync.lookups.items():
            yield from self._place(one, ("syncs", name, "lookups", lookup))
        for call, asked in sync.calls.items():
            yield from self._tool(asked.tool, ("syncs", name, "calls", call, "tool"))

    def _one_queue(self, sync: str, *ends: str) -> Iterator[Misfit]:
        configs = [self.systems[end] for end in ends if end in self.systems]
        queues = {queue for one in configs if (queue := queue_of(one.queue)) is not None}
        if len(queues) > 1:
            first, second = ends
            said = (
                f"{first} is pinned to the queue {self.systems[first].queue!r} and {second} to"
                f" {self.systems[second].queue!r}: no process need reach both"
            )
            hint = "pin both to one queue, or let two syncs meet at a system that both sides reach"
            yield Misfit(("syncs", sync, "to", "adapter"), said, hint)

    def _publication(self) -> Iterator[Misfit]:
        publish = self.config.events.publish
        if publish is None or publish.adapter is None:
            return
        path: Path = ("events", "publish", "adapter")
        if publish.adapter not in self.adapters:
            hint = meant(publish.adapter, self.adapters, what="adapters")
            yield Misfit(path, f"there is no adapter {publish.adapter!r}", hint)
        elif publish.adapter not in self.broken.names("adapters"):
            kind = self.config.adapters[publish.adapter].kind
            if find(kind).announce is Adapter.announce:
                yield Misfit(
                    path, f"{publish.adapter} is of kind {kind}, which publishes no events", "name one of kind amqp"
                )

    def _adapter(self, name: str, adapter: AdapterConfig) -> Iterator[Misfit]:
        own = find(adapter.kind).tool_names(adapter)
        for tool, rules in adapter.tools.items():
            path: Path = ("adapters", name, "tools", tool)
            if own is not None and tool not in own and name not in self.broken.names("adapters"):
                yield Misfit(path, f"{name} has no tool {tool!r}", meant(tool, own, what="its tools"), of_key=True)
            if rules.probe is not None:
                yield from self._tool(rules.probe.tool, (*path, "probe", "tool"))

    def _collisions(self) -> Iterator[Misfit]:
        first: dict[str, str] = {}
        for adapter, tools in self.tools.items():
            for tool in sorted(tools or ()):
                full = f"{adapter}.{tool}"
                flat = full.replace(".", "_")
                if flat in first:
                    said = f"the tools {first[flat]} and {full} are both called {flat} over MCP"
                    yield Misfit(
                        ("adapters", adapter), said, "rename one by `tools: { NAME: { as: ... } }`", of_key=True
                    )
                first.setdefault(flat, full)

    def _tool(self, full: str, path: Path) -> Iterator[Misfit]:
        adapter, dot, tool = full.partition(".")
        if adapter not in self.adapters:
            every = {f"{one}.{name}" for one, names in self.tools.items() for name in names or ()}
            known = every if dot else self.adapters
            hint = meant(full, known)
            if not hint.startswith("did you mean"):
                hint = meant(adapter, self.adapters, what="adapters")
            yield Misfit(path, f"there is no tool {full!r}: no adapter {adapter!r}", hint)
            return
        known_tools = self.tools.get(adapter)
        if not dot:
            names = {f"{adapter}.{name}" for name in known_tools or ()}
            yield Misfit(path, f"{full!r} names an adapter, not a tool", meant(full, names, what="its tools"))
        elif known_tools is not None and tool not in known_tools:
            hint = meant(full, {f"{adapter}.{name}" for name in known_tools}, what="its tools")
            yield Misfit(path, f"there is no tool {full!r}", hint)

    def _place(self, spec: BaseModel, path: Path) -> Iterator[Misfit]:
        """Check `adapter` and what of it is named: a feed, a table, a statement, a consume, a publish."""
        name = getattr(spec, "adapter", None)
        if name is None:
            return
        if name in self.broken.names("adapters"):
            return
        if name in self.config.adapters and name not in self.systems:
            known = ", ".join(systems_of(name, self.config.adapters[name]))
            yield Misfit((*path, "adapter"), f"{name} is another system for each tenant", f"name one of {known}")
            return
        if name not in self.systems:
            hint = meant(name, {*self.adapters, *self.systems}, what="adapters")
            yield Misfit((*path, "adapter"), f"there is no adapter {name!r}", hint)
            return
        adapter = self.systems[name]
        endpoints = find(adapter.kind).endpoints(adapter)
        for place, key in _PLACES.items():
            said = getattr(spec, place, None)
            if said is None:
                continue
            if place not in endpoints:
                yield Misfit((*path, place), f"{name} is of kind {adapter.kind} and has no {place}s", of_key=True)
            elif said not in endpoints[place]:
                hint = meant(said, endpoints[place], what="known")
                hint += f"; only what stands under adapters.{name.partition('@')[0]}.{key} is used"
                yield Misfit((*path, place), f"{name} has no {place} {said!r}", hint)

    def workflow(self, name: str, workflow: Workflow) -> Iterator[Misfit]:
        path: Path = ("workflows", name)
        for inner, message in check_workflow(name, workflow):
            if self.broken.blames(name, message):
                continue
            text, _, hint = message.partition("; ")
            yield Misfit((*path, *inner), text, hint)
        if workflow.input is not None:
            try:
                Checker.of(workflow.input, "input")
            except ConfigError as error:
                yield Misfit((*path, "input"), error.message)
        for at, trigger in enumerate(workflow.triggers):
            yield from self._place(trigger, (*path, "triggers", at))
        for task_name, way in endless(name, workflow, lambda one: workflow if one == name else self._workflow(one)):
            said = f"{name} runs itself without end: {way}"
            yield Misfit((*path, "tasks", task_name, "workflow"), said, "give one of these tasks an `if`")
        for part, tasks in (("tasks", workflow.tasks), ("on_failure", workflow.on_failure)):
            for task_name, task in tasks.items():
                called = workflow if task.workflow == name else self._workflow(task.workflow or "")
                yield from self._task(task, (*path, part, task_name), called)

    def _workflow(self, name: str) -> Workflow | None:
        return self.config.workflows.get(name) or self.registered.workflow(name)

    def _task(self, task: Task, path: Path, called: Workflow | None) -> Iterator[Misfit]:
        if task.workflow is not None and called is not None:
            for inner, said in check_input(task, called):
                yield Misfit((*path, *inner), said, "see its input")
        elif task.workflow is not None and task.workflow not in self.broken.names("workflows"):
            hint = meant(task.workflow, self.config.workflows, what="workflows")
            yield Misfit((*path, "workflow"), f"there is no workflow {task.workflow!r}", hint)
        agents = {"local", *self.config.agents, *self.broken.names("agents")}
        if task.agent is not None and task.agent not in agents and self.registered.agent(task.agent) is None:
            yield Misfit(
                (*path, "agent"), f"there is no agent {task.agent!r}", meant(task.agent, agents, what="agents")
            )
        if task.tool is not None:
            yield from self._tool(task.tool, (*path, "tool"))
        if task.compensate is not None:
            yield from self._tool(task.compensate.tool, (*path, "compensate", "tool"))
        if task.sync is not None and task.sync not in self.syncs:
            hint = meant(task.sync, self.syncs, what="syncs")
            yield Misfit((*path, "sync"), f"there is no sync {task.sync!r}", hint)


def spots_of(document: Document) -> dict[tuple[Any, ...], Any]:
    """Keep the places of what later errors may name: everything down to an adapter's tools and a workflow's tasks."""
    return {path: spots[0] for path, spots in document.spots.items() if len(path) <= 4}
