"""Holds: what takes no new work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from .documents import says
from .exchange import Asked
from .idempotency import Route
from .parameters import After, Id, Limit, Word
from .shapes import Hold, HoldPage, HoldSeen

router = APIRouter(tags=["operation"], route_class=Route)


@router.get("/holds", **says("listHolds", "List what takes no new work", {200: HoldPage}))
async def list_(asked: Asked, after: After = None, limit: Limit = 100) -> Response:
    """List them by name, each with who holds it and since when."""
    asked.caller.require("read")
    found = sorted(await asked.do(asked.app.brake.list), key=_key)
    rest = [one for one in found if after is None or _key(one) > after]
    return asked.page(rest, limit, _key)


@router.post(
    "/holds",
    **says(
        "hold",
        "Let something take no new work",
        {200: HoldSeen},
        errors=[404, 409],
        body=Hold,
        example={"name": "drop.orders", "until": "2030-01-01T06:30:00+01:00", "reason": "maintenance"},
    ),
)
async def hold(asked: Asked) -> Response:
    """Hold an adapter, ADAPTER.FEED, a sync, a workflow or a trigger; what runs, ends. Again says anew until when and why."""
    asked.caller.require("operate")
    said = await asked.body(Hold)
    return asked.answer(
        await asked.do(asked.app.brake.hold, said.name, caller=asked.caller, until=said.until, reason=said.reason)
    )


@router.get("/holds/{name}", **says("getHold", "Show a hold", {200: HoldSeen, 304: None}, errors=[404, 409], etag=True))
async def get(asked: Asked, name: Id) -> Response:
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.brake.find, name), tagged=True)


@router.delete(
    "/holds/{name}",
    **says("release", "Let it take new work again", {204: None}, errors=[404, 409, 412], headers=["If-Match"]),
)
async def release(asked: Asked, name: Id, reason: Word = None) -> Response:
    asked.caller.require("operate")
    await asked.do(asked.app.brake.release, name, caller=asked.caller, reason=reason, agree=asked.agreed())
    return Response(status_code=204)


def _key(one: dict[str, str]) -> str:
    return f"{one['name']} {one['kind']}"
