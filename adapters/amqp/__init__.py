"""AMQP: publish with confirms, take messages one by one, start a run for each, or load a queue into a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.adapter import Adapter, Finding, Place
from ...core.errors import ConfigError, DrawbarError, InputError
from ...core.masking import masked
from ...core.tool import Call, Tool
from .attempts import Attempts
from .bodies import Bodies, described
from .claims import Claims
from .config import AmqpConfig, ConsumeConfig, PublishConfig
from .consume import MessageTrigger, QueueSource
from .publish import body_schema, forwarded, outgoing, shown
from .sink import QueueSink

if TYPE_CHECKING:
    from ...connectors.amqp import Endpoint, Incoming, Outgoing
    from ...connectors.amqp_consumer import Consumer
    from ...connectors.amqp_publisher import Publisher

__all__ = ["AmqpAdapter", "AmqpConfig"]

MESSAGE_SCHEMA: Mapping[str, Any] = {
    "type": ["object", "null"],
    "description": "body, id, headers, routing_key, ...; null when the queue is empty.",
}


class AmqpAdapter(Adapter[AmqpConfig]):
    kind = "amqp"
    Config = AmqpConfig

    def __init__(self, name: str, config: AmqpConfig, place: Place) -> None:
        super().__init__(name, config, place)
        self._claims = Claims(place.state / "amqp" / name / "claims", name, place.taken)
        self._opened: dict[int, Bodies] = {}
        self._parked = Claims(place.state / "amqp" / name / "parked")

    @classmethod
    def tool_names(cls, config: AmqpConfig) -> set[str] | None:
        verbs: dict[str, Iterable[str]] = {"publish": config.publish, "get": config.consume, "settle": config.consume}
        return {f"{verb}_{name}" for verb, named in verbs.items() for name in named}

    @classmethod
    def mistakes(cls, config: AmqpConfig, base: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for kind, named in (("publish", config.publish), ("consume", config.consume)):
            for name, one in named.items():
                try:
                    _ = one.format and one.format.open(base)
                except ConfigError as error:
                    yield (kind, name, "format", *([error.field] if error.field else [])), error.message

    @classmethod
    def endpoints(cls, config: AmqpConfig) -> Mapping[str, set[str]]:
        return {"consume": set(config.consume), "publish": set(config.publish)}

    def tools(self) -> Iterable[Tool]:
        for name, publication in self.config.publish.items():
            yield self._publish_tool(name, publication)
        for name, queue in self.config.consume.items():
            yield self._get_tool(name, queue)
            yield self._settle_tool(name, queue)

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        from ...connectors.amqp import exchange_exists

        try:
            yield Finding("connect", ok=True, found=self._connects())
        except DrawbarError as error:
            yield Finding.of("connect", error)
            return
        for exchange in sorted({one.exchange for one in self.config.publish.values()} - {""}):
            yield _finding(
                f"exchange {exchange}", partial(exchange_exists, self._endpoint, exchange, self.config.call_timeout_s)
            )
        for queue in sorted({one.queue for one in self.config.consume.values()}):
            yield _finding(f"queue {queue}", partial(self._waiting, queue))

    def depths(self) -> Mapping[str, int]:
        from ...connectors.amqp import counts

        queues = sorted({one.queue for one in self.config.consume.values()})
        return counts(self._endpoint, queues, self.config.call_timeout_s) if queues else {}

    def source(self, spec: Mapping[str, Any], *, sync: str) -> QueueSource:
        from ...connectors.amqp import count

        config = self._consumed(spec)
        timeout_s = self.config.call_timeout_s
        return QueueSource(
            config,
            partial(count, self._endpoint, config.queue, timeout_s),
            partial(self._consume, config),
            timeout_s,
            attempts=Attempts(self.place.state / "amqp" / self.name / "attempts", config.queue),
            bury=partial(self._bury, config),
            see=self._bodies(config).seen,
        )

    def sink(self, spec: Mapping[str, Any], *, sync: str) -> QueueSink:
        name = spec.get("publish")
        if name not in self.config.publish:
            raise ConfigError(f"{self.name}: there is no publish {name!r}", field="publish")
        config = self.config.publish[name]
        bodies = self._bodies(config)
        schema = body_schema(config, self.place.base, bodies)
        return QueueSink(self._publisher, config, schema, bodies, sync=sync, timeout_s=self.config.call_timeout_s)

    def trigger(self, spec: Mapping[str, Any], *, name: str) -> MessageTrigger:
        config = self._consumed(spec)
        bury = partial(self._bury, config)
        return MessageTrigger(
            name, config, lambda: self._consume(config, config.prefetch), bury, self._bodies(config).seen
        )

    def announce(self, exchange: str, kind: str, message_id: str, body: bytes, content_type: str) -> None:
        from ...connectors.amqp import Outgoing

        properties = {"content_type": content_type, "message_id": message_id, "delivery_mode": 2, "app_id": "drawbar"}
        self._publisher.publish(
            Outgoing(exchange, kind, body, properties, mandatory=False), timeout_s=self.config.call_timeout_s
        )

    def close(self) -> None:
        if publisher := self.__dict__.pop("_publisher", None):
            publisher.close()

    @cached_property
    def _endpoint(self) -> Endpoint:
        from ...connectors.amqp import Endpoint, Tls

        given = self.config.tls
        files = {} if given is None else {name: self._file(path) for name, path in given if path is not None}
        return Endpoint(
            self.config.url.get_secret_value(),
            Tls(**files),
            connect_timeout_s=self.config.connect_timeout_s,
            heartbeat_s=self.config.heartbeat_s,
            hosts=tuple(self.config.hosts),
        )

    @cached_property
    def _publisher(self) -> Publisher:
        from ...connectors.amqp_publisher import Publisher

        return Publisher(self._endpoint)

    def _bodies(self, config: ConsumeConfig | PublishConfig) -> Bodies:
        """Give what its bodies are; a format is compiled once."""
        if (found := self._opened.get(id(config))) is None:
            content_type = config.content_type
            if config.format is not None and "content_type" not in config.model_fields_set:
                content_type = "application/octet-stream"
            form = config.format.open(self.place.base) if config.format is not None else None
            found = self._opened[id(config)] = Bodies(content_type, form, config.records)
        return found

    def _file(self, path: Path) -> Path:
        return self.place.base / path

    def _connects(self) -> str:
        from ...connectors.amqp import channel

        with channel(self._endpoint, self.config.call_timeout_s):
            return self._endpoint.where

    def _waiting(self, queue: str) -> str:
        from ...connectors.amqp import count

        return f"{count(self._endpoint, queue, self.config.call_timeout_s)} messages wait"

    def _consume(self, config: ConsumeConfig, prefetch: int) -> Consumer:
        from ...connectors.amqp_consumer import Consumer

        return Consumer(self._endpoint, config.queue, prefetch=prefetch)

    def _consumed(self, spec: Mapping[str, Any]) -> ConsumeConfig:
        name = spec.get("consume")
        if name not in self.config.consume:
            raise ConfigError(f"{self.name}: there is no consume {name!r}", field="consume")
        return self.config.consume[name]

    def _publish_tool(self, name: str, publication: PublishConfig) -> Tool:
        where = f"exchange {publication.exchange}" if publication.exchange else "a queue"
        properties = {
            "body": body_schema(publication, self.place.base, self._bodies(publication)),
            "headers": {"type": "object", "description": "Headers of this message."},
            "correlation_id": {"type": "string", "maxLength": 255},
            "message_id": {"type": "string", "maxLength": 255, "description": "Made by itself when absent."},
        }
        return Tool(
            name=f"publish_{name}",
            description=publication.description or f"Publish a message to {where}; returns when the broker has it.",
            effect="write",
            input_schema=_object(properties, required=["body"]),
            output_schema=_object({"message_id": {"type": "string"}}, required=["message_id"]),
            run=partial(self._publish, publication),
            preview=partial(self._would_publish, f"publish_{name}", publication),
        )

    def _would_publish(self, tool: str, publication: PublishConfig, arguments: dict[str, Any]) -> dict[str, Any]:
        rules = self.config.tools.get(tool)
        seen = masked(arguments, rules.secret) if rules else arguments
        return {
            "endpoint": self._endpoint.where,
            **shown(outgoing(publication, seen, "(made when it is sent)", self._bodies(publication))),
        }

    def _publish(self, publication: PublishConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        message = outgoing(publication, arguments, call.id, self._bodies(publication))
        call.notes.update(
            endpoint=self._endpoint.where,
            exchange=message.exchange,
            routing_key=message.routing_key,
            message_id=message.message_id,
        )
        self._publisher.publish(message, timeout_s=call.left_s(), leaving=call.leaving)
        return {"message_id": message.message_id}

    def _get_tool(self, name: str, config: ConsumeConfig) -> Tool:
        return Tool(
            name=f"get_{name}",
            description=f"Take one message from the queue {config.queue}. Settle it by its claim when it is worked on.",
            effect="write",
            input_schema=_object({}),
            output_schema=_object(
                {"message": MESSAGE_SCHEMA, "claim": {"type": ["string", "null"]}}, required=["message", "claim"]
            ),
            run=partial(self._get, config),
            preview=partial(self._would_get, config),
        )

    def _would_get(self, config: ConsumeConfig, arguments: dict[str, Any]) -> dict[str, Any]:
        from ...connectors.amqp import count

        waiting = count(self._endpoint, config.queue, self.config.call_timeout_s)
        does = "takes the first message, keeps it here and acknowledges it" if waiting else "finds the queue empty"
        return {"endpoint": self._endpoint.where, "queue": config.queue, "waiting": waiting, "does": does}

    def _get(self, config: ConsumeConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        from ...connectors.amqp import take

        call.notes.update(endpoint=self._endpoint.where, queue=config.queue)
        claims: list[str] = []

        def keep(message: Incoming) -> None:
            call.leaving()
            claims.append(self._claims.keep(message))

        message = take(self._endpoint, config.queue, keep, call.left_s())
        if message is None:
            return {"message": None, "claim": None}
        try:
            return {"message": self._bodies(config).seen(message), "claim": claims[0]}
        except InputError as error:
            unread = {"body": None, "raw": message.body, "problem": error.message}
            return {"message": {**described(message), **unread}, "claim": claims[0]}

    def _settle_tool(self, name: str, config: ConsumeConfig) -> Tool:
        outcome = {"enum": ["done", "again", "dead"], "description": "Forget it, put it back, or dead-letter it."}
        properties = {"claim": {"type": "string"}, "outcome": outcome}
        return Tool(
            name=f"settle_{name}",
            description=f"Settle a message that get_{name} took.",
            effect="idempotent",
            input_schema=_object(properties, required=["claim", "outcome"]),
            output_schema=_object(properties, required=["claim", "outcome"]),
            run=partial(self._settle, config),
            preview=partial(self._would_settle, config),
        )

    def _would_settle(self, config: ConsumeConfig, arguments: dict[str, Any]) -> dict[str, Any]:
        message = self._kept(arguments)
        if message is None:
            return {"does": "changes nothing: it was settled so before"}
        match arguments["outcome"]:
            case "again":
                return {"does": "publishes it again", **shown(forwarded(message, "", config.queue))}
            case "dead" if config.dead_letter is not None:
                return {"does": "publishes a dead letter", **shown(self._letter(config, message, "settled as dead"))}
            case "dead":
                return {"does": "parks it here", "message": described(message)}
        return {"does": "forgets it here; the broker was told when it was taken", "message": described(message)}

    def _kept(self, arguments: Mapping[str, Any]) -> Incoming | None:
        """Give the message of a claim; None when it was settled in this way before."""
        from ...connectors.amqp import Incoming

        kept = self._claims.open(arguments["claim"], arguments["outcome"])
        if kept is None:
            return None
        return Incoming(kept["body"], kept["exchange"], kept["routing_key"], False, kept["properties"], 0)

    def _settle(self, config: ConsumeConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        claim, outcome = arguments["claim"], arguments["outcome"]
        message = self._kept(arguments)
        if message is not None:
            if outcome == "again":
                self._publisher.publish(
                    forwarded(message, "", config.queue), timeout_s=call.left_s(), leaving=call.leaving
                )
            elif outcome == "dead":
                self._bury(config, message, "settled as dead")
            self._claims.settled(claim, outcome)
        return {"claim": claim, "outcome": outcome}

    def _bury(self, config: ConsumeConfig, message: Incoming, reason: str) -> bool:
        """Publish a dead letter where the configuration says; otherwise keep a copy, and let the broker do it."""
        if config.dead_letter is None:
            self._parked.keep(message, queue=config.queue, reason=reason)
            return False
        self._publisher.publish(self._letter(config, message, reason), timeout_s=self.config.call_timeout_s)
        return True

    def _letter(self, config: ConsumeConfig, message: Incoming, reason: str) -> Outgoing:
        assert config.dead_letter is not None
        headers = {"x-drawbar-reason": reason[:1000], "x-drawbar-queue": config.queue}
        return forwarded(message, config.dead_letter.exchange, config.dead_letter.routing_key, headers)


def _object(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _finding(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, found=look())
    except DrawbarError as error:
        return Finding.of(what, error)
