"""Publishing with confirms: one thread owns the connection, serves its heartbeats and pipelines what all others send."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any

from pika import exceptions
from pika.channel import Channel
from pika.spec import Basic

from ..core.errors import ConfigError, DrawbarError, OutcomeUnknown, Rejected, Unavailable
from .amqp import FAILURES, Endpoint, Incoming, Outgoing, refused, said, unreachable
from .amqp_answers import homeless, no
from .amqp_batch import Batch, Ready
from .amqp_frames import Encoded, content, publication
from .amqp_line import Line
from .amqp_requests import Requests


class Publisher:
    """Publish from any thread; connects on first use and again when the connection was lost."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._line: _Sender | None = None
        self._closed = False

    def publish(self, message: Outgoing, *, timeout_s: float, leaving: Callable[[], None] = lambda: None) -> None:
        """
        Publish one message and wait for the broker's confirm.

        Unavailable: it did not leave, or the broker refused it. Rejected: no queue takes it. OutcomeUnknown: it left, and
        no confirm came. `leaving` is called immediately before it leaves, and may raise.
        """
        ends = time.monotonic() + timeout_s
        line = self._connected(timeout_s)
        opened = line.channel(message.exchange)
        _wait(opened, ends, f"{self._endpoint.where}: the broker did not open a channel in time")
        leaving()
        sent: Future[None] = Future()
        line.send(message, sent)
        try:
            sent.result(max(ends - time.monotonic(), 0.001))
        except FutureTimeout as error:
            if sent.cancel():
                raise Unavailable(f"{self._endpoint.where}: the connection is busy; nothing was sent") from error
            raise OutcomeUnknown(f"{self._endpoint.where}: no confirm within {timeout_s:.3g} s") from error

    def publish_all(self, exchange: str, messages: Iterator[Ready], *, timeout_s: float) -> int:
        """
        Publish many to one exchange, some of them unconfirmed at a time, and wait for every confirm.

        `timeout_s` is the longest wait without any confirm. What it raises names in its `detail` which messages were
        refused or are doubtful; those before them are with the broker, and no other has left.
        """
        line = self._connected(timeout_s)
        batch = Batch(self._endpoint.where, messages)
        try:
            _wait(line.begin(exchange, batch), time.monotonic() + timeout_s, f"{self._endpoint.where}: no channel yet")
            return batch.finished(timeout_s, lambda: bool(line.blocked))
        finally:
            line.end(batch)

    def request(
        self, message: Outgoing, *, direct: bool, timeout_s: float, leaving: Callable[[], None] = lambda: None
    ) -> Incoming:
        """
        Send a request and wait for its answer, which has the same correlation id.

        `direct` asks for answers by the broker's direct reply-to, otherwise in a queue of the connection's own. Errors are
        those of `publish`; OutcomeUnknown also when it left and no answer came in time.
        """
        ends = time.monotonic() + timeout_s
        line = self._connected(timeout_s)
        requests = line.requests(message.exchange, direct)
        _wait(requests.opened, ends, f"{self._endpoint.where}: the broker did not open a channel in time")
        leaving()
        answer: Future[Incoming] = Future()
        line.ask(requests, message, answer)
        try:
            return answer.result(max(ends - time.monotonic(), 0.001))
        except FutureTimeout as error:
            if answer.cancel():
                raise Unavailable(f"{self._endpoint.where}: the connection is busy; nothing was sent") from error
            line.forget(requests, message)
            raise OutcomeUnknown(f"{self._endpoint.where}: no answer within {timeout_s:.3g} s") from error

    def _connected(self, timeout_s: float) -> _Sender:
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self._endpoint.where}: closed")
            if self._line is None or not self._line.alive:
                self._line = _Sender(self._endpoint)
            line = self._line
        _wait(line.opened, time.monotonic() + timeout_s, f"{self._endpoint.where}: no connection in time")
        if line.blocked:
            raise Unavailable(
                f"{self._endpoint.where}: the broker takes no messages now ({line.blocked})", retry_after_s=5
            )
        return line

    def close(self) -> None:
        """Close the connection; what waits for its confirm then is OutcomeUnknown. A second call does nothing."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
        if line:
            line.close()


def _wait(opened: Future[None], ends: float, late: str) -> None:
    try:
        opened.result(max(ends - time.monotonic(), 0.001))
    except FutureTimeout as error:
        raise Unavailable(late) from error


@dataclass
class _Exchange:
    """The channel of one exchange: what it waits for, by delivery tag."""

    opened: Future[None]
    channel: Channel | None = None
    published: int = 0
    confirmed: bool = False
    tired: bool = False

    def __post_init__(self) -> None:
        self.waiting: dict[int, tuple[Outgoing, Future[None]]] = {}
        self.returned: dict[str, str] = {}
        self.encoded = Encoded()


class _Sender:
    """One connection from its opening to its end. Everything below `_run` happens on its thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.opened: Future[None] = Future()
        self.alive = True
        self.blocked = ""
        self._endpoint = endpoint
        self._exchanges: dict[str, _Exchange] = {}
        self._batches: set[Batch] = set()
        self._requests: dict[tuple[str, bool], Requests] = {}
        self._lock = threading.Lock()
        self._parameters = endpoint.parameters()
        self._connection = Line(
            self._parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_open_error,
            on_close_callback=self._on_close,
        )
        self._thread = threading.Thread(target=self._run, name="amqp-publisher", daemon=True)
        self._thread.start()

    def channel(self, exchange: str) -> Future[None]:
        """Open the channel of an exchange, once."""
        with self._lock:
            known = self._exchanges.get(exchange)
            if known is None:
                known = self._exchanges[exchange] = _Exchange(Future())
                self._soon(lambda: self._open(exchange, known))
        return known.opened

    def send(self, message: Outgoing, sent: Future[None]) -> None:
        self._soon(lambda: self._send(message, sent))

    def begin(self, exchange: str, batch: Batch) -> Future[None]:
        """Open a channel of a batch's own; it sends as soon as that is there."""
        opened: Future[None] = Future()
        with self._lock:
            self._batches.add(batch)
        self._soon(lambda: self._begin(exchange, batch, opened))
        return opened

    def end(self, batch: Batch) -> None:
        """Close the channel of a batch that is over."""
        with self._lock:
            self._batches.discard(batch)
        self._soon(batch.close)

    def requests(self, exchange: str, direct: bool) -> Requests:
        """Open the channel of the requests to an exchange, once for as long as it stays open."""
        with self._lock:
            known = self._requests.get((exchange, direct))
            if known is None or not known.is_open:
                known = self._requests[exchange, direct] = Requests(self._endpoint, exchange, direct=direct)
                self._soon(partial(known.open, self._connection))
        return known

    def ask(self, requests: Requests, message: Outgoing, answer: Future[Incoming]) -> None:
        self._soon(lambda: requests.send(self._connection, message, answer))

    def forget(self, requests: Requests, message: Outgoing) -> None:
        self._soon(lambda: requests.forget(str(message.properties["correlation_id"])))

    def close(self) -> None:
        self._soon(self._close)
        self._thread.join(timeout=5)

    def _soon(self, act: Callable[[], None]) -> None:
        try:
            self._connection.ioloop.add_callback_threadsafe(act)
        except (*FAILURES, RuntimeError, AttributeError, ValueError):
            self._end(Unavailable(f"{self._endpoint.where}: the connection is closed"))

    def _run(self) -> None:
        try:
            self._connection.ioloop.start()
        except FAILURES as error:
            self._end(OutcomeUnknown(f"{self._endpoint.where}: the connection broke: {said(error)}"))

    def _on_open(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(lambda _, frame: self._block(frame.method.reason or "blocked"))
        connection.add_on_connection_unblocked_callback(lambda *_: self._block(""))
        self.opened.set_result(None)

    def _block(self, reason: str) -> None:
        self.blocked = reason
        with self._lock:
            batches = list(self._batches)
        for batch in batches:
            batch.pause(bool(reason))

    def _on_open_error(self, connection: Any, error: Any) -> None:
        reason = error if isinstance(error, BaseException) else exceptions.AMQPConnectionError(error)
        self._end(unreachable(self._endpoint, reason, self._parameters))
        self._connection.ioloop.stop()

    def _on_close(self, connection: Any, error: BaseException) -> None:
        self._end(OutcomeUnknown(f"{self._endpoint.where}: the connection was lost before the confirm: {said(error)}"))
        self._connection.ioloop.stop()

    def _end(self, error: DrawbarError) -> None:
        """Fail all that waits; what never left says so."""
        self.alive = False
        unsent = error if isinstance(error, ConfigError) else Unavailable(error.message)
        _fail(self.opened, unsent)
        with self._lock:
            exchanges = list(self._exchanges.values())
            others: list[Batch | Requests] = [*self._batches, *self._requests.values()]
        for other in others:
            other.lost(error)
        for one in exchanges:
            _fail(one.opened, unsent)
            waiting, one.waiting = one.waiting, {}
            for _, sent in waiting.values():
                _fail(sent, error)

    def _close(self) -> None:
        if self._connection.is_open:
            self._connection.close()

    def _open(self, exchange: str, one: _Exchange) -> None:
        def opened(channel: Channel) -> None:
            one.channel = channel
            channel.add_on_return_callback(lambda _, method, properties, __: self._on_return(one, method, properties))
            channel.add_on_close_callback(lambda _, reason: self._on_channel_close(exchange, one, reason))
            self._connection.confirm[channel.channel_number] = lambda *said: self._on_confirm(exchange, one, *said)
            channel.confirm_delivery(lambda frame: None, callback=check)

        def check(frame: Any) -> None:
            if exchange == "":
                one.opened.set_result(None)
            else:
                one.channel.exchange_declare(exchange, passive=True, callback=lambda _: one.opened.set_result(None))  # type: ignore[union-attr]  # set by opened

        try:
            self._connection.channel(on_open_callback=opened)
        except FAILURES as error:
            _fail(one.opened, Unavailable(f"{self._endpoint.where}: {said(error)}"))

    def _send(self, message: Outgoing, sent: Future[None]) -> None:
        one = self._exchanges.get(message.exchange)
        if not sent.set_running_or_notify_cancel():
            return
        if one is None or one.channel is None or not one.channel.is_open:
            sent.set_exception(Unavailable(f"{self._endpoint.where}: the channel was closed; nothing was sent"))
            return
        try:
            frames = self._frames(message, one.encoded, one.channel.channel_number)
        except (*FAILURES, ValueError, TypeError, AssertionError, struct.error) as error:
            sent.set_exception(_not_sent(self._endpoint, error))
            return
        one.published += 1
        one.waiting[one.published] = (message, sent)
        self._connection.emit(frames)

    def _frames(self, message: Outgoing, encoded: Encoded, number: int) -> bytes:
        head = publication(number, message.exchange, message.routing_key, message.mandatory)
        properties = encoded.bytes_of(message.properties)
        return b"".join((head, *content(number, properties, message.body, self._connection.frame_max)))

    def _begin(self, exchange: str, batch: Batch, opened: Future[None]) -> None:
        """Open the channel of a batch, ask for confirms, and look that its exchange is there."""

        def ready(_: Any) -> None:
            opened.set_result(None)
            batch.begin(self._connection, paused=bool(self.blocked))

        def on_open(channel: Channel) -> None:
            batch.channel = channel
            number = channel.channel_number
            self._connection.confirm[number] = batch.confirmed
            channel.add_on_return_callback(lambda _, method, properties, __: batch.returned(method, properties))
            channel.add_on_close_callback(lambda _, reason: closed(number, reason))
            channel.confirm_delivery(lambda frame: None, callback=checked)

        def checked(frame: Any) -> None:
            if exchange:
                assert batch.channel is not None
                batch.channel.exchange_declare(exchange, passive=True, callback=ready)
            else:
                ready(frame)

        def closed(number: int, reason: Any) -> None:
            self._connection.confirm.pop(number, None)
            error = _closed(self._endpoint, reason)
            _fail(opened, error if isinstance(error, Rejected) else Unavailable(error.message))
            batch.lost(error)

        try:
            self._connection.channel(on_open_callback=on_open)
        except FAILURES as error:
            _fail(opened, Unavailable(f"{self._endpoint.where}: {said(error)}"))

    def _on_return(self, one: _Exchange, method: Basic.Return, properties: Any) -> None:
        one.returned[properties.message_id] = homeless(method)

    def _on_confirm(self, exchange: str, one: _Exchange, last: int, multiple: bool, refused_: bool) -> None:
        one.confirmed = True
        for tag in list(takewhile(lambda tag: tag <= last, one.waiting)) if multiple else [last]:
            message, sent = one.waiting.pop(tag, (None, None))
            if message is None or sent is None:
                continue
            error = no(self._endpoint.where, one.returned.pop(message.message_id, None), is_refused=refused_)
            if error is not None:
                sent.set_exception(error)
            else:
                sent.set_result(None)
        one.tired = one.tired or refused_
        if one.tired:
            self._retire(exchange, one)

    def _retire(self, exchange: str, one: _Exchange) -> None:
        """
        Let the next message go over a new channel, and close this one when nothing waits on it.

        A channel that first met a quorum queue between two of its leaders asks the lost one for ever, and refuses everything.
        """
        with self._lock:
            if self._exchanges.get(exchange) is one:
                del self._exchanges[exchange]
        if not one.waiting and one.channel is not None and one.channel.is_open:
            one.channel.close()

    def _on_channel_close(self, exchange: str, one: _Exchange, reason: Any) -> None:
        """Sort what waits: on a channel that never had a confirm the broker's no is for all of it, else for the only one."""
        with self._lock:
            if self._exchanges.get(exchange) is one:
                del self._exchanges[exchange]
        if one.channel is not None:
            self._connection.confirm.pop(one.channel.channel_number, None)
        answer = _closed(self._endpoint, reason)
        if not isinstance(reason, exceptions.ChannelClosedByBroker):
            _fail(one.opened, Unavailable(answer.message))
        else:
            _fail(one.opened, answer)
            if isinstance(answer, Rejected) and (not one.confirmed or len(one.waiting) == 1):
                self._fail_waiting(one, answer)
        self._fail_waiting(one, OutcomeUnknown(answer.message))

    def _fail_waiting(self, one: _Exchange, error: DrawbarError) -> None:
        waiting, one.waiting = one.waiting, {}
        for _, sent in waiting.values():
            _fail(sent, error)


def _fail(future: Future[None], error: DrawbarError) -> None:
    if not future.done():
        future.set_exception(error)


def _closed(endpoint: Endpoint, reason: Any) -> DrawbarError:
    """Say why a channel was closed: the broker said no, or the line is gone."""
    if isinstance(reason, exceptions.ChannelClosedByBroker):
        return refused(endpoint, reason)
    return OutcomeUnknown(f"{endpoint.where}: the connection was lost before the confirm: {said(reason)}")


def _not_sent(endpoint: Endpoint, error: BaseException) -> DrawbarError:
    """Say what pika refused before a byte left: properties that AMQP cannot carry, or a line that is gone."""
    if isinstance(error, FAILURES) and not isinstance(error, exceptions.UnsupportedAMQPFieldException):
        return Unavailable(f"{endpoint.where}: {said(error)}")
    return Rejected(f"AMQP cannot carry this message: {said(error)}")
