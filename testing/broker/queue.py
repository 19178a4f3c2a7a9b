"""A queue: what waits in it, who listens to it, and when a message expires."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pika.spec import BasicProperties


@dataclass(frozen=True)
class Message:
    exchange: str
    routing_key: str
    properties: BasicProperties
    body: bytes

    @property
    def persistent(self) -> bool:
        return self.properties.delivery_mode == 2


@dataclass(order=True)
class Entry:
    """One message in one queue; it keeps its position when it is put back."""

    position: int
    message: Message = field(compare=False)
    expires_at: float | None = field(default=None, compare=False)
    returned: int = field(default=0, compare=False)
    redelivered: bool = field(default=False, compare=False)


class Consumer(Protocol):
    """Whoever takes deliveries while it has room for them."""

    def has_room(self) -> bool: ...
    def deliver(self, queue: Queue, entry: Entry) -> None: ...
    def cancelled(self) -> None: ...


Discard = Callable[["Queue", Entry, str], None]


class Queue:
    """
    First in, first out, for competing consumers.

    `discard` is told of each entry that leaves without an acknowledgement, with the reason that x-death shows. All
    calls are made under the broker's lock.
    """

    def __init__(
        self,
        name: str,
        discard: Discard,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        owner: object = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = dict(arguments or {})
        self.consumers: deque[Consumer] = deque()
        self._discard = discard
        self._ready: list[Entry] = []
        self._position = 0

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def quorum(self) -> bool:
        return self.arguments.get("x-queue-type") == "quorum"

    def put(self, message: Message, *, redelivered: bool = False) -> Entry:
        self._position += 1
        entry = Entry(self._position, message, self._expiry(message), redelivered=redelivered)
        heapq.heappush(self._ready, entry)
        return entry

    def put_back(self, entry: Entry) -> None:
        entry.redelivered = True
        entry.returned += 1
        limit = self.arguments.get("x-delivery-limit")
        if self.quorum and limit is not None and entry.returned > limit:
            self._discard(self, entry, "delivery_limit")
        else:
            heapq.heappush(self._ready, entry)

    def take(self) -> Entry | None:
        self.expire()
        return heapq.heappop(self._ready) if self._ready else None

    def purge(self) -> list[Entry]:
        gone, self._ready = self._ready, []
        return gone

    def expire(self) -> None:
        """Discard what is over its time, from the head only, as RabbitMQ does."""
        while self._ready and (at := self._ready[0].expires_at) is not None and at <= time.monotonic():
            self._discard(self, heapq.heappop(self._ready), "expired")

    def pump(self) -> None:
        """Hand waiting messages to consumers with room, each in turn."""
        while self._ready and (consumer := self._next_consumer()) and (entry := self.take()):
            consumer.deliver(self, entry)

    def _next_consumer(self) -> Consumer | None:
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.has_room():
                return consumer
        return None

    def _expiry(self, message: Message) -> float | None:
        limits_ms = [self.arguments.get("x-message-ttl"), message.properties.expiration]
        given = [int(limit) for limit in limits_ms if limit is not None]
        return time.monotonic() + min(given) / 1000 if given else None
