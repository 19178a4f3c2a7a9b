"""A served landscape in which marked values are planted, and ways to look everywhere for them."""

import json
import os
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from servers import warm
from servers.drawbar import Serving
from websockets.sync.client import connect

from drawbar.app import open_app
from drawbar.facade.routes import document

IBAN, PIN = "MARK-iban-DE89", 48213057
NOTES = """
  crm:
    kind: sql
    url: sqlite:///erp.db
    statements:
      get: { description: Get., sql: "select id, iban, pin from accounts where id = :id", parameters: { id: { type: integer } }, effect: read }
      put: { description: Put., sql: "insert into notes (note) values (:note)", parameters: { note: { type: string } }, effect: write }
      twice: { description: Twice., sql: "insert into notes (note) values (:note)", parameters: { note: { type: string } }, effect: write }
      say: { description: Say., sql: "select :note as said, 1 as n", parameters: { note: { type: string } }, effect: read }
      no: { description: No., sql: "select :note as said", parameters: { note: { type: string } }, effect: read }
      lost: { description: Lost., sql: "insert into notes (note) values (:note)", parameters: { note: { type: string } }, effect: write }
      asked: { description: Asked., sql: "insert into notes (note) values (:note)", parameters: { note: { type: string } }, effect: write }
    tools:
      get: { personal: [rows.iban], secret: [rows.pin] }
      twice: { key: "${{ arguments.note }}" }
      no: { outcome: [{ when: "${{ true }}", is: rejected, message: "${{ 'not ' + result.rows[0].said }}" }] }
      lost: { outcome: [{ when: "${{ true }}", is: unknown, message: "${{ 'lost ' + arguments.note }}" }] }
      asked: { approval: {} }
"""
"""Tools that declare nothing, beside one that does."""
GET = "get: { tool: crm.get, with: { id: 1 } }"
ROW = "tasks.get.output.rows[0]"
FLOWS = f"""
  carry:
    description: Carry.
    input: {{ type: object }}
    tasks:
      {GET}
      put: {{ needs: [get], tool: crm.put, with: {{ note: "IBAN ${{{{ {ROW}.iban }}}}" }}, save: {{ crm.put: "${{{{ {ROW} }}}}" }} }}
      pin: {{ needs: [get], tool: crm.put, with: {{ note: "${{{{ string({ROW}.pin) }}}}" }} }}
      say: {{ needs: [get], tool: crm.say, with: {{ note: "${{{{ {ROW}.iban }}}}" }}, save: {{ crm.said: {{ it: "${{{{ result.rows[0].said }}}}", n: "${{{{ result.rows[0].n }}}}" }} }} }}
      again: {{ needs: [say], tool: crm.twice, with: {{ note: "${{{{ tasks.say.output.rows[0].said }}}}" }} }}
      made: {{ needs: [say], tool: crm.say, with: {{ note: "${{{{ tasks.say.output.rows[0].said }}}}" }}, output: {{ made: "${{{{ 'of ' + result.rows[0].said }}}}" }} }}
      each: {{ needs: [made], for_each: {{ in: "${{{{ [tasks.made.output.made] }}}}", as: one }}, tool: crm.say, with: {{ note: "${{{{ one }}}}" }} }}
      last: {{ needs: [each], tool: crm.put, with: {{ note: "${{{{ tasks.each.output[0].rows[0].said }}}}" }} }}
      sub: {{ needs: [say], workflow: below, with: {{ note: "${{{{ tasks.say.output.rows[0].said }}}}", n: 5 }} }}
      after: {{ needs: [sub], tool: crm.put, with: {{ note: "${{{{ tasks.sub.output.said }}}}" }} }}
      hand: {{ needs: [last, after], agent: helper, with: {{ who: "${{{{ {ROW}.iban }}}}", pin: "${{{{ {ROW}.pin }}}}", said: "${{{{ tasks.say.output.rows[0].said }}}}" }} }}
    output: {{ made: "${{{{ tasks.made.output }}}}", sub: "${{{{ tasks.sub.output }}}}", hand: "${{{{ tasks.hand.output }}}}", n: "${{{{ tasks.say.output.rows[0].n }}}}" }}
  below:
    description: Below.
    input: {{ type: object, properties: {{ note: {{ type: string, maxLength: 40 }} }} }}
    tasks:
      say: {{ tool: crm.say, with: {{ note: "${{{{ input.note }}}}" }} }}
      put: {{ needs: [say], tool: crm.put, with: {{ note: "${{{{ tasks.say.output.rows[0].said }}}}" }} }}
    output: {{ said: "${{{{ tasks.say.output.rows[0].said }}}}", n: "${{{{ input.n }}}}" }}
  refused: {{ description: R., input: {{ type: object }}, tasks: {{ {GET}, no: {{ needs: [get], tool: crm.no, with: {{ note: "${{{{ {ROW}.iban }}}}" }} }} }} }}
  parks: {{ description: P., input: {{ type: object }}, tasks: {{ {GET}, lost: {{ needs: [get], tool: crm.lost, with: {{ note: "${{{{ {ROW}.iban }}}}" }} }} }} }}
  asks: {{ description: A., input: {{ type: object }}, tasks: {{ {GET}, ask: {{ needs: [get], tool: crm.asked, with: {{ note: "${{{{ {ROW}.iban }}}}" }} }} }} }}
  undoes:
    description: U.
    input: {{ type: object }}
    tasks:
      {GET}
      put: {{ needs: [get], tool: crm.put, with: {{ note: "${{{{ {ROW}.iban }}}}" }}, compensate: {{ tool: crm.lost, with: {{ note: "${{{{ 'undo ' + arguments.note }}}}" }} }} }}
      no: {{ needs: [put], tool: crm.no, with: {{ note: x }} }}
  counts: {{ description: C., input: {{ type: object }}, tasks: {{ {GET}, n: {{ needs: [get], tool: crm.get, with: {{ id: "${{{{ decimal({ROW}.iban) }}}}" }} }} }} }}
  wrong: {{ description: W., input: {{ type: object }}, tasks: {{ {GET}, n: {{ needs: [get], tool: crm.get, with: {{ id: "${{{{ {ROW}.iban }}}}" }} }} }} }}
  long: {{ description: L., input: {{ type: object }}, tasks: {{ {GET}, sub: {{ needs: [get], workflow: below, with: {{ note: "${{{{ {ROW}.iban + 'and much more than forty letters of something else' }}}}" }} }} }} }}
  judged: {{ description: J., input: {{ type: object }}, tasks: {{ {GET}, say: {{ needs: [get], if: "${{{{ date({ROW}.iban) == date('2026-01-01') }}}}", tool: crm.say, with: {{ note: x }} }} }} }}
  keyed: {{ description: K., input: {{ type: object }}, key: "${{{{ input.card }}}}", tasks: {{ say: {{ tool: erp.say, with: {{ card: "${{{{ input.card }}}}" }} }} }} }}
"""
"""Workflows that carry what was hidden elsewhere."""
CARRYING = ("refused", "undoes", "counts", "wrong", "long", "judged", "parks", "asks", "carry")


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

    @classmethod
    @contextmanager
    def open(cls, place, landscape, planted, agents):
        """Serve a landscape in a folder, every word logged, with secrets in the environment and a key for each agent."""
        hook = Hook()
        planted = {**planted, "HOOK": hook.url}
        environ = {**os.environ, **planted, "DRAWBAR_LOG": "debug"}
        (place / "drawbar.yaml").write_text(landscape)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in planted.items():
                patch.setenv(name, value)
            with open_app(place / "drawbar.yaml") as app:
                keys = {name: app.keys.add(name, scopes=None, days=None, by="test")["key"] for name in agents}
        with Serving(landscape, at=place, environ=environ) as serving:
            yield cls(serving, keys, environ, hook)
        hook.server.shutdown()

    def live(self):
        """Listen to all topics of the WebSocket."""
        bearer = {"Authorization": f"Bearer {self.keys['clerk']}"}
        return connect(self.serving.url.replace("http", "ws") + "/ws", additional_headers=bearer)

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


def cells(state):
    """Give all that a database holds, by table and column."""
    for (table,) in state.execute("select name from sqlite_master where type = 'table'").fetchall():
        rows = state.execute(f'select * from "{table}"')
        names = [column[0] for column in rows.description]
        for name, column in zip(names, zip(*rows, strict=True), strict=False):
            yield (
                f"{table}.{name}",
                " ".join(one.decode("latin-1") if isinstance(one, bytes) else str(one) for one in column),
            )
