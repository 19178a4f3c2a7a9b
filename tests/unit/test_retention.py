"""What is old is removed in small bites; what is open, and what nobody knows the outcome of, never is."""

import os
import threading
import time
from contextlib import closing

import pytest
from scripted import ME, House

from drawbar.core.errors import OutcomeUnknown
from drawbar.core.retention import Retention
from drawbar.core.retention_config import History
from drawbar.core.store import events, holds
from drawbar.core.store.ids import first_id, new_id
from drawbar.core.store.journal import Journal

DAY_S = 86_400
FLOW = {"w": {"tasks": {"one": {"tool": "sys.do"}, "two": {"tool": "sys.do", "needs": ["one"]}}}}
TABLES = ("runs", "task_runs", "attempts", "items", "events", "definitions", "ledger", "approvals", "sync_runs")


def counts(journal):
    with journal.read() as conn:
        return {name: conn.exec_driver_sql(f"select count(*) from {name}").scalar() for name in TABLES}


def later(journal, days, **keep):
    """Clean as it will be done in so many days."""
    return Retention(journal, History(**keep), clock=lambda: time.time() + days * DAY_S)


def test_a_run_that_ended_long_ago_goes_with_all_that_belonged_to_it(tmp_path):
    with House(tmp_path, {"do": ("write", lambda _: 1)}, FLOW) as house:
        old = house.run("w")
        later(house.journal, 29).clean()
        assert house.engine.run(old.id).state == "succeeded"

        later(house.journal, 31).clean()

        left = counts(house.journal)
        assert {name: left[name] for name in TABLES if left[name]} == {"events": 1}  # its number is not given again
        newest = house.engine.events()[-1].id
        assert house.run("w").state == "succeeded"  # its definition is stored again
        assert min(event.id for event in house.engine.events(newest)) == newest + 1


def test_what_is_open_or_unknown_stays_however_old_it_is(tmp_path):
    def lose(_):
        raise OutcomeUnknown("no answer")

    flow = {
        "lost": {"tasks": {"one": {"tool": "sys.lose"}}},
        "wait": {"tasks": {"ask": {"approval": {"within_h": 9000}}}},
    }
    with House(tmp_path, {"lose": ("write", lose)}, flow) as house:
        parked = house.engine.start("lost", {}, caller=ME)
        waiting = house.engine.start("wait", {}, caller=ME)
        house.until(parked.id, "parked")
        house.until(waiting.id, "waiting")
        before = counts(house.journal)

        later(house.journal, 4000).clean()

        after = counts(house.journal)
        assert {name: after[name] for name in TABLES} == before
        [letter] = house.desk.dead_letters()
        house.desk.settle(letter["id"], done=True, caller=ME, result=1, reason="seen")
        assert house.engine.wait(parked.id, 60).state == "succeeded"
        later(house.journal, 4000).clean()
        assert house.desk.dead_letters() == []
        with pytest.raises(Exception, match="no run"):
            house.engine.run(parked.id)


def test_what_people_did_stays_for_as_long_as_the_audit(tmp_path):
    with House(tmp_path, {"do": ("read", lambda _: 1)}, FLOW) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.engine.wait(run.id, 60)
        waiting = house.engine.start("w", {}, caller=ME)
        house.engine.wait(waiting.id, 60)
        house.journal.write(lambda conn: events.add(conn, "hold.set", body={"name": "erp"}))
        house.journal.write(lambda conn: events.add(conn, "run.retried", run_id=run.id, body={"by": "me"}))
        house.journal.write(lambda conn: events.add(conn, "trigger.failed", body={"trigger": "x"}))
        house.journal.write(lambda conn: events.add(conn, "trigger.failed", body={"trigger": "newest"}))

        later(house.journal, 100).clean()
        kept = [event.type for event in house.engine.events(limit=1000)]
        later(house.journal, 4000).clean()

        assert sorted(kept) == ["hold.set", "run.retried", "trigger.failed"]
        assert [event.body for event in house.engine.events(limit=1000)] == [{"trigger": "newest"}]


def test_an_entry_stays_while_its_key_is_remembered(tmp_path):
    with House(tmp_path, {"do": ("write", lambda _: 1)}, {}) as house:
        house.guard.call(house.guard.prepare("sys.do", {"n": 1}, ME, once="4711"))
        long = Retention(house.journal, History(), key_s=lambda: 50 * DAY_S, clock=lambda: time.time() + 49 * DAY_S)
        long.clean()
        assert counts(house.journal)["ledger"] == 1

        later(house.journal, 51).clean()

        assert counts(house.journal)["ledger"] == 0


def test_the_last_run_of_a_sync_stays(tmp_path):
    with House(tmp_path, {}, {}) as house:
        for sync in ("a", "a", "b"):
            row = {"id": new_id(), "sync": sync, "state": "succeeded", "started_at": time.time()}
            house.journal.write(
                lambda conn, row=row: conn.exec_driver_sql(
                    "insert into sync_runs (id, sync, state, caller, started_at, finished_at)"
                    " values (:id, :sync, :state, 'x', :started_at, :started_at)",
                    row,
                )
            )

        later(house.journal, 31).clean()

        assert counts(house.journal)["sync_runs"] == 2


def test_reject_files_go_and_nothing_else_in_their_folder(tmp_path):
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        folder = tmp_path / "rejects" / "load"
        folder.mkdir(parents=True)
        for name in ("ORD1.0123456789ab.jsonl", "ORD2.0123456789ab.jsonl", "notes.jsonl", "ORD3.0123456789ab.txt"):
            (folder / name).write_text("{}")
            os.utime(folder / name, (0, 0))
        os.utime(folder / "ORD2.0123456789ab.jsonl")

        Retention(journal, History(), rejects=lambda: [folder, tmp_path / "none"]).clean()

        left = sorted(one.name for one in folder.iterdir())
        assert left == ["ORD2.0123456789ab.jsonl", "ORD3.0123456789ab.txt", "notes.jsonl"]


def test_one_process_cleans_once_an_hour(tmp_path):
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        now = [time.time()]
        cleaned = []
        for name in ("one", "two"):
            each = Retention(journal, History(), clock=lambda: now[0])
            each.clean = lambda name=name: cleaned.append(name)
            each.beat()
            each.beat()
        now[0] += 3601
        each.beat()

        assert cleaned == ["one", "two"]


def test_a_large_run_is_removed_over_many_commits_and_what_a_kill_left_by_the_next_cleaning(tmp_path):
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        made(journal, runs=1, tasks=2000)
        cleaning = later(journal, 31)
        bites = []
        take = cleaning._bite

        def bite(unit):
            if len(bites) == 2:
                raise InterruptedError("killed")
            bites.append(1)
            return take(unit)

        cleaning._bite = bite
        with pytest.raises(InterruptedError):
            cleaning.clean()
        half = counts(journal)
        assert half["runs"] == 0
        assert half["task_runs"] > 0

        later(journal, 31).clean()

        assert counts(journal)["task_runs"] == counts(journal)["attempts"] == 0
        assert counts(journal)["events"] == 1
        with journal.read() as conn:
            assert conn.exec_driver_sql("select count(*) from meta where name like 'removing:%'").scalar() == 0


def made(journal, *, runs, tasks):
    """Fill a journal with runs that ended a minute ago, with rows of a usual size."""
    began = time.time() - 60
    ids = [new_id() for _ in range(runs)]
    body = '{"rows": [' + ", ".join(['{"id": 1, "customer": "Ada"}'] * 10) + "]}"

    def fill(conn):
        cursor = conn.connection.cursor()
        cursor.execute("insert or ignore into definitions values ('d', '{}')")
        cursor.executemany(
            "insert into runs (id, workflow, definition, state, version, caller, date, journal_version, created_at,"
            " finished_at) values (?, 'w', 'd', 'succeeded', 9, '{}', '2026-01-01', 1, ?, ?)",
            [(run, began, began) for run in ids],
        )
        rows = [(run, f"t{task}", body) for run in ids for task in range(tasks)]
        cursor.executemany(
            "insert into task_runs (run_id, task, item, kind, state, outcome) values (?, ?, -1, 'tool', 'succeeded', ?)",
            rows,
        )
        cursor.executemany(
            "insert into attempts (run_id, task, item, fence, attempt, state, ended_at)"
            " values (?, ?, -1, 1, 1, 'succeeded', 0)",
            [row[:2] for row in rows],
        )
        cursor.executemany(
            "insert into events (run_id, type, task, body, at) values (?, 'task.succeeded', ?, '{}', 0)",
            [row[:2] for row in rows] * 2,
        )

    journal.write(fill)


@pytest.mark.slow
def test_twenty_thousand_old_runs_are_removed_beside_writers_that_hardly_wait(tmp_path):
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        made(journal, runs=20_000, tasks=3)
        done = threading.Event()
        waits = []

        def work():
            while not done.is_set():
                began = time.monotonic()
                journal.write(lambda conn, at=began: holds.turned(conn, "work", str(at)))
                waits.append(time.monotonic() - began)
                time.sleep(0.005)

        worker = threading.Thread(target=work)
        worker.start()
        later(journal, 31).clean()
        done.set()
        worker.join()

        assert counts(journal)["runs"] == counts(journal)["task_runs"] == 0
        assert counts(journal)["events"] == 1
        waits.sort()
        assert len(waits) > 500
        assert waits[len(waits) * 99 // 100] < 0.15
        assert waits[-1] < 1.5


@pytest.mark.parametrize("name", ["_RUNS", "_EVENTS", "_LEDGER", "_RUN", "_ENTRY", "_SYNC_RUNS"])
def test_every_walk_is_along_an_index(tmp_path, name):
    from drawbar.core.store import retention

    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal, journal.read() as conn:
        statement = getattr(retention, name)._text(conn.dialect)
        given = {"after": "", "before": "z", "most": 1, "id": "x", "cutoff": 0.0}
        plan = [row[3] for row in conn.exec_driver_sql(f"explain query plan {statement}", given)]

        assert not [step for step in plan if step.startswith("SCAN")], plan


def test_ids_sort_with_the_moment_they_were_made_at():
    before, made_now, after = first_id(time.time() - 1), new_id(), first_id(time.time() + 1)

    assert before < made_now < after
