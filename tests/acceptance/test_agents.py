"""Agents with a model behind REST: given tasks, killed in the middle, and refused what is not theirs."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

from drawbar.testing.models import ScriptedModel, calls, says

LANDSCAPE = """\
state: sqlite:///drawbar.db
adapters:
  bank:
    kind: sql
    url: sqlite:///bank.db
    statements:
      balance: { sql: select sum(amount) as total from paid, effect: read, max_rows: 1 }
      pay: { sql: insert into paid (amount) values (:amount), parameters: { amount: { type: integer } }, effect: write }
agents:
  local: { tools: [bank.pay], scopes: [read, run, approve, operate, administer] }
  clerk:
    tools: ["bank.*", bank.pay]
    instructions: You pay.
    max_steps: 5
    model: { provider: openai, base_url: "${env:MODEL_URL}", name: scripted, api_key: "${env:MODEL_KEY}", price_per_million: { input: 2, output: 8 } }
  closed: { run_by: [boss] }
"""
KEY = "sk-never-shown-to-anybody"


def bank(at):
    with closing(sqlite3.connect(at / "bank.db")) as conn:
        conn.execute("create table if not exists paid (amount integer)")
        conn.commit()
        return [amount for (amount,) in conn.execute("select amount from paid")]


@pytest.fixture
def at():
    place = folder("agents")
    bank(place)
    return place


def serving(at, model):
    environ = {**os.environ, "MODEL_URL": f"{model.url}/v1", "MODEL_KEY": KEY}
    return Serving(LANDSCAPE, at=at, environ=environ)


def test_a_task_is_given_over_rest_and_its_costs_are_counted(at):
    script = [calls("bank_pay", amount=5), calls("bank_balance"), says('{"total": 5}')]
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
    with ScriptedModel(script, key=KEY) as model, serving(at, model) as served:
        sent = {"json": {"task": "Pay five.", "output": schema}, "headers": {"Idempotency-Key": "five"}}
        done = served.ask("POST", "/agents/clerk/run?wait_s=60", **sent)
        assert (done.status_code, done.json()["status"], done.json()["output"]) == (200, "succeeded", {"total": 5}), (
            done.text
        )
        assert done.json()["usage"] == {
            "questions": 3,
            "calls": 2,
            "input_tokens": 300,
            "output_tokens": 30,
            "cost": "0.00084",
        }
        run_id = done.json()["run_id"]
        assert served.ask("POST", "/agents/clerk/run?wait_s=60", **sent).json()["run_id"] == run_id
        assert bank(at) == [5]
        [told] = eventually(lambda: served.ask("GET", f"/audit?kind=run&run={run_id}").json()["items"])
        assert (told["who"], told["what"], told["outcome"]) == ("local", "agent:clerk", "started")
        assert served.ask("GET", f"/runs/{run_id}").json()["usage"]["calls"] == 2
        types = [one["type"] for one in served.ask("GET", f"/runs/{run_id}/events").json()["items"]]
        assert types.count("agent.said") == 3
        assert types[-3:] == ["task.succeeded", "agent.answered", "run.succeeded"]

        for sent, status in (
            ({"task": ""}, 422),
            ({}, 422),
            ({"task": "x", "output": {"type": "nonsense"}}, 422),
            ({"task": "x", "more": 1}, 422),
        ):
            refused = served.ask("POST", "/agents/clerk/run", json=sent)
            assert refused.status_code == status, refused.text
        assert served.ask("POST", "/agents/nobody/run", json={"task": "x"}).status_code == 404
        assert served.ask("POST", "/agents/closed/run", json={"task": "x"}).status_code == 403
        agent = served.ask("GET", "/agents/clerk")
        log = served.log.read_text()
    assert KEY not in agent.text + log


def test_an_agent_made_over_rest_has_its_key_by_reference(at):
    with ScriptedModel([says("Hello.")], key=KEY) as model, serving(at, model) as served:
        said = {"provider": "anthropic", "base_url": model.url, "name": "scripted"}
        refused = served.ask("POST", "/agents", json={"name": "a", "model": {**said, "api_key": KEY}})
        assert (refused.status_code, refused.json()["field"]) == (422, "model.api_key")
        body = {"name": "a", "model": {**said, "api_key": "${env:MODEL_KEY}"}}
        made = served.ask("POST", "/agents", json=body)
        assert (made.status_code, made.json()["model"]["api_key"]) == (201, "${env:MODEL_KEY}"), made.text

        done = served.ask(
            "POST", f"/agents/{made.json()['id']}/run?wait_s=60", json={"task": "Greet.", "input": {"n": 1}}
        )
        assert (done.json()["status"], done.json()["output"]) == ("succeeded", "Hello."), done.text


def test_a_call_that_was_made_is_not_made_again_after_a_kill(at):
    """Killed after the tool's effect and before the model heard of it: the effect is there once."""
    killed = []

    def after(request):
        if not killed:
            killed.append(True)
            os.kill(first.process.pid, signal.SIGKILL)
            time.sleep(0.2)
        return says("Paid.")

    with ScriptedModel([calls("bank_pay", amount=7), after], key=KEY) as model:
        with serving(at, model) as first:
            run_id = first.ask("POST", "/agents/clerk/run", json={"task": "Pay."}).json()["run_id"]
            first.process.wait(120)
        assert bank(at) == [7]
        with serving(at, model) as second:
            run = waited(second, run_id)
            assert (run["status"], run["output"], bank(at)) == ("succeeded", "Paid.", [7])
            assert run["usage"]["questions"] == 2


def waited(served, run_id, timeout_s=120):
    end = time.monotonic() + timeout_s
    while (run := served.ask("GET", f"/runs/{run_id}").json())["status"] not in {"succeeded", "failed"}:
        assert time.monotonic() < end, run
        time.sleep(0.1)
    return run


def test_documents_are_open_to_an_agent_as_far_as_it_says(at):
    (at / "drawbar.yaml").write_text(
        "agents:\n"
        "  clerk: { context: { read: [orders], write: [notes.*] } }\n"
        "  boss: { scopes: [read, run, administer] }\n"
        "workflows:\n"
        "  leak: { tasks: { a: { workflow: b, with: { x: '${{ context.secrets.a }}' } } } }\n"
        "  b: { description: Nothing. }\n"
        "  put: { tasks: { a: { workflow: b, save: { secrets.b: 1 } } } }\n"
    )
    keys = {name: key_of(at, name) for name in ("clerk", "boss")}
    with Serving(at=at) as served:

        def ask(who, method, path, **sent):
            headers = {"Authorization": f"Bearer {keys[who]}", **sent.pop("headers", {})}
            return served.ask(method, path, headers=headers, **sent)

        new = {"headers": {"If-None-Match": "*"}}
        assert ask("boss", "PUT", "/context/secrets/a", json=1, **new).status_code == 201
        assert ask("boss", "PUT", "/context/orders/a", json=1, **new).status_code == 201
        assert ask("clerk", "PUT", "/context/notes.mine/a", json=1, **new).status_code == 201
        assert ask("clerk", "PUT", "/context/notes.mine/a", json=2, headers={"If-Match": '"1"'}).status_code == 200
        for method, path, status in (
            ("GET", "/context/orders/a", 200),
            ("GET", "/context/notes.mine/a", 200),
            ("GET", "/context/notes.mine/a?version=1", 200),
            ("GET", "/context/notes.mine/a?version=7", 404),
            ("GET", "/context/notes.mine/a?version=0", 422),
            ("GET", "/context/notes.mine/a/versions", 200),
            ("GET", "/context/secrets/a/versions", 403),
            ("GET", "/context/secrets/a", 403),
            ("GET", "/context/secrets", 403),
        ):
            assert ask("clerk", method, path).status_code == status, path
        page = ask("clerk", "GET", "/context/notes.mine/a/versions?limit=1").json()
        assert ([one["version"] for one in page["items"]], page["next"]) == ([2], "2")
        assert ask("clerk", "PUT", "/context/orders/b", json=1, **new).status_code == 403
        for flow in ("leak", "put"):
            run = ask("clerk", "POST", f"/workflows/{flow}/run?wait_s=20").json()
            assert (run["status"], run["error"]["reason"]) == ("failed", "forbidden"), run
        assert ask("boss", "POST", "/workflows/leak/run?wait_s=20").json()["status"] == "succeeded"


def key_of(at, agent):
    return json.loads(warm.run(["--json", "keys", "add", agent], cwd=at).stdout)["key"]
