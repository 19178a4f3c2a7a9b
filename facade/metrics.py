"""Metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from .documents import says
from .exchange import AskedByAnybody
from .gate import is_loopback
from .identity import caller_of
from .numbers import PLAIN, Shared, text

router = APIRouter(tags=["operation"])
_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})


@router.get("/metrics", **says("metrics", "Numbers for Prometheus", {200: "text/plain"}))
async def metrics(asked: AskedByAnybody) -> Response:
    """
    Give what the processes of this service counted, and how the state stands (a few seconds old at most).

    It needs the scope `operate`; with `server.metrics: open` whoever asks from loopback gets it without credentials.
    """
    app = asked.app
    if not _is_open(asked.request, app.config.server.metrics):
        caller = await caller_of(asked.request)
        caller.require("operate")
    stated = await asked.do(app.gauges.read)
    shared: Shared = asked.request.app.state.metrics
    return Response(await asked.do(text, shared.read(), stated), media_type=PLAIN)


def _is_open(request: Request, said: str) -> bool:
    """Tell whether anybody may ask from here; what comes through a proxy comes from elsewhere."""
    if said != "open" or request.client is None:
        return False
    return is_loopback(request.client.host) and _FORWARDED.isdisjoint(request.headers.keys())
