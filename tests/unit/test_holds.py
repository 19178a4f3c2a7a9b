"""Holds and the floor of the disk: nothing new begins, what runs ends, and what waited goes on."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from scripted import ME, House
from tenacity.wait import wait_fixed

from drawbar.core.access import Caller
from drawbar.core.disk import Floor
from drawbar.core.errors import InputError, Unavailable
from drawbar.core.holds import Brake, Held, Holds, Intake, moment_of
from drawbar.core.pulse import Pulse
from drawbar.core.store.journal import Journal

KNOWN = {"adapter": ["sys", "erp"], "feed": ["drop.orders"], "workflow": ["w", "erp"], "trigger": ["w", "w:sys.in"]}
FLOW = {"w": {"tasks": {"one": {"tool": "sys.do", "retry": {"attempts": 2, "within_s": 1}}}}}


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


def brake_of(journal, kept=None):
    return Brake(journal, kept or Holds(journal), lambda: KNOWN)


class Calm(House):
    """A house whose operator can hold things."""

    def begin(self):
        self.brake = brake_of(self.journal, self.guard.holds)
        self._sweep = Pulse("released", 0.05, self.guard.holds.sweep).start()
        return super().begin()

    def end(self):
        self._sweep.stop()
        super().end()


def until(true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_task_of_a_held_system_waits_without_attempts_and_goes_on_when_it_is_released(tmp_path):
    calls = []
    with Calm(tmp_path, {"do": ("read", calls.append)}, FLOW) as house:
        house.brake.hold("sys", caller=ME, reason="maintenance")
        run = house.engine.start("w", {}, caller=ME)
        until(lambda: house.states(run.id) == {"one": "waiting"})
        time.sleep(1.2)  # longer than within_s

        assert calls == []
        assert house.engine.tasks(run.id)[0].error["detail"] == {"held": "adapter:sys"}

        began = time.monotonic()
        house.brake.release("sys", caller=ME, reason="done")

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert time.monotonic() - began < 8
        assert len(calls) == 1
        [*_, last] = house.engine.attempts(run.id)
        assert last["attempt"] == 1


def test_the_time_that_a_hold_took_is_not_the_tasks(tmp_path):
    answers = [Unavailable("away"), None]

    def do(_):
        if (error := answers.pop(0)) is not None:
            raise error

    with Calm(tmp_path, {"do": ("read", do)}, FLOW, wait=wait_fixed(0.5)) as house:
        run = house.engine.start("w", {}, caller=ME)
        until(lambda: len(answers) == 1)
        house.brake.hold("sys", caller=ME)
        until(lambda: "detail" in (house.engine.tasks(run.id)[0].error or {}))
        time.sleep(1.2)
        house.brake.release("sys", caller=ME)

        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_what_runs_ends_while_its_workflow_is_held_and_nothing_new_begins(tmp_path):
    go, inside = threading.Event(), threading.Event()

    def do(_):
        inside.set()
        go.wait(60)

    with Calm(tmp_path, {"do": ("read", do)}, FLOW) as house:
        run = house.engine.start("w", {}, caller=ME)
        inside.wait(60)
        house.brake.hold("workflow:w", caller=ME, reason="wrong prices")

        with pytest.raises(Held, match="w is held by cli:me: wrong prices"):
            house.engine.start("w", {}, caller=ME)

        go.set()
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_a_direct_call_of_a_held_system_is_told_at_once_and_leaves_no_trace(tmp_path):
    calls = []
    with Calm(tmp_path, {"do": ("write", calls.append)}, {}) as house:
        house.brake.hold("sys", caller=ME, until=datetime.now(UTC) + timedelta(hours=1))

        with pytest.raises(Unavailable) as refused:
            house.guard.prepare("sys.do", {}, ME)

        assert 3500 < refused.value.retry_after_s <= 3600
        assert calls == []
        assert house.desk.dead_letters() == []


def test_a_hold_ends_by_itself_and_the_tasks_that_wait_go_on(tmp_path):
    with Calm(tmp_path, {"do": ("read", lambda _: 1)}, FLOW) as house:
        house.brake.hold("sys", caller=ME, until=datetime.now(UTC) + timedelta(seconds=1))
        run = house.engine.start("w", {}, caller=ME)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        until(lambda: "hold.released" in [event.type for event in house.engine.events(limit=1000)])
        said = [event for event in house.engine.events(limit=1000) if event.type.startswith("hold.")]
        assert [(event.type, event.body["by"]) for event in said] == [
            ("hold.set", "cli:me"),
            ("hold.released", "time"),
        ]
        assert house.brake.list() == []


def test_a_hold_outlives_the_process_and_is_seen_by_others_within_a_second(tmp_path, journal):
    brake_of(journal).hold("drop.orders", caller=ME, reason="partner is late")
    other = Journal.open(f"sqlite:///{tmp_path}/state.db")
    seen = Holds(other)

    with pytest.raises(Held):
        seen.require_tool("drop", "read_orders")
    seen.require_tool("drop", "read_other")
    seen.require_tool("drop")

    brake_of(journal).release("drop.orders", caller=ME)
    began = time.monotonic()
    until(lambda: seen.refusal("feed:drop.orders") is None)
    assert time.monotonic() - began < 1
    other.close()


def test_holding_again_says_anew_until_when_and_why(journal):
    brake = brake_of(journal)
    brake.hold("sys", caller=ME, reason="one")
    brake.hold("sys", caller=ME, reason="two", until=datetime.now(UTC) + timedelta(hours=1))

    [held] = brake.list()

    assert (held["reason"], held["kind"], held["by"]) == ("two", "adapter", "cli:me")
    assert held["until"] is not None


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [("erq", "not_found", "erp"), ("erp", "conflict", "several"), ("drop.order", "not_found", "drop.orders")],
)
def test_a_name_that_is_nothing_or_several_things_is_refused_with_what_was_meant(journal, name, reason, said):
    with pytest.raises(InputError) as refused:
        brake_of(journal).hold(name, caller=ME)

    assert refused.value.reason == reason
    assert said in refused.value.message


def test_several_things_of_one_name_are_told_apart_by_their_kind(journal):
    brake = brake_of(journal)
    brake.hold("adapter:erp", caller=ME)
    brake.hold("workflow:erp", caller=ME)

    with pytest.raises(InputError, match="several"):
        brake.release("erp", caller=ME)
    brake.release("adapter:erp", caller=ME)

    assert [held["kind"] for held in brake.list()] == ["workflow"]
    assert brake.hold("w", caller=ME)["kind"] == "workflow"  # its only cron has the same name
    assert brake.hold("trigger:w", caller=ME)["kind"] == "trigger"


def test_only_an_operator_holds_and_only_to_a_moment_to_come(journal):
    with pytest.raises(InputError, match="operate"):
        brake_of(journal).hold("sys", caller=Caller("clerk"))
    with pytest.raises(InputError, match="over already"):
        brake_of(journal).hold("sys", caller=ME, until=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(InputError, match="not held"):
        brake_of(journal).release("sys", caller=ME)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", "2026-11-22T19:30:00+00:00"),
        ("2h", "2026-11-22T20:00:00+00:00"),
        ("1d", "2026-11-23T18:00:00+00:00"),
        ("18:30", "2026-11-22T18:30:00+00:00"),
        ("06:30", "2026-11-23T06:30:00+00:00"),
        ("2026-11-24T02:00+01:00", "2026-11-24T01:00:00+00:00"),
    ],
)
def test_the_end_of_a_hold_is_written_as_people_write_it(text, at):
    now = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)

    assert moment_of(text, now).astimezone(UTC).isoformat() == at


@pytest.mark.parametrize("text", ["noon", "25:00", "", "999999d", "0000-00-00", "9999-12-31T23:59"])
def test_what_is_no_moment_is_refused_or_too_far(journal, text):
    with pytest.raises(InputError, match=r"until|moment"):
        brake_of(journal).hold("sys", caller=ME, until=moment_of(text, datetime.now(UTC)))


def test_below_the_floor_no_run_begins_and_what_runs_records_its_outcome(tmp_path):
    go, inside, free = threading.Event(), threading.Event(), [1000]

    def do(_):
        inside.set()
        go.wait(60)
        return "done"

    with House(tmp_path, {"do": ("write", do)}, FLOW) as house:
        floor = Floor(house.journal, 100, lambda: free[0])
        house.engine._intake = Intake(house.guard.holds, floor)
        run = house.engine.start("w", {}, caller=ME)
        inside.wait(60)
        floor.sweep()
        free[0] = 99
        time.sleep(0.6)
        floor.sweep()
        floor.sweep()

        with pytest.raises(Unavailable, match="99 MB free, 100 wanted"):
            house.engine.start("w", {}, caller=ME)
        go.set()
        assert house.engine.wait(run.id, 60).state == "succeeded"

        free[0] = 500
        time.sleep(0.6)
        floor.sweep()
        assert house.run("w").state == "succeeded"
        said = [event.type for event in house.engine.events(limit=1000) if event.type.startswith("disk.")]
        assert said == ["disk.low", "disk.ok"]
