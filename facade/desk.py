"""What a person decides: approvals and dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from ..core.desk import Verb
from ..core.store.letters import Wanted
from .documents import says
from .exchange import Asked, Exchange
from .idempotency import Route
from .parameters import AfterId, Id, Limit, Word, seconds
from .shapes import (
    ApprovalPage,
    ApprovalSeen,
    LetterPage,
    LetterSeen,
    LetterState,
    Many,
    ManyDone,
    ManySettle,
    Reason,
    Settle,
    ToolAnswer,
)

router = APIRouter(tags=["approvals and dead letters"], route_class=Route)


@router.get("/approvals", **says("listApprovals", "List what waits for a person", {200: ApprovalPage}))
async def list_approvals(
    asked: Asked,
    state: Literal["waiting", "approved", "rejected", "expired", "withdrawn", "all"] = "waiting",
    mine: Annotated[bool, Query(description="Only those that the caller may answer.")] = False,
    after: AfterId = None,
    limit: Limit = 100,
) -> Response:
    """List the oldest first."""
    asked.caller.require("read")
    wanted = None if state == "all" else state
    by = asked.caller if mine else None
    found = await asked.do(asked.app.desk.approvals, state=wanted, by=by, after=after, limit=limit + 1)
    return asked.page(found, limit, lambda row: row["id"])


@router.get(
    "/approvals/{id}", **says("getApproval", "Show a question", {200: ApprovalSeen, 304: None}, errors=[404], etag=True)
)
async def get_approval(asked: Asked, id: Id) -> Response:  # noqa: A002 - the word of the contract
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.desk.approval, id), tagged=True)


_ANSWERED = {200: ApprovalSeen}


@router.post(
    "/approvals/{id}/approve",
    **says("approve", "Approve", _ANSWERED, errors=[404, 409], body=Reason, body_required=False),
)
async def approve(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Say yes. Never by the one that asked; an answer is final."""
    return await _answer(asked, id, approved=True)


@router.post(
    "/approvals/{id}/reject",
    **says("reject", "Reject", _ANSWERED, errors=[404, 409], body=Reason, body_required=False),
)
async def reject(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Say no. An answer is final."""
    return await _answer(asked, id, approved=False)


async def _answer(asked: Exchange, approval: str, *, approved: bool) -> Response:
    asked.caller.require("approve")
    said = await asked.body(Reason)
    return asked.answer(
        await asked.do(asked.app.desk.answer, approval, approved=approved, caller=asked.caller, reason=said.reason)
    )


@router.get("/dead-letters", **says("listDeadLetters", "List what was parked for a person", {200: LetterPage}))
async def list_letters(
    asked: Asked,
    tool: Annotated[Word, Query(description="A glob: `erp.*`.")] = None,
    state: LetterState | None = None,
    workflow: Word = None,
    run: Word = None,
    since: Annotated[datetime | None, Query(description="Begun at this moment or later.")] = None,
    until: Annotated[datetime | None, Query(description="Begun before this moment.")] = None,
    q: Annotated[Word, Query(description="Words of the tool, the key, the arguments or the error.")] = None,
    after: AfterId = None,
    limit: Limit = 100,
) -> Response:
    """List the newest first."""
    asked.caller.require("read")
    wanted = Wanted(
        tool=tool,
        state=state,
        workflow=workflow,
        run=run,
        since=seconds("since", since),
        until=seconds("until", until),
        q=q,
    )
    found = await asked.do(asked.app.desk.dead_letters, wanted, after=after, limit=limit + 1)
    return asked.page(found, limit, lambda row: row["id"])


@router.get(
    "/dead-letters/{id}",
    **says("getDeadLetter", "Show a dead letter", {200: LetterSeen, 304: None}, errors=[404], etag=True),
)
async def get_letter(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Show what was sent, when it left, what came back, what probes said, and what each verb would do."""
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.desk.dead_letter, id), tagged=True)


_MANY = {"filter": {"tool": "erp.*", "until": "2030-01-01T06:30:00+01:00"}, "dry_run": True}


@router.post(
    "/dead-letters/send",
    **says("sendDeadLetters", "Send many again", {200: ManyDone}, body=Many, example=_MANY),
)
async def send_many(asked: Asked) -> Response:
    """Send again all that were settled as not done, the oldest first; a dry run only says what would come of each."""
    asked.caller.require("operate")
    return await _many(asked, "send", await asked.body(Many))


@router.post(
    "/dead-letters/drop",
    **says("dropDeadLetters", "Take many off the list", {200: ManyDone}, body=Many, example=_MANY),
)
async def drop_many(asked: Asked) -> Response:
    """Take settled letters off the list; those whose outcome is unknown are refused, each for itself."""
    asked.caller.require("operate")
    return await _many(asked, "drop", await asked.body(Many))


@router.post(
    "/dead-letters/settle",
    **says(
        "settleDeadLetters",
        "Say what happened to many",
        {200: ManyDone},
        body=ManySettle,
        example={**_MANY, "done": False, "reason": "the system was down all night"},
    ),
)
async def settle_many(asked: Asked) -> Response:
    """End unknown outcomes by one finding."""
    asked.caller.require("operate")
    said = await asked.body(ManySettle)
    return await _many(asked, "settle", said, done=said.done, result=said.result)


async def _many(asked: Exchange, verb: Verb, said: Many, **more: Any) -> Response:
    named = said.filter
    wanted = Wanted(
        tool=named.tool,
        state=named.state,
        workflow=named.workflow,
        run=named.run,
        since=seconds("filter.since", named.since),
        until=seconds("filter.until", named.until),
        q=named.q,
        ids=None if named.ids is None else tuple(named.ids),
    )
    done = await asked.on(
        asked.threads.many,
        asked.app.letters.many,
        verb,
        wanted,
        caller=asked.caller,
        dry_run=said.dry_run,
        every=said.all,
        after=said.after,
        limit=said.limit,
        reason=said.reason,
        **more,
    )
    return asked.answer(done)


@router.post(
    "/dead-letters/{id}/send",
    **says(
        "sendDeadLetter",
        "Send it again",
        {200: ToolAnswer},
        errors=[404, 409, 429, 504],
        body=Reason,
        body_required=False,
    ),
)
async def send(asked: Asked, id: Id) -> Response:  # noqa: A002
    """Send again what was settled as not done; refused while the outcome is unknown."""
    asked.caller.require("operate")
    said = await asked.body(Reason)
    answer = await asked.do(asked.app.desk.send, id, caller=asked.caller, reason=said.reason)
    return asked.answer({"result": answer.result, "id": answer.id})


@router.post(
    "/dead-letters/{id}/settle",
    **says(
        "settleDeadLetter",
        "Say what happened",
        {200: LetterSeen},
        errors=[404, 409],
        body=Settle,
        example={"done": True, "result": {"count": 1}, "reason": "seen at the other end"},
    ),
)
async def settle(asked: Asked, id: Id) -> Response:  # noqa: A002
    """End an unknown outcome: done lets its run go on with that result, not done frees the write to be sent again."""
    asked.caller.require("operate")
    said = await asked.body(Settle)
    return asked.answer(
        await asked.do(
            asked.app.desk.settle, id, done=said.done, result=said.result, caller=asked.caller, reason=said.reason
        )
    )


@router.delete(
    "/dead-letters/{id}",
    **says("dropDeadLetter", "Take it off the list", {204: None}, errors=[404, 409, 412], headers=["If-Match"]),
)
async def drop(asked: Asked, id: Id, reason: Word = None) -> Response:  # noqa: A002
    """Take a settled letter off the list; refused while its outcome is unknown. The ledger keeps it."""
    asked.caller.require("operate")
    await asked.do(asked.app.desk.drop, id, caller=asked.caller, reason=reason, agree=asked.agreed())
    return Response(status_code=204)
