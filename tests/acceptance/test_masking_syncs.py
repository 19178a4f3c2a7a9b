"""Marked values are planted in the ends of syncs that fail in every way; then all that comes out is searched for them."""

import sqlite3
import time

import pytest
from masked import IBAN, PIN, House, cells, every_get
from servers.process import folder

KEY = "MARK-state-key-0123456789"
TRUE = "${{ true }}"
LANDSCAPE = """\
version: 1
state_key: ${env:DRAWBAR_STATE_KEY}
notify: [ { on: [parked, failed], to: { webhook: "${env:HOOK}" }, again_after_h: 1 } ]
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      say: { description: Say., sql: "select :note as said", parameters: { note: { type: string } }, effect: read }
      put: { description: Put., sql: "insert into notes (note) values (:note)", parameters: { note: { type: string } }, effect: write }
    tables: { accounts: { key: [id], read: true }, people: { key: [iban], read: true }, notes: { key: [note], read: true }, sums: { key: [id], read: true } }
    tools:
      read_accounts: { personal: [rows.iban], secret: [rows.pin] }
      say: { outcome: [{ when: "${{ true }}", is: rejected, message: "${{ 'no ' + result.rows[0].said }}" }] }
      put: { outcome: [{ when: "${{ true }}", is: rejected, message: "${{ 'not ' + arguments.note }}" }] }
  in:
    kind: local
    root: in
    feeds:
      bank: { pattern: "*.csv", ready: { stable_s: 0.1 }, max_attempts: 1, format: { kind: csv, columns: [ { name: id, type: integer }, { name: pin, type: integer } ] } }
    tools: { read_bank: { personal: [records.iban], secret: [records.pin] } }
syncs:
  computes: { from: FROM, to: NOTES, map: { note: "${{ decimal(row.iban) }}" } }
  judges: { from: FROM, to: NOTES, where: "${{ date(row.iban) == run.date }}", map: { note: "${{ row.id }}" } }
  proves: { from: FROM, to: NOTES, map: { note: "${{ row.iban }}" }, schema: { properties: { note: { type: string, enum: [a, b] } } } }
  types: { from: FROM, to: { adapter: erp, table: sums }, map: { id: "${{ row.iban }}", n: "${{ row.pin }}" } }
  computed: { from: FROM, to: { adapter: erp, table: sums }, map: { id: "${{ row.iban + 'x' }}", n: "${{ row.pin }}" } }
  asks: { from: FROM, to: NOTES, calls: { say: { tool: erp.say, with: { note: "${{ 'IBAN ' + row.iban }}" } } }, map: { note: "${{ row.id }}" } }
  stops: { from: FROM, to: NOTES, calls: { say: { tool: erp.say, with: { note: "${{ row.iban }}" }, on_error: fail } }, map: { note: "${{ row.id }}" } }
  looks: { from: FROM, to: NOTES, lookups: { who: { adapter: erp, table: people, key: { iban: "${{ row.iban }}" }, columns: [name] } }, map: { note: "${{ lookup.who.name }}" } }
  fans: { from: FROM, to: { adapter: erp, writes: [ { table: sums, map: { id: "${{ row.id }}", n: "${{ int(row.iban) }}" } } ] } }
  fanned: { from: FROM, to: { adapter: erp, writes: [ { table: sums, map: { id: "${{ row.id }}", n: "${{ 'n' + row.iban }}" } } ] } }
  calls: { from: FROM, to: { adapter: erp, operation: put, key: [note] }, map: { note: "${{ 'for ' + row.iban }}" } }
  file: { from: { adapter: in, feed: bank }, to: { adapter: erp, table: sums }, map: { id: "${{ row.id }}", n: "${{ row.pin }}" } }
  since: { from: { adapter: erp, table: accounts, cursor: { column: pin } }, to: { adapter: erp, table: sums, mode: upsert, key: [id] }, map: { id: "${{ row.id }}", n: "${{ row.id }}" } }
  adds: { from: { adapter: erp, table: accounts }, to: { adapter: erp, table: sums, mode: replace }, map: { id: "${{ row.id }}", n: "${{ row.pin }}" }, totals: [ { sum: n } ] }
  goes: { from: FROM, to: { adapter: erp, table: notes }, map: { note: "${{ 'gone ' + row.iban }}" } }
agents:
  clerk: { tools: ["erp.*", "in.*", "erp.put"], scopes: [read, run, operate, approve, administer] }
""".replace("FROM", "{ adapter: erp, table: accounts }").replace("NOTES", "{ adapter: erp, table: notes }")
FAILING = (
    "computes", "judges", "proves", "types", "computed", "asks", "stops", "looks", "fans", "fanned", "calls", "file",
)  # fmt: skip
CARRIED = ("since", "adds", "goes")
MARKS = (IBAN, str(PIN), IBAN.upper(), IBAN.lower())


@pytest.fixture(scope="module")
def house():
    place = folder("masking-syncs")
    with sqlite3.connect(place / "erp.db") as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table accounts (id integer primary key, iban text, pin integer)")
        database.execute("create table people (iban text primary key, name text)")
        database.execute("create table notes (note text primary key)")
        database.execute("create table sums (id integer primary key, n integer) strict")
        database.executemany("insert into accounts values (?, ?, ?)", [(1, IBAN, PIN), (2, "other", 7)])
    (place / "in").mkdir()
    (place / "in" / "bank.csv").write_text(f"id,iban,pin\n1,{IBAN},{PIN}x\n")
    planted = {"DRAWBAR_STATE_KEY": KEY}
    with House.open(place, LANDSCAPE, planted, ["clerk"]) as house:
        yield house


@pytest.fixture(scope="module")
def said(house):
    """Run every sync, dry and in earnest; give all that was answered."""
    heard = {}
    with house.live() as socket:
        for name in (*FAILING, *CARRIED):
            for asked in ({"dry_run": True}, {}):
                heard[f"{name} {asked}"] = ran(house, name, asked)
        for name in CARRIED:
            heard[f"cursor {name}"] = house.ask("GET", f"/syncs/{name}").text
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try:
                heard["ws"] = heard.get("ws", "") + str(socket.recv(timeout=0.5))
            except TimeoutError:
                break
    return heard


def ran(house, name, asked):
    """Run a sync to its end; give what is said of it."""
    until = time.monotonic() + 30
    while (answer := house.ask("POST", f"/syncs/{name}/run", json=asked)).status_code == 409:
        assert time.monotonic() < until, answer.text
        time.sleep(0.05)
    while '"running"' in (found := house.ask("GET", f"/syncs/{name}/runs").text):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return answer.text + found


def leaks(texts):
    return sorted({(where, mark) for where, text in texts.items() for mark in MARKS if mark in text})


def test_no_report_and_no_event_of_a_sync_has_a_marked_value(house, said):
    states = {name: house.ask("GET", f"/syncs/{name}/runs").json()["items"][0]["status"] for name in FAILING + CARRIED}

    assert {name for name, state in states.items() if state == "failed"} == set(FAILING), states
    assert "***" in said["computes {}"], said["computes {}"]
    assert leaks(said) == []


def test_no_get_route_shows_what_a_sync_read(house, said):
    shown = dict(every_get(house))
    shown |= {f"sync {name}": house.ask("GET", f"/syncs/{name}").text for name in FAILING + CARRIED}
    shown["audit"] = house.ask("GET", "/audit?limit=1000").text
    shown["files"] = house.ask("GET", "/feeds/in/bank/files").text

    assert leaks(shown) == []


def test_no_log_webhook_or_reason_beside_a_file_has_what_a_sync_read(house, said):
    reasons = {str(path): path.read_text() for path in (house.serving.folder / "in").rglob("*.json")}

    assert leaks({"log": house.serving.log.read_text(), **reasons}) == []
    assert leaks({"webhook": "".join(one.decode("utf-8", "replace") for one in house.hook.taken)}) == []


def test_no_reason_in_a_reject_file_has_what_its_record_has(house, said):
    """The record itself stands there as it is: it is the operators', and is sent again from there."""
    from drawbar.core.values import load

    lines = [load(line) for path in (house.serving.folder / "rejects").rglob("*.jsonl") for line in path.open("rb")]

    assert leaks({str(at): line["reason"] for at, line in enumerate(lines)}) == []


def test_the_command_line_says_nothing_of_it(house, said):
    shown = {
        name: house.cli("sync", name, *more)
        for name in ("computes", "types", "asks", "file")
        for more in ((), ("--dry-run",))
    }
    shown |= {
        verb: house.cli(*verb.split()) for verb in ("syncs", "syncs --json", "audit --limit 1000 --json", "dead --json")
    }

    assert leaks(shown) == []


def test_the_state_has_a_cursor_of_what_was_read_alone(house, said):
    with sqlite3.connect(house.serving.folder / "drawbar.db") as state:
        kept = dict(cells(state))

    assert {where.partition(".")[0] for where, _ in leaks(kept)} <= {"sync_cursors", "sync_runs", "syncs"}, leaks(kept)


def test_what_is_not_hidden_arrives(house, said):
    with sqlite3.connect(house.serving.folder / "erp.db") as database:
        notes = {note for (note,) in database.execute("select note from notes")}

    assert f"gone {IBAN}" in notes
