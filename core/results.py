"""
What a task gives once it is done: the output that its `output` makes of the result, and the documents that it saves.

A for_each gives the list of its items, and a run what its workflow says. All are made in the unit that stores the outcome, so a
document is written once. What goes wrong here comes after the effect: the task fails, and what it did stays done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import DrawbarError, InputError
from .interpreter import WHOLE
from .masking import masked
from .store import items, runs
from .values import dump, load
from .veils import split

if TYPE_CHECKING:
    from .course import Course


class Given(NamedTuple):
    """What a task gives: an output as a row holds it, or an error; and documents by scope and key."""

    output: str | None
    error: dict[str, Any] | None = None
    saved: Mapping[tuple[str, str], str] = {}
    hidden: tuple[str, ...] = ()
    """Paths of the output that must not be seen, beside those that the task's own tool hides."""


def looks(course: Course, task: str) -> bool:
    """Tell whether a task's result is looked at before it is stored."""
    said = course.known.plan.steps[task].task
    return bool(said.save) or (said.output is not None and said.agent is None)


def given(course: Course, task: str, item: int, output: str | None, hidden: tuple[str, ...] = ()) -> Given:
    """Make what a task gives of the result of its work, of which `hidden` must not be seen."""
    said = course.known.plan.steps[task].task
    template = None if said.agent is not None else said.output
    if not looks(course, task) or (item == WHOLE and said.for_each is not None):
        return Given(output, hidden=hidden)
    field = "output"
    known = course.known
    try:
        paths = frozenset(path for one in (template, *said.save.values()) if one is not None for path in one.paths)
        env = with_item(course, course.env(paths), task, item)
        env["result"] = known.aside.load(course.conn, output)
        result = (*hidden, *known.aside.hidden_in(course.conn, output))
        seen = course.seen | {("result", *split(path)) for path in result}
        veils = known.veils(seen)
        if template is not None:
            output, hidden = dump(known.fill(template, env, seen)), veils.tasks.get(task, ())
        saved = {}
        for name, value in said.save.items():
            field = f"save.{name}"
            scope, _, key = name.partition(".")
            known.caller.writes(scope)
            unseen = veils.saved.get(task, {}).get(name, ())  # a document is read by others, and is kept in the clear
            saved[scope, key] = course.shelf.body(masked(known.fill(value, env, seen), unseen))
            course.shelf.room(course.conn, scope, key, saved[scope, key])
    except InputError as error:
        error.message = f"it was done, but its {field} cannot be made: {error.message}"
        error.field = field
        return Given(None, {**error.as_json(), "happened": "yes"})
    return Given(output, saved=saved, hidden=hidden)


def with_item(course: Course, env: dict[str, Any], task: str, item: int) -> dict[str, Any]:
    """Add the item of a for_each, by the name that the task gives it."""
    each = course.known.plan.steps[task].task.for_each
    if each is not None and item != WHOLE:
        course.seen |= course.known.add_item(lambda: course.conn, env, each.as_, task, item)
    return env


def save(course: Course, saved: Mapping[tuple[str, str], str], task: str, item: int) -> None:
    """Write documents in the unit of the outcome; each is a version of its own."""
    by = course.known.caller.name
    for (scope, key), body in saved.items():
        version = course.shelf.write(course.conn, scope, key, body, by)
        course.tell("context.changed", task, item, {"scope": scope, "key": key, "version": version, "by": by})


def close(course: Course, task: str, state: str) -> None:
    """End a for_each: its output is the list in order, null for an item that failed or never began."""
    whole = course.state.tasks[task]
    output = None
    if course.known.plan.steps[task].undoes is None:
        outputs = items.outputs(course.conn, course.run_id, task)
        output = f"[{','.join(outputs.get(item) or 'null' for item in range(whole.total))}]"
    error = None
    if state == "failed":
        error = _of_items(runs.first_error(course.conn, course.run_id, task), whole.failed)
    hidden = course.known.aside.hidden_in(course.conn, output)
    course.moved(task, WHOLE, state, hidden=hidden, outcome=output, error=error)


def output(course: Course) -> str | None:
    """Fill the workflow's output; null when it looks into a task that was skipped."""
    template = course.known.plan.workflow.output
    if template is None:
        return None
    try:
        value = course.known.fill(template, course.env(template.paths))
        return course.known.aside.veil(value, course.run_id, course.veils.output).store(course.conn)
    except InputError:
        if any(task.state == "skipped" for task in course.state.tasks.values()):
            return None
        raise


def about(error: DrawbarError, field: str) -> dict[str, Any]:
    error.field = error.field or field
    return error.as_json()


def _of_items(first: tuple[str, int, str] | None, failed: int) -> dict[str, Any] | None:
    if first is None:
        return None
    error: dict[str, Any] = load(first[2])
    return {**error, "message": f"item {first[1]}: {error.get('message', '')}", "failed": failed}
