"""Agents: named callers, what they may, and the tasks that they are given."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ..core.access import AgentConfig
from ..core.register import Entry
from .documents import says
from .exchange import Asked, Exchange, checked
from .idempotency import Route
from .parameters import AfterEntry, Id, Limit, WaitS
from .runs import once, started_answer
from .shapes import AgentNew, AgentPage, AgentSeen, AgentTask, Patch, RunSeen

router = APIRouter(tags=["agents"], route_class=Route)
_EXAMPLE = {"name": "clerk", "description": "Answers questions about orders.", "tools": ["erp.find_*"]}


@router.post(
    "/agents",
    **says("createAgent", "Make an agent", {201: AgentSeen}, body=AgentNew, example=_EXAMPLE, etag=True),
)
async def create(asked: Asked) -> Response:
    """Define a caller; only who administers may say what others may."""
    asked.caller.require("administer")
    name, body = _parted(await asked.mapping())
    made = await asked.do(asked.app.agents.create, name, body, by=asked.caller.name)
    return _shown(asked, made, 201, asked.location(f"/agents/{made.id}"))


@router.get("/agents", **says("listAgents", "List agents", {200: AgentPage}))
async def list_(asked: Asked, after: AfterEntry = None, limit: Limit = 100) -> Response:
    asked.caller.require("read")
    page = await asked.do(asked.app.agents.page, after=after, limit=limit)
    return asked.answer({"items": [entry.as_json() for entry in page.items], "next": page.next})


@router.get("/agents/{id}", **says("getAgent", "Show an agent", {200: AgentSeen, 304: None}, errors=[404], etag=True))
async def get(asked: Asked, id: Id) -> Response:  # noqa: A002 - the word of the contract
    asked.caller.require("read")
    return _shown(asked, await asked.do(asked.app.agents.entry, id))


@router.put(
    "/agents/{id}",
    **says(
        "replaceAgent",
        "Replace an agent",
        {200: AgentSeen},
        errors=[404, 409, 412],
        body=AgentNew,
        example=_EXAMPLE,
        headers=["If-Match"],
        etag=True,
    ),
)
async def replace(asked: Asked, id: Id) -> Response:  # noqa: A002
    asked.caller.require("administer")
    name, body = _parted(await asked.mapping())
    changed = await asked.do(asked.app.agents.replace, id, name, body, by=asked.caller.name, expect=asked.expected())
    return _shown(asked, changed)


@router.patch(
    "/agents/{id}",
    **says(
        "changeAgent",
        "Change a part of an agent",
        {200: AgentSeen},
        errors=[404, 409, 412],
        body=Patch,
        example={"description": "Why"},
        headers=["If-Match"],
        etag=True,
    ),
)
async def change(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Apply a JSON merge patch."""
    asked.caller.require("administer")
    patch = await asked.mapping()
    changed = await asked.do(asked.app.agents.merge, id, patch, by=asked.caller.name, expect=asked.expected())
    return _shown(asked, changed)


@router.delete(
    "/agents/{id}",
    **says("deleteAgent", "Delete an agent", {204: None}, errors=[404, 409, 412], headers=["If-Match"]),
)
async def delete(asked: Asked, id: Id) -> Response:  # noqa: A002
    asked.caller.require("administer")
    await asked.do(asked.app.agents.delete, id, by=asked.caller.name, expect=asked.expected())
    return Response(status_code=204)


@router.post(
    "/agents/{id}/run",
    **says(
        "runAgent",
        "Give an agent a task",
        {202: RunSeen, 200: RunSeen},
        errors=[404, 409],
        body=AgentTask,
        example={"task": "Which orders of today are not billed?"},
    ),
)
async def run(asked: Asked, id: Id, wait_s: WaitS = 0) -> Response:  # noqa: A002
    """
    Give it a task and answer at once, or wait for its end; its model does it, or whoever answers for it.

    With `wait_s` the answer is 200 with the final status when the run ended in time, else 202.
    """
    asked.caller.require("run")
    said = await asked.body(AgentTask)
    started = await asked.do(
        asked.app.agent_runs.start,
        id,
        said.task,
        caller=asked.caller,
        given=said.input,
        output=said.output,
        within_h=said.within_h,
        trigger_id=once(asked, f"agent:{id}"),
    )
    return await started_answer(asked, started, wait_s)


def _parted(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = checked(AgentNew, given).name
    return name, {key: value for key, value in given.items() if key != "name"}


def _shown(
    asked: Exchange, entry: Entry[AgentConfig], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return asked.answer(entry.as_json(), status, etag=entry.version, headers=headers)
