"""A database written by the last release opens in this one, and what was under way in it comes to its right end."""

import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from scripted import ME, OTHER, House
from upgrading import FLOWS, LEFT, RULES, functions

from drawbar.core.store.journal import Journal

DATA = Path(__file__).parent.parent / "data"
BOTH = pytest.mark.parametrize(
    "left", ["sqlite", pytest.param("postgresql", marks=pytest.mark.wire("postgres"))], indirect=True
)


@pytest.fixture
def left(request, tmp_path, monkeypatch):
    """The URL of a journal that the first release left."""
    text = (DATA / f"journal_v1.{request.param}.sql").read_text()
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "state.db")) as conn:
            conn.executescript(text)
        url = f"sqlite:///{tmp_path}/state.db"
    else:
        url = request.getfixturevalue("pg_url")
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as conn:
            conn.execute(text)
    monkeypatch.setattr(House, "state", url)
    return url


def migrated(url):
    with closing(Journal.open(url, migrate=True)) as journal:
        return journal.upgraded


def until(is_so, timeout_s=40):
    end = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def answered(house):
    """Do what people do: approve, resume, and say what became of the writes."""
    for asked in house.desk.approvals():
        house.desk.answer(asked["id"], approved=True, caller=OTHER)


def runs_of(house):
    found = {}
    for run in sorted(house.engine.runs(limit=100), key=lambda run: run.id):
        found.setdefault(run.workflow, []).append(run.id)
    return found


@BOTH
def test_what_the_first_release_left_comes_to_its_right_end(left, tmp_path):
    """Waiting, delayed, parked, paused, queued, open, killed in a call: each effect is there once."""
    assert migrated(left).before == 1
    calls = []
    with House(tmp_path, functions(calls), FLOWS, rules=RULES) as house:
        runs = runs_of(house)
        [parked], [paused], [writing] = runs["parked"], runs["paused"], runs["writing"]
        assert {*runs} == {*FLOWS}
        assert (house.engine.run(paused).state, house.engine.run(runs["keyed"][1]).state) == ("paused", "queued")
        house.engine.resume(paused, caller=ME)
        house.until(writing, "parked", 40)
        entries = {entry["run_id"]: entry["id"] for entry in house.desk.dead_letters() if entry["run_id"]}
        house.desk.settle(entries[parked], done=True, caller=OTHER, result={"n": 1})
        house.desk.settle(entries[writing], done=False, caller=OTHER)

        def over():
            answered(house)
            return all(run.is_final for run in house.engine.runs(limit=100))

        until(over)
        ended = {name: [house.engine.run(one).state for one in ids] for name, ids in runs.items()}
        again = house.run("done")

    assert ended == {name: ["failed" if name == "failed" else "succeeded"] * len(ids) for name, ids in runs.items()}
    paid = {one for name, ids in runs.items() for one in ids if name not in {"done", "failed", "guarded"}}
    expected = {("pay", one) for one in paid} | {("item", n) for n in range(2, 6)}
    expected |= {
        (name, runs[of][0]) for name, of in {"guarded": "guarded", "flaky": "delayed", "hang_read": "reading"}.items()
    }
    expected |= {("hang_write", writing), ("look", runs["ready"][0])}
    assert Counter(calls) == dict.fromkeys(expected, 1)
    assert again.state == "succeeded"
    assert again.output is None


@BOTH
def test_it_is_left_as_the_fixture_says(left):
    """Who writes the fixture again keeps what it is about."""
    migrated(left)
    with closing(Journal.open(left)) as journal, journal.read() as conn:
        rows = conn.exec_driver_sql(
            "select workflow, task, item, t.state from task_runs t join runs on id = run_id where t.state <> 'pending'"
        )
        found = {}
        for workflow, task, item, state in rows:
            found.setdefault(workflow, {})[task if item < 0 else f"{task}/{item}"] = state
        versions = {row[0] for row in conn.exec_driver_sql("select journal_version from runs")}

    assert found == LEFT
    assert versions == {1}
