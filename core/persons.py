"""Tasks that somebody else does: an agent to whom one is assigned, and a person who is asked for an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import results
from .errors import InputError
from .interpreter import WHOLE
from .plan import Step
from .store import approvals, assignments

if TYPE_CHECKING:
    from .course import Course


def assign(course: Course, step: Step, item: int) -> None:
    """Hand a task to its agent."""
    try:
        env = results.with_item(course, course.env(step.arguments.paths), step.name, item)
        given = course.known.fill(step.arguments, env, course.seen)
    except InputError as error:
        course.moved(step.name, item, "failed", error=results.about(error, "with"))
        return
    hidden = course.veils.given.get(step.name, ())
    within_h = step.task.within_h
    due_at = None if within_h is None else course.now + within_h * 3600
    assignment = assignments.assign(
        course.conn,
        agent=step.task.agent,
        run_id=course.run_id,
        task=step.name,
        item=None if item == WHOLE else item,
        description=step.task.description,
        input=course.known.aside.veil(given, course.run_id, hidden).store(course.conn),
        assigned_at=course.now,
        due_at=due_at,
    )
    course.moved(step.name, item, "waiting", due_at=due_at)
    course.tell("assignment.made", step.name, item, {"assignment": assignment, "agent": step.task.agent})


def ask(course: Course, step: Step) -> None:
    rule = step.task.approval
    assert rule is not None
    within_s = rule.within_h * 3600
    approval = approvals.ask(
        course.conn,
        asked_by=course.known.caller.name,
        by=rule.by,
        now=course.now,
        within_s=within_s,
        run_id=course.run_id,
        task=step.name,
        description=step.task.description or f"{course.known.header.workflow}: {step.name}",
    )
    course.moved(step.name, WHOLE, "waiting", due_at=course.now + within_s, approval=approval)
    course.tell("approval.asked", step.name, WHOLE, {"approval": approval})
