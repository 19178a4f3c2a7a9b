"""The orders: by message (some of them on two with different ids), over REST, and by an agent that calls twice."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import pika
import requests

from .landscape import Landscape

Way = Literal["message", "two messages", "rest", "agent"]
SHARES: dict[Way, int] = {"message": 12, "two messages": 3, "rest": 3, "agent": 2}
"""Of twenty orders."""


@dataclass(frozen=True, slots=True)
class Order:
    number: int
    way: Way

    @property
    def amount(self) -> str:
        return f"{self.number % 900 + 1}.50"

    @property
    def runs(self) -> int:
        return {"message": 1, "two messages": 2, "rest": 1, "agent": 0}[self.way]


def orders(runs: int, seed: int) -> list[Order]:
    """Draw orders that start so many runs, at least, and the agent's calls beside them."""
    drawn: list[Order] = []
    ways = [way for way, share in SHARES.items() for _ in range(share)]
    dice = random.Random(seed)
    begun = 0
    while begun < runs:
        dice.shuffle(ways)
        for way in ways:
            drawn.append(Order(len(drawn) + 1, way))
            begun += drawn[-1].runs
    return drawn


@dataclass
class Load:
    """Sends everything within so many seconds, each order until it was accepted; only what was accepted counts."""

    landscape: Landscape
    orders: list[Order]
    seconds: float
    accepted: set[int] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._give_up = threading.Event()
        works: list[tuple[Callable[[Iterable[Order]], None], list[Order]]] = []
        places = dict(enumerate(self.orders))
        self._place = {order.number: at for at, order in places.items()}
        by_way = {way: [order for order in self.orders if order.way == way] for way in SHARES}
        messages = sorted(by_way["message"] + by_way["two messages"], key=lambda order: order.number)
        works = [(self._publish, messages), (self._post, by_way["rest"])]
        works += [(self._call, by_way["agent"][at::2]) for at in range(2)]
        self._threads = [threading.Thread(target=work, args=(given,), daemon=True) for work, given in works]

    def begin(self) -> None:
        self._began = time.monotonic()
        for thread in [*self._threads]:  # those that run add to them
            thread.start()

    @property
    def is_done(self) -> bool:
        """Tell whether everything was accepted, and the agent has both of its answers."""
        return len(self.accepted) == len(self.orders) and not any(thread.is_alive() for thread in [*self._threads])

    def end(self) -> None:
        """Send nothing more."""
        self._give_up.set()
        for thread in [*self._threads]:
            thread.join(30)

    def _pace(self, order: Order) -> None:
        at = self._began + self.seconds * self._place[order.number] / len(self.orders)
        self._give_up.wait(max(at - time.monotonic(), 0))

    def _publish(self, mine: Iterable[Order]) -> None:
        connection = None
        for order in mine:
            self._pace(order)
            ids = [f"m-{order.number}-{letter}" for letter in "ab"[: order.runs]]
            while ids and not self._give_up.is_set():
                try:
                    if connection is None or connection.is_closed:
                        connection = pika.BlockingConnection(pika.URLParameters(self.landscape.rabbitmq.url))
                        channel = connection.channel()
                        channel.confirm_delivery()
                    body = json.dumps({"order": order.number, "amount": order.amount}).encode()
                    said = pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id=ids[0])
                    channel.basic_publish("", "orders.in", body, said, mandatory=True)
                    ids.pop(0)
                except (pika.exceptions.AMQPError, OSError) as error:
                    # Nobody knows whether it arrived: it is sent again under the same id.
                    self.answers[f"published: {type(error).__name__}"] += 1
                    connection = None
                    self._give_up.wait(0.3)
            if not ids:
                self.accepted.add(order.number)

    def _post(self, mine: Iterable[Order]) -> None:
        for order in mine:
            self._pace(order)
            self._until_answered(order, "posted", partial(self._start, order))

    def _call(self, mine: Iterable[Order]) -> None:
        """Call twice at once, and again until there is an answer."""
        for order in mine:
            self._pace(order)
            twins = [
                threading.Thread(
                    target=self._until_answered,
                    args=(order, "called", partial(self._invoice, order)),
                    daemon=True,
                )
                for _ in range(2)
            ]
            for twin in twins:
                twin.start()
            self._threads += twins

    def _start(self, order: Order) -> requests.Response:
        body = {"input": {"order": order.number, "amount": order.amount}}
        headers = {"Idempotency-Key": f"order-{order.number}"}
        return self.landscape.ask("POST", "/workflows/bill/run", json=body, headers=headers)

    def _invoice(self, order: Order) -> requests.Response:
        arguments = {"orderId": order.number, "customer": "Agent", "amount": order.amount}
        return self.landscape.ask("POST", "/tools/billing.create_invoice/call", json={"arguments": arguments})

    def _until_answered(self, order: Order, what: str, ask: Callable[[], requests.Response]) -> None:
        pause_s = 0.2
        while not self._give_up.is_set():
            try:
                answer = ask()
                self.answers[f"{what}: {answer.status_code}"] += 1
                if answer.ok:
                    self.accepted.add(order.number)
                    return
            except requests.RequestException as error:
                self.answers[f"{what}: {type(error).__name__}"] += 1
            self._give_up.wait(pause_s)
            pause_s = min(2 * pause_s, 2)
