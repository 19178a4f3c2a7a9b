"""Values that are kept aside: a run shows a claim, this gives the value, whole or in parts."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from ..core.aside import BYTES, JSON, Claim
from ..core.errors import InputError
from .documents import says
from .exchange import Asked, Exchange
from .parameters import Id
from .parts import part, whole_characters

router = APIRouter(tags=["runs"])
_PART_BYTES = 1_048_576
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def _said() -> dict[str, Any]:
    said = says("getClaim", "Give a value that is kept aside", {200: BYTES, 206: BYTES, 304: None}, errors=[404, 416])
    said["responses"][200]["content"][JSON] = {
        "schema": {"description": "The value; with offset or limit a page of it."}
    }
    said["responses"][206]["content"][JSON] = {"schema": {"description": "A part of the value."}}
    return said


@router.get("/claims/{id}", **_said())
async def get_claim(
    asked: Asked,
    id: Id,  # noqa: A002 - the word of the contract
    offset: Annotated[int | None, Query(ge=0, le=2**53, description="First byte of a page.")] = None,
    limit: Annotated[int | None, Query(ge=16, le=_PART_BYTES, description="Bytes of a page, at most.")] = None,
) -> Response:
    """
    Give the value as it is: JSON, or bytes; a `Range` gives a part of it.

    With `offset` or `limit` a page of it as JSON: `{claim, bytes, content_type, offset, next, text}`, cut between characters
    (`base64` in place of `text` for bytes); `next` is the following `offset`.
    """
    asked.caller.require("read")
    found = await asked.do(asked.app.claims.find, id)
    if offset is not None or limit is not None:
        return asked.answer(await asked.do(_page, asked, found, offset or 0, limit or 65_536))
    etag = f'"{found.sha256}"'
    said = {"ETag": etag, "Accept-Ranges": "bytes"}
    if etag in asked.request.headers.get("if-none-match", ""):
        return Response(None, 304, said)
    start, end, status = _span(asked, found, etag)
    if status == 416:
        return _unsatisfied(found)
    if status == 206:
        said["Content-Range"] = f"bytes {start}-{end - 1}/{found.bytes}"
    said["Content-Length"] = str(end - start)
    if end - start <= _PART_BYTES:
        return Response(await asked.do(part, asked.app.claims, found, start, end), status, said, found.content_type)
    return StreamingResponse(_parts(asked, found, start, end), status, said, found.content_type)


def _span(asked: Exchange, found: Claim, etag: str) -> tuple[int, int, int]:
    """Give start, end and status; several ranges at once, or a range of another version, are answered whole."""
    match = _RANGE.match(asked.request.headers.get("range", "").replace(" ", ""))
    condition = asked.request.headers.get("if-range", "")
    if match is None or match.groups() == ("", "") or (condition and condition != etag):
        return 0, found.bytes, 200
    first, last = match.groups()
    if not first:
        start, end = max(found.bytes - int(last[:18]), 0), found.bytes
    else:
        start, end = int(first[:18]), min(int(last[:18]) + 1, found.bytes) if last else found.bytes
    if last and first and int(last[:18]) < int(first[:18]):
        return 0, found.bytes, 200
    return (start, end, 206) if start < end else (0, 0, 416)


def _unsatisfied(found: Claim) -> Response:
    from . import problems

    said = problems.of_status(416, f"the value has {found.bytes} bytes", next_="ask for a part of it")
    return problems.respond(416, said, {"Content-Range": f"bytes */{found.bytes}"})


async def _parts(asked: Exchange, found: Claim, start: int, end: int) -> AsyncIterator[bytes]:
    for at in range(start, end, _PART_BYTES):
        yield await asked.do(part, asked.app.claims, found, at, min(at + _PART_BYTES, end))


def _page(asked: Exchange, found: Claim, offset: int, limit: int) -> dict[str, Any]:
    if offset > found.bytes:
        raise InputError(f"the value has {found.bytes} bytes", field="offset", next="ask for a part of it")
    end = min(offset + limit, found.bytes)
    body = part(asked.app.claims, found, offset, end)
    said = {"claim": found.id, "bytes": found.bytes, "content_type": found.content_type, "offset": offset}
    if found.content_type == BYTES:
        return {**said, "next": end if end < found.bytes else None, "base64": base64.b64encode(body).decode()}
    text, size = whole_characters(body, at_end=end == found.bytes)
    end = offset + size
    return {**said, "next": end if end < found.bytes else None, "text": text}
