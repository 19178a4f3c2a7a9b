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
`waiting` (for a person or a timer), `held` (ready, but the run is paused), `parked` (a write whose outcome nobody knows) or
`child` (another run does it).
A `for_each` is `open` while its items go the same way: the state keeps a cursor and the items that are live, never those that
are done, so a fact costs the same whether it is the first or the ten thousandth.

Before a run ends as failed or cancelled, what it did and has a compensation is undone, the last first and one at a time. A
compensation is a task of its own, `open` like a for_each when it undoes items. What was done last is again a question: the
journal knows the order, so that the state need not grow with what is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

TaskStates = Literal[
    "pending",
    "ready",
    "delayed",
    "running",
    "waiting",
    "held",
    "parked",
    "child",
    "child_waits",
    "child_parked",
    "open",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
]
Ended = Literal["succeeded", "failed", "cancelled"]
Wanted = Literal["cancel", "pause", "halt"]
"""What an operator wants of a run; `halt` is a pause on the way to being cancelled."""
FINAL = frozenset({"succeeded", "failed", "skipped", "cancelled"})
CHILD: Mapping[str, str] = {"child": "running", "child_waits": "waiting", "child_parked": "parked"}
"""A task that another run does, and the word for how that run stands; no cancel ends it before the other run has ended."""
_BROKEN = FINAL - {"succeeded"}
_NOT_BEGUN = frozenset({"ready", "delayed", "waiting", "held"})
_GOING = frozenset({"running", "ready", "child"})
_READY, _HELD = frozenset({"ready"}), frozenset({"held"})
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
    """What a run may do. `undo` names the compensation of each task that has one."""

    tasks: Mapping[str, Node]
    on_failure: Mapping[str, Node] = field(default_factory=dict)
    undo: Mapping[str, str] = field(default_factory=dict)


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
    """One run. A pending task is not in `tasks`. `undone` says that nothing is left to be undone."""

    tasks: Mapping[str, TaskState] = field(default_factory=dict)
    wanted: Wanted | None = None
    ended: Ended | None = None
    undone: bool = False


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
    """An operator wants this of the run, or (None) that it goes on."""

    what: Wanted | None


@dataclass(frozen=True, slots=True)
class Retry:
    """An operator wants these tasks done again, and the run to go on."""

    tasks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Undone:
    """All that was done and has a compensation is undone, or cannot be."""


@dataclass(frozen=True, slots=True)
class End:
    """The run is over."""

    state: Ended


@dataclass(frozen=True, slots=True)
class Ask:
    """
    Does the condition of this task hold (`if`), or how long is its list (`for_each`)?

    `undo` asks, of no task, what was done last: the answer is that its compensation is ready, or that all is undone.
    """

    task: str
    what: Literal["if", "for_each", "undo"]


Fact = Move | Holds | Counts | Want | Retry | Undone | End
Decision = Move | Ask | End
_PLAIN: Mapping[TaskStates, TaskState] = {state: TaskState(state) for state in get_args(TaskStates)}
"""A task without a condition and items, in each state: such ones are not made anew."""
_PENDING = _PLAIN["pending"]
_UNDO = Ask("", "undo")


def fold(state: State, fact: Fact) -> State:
    """Take one fact into the state."""
    match fact:
        case Move(task, item, to):
            before = state.tasks.get(task, _PENDING)
            after = _moved(before, to) if item == WHOLE else _moved_item(before, item, to)
            return State({**state.tasks, task: after}, state.wanted, state.ended, state.undone)
        case Holds(task, yes):
            return replace(state, tasks={**state.tasks, task: TaskState("pending" if yes else "skipped", holds=yes)})
        case Counts(task, total):
            return replace(state, tasks={**state.tasks, task: TaskState("open", total=total)})
        case Want(what):
            return replace(state, wanted=what)
        case Retry(again):
            kept = {name: task for name, task in state.tasks.items() if name not in again}
            return State(tasks=kept)
        case Undone():
            return replace(state, undone=True)
        case End(ended):
            return replace(state, ended=ended)


def _moved(task: TaskState, to: TaskStates) -> TaskState:
    if task is _PLAIN[task.state]:
        return _PLAIN[to]
    return TaskState(to, task.holds, task.total, task.cursor, task.failed, task.live)


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
    if state.wanted in {"pause", "halt"}:
        return _moves(state.tasks, _READY, "held")
    if state.wanted == "cancel":
        return _cancelled(graph, state)
    found = _moves(state.tasks, _HELD, "ready")
    found += _next(graph.tasks, state)
    if found or not _all_final(graph.tasks, state):
        return found
    if not any(state.tasks[name].state == "failed" for name in graph.tasks):
        return [End("succeeded")]
    if (undoing := _undo(graph, state)) is not None:
        return undoing
    found += _next(graph.on_failure, state)
    return found if found or not _all_final(graph.on_failure, state) else [End("failed")]


def _next(nodes: Mapping[str, Node], state: State) -> list[Decision]:
    found: list[Decision] = []
    for name, node in nodes.items():
        task = state.tasks.get(name, _PENDING)
        if task.state == "pending":
            found += _begin(node, task, state)
        elif task.state == "open":
            found += _go_on(node, task)
    return found


def _begin(node: Node, task: TaskState, state: State) -> Iterable[Decision]:
    needs = [state.tasks.get(need, _PENDING).state for need in node.needs]
    if not node.always and not _BROKEN.isdisjoint(needs):
        return (Move(node.name, WHOLE, "skipped"),)
    if not FINAL.issuperset(needs):
        return ()
    if node.condition and not task.holds:
        return (Ask(node.name, "if"),)
    return (Move(node.name, WHOLE, "ready") if node.concurrency is None else Ask(node.name, "for_each"),)


def _go_on(node: Node, task: TaskState) -> Iterator[Decision]:
    """Start as many items as may be live, or close the task when none is left."""
    stopped = node.stop and task.failed > 0
    if not stopped:
        room = (node.concurrency or 1) - len(task.live)
        for item in range(task.cursor, min(task.cursor + room, task.total)):
            yield Move(node.name, item, "ready")
    if not task.live and (stopped or task.cursor >= task.total):
        yield Move(node.name, WHOLE, "failed" if stopped else "succeeded")


def _cancelled(graph: Graph, state: State) -> list[Decision]:
    """
    Withdraw what has not begun, undo what is done, then end.

    What runs is left to end and what is parked to be settled, and that comes first. What undoes is never withdrawn.
    """
    undoing = set(graph.undo.values())
    doing = {name: task for name, task in state.tasks.items() if name not in undoing}
    found = _moves(doing, _NOT_BEGUN, "cancelled")
    found += [Move(name, WHOLE, "cancelled") for name, task in doing.items() if task.state == "open" and not task.live]
    held = {name: task for name, task in state.tasks.items() if name in undoing}
    found += _moves(held, _HELD, "ready")
    if found or any(task.state not in FINAL and task.state != "pending" for task in doing.values()):
        return found
    left = _undo(graph, state)
    return [End("cancelled")] if left is None else left


def _undo(graph: Graph, state: State) -> list[Decision] | None:
    """Undo what was done last, when nothing is being undone; None when all is undone."""
    known = {name: state.tasks[name] for name in graph.undo.values() if name in state.tasks}
    if any(task.live or task.state not in FINAL | {"open"} for task in known.values()):
        return []
    if graph.undo and not state.undone:
        return [_UNDO]
    ends = {name: task for name, task in known.items() if task.state == "open"}
    return [Move(name, WHOLE, "failed" if task.failed else "succeeded") for name, task in ends.items()] or None


def _moves(tasks: Mapping[str, TaskState], when: frozenset[str], to: TaskStates) -> list[Decision]:
    found: list[Decision] = []
    for name, task in tasks.items():
        if task.state in when:
            found.append(Move(name, WHOLE, to))
        if task.live:
            found += [Move(name, item, to) for item, state in task.live.items() if state in when]
    return found


def _all_final(nodes: Mapping[str, Node], state: State) -> bool:
    return all(state.tasks.get(name, _PENDING).state in FINAL for name in nodes)


def standing(word: str) -> TaskStates:
    """Give the state of a task whose run is shown by this word."""
    if word == "parked":
        return "child_parked"
    return "child_waits" if word in {"waiting", "paused", "queued"} else "child"


def shown(state: State) -> str:
    """Give the word for a run in this state that people read."""
    if state.ended:
        return state.ended
    if state.wanted in {"pause", "halt"}:
        return "paused"
    states: set[str] = set()
    for task in state.tasks.values():
        if task.state in _GOING:
            return "running"
        if task.state == "open":
            states.update(task.live.values())
        else:
            states.add(task.state)
    states.update(CHILD[one] for one in states & CHILD.keys())
    if states & {"running", "ready"}:
        return "running"
    if "parked" in states:
        return "parked"
    return "waiting" if states & {"delayed", "waiting", "held"} else "running"
