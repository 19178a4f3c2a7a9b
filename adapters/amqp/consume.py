"""A queue as a trigger (each message starts a run) and as a source of a sync (a drain of what waits)."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from ...core.adapter import Occurrence
from ...core.batch import Batch, Cursor, Reject, Row
from ...core.errors import DrawbarError, InputError, Rejected, Unavailable
from .attempts import Attempts

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming
    from ...connectors.amqp_consumer import Consumer
    from .config import ConsumeConfig

log = structlog.get_logger(__name__)

Bury = Callable[["Incoming", str], bool]
"""Keep a dead letter, with its reason; true when it is out of the queue's hands and can be acknowledged."""

See = Callable[["Incoming"], dict[str, Any]]
"""Give `message` as expressions see it; InputError when its body cannot be read."""

IDLE_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 15.0


class MessageTrigger:
    """
    Start a run for each message, in order; acknowledge it when its run is in the journal.

    A message that can start none is dead-lettered at once, one that fails `max_attempts` times then. While nothing can
    start, the message is held and tried again: the queue fills, where operators look. The same message id starts one
    run; a message without an id that is delivered again starts another.
    """

    def __init__(
        self, name: str, config: ConsumeConfig, consumer: Callable[[], Consumer], bury: Bury, see: See
    ) -> None:
        self._see = see
        self._name = name
        self._config = config
        self._consumer = consumer
        self._bury = bury
        self._failures: OrderedDict[str, int] = OrderedDict()

    def run(self, start: Callable[[Occurrence], None], stop: threading.Event) -> None:
        consumer = self._consumer()
        trouble: DrawbarError | None = None
        try:
            while not stop.is_set():
                message = consumer.next(0.2)
                if consumer.trouble is not trouble:
                    trouble = consumer.trouble
                    log.warning("amqp.consume", name=self._name, trouble=trouble.message if trouble else None)
                if message is not None:
                    self._take(message, consumer, start, stop)
        finally:
            consumer.close()

    def _take(
        self, message: Incoming, consumer: Consumer, start: Callable[[Occurrence], None], stop: threading.Event
    ) -> None:
        """Bring one message to its answer."""
        pause_s = FIRST_PAUSE_S
        reason = self._past_attempts(message)
        while consumer.is_current(message):
            try:
                if not reason:
                    reason = self._start(message, start)
                if not reason or self._bury(message, reason):
                    consumer.ack(message)
                else:
                    consumer.dead(message)
                return
            except Unavailable as error:
                log.warning("amqp.held", name=self._name, id=message.message_id, reason=error.message)
                pause_s = max(pause_s, error.retry_after_s or 0)
            except DrawbarError as error:
                reason = self._failed(message, error)
            if stop.wait(pause_s * random.uniform(0.5, 1)):
                consumer.back(message)
                return
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _start(self, message: Incoming, start: Callable[[Occurrence], None]) -> str:
        """Start the run; answer why it can never start, or nothing."""
        try:
            start(Occurrence(self._identity(message), {"message": self._see(message)}))
        except InputError as error:
            return error.message
        self._failures.pop(self._identity(message), None)
        return ""

    def _identity(self, message: Incoming) -> str:
        prefix = f"{self._name}:{self._config.queue}"
        if not message.message_id:
            return f"{prefix}:{uuid4().hex}"
        deaths = [death for death in message.headers.get("x-death", ()) if death.get("queue") == self._config.queue]
        again = sum(int(death.get("count", 0)) for death in deaths)
        return f"{prefix}:{message.message_id}{f':{again}' if again else ''}"

    def _past_attempts(self, message: Incoming) -> str:
        """Say so when the broker itself has counted too many attempts: a message that kills us is told by nothing else."""
        if message.returned < self._config.max_attempts:
            return ""
        return f"delivered {message.returned} times and never settled"

    def _failed(self, message: Incoming, error: DrawbarError) -> str:
        key = self._identity(message) if message.message_id else f"{message.life}:{message.tag}"
        failures = self._failures[key] = self._failures.get(key, message.returned) + 1
        while len(self._failures) > 10_000:
            self._failures.popitem(last=False)
        log.warning("amqp.failed", name=self._name, id=message.message_id, attempt=failures, reason=error.message)
        return f"failed {failures} times: {error.message}" if failures >= self._config.max_attempts else ""


class QueuePortion:
    """Messages that are loaded and acknowledged as one."""

    def __init__(
        self,
        messages: Sequence[Incoming],
        config: ConsumeConfig,
        consumer: Consumer,
        timeout_s: float,
        attempts: Attempts,
        bury: Bury,
        see: See,
    ) -> None:
        self._see = see
        self._messages = messages
        self._config = config
        self._consumer = consumer
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._bury = bury
        self._open = True
        self.cursor: Cursor = None
        self.id = _identity(config.queue, messages)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        for at in range(0, len(self._messages), batch_rows):
            yield self._batch(at, self._messages[at : at + batch_rows])

    def _batch(self, at: int, messages: Sequence[Incoming]) -> Batch:
        rows: list[Row] = []
        numbers: list[int] = []
        raw: list[bytes] = []
        each: list[dict[str, Any]] = []
        rejects = []
        for number, message in enumerate(messages, at + 1):
            try:
                whole = self._see(message)
                body = whole["body"]
                if not isinstance(body, Mapping):
                    raise InputError("the message's body is not an object with fields")
            except InputError as error:
                rejects.append(Reject(number, error.message, message.body))
            else:
                rows.append(body)
                numbers.append(number)
                raw.append(message.body)
                each.append({"message": whole})
        return Batch(rows, numbers, rejects, raw=raw, each=each, names=self._names(at, numbers))

    def _names(self, at: int, numbers: Sequence[int]) -> list[str]:
        ids = [self._messages[number - 1].message_id for number in numbers]
        return [
            f"{self._config.queue}:{one or f'{self.id}#{number}'}" for one, number in zip(ids, numbers, strict=True)
        ]

    def finished(self) -> None:
        """Acknowledge: the target has committed. Unavailable when the connection was lost: then they come again."""
        if self._open:
            self._open = False
            self._consumer.settle_up_to(self._messages[-1], timeout_s=self._timeout_s)
            self._attempts.forget(self._messages)

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None:
        """
        Put the messages back in their places; those to blame go to the dead letters after `max_attempts`.

        To blame are the rejected ones, and all of them where nothing says which. A system that is away blames nobody.
        """
        if not self._open:
            return
        self._open = False
        dead: dict[int, str] = {}
        if isinstance(error, (Rejected, InputError)) or not isinstance(error, DrawbarError):
            dead = self._past_attempts(error, rejects)
        for at, message in enumerate(self._messages):
            if at not in dead:
                self._consumer.back(message)
            elif self._bury(message, dead[at]):
                self._consumer.ack(message)
            else:
                self._consumer.dead(message)
        if dead:
            log.warning("amqp.dead_letter", queue=self._config.queue, messages=len(dead), reason=str(error)[:500])
            self._attempts.forget(self._messages[at] for at in dead)
            self._consumer.flush(self._timeout_s)

    def _past_attempts(self, error: Exception, rejects: Sequence[Reject]) -> dict[int, str]:
        reasons = {one.record_no - 1: one.reason for one in rejects} or dict.fromkeys(
            range(len(self._messages)), str(error)
        )
        counts = self._attempts.failed(self._messages[at] for at in reasons)
        most = self._config.max_attempts
        return {
            at: f"failed {count} times: {reason}"
            for (at, reason), count in zip(reasons.items(), counts, strict=True)
            if count >= most
        }


class QueueSource:
    """Drain what waits in a queue, in portions of `batch_rows` messages."""

    one_effect = (
        False,
        "at least once: a crash between the target's commit and the acknowledgement brings messages again; upsert by key",
    )

    def __init__(
        self,
        config: ConsumeConfig,
        count: Callable[[], int],
        consumer: Callable[[int], Consumer],
        timeout_s: float,
        *,
        attempts: Attempts,
        bury: Bury,
        see: See,
    ) -> None:
        self._see = see
        self._attempts = attempts
        self._bury = bury
        self._config = config
        self._count = count
        self._open = consumer
        self._timeout_s = timeout_s
        self._consumer: Consumer | None = None

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[QueuePortion]:
        waiting = self._count()
        if not waiting:
            return
        consumer = self._consumer = self._open(min(batch_rows, 65535))
        consumer.wait_ready(self._timeout_s)
        try:
            while waiting > 0 and (messages := self._drain(consumer, min(batch_rows, waiting, 65535))):
                waiting -= len(messages)
                yield QueuePortion(
                    messages, self._config, consumer, self._timeout_s, self._attempts, self._bury, self._see
                )
        finally:
            self.close()

    def _drain(self, consumer: Consumer, limit: int) -> list[Incoming]:
        messages: list[Incoming] = []
        while len(messages) < limit and (message := consumer.next(IDLE_S)) is not None:
            if messages and message.life != messages[0].life:
                messages = []  # the connection was lost: they come again
            messages.append(message)
        if not messages and consumer.trouble:
            raise consumer.trouble
        return messages

    def total(self, cursor: Cursor) -> int | None:
        return self._count()

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer:
            consumer.close()


def _identity(queue: str, messages: Sequence[Incoming]) -> str:
    """Identify a portion by its messages; the same message with the same id is the same, a message without one never."""
    digest = hashlib.sha256(queue.encode())
    for message in messages:
        digest.update(f"{len(message.body)} {message.message_id or uuid4().hex} ".encode() + message.body)
    return f"{queue}:{digest.hexdigest()}"
