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


def units_of(result: Any, max_bytes: int = MAX_RESULT_BYTES) -> tuple[str | None, list[Any]]:
    """
    Give the field that has the rows, and what is shown of a result one after the other.

    That is its rows; a row that alone is too long, and a result that is no list of rows, come as pieces of their text.
    """
    field, rows = longest_list(result)
    if rows is None or len(rows) < 2 or _beside(result, field) > max_bytes // 2:
        return None, pieces(orjson.dumps(result).decode(), max_bytes)
    return field, [unit for row in rows for unit in _units(row, max_bytes)]


def _beside(result: Any, field: str | None) -> int:
    return 0 if field is None else len(orjson.dumps({**result, field: []}))


def _units(row: Any, max_bytes: int) -> list[Any]:
    text = orjson.dumps(row)
    return [row] if len(text) <= max_bytes else pieces(text.decode(), max_bytes)


def first_of(result: Any, max_bytes: int) -> tuple[Any, str | None, int]:
    """Give what is shown first of a result that is too long, the field of its rows, and how many units that is."""
    field, units = units_of(result, max_bytes)
    part, shown = _first(result, field, units, max_bytes)
    return part, field, shown


def _first(result: Any, field: str | None, units: Sequence[Any], max_bytes: int) -> tuple[Any, int]:
    shown = fitting(units, max_bytes - _beside(result, field))
    if field is None:
        return units[:shown], shown
    rows = result[field]
    whole = next((at for at in range(shown) if units[at] is not rows[at]), shown)
    return ({**result, field: rows[:whole]}, whole) if whole else (units[:shown], shown)


def cut(result: Any, start: int = 0, max_bytes: int = MAX_RESULT_BYTES) -> tuple[Any, int | None]:
    """
    Give what fits of a result in its outward form, and the number of the unit that the rest begins with.

    From `start` on there are only units.
    """
    if not start and len(orjson.dumps(result)) <= max_bytes:
        return result, None
    field, units = units_of(result, max_bytes)
    if start:
        end = start + fitting(units[start:], max_bytes)
        part = units[start:end]
    else:
        part, end = _first(result, field, units, max_bytes)
    return part, end if end < len(units) else None
