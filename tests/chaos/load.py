"""
The orders: by message (some of them on two with different ids), over REST, by an agent that calls twice, and ahead.

What is ordered ahead waits for the clerk, who is this script: it says yes, says no, or somebody cancels the run.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any, Literal

import pika
import requests

from .landscape import Landscape

Way = Literal["message", "two messages", "rest", "agent", "ahead"]
Verdict = Literal["yes", "no", "cancel", "cancel at once"]
SHARES: dict[Way, int] = {"message": 9, "two messages": 3, "rest": 3, "agent": 2, "ahead": 3}
"""Of twenty orders."""
VERDICTS: tuple[Verdict, ...] = ("no", "yes", "cancel", "yes", "no", "cancel at once")


@dataclass(frozen=True, slots=True)
class Order:
    number: int
    way: Way
    verdict: Verdict | None = None
    """Of what is ordered ahead: what becomes of it."""

    @property
    def amount(self) -> str:
        return f"{self.number % 900 + 1}.50"

    @property
    def runs(self) -> int:
        return {"message": 1, "two messages": 2, "rest": 1, "agent": 0, "ahead": 1}[self.way]

    @property
    def end(self) -> str:
        """Name the state in which its runs end."""
        return {"no": "failed", "cancel": "cancelled", "cancel at once": "cancelled"}.get(
            self.verdict or "", "succeeded"
        )


def orders(runs: int, seed: int) -> list[Order]:
    """Draw orders that start so many runs, at least, and the agent's calls beside them."""
    drawn: list[Order] = []
    ways = [way for way, share in SHARES.items() for _ in range(share)]
    dice = random.Random(seed)
    verdicts = cycle(VERDICTS)
    begun = 0
    while begun < runs:
        dice.shuffle(ways)
        for way in ways:
            drawn.append(Order(len(drawn) + 1, way, next(verdicts) if way == "ahead" else None))
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
    said: dict[int, set[str]] = field(default_factory=dict)
    """The answers of the clerk that were taken: one for each order."""

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._give_up = threading.Event()
        self._ahead: dict[int, str] = {}
        works: list[tuple[Callable[[Iterable[Order]], None], list[Order]]] = []
        places = dict(enumerate(self.orders))
        self._place = {order.number: at for at, order in places.items()}
        by_way = {way: [order for order in self.orders if order.way == way] for way in SHARES}
        messages = sorted(by_way["message"] + by_way["two messages"], key=lambda order: order.number)
        works = [(self._publish, messages), (self._post, by_way["rest"])]
        works += [(self._call, by_way["agent"][at::2]) for at in range(2)]
        works += [(self._start_ahead, by_way["ahead"]), (self._decide, by_way["ahead"])]
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

    def _start_ahead(self, mine: Iterable[Order]) -> None:
        for order in mine:
            self._pace(order)
            answer = self._until_answered(order, "posted", partial(self._start, order), accepts=False)
            if answer is not None:
                self._ahead[order.number] = answer.json()["run_id"]

    def _decide(self, mine: Iterable[Order]) -> None:
        """Be the clerk, and who cancels; an order counts as accepted when its end has been."""
        open_ = {order.number: order for order in mine}
        while open_ and not self._give_up.wait(0.3):
            asked = self._assignments()
            for order in [*open_.values()]:
                run_id, assignment = self._ahead.get(order.number), asked.get(order.number)
                if run_id is None or (assignment is None and order.verdict != "cancel at once"):
                    continue
                del open_[order.number]
                thread = threading.Thread(target=self._close, args=(order, run_id, assignment), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _assignments(self) -> dict[int, str]:
        try:
            found = self.landscape.ask("GET", "/agents/clerk/assignments?limit=200")
            return {one["input"]["order"]: one["id"] for one in found.json()["items"]} if found.ok else {}
        except requests.RequestException:
            return {}

    def _close(self, order: Order, run_id: str, assignment: str | None) -> None:
        if assignment is None or order.verdict in {"cancel", "cancel at once"}:
            reason = {"reason": "nobody wants it any more"}
            tell = partial(self._tell, f"/runs/{run_id}/cancel", reason, "cancel")
            self._until_answered(order, "cancelled", partial(self._ended, order, run_id, tell))
        elif order.verdict == "no":
            said = {"error": "The customer is unknown."}
            tell = partial(self._tell, f"/assignments/{assignment}/answer", said, "no")
            self._until_answered(order, "answered", partial(self._ended, order, run_id, tell))
        else:
            twins = [
                threading.Thread(target=self._say, args=(order, assignment, letter), daemon=True) for letter in "ab"
            ]
            for twin in twins[: 1 + order.number % 2]:
                twin.start()
            self._threads += twins[: 1 + order.number % 2]

    def _ended(self, order: Order, run_id: str, tell: Callable[[], requests.Response]) -> requests.Response:
        """
        Tell it, and look at the run where that is refused.

        A process that died after it took the first answer could not say so, and it is not taken twice.
        """
        answer = tell()
        if answer.status_code == 409:
            run = self.landscape.ask("GET", f"/runs/{run_id}")
            if run.ok and run.json()["status"] == order.end:
                return run
        return answer

    def _say(self, order: Order, assignment: str, letter: str) -> None:
        """Answer yes; of two different answers at once the first alone counts, and the other is refused."""
        said, key = f"{order.number}-{letter}", f"{assignment}-{letter}"
        tell = partial(self._tell, f"/assignments/{assignment}/answer", {"output": {"answer": said}}, key)
        answer = self._until_answered(order, "answered", tell, refused=frozenset({409}))
        if answer is not None and answer.ok:
            self.said.setdefault(order.number, set()).add(said)

    def _tell(self, path: str, body: Any, key: str) -> requests.Response:
        return self.landscape.ask("POST", path, json=body, headers={"Idempotency-Key": f"{path}-{key}"})

    def _start(self, order: Order) -> requests.Response:
        body = {"input": {"order": order.number, "amount": order.amount}}
        headers = {"Idempotency-Key": f"order-{order.number}"}
        workflow = "bill" if order.verdict is None else "advance"
        return self.landscape.ask("POST", f"/workflows/{workflow}/run", json=body, headers=headers)

    def _invoice(self, order: Order) -> requests.Response:
        arguments = {"orderId": order.number, "customer": "Agent", "amount": order.amount}
        return self.landscape.ask("POST", "/tools/billing.create_invoice/call", json={"arguments": arguments})

    def _until_answered(
        self,
        order: Order,
        what: str,
        ask: Callable[[], requests.Response],
        *,
        accepts: bool = True,
        refused: frozenset[int] = frozenset(),
    ) -> requests.Response | None:
        """Ask until there is an answer that is final; those of `refused` are, too."""
        pause_s = 0.2
        while not self._give_up.is_set():
            try:
                answer = ask()
                self.answers[f"{what}: {answer.status_code}"] += 1
                if answer.ok or answer.status_code in refused:
                    if accepts:
                        self.accepted.add(order.number)
                    return answer
            except requests.RequestException as error:
                self.answers[f"{what}: {type(error).__name__}"] += 1
            self._give_up.wait(pause_s)
            pause_s = min(2 * pause_s, 2)
        return None
