"""Syncs and the files of feeds."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..core.errors import InputError
from ..core.syncs.runs import SyncRun
from .documents import says
from .exchange import Asked, as_json
from .idempotency import Route
from .parameters import After, AfterId, AfterName, Id, Limit, WaitS, Word
from .shapes import Anything, CursorSeen, CursorSet, Reason, Rows, SyncAsked, SyncPage, SyncRunSeen, SyncSeen

router = APIRouter(tags=["syncs"], route_class=Route)


@router.get("/syncs", **says("listSyncs", "List syncs", {200: SyncPage}))
async def list_(asked: Asked, after: AfterName = None, limit: Limit = 100) -> Response:
    """List them by name, each with its last run, its next one, how far it is behind its source, and what a crash can do to it."""
    asked.caller.require("read")
    found = await asked.do(asked.app.syncs.look)
    rest = [one for one in found if after is None or one["name"] > after]
    return asked.page(rest, limit, lambda one: one["name"])


@router.get("/syncs/{name}", **says("getSync", "Show a sync", {200: SyncSeen, 304: None}, errors=[404], etag=True))
async def get(asked: Asked, name: Id) -> Response:
    asked.caller.require("read")
    [found] = await asked.do(asked.app.syncs.look, name)
    return asked.answer(found, tagged=True)


@router.post(
    "/syncs/{name}/run",
    **says(
        "runSync",
        "Run a sync",
        {202: SyncRunSeen, 200: SyncRunSeen},
        errors=[404, 409],
        body=SyncAsked,
        body_required=False,
        example={"dry_run": True},
    ),
)
async def run(asked: Asked, name: Id, wait_s: WaitS = 0) -> Response:
    """Start it and answer at once, or wait for its end; one that runs already is a 409."""
    asked.caller.require("run")
    said = await asked.body(SyncAsked)
    options = said.model_dump(exclude_unset=True)
    started = await asked.do(asked.app.syncs.start, name, options, caller=asked.caller)
    ended = await asked.wait(asked.app.syncs.wait, started.id, wait_s) if wait_s else None
    seen: SyncRun = ended or started
    return asked.answer(seen.as_json(), 200 if seen.is_final else 202)


@router.get("/syncs/{name}/runs", **says("listSyncRuns", "List the runs of a sync", {200: Rows}, errors=[404]))
async def runs(asked: Asked, name: Id, after: AfterId = None, limit: Limit = 100) -> Response:
    """List the newest first: read, written, rejected, seconds, cursor before and after."""
    asked.caller.require("read")
    found = await asked.do(asked.app.syncs.runs, name, after=after, limit=limit + 1)
    return asked.page(found, limit, lambda one: one.id)


@router.get(
    "/sync-runs/{run_id}",
    **says("getSyncRun", "Show one run of a sync", {200: SyncRunSeen, 304: None}, errors=[404], etag=True),
)
async def one_run(asked: Asked, run_id: Id) -> Response:
    """Show its report: what was asked, read, written, rejected and proven, and where the cursor went."""
    asked.caller.require("read")
    found: SyncRun = await asked.do(asked.app.syncs.run_of, run_id)
    return asked.answer(found.as_json(), tagged=True)


@router.get(
    "/syncs/{name}/ddl",
    **says("getSyncDdl", "Show what the target needs", {200: Anything, 304: None}, errors=[404, 504], etag=True),
)
async def ddl(asked: Asked, name: Id) -> Response:
    """Show the DDL of the table that keeps the cursor in the target; nothing is run."""
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.syncs.prepare, name), tagged=True)


@router.get(
    "/syncs/{name}/cursor",
    **says("getCursor", "Show where reading goes on", {200: CursorSeen, 304: None}, errors=[404], etag=True),
)
async def cursor(asked: Asked, name: Id) -> Response:
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.syncs.cursor, name), tagged=True)


@router.put(
    "/syncs/{name}/cursor",
    **says(
        "setCursor",
        "Say where reading goes on",
        {200: CursorSeen},
        errors=[404, 409, 412],
        body=CursorSet,
        example={"cursor": None, "reason": "load everything again"},
        headers=["If-Match"],
        etag=True,
    ),
)
async def set_cursor(asked: Asked, name: Id) -> Response:
    asked.caller.require("operate")
    said = await asked.body(CursorSet)
    changed = await asked.do(
        asked.app.syncs.set_cursor,
        name,
        said.cursor,
        caller=asked.caller,
        reason=said.reason,
        agree=asked.agreed(),
    )
    return asked.answer(changed, tagged=True)


@router.get("/feeds/{feed}/files", **says("listFiles", "List the files of a feed", {200: Rows}, errors=[404, 504]))
async def files(asked: Asked, feed: Id, state: Word = None, after: After = None, limit: Limit = 100) -> Response:
    """List them by name; a feed is named `adapter.feed`."""
    asked.caller.require("read")
    adapter, name = _parted(feed)
    limiter = asked.threads.system(adapter, asked.app.landscape)
    found = await asked.on(limiter, asked.app.feeds.files, adapter, name, state=state)
    rest = [one for one in map(as_json, found) if after is None or one["name"] > after]
    return asked.page(rest, limit, lambda one: one["name"])


def _acts(action: str, summary: str) -> None:
    async def act(asked: Asked, feed: Id, file: Id) -> Response:
        asked.caller.require("operate")
        said = await asked.body(Reason)
        adapter, name = _parted(feed)
        limiter = asked.threads.system(adapter, asked.app.landscape)
        done = await asked.on(
            limiter, asked.app.feeds.act, adapter, name, file, action, caller=asked.caller, reason=said.reason
        )
        return asked.answer(as_json(done))

    said = says(f"{action}File", summary, {200: Anything}, errors=[404, 409, 504], body=Reason, body_required=False)
    router.post(f"/feeds/{{feed}}/files/{{file}}/{action}", **said)(act)


_acts("retry", "Take a quarantined file again")
_acts("release", "Let a file that waits go on")
_acts("skip", "Go on without a file")


def _parted(feed: str) -> tuple[str, str]:
    adapter, dot, name = feed.partition(".")
    if not dot:
        raise InputError(f"there is no feed {feed!r}", reason="not_found", next="a feed is named ADAPTER.FEED")
    return adapter, name
