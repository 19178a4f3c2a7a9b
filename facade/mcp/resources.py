"""What clients read by its URI: results that were cut, and other large values that are kept aside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Protocol

from ...core.access import Caller
from ...core.aside import BYTES, JSON, Claim, Claims
from ...core.errors import InputError
from ...core.shown import Json
from ..parts import part, whole_characters

_CLAIM = re.compile(r"drawbar://claims/([A-Za-z0-9._:-]{1,100})(?:\?offset=([0-9]{1,15}))?\Z")
_OURS = "mcp-"
_READ_BYTES = 1_048_576
_LISTED = 100


class Shelf(Protocol):
    """Something that has resources."""

    def resources(self, caller: Caller) -> Sequence[Json]:
        """List what this caller may read and is worth naming."""

    def templates(self) -> Sequence[Json]:
        """List the forms of URIs that can be read."""

    def read(self, uri: str, caller: Caller) -> Json | None:
        """Give what stands at a URI; None when it is none of this shelf. Raises InputError when there is nothing."""


def owner_of(caller: Caller) -> str:
    """Name whose claims these are, so that one agent does not read another's."""
    return f"{_OURS}{hashlib.sha256(caller.name.encode()).hexdigest()[:16]}-"


def uri_of(claim: str) -> str:
    return f"drawbar://claims/{claim}"


def link_to(claim: str, size: int, content_type: str = JSON) -> Json:
    """Write the link to what is too large for an answer."""
    return {
        "type": "resource_link",
        "uri": uri_of(claim),
        "name": "the whole result",
        "mimeType": content_type,
        "size": size,
    }


class Kept:
    """Claims. Those of calls over MCP are read by who called, those of runs by who may read runs."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def resources(self, caller: Caller) -> Sequence[Json]:
        return [self._named(one) for one in self._claims.of_owner(owner_of(caller), _LISTED)]

    def templates(self) -> Sequence[Json]:
        return [
            {
                "uriTemplate": "drawbar://claims/{id}{?offset}",
                "name": "claim",
                "title": "A large value that is kept aside",
                "description": f"The value of a claim; one of more than {_READ_BYTES} bytes goes on at an offset.",
            }
        ]

    def read(self, uri: str, caller: Caller) -> Json | None:
        found = _CLAIM.match(uri)
        if found is None:
            return None
        claim, start = found[1], int(found[2] or 0)
        if not claim.startswith(owner_of(caller)):
            if claim.startswith(_OURS):
                raise InputError(f"there is no claim {claim!r} of yours", reason="not_found")
            caller.require("read")
        known = self._claims.find(claim)
        if start > 0 and start >= known.bytes:
            raise InputError(f"claim {claim!r} ends at {known.bytes}", reason="not_found")
        end = min(start + _READ_BYTES, known.bytes)
        body = part(self._claims, known, start, end)
        said: Json = {"uri": uri, "mimeType": known.content_type}
        if known.content_type == BYTES:
            said["blob"] = base64.b64encode(body).decode()
        else:
            said["text"], size = whole_characters(body, at_end=end == known.bytes)
            end = start + size
        return said if end >= known.bytes else {**said, "_meta": {"drawbar/next": f"{uri_of(claim)}?offset={end}"}}

    def _named(self, one: Claim) -> Json:
        shown: dict[str, Any] = one.as_json()
        return {
            "uri": uri_of(one.id),
            "name": one.id.rpartition(".")[0].rpartition("-")[2],
            "title": f"Result of {shown['created_at']}",
            "description": "A result that was too long for its answer.",
            "mimeType": one.content_type,
            "size": one.bytes,
        }
