"""The REST facade as callers meet it, on a server of its own process."""

import concurrent.futures
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests
from servers.drawbar import Serving
from servers.process import folder

LANDSCAPE = """\
version: 1
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find_order:
        description: Find one order by its number.
        sql: select id, customer, amount from orders where id = :id
        parameters: { id: { type: integer } }
        effect: read
      set_customer:
        description: Give an order to another customer.
        sql: update orders set customer = :customer where id = :id
        parameters: { id: { type: integer }, customer: { type: string } }
        effect: write
      count_orders: { description: Count the orders., sql: select count(*) as n from orders, effect: read }
      add_order:
        description: Add an order.
        sql: insert into orders (customer) values (:customer)
        parameters: { customer: { type: string } }
        effect: write
      hurt_order:
        description: Delete an order that must be there.
        sql: delete from orders where id = :id
        parameters: { id: { type: integer } }
        effect: write
        expect_rows: 1
      forget_order:
        description: Delete an order.
        sql: delete from orders where id = :id
        parameters: { id: { type: integer } }
        effect: write
    tools:
      forget_order: { approval: { by: [erp_lead] } }
  gone:
    kind: sql
    url: "postgresql+psycopg://drawbar:${env:NO_SUCH_PASSWORD:-hush-hush-4711}@127.0.0.1:1/erp"
    statements:
      one: { description: Nothing., sql: select 1 as one, effect: read }
workflows:
  look:
    description: Find an order.
    input: { type: object, required: [order], properties: { order: { type: integer } } }
    tasks:
      order: { tool: erp.find_order, with: { id: "${{ input.order }}" } }
    output: "${{ {'rows': tasks.order.output.rows} }}"
  hurt:
    input: { type: object, properties: { id: { type: integer } } }
    tasks: { hurt: { tool: erp.hurt_order, with: { id: "${{ input.id }}" } } }
  slow:
    tasks: { pause: { wait_s: 2 } }
agents:
  local: { tools: [erp.set_customer, erp.forget_order], scopes: [read, run, operate, approve, administer] }
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    place = folder("rest")
    with sqlite3.connect(place / "erp.db") as erp:
        erp.execute("create table orders (id integer primary key, customer text, amount numeric(10, 2))")
        erp.executemany("insert into orders values (?, ?, ?)", [(n, f"c{n}", n * 1.5) for n in range(1, 6)])
    with Serving(LANDSCAPE, at=place) as serving:
        yield serving


@pytest.fixture
def made(served: Serving) -> str:
    """The id of a fresh workflow without tasks."""
    return served.workflow()


def problem(answer: requests.Response, status: int) -> dict:
    """Check that an answer is a whole problem, and give it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert {"type", "title", "status", "detail", "kind", "happened", "field", "next", "retry_after_s", "id"} <= {*said}
    assert said["status"] == status
    assert said["kind"] in {"config", "input", "rejected", "unavailable", "unknown"}
    assert "Traceback" not in answer.text
    return said


def test_every_path_answers_with_and_without_the_version(served):
    for path in ("/workflows", "/runs", "/tools", "/adapters", "/agents", "/syncs", "/approvals", "/dead-letters"):
        plain, versioned = served.ask("GET", path), served.ask("GET", f"/v1{path}")

        assert plain.status_code == versioned.status_code == 200, path
        assert set(plain.json()) == {"items", "next"}


def test_a_workflow_of_the_configuration_is_read_only(served):
    for method in ("PUT", "PATCH", "DELETE"):
        said = problem(served.ask(method, "/workflows/look", json={"name": "look"}), 409)

        assert "configuration" in said["detail"]


def test_a_workflow_is_changed_only_by_who_has_seen_its_last_version(served, made):
    seen = served.ask("GET", f"/workflows/{made}").headers["ETag"]
    changed = served.ask("PATCH", f"/workflows/{made}", json={"description": "one"}, headers={"If-Match": seen})

    late = served.ask("PUT", f"/workflows/{made}", json={"name": "two"}, headers={"If-Match": seen})

    assert changed.status_code == 200
    assert changed.headers["ETag"] != seen
    problem(late, 412)
    assert served.ask("GET", f"/workflows/{made}").json()["description"] == "one"
    assert served.ask("DELETE", f"/workflows/{made}").status_code == 204
    problem(served.ask("GET", f"/workflows/{made}"), 404)


def test_one_of_many_writers_of_one_version_wins(served, made):
    seen = served.ask("GET", f"/workflows/{made}").headers["ETag"]

    def change(number: int) -> int:
        body = {"description": f"by {number}"}
        return served.ask("PATCH", f"/workflows/{made}", json=body, headers={"If-Match": seen}).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(change, range(16)))

    assert sorted(answers) == [200] + [412] * 15


def test_tasks_are_added_one_by_one_and_run(served, made):
    first = served.ask(
        "POST",
        "/tasks",
        json={"workflow_id": made, "name": "order", "tool": "erp.find_order", "with": {"id": 2}},
    )
    second = served.ask("POST", "/tasks", json={"workflow_id": made, "name": "pause", "wait_s": 0, "needs": ["order"]})

    run = served.ask("POST", f"/workflows/{made}/run?wait_s=20")

    assert (first.status_code, second.status_code) == (201, 201)
    assert run.status_code == 200
    assert run.json()["status"] == "succeeded"
    steps = served.ask("GET", f"/runs/{run.json()['run_id']}/tasks").json()["items"]
    assert [(step["task"], step["status"]) for step in steps] == [("order", "succeeded"), ("pause", "succeeded")]
    assert steps[0]["output"]["rows"][0]["customer"] == "c2"
    listed = served.ask("GET", f"/tasks?workflow_id={made}").json()["items"]
    assert [task["id"] for task in listed] == [f"{made}.order", f"{made}.pause"]
    problem(served.ask("DELETE", f"/tasks/{made}.order"), 422)
    assert served.ask("DELETE", f"/tasks/{made}.pause").status_code == 204


def test_a_run_of_a_configured_workflow_gives_its_output(served):
    run = served.ask("POST", "/workflows/look/run?wait_s=20", json={"input": {"order": 4}})

    assert run.status_code == 200
    assert run.json()["output"]["rows"][0]["id"] == 4
    assert served.ask("GET", "/workflows/look/status").json()["status"] == "succeeded"
    runs = served.ask("GET", "/workflows/look/runs?limit=1").json()["items"]
    assert runs[0]["run_id"] == run.json()["run_id"]
    events = served.ask("GET", f"/workflows/look/runs/{run.json()['run_id']}/events").json()["items"]
    assert events[0]["type"] == "run.started"
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    problem(served.ask("GET", f"/workflows/slow/runs/{run.json()['run_id']}"), 404)


def test_a_run_that_does_not_end_in_time_is_accepted(served):
    began = time.monotonic()

    run = served.ask("POST", "/workflows/slow/run?wait_s=0.3")

    assert run.status_code == 202
    assert run.json()["status"] in {"running", "waiting"}
    assert 0.25 < time.monotonic() - began < 20
    cancelled = served.ask("POST", f"/runs/{run.json()['run_id']}/cancel", json={"reason": "a test"})
    assert cancelled.json()["status"] == "cancelled"


def test_the_same_idempotency_key_starts_one_run(served):
    headers = {"Idempotency-Key": f"k-{time.time_ns()}"}

    runs = {served.ask("POST", "/workflows/slow/run", headers=headers).json()["run_id"] for _ in range(4)}

    assert len(runs) == 1
    assert len({served.ask("POST", "/workflows/slow/run").json()["run_id"] for _ in range(2)}) == 2


def test_runs_are_paged_without_gap_or_double(served, made):
    started = [served.ask("POST", f"/workflows/{made}/run").json()["run_id"] for _ in range(7)]
    found, after = [], ""

    while True:
        page = served.ask("GET", f"/runs?workflow={made}&limit=3{after}").json()
        found += [run["run_id"] for run in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert found == started[::-1]


_LISTS = [
    "runs",
    "approvals",
    "dead-letters",
    "tools",
    "workflows",
    "tasks",
    "agents",
    "adapters",
    "syncs",
    "assignments",
]


@pytest.mark.parametrize("path", [*_LISTS, "audit"])
def test_a_cursor_that_no_page_gave_is_refused(served, path):
    """An empty page would be the end of the list to whoever reads on."""
    answer = served.ask("GET", f"/{path}", params={"after": "a page, please"})

    assert (answer.status_code, answer.json()["field"]) == (422, "after")


@pytest.mark.parametrize("path", ["tools", "workflows", "tasks", "adapters"])
def test_lists_are_paged_one_by_one_without_gap_or_double(served, made, path):
    whole = served.ask("GET", f"/{path}", params={"limit": 1000}).json()["items"]
    found, asked = [], {"limit": 1}
    while True:
        page = served.ask("GET", f"/{path}", params=asked).json()
        found += page["items"]
        if page["next"] is None:
            break
        asked["after"] = page["next"]

    assert len(found) > 1
    assert found == whole


def test_a_tool_is_found_and_called(served):
    listed = {tool["name"]: tool for tool in served.ask("GET", "/tools?adapter=erp").json()["items"]}
    described = served.ask("GET", "/tools/erp.find_order").json()
    called = served.ask("POST", "/tools/erp.find_order/call", json={"arguments": {"id": 3}})

    assert listed["erp.find_order"]["effect"] == "read"
    assert described["input_schema"]["properties"]["id"]
    assert called.status_code == 200
    assert called.json()["result"]["rows"] == [{"id": 3, "customer": "c3", "amount": "4.50"}]


def test_exact_numbers_are_written_as_numbers_when_preferred(served):
    called = served.ask(
        "POST",
        "/tools/erp.find_order/call",
        json={"arguments": {"id": 3}},
        headers={"Prefer": "numbers=exact"},
    )

    assert '"amount": 4.50' in called.text
    assert called.headers["Preference-Applied"] == "numbers=exact"


def test_a_write_shows_what_it_would_send_and_happens_once_a_key(served):
    body = {"arguments": {"id": 5, "customer": "somebody else"}}
    preview = served.ask("POST", "/tools/erp.set_customer/preview", json=body)
    untouched = served.ask("POST", "/tools/erp.find_order/call", json={"arguments": {"id": 5}}).json()

    headers = {"Idempotency-Key": "the fifth".replace(" ", "-")}
    called = [served.ask("POST", "/tools/erp.set_customer/call", json=body, headers=headers) for _ in range(2)]
    answers = [one.json() for one in called]

    assert "update orders" in json.dumps(preview.json()["would"])
    assert preview.json()["code"]
    assert untouched["result"]["rows"][0]["customer"] == "c5"
    assert answers[0] == answers[1]
    assert [one.headers.get("Idempotent-Replayed") for one in called] == [None, "true"]
    other = {"arguments": {"id": 5, "customer": "a third"}}
    assert served.ask("POST", "/tools/erp.set_customer/call", json=other, headers=headers).status_code == 422


def test_what_the_system_rejected_is_not_sent_to_it_again_under_its_key(served):
    erp = sqlite3.connect(served.folder / "erp.db", isolation_level=None)
    erp.execute("create unique index one_at_most on orders (customer) where customer like 'one of%'")
    erp.execute("insert into orders (id, customer) values (100, 'one of them')")

    def call(key, customer="one of them"):
        body = {"arguments": {"id": 4, "customer": customer}}
        return served.ask("POST", "/tools/erp.set_customer/call", json=body, headers={"Idempotency-Key": key})

    first = call("taken")
    erp.execute("delete from orders where id = 100")
    again = call("taken")

    assert problem(first, 409)["kind"] == "rejected" and "Idempotent-Replayed" not in first.headers
    assert problem(again, 409) == first.json() and again.headers["Idempotent-Replayed"] == "true"
    problem(call("taken", "somebody"), 422)
    assert call("another").status_code == 200
    assert call("another").json() == call("another").json()


def test_a_call_that_needs_another_person_waits_and_its_caller_cannot_approve_it(served):
    waiting = served.ask("POST", "/tools/erp.forget_order/call", json={"arguments": {"id": 1}})

    assert waiting.status_code == 202
    assert waiting.json()["status"] == "waiting"
    approval = waiting.json()["id"]
    assert approval in {one["id"] for one in served.ask("GET", "/approvals").json()["items"]}
    assert served.ask("GET", waiting.headers["Location"]).json()["state"] == "waiting"
    problem(served.ask("POST", f"/approvals/{approval}/approve", json={"reason": "I am in a hurry"}), 403)
    assert served.ask("POST", "/tools/erp.find_order/call", json={"arguments": {"id": 1}}).json()["result"]["rows"]


def test_a_tool_is_switched_off_and_on(served):
    off = served.ask("PATCH", "/tools/erp.find_order", json={"enabled": False})
    refused = served.ask("POST", "/tools/erp.find_order/call", json={"arguments": {"id": 3}})
    served.ask("PATCH", "/tools/erp.find_order", json={"enabled": True})

    assert off.json()["enabled"] is False
    problem(refused, 403)
    assert served.ask("POST", "/tools/erp.find_order/call", json={"arguments": {"id": 3}}).status_code == 200


def test_a_dead_system_is_unavailable_and_stops_nothing_else(served):
    dead = served.ask("POST", "/tools/gone.one/call", json={"arguments": {}})
    checked = served.ask("POST", "/adapters/gone/check")
    ready = served.ask("GET", "/health/ready")

    said = problem(dead, 503)
    assert said["happened"] == "no"
    assert int(dead.headers["Retry-After"]) >= 1
    assert checked.status_code == 200
    assert checked.json()["ok"] is False
    assert ready.status_code == 200
    assert "gone" in {one["name"] for one in served.ask("GET", "/health/systems").json()["items"]}
    assert "erp" in {one["name"] for one in served.ask("GET", "/adapters").json()["items"]}


def test_secrets_are_in_no_answer_and_no_log(served):
    texts = [
        served.ask("GET", path).text
        for path in ("/adapters", "/adapters/gone", "/status", "/health/systems", "/tools", "/openapi.json")
    ]
    texts.append(served.ask("POST", "/tools/gone.one/call", json={"arguments": {}}).text)
    texts.append(served.ask("POST", "/adapters/gone/check").text)

    assert not [text for text in [*texts, served.log.read_text()] if "hush-hush" in text]


def test_agents_are_made_read_and_deleted(served):
    made = served.ask("POST", "/agents", json={"name": "clerk", "tools": ["erp.find_*"]})
    agent = made.json()["id"]
    changed = served.ask(
        "PATCH", f"/agents/{agent}", json={"scopes": ["read"]}, headers={"If-Match": made.headers["ETag"]}
    )

    assert made.status_code == 201
    assert changed.json()["scopes"] == ["read"]
    assert served.ask("GET", f"/agents/{agent}").json()["tools"] == ["erp.find_*"]
    problem(served.ask("POST", "/agents", json={"name": "x", "model": {}}), 422)
    problem(served.ask("DELETE", "/agents/local"), 409)
    assert served.ask("DELETE", f"/agents/{agent}").status_code == 204


def test_adapters_over_rest_are_off_unless_the_configuration_says_so(served):
    said = problem(served.ask("POST", "/adapters", json={"name": "x", "kind": "sql", "url": "sqlite:///x.db"}), 403)

    assert "adapters_over_rest" in said["next"]


def test_context_needs_to_know_what_the_writer_has_seen(served):
    path = f"/context/test/{time.time_ns()}"
    blind = served.ask("PUT", path, json={"open": True})
    made = served.ask("PUT", path, json={"open": True, "n": 1}, headers={"If-None-Match": "*"})
    twice = served.ask("PUT", path, json={}, headers={"If-None-Match": "*"})
    changed = served.ask("PATCH", path, json={"open": False}, headers={"If-Match": made.headers["ETag"]})
    late = served.ask("PUT", path, json={}, headers={"If-Match": made.headers["ETag"]})
    unchanged = served.ask("GET", path, headers={"If-None-Match": changed.headers["ETag"]})

    problem(blind, 428)
    assert made.status_code == 201
    assert twice.status_code in {409, 412}
    assert changed.json()["value"] == {"open": False, "n": 1}
    problem(late, 412)
    assert unchanged.status_code == 304
    assert [one["key"] for one in served.ask("GET", "/context/test").json()["items"]] == [path.rpartition("/")[2]]
    assert served.ask("DELETE", path, headers={"If-Match": "*"}).status_code == 204
    problem(served.ask("GET", path), 404)


def test_if_match_may_name_several_etags_and_any_of_them_will_do(served, made):
    path = f"/context/test/{time.time_ns()}"
    first = served.ask("PUT", path, json={}, headers={"If-None-Match": "*"}).headers["ETag"]

    def written(said):
        return served.ask("PATCH", path, json={"n": 1}, headers={"If-Match": said})

    changed = written(f'"99999", W/{first}')
    assert changed.status_code == 200
    assert written(f'{first} ,"99999"').status_code == 412
    second = changed.headers["ETag"]
    wrong = (f"{second}, *", f"{second} {first}", f"{second},x", '"2', ",")
    assert [written(said).status_code for said in wrong] == [422] * 5
    assert written(f"{first},{second}").status_code == 200

    seen = served.ask("GET", f"/workflows/{made}").headers["ETag"]
    many = served.ask("PATCH", f"/workflows/{made}", json={"description": "x"}, headers={"If-Match": f'"99", {seen}'})
    late = served.ask("PATCH", f"/workflows/{made}", json={"description": "y"}, headers={"If-Match": f'"99", {seen}'})
    assert (many.status_code, late.status_code) == (200, 412)
    gone = served.ask("DELETE", f"/workflows/{made}", headers={"If-Match": f"{seen}, {many.headers['ETag']}"})
    assert gone.status_code == 204


@pytest.mark.parametrize("path", ["/runs", "/approvals", "/dead-letters"])
def test_a_cursor_that_was_changed_is_refused_and_no_end_of_the_list(served, path):
    for wrong in (
        "garbage",
        "01M856KYCKC3NJDD9ZP8C6A4Z7",
        "01m856kyckc3njdd9zp8c6a4z",
        "!!",
        "01m856kyckc3njdd9zp8c6a4z7/2",
    ):
        assert problem(served.ask("GET", path, params={"after": wrong}), 422)["field"] == "after"


def test_events_are_a_page_and_a_stream(served, made):
    def ended(run, after):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            page = served.ask("GET", f"/events?after={after}&topics=runs&limit=1000").json()["items"]
            if any(event["run_id"] == run and event["type"] == "run.succeeded" for event in page):
                return page
        raise TimeoutError(run)

    first = served.ask("POST", f"/workflows/{made}/run").json()["run_id"]
    last = ended(first, 0)[-1]["id"]
    run = served.ask("POST", f"/workflows/{made}/run").json()["run_id"]

    page = ended(run, last)
    stream = requests.get(
        f"{served.url}/events?after={last}&topics=runs",
        headers={"Accept": "text/event-stream"},
        stream=True,
        timeout=10,
    )
    lines = (line for line in stream.iter_lines() if line.startswith(b"data: "))
    streamed = [json.loads(next(lines)[6:]) for _ in page]
    stream.close()

    assert {event["run_id"] for event in page} == {run}
    assert streamed == page


BAD = {
    "no JSON": ("POST", "/workflows", {"data": "{", "headers": {"Content-Type": "application/json"}}, 422, "column 2"),
    "not said to be JSON": ("POST", "/workflows", {"data": "name=x"}, 415, ""),
    "a form": ("POST", "/workflows", {"data": {"name": "x"}}, 415, "form"),
    "not UTF-8": ("POST", "/workflows", {"data": b'{"name": "\xff"}', "headers": {"Content-Type": "application/json"}}, 422, "UTF-8"),
    "half a surrogate": ("POST", "/workflows", {"data": '{"name": "\\ud800"}', "headers": {"Content-Type": "application/json"}}, 422, "surrogate"),
    "an endless number": ("POST", "/workflows", {"data": '{"name": 1E+999999999}', "headers": {"Content-Type": "application/json"}}, 422, "digits"),
    "NaN": ("POST", "/workflows", {"data": '{"name": NaN}', "headers": {"Content-Type": "application/json"}}, 422, "NaN"),
    "no object": ("POST", "/workflows", {"json": [1]}, 422, "object"),
    "no name": ("POST", "/workflows", {"json": {}}, 422, "name"),
    "an unknown field": ("POST", "/workflows", {"json": {"name": "x", "taks": {}}}, 422, "taks"),
    "a task that is nothing": ("POST", "/workflows", {"json": {"name": "x", "tasks": {"a": {}}}}, 422, "tasks.a"),
    "a cycle": ("POST", "/workflows", {"json": {"name": "x", "tasks": {"a": {"wait_s": 1, "needs": ["b"]}, "b": {"wait_s": 1, "needs": ["a"]}}}}, 422, "a"),
    "an unknown tool in a workflow": ("POST", "/workflows", {"json": {"name": "x", "tasks": {"a": {"tool": "erp.find_ordr"}}}}, 422, "find_order"),
    "a model of nobody": ("POST", "/agents", {"json": {"name": "x", "model": {"name": "y"}}}, 422, "provider"),
    "an input that is no schema": ("POST", "/workflows", {"json": {"name": "x", "input": {"type": "objekt"}}}, 422, "input"),
    "deep nesting": ("POST", "/workflows", {"data": "[" * 100_000, "headers": {"Content-Type": "application/json"}}, 422, ""),
    "nested 300 deep": ("POST", "/workflows", {"data": "[" * 300 + "]" * 300, "headers": {"Content-Type": "application/json"}}, 422, "deep"),
    "a task of no workflow": ("POST", "/tasks", {"json": {"workflow_id": "none", "name": "a", "wait_s": 1}}, 404, "none"),
    "a task with a name of two words": ("POST", "/tasks", {"json": {"workflow_id": "look", "name": "two words", "wait_s": 1}}, 422, "name"),
    "a task of a workflow of the configuration": ("POST", "/tasks", {"json": {"workflow_id": "look", "name": "b", "wait_s": 1}}, 409, "configuration"),
    "an unknown workflow": ("GET", "/workflows/nope", {}, 404, "nope"),
    "an unknown workflow's status": ("GET", "/workflows/nope/status", {}, 404, "nope"),
    "a run of an unknown workflow": ("POST", "/workflows/nope/run", {}, 404, "nope"),
    "an input against its schema": ("POST", "/workflows/look/run", {"json": {"input": {"order": "x"}}}, 422, "order"),
    "no input where one is required": ("POST", "/workflows/look/run", {}, 422, "order"),
    "an unknown run": ("GET", "/runs/nope", {}, 404, "nope"),
    "cancelling an unknown run": ("POST", "/runs/nope/cancel", {}, 404, "nope"),
    "an unknown tool": ("POST", "/tools/erp.find_ordr/call", {"json": {"arguments": {}}}, 404, "erp.find_order"),
    "an unknown adapter": ("GET", "/adapters/nope", {}, 404, "nope"),
    "arguments against the schema": ("POST", "/tools/erp.find_order/call", {"json": {"arguments": {"id": "x"}}}, 422, "id"),
    "arguments that are no object": ("POST", "/tools/erp.find_order/call", {"json": {"arguments": 1}}, 422, "arguments"),
    "an unknown argument": ("POST", "/tools/erp.find_order/call", {"json": {"arguments": {"id": 1, "x": 1}}}, 422, "x"),
    "an unknown sync": ("POST", "/syncs/nope/run", {}, 404, "nope"),
    "an unknown feed": ("GET", "/feeds/erp.nope/files", {}, 404, "nope"),
    "a feed without an adapter": ("GET", "/feeds/nope/files", {}, 404, "nope"),
    "an unknown approval": ("POST", "/approvals/nope/approve", {}, 404, "nope"),
    "an unknown dead letter": ("POST", "/dead-letters/nope/settle", {"json": {"done": True}}, 404, "nope"),
    "nothing there": ("GET", "/nope", {}, 404, "/nope"),
    "a wrong method": ("DELETE", "/workflows", {}, 405, "GET, HEAD, OPTIONS, POST"),
    "an unknown parameter": ("GET", "/runs?stat=failed", {}, 422, "stat"),
    "a wrong parameter": ("GET", "/runs?limit=many", {}, 422, "limit"),
    "a wrong state": ("GET", "/runs?state=sleeping", {}, 422, "state"),
    "a moment without zone": ("GET", "/runs?since=2026-11-22T02:00:00", {}, 422, "zone"),
    "too long a wait": ("POST", "/workflows/slow/run?wait_s=61", {}, 422, "wait_s"),
    "an unknown topic": ("GET", "/events?topics=runs,weather", {}, 422, "weather"),
    "a path that climbs": ("GET", "/workflows/..%2f..%2fetc", {}, 404, ""),
    "a foreign host": ("GET", "/workflows", {"headers": {"Host": "evil.example"}}, 403, "loopback"),
    "a page of another origin": ("POST", "/workflows", {"json": {"name": "x"}, "headers": {"Origin": "http://evil.example"}}, 403, "origin"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", BAD)
def test_bad_input_gets_a_problem_that_says_what_is_wrong(served, wrong):
    method, path, sent, status, says = BAD[wrong]

    answer = served.ask(method, path, **sent)

    problem(answer, status)
    assert says in answer.text


def test_the_methods_of_a_path_are_named(served):
    refused = served.ask("DELETE", "/v1/workflows")

    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb_is_refused_and_costs_no_memory(served, chunked):
    before = served.memory_kb("VmHWM")
    body = (b"x" * 65536 for _ in range(1600)) if chunked else b"x" * 100_000_000

    refused = served.ask("POST", "/workflows", data=body, headers={"Content-Type": "application/json"})

    problem(refused, 413)
    assert served.memory_kb("VmHWM") - before < 20_000
    assert served.ask("GET", "/health/live").json() == {"status": "ok"}


def test_a_body_that_never_comes_holds_nobody_up(served):
    with socket.create_connection(("127.0.0.1", served.port)) as silent:
        silent.sendall(b"POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")

        assert served.ask("GET", "/health/live").status_code == 200


def test_many_callers_are_served_at_once(served, made):
    def run(number: int) -> str:
        return served.ask("POST", f"/workflows/{made}/run?wait_s=30").json()["status"]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(run, range(200))) == {"succeeded"}


def test_another_address_than_loopback_refuses_to_start(tmp_path):
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        refused = _serve(tmp_path, "--host", host)

        assert refused.returncode == 2
        assert "authentication" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_port_that_is_in_use_is_named(served, tmp_path):
    refused = _serve(tmp_path, "--port", str(served.port))

    assert refused.returncode == 2
    assert f"port {served.port} of 127.0.0.1 is in use" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr


def test_a_request_that_has_begun_is_answered_before_the_end():
    with Serving() as served:
        workflow = served.workflow(tasks={"pause": {"wait_s": 60}})
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(served.ask, "POST", f"/workflows/{workflow}/run?wait_s=2")
            time.sleep(0.5)

            ended = served.end(signal.SIGTERM)

        assert waiting.result().status_code == 202
        assert ended == 0


def _serve(place, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drawbar", "serve", *options]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def open_to_adapters() -> Iterator[Serving]:
    config = "server: { adapters_over_rest: true }\nagents: { local: { scopes: [read, run, operate, administer] } }\n"
    with Serving(config) as serving, sqlite3.connect(serving.folder / "shop.db") as shop:
        shop.execute("create table goods (id integer primary key, name text)")
        shop.execute("insert into goods values (1, 'hitch')")
        shop.commit()
        yield serving


def test_an_adapter_made_over_rest_works_in_every_process_and_keeps_no_secret(open_to_adapters):
    served = open_to_adapters
    body = {"kind": "sql", "url": "sqlite:///shop.db", "tables": {"goods": {"key": ["id"], "read": True}}}
    made = served.ask("POST", "/adapters", json={"name": "shop", **body})
    read = served.ask("POST", "/tools/shop.read_goods/call", json={"arguments": {}})
    with Serving(at=served.folder) as other:
        seen = other.ask("POST", "/tools/shop.read_goods/call", json={"arguments": {}})

    assert made.status_code == 201, made.text
    assert made.json()["origin"] == "rest"
    assert read.json()["result"]["rows"] == seen.json()["result"]["rows"] == [{"id": 1, "name": "hitch"}]
    literal = {"name": "open", "kind": "sql", "url": "postgresql+psycopg://u:a-plain-password@127.0.0.1/x"}
    refused = problem(served.ask("POST", "/adapters", json=literal), 422)
    assert "${env:" in f"{refused['detail']} {refused['next']}"
    problem(served.ask("POST", "/adapters", json={"name": "shop", **body}), 409)
    problem(served.ask("POST", "/adapters", json={"name": "x", "kind": "sqll"}), 422)
    problem(served.ask("POST", "/adapters", json={"name": "x", "kind": "sql"}), 422)
    assert served.ask("DELETE", "/adapters/shop").status_code == 204
    problem(served.ask("POST", "/tools/shop.read_goods/call", json={"arguments": {}}), 404)


def test_a_schedule_made_over_rest_starts_runs(open_to_adapters):
    every_second = {"cron": "* * * * * *", "missed": "skip"}
    workflow = open_to_adapters.workflow(triggers=[every_second])
    until = time.monotonic() + 60

    while time.monotonic() < until:
        runs = open_to_adapters.ask("GET", f"/workflows/{workflow}/runs").json()["items"]
        if len(runs) >= 2:
            break
        time.sleep(0.2)

    assert {run["status"] for run in runs} <= {"succeeded", "running"}
    assert len(runs) >= 2
    open_to_adapters.ask("DELETE", f"/workflows/{workflow}")


def test_the_reference_is_served(served):
    shown = served.ask("GET", "/docs")

    assert "POST /workflows/{id}/run" in shown.text
    assert shown.headers["Content-Type"].startswith("text/plain")


def test_a_schedule_made_over_rest_may_do_no_more_than_who_made_it(served):
    """`local` may not call `erp.add_order`; a workflow that it makes may not either, whoever starts it."""
    before = served.ask("POST", "/tools/erp.count_orders/call", json={"arguments": {}}).json()["result"]["rows"]
    task = {"tool": "erp.add_order", "with": {"customer": "nobody"}, "retry": {"attempts": 1}}
    workflow = served.workflow(triggers=[{"cron": "* * * * * *"}], tasks={"add": task})
    until = time.monotonic() + 60

    while time.monotonic() < until:
        last = served.ask("GET", f"/workflows/{workflow}/status").json()
        if last["status"] in {"succeeded", "failed"}:
            break
        time.sleep(0.2)

    served.ask("DELETE", f"/workflows/{workflow}")
    assert last["status"] == "failed"
    assert "may not call erp.add_order" in last["error"]["message"]
    after = served.ask("POST", "/tools/erp.count_orders/call", json={"arguments": {}}).json()["result"]["rows"]
    assert after == before


def test_who_may_not_start_a_run_with_an_input_may_not_retry_it_with_one(served):
    """A run of the owner of the state has the owner's rights; what it does is not for others to say."""
    command = [sys.executable, "-m", "drawbar", "run", "hurt", "--input", json.dumps({"id": 9_999_999})]
    subprocess.run(command, cwd=served.folder, capture_output=True, timeout=60, check=False)
    run = served.ask("GET", "/workflows/hurt/runs").json()["items"][0]

    refused = served.ask("POST", f"/runs/{run['run_id']}/retry", json={"input": {"id": 1}})

    assert run["caller"].startswith("cli:")
    assert run["status"] == "failed"
    problem(refused, 403)
    assert served.ask("POST", "/tools/erp.find_order/call", json={"arguments": {"id": 1}}).json()["result"]["rows"]
