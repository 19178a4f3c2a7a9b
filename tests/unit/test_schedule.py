"""Cron: what is due, through changes of the clock, absences and several processes."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from pydantic import ValidationError

from drawbar.core.errors import ConfigError, InputError, Unavailable
from drawbar.core.events import Events
from drawbar.core.schedule import MOST_MISSED, Schedule, Schedules, delay, latest, ticks
from drawbar.core.store.journal import Journal
from drawbar.core.store.summary import next_starts
from drawbar.core.store.tables import runs
from drawbar.core.workflow import CronTrigger

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
FOREVER = 4e9


def cron(text, zone="UTC", missed="skip", **more):
    return CronTrigger.model_validate({"cron": text, "timezone": zone, "missed": missed, **more})


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def spelled(found):
    return [datetime.fromtimestamp(one, UTC).strftime("%m-%d %H:%M") for one in found]


# Europe/Berlin: 2026-03-29 02:00 CET becomes 03:00 CEST; 2026-10-25 03:00 CEST becomes 02:00 CET.


def test_a_time_that_spring_leaves_out_comes_when_the_hour_has_passed():
    found = ticks(cron("30 2 * * *", "Europe/Berlin"), utc("2026-03-28 00:00"), utc("2026-03-30 12:00"))

    assert spelled(found) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_a_time_that_autumn_repeats_comes_once():
    found = ticks(cron("30 2 * * *", "Europe/Berlin"), utc("2026-10-24 00:00"), utc("2026-10-26 12:00"))

    assert spelled(found) == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]


@pytest.mark.parametrize("minute", range(0, 60, 7))
def test_a_repeated_time_does_not_come_again_whenever_one_asks(minute):
    in_the_second_pass = utc("2026-10-25 01:00") + 60 * minute

    found = list(islice(ticks(cron("30 2 * * *", "Europe/Berlin"), in_the_second_pass), 1))

    assert spelled(found) == ["10-26 01:30"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_an_hourly_job_runs_every_real_hour(day, hours):
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()
    before = start - (7200 if day != "2026-03-29" else 3600) - 1

    found = list(ticks(cron("0 * * * *", "Europe/Berlin"), before, before + hours * 3600))

    assert len(found) == hours
    assert {b - a for a, b in pairwise(found)} == {3600}


def test_two_times_that_spring_moves_onto_each_other_are_one_tick():
    found = list(ticks(cron("0,30 2 * * *", "Europe/Berlin"), utc("2026-03-29 00:00"), utc("2026-03-29 12:00")))

    assert spelled(found) == ["03-29 01:00"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("text", ["*/15 * * * *", "30 2 * * *", "0,30 1-3 * * *", "0 0 * * 1-5", "*/20 30 2 * * *"])
def test_ticks_asked_one_by_one_are_the_ticks_of_the_whole_year(zone, text):
    """A process that restarts after every tick fires what one that never restarts does."""
    spec = cron(text, zone)
    start = utc("2026-03-27 00:00") if zone != "Australia/Lord_Howe" else utc("2026-04-03 00:00")
    whole = list(islice(ticks(spec, start), 400))

    at, one_by_one = start, []
    for _ in whole:
        at = next(ticks(spec, at + 0.4))
        one_by_one.append(at)

    assert one_by_one == whole
    assert whole == sorted(set(whole))


def test_the_newest_ticks_of_years_are_found_at_once():
    begun = time.process_time()

    found = latest(cron("* * * * * *"), 0, NOON, 100)

    assert found == [NOON - 99 + n for n in range(100)]
    assert time.process_time() - begun < 1


def test_the_newest_ticks_of_a_short_span_are_all_of_them():
    assert latest(cron("0 * * * *"), NOON - 7200, NOON, 100) == [NOON - 3600, NOON]


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Place:
    """One journal, one clock, and schedules whose runs we end by hand."""

    def __init__(self, tmp_path):
        self.journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
        self.clock = Clock(NOON)
        self.fired = []
        self.fails = None

    def schedules(self, spec, name="job", start=None):
        made = Schedules(self.journal, clock=self.clock)
        made.declare([Schedule(name, spec, start or self.start)])
        return made

    def start(self, tick):
        if self.fails is not None:
            raise self.fails
        self.fired.append(tick)
        run_id = f"run{len(self.fired)}"
        self.journal.write(
            lambda conn: conn.execute(
                runs.insert().values(
                    id=run_id,
                    workflow="job",
                    definition="x",
                    state="running",
                    version=0,
                    caller="{}",
                    date="2026-01-01",
                    journal_version=1,
                    created_at=0,
                )
            )
        )
        return run_id

    def end(self):
        self.journal.write(lambda conn: conn.execute(runs.update().values(finished_at=1.0)))

    def beat(self, schedules, times=1, ending=True, step_s=0.0):
        for _ in range(times):
            self.clock.now += step_s
            schedules.beat()
            if ending:
                self.end()

    def events(self):
        found = Events(self.journal).page(0, 1000)
        return [(event.type, event.body) for event in found if event.type.startswith("schedule")]

    def next_at(self):
        with self.journal.read() as conn:
            return next_starts(conn)[0]["next_at"]


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.journal.close()


def after_noon(seconds):
    return datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=seconds)


def test_a_new_schedule_begins_with_its_next_tick(place):
    schedules = place.schedules(cron("*/5 * * * *"))

    place.beat(schedules)

    assert place.fired == []
    assert place.next_at() == NOON + 300


def test_each_tick_is_fired_once_and_with_its_own_moment(place):
    schedules = place.schedules(cron("* * * * *", "Europe/Berlin"))

    place.beat(schedules, times=1001, step_s=0.3)

    assert place.fired == [after_noon(60 * n) for n in range(1, 6)]
    assert str(place.fired[0].tzinfo) == "Europe/Berlin"
    assert place.events() == []


def test_a_tick_while_the_last_run_still_runs_is_skipped_and_is_an_event(place):
    schedules = place.schedules(cron("* * * * *"))

    place.beat(schedules, times=130, ending=False, step_s=1)
    place.end()
    place.beat(schedules, times=60, step_s=1)

    assert place.fired == [after_noon(60), after_noon(180)]
    ((what, body),) = place.events()
    assert what == "schedule.skipped"
    assert body["reason"] == "the last run still runs"
    assert body["from"] == body["until"] == after_noon(120).isoformat(timespec="milliseconds")


def test_work_that_says_that_it_runs_already_is_a_skipped_tick(place):
    schedules = place.schedules(cron("* * * * *"))
    place.fails = InputError("sync job runs already", reason="conflict")

    place.beat(schedules, times=61, step_s=1)

    assert [what for what, _ in place.events()] == ["schedule.skipped"]
    assert place.next_at() == NOON + 120


def test_a_tick_that_can_never_start_is_an_event_and_the_next_one_comes(place):
    schedules = place.schedules(cron("* * * * *"))
    place.fails = ConfigError("no such workflow")
    place.beat(schedules, times=61, step_s=1)

    place.fails = None
    place.beat(schedules, times=60, step_s=1)

    assert [what for what, _ in place.events()] == ["schedule.failed"]
    assert place.fired == [after_noon(120)]


def test_a_tick_that_cannot_start_now_is_tried_again(place, monkeypatch):
    schedules = place.schedules(cron("0 * * * *"))
    held = [0.0]
    monkeypatch.setattr(place.journal, "now", lambda: held[0])
    place.fails = Unavailable("the disk is full")
    place.beat(schedules, times=3601, step_s=1)

    place.fails = None
    place.beat(schedules)
    too_early = list(place.fired)
    held[0] += 10
    place.beat(schedules)

    assert too_early == []
    assert place.fired == [after_noon(3600)]
    assert place.events() == []


@pytest.mark.parametrize(
    ("missed", "fired"),
    [("skip", []), ("last", [5 * 3600]), ("all", [3600 * n for n in range(1, 6)])],
)
def test_ticks_that_nobody_was_there_for_follow_their_policy(place, missed, fired):
    place.schedules(cron("0 * * * *", missed=missed))
    place.clock.now += 5.5 * 3600

    place.beat(place.schedules(cron("0 * * * *", missed=missed)), times=20, step_s=0.5)

    assert place.fired == [after_noon(one) for one in fired]
    assert place.next_at() == NOON + 6 * 3600
    assert len(place.events()) == (missed != "all")


@pytest.mark.parametrize("missed", ["skip", "last", "all"])
def test_a_tick_during_a_short_restart_is_not_missed(place, missed):
    place.schedules(cron("* * * * *", missed=missed))
    place.clock.now += 80

    place.beat(place.schedules(cron("* * * * *", missed=missed)), times=3)

    assert place.fired == [after_noon(60)]


def test_missed_ticks_run_one_after_the_other(place):
    schedules = place.schedules(cron("0 * * * *", missed="all"))
    place.clock.now += 3.5 * 3600

    place.beat(schedules, times=5, ending=False, step_s=1)
    at_first = len(place.fired)
    place.end()
    place.beat(schedules, times=5, ending=False, step_s=1)

    assert at_first == 1
    assert len(place.fired) == 2
    assert place.events() == []


def test_ticks_that_come_while_missed_ones_are_made_up_for_are_skipped(place):
    schedules = place.schedules(cron("* * * * *", missed="all"))
    place.clock.now += 150  # two ticks were missed

    place.beat(schedules, times=250, ending=False, step_s=1)  # the first takes four minutes
    place.end()
    place.beat(schedules, times=60, step_s=1)

    assert place.fired[:2] == [after_noon(60), after_noon(120)]
    assert place.fired[2] >= after_noon(400)
    assert [body["reason"] for _, body in place.events()] == ["the last run still runs"]


def test_missed_ticks_of_work_that_runs_already_wait_for_its_end(place, monkeypatch):
    held = [0.0]
    monkeypatch.setattr(place.journal, "now", lambda: held[0])
    schedules = place.schedules(cron("0 * * * *", missed="all"))
    place.clock.now += 2.5 * 3600
    place.fails = InputError("sync job runs already", reason="conflict")
    place.beat(schedules, times=5)

    place.fails = None
    held[0] += 10
    place.beat(schedules, times=5)

    assert place.fired == [after_noon(3600), after_noon(7200)]
    assert place.events() == []


def test_what_is_made_up_for_is_bounded(place):
    schedules = place.schedules(cron("* * * * *", missed="all"))
    place.clock.now += 400 * 86400

    place.beat(schedules, times=MOST_MISSED + 20, step_s=0.01)

    assert len(place.fired) == MOST_MISSED
    assert place.fired[-1] == after_noon(400 * 86400)
    ((what, body),) = place.events()
    assert (what, body["reason"]) == ("schedule.skipped", "nobody was there")


def test_a_clock_that_is_set_back_fires_nothing_twice(place):
    schedules = place.schedules(cron("* * * * *"))
    place.beat(schedules, times=200, step_s=1)
    assert len(place.fired) == 3

    place.clock.now -= 190
    place.beat(schedules, times=190, step_s=1)
    again = place.schedules(cron("* * * * *"))
    place.clock.now -= 100
    place.beat(again, times=100, step_s=1)
    assert len(place.fired) == 3

    place.beat(again, times=41, step_s=1)
    assert place.fired[3:] == [after_noon(240)]


def test_a_clock_that_was_ahead_for_a_moment_does_not_silence_a_schedule(place):
    schedules = place.schedules(cron("* * * * *"))
    place.clock.now += 366 * 86400
    place.beat(schedules)

    place.clock.now = NOON
    place.beat(schedules, times=61, step_s=1)

    assert place.fired[-1] == after_noon(60)


def test_a_changed_schedule_begins_anew_and_a_removed_one_is_forgotten(place):
    place.schedules(cron("* * * * *", missed="all"))
    place.clock.now += 600

    place.beat(place.schedules(cron("30 * * * *", missed="all")))
    assert place.fired == []
    assert place.next_at() == NOON + 1800

    Schedules(place.journal, clock=place.clock).declare([])
    with place.journal.read() as conn:
        assert next_starts(conn) == []


def test_a_crash_between_start_and_conclusion_starts_the_same_tick_again(place, monkeypatch):
    """Whoever starts it knows the tick, and so does not begin a second run."""
    held = [0.0]
    monkeypatch.setattr(place.journal, "now", lambda: held[0])

    def dies(tick):
        place.fired.append(tick)
        raise RuntimeError("killed")

    place.clock.now += 0
    schedules = place.schedules(cron("* * * * *"), start=dies)
    place.clock.now += 61
    place.beat(schedules, times=3)
    held[0] += 100
    place.beat(place.schedules(cron("* * * * *")), times=3)

    assert place.fired == [after_noon(60), after_noon(60)]


def test_one_schedule_that_fails_does_not_stop_the_others(place):
    def broken(tick):
        raise ZeroDivisionError

    schedules = Schedules(place.journal, clock=place.clock)
    schedules.declare([Schedule("a", cron("* * * * *"), broken), Schedule("b", cron("* * * * *"), place.start)])
    place.clock.now += 61

    place.beat(schedules)

    assert place.fired == [after_noon(60)]


def test_threads_of_one_journal_fire_each_tick_once(place):
    made = [place.schedules(cron("* * * * *")) for _ in range(4)]
    for minute in range(1, 6):
        place.clock.now = NOON + 60 * minute + 1
        threads = [threading.Thread(target=one.beat) for one in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        place.end()

    assert place.fired == [after_noon(60 * n) for n in range(1, 6)]


def test_jitter_starts_each_tick_later_by_the_same_for_everybody(place):
    """The tick keeps its own moment: its run's date and its name are those of the tick."""
    made = [place.schedules(cron("*/10 * * * *", jitter_s=300)) for _ in range(2)]
    begun = []
    for _ in range(3 * 600):
        place.clock.now += 1
        for one in made:
            one.beat()
        begun += [(place.clock.now, tick) for tick in place.fired[len(begun) :]]
        place.end()

    assert [tick for _, tick in begun] == [after_noon(600), after_noon(1200)] + [after_noon(1800)] * (len(begun) - 2)
    for at, tick in begun:
        late_s = at - tick.timestamp()
        assert 0 <= late_s - delay("job", tick.timestamp(), 300) <= 1
    assert place.events() == []


def test_a_restart_between_a_tick_and_its_start_loses_nothing_and_starts_it_once(place):
    spec = cron("0 * * * *", jitter_s=3000)
    late_s = delay("job", NOON + 3600, 3000)
    assert late_s > 60
    place.schedules(spec)
    place.clock.now = NOON + 3600 + late_s - 1
    again = place.schedules(spec)
    place.beat(again)
    assert place.fired == []

    place.beat(again, times=5, step_s=1)
    assert place.fired == [after_noon(3600)]


def test_names_and_ticks_are_spread_over_the_whole_of_the_jitter():
    drawn = [delay(f"job{number}", NOON, 100) for number in range(1000)]

    assert [sum(low <= one < low + 10 for one in drawn) > 60 for low in range(0, 100, 10)] == [True] * 10
    assert len({delay("job", NOON + 60 * number, 100) for number in range(100)}) == 100
    assert delay("job", NOON, 0) == 0


def test_jitter_that_is_as_long_as_the_time_between_ticks_is_refused():
    with pytest.raises(ValidationError, match="shorter than the 60 s between two ticks"):
        cron("* * * * *", jitter_s=60)
    cron("* * * * *", jitter_s=59)


def test_a_machine_that_is_ten_minutes_ahead_fires_nothing_twice(place):
    """It fires early what the others then leave alone, also after they start anew."""
    right = place.schedules(cron("*/5 * * * *", missed="all"))
    for second in range(0, 1800, 7):
        place.clock.now = NOON + second
        right.beat()
        place.end()
        place.clock.now += 600
        right.beat() if second == 0 else place.schedules(cron("*/5 * * * *", missed="all")).beat()
        place.end()
        if second % 210 == 0:
            place.clock.now = NOON + second
            right = place.schedules(cron("*/5 * * * *", missed="all"))

    assert place.fired == [after_noon(300 * number) for number in range(1, len(place.fired) + 1)]
    assert len(place.fired) == 7


_BEAT = """
import sys, time
from drawbar.core.schedule import Schedule, Schedules
from drawbar.core.store.journal import Journal
from drawbar.core.workflow import CronTrigger

journal = Journal.open(sys.argv[1])
schedules = Schedules(journal)
every_second = CronTrigger.model_validate({"cron": "* * * * * *", "missed": "all"})
schedules.declare([Schedule("job", every_second, lambda tick: print(int(tick.timestamp()), flush=True))])
until = time.monotonic() + 4
while time.monotonic() < until:
    schedules.beat()
    time.sleep(0.02)
"""


def fired_by_two_processes(url):
    beating = [
        subprocess.Popen([sys.executable, "-c", _BEAT, url], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0].split() for process in beating]
    assert [process.returncode for process in beating] == [0, 0]
    return sorted(int(tick) for ticks in said for tick in ticks)


def test_of_two_processes_one_fires_each_tick(tmp_path):
    fired = fired_by_two_processes(f"sqlite:///{tmp_path}/state.db")

    assert len(fired) >= 3
    assert fired == list(range(fired[0], fired[0] + len(fired)))
