"""Systems that only certain machines reach: `queue:` of an adapter, and `worker --queues` on those machines."""

import os
import time
from contextlib import contextmanager

import psycopg
import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

from drawbar.core.store.history import TRIES

CONFIG = """\
state: ${env:STATE}
queue: ${env:QUEUE:-threads}
adapters:
  near:
    kind: sql
    url: ${env:STATE}
    statements: { pid: { sql: "select 1 as one", effect: read, max_rows: 1 } }
  far:
    kind: sql
    url: ${env:STATE}
    queue: inside
    statements:
      pid: { sql: "select 2 as two", effect: read, max_rows: 1 }
      wrong: { sql: "select 1 / 0 as never", effect: read }
    tables: { source: { key: [id], read: true }, target: { key: [id], upsert: true } }
workflows:
  both:
    tasks:
      a: { tool: near.pid }
      b: { tool: far.pid, needs: [a] }
      c: { tool: near.pid, needs: [b] }
      d: { for_each: { in: "${{ [1, 2, 3, 4] }}", concurrency: 4 }, tool: far.pid, needs: [b] }
syncs:
  copy:
    from: { adapter: far, table: source }
    to: { adapter: far, table: target, mode: upsert }
    triggers: [ { cron: "*/2 * * * * *" } ]
"""
OWNERS = f"select task, owner, count(*) from ({TRIES}) as tries where state = 'succeeded' group by task, owner"


@contextmanager
def working(at, environ, *more):
    log = at / f"worker{'-'.join(more)}.log"
    with log.open("wb") as said:
        process = warm.start(["worker", *more], cwd=at, env=environ, stdout=said, stderr=said)
    until = time.monotonic() + 60
    while "Drawbar works" not in log.read_text():
        assert process.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=["threads", *(pytest.param(one, marks=pytest.mark.slow) for one in ("rabbitmq", "redis"))])
def environ(request, pg_url):
    make = {"rabbitmq": "make_vhost", "redis": "make_database"}
    server = request.getfixturevalue(request.param) if request.param in make else None
    queue = "threads" if server is None else getattr(server, make[request.param])()
    with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute("create table source (id int primary key, n int)")
        conn.execute("create table target (id int primary key, n int)")
        conn.execute("insert into source select n, n from generate_series(1, 50) n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAWBAR_")}
    return {**kept, "STATE": pg_url, "QUEUE": queue}


def rows(environ, query):
    with psycopg.connect(environ["STATE"].replace("+psycopg", "")) as conn:
        return conn.execute(query).fetchall()


def soon(found, timeout_s=60):
    until = time.monotonic() + timeout_s
    while not (said := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return said


def ended(served, run_id):
    return soon(lambda: (run := served.ask("GET", f"/runs/{run_id}").json())["finished_at"] and run)


def by_drawbar(at, environ, *words, **more):
    return warm.run(words, cwd=at, env={**environ, **more})


def test_what_is_pinned_is_done_by_its_workers_and_by_nobody_else(environ):
    """Tasks, a direct call over REST and by command line, and a sync of the clock: all of them go inside."""
    at = folder("queues")
    with Serving(CONFIG, at=at, environ=environ) as served:
        run_id = served.ask("POST", "/workflows/both/run").json()["run_id"]
        soon(lambda: served.ask("GET", "/status").json()["without_a_worker"])
        refused = served.ask("POST", "/tools/far.pid/call", json={"arguments": {}})
        page = by_drawbar(at, environ, "status").stdout
        with working(at, environ, "--queues", "inside") as worker:
            run = ended(served, run_id)
            answer = served.ask("POST", "/tools/far.pid/call", json={"arguments": {}})
            wrong = served.ask("POST", "/tools/far.wrong/call", json={"arguments": {}})
            here = by_drawbar(at, environ, "--json", "call", "far.pid")
            soon(lambda: rows(environ, "select count(*) from target") == [(50,)])
            unserved = served.ask("GET", "/status").json()["without_a_worker"]
        pids = {(task, int(owner.split(":")[1])) for task, owner, _ in rows(environ, OWNERS)}

        assert run["status"] == "succeeded"
        assert refused.status_code == 503 and "worker --queues inside" in refused.json()["next"]
        assert "queue inside: " in page and "ready, no worker" in page
        assert unserved == []
        assert answer.json()["result"]["rows"] == [{"two": 2}]
        assert wrong.status_code == 409 and "division by zero" in wrong.text
        assert '"two": 2' in here.stdout
        assert {pid for task, pid in pids if task in {"b", "d", "sync", "call"}} == {worker.pid}
        assert {pid for task, pid in pids if task in {"a", "c"}} == {served.process.pid}


def test_a_process_that_serves_both_does_all_of_it(environ):
    at = folder("queues")
    with Serving(CONFIG, at=at, environ=environ, more=["--queues", "default,inside"]) as served:
        run = ended(served, served.ask("POST", "/workflows/both/run").json()["run_id"])
        direct = served.ask("POST", "/tools/far.pid/call", json={"arguments": {}})
        runs = served.ask("GET", "/runs").json()["items"]

        assert run["status"] == "succeeded"
        assert direct.json()["result"]["rows"] == [{"two": 2}]
        assert {one["workflow"] for one in runs} == {"both"}


@pytest.mark.slow
@pytest.mark.parametrize("environ", ["threads"], indirect=True)
def test_what_needs_the_system_itself_is_refused_where_it_cannot_be_reached(environ):
    at = folder("queues")
    (at / "drawbar.yaml").write_text(CONFIG)
    outside = by_drawbar(at, environ, "sync", "copy")
    preview = by_drawbar(at, environ, "call", "far.pid", "--preview")
    nonsense = by_drawbar(at, environ, "worker", "--queues", "in side,")
    inside = by_drawbar(at, environ, "sync", "copy", DRAWBAR_QUEUES="inside")

    for refused in (outside, preview):
        assert refused.returncode == 1
        assert "belongs to the queue 'inside'" in refused.stderr and "DRAWBAR_QUEUES=inside" in refused.stderr
    assert nonsense.returncode == 2 and "no name of a queue" in nonsense.stderr
    assert inside.returncode == 0, inside.stderr
    assert rows(environ, "select count(*) from target") == [(50,)]
