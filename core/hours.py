"""
When a system may be called: opening hours in its own local time, as its operators say them.

Pure: moments come in and go out as epoch seconds. Where daylight saving makes a local time happen twice, a system closes at
the first and opens at the last of both; a time that is left out is the moment of the change. In doubt it is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from .strict import Strict

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(?:(?P<days>[a-z, -]+) )?(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
_DAY_MIN = 24 * 60
_NEAR_D, _FAR_D = 2, 16
_SPELLED = 'say it as "22:00-04:00", "sat 22:00-04:00" or "mon-fri 08:00-18:00"'
Interval = tuple[float, float]


class Hours(Strict):
    """When a system may be called. A window over midnight belongs to the day on which it starts."""

    closed: list[str] = Field(
        default_factory=list, description='Windows in which nothing starts: "02:00-03:30", "sat 22:00-04:00".'
    )
    open: list[str] = Field(
        default_factory=list, description='The only windows in which something starts: "mon-fri 08:00-18:00".'
    )
    timezone: str = Field("UTC", description="Name of an IANA time zone.")
    spread_s: float = Field(
        60, ge=0, le=3600, description="What waited starts again within so many seconds after the opening, spread out."
    )

    @field_validator("closed", "open")
    @classmethod
    def _are_windows(cls, said: list[str]) -> list[str]:
        for one in said:
            window(one)
        return said

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, said: str) -> str:
        try:
            ZoneInfo(said)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PydanticCustomError("timezone", "there is no time zone {zone}", {"zone": repr(said)}) from error
        return said

    @model_validator(mode="after")
    def _is_open_sometimes(self) -> Hours:
        # From any moment on: two weeks say it all.
        if Calendar(self).free(datetime(2023, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp(), 60) is None:
            raise PydanticCustomError("hours", "with these hours the system is never open")
        return self


@dataclass(frozen=True, slots=True)
class Window:
    """A span of local time that begins on some days of the week; `end` counts on past midnight. In minutes."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time without a closed window: a call that needs it all may start from `start` to `last`."""

    start: float
    last: float

    def drawn(self, spread_s: float, draw: float) -> float:
        """Give the moment at which one of many that waited starts; `draw` is from 0 to 1."""
        return self.start + draw * min(spread_s, self.last - self.start)


def window(said: str) -> Window:
    """Read one window; PydanticCustomError says how it is spelled."""
    found = _WINDOW.fullmatch(said.strip().lower())
    if found is None:
        raise _misspelled(said)
    start, end = _minutes(found["start"], said), _minutes(found["end"], said)
    if start == _DAY_MIN:
        raise _misspelled(said)
    if start == end:
        raise PydanticCustomError("window", "{said} is empty; the whole day is 00:00-24:00", {"said": repr(said)})
    days = frozenset(range(7)) if found["days"] is None else frozenset(_weekdays(found["days"], said))
    return Window(days, start, end if end > start else end + _DAY_MIN)


def _minutes(said: str, whole: str) -> int:
    hours, minutes = int(said[:2]), int(said[3:])
    if minutes > 59 or hours * 60 + minutes > _DAY_MIN:
        raise _misspelled(whole)
    return hours * 60 + minutes


def _weekdays(said: str, whole: str) -> Iterator[int]:
    for part in said.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise _misspelled(whole)
        at, until = _DAYS.index(first), _DAYS.index(last or first)
        yield from ((at + step) % 7 for step in range((until - at) % 7 + 1))


def _misspelled(said: str) -> PydanticCustomError:
    return PydanticCustomError("window", "{said} is no window of time; {how}", {"said": repr(said), "how": _SPELLED})


class Calendar:
    """Opening hours, ready to be asked."""

    def __init__(self, hours: Hours) -> None:
        self.zone = ZoneInfo(hours.timezone)
        self._closed = [window(said) for said in hours.closed]
        self._open = [window(said) for said in hours.open]

    def free(self, at: float, needed_s: float) -> Span | None:
        """Find the first time from a moment on in which a call that may take `needed_s` fits; None: there is none."""
        for days in (_NEAR_D, _FAR_D):
            if (span := self._free(at, needed_s, days)) is not None:
                return span
        return None

    def _free(self, at: float, needed_s: float, days: int) -> Span | None:
        today = datetime.fromtimestamp(at, self.zone).date()
        horizon = _moment(today + timedelta(days=days), 0, self.zone, last=False)
        for start, end in [*self.closures(today - timedelta(days=2), days + 3), (horizon, horizon)]:
            if at + needed_s <= min(start, horizon):
                return Span(at, min(start, horizon) - needed_s)
            at = max(at, end)
        return None

    def closures(self, first: date, days: int) -> list[Interval]:
        """Give the closed times that begin on some days on, in order and joined."""
        shut = list(self._on(self._closed, first, days, closes=True))
        if self._open:
            begin, end = (_moment(first + timedelta(days=n), 0, self.zone, last=False) for n in (0, days))
            opened = joined(one for one in self._on(self._open, first, days, closes=False) if one[0] < one[1])
            edges = [begin, *(edge for one in opened for edge in one), max(end, opened[-1][1] if opened else end)]
            shut += [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
        return joined(shut)

    def _on(self, windows: Sequence[Window], first: date, days: int, *, closes: bool) -> Iterator[Interval]:
        for day in (first + timedelta(days=number) for number in range(days)):
            for one in windows:
                if day.weekday() in one.days:
                    yield (
                        _moment(day, one.start, self.zone, last=not closes),
                        _moment(day, one.end, self.zone, last=closes),
                    )


def joined(intervals: Iterator[Interval] | Sequence[Interval]) -> list[Interval]:
    """Put intervals in order and join those that touch."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _moment(day: date, minute: int, zone: ZoneInfo, *, last: bool) -> float:
    """Give the moment of a local time: the first or the last of two, and for one that is left out the change itself."""
    local = datetime.combine(day + timedelta(minute // _DAY_MIN), time(minute % _DAY_MIN // 60, minute % 60), zone)
    first, second = local.timestamp(), local.replace(fold=1).timestamp()
    if first <= second:
        return second if last else first
    return _change(second - 1, first, zone)


def _change(before: float, after: float, zone: ZoneInfo) -> float:
    """Find the second between two moments in which the zone changes its clock."""
    old = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
