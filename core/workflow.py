"""A workflow: a named graph of tasks. Data, no code; the spelling is the contract's (section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice, pairwise
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Discriminator, Field, StringConstraints, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from .errors import ConfigError
from .expressions import Path, Sees, Template
from .places import KEY, SCOPE
from .schema import Checker
from .strict import Strict

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Problem: TypeAlias = tuple[tuple[str | int, ...], str]
"""Where in the workflow, and what is wrong there."""

KINDS = ("tool", "approval", "wait_s", "sync", "workflow", "agent")
_WITH = frozenset({"tool", "workflow", "agent"})
_EACH = frozenset({"tool", "sync", "workflow", "agent"})
_SEEN = ("input", "tasks", "run", "context")
_SAMPLED_TICKS = 1000


class ForEach(Strict):
    """Once for each item of a list."""

    in_: Template = Field(alias="in", description="The list.")
    as_: Name = Field("item", alias="as", description="The item's name in expressions; its number is `index`.")
    concurrency: int = Field(1, ge=1, le=1000, description="Items at work at the same time.")
    on_item_failure: Literal["stop", "continue"] = Field(
        "stop", description="stop: no further item starts and the task fails; continue: a failed item's output is null."
    )


class Retry(Strict):
    """How often a task is tried when nothing happened over there."""

    attempts: int = Field(3, ge=1, le=1000, description="Attempts in all, the first one too.")
    on: list[Literal["retry", "reconcile"]] = Field(
        ["retry", "reconcile"],
        min_length=1,
        description="After which errors: retry: nothing happened over there; reconcile: nobody knows whether it did (of a"
        " write no attempt ever follows that).",
    )
    within_s: float | None = Field(
        None, gt=0, le=31_622_400, description="No attempt starts later than this after the first."
    )


class Approval(Strict):
    """A person says yes or no."""

    by: list[str] = Field(default_factory=list, description="Roles or names; empty: anybody with the scope `approve`.")
    within_h: float = Field(24, gt=0, le=87_600, description="After that many hours it expires into a rejection.")
    on_expiry: Literal["fail", "skip"] = Field(
        "fail",
        description="What follows when nobody answered in time: the task fails, or is skipped with who needs it.",
    )


class Compensate(Strict):
    """What undoes a task that is done, when its run fails or is cancelled."""

    tool: str = Field(description="Full name of a tool: adapter.tool.")
    with_: dict[str, Template] = Field(
        default_factory=dict,
        alias="with",
        description="Its arguments; beside what the task sees: `arguments`, what the task sent, and `result`, what came back.",
    )
    retry: Retry = Field(Retry.model_construct(attempts=3, within_s=None))
    timeout_s: float | None = Field(None, gt=0, le=86400, description="Limit of one attempt, in seconds.")


class Task(Strict):
    """One step: exactly one of tool, approval, wait_s, sync, workflow and agent."""

    tool: str | None = Field(None, description="Full name of a tool: adapter.tool.")
    approval: Approval | None = Field(None, description="Wait for a person.")
    wait_s: float | None = Field(None, ge=0, le=366 * 86400, description="Wait that many seconds.")
    sync: str | None = Field(None, description="Run a sync by its name.")
    workflow: str | None = Field(
        None, description="Run a workflow by its name, as a run of its own; `with` is its input."
    )
    agent: str | None = Field(None, description="Hand the task to an agent by its name; `with` is what it is told.")
    description: str | None = None
    needs: list[Name] = Field(default_factory=list, description="Tasks that end first.")
    if_: Template | None = Field(None, alias="if", description="The task is skipped when this is false.")
    when: Literal["always"] | None = Field(None, description="always: runs even after a skipped or failed need.")
    with_: dict[str, Template] = Field(
        default_factory=dict, alias="with", description="The arguments: of the tool, the workflow or the agent."
    )
    for_each: ForEach | None = None
    retry: Retry = Field(Retry.model_construct(attempts=3, within_s=None))
    timeout_s: float | None = Field(None, gt=0, le=86400, description="Limit of one attempt, in seconds.")
    compensate: Compensate | None = Field(
        None,
        description="What undoes it, when the run fails or is cancelled (for_each: for each item done, last first).",
    )
    within_h: float | None = Field(None, gt=0, le=87_600, description="The agent's time; after it the task fails.")
    output: Template | None = Field(
        None,
        description="The task's output, made of `result` (for_each: of each item). Of an agent: the JSON Schema of its answer.",
    )
    save: dict[str, Template] = Field(
        default_factory=dict,
        description="Documents of the context to write when it is done, as SCOPE.KEY, made of `result`.",
    )

    @cached_property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Task:
        said = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(said) != 1:
            found = "none" if not said else " and ".join(said)
            raise PydanticCustomError(
                "kind", "a task is exactly one of {kinds}; found {found}", {"kinds": ", ".join(KINDS), "found": found}
            )
        kind = said[0]
        if self.with_ and kind not in _WITH:
            raise _only("with", "a tool, a workflow and an agent have arguments", kind)
        if self.for_each and kind not in _EACH:
            raise _only("for_each", "for_each is for tools, syncs, workflows and agents", kind)
        if self.compensate and kind not in _EACH:
            raise _only("compensate", "compensate is for tools, syncs, workflows and agents", kind)
        if self.within_h is not None and kind != "agent":
            raise _only("within_h", "only an agent has a time of its own (approval: { within_h } has one, too)", kind)
        if kind in {"workflow", "agent"} and "retry" in self.model_fields_set:
            raise _only("retry", "tools and syncs are tried again (the tasks of a workflow say that themselves)", kind)
        if kind in {"workflow", "agent"} and self.timeout_s is not None:
            raise _only("timeout_s", "tools and syncs have attempts to limit (an agent has within_h)", kind)
        if self.output is not None and kind in {"approval", "wait_s"}:
            raise _only("output", "a tool, a workflow, a sync and an agent have an output", kind)
        if self.output is not None and kind == "agent":
            _check_answer(self.output)
        if self.save and kind == "wait_s":
            raise _only("save", "a wait has no result to save", kind)
        for name in self.save:
            _check_place(name)
        return self


def _only(field: str, said: str, kind: str) -> PydanticCustomError:
    return PydanticCustomError(field, "{said}: '{field}' beside {kind}", {"said": said, "field": field, "kind": kind})


def _check_answer(output: Template) -> None:
    schema = None if output.paths else output.fill({})
    try:
        if not isinstance(schema, dict):
            raise ConfigError("beside agent, output is the JSON Schema of the answer: an object")
        Checker.of(schema, "output")
    except ConfigError as error:
        raise PydanticCustomError("output", "{said}", {"said": error.message}) from error


def _check_place(name: str) -> None:
    scope, _, key = name.partition(".")
    if not (SCOPE.match(scope) and KEY.match(key)):
        raise PydanticCustomError("save", "'{name}' is no place in the context: write SCOPE.KEY", {"name": name})


class AdapterTrigger(Strict):
    """A message or a file starts a run."""

    adapter: str
    feed: str | None = None
    consume: str | None = None
    input: Annotated[Template, Sees("message", "file", "run")] | None = Field(
        None, description="The run's input, made of `message` or `file`."
    )

    @model_validator(mode="after")
    def _one_source(self) -> AdapterTrigger:
        if (self.feed is None) == (self.consume is None):
            raise PydanticCustomError("trigger", "a trigger names a feed or a consume of its adapter, one of the two")
        return self


class CronTrigger(Strict):
    """The clock starts a run."""

    cron: str = Field(description="Minute, hour, day, month, weekday; a sixth field in front is seconds.")
    timezone: str = Field("UTC", description="Name of an IANA time zone.")
    missed: Literal["skip", "last", "all"] = Field("skip", description="What to do about ticks while we were away.")
    jitter_s: float = Field(
        0, ge=0, le=86_400, description="Start each tick up to so many seconds later, each time the same for a tick."
    )
    input: Annotated[Template, Sees("run")] | None = None

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, given: str) -> str:
        from datetime import UTC, datetime

        try:
            CronSim(given, datetime(2026, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise PydanticCustomError("cron", "not a cron expression: {said}", {"said": str(error)}) from error
        return given

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PydanticCustomError("timezone", "there is no time zone '{zone}'", {"zone": given}) from error
        return given

    @model_validator(mode="after")
    def _jitter_keeps_the_order(self) -> Self:
        """A tick that starts after the next one is due would be taken for one that was missed."""
        if self.jitter_s:
            from datetime import UTC, datetime

            some = list(islice(CronSim(self.cron, datetime(2026, 1, 1, tzinfo=UTC)), _SAMPLED_TICKS))
            gap_s = min(((b - a).total_seconds() for a, b in pairwise(some)), default=86_400.0)
            if self.jitter_s >= gap_s:
                said = "jitter_s is to be shorter than the {gap} s between two ticks"
                raise PydanticCustomError("jitter", said, {"gap": f"{gap_s:g}"})
        return self


def _which(given: Any) -> str:
    return "cron" if isinstance(given, CronTrigger) or (isinstance(given, Mapping) and "cron" in given) else "adapter"


TriggerConfig: TypeAlias = Annotated[
    Annotated[CronTrigger, Tag("cron")] | Annotated[AdapterTrigger, Tag("adapter")], Discriminator(_which)
]


class Workflow(Strict):
    """A named graph of tasks; one without tasks succeeds at once."""

    description: str | None = None
    input: dict[str, Any] | None = Field(None, description="JSON Schema of the input.")
    key: Annotated[Template, Sees("input")] | None = Field(None, description="One run a key at a time; others queue.")
    tenant: Annotated[Template, Sees("input")] | None = Field(
        None, description="Whose systems its tasks call, where each tenant has its own; absent: those of who starts it."
    )
    triggers: list[TriggerConfig] = Field(default_factory=list)
    tasks: dict[Name, Task] = Field(default_factory=dict)
    on_failure: dict[Name, Task] = Field(default_factory=dict, description="Tasks that run when the run has failed.")
    output: Annotated[Template, Sees(*_SEEN)] | None = None


def check_workflow(name: str, workflow: Workflow) -> list[Problem]:
    """Find what models cannot: cycles, needs that do not exist, expressions that see too far."""
    twice = sorted(workflow.tasks.keys() & workflow.on_failure.keys())
    problems: list[Problem] = [(("on_failure", task), f"{task!r} is already the name of a task") for task in twice]
    for part, tasks in (("tasks", workflow.tasks), ("on_failure", workflow.on_failure)):
        problems += _check_needs(part, tasks)
        reach = {task: reached(tasks, task) for task in tasks}
        beyond = set(workflow.tasks) if part == "on_failure" else set()
        for task, said in tasks.items():
            problems += _check_paths(part, task, said, reach[task] | beyond, {*workflow.tasks, *workflow.on_failure})
            if part == "on_failure" and said.compensate is not None:
                problems.append(
                    ((part, task, "compensate"), "on_failure tasks run after all is undone: nothing undoes them")
                )
    if workflow.output is not None:
        problems += _unreached(("output",), workflow.output.paths, set(workflow.tasks), set(workflow.tasks), "")
    return problems


def reached(tasks: Mapping[str, Task], start: str) -> set[str]:
    """Give every task that `needs` leads to, directly or through others."""
    found: set[str] = set()
    ahead = list(tasks[start].needs)
    while ahead:
        name = ahead.pop()
        if name not in found and name in tasks:
            found.add(name)
            ahead += tasks[name].needs
    return found


def templates(task: Task) -> Iterator[tuple[tuple[str | int, ...], Template]]:
    """Give each template of a task with its place in it."""
    if task.if_ is not None:
        yield ("if",), task.if_
    if task.for_each is not None:
        yield ("for_each", "in"), task.for_each.in_
    for field, value in task.with_.items():
        yield ("with", field), value
    if task.output is not None and task.agent is None:
        yield ("output",), task.output
    for field, value in task.save.items():
        yield ("save", field), value
    for field, value in task.compensate.with_.items() if task.compensate else ():
        yield ("compensate", "with", field), value


def tools_of(workflow: Workflow) -> frozenset[str]:
    """Name the tools that its tasks call, and those that undo them."""
    tasks = (*workflow.tasks.values(), *workflow.on_failure.values())
    undoing = (task.compensate.tool for task in tasks if task.compensate is not None)
    return frozenset((*(task.tool for task in tasks if task.tool is not None), *undoing))


def _check_needs(part: str, tasks: Mapping[str, Task]) -> Iterator[Problem]:
    import difflib

    for name, task in tasks.items():
        for at, need in enumerate(task.needs):
            if need not in tasks:
                near = difflib.get_close_matches(need, tasks, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                yield (part, name, "needs", at), f"there is no task {need!r}{hint}"
        if name in reached(tasks, name):
            yield (part, name, "needs"), f"{name!r} needs itself: {' -> '.join(_circle(tasks, name))}"


def _circle(tasks: Mapping[str, Task], start: str) -> list[str]:
    way = [start]
    while way[-1] != start or len(way) == 1:
        way.append(
            next(
                need
                for need in tasks[way[-1]].needs
                if need == start or (need in tasks and start in reached(tasks, need))
            )
        )
    return way


def _check_paths(part: str, name: str, task: Task, reach: set[str], known: set[str]) -> Iterator[Problem]:
    for where, template in templates(task):
        seen = {*_SEEN}
        if task.for_each is not None and where[0] in {"with", "output", "save", "compensate"}:
            seen |= {task.for_each.as_, "index"}
        if where[0] == "compensate":
            seen |= {"arguments", "result"}
        if where[0] in {"output", "save"}:
            seen.add("result")
        for path in sorted(template.paths):
            if path[0] not in seen:
                yield (part, name, *where), f"{path[0]!r} is not seen here; seen are: {', '.join(sorted(seen))}"
        yield from _unreached((part, name, *where), template.paths, reach, known, name)


def _unreached(
    where: tuple[str | int, ...], paths: frozenset[Path], reach: set[str], known: set[str], task: str
) -> Iterator[Problem]:
    for path in sorted(paths):
        if path[0] != "tasks" or len(path) < 2 or path[1] in reach:
            continue
        if path[1] not in known:
            yield where, f"there is no task {path[1]!r}"
        else:
            yield where, f"tasks.{path[1]} may not have ended here: add {path[1]!r} to the needs of {task!r}"
