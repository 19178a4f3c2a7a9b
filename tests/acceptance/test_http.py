"""What HTTP promises beside the routes: limits, conditions, ids, origins, compression, time-outs."""

import gzip
import http.client
import io
import json
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests
from fastapi import FastAPI, Request, Response
from servers.drawbar import Serving
from servers.process import folder
from serving import serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from drawbar.app import open_app
from drawbar.facade import patient
from drawbar.facade.deprecation import Deprecated
from drawbar.facade.documents import says
from drawbar.facade.gate import Gate
from drawbar.facade.routes import document

DESK = "https://desk.example.com"
SLOW = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 12000000) select count(*) as n from c"
LANDSCAPE = f"""\
version: 1
server:
  cors: ["{DESK}"]
  authentication:
    anonymous: loopback
    proxy: {{ header: X-Client-Subject, from: ["127.0.0.0/8"], agents: {{ "CN=nobody": clerk }} }}
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find_order: {{ description: Find., sql: "select id from orders where id = :id", parameters: {{ id: {{ type: integer }} }}, effect: read }}
      every_order: {{ description: All., sql: "select id, note from orders", effect: read }}
      count: {{ description: Slow., sql: "{SLOW}", effect: read, timeout_s: 50 }}
    tables: {{ orders: {{ key: [id], read: true }} }}
  copy: {{ kind: sql, url: "sqlite:///erp.db", tables: {{ copied: {{ table: copied, key: [id], upsert: true }} }} }}
syncs:
  load:
    from: {{ adapter: erp, table: orders, cursor: {{ column: id }} }}
    to: {{ adapter: copy, table: copied, mode: upsert, key: [id], cursor: state }}
workflows: {{ nothing: {{ description: Nothing. }} }}
agents:
  local: {{ scopes: [read, run, approve, operate, administer] }}
  clerk: {{ tools: ["erp.*"], per_minute: 5 }}
  model: {{ tools: ["erp.*"], per_minute: 2 }}
  talker: {{ tools: ["erp.*"], per_minute: 3 }}
  single: {{ tools: ["erp.*"], concurrency: 1 }}
  short: {{ tools: ["erp.*"], max_steps: 2 }}
"""
AGENTS = ("clerk", "model", "talker", "single", "short")
FIND = "/tools/erp.find_order/call"
ORDER = {"arguments": {"id": 1}}


@pytest.fixture(scope="module")
def served():
    place = folder("http")
    with sqlite3.connect(place / "erp.db") as database:
        for table in ("orders", "copied"):
            database.execute(f"create table {table} (id integer primary key, note text)")
        database.executemany("insert into orders values (?, ?)", [(n, "the same words " * 4) for n in range(1, 101)])
    (place / "drawbar.yaml").write_text(LANDSCAPE)
    with open_app(place / "drawbar.yaml") as app:
        keys = {name: app.keys.add(name, scopes=None, days=None, by="test")["key"] for name in AGENTS}
    with Serving(LANDSCAPE, at=place) as serving:
        serving.keys = keys
        yield serving


def as_(served, agent, **more):
    return {"Authorization": f"Bearer {served.keys[agent]}", **more}


def test_an_agent_hears_how_it_stands_and_is_stopped_at_its_limit(served):
    said = [served.ask("POST", FIND, json=ORDER, headers=as_(served, "clerk")) for _ in range(7)]

    assert [one.status_code for one in said] == [200] * 5 + [429] * 2
    assert [one.headers["RateLimit-Remaining"] for one in said] == ["4", "3", "2", "1", "0", "0", "0"]
    assert said[0].headers["RateLimit-Policy"] == '"minute";q=5;w=60'
    assert said[0].headers["RateLimit"] == '"minute";r=4;t=60'
    assert said[-1].headers["RateLimit"].startswith('"minute";r=0;t=')
    assert 1 <= int(said[-1].headers["Retry-After"]) <= 60
    problem = said[-1].json()
    assert (problem["kind"], problem["happened"], problem["reason"]) == ("input", "no", "rate")
    assert 0 < problem["retry_after_s"] <= 60
    assert "RateLimit" not in served.ask("GET", "/tools").headers


def test_a_model_hears_over_mcp_that_it_is_too_fast(served):
    call = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "erp_find_order", "arguments": {"id": 1}}}

    said = [
        served.ask("POST", "/mcp", json={**call, "id": number}, headers=as_(served, "model")).json()["result"]
        for number in range(3)
    ]

    assert [one.get("isError", False) for one in said] == [False, False, True]
    told = json.loads(said[2]["content"][0]["text"])
    assert (told["kind"], told["happened"], told["reason"]) == ("input", "no", "rate")
    assert told["retry_after_s"] > 0
    assert told["next"]


def test_a_call_too_many_at_the_same_time_is_refused_and_nothing_happened(served):
    def call(wait_s):
        time.sleep(wait_s)
        return served.ask("POST", "/tools/erp.count/call", json={}, headers=as_(served, "single"))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(call, (0, 0.3))

    assert (first.status_code, second.status_code) == (200, 429)
    assert "under way" in second.json()["detail"]
    assert second.headers["Retry-After"] == "1"
    assert served.ask("POST", FIND, json=ORDER, headers=as_(served, "single")).status_code == 200


def test_a_session_has_so_many_steps_and_another_one_has_its_own(served):
    def calls(times, session):
        headers = as_(served, "short", **({"Drawbar-Session": session} if session else {}))
        return [served.ask("POST", FIND, json=ORDER, headers=headers) for _ in range(times)]

    said = calls(3, "task-1")

    assert [one.status_code for one in said] == [200, 200, 429]
    assert "call nothing more" in said[2].json()["next"]
    assert [one.status_code for one in calls(1, "task-2") + calls(3, None)] == [200] * 4
    assert calls(1, "x" * 101)[0].status_code == 422


def test_every_single_resource_says_its_etag_and_every_change_takes_if_match():
    paths = document()["paths"]
    lists = ("runs", "tasks", "events", "files", "assignments", "history", "versions")
    for path, item in paths.items():
        if "get" in item and "{" in path and not path.endswith(lists) and path != "/context/{scope}":
            answers = item["get"]["responses"]
            assert "304" in answers, path
            assert path == "/claims/{id}" or "ETag" in answers["200"]["headers"], path
        for method in {"put", "patch", "delete"} & item.keys():
            names = [one["name"] for one in item[method]["parameters"]]
            assert "If-Match" in names, (method, path)
            assert "412" in item[method]["responses"], (method, path)


CHANGES = {
    "tool": ("/tools/erp.find_order", "PATCH", {"description": "Finds it."}),
    "cursor": ("/syncs/load/cursor", "PUT", {"cursor": None}),
    "hold": ("/holds/nothing", "DELETE", None),
}


@pytest.mark.parametrize("what", CHANGES)
def test_who_has_not_seen_what_is_there_changes_nothing(served, what):
    path, method, body = CHANGES[what]
    if what == "hold":
        assert served.ask("POST", "/holds", json={"name": "nothing", "reason": "a test"}).status_code == 200
    seen = served.ask("GET", path)
    assert seen.status_code == 200, seen.text

    late = served.ask(method, path, json=body, headers={"If-Match": '"0123456789abcdef"'})
    odd = served.ask(method, path, json=body, headers={"If-Match": "3"})
    unchanged = served.ask("GET", path, headers={"If-None-Match": seen.headers["ETag"]})
    done = served.ask(method, path, json=body, headers={"If-Match": f'"0", W/{seen.headers["ETag"]}'})

    assert (late.status_code, late.json()["happened"]) == (412, "no")
    assert odd.status_code == 422
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert done.status_code in {200, 204}, done.text


def test_a_request_has_an_id_that_the_answer_and_the_log_have(served):
    own = served.ask("GET", "/nothing", headers={"X-Request-Id": "desk-4711"})
    assert (own.headers["X-Request-Id"], own.json()["id"]) == ("desk-4711", "desk-4711")
    made = served.ask("GET", "/nothing")
    assert made.json()["id"] == made.headers["X-Request-Id"] != served.ask("GET", "/nothing").headers["X-Request-Id"]
    for odd in ("a b", "x" * 200, "é", "<script>", "-"):
        assert served.ask("GET", "/runs", headers={"X-Request-Id": odd.encode()}).headers["X-Request-Id"] != odd


@pytest.mark.parametrize("path", ["/runs", "/v1/runs", "/nothing", "/mcp"])
def test_every_answer_is_safe_to_show_a_browser(served, path):
    headers = served.ask("GET", path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers
    behind = served.ask("GET", path, headers={"X-Forwarded-Proto": "https"}).headers
    assert behind["Strict-Transport-Security"].startswith("max-age=")


def test_a_long_answer_is_compressed_for_who_asks_and_a_stream_never(served):
    long, short = "/tools/erp.every_order/call", FIND
    plain = served.ask("POST", long, json={}, headers={"Accept-Encoding": "identity"})
    coded = served.ask("POST", long, json={}, headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert coded.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in coded.headers["Vary"]
    assert int(coded.headers["Content-Length"]) < len(plain.content) / 5
    assert coded.json()["result"] == plain.json()["result"]
    assert "Content-Encoding" not in served.ask("POST", short, json=ORDER).headers
    with requests.get(
        served.url + "/events", headers={"Accept": "text/event-stream"}, stream=True, timeout=5
    ) as stream:
        assert "Content-Encoding" not in stream.headers
        assert next(stream.iter_content(8)) == b"retry: 1"


def test_head_answers_as_get_without_the_body_and_options_says_what_may_be_done(served):
    got, head = served.ask("GET", "/workflows/nothing"), served.ask("HEAD", "/workflows/nothing")
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert served.ask("HEAD", "/workflows/none").status_code == 404
    stream = served.ask("HEAD", "/events", headers={"Accept": "text/event-stream"})
    assert (stream.status_code, stream.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    options = served.ask("OPTIONS", "/v1/workflows/nothing")
    assert (options.status_code, options.headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")
    wrong = served.ask("POST", "/workflows/nothing")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, options.headers["Allow"])
    assert served.ask("HEAD", "/workflows/nothing/run").status_code == 405


def test_a_page_of_a_named_origin_may_call_and_read_and_no_other(served):
    asking = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "If-Match, Authorization"}
    allowed = served.ask("OPTIONS", "/context/a/b", headers={"Origin": DESK, **asking})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == DESK
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    evil = served.ask("OPTIONS", "/context/a/b", headers={"Origin": "https://evil.example.com", **asking})
    assert "Access-Control-Allow-Origin" not in evil.headers

    run = served.ask("POST", "/workflows/nothing/run", headers={"Origin": DESK})
    assert (run.status_code, run.headers["Access-Control-Allow-Origin"]) == (202, DESK)
    assert "RateLimit" in run.headers["Access-Control-Expose-Headers"]
    assert (
        served.ask("POST", "/workflows/nothing/run", headers={"Origin": "https://evil.example.com"}).status_code == 403
    )

    url = served.url.replace("http", "ws") + "/ws"
    with connect(url, origin=DESK):
        pass
    with pytest.raises(InvalidStatus) as refused:
        connect(url, origin="https://evil.example.com")
    assert refused.value.response.status_code == 403


def test_what_is_nested_too_deep_is_refused_before_it_is_looked_at(served):
    for deep in (1_000, 400_000):
        answer = served.ask(
            "POST", "/workflows", data=b"[" * deep + b"]" * deep, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert "deep" in answer.json()["detail"]


@pytest.fixture
def small():
    """A server of ours with another application behind the gate."""
    api = FastAPI()
    end = Deprecated(
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2027, 7, 1, tzinfo=UTC),
        successor="/v2/orders",
        why="https://example.com/why",
    )

    @api.get("/orders", **says("orders", "Orders", {200: None}, deprecated=end))
    async def orders(fails: bool = False) -> Response:
        if fails:
            raise RuntimeError("a defect")
        return Response(b"{}")

    with serving(Gate(api), http=patient.Patient, lifespan="off") as running:
        running.api = api
        yield running


def test_a_route_whose_end_is_decided_says_so_with_every_answer(small):
    url = f"http://127.0.0.1:{small.config.port}/orders"

    for answer in (requests.get(url, timeout=30), requests.get(url, params={"fails": "true"}, timeout=30)):
        assert answer.headers["Deprecation"] == "@1798761600"
        assert answer.headers["Sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
        assert '</v2/orders>; rel="successor-version"' in answer.headers["Link"]
        assert '<https://example.com/why>; rel="deprecation"' in answer.headers["Link"]
    assert small.api.openapi()["paths"]["/orders"]["get"]["deprecated"] is True
    with pytest.raises(ValueError, match="cannot end before"):
        Deprecated(datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("said", ["gzip;q=0", "br, gzip; q=0.000", "gzip;q=0, identity", "identity"])
def test_who_says_that_it_reads_no_gzip_gets_none(served, said):
    answers = [served.ask("GET", "/openapi.json", headers={"Accept-Encoding": one}) for one in (said, "gzip;q=0.5, br")]

    assert [answer.headers.get("Content-Encoding") for answer in answers] == [None, "gzip"]


def _answer(line: socket.socket) -> int:
    """Read one answer whole; its head and its body can come in two segments."""
    with http.client.HTTPResponse(line) as answer:
        answer.begin()
        answer.read()
        return answer.status


@pytest.mark.parametrize("begun", [b"", b"GET /orders HTT", b"GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_who_does_not_say_what_it_wants_is_not_waited_for(small, monkeypatch, begun):
    monkeypatch.setattr(patient, "HEAD_TIMEOUT_S", 0.3)
    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        line.sendall(begun)
        assert _answer(line) == 408
        assert line.recv(1000) == b""


def test_a_connection_that_is_kept_is_not_waited_for_either(small, monkeypatch):
    monkeypatch.setattr(patient, "HEAD_TIMEOUT_S", 1)
    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        for _ in range(2):
            line.sendall(b"GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(1.2)
            assert _answer(line) == 200
        line.sendall(b"GET /orders HTT")
        assert _answer(line) == 408


@pytest.mark.parametrize(
    "wrong",
    [
        b"GET /orders HTTP/1.1\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n..",
        b"GET /orders HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /orders HTTP/1.1\nHost: localhost\n\n",
    ],
    ids=["no host", "two hosts", "two lengths", "two different lengths", "space", "line feeds"],
)
def test_a_request_that_two_readers_could_read_differently_is_refused(small, wrong):
    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        line.sendall(wrong)

        assert _answer(line) == 400
        assert line.recv(1000) == b""


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (b"FOO /orders HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /orders HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000, 414),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000, 431),
        (b"GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /orders HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: x\r\n" * 7_000 + b"\r\n", 431),
    ],
    ids=["method", "TLS", "no host", "address without end", "long address", "long head", "long and whole", "many"],
)
def test_what_is_no_request_is_refused_as_a_problem_with_an_id(small, wrong, status):
    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        line.sendall(wrong)
        head, _, body = b"".join(iter(lambda: line.recv(4000), b"")).partition(b"\r\n\r\n")

    said = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + b"\r\n\r\n"))
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (said["Content-Type"], said["Connection"]) == ("application/problem+json", "close")
    assert said["X-Content-Type-Options"] == "nosniff"
    assert (problem["status"], problem["happened"], problem["id"]) == (status, "no", said["X-Request-Id"])


def test_a_head_that_ends_in_the_read_in_which_it_grew_too_long_is_refused(small):
    """The end of a head and what made it too long may come in one piece."""
    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        line.sendall(b"GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 60_000)
        line.sendall(b"x" * 10_000 + b"\r\n\r\n")

        assert _answer(line) == 431


def test_a_long_body_before_it_makes_no_head_too_long(small):
    """What one read brings of the body before is not counted as the next request's head."""

    @small.api.post("/said")
    async def hear() -> Response:
        return Response(b"{}")

    body = b'{"a": "' + b"x" * 900_000 + b'"}'
    sent = b"POST /said HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        line.sendall(sent + b"GET /orders HTTP/1.1\r\nHost: loc")
        first = _answer(line)
        line.sendall(b"alhost\r\n\r\n")

        assert (first, _answer(line)) == (200, 200)


@pytest.mark.parametrize("path", ["/workflows", "/v1/tools/erp.find_order/call", "/mcp"])
def test_a_compressed_body_is_no_media_that_is_taken(served, path):
    packed = gzip.compress(json.dumps(ORDER).encode())
    coded = lambda said: {"Content-Type": "application/json", "Content-Encoding": said}  # noqa: E731

    answer = served.ask("POST", path, data=packed, headers=coded("gzip"))
    plain = served.ask("POST", path, data=b"{", headers=coded("identity"))

    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert (answer.json()["field"], answer.json()["happened"]) == ("Content-Encoding", "no")
    assert plain.status_code in {400, 422}


def test_what_comes_after_a_body_is_no_header(small):
    said = []

    @small.api.post("/said")
    async def hear(request: Request) -> Response:
        await request.body()
        said.extend(name for name, _ in request.scope["headers"])
        return Response(b"{}")

    with socket.create_connection(("127.0.0.1", small.config.port), timeout=30) as line:
        line.sendall(b"POST /said HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        line.sendall(b"1\r\n.\r\n0\r\nAuthorization: Bearer x\r\n\r\n")

        assert _answer(line) == 200
    assert said == [b"host", b"transfer-encoding"]


def test_who_calls_by_mcp_hears_how_it_stands_too_and_what_is_refused_says_so(served):
    body = {"name": "erp_find_order", "arguments": {"id": 1}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": body}
    said = [served.ask("POST", "/mcp", json=asked, headers=as_(served, "talker")) for _ in range(4)]

    assert [one.headers["RateLimit-Remaining"] for one in said] == ["2", "1", "0", "0"]
    assert [one.json()["result"].get("isError", False) for one in said] == [False, False, False, True]
    assert "RateLimit" not in served.ask("POST", "/mcp", json={**asked, "method": "ping", "params": {}}).headers
