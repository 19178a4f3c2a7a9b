"""kill -9 at random moments, again and again: what was done stays done, and no write is done twice."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import crashing
import pytest
from scripted import ME, OTHER, House

from drawbar.core.context import Context

TESTS = Path(crashing.__file__).parent


def times(few, many, many_there):
    """Give how often something is killed: embedded, and workers on PostgreSQL, of which each kill costs a lease."""
    return pytest.mark.parametrize(
        ("engines", "kills"),
        [
            ("sqlite", few),
            pytest.param("sqlite", many, marks=pytest.mark.slow),
            pytest.param("postgresql", many_there, marks=pytest.mark.slow),
        ],
        indirect=["engines"],
    )


class Engines:
    """Two engines on one journal, each killed and replaced again and again."""

    def __init__(self, folder):
        self.folder = folder
        self.kills = 0
        crashing.prepare(folder)
        crashing.house(folder).end()
        self._forker = subprocess.Popen(
            [sys.executable, crashing.__file__, str(folder), *([House.state] if House.state else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        self.pids = [self.fork(), self.fork()]

    def fork(self):
        self._forker.stdin.write("\n")
        self._forker.stdin.flush()
        return int(self._forker.stdout.readline())

    def kill_one(self, at="%"):
        """Kill the older one; where it has a database to open first, not before it has done something of this kind."""
        until = time.monotonic() + 5
        while House.state and not self._has_done(self.pids[0], at) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.2 if House.state else 0.3))
        os.kill(self.pids.pop(0), signal.SIGKILL)
        self.kills += 1
        self.pids.append(self.fork())

    def _has_done(self, pid, place):
        with closing(sqlite3.connect(self.folder / "effects.db")) as conn:
            return conn.execute("SELECT 1 FROM effects WHERE pid = ? AND place LIKE ?", (pid, place)).fetchone()

    def effects(self):
        with closing(sqlite3.connect(self.folder / "effects.db")) as conn:
            return Counter(place for (place,) in conn.execute("SELECT place FROM effects"))

    def close(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        self._forker.stdin.close()
        self._forker.wait(60)


@pytest.fixture
def engines(tmp_path, request, monkeypatch):
    if request.param == "postgresql":
        monkeypatch.setattr(House, "state", request.getfixturevalue("pg_url"))
    engines = Engines(tmp_path)
    yield engines
    engines.close()


def settle_by_the_truth(house, done):
    """Do what an operator does: look at the other system, and say what is there."""
    unsure = [letter for letter in house.desk.dead_letters() if letter["tool"] == "sys.unsure"]
    for letter in unsure:
        detail = house.desk.dead_letter(letter["id"])
        place = detail["arguments"]["place"]
        house.desk.settle(letter["id"], done=place in done, result=place, caller=OTHER, reason="looked")
    return len(unsure)


def to_the_end(house, engines, ids):
    parked, until = 0, time.monotonic() + 100
    while waiting := [one for one in ids if not house.engine.run(one).is_final]:
        assert time.monotonic() < until, Counter(house.engine.run(one).state for one in waiting)
        if all(house.engine.run(one).state == "parked" for one in waiting):
            parked += settle_by_the_truth(house, engines.effects())
        time.sleep(0.1)
    return parked


@times(30, 400, 60)
def test_kill_9_at_random_moments_loses_nothing_and_doubles_no_write(engines, tmp_path, kills):
    """
    Writes with a probe find out by themselves; without one they are parked, and a person settles them.

    Nothing finished is done again: a read runs once more at most for each attempt that was lost.
    """
    house = crashing.house(tmp_path)
    ids = []
    while engines.kills < kills:
        ids += [house.engine.start(name, {}, caller=ME).id for name in ("sure", "unsure", "sure", "sure")]
        engines.kill_one()

    parked = to_the_end(house, engines, ids)

    effects, hit = engines.effects(), 0
    assert engines.kills >= kills
    assert {house.engine.run(one).state for one in ids} == {"succeeded"}
    for one in ids:
        assert {name: effects[f"{one}/{name}"] for name in crashing.WRITES} == dict.fromkeys(crashing.WRITES, 1)
        lost = Counter(said["task"] for said in house.engine.attempts(one) if said["state"] == "lost")
        hit += lost.total()
        for name in crashing.READS:
            assert 1 <= effects[f"{one}/{name}"] <= 1 + lost[name]
    print(f"{kills} kills hit {hit} tasks of {len(ids)} runs; {parked} writes were settled by a person")
    assert hit > kills / 4, "most kills met an idle process: this proves little"
    house.end()


def done_and_undone(house, engines, run_id):
    """Give the places as the journal says they were done, and as the other system says they were undone."""
    with house.journal.read() as conn:
        rows = conn.exec_driver_sql(
            f"SELECT task, item FROM task_runs WHERE run_id = '{run_id}' AND done_no < 0 ORDER BY done_no DESC"
        ).all()
    with closing(sqlite3.connect(engines.folder / "effects.db")) as conn:
        seen = conn.execute(
            "SELECT place FROM effects WHERE place LIKE ? ORDER BY rowid", (f"{run_id}/%/undone",)
        ).fetchall()
    done = [f"{run_id}/{task}" if item < 0 else f"{run_id}/{task}/{'abc'[item]}" for task, item in rows]
    return done, [place.removesuffix("/undone") for (place,) in seen]


@pytest.mark.slow
@times(20, 300, 60)
def test_kill_9_in_the_middle_of_undoing_undoes_each_thing_once_and_backward(engines, tmp_path, kills):
    """Whoever goes on knows from the journal what is left to be undone, and in which order."""
    house = crashing.house(tmp_path)
    ids = []
    while engines.kills < kills:
        ids += [house.engine.start(name, {}, caller=ME).id for name in ("back_sure", "back_unsure", "back_sure")]
        engines.kill_one("%/undone")

    parked = to_the_end(house, engines, ids)

    effects, hit = engines.effects(), 0
    assert {house.engine.run(one).state for one in ids} == {"failed"}
    for one in ids:
        assert {name: effects[f"{one}/{name}"] for name in crashing.WRITES} == dict.fromkeys(crashing.WRITES, 1)
        done, undone = done_and_undone(house, engines, one)
        assert len(done) == len(crashing.WRITES)
        assert undone == done[::-1]
        attempts = house.engine.attempts(one)
        hit += sum(said["state"] == "lost" and said["task"].startswith("compensate:") for said in attempts)
    print(f"{kills} kills hit {hit} compensations of {len(ids)} runs; {parked} writes were settled by a person")
    assert hit > kills / 10, "most kills met no compensation: this proves little"
    house.end()


@times(20, 300, 60)
def test_kill_9_between_children_and_their_parents_loses_no_child_and_doubles_none(engines, tmp_path, kills):
    """Each task has one child, each child tells its end once, and what a task saves is saved once."""
    house = crashing.house(tmp_path)
    ids = []
    while engines.kills < kills:
        ids += [house.engine.start("above", {}, caller=ME).id for _ in range(2)]
        engines.kill_one()

    to_the_end(house, engines, ids)

    effects, hit = engines.effects(), 0
    assert {house.engine.run(one).state for one in ids} == {"succeeded"}
    for one in ids:
        wanted = dict.fromkeys(crashing.ABOVE_WRITES, 1)
        assert {name: effects[f"{one}/{name}"] for name in wanted} == wanted
        below = house.engine.runs(parent=one)
        assert sorted((run.parent_task, run.parent_item) for run in below if run.parent_item is not None) == [
            ("subs", 0),
            ("subs", 1),
            ("subs", 2),
        ]
        assert len(below) == 4
        lost = [house.engine.attempts(run) for run in (one, *(run.id for run in below))]
        hit += sum(said["state"] == "lost" for attempts in lost for said in attempts)
    assert Context(house.journal).get("crashes", "ended").version == len(ids)
    print(f"{kills} kills hit {hit} tasks of {len(ids)} runs and their children")
    assert hit > kills / 4, "most kills met an idle process: this proves little"
    house.end()
