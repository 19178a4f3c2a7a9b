"""A queue as the source of a sync: a drain of what waits."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from ...core.batch import Batch, Cursor, Reject, Row
from ...core.errors import DrawbarError, InputError, Rejected, Unavailable
from .attempts import Attempts
from .bodies import Bodies, described

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
_AHEAD = 4000
_UNREAD = 2


class QueuePortion:
    """Messages that are loaded and acknowledged as one."""

    def __init__(self, messages: Sequence[Incoming], consumer: Consumer, source: QueueSource) -> None:
        self._messages = messages
        self._consumer = consumer
        self._source = source
        self._config = source.config
        self._open = True
        self.cursor: Cursor = None
        self.id = _identity(source.config.queue, messages)

    @property
    def size(self) -> int:
        return len(self._messages)

    def halves(self) -> list[QueuePortion]:
        """Give two portions of its messages, in order, that are settled for themselves; nothing for a single one."""
        if len(self._messages) < 2:
            return []
        self._open = False
        middle = len(self._messages) // 2
        return [
            QueuePortion(some, self._consumer, self._source)
            for some in (self._messages[:middle], self._messages[middle:])
        ]

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        for at in range(0, len(self._messages), batch_rows):
            yield self._batch(at, self._messages[at : at + batch_rows])

    def _batch(self, at: int, messages: Sequence[Incoming]) -> Batch:
        rows: list[Row] = []
        numbers: list[int] = []
        raw: list[bytes] = []
        read: list[Incoming] = []
        rejects = []
        body_of = self._source.bodies.read
        for number, message in enumerate(messages, at + 1):
            try:
                body = body_of(message)
                if not isinstance(body, Mapping):
                    raise InputError("the message's body is not an object with fields")
            except InputError as error:
                rejects.append(Reject(number, error.message, message.body))
            else:
                rows.append(body)
                numbers.append(number)
                raw.append(message.body)
                read.append(message)
        return Batch(rows, numbers, rejects, raw=raw, each=_Each(read, rows), names=self._names(at, numbers))

    def _names(self, at: int, numbers: Sequence[int]) -> list[str]:
        ids = [self._messages[number - 1].message_id for number in numbers]
        return [
            f"{self._config.queue}:{one or f'{self.id}#{number}'}" for one, number in zip(ids, numbers, strict=True)
        ]

    def finished(self) -> None:
        """
        Acknowledge: the target has committed. Unavailable when the connection was lost: then they come again.

        Whether the broker has read it is looked for later, before its source ends.
        """
        if self._open:
            self._open = False
            self._source.settling.append(
                self._consumer.settle_up_to(self._messages[-1], timeout_s=self._source.timeout_s)
            )
            self._source.attempts.forget(self._messages)

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
            elif self._source.bury(message, dead[at]):
                self._consumer.ack(message)
            else:
                self._consumer.dead(message)
        if dead:
            log.warning("amqp.dead_letter", queue=self._config.queue, messages=len(dead), reason=str(error)[:500])
            self._source.attempts.forget(self._messages[at] for at in dead)
            self._consumer.flush(self._source.timeout_s)

    def _past_attempts(self, error: Exception, rejects: Sequence[Reject]) -> dict[int, str]:
        reasons = {one.record_no - 1: one.reason for one in rejects} or dict.fromkeys(
            range(len(self._messages)), str(error)
        )
        counts = self._source.attempts.failed(self._messages[at] for at in reasons)
        most = self._config.max_attempts
        return {
            at: f"failed {count} times: {reason}"
            for (at, reason), count in zip(reasons.items(), counts, strict=True)
            if count >= most
        }


class _Each(Sequence[Mapping[str, Any]]):
    """What expressions see beside each row: its message, described when somebody asks."""

    def __init__(self, messages: Sequence[Incoming], bodies: Sequence[Row]) -> None:
        self._messages = messages
        self._bodies = bodies

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, at: Any) -> Any:
        return {"message": {**described(self._messages[at]), "body": self._bodies[at]}}


class QueueSource:
    """Drain what waits in a queue, in portions of `batch_rows` messages."""

    one_effect = (
        False,
        "a crash between the target's commit and the acknowledgement brings messages again; upsert by key",
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
        bodies: Bodies,
    ) -> None:
        self.bodies = bodies
        self.attempts = attempts
        self.bury = bury
        self.config = config
        self.timeout_s = timeout_s
        self.settling: deque[Callable[[], None]] = deque()
        self._count = count
        self._open = consumer
        self._consumer: Consumer | None = None

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[QueuePortion]:
        waiting = self._count()
        if not waiting:
            return
        # The next portion comes while this one is loaded.
        consumer = self._consumer = self._open(min(batch_rows + min(batch_rows, _AHEAD), 65535))
        consumer.wait_ready(self.timeout_s)
        try:
            while waiting > 0 and (messages := self._drain(consumer, min(batch_rows, waiting, 65535))):
                waiting -= len(messages)
                yield QueuePortion(messages, consumer, self)
                self._settled(_UNREAD)
            self._settled(0)
        finally:
            self.close()

    def _settled(self, unread: int) -> None:
        """Wait until the broker has read all acknowledgements but the last ones: it reads them while the next portion is loaded."""
        while len(self.settling) > unread:
            self.settling.popleft()()

    def _drain(self, consumer: Consumer, limit: int) -> list[Incoming]:
        """Take messages; none when none is left. A broker that is slow to give what it holds is waited for."""
        ends = time.monotonic() + self.timeout_s
        while not (messages := consumer.take(limit, IDLE_S)):
            if consumer.trouble:
                raise consumer.trouble
            if not (left := self._count()):
                break
            if time.monotonic() > ends:
                raise Unavailable(f"{self.config.queue}: {left} messages wait, and none came in {self.timeout_s:.3g} s")
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
        digest.update(f"{len(message.body)} {message.message_id or uuid4().hex} ".encode())
        digest.update(message.body)
    return f"{queue}:{digest.hexdigest()}"
