"""Tasks, one by one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ..core.errors import InputError
from ..core.tasks import TaskEntry
from .documents import says
from .exchange import Asked, Exchange, checked
from .idempotency import Route
from .parameters import After, Id, Limit, Word
from .shapes import Patch, TaskNew, TaskPage, TaskSeen

router = APIRouter(tags=["tasks"], route_class=Route)
_EXAMPLE = {"workflow_id": "01j...", "name": "pause", "wait_s": 1}
_OWN = ("workflow_id", "name")


@router.post(
    "/tasks",
    **says("createTask", "Add a task", {201: TaskSeen}, errors=[404, 409], body=TaskNew, example=_EXAMPLE, etag=True),
)
async def create(asked: Asked) -> Response:
    """Add a task to a workflow that was made here; the workflow gets a new version."""
    asked.caller.require("run")
    said = await asked.body(TaskNew)
    body = _without_names(await asked.mapping())
    made = await asked.do(asked.app.tasks.create, said.workflow_id, said.name, body, by=asked.caller.name)
    return _shown(asked, made, 201, asked.location(f"/tasks/{made.id}"))


@router.get("/tasks", **says("listTasks", "List tasks", {200: TaskPage}, errors=[404]))
async def list_(asked: Asked, workflow_id: Word = None, after: After = None, limit: Limit = 100) -> Response:
    asked.caller.require("read")
    items, following = await asked.do(asked.app.tasks.page, workflow=workflow_id, after=after, limit=limit)
    return asked.answer({"items": [task.as_json() for task in items], "next": following})


@router.get("/tasks/{id}", **says("getTask", "Show a task", {200: TaskSeen, 304: None}, errors=[404], etag=True))
async def get(asked: Asked, id: Id) -> Response:  # noqa: A002 - the word of the contract
    asked.caller.require("read")
    return _shown(asked, await asked.do(asked.app.tasks.entry, id))


@router.put(
    "/tasks/{id}",
    **says(
        "replaceTask",
        "Replace a task",
        {200: TaskSeen},
        errors=[404, 409, 412],
        body=TaskNew,
        example=_EXAMPLE,
        headers=["If-Match"],
        etag=True,
    ),
)
async def replace(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Write it anew; its workflow and its name stay."""
    asked.caller.require("run")
    given = await asked.mapping()
    seen = await asked.do(asked.app.tasks.entry, id)
    own = {"workflow_id": seen.workflow.id, "name": seen.name}
    said = checked(TaskNew, {**own, **given})
    if (said.workflow_id, said.name) != (seen.workflow.id, seen.name):
        raise InputError("a task keeps its workflow and its name", reason="conflict", next="delete it and make another")
    body = _without_names(given)
    return _shown(
        asked, await asked.do(asked.app.tasks.replace, id, body, by=asked.caller.name, expect=asked.expected())
    )


@router.patch(
    "/tasks/{id}",
    **says(
        "changeTask",
        "Change a part of a task",
        {200: TaskSeen},
        errors=[404, 409, 412],
        body=Patch,
        example={"description": "Why"},
        headers=["If-Match"],
        etag=True,
    ),
)
async def change(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Apply a JSON merge patch."""
    asked.caller.require("run")
    patch = await asked.mapping()
    changed = await asked.do(asked.app.tasks.merge, id, patch, by=asked.caller.name, expect=asked.expected())
    return _shown(asked, changed)


@router.delete(
    "/tasks/{id}", **says("deleteTask", "Take a task out", {204: None}, errors=[404, 409, 412], headers=["If-Match"])
)
async def delete(asked: Asked, id: Id) -> Response:  # noqa: A002
    asked.caller.require("run")
    await asked.do(asked.app.tasks.delete, id, by=asked.caller.name, expect=asked.expected())
    return Response(status_code=204)


def _without_names(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in _OWN}


def _shown(asked: Exchange, task: TaskEntry, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return asked.answer(task.as_json(), status, etag=task.workflow.version, headers=headers)
