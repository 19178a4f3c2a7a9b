"""Health: of this process alone, of the systems, and the operator's page."""

from __future__ import annotations

from fastapi import APIRouter, Response

from .alive import answer_live, answer_ready
from .documents import says
from .exchange import Asked, AskedByAnybody
from .shapes import Alive, Anything, Ready, SystemsSeen

router = APIRouter(tags=["operation"])


@router.get("/health/live", **says("live", "Is the process alive", {200: Alive}))
async def live(asked: AskedByAnybody) -> Response:
    return await answer_live(asked.app, asked.threads)


@router.get("/health/ready", **says("ready", "Can this process work", {200: Ready, 503: Ready}, always=(403, 422, 500)))
async def ready(asked: AskedByAnybody) -> Response:
    """Look at this process alone: is the journal writable, is the disk free. A dead system changes nothing here."""
    return await answer_ready(asked.app, asked.threads)


@router.get("/health/systems", **says("systems", "How the systems are", {200: SystemsSeen}))
async def systems(asked: Asked) -> Response:
    """Tell what is known from use; nothing is tried."""
    asked.caller.require("read")
    return asked.answer({"items": await asked.do(asked.app.catalogue.systems)})


@router.get("/status", **says("status", "The operator's page", {200: Anything}))
async def status(asked: Asked) -> Response:
    """Show systems that are down, runs by state, what waits for a person, late files, lag, disk, next starts."""
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.status.page))
