"""A publication as the target of a sync: each row is one message, sent when its whole portion is proven."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from ...core.batch import Cursor, Row, RowRefused, Writing, Written
from ...core.errors import DrawbarError
from ...core.schema import Checker
from ...core.values import dump, load
from .publish import outgoing

if TYPE_CHECKING:
    from ...connectors.amqp import Outgoing
    from ...connectors.amqp_publisher import Publisher
    from .bodies import Bodies
    from .config import PublishConfig

_IN_MEMORY = 1 << 20


class QueueSink:
    """Publishes rows. A row that is sent again after a crash has the message id that it had."""

    keeps_cursor = False
    one_effect = (
        False,
        "at least once: what a crash lets us send again has the same message id, by which the consumer drops it",
    )

    def __init__(
        self,
        publisher: Publisher,
        config: PublishConfig,
        schema: Mapping[str, Any],
        bodies: Bodies,
        *,
        sync: str,
        timeout_s: float,
    ) -> None:
        self._bodies = bodies
        self._publisher = publisher
        self._config = config
        self._checker = Checker.of({"type": "object", "properties": {"body": schema}}, "schema")
        self._sync = sync
        self._timeout_s = timeout_s

    def cursor(self) -> Cursor:
        return None

    def has(self, portion: str) -> bool:
        return False

    @contextmanager
    def writing(self, *, portion: str, file_name: str | None = None) -> Iterator[Writing]:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            yield QueueWriting(self, spool, portion)  # type: ignore[arg-type]  # it is a binary stream

    def compose(self, row: Row, name: str) -> Outgoing:
        """Make the message of a row; InputError when it does not fit the publication."""
        identity = hashlib.sha256(f"{self._sync} {name}".encode()).hexdigest()
        body: Any = [dict(row)] if self._bodies.records else dict(row)
        return outgoing(self._config, {"body": body}, identity, self._bodies)

    def refusal(self, row: Row) -> str | None:
        """Say why a row is no message of this publication."""
        if (said := self._checker.deviation({"body": dict(row)})) is not None:
            return said
        try:
            self.compose(row, "")
        except DrawbarError as error:
            return error.message
        return None

    def send(self, messages: Iterator[Outgoing]) -> None:
        self._publisher.publish_all(messages, timeout_s=self._timeout_s)

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
        reasons = {at: said for at, row in enumerate(rows) if (said := self._sink.refusal(row)) is not None}
        if reasons:
            first = min(reasons)
            raise RowRefused(first, reasons[first], reasons)
        for row, name in zip(rows, names, strict=True):
            line = dump([name, dict(row)]).encode()
            self._spool.write(len(line).to_bytes(4, "big") + line)
        self._count += len(rows)
        return Written(inserted=len(rows))

    def commit(self, *, portion: str, cursor: Cursor) -> None:
        """Send all of it. What breaks off in the middle is sent again, each message under its id."""
        self._sink.send(self._messages())

    def _messages(self) -> Iterator[Outgoing]:
        self._spool.seek(0)
        while size := self._spool.read(4):
            name, row = load(self._spool.read(int.from_bytes(size, "big")))
            yield self._sink.compose(row, name)
