"""Adapters: the registered systems."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..core.errors import InputError
from .alive import as_finding
from .documents import says
from .exchange import Asked, Exchange, checked
from .idempotency import Route
from .parameters import AfterName, Id, Limit
from .shapes import AdapterChange, AdapterNew, AdapterPage, AdapterSeen, CheckAsked, CheckSeen

router = APIRouter(tags=["adapters"], route_class=Route)
_EXAMPLE = {"name": "erp", "kind": "sql", "url": "${env:ERP_URL}"}


@router.get("/adapters", **says("listAdapters", "List adapters", {200: AdapterPage}))
async def list_(asked: Asked, after: AfterName = None, limit: Limit = 100) -> Response:
    """List the systems by name."""
    asked.caller.require("read")
    found = await asked.do(asked.app.catalogue.adapters)
    rest = [one for one in found if after is None or one["name"] > after]
    return asked.page(rest, limit, lambda one: one["name"])


@router.post(
    "/adapters",
    **says(
        "createAdapter",
        "Register an adapter",
        {201: AdapterSeen},
        errors=[409],
        body=AdapterNew,
        example=_EXAMPLE,
        etag=True,
    ),
)
async def create(asked: Asked) -> Response:
    """
    Register a system; needs the scope `administer` and `server.adapters_over_rest: true`.

    Secrets are given by reference only: `${env:NAME}` or `${file:PATH}`.
    """
    _allowed(asked)
    given = await asked.mapping()
    name = checked(AdapterNew, given).name
    body = {key: value for key, value in given.items() if key != "name"}
    made = await asked.do(asked.app.adapters.create, name, body, by=asked.caller.name, id=name)
    await asked.do(asked.app.follow_changes)
    return asked.answer(
        await asked.do(asked.app.catalogue.adapter, name),
        201,
        etag=made.version,
        tagged=True,
        headers=asked.location(f"/adapters/{name}"),
    )


@router.get(
    "/adapters/{name}", **says("getAdapter", "Show an adapter", {200: AdapterSeen, 304: None}, errors=[404], etag=True)
)
async def get(asked: Asked, name: Id) -> Response:
    asked.caller.require("read")
    shown = await asked.do(asked.app.catalogue.adapter, name)
    return asked.answer(shown, etag=await asked.do(_version, asked, name), tagged=True)


@router.put(
    "/adapters/{name}",
    **says(
        "replaceAdapter",
        "Replace an adapter",
        {200: AdapterSeen},
        errors=[404, 409, 412],
        body=AdapterChange,
        example={"kind": "sql", "url": "${env:ERP_URL}"},
        headers=["If-Match"],
        etag=True,
    ),
)
async def replace(asked: Asked, name: Id) -> Response:
    """Write it anew; calls that run keep the old one until they end."""
    _allowed(asked)
    body = await asked.mapping()
    checked(AdapterChange, body)
    if body.pop("name", name) != name:
        raise InputError("an adapter keeps its name", field="name", next="delete it and register another")
    changed = await asked.do(
        asked.app.adapters.replace, name, name, body, by=asked.caller.name, expect=asked.expected()
    )
    await asked.do(asked.app.follow_changes)
    return asked.answer(await asked.do(asked.app.catalogue.adapter, name), etag=changed.version, tagged=True)


@router.delete(
    "/adapters/{name}",
    **says("deleteAdapter", "Delete an adapter", {204: None}, errors=[404, 409, 412], headers=["If-Match"]),
)
async def delete(asked: Asked, name: Id) -> Response:
    _allowed(asked)
    await asked.do(asked.app.adapters.delete, name, by=asked.caller.name, expect=asked.expected())
    await asked.do(asked.app.follow_changes)
    return Response(status_code=204)


@router.post(
    "/adapters/{name}/check",
    **says(
        "checkAdapter", "Try the connection", {200: CheckSeen}, errors=[404, 504], body=CheckAsked, body_required=False
    ),
)
async def check(asked: Asked, name: Id) -> Response:
    """Try the connection step by step; the first finding that is not ok explains what fails."""
    asked.caller.require("operate")
    said = await asked.body(CheckAsked)
    limiter = asked.threads.system(name, asked.app.landscape)
    findings = [as_finding(one) for one in await asked.on(limiter, asked.app.catalogue.check, name, write=said.write)]
    return asked.answer({"ok": all(one["ok"] for one in findings), "findings": findings})


def _version(asked: Exchange, name: str) -> int:
    return asked.app.adapters.entry(name).version


def _allowed(asked: Exchange) -> None:
    asked.caller.require("administer")
    if not asked.app.config.server.adapters_over_rest:
        raise InputError(
            "adapters are registered in the configuration only",
            reason="forbidden",
            next="write it into the YAML file, or set server.adapters_over_rest: true",
        )
