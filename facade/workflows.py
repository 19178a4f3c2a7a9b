"""Workflows: make them, change them, run them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ..core.register import Entry
from ..core.views import Run
from ..core.workflow import Workflow
from .documents import says
from .exchange import Asked, Exchange, checked
from .idempotency import Route
from .parameters import AfterEntry, AfterId, Id, Limit, RunId, WaitS
from .runs import AfterEvent, Items, events_page, once, run_json, runs_page, started_answer, status_json, tasks_page
from .shapes import (
    EventPage,
    Patch,
    Rows,
    RunPage,
    RunSeen,
    Start,
    State,
    Status,
    WorkflowNew,
    WorkflowPage,
    WorkflowSeen,
)

router = APIRouter(tags=["workflows"], route_class=Route)
_EXAMPLE = {"name": "My Workflow", "description": "Test workflow"}


@router.post(
    "/workflows",
    **says("createWorkflow", "Make a workflow", {201: WorkflowSeen}, body=WorkflowNew, example=_EXAMPLE, etag=True),
)
async def create(asked: Asked) -> Response:
    """
    Make a workflow, with its tasks or without; every process sees it within a second.

    What the answer calls `id` is what the other routes need. Two workflows may have the same name.
    """
    asked.caller.require("run")
    name, body = _parted(await asked.mapping())
    made = await asked.do(asked.app.workflows.create, name, body, by=asked.caller.name)
    return _shown(asked, made, 201, asked.location(f"/workflows/{made.id}"))


@router.get("/workflows", **says("listWorkflows", "List workflows", {200: WorkflowPage}))
async def list_(asked: Asked, after: AfterEntry = None, limit: Limit = 100) -> Response:
    """List those of the configuration first, then those that were made here."""
    asked.caller.require("read")
    page = await asked.do(asked.app.workflows.page, after=after, limit=limit)
    return asked.answer({"items": [entry.as_json() for entry in page.items], "next": page.next})


@router.get(
    "/workflows/{id}", **says("getWorkflow", "Show a workflow", {200: WorkflowSeen, 304: None}, errors=[404], etag=True)
)
async def get(asked: Asked, id: Id) -> Response:  # noqa: A002 - the word of the contract
    asked.caller.require("read")
    return _shown(asked, await asked.do(asked.app.workflows.entry, id))


@router.put(
    "/workflows/{id}",
    **says(
        "replaceWorkflow",
        "Replace a workflow",
        {200: WorkflowSeen},
        errors=[404, 409, 412],
        body=WorkflowNew,
        example=_EXAMPLE,
        headers=["If-Match"],
        etag=True,
    ),
)
async def replace(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Write a new version; runs that have begun keep theirs."""
    asked.caller.require("run")
    name, body = _parted(await asked.mapping())
    changed = await asked.do(asked.app.workflows.replace, id, name, body, by=asked.caller.name, expect=asked.expected())
    return _shown(asked, changed)


@router.patch(
    "/workflows/{id}",
    **says(
        "changeWorkflow",
        "Change a part of a workflow",
        {200: WorkflowSeen},
        errors=[404, 409, 412],
        body=Patch,
        example={"description": "Another one"},
        headers=["If-Match"],
        etag=True,
    ),
)
async def change(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Apply a JSON merge patch."""
    asked.caller.require("run")
    patch = await asked.mapping()
    changed = await asked.do(asked.app.workflows.merge, id, patch, by=asked.caller.name, expect=asked.expected())
    return _shown(asked, changed)


@router.delete(
    "/workflows/{id}",
    **says("deleteWorkflow", "Delete a workflow", {204: None}, errors=[404, 409, 412], headers=["If-Match"]),
)
async def delete(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Forget the definition; its runs stay, and those that have begun go on."""
    asked.caller.require("run")
    await asked.do(asked.app.workflows.delete, id, by=asked.caller.name, expect=asked.expected())
    return Response(status_code=204)


@router.post(
    "/workflows/{id}/run",
    **says(
        "runWorkflow",
        "Start a run",
        {202: RunSeen, 200: RunSeen},
        errors=[404, 409],
        body=Start,
        body_required=False,
        example={"input": {}},
    ),
)
async def run(asked: Asked, id: Id, wait_s: WaitS = 0) -> Response:  # noqa: A002
    """
    Start a run and answer at once, or wait for its end.

    With `wait_s` the answer is 200 with the final status when the run ended in time, else 202.
    """
    asked.caller.require("run")
    said = await asked.body(Start)
    started = await asked.do(
        asked.app.start, id, said.input or {}, caller=asked.caller, key=said.key, trigger_id=once(asked, id)
    )
    return await started_answer(asked, started, wait_s)


@router.get(
    "/workflows/{id}/status",
    **says("getWorkflowStatus", "Show how the last run stands", {200: Status, 304: None}, errors=[404], etag=True),
)
async def status(asked: Asked, id: Id) -> Response:  # noqa: A002
    asked.caller.require("read")
    await asked.do(asked.app.workflows.entry, id)
    return asked.answer(status_json(await asked.do(asked.app.engine.latest, id)), tagged=True)


@router.get(
    "/workflows/{id}/runs", **says("listWorkflowRuns", "List the runs of a workflow", {200: RunPage}, errors=[404])
)
async def workflow_runs(
    asked: Asked,
    id: Id,  # noqa: A002
    state: Annotated[State | None, Query()] = None,
    after: AfterId = None,
    limit: Limit = 100,
) -> Response:
    """List the newest first."""
    asked.caller.require("read")
    await asked.do(asked.app.workflows.entry, id)
    return await runs_page(asked, limit, workflow=id, state=state, after=after)


@router.get(
    "/workflows/{id}/runs/{run_id}",
    **says("getWorkflowRun", "Show a run of a workflow", {200: RunSeen, 304: None}, errors=[404], etag=True),
)
async def workflow_run(asked: Asked, id: Id, run_id: RunId) -> Response:  # noqa: A002
    return asked.answer(run_json(await _run_of(asked, id, run_id)), tagged=True)


@router.get(
    "/workflows/{id}/runs/{run_id}/tasks",
    **says("listWorkflowRunTasks", "Show the steps of a run", {200: Rows}, errors=[404]),
)
async def workflow_run_tasks(asked: Asked, id: Id, run_id: RunId, items: Items = False) -> Response:  # noqa: A002
    await _run_of(asked, id, run_id)
    return await tasks_page(asked, run_id, items=items)


@router.get(
    "/workflows/{id}/runs/{run_id}/events",
    **says("listWorkflowRunEvents", "Show what happened in a run", {200: EventPage}, errors=[404]),
)
async def workflow_run_events(
    asked: Asked,
    id: Id,  # noqa: A002
    run_id: RunId,
    after: AfterEvent = 0,
    limit: Limit = 100,
) -> Response:
    await _run_of(asked, id, run_id)
    return await events_page(asked, run_id, after, limit)


async def _run_of(asked: Exchange, workflow: str, run_id: str) -> Run:
    asked.caller.require("read")
    return await asked.do(asked.app.run_of, workflow, run_id)


def _parted(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = checked(WorkflowNew, given).name
    return name, {key: value for key, value in given.items() if key != "name"}


def _shown(
    asked: Exchange, entry: Entry[Workflow], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return asked.answer(entry.as_json(), status, etag=entry.version, headers=headers)
