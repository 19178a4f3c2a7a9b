"""The tools that send: `publish_<name>`, and `request_<name>`, which waits for its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...core.masking import masked
from ...core.tool import Call, Tool
from .config import PublishConfig, RequestConfig
from .publish import body_schema, outgoing, shown
from .shapes import MESSAGE_SCHEMA, an_object
from .wire import Wire

if TYPE_CHECKING:
    from ...connectors.amqp import Outgoing

_TEXT = {"type": "string", "maxLength": 255}
_MORE: Mapping[str, Any] = {
    "headers": {"type": "object", "description": "Headers of this message."},
    "message_id": {**_TEXT, "description": "Made by itself when absent."},
    "priority": {"type": "integer", "minimum": 0, "maximum": 255},
    "expiration_s": {
        "type": "number",
        "minimum": 0,
        "maximum": 4_294_967,
        "description": "Dropped when it waits longer.",
    },
}
_MESSAGE_ID = {"message_id": {"type": "string"}}


class Sending:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def tools(self) -> Iterator[Tool]:
        for name, publication in self._wire.config.publish.items():
            yield self._publish_tool(f"publish_{name}", publication)
        for name, request in self._wire.config.request.items():
            yield self._request_tool(f"request_{name}", request)

    def _schema(self, sent: PublishConfig | RequestConfig) -> Mapping[str, Any]:
        return body_schema(sent, self._wire.base, self._wire.bodies(sent))

    def _publish_tool(self, name: str, publication: PublishConfig) -> Tool:
        properties = {
            "body": self._schema(publication),
            "correlation_id": _TEXT,
            "reply_to": {**_TEXT, "description": "Where answers are awaited."},
            **_MORE,
        }
        return Tool(
            name=name,
            description=publication.description
            or f"Publish a message to {_place(publication)}; returns when the broker has it.",
            effect="write",
            input_schema=an_object(properties, required=["body"]),
            output_schema=an_object(_MESSAGE_ID, required=["message_id"]),
            run=partial(self._publish, publication),
            preview=partial(self._would_send, name, publication),
        )

    def _request_tool(self, name: str, request: RequestConfig) -> Tool:
        properties = {"body": self._schema(request), **_MORE}
        answered = {**_MESSAGE_ID, "message": {**MESSAGE_SCHEMA, "description": "The answer: body, headers, ..."}}
        return Tool(
            name=name,
            description=request.description or f"Send a request to {_place(request)} and wait for its answer.",
            effect="write",
            input_schema=an_object(properties, required=["body"]),
            output_schema=an_object(answered, required=["message_id", "message"]),
            run=partial(self._request, request),
            preview=partial(self._would_send, name, request),
        )

    def _would_send(self, tool: str, sent: PublishConfig | RequestConfig, arguments: dict[str, Any]) -> dict[str, Any]:
        rules = self._wire.config.tools.get(tool)
        seen = masked(arguments, rules.secret) if rules else arguments
        message = outgoing(sent, seen, "(made when it is sent)", self._wire.bodies(sent))
        return {"endpoint": self._wire.endpoint.where, **shown(message)}

    def _publish(self, publication: PublishConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        wire = self._wire
        message = outgoing(publication, arguments, call.id, wire.bodies(publication))
        self._note(call, message)
        with wire.there():
            wire.publisher.publish(message, timeout_s=call.left_s(), leaving=call.leaving)
        return {"message_id": message.message_id}

    def _request(self, request: RequestConfig, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        """One that nobody took in time is dropped over there: who asked has given up by then."""
        wire, left_s = self._wire, call.left_s()
        correlation = uuid4().hex
        given = {"expiration_s": request.expiration_s or left_s, **arguments, "correlation_id": correlation}
        message = outgoing(request, given, call.id, wire.bodies(request))
        self._note(call, message, correlation_id=correlation)
        with wire.there():
            answer = wire.publisher.request(
                message, direct=request.reply.queue == "direct", timeout_s=call.left_s(), leaving=call.leaving
            )
        return {"message_id": message.message_id, "message": wire.bodies(request.reply).told(answer)}

    def _note(self, call: Call, message: Outgoing, **more: str) -> None:
        call.notes.update(
            endpoint=self._wire.endpoint.where,
            exchange=message.exchange,
            routing_key=message.routing_key,
            message_id=message.message_id,
            **more,
        )


def _place(sent: PublishConfig | RequestConfig) -> str:
    return f"exchange {sent.exchange}" if sent.exchange else "a queue"
