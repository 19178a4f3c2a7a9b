"""
What a task gives once it is done: the output that its `output` makes of the result, and the documents that it saves.

Both are evaluated in the unit that stores the outcome, so a document is written once. What goes wrong here comes after the
effect: the task fails, and what it did stays done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import InputError
from .interpreter import WHOLE
from .masking import masked
from .store import runs
from .values import dump

if TYPE_CHECKING:
    from .course import Course


class Given(NamedTuple):
    """What a task gives: an output as a row holds it, or an error; and documents by scope and key."""

    output: str | None
    error: dict[str, Any] | None = None
    saved: Mapping[tuple[str, str], str] = {}


def looks(course: Course, task: str) -> bool:
    """Tell whether a task's result is looked at before it is stored."""
    said = course.known.plan.steps[task].task
    return bool(said.save) or (said.output is not None and said.agent is None)


def given(course: Course, task: str, item: int, output: str | None) -> Given:
    """Make what a task gives of the result of its work."""
    said = course.known.plan.steps[task].task
    template = None if said.agent is not None else said.output
    if not looks(course, task) or (item == WHOLE and said.for_each is not None):
        return Given(output)
    field = "output"
    try:
        paths = frozenset(path for one in (template, *said.save.values()) if one is not None for path in one.paths)
        env = with_item(course, course.env(paths), task, item)
        env["result"] = course.known.aside.load(course.conn, output)
        if template is not None:
            output = dump(template.fill(env))
        saved = {}
        for name, value in said.save.items():
            field = f"save.{name}"
            scope, _, key = name.partition(".")
            course.known.caller.writes(scope)
            hidden = course.veils.saved.get(task, {}).get(
                name, ()
            )  # a document is read by others, and is kept in the clear
            saved[scope, key] = course.shelf.body(masked(value.fill(env), hidden))
            course.shelf.room(course.conn, scope, key, saved[scope, key])
    except InputError as error:
        error.message = f"it was done, but its {field} cannot be made: {error.message}"
        error.field = field
        return Given(None, {**error.as_json(), "happened": "yes"})
    return Given(output, saved=saved)


def with_item(course: Course, env: dict[str, Any], task: str, item: int) -> dict[str, Any]:
    """Add the item of a for_each, by the name that the task gives it."""
    each = course.known.plan.steps[task].task.for_each
    if each is not None and item != WHOLE:
        text = runs.item_value(course.conn, course.run_id, task, item)
        env[each.as_] = course.known.aside.load(course.conn, text)
        env["index"] = item
    return env


def save(course: Course, saved: Mapping[tuple[str, str], str], task: str, item: int) -> None:
    """Write documents in the unit of the outcome; each is a version of its own."""
    by = course.known.caller.name
    for (scope, key), body in saved.items():
        version = course.shelf.write(course.conn, scope, key, body, by)
        course.tell("context.changed", task, item, {"scope": scope, "key": key, "version": version, "by": by})
