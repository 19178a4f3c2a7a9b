"""What bodies mean, by content type; and a message as expressions and callers see it."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ...core.errors import InputError
from ...core.values import parse_json, write_json
from ..formats import Format, IncompleteFile, Reject, WrongFile, record_schema

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming

Kind = Literal["json", "text", "bytes"]


@lru_cache(maxsize=256)
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


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the bodies of a queue or a publication are: by a format, else by their content type."""

    content_type: str
    form: Format | None = None
    records: bool = False
    """A body of the format has several records, and is a list here."""

    def seen(self, message: Incoming) -> dict[str, Any]:
        """Give `message` as expressions see it; InputError when its body cannot be read."""
        return {**described(message), "body": self.read(message)}

    def read(self, message: Incoming) -> Any:
        """Give the meaning of a message's body; InputError when it cannot be read."""
        if self.form is not None:
            return self._records(message.body)
        said = message.properties.get
        return decode(message.body, said("content_type") or self.content_type, said("content_encoding"))

    def told(self, message: Incoming) -> dict[str, Any]:
        """Give a message as callers see it; one whose body cannot be read has no body, its bytes and the problem."""
        try:
            return self.seen(message)
        except InputError as error:
            return {**described(message), "body": None, "raw": message.body, "problem": error.message}

    def encode(self, body: Any) -> bytes:
        """Make the bytes of a body; InputError names what does not fit."""
        if self.form is None:
            return encode(body, self.content_type)
        rows = body if self.records else [body]
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise InputError(f"the body is {'no list of records' if self.records else 'no record'}", field="body")
        stream = io.BytesIO()
        self.form.write(rows, stream)
        return stream.getvalue()

    def schema(self) -> Mapping[str, Any]:
        """Give the schema of a body of which nothing more is said."""
        if self.form is None:
            return schema_of(self.content_type)
        record = record_schema(self.form.columns(), accepts=True)
        return {"type": "array", "items": record} if self.records else record

    def _records(self, body: bytes) -> Any:
        assert self.form is not None
        rows: list[dict[str, Any]] = []
        try:
            for record in self.form.read(io.BytesIO(body)):
                if isinstance(record, Reject):
                    raise InputError(f"the message's body, record {record.record_no}: {record.reason}")
                if record.layout == "row":
                    rows.append(record.values)
        except (IncompleteFile, WrongFile) as error:
            raise InputError(f"the message's body: {error}") from error
        if self.records:
            return rows
        if len(rows) != 1:
            raise InputError(f"the message's body has {len(rows)} records, and one is expected; say records: true")
        return rows[0]


def described(message: Incoming) -> dict[str, Any]:
    """Give all of a message but its body."""
    said = message.properties.get
    return {
        "id": said("message_id"),
        "headers": dict(said("headers") or ()),
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "redelivered": message.redelivered,
        "content_type": said("content_type"),
        "correlation_id": said("correlation_id"),
        "reply_to": said("reply_to"),
        "type": said("type"),
        "timestamp": said("timestamp"),
    }


def _from_base64(body: Any) -> bytes:
    try:
        return base64.b64decode(str(body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the body is not base64", field="body") from error
