"""What operators do and what is removed, on PostgreSQL as on the embedded journal."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from waiting import eventually

from drawbar.core.access import Caller
from drawbar.core.announce import Announcer
from drawbar.core.disk import Floor
from drawbar.core.errors import Unavailable
from drawbar.core.events import Events
from drawbar.core.holds import Brake, Held, Holds
from drawbar.core.notify import Outlet
from drawbar.core.notify_config import Notify
from drawbar.core.retention import Retention
from drawbar.core.retention_config import History
from drawbar.core.store import events
from drawbar.core.store.ids import new_id
from drawbar.core.store.journal import Journal

pytestmark = pytest.mark.wire("postgres")
ME = Caller.cli("me")
_RUN = (
    "insert into runs (id, workflow, definition, state, version, caller, date, journal_version, created_at, finished_at)"
    " values (:id, 'w', :hash, 'running', 1, '{}', '2026-01-01', 1, 0, :ended)"
)
_TASK = "insert into task_runs (run_id, task, item, kind, state) values (:id, 't', -1, 'tool', 'delayed')"


@pytest.fixture
def journals(pg_url):
    with closing(Journal.open(pg_url)) as one, closing(Journal.open(pg_url)) as two:
        yield one, two


def test_a_hold_is_seen_by_another_process_and_expires(journals):
    one, two = journals
    brake, seen = Brake(one, Holds(one), lambda: {"adapter": ["erp"]}), Holds(two)
    brake.hold("erp", caller=ME, reason="patching")
    brake.hold("erp", caller=ME, until=datetime.now(UTC) + timedelta(seconds=3))
    eventually(lambda: seen.refusal("adapter:erp"))
    with pytest.raises(Held):
        seen.require("adapter:erp")
    time.sleep(3)
    eventually(lambda: seen.refusal("adapter:erp") is None)
    seen.sweep()
    seen.sweep()
    Floor(one, 100, lambda: 1).sweep()
    Floor(two, 100, lambda: 1).sweep()

    assert [event.type for event in Events(two).page()] == ["hold.set", "hold.set", "hold.released", "disk.low"]


def test_events_are_told_once_each_by_two_processes(journals):
    sent, told = [], []
    announcers = [Announcer(one, Events(one), lambda *said: sent.append(said[0])) for one in journals]
    config = Notify.model_validate({"on": ["failed"], "to": {"webhook": "http://localhost"}})
    outlets = [Outlet(one, Events(one), config, lambda *said: told.append(said[1])) for one in journals]
    everybody = [*announcers, *outlets]
    for one in everybody:
        one.beat()
    for number in range(100):
        body = {"sync": f"s{number}", "error": {"message": "x"}}
        journals[number % 2].write(lambda conn, body=body: events.add(conn, "sync.failed", body=body))
    over, failures = threading.Event(), []

    def work(one):
        while not over.is_set():
            try:
                one.beat()
            except Unavailable as error:
                failures.append(error.message)

    threads = [threading.Thread(target=work, args=(one,)) for one in everybody]
    for thread in threads:
        thread.start()
    eventually(lambda: len(sent) >= 100 and len(told) >= 100)
    time.sleep(0.5)
    over.set()
    for thread in threads:
        thread.join()

    assert len(sent) == len(set(sent)) == 100
    assert len(told) == len(set(told)) == 100
    assert failures == []


def test_old_history_is_removed(journals):
    one, _ = journals
    run, waiting = new_id(), new_id()

    def fill(conn):
        for name, ended in ((run, time.time()), (waiting, None)):
            row = {"id": name, "hash": name, "ended": ended}
            conn.execute(text("insert into definitions values (:hash, '{}')"), row)
            conn.execute(text(_RUN), row)
            conn.execute(text(_TASK), row)
            events.add(conn, "run.started", run_id=name)

    one.write(fill)
    one.write(lambda conn: events.add(conn, "trigger.failed", body={"trigger": "x"}))
    one.write(lambda conn: events.add(conn, "hold.set", body={"name": "x"}))
    Retention(one, History(), clock=lambda: time.time() + 40 * 86_400).clean()

    with one.read() as conn:
        for table, column in (("runs", "id"), ("task_runs", "run_id"), ("definitions", "hash")):
            assert [row[0] for row in conn.exec_driver_sql(f"select {column} from {table}")] == [waiting]
    assert [event.type for event in Events(one).page()] == ["run.started", "hold.set"]
