"""Consuming: a thread that does nothing but serve the connection and pass messages over, however long the work takes."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from ..core.errors import DrawbarError, Unavailable
from .amqp import FAILURES, Endpoint, Incoming, incoming, refused, said, unreachable

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Consumer:
    """
    Take messages from one queue, at most `prefetch` unanswered; comes back by itself after a lost connection.

    Every message wants one answer (`ack`, `back`, `dead`), from any thread. An answer to a message of a connection
    that is gone does nothing: the broker gives that message again.
    """

    def __init__(self, endpoint: Endpoint, name: str, *, prefetch: int) -> None:
        self.trouble: DrawbarError | None = None
        self._endpoint = endpoint
        self._name = name
        self._prefetch = prefetch
        self._messages: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._life = 0
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._thread = threading.Thread(target=self._run, name=f"amqp-{name}", daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> Incoming | None:
        """Wait for a message; None when none came in time."""
        try:
            while (message := self._messages.get(timeout=timeout_s)).life != self._life:
                pass  # of a lost connection: it comes again
        except queue.Empty:
            return None
        return message

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

    def settle_up_to(self, message: Incoming, *, timeout_s: float) -> None:
        """
        Acknowledge a message and all before it, and wait until the broker has read that.

        Unavailable when the connection was lost first: then some of them come again.
        """
        read: Future[None] = Future()

        def settle(channel: BlockingChannel) -> None:
            channel.basic_ack(message.tag, multiple=True)
            channel.queue_declare(self._name, passive=True)  # its answer comes after the ack was read
            read.set_result(None)

        lost = Unavailable(f"{self._endpoint.where}: the connection was lost before the acknowledgement")
        if not self._answer(message, settle):
            raise lost
        try:
            read.result(timeout_s)
        except FutureTimeout as error:
            raise lost from error

    def flush(self, timeout_s: float) -> None:
        """Wait until the broker has read all answers given so far; where the connection is lost, nothing waits."""
        connection, channel = self._connection, self._channel
        if connection is None or channel is None:
            return
        read: Future[None] = Future()

        def ask() -> None:
            channel.queue_declare(self._name, passive=True)
            read.set_result(None)

        with suppress(*FAILURES, FutureTimeout):
            connection.add_callback_threadsafe(ask)
            read.result(timeout_s)

    def close(self) -> None:
        """Stop; unanswered messages go back to their queue. A second call does nothing."""
        self._stop.set()
        self._wake()
        self._thread.join(timeout=self._endpoint.connect_timeout_s + 5)

    def _answer(self, message: Incoming, act: Callable[[BlockingChannel], Any]) -> bool:
        connection, channel = self._connection, self._channel
        if not self.is_current(message) or connection is None or channel is None:
            return False

        def answer() -> None:
            if self.is_current(message):
                act(channel)

        try:
            connection.add_callback_threadsafe(answer)
        except FAILURES:
            return False
        return True

    def _wake(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(*FAILURES):
                connection.add_callback_threadsafe(lambda: None)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                self._consume()
                pause_s = FIRST_PAUSE_S
            except DrawbarError as error:
                self.trouble = error
            if self._was_ready():
                pause_s = FIRST_PAUSE_S
            self._stop.wait(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _was_ready(self) -> bool:
        was = self._ready.is_set()
        self._ready.clear()
        return was

    def _consume(self) -> None:
        """Serve one connection until it ends or we are told to stop."""
        parameters = self._endpoint.parameters()
        try:
            connection = self._connection = pika.BlockingConnection(parameters)
        except (*FAILURES, ValueError) as error:
            raise unreachable(self._endpoint, error, parameters) from error
        try:
            channel = self._subscribe(connection)
            while not self._stop.is_set() and channel.is_open:
                connection.process_data_events(time_limit=1)
        except ChannelClosedByBroker as error:
            raise refused(self._endpoint, error) from error
        except FAILURES as error:
            raise Unavailable(f"{self._endpoint.where}: the connection broke: {said(error)}") from error
        finally:
            self._connection = self._channel = None
            with suppress(*FAILURES):
                connection.close()
        if not self._stop.is_set():
            raise Unavailable(f"{self._endpoint.where}: the queue {self._name!r} is consumed no more")

    def _subscribe(self, connection: pika.BlockingConnection) -> BlockingChannel:
        self._life += 1
        life = self._life
        channel = self._channel = connection.channel()
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_consume(
            self._name,
            lambda _, method, properties, body: self._messages.put(incoming(method, properties, body, life)),
        )
        self.trouble = None
        self._ready.set()
        return channel
