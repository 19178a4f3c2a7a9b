"""`drawbar worker` beside `serve`, on one PostgreSQL state."""

import os
import signal
import time
from contextlib import contextmanager

import psycopg
import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

from drawbar.core.store.history import TRIES

CONFIG = """\
state: ${{env:STATE}}
queue: ${{env:QUEUE:-threads}}
adapters:
  db:
    kind: sql
    url: ${{env:STATE}}
    budget: {{ concurrency: 50 }}
    statements:
      slow: {{ sql: "select pg_sleep({sleep_s}) is null as slept", effect: read, max_rows: 1 }}
workflows:
  many:
    tasks:
      each: {{ for_each: {{ in: "${{{{ input.list }}}}", concurrency: 24 }}, tool: db.slow }}
"""


OWNED = f"select owner, count(*) from ({TRIES}) as tries group by owner"


def config(sleep_s):
    return CONFIG.format(sleep_s=sleep_s)


@contextmanager
def working(at, environ):
    with (at / "worker.log").open("wb") as log:
        process = warm.start(["worker"], cwd=at, env=environ, stdout=log, stderr=log)
    until = time.monotonic() + 60
    while "Drawbar works" not in (at / "worker.log").read_text():
        assert process.poll() is None and time.monotonic() < until, (at / "worker.log").read_text()
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=["threads", "amqp"])
def environ(request, pg_url):
    """Once with threads that look, and once with a broker that rings."""
    queue = "threads" if request.param == "threads" else request.getfixturevalue("vhost")
    return {**os.environ, "STATE": pg_url, "QUEUE": queue}


def rows(environ, query):
    with psycopg.connect(environ["STATE"].replace("+psycopg", "")) as conn:
        return conn.execute(query).fetchall()


def ended(served, run_id, timeout_s=60):
    until = time.monotonic() + timeout_s
    while (run := served.ask("GET", f"/runs/{run_id}").json())["status"] not in {"succeeded", "failed", "cancelled"}:
        assert time.monotonic() < until, run
        time.sleep(0.05)
    return run


def test_a_worker_takes_its_share_of_what_serve_started_and_drains_on_sigterm(environ):
    at = folder("worker")
    with Serving(config(0.1), at=at, environ=environ) as served, working(at, environ) as worker:
        body = {"input": {"list": list(range(300))}}
        run_id = served.ask("POST", "/workflows/many/run", json=body).json()["run_id"]
        eventually(lambda: [*dict(rows(environ, OWNED)).values()], lambda each: len(each) == 2 and min(each) >= 10)
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(60)
        run = ended(served, run_id)

        assert code == 0
        assert run["status"] == "succeeded"
        assert rows(environ, f"select count(*) from ({TRIES}) as tries where state <> 'succeeded'") == [(0,)]


@pytest.mark.slow
def test_a_worker_that_is_killed_gives_its_tasks_to_the_others_when_their_leases_are_over(environ):
    at = folder("worker")
    with Serving(config(1), at=at, environ=environ) as served, working(at, environ) as worker:
        body = {"input": {"list": list(range(100))}}
        run_id = served.ask("POST", "/workflows/many/run", json=body).json()["run_id"]
        eventually(lambda: len(rows(environ, OWNED)) == 2)
        time.sleep(0.5)
        worker.kill()
        run = ended(served, run_id, 120)

        assert run["status"] == "succeeded"
        assert rows(environ, "select count(*) > 0 from attempts where state = 'lost'") == [(True,)]
