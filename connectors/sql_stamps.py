"""Stamps of a watermark: moved back by an overlap, and by the hour that local time repeats."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ..core.errors import Rejected


def refuse_last(column: str, at: Any) -> None:
    """Refuse a stamp behind which no later one can come: whatever changed afterwards would never be read."""
    if isinstance(at, (float, Decimal)) and not math.isfinite(at):
        said = f"{column} is {at} in a row, and no cursor can go on behind that"
        raise Rejected(said, field="cursor", next="correct that row, or name another column")


def before(at: Any, overlap: timedelta, zone: ZoneInfo) -> Any:
    """Move a stamp back; a text (SQLite) keeps its form, a number has no overlap in seconds."""
    if isinstance(at, str):
        return _text_before(at, overlap, zone)
    if isinstance(at, datetime):
        moved = at - overlap
        return moved - _repeated(moved, zone) if at.tzinfo is None else moved
    if isinstance(at, date) and overlap:
        return at - max(overlap, timedelta(days=1))
    return at


def _text_before(at: str, overlap: timedelta, zone: ZoneInfo) -> str:
    try:
        parsed = datetime.fromisoformat(at)
    except ValueError:
        return at
    moved = before(parsed, overlap, zone)
    if moved == parsed:
        return at
    return str(moved.isoformat(at[10:11] or " ", "seconds"))[: len(at)]


def _repeated(at: datetime, zone: ZoneInfo) -> timedelta:
    """Give the time by which clocks of the zone went back within hours of `at`: stamps of that hour come twice."""
    near = timedelta(hours=3)
    before, after = ((at + way).replace(tzinfo=zone).utcoffset() or timedelta() for way in (-near, near))
    return max(before - after, timedelta())
