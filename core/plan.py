"""A workflow made ready to run: its graph, and its templates compiled, once for each definition."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from weakref import ReferenceType, ref

from .expressions import Path, Template, template
from .interpreter import Graph, Node
from .schema import Checker
from .values import dump, load
from .workflow import Task, Workflow


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a plan. `arguments` is its whole `with` as one template."""

    name: str
    task: Task
    arguments: Template
    undoes: str | None = None
    """The task that this one is the compensation of."""

    @property
    def kind(self) -> str:
        return self.task.kind if self.undoes is None else "compensation"


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A definition that runs can follow. `body` is what the journal keeps, `hash` its name there.

    Runs keep to the definition that they began with, whatever the configuration says later.
    """

    hash: str
    body: str
    workflow: Workflow
    graph: Graph
    steps: Mapping[str, Step]
    input: Checker | None
    width: int
    """How many tasks one fact can make ready."""


_made: dict[int, tuple[ReferenceType[Workflow], Plan]] = {}
"""The plans of the models that are alive, by their identity: what is configured is replaced and never changed."""


def plan_of(workflow: Workflow) -> Plan:
    """Make the plan of a workflow as it is configured now."""
    made = _made.get(id(workflow))
    if made is not None and made[0]() is workflow:
        return made[1]
    plan = _plan(dump(workflow.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    known = id(workflow)
    _made[known] = ref(workflow, lambda _: _made.pop(known, None)), plan
    return plan


@lru_cache(maxsize=1000)
def _plan(body: str) -> Plan:
    workflow = Workflow.model_validate(load(body))
    both = {**workflow.tasks, **workflow.on_failure}
    return Plan(
        hash=hashlib.sha256(body.encode()).hexdigest(),
        body=body,
        workflow=workflow,
        graph=Graph(
            {name: _node(name, task) for name, task in workflow.tasks.items()},
            {name: _node(name, task) for name, task in workflow.on_failure.items()},
            {name: compensation_of(name) for name, task in workflow.tasks.items() if task.compensate is not None},
        ),
        steps={step.name: step for name, task in both.items() for step in _steps(name, task)},
        input=Checker.of(workflow.input, "the workflow's input schema") if workflow.input is not None else None,
        width=_width(both),
    )


def compensation_of(task: str) -> str:
    """Name the task that undoes a task; no task of a definition can have such a name."""
    return f"compensate:{task}"


def _steps(name: str, task: Task) -> Iterator[Step]:
    yield Step(name, task, _arguments(task))
    if (undo := task.compensate) is not None:
        does = Task.model_construct(
            tool=undo.tool,
            with_=undo.with_,
            for_each=task.for_each,
            retry=undo.retry,
            timeout_s=undo.timeout_s,
            description=task.description,
        )
        yield Step(compensation_of(name), does, _arguments(does), undoes=name)


def _width(tasks: Mapping[str, Task]) -> int:
    followers = Counter(need for task in tasks.values() for need in task.needs or ("",))
    items = [task.for_each.concurrency for task in tasks.values() if task.for_each]
    return max([1, *followers.values(), *items])


def plan_of_body(body: str) -> Plan:
    """Make the plan of a definition that the journal keeps."""
    return _plan(body)


def _node(name: str, task: Task) -> Node:
    each = task.for_each
    return Node(
        name,
        tuple(task.needs),
        always=task.when == "always",
        condition=task.if_ is not None,
        concurrency=each.concurrency if each else None,
        stop=each is None or each.on_item_failure == "stop",
    )


def _arguments(task: Task) -> Template:
    return template({name: value.raw for name, value in task.with_.items()})


def tasks_named(paths: frozenset[Path], known: Mapping[str, Step]) -> set[str]:
    """Name the tasks that an expression looks at; `tasks[x]` may be any."""
    named = {path[1] for path in paths if path[0] == "tasks" and len(path) > 1}
    if ("tasks",) in paths:
        return {name for name, step in known.items() if step.undoes is None}
    return named & known.keys()
