"""One channel: the methods of AMQP 0-9-1 that clients call on it, and its deliveries that wait for an answer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from pika.amqp_object import Method
from pika.spec import Basic, BasicProperties, Confirm, Exchange, Queue

from .errors import Refused
from .host import Exchange as HostExchange
from .host import VirtualHost
from .queue import Entry, Message
from .queue import Queue as HostQueue


class Wire(Protocol):
    """The connection that a channel writes to."""

    def send(self, channel: int, method: Method) -> None: ...
    def send_content(self, channel: int, method: Method, properties: BasicProperties, body: bytes) -> None: ...


@dataclass(eq=False)
class Listener:
    """One consumer of one queue; without acknowledgements it always has room."""

    channel: Channel
    tag: str
    queue: HostQueue
    no_ack: bool
    prefetch: int
    held: int = 0

    def has_room(self) -> bool:
        return self.no_ack or ((not self.prefetch or self.held < self.prefetch) and self.channel.has_room())

    def deliver(self, queue: HostQueue, entry: Entry) -> None:
        tag = self.channel.hold(queue, entry, None if self.no_ack else self, keep=not self.no_ack)
        message = entry.message
        method = Basic.Deliver(self.tag, tag, entry.redelivered, message.exchange, message.routing_key)
        self.channel.send_content(method, entry, queue)

    def cancelled(self) -> None:
        self.channel.forget_consumer(self.tag)
        self.channel.send(Basic.Cancel(self.tag, nowait=True))


@dataclass(frozen=True)
class Held:
    queue: HostQueue
    entry: Entry
    listener: Listener | None


class Channel:
    def __init__(self, number: int, host: VirtualHost, wire: Wire, owner: object) -> None:
        self.closing = False
        self.confirming = False
        self.published = 0
        self.confirmed = 0
        self._number = number
        self._host = host
        self._wire = wire
        self._owner = owner
        self._tag = 0
        self._held: dict[int, Held] = {}
        self._listeners: dict[str, Listener] = {}
        self._last_queue = ""
        self._prefetch = 0
        self._channel_prefetch = 0

    def send(self, method: Method) -> None:
        self._wire.send(self._number, method)

    def send_content(self, method: Method, entry: Entry, queue: HostQueue) -> None:
        properties = entry.message.properties
        if queue.quorum and entry.returned:
            properties = copy.copy(properties)
            properties.headers = {**(properties.headers or {}), "x-delivery-count": entry.returned}
        self._wire.send_content(self._number, method, properties, entry.message.body)

    def has_room(self) -> bool:
        held = sum(1 for one in self._held.values() if one.listener)
        return not self._channel_prefetch or held < self._channel_prefetch

    def hold(self, queue: HostQueue, entry: Entry, listener: Listener | None, *, keep: bool) -> int:
        """Number a delivery; keep it until it is settled, or see it as settled at once."""
        self._tag += 1
        if keep:
            self._held[self._tag] = Held(queue, entry, listener)
            if listener:
                listener.held += 1
        else:
            self._host.settled(queue, entry)
        return self._tag

    def forget_consumer(self, tag: str) -> None:
        listener = self._listeners.pop(tag, None)
        if listener is None:
            return
        queue = listener.queue
        if listener in queue.consumers:
            queue.consumers.remove(listener)
        if queue.auto_delete and not queue.consumers and queue.name in self._host.queues:
            self._host.delete_queue(queue)

    def close(self) -> None:
        """Stop consuming and put back what was not settled; a second call does nothing."""
        self.closing = True
        held, self._held = self._held, {}
        for tag in list(self._listeners):
            self.forget_consumer(tag)
        for one in held.values():
            if one.queue.name in self._host.queues:
                one.queue.put_back(one.entry)
        for queue in {id(one.queue): one.queue for one in held.values()}.values():
            queue.pump()

    def call(self, method: Method) -> None:
        """Run one method and send its answer."""
        if type(method) not in METHODS:
            raise Refused(540, f"NOT_IMPLEMENTED - {method.NAME}", ends_connection=True)
        answer = METHODS[type(method)](self, method)
        if answer is not None and not getattr(method, "nowait", False):
            self.send(answer)

    def publish(self, method: Basic.Publish, properties: BasicProperties, body: bytes) -> None:
        """Route one message; the confirm follows when the connection has synced the journal."""
        message = Message(method.exchange, method.routing_key, properties, body)
        if not self._host.publish(message) and method.mandatory:
            returned = Basic.Return(312, "NO_ROUTE", message.exchange, message.routing_key)
            self._wire.send_content(self._number, returned, properties, body)
        self.published += self.confirming

    def exchange_declare(self, method: Exchange.Declare) -> Method:
        if method.passive:
            self._host.exchange(method.exchange)
        else:
            options = method.arguments or {}
            wanted = HostExchange(method.exchange, method.type, method.durable, method.auto_delete, options)
            self._host.declare_exchange(wanted)
        return Exchange.DeclareOk()

    def exchange_delete(self, method: Exchange.Delete) -> Method:
        self._host.delete_exchange(method.exchange, if_unused=method.if_unused)
        return Exchange.DeleteOk()

    def queue_declare(self, method: Queue.Declare) -> Method:
        if method.passive:
            queue = self._queue(method.queue)
        else:
            queue = self._host.declare_queue(
                method.queue,
                durable=method.durable,
                auto_delete=method.auto_delete,
                owner=self._owner if method.exclusive else None,
                arguments=method.arguments or {},
            )
        self._last_queue = queue.name
        return Queue.DeclareOk(queue.name, len(queue), len(queue.consumers))

    def queue_bind(self, method: Queue.Bind) -> Method:
        self._host.bind(self._queue(method.queue), method.exchange, method.routing_key or "")
        return Queue.BindOk()

    def queue_unbind(self, method: Queue.Unbind) -> Method:
        self._host.unbind(self._queue(method.queue), method.exchange, method.routing_key or "")
        return Queue.UnbindOk()

    def queue_purge(self, method: Queue.Purge) -> Method:
        return Queue.PurgeOk(self._host.purge(self._queue(method.queue)))

    def queue_delete(self, method: Queue.Delete) -> Method:
        if method.queue not in self._host.queues:
            return Queue.DeleteOk(0)
        queue = self._queue(method.queue)
        if method.if_unused and queue.consumers:
            raise Refused(406, f"PRECONDITION_FAILED - queue '{queue.name}' in vhost '/' in use")
        if method.if_empty and len(queue):
            raise Refused(406, f"PRECONDITION_FAILED - queue '{queue.name}' in vhost '/' not empty")
        return Queue.DeleteOk(self._host.delete_queue(queue))

    def qos(self, method: Basic.Qos) -> Method:
        if method.global_qos:
            self._channel_prefetch = method.prefetch_count
        else:
            self._prefetch = method.prefetch_count
        return Basic.QosOk()

    def consume(self, method: Basic.Consume) -> None:
        queue = self._queue(method.queue)
        tag = method.consumer_tag or f"amq.ctag-{uuid4().hex}"
        if tag in self._listeners:
            text = f"NOT_ALLOWED - attempt to reuse consumer tag '{tag}'"
            raise Refused(530, text, ends_connection=True)
        listener = Listener(self, tag, queue, method.no_ack, self._prefetch)
        self._listeners[tag] = listener
        queue.consumers.append(listener)
        if not method.nowait:
            self.send(Basic.ConsumeOk(tag))
        queue.pump()

    def cancel(self, method: Basic.Cancel) -> Method:
        self.forget_consumer(method.consumer_tag)
        return Basic.CancelOk(method.consumer_tag)

    def get(self, method: Basic.Get) -> None:
        queue = self._queue(method.queue)
        entry = queue.take()
        if entry is None:
            self.send(Basic.GetEmpty())
            return
        tag = self.hold(queue, entry, None, keep=not method.no_ack)
        message = entry.message
        answer = Basic.GetOk(tag, entry.redelivered, message.exchange, message.routing_key, len(queue))
        self.send_content(answer, entry, queue)

    def ack(self, method: Basic.Ack) -> None:
        self._settle(method.delivery_tag, multiple=method.multiple, settle=self._host.settled)

    def reject(self, method: Basic.Reject) -> None:
        self._settle(method.delivery_tag, multiple=False, settle=_back if method.requeue else self._rejected)

    def nack(self, method: Basic.Nack) -> None:
        self._settle(method.delivery_tag, multiple=method.multiple, settle=_back if method.requeue else self._rejected)

    def recover(self, method: Basic.Recover) -> Method:
        self._settle(0, multiple=True, settle=_back)
        return Basic.RecoverOk()

    def confirm_select(self, method: Confirm.Select) -> Method:
        self.confirming = True
        return Confirm.SelectOk()

    def _queue(self, name: str) -> HostQueue:
        return self._host.queue(name or self._last_queue, self._owner)

    def _rejected(self, queue: HostQueue, entry: Entry) -> None:
        self._host.discard(queue, entry, "rejected")

    def _settle(self, tag: int, *, multiple: bool, settle: Callable[[HostQueue, Entry], Any]) -> None:
        tags = [held for held in self._held if held <= tag or tag == 0] if multiple else [tag]
        if any(one not in self._held for one in tags) or (tag and not tags):
            raise Refused(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}")
        settled = [self._held.pop(one) for one in tags]
        for one in settled:
            if one.listener:
                one.listener.held -= 1
            if one.queue.name in self._host.queues:
                settle(one.queue, one.entry)
        for queue in [*(one.queue for one in settled), *(listener.queue for listener in self._listeners.values())]:
            queue.pump()


def _back(queue: HostQueue, entry: Entry) -> None:
    queue.put_back(entry)


METHODS: dict[type[Method], Callable[[Channel, Any], Method | None]] = {
    Exchange.Declare: Channel.exchange_declare,
    Exchange.Delete: Channel.exchange_delete,
    Queue.Declare: Channel.queue_declare,
    Queue.Bind: Channel.queue_bind,
    Queue.Unbind: Channel.queue_unbind,
    Queue.Purge: Channel.queue_purge,
    Queue.Delete: Channel.queue_delete,
    Basic.Qos: Channel.qos,
    Basic.Consume: Channel.consume,
    Basic.Cancel: Channel.cancel,
    Basic.Get: Channel.get,
    Basic.Ack: Channel.ack,
    Basic.Reject: Channel.reject,
    Basic.Nack: Channel.nack,
    Basic.Recover: Channel.recover,
    Confirm.Select: Channel.confirm_select,
}
