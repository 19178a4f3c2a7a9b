"""Tools: find one, call it through the guard."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from anyio import CapacityLimiter
from fastapi import APIRouter, Query, Response

from ..core.errors import InputError
from .documents import says
from .exchange import Asked
from .idempotency import REPLAYED, Route
from .parameters import AfterTool, Id, Limit, Word
from .shapes import (
    Exported,
    ToolAnswer,
    ToolCall,
    ToolChange,
    ToolPage,
    ToolPreview,
    ToolPreviewed,
    ToolSeen,
    ToolWaiting,
)

router = APIRouter(tags=["tools"], route_class=Route)
_EXAMPLE = {"arguments": {"id": 42}}


def _system(asked: Asked, tool: str) -> str:
    """Name the system that a tool is of."""
    name, tenant = tool.partition(".")[0], asked.caller.tenant
    return asked.app.landscape.system(name, tenant) if tenant is not None else name


def _threads(asked: Asked, tool: str) -> CapacityLimiter:
    """Give the threads of the system that a tool is of."""
    return asked.threads.system(_system(asked, tool), asked.app.landscape)


@router.get("/tools", **says("listTools", "List tools", {200: ToolPage}, errors=[404]))
async def list_(
    asked: Asked,
    adapter: Word = None,
    effect: Literal["read", "idempotent", "write"] | None = None,
    q: Annotated[Word, Query(description="Words of the name or the description.")] = None,
    after: AfterTool = None,
    limit: Limit = 100,
) -> Response:
    """List what the caller may see, by name; systems that cannot say what they offer are in /health/systems."""
    asked.caller.require("read")
    found = await asked.do(asked.app.catalogue.tools, caller=asked.caller, adapter=adapter, effect=effect, q=q)
    rest = [tool for tool in found if after is None or tool["name"] > after]
    return asked.page(rest, limit, lambda tool: tool["name"])


@router.get("/tools/export", **says("exportTools", "Write tools for other agents", {200: Exported}))
async def export(
    asked: Asked, form: Annotated[Literal["mcp", "openai", "anthropic", "openapi"], Query(alias="format")] = "mcp"
) -> Response:
    """Write the tools that the caller may call as its model wants them."""
    asked.caller.require("read")
    return asked.answer(await asked.do(asked.app.catalogue.export, form, caller=asked.caller))


@router.get("/tools/{name}", **says("getTool", "Show a tool", {200: ToolSeen, 304: None}, errors=[404], etag=True))
async def get(asked: Asked, name: Id) -> Response:
    asked.caller.require("read")
    limiter = _threads(asked, name)  # a system that is silent may be asked
    return asked.answer(await asked.on(limiter, asked.app.catalogue.tool, name, caller=asked.caller), tagged=True)


@router.post(
    "/tools/{name}/call",
    **says(
        "callTool",
        "Call a tool",
        {200: ToolAnswer, 202: ToolWaiting},
        errors=[404, 409, 428, 429, 504],
        body=ToolCall,
        body_required=False,
        example=_EXAMPLE,
        headers=["Drawbar-Session"],
    ),
)
async def call(asked: Asked, name: Id) -> Response:
    """
    Call a tool and give its result, or 202 with an id when another person must approve it first.

    A 504 says that it was sent and nobody knows what came of it: it must be settled, not sent again. A 428 asks for the
    `code` of a preview of the same arguments (`agents.*.confirm`); a code is spent with the call that it confirms.
    """
    said = await asked.body(ToolCall)
    key = asked.request.headers.get("idempotency-key")
    crew = asked.threads.crew(_system(asked, name), asked.app.landscape)
    answer = await crew.do(
        partial(asked.app.direct.call, name, said.arguments, caller=asked.caller, key=key, code=said.code)
    )
    if answer.state == "waiting":
        return asked.answer(
            {"status": "waiting", "id": answer.id}, 202, headers=asked.location(f"/approvals/{answer.id}")
        )
    return asked.answer({"result": answer.result, "id": answer.id}, headers=REPLAYED if answer.repeated else None)


@router.post(
    "/tools/{name}/preview",
    **says(
        "previewTool",
        "Show what a call would send",
        {200: ToolPreview},
        errors=[404, 409, 429],
        body=ToolPreviewed,
        body_required=False,
        example=_EXAMPLE,
    ),
)
async def preview(asked: Asked, name: Id) -> Response:
    """Show exactly what would be sent, send nothing, and give a one-use code that is good for ten minutes."""
    said = await asked.body(ToolPreviewed)
    limiter = _threads(asked, name)
    return asked.answer(await asked.on(limiter, asked.app.guard.preview, name, said.arguments, asked.caller))


@router.patch(
    "/tools/{name}",
    **says(
        "changeTool",
        "Switch a tool off or on, or describe it",
        {200: ToolSeen},
        errors=[404, 409, 412],
        body=ToolChange,
        example={"enabled": False},
        headers=["If-Match"],
        etag=True,
    ),
)
async def change(asked: Asked, name: Id) -> Response:
    """Say something about a tool over the configuration; every process knows it within a second."""
    asked.caller.require("administer")
    said = await asked.body(ToolChange)
    if not said.model_fields_set:
        raise InputError("nothing is to be changed", next="send enabled or description")
    limiter = _threads(asked, name)
    changed = await asked.on(
        limiter,
        asked.app.catalogue.change_tool,
        name,
        enabled=said.enabled,
        description=said.description,
        caller=asked.caller,
        agree=asked.agreed(),
    )
    return asked.answer(changed, tagged=True)
