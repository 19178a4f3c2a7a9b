"""The budget of a system: what waits, what is told to come back, and what it costs."""

import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from pydantic import ValidationError
from scripted import ME, House, Scripted

from drawbar.core.adapter import AdapterConfig
from drawbar.core.budget import BatchShare, Share
from drawbar.core.errors import ConfigError, NotNow, Unavailable
from drawbar.core.policy import Budget


def reads(function):
    return {"do": ("read", function)}


class Clock:
    """Time as a test says it: 2026-11-23 in Berlin, an hour ahead of UTC."""

    MIDNIGHT = 1795388400.0

    def __init__(self, said: str) -> None:
        self.set(said)

    def set(self, said: str) -> None:
        hours, minutes, *seconds = (int(part) for part in said.split(":"))
        self.now = self.MIDNIGHT + hours * 3600 + minutes * 60 + sum(seconds)

    def __call__(self) -> float:
        return self.now


NIGHT = {"closed": ["02:00-03:30"], "timezone": "Europe/Berlin", "spread_s": 0}


def share(clock, **budget):
    return Share("erp", Budget.model_validate({"hours": NIGHT, **budget}), clock=clock)


def closing(house, clock, **hours):
    """Give the house's one system opening hours and a clock."""
    budget = Budget.model_validate({"concurrency": 100, "hours": {**NIGHT, **hours}})
    house.landscape._entries["sys"].share = Share("sys", budget, clock=clock)


def test_who_asks_in_closed_hours_is_told_when_to_come_back():
    clock = Clock("02:10")

    with pytest.raises(NotNow, match="erp is closed until 2026-11-23 03:30") as closed, share(clock).slot(30):
        pass

    assert closed.value.retry_after_s == 80 * 60
    assert closed.value.as_json()["kind"] == "unavailable"
    clock.set("03:30")
    with share(clock).slot(30):
        pass


def test_a_system_that_is_open_is_not_asked_for_its_hours_again():
    clock = Clock("04:00")
    erp = share(clock)
    erp.look(30)
    erp._calendar = None if erp._calendar is None else object()  # would fail when it is used

    clock.set("23:00")
    erp.look(30)


def test_a_call_that_is_longer_than_any_opening_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError, match="never open for the 700 s"):
        share(Clock("09:00"), hours={"open": ["08:00-08:10"]}).look(700)


def test_what_waited_comes_back_spread_out():
    erp = share(Clock("03:29"), hours={**NIGHT, "spread_s": 60})
    seen = []
    for _ in range(200):
        with pytest.raises(NotNow) as closed:
            erp.look(30)
        seen.append(closed.value.retry_after_s)

    assert min(seen) >= 60
    assert max(seen) <= 120
    spread = Counter(int(one // 15) for one in seen)
    assert len([count for count in spread.values() if count > 20]) == 4


def test_a_direct_call_in_closed_hours_is_refused_at_once_and_reaches_nobody(tmp_path):
    called = []
    with House(tmp_path, reads(called.append), {}) as house:
        closing(house, Clock("02:10"))
        begun = time.monotonic()

        with pytest.raises(Unavailable) as closed:
            house.guard.call(house.guard.prepare("sys.do", {}, ME))

        assert closed.value.retry_after_s == 80 * 60
        assert time.monotonic() - begun < 30
        assert called == []


def test_a_task_waits_for_the_opening_without_a_thread_and_uses_up_nothing(tmp_path):
    called = []
    clock = Clock("03:29:58")
    flow = {"w": {"tasks": {"a": {"tool": "sys.do", "retry": {"attempts": 1, "within_s": 1}, "timeout_s": 5}}}}
    with House(tmp_path, reads(lambda _: called.append(clock.now)), flow, threads=1) as house:
        closing(house, clock)
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        time.sleep(1.2)  # longer than within_s
        assert house.engine._pool._idle == 1
        clock.set("03:30:01")

        run = house.engine.wait(run.id, 60)

        assert run.state == "succeeded", run.error
        assert called == [clock.now]
        [task] = house.engine.tasks(run.id)
        assert task.attempt == 1


class Running(Clock):
    """The same day, and its time passes."""

    def set(self, said: str) -> None:
        super().set(said)
        self.begun = time.monotonic()

    def __call__(self) -> float:
        return self.now + time.monotonic() - self.begun


@pytest.mark.slow
def test_500_waiting_tasks_start_again_spread_out_after_the_opening(tmp_path):
    """Nothing before it, all within the spread, and never a fifth of them in one second."""
    called = []
    clock = Running("03:29:46")
    opens = Clock("03:30:00").now
    each = {"for_each": {"in": "${{ input.list }}", "concurrency": 500}, "tool": "sys.do", "timeout_s": 2}
    with House(tmp_path, reads(lambda _: called.append(clock())), {"w": {"tasks": {"a": each}}}) as house:
        closing(house, clock, spread_s=10)
        run = house.engine.start("w", {"list": list(range(500))}, caller=ME)
        while (state := house.engine.run(run.id).state) != "waiting" and clock() < opens - 1:
            time.sleep(0.1)
        waiting = state, len(called)
        run = house.engine.wait(run.id, 60)

    seconds = Counter(int(moment - opens) for moment in called)
    assert waiting == ("waiting", 0)
    assert run.state == "succeeded", run.error
    assert len(called) == 500
    assert min(called) >= opens
    assert max(seconds.values()) < 100, seconds
    assert len(seconds) >= 9, seconds


def test_a_write_that_waits_for_the_opening_has_no_intent(tmp_path):
    flow = {"w": {"tasks": {"a": {"tool": "sys.do", "timeout_s": 5}}}}
    with House(tmp_path, {"do": ("write", lambda _: {})}, flow) as house:
        closing(house, Clock("02:10"))
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")

        assert house.desk.dead_letters() == []
        with house.journal.read() as conn:
            assert conn.exec_driver_sql("select count(*) from ledger").scalar() == 0


def test_a_closed_system_is_not_even_asked_what_it_offers(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Scripted, "tools", lambda self: asked.append(1) or iter(()))
    with House(tmp_path, {}, {}) as house:
        closing(house, Clock("02:10"))

        with pytest.raises(NotNow, match="closed until"):
            house.guard.prepare("sys.do", {}, ME)

        assert house.landscape.tools() == []
        assert "closed until" in house.landscape.failures()["sys"].message
        assert house.landscape.state("sys") == ("closed", None)
        assert asked == []


def test_a_share_that_is_used_up_costs_a_task_no_attempt(tmp_path):
    """Our own queue fails nobody's run."""
    here, go = threading.Event(), threading.Event()

    def slow(arguments):
        here.set()
        go.wait(60)
        return {}

    flow = {"w": {"tasks": {"a": {"tool": "sys.do", "timeout_s": 1, "retry": {"attempts": 1}}}}}
    with House(tmp_path, reads(slow), flow) as house:
        house.landscape._entries["sys"].share = Share("sys", Budget(concurrency=1))
        first = house.engine.start("w", {}, caller=ME)
        here.wait(60)
        second = house.engine.start("w", {}, caller=ME)
        house.until(second.id, "waiting")
        time.sleep(1.2)
        go.set()

        assert house.engine.wait(first.id, 60).state == "succeeded"
        assert house.engine.wait(second.id, 60).state == "succeeded"


def test_batch_work_never_holds_more_than_its_share():
    erp = Share("erp", Budget(concurrency=4, batch=2))
    with ExitStack() as stack:
        stack.enter_context(erp.slot(1, batch=True))
        stack.enter_context(erp.slot(1, batch=True))

        with pytest.raises(NotNow, match="batch"), erp.slot(0.05, batch=True):
            pass
        stack.enter_context(erp.slot(1))
        stack.enter_context(erp.slot(1))
        with pytest.raises(NotNow, match="all 4 calls"), erp.slot(0.05):
            pass


def test_a_sync_within_one_system_takes_one_place():
    erp = Share("erp", Budget(concurrency=1))

    with BatchShare.of([("erp", erp, 1), ("erp", erp, 1)]).held():
        pass


def test_two_syncs_that_cross_do_not_wait_for_each_other_for_ever():
    one, two = Share("one", Budget(concurrency=1)), Share("two", Budget(concurrency=1))
    there = [("one", one, 2), ("two", two, 2)]
    crossed = []

    def carry(ends):
        for _ in range(200):
            with BatchShare.of(ends).held():
                crossed.append(1)

    threads = [threading.Thread(target=carry, args=(ends,)) for ends in (there, there[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(crossed) == 400


def test_a_share_of_batch_that_is_more_than_all_is_a_mistake():
    with pytest.raises(ValidationError, match="more than all"):
        Budget(concurrency=2, batch=3)


def test_hours_in_which_no_call_fits_are_a_mistake():
    said = {"kind": "sys", "call_timeout_s": 700, "budget": {"hours": {"open": ["08:00-08:10"]}}}

    with pytest.raises(ValidationError, match="never open for as long"):
        AdapterConfig.model_validate(said)
