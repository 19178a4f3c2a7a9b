"""Requests that are answered: sent and awaited on one channel, told apart by their correlation ids."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pika import exceptions

from ..core.errors import DrawbarError, OutcomeUnknown, Rejected, Unavailable
from .amqp import FAILURES, Endpoint, Incoming, Outgoing, incoming, refused, said
from .amqp_answers import homeless, no
from .amqp_batch import ready
from .amqp_frames import content, publication

if TYPE_CHECKING:
    from pika.channel import Channel

    from .amqp_line import Line

DIRECT = "amq.rabbitmq.reply-to"


class Requests:
    """
    The requests to one exchange. Everything here happens on the line's thread.

    An answer that nobody waits for any more is dropped.
    """

    def __init__(self, endpoint: Endpoint, exchange: str, *, direct: bool) -> None:
        self.opened: Future[None] = Future()
        self._endpoint = endpoint
        self._exchange = exchange
        self._reply_to = DIRECT if direct else ""
        self._channel: Channel | None = None
        self._encode = ready()
        self._sent = 0
        self._tired = False
        self._unconfirmed: dict[int, str] = {}
        self._waiting: dict[str, Future[Incoming]] = {}
        self._returned: dict[str, str] = {}

    @property
    def is_open(self) -> bool:
        opened = self._channel is not None and bool(self._channel.is_open)
        return not self._tired and (opened or not self.opened.done())

    def open(self, line: Line) -> None:
        def on_open(channel: Channel) -> None:
            self._channel = channel
            line.confirm[channel.channel_number] = self._confirmed
            channel.add_on_return_callback(lambda _, method, properties, __: self._on_return(method, properties))
            channel.add_on_close_callback(lambda _, reason: closed(channel.channel_number, reason))
            channel.confirm_delivery(lambda frame: None, callback=look)

        def look(frame: Any) -> None:
            assert self._channel is not None
            if self._exchange:
                self._channel.exchange_declare(self._exchange, passive=True, callback=place)
            else:
                place(frame)

        def place(frame: Any) -> None:
            assert self._channel is not None
            if self._reply_to:
                consume(frame)
            else:
                self._channel.queue_declare("", exclusive=True, auto_delete=True, callback=named)

        def named(frame: Any) -> None:
            self._reply_to = frame.method.queue
            consume(frame)

        def consume(_: Any) -> None:
            assert self._channel is not None
            self._channel.basic_consume(
                self._reply_to, self._answered, auto_ack=True, callback=lambda _: self.opened.set_result(None)
            )

        def closed(number: int, reason: Any) -> None:
            line.confirm.pop(number, None)
            if isinstance(reason, exceptions.ChannelClosedByBroker):
                self.lost(refused(self._endpoint, reason))
            else:
                self.lost(OutcomeUnknown(f"{self._endpoint.where}: the connection was lost: {said(reason)}"))

        try:
            line.channel(on_open_callback=on_open)
        except FAILURES as error:
            self.lost(Unavailable(f"{self._endpoint.where}: {said(error)}"))

    def send(self, line: Line, message: Outgoing, answer: Future[Incoming]) -> None:
        """Send a request whose correlation id is its own; whoever gave up before hears nothing of it."""
        if not answer.set_running_or_notify_cancel():
            return
        if self._channel is None or not self._channel.is_open:
            answer.set_exception(Unavailable(f"{self._endpoint.where}: the channel was closed; nothing was sent"))
            return
        number = self._channel.channel_number
        properties = {**message.properties, "reply_to": self._reply_to}
        try:
            encoded = self._encode(Outgoing(message.exchange, message.routing_key, message.body, properties, True))
        except Rejected as error:
            answer.set_exception(error)
            return
        self._sent += 1
        self._unconfirmed[self._sent] = correlation = str(properties["correlation_id"])
        self._waiting[correlation] = answer
        head = publication(number, message.exchange, message.routing_key, message.mandatory)
        line.emit(b"".join((head, *content(number, encoded.properties, message.body, line.frame_max))))

    def forget(self, correlation: str) -> None:
        self._waiting.pop(correlation, None)
        self._close_when_idle()

    def lost(self, error: DrawbarError) -> None:
        unsent = error if isinstance(error, Rejected) else Unavailable(error.message)
        if not self.opened.done():
            self.opened.set_exception(unsent)
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.set_exception(OutcomeUnknown(f"{error.message}; no answer came"))

    def _answered(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if (answer := self._waiting.pop(properties.correlation_id or "", None)) is not None:
            answer.set_result(incoming(method, properties, body))
        self._close_when_idle()

    def _on_return(self, method: Any, properties: Any) -> None:
        self._returned[properties.correlation_id] = homeless(method)

    def _confirmed(self, last: int, multiple: bool, refused_: bool) -> None:
        for tag in list(takewhile(lambda tag: tag <= last, self._unconfirmed)) if multiple else [last]:
            correlation = self._unconfirmed.pop(tag, "")
            error = no(self._endpoint.where, self._returned.pop(correlation, None), is_refused=refused_)
            if error is not None and (answer := self._waiting.pop(correlation, None)) is not None:
                answer.set_exception(error)
        self._tired = self._tired or refused_  # see _retire of the publisher
        self._close_when_idle()

    def _close_when_idle(self) -> None:
        if self._tired and not self._waiting and self._channel is not None and self._channel.is_open:
            self._channel.close()
