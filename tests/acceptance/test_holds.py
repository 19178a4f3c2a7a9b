"""An operator holds and releases: by the command line and by REST, on a running service, with real files and messages."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pika
import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

LANDSCAPE = """\
version: 1
server: { min_free_mb: "${env:FLOOR_MB:-1}" }
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      count_orders: { description: Count the orders., sql: select count(*) as n from orders, effect: read }
    tables: { orders: { key: [id], read: true, upsert: true } }
  drop:
    kind: local
    root: ./inbox
    feeds:
      orders:
        pattern: "*.csv"
        ready: { stable_s: 0 }
        format: { kind: csv, columns: { id: integer, customer: string } }
workflows:
  count: { tasks: { count: { tool: erp.count_orders } } }
  tick: { triggers: [ { cron: "* * * * *" } ] }
syncs:
  load:
    from: { adapter: drop, feed: orders }
    to: { adapter: erp, table: orders, mode: upsert, key: [id] }
    triggers: [ { adapter: drop, feed: orders } ]
"""


def furnished(name: str) -> Path:
    place = folder(name)
    with sqlite3.connect(place / "erp.db") as erp:
        erp.execute("create table orders (id integer primary key, customer text)")
    (place / "inbox").mkdir()
    return place


def drawbar(serving: Serving, *words: str, code: int = 0, here: bool = False) -> str:
    """Run one command beside the service, on its state or through its REST."""
    server = [] if here else ["--server", serving.url]
    done = warm.run([*words, *server], cwd=serving.folder)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def until(true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def rows(serving: Serving) -> int:
    with sqlite3.connect(serving.folder / "erp.db") as erp:
        return erp.execute("select count(*) from orders").fetchone()[0]


@pytest.mark.parametrize(
    "here", [pytest.param(True, marks=pytest.mark.slow), False], ids=["on the state", "through REST"]
)
def test_a_held_system_is_told_by_every_face_and_works_again_when_it_is_released(here):
    with Serving(LANDSCAPE, at=furnished("holds")) as serving:
        drawbar(serving, "hold", "erp", "--until", "2h", "--reason", "patching", here=here)

        def call():
            return serving.ask("POST", "/tools/erp.count_orders/call", json={"arguments": {}})

        refused = eventually(call, lambda answer: answer.status_code == 503)
        assert "patching" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) > 7000
        assert "patching" in drawbar(serving, "call", "erp.count_orders", code=4, here=here)
        assert "patching" in drawbar(serving, "sync", "load", code=4, here=here)
        run = serving.ask("POST", "/workflows/count/run").json()["run_id"]
        until(lambda: serving.ask("GET", f"/runs/{run}").json()["status"] == "waiting")
        page = serving.ask("GET", "/status").json()
        assert [(one["name"], one["kind"], one["reason"]) for one in page["held"]] == [("erp", "adapter", "patching")]
        assert page["held"][0]["by"]
        assert page["held"][0]["since"]
        assert "patching" in drawbar(serving, "status", here=here)
        assert [one["name"] for one in serving.ask("GET", "/holds").json()["items"]] == ["erp"]

        drawbar(serving, "release", "erp", "--reason", "patched", here=here)

        until(lambda: serving.ask("GET", f"/runs/{run}").json()["status"] == "succeeded")
        assert serving.ask("POST", "/tools/erp.count_orders/call", json={"arguments": {}}).status_code == 200
        told = [one for one in serving.ask("GET", "/events").json()["items"] if one["topic"] == "holds"]
        assert [(one["type"], one["body"]["reason"]) for one in told] == [
            ("hold.set", "patching"),
            ("hold.released", "patched"),
        ]


@pytest.mark.parametrize("name", ["drop.orders", "load", "erp", "sync:load:drop.orders"])
def test_files_stay_where_they_are_while_something_of_their_way_is_held(name):
    with Serving(LANDSCAPE, at=furnished("holds")) as serving:
        assert serving.ask("POST", "/holds", json={"name": name}).status_code == 200
        time.sleep(0.6)
        (serving.folder / "inbox" / "one.csv").write_text("id,customer\n1,Ada\n2,Grace\n")
        time.sleep(1.5)

        assert rows(serving) == 0
        assert [one.name for one in (serving.folder / "inbox").glob("*.csv")] == ["one.csv"]
        assert serving.ask("GET", "/syncs/load/runs").json()["items"] == []

        assert serving.ask("DELETE", f"/holds/{name}").status_code == 204
        until(lambda: rows(serving) == 2)


def test_a_held_workflow_takes_no_run_and_a_kill_releases_nothing():
    place = furnished("holds")
    with Serving(LANDSCAPE, at=place) as serving:
        serving.ask("POST", "/holds", json={"name": "count", "reason": "wrong numbers"})
        serving.end(signal.SIGKILL)
    with Serving(LANDSCAPE, at=place) as serving:
        refused = serving.ask("POST", "/workflows/count/run")

        assert refused.status_code == 503
        assert "wrong numbers" in refused.json()["detail"]
        assert serving.ask("DELETE", "/holds/count").status_code == 204
        assert serving.ask("POST", "/workflows/count/run?wait_s=20").json()["status"] == "succeeded"


def test_what_cannot_be_held_is_a_problem_that_says_why():
    with Serving(LANDSCAPE, at=furnished("holds")) as serving:
        for body, status in (
            ({"name": "erq"}, 404),
            ({}, 422),
            ({"name": "erp", "until": "noon"}, 422),
            ({"name": "erp", "until": "2020-01-01T00:00:00Z"}, 422),
            ({"name": "erp", "until": "2030-01-01T00:00:00"}, 422),
            ({"name": "erp", "why": "x"}, 422),
        ):
            answer = serving.ask("POST", "/holds", json=body)
            assert answer.status_code == status, answer.text
        assert serving.ask("DELETE", "/holds/erp").status_code == 404
        assert serving.ask("POST", "/holds", json={"name": "tick"}).json()["kind"] == "workflow"
        assert serving.ask("POST", "/holds", json={"name": "trigger:tick"}).json()["kind"] == "trigger"


def test_below_the_floor_of_the_disk_nothing_new_is_accepted_and_ready_says_so():
    environ = {**os.environ, "FLOOR_MB": "999999999"}
    with Serving(LANDSCAPE, at=furnished("holds"), environ=environ) as serving:
        (serving.folder / "inbox" / "one.csv").write_text("id,customer\n1,Ada\n")
        refused = serving.ask("POST", "/workflows/count/run")
        ready = serving.ask("GET", "/health/ready")
        until(lambda: "disk.low" in [one["type"] for one in serving.ask("GET", "/events").json()["items"]])
        time.sleep(1)

        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
        assert ready.status_code == 503
        assert [one["ok"] for one in ready.json()["findings"] if one["what"] == "disk"] == [False]
        assert serving.ask("POST", "/tools/erp.count_orders/call", json={"arguments": {}}).status_code == 200
        assert (serving.folder / "inbox" / "one.csv").exists()
        assert "MB free" in drawbar_here(serving, "run", "count")


def drawbar_here(serving: Serving, *words: str) -> str:
    done = warm.run(words, cwd=serving.folder, env={**os.environ, "FLOOR_MB": "999999999"})
    assert done.returncode == 4, (done.stdout, done.stderr)
    return done.stderr


@pytest.mark.wire("rabbitmq")
def test_messages_stay_on_their_queue_until_the_workflow_is_released(vhost):
    config = f"""\
version: 1
adapters:
  events: {{ kind: amqp, url: "{vhost}", heartbeat_s: 2, consume: {{ incoming: {{ queue: in, prefetch: 20 }} }} }}
workflows:
  bill:
    triggers: [ {{ adapter: events, consume: incoming, input: "${{{{ {{'order': message.body.order}} }}}}" }} ]
"""
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    channel = connection.channel()
    channel.queue_declare("in", durable=True)

    def ready() -> int:
        return channel.queue_declare("in", passive=True).method.message_count

    with Serving(config) as serving:
        until(lambda: channel.queue_declare("in", passive=True).method.consumer_count == 1)
        serving.ask("POST", "/holds", json={"name": "bill:events.incoming", "reason": "month end"})
        until(lambda: channel.queue_declare("in", passive=True).method.consumer_count == 0)
        for number in range(50):
            properties = pika.BasicProperties(message_id=f"m{number}", content_type="application/json")
            channel.basic_publish("", "in", json.dumps({"order": number}), properties)
        time.sleep(1)
        assert ready() == 50
        assert serving.ask("GET", "/runs").json()["items"] == []

        serving.ask("DELETE", "/holds/bill:events.incoming")

        until(lambda: len(serving.ask("GET", "/runs?limit=1000&state=succeeded").json()["items"]) == 50)
        assert ready() == 0
    connection.close()
