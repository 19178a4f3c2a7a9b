"""What a run asks of its journal before it goes on: whether a task's condition holds, how many items there are, what is undone next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError
from .interpreter import WHOLE, Counts, Holds, Retry, Undone
from .results import about
from .store import agents, items, runs, undoing
from .values import dump

if TYPE_CHECKING:
    from .course import Course


def judge(course: Course, task: str) -> None:
    """Let a task begin when its `if` is true, and be skipped when it is not."""
    condition = course.known.plan.steps[task].task.if_
    assert condition is not None
    try:
        yes = course.known.fill(condition, course.env(condition.paths))
        if not isinstance(yes, bool):
            raise InputError(f"a condition is true or false, this is {type(yes).__name__}")
    except InputError as error:
        course.moved(task, WHOLE, "failed", error=about(error, "if"))
        return
    if yes:
        course.take(Holds(task, yes=True))
    else:
        course.moved(task, WHOLE, "skipped")


def count(course: Course, task: str) -> None:
    """Make the items of a for_each out of its `in`."""
    each = course.known.plan.steps[task].task.for_each
    assert each is not None
    try:
        values = course.known.fill(each.in_, course.env(each.in_.paths))
        if not isinstance(values, list):
            raise InputError(f"for_each goes over a list, this is {type(values).__name__}")
    except InputError as error:
        course.moved(task, WHOLE, "failed", error=about(error, "for_each.in"))
        return
    hidden = course.veils.items.get(task, ())
    if hidden:
        kept = [course.known.aside.veil(value, course.run_id, hidden) for value in values]
        _keep_items(course, task, [one.store(course.conn) for one in kept])
    else:
        _keep_items(course, task, [dump(value) for value in values])
    course.moved(task, WHOLE, "open", total=len(values), cursor=0)
    course.take(Counts(task, len(values)))
    course.tell("task.started", task, WHOLE, {"items": len(values)})


def _keep_items(course: Course, task: str, whole: list[str]) -> None:
    """Keep the items of a for_each, the large ones aside; but not of a run that programs may do which cannot read that."""
    values = whole
    if any(map(course.known.aside.is_large, whole)) and not runs.is_of_version(course.conn, course.run_id, before=3):
        values = [course.keep(text) for text in whole]
    items.keep(course.conn, course.run_id, task, whole, values)


def did(course: Course, task: str, item: int, *, own: bool = True) -> None:
    """Remember what was done as what may have to be undone."""
    step = course.known.plan.steps[task]
    if item == WHOLE and step.task.for_each is not None:
        return  # its items are what was done
    if step.undoes is not None:
        undoing.free_key(course.conn, course.run_id, step.undoes, item)
    elif own and task in course.known.plan.graph.undo:
        undoing.did(course.conn, course.run_id, task, item, course.version + 1)


def undo(course: Course) -> None:
    """Begin to undo what was done last."""
    last = undoing.last(course.conn, course.run_id)
    if last is None:
        course.take(Undone())
        return
    task, item = last
    name = course.known.plan.graph.undo[task]
    if item != WHOLE and name not in course.state.tasks:
        total = undoing.count(course.conn, course.run_id, task)
        course.moved(name, WHOLE, "open", total=total, cursor=0)
        course.take(Counts(name, total))
    undoing.begin(course.conn, course.run_id, task, item)
    course.ready(name, item)


def retry(course: Course, names: frozenset[str], from_task: str | None = None) -> None:
    """Make tasks pending again; of a for_each that did not succeed, or was undone, only the items that are not done."""
    graph = course.known.plan.graph
    undone = undoing.compensated(course.conn, course.run_id) if graph.undo else set()
    for name in sorted(names):
        task = course.state.tasks.get(name)
        is_each = course.known.plan.steps[name].task.for_each is not None
        was_undone = graph.undo.get(name) in undone
        partly = is_each and name != from_task and was_undone
        wholly = task is not None and (task.state == "succeeded" or was_undone)
        runs.reset(course.conn, course.run_id, name, wholly=wholly and not partly)
        if wholly and not partly and course.known.plan.steps[name].task.agent is not None:
            agents.forget(course.conn, course.run_id, name)
        if partly:
            undoing.reset_items(course.conn, course.run_id, name, graph.undo[name])
    for name in graph.undo.values():
        runs.reset(course.conn, course.run_id, name, wholly=True)
    if graph.undo:
        undoing.restore(course.conn, course.run_id)
    course.take(Retry(names | set(graph.undo.values())))
