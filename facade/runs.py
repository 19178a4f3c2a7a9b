"""Runs: what happens, and what happened."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ..core.views import Run
from .documents import says
from .exchange import Asked, Exchange
from .idempotency import Route
from .live import shown
from .parameters import AfterId, Id, Limit, RunId, Word, seconds
from .shapes import EventPage, Rows, RunAct, RunPage, RunRetry, RunSeen, State

router = APIRouter(tags=["runs"], route_class=Route)


def run_json(run: Run) -> dict[str, Any]:
    """Give a run with its own numbers, for who prefers them exact."""
    return {**run.as_json(), "input": run.input, "output": run.output}


def once(asked: Exchange, what: str) -> str | None:
    """Make one run of one Idempotency-Key of one caller."""
    key = asked.request.headers.get("idempotency-key")
    if key is None:
        return None
    return "http:" + hashlib.sha256(f"{asked.caller.name}\n{what}\n{key}".encode()).hexdigest()


async def started_answer(asked: Exchange, started: Run, wait_s: float) -> Response:
    """Answer with a run at once (202), or with its final status (200) when it ended in time."""
    ended = await asked.wait(asked.app.engine.wait, started.id, wait_s) if wait_s else None
    final = ended is not None and ended.is_final
    answer = run_json(started) if ended is None else await with_usage(asked, ended)
    return asked.answer(answer, 200 if final else 202, headers=asked.location(f"/runs/{started.id}"))


async def with_usage(asked: Exchange, run: Run) -> dict[str, Any]:
    """Give a run, with what the models of agents used up in it."""
    usage = await asked.do(asked.app.agent_runs.usage, run.id)
    return run_json(run) if usage is None else {**run_json(run), "usage": usage}


def status_json(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {"status": "idle", "run_id": None, "started_at": None, "finished_at": None, "error": None}
    said = run.as_json()
    return {name: said.get(name) for name in ("status", "run_id", "started_at", "finished_at", "error")}


async def runs_page(asked: Exchange, limit: int, **by: Any) -> Response:
    found = await asked.do(asked.app.engine.runs, limit=limit + 1, **by)
    return asked.page([run_json(run) for run in found], limit, lambda run: run["run_id"])


async def tasks_page(asked: Exchange, run_id: str, *, items: bool) -> Response:
    tasks = await asked.do(asked.app.engine.tasks, run_id, items=items)
    return asked.answer({"items": [{**task.as_json(), "output": task.output} for task in tasks], "next": None})


async def events_page(asked: Exchange, run_id: str, after: int, limit: int) -> Response:
    await asked.do(asked.app.engine.run, run_id)
    found = await asked.do(asked.app.engine.events, after=after, limit=limit + 1, run_id=run_id)
    page = found[:limit]
    return asked.answer(
        {"items": [shown(event) for event in page], "next": page[-1].id if len(found) > limit else None}
    )


Items = Annotated[bool, Query(description="The items of a for_each, too.")]
AfterEvent = Annotated[int, Query(ge=0, le=2**53, description="Id of the last event that was seen.")]


@router.get("/runs", **says("listRuns", "List runs, the newest first", {200: RunPage}))
async def list_runs(
    asked: Asked,
    state: State | None = None,
    workflow: Word = None,
    key: Word = None,
    since: Annotated[datetime | None, Query(description="Begun at this moment or later.")] = None,
    q: Annotated[Word, Query(description="Text in the input, the output or the error.")] = None,
    parent: Annotated[Word, Query(description="Only those that do tasks of this run.")] = None,
    after: AfterId = None,
    limit: Limit = 100,
) -> Response:
    asked.caller.require("read")
    moment = seconds("since", since)
    by = {"state": state, "workflow": workflow, "key": key, "since": moment, "q": q, "parent": parent}
    return await runs_page(asked, limit, after=after, **by)


@router.get("/runs/{id}", **says("getRun", "Show a run", {200: RunSeen, 304: None}, errors=[404], etag=True))
async def get_run(asked: Asked, id: Id) -> Response:  # noqa: A002 - the word of the contract
    asked.caller.require("read")
    return asked.answer(await with_usage(asked, await asked.do(asked.app.engine.run, id)), tagged=True)


@router.get("/runs/{id}/tasks", **says("listRunTasks", "Show the steps of a run", {200: Rows}, errors=[404]))
async def run_tasks(asked: Asked, id: Id, items: Items = False) -> Response:  # noqa: A002
    """Show them in the workflow's order, at most 1,000; `items` adds those of a for_each."""
    asked.caller.require("read")
    return await tasks_page(asked, id, items=items)


@router.get("/runs/{id}/events", **says("listRunEvents", "Show what happened in a run", {200: EventPage}, errors=[404]))
async def run_events(asked: Asked, id: RunId, after: AfterEvent = 0, limit: Limit = 100) -> Response:  # noqa: A002
    asked.caller.require("read")
    return await events_page(asked, id, after, limit)


_ACTED = {200: RunSeen}


@router.post(
    "/runs/{id}/cancel",
    **says("cancelRun", "Cancel a run", _ACTED, errors=[404, 409], body=RunAct, body_required=False),
)
async def cancel(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Stop a run. What runs at this moment ends; a write whose outcome is unknown must be settled first."""
    return await _act(asked, asked.app.engine.cancel, id)


@router.post(
    "/runs/{id}/pause", **says("pauseRun", "Pause a run", _ACTED, errors=[404, 409], body=RunAct, body_required=False)
)
async def pause(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Start no further task until it is resumed."""
    return await _act(asked, asked.app.engine.pause, id)


@router.post(
    "/runs/{id}/resume",
    **says("resumeRun", "Resume a run", _ACTED, errors=[404, 409], body=RunAct, body_required=False),
)
async def resume(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Let a paused run go on."""
    return await _act(asked, asked.app.engine.resume, id)


@router.post(
    "/runs/{id}/retry",
    **says("retryRun", "Run again from a failed task", _ACTED, errors=[404, 409], body=RunRetry, body_required=False),
)
async def retry(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Go on from the task that failed, or from the one that is named; what succeeded is not done again."""
    asked.caller.require("run")
    said = await asked.body(RunRetry)
    run = await asked.do(
        asked.app.engine.retry, id, caller=asked.caller, reason=said.reason, from_task=said.from_, input=said.input
    )
    return asked.answer(run_json(run))


async def _act(asked: Exchange, act: Any, run_id: str) -> Response:
    asked.caller.require("run")
    said = await asked.body(RunAct)
    acted: Run = await asked.do(act, run_id, caller=asked.caller, reason=said.reason)
    return asked.answer(run_json(acted))
