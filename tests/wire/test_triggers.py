"""Messages on RabbitMQ start runs: once each, acknowledged when the run is in the journal, none lost by kill -9."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import pika
import pytest
from pika.exceptions import AMQPError

from drawbar.app import open_app

pytestmark = pytest.mark.wire("rabbitmq")

CONFIG = """
version: 1
adapters:
  events:
    kind: amqp
    url: {url}
    heartbeat_s: 2
    consume: {{ incoming: {{ queue: in, max_attempts: 3 }} }}
workflows:
  bill:
    input: {{ type: object, required: [order], properties: {{ order: {{ type: integer }} }} }}
    triggers: [ {{ adapter: events, consume: incoming, input: "${{{{ {{'order': message.body.order}} }}}}" }} ]
    tasks: {{ rest: {{ wait_s: 0.05 }} }}
    output: "${{{{ {{'order': input.order}} }}}}"
"""

SYNC = """
version: 1
adapters:
  events: {{ kind: amqp, url: "{url}", heartbeat_s: 2, consume: {{ incoming: {{ queue: in }} }} }}
  books: {{ kind: sql, url: "sqlite:///{target}", tables: {{ bills: {{ key: [number], upsert: true }} }} }}
syncs:
  bills:
    from: {{ adapter: events, consume: incoming }}
    to: {{ adapter: books, table: bills, mode: upsert, key: [number] }}
    map: {{ number: "${{{{ row.order }}}}" }}
    triggers: [ {{ adapter: events, consume: incoming }} ]
"""

# A process as `serve` is one. With "die" it is killed in the moment before it would acknowledge.
_SERVE = """
import os, signal, sys, time
from drawbar.app import open_app
from drawbar.connectors.amqp_consumer import Consumer

if "die" in sys.argv:
    Consumer.ack = lambda self, message: os.kill(os.getpid(), signal.SIGKILL)
app = open_app(sys.argv[1])
app.begin(starts=True)
print("begun", flush=True)
time.sleep(120)
"""


@pytest.fixture
def channel(vhost):
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(
        "in", durable=True, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    )
    channel.queue_declare("dead", durable=True)
    yield channel
    with suppress(AMQPError):  # the broker may have been restarted
        connection.close()


@pytest.fixture
def config(vhost, tmp_path):
    path = tmp_path / "drawbar.yaml"
    path.write_text(CONFIG.format(url=vhost))
    return path


@pytest.fixture
def app(config):
    with closing(open_app(config)) as app:
        app.begin(starts=True)
        yield app


@pytest.fixture
def serving(config):
    """Start processes as `serve` is one; what still runs is ended."""
    begun = []

    def serve(*how):
        process = subprocess.Popen([sys.executable, "-c", _SERVE, str(config), *how], stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout.readline() == "begun\n"
        return process

    yield serve
    for process in begun:
        process.kill()
        process.wait(60)
        process.stdout.close()


def put(channel, order, **properties):
    body = order if isinstance(order, bytes) else json.dumps({"order": order}).encode()
    said = pika.BasicProperties(delivery_mode=2, content_type="application/json", **properties)
    channel.basic_publish("", "in", body, said, mandatory=True)


def waiting(channel, queue="in"):
    return channel.queue_declare(queue, passive=True).method.message_count


def until(true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def ended(app):
    return [run for run in app.engine.runs(limit=1000) if run.is_final]


def orders(app):
    return sorted(run.input["order"] for run in app.engine.runs(limit=1000))


def test_a_message_is_a_run_in_the_journal_and_then_acknowledged(app, channel):
    put(channel, 4711, message_id="m1")

    (run,) = until(lambda: ended(app))

    assert (run.workflow, run.state, run.output) == ("bill", "succeeded", {"order": 4711})
    app.close()  # what was not acknowledged would be back in the queue
    assert until(lambda: waiting(channel) == 0)


def test_a_message_that_comes_again_starts_one_run(app, channel):
    for _ in range(3):
        put(channel, 1, message_id="m1")
    put(channel, 2, message_id="m2")

    assert until(lambda: len(ended(app)) == 2 and waiting(channel) == 0)
    time.sleep(0.5)

    assert orders(app) == [1, 2]


def test_a_message_that_can_start_nothing_is_a_dead_letter(app, channel):
    put(channel, b"{ no json", message_id="m1")
    put(channel, "many", message_id="m2")
    put(channel, 3, message_id="m3")

    assert until(lambda: len(ended(app)) == 1 and waiting(channel, "dead") == 2)
    assert orders(app) == [3]


@pytest.mark.slow
def test_a_broker_that_restarts_is_found_again(app, channel, rabbitmq, vhost):
    put(channel, 1, message_id="m1")
    assert until(lambda: ended(app))

    rabbitmq.restart()
    with closing(pika.BlockingConnection(pika.URLParameters(vhost))) as connection:
        put(connection.channel(), 2, message_id="m2")

        assert until(lambda: len(ended(app)) == 2, 60)


def test_kill_9_between_start_and_acknowledgement_loses_nothing_and_doubles_nothing(config, channel, serving):
    put(channel, 7, message_id="m7")
    dying = serving("die")
    assert dying.wait(60) == -signal.SIGKILL

    with closing(open_app(config)) as before:
        assert orders(before) == [7]
    assert until(lambda: waiting(channel) == 1)

    with closing(open_app(config)) as app:
        app.begin(starts=True)
        assert until(lambda: waiting(channel) == 0 and ended(app))
        time.sleep(0.5)
        (run,) = app.engine.runs()

    assert run.state == "succeeded"
    assert until(lambda: waiting(channel) == 0)


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_no_message_and_starts_none_twice(config, channel, serving):
    count = 300
    for number in range(count):
        put(channel, number, message_id=f"m{number}")
    for wait_s in (0.15, 0.4, 0.7):
        process = serving()
        time.sleep(wait_s)
        process.kill()
        process.wait(60)

    with closing(open_app(config)) as app:
        app.begin(starts=True)
        assert until(lambda: len(ended(app)) == count, 120)
        assert orders(app) == list(range(count))
        assert {run.state for run in app.engine.runs(limit=1000)} == {"succeeded"}
    assert until(lambda: waiting(channel) == 0)
    assert waiting(channel, "dead") == 0


def test_a_workflow_made_while_running_is_started_by_messages_soon(app, channel):
    body = {"triggers": [{"adapter": "events", "consume": "incoming", "input": {"made": True}}]}
    made = app.workflows.create("made", body, by="me")
    time.sleep(1.5)

    for number in range(20):
        put(channel, number)

    assert until(lambda: len(ended(app)) == 20)
    assert {run.workflow for run in ended(app)} == {"bill", made.id}


def test_a_sync_drains_its_queue_when_something_is_there_and_writes_no_history_otherwise(
    channel, vhost, tmp_path, monkeypatch
):
    monkeypatch.setattr("drawbar.core.starts._POLL_S", 0.3)
    target = tmp_path / "target.db"
    with closing(sqlite3.connect(target)) as database:
        database.execute("create table bills (number integer primary key)")
    config = tmp_path / "drawbar.yaml"
    config.write_text(SYNC.format(url=vhost, target=target))

    with closing(open_app(config)) as app:
        app.begin(starts=True)
        time.sleep(1)
        before = list(app.syncs.runs("bills"))
        for number in range(50):
            put(channel, number, message_id=f"m{number}")
        assert until(lambda: sum(run.counts.written for run in app.syncs.runs("bills")) == 50)
        time.sleep(1)
        runs = app.syncs.runs("bills")

    assert before == []
    assert {run.state for run in runs} == {"succeeded"}
    assert until(lambda: waiting(channel) == 0)
    with closing(sqlite3.connect(target)) as database:
        assert database.execute("select count(*), sum(number) from bills").fetchall() == [(50, 1225)]
