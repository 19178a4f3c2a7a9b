"""A publication as the target of a sync: each row is one message, sent when its whole portion is proven."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from ...core.batch import Cursor, Row, RowRefused, Writing, Written
from ...core.errors import DrawbarError
from ...core.schema import Checker
from .publish import outgoing

if TYPE_CHECKING:
    from ...connectors.amqp import Outgoing
    from ...connectors.amqp_batch import Ready
    from .bodies import Bodies
    from .config import PublishConfig
    from .wire import Wire

_IN_MEMORY = 1 << 20
_HEAD = struct.Struct(">BBII")


class QueueSink:
    """Publishes rows. A row that is sent again after a crash has the message id that it had."""

    keeps_cursor = False
    one_effect = (
        False,
        "what a crash lets us send again has the same message id, by which the consumer drops it",
    )

    def __init__(
        self,
        wire: Wire,
        config: PublishConfig,
        schema: Mapping[str, Any],
        bodies: Bodies,
        *,
        sync: str,
        timeout_s: float,
    ) -> None:
        self._bodies = bodies
        self._wire = wire
        self._config = config
        self._checker = Checker.of({"type": "object", "properties": {"body": schema}}, "schema")
        self._sync = sync
        self._timeout_s = timeout_s

    @property
    def exchange(self) -> str:
        return self._config.exchange

    @property
    def mandatory(self) -> bool:
        return self._config.mandatory

    def cursor(self) -> Cursor:
        return None

    def has(self, portion: str) -> bool:
        return False

    @contextmanager
    def writing(self, *, portion: str, file_name: str | None = None) -> Iterator[Writing]:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            yield QueueWriting(self, spool, portion)  # type: ignore[arg-type]  # it is a binary stream

    def compose(self, row: Row, name: str) -> Ready:
        """Make the message of a row; InputError when it does not fit the publication, Rejected when AMQP cannot carry it."""
        identity = hashlib.sha256(f"{self._sync} {name}".encode()).hexdigest()
        body: Any = [row] if self._bodies.records else row
        return self._ready(outgoing(self._config, {"body": body}, identity, self._bodies))

    def refusal(self, row: Row) -> str | None:
        """Say why the body of a row is none of this publication."""
        return self._checker.deviation({"body": row})

    def send(self, messages: Iterator[Ready]) -> None:
        with self._wire.there():
            self._wire.publisher.publish_all(self._config.exchange, messages, timeout_s=self._timeout_s)

    @cached_property
    def _ready(self) -> Callable[[Outgoing], Ready]:
        from ...connectors.amqp_batch import ready

        return ready()

    def close(self) -> None:
        pass


class QueueWriting:
    """The messages of one portion, kept here until all of it is proven."""

    def __init__(self, sink: QueueSink, spool: BinaryIO, portion: str) -> None:
        self._sink = sink
        self._spool = spool
        self._portion = portion
        self._count = 0

    def write(self, rows: Sequence[Row]) -> Written:
        first = self._count + 1
        return self.write_named(rows, [f"{self._portion}#{first + at}" for at in range(len(rows))])

    def write_named(self, rows: Sequence[Row], names: Sequence[str]) -> Written:
        reasons: dict[int, str] = {}
        records: list[bytes] = []
        for at, row in enumerate(rows):
            plain = row if type(row) is dict else dict(row)
            try:
                if (said := self._sink.refusal(plain)) is None:
                    records.append(_recorded(self._sink.compose(plain, names[at])))
            except DrawbarError as error:
                said = error.message
            if said is not None:
                reasons[at] = said
        if reasons:
            first = min(reasons)
            raise RowRefused(first, reasons[first], reasons)
        self._spool.write(b"".join(records))
        self._count += len(rows)
        return Written(inserted=len(rows))

    def commit(self, *, portion: str, cursor: Cursor) -> None:
        """Send all of it. What breaks off in the middle is sent again, each message under its id."""
        self._sink.send(self._messages())

    def _messages(self) -> Iterator[Ready]:
        from ...connectors.amqp_batch import Ready

        self._spool.seek(0)
        exchange, mandatory = self._sink.exchange, self._sink.mandatory
        read = self._spool.read
        while head := read(_HEAD.size):
            key, name, properties, body = _HEAD.unpack(head)
            whole = read(key + name + properties + body)
            at, to = key + name, key + name + properties
            yield Ready(exchange, whole[:key].decode(), mandatory, whole[key:at].decode(), whole[at:to], whole[to:])


def _recorded(message: Ready) -> bytes:
    key, name = message.routing_key.encode(), message.message_id.encode()
    head = _HEAD.pack(len(key), len(name), len(message.properties), len(message.body))
    return b"".join((head, key, name, message.properties, message.body))
