"""A system that is down, as many processes see it: one finds out, none hammers it, one tries it again."""

import threading
import time

import pytest
from waiting import eventually

from drawbar.core.breaker import BreakerRules, LeftAlone
from drawbar.core.budget import Share
from drawbar.core.errors import Unavailable
from drawbar.core.policy import Budget
from drawbar.core.slices import Holdings
from drawbar.core.store.budgets import Budgets
from drawbar.core.store.journal import Journal

RULES = BreakerRules(failures=3, open_s=2, longest_s=4)


class Process:
    """What one process has of the budget of `erp`, and a system that answers as a test says."""

    def __init__(self, url, system):
        self.journal = Journal.open(url)
        self.holdings = Holdings(Budgets(self.journal))
        self.told = []
        self.share = Share(
            "erp",
            Budget(breaker=RULES),
            tell=lambda what, body: self.told.append((what, body["line"])),
            holdings=self.holdings,
        )
        self.system = system

    def call(self, effect="read"):
        """Call as the guard does; give what came of it."""
        try:
            with self.share.slot(10), self.share.line(effect).watched(10):
                self.system.answer(effect)
        except LeftAlone:
            return "left alone"
        except Unavailable:
            return "away"
        return "done"

    def close(self):
        self.holdings.close()
        self.journal.close()


class System:
    def __init__(self):
        self.dead = set()
        self.calls = []
        self.takes_s = 0.0

    def answer(self, effect):
        self.calls.append(effect)
        time.sleep(self.takes_s)
        if effect in self.dead:
            raise Unavailable("no route to host")


@pytest.fixture(params=["sqlite", "postgres"])
def ten(request, tmp_path):
    url = f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    system = System()
    processes = [Process(url, system) for _ in range(10)]
    yield processes, system
    for process in processes:
        process.close()


def all_at_once(processes, effect="read"):
    said = []
    threads = [threading.Thread(target=lambda one=one: said.append(one.call(effect))) for one in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_what_one_process_finds_dead_the_others_leave_alone(ten):
    """Each of the others makes one call at most, the one by which it hears; writes go on."""
    processes, system = ten
    system.dead = {"read"}
    finder, *others = processes
    assert [finder.call() for _ in range(5)] == ["away"] * 3 + ["left alone"] * 2

    said = [one.call() for one in others for _ in range(3)]
    writes = [one.call("write") for one in others]

    assert system.calls.count("read") <= 3 + len(others)
    assert said.count("left alone") >= 2 * len(others)
    assert writes == ["done"] * 9
    assert [what for one in processes for what in one.told] == [("system.down", "reads of erp")]


def test_one_call_of_all_processes_tries_it_and_all_go_on_when_it_is_back(ten):
    processes, system = ten
    system.dead = {"read"}
    while processes[0].call() != "left alone":
        pass
    for one in processes[1:]:
        one.call()
    system.calls.clear()
    system.takes_s = 0.2

    first = eventually(lambda: all_at_once(processes), lambda said: "away" in said)
    still = all_at_once(processes)
    tries = list(system.calls)
    system.dead = set()
    eventually(lambda: all_at_once(processes), lambda said: "done" in said)
    eventually(lambda: all_at_once(processes), lambda said: said == ["done"] * 10)
    events = [what for one in processes for what, _ in one.told]

    assert sorted(first) == ["away"] + ["left alone"] * 9
    assert still == ["left alone"] * 10
    assert tries == ["read"]
    assert events.count("system.down") == 1
    assert events.count("system.up") == 1


def test_a_process_that_begins_later_hears_of_it_by_itself(ten):
    processes, system = ten
    system.dead = {"write"}
    while processes[0].call("write") != "left alone":
        pass
    late = processes[5]
    late.call("read")
    time.sleep(0.9)
    system.calls.clear()

    assert late.call("write") in {"left alone", "away"}
    assert late.share.writes.as_json()["error"] == "no route to host"
    assert len(system.calls) <= 1


def test_a_state_that_is_away_leaves_each_process_to_itself(ten, monkeypatch):
    processes, system = ten
    one = processes[0]
    assert one.call() == "done"

    def away(unit):
        raise Unavailable("the database is away")

    monkeypatch.setattr(one.holdings.lines._store, "write", away)
    system.dead = {"read"}
    said = []
    for _ in range(5):
        try:
            with one.share.reads.watched(1):
                system.answer("read")
        except LeftAlone:
            said.append("left alone")
        except Unavailable:
            said.append("away")

    assert said == ["away"] * 3 + ["left alone"] * 2
