"""A virtual host: exchanges, queues, the bindings between them, and the way of a message through them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pika.spec import BasicProperties

from .errors import Refused, no_exchange, no_queue, unequal
from .queue import Entry, Message, Queue

if TYPE_CHECKING:
    from .journal import Journal

OPTIONS: dict[str, type] = {
    "x-dead-letter-exchange": str,
    "x-dead-letter-routing-key": str,
    "x-message-ttl": int,
    "x-queue-type": str,
    "x-delivery-limit": int,
}
KINDS = ("direct", "fanout", "topic")


@dataclass
class Exchange:
    name: str
    kind: str
    durable: bool = True
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    bindings: list[tuple[str, str]] = field(default_factory=list)

    def targets(self, key: str) -> set[str]:
        return {queue for queue, pattern in self.bindings if self._matches(pattern, key)}

    def _matches(self, pattern: str, key: str) -> bool:
        if self.kind == "topic":
            return topic_matches(_words(pattern), _words(key))
        return self.kind == "fanout" or pattern == key


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


def topic_matches(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return topic_matches(pattern[1:], words) or (bool(words) and topic_matches(pattern, words[1:]))
    return bool(words) and pattern[0] in ("*", words[0]) and topic_matches(pattern[1:], words[1:])


class VirtualHost:
    """Hold the state of the broker; callers hold `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.queues: dict[str, Queue] = {}
        self.exchanges = {name: Exchange(name, kind) for name, kind in _predeclared().items()}
        self.journal: Journal | None = None

    def queue(self, name: str, owner: object = None) -> Queue:
        if name not in self.queues:
            raise no_queue(name)
        queue = self.queues[name]
        if queue.owner not in (None, owner):
            raise Refused(
                405, f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'"
            )
        return queue

    def exchange(self, name: str) -> Exchange:
        if name not in self.exchanges:
            raise no_exchange(name)
        return self.exchanges[name]

    def declare_exchange(self, wanted: Exchange) -> None:
        if wanted.kind not in KINDS:
            text = f"COMMAND_INVALID - unknown exchange type '{wanted.kind}'"
            raise Refused(503, text, ends_connection=True)
        if known := self.exchanges.get(wanted.name):
            _same(f"exchange '{known.name}'", {"type": (wanted.kind, known.kind), **_flags(wanted, known)})
            return
        if wanted.name.startswith("amq."):
            raise Refused(403, f"ACCESS_REFUSED - exchange name '{wanted.name}' contains reserved prefix 'amq.*'")
        self.exchanges[wanted.name] = wanted
        if self.journal and wanted.durable:
            self.journal.exchange(wanted.name, wanted.kind, wanted.auto_delete, wanted.arguments)

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        if name == "" or name.startswith("amq."):
            raise Refused(403, f"ACCESS_REFUSED - operation not permitted on exchange '{name or '(default)'}'")
        if if_unused and name in self.exchanges and self.exchanges[name].bindings:
            raise Refused(406, f"PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use")
        if self.exchanges.pop(name, None) and self.journal:
            self.journal.write(op="no exchange", name=name)

    def declare_queue(
        self, name: str, *, durable: bool, auto_delete: bool, owner: object, arguments: Mapping[str, Any]
    ) -> Queue:
        _known_options(arguments)
        wanted = Queue(name, self.discard, durable=durable, auto_delete=auto_delete, owner=owner, arguments=arguments)
        if name in self.queues:
            known = self.queue(name, owner)
            names = sorted({*known.arguments, *wanted.arguments})
            options = {key: (wanted.arguments.get(key), known.arguments.get(key)) for key in names}
            _same(f"queue '{name}'", {**_flags(wanted, known), **options})
            return known
        if name.startswith("amq."):
            raise Refused(403, f"ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'")
        if wanted.quorum and (not durable or owner or auto_delete):
            raise Refused(406, "PRECONDITION_FAILED - invalid property for a quorum queue in vhost '/'")
        wanted.name = name or f"amq.gen-{uuid4().hex}"
        self.queues[wanted.name] = wanted
        if self.journal and durable and owner is None:
            self.journal.queue(wanted.name, auto_delete, wanted.arguments)
        return wanted

    def delete_queue(self, queue: Queue) -> int:
        count = len(queue)
        del self.queues[queue.name]
        for exchange in self.exchanges.values():
            exchange.bindings[:] = [bound for bound in exchange.bindings if bound[0] != queue.name]
        for consumer in list(queue.consumers):
            consumer.cancelled()
        if self.journal:
            self.journal.write(op="no queue", name=queue.name)
        return count

    def bind(self, queue: Queue, exchange: str, key: str) -> None:
        bindings = self._bindable(exchange).bindings
        if (queue.name, key) not in bindings:
            bindings.append((queue.name, key))
            if self.journal:
                self.journal.write(op="bind", queue=queue.name, exchange=exchange, key=key)

    def unbind(self, queue: Queue, exchange: str, key: str) -> None:
        bindings = self._bindable(exchange).bindings
        if (queue.name, key) in bindings:
            bindings.remove((queue.name, key))
            if self.journal:
                self.journal.write(op="unbind", queue=queue.name, exchange=exchange, key=key)

    def _bindable(self, exchange: str) -> Exchange:
        if exchange == "":
            raise Refused(403, "ACCESS_REFUSED - operation not permitted on the default exchange")
        return self.exchange(exchange)

    def publish(self, message: Message) -> bool:
        """Put a message into each queue that it is routed to; answer whether there was one."""
        expiration = message.properties.expiration
        if expiration is not None and not str(expiration).isdecimal():
            raise Refused(406, f"PRECONDITION_FAILED - invalid expiration '{expiration}'")
        key = message.routing_key
        names = {key} if message.exchange == "" else self.exchange(message.exchange).targets(key)
        queues = [self.queues[name] for name in names if name in self.queues]
        for queue in queues:
            entry = queue.put(message)
            if self.journal and queue.durable and message.persistent:
                self.journal.put(queue.name, entry)
            queue.pump()
        return bool(queues)

    def purge(self, queue: Queue) -> int:
        gone = queue.purge()
        for entry in gone:
            self.settled(queue, entry)
        return len(gone)

    def settled(self, queue: Queue, entry: Entry) -> None:
        if self.journal and queue.durable and entry.message.persistent:
            self.journal.settled(queue.name, entry)

    def discard(self, queue: Queue, entry: Entry, reason: str) -> None:
        """Dead-letter a message where its queue says so; otherwise it is gone."""
        target = queue.arguments.get("x-dead-letter-exchange")
        if target is not None and (target == "" or target in self.exchanges):
            key = queue.arguments.get("x-dead-letter-routing-key", entry.message.routing_key)
            properties = dead_properties(queue.name, entry.message, reason)
            self.publish(Message(target, key, properties, entry.message.body))
        self.settled(queue, entry)

    def expire(self) -> None:
        for queue in list(self.queues.values()):
            queue.expire()


def dead_properties(queue: str, message: Message, reason: str) -> BasicProperties:
    """Give a dead letter's properties: x-death has one entry a queue and reason, the newest first, with its count."""
    properties = copy.copy(message.properties)
    headers = dict(properties.headers or {})
    deaths = [dict(death) for death in headers.get("x-death", [])]
    same = [death for death in deaths if (death["queue"], death["reason"]) == (queue, reason)]
    death: dict[str, Any] = (
        same[0] if same else {"count": 0, "reason": reason, "queue": queue, "exchange": message.exchange}
    )
    death |= {"count": death["count"] + 1, "time": datetime.now(UTC), "routing-keys": [message.routing_key]}
    if properties.expiration is not None:
        death["original-expiration"] = properties.expiration
    headers["x-death"] = [death, *(other for other in deaths if other not in same)]
    headers.setdefault("x-first-death-queue", queue)
    headers.setdefault("x-first-death-reason", reason)
    headers.setdefault("x-first-death-exchange", message.exchange)
    properties.headers = headers
    properties.expiration = None
    return properties


def _known_options(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        if name not in OPTIONS:
            raise Refused(540, f"NOT_IMPLEMENTED - the stand-in does not know '{name}'", ends_connection=True)
        if not isinstance(value, OPTIONS[name]) or (isinstance(value, int) and value < 0):
            raise Refused(406, f"PRECONDITION_FAILED - invalid arg '{name}' for queue in vhost '/': {value!r}")


def _predeclared() -> dict[str, str]:
    return {"": "direct", **{f"amq.{kind}": kind for kind in KINDS}}


def _flags(wanted: Queue | Exchange, known: Queue | Exchange) -> dict[str, tuple[Any, Any]]:
    return {
        "durable": (wanted.durable, known.durable),
        "auto_delete": (wanted.auto_delete, known.auto_delete),
    }


def _same(what: str, pairs: Mapping[str, tuple[Any, Any]]) -> None:
    for argument, (received, current) in pairs.items():
        if received != current:
            raise unequal(argument, what, _said(received), _said(current))


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)
