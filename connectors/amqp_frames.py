"""Messages as AMQP 0-9-1 writes them (sections 2.3.5 and 4.2 of its specification), without an object for each frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pika import data as tables
from pika.spec import BasicProperties

METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
DELIVER, ACK, NACK = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"
HEAD = struct.Struct(">BHL")
LONG = struct.Struct(">Q")
_CONTENT = struct.Struct(">HHQ")
_PUBLISH = b"\x00\x3c\x00\x28\x00\x00"
_OUTSIDE = HEAD.size + len(END)
_PROPERTIES = (
    (1 << 15, "content_type"),
    (1 << 14, "content_encoding"),
    (1 << 13, "headers"),
    (1 << 12, "delivery_mode"),
    (1 << 11, "priority"),
    (1 << 10, "correlation_id"),
    (1 << 9, "reply_to"),
    (1 << 8, "expiration"),
    (1 << 7, "message_id"),
    (1 << 6, "timestamp"),
    (1 << 5, "type"),
    (1 << 4, "user_id"),
    (1 << 3, "app_id"),
    (1 << 2, "cluster_id"),
)


@lru_cache(maxsize=256)
def publication(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """Make the frame that says where a message goes."""
    payload = _PUBLISH + _short(exchange) + _short(routing_key) + (b"\x01" if mandatory else b"\x00")
    return HEAD.pack(METHOD, channel, len(payload)) + payload + END


def content(channel: int, properties: bytes, body: bytes, frame_max: int) -> Iterator[bytes]:
    """Make the frames of a message's properties and body."""
    yield HEAD.pack(HEADER, channel, _CONTENT.size + len(properties))
    yield _CONTENT.pack(60, 0, len(body))
    yield properties
    yield END
    most = frame_max - _OUTSIDE
    for at in range(0, len(body), most):
        part = body[at : at + most] if len(body) > most else body
        yield HEAD.pack(BODY, channel, len(part))
        yield part
        yield END


class Encoded:
    """
    Properties of many messages that differ in their id only.

    What the id stands between is encoded once, as long as the same values come again.
    """

    def __init__(self) -> None:
        self._same: Mapping[str, Any] | None = None
        self._before = self._after = b""

    def bytes_of(self, properties: Mapping[str, Any]) -> bytes:
        """Raises what pika raises for what AMQP cannot carry."""
        same = {name: value for name, value in properties.items() if name != "message_id" and value is not None}
        if same != self._same:
            whole = b"".join(BasicProperties(**same, message_id="").encode())
            less = {name: value for name, value in same.items() if name in _BEFORE_ID}
            self._before = whole[:2] + b"".join(BasicProperties(**less).encode())[2:]
            self._after = whole[len(self._before) + 1 :]
            self._same = same
        return self._before + _short(str(properties["message_id"])) + self._after


_OCTETS = frozenset(("delivery_mode", "priority"))
_BEFORE_ID = frozenset(name for flag, name in _PROPERTIES if flag > 1 << 7)


def properties_of(encoded: bytes) -> dict[str, Any]:
    """Read the properties of a message; those that it does not have are left out."""
    flags = encoded[0] << 8 | encoded[1]
    at = 2
    found: dict[str, Any] = {}
    for name in _names(flags):
        if name == "headers":
            found[name], at = tables.decode_table(encoded, at)
        elif name in _OCTETS:
            found[name] = encoded[at]
            at += 1
        elif name == "timestamp":
            (found[name],) = LONG.unpack_from(encoded, at)
            at += 8
        else:
            end = at + 1 + encoded[at]
            found[name] = str(encoded[at + 1 : end], "utf-8", "surrogateescape")
            at = end
    return found


@lru_cache(maxsize=1024)
def _names(flags: int) -> tuple[str, ...]:
    return tuple(name for flag, name in _PROPERTIES if flags & flag)


def delivery(frame: bytes, at: int) -> tuple[int, bool, str, str]:
    """Read what a delivery says, from its arguments on: tag, redelivered, exchange, routing key."""
    at += 1 + frame[at]
    (tag,) = LONG.unpack_from(frame, at)
    again = bool(frame[at + 8] & 1)
    at += 9
    end = at + 1 + frame[at]
    exchange = str(frame[at + 1 : end], "utf-8", "replace")
    return tag, again, exchange, str(frame[end + 1 : end + 1 + frame[end]], "utf-8", "replace")


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded
