"""What a broker answers to a message that it does not keep."""

from __future__ import annotations

from typing import Any

from ..core.errors import Rejected, Unavailable

NOT_TAKEN = "the broker did not take it: a queue of it is full, or has no node now that leads it"


def homeless(method: Any) -> str:
    """Say in words that a mandatory message came back."""
    to = f"exchange {method.exchange!r} with routing key {method.routing_key!r}"
    return f"no queue takes it: {to} ({method.reply_code} {method.reply_text})"


def no(where: str, came_back: str | None, *, is_refused: bool) -> Rejected | Unavailable | None:
    """
    Give the error of a confirm; None when the broker has the message.

    One that came back stays homeless. One that it refused (basic.nack) may be sent again: a queue is full, or the node that
    leads it was lost and no other leads it yet.
    """
    if came_back is not None:
        return Rejected(f"{where}: {came_back}")
    return Unavailable(f"{where}: {NOT_TAKEN}") if is_refused else None
