"""Breakers: a system that fails is left alone, tried by one call, and reads and writes are told apart."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import ME, House
from waiting import eventually

from drawbar.core.breaker import SOUND, Breaker, BreakerRules, Line, admitted, followed
from drawbar.core.budget import Share
from drawbar.core.errors import NotNow, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.policy import Budget

RULES = BreakerRules(failures=3, open_s=5, longest_s=60)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def breaker(clock, told):
    return Breaker("reads of erp", RULES, lambda what, body: told.append((what, body)), clock=clock)


def fail(breaker, error=None, times=1):
    for _ in range(times):
        with pytest.raises((Unavailable, OutcomeUnknown, Rejected)), breaker.watched(10):
            raise error or Unavailable("no route to host")


def succeed(breaker):
    with breaker.watched(10):
        pass


def test_after_some_failures_in_a_row_calls_are_refused_at_once(breaker, told):
    fail(breaker, times=2)
    succeed(breaker)
    fail(breaker, times=2)
    fail(breaker, OutcomeUnknown("no answer"))

    with pytest.raises(Unavailable, match=r"3 calls in a row failed.*no answer") as refused:
        breaker.look()
    assert refused.value.retry_after_s == 5
    assert [what for what, _ in told] == ["system.down"]
    assert told[0][1]["error"] == "no answer"


def test_a_no_of_the_system_is_a_sign_of_life(breaker):
    fail(breaker, times=2)
    fail(breaker, Rejected("unknown customer"))
    fail(breaker, times=2)

    breaker.look()


def test_what_never_left_us_says_nothing_about_the_system(breaker):
    fail(breaker, NotNow("all calls are in use"), times=10)

    breaker.look()


def test_one_call_tries_an_open_line_and_the_others_wait_for_it(breaker, clock, told):
    fail(breaker, times=3)
    clock.now += 5

    with breaker.watched(10):
        with pytest.raises(Unavailable) as refused:
            succeed(breaker)
        assert refused.value.retry_after_s == 1

    succeed(breaker)
    assert [what for what, _ in told] == ["system.down", "system.up"]


def test_a_system_that_stays_away_is_asked_less_and_less(breaker, clock):
    fail(breaker, times=3)
    waits = []
    for _ in range(6):
        clock.now += (left := breaker.error.retry_after_s)
        waits.append(left)
        fail(breaker)

    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_try_that_did_not_reach_the_system_lets_another_try(breaker, clock):
    fail(breaker, times=3)
    clock.now += 5
    fail(breaker, NotNow("closed"))

    succeed(breaker)


def test_a_try_that_never_ends_is_given_up_after_its_time(breaker, clock):
    fail(breaker, times=3)
    clock.now += 5
    breaker.begun(10)
    clock.now += 10

    succeed(breaker)


def test_zero_failures_never_open(clock):
    breaker = Breaker("x", BreakerRules(failures=0), lambda *_: None, clock=clock)
    fail(breaker, times=100)

    breaker.look()


steps = st.lists(st.tuples(st.sampled_from(["well", "badly", "nowhere"]), st.floats(0, 30)), max_size=60)


@given(steps)
def test_a_line_is_open_exactly_when_its_last_calls_failed(steps):
    """Whatever happens: never refused for longer than the longest time, and one success makes it sound."""
    line, now = SOUND, 0.0
    for went, wait_s in steps:
        now += wait_s
        admission = admitted(line, now, 10)
        if isinstance(admission, float):
            assert 0 < admission <= RULES.longest_s
            assert line.failures >= RULES.failures
            continue
        tried = admission is not line
        line = followed(admission, RULES, went, now, tried=tried)
        if went == "well":
            assert line == SOUND
        assert (line.until is None) == (line.failures < RULES.failures)


def test_many_threads_make_one_try(breaker, clock):
    fail(breaker, times=3)
    clock.now += 5
    tried, refused = [], []

    def attempt():
        try:
            with breaker.watched(10):
                tried.append(1)
                eventually(lambda: len(refused) == 19)
        except Unavailable:
            refused.append(1)

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tried) == 1


def test_reads_go_on_while_writes_are_down(tmp_path):
    answers = {"write": Unavailable("read-only"), "read": {}}

    def act(kind):
        def function(_):
            if isinstance(answers[kind], Exception):
                raise answers[kind]
            return answers[kind]

        return function

    with House(tmp_path, {"get": ("read", act("read")), "put": ("write", act("write"))}, {}) as house:
        heard = []
        budget = Budget(breaker=BreakerRules(failures=3, open_s=60))
        house.landscape._entries["sys"].share = Share("sys", budget, tell=lambda *said: heard.append(said[0]))

        def call(tool):
            return house.guard.call(house.guard.prepare(f"sys.{tool}", {}, ME))

        with pytest.raises(Unavailable, match="read-only"):
            call("put")  # three tries
        with pytest.raises(Unavailable, match="left alone"):
            call("put")
        assert call("get").result == {}
        assert house.landscape.state("sys")[0] == "down"

        answers["write"] = {}
        writes = house.landscape._entries["sys"].share.writes
        writes._clock = lambda: time.monotonic() + 60
        assert call("put").result == {}
        assert house.landscape.state("sys") == ("up", None)
        assert heard == ["system.down", "system.up"]


def test_a_sound_line_is_the_same_value_for_ever(breaker):
    succeed(breaker)
    assert breaker._line is SOUND
    assert Line() == SOUND
