"""
What follows from what happened: two pure functions, without I/O, clock or randomness.

`fold(state, fact)` takes one fact into the state of a run. `decide(graph, state)` says what is to be done next. A decision is
either a question, whose answer is a fact (`Ask`), or itself a fact that the engine makes true by storing it (`Move`, `End`).
So a run goes on like this, one fact at a time:

    state = fold(state, fact)
    while decisions := decide(graph, state):
        for decision in decisions:
            state = fold(state, answer(decision) if it is an Ask else decision)

A task goes pending -> ready -> running -> succeeded or failed; on its way it may be `delayed` (until its next attempt),
`waiting` (for a person or a timer), `held` (ready, but the run is paused) or `parked` (a write whose outcome nobody knows).
A `for_each` is `open` while its items go the same way: the state keeps a cursor and the items that are live, never those that
are done, so a fact costs the same whether it is the first or the ten thousandth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

TaskStates = Literal[
    "pending",
    "ready",
    "delayed",
    "running",
    "waiting",
    "held",
    "parked",
    "open",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
]
Ended = Literal["succeeded", "failed", "cancelled"]
FINAL = frozenset({"succeeded", "failed", "skipped", "cancelled"})
_BROKEN = FINAL - {"succeeded"}
_NOT_BEGUN = frozenset({"ready", "delayed", "waiting", "held"})
WHOLE = -1
"""The item number of a task itself."""


@dataclass(frozen=True, slots=True)
class Node:
    """A task as the interpreter sees it. `concurrency` is set for a for_each."""

    name: str
    needs: tuple[str, ...] = ()
    always: bool = False
    condition: bool = False
    concurrency: int | None = None
    stop: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    tasks: Mapping[str, Node]
    on_failure: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task. `holds` says that its condition was true; the rest is a for_each's cursor, `live` its items by number."""

    state: TaskStates = "pending"
    holds: bool = False
    total: int = 0
    cursor: int = 0
    failed: int = 0
    live: Mapping[int, TaskStates] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """One run. A pending task is not in `tasks`."""

    tasks: Mapping[str, TaskState] = field(default_factory=dict)
    wanted: Literal["cancel", "pause"] | None = None
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A task, or an item of it, is now in this state."""

    task: str
    item: int
    state: TaskStates


@dataclass(frozen=True, slots=True)
class Holds:
    """A task's condition was evaluated."""

    task: str
    yes: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """A for_each's list was evaluated."""

    task: str
    total: int


@dataclass(frozen=True, slots=True)
class Want:
    """An operator wants the run cancelled, paused, or (None) to go on."""

    what: Literal["cancel", "pause"] | None


@dataclass(frozen=True, slots=True)
class Retry:
    """An operator wants these tasks done again, and the run to go on."""

    tasks: frozenset[str]


@dataclass(frozen=True, slots=True)
class End:
    """The run is over."""

    state: Ended


@dataclass(frozen=True, slots=True)
class Ask:
    """Does the condition of this task hold (`if`), or how long is its list (`for_each`)?"""

    task: str
    what: Literal["if", "for_each"]


Fact = Move | Holds | Counts | Want | Retry | End
Decision = Move | Ask | End
_PENDING = TaskState()


def fold(state: State, fact: Fact) -> State:
    """Take one fact into the state."""
    match fact:
        case Move(task, item, to):
            before = state.tasks.get(task, _PENDING)
            after = replace(before, state=to) if item == WHOLE else _moved_item(before, item, to)
            return replace(state, tasks={**state.tasks, task: after})
        case Holds(task, yes):
            return replace(state, tasks={**state.tasks, task: TaskState("pending" if yes else "skipped", holds=yes)})
        case Counts(task, total):
            return replace(state, tasks={**state.tasks, task: TaskState("open", total=total)})
        case Want(what):
            return replace(state, wanted=what)
        case Retry(again):
            kept = {name: task for name, task in state.tasks.items() if name not in again}
            return State(tasks=kept)
        case End(ended):
            return replace(state, ended=ended)


def _moved_item(task: TaskState, item: int, to: TaskStates) -> TaskState:
    live = {number: state for number, state in task.live.items() if number != item}
    if to not in FINAL:
        live[item] = to
    return replace(
        task, live=live, cursor=max(task.cursor, item + 1), failed=task.failed + (to == "failed" and item != WHOLE)
    )


def decide(graph: Graph, state: State) -> list[Decision]:
    """Say what is to be done now; nothing when the run only waits, or is over."""
    if state.ended:
        return []
    if state.wanted == "cancel":
        return list(_cancel(state)) or _end_of_cancelled(state)
    if state.wanted == "pause":
        return list(_moves(state, frozenset({"ready"}), "held"))
    found: list[Decision] = list(_moves(state, frozenset({"held"}), "ready"))
    for node in graph.tasks.values():
        found += _next(node, state)
    if found or not _all_final(graph.tasks, state):
        return found
    if not any(state.tasks[name].state == "failed" for name in graph.tasks):
        return [End("succeeded")]
    for node in graph.on_failure.values():
        found += _next(node, state)
    return found if found or not _all_final(graph.on_failure, state) else [End("failed")]


def _next(node: Node, state: State) -> Iterator[Decision]:
    task = state.tasks.get(node.name, _PENDING)
    if task.state == "pending":
        yield from _begin(node, task, state)
    elif task.state == "open":
        yield from _go_on(node, task)


def _begin(node: Node, task: TaskState, state: State) -> Iterator[Decision]:
    needs = [state.tasks.get(need, _PENDING).state for need in node.needs]
    if not node.always and any(need in _BROKEN for need in needs):
        yield Move(node.name, WHOLE, "skipped")
    elif all(need in FINAL for need in needs):
        if node.condition and not task.holds:
            yield Ask(node.name, "if")
        elif node.concurrency is not None:
            yield Ask(node.name, "for_each")
        else:
            yield Move(node.name, WHOLE, "ready")


def _go_on(node: Node, task: TaskState) -> Iterator[Decision]:
    """Start as many items as may be live, or close the task when none is left."""
    stopped = node.stop and task.failed > 0
    if not stopped:
        room = (node.concurrency or 1) - len(task.live)
        for item in range(task.cursor, min(task.cursor + room, task.total)):
            yield Move(node.name, item, "ready")
    if not task.live and (stopped or task.cursor >= task.total):
        yield Move(node.name, WHOLE, "failed" if stopped else "succeeded")


def _cancel(state: State) -> Iterator[Decision]:
    """Withdraw what has not begun. What runs is left to end, and what is parked to be settled."""
    yield from _moves(state, _NOT_BEGUN, "cancelled")
    for name, task in state.tasks.items():
        if task.state == "open" and not task.live:
            yield Move(name, WHOLE, "cancelled")


def _end_of_cancelled(state: State) -> list[Decision]:
    busy = any(task.state not in FINAL and task.state != "pending" for task in state.tasks.values())
    return [] if busy else [End("cancelled")]


def _moves(state: State, found: frozenset[str], to: TaskStates) -> Iterator[Move]:
    for name, task in state.tasks.items():
        if task.state in found:
            yield Move(name, WHOLE, to)
        for item, item_state in task.live.items():
            if item_state in found:
                yield Move(name, item, to)


def _all_final(nodes: Mapping[str, Node], state: State) -> bool:
    return all(state.tasks.get(name, _PENDING).state in FINAL for name in nodes)


def shown(state: State) -> str:
    """Give the word for a run in this state that people read."""
    if state.ended:
        return state.ended
    if state.wanted == "pause":
        return "paused"
    states: set[str] = set()
    for task in state.tasks.values():
        states.update(task.live.values() if task.state == "open" else (task.state,))
    if states & {"running", "ready"}:
        return "running"
    if "parked" in states:
        return "parked"
    return "waiting" if states & {"delayed", "waiting", "held"} else "running"
