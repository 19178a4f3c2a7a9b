"""Attacks on a running Drawbar by agents with keys; docs/security.md lists these and those that other files have."""

import ast
import inspect
import re
import socket
import sqlite3
import textwrap
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from servers.drawbar import Serving
from servers.process import folder

from drawbar.app import open_app
from drawbar.core.keys import Keys

ROOT = Path(__file__).parents[2]
LANDSCAPE = """\
version: 1
server: { adapters_over_rest: true }
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find: { description: Find., sql: "select id, note from orders where note = :note", parameters: { note: { type: string } }, effect: read }
      add: { description: Add., sql: "insert into orders (note) values (:note)", parameters: { note: { type: string } }, effect: write }
      pay: { description: Pay., sql: "insert into orders (note) values (:note)", parameters: { note: { type: string } }, effect: write }
      sign: { description: Sign., sql: "insert into orders (note) values (:note)", parameters: { note: { type: string } }, effect: write }
    tables: { orders: { key: [id], read: true } }
    tools: { sign: { approval: {} } }
  drop: { kind: local, root: ./inbox, feeds: { orders: { pattern: "*.csv", claim: rename, format: { kind: csv } } } }
workflows:
  signs: { description: Signs., tasks: { sign: { tool: erp.sign, with: { note: by a workflow } } } }
agents:
  clerk: { tools: ["erp.find", "erp.add", "erp.sign", "erp.read_*", "drop.*"], scopes: [read, run, approve, operate], confirm: [write] }
  signer: { tools: ["erp.sign"], scopes: [read, run, approve] }
  chief: { scopes: [read, approve] }
  boss: { scopes: [read, run, operate, administer] }
"""
ESCAPES = (
    "../../secret.txt",
    "..\\..\\secret.txt",
    "/etc/passwd",
    "a\0b",
    "%2e%2e%2fsecret.txt",
    "..%c0%afsecret.txt",
    ".",
)
SQL = (
    "x' or '1'='1",
    "x'; drop table orders; --",
    'x" or ""="',
    "x') union select 1, sql from sqlite_master --",
    "%",
    "x\\'",
)


class House:
    def __init__(self, serving: Serving, keys: dict[str, str]) -> None:
        self.serving, self.keys = serving, keys

    def ask(self, method, path, agent="clerk", **sent):
        headers = {"Authorization": f"Bearer {self.keys[agent]}", **sent.pop("headers", {})}
        return self.serving.ask(method, path, headers=headers, **sent)

    def call(self, tool, agent="clerk", code=None, **arguments):
        return self.ask("POST", f"/tools/{quote(tool, safe='')}/call", agent, json={"arguments": arguments, **({"code": code} if code else {})})  # fmt: skip

    def notes(self):
        with sqlite3.connect(self.serving.folder / "erp.db") as database:
            return [note for (note,) in database.execute("select note from orders order by id")]


@pytest.fixture(scope="module")
def house():
    place = folder("attacks")
    (place / "inbox").mkdir()
    (place / "secret.txt").write_text("TOP-SECRET,x\n")
    with sqlite3.connect(place / "erp.db") as database:
        database.execute("create table orders (id integer primary key, note text)")
        database.executemany("insert into orders (note) values (?)", [("first",), ("second",)])
    (place / "drawbar.yaml").write_text(LANDSCAPE)
    with open_app(place / "drawbar.yaml") as app:
        given = {"clerk": "clerk", "signer": "signer", "signer_again": "signer", "chief": "chief", "boss": "boss"}
        keys = {name: app.keys.add(agent, scopes=None, days=None, by="test")["key"] for name, agent in given.items()}
    with Serving(LANDSCAPE, at=place) as serving:
        yield House(serving, keys)


def refused(answer):
    """An answer that gives nothing away: a problem of the caller's, with nothing of what it was after."""
    assert 400 <= answer.status_code < 500, answer.text
    for secret in ("TOP-SECRET", "root:", "Traceback"):
        assert secret not in answer.text
    return answer


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/claims/{}"),
        ("GET", "/workflows/{}"),
        ("POST", "/workflows/{}/run"),
        ("GET", "/runs/{}"),
        ("GET", "/context/{}/key"),
        ("GET", "/context/scope/{}"),
        ("GET", "/adapters/{}"),
        ("POST", "/adapters/{}/check"),
        ("GET", "/feeds/{}/files"),
        ("POST", "/feeds/drop.orders/files/{}/retry"),
        ("GET", "/tools/{}"),
        ("GET", "/agents/{}"),
        ("GET", "/syncs/{}"),
    ],
)
def test_no_name_in_a_path_leads_out(house, method, route, escape):
    answer = house.ask(method, route.format(quote(escape, safe="")))

    if escape == "." or (method, route) == ("GET", "/context/{}/key"):
        assert answer.status_code < 500  # a client folds the dot into another path
    else:
        refused(answer)
    assert "TOP-SECRET" not in answer.text


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("tool", ["drop.read_orders", "drop.stat_orders"])
def test_no_file_outside_of_a_feed_is_read(house, tool, escape):
    refused(house.call(tool, name=escape))


@pytest.mark.parametrize("text", SQL)
def test_sql_in_any_string_stays_a_string(house, text):
    before = house.notes()

    found = house.call("erp.find", note=text)
    assert found.json()["result"]["rows"] == []
    kept = house.call("erp.read_orders", where={"note": text})
    assert kept.json()["result"]["rows"] == []
    for arguments in (
        {"where": {text: 1}},
        {"where": {"note": {text: 1}}},
        {"where": text},
        {"order": [text]},
        {"order": text},
        {"order": [f"note {text}"]},
        {"columns": [text]},
        {"limit": text},
        {"next": text},
        {"table": text},
    ):
        refused(house.call("erp.read_orders", **arguments))
    refused(house.call(f"erp.read_{text}"))
    for query in ("state", "workflow", "key", "q", "after", "since"):
        assert house.ask("GET", "/runs", params={query: text}).status_code < 500
    assert house.notes() == before


@pytest.mark.parametrize(
    "name",
    ["erp.pay", "ERP.ADD", "erp.Add", "erp.add ", " erp.add", "erp.add.", "erp.add\0", "еrp.add", "erp․add", "erp.ａdd", "erp%2Eadd", "erp/add", "erp.add\n", "erp..add", "*", "erp.*"],
)  # fmt: skip
def test_no_spelling_of_a_name_opens_a_tool(house, name):
    before = house.notes()

    refused(house.call(name, note="tricked"))
    said = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name.replace(".", "_"), "arguments": {"note": "tricked"}}}  # fmt: skip
    house.ask("POST", "/mcp", json=said)

    assert house.notes() == before


def test_a_code_is_good_once_and_for_its_own_arguments_caller_and_tool(house):
    before = house.notes()
    code = house.ask("POST", "/tools/erp.add/preview", json={"arguments": {"note": "coded"}}).json()["code"]

    refused(house.call("erp.add", note="coded"))
    refused(house.call("erp.add", note="another", code=code))
    refused(house.call("erp.sign", note="coded", code=code))
    refused(house.call("erp.sign", "signer", note="coded", code=code))
    assert house.notes() == before
    assert house.call("erp.add", note="coded", code=code).status_code == 200
    refused(house.call("erp.add", note="coded", code=code))

    assert house.notes() == [*before, "coded"]


@pytest.mark.parametrize("way", ["call", "workflow"])
def test_nobody_approves_its_own_call_by_any_key(house, way):
    before = house.notes()
    if way == "call":
        asked = house.call("erp.sign", "signer", note="mine").json()["id"]
    else:
        run = house.ask("POST", "/workflows/signs/run?wait_s=2", "signer").json()["run_id"]
        waiting = house.ask("GET", "/approvals", "signer").json()["items"]
        [asked] = [one["id"] for one in waiting if one["run_id"] == run]

    for key in ("signer", "signer_again"):
        assert refused(house.ask("POST", f"/approvals/{asked}/approve", key)).status_code == 403

    assert house.notes() == before
    assert house.ask("POST", f"/approvals/{asked}/reject", "chief", json={"reason": "no"}).status_code == 200


def test_keys_are_compared_in_constant_time():
    source = inspect.getsource(Keys.opened)

    assert "hmac.compare_digest(" in source
    compared = [node for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Compare)]
    assert not [ast.unparse(one) for one in compared if "hash" in ast.unparse(one) or "secret" in ast.unparse(one)]


@pytest.mark.parametrize("text", ["x\n2026-01-01 [info] forged.line", "x\r\nSet-Cookie: forged.line=1", "x\x1b[2Jforged.line", "x\u2028forged.line"])  # fmt: skip
def test_no_text_of_a_caller_begins_a_line_of_the_log_or_a_header(house, text):
    answers = [
        house.call(f"erp.{text}"),
        house.call("erp.find", note=text),
        house.ask("GET", f"/workflows/{quote(text, safe='')}"),
        house.ask("POST", "/workflows", json={"name": text, "description": text}),
        house.ask("POST", "/workflows/signs/run", json={"input": {}, "key": text}),
    ]
    asked = f"GET /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: {text}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", house.serving.port), timeout=10) as raw:
        raw.sendall(asked.encode())
        head = b"".join(iter(lambda: raw.recv(65536), b"")).partition(b"\r\n\r\n")[0]

    for answer in answers:
        assert answer.status_code < 500
        assert "forged.line" not in " ".join(f"{name}: {value}" for name, value in answer.headers.items() if name != "Location")  # fmt: skip
    assert not re.search(rb"(?mi)^set-cookie", head)
    assert not re.search(rb"(?m)^2026-01-01", head)
    log = house.serving.log.read_text(errors="replace")
    assert not re.search(r"(?m)^(2026-01-01|Set-Cookie|forged\.line)", log)
    assert "\x1b[2J" not in log


class Bait:
    """A host that leads elsewhere, and counts who comes to where it led."""

    def __init__(self) -> None:
        self.came = came = []

        class Leading(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                port = self.server.server_address[1]
                if self.headers["Host"].startswith("localhost"):
                    came.append(self.path)
                if self.path == "/redirect":
                    self.send_response(302)
                    self.send_header("Location", f"http://localhost:{port}/inner")
                    self.end_headers()
                    return
                where = {"/host": f"http://localhost:{port}/inner", "/file": "file:///etc/passwd"}.get(self.path, "")
                body = f'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><import namespace="urn:x" location="{where}"/></definitions>'.encode()  # fmt: skip
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *said: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Leading)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.mark.parametrize("path", ["/redirect", "/host", "/file"])
def test_a_wsdl_leads_to_no_other_host_and_to_no_file(house, path):
    bait, name = Bait(), f"bait{path[1:]}"
    sent = {"name": name, "kind": "soap", "wsdl": bait.url + path}

    assert house.ask("POST", "/adapters", "clerk", json=sent).status_code == 403
    made = house.ask("POST", "/adapters", "boss", json=sent)
    checked = house.ask("POST", f"/adapters/{name}/check", "boss")

    assert made.status_code < 500
    assert bait.came == []
    assert "root:" not in made.text + checked.text
    assert re.search("another host|not on its own host|may not import the file", checked.text), checked.text
    bait.server.shutdown()


def test_the_table_of_attacks_names_tests_that_are_there():
    table = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", table)

    assert len(named) > 20
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(), f"{file} has no {name}"
    here = set(re.findall(r"(?m)^def (test_\w+)\(", Path(__file__).read_text()))
    assert here - {name for _, name in named} == {inspect.currentframe().f_code.co_name}
