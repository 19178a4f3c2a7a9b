"""Marked values are planted where secrets and personal data go in; then all that comes out is searched for them."""

import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder, free_port
from websockets.sync.client import connect

from drawbar.app import open_app
from drawbar.core.masking import told_by
from drawbar.facade.routes import document

KEY, LOGIN, TOKEN = "MARK-state-key-0123456789", "MARK-login-73", "MARK-token-91"
CARD, NAME, CVV = "MARK-card-4711", "MARK-name-Ada", "MARK-cvv-9"
SECRETS = (KEY, LOGIN, TOKEN, CARD, CVV)
LANDSCAPE = f"""\
version: 1
state_key: ${{env:DRAWBAR_STATE_KEY}}
notify: [ {{ on: [parked, failed], to: {{ webhook: "${{env:HOOK}}" }}, again_after_h: 1 }} ]
traces: {{ otlp: "${{env:HOOK}}", headers: {{ authorization: "${{env:TOKEN}}" }} }}
adapters:
  far: {{ kind: sftp, host: 127.0.0.1, port: {free_port()}, username: a, password: "${{env:LOGIN}}", feeds: {{ in: {{ pattern: "*", format: {{ kind: csv }} }} }} }}
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find: {{ description: Find., sql: "select id, name, card from people where name = :name", parameters: {{ name: {{ type: string }} }}, effect: read }}
      pay: {{ description: Pay., sql: "insert into paid (card, cvv, name) values (:card, :cvv, :name)", parameters: {{ card: {{ type: string }}, cvv: {{ type: string }}, name: {{ type: string }} }}, effect: write }}
      say: {{ description: Say., sql: "select :card as said", parameters: {{ card: {{ type: string }} }}, effect: read }}
      lose: {{ description: Lose., sql: "insert into paid (card, cvv, name) values (:card, '', '')", parameters: {{ card: {{ type: string }} }}, effect: write }}
      ask: {{ description: Ask., sql: "insert into paid (card, cvv, name) values (:card, '', '')", parameters: {{ card: {{ type: string }} }}, effect: write }}
    tables: {{ people: {{ key: [card], read: true }} }}
    tools:
      read_people: {{ secret: [rows.card] }}
      find: {{ personal: [name, rows.name], secret: [rows.card] }}
      pay: {{ personal: [name], secret: [card, cvv], key: "${{{{ arguments.name + '1' }}}}" }}
      say: {{ secret: [card], outcome: [{{ when: "${{{{ true }}}}", is: rejected, message: "${{{{ 'no card ' + result.rows[0].said }}}}" }}] }}
      lose: {{ secret: [card], outcome: [{{ when: "${{{{ true }}}}", is: unknown, message: "${{{{ 'lost ' + arguments.card }}}}" }}] }}
      ask: {{ secret: [card], approval: {{}} }}
workflows:
  buy:
    description: Buy.
    input: {{ type: object, properties: {{ cvv: {{ type: string }}, people: {{ type: array, items: {{ type: string }} }} }} }}
    tasks:
      find: {{ for_each: {{ in: "${{{{ input.people }}}}", as: who }}, tool: erp.find, with: {{ name: "${{{{ who }}}}" }} }}
      pay: {{ needs: [find], tool: erp.pay, with: {{ card: "${{{{ tasks.find.output[0].rows[0].card }}}}", cvv: "${{{{ input.cvv }}}}", name: "${{{{ tasks.find.output[0].rows[0].name }}}}" }} }}
    output: {{ who: "${{{{ 'for ' + tasks.find.output[0].rows[0].name }}}}", all: "${{{{ tasks.find.output }}}}", id: "${{{{ tasks.find.output[0].rows[0].id }}}}" }}
  above:
    description: Above.
    input: {{ type: object }}
    tasks: {{ sub: {{ workflow: buy, with: {{ cvv: "${{{{ input.cvv }}}}", people: "${{{{ input.people }}}}" }} }} }}
    output: {{ below: "${{{{ tasks.sub.output }}}}" }}
  fails: {{ description: Fails., input: {{ type: object }}, tasks: {{ say: {{ tool: erp.say, with: {{ card: "${{{{ input.card }}}}" }} }} }} }}
agents:
  clerk: {{ tools: ["erp.find", "erp.read_people", "erp.pay", "erp.say", "erp.lose", "erp.ask"], scopes: [read, run, operate, approve, administer] }}
  officer: {{ tools: ["erp.find"], sees: [personal] }}
"""
BUY = {"cvv": CVV, "people": [NAME]}


class Hook:
    """Takes whatever is sent to it: events as a webhook, spans as a collector."""

    def __init__(self) -> None:
        self.taken = taken = []

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *said: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


class House:
    def __init__(self, serving: Serving, keys: dict[str, str], environ: dict[str, str], hook: Hook) -> None:
        self.serving, self.keys, self.environ, self.hook = serving, keys, environ, hook

    def ask(self, method, path, agent="clerk", **sent):
        return self.serving.ask(method, path, headers={"Authorization": f"Bearer {self.keys[agent]}"}, **sent)

    def call(self, tool, agent="clerk", **arguments):
        return self.ask("POST", f"/tools/erp.{tool}/call", agent, json={"arguments": arguments})

    def mcp(self, name, arguments):
        sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        return self.ask("POST", "/mcp", json=sent)

    def cli(self, *words):
        done = warm.run(words, cwd=self.serving.folder, env=self.environ)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def house():
    place, hook = folder("masking"), Hook()
    with sqlite3.connect(place / "erp.db") as database:
        database.execute("create table people (id integer, name text, card text primary key)")
        database.execute("create table paid (card text, cvv text, name text)")
        database.executemany("insert into people values (?, ?, ?)", [(7, NAME, CARD), (8, "Bob", f"{CARD}-2")])
    planted = {"DRAWBAR_STATE_KEY": KEY, "LOGIN": LOGIN, "TOKEN": TOKEN, "HOOK": hook.url}
    environ = {**os.environ, **planted}
    (place / "drawbar.yaml").write_text(LANDSCAPE)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in planted.items():
            patch.setenv(name, value)
        with open_app(place / "drawbar.yaml") as app:
            keys = {name: app.keys.add(name, scopes=None, days=None, by="test")["key"] for name in ("clerk", "officer")}
    with Serving(LANDSCAPE, at=place, environ=environ) as serving:
        yield House(serving, keys, environ, hook)
    hook.server.shutdown()


@pytest.fixture(scope="module")
def said(house):
    """Use everything once; give all that was answered, by where."""
    heard = {}
    with connect(house.serving.url.replace("http", "ws") + "/ws", additional_headers={"Authorization": f"Bearer {house.keys['clerk']}"}) as socket:  # fmt: skip
        heard["answer find"] = house.call("find", name=NAME).text
        heard["answer pay"] = house.call("pay", card=CARD, cvv=CVV, name=NAME).text
        heard["answer say"] = house.call("say", card=CARD).text
        heard["answer lose"] = house.call("lose", card=CARD).text
        heard["answer ask"] = house.call("ask", card=CARD).text
        heard["wrong"] = house.call("pay", card=[CARD], cvv=CVV, name=NAME, more=1).text
        heard["preview"] = house.ask("POST", "/tools/erp.pay/preview", json={"arguments": {"card": CARD, "cvv": CVV, "name": NAME}}).text  # fmt: skip
        for name, given in (
            ("find", {"name": NAME}),
            ("say", {"card": CARD}),
            ("pay", {"card": CARD, "cvv": CVV, "name": NAME}),
        ):
            heard[f"mcp {name}"] = house.mcp(f"erp_{name}", given).text
        heard["mcp preview"] = house.mcp("drawbar_preview", {"name": "erp_pay", "arguments": {"card": CARD, "cvv": CVV, "name": NAME}}).text  # fmt: skip
        heard["check"] = house.ask("POST", "/adapters/far/check").text
        for flow, given in (("buy", BUY), ("above", BUY), ("fails", {"card": CARD})):
            heard[f"run {flow}"] = house.ask("POST", f"/workflows/{flow}/run?wait_s=20", json={"input": given}).text
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try:
                heard["ws"] = heard.get("ws", "") + str(socket.recv(timeout=0.5))
            except TimeoutError:
                break
    return heard


def every_get(house):
    """Ask every GET route of the OpenAPI for all that is there."""
    runs = house.ask("GET", "/runs?limit=100").json()["items"]
    calls = [one["run_id"] for one in runs]
    claims = {claim for run in calls for claim in claims_of(house.ask("GET", f"/runs/{run}/tasks").text)}
    claims |= {claim for run in calls for claim in claims_of(house.ask("GET", f"/runs/{run}").text)}
    ids = {
        "/claims/{id}": claims,
        "/dead-letters/{id}": [one["id"] for one in house.ask("GET", "/dead-letters").json()["items"]],
        "/approvals/{id}": [one["id"] for one in house.ask("GET", "/approvals").json()["items"]],
    }
    for path, item in document()["paths"].items():
        if "get" not in item or path.endswith("/export"):
            continue
        holes = [hole.partition("}")[0] for hole in path.split("{")[1:]]
        spelt = next((found for start, found in ids.items() if path.startswith(start)), calls if holes else [""])
        flows = {"workflows": "buy", "tools": "erp.find", "adapters": "far", "agents": "clerk"}
        for one in spelt:
            asked = path
            for hole in holes:
                is_run = "run" in hole or path.startswith("/runs")
                asked = asked.replace(f"{{{hole}}}", one if is_run or "/" + path.split("/")[1] in {"/claims", "/dead-letters", "/approvals"} else flows.get(path.split("/")[1], one))  # fmt: skip
            yield asked, house.ask("GET", asked).text


def claims_of(text):
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "claim" in value and isinstance(value["claim"], str):
                found.append(value["claim"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(json.loads(text))
    return found


def leaks(texts, marks=(*SECRETS, NAME)):
    return sorted({(where, mark) for where, text in texts.items() for mark in marks if mark in text})


def test_no_answer_event_or_message_has_a_marked_value(said):
    assert '"id":7' in said["answer find"].replace(" ", ""), said["answer find"]
    assert '"succeeded"' in said["run above"], said["run above"]
    assert leaks(said) == []


def test_no_get_route_shows_a_marked_value(house, said):
    shown = dict(every_get(house))

    assert any(path.startswith("/claims/") and "***" in text for path, text in shown.items()), sorted(shown)
    assert leaks(shown) == []


def test_nothing_that_is_written_or_sent_elsewhere_has_a_secret(house, said):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(b"erp.find" in one for one in house.hook.taken):
        time.sleep(0.2)
    state = b"".join(file.read_bytes() for file in house.serving.folder.glob("drawbar.db*") if file.is_file())

    written = {
        "log": house.serving.log.read_text(),
        "webhook and traces": "".join(one.decode("utf-8", "replace") for one in house.hook.taken),
    }
    assert house.hook.taken
    assert leaks(written) == []
    assert leaks({"journal": state.decode("latin-1")}, SECRETS) == []


def test_the_command_line_shows_no_secret(house, said):
    runs = [one["run_id"] for one in house.ask("GET", "/runs?limit=100").json()["items"] if one["workflow"] == "above"]
    dead = [one["id"] for one in house.ask("GET", "/dead-letters").json()["items"]]
    verbs = (["runs", "--json"], ["show", runs[0], "--json"], ["dead", "show", dead[0]], ["call", "erp.find", f"name={NAME}"])  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        shown = dict(
            zip((" ".join(verb) for verb in verbs), pool.map(lambda verb: house.cli(*verb), verbs), strict=True)
        )

    assert leaks(shown, SECRETS) == []
    assert NAME in shown[f"call erp.find name={NAME}"]


def test_the_token_of_a_page_does_not_tell_its_last_row(house):
    first = house.call("read_people", limit=1).json()["result"]
    second = house.call("read_people", limit=1, next=first["next"]).json()["result"]
    forged = house.call("read_people", limit=1, next="sealed:" + "A" * 100)

    assert (first["rows"][0]["id"], second["rows"][0]["id"]) == (7, 8)
    assert CARD not in told_by(first["next"])
    assert forged.status_code == 422, forged.text


def test_who_sees_personal_fields_sees_them_and_no_secret_ones(house, said):
    [row] = house.call("find", "officer", name=NAME).json()["result"]["rows"]

    assert row == {"id": row["id"], "name": NAME, "card": "***"}


def test_the_workflow_itself_went_on_with_the_true_values(house, said):
    with sqlite3.connect(house.serving.folder / "erp.db") as database:
        paid = database.execute("select card, cvv, name from paid where cvv <> ''").fetchall()

    assert paid == [(CARD, CVV, NAME)]  # one: its key is the person
