"""A database written by the last release opens in this one, and what was under way in it comes to its right end."""

import sqlite3
import subprocess
import tarfile
import time
from collections import Counter
from contextlib import closing
from io import BytesIO
from itertools import product
from pathlib import Path

import many
import psycopg
import pytest
import rolling
from leaving import FLOWS, LEFT, RULES, functions
from scripted import ME, OTHER, House
from servers.process import ROOT

from drawbar.core.errors import InputError
from drawbar.core.store.history import TRIES
from drawbar.core.store.journal import Journal
from drawbar.core.store.tables import VERSION

DATA = Path(__file__).parent.parent / "data"
ON_POSTGRES = pytest.mark.wire("postgres")
EACH = pytest.mark.parametrize(
    "left",
    [
        pytest.param((version, kind), id=f"{version}-{kind}", marks=marks)
        for version, (kind, marks) in product(FLOWS, [("sqlite", ()), ("postgresql", ON_POSTGRES)])
    ],
    indirect=True,
)


@pytest.fixture
def left(request, tmp_path, monkeypatch):
    """An earlier version, and the URL of the journal that it left."""
    version, kind = request.param
    text = (DATA / f"journal_v{version}.{kind}.sql").read_text()
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "state.db")) as conn:
            conn.executescript(text)
        url = f"sqlite:///{tmp_path}/state.db"
    else:
        url = request.getfixturevalue("pg_url")
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as conn:
            conn.execute(text)
    monkeypatch.setattr(House, "state", url)
    return version, url


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
    """Do what people do: approve, and answer for an agent."""
    for asked in house.desk.approvals():
        house.desk.answer(asked["id"], approved=True, caller=OTHER)
    for handed in house.assignments.page(caller=OTHER):
        house.assignments.answer(handed["id"], caller=OTHER, output={})


def runs_of(house):
    found = {}
    for run in sorted(house.engine.runs(limit=100), key=lambda run: run.id):
        found.setdefault(run.workflow, []).append(run.id)
    return found


@EACH
def test_what_an_earlier_version_left_comes_to_its_right_end(left, tmp_path):
    """Waiting, delayed, parked, paused, queued, open, killed in a call: each effect is there once."""
    version, url = left
    flows = FLOWS[version]
    assert migrated(url).before == version
    calls = []
    with House(tmp_path, functions(calls), flows, rules=RULES) as house:
        runs = runs_of(house)
        [parked], [paused], [writing] = runs["parked"], runs["paused"], runs["writing"]
        assert {*runs} == {*flows}
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

    fails = {"failed", "undone"}
    assert ended == {name: ["failed" if name in fails else "succeeded"] * len(ids) for name, ids in runs.items()}
    paid = {one for name, ids in runs.items() for one in ids if name not in {"done", "guarded", *fails}}
    expected = {("pay", one) for one in paid} | {("item", n) for n in range(2, 6)}
    expected |= {("undo", one) for one in runs.get("undone", [])}
    expected |= {
        (name, runs[of][0]) for name, of in {"guarded": "guarded", "flaky": "delayed", "hang_read": "reading"}.items()
    }
    expected |= {("hang_write", writing), ("look", runs["ready"][0])}
    assert Counter(calls) == dict.fromkeys(expected, 1)
    assert again.state == "succeeded"
    assert again.output is None


def test_every_earlier_version_left_a_journal():
    assert {*FLOWS} == {*range(1, VERSION)}


@EACH
def test_it_is_left_as_the_fixture_says(left):
    """Who writes the fixture again keeps what it is about."""
    version, url = left
    migrated(url)
    with closing(Journal.open(url)) as journal, journal.read() as conn:
        rows = conn.exec_driver_sql(
            "select workflow, task, item, t.state from task_runs t join runs on id = run_id where t.state <> 'pending'"
        )
        found = {}
        for workflow, task, item, state in rows:
            found.setdefault(workflow, {})[task if item < 0 else f"{task}/{item}"] = state
        versions = {row[0] for row in conn.exec_driver_sql("select journal_version from runs")}

    assert found == LEFT[version]
    assert versions == {version}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The folder with the package of the version before, out of git."""
    found = subprocess.run(["git", "archive", rolling.BEFORE], cwd=ROOT, capture_output=True, timeout=60, check=False)
    if found.returncode:
        pytest.skip("this checkout has no history: the version before is not in it")
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(fileobj=BytesIO(found.stdout)) as files:
        files.extractall(folder / "drawbar", filter="data")
    return folder


@pytest.fixture
def place(tmp_path, pg_url, monkeypatch):
    """A database for effects and journal, and workers that are gone at the end."""
    monkeypatch.setattr(House, "state", pg_url)
    many.prepare(pg_url)
    workers = []

    def add(version=VERSION, code=None):
        workers.append(rolling.Worker(tmp_path, pg_url, version, code))
        return workers[-1]

    yield add, pg_url
    for worker in workers:
        worker.kill()


def all_once(url, tmp_path, ids):
    """Wait until all are over; give their states, and the effects of each write."""
    house = many.house(tmp_path)
    states = Counter(house.engine.wait(one, 60).state for one in ids)
    house.end()
    done = many.effects(url)
    return states, Counter(done[f"{one}/{name}"] for one in ids for name in many.WRITES)


@pytest.mark.slow
@ON_POSTGRES
def test_a_rolling_upgrade_with_runs_in_flight(place, tmp_path):
    """The version before works beside ours until SIGTERM, and leaves our runs to us."""
    add, url = place
    migrated(url)
    old = add(VERSION - 1)
    olds = old.start(20)
    new = add()
    news = new.start(20)
    olds += old.start(10)
    time.sleep(0.3)
    code = old.drain()
    news += new.start(10)

    states, effects = all_once(url, tmp_path, [*olds, *news])

    assert code == 0
    assert states == {"succeeded": 60}
    assert effects == {1: 60 * len(many.WRITES)}
    with many.connected(url) as conn:
        by = conn.execute(f"select journal_version, owner from ({TRIES}) as tries join runs on id = run_id").fetchall()
    assert {version for version, owner in by if owner == old.owner} == {VERSION - 1}
    assert {version for version, owner in by if owner == new.owner} == {VERSION - 1, VERSION}


@pytest.mark.slow
@ON_POSTGRES
def test_a_run_that_the_older_program_cannot_begin_is_begun_by_the_newer(place, tmp_path):
    """It frees the key that a run of ours waits for."""
    _, url = place
    flow = {"key": "${{ input.k }}", "tasks": {"rest": {"wait_s": 1}}}
    with House(tmp_path, {}, {"w": flow}) as house:
        first, second = (house.engine.start("w", {"k": 1}, caller=ME).id for _ in range(2))
        with many.connected(url) as conn:
            conn.execute("update runs set journal_version = %s where id = %s", (VERSION + 1, second))
        assert house.engine.wait(first, 60).state == "succeeded"
        with pytest.raises(InputError, match="newer Drawbar's"):
            house.engine.cancel(second, caller=ME)
        with many.connected(url) as conn:
            conn.execute("update runs set journal_version = %s where id = %s", (VERSION, second))
        assert house.engine.wait(second, 60).state == "succeeded"


@pytest.mark.slow
@ON_POSTGRES
def test_the_version_before_works_on_while_its_journal_is_migrated(place, tmp_path, released):
    """Its own code, out of git: migrated under it, joined by ours, started once more, and told to go."""
    add, url = place
    old = add(VERSION - 1, released)
    ids = old.start(20)
    assert migrated(url).before == VERSION - 1
    ids += old.start(10)
    new = add()
    ids += new.start(10)
    assert old.drain() == 0
    again = add(VERSION - 1, released)
    ids += again.start(10)
    assert again.drain() == 0

    states, effects = all_once(url, tmp_path, ids)

    assert states == {"succeeded": 50}
    assert effects == {1: 50 * len(many.WRITES)}
