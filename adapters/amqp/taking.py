"""The tools of a queue: `get_<name>` and `settle_<name>`, between which nothing is held open, and `browse_<name>`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core.tool import Call, Tool
from ...core.values import moment
from .bodies import described
from .claims import Claims
from .config import ConsumeConfig
from .publish import forwarded, shown
from .shapes import MESSAGE_SCHEMA, an_object
from .wire import Wire

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming, Outgoing


class Taking:
    """`claims` are messages that a call took, `parked` those that nobody could work on and that have no other place."""

    def __init__(self, wire: Wire, claims: Claims, parked: Claims) -> None:
        self._wire = wire
        self._claims = claims
        self._parked = parked

    def tools(self) -> Iterator[Tool]:
        for name, queue in self._wire.config.consume.items():
            yield self._get_tool(name, queue)
            yield self._settle_tool(name, queue)
            yield self._browse_tool(name, queue)

    def _browse_tool(self, name: str, config: ConsumeConfig) -> Tool:
        limit = {"type": "integer", "minimum": 1, "maximum": 100, "default": 10, "description": "How many at most."}
        found = {"messages": {"type": "array", "items": MESSAGE_SCHEMA}, "waiting": {"type": "integer"}}
        return Tool(
            name=f"browse_{name}",
            description=f"Look at the first messages of the queue {config.queue}; they stay there, in their order.",
            effect="read",
            input_schema=an_object({"limit": limit}),
            output_schema=an_object(found, required=["messages", "waiting"]),
            run=partial(self._browse, config),
        )

    def _browse(self, config: ConsumeConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        from ...connectors.amqp import browse

        call.notes.update(endpoint=self._wire.endpoint.where, queue=config.queue)
        with self._wire.there():
            waiting, found = browse(self._wire.endpoint, config.queue, arguments.get("limit", 10), call.left_s())
        told = self._wire.bodies(config).told
        return {"messages": [told(message) for message in found], "waiting": waiting}

    def _get_tool(self, name: str, config: ConsumeConfig) -> Tool:
        return Tool(
            name=f"get_{name}",
            description=f"Take one message from the queue {config.queue}. Settle it by its claim when it is worked on.",
            effect="write",
            input_schema=an_object({}),
            output_schema=an_object(
                {"message": MESSAGE_SCHEMA, "claim": {"type": ["string", "null"]}}, required=["message", "claim"]
            ),
            run=partial(self._get, config),
            preview=partial(self._would_get, config),
        )

    def _would_get(self, config: ConsumeConfig, arguments: dict[str, Any]) -> dict[str, Any]:
        waiting = self._wire.count(config.queue)
        does = "takes the first message, keeps it here and acknowledges it" if waiting else "finds the queue empty"
        return {"endpoint": self._wire.endpoint.where, "queue": config.queue, "waiting": waiting, "does": does}

    def _get(self, config: ConsumeConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        from ...connectors.amqp import take

        call.notes.update(endpoint=self._wire.endpoint.where, queue=config.queue)
        claims: list[str] = []

        def keep(message: Incoming) -> None:
            call.leaving()
            claims.append(self._claims.keep(message))

        with self._wire.there():
            message = take(self._wire.endpoint, config.queue, keep, call.left_s())
        if message is None:
            return {"message": None, "claim": None}
        return {"message": self._wire.bodies(config).told(message), "claim": claims[0]}

    def _settle_tool(self, name: str, config: ConsumeConfig) -> Tool:
        outcome = {"enum": ["done", "again", "dead"], "description": "Forget it, put it back, or dead-letter it."}
        properties = {"claim": {"type": "string"}, "outcome": outcome}
        return Tool(
            name=f"settle_{name}",
            description=f"Settle a message that get_{name} took.",
            effect="idempotent",
            input_schema=an_object(properties, required=["claim", "outcome"]),
            output_schema=an_object(properties, required=["claim", "outcome"]),
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
                self._wire.publisher.publish(
                    forwarded(message, "", config.queue), timeout_s=call.left_s(), leaving=call.leaving
                )
            elif outcome == "dead":
                self.bury(config, message, "settled as dead")
            self._claims.settled(claim, outcome)
        return {"claim": claim, "outcome": outcome}

    def bury(self, config: ConsumeConfig, message: Incoming, reason: str) -> bool:
        """Publish a dead letter where the configuration says; otherwise keep a copy, and let the broker do it."""
        if config.dead_letter is None:
            self._parked.keep(message, queue=config.queue, reason=reason)
            return False
        self._wire.publisher.publish(self._letter(config, message, reason), timeout_s=self._wire.config.call_timeout_s)
        return True

    def _letter(self, config: ConsumeConfig, message: Incoming, reason: str) -> Outgoing:
        assert config.dead_letter is not None
        headers = {
            "x-drawbar-reason": reason[:1000],
            "x-drawbar-queue": config.queue,
            "x-drawbar-at": moment(time.time()),
        }
        return forwarded(message, config.dead_letter.exchange, config.dead_letter.routing_key, headers)
