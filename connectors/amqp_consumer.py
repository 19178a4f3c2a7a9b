"""Consuming: a thread that does nothing but serve the connection and pass messages over, however long the work takes."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

import pika
from pika.channel import Channel
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ChannelClosedByClient

from ..core.errors import DrawbarError, Unavailable
from .amqp import FAILURES, Endpoint, Incoming, incoming, refused, said, unreachable
from .amqp_line import Line

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
_LEAVE_S = 3.0


class Consumer:
    """
    Take messages from one queue, at most `prefetch` unanswered; comes back by itself after a lost connection.

    Every message wants one answer (`ack`, `back`, `dead`), from any thread. An answer to a message of a connection
    that is gone does nothing: the broker gives that message again.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        *,
        prefetch: int,
        alone: bool = False,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`alone` consumes only while nobody else does; `prepare` is called before each connection is made."""
        self.trouble: DrawbarError | None = None
        self._endpoint = endpoint
        self._name = name
        self._prefetch = prefetch
        self._alone = alone
        self._prepare = prepare
        self._messages: deque[Incoming] = deque()
        self._come = threading.Condition()
        self._wanted = 0
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._life = 0
        self._ended: DrawbarError | None = None
        self._line: Line | None = None
        self._channel: Channel | None = None
        self._thread = threading.Thread(target=self._run, name=f"amqp-{name}", daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> Incoming | None:
        """Wait for a message; None when none came in time."""
        found = self.take(1, timeout_s)
        return found[0] if found else None

    def take(self, most: int, idle_s: float) -> list[Incoming]:
        """
        Wait for so many messages of one connection; give fewer when for a while no further one came.

        Only one thread takes. It sleeps until all are there: waking it for each costs more than all else of a message.
        """
        had = 0
        while True:
            with self._come:
                self._wanted = most
                if len(self._messages) < most:
                    self._come.wait(idle_s)
                self._wanted = 0
            while self._messages and self._messages[0].life != self._life:
                self._messages.popleft()  # of a lost connection: it comes again
            count = len(self._messages)
            if count >= most or count <= had:
                break
            had = count
        found = [self._messages.popleft() for _ in range(min(most, count))]
        return [message for message in found if message.life == found[-1].life]

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the queue is consumed; raise what stands in the way."""
        if not self._ready.wait(timeout_s):
            raise self.trouble or Unavailable(f"{self._endpoint.where}: no connection within {timeout_s:.3g} s")

    def is_current(self, message: Incoming) -> bool:
        """Tell whether an answer to this message still counts."""
        return message.life == self._life and self._ready.is_set()

    def ack(self, message: Incoming) -> None:
        self._answer(message, lambda channel: channel.basic_ack(message.tag))

    def back(self, message: Incoming) -> None:
        """Put a message back in its place."""
        self._answer(message, lambda channel: channel.basic_nack(message.tag, requeue=True))

    def dead(self, message: Incoming) -> None:
        """Reject a message for good: the queue's dead letter exchange gets it, or nobody."""
        self._answer(message, lambda channel: channel.basic_nack(message.tag, requeue=False))

    def settle_up_to(self, message: Incoming, *, timeout_s: float) -> Callable[[], None]:
        """
        Acknowledge a message and all before it; what is given waits until the broker has read that.

        Both raise Unavailable when the connection was lost first: then some of them come again.
        """
        read: Future[None] = Future()

        def settle(channel: Channel) -> None:
            channel.basic_ack(message.tag, multiple=True)
            self._told(channel, read)

        lost = Unavailable(f"{self._endpoint.where}: the connection was lost before the acknowledgement")
        if not self._answer(message, settle):
            raise lost

        def wait() -> None:
            if not self._has_read(message.life, read, timeout_s):
                raise lost

        return wait

    def flush(self, timeout_s: float) -> None:
        """Wait until the broker has read all answers given so far; where the connection is lost, nothing waits."""
        life, channel = self._life, self._channel
        read: Future[None] = Future()
        if channel is not None and self._soon(lambda: self._told(channel, read)):
            self._has_read(life, read, timeout_s)

    def _told(self, channel: Channel, read: Future[None]) -> None:
        """Ask something that is answered after all that was said before it."""
        channel.queue_declare(self._name, passive=True, callback=lambda _: read.set_result(None))

    def _has_read(self, life: int, read: Future[None], timeout_s: float) -> bool:
        ends = time.monotonic() + timeout_s
        while (left := ends - time.monotonic()) > 0:
            with suppress(FutureTimeout):
                read.result(min(left, 0.2))
                return True
            if life != self._life or not self._ready.is_set():
                break
        return False

    def close(self) -> None:
        """Stop; unanswered messages go back to their queue. A second call does nothing."""
        self._stop.set()
        self._soon(self._leave)
        self._thread.join(timeout=self._endpoint.connect_timeout_s + 5)

    def _answer(self, message: Incoming, act: Callable[[Channel], Any]) -> bool:
        channel = self._channel
        if not self.is_current(message) or channel is None:
            return False

        def answer() -> None:
            if self.is_current(message) and channel.is_open:
                act(channel)

        return self._soon(answer)

    def _soon(self, act: Callable[[], None]) -> bool:
        """Do something on the line's thread; false where there is no line."""
        line = self._line
        if line is None:
            return False
        try:
            line.ioloop.add_callback_threadsafe(act)
        except (*FAILURES, RuntimeError, AttributeError, ValueError):
            return False
        return True

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            life = self._life
            try:
                self._consume()
            except DrawbarError as error:
                self.trouble = error
            self._ready.clear()
            if self._life != life:
                pause_s = FIRST_PAUSE_S
            self._stop.wait(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _consume(self) -> None:
        """Serve one connection until it ends or we are told to stop."""
        self._prepare()
        self._ended = None
        parameters = self._endpoint.parameters()
        line = self._line = Line(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=lambda line, error: self._on_open_error(line, error, parameters),
            on_close_callback=lambda line, reason: self._end(line, self._lost(reason)),
        )
        try:
            line.ioloop.start()
        except FAILURES as error:
            self._ended = self._ended or self._lost(error)
        finally:
            self._line = self._channel = None
            with suppress(*FAILURES):
                line.ioloop.close()
        if not self._stop.is_set():
            raise self._ended or Unavailable(f"{self._endpoint.where}: the queue {self._name!r} is consumed no more")

    def _lost(self, reason: BaseException) -> Unavailable:
        return Unavailable(f"{self._endpoint.where}: the connection broke: {said(reason)}")

    def _on_open(self, line: Any) -> None:
        if self._stop.is_set():
            self._leave()
            return
        line.channel(on_open_callback=lambda channel: self._subscribe(line, channel))

    def _on_open_error(self, line: Any, error: Any, parameters: pika.URLParameters) -> None:
        reason = error if isinstance(error, BaseException) else AMQPConnectionError(error)
        self._end(line, unreachable(self._endpoint, reason, parameters))

    def _subscribe(self, line: Line, channel: Channel) -> None:
        life = self._life = self._life + 1

        def put(message: Incoming) -> None:
            self._messages.append(message)
            if 0 < self._wanted <= len(self._messages):
                with self._come:
                    self._wanted = 0
                    self._come.notify()

        def delivered(tag: int, again: bool, exchange: str, routing_key: str, properties: bytes, body: bytes) -> None:
            put(Incoming(body, exchange, routing_key, again, properties, tag, life))

        def consume(_: Any) -> None:
            line.deliver[channel.channel_number] = delivered
            channel.basic_consume(
                self._name,
                lambda _, method, properties, body: put(incoming(method, properties, body, life)),
                exclusive=self._alone,
                callback=ready,
            )

        def ready(_: Any) -> None:
            self.trouble = None
            self._channel = channel
            self._ready.set()

        channel.add_on_close_callback(lambda _, reason: self._on_channel_close(line, reason))
        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=self._prefetch, callback=consume)

    def _on_channel_close(self, line: Line, reason: Any) -> None:
        self._ready.clear()
        if isinstance(reason, ChannelClosedByBroker):
            self._ended = refused(self._endpoint, reason)
        elif isinstance(reason, ChannelClosedByClient) and not self._stop.is_set():
            self._ended = Unavailable(f"{self._endpoint.where}: the queue {self._name!r} is consumed no more")
        if line.is_open:
            line.close()

    def _end(self, line: Line, error: DrawbarError) -> None:
        self._ready.clear()
        self._ended = self._ended or error
        line.ioloop.stop()

    def _leave(self) -> None:
        """Close the line; one whose other end says nothing is left after a moment."""
        line = self._line
        if line is None:
            return
        line.ioloop.call_later(_LEAVE_S, line.ioloop.stop)
        if line.is_open:
            line.close()
