"""Long results, cut after a whole row, for readers to whom every byte is attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

MAX_RESULT_BYTES = 24_576


def longest_list(result: Any) -> tuple[str | None, list[Any] | None]:
    """Find the rows of a result: the result itself, or its longest field that is a list."""
    if isinstance(result, list):
        return None, result
    lists = (
        {name: value for name, value in result.items() if isinstance(value, list)} if isinstance(result, dict) else {}
    )
    field = max(lists, key=lambda name: len(lists[name]), default=None)
    return (None, None) if field is None else (field, lists[field])


def fitting(rows: Sequence[Any], max_bytes: int = MAX_RESULT_BYTES) -> int:
    """Count how many of these fit; one at least, since half a row is none."""
    size = 0
    for at, row in enumerate(rows):
        size += len(orjson.dumps(row)) + 1
        if size > max_bytes and at > 0:
            return at
    return len(rows)


def pieces(text: str, max_bytes: int = MAX_RESULT_BYTES) -> list[str]:
    return [text[at : at + max_bytes // 4] for at in range(0, len(text), max_bytes // 4)]


def cut(result: Any, start: int = 0, max_bytes: int = MAX_RESULT_BYTES) -> tuple[Any, int | None]:
    """
    Give what fits of a result in its outward form, and the number of the row that the rest begins with.

    From `start` on there are only rows; what has none is cut into pieces of text.
    """
    if not start and len(orjson.dumps(result)) <= max_bytes:
        return result, None
    field, rows = longest_list(result)
    if rows is None or len(rows) < 2:
        field, rows = None, pieces(orjson.dumps(result).decode(), max_bytes)
    left = rows[start:]
    shown = fitting(left, max_bytes)
    end = start + shown
    following = end if end < len(rows) else None
    if start or field is None:
        return left[:shown], following
    return {**result, field: left[:shown]}, following
