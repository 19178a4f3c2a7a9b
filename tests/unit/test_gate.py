"""The door before every route, on a bare ASGI application."""

import asyncio
import json

import pytest
import requests
from serving import serving
from structlog.testing import capture_logs

from drawbar.app import open_app
from drawbar.core.door import Door
from drawbar.facade.front import web
from drawbar.facade.gate import Gate


async def echo(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


async def broken(scope, receive, send):
    raise RuntimeError("the password is hush-hush")


def ask(app, *chunks: bytes, method="POST", path="/x", **headers):
    """Send one request; give status, headers and body of the answer."""
    headers = {"host": "127.0.0.1:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if chunks and "content-length" not in headers:
        headers.setdefault("transfer-encoding", "chunked")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    coming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def receive():
        return coming.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(Gate(app, body_limit_bytes=10)(scope, receive, send))
    body = b"".join(message["body"] for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_what_nobody_expected_is_a_problem_whose_id_is_in_the_log():
    with capture_logs() as logs:
        status, headers, body = ask(broken)

    said = json.loads(body)
    assert status == 500
    assert headers[b"content-type"] == b"application/problem+json"
    assert said["id"] == logs[0]["id"]
    assert logs[0]["doing"] == "POST /x"
    assert b"hush-hush" not in body
    assert b"RuntimeError" not in body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "127.8.9.1", "[::1]"]
)
def test_loopback_names_are_served(host):
    assert ask(echo, b"hello", host=host)[::2] == (200, b"hello")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::ffff:10.0.0.1]", "a:b:c", "[", "127.0.0.1@evil.example"],
)  # fmt: skip
def test_other_names_are_refused(host):
    status, _, body = ask(echo, b"hello", host=host)

    assert status == 403
    assert json.loads(body)["field"] == "Host"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:8001", "[", "http://localhost:8000"]
)
def test_pages_of_another_origin_may_not_change_anything(origin):
    assert ask(echo, b"hello", origin=origin)[0] == 403
    assert ask(echo, method="GET", origin=origin)[0] == 200
    assert ask(echo, b"hello", origin="http://127.0.0.1:8000")[0] == 200


def test_a_body_is_read_up_to_its_limit():
    assert ask(echo, b"12345", b"67890")[::2] == (200, b"1234567890")
    assert ask(echo, b"12345", b"678901")[0] == 413
    assert ask(echo, b"123", content_length="11")[0] == 413


def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr("drawbar.facade.gate.BODY_TIMEOUT_S", 0.05)

    async def never():
        await asyncio.sleep(60)

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", b"5")]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers}
    asyncio.run(Gate(echo)(scope, never, send))

    assert sent[0]["status"] == 408


def test_the_version_in_the_path_is_the_newest():
    seen = []

    async def look(scope, receive, send):
        seen.append(scope.get("root_path", ""))
        await echo(scope, receive, send)

    for path in ("/v1/runs", "/v1", "/runs", "/v10/runs"):
        ask(look, b"", path=path)

    assert seen == ["/v1", "/v1", "", ""]


@pytest.mark.parametrize("path", ["/runs", "/v1/workflows"])
def test_what_nobody_expected_behind_a_route_is_a_problem_too(tmp_path, monkeypatch, path):
    """The framework has an answer of its own, in plain text, for what no route expected."""
    monkeypatch.setattr(Door, "admit", lambda door, shown: 1 / 0)
    (tmp_path / "drawbar.yaml").write_text(f"version: 1\nstate: sqlite:///{tmp_path}/state.db\n")
    with (
        open_app(tmp_path / "drawbar.yaml") as app,
        serving(web(app), http="httptools") as server,
        capture_logs() as logs,
    ):
        answer = requests.get(f"http://127.0.0.1:{server.config.port}{path}", timeout=30)

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["id"] == answer.headers["X-Request-Id"]
    assert [log["id"] for log in logs if log["event"] == "unexpected"] == [answer.json()["id"]]
    assert "ZeroDivision" not in answer.text
