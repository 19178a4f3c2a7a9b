"""Keyset pages: an opaque token that says after which row the next page begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import InputError
from ..core.values import canonical, dump, load
from .sql_model import KEPT, Condition, Order


def token(where: Sequence[Condition], order: Sequence[Order], last: Mapping[str, Any]) -> str:
    """Make the token of the page after `last`."""
    kept = [last.get(f"{KEPT}{at}", last[item.column]) for at, item in enumerate(order)]
    body = dump({"q": _digest(where, order), "v": kept})
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def after(given: str, where: Sequence[Condition], order: Sequence[Order]) -> list[Any]:
    """Read a token; InputError when it is not ours or belongs to another query."""
    try:
        body = load(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
        digest, values = body["q"], body["v"]
    except (ValueError, TypeError, KeyError, ArithmeticError, binascii.Error) as error:
        raise InputError("next: this is no token; give the `next` of the last answer", field="next") from error
    if digest != _digest(where, order) or not isinstance(values, list) or len(values) != len(order):
        raise InputError("next: this token belongs to another query; repeat where and order", field="next")
    return values


def _digest(where: Sequence[Condition], order: Sequence[Order]) -> str:
    said = [[item.column, item.operator, item.value] for item in where]
    return hashlib.sha256(canonical([said, [[item.column, item.descending] for item in order]])).hexdigest()[:16]
