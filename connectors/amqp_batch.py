"""Many messages to one exchange: a window of them unconfirmed, and exactly which are doubtful when the line is lost."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import DrawbarError, OutcomeUnknown, Rejected, Unavailable
from .amqp import FAILURES, Outgoing, said
from .amqp_answers import NOT_TAKEN, homeless
from .amqp_frames import Encoded, content, publication

if TYPE_CHECKING:
    from pika.channel import Channel

    from .amqp_line import Line

WINDOW, WINDOW_BYTES = 2000, 16 << 20
_FED = 100
_NAMED = 100
_LOOK_S = 0.5


class Ready(NamedTuple):
    """A message as it leaves: its properties are encoded."""

    exchange: str
    routing_key: str
    mandatory: bool
    message_id: str
    properties: bytes
    body: bytes


def ready() -> Callable[[Outgoing], Ready]:
    """Give what encodes messages of one publication; Rejected for one that AMQP cannot carry."""
    encoded = Encoded()

    def encode(message: Outgoing) -> Ready:
        try:
            properties = encoded.bytes_of(message.properties)
        except (*FAILURES, ValueError, TypeError, AssertionError, struct.error) as error:
            raise Rejected(f"AMQP cannot carry this message: {said(error)}") from error
        return Ready(
            message.exchange, message.routing_key, message.mandatory, message.message_id, properties, message.body
        )

    return encode


class Batch:
    """
    Sends what an iterator gives and counts the confirms. All but `finished` happens on the line's thread.

    After a refusal nothing more leaves; what is on its way is waited for.
    """

    def __init__(self, where: str, messages: Iterator[Ready]) -> None:
        self.channel: Channel | None = None
        self._where = where
        self._messages = messages
        self._done: Future[int] = Future()
        self._line: Line | None = None
        self._waiting: dict[int, tuple[str, int]] = {}
        self._bytes = 0
        self._sent = self._confirmed = 0
        self._over = self._paused = False
        self._refused: dict[str, str] = {}
        self._returned: dict[str, str] = {}
        self._problem: BaseException | None = None
        self._heard_at = time.monotonic()

    def finished(self, timeout_s: float, is_blocked: Callable[[], bool]) -> int:
        """Wait for the last confirm, and give how many there were; a broker that is blocked may take its time."""
        while True:
            try:
                return self._done.result(min(timeout_s, _LOOK_S))
            except FutureTimeout:
                if time.monotonic() - self._heard_at > timeout_s and not is_blocked():
                    raise self._doubt(f"{self._where}: no confirm within {timeout_s:.3g} s") from None

    def begin(self, line: Line, *, paused: bool) -> None:
        if self._over:  # nobody waits for it any more
            self.close()
            return
        self._line, self._paused = line, paused
        self._heard_at = time.monotonic()
        self._feed()

    def pause(self, paused: bool) -> None:
        """Send nothing more while the broker takes nothing."""
        self._paused = paused
        self._heard_at = time.monotonic()
        if not paused:
            self._feed()

    def confirmed(self, last: int, multiple: bool, refused: bool) -> None:
        self._heard_at = time.monotonic()
        waiting = self._waiting
        if multiple:
            while waiting and (tag := next(iter(waiting))) <= last:
                self._settled(*waiting.pop(tag), refused)
        elif (one := waiting.pop(last, None)) is not None:
            self._settled(*one, refused)
        if not waiting or len(waiting) <= WINDOW - _FED:
            self._feed()

    def returned(self, method: Any, properties: Any) -> None:
        self._returned[properties.message_id] = homeless(method)

    def lost(self, error: DrawbarError) -> None:
        """End: what is unconfirmed is doubtful; where nothing is, the error says what happened."""
        self._over = True
        if self._done.done():
            return
        if self._waiting:
            error = self._doubt(error.message)
        elif isinstance(error, OutcomeUnknown):
            error = Unavailable(error.message, detail=self._detail())
        self._done.set_exception(error)

    def close(self) -> None:
        self._over = True
        if self.channel is not None and self.channel.is_open:
            self.channel.close()

    def _settled(self, message_id: str, size: int, refused: bool) -> None:
        self._bytes -= size
        reason = self._returned.pop(message_id, None) if self._returned else None
        if refused and reason is None:
            reason = NOT_TAKEN
        if reason is None:
            self._confirmed += 1
        else:
            self._over = True
            self._refused[message_id] = reason

    def _feed(self) -> None:
        if self._line is None or self._done.done():
            return
        parts: list[bytes] = []
        try:
            while not (self._over or self._paused) and len(self._waiting) < WINDOW and self._bytes < WINDOW_BYTES:
                if (message := next(self._messages, None)) is None:
                    self._over = True
                else:
                    self._add(message, parts, self._line.frame_max)
        except (DrawbarError, OSError) as error:  # where the messages come from
            self._over, self._problem = True, error
        if parts:
            self._line.emit(b"".join(parts))
        if self._over and not self._waiting:
            self._end()

    def _add(self, message: Ready, parts: list[bytes], frame_max: int) -> None:
        assert self.channel is not None
        number = self.channel.channel_number
        self._sent += 1
        self._waiting[self._sent] = (message.message_id, len(message.body))
        self._bytes += len(message.body)
        parts.append(publication(number, message.exchange, message.routing_key, message.mandatory))
        parts += content(number, message.properties, message.body, frame_max)

    def _end(self) -> None:
        if self._problem is not None:
            self._done.set_exception(self._problem)
        elif self._refused:
            message_id, reason = next(iter(self._refused.items()))
            more = f", and {len(self._refused) - 1} more" if len(self._refused) > 1 else ""
            said = f"{self._where}: the message {message_id}: {reason}{more}; {self._confirmed} are with the broker"
            kind = Unavailable if {*self._refused.values()} == {NOT_TAKEN} else Rejected
            self._done.set_exception(kind(said, detail=self._detail()))
        else:
            self._done.set_result(self._confirmed)

    def _doubt(self, reason: str) -> OutcomeUnknown:
        detail = self._detail()
        return OutcomeUnknown(f"{reason}; {detail['doubtful']} messages are doubtful", detail=detail)

    def _detail(self) -> dict[str, Any]:
        """Say of every message what is known: the first names of those in doubt, and how many."""
        doubtful = [message_id for message_id, _ in list(self._waiting.values())]
        return {
            "confirmed": self._confirmed,
            "doubtful": len(doubtful),
            "doubtful_ids": doubtful[:_NAMED],
            "refused": dict(list(self._refused.items())[:_NAMED]),
        }
