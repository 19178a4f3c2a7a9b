"""The audit, for those who administer: page by page, and walked from end to end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from ..core.audit.key import known
from ..core.audit.walk import Wanted, page, verify
from .documents import says
from .exchange import Asked
from .parameters import AfterAudited, Limit, Word, seconds
from .shapes import AuditPage, AuditVerified

router = APIRouter(tags=["operation"])


@router.get("/audit", **says("listAudit", "Who did what", {200: AuditPage}))
async def list_audit(
    asked: Asked,
    who: Annotated[Word, Query(description="An agent, or `cli:USER`.")] = None,
    what: Annotated[Word, Query(description="A tool or a verb.")] = None,
    kind: Literal["call", "run", "verb", "login", "audit"] | None = None,
    outcome: Word = None,
    run: Word = None,
    since: datetime | None = None,
    q: Annotated[Word, Query(description="Words of an entry.")] = None,
    after: AfterAudited = None,
    limit: Limit = 100,
) -> Response:
    """List the newest first. A page that has looked at many entries may be short, and has `next` all the same."""
    asked.caller.require("administer")
    wanted = Wanted(who, what, kind, outcome, run, seconds("since", since), q)
    found, following = await asked.do(page, asked.app.journal, wanted, after=after, limit=limit)
    return asked.answer({"items": found, "next": following})


@router.get("/audit/verify", **says("verifyAudit", "Was the audit tampered with", {200: AuditVerified}))
async def verify_audit(asked: Asked) -> Response:
    """Walk all chains and seals from end to end, and name what is broken. It reads everything: not for every minute."""
    asked.caller.require("administer")
    app = asked.app
    await asked.do(app.audit.beat)
    found = await asked.on(asked.threads.many, verify, app.journal, known(app.guard.vault, app.audit_key))
    return asked.answer(found.as_json())
