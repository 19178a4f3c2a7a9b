"""How far a target is behind its source, when the next run comes, and what a run was made with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..schedule import ticks
from ..values import canonical, moment, to_json
from ..workflow import CronTrigger, TriggerConfig
from .config import SyncConfig, SyncFrom, SyncTo


def next_start(triggers: Sequence[TriggerConfig], now: float | None = None) -> str | None:
    """Give when the clock starts it next; None for one that waits for a file, a message or a person."""
    crons = [one for one in triggers if isinstance(one, CronTrigger)]
    return moment(
        min((tick for one in crons if (tick := next(ticks(one, now or time.time()), None)) is not None), default=None)
    )


def age_of(cursor: Any, config: SyncConfig, now: float | None = None) -> float | None:
    """Give how old the last stamp is that was carried, in seconds; None where the cursor is no stamp."""
    watermark = config.from_.cursor
    if not isinstance(cursor, dict):
        return None
    at = cursor.get("at" if watermark is not None else "since")  # what an operation says of its rows
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return None
    if isinstance(at, date) and not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day)  # noqa: DTZ001 - its zone is the next line's
    if not isinstance(at, datetime):
        return None
    zone = ZoneInfo("UTC" if watermark is None else watermark.timezone)
    known = at if at.tzinfo is not None else at.replace(tzinfo=zone)
    return max(0.0, round((now or time.time()) - known.astimezone(UTC).timestamp(), 3))


def place_of(end: SyncFrom | SyncTo) -> str:
    """Name an end, and how it is written, for an auditor."""
    if isinstance(end, SyncTo) and end.writes is not None:
        return ", ".join(f"{end.adapter}.{one.table} ({one.mode or 'insert'})" for one in end.writes)
    inner = getattr(end, end.place)
    mode = f" ({end.mode or 'insert'})" if isinstance(end, SyncTo) and end.table is not None else ""
    return f"{end.adapter}.{inner}{mode}"


def digest_of(config: SyncConfig) -> str:
    """Identify the configuration that a run was made with."""
    said = to_json(config.model_dump(by_alias=True, exclude_none=True, mode="json"))
    return hashlib.sha256(canonical(said)).hexdigest()[:16]
