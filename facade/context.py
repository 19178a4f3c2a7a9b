"""Context: JSON documents that runs and agents share. Every change says which version it has seen."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ..core.context import Document
from .documents import says
from .exchange import Asked, Exchange
from .parameters import After, Id, Limit
from .shapes import DocumentPage, DocumentSeen, Patch

router = APIRouter(tags=["context"])
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="One of the versions that are kept.")]
AfterVersion = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the page before.")]
_CHANGE = (404, 409, 412, 428)
_ANY = {"description": "Any JSON value."}


@router.get("/context/{scope}", **says("listContext", "List the documents of a scope", {200: DocumentPage}))
async def list_(asked: Asked, scope: Id, after: After = None, limit: Limit = 100) -> Response:
    """List them by key; a scope without documents is empty."""
    asked.caller.require("read")
    asked.caller.reads(scope)
    found = await asked.do(asked.app.context.page, scope, after=after, limit=limit + 1)
    return asked.page([_json(one) for one in found], limit, lambda one: one["key"])


@router.get(
    "/context/{scope}/{key}",
    **says("getContext", "Show a document", {200: DocumentSeen, 304: None}, errors=[404], etag=True),
)
async def get(asked: Asked, scope: Id, key: Id, version: Version = None) -> Response:
    """Show it as it is, or as it was in one of the versions that are kept."""
    asked.caller.require("read")
    asked.caller.reads(scope)
    return _shown(asked, await asked.do(asked.app.context.get, scope, key, version=version))


@router.get(
    "/context/{scope}/{key}/versions",
    **says("listContextVersions", "List the versions of a document that are kept", {200: DocumentPage}, errors=[404]),
)
async def versions(asked: Asked, scope: Id, key: Id, after: AfterVersion = None, limit: Limit = 100) -> Response:
    """List the newest first; that it was deleted is a version, too."""
    asked.caller.require("read")
    asked.caller.reads(scope)
    found = await asked.do(asked.app.context.versions, scope, key, before=after, limit=limit + 1)
    return asked.page([_json(one) for one in found], limit, lambda one: one["version"])


@router.put(
    "/context/{scope}/{key}",
    **says(
        "putContext",
        "Write a document",
        {200: DocumentSeen, 201: DocumentSeen},
        errors=_CHANGE,
        body=_ANY,
        example={"open": True},
        headers=["If-Match", "If-None-Match"],
        etag=True,
    ),
)
async def put(asked: Asked, scope: Id, key: Id) -> Response:
    """Write the body as the document: `If-None-Match: *` makes a new one, `If-Match` replaces what was seen."""
    asked.caller.require("run")
    asked.caller.writes(scope)
    expect = asked.required()
    value = await asked.json()
    written = await asked.do(asked.app.context.put, scope, key, value, expect=expect, by=asked.caller.name)
    return _shown(asked, written, 201 if expect == 0 else 200)


@router.patch(
    "/context/{scope}/{key}",
    **says(
        "patchContext",
        "Change a part of a document",
        {200: DocumentSeen},
        errors=_CHANGE,
        body=Patch,
        example={"open": False},
        headers=["If-Match"],
        etag=True,
    ),
)
async def patch(asked: Asked, scope: Id, key: Id) -> Response:
    """Apply a JSON merge patch."""
    asked.caller.require("run")
    asked.caller.writes(scope)
    expect = asked.required()
    said = await asked.mapping()
    return _shown(asked, await asked.do(asked.app.context.merge, scope, key, said, expect=expect, by=asked.caller.name))


@router.delete(
    "/context/{scope}/{key}",
    **says("deleteContext", "Delete a document", {204: None}, errors=_CHANGE, headers=["If-Match"]),
)
async def delete(asked: Asked, scope: Id, key: Id) -> Response:
    asked.caller.require("run")
    asked.caller.writes(scope)
    await asked.do(asked.app.context.delete, scope, key, expect=asked.required(), by=asked.caller.name)
    return Response(status_code=204)


def _shown(asked: Exchange, document: Document, status: int = 200) -> Response:
    return asked.answer(_json(document), status, etag=document.version)


def _json(document: Document) -> dict[str, Any]:
    """Give it with its own numbers, for who prefers them exact."""
    return {**document.as_json(), "value": document.value}
