"""Agents with a model on many machines: PostgreSQL, a broker, and workers that are killed."""

import os
import signal
import time
from contextlib import contextmanager

import psycopg
import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

from drawbar.testing.models import ScriptedModel, calls, says

LANDSCAPE = """\
state: ${env:STATE}
queue: ${env:QUEUE}
adapters:
  bank:
    kind: sql
    url: ${env:STATE}
    statements:
      pay: { sql: insert into paid (amount) values (:amount), parameters: { amount: { type: integer } }, effect: write }
agents:
  clerk:
    tools: [bank.pay]
    model: { provider: anthropic, base_url: "${env:MODEL_URL}", name: scripted }
"""


@contextmanager
def house(pg_url, vhost, model):
    """One `serve` and one `worker` on the same state and broker."""
    sql(pg_url, "create table paid (amount int)")
    environ = {**os.environ, "STATE": pg_url, "QUEUE": vhost, "MODEL_URL": model.url}
    at = folder("many-agents")
    with Serving(LANDSCAPE, at=at, environ=environ) as served:
        log = at / "worker.log"
        with log.open("wb") as said:
            worker = warm.start(["worker"], cwd=at, env=environ, stdout=said, stderr=said)
        try:
            until(lambda: "Drawbar works" in log.read_text())
            yield served
        finally:
            worker.kill()
            worker.wait()


def sql(url, query):
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as conn:
        found = conn.execute(query)
        return found.fetchall() if found.description else []


def until(condition, timeout_s=40):
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, condition()
        time.sleep(0.1)
    return found


def ended(served, run_id):
    run = served.ask("GET", f"/runs/{run_id}").json()
    return run if run["status"] in {"succeeded", "failed"} else None


@pytest.mark.slow
def test_tasks_are_done_by_whichever_process_hears_the_bell(pg_url, vhost):
    with ScriptedModel([calls("bank_pay", amount=1), says("Paid.")]) as model, house(pg_url, vhost, model) as served:
        started = [served.ask("POST", "/agents/clerk/run", json={"task": "Pay."}).json() for _ in range(8)]
        runs = [until(lambda one=one: ended(served, one["run_id"]), 90) for one in started]

        assert [run["output"] for run in runs] == ["Paid."] * 8
        assert sql(pg_url, "select count(*) from paid") == [(8,)]


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_second_effect(pg_url, vhost):
    """Its lease has to run out first: on many machines nobody else can tell that it is dead."""
    killed = []

    def after(request):
        if not killed:
            [(owner,)] = sql(pg_url, "select owner from task_runs where kind = 'agent' and state = 'running'")
            killed.append(int(owner.split(":")[1]))
            if killed[0] != serving[0].process.pid:
                os.kill(killed[0], signal.SIGKILL)
            else:  # it is asked for the run afterwards: let it only lose what it hears
                os.kill(killed[0], signal.SIGSTOP)
                time.sleep(33)
                os.kill(killed[0], signal.SIGCONT)
        return says("Paid.")

    serving = []
    with ScriptedModel([calls("bank_pay", amount=1), after]) as model, house(pg_url, vhost, model) as served:
        serving.append(served)
        run_id = served.ask("POST", "/agents/clerk/run", json={"task": "Pay."}).json()["run_id"]
        run = until(lambda: ended(served, run_id), 120)

        assert (run["status"], run["output"]) == ("succeeded", "Paid.")
        assert sql(pg_url, "select count(*) from paid") == [(1,)]
