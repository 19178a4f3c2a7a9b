"""State on PostgreSQL: many processes, one truth, and what happens when a process or the database dies."""

import os
import re
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import many
import pytest
import scripted
from scripted import ME, House
from servers.postgres import Postgres
from sqlalchemy import text

from drawbar.core.errors import ConfigError, Unavailable
from drawbar.core.events import Events
from drawbar.core.store import children, claims, events, history, ledger, runs
from drawbar.core.store import postgres as pg
from drawbar.core.store.history import TRIES
from drawbar.core.store.journal import Away, Journal
from drawbar.core.store.statement import Statement

TESTS = Path(scripted.__file__).parent
ADD = Statement(
    "INSERT INTO documents (scope, key, body, version, created_at, updated_at) VALUES ('s', :key, '{}', 1, 0, 0)"
)
COUNT = "select count(*) from documents"


@pytest.fixture
def journal(pg_url):
    journal = Journal.open(pg_url)
    yield journal
    journal.close()


@pytest.fixture
def on_postgres(pg_url, monkeypatch):
    monkeypatch.setattr(House, "state", pg_url)
    return pg_url


def count(journal):
    with journal.read() as conn:
        return conn.exec_driver_sql(COUNT).scalar()


def at_once(*acts):
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)


def steps(**tasks):
    return {"w": {"tasks": {name: {"tool": "sys.do", **said} for name, said in tasks.items()}}}


def test_a_unit_that_fails_leaves_nothing_and_readers_write_nothing(journal):
    def bad(conn):
        ADD(conn, key="bad")
        raise ValueError("after the row")

    with pytest.raises(ValueError, match="after the row"):
        journal.write(bad)
    with pytest.raises(Exception, match="read-only"), journal.read() as conn:
        ADD(conn, key="read")

    assert count(journal) == 0


def test_a_reader_sees_one_moment(journal):
    with journal.read() as conn:
        before = conn.exec_driver_sql(COUNT).scalar()
        journal.write(lambda other: ADD(other, key="late") and None)
        assert conn.exec_driver_sql(COUNT).scalar() == before == 0
    assert count(journal) == 1


def test_units_that_meet_are_run_again_instead_of_failing(journal):
    """Two look for a row at once and both insert it; two take the same two rows the other way round."""
    for key in ("a", "b"):
        journal.write(lambda conn, key=key: ADD(conn, key=key) and None)
    meet = {"insert": threading.Barrier(2), "a": threading.Barrier(2)}

    def look_and_add(conn):
        if conn.execute(text("select 1 from documents where key = 'new'")).first() is None:
            with_others(meet["insert"])
            ADD(conn, key="new")

    def change(first, second):
        def unit(conn):
            conn.execute(text("update documents set version = version + 1 where key = :k"), {"k": first})
            with_others(meet["a"])
            conn.execute(text("update documents set version = version + 1 where key = :k"), {"k": second})

        return lambda: journal.write(unit)

    at_once(*[lambda: journal.write(look_and_add)] * 2)
    at_once(change("a", "b"), change("b", "a"))

    with journal.read() as conn:
        versions = dict(conn.execute(text("select key, version from documents")).all())
    assert versions == {"a": 3, "b": 3, "new": 1}


def with_others(barrier):
    """Meet once; a unit that is run again finds nobody there and goes on."""
    try:
        barrier.wait(2)
    except threading.BrokenBarrierError:
        return


def test_two_processes_that_open_an_empty_database_at_once_make_one_journal(pg_url):
    opened = []
    at_once(*[lambda: opened.append(Journal.open(pg_url))] * 6)

    assert len(opened) == 6
    assert max(one.now() for one in opened) - min(one.now() for one in opened) < 5
    for one in opened:
        one.close()


def test_a_database_that_lets_nobody_in_is_an_error_of_the_configuration(postgres):
    with pytest.raises(ConfigError, match="does not exist"):
        Journal.open(postgres.database_url("nobody_made_it"))
    with pytest.raises(ConfigError, match="authentication failed") as wrong:
        Journal.open(f"postgresql+psycopg://{postgres.username}:wr0ng@127.0.0.1:{postgres.port}/postgres")
    with pytest.raises(Unavailable, match="refused"):
        Journal.open("postgresql+psycopg://u:pw@127.0.0.1:1/x")
    assert "wr0ng" not in str(wrong.value)


def test_a_database_that_goes_silent_holds_no_thread_for_ever(pg_url, postgres, proxy, monkeypatch):
    """The chaos run found it: a thread that waits for ever keeps its task, since its lease is renewed on another line."""
    monkeypatch.setattr(pg, "_SILENT_S", 1.0)
    between = proxy(postgres.port)
    with closing(Journal.open(pg_url.replace(str(postgres.port), str(between.port)))) as journal:
        journal.write(lambda conn: ADD(conn, key="before") and None)
        assert count(journal) == 1
        between.stall("down")

        with pytest.raises(Away):
            journal.write(lambda conn: ADD(conn, key="silent") and None)
        between.flow()
        assert count(journal) in {1, 2}  # nobody can say whether that commit was made
        between.stall("down")
        with pytest.raises(Away):
            count(journal)
        between.flow()
        journal.write(lambda conn: ADD(conn, key="after") and None)
        assert count(journal) in {2, 3}


def test_a_reader_of_events_beside_8_writers_misses_none(journal):
    """Rows become visible out of order; their public numbers do not."""
    writers, each = 8, 250
    seen, stop = [], threading.Event()

    def write(writer):
        for number in range(each):
            journal.write(lambda conn, said=f"{writer}.{number}": _add_slowly(conn, said))

    def read():
        for event in Events(journal).follow(0, stop, poll_s=0.005):
            seen.append(event)
            if len(seen) == writers * each:
                stop.set()

    late = threading.Timer(60, stop.set)
    late.start()
    at_once(read, *[lambda writer=writer: write(writer) for writer in range(writers)])
    late.cancel()

    ids = [event.id for event in seen]
    assert ids == sorted(set(ids))
    assert Counter(event.body for event in seen) == Counter(f"{w}.{n}" for w in range(writers) for n in range(each))


def _add_slowly(conn, said):
    events.add(conn, "test.said", body=said)
    if hash(said) % 5 == 0:
        time.sleep(0.002)


def test_a_run_that_queues_behind_one_that_just_ends_is_never_forgotten(tmp_path, on_postgres):
    flow = steps(a={})
    flow["w"]["key"] = "${{ input.k }}"
    with House(tmp_path, {"do": ("read", lambda _: None)}, flow, threads=8) as house:
        ids = []

        def start():
            ids.extend(house.engine.start("w", {"k": number % 3}, caller=ME).id for number in range(40))

        at_once(*[start] * 4)

        assert Counter(house.engine.wait(one, 60).state for one in ids) == {"succeeded": 160}


def test_one_trigger_starts_one_run_however_many_hear_it(tmp_path, on_postgres):
    with ExitStack() as stack:
        houses = [stack.enter_context(House(tmp_path, {"do": ("read", lambda _: 1)}, steps(a={}))) for _ in range(3)]
        ids = []

        def start(house):
            ids.extend(
                house.engine.start("w", {}, caller=ME, trigger_id=f"message {number}").id for number in range(30)
            )

        at_once(*[lambda house=house: start(house) for house in houses])

        assert len(ids) == 90
        assert len(set(ids)) == 30


def test_two_calls_under_one_business_key_at_once_have_one_effect(tmp_path, on_postgres):
    paid = []

    def pay(arguments):
        time.sleep(0.05)
        paid.append(arguments["n"])
        return {"id": arguments["n"]}

    rules = {"do": {"key": "${{ arguments.n }}"}}
    flow = steps(pay={"with": {"n": "${{ input.n }}"}})
    with House(tmp_path, {"do": ("write", pay)}, flow, rules=rules) as house:
        ids = []
        at_once(*[lambda n=n: ids.append(house.engine.start("w", {"n": n % 4}, caller=ME).id) for n in range(12)])

        assert Counter(house.engine.wait(one, 60).state for one in ids) == {"succeeded": 12}
        assert sorted(paid) == [0, 1, 2, 3]


def test_two_engines_share_the_tasks_and_do_each_once(tmp_path, on_postgres):
    calls = Counter()

    def do(arguments):
        calls[arguments["n"]] += 1
        time.sleep(0.002)
        return arguments["n"]

    flow = steps(each={"for_each": {"in": "${{ input.list }}", "concurrency": 8}, "with": {"n": "${{ item }}"}})
    with House(tmp_path, {"do": ("write", do)}, flow, threads=3) as one:
        two = House(tmp_path, {"do": ("write", do)}, flow, threads=3).begin()
        ids = [one.engine.start("w", {"list": [f"{r}.{n}" for n in range(25)]}, caller=ME).id for r in range(12)]

        assert Counter(one.engine.wait(run, 60).state for run in ids) == {"succeeded": 12}
        owners = {said["owner"] for run in ids for said in one.engine.attempts(run)}
        two.end()

    assert set(calls.values()) == {1}
    assert len(calls) == 300
    assert len(owners) == 2


PAY = {"w": {"tasks": {f"t{n}": {"tool": "sys.do", "with": {"n": "${{ run.id }}"}} for n in range(3)}}}


@pytest.mark.slow
def test_postgresql_killed_in_the_middle_of_our_commits_loses_and_doubles_nothing(tmp_path, monkeypatch):
    """Some of the commits were made though nobody heard of it: no run hangs, and no write is sent twice."""
    calls = Counter()

    def do(arguments):
        calls[arguments["n"]] += 1
        time.sleep(0.005)

    with Postgres() as server:
        monkeypatch.setattr(House, "state", server.create_database())
        flow = {"w": {"tasks": {**PAY["w"]["tasks"], "last": {"tool": "sys.do", "needs": ["t0", "t1", "t2"], "with": {"n": "${{ run.id }}"}}}}}  # fmt: skip
        with House(tmp_path, {"do": ("write", do)}, flow, threads=8) as house:
            ids, stop = [], threading.Event()

            def start():
                while not stop.is_set():
                    try:
                        ids.append(house.engine.start("w", {}, caller=ME).id)
                    except Unavailable:
                        time.sleep(0.05)

            starter = threading.Thread(target=start)
            starter.start()
            for _ in range(4):
                time.sleep(0.7)
                server.crash()
            stop.set()
            starter.join(30)
            states = Counter(house.engine.wait(one, 90).state for one in ids)

            assert set(states) <= {"succeeded", "parked"}, states
            assert len(ids) > 20
            for one in house.engine.runs(limit=100_000):
                assert one.state in {"succeeded", "parked", "running"} and calls[one.id] <= 4
            assert all(calls[one] == 4 for one in ids if house.engine.run(one).state == "succeeded")


def test_a_commit_whose_answer_was_lost_is_not_made_twice_and_not_forgotten(tmp_path, on_postgres, monkeypatch):
    """The outcome was stored, and the engine hears an error: it looks before it stores it once more."""
    with House(tmp_path, {"do": ("write", lambda _: {"id": 7})}, steps(a={}, b={"needs": ["a"]})) as house:
        real, lost = house.journal.write, []

        def write(unit):
            result = real(unit)
            if threading.current_thread().name.startswith("drawbar-task") and len(lost) < 1:
                with real_read(house) as conn:
                    done = conn.exec_driver_sql(f"select count(*) from ({TRIES}) as tries").scalar()
                if done:
                    lost.append(True)
                    raise Unavailable("the answer to this commit was lost")
            return result

        monkeypatch.setattr(house.journal, "write", write)
        run = house.run("w", timeout_s=60)

        assert lost
        assert run.state == "succeeded"
        assert [said["state"] for said in house.engine.attempts(run.id, "a")] == ["succeeded"]
        assert "task.stale" not in house.types(run.id)


def real_read(house):
    return house.journal.read()


def test_an_intent_whose_commit_was_lost_sends_nothing_and_is_tried_again(tmp_path, on_postgres, monkeypatch):
    calls = []
    with House(tmp_path, {"do": ("write", lambda _: calls.append(1))}, steps(a={"retry": {"attempts": 1}})) as house:
        real, lost = house.journal.write, []

        def write(unit):
            result = real(unit)
            if isinstance(result, ledger.Fresh) and not lost:
                lost.append(True)
                raise Away("the answer to this commit was lost")
            return result

        monkeypatch.setattr(house.journal, "write", write)
        run = house.run("w", timeout_s=30)

        assert lost
        assert (run.state, calls) == ("succeeded", [1])


PLANS = {
    "lapsed": (claims._LAPSED, {"now": 1.0}),
    "delayed": (claims._DELAYED, {"now": 1.0}),
    "waiting": (claims._WAITING, {"now": 1.0}),
    "ready": (claims._READY, {"now": 1.0, "queue": ""}),
    "ready on a queue": (claims._READY, {"now": 1.0, "queue": "inside"}),
    "free": (claims._FREE, {"now": 1.0, "queue": ""}),
    "free on a queue": (claims._FREE, {"now": 1.0, "queue": "inside"}),
    "ring again": (claims._RING_AGAIN, {"now": 1.0, "queue": ""}),
    "next": (claims._NEXT, {}),
    "answered": (claims._ANSWERED, {}),
    "settled": (claims._SETTLED, {}),
    "of an intent": (claims._OF_INTENT, {"intent": "x"}),
    "of an approval": (claims._OF_APPROVAL, {"approval": "x"}),
    "held by one": (claims._MINE, {"owner": "x"}),
    "tasks of a run": (runs._WHOLE, {"run_id": "r1"}),
    "live items of a run": (runs._LIVE, {"run_id": "r1"}),
    "children that have not told": (children._UNTOLD, {}),
    "children of a run": (children._LIVE, {"id": "r1"}),
    "runs above": (children._DEPTH, {"id": "r1"}),
}


@pytest.fixture(scope="module")
def full(postgres):
    """200,000 task rows that are over, and some that are not."""
    url = postgres.create_database()
    journal = Journal.open(url)
    fill = (
        (
            "insert into runs (id, workflow, definition, state, version, caller, date, journal_version, created_at, finished_at)"
            " select 'r' || n, 'w', 'd', 'succeeded', 1, '{}', '2026-01-01', 1, n, n from generate_series(1, 20000) n"
        ),
        (
            "insert into task_runs (run_id, task, item, kind, state, due_at) select 'r' || n / 10, 't' || mod(n, 10), -1, 'tool',"
            " 'succeeded', null from generate_series(10, 200000) n"
        ),
        (
            "insert into task_runs (run_id, task, item, kind, state, due_at, lease_until, owner) select 'r' || n, s, -1, 'tool', s, n, n, 'x'"
            " from generate_series(1, 20) n, unnest(array['ready', 'delayed', 'waiting', 'running', 'parked']) s"
        ),
        "insert into events (type, at, seq) select 'x', 0, n from generate_series(1, 100000) n",
        "analyze",
    )
    for statement in fill:
        journal.write(lambda conn, statement=statement: conn.exec_driver_sql(statement) and None)
    yield journal
    journal.close()


@pytest.mark.parametrize("name", PLANS)
def test_each_sweep_uses_its_index(full, name):
    plan = _plan(full, *PLANS[name])

    assert not re.search(r"Seq Scan on (task_runs|runs|events)", plan), plan


def _plan(journal, statement, values):
    def unit(conn):
        cursor = conn.connection.cursor()
        cursor.execute(f"EXPLAIN {statement._text(conn.dialect)}", values)
        return "\n".join(row[0] for row in cursor.fetchall())

    return journal.write(unit)


def test_the_numberer_of_events_uses_its_index(full):
    plan = _plan(full, Statement(history._NUMBER), {})
    assert "events_unnumbered" in plan, plan


@pytest.fixture
def machines(tmp_path, pg_url, monkeypatch):
    monkeypatch.setattr(House, "state", pg_url)
    many.prepare(pg_url)
    machines = many.Machines(tmp_path, pg_url)
    yield machines
    machines.end()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_by_the_others_and_no_write_is_doubled(machines, tmp_path):
    """kill -9 of one of two, again and again: its leases run out, and the other goes on."""
    house = many.house(tmp_path)
    machines.add(), machines.add()
    ids = []
    for _ in range(4):
        ids += [house.engine.start("sure", {}, caller=ME).id for _ in range(8)]
        time.sleep(0.4)
        killed = machines.workers.pop(0)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        machines.add()

    states = Counter(house.engine.wait(one, 90).state for one in ids)
    done = many.effects(machines.url)
    house.end()

    assert states == {"succeeded": 32}
    for one in ids:
        assert [done[f"{one}/{name}"] for name in many.WRITES] == [1, 1, 1, 1]


@pytest.mark.slow
def test_a_worker_that_sleeps_past_its_lease_comes_back_to_a_stale_number(machines, tmp_path):
    """SIGSTOP for longer than a lease, then SIGCONT: the other went on; what may have left is parked and never doubled."""
    house = many.house(tmp_path)
    sleeper = machines.add()
    ids = [house.engine.start("unsure", {}, caller=ME).id for _ in range(30)]
    time.sleep(0.3)
    os.kill(sleeper.pid, signal.SIGSTOP)
    machines.add()
    time.sleep(many.LEASE_S + 2)
    os.kill(sleeper.pid, signal.SIGCONT)

    states = Counter(ended_or_parked(house, one) for one in ids)
    time.sleep(1)  # what the sleeper was about to do
    done = many.effects(machines.url)
    house.end()

    assert set(states) <= {"succeeded", "parked"}
    assert states["succeeded"] >= 20
    assert max(done[f"{one}/{name}"] for one in ids for name in many.WRITES) == 1


def ended_or_parked(house, run_id):
    until = time.monotonic() + 60
    while (run := house.engine.run(run_id)).state != "parked" and not run.is_final:
        assert time.monotonic() < until, run
        time.sleep(0.05)
    return run.state
