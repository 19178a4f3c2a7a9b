"""Opening hours: local time, over midnight, and on the days on which the clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drawbar.core.hours import Calendar, Hours, Span, window

BERLIN = "Europe/Berlin"
ZONES = [BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"]


def at(said: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(said).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def opening(hours: Hours, now: float, needed_s: float = 30) -> float:
    span = Calendar(hours).free(now, needed_s)
    assert span is not None
    return span.start


NIGHT = Hours(closed=["02:00-03:30"], timezone=BERLIN)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-11-23T01:59:30", "2026-11-23T01:59:30"),
        ("2026-11-23T01:59:31", "2026-11-23T03:30:00"),
        ("2026-11-23T02:00:00", "2026-11-23T03:30:00"),
        ("2026-11-23T03:29:59", "2026-11-23T03:30:00"),
        ("2026-11-23T03:30:00", "2026-11-23T03:30:00"),
    ],
)
def test_no_call_starts_whose_timeout_reaches_into_a_closed_window(now, then):
    assert opening(NIGHT, at(now)) == at(then)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts():
    hours = Hours(closed=["sat 22:00-04:00"], timezone=BERLIN)

    assert opening(hours, at("2026-11-28T23:00:00")) == at("2026-11-29T04:00:00")  # Saturday night
    assert opening(hours, at("2026-11-29T03:00:00")) == at("2026-11-29T04:00:00")  # its end, on Sunday
    assert opening(hours, at("2026-11-28T03:00:00")) == at("2026-11-28T03:00:00")  # Friday night is open


def test_only_open_windows_open():
    hours = Hours(open=["mon-fri 08:00-18:00"], closed=["12:00-13:00"], timezone=BERLIN)

    assert opening(hours, at("2026-11-27T17:59:45")) == at("2026-11-30T08:00:00")  # Friday evening to Monday morning
    assert opening(hours, at("2026-11-27T11:59:45")) == at("2026-11-27T13:00:00")
    assert opening(hours, at("2026-11-27T09:00:00")) == at("2026-11-27T09:00:00")


def test_windows_that_touch_are_one():
    hours = Hours(closed=["22:00-24:00", "00:00-01:00"], timezone=BERLIN)

    assert opening(hours, at("2026-11-23T22:30:00")) == at("2026-11-24T01:00:00")


def test_a_night_without_two_oclock_closes_at_the_change():
    assert opening(NIGHT, at("2026-03-29T01:59:00")) == at("2026-03-29T01:59:00")
    assert opening(NIGHT, at("2026-03-29T01:59:31")) == at(
        "2026-03-29T03:30:00"
    )  # half an hour, not an hour and a half
    assert at("2026-03-29T03:30:00") - at("2026-03-29T01:59:30") == 31 * 60 - 30


def test_a_window_whose_beginning_is_left_out_begins_at_the_change():
    hours = Hours(closed=["02:15-03:10"], timezone=BERLIN)

    assert opening(hours, at("2026-03-29T01:59:45")) == at("2026-03-29T03:10:00")


def test_a_night_with_two_oclock_twice_stays_closed_through_both():
    hours = Hours(closed=["02:10-02:40"], timezone=BERLIN)

    assert opening(hours, at("2026-10-25T02:15:00")) == at("2026-10-25T02:40:00", fold=1)
    assert opening(hours, at("2026-10-25T02:50:00")) == at("2026-10-25T02:40:00", fold=1)


def test_what_waited_starts_spread_out_and_within_the_opening():
    assert Span(100, 1000).drawn(60, 0.5) == 130
    assert Span(100, 110).drawn(60, 1) == 110


def test_a_call_that_fits_nowhere_is_told_so():
    assert Calendar(Hours(open=["08:00-08:10"])).free(at("2026-11-23T09:00:00"), 700) is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"closed": ["2:00-3:00"]}, "no window of time"),
        ({"closed": ["02:00-02:00"]}, "00:00-24:00"),
        ({"closed": ["02:00-25:00"]}, "no window of time"),
        ({"closed": ["fun 02:00-03:00"]}, "no window of time"),
        ({"closed": ["24:00-03:00"]}, "no window of time"),
        ({"closed": ["00:00-24:00"]}, "never open"),
        ({"timezone": "Europe/Berlim"}, "no time zone"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused(said, why):
    with pytest.raises(ValidationError, match=why):
        Hours.model_validate(said)


texts = st.builds(
    lambda days, start, length: (
        f"{days}{start // 60:02}:{start % 60:02}-{(start + length) % 1440 // 60:02}:{(start + length) % 60:02}"
    ),
    st.sampled_from(["", "mon-fri ", "sat,sun ", "sun-mon ", "wed "]),
    st.integers(0, 1439),
    st.integers(1, 600),
)
moments = st.integers(int(at("2026-01-01T00:00:00")), int(at("2027-12-31T00:00:00")))


def is_in(said: str, moment: float, zone: ZoneInfo) -> bool:
    one, local = window(said), datetime.fromtimestamp(moment, zone)
    minute = local.hour * 60 + local.minute
    return (local.weekday() in one.days and one.start <= minute < one.end) or (
        (local.weekday() - 1) % 7 in one.days and one.start <= minute + 1440 < one.end
    )


def clock_changes_near(moment: float, zone: ZoneInfo) -> bool:
    days = [datetime.fromtimestamp(moment + day * 86400, zone).utcoffset() for day in (-3, 3)]
    return days[0] != days[1]


@given(closed=st.lists(texts, max_size=3), zone=st.sampled_from(ZONES), now=moments, needed_s=st.integers(1, 3600))
def test_no_moment_of_a_call_is_in_a_closed_window(closed, zone, now, needed_s):
    """Whatever the clock does: what starts, ends before its system closes, by the clock on its wall."""
    hours = Hours.model_construct(closed=closed, open=[], timezone=zone, spread_s=60)
    span = Calendar(hours).free(now, needed_s)
    if span is None:
        return
    assert now <= span.start <= span.last
    for start in (span.start, span.last):
        for moment in (start, start + needed_s / 2, start + needed_s - 1):
            assert not any(is_in(said, moment, ZoneInfo(zone)) for said in closed)


@given(closed=st.lists(texts, max_size=3), opened=st.lists(texts, max_size=2), zone=st.sampled_from(ZONES), now=moments)
def test_a_system_is_open_when_the_clock_on_its_wall_says_so(closed, opened, zone, now):
    now -= now % 60
    if clock_changes_near(now, ZoneInfo(zone)):
        return
    hours = Hours.model_construct(closed=closed, open=opened, timezone=zone, spread_s=60)
    span = Calendar(hours).free(now, 1)
    wall = (not opened or any(is_in(said, now, ZoneInfo(zone)) for said in opened)) and not any(
        is_in(said, now, ZoneInfo(zone)) for said in closed
    )
    assert (span is not None and span.start == now) == wall


@given(now=moments, needed_s=st.integers(1, 7200))
def test_asking_later_within_a_span_gives_the_same_span(now, needed_s):
    calendar = Calendar(NIGHT)
    span = calendar.free(now, needed_s)
    assert span is not None
    again = calendar.free(span.start, needed_s)
    assert again is not None
    assert again.start == span.start
    assert datetime.fromtimestamp(span.start, UTC) - datetime.fromtimestamp(now, UTC) < timedelta(hours=5)
