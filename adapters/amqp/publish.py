"""What a publication makes of a call's arguments: the message, and the schema of its body."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...core.errors import ConfigError, InputError
from ...core.expressions import Template
from ...core.schema import with_root
from ...core.trace import CARRIED
from ...core.values import parse_json
from .bodies import Bodies
from .config import PublishConfig, RequestConfig

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming, Outgoing


def outgoing(
    publication: PublishConfig | RequestConfig, arguments: Mapping[str, Any], message_id: str, bodies: Bodies
) -> Outgoing:
    from ...connectors.amqp import Outgoing

    env = {"arguments": arguments}
    key = _short(publication.routing_key, env, "routing_key")
    headers = {name: template.fill(env) for name, template in publication.headers.items()}
    if (carried := CARRIED.get()) is not None:
        headers = {"traceparent": carried.traceparent, **headers}
    given = arguments.get
    expires_s = given("expiration_s", publication.expiration_s)
    properties = {
        "content_type": bodies.content_type,
        "message_id": given("message_id") or message_id,
        "headers": {**headers, **(given("headers") or {})} or None,
        "correlation_id": given("correlation_id") or _short(publication.correlation_id, env, "correlation_id"),
        "reply_to": given("reply_to") or _short(publication.reply_to, env, "reply_to"),
        "type": _short(publication.type, env, "type"),
        "priority": given("priority", publication.priority),
        "expiration": None if expires_s is None else str(max(int(expires_s * 1000), 0)),
        "delivery_mode": 2 if publication.persistent else 1,
        "timestamp": int(time.time()),
        "app_id": "drawbar",
    }
    body = bodies.encode(arguments["body"])
    return Outgoing(publication.exchange, key, body, properties, publication.mandatory)


def _short(template: Template | None, env: Mapping[str, Any], field: str) -> Any:
    """Fill in what AMQP carries as a short text; InputError names the one that is none."""
    if template is None:
        return None
    value = template.fill(env)
    if value is None and field != "routing_key":
        return None
    if not isinstance(value, str) or len(value.encode()) > 255:
        raise InputError(f"the {field.replace('_', ' ')} is not a text of at most 255 bytes", field=field)
    return value


def forwarded(message: Incoming, exchange: str, routing_key: str, headers: Mapping[str, Any] | None = None) -> Outgoing:
    """Send a message on as it came, persistent, with an id, and with more headers."""
    from ...connectors.amqp import Outgoing

    kept = {name: value for name, value in message.properties.items() if name not in ("expiration", "user_id")}
    more = {"headers": {**message.headers, **(headers or {})} or None, "delivery_mode": 2}
    return Outgoing(exchange, routing_key, message.body, {"message_id": uuid4().hex, **kept, **more})


def shown(message: Outgoing) -> dict[str, Any]:
    properties = {
        name: value for name, value in message.properties.items() if value is not None and name != "timestamp"
    }
    where = {"exchange": message.exchange, "routing_key": message.routing_key}
    return {**where, "properties": properties, "body": message.body.decode(errors="replace")}


def body_schema(publication: PublishConfig | RequestConfig, base: Path, bodies: Bodies) -> Mapping[str, Any]:
    """Give the schema of the body for its place below `properties/body`; ConfigError for one that cannot be read."""
    given = publication.schema_
    if isinstance(given, Path):
        try:
            given = parse_json((base / given).read_bytes(), what=f"the schema {given}")
        except InputError as error:
            raise ConfigError(error.message, field="schema") from error
        except OSError as error:
            raise ConfigError(f"the schema {given}: {error.strerror}", field="schema") from error
    if given is None:
        return bodies.schema()
    if not isinstance(given, Mapping):
        raise ConfigError("a JSON Schema is an object", field="schema")
    return {
        name: part for name, part in with_root(given, "#/properties/body").items() if name not in ("$schema", "$id")
    }
