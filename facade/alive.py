"""Is this process alive, and can it work: what is asked most often, by those who may know nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.responses import Response

from ..core.values import write_json

if TYPE_CHECKING:
    from ..app import App
    from .threads import Threads


async def answer_live(app: App, threads: Threads) -> Response:
    return _said({"status": "ok"})


async def answer_ready(app: App, threads: Threads) -> Response:
    """Look at this process alone: is the journal writable, is the disk free. A dead system changes nothing here."""
    found = await anyio.to_thread.run_sync(app.status.ready, limiter=threads.work)
    if all(one.ok for one in found):
        return _said({"status": "ok", "findings": [as_finding(one) for one in found]})
    return _said({"status": "failed", "findings": [as_finding(one) for one in found]}, 503, {"Retry-After": "5"})


ANSWERS = {"/health/live": answer_live, "/health/ready": answer_ready}


def as_finding(finding: Any) -> dict[str, Any]:
    return {"what": finding.what, "ok": finding.ok, "found": finding.found, "next": finding.next}


def _said(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    from ..config.secrets import scrub_values

    return Response(write_json(scrub_values(value)), status, headers, "application/json")
