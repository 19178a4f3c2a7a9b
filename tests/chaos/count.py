"""The independent count: at the systems themselves, past every proxy, and not in the journal of Drawbar."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
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


def cancels(landscape: Landscape) -> Counter[str]:
    """Count what was done to cancel the invoices of an order; their ids are INV-ORDER, and INV-ORDER-2 for a second."""
    found: Counter[str] = Counter()
    for invoice, times in landscape.billing.cancels().items():
        found[invoice.split("-")[1]] += times
    return found


def moves(landscape: Landscape, what: str) -> Counter[str]:
    """Count what was ever done to reservations, which the database wrote down itself."""
    with landscape.rows() as conn:
        found = conn.execute("select order_no, count(*) from moves where what = %s group by 1", (what,))
        return Counter({str(order): count for order, count in found})


def answers(landscape: Landscape, said: Mapping[int, Collection[str]]) -> Counter[str]:
    """Count the answers that runs went on with; one that was refused goes by its own name, which nobody ordered."""
    found: Counter[str] = Counter()
    with landscape.rows() as conn:
        for order, answer in conn.execute("select order_no, answer from answers"):
            taken = said.get(order) or {answer}
            found[str(order) if taken == {answer} else f"{order}: {answer}"] += 1
    return found


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


def count(landscape: Landscape, orders: Iterable[Order], bus: Bus, said: Mapping[int, Collection[str]]) -> list[Tally]:
    """Count everything; `said` are the answers of the clerk that were taken."""
    accepted = list(orders)
    bills = [str(order.number) for order in accepted if order.runs and order.verdict is None]
    of_agent = [str(order.number) for order in accepted if not order.runs]
    ahead = {str(order.number): order for order in accepted if order.verdict is not None}
    bus.drain(landscape)
    made = invoices(landscape)
    agents = {name: made.pop(name) for name in of_agent if name in made}
    billed_ahead = {name: made.pop(name) for name in ahead if name in made}
    found, temporary = files(landscape)
    names = [f"{order}-{part}.jsonl" for order in bills for part in PARTS]
    return [
        tally("rows (PostgreSQL)", bills, bookings(landscape)),
        tally("invoices (SOAP)", bills, made),
        tally("invoices, agent called twice", of_agent, agents),
        bus.tally("billed", bills),
        bus.tally("shipped", bills),
        tally("files (SFTP)", names, found, f"{temporary} temporary" if temporary else ""),
        *done_and_undone("reservations (PostgreSQL)", ahead, moves(landscape, "INSERT"), moves(landscape, "DELETE")),
        *done_and_undone("invoices ahead (SOAP)", ahead, billed_ahead, cancels(landscape)),
        tally(
            "answers that counted (PostgreSQL)",
            [name for name, order in ahead.items() if order.verdict == "yes"],
            answers(landscape, said),
        ),
    ]


def done_and_undone(
    what: str, ahead: Mapping[str, Order], done: Mapping[str, int], undone: Mapping[str, int]
) -> tuple[Tally, Tally]:
    """Compare an effect and its undoing; what was cancelled at once may have had none, and then nothing is undone."""
    hasty = {name for name, order in ahead.items() if order.verdict == "cancel at once"}
    back = {name for name, order in ahead.items() if order.end != "succeeded"}
    had_none = {name for name in hasty if not done.get(name)}
    return tally(what, ahead.keys() - had_none, done), tally(f"  undone: {what}", back - had_none, undone)


def steps(orders: Iterable[Order], found: Mapping[str, int]) -> Tally:
    """Compare runs that are steps of other runs: one for each run; what was cancelled at once may not have come to it."""
    expected = {str(order.number): order for order in orders if order.runs}
    seen = {}
    for name, order in expected.items():
        least = 0 if order.verdict == "cancel at once" else order.runs
        seen[name] = 0 if found.get(name, 0) < least else 1 + (found.get(name, 0) > order.runs)
    return tally("orders with all the runs that are steps", expected, seen)
