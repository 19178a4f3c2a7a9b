"""The order of a feed's files, gaps in their numbers, and what a failed one holds up: decided from what is seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from ...core.strict import Strict
from .found import Found

Held = Literal["hold", "continue"]


class Order(Strict):
    """Which file comes first, and what must not be passed by."""

    by: str = Field(description="name, time, or a capture of the pattern: seq.")
    gap: Held = Field("continue", description="hold: with a number missing, those after it wait for it.")
    on_failure: Held = Field(
        "hold", description="hold: what comes after a failed or quarantined file waits until a person decided about it."
    )

    def place(self, found: Found) -> Any:
        """Give where a file stands in the order."""
        if self.by == "name":
            return found.name
        return found.modified if self.by == "time" else found.captures[self.by]


@dataclass(frozen=True, slots=True)
class Turn:
    """What may be taken now, in order, and what waits for which reason."""

    ready: list[Found]
    held: list[Found]


def in_turn(
    order: Order, seen: Iterable[Found], *, last: Any, aside: Sequence[tuple[Found, bool]], released: Collection[str]
) -> Turn:
    """
    Decide which files may be taken one after the other.

    `last` is the highest place that was taken; `aside` what is in quarantine, and whether a person let it be; `released`
    what a person let pass.
    """
    bad = [(order.place(one), one.name) for one, decided in aside if not decided] if order.on_failure == "hold" else []
    bad = sorted(one for one in bad if not _is_at_most(one[0], last))
    come = {order.place(one) for one, _ in aside}
    ready: list[Found] = []
    held: list[Found] = []
    why: str | None = None
    for one in sorted(seen, key=lambda one: (order.place(one), one.name)):
        place = order.place(one)
        while isinstance(last, int) and last + 1 in come and last + 1 < place:
            last += 1
        own = None if one.name in released else why or _before(bad, place) or _gap(order, place, last, one)
        if own is not None:
            held.append(replace(one, state="held", why=own) if one.state in {"ready", "failed"} else one)
            why = own
            continue
        if one.state in {"ready", "failed"}:
            ready.append(one)
            if one.state == "failed" and order.on_failure == "hold":
                why = f"{one.name} has failed and is before it"
        elif one.state in {"waiting", "claimed"}:
            held.append(one)
            why = f"{one.name} is before it and {'is being worked on' if one.state == 'claimed' else 'not ready'}"
        last = last if _is_at_most(place, last) else place
    return Turn(ready, held)


def _is_at_most(place: Any, last: Any) -> bool:
    return last is not None and type(place) is type(last) and bool(place <= last)


def _before(bad: Sequence[tuple[Any, str]], place: Any) -> str | None:
    name = next((name for there, name in bad if there < place), None)
    return None if name is None else f"{name} is in quarantine and before it: files retry, skip or release"


def _gap(order: Order, place: Any, last: Any, one: Found) -> str | None:
    if order.gap != "hold" or last is None or not isinstance(place, int) or not isinstance(last, int):
        return None
    if place > last + 1:
        missing = str(last + 1) if place == last + 2 else f"{last + 1} to {place - 1}"
        return f"{order.by} {missing} has not come"
    if place < last and one.state != "failed":
        return f"{order.by} {place} comes after {last}"
    return None
