"""How often, how many at once and how far an agent may call, in all processes of a state together."""

import threading
import time
from dataclasses import replace

import pytest

from drawbar.core import limits
from drawbar.core.access import AgentConfig, Caller
from drawbar.core.errors import InputError
from drawbar.core.limits import Limits
from drawbar.core.slices import Holdings
from drawbar.core.store.budgets import Budgets
from drawbar.core.store.journal import Journal


@pytest.fixture
def processes(tmp_path):
    """Two processes of one state, as far as limits know."""
    journals = [Journal.open(f"sqlite:///{tmp_path}/state.db") for _ in range(2)]
    holdings = [Holdings(Budgets(journal)) for journal in journals]
    yield [Limits(one) for one in holdings]
    for one in (*holdings, *journals):
        one.close()


def clerk(**said):
    return Caller.agent("clerk", AgentConfig(**said))


def counted(limits, caller, most):
    """Call until it is refused, and say how often that went well."""
    for number in range(most):
        try:
            limits.count(caller)
        except InputError:
            return number
    return most


@pytest.mark.parametrize("per_minute", [1, 7, 60, 199])
def test_all_processes_together_keep_to_a_minute(processes, per_minute):
    caller = clerk(per_minute=per_minute)

    assert counted(processes[0], caller, per_minute // 2) + counted(processes[1], caller, 500) == per_minute
    assert counted(processes[0], caller, 5) == 0


def test_a_large_minute_is_leased_in_slices_and_hardly_anything_of_it_is_lost(processes):
    caller = clerk(per_minute=5000)

    made = sum(counted(one, caller, 9000) for one in processes)

    assert 5000 - 2 * 50 <= made <= 5000


def test_who_is_refused_hears_when_to_come_back(processes):
    caller = clerk(per_minute=2)
    first = processes[0].count(caller)
    assert (first.limit, first.left, round(first.reset_s)) == (2, 1, 60)
    assert processes[1].count(caller).left == 0

    with pytest.raises(InputError) as refused:
        processes[0].count(caller)

    assert (refused.value.status, refused.value.happened) == (429, "no")
    assert 0 < refused.value.retry_after_s <= 60
    assert "per_minute" in refused.value.next


def test_a_refusal_is_answered_from_memory(processes, monkeypatch):
    caller = clerk(per_minute=1)
    counted(processes[0], caller, 2)
    monkeypatch.setattr(processes[0]._holdings, "write", lambda unit: pytest.fail("it looked at the state"))

    with pytest.raises(InputError):
        processes[0].minute(caller).spend()


def test_never_more_than_allowed_in_any_minute_that_one_looks_at(processes, monkeypatch):
    monkeypatch.setattr(limits, "MINUTE_S", 0.4)
    monkeypatch.setattr(limits, "_SLOT_S", 0.05)
    caller, made, until = clerk(per_minute=300), [], time.monotonic() + 1.3

    def call(one):
        while time.monotonic() < until:
            try:
                one.count(caller)
                made.append(time.monotonic())
            except InputError:
                time.sleep(0.002)

    threads = [threading.Thread(target=call, args=(one,)) for one in processes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made.sort()
    most = max(sum(1 for at in made if start <= at < start + 0.38) for start in made[::7])
    assert most <= 300
    assert len(made) >= 600


def test_another_limit_holds_at_once(processes):
    assert counted(processes[0], clerk(per_minute=3), 9) == 3
    assert counted(processes[0], clerk(per_minute=5), 9) == 2


def test_calls_under_way_are_counted_in_all_processes(processes):
    caller = clerk(concurrency=2)
    first, second = processes
    with first.at_work(caller), second.at_work(caller), pytest.raises(InputError) as refused, first.at_work(caller):
        pass
    assert (refused.value.reason, refused.value.retry_after_s) == ("rate", 1)
    with second.at_work(caller), second.at_work(caller):
        pass


def test_a_session_ends_after_its_steps_wherever_they_were_made(processes):
    night = replace(clerk(max_steps=3), session="night")
    for one in (0, 1, 0):
        processes[one].step(night)

    with pytest.raises(InputError) as refused:
        processes[1].step(night)

    assert "call nothing more" in refused.value.next
    processes[1].step(replace(night, session="day"))
    processes[1].step(replace(night, name="lead"))
    processes[0].step(replace(night, session=None))


def test_what_is_over_is_swept_away(processes, monkeypatch):
    monkeypatch.setattr(limits, "SESSION_S", 0.01)
    monkeypatch.setattr(limits, "_SWEEP_S", 0.0)
    for name in "abc":
        processes[0].step(replace(clerk(max_steps=3), session=name))
    time.sleep(0.02)
    processes[0].count(clerk(per_minute=3))

    left = processes[0]._holdings.write(lambda conn: conn.exec_driver_sql("select name from allowances").fetchall())

    assert [row[0] for row in left] == ["minute:clerk"]
