"""The short way of the calls that come most gives the answers of the long one, on a real PostgreSQL."""

import json
import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
import requests
from servers.process import folder
from serving import count_heard, serving

from drawbar.app import open_app
from drawbar.connectors import sql_pinned
from drawbar.core.access import Caller
from drawbar.core.keys import id_of
from drawbar.facade.ears import PATIENCE_S
from drawbar.facade.front import web
from drawbar.facade.patient import Patient
from drawbar.facade.stdio import serve_stdio

LONG = {"X-Unusual": "1"}
MANY = 200
LANDSCAPE = """\
version: 1
server: {{ authentication: {{ anonymous: loopback }} }}
adapters:
  erp:
    kind: sql
    url: {url}
    budget: {{ concurrency: 4 }}
    statements:
      find: {{ description: Find., sql: "select id, amount, note from things where id = :id", parameters: {{ id: {{ type: integer }} }}, effect: read }}
      some: {{ description: Some., sql: "select id, amount, note from things where id <= :most order by id", parameters: {{ most: {{ type: integer }} }}, effect: read }}
      whole: {{ description: Long., sql: "select note from things where id <= :most order by id", parameters: {{ most: {{ type: integer }} }}, effect: read }}
      share: {{ description: Divide., sql: "select 1 / :by as share", parameters: {{ by: {{ type: integer }} }}, effect: read }}
      slow: {{ description: Slow., sql: "select pg_sleep(:s)::text as s", parameters: {{ s: {{ type: number }} }}, effect: read, timeout_s: 1 }}
      add: {{ description: Add., sql: "insert into things values (:id, 1, 'x')", parameters: {{ id: {{ type: integer }} }} }}
    tools: {{ find: {{ personal: [rows.note] }} }}
agents:
  clerk: {{ tools: ["erp.*"], per_minute: 100000 }}
  reader: {{ tools: ["erp.some"] }}
  few: {{ tools: ["erp.*"], per_minute: 3 }}
"""
VARY = re.compile(rb'(?<=as_of)[\\":]+[^"\\]*|[0-9a-z]{20,}(-[0-9a-f]+)?')
SAID_ANEW = {"date", "x-request-id", "content-length", "ratelimit", "ratelimit-remaining", "ratelimit-reset"}


class Taken:
    """Counts what went the short way, and what of it needed no thread."""

    def __init__(self):
        self.short = self.begun = 0


@pytest.fixture(scope="module")
def house(postgres):
    place = folder("lane")
    pg_url = postgres.create_database()
    url = pg_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("create table things (id integer primary key, amount numeric(10,2), note text)")
        line.execute(f"insert into things select n, n, 'note ' || n from generate_series(1, {MANY}) n")
        line.execute(f"insert into things select {MANY} + n, n, repeat('x', 9000) from generate_series(1, 20) n")
    (place / "drawbar.yaml").write_text(LANDSCAPE.format(url=pg_url))
    with open_app(place / "drawbar.yaml") as app:
        api, taken = web(app), Taken()
        api.lane.take = partial(_counted, api.lane.take, taken)
        with serving(api, http=partial(Patient, lane=api.lane)) as server:
            session = requests.Session()
            session.url, session.taken, session.db = f"http://127.0.0.1:{server.config.port}", taken, url
            session.app = app
            agents = ("clerk", "reader", "few")
            session.keys = {name: app.keys.add(name, scopes=None, days=None, by="test")["key"] for name in agents}
            yield session


@pytest.fixture(autouse=True)
def _begun(house, monkeypatch):
    count_heard(monkeypatch, house.taken)


def _counted(take, taken, *asked):
    passage = take(*asked)
    taken.short += passage is not None
    return passage


def mcp(house, tool, arguments, agent="clerk", **headers):
    params = {"name": tool, "arguments": arguments}
    said = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return ask(house, "/mcp", said, agent, headers)


def rest(house, tool, arguments, agent="clerk", **headers):
    return ask(house, f"/v1/tools/{tool}/call", {"arguments": arguments}, agent, headers)


def ask(house, path, said, agent, headers):
    bearer = {"Authorization": f"Bearer {house.keys[agent]}"}
    return house.post(house.url + path, json=said, headers={**bearer, **headers}, timeout=60)


def alike(short, long):
    assert (short.status_code, VARY.sub(b"", short.content)) == (long.status_code, VARY.sub(b"", long.content))
    heads = [{n.lower(): v for n, v in one.headers.items() if n.lower() not in SAID_ANEW} for one in (short, long)]
    assert heads[0] == heads[1]
    assert {name.lower() for name in short.headers} == {name.lower() for name in long.headers}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("find", {"id": 7}),
        ("find", {"id": 100000}),
        ("find", {"id": "seven"}),
        ("find", {}),
        ("find", {"id": 7, "more": 1}),
        ("some", {"most": 30}),
        ("some", {"most": MANY}),
        ("whole", {"most": MANY + 20}),
        ("share", {"by": 1}),
        ("share", {"by": 0}),
        ("add", {"id": 1}),
        ("nothing", {}),
    ],
)
@pytest.mark.parametrize("way", [mcp, rest])
def test_both_ways_give_the_same_answer(house, way, tool, arguments):
    name = f"erp_{tool}" if way is mcp else f"erp.{tool}"
    way(house, name, arguments)
    for _ in range(2):  # who was let in is remembered for a second: the first may go the long way
        before = house.taken.short
        short, long = way(house, name, arguments), way(house, name, arguments, **LONG)
        if house.taken.short > before:
            break

    assert house.taken.short == before + 1
    alike(short, long)


@pytest.mark.parametrize("way", [mcp, rest])
def test_a_row_by_its_key_is_read_without_a_thread(house, way):
    name = "erp_find" if way is mcp else "erp.find"
    found = [way(house, name, {"id": number}).content for number in range(1, 21)]

    assert all(f"{number}.00".encode() in one for number, one in enumerate(found, 1))
    assert not any(b"note 7" in one for one in found)
    before = house.taken.begun
    for _ in range(5):
        way(house, name, {"id": 7})
    assert house.taken.begun - before >= 4


def test_a_call_that_is_forbidden_is_refused_on_the_short_way_too(house):
    for way, name in ((mcp, "erp_find"), (rest, "erp.find")):
        way(house, name, {"id": 1}, agent="reader")
        short, long = way(house, name, {"id": 1}, agent="reader"), way(house, name, {"id": 1}, agent="reader", **LONG)
        alike(short, long)
        assert b"may not call" in short.content


def test_a_head_that_was_heard_before_is_answered_alike_however_its_bytes_come(house):
    def said(number, more=b""):
        params = {"name": "erp_find", "arguments": {"id": number}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {house.keys['clerk']}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + more + b"\r\n" + body

    host, _, port = house.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        for number in (11, 12, 13):  # the first is read by the parser, the others are known
            line.sendall(said(number))
            assert b"%d.00" % number in _answer(line)
        line.sendall(said(14)[:-5])
        time.sleep(0.05)
        line.sendall(said(14)[-5:])
        assert b"14.00" in _answer(line)
        line.sendall(said(15) + said(16))  # two at once: the second waits for its turn
        heard = _answer(line)
        while b"16.00" not in heard:
            heard += _answer(line)
        assert b"15.00" in heard
        line.sendall(said(17, b"X-Unusual: 1\r\n"))
        assert b"17.00" in _answer(line)
        line.sendall(said(18).replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length"))
        assert _answer(line).startswith(b"HTTP/1.1 400")


def _answer(line):
    heard = b""
    while (head := heard.find(b"\r\n\r\n")) < 0 or len(heard) < head + 4 + _length(heard[:head]):
        piece = line.recv(65536)
        if not piece:
            break
        heard += piece
    return heard


def _length(head):
    found = re.search(rb"(?i)content-length: (\d+)", head)
    return int(found[1]) if found else 0


def test_over_stdio_a_call_after_a_rest_waits_for_no_place_and_needs_no_thread(house, monkeypatch):
    (given, to), (heard, said) = os.pipe(), os.pipe()
    caller = Caller.agent("clerk", house.app.config.agents["clerk"])
    with (
        os.fdopen(given, "rb") as given,
        os.fdopen(said, "wb") as said,
        os.fdopen(to, "wb", 0) as to,
        os.fdopen(heard, "rb") as heard,
    ):
        thread = threading.Thread(target=serve_stdio, args=(house.app, caller, given, said))
        thread.start()

        def seconds(number):
            params = {"name": "erp_find", "arguments": {"id": number}}
            began = time.monotonic()
            to.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode() + b"\n")
            assert b"%d.00" % number in heard.readline()
            return time.monotonic() - began

        for number in range(1, 4):
            seconds(number)
        slots = house.app.landscape.share("erp")._slots
        with slots.asking:
            assert slots.rest(time.monotonic() + 60)  # as it does after a second without a call
        assert seconds(4) < PATIENCE_S / 2
        house.app.guard.holds.forget()  # as it is after a moment without a call
        monkeypatch.setattr(house.app.direct, "call", None)  # by which a thread would make it
        seconds(5)
        to.close()
        thread.join(60)


def _rests(house, monkeypatch):
    """Let it be as it is after a second without a call: nothing is known any more, and each connection to the database is old."""
    door = house.app.door
    door._remembered.update({digest: (0.0, caller) for digest, (_, caller) in door._remembered.items()})
    house.app.guard.holds.forget()
    monkeypatch.setattr(sql_pinned, "_IDLE_S", 0)


def _whole(house, number):
    """Ask on a line of one's own, with a request that comes whole."""
    params = {"name": "erp_find", "arguments": {"id": number}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    host, _, port = house.url.removeprefix("http://").partition(":")
    head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {house.keys['clerk']}"
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return _answer(line)


def test_after_a_rest_a_call_alone_needs_no_thread(house, monkeypatch):
    for number in range(1, 5):
        _whole(house, number)
    monkeypatch.setattr(house.app.direct, "call", None)  # by which a thread would make it
    _rests(house, monkeypatch)

    assert b"7.00" in _whole(house, 7)


def test_after_a_rest_all_wait_for_one_look_and_go_the_short_way(house, monkeypatch):
    for number in range(1, 5):
        _whole(house, number)
    looks, renew = [], house.app.door.renew
    monkeypatch.setattr(house.app.door, "renew", lambda shown: (looks.append(shown), time.sleep(0.2), renew(shown)))
    _rests(house, monkeypatch)
    before = house.taken.short

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(partial(_whole, house), range(1, 9)))

    assert all(b"%d.00" % number in text for number, text in enumerate(found, 1))
    assert (len(looks), house.taken.short - before) == (1, 8)


def test_a_key_that_was_revoked_during_a_rest_opens_nothing(house, monkeypatch):
    house.keys["gone"] = house.app.keys.add("clerk", scopes=None, days=None, by="test")["key"]
    for number in range(1, 4):
        assert mcp(house, "erp_find", {"id": number}, agent="gone").status_code == 200
    house.app.keys.revoke(id_of(house.keys["gone"]), by="test")
    _rests(house, monkeypatch)

    assert mcp(house, "erp_find", {"id": 1}, agent="gone").status_code == 401


def test_the_short_way_counts_the_calls_of_a_minute(house):
    said = [rest(house, "erp.find", {"id": 1}, agent="few") for _ in range(4)]
    by_mcp = mcp(house, "erp_find", {"id": 1}, agent="few")

    assert [one.status_code for one in said] == [200, 200, 200, 429]
    assert "per_minute" in by_mcp.json()["result"]["content"][0]["text"]


def test_a_connection_that_the_database_ended_is_replaced_and_the_read_answered(house):
    for number in range(4):
        mcp(house, "erp_find", {"id": number})
    with psycopg.connect(house.db, autocommit=True) as line:
        line.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")

    for number in range(1, 9):
        assert f"{number}.00" in mcp(house, "erp_find", {"id": number}).text


def test_a_statement_that_takes_too_long_ends_with_its_time(house):
    for way, name in ((mcp, "erp_slow"), (rest, "erp.slow")):
        way(house, name, {"s": 0})
        way(house, name, {"s": 0})
        began = time.monotonic()
        said = way(house, name, {"s": 30}).text

        assert time.monotonic() - began < 20
        assert '"unavailable' in said.replace("\\", "")


def test_many_callers_share_the_few_places_of_a_budget_and_all_are_answered(house):
    def work(number):
        with requests.Session() as session:
            session.url, session.keys = house.url, house.keys
            return [mcp(session, "erp_find", {"id": number}).json()["result"]["structuredContent"] for _ in range(10)]

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(work, range(1, 25)))

    for number, answers in enumerate(found, 1):
        assert {json.dumps(one["result"]["rows"][0]["id"]) for one in answers} == {str(number)}
