"""pika's connection with a fast way for messages: they pass as bytes, and only what is rare becomes pika's objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pika import SelectConnection

from .amqp_frames import ACK, BODY, DELIVER, END, HEAD, HEADER, LONG, METHOD, NACK, delivery

RECEIVED_BYTES = 1 << 20
_HEAD_AND_END = HEAD.size + len(END)

Delivered = Callable[[int, bool, str, str, bytes, bytes], None]
"""Takes a message: tag, redelivered, exchange, routing key, its encoded properties, its body."""
Confirmed = Callable[[int, bool, bool], None]
"""Takes a confirm: tag, multiple, whether the broker refused."""


class Line(SelectConnection):
    """
    A connection whose channels may ask for messages and confirms as bytes.

    pika makes three objects a message and sends a packet a frame; the rest (login, heartbeats, channels, all that is rare,
    messages of several frames) is its own work. docs/decisions/amqp-messages-as-bytes.md says which of its inner names
    this stands on; a test holds them.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        self._rest = b""
        self.deliver: dict[int, Delivered] = {}
        self.confirm: dict[int, Confirmed] = {}
        super().__init__(*given, **named)

    @property
    def frame_max(self) -> int:
        """Give the size of a frame that both sides agreed to."""
        return int(self.params.frame_max)

    def emit(self, frames: bytes) -> None:
        """Send frames that are complete; on a line that is lost they are lost, and its end tells so."""
        if self.is_open:
            self._output_marshaled_frames([frames])

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = RECEIVED_BYTES  # noqa: SLF001 - pika asks for 4 KB at a time
        super()._proto_connection_made(transport)

    def _on_data_available(self, data_in: bytes) -> None:
        """Take what is ours out of the stream, and give pika every other frame whole."""
        if not (self.deliver or self.confirm):
            super()._on_data_available(data_in)
            return
        data = self._rest + data_in if self._rest else data_in
        if self._frame_buffer:  # the first of ours may follow the end of one that pika has begun
            data, self._frame_buffer = self._frame_buffer + data, b""
        self._rest = b""
        at, size = 0, len(data)
        while size - at >= _HEAD_AND_END:
            kind, channel, length = HEAD.unpack_from(data, at)
            end = at + length + _HEAD_AND_END
            if end > size:
                break
            after = self._ours(data, at, end, channel) if kind == METHOD else -1
            if after == 0:  # a message whose frames are not all here
                break
            if after < 0:
                after = end
                super()._on_data_available(data[at:end])
            else:
                self.bytes_received += after - at
            at = after
        self._rest = data[at:]

    def _ours(self, data: bytes, at: int, end: int, channel: int) -> int:
        """Take a message or a confirm; give where it ends, 0 when that is not here yet, -1 when it is for pika."""
        method = data[at + 7 : at + 11]
        if method == DELIVER and (taking := self.deliver.get(channel)) is not None:
            return _message(data, at + 11, end, channel, taking)
        if method in (ACK, NACK) and (confirmed := self.confirm.get(channel)) is not None:
            (tag,) = LONG.unpack_from(data, at + 11)
            confirmed(tag, bool(data[at + 19] & 1), method == NACK)
            return end
        return -1


def _message(data: bytes, at: int, end: int, channel: int, taking: Delivered) -> int:
    """Take a message whose body is one frame at most."""
    size = len(data)
    if size - end < _HEAD_AND_END:
        return 0
    kind, of_channel, length = HEAD.unpack_from(data, end)
    body_at: int = end + length + _HEAD_AND_END
    if kind != HEADER or of_channel != channel:
        return -1
    if body_at > size:
        return 0
    (body_size,) = LONG.unpack_from(data, end + 11)
    properties = data[end + 19 : body_at - 1]
    if body_size == 0:
        taking(*delivery(data, at), properties, b"")
        return body_at
    if size - body_at < _HEAD_AND_END:
        return 0
    kind, of_channel, length = HEAD.unpack_from(data, body_at)
    if kind != BODY or of_channel != channel or length != body_size:
        return -1
    after: int = body_at + length + _HEAD_AND_END
    if after > size:
        return 0
    taking(*delivery(data, at), properties, data[body_at + 7 : after - 1])
    return after
