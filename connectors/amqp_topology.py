"""Exchanges and queues: looked for, or made where the configuration says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pika import exceptions

from ..core.errors import ConfigError, DrawbarError, Rejected
from .amqp import Endpoint, channel, refused, waiting

_DIFFERS = re.compile(r"inequivalent arg '([^']*)' for \w+ '.*' in vhost '.*': received (.*?) but current is (.*)\Z")
_NOT_THERE = "make it over there, or say declare: true"


@dataclass(frozen=True)
class Exchange:
    name: str
    type: str = "topic"


@dataclass(frozen=True)
class Queue:
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Bound:
    queue: str
    exchange: str
    routing_key: str


Part = Exchange | Queue | Bound


def declare(endpoint: Endpoint, parts: Sequence[Part], timeout_s: float) -> None:
    """Make what is not there; ConfigError says in which way what is there is another."""
    if not parts:
        return
    with channel(endpoint, timeout_s) as opened:
        for part in parts:
            try:
                match part:
                    case Exchange():
                        opened.exchange_declare(part.name, part.type, durable=True)
                    case Queue():
                        opened.queue_declare(part.name, durable=True, arguments=dict(part.arguments))
                    case Bound():
                        opened.queue_bind(part.queue, part.exchange, part.routing_key)
            except exceptions.ChannelClosedByBroker as error:
                raise _unfit(endpoint, part, error) from error


def look(endpoint: Endpoint, part: Exchange | Queue, timeout_s: float) -> str:
    """Look for an exchange or a queue and say what was found; Rejected when it is not there."""
    with channel(endpoint, timeout_s) as opened:
        try:
            if isinstance(part, Exchange):
                opened.exchange_declare(part.name, passive=True)
                return "is there"
            return f"{waiting(opened, part.name)} messages wait"
        except exceptions.ChannelClosedByBroker as error:
            answer = refused(endpoint, error)
            is_missing = error.reply_code == 404 and isinstance(answer, Rejected)
            raise type(answer)(answer.message, next=_NOT_THERE if is_missing else None) from error


def _unfit(endpoint: Endpoint, part: Part, error: exceptions.ChannelClosedByBroker) -> DrawbarError:
    """Say what of a declaration the broker did not take."""
    what = "queue" if isinstance(part, Queue) else "exchange" if isinstance(part, Exchange) else "binding of"
    name = part.queue if isinstance(part, Bound) else part.name
    place = f"{endpoint.where}: the {what} {name!r}"
    if (differs := _DIFFERS.search(error.reply_text)) is not None:
        argument, ours, theirs = (_word(one) for one in differs.groups())
        return ConfigError(
            f"{place} is there and has {argument}: {theirs}, which is declared as {ours} here",
            field="declare",
            next="declare it as it is, or remove declare",
        )
    if error.reply_code == 403:
        return ConfigError(
            f"{place} may not be declared by this user",
            field="declare",
            next="remove declare, and let it be made over there",
        )
    return refused(endpoint, error)


def _word(said: str) -> str:
    found = re.match(r"the value (.*?)(?: of type .*)?\Z", said)
    return found.group(1) if found else said
