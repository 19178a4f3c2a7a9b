"""What all parts of one adapter share: the broker's address, the line that publishes, what has to be there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import Rejected
from .bodies import Bodies
from .config import (
    AmqpConfig,
    ConsumeConfig,
    ExchangeDeclared,
    PublishConfig,
    QueueDeclared,
    ReplyConfig,
    RequestConfig,
)

if TYPE_CHECKING:
    from ...connectors.amqp import Endpoint
    from ...connectors.amqp_consumer import Consumer
    from ...connectors.amqp_publisher import Publisher
    from ...connectors.amqp_topology import Part

_NOT_FOUND = 404


class Wire:
    def __init__(self, config: AmqpConfig, base: Path) -> None:
        self.config = config
        self.base = base
        self._opened: dict[int, Bodies] = {}
        self._lock = threading.Lock()
        self._declared = False

    @cached_property
    def endpoint(self) -> Endpoint:
        from ...connectors.amqp import Endpoint, Tls

        config, given = self.config, self.config.tls
        files = {
            name: self.base / getattr(given, name)
            for name in ("ca_file", "certificate_file", "key_file")
            if given is not None and getattr(given, name) is not None
        }
        return Endpoint(
            config.url.get_secret_value(),
            Tls(**files, external=given is not None and given.login == "certificate"),
            connect_timeout_s=config.connect_timeout_s,
            heartbeat_s=config.heartbeat_s,
            hosts=tuple(config.hosts),
        )

    @cached_property
    def publisher(self) -> Publisher:
        from ...connectors.amqp_publisher import Publisher

        return Publisher(self.endpoint)

    def consumer(self, config: ConsumeConfig, prefetch: int) -> Consumer:
        from ...connectors.amqp_consumer import Consumer

        alone = config.group is not None
        return Consumer(self.endpoint, config.queue, prefetch=prefetch, alone=alone, prepare=self.declare)

    def count(self, queue: str) -> int:
        from ...connectors.amqp import count

        with self.there():
            return count(self.endpoint, queue, self.config.call_timeout_s)

    @contextmanager
    def there(self) -> Iterator[None]:
        """Make what the configuration declares before the first call, and before the next when the broker misses something."""
        with self._lock:
            if not self._declared:
                self.declare()
                self._declared = True
        try:
            yield
        except Rejected as error:
            if isinstance(error.detail, dict) and error.detail.get("code") == _NOT_FOUND:
                self._declared = False
            raise

    def declare(self) -> None:
        """Make what is not there of what the configuration declares; ConfigError for what is there and does not fit."""
        from ...connectors.amqp_topology import declare

        declare(self.endpoint, [*dict.fromkeys(self.parts())], self.config.call_timeout_s)

    def parts(self) -> Iterator[Part]:
        """Give what is declared: exchanges, then queues, then what is bound."""
        from ...connectors.amqp_topology import Bound, Exchange, Queue

        for sent in [*self.config.publish.values(), *self.config.request.values()]:
            given = sent.declare if "declare" in sent.model_fields_set else self.config.declare
            if given and sent.exchange:
                yield Exchange(sent.exchange, given.type if isinstance(given, ExchangeDeclared) else "topic")
        declared = {config.queue: said for config in self.config.consume.values() if (said := self._said(config))}
        for said in declared.values():
            yield from (Exchange(bound.exchange, bound.type) for bound in said.bind)
        for config in self.config.consume.values():
            letters = config.dead_letter
            if config.queue in declared and letters is not None and not letters.exchange:
                yield Queue(letters.routing_key, {"x-queue-type": "quorum"})
        for config in self.config.consume.values():
            if (said := self._said(config)) is not None:
                yield Queue(config.queue, self._arguments(config, said))
                yield from (Bound(config.queue, bound.exchange, bound.routing_key) for bound in said.bind)

    def bodies(self, config: ConsumeConfig | PublishConfig | RequestConfig | ReplyConfig) -> Bodies:
        """Give what its bodies are; a format is compiled once."""
        if (found := self._opened.get(id(config))) is None:
            content_type = config.content_type
            if config.format is not None and "content_type" not in config.model_fields_set:
                content_type = "application/octet-stream"
            form = config.format.open(self.base) if config.format is not None else None
            found = self._opened[id(config)] = Bodies(content_type, form, config.records)
        return found

    def close(self) -> None:
        if publisher := self.__dict__.pop("publisher", None):
            publisher.close()

    def _said(self, config: ConsumeConfig) -> QueueDeclared | None:
        given = config.declare if "declare" in config.model_fields_set else self.config.declare
        return given if isinstance(given, QueueDeclared) else QueueDeclared() if given else None

    def _arguments(self, config: ConsumeConfig, said: QueueDeclared) -> dict[str, object]:
        arguments: dict[str, object] = {"x-queue-type": said.type}
        if config.dead_letter is not None:
            arguments["x-dead-letter-exchange"] = config.dead_letter.exchange
            arguments["x-dead-letter-routing-key"] = config.dead_letter.routing_key
        return {**arguments, **said.arguments}
