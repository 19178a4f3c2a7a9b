"""Tasks one by one: each is a part of its workflow's definition, and changing one makes a new version of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .register import Entry, Register, merge_patch
from .store.expected import Expected, one_of
from .workflow import Workflow


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task as it is registered; its id is its workflow's and its own name."""

    workflow: Entry[Workflow]
    name: str
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        return f"{self.workflow.id}.{self.name}"

    def as_json(self) -> dict[str, Any]:
        return {
            **self.body,
            "id": self.id,
            "name": self.name,
            "workflow_id": self.workflow.id,
            "origin": self.workflow.origin,
            "version": self.workflow.version,
        }


class Tasks:
    """The tasks of all workflows, for those who build a workflow step by step."""

    def __init__(self, workflows: Register[Workflow]) -> None:
        self._workflows = workflows

    def page(
        self, *, workflow: str | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[list[TaskEntry], str | None]:
        """List tasks by workflow, in the order they were written."""
        entries = [self._workflows.entry(workflow)] if workflow else self._workflows.every()
        found: list[TaskEntry] = []
        skipping = after is not None
        for task in (task for entry in entries for task in _of(entry)):
            if not skipping:
                found.append(task)
            if task.id == after:
                skipping = False
            if len(found) > limit:
                return found[:limit], found[limit - 1].id
        if skipping:
            raise InputError(f"there is no task {after!r} to go on after", field="after", next="begin again without it")
        return found, None

    def entry(self, id: str) -> TaskEntry:  # noqa: A002 - the word of the contract
        workflow, _, name = id.rpartition(".")
        for task in _of(self._workflows.entry(workflow)) if workflow else ():
            if task.name == name:
                return task
        raise InputError(f"there is no task {id!r}", reason="not_found", next="a task's id is WORKFLOW.NAME")

    def create(self, workflow: str, name: str, body: Mapping[str, Any], *, by: str) -> TaskEntry:
        """Add a task; its name is new in its workflow."""
        entry = self._workflows.entry(workflow)
        if name in entry.model.tasks:
            raise InputError(
                f"{workflow} has a task {name!r} already", reason="conflict", next="change it with PUT or PATCH"
            )
        return self._write(entry, name, body, by, entry.version)

    def replace(self, id: str, body: Mapping[str, Any], *, by: str, expect: Expected = None) -> TaskEntry:  # noqa: A002
        seen = self.entry(id)
        return self._write(
            seen.workflow, seen.name, body, by, one_of(expect, seen.workflow.version) or seen.workflow.version
        )

    def merge(self, id: str, patch: Mapping[str, Any], *, by: str, expect: Expected = None) -> TaskEntry:  # noqa: A002
        """Change a part by a JSON merge patch (RFC 7396)."""
        seen = self.entry(id)
        merged = merge_patch(seen.body, patch)
        return self._write(
            seen.workflow, seen.name, merged, by, one_of(expect, seen.workflow.version) or seen.workflow.version
        )

    def delete(self, id: str, *, by: str, expect: Expected = None) -> None:  # noqa: A002
        """Take a task out; tasks that need it must go or change first."""
        seen = self.entry(id)
        tasks = {name: body for name, body in seen.workflow.body["tasks"].items() if name != seen.name}
        self._replace(seen.workflow, tasks, by, one_of(expect, seen.workflow.version) or seen.workflow.version)

    def _write(self, entry: Entry[Workflow], name: str, body: Mapping[str, Any], by: str, expect: int) -> TaskEntry:
        tasks = {**entry.body.get("tasks", {}), name: dict(body)}
        changed = self._replace(entry, tasks, by, expect)
        return TaskEntry(changed, name, changed.body["tasks"][name])

    def _replace(self, entry: Entry[Workflow], tasks: dict[str, Any], by: str, expect: int) -> Entry[Workflow]:
        body = {**entry.body, "tasks": tasks}
        return self._workflows.replace(entry.id, entry.name, body, by=by, expect=expect)


def _of(entry: Entry[Workflow]) -> Iterator[TaskEntry]:
    for name, body in (entry.body.get("tasks") or {}).items():
        yield TaskEntry(entry, name, body)
