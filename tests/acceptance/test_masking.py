"""Marked values are planted where secrets and personal data go in; then all that comes out is searched for them."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from masked import CARRYING, FLOWS, IBAN, NOTES, PIN, House, cells, every_get
from servers.process import folder, free_port

from drawbar.core.masking import told_by

KEY, LOGIN, TOKEN = "MARK-state-key-0123456789", "MARK-login-73", "MARK-token-91"
CARD, NAME, CVV = "MARK-card-4711", "MARK-name-Ada", "MARK-cvv-9"
SECRETS = (KEY, LOGIN, TOKEN, CARD, CVV, str(PIN))
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
{NOTES}
workflows:
{FLOWS}
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
syncs:
  copy: {{ from: {{ adapter: crm, operation: get, with: {{ id: 1 }}, rows: "${{{{ result.rows }}}}" }}, to: {{ adapter: crm, operation: put, key: [note] }}, map: {{ note: "${{{{ 'sync ' + row.iban }}}}" }} }}
agents:
  clerk: {{ tools: ["erp.find", "erp.read_people", "erp.pay", "erp.say", "erp.lose", "erp.ask", "crm.*", "crm.put", "crm.twice", "crm.lost", "crm.asked"], scopes: [read, run, operate, approve, administer] }}
  officer: {{ tools: ["erp.find"], sees: [personal] }}
  helper: {{ tools: [], sees: [personal] }}
"""
BUY = {"cvv": CVV, "people": [NAME]}


@pytest.fixture(scope="module")
def house():
    place = folder("masking")
    with sqlite3.connect(place / "erp.db") as database:
        database.execute("create table people (id integer, name text, card text primary key)")
        database.execute("create table paid (card text, cvv text, name text)")
        database.execute("create table accounts (id integer, iban text, pin integer)")
        database.execute("create table notes (note text)")
        database.execute("insert into accounts values (1, ?, ?)", (IBAN, PIN))
        database.executemany("insert into people values (?, ?, ?)", [(7, NAME, CARD), (8, "Bob", f"{CARD}-2")])
    planted = {"DRAWBAR_STATE_KEY": KEY, "LOGIN": LOGIN, "TOKEN": TOKEN}
    with House.open(place, LANDSCAPE, planted, ("clerk", "officer", "helper")) as house:
        yield house


@pytest.fixture(scope="module")
def said(house):
    """Use everything once; give all that was answered, by where."""
    heard = {}
    with house.live() as socket:
        heard["answer find"] = house.call("find", name=NAME).text
        heard["answer pay"] = house.call("pay", card=CARD, cvv=CVV, name=NAME).text
        heard["answer say"] = house.call("say", card=CARD).text
        heard["answer lose"] = house.call("lose", card=CARD).text
        heard["answer ask"] = house.call("ask", card=CARD).text
        heard["wrong"] = house.call("pay", card=[CARD], cvv=CVV, name=NAME, more=1).text
        heard["misnamed"] = house.call("pay", Card=CARD, cvv=CVV, name={"name": NAME, "first": CARD}).text
        heard["preview"] = house.ask("POST", "/tools/erp.pay/preview", json={"arguments": {"card": CARD, "cvv": CVV, "name": NAME}}).text  # fmt: skip
        for name, given in (
            ("find", {"name": NAME}),
            ("say", {"card": CARD}),
            ("pay", {"card": CARD, "cvv": CVV, "name": NAME}),
        ):
            heard[f"mcp {name}"] = house.mcp(f"erp_{name}", given).text
        heard["mcp preview"] = house.mcp("drawbar_preview", {"name": "erp_pay", "arguments": {"card": CARD, "cvv": CVV, "name": NAME}}).text  # fmt: skip
        heard["searched"] = house.ask("GET", f"/runs?key={CARD}&q={CARD}").text
        heard["mcp describe"] = house.mcp("drawbar_describe", {"name": "erp_pay"}).text
        heard["mcp strange"] = house.mcp("erp_pay", {"card": CARD, "cvv": CVV, "name": NAME, "Card": CARD}).text
        for method, given in (("tools/list", {}), ("resources/list", {}), ("resources/templates/list", {})):
            heard[f"mcp {method}"] = house.ask("POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": given}).text  # fmt: skip
        heard["check"] = house.ask("POST", "/adapters/far/check").text
        for flow, given in (("buy", BUY), ("above", BUY), ("fails", {"card": CARD})):
            heard[f"run {flow}"] = house.ask("POST", f"/workflows/{flow}/run?wait_s=20", json={"input": given}).text
        for flow in CARRYING:
            heard[f"start {flow}"] = house.ask("POST", f"/workflows/{flow}/run", json={"input": {}}).text
        heard["run keyed"] = house.ask("POST", "/workflows/keyed/run?wait_s=20", json={"input": {"card": NAME}}).text
        for asked in ({"dry_run": True}, {}):
            while (answer := house.ask("POST", "/syncs/copy/run", json=asked)).status_code == 409:
                time.sleep(0.1)  # the dry run still runs
            heard[f"sync {asked}"] = answer.text
        heard |= handed(house)
        settled(house)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try:
                heard["ws"] = heard.get("ws", "") + str(socket.recv(timeout=0.5))
            except TimeoutError:
                break
    return heard


def handed(house):
    """Answer what was handed to an agent that sees personal fields, with what it was told."""
    until = time.monotonic() + 30
    while not (found := house.ask("GET", "/agents/helper/assignments", "helper").json().get("items", [])):
        assert time.monotonic() < until, house.ask("GET", "/runs?workflow=carry").text
        time.sleep(0.2)
    [one] = found
    assert one["input"] == {"who": IBAN, "pin": "***", "said": "***"}
    answer = house.ask("POST", f"/assignments/{one['id']}/answer", json={"output": {"who": f"it is {IBAN}"}})
    return {"answered": answer.text}


def settled(house):
    """Wait until no run goes on by itself."""
    until = time.monotonic() + 15
    busy = ("/runs?state=running", "/runs?state=queued")
    while any(house.ask("GET", path).json()["items"] for path in busy) or '"running"' in house.ask("GET", "/syncs/copy/runs").text:  # fmt: skip
        assert time.monotonic() < until, house.ask("GET", "/runs?state=running").text
        time.sleep(0.1)


def leaks(texts, marks=(*SECRETS, NAME, IBAN)):
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


def test_the_state_has_what_must_not_be_seen_in_its_keys_alone(house, said):
    """A business key must be found by who has the value, and is not shown; all else is sealed."""
    with sqlite3.connect(house.serving.folder / "drawbar.db") as state:
        kept = dict(cells(state))

    found = leaks(kept)

    assert {where for where, _ in found} <= {"ledger.key", "runs.key", "runs.key_held"}, found
    assert {"audit_blocks.payload", "ledger.arguments", "task_runs.outcome", "documents.body"} <= kept.keys()


def test_a_backup_of_the_state_has_no_secret(house, said):
    house.cli("state", "backup", "backup.db")
    kept = (house.serving.folder / "backup.db").read_bytes()

    assert len(kept) > 100_000
    assert leaks({"backup": kept.decode("latin-1")}, SECRETS) == []


def test_what_a_run_carries_on_reaches_other_tools_as_it_is(house, said):
    states = {one["workflow"]: one["status"] for one in house.ask("GET", "/runs?limit=100").json()["items"]}
    with sqlite3.connect(house.serving.folder / "erp.db") as database:
        notes = {note for (note,) in database.execute("select note from notes")}

    assert {flow: states[flow] for flow in CARRYING} == {
        **dict.fromkeys(CARRYING, "failed"), "carry": "succeeded", "asks": "waiting", "parks": "parked", "undoes": "parked",
    }  # fmt: skip
    assert notes >= {f"sync {IBAN}", f"IBAN {IBAN}", str(PIN), IBAN, f"of {IBAN}", f"undo {IBAN}"}


def test_what_was_not_hidden_is_shown(house, said):
    ran = house.ask("GET", "/syncs/copy/runs").text
    assert '"samples":[{"would":"call","note":"***"}]' in ran, ran
    [run] = house.ask("GET", "/runs?workflow=carry").json()["items"]
    output = house.ask("GET", f"/claims/{run['output']['claim']}").json()
    tasks = {one["task"]: one["output"] for one in house.ask("GET", f"/runs/{run['run_id']}/tasks").json()["items"]}
    put = house.ask("GET", "/context/crm/said").json()["value"]

    assert output == {"made": {"made": "***"}, "sub": {"said": "***", "n": 5}, "hand": {"who": "***"}, "n": 1}
    assert house.ask("GET", f"/claims/{tasks['say']['claim']}").json()["rows"] == [{"said": "***", "n": 1}]
    assert put == {"it": "***", "n": 1}


def test_the_command_line_shows_no_secret(house, said):
    runs = [one["run_id"] for one in house.ask("GET", "/runs?limit=100").json()["items"] if one["workflow"] == "above"]
    dead = [one["id"] for one in house.ask("GET", "/dead-letters").json()["items"]]
    verbs = (
        ["runs", "--json"],
        ["show", runs[0], "--json"],
        *(["dead", "show", one] for one in dead),
        ["dead", "--json"],
        ["approvals", "--json"],
        ["audit", "--limit", "1000", "--json"],
        ["describe", "erp.pay"],
        ["status", "--json"],
        ["export", "--format", "openai"],
        ["forget", f"arguments.card == '{CARD}-none'"],
        ["runs", "--key", f"{CARD}-none", "--json"],
        ["call", "erp.say", f"card={CARD}"],
        ["call", "erp.find", f"name={NAME}"],
    )

    with ThreadPoolExecutor(2) as pool:
        shown = dict(
            zip((" ".join(verb) for verb in verbs), pool.map(lambda verb: house.cli(*verb), verbs), strict=True)
        )

    assert leaks(shown, (*SECRETS, IBAN)) == []
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
