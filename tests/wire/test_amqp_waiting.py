"""What a queue says about the runs that its messages start: how many, when they settle, in which order."""

from __future__ import annotations

import json
import math
import threading
import time
from contextlib import closing
from itertools import pairwise

import pika
import pytest
from queues import opening
from waiting import eventually

from drawbar.app import open_app
from drawbar.core.access import local
from drawbar.testing.broker import Broker

CONFIG = """
version: 1
adapters:
  events:
    kind: amqp
    url: {url}
    consume: {{ incoming: {{ queue: in, dead_letter: {{ routing_key: dead }}, {more} }} }}
workflows:
  bill:
    triggers: [ {{ adapter: events, consume: incoming, input: "${{{{ message.body }}}}" }} ]
    tasks:
      rest: {{ wait_s: {rest_s} }}
      {task}
"""
FAILS = 'no: { needs: [rest], tool: events.publish_nowhere, with: { body: {} }, if: "${{ input.fails }}" }'


@pytest.fixture
def broker():
    with Broker() as broker, closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        broker.channel = connection.channel()
        for queue in ("in", "dead"):
            broker.channel.queue_declare(queue, durable=True)
        broker.channel.confirm_delivery()
        yield broker


@pytest.fixture
def begun(tmp_path, broker):
    opened = []

    def begun(more, task="", rest_s=0.05):
        text = CONFIG.format(url=broker.url, more=more, task=task, rest_s=rest_s)
        if task:
            text = text.replace("consume:", "publish: { nowhere: { routing_key: nowhere } }\n    consume:", 1)
        (tmp_path / "drawbar.yaml").write_text(text + "    input: { properties: { n: { type: integer } } }\n")
        opened.append(open_app(tmp_path / "drawbar.yaml"))
        opened[-1].begin(starts=True)
        return opened[-1]

    yield begun
    for app in opened:
        app.close()


def put(broker, number, **more):
    body = json.dumps({"n": number} | more).encode()
    broker.channel.basic_publish("", "in", body, pika.BasicProperties(message_id=f"m-{number}"))


def states(app):
    return [run.state for run in app.engine.runs(workflow="bill")]


def test_with_so_many_unfinished_runs_no_more_begin(begun, broker):
    app = begun("max_waiting: 2", rest_s=1)
    for number in range(4):
        put(broker, number)

    eventually(lambda: len(states(app)) == 2)
    time.sleep(0.3)
    assert len(states(app)) == 2
    eventually(lambda: states(app), lambda found: found == ["succeeded"] * 4)


def test_a_message_whose_run_goes_on_is_ours_only_when_the_run_has_ended(begun, broker):
    app = begun("settle: finished, prefetch: 5", rest_s=1.2)
    for number in range(3):
        put(broker, number)
    eventually(lambda: len(states(app)) == 3)

    app.close()  # the messages go back, since no run has ended
    eventually(lambda: broker.depth("in") == 3)
    again = begun("settle: finished, prefetch: 5", rest_s=1.2)

    eventually(lambda: states(again), lambda found: found == ["succeeded"] * 3)
    again.close()

    def is_settled():  # what the end came too early for is settled by whoever hears the message next
        with closing(begun("settle: finished, prefetch: 5", rest_s=1.2)) as later:
            time.sleep(0.5)
            assert states(later) == ["succeeded"] * 3
        return broker.depth("in") == 0

    eventually(is_settled)


class Ended:
    """A run that has ended by the time somebody asks."""

    def ended(self):
        return ""


def test_at_the_end_a_message_whose_run_has_ended_is_settled(tmp_path, broker, monkeypatch):
    """It has no id: given to the next process, it would start another run."""
    monkeypatch.setattr("drawbar.adapters.amqp.trigger._LOOK_S", math.inf)
    broker.channel.basic_publish("", "in", b"{}")
    started, stop = [], threading.Event()

    def start(occurrence):
        started.append(occurrence)
        stop.set()
        return Ended()

    with opening(tmp_path) as open_adapter:
        adapter = open_adapter(broker.url, consume={"incoming": {"queue": "in", "settle": "finished"}})
        adapter.trigger({"consume": "incoming"}, name="bill").run(start, stop)

    assert (len(started), broker.depth("in")) == (1, 0)


def test_a_message_whose_run_failed_is_a_dead_letter_with_its_reason(begun, broker):
    begun("settle: finished", FAILS)
    put(broker, 1, fails=True)
    put(broker, 2, fails=False)

    _, properties, body = eventually(lambda: broker.channel.basic_get("dead", auto_ack=True), lambda got: got[0])

    assert json.loads(body)["n"] == 1
    assert "failed: " in properties.headers["x-drawbar-reason"]
    assert "no queue takes it" in properties.headers["x-drawbar-reason"]
    eventually(lambda: broker.depth("in") == 0)


def test_runs_of_a_group_come_one_after_the_other(begun, broker):
    app = begun('group: "${{ message.body.g }}"', rest_s=0.15)
    for number in range(6):
        put(broker, number, g="ab"[number % 2])

    eventually(lambda: states(app), lambda found: found == ["succeeded"] * 6)

    runs = sorted(app.engine.runs(workflow="bill"), key=lambda run: run.started_at)
    for group in "ab":
        of_group = [run for run in runs if run.key == group]
        assert [run.input["n"] for run in of_group] == sorted(run.input["n"] for run in of_group)
        for one, other in pairwise(of_group):
            assert other.started_at >= one.finished_at


@pytest.mark.parametrize(("settle", "bad"), [("accepted", {"n": "two"}), ("finished", {"n": 2, "fails": True})])
def test_after_a_dead_letter_its_group_waits_until_it_is_released(begun, broker, settle, bad):
    """Also over a restart of ours; other groups go on."""

    # Given
    def opened():
        return begun(f'settle: {settle}, group: "${{{{ message.body.g }}}}", on_poison: hold_group', FAILS)

    def started(app):
        return sorted(run.input["n"] for run in app.engine.runs(workflow="bill"))

    app = opened()
    for number in range(8):
        put(broker, number, **({"g": "ab"[number % 2], "fails": False} | (bad if number == 2 else {})))
    others = [0, 1, *([2] if settle == "finished" else []), 3, 5, 7]

    # When
    eventually(lambda: started(app), lambda found: found == others)
    _, properties, _ = eventually(lambda: broker.channel.basic_get("dead", auto_ack=True), lambda got: got[0])
    (held,) = eventually(app.brake.list)
    app.close()
    eventually(lambda: broker.depth("in") >= 2)  # and those whose end was not seen
    again = opened()
    time.sleep(0.5)
    waited = started(again)
    again.brake.release("events.incoming:a", caller=local(None), reason="sent by hand")

    # Then
    eventually(lambda: started(again), lambda found: found == sorted([*others, 4, 6]))
    assert (held["name"], held["kind"], waited) == ("events.incoming:a", "group", others)
    assert properties.headers["x-drawbar-reason"] in held["reason"]
    assert held["reason"].startswith("message m-2: ")
    eventually(lambda: broker.depth("in") == 0)
