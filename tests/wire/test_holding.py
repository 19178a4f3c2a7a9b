"""A budget that several processes share, on one SQLite file and on PostgreSQL: never exceeded, and it moves to who asks."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import holding
import pytest
from waiting import eventually

from drawbar.core.budget import Share
from drawbar.core.errors import NotNow
from drawbar.core.policy import Budget
from drawbar.core.slices import LEASE_S, Holdings
from drawbar.core.store import budgets
from drawbar.core.store.budgets import Budgets
from drawbar.core.store.journal import Journal


@pytest.fixture(params=["sqlite", "postgres"])
def state(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    server = request.getfixturevalue("postgres")
    return server.create_database()


class Crowd:
    def __init__(self, state: str, folder: Path) -> None:
        Journal.open(state).close()
        self._state = state
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def add(
        self, threads: int, seconds: float, call_s: float = 0.02, before_s: float = 0.0, **budget
    ) -> subprocess.Popen[bytes]:
        out = str(self._folder / f"{len(self.processes)}.json")
        said = [self._state, json.dumps(budget), *map(str, (threads, call_s, before_s, seconds)), out]
        path = os.pathsep.join(filter(None, [str(Path(holding.__file__).parent), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen([sys.executable, holding.__file__, *said], env={**os.environ, "PYTHONPATH": path})
        self.processes.append(process)
        return process

    def calls(self) -> list[list[list[float]]]:
        """Wait for all, and give the calls of each that came to its end."""
        found = []
        for number, process in enumerate(self.processes):
            process.wait(60)
            file = self._folder / f"{number}.json"
            found.append(json.loads(file.read_text()) if file.exists() else [])
        return found


@pytest.fixture
def crowd(state, tmp_path):
    crowd = Crowd(state, tmp_path)
    yield crowd
    for process in crowd.processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def holders(store: Budgets) -> list[str]:
    rows = store.write(lambda conn: budgets.rows(conn, "erp", store.now()))
    return [owner for owner, slots, _ in rows if slots]


def most_at_once(calls) -> int:
    edges = sorted([(begun, 1) for begun, _ in calls] + [(ended, -1) for _, ended in calls], key=lambda e: (e[0], e[1]))
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


THERE = pytest.mark.parametrize("state", [pytest.param("sqlite", marks=pytest.mark.slow), "postgres"], indirect=True)


@THERE
def test_three_processes_never_make_more_calls_at_once_than_their_budget_says(crowd):
    for _ in range(3):
        crowd.add(threads=6, seconds=4, concurrency=4)

    each = crowd.calls()

    everything = [call for calls in each for call in calls]
    assert most_at_once(everything) == 4
    assert min(map(len, each)) > len(everything) / 6  # nobody starves
    assert len(everything) > 4 * 2 / 0.02 * 0.4


@pytest.mark.slow
def test_one_slot_goes_round(crowd):
    for _ in range(3):
        crowd.add(threads=2, seconds=7, concurrency=1)

    each = crowd.calls()

    assert most_at_once([call for calls in each for call in calls]) == 1
    assert min(map(len, each)) > 0


@THERE
def test_three_processes_start_no_more_calls_in_a_second_than_their_budget_says(crowd):
    for _ in range(3):
        crowd.add(threads=4, seconds=4, call_s=0.0, concurrency=100, per_second=50)

    starts = sorted(begun for calls in crowd.calls() for begun, _ in calls)

    assert len(starts) > 100
    for first in range(len(starts)):
        within = [one for one in starts[first:] if one < starts[first] + 1]
        assert len(within) <= 75  # three that do not share make 150; who is held up for a moment starts several at once


def test_slots_move_to_who_asks_and_come_back(state):
    """A process that was alone gives half away as soon as another one asks."""
    journals = [Journal.open(state) for _ in range(2)]
    one, two = (Holdings(Budgets(journal)) for journal in journals)
    first, second = (Share("erp", Budget(concurrency=4), holdings=holdings) for holdings in (one, two))
    try:
        slots = [first.slot(5) for _ in range(4)]
        for slot in slots:
            slot.__enter__()
        with pytest.raises(NotNow), second.slot(0.2):
            pass
        for slot in slots[:2]:
            slot.__exit__(None, None, None)
        with second.slot(30), second.slot(30):
            assert sum(Budgets(journals[0]).held().values()) <= 4
        for slot in slots[2:]:
            slot.__exit__(None, None, None)
    finally:
        for closing in (one, two, *journals):
            closing.close()


def test_the_slots_of_a_process_that_dies_come_back(crowd, state):
    dies = crowd.add(threads=4, seconds=60, call_s=50, concurrency=4)
    journal = Journal.open(state)
    holdings = Holdings(Budgets(journal))
    try:
        store = Budgets(journal)
        until = time.monotonic() + 60
        while store.held().get("erp", 0) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        dies.send_signal(signal.SIGKILL)
        dies.wait()
        begun = time.monotonic()

        with Share("erp", Budget(concurrency=4), holdings=holdings).slot(60):
            assert time.monotonic() - begun < LEASE_S + 20
    finally:
        holdings.close()
        journal.close()


@pytest.mark.parametrize("before_s", [0.0, 0.2])
@pytest.mark.parametrize("state", ["sqlite", "postgres"], indirect=True)
@pytest.mark.slow
def test_a_process_that_slept_past_its_lease_starts_nothing_on_it(crowd, state, before_s):
    """What it had begun when it was stopped runs to its end, as with every lease; nothing more is, though it had a place."""
    sleeper = crowd.add(threads=4, seconds=9, before_s=before_s, concurrency=4)
    crowd.add(threads=4, seconds=9, concurrency=4)
    with closing(Journal.open(state)) as journal, closing(Budgets(journal)) as store:
        eventually(lambda: len(holders(store)) == 2)
    sleeper.send_signal(signal.SIGSTOP)
    os.waitpid(sleeper.pid, os.WUNTRACED)  # it is stopped when all of its threads are
    stopped = time.monotonic()
    time.sleep(LEASE_S + 1)
    sleeper.send_signal(signal.SIGCONT)

    slept, other = crowd.calls()

    under_way = [call for call in slept if call[0] < stopped and call[1] > stopped + LEASE_S]
    assert most_at_once([call for call in slept if call not in under_way] + other) <= 4
    assert [call for call in slept if call[0] > stopped + LEASE_S]


def test_a_process_at_rest_holds_nothing(state):
    journal = Journal.open(state)
    store = Budgets(journal)
    holdings = Holdings(store)
    try:
        with Share("erp", Budget(), holdings=holdings).slot(5):
            assert store.held()["erp"] >= 1

        eventually(lambda: store.held() == {})
    finally:
        holdings.close()
        journal.close()


def test_the_share_of_batch_holds_across_processes(state):
    journals = [Journal.open(state) for _ in range(2)]
    held = [Holdings(Budgets(journal)) for journal in journals]
    one, two = (Share("erp", Budget(concurrency=4, batch=1), holdings=holdings) for holdings in held)
    try:
        with one.slot(5, batch=True):
            with pytest.raises(NotNow, match="batch"), two.slot(0.3, batch=True):
                pass
            with two.slot(5):
                pass
        with two.slot(5, batch=True):
            pass
    finally:
        for closing in (*held, *journals):
            closing.close()
