"""AMQP: publish with confirms, take messages one by one, start a run for each, or load a queue into a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...core.adapter import Adapter, Finding, Place
from ...core.errors import ConfigError, DrawbarError
from ...core.tool import Tool
from .attempts import Attempts
from .claims import Claims
from .config import AmqpConfig, ConsumeConfig
from .consume import QueueSource
from .order import Order
from .publish import body_schema
from .sending import Sending
from .sink import QueueSink
from .taking import Taking
from .trigger import MessageTrigger
from .wire import Wire

__all__ = ["AmqpAdapter", "AmqpConfig"]


class AmqpAdapter(Adapter[AmqpConfig]):
    kind = "amqp"
    Config = AmqpConfig

    def __init__(self, name: str, config: AmqpConfig, place: Place) -> None:
        super().__init__(name, config, place)
        folder = place.state / "amqp" / name
        self._wire = Wire(config, place.base)
        self._sending = Sending(self._wire)
        self._taking = Taking(self._wire, Claims(folder / "claims", name, place.taken), Claims(folder / "parked"))

    @classmethod
    def tool_names(cls, config: AmqpConfig) -> set[str] | None:
        verbs: dict[str, Iterable[str]] = {"publish": config.publish, "request": config.request}
        verbs |= dict.fromkeys(("get", "settle", "browse"), config.consume)
        return {f"{verb}_{name}" for verb, named in verbs.items() for name in named}

    @classmethod
    def mistakes(cls, config: AmqpConfig, base: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
        with_format: dict[tuple[str | int, ...], Any] = {
            **{("publish", name): one for name, one in config.publish.items()},
            **{("request", name): one for name, one in config.request.items()},
            **{("request", name, "reply"): one.reply for name, one in config.request.items()},
            **{("consume", name): one for name, one in config.consume.items()},
        }
        for where, one in with_format.items():
            try:
                _ = one.format and one.format.open(base)
            except ConfigError as error:
                yield (*where, "format", *([error.field] if error.field else [])), error.message

    @classmethod
    def endpoints(cls, config: AmqpConfig) -> Mapping[str, set[str]]:
        return {"consume": set(config.consume), "publish": set(config.publish)}

    def tools(self) -> Iterable[Tool]:
        yield from self._sending.tools()
        yield from self._taking.tools()

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        from ...connectors.amqp_topology import Exchange, Queue, look

        try:
            yield Finding("connect", ok=True, found=self._connects())
            self._wire.declare()
        except DrawbarError as error:
            yield Finding.of("connect" if error.field != "declare" else "declare", error)
            return
        find = partial(look, self._wire.endpoint, timeout_s=self.config.call_timeout_s)
        sent = [*self.config.publish.values(), *self.config.request.values()]
        for exchange in sorted({one.exchange for one in sent} - {""}):
            yield _finding(f"exchange {exchange}", partial(find, Exchange(exchange)))
        for queue in sorted({one.queue for one in self.config.consume.values()}):
            yield _finding(f"queue {queue}", partial(find, Queue(queue)))

    def depths(self) -> Mapping[str, int]:
        from ...connectors.amqp import counts

        queues = sorted({one.queue for one in self.config.consume.values()})
        return counts(self._wire.endpoint, queues, self.config.call_timeout_s) if queues else {}

    def source(self, spec: Mapping[str, Any], *, sync: str) -> QueueSource:
        config = self._consumed(spec)
        return QueueSource(
            config,
            partial(self._wire.count, config.queue),
            partial(self._wire.consumer, config),
            self.config.call_timeout_s,
            attempts=self._attempts(config),
            bury=partial(self._taking.bury, config),
            bodies=self._wire.bodies(config),
        )

    def sink(self, spec: Mapping[str, Any], *, sync: str) -> QueueSink:
        name = spec.get("publish")
        if name not in self.config.publish:
            raise ConfigError(f"{self.name}: there is no publish {name!r}", field="publish")
        config = self.config.publish[name]
        bodies = self._wire.bodies(config)
        schema = body_schema(config, self.place.base, bodies)
        return QueueSink(self._wire, config, schema, bodies, sync=sync, timeout_s=self.config.call_timeout_s)

    def trigger(self, spec: Mapping[str, Any], *, name: str) -> MessageTrigger:
        config = self._consumed(spec)
        return MessageTrigger(
            name,
            config,
            lambda: self._wire.consumer(config, config.prefetch),
            partial(self._taking.bury, config),
            self._wire.bodies(config).seen,
            self._attempts(config),
            self._order(config, f"{self.name}.{spec['consume']}"),
        )

    def announce(self, exchange: str, kind: str, message_id: str, body: bytes, content_type: str) -> None:
        from ...connectors.amqp import Outgoing

        properties = {"content_type": content_type, "message_id": message_id, "delivery_mode": 2, "app_id": "drawbar"}
        self._wire.publisher.publish(
            Outgoing(exchange, kind, body, properties, mandatory=False), timeout_s=self.config.call_timeout_s
        )

    def close(self) -> None:
        self._wire.close()

    def _connects(self) -> str:
        from ...connectors.amqp import channel

        with channel(self._wire.endpoint, self.config.call_timeout_s):
            return self._wire.endpoint.where

    def _order(self, config: ConsumeConfig, queue: str) -> Order | None:
        if config.on_poison != "hold_group":
            return None
        if self.place.groups is None:
            raise ConfigError(f"{self.name}: hold_group needs a journal, which keeps what is held", field="on_poison")
        return Order(self.place.groups, queue)

    def _attempts(self, config: ConsumeConfig) -> Attempts:
        return Attempts(self.place.state / "amqp" / self.name / "attempts", config.queue)

    def _consumed(self, spec: Mapping[str, Any]) -> ConsumeConfig:
        name = spec.get("consume")
        if name not in self.config.consume:
            raise ConfigError(f"{self.name}: there is no consume {name!r}", field="consume")
        return self.config.consume[name]


def _finding(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, found=look())
    except DrawbarError as error:
        return Finding.of(what, error)
