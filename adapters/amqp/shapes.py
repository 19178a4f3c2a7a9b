"""Schemas that several tools share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MESSAGE_SCHEMA: Mapping[str, Any] = {
    "type": ["object", "null"],
    "description": "body, id, headers, routing_key, ...; null when the queue is empty.",
}


def an_object(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
