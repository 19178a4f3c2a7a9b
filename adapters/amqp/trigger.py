"""A queue as a trigger: each message starts a run."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from ...core.adapter import Begun, Occurrence
from ...core.errors import DrawbarError, InputError, Unavailable
from .attempts import Attempts
from .consume import Bury, See
from .order import Order

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming
    from ...connectors.amqp_consumer import Consumer
    from .config import ConsumeConfig

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 15.0
_LOOK_S = 0.25

Start = Callable[[Occurrence], Begun | None]


class MessageTrigger:
    """
    Start a run for each message, in order; acknowledge it when its run is in the journal, or (`finished`) has ended.

    A message that can start none is dead-lettered at once, one that fails `max_attempts` times then, across restarts, and
    so is one whose worker died each time. While nothing can start, the message is held and tried again: the queue fills,
    where operators look. The same message id starts one run; a message without an id that is delivered again starts another.
    """

    def __init__(
        self,
        name: str,
        config: ConsumeConfig,
        consumer: Callable[[], Consumer],
        bury: Bury,
        see: See,
        attempts: Attempts,
        order: Order | None = None,
    ) -> None:
        self._order = order
        self._see = see
        self._name = name
        self._config = config
        self._consumer = consumer
        self._bury = bury
        self._attempts = attempts
        self._begun: dict[str, int] = {}
        self._failing: set[str] = set()
        self._under_way: list[tuple[Incoming, Begun]] = []
        self._looked_at = 0.0

    def run(self, start: Start, stop: threading.Event) -> None:
        consumer = self._consumer()
        trouble: str | None = None
        try:
            while not stop.is_set():
                message = consumer.next(0.2)
                said = consumer.trouble.message if consumer.trouble else None
                if said != trouble:
                    trouble = said
                    log.warning("amqp.consume", name=self._name, trouble=trouble)
                if message is not None and not self._waits(message):
                    self._take(message, consumer, start, stop)
                self._look(consumer)
                if self._order is not None:
                    for one in self._order.free(consumer.is_current):
                        self._take(one, consumer, start, stop)
            self._settle_ended(consumer)  # without an id such a message would start another run where it comes next
        finally:
            consumer.close()

    def _waits(self, message: Incoming) -> bool:
        """Tell whether a message waits for its group; what has none, or cannot be read, waits for nothing."""
        group = self._group_of(message) if self._order is not None else None
        return group is not None and self._order is not None and self._order.sets_aside(group, message)

    def _take(self, message: Incoming, consumer: Consumer, start: Start, stop: threading.Event) -> None:
        """Bring one message to its answer, or to the run whose end it waits for."""
        pause_s, begun = FIRST_PAUSE_S, None
        reason = self._crashed(message)
        while consumer.is_current(message):
            try:
                if not reason:
                    reason, begun = self._start(message, start)
                if begun is not None and self._config.settle == "finished" and not reason:
                    self._under_way.append((message, begun))
                    if self._order is not None and (group := self._group_of(message)) is not None:
                        self._order.begun(group, message)
                else:
                    self._settle(message, consumer, reason)
                return
            except Unavailable as error:
                log.warning("amqp.held", name=self._name, id=message.message_id, reason=error.message)
                pause_s = max(pause_s, error.retry_after_s or 0)
            except DrawbarError as error:
                reason = self._failed(message, error)
            if stop.wait(pause_s * random.uniform(0.5, 1)):
                consumer.back(message)
                return
            self._look(consumer)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _settle(self, message: Incoming, consumer: Consumer, reason: str) -> None:
        """Acknowledge a message, or see to it that it is a dead letter with its reason; its group is held first."""
        if reason and self._order is not None:
            if (group := self._group_of(message)) is not None:
                self._order.hold(group, message, reason)
            else:
                log.warning("amqp.no_group", name=self._name, id=message.message_id, reason=reason)
        if not reason or self._bury(message, reason):
            consumer.ack(message)
        else:
            consumer.dead(message)
        self._forget(message)

    def _look(self, consumer: Consumer) -> None:
        if self._under_way and time.monotonic() >= self._looked_at + _LOOK_S:
            self._settle_ended(consumer)
            self._looked_at = time.monotonic()

    def _settle_ended(self, consumer: Consumer) -> None:
        """Settle the messages whose runs have ended; those of a lost connection come again, to the same runs."""
        still: list[tuple[Incoming, Begun]] = []
        for message, begun in self._under_way:
            if not consumer.is_current(message):
                self._is_over(message)
                continue
            try:
                ended = begun.ended()
                if ended is not None:
                    self._settle(message, consumer, ended)
                    self._is_over(message)
                    continue
            except DrawbarError as error:  # the journal, or the place for dead letters, is away: it is looked for again
                log.warning("amqp.held", name=self._name, id=message.message_id, reason=error.message)
            still.append((message, begun))
        self._under_way = still

    def _is_over(self, message: Incoming) -> None:
        if self._order is not None:
            self._order.ended(message)

    def _start(self, message: Incoming, start: Start) -> tuple[str, Begun | None]:
        """Start the run; give why it can never start, or nothing, and the run."""
        try:
            seen = self._see(message)
            most = self._config.max_waiting
            begun = start(Occurrence(self._identity(message), {"message": seen}, self._group(seen), most))
        except InputError as error:
            return error.message, None
        self._forget(message)
        return "", begun

    def _group_of(self, message: Incoming) -> str | None:
        try:
            return self._group(self._see(message))
        except InputError:  # it will start no run, and nobody knows whose it is
            return None

    def _group(self, seen: dict[str, Any]) -> str | None:
        if self._config.group is None:
            return None
        group = self._config.group.fill({"message": seen})
        return None if group is None else str(group)

    def _identity(self, message: Incoming) -> str:
        prefix = f"{self._name}:{self._config.queue}"
        if not message.message_id:
            return f"{prefix}:{uuid4().hex}"
        deaths = [death for death in message.headers.get("x-death", ()) if death.get("queue") == self._config.queue]
        again = sum(int(death.get("count", 0)) for death in deaths)
        return f"{prefix}:{message.message_id}{f':{again}' if again else ''}"

    def _crashed(self, message: Incoming) -> str:
        """
        Count a message that was delivered before as one that was begun, and say when that was too often.

        The count goes when the message is settled: what is left of it is of workers that died. The broker's own
        (x-delivery-count) also counts lines that were lost while a message waited here, and says nothing.
        """
        if not message.redelivered:
            return ""
        (count,) = self._attempts.failed([message])
        self._begun[_key(message)] = count
        return f"begun {count - 1} times, and never settled" if count > self._config.max_attempts else ""

    def _failed(self, message: Incoming, error: DrawbarError) -> str:
        failures = self._begun.pop(_key(message), 0)
        if not failures:
            (failures,) = self._attempts.failed([message])
        self._failing.add(_key(message))
        log.warning("amqp.failed", name=self._name, id=message.message_id, attempt=failures, reason=error.message)
        return f"failed {failures} times: {error.message}" if failures >= self._config.max_attempts else ""

    def _forget(self, message: Incoming) -> None:
        key = _key(message)
        if self._begun.pop(key, 0) or key in self._failing:
            self._failing.discard(key)
            self._attempts.forget([message])


def _key(message: Incoming) -> str:
    return f"{message.life}:{message.tag}"
