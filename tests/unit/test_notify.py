"""Notices: at least once, in order, without secrets; the other side fails now and then, and we are killed in between."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from pydantic import ValidationError
from receiver import Receiver
from scripted import ME, House

from drawbar.connectors.webhook import post
from drawbar.core.errors import OutcomeUnknown, Rejected, Unavailable
from drawbar.core.events import Events
from drawbar.core.notify import Outlet
from drawbar.core.notify_config import Notify
from drawbar.core.store import events, holds
from drawbar.core.store.journal import Journal

ALL = ["parked", "failed", "held", "disk"]


@pytest.fixture
def desk():
    desk = Receiver()
    yield desk
    desk.close()


@pytest.fixture
def journal(tmp_path):
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        yield journal


@pytest.fixture
def hour_passes(journal, monkeypatch):
    """Let an hour and a minute pass, as the journal tells the time."""
    now, passed = journal.now, []
    monkeypatch.setattr(journal, "now", lambda: now() + 3660 * len(passed))
    return lambda: passed.append(1)


def outlet(journal, desk, *, on=ALL, again_after_h=1.0, **said):
    config = Notify.model_validate({"on": on, "to": {"webhook": desk.url}, "again_after_h": again_after_h})
    made = Outlet(journal, Events(journal), config, post, first_s=0.01, **said)
    made.beat()
    return made


def happened(journal, kind, **body):
    journal.write(lambda conn: events.add(conn, kind, body=body))


def beats(outlet, true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        outlet.beat()
        time.sleep(0.01)


def test_what_waits_for_a_person_is_told_with_what_to_do(tmp_path, desk):
    def lose(_):
        raise OutcomeUnknown("no answer came")

    flow = {"pay": {"tasks": {"send": {"tool": "sys.send"}}}, "fail": {"tasks": {"no": {"tool": "sys.no"}}}}

    def no(_):
        raise Rejected("no such order")

    with House(tmp_path, {"send": ("write", lose), "no": ("read", no)}, flow) as house:
        told = outlet(house.journal, desk)
        run = house.engine.start("pay", {}, caller=ME)
        house.until(run.id, "parked")
        failed = house.run("fail")

        beats(told, lambda: len(desk.taken) == 2)

        parked, lost = desk.taken
        [letter] = house.desk.dead_letters()
        assert (parked["on"], parked["what"], parked["run_id"]) == ("parked", "sys.send", run.id)
        assert parked["next"] == f"drawbar dead show {letter['id']}"
        assert (lost["on"], lost["what"], lost["message"]) == ("failed", "workflow fail", "no such order")
        assert lost["next"] == f"drawbar show {failed.id}"
        assert lost["id"] == lost["key"]


def test_a_direct_call_whose_answer_was_lost_is_told_too(tmp_path, desk):
    def lose(_):
        raise OutcomeUnknown("no answer came")

    with House(tmp_path, {"send": ("write", lose)}, {}) as house:
        told = outlet(house.journal, desk)
        with pytest.raises(OutcomeUnknown):
            house.guard.call(house.guard.prepare("sys.send", {}, ME))

        beats(told, lambda: len(desk.taken) == 1)

        assert desk.taken[0]["what"] == "sys.send"


def test_only_what_was_asked_for_is_told_and_nothing_from_before(journal, desk):
    happened(journal, "hold.set", name="old", by="me")
    told = outlet(journal, desk, on=["held"])
    happened(journal, "disk.low", free_mb=1, floor_mb=100)
    happened(journal, "hold.set", name="erp", by="cli:me", reason="patching")

    beats(told, lambda: desk.taken)

    assert [one["message"] for one in desk.taken] == ["erp is held by cli:me: patching"]


def test_the_other_side_that_fails_now_and_then_gets_everything_in_order(journal, desk):
    told = outlet(journal, desk)
    desk.answers = [503, 0, 500, 204, 429, 404, 204, 302, 204, 500]
    for number in range(8):
        happened(journal, "sync.failed", sync=f"s{number}", error={"message": "the file is short"})

    beats(told, lambda: len(desk.taken) == 8)

    assert [one["what"] for one in desk.taken] == [f"sync s{number}" for number in range(8)]


def test_the_same_again_is_told_after_a_while_with_how_often_it_happened(journal, desk, hour_passes):
    told = outlet(journal, desk)
    for _ in range(5):
        happened(journal, "trigger.failed", trigger="in", error="no connection")
        told.beat()
    assert len(desk.taken) == 1
    hour_passes()

    beats(told, lambda: len(desk.taken) == 2)

    assert (desk.taken[1]["again"], desk.taken[1]["count"], desk.taken[1]["what"]) == (True, 4, "trigger in")
    hour_passes()
    told.beat()
    assert len(desk.taken) == 2  # it has not failed since


def test_what_is_still_so_is_told_again_until_it_is_over(journal, desk, hour_passes):
    told = outlet(journal, desk)
    journal.write(lambda conn: holds.turned(conn, "disk", "low"))
    happened(journal, "disk.low", free_mb=1, floor_mb=100)
    told.beat()
    hour_passes()
    told.beat()
    assert [one["type"] for one in desk.taken] == ["disk.low", "notice.again"]

    journal.write(lambda conn: holds.turned(conn, "disk", "ok"))
    happened(journal, "disk.ok", free_mb=500, floor_mb=100)
    hour_passes()
    told.beat()
    assert len(desk.taken) == 2
    happened(journal, "disk.low", free_mb=1, floor_mb=100)
    told.beat()
    assert len(desk.taken) == 3


def test_several_processes_tell_one_thing_once(tmp_path, journal, desk):
    others = [Journal.open(f"sqlite:///{tmp_path}/state.db") for _ in range(3)]
    outlets = [outlet(one, desk) for one in (journal, *others)]
    for number in range(20):
        happened(journal, "sync.failed", sync=f"s{number}", error={"message": "x"})
    threads = [threading.Thread(target=beats, args=(one, lambda: len(desk.taken) >= 20)) for one in outlets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.3)

    assert [one["what"] for one in desk.taken] == [f"sync s{number}" for number in range(20)]
    for one in others:
        one.close()


def test_no_secret_is_sent_or_logged(journal, desk, capfd):
    told = outlet(journal, desk, scrub=lambda value: json.loads(json.dumps(value).replace("hush-4711", "***")))
    happened(journal, "sync.failed", sync="load", error={"message": "login as drawbar:hush-4711 failed", "detail": "x"})
    desk.answers = [500]

    beats(told, lambda: desk.taken)

    assert "hush-4711" not in json.dumps(desk.taken)
    assert "***" in desk.taken[0]["message"]
    assert "s3cret-token" not in "".join(capfd.readouterr())


_TELL = """
import sys, time
from drawbar.connectors.webhook import post
from drawbar.core.events import Events
from drawbar.core.notify import Outlet
from drawbar.core.notify_config import Notify
from drawbar.core.store import outbox
from drawbar.core.store.journal import Journal
import drawbar.core.notify as notify
notify._HOLD_S = 0.5
journal = Journal.open(sys.argv[1])
config = Notify.model_validate({"on": ["failed"], "to": {"webhook": sys.argv[2]}})
told = Outlet(journal, Events(journal), config, post, first_s=0.01)
print("begun", flush=True)
while True:
    told.beat()
    time.sleep(0.01)
"""


@pytest.mark.slow
def test_kill_after_kill_loses_no_notice_and_what_comes_twice_has_the_same_id(tmp_path, journal, desk):
    config = Notify.model_validate({"on": ["failed"], "to": {"webhook": desk.url}})
    Outlet(journal, Events(journal), config, post).beat()
    for number in range(60):
        happened(journal, "sync.failed", sync=f"s{number}", error={"message": "x"})
    desk.answers = [204, 500, 204, 0] * 20
    deadline = time.monotonic() + 60
    while len({one["what"] for one in desk.taken}) < 60:
        assert time.monotonic() < deadline
        before = desk.seen
        command = [sys.executable, "-c", _TELL, f"sqlite:///{tmp_path}/state.db", desk.url]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        child.stdout.readline()
        end = time.monotonic() + 5
        while desk.seen < before + 12 and time.monotonic() < end:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()

    names = [one["what"] for one in desk.taken]
    assert sorted(set(names), key=names.index) == [f"sync s{number}" for number in range(60)]
    ids = {}
    for one in desk.taken:
        assert ids.setdefault(one["what"], one["id"]) == one["id"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"on": ["parket"], "to": {"webhook": "http://x"}}, "parked"),
        ({"on": [], "to": {"webhook": "http://x"}}, "at least 1"),
        ({"on": ["parked"], "to": {"webhook": "ftp://t0ken.example.com"}}, "http or https"),
        ({"on": ["parked"], "to": {"webhook": "http://"}}, "http or https"),
        ({"on": ["parked"], "to": {"webhook": "http://x:99999/"}}, "http or https"),
        ({"on": ["parked"]}, "to"),
    ],
)
def test_what_cannot_be_told_is_refused_plainly(given, says):
    with pytest.raises(ValidationError) as refused:
        Notify.model_validate(given)

    assert says in str(refused.value)


def test_a_webhook_that_says_no_is_no_outage_and_its_path_is_not_named(desk):
    desk.answers = [404]
    with pytest.raises(Rejected) as refused:
        post(desk.url, b"{}", {})
    assert "s3cret" not in refused.value.message
    with pytest.raises(Unavailable) as away:
        post("http://127.0.0.1:1/s3cret", b"{}", {})
    assert "s3cret" not in away.value.message


def test_what_waits_for_an_answer_is_told_and_told_again_while_it_waits(tmp_path, desk):
    ask = {"tasks": {"ask": {"approval": {"within_h": 1}}, "think": {"agent": "clerk"}}}
    with House(tmp_path, {}, {"ask": ask}) as house:
        told = outlet(house.journal, desk, on=["waiting"], again_after_h=0.000001)
        run = house.engine.start("ask", {}, caller=ME)
        house.until(run.id, "waiting")

        beats(told, lambda: len({one["what"] for one in desk.taken}) == 2)
        beats(told, lambda: any(one.get("again") for one in desk.taken))
        house.engine.cancel(run.id, caller=ME)
        house.until(run.id, "cancelled")
        told.beat()
        before = len(desk.taken)
        told.beat()

    said = {one["what"]: one["next"] for one in desk.taken if not one.get("again")}
    assert set(said) == {"approval ask", "assignment clerk"}
    assert said["approval ask"].startswith("drawbar approve ")
    assert len(desk.taken) == before


def test_a_source_that_has_drifted_is_told_with_what_changed(journal, desk):
    told = outlet(journal, desk, on=["drift"])
    changes = [{"column": "vat", "change": "new", "said": "the source has a new column vat decimal(4, 2)"}]

    happened(journal, "sync.drift", sync="orders", id="r1", changes=changes, stops=True)
    happened(journal, "sync.drift", sync="orders", id="r2", changes=changes, stops=True)
    beats(told, lambda: desk.taken)

    [said] = desk.taken
    assert said["on"] == "drift"
    assert "orders has drifted: it stopped: the source has a new column vat" in said["message"]
    assert said["next"] == "drawbar syncs show r1"
