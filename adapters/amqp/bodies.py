"""What bodies mean, by content type; and a message as expressions and callers see it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ...core.errors import InputError
from ...core.values import parse_json, write_json

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming

Kind = Literal["json", "text", "bytes"]


def kind_of(content_type: str) -> Kind:
    essence = content_type.partition(";")[0].strip().lower()
    if essence.endswith(("/json", "+json")):
        return "json"
    if essence.startswith("text/") or essence.endswith(("/xml", "+xml")):
        return "text"
    return "bytes"


def encode(body: Any, content_type: str) -> bytes:
    match kind_of(content_type):
        case "json":
            return write_json(body)
        case "text":
            return str(body).encode(charset(content_type))
        case _:
            return body if isinstance(body, bytes) else _from_base64(body)


def decode(body: bytes, content_type: str, encoding: str | None = None) -> Any:
    """Give the meaning of a body; InputError when it is not what its content type says."""
    if encoding and encoding.lower() not in ("identity", "utf-8", "utf8"):
        raise InputError(f"the message's content encoding {encoding!r} is not read here")
    match kind_of(content_type):
        case "json":
            return parse_json(body, what="the message's body")
        case "text":
            try:
                return body.decode(charset(content_type))
            except UnicodeDecodeError as error:
                raise InputError(f"the message's body is not {error.encoding} (byte {error.start})") from error
        case _:
            return body


def schema_of(content_type: str) -> Mapping[str, Any]:
    """Give the schema of a body of which nothing more is said."""
    match kind_of(content_type):
        case "json":
            return {"description": "The message, as JSON."}
        case "text":
            return {"type": "string", "description": "The message, as text."}
        case _:
            return {"type": "string", "contentEncoding": "base64", "description": "The message's bytes, in base64."}


def charset(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            try:
                return "".encode(value.strip('"')).decode() or value.strip('"')
            except LookupError as error:
                raise InputError(f"the charset {value} is not known") from error
    return "utf-8"


def seen(message: Incoming, default: str) -> dict[str, Any]:
    """Give `message` as expressions see it; InputError when its body cannot be read."""
    properties = message.properties
    content_type = message.content_type or default
    return {
        **described(message),
        "body": decode(message.body, content_type, properties.get("content_encoding")),
    }


def described(message: Incoming) -> dict[str, Any]:
    """Give all of a message but its body."""
    properties = message.properties
    return {
        "id": message.message_id,
        "headers": dict(message.headers),
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "redelivered": message.redelivered,
        **{name: properties.get(name) for name in ("content_type", "correlation_id", "reply_to", "type", "timestamp")},
    }


def _from_base64(body: Any) -> bytes:
    try:
        return base64.b64decode(str(body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the body is not base64", field="body") from error
