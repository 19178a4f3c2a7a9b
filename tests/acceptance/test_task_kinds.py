"""Sub-workflows and agents' tasks as callers and operators meet them: over REST, and on the command line."""

import json
import os
import sqlite3
import time

import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

CONFIG = """\
version: 1
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find_order:
        description: Find one order by its number.
        sql: select id, customer from orders where id = :id
        parameters: { id: { type: integer } }
        effect: read
workflows:
  close_day:
    tasks:
      orders: { workflow: look, for_each: { in: "${{ [1, 2] }}", concurrency: 2 }, with: { order: "${{ item }}" } }
      think:
        agent: clerk
        needs: [orders]
        description: The night, in one sentence.
        with: { orders: "${{ tasks.orders.output }}" }
        output: { type: object, required: [summary], properties: { summary: { type: string } } }
        save: { night.summary: "${{ result.summary }}" }
    output: "${{ tasks.think.output.summary }}"
  above:
    tasks: { sub: { workflow: close_day, output: "${{ 'the night: ' + result }}" } }
    output: "${{ tasks.sub.output }}"
  look:
    input: { type: object, required: [order], properties: { order: { type: integer } } }
    tasks: { find: { tool: erp.find_order, with: { id: "${{ input.order }}" }, output: "${{ result.rows[0].customer }}" } }
    output: "${{ tasks.find.output }}"
agents:
  clerk: { scopes: [read] }
  other: { scopes: [read, run] }
  desk: { tools: ["erp.find_*"], scopes: [read, run, operate] }
"""


@pytest.fixture(scope="module")
def place():
    made = folder("kinds")
    with sqlite3.connect(made / "erp.db") as erp:
        erp.execute("create table orders (id integer primary key, customer text)")
        erp.executemany("insert into orders values (?, ?)", [(1, "ann"), (2, "bob")])
    (made / "drawbar.yaml").write_text(CONFIG)
    return made


@pytest.fixture(scope="module")
def served(place):
    with Serving(CONFIG, at=place) as serving:
        desk = key_of(place, "desk")
        eventually(lambda: serving.ask("GET", "/runs").status_code == 401)
        ask = serving.ask
        serving.ask = lambda *said, **sent: ask(*said, **{"headers": desk, **sent})
        yield serving


def typed(place, *words, code=0):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRAWBAR_")}
    done = warm.run(words, cwd=place, env=environ)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def key_of(place, agent):
    return {"Authorization": "Bearer " + json.loads(typed(place, "--json", "keys", "add", agent))["key"]}


def opened(served, **sent):
    end = time.monotonic() + 60
    while not (found := served.ask("GET", "/agents/clerk/assignments", **sent).json()["items"]):
        assert time.monotonic() < end
        time.sleep(0.05)
    (one,) = found
    return one


def test_an_agent_lists_what_it_was_given_and_answers_once(served, place):
    clerk, other = ({"headers": key_of(place, name)} for name in ("clerk", "other"))
    run = served.ask("POST", "/workflows/above/run").json()["run_id"]
    one = opened(served, **clerk)
    assert (one["agent"], one["state"], one["input"]) == ("clerk", "open", {"orders": ["ann", "bob"]})
    assert one["output_schema"]["required"] == ["summary"]
    here = f"/assignments/{one['id']}/answer"

    assert served.ask("GET", "/agents/clerk/assignments", **other).status_code == 403
    assert served.ask("GET", "/assignments", **clerk).status_code == 403
    assert served.ask("POST", here, json={"output": {"summary": "x"}}, **other).status_code == 403
    wrong = served.ask("POST", here, json={"output": {"summary": 7}}, **clerk)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "output.summary")
    for body in ({}, {"output": {"summary": "x"}, "error": "no"}, {"error": ""}, {"outptu": 1}, [1]):
        assert served.ask("POST", here, json=body, **clerk).status_code == 422, body
    answered = served.ask("POST", here, json={"output": {"summary": "All quiet."}}, **clerk)
    assert (answered.status_code, answered.json()["state"]) == (200, "done")

    assert served.ask("POST", here, json={"output": {"summary": "x"}}, **clerk).status_code == 409
    assert served.ask("POST", "/assignments/nothing/answer", json={"output": 1}).status_code == 404
    end = time.monotonic() + 60
    while (seen := served.ask("GET", f"/runs/{run}").json())["status"] != "succeeded":
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    assert seen["output"] == "the night: All quiet."
    assert served.ask("GET", "/context/night/summary").json()["value"] == "All quiet."


def test_runs_show_their_parents_and_children(served):
    run = served.ask("POST", "/workflows/above/run").json()["run_id"]
    one = opened(served)
    (mid,) = served.ask("GET", "/runs", params={"parent": run}).json()["items"]
    low = served.ask("GET", "/runs", params={"parent": mid["run_id"]}).json()["items"]
    tasks = served.ask("GET", f"/runs/{run}/tasks").json()["items"]

    assert (mid["parent_run"], mid["parent_task"], mid["parent_item"]) == (run, "sub", None)
    assert sorted(child["parent_item"] for child in low) == [0, 1]
    assert (tasks[0]["child"], tasks[0]["status"]) == (mid["run_id"], "waiting")
    assert served.ask("GET", f"/runs/{run}").json()["status"] == "waiting"

    assert served.ask("POST", f"/runs/{run}/cancel").status_code == 200
    end = time.monotonic() + 60
    while served.ask("GET", f"/runs/{run}").json()["status"] != "cancelled":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert served.ask("GET", f"/assignments/{one['id']}").json()["state"] == "withdrawn"
    assert served.ask("GET", "/assignments").json()["items"] == []


@pytest.mark.slow
def test_on_the_command_line_a_run_waits_for_an_agent_and_is_answered(tmp_path, place):
    (tmp_path / "drawbar.yaml").write_text(CONFIG)
    (tmp_path / "erp.db").write_bytes((place / "erp.db").read_bytes())
    run = typed(tmp_path, "run", "above", code=3)
    assert "waits for clerk: drawbar answer" in run
    run_id = run.split()[0]
    (one,) = json.loads(typed(tmp_path, "--json", "assignments", "clerk"))
    assert one["id"] in typed(tmp_path, "assignments")
    assert "say what the task gives" in "".join(_failed(tmp_path, "answer", one["id"]))
    assert "summary" in "".join(_failed(tmp_path, "answer", one["id"], "--input", '{"summary": 7}'))
    middle = json.loads(typed(tmp_path, "--json", "show", run_id))["tasks"][0]["child"]
    assert middle in typed(tmp_path, "show", run_id)
    assert run_id in typed(tmp_path, "show", middle)
    assert typed(tmp_path, "runs", "--parent", middle).count("look") == 2

    typed(tmp_path, "answer", one["id"], "--input", '{"summary": "All quiet."}')
    seen = json.loads(typed(tmp_path, "--json", "show", run_id))
    assert (seen["status"], seen["output"]) == ("succeeded", "the night: All quiet.")
    assert "nothing waits" in typed(tmp_path, "assignments")


def _failed(place, *words):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRAWBAR_")}
    done = warm.run(words, cwd=place, env=environ)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr
