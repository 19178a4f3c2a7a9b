"""Events for other systems: CloudEvents, in order, at least once, to an exchange or a webhook."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pika
import pytest
from pydantic import ValidationError
from receiver import Receiver
from servers.drawbar import Serving

from drawbar.core.announce import Announcer
from drawbar.core.announce_config import Publish
from drawbar.core.errors import Unavailable
from drawbar.core.events import Events
from drawbar.core.store import events
from drawbar.core.store.journal import Journal


@pytest.fixture
def journal(tmp_path):
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        yield journal


def happened(journal, count, start=0):
    for number in range(start, start + count):
        journal.write(lambda conn, n=number: events.add(conn, "run.succeeded", run_id=f"r{n}", body={"n": n}))


def until(true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_event_is_a_cloud_event_of_its_own_journal(journal):
    sent = []
    announcer = Announcer(journal, Events(journal), lambda *said: sent.append(said))
    happened(journal, 1)
    announcer.beat()  # what was before its first beginning is not told
    happened(journal, 1, start=1)
    announcer.beat()

    [(number, kind, body)] = sent
    said = json.loads(body)
    assert kind == "run.succeeded"
    assert (said["specversion"], said["id"], said["type"]) == ("1.0", number, "drawbar.run.succeeded")
    assert (said["subject"], said["data"]["run_id"], said["data"]["body"]) == ("r1", "r1", {"n": 1})
    assert said["source"].startswith("urn:drawbar:")
    assert said["time"].endswith("+00:00")


def test_another_side_that_is_away_gets_everything_in_order_later(journal):
    sent, calls = [], []

    def send(number, kind, body):
        calls.append(number)
        if len(calls) % 7 == 0:
            raise Unavailable("away")
        sent.append(json.loads(body)["data"]["body"]["n"])

    announcer = Announcer(journal, Events(journal), send, first_s=0.01)
    announcer.beat()
    happened(journal, 250)

    def all_told():
        announcer.beat()
        return len(sent) >= 250

    until(all_told)

    assert sent == list(range(250))


def test_several_processes_tell_each_event_once(tmp_path, journal):
    sent = []
    others = [Journal.open(f"sqlite:///{tmp_path}/state.db") for _ in range(3)]
    all_ = [Announcer(one, Events(one), lambda *said: sent.append(said[0])) for one in (journal, *others)]
    for one in all_:
        one.beat()
    happened(journal, 300)
    over = threading.Event()

    def work(one):
        while not over.is_set():
            one.beat()

    threads = [threading.Thread(target=work, args=(one,)) for one in all_]
    for thread in threads:
        thread.start()
    until(lambda: len(sent) >= 300, 60)
    time.sleep(0.3)
    over.set()
    for thread in threads:
        thread.join()
    for one in others:
        one.close()

    assert len(sent) == len(set(sent)) == 300


_TELL = """
import sys, time
import drawbar.core.announce as announce
from drawbar.connectors.webhook import post
from drawbar.core.events import Events
from drawbar.core.store.journal import Journal
announce._HOLD_S, announce._PAGE = 0.3, 10
journal = Journal.open(sys.argv[1])
told = announce.Announcer(journal, Events(journal), lambda i, k, body: post(sys.argv[2], body, {}), first_s=0.01)
while True:
    told.beat()
    time.sleep(0.01)
"""


def test_kill_after_kill_loses_no_event_and_what_comes_twice_has_the_same_id(tmp_path, journal):
    receiver = Receiver()
    receiver.answers = [204, 204, 204, 204, 503] * 40
    Announcer(journal, Events(journal), lambda *_: None).beat()
    happened(journal, 100)
    deadline = time.monotonic() + 120
    while len({one["id"] for one in receiver.taken}) < 100:
        assert time.monotonic() < deadline
        before = receiver.seen
        command = [sys.executable, "-c", _TELL, f"sqlite:///{tmp_path}/state.db", receiver.url]
        child = subprocess.Popen(command)
        end = time.monotonic() + 5
        while receiver.seen < before + 33 and time.monotonic() < end:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
    receiver.close()

    ids = [one["id"] for one in receiver.taken]
    first = sorted(set(ids), key=ids.index)
    assert [int(one.rpartition("-")[2]) for one in first] == sorted(int(one.rpartition("-")[2]) for one in first)
    assert {one["data"]["body"]["n"] for one in receiver.taken} == set(range(100))


@pytest.mark.wire("rabbitmq")
def test_events_reach_an_exchange_with_their_type_as_routing_key(vhost):
    config = f"""\
version: 1
events: {{ publish: {{ adapter: events, exchange: drawbar.events }} }}
adapters: {{ events: {{ kind: amqp, url: "{vhost}" }} }}
workflows: {{ nothing: {{ description: Nothing. }} }}
"""
    with closing(pika.BlockingConnection(pika.URLParameters(vhost))) as connection:
        channel = connection.channel()
        channel.queue_declare("all", durable=True)
        with Serving(config) as serving:
            first = serving.ask("POST", "/workflows/nothing/run").json()["run_id"]
            time.sleep(1)  # the exchange is not there yet: nothing is lost by that
            channel.exchange_declare("drawbar.events", "topic", durable=True)
            channel.queue_bind("all", "drawbar.events", "run.#")
            serving.ask("POST", "/workflows/nothing/run")
            until(lambda: channel.queue_declare("all", passive=True).method.message_count >= 4)
        taken = [channel.basic_get("all", auto_ack=True) for _ in range(4)]

    assert [method.routing_key for method, _, _ in taken] == ["run.started", "run.succeeded"] * 2
    assert {properties.content_type for _, properties, _ in taken} == {"application/cloudevents+json"}
    assert json.loads(taken[0][2])["subject"] == first
    assert taken[0][1].message_id == json.loads(taken[0][2])["id"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"adapter": "x"},
        {"exchange": "x"},
        {"webhook": "http://x", "adapter": "x", "exchange": "y"},
        {"webhook": "x"},
    ],
)
def test_a_publication_without_a_place_is_refused(given):
    with pytest.raises(ValidationError, match=r"publish takes adapter and exchange, or a webhook|http or https"):
        Publish.model_validate(given)
