"""
The messages of the Model Context Protocol, without a transport.

Two eras: up to 2025-11-25 a client says `initialize` first, from 2026-07-28 on every request carries its version and
capabilities in `_meta`. Neither needs anything to be kept between two requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ... import __version__

HANDSHAKE_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
_BATCH = 50
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NO_RESOURCE = -32002
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
_META = "io.modelcontextprotocol/"
SERVER = {"name": "drawbar", "title": "Drawbar", "version": __version__}
_NAMED = {"tools/call": "name", "resources/read": "uri", "prompts/get": "name"}


class Refused(Exception):
    """A request that is answered by a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None, *, id: str | int | None = None) -> None:  # noqa: A002 - JSON-RPC's word
        super().__init__(message)
        self.code = code
        self.data = data
        self.id = id

    @property
    def status(self) -> int:
        """The HTTP status of 2026-07-28; before, errors came with 200."""
        return _STATUS.get(self.code, 200)

    def as_json(self) -> dict[str, Any]:
        said = {"code": self.code, "message": str(self)}
        return {"jsonrpc": "2.0", "id": self.id, "error": said if self.data is None else {**said, "data": self.data}}


@dataclass(slots=True)
class Question:
    """One request; `id` None is a notification. `is_modern` says which era's answer it expects."""

    id: str | int | None
    method: str
    params: Mapping[str, Any]
    is_modern: bool

    @property
    def progress_token(self) -> Any:
        """What the client wants to hear under how far it is; None when it does not."""
        meta = self.params.get("_meta")
        return meta.get("progressToken") if isinstance(meta, dict) else None

    def answer(self, result: Mapping[str, Any]) -> dict[str, Any]:
        if not self.is_modern:
            return {"jsonrpc": "2.0", "id": self.id, "result": result}
        meta = {f"{_META}serverInfo": SERVER}
        return {"jsonrpc": "2.0", "id": self.id, "result": {"resultType": "complete", **result, "_meta": meta}}

    def refused(self, error: Refused) -> dict[str, Any]:
        error.id = self.id
        return error.as_json()


def batch_of(body: Any, headers: Mapping[str, str] | None = None) -> list[Any] | None:
    """Give the messages of a batch, which 2025-03-26 alone has and a server of it must hear; None for one message. Raises Refused."""
    if not isinstance(body, list):
        return None
    if (headers or {}).get("mcp-protocol-version", HANDSHAKE_VERSIONS[0]) != HANDSHAKE_VERSIONS[0]:
        raise Refused(INVALID_REQUEST, f"a batch is of {HANDSHAKE_VERSIONS[0]} alone: send its messages one by one")
    if not 1 <= len(body) <= _BATCH:
        raise Refused(INVALID_REQUEST, f"a batch has 1 to {_BATCH} messages")
    return body


def question_in_batch(message: Any, headers: Mapping[str, str] | None = None) -> Question:
    """Read a message of a batch. Raises Refused."""
    asked = question_of(message, headers)
    if asked.method == "initialize":
        raise Refused(INVALID_REQUEST, "initialize is no part of a batch: send it alone, and first", id=asked.id)
    return asked


def question_of(body: Any, headers: Mapping[str, str] | None = None) -> Question:
    """
    Read a message. `headers` are those of HTTP, in lower case; stdio has none. Raises Refused.

    A method that an envelope or a header says to be of 2026-07-28 is checked as that version asks.
    """
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0" or not isinstance(body.get("method"), str):
        raise Refused(INVALID_REQUEST, "the body must be a single JSON-RPC 2.0 request or notification")
    known_as = body.get("id")
    if "id" in body and (not isinstance(known_as, (str, int)) or isinstance(known_as, bool)):
        raise Refused(INVALID_REQUEST, "id must be a string or an integer")
    params = body.get("params", {})
    if not isinstance(params, dict):
        raise Refused(INVALID_PARAMS, "params must be an object", id=known_as)
    if not headers and "_meta" not in params:  # nothing says a version
        return Question(known_as, body["method"], params, is_modern=False)
    meta = params.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    version = (headers or {}).get("mcp-protocol-version") or meta.get(f"{_META}protocolVersion")
    begins = body["method"] == "initialize"  # of the past, whatever version it asks for
    is_modern = version in MODERN_VERSIONS if begins else version is not None and version not in HANDSHAKE_VERSIONS
    asked = Question(known_as, body["method"], params, is_modern)
    if is_modern and (known_as is not None or (headers and version not in MODERN_VERSIONS)):
        _look_at_envelope(asked, meta, headers)
    return asked


def _look_at_envelope(asked: Question, meta: Mapping[str, Any], headers: Mapping[str, str] | None) -> None:
    version = meta.get(f"{_META}protocolVersion")
    if headers is not None and headers.get("mcp-protocol-version") not in MODERN_VERSIONS:
        raise _unsupported(headers.get("mcp-protocol-version"), asked.id)
    missing = [key for key in ("protocolVersion", "clientCapabilities") if f"{_META}{key}" not in meta]
    if missing:
        said = ", ".join(f"{_META}{key}" for key in missing)
        raise Refused(INVALID_PARAMS, f"params._meta lacks {said}", id=asked.id)
    if headers is not None:
        _compare(asked, version, headers)
    if version not in MODERN_VERSIONS:
        raise _unsupported(version, asked.id)


def _compare(asked: Question, version: Any, headers: Mapping[str, str]) -> None:
    """Refuse headers that say something else than the body: proxies route by the ones, we act by the other."""
    said = {"mcp-protocol-version": version, "mcp-method": asked.method}
    if (field := _NAMED.get(asked.method)) is not None and field in asked.params:
        said["mcp-name"] = asked.params[field]
    for header, value in said.items():
        if _plain(headers.get(header)) != value:
            raise Refused(HEADER_MISMATCH, f"the header {header} does not say what the body says", id=asked.id)


def _plain(value: str | None) -> str | None:
    """Read a header's value: what is not plain ASCII comes as `=?base64?...?=`."""
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    import base64
    import binascii

    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _unsupported(version: Any, known_as: str | int | None) -> Refused:
    data = {"supported": [*MODERN_VERSIONS], "requested": version}
    return Refused(UNSUPPORTED_VERSION, "Unsupported protocol version", data, id=known_as)


def initialized(params: Mapping[str, Any], instructions: str) -> dict[str, Any]:
    """Answer `initialize`: the version that the client asks for, or the newest of its era."""
    wanted = params.get("protocolVersion")
    version = wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
    return {
        "protocolVersion": version,
        "capabilities": _CAPABILITIES,
        "serverInfo": SERVER,
        "instructions": instructions,
    }


def discovered(instructions: str) -> dict[str, Any]:
    """Answer `server/discover`."""
    return {
        "supportedVersions": [*MODERN_VERSIONS],
        "capabilities": _CAPABILITIES,
        "instructions": instructions,
        **NOT_CACHED,
    }


_CAPABILITIES: dict[str, Any] = {"tools": {}, "resources": {}, "prompts": {}}
NOT_CACHED = {"ttlMs": 0, "cacheScope": "private"}
