"""The independent count: at the systems themselves, past every proxy, and not in the journal of Drawbar."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .landscape import Landscape
from .load import Order

PARTS = ("a", "b")


@dataclass(frozen=True, slots=True)
class Tally:
    """One system: what should be there once, what is not, and what is more than once."""

    what: str
    expected: int
    found: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    note: str = ""


def tally(what: str, expected: Iterable[str], found: Mapping[str, int], note: str = "") -> Tally:
    """Compare; what nobody ordered counts as twice, since it is an effect too many."""
    wanted = set(expected)
    twice = [name for name, count in found.items() if count > 1 or (count and name not in wanted)]
    lost = [name for name in wanted if not found.get(name)]
    return Tally(what, len(wanted), sum(found.values()), tuple(sorted(lost)), tuple(sorted(twice)), note)


@dataclass
class Bus:
    """What the queues have given so far: the message ids of each order."""

    seen: dict[str, dict[str, Counter[str]]] = field(default_factory=lambda: {"billed": {}, "shipped": {}})

    def drain(self, landscape: Landscape) -> None:
        with landscape.channel() as channel:
            for queue, orders in self.seen.items():
                while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                    orders.setdefault(str(json.loads(got[2])["order"]), Counter())[str(got[1].message_id)] += 1

    def tally(self, queue: str, expected: Iterable[str]) -> Tally:
        """Count messages by their id, as a consumer does that drops repeated ones."""
        orders = self.seen[queue]
        repeated = sum(sum(ids.values()) - len(ids) for ids in orders.values())
        note = f"{repeated} repeated ids dropped" if repeated else ""
        return tally(
            f"messages {queue!r} (RabbitMQ)", expected, {order: len(ids) for order, ids in orders.items()}, note
        )


def bookings(landscape: Landscape) -> Counter[str]:
    with landscape.rows() as conn:
        return Counter({str(order): count for order, count in conn.execute("select order_no, count(*) from bookings group by 1")})  # fmt: skip


def invoices(landscape: Landscape) -> Counter[str]:
    return Counter(str(invoice["orderId"]) for invoice in landscape.billing.invoices())


def files(landscape: Landscape) -> tuple[Counter[str], int]:
    """Count files that say what they should, by name, and those that a cut connection left under a temporary name."""
    good: Counter[str] = Counter()
    temporary = 0
    for path in landscape.inbox.rglob("*"):
        if not path.is_file():
            continue
        if path.suffix != ".jsonl" or path.name.startswith("."):
            temporary += 1
        elif [json.loads(line) for line in path.read_text().splitlines()] == [_said(path.stem)]:
            good[path.name] += 1
    return good, temporary


def _said(stem: str) -> dict[str, object]:
    order, _, part = stem.partition("-")
    return {"order": int(order), "part": part}


def count(landscape: Landscape, orders: Iterable[Order], bus: Bus) -> list[Tally]:
    """Count everything."""
    accepted = list(orders)
    of_runs = [str(order.number) for order in accepted if order.runs]
    of_agent = [str(order.number) for order in accepted if not order.runs]
    bus.drain(landscape)
    made = invoices(landscape)
    agents = {name: made.pop(name) for name in of_agent if name in made}
    found, temporary = files(landscape)
    names = [f"{order}-{part}.jsonl" for order in of_runs for part in PARTS]
    return [
        tally("rows (PostgreSQL)", of_runs, bookings(landscape)),
        tally("invoices (SOAP)", of_runs, made),
        tally("invoices, agent called twice", of_agent, agents),
        bus.tally("billed", of_runs),
        bus.tally("shipped", of_runs),
        tally("files (SFTP)", names, found, f"{temporary} temporary" if temporary else ""),
    ]
