"""How a run hears of the runs that do its tasks."""

from __future__ import annotations

from typing import Any

from .course import Course
from .errors import DrawbarError
from .interpreter import CHILD, standing
from .store import children
from .values import dump, load


def hear(course: Course, child: str) -> None:
    """Take into a parent's course how its child stands by now."""
    heard = children.told(course.conn, child)
    if heard is None:
        return
    row = children.doing(course.conn, course.run_id, heard.task, heard.item)
    if row is None or row[1] != child or row[0] not in CHILD:
        return
    task, item = heard.task, heard.item
    is_over = heard.state in {"succeeded", "failed", "cancelled"}
    if is_over and course.known.plan.steps[task].task.agent is not None:
        stopped = course.state.wanted not in {None, "pause"}
        if stopped:
            course.moved(task, item, "cancelled")
        else:
            course.go_on(task, item)  # its agent hears what came of the call
    elif heard.state == "succeeded":
        try:
            output = course.known.aside.load(course.conn, heard.output)
        except DrawbarError as error:
            course.moved(task, item, "failed", error={**error.as_json(), "happened": "yes", "run_id": child})
        else:
            hidden = course.known.aside.hidden_in(course.conn, heard.output)
            course.moved(task, item, "succeeded", hidden=hidden, outcome=dump(output))
    elif heard.state == "cancelled" and course.state.wanted is not None and course.state.wanted != "pause":
        course.moved(task, item, "cancelled")
    elif heard.state in {"failed", "cancelled"}:
        course.moved(task, item, "failed", error={**_error(heard, child), "run_id": child})
    elif (state := standing(heard.state)) != row[0]:
        course.moved(task, item, state)


def _error(heard: children.Heard, child: str) -> dict[str, Any]:
    error: dict[str, Any] | None = load(heard.error)
    if error is not None:
        return error
    return {"kind": "rejected", "message": f"run {child} was {heard.state}", "happened": "no"}
