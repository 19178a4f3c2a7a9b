"""Expected files: when they must have come, in local time, without the days on which nobody sends any."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import time as clock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from ...core.errors import ConfigError
from ...core.strict import Strict

if TYPE_CHECKING:
    from .feed import Feed

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_BACK_D = 400
_FOLDED = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"^(DTSTART|DTEND|RRULE)(?:;[^:]*)?:(.*)$")


class Expected(Strict):
    """Until when something must have come."""

    by: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="Local time: 03:00.")
    days: str = Field("mon-sun", description="Days of the week: mon-fri, or mon, wed, sat-sun.")
    except_: Path | None = Field(
        None, alias="except", description="Calendar of days on which nothing comes: an iCalendar file (.ics)."
    )
    timezone: str = Field("UTC", description="Name of an IANA time zone.")

    @field_validator("days")
    @classmethod
    def _are_days(cls, given: str) -> str:
        weekdays(given)
        return given

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {given!r}") from error
        return given

    def deadline(self, now: float, free: Collection[date]) -> tuple[str, float, float] | None:
        """Give the last deadline before `now`: its day, its moment, and the moment of the one before it."""
        zone, hour = ZoneInfo(self.timezone), time.fromisoformat(self.by)
        fits = weekdays(self.days)
        moments: list[tuple[str, float]] = []
        day = datetime.fromtimestamp(now, zone).date()
        for _ in range(_LOOK_BACK_D):
            moment = datetime.combine(day, hour, zone).astimezone(UTC).timestamp()
            if moment <= now and day.weekday() in fits and day not in free:
                moments.append((day.isoformat(), moment))
                if len(moments) == 2:
                    return (*moments[0], moments[1][1])
            day -= timedelta(days=1)
        return (*moments[0], 0.0) if moments else None


class Deadlines:
    """Watches one feed: tells once a deadline that nothing came, to whichever process looks first."""

    def __init__(self, feed: Feed, expected: Expected, base: Path) -> None:
        self._feed = feed
        self._expected = expected
        self._calendar = base / expected.except_ if expected.except_ else None
        self._told = ""

    def look(self) -> None:
        """Look at the last deadline; the drop itself is asked only when nothing has been taken since the one before."""
        notes, name, now = self._feed.notes, self._feed.full_name, clock()
        since = notes.watched_since(name)
        zone = ZoneInfo(self._expected.timezone)
        free = free_days(self._calendar, datetime.fromtimestamp(now, zone).date()) if self._calendar else frozenset()
        found = self._expected.deadline(now, free)
        if found is None or found[1] < since or found[0] == self._told:
            return
        day, _, before = found
        if notes.came(name, max(before, 0.0)) or self._feed.is_there(before):
            return
        self._told = day
        by = f"{day} {self._expected.by} {self._expected.timezone}"
        notes.late(name, day, {"name": name, "day": day, "error": f"nothing has come for {name} by {by}"})


def weekdays(said: str) -> frozenset[int]:
    """Read `mon-fri, sun`; ValueError says what is no day."""
    found: set[int] = set()
    for part in said.replace(" ", "").lower().split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            raise ValueError(f"{part!r} is no day of the week: mon-fri, or mon, wed, sat-sun")
        at, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {(at + step) % 7 for step in range((end - at) % 7 + 1)}
    return frozenset(found)


def free_days(path: Path, around: date) -> frozenset[date]:
    """
    Read the days of an iCalendar file (RFC 5545), with what repeats every year as it falls around a day.

    ConfigError for a file that cannot be read, and for other repetitions: a calendar that is half understood is none.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"the calendar {path} cannot be read: {said}", field="expected.except") from error
    if "BEGIN:VCALENDAR" not in text:
        raise ConfigError(f"{path} is no iCalendar file", field="expected.except")
    found: set[date] = set()
    for event in _FOLDED.sub("", text).split("BEGIN:VEVENT")[1:]:
        found.update(_days_of(event.partition("END:VEVENT")[0], around, path))
    return frozenset(found)


def _days_of(event: str, around: date, path: Path) -> Iterator[date]:
    said = {found[1]: found[2].strip() for line in event.splitlines() if (found := _LINE.match(line.strip()))}
    try:
        start = datetime.strptime(said["DTSTART"][:8], "%Y%m%d").date()  # noqa: DTZ007 - a day
        end = datetime.strptime(said.get("DTEND", "")[:8], "%Y%m%d").date() if "DTEND" in said else start  # noqa: DTZ007
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: an event without a day", field="expected.except") from error
    rule = said.get("RRULE", "").upper()
    if rule and set(rule.split(";")) - {"FREQ=YEARLY", "INTERVAL=1"}:
        said_ = f"{path}: the repetition {rule} is not understood; FREQ=YEARLY is, or an event for each day"
        raise ConfigError(said_, field="expected.except")
    length = max((end - start).days, 1)
    years = (around.year - 1, around.year, around.year + 1) if rule else (start.year,)
    for year in years:
        if year < start.year:
            continue
        try:
            first = start.replace(year=year)
        except ValueError:  # 29 February
            continue
        yield from (first + timedelta(days=step) for step in range(length))
