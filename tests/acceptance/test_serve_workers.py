"""`drawbar serve --workers N`, and several `serve` on one state: what one of them starts, and what comes of those that die."""

import os
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pika
import psycopg
import pytest
import requests
from servers.drawbar import Serving
from servers.process import descendants, folder, free_port

from drawbar.core.store.history import TRIES

CONFIG = """\
state: ${env:STATE:-sqlite:///drawbar.db}
adapters:
  drop:
    kind: local
    root: ./inbox
    feeds: { papers: { pattern: "*.txt", ready: { stable_s: 0.1 }, claim: rename, after: delete, format: { kind: csv } } }
workflows:
  tick: { triggers: [ { cron: "* * * * * *" } ], tasks: { wait: { wait_s: 0.01 } } }
  paper: { triggers: [ { adapter: drop, feed: papers, input: "${{ {'name': file.name} }}" } ] }
"""
MESSAGES = """\
  broker: { kind: amqp, url: "${env:BROKER}", consume: { in: { queue: orders.in, prefetch: 5 } } }
"""
HEARD = """\
  heard: { triggers: [ { adapter: broker, consume: in, input: "${{ message.body }}" } ] }
"""
SLOW = """\
state: ${env:STATE}
adapters:
  db:
    kind: sql
    url: ${env:STATE}
    statements: { slow: { sql: "select pg_sleep(1.5) is null as slept", effect: read, max_rows: 1 } }
workflows: { slow: { tasks: { one: { tool: db.slow } } } }
"""


def children(served):
    """Give the processes that answer, by pid; a child of a child is none."""
    return [pid for pid in descendants(served.process.pid) if "--part" in spelled(pid)]


def spelled(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def is_there(pid):
    return Path(f"/proc/{pid}").exists()


def holder(served):
    """Give the child that starts: the one that holds the lock."""
    for pid in children(served):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                is_starter = file.readlink().name == "starter"
                if is_starter and "FLOCK" in Path(f"/proc/{pid}/fdinfo/{file.name}").read_text():
                    return pid
    return None


def soon(found, timeout_s=60):
    until = time.monotonic() + timeout_s
    while not (said := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return said


def runs(served, workflow):
    return served.ask("GET", f"/runs?workflow={workflow}&limit=1000").json()["items"]


@pytest.fixture
def place():
    at = folder("crowd")
    (at / "inbox").mkdir()
    return at


@pytest.mark.slow
@pytest.mark.parametrize("state", ["sqlite", "postgres"])
def test_one_process_starts_and_another_when_it_is_killed(place, state, request):
    """Each tick and each file is one run, through the deaths of whoever starts; the port never closes."""
    environ = dict(os.environ)
    if state == "postgres":
        environ["STATE"] = request.getfixturevalue("pg_url")
    with Serving(CONFIG, at=place, environ=environ, more=["--workers", "3"]) as served:
        soon(lambda: len(children(served)) == 3 and holder(served) is not None)
        first_pids = children(served)
        for number in range(3):
            (place / "inbox" / f"{number}.txt").write_text("a,b\n1,2\n")
            starter = soon(lambda: holder(served))
            os.kill(starter, signal.SIGKILL)
            soon(lambda starter=starter: holder(served) not in {None, starter})
            time.sleep(1.5)
        soon(lambda: len(runs(served, "paper")) == 3)
        ticks = [run["date"] for run in runs(served, "tick")]
        soon(lambda: len(children(served)) == 3)
        answers = {served.ask("GET", "/health/ready").status_code for _ in range(20)}
        code = served.end()

        assert len(ticks) >= 4
        assert answers == {200}
        assert code == 0
        assert not any(is_there(pid) for pid in first_pids)
    if state == "postgres":
        with psycopg.connect(environ["STATE"].replace("+psycopg", "")) as conn:
            names = [row[0] for row in conn.execute("select trigger_id from runs where workflow = 'tick'")]
        assert len(names) == len(set(names))


def test_sigterm_lets_all_processes_finish_what_they_do(pg_url):
    environ = {**os.environ, "STATE": pg_url}
    with Serving(SLOW, environ=environ, more=["--workers", "2"]) as served:
        soon(lambda: len(children(served)) == 2)
        for _ in range(8):
            served.ask("POST", "/workflows/slow/run")
        with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as conn:
            soon(lambda: conn.execute(f"select 1 from ({TRIES}) as tries").fetchone())
        code = served.end()

    with psycopg.connect(pg_url.replace("+psycopg", "")) as conn:
        states = conn.execute(f"select state, count(*) from ({TRIES}) as tries group by state").fetchall()
    assert code == 0
    assert "defect" not in served.log.read_text()
    assert [state for state, _ in states] == ["succeeded"]


def test_children_end_with_a_parent_that_is_killed(place):
    with Serving(CONFIG, at=place, more=["--workers", "2"]) as served:
        pids = soon(lambda: len(children(served)) == 2 and children(served))
        served.ask("GET", "/health/ready")
        os.kill(served.process.pid, signal.SIGKILL)
        soon(lambda: not any(is_there(pid) for pid in pids))
        with pytest.raises(requests.ConnectionError):
            served.ask("GET", "/health/ready")


def test_a_port_that_is_taken_is_said_once_before_anything_begins(place):
    with Serving(CONFIG, at=place) as served:
        with Serving(at=place, port=served.port, more=["--workers", "4"]) as other:
            code = other.process.wait(60)

        assert code == 2
        assert (place / "serve.log").read_text().count("is in use") == 1


@pytest.mark.slow
def test_of_three_services_on_one_state_one_starts_a_tick_a_file_and_a_message(place, pg_url, vhost):
    """All of them watch: whoever is faster starts, and the journal knows each by its name."""
    config = CONFIG.replace("workflows:\n", MESSAGES + "workflows:\n" + HEARD)
    environ = {**os.environ, "STATE": pg_url, "BROKER": vhost}
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection, ExitStack() as stack:
        channel = connection.channel()
        channel.queue_declare("orders.in", durable=True)
        services = [stack.enter_context(Serving(config, at=place, port=free_port(), environ=environ)) for _ in range(3)]
        for number in range(60):
            channel.basic_publish("", "orders.in", b'{"n": %d}' % number, pika.BasicProperties(message_id=f"m{number}"))
            (place / "inbox" / f"{number}.txt").write_text("a,b\n1,2\n")
        one = services[0]
        soon(lambda: len(runs(one, "heard")) >= 60 and len(runs(one, "paper")) >= 60, 60)
        time.sleep(2)
        counted = {name: len(runs(one, name)) for name in ("heard", "paper")}
        with psycopg.connect(pg_url.replace("+psycopg", "")) as conn:
            ticks = [row[0] for row in conn.execute("select trigger_id from runs where workflow = 'tick' order by 1")]

        assert counted == {"heard": 60, "paper": 60}
        seconds = [int(name.rpartition(":")[2]) for name in ticks]
        assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
