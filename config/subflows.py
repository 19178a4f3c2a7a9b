"""Tasks that run workflows, as far as the configuration alone can tell: whether they begin, and whether they ever end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..core.errors import DrawbarError, InputError
from ..core.schema import Checker
from ..core.workflow import Task, Workflow, reached

Find = Callable[[str], Workflow | None]
Said = tuple[tuple[str | int, ...], str]
"""Where in the task, and what is wrong there."""


def check_input(task: Task, called: Workflow) -> Iterator[Said]:
    """Check what a task gives a workflow, where it can be known: the literals, the names, what is missing."""
    schema = called.input
    if schema is None:
        return
    properties = schema.get("properties") or {}
    unknown = {name for name, value in task.with_.items() if value.paths}
    literal = {name: value.fill({}) for name, value in task.with_.items() if name not in unknown}
    partly: dict[str, Any] = {**schema, "properties": {n: {} if n in unknown else s for n, s in properties.items()}}
    if isinstance(named := schema.get("required"), list):
        partly["required"] = [name for name in named if name not in unknown]
    if schema.get("additionalProperties") is False:
        partly["properties"] |= {name: {} for name in unknown if name in properties}
        for name in sorted(unknown - properties.keys() if not schema.get("patternProperties") else ()):
            yield ("with", name), f"workflow {task.workflow} takes no {name!r}"
    try:
        Checker.of(partly).arguments(literal, what="with")
    except InputError as error:
        first = (error.field or "").partition(".")[0]
        place = ("with", first) if first in task.with_ else (("with",) if task.with_ else ("workflow",))
        yield place, f"workflow {task.workflow}: {error.message.removeprefix('with: ')}"
    except DrawbarError:
        return  # no schema: that is told where it stands


def endless(name: str, workflow: Workflow, find: Find) -> Iterator[tuple[str, str]]:
    """Find tasks by which a workflow runs itself whatever happens: the task, and the way back."""
    for task_name, task in workflow.tasks.items():
        if task.workflow is None or not _certain(workflow, task_name):
            continue
        way = [task.workflow] if task.workflow == name else _way(task.workflow, name, find)
        if way:
            yield task_name, " -> ".join((name, *way))


def _way(start: str, goal: str, find: Find) -> list[str] | None:
    """Give the names from one workflow to another one that it certainly runs."""
    before: dict[str, str] = {}
    ahead = [start]
    while ahead:
        name = ahead.pop()
        here = find(name)
        for task_name, task in here.tasks.items() if here is not None else ():
            if task.workflow is None or task.workflow in before or not _certain(here, task_name):
                continue
            before[task.workflow] = name
            ahead.append(task.workflow)
    if goal not in before:
        return None
    way = [goal]
    while way[0] != start:
        way.insert(0, before[way[0]])
    return way


def _certain(workflow: Workflow | None, task: str) -> bool:
    """Tell whether a task runs in every run that does not fail: nothing may skip it, and its list cannot be empty."""
    assert workflow is not None
    names = {task} if workflow.tasks[task].when == "always" else {task, *reached(workflow.tasks, task)}
    return not any(
        workflow.tasks[name].if_ is not None or (name == task and workflow.tasks[name].for_each is not None)
        for name in names
    )
