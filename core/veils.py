"""
Where a workflow carries what must not be seen: which fields of its input, of its tasks' outputs and of its output hold fields
that its tools declare personal or secret.

Decided from the templates alone, once a definition: what a template names it carries. A plain path is followed to the field;
of any other expression all that it makes is taken to hold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .expressions import Path, Template, template
from .masking import ALL
from .plan import Plan, Step

Hidden = Callable[[str], Collection[str]]
Below = Callable[[str], Plan | None]
_PLAIN = re.compile(r"\$\{\{\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\])*)\s*\}\}")
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Veils:
    """Dotted paths, as `masking.masked` takes them; of tasks, by name."""

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of what a task is given: its `with`."""
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each item of a for_each."""
    saved: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Of the documents that a task saves, by their place in the context."""
    named: tuple[str, ...] = ()
    """Of all that expressions see, by the names that they have there."""


NONE = Veils()
_MOST_MADE = 1000
_MOST_DEEP = 20
_made: dict[Any, Veils] = {}
_Sides = tuple[tuple[str, ...], tuple[str, ...]]
"""What is hidden of what a task is given, and of what it gives."""


def veils_of(
    plan: Plan,
    hidden: Hidden,
    below: Below = lambda workflow: None,
    depth: int = 0,
    *,
    more: frozenset[Path] = frozenset(),
) -> Veils:
    """
    Follow the fields that the tools of a plan hide to wherever its runs keep or show them.

    `below` finds the plan of a workflow that a task runs; `more` is what a run was seen to hold beside what its tools declare.
    """
    of_tasks: dict[str, _Sides] = {}
    for name, step in plan.steps.items():
        if step.task.tool is not None:
            if paths := tuple(hidden(step.task.tool)):
                of_tasks[name] = paths, paths
        elif step.task.workflow is not None and depth < _MOST_DEEP and (other := below(step.task.workflow)) is not None:
            inner = veils_of(other, hidden, below, depth + 1)
            if inner is not NONE:
                of_tasks[name] = inner.input, inner.output
    if not of_tasks and not more:
        return NONE
    asked = (plan.hash, tuple(of_tasks.items()), more)
    if (made := _made.get(asked)) is None:
        if len(_made) >= _MOST_MADE:
            _made.clear()
        made = _made[asked] = _veils(plan, of_tasks, more)
    return made


def opened(
    plan: Plan, hidden: Callable[..., Collection[str]], below: Below, task: str, sees: Collection[str]
) -> set[str]:
    """Name the fields of what a task is given that are hidden, and open to an agent with this sight."""
    every = veils_of(plan, hidden, below).given.get(task, ())
    return {*every}.difference(veils_of(plan, partial(hidden, sees=sees), below).given.get(task, ())) if sees else set()


def takes(template: Template, place: str, hidden: Iterable[str]) -> bool:
    """Tell whether a template takes something of the hidden fields of what it sees by this name."""
    return any(meet(path, (place, *split(one))) for one in hidden for path in template.paths)


def _veils(plan: Plan, of_tasks: Mapping[str, _Sides], seen: frozenset[Path]) -> Veils:
    taints: set[Path] = set(seen)
    while (more := taints | set(_more(plan, of_tasks, taints))) != taints:
        taints = more
    steps = {name: step for name, step in plan.steps.items() if step.undoes is None}
    return Veils(
        _under(taints, ("input",)),
        tuple(carried(plan.workflow.output.raw, taints)) if plan.workflow.output is not None else (),
        {name: _under(taints, ("tasks", name, "output")) for name in steps},
        {name: _given(plan, step, of_tasks, taints) for name, step in plan.steps.items()},
        {
            name: _under(_items(step, taints), (each.as_,))
            for name, step in steps.items()
            if (each := step.task.for_each)
        },
        {
            name: {
                place: tuple(carried(value.raw, taints | _items(step, taints) | _result(of_tasks, name)))
                for place, value in step.task.save.items()
            }
            for name, step in steps.items()
            if step.task.save
        },
        tuple(sorted(".".join(taint) for taint in taints)),
    )


def _given(plan: Plan, step: Step, of_tasks: Mapping[str, _Sides], taints: set[Path]) -> tuple[str, ...]:
    """Name what is hidden of what a task is given; a compensation sees what was sent and what came back, too."""
    here = taints | _items(step, taints)
    if step.undoes is not None:
        sent = {*of_tasks.get(step.undoes, ((), ()))[0], *_given(plan, plan.steps[step.undoes], of_tasks, taints)}
        here |= {("arguments", *split(path)) for path in sent} | _result(of_tasks, step.undoes)
    return tuple(dict.fromkeys(carried(step.arguments.raw, here)))


def _result(of_tasks: Mapping[str, _Sides], name: str) -> set[Path]:
    """Name what is hidden of a task's result, before its `output` is made of it."""
    return {("result", *split(path)) for path in of_tasks.get(name, ((), ()))[1]}


def _more(plan: Plan, of_tasks: Mapping[str, _Sides], taints: set[Path]) -> Iterator[Path]:
    for name, step in plan.steps.items():
        (given, own), here = of_tasks.get(name, ((), ())), taints | _items(step, taints)
        if step.undoes is None:
            output = ("tasks", name, "output")
            if step.task.output is None or step.task.agent is not None:
                yield from ((*output, *split(path)) for path in own)
            else:
                result = _result(of_tasks, name)
                yield from ((*output, *split(path)) for path in carried(step.task.output.raw, here | result))
        for path in given:
            for source in _sources(step.arguments.raw, split(path)):
                yield from _given_by(source, step)


def _given_by(source: Path, step: Step) -> Iterator[Path]:
    """Give what a field of the arguments was taken from: of the input, of an output, or of what the items are of."""
    each = step.task.for_each
    if each is not None and source[0] == each.as_:
        if (whole := _plain(each.in_.raw)) is not None:
            yield (*whole, *source[1:])
    elif source[0] == "input" or (source[0] == "tasks" and len(source) > 3 and source[2] == "output"):
        yield source


def _items(step: Step, taints: set[Path]) -> set[Path]:
    """Name what is hidden in the item of a for_each, by the name that the task gives it."""
    each = step.task.for_each
    return set() if each is None else {(each.as_, *split(path)) for path in carried(each.in_.raw, taints)}


def _sources(raw: Any, wanted: list[str]) -> Iterator[Path]:
    """Name the paths that make a field of a template's value."""
    if isinstance(raw, Mapping):
        for name in wanted[:1] if wanted else raw:
            if name in raw:
                yield from _sources(raw[name], wanted[1:])
    elif isinstance(raw, list):
        for one in raw:
            yield from _sources(one, wanted)
    elif isinstance(raw, str):
        plain = _plain(raw)
        yield from (
            ((*plain, *wanted),) if plain is not None else (one for one in template(raw).paths if one[0] == "input")
        )


def carried(raw: Any, taints: set[Path]) -> Iterator[str]:
    """Name the fields of a template's value that hold something of these paths."""
    if isinstance(raw, Mapping):
        for name, inner in raw.items():
            for path in carried(inner, taints):
                yield name if path == ALL else f"{name}.{path}"
    elif isinstance(raw, list):
        for inner in raw:
            yield from carried(inner, taints)
    elif isinstance(raw, str) and "${{" in raw:
        yield from _of_text(raw, taints)


def _of_text(raw: str, taints: set[Path]) -> Iterator[str]:
    plain = _plain(raw)
    if plain is None:
        if any(meet(path, taint) for path in template(raw).paths for taint in taints):
            yield ALL
        return
    for taint in taints:
        if plain[: len(taint)] == taint:
            yield ALL
        elif taint[: len(plain)] == plain:
            yield ".".join(taint[len(plain) :])


def _plain(raw: Any) -> Path | None:
    """Give the path that a template is, where it is nothing else; None for others. Lists are passed through, so no index."""
    found = _PLAIN.fullmatch(raw.strip()) if isinstance(raw, str) else None
    return None if found is None else tuple(_INDEX.sub("", found[1]).split("."))


def meet(one: Path, other: Path) -> bool:
    least = min(len(one), len(other))
    return one[:least] == other[:least]


def _under(taints: set[Path], place: Path) -> tuple[str, ...]:
    at = len(place)
    return tuple(sorted(".".join(taint[at:]) or ALL for taint in taints if taint[:at] == place))


def split(path: str) -> list[str]:
    """Give the steps of a dotted path; none for a value itself."""
    return [] if path == ALL else path.split(".")
