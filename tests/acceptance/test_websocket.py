"""Events on the WebSocket: none missed, none twice, and nobody held up by who does not read."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
from servers.drawbar import Serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with Serving() as serving:
        yield serving


def live(served: Serving, query: str = "", **options) -> ClientConnection:
    # Without max_queue the client stops reading at 16 messages, and then does not see the answer to its close.
    return connect(f"ws://127.0.0.1:{served.port}/ws{query}", max_queue=None, **options)


def run(served: Serving, workflow: str, times: int = 1) -> list[str]:
    return [served.ask("POST", f"/workflows/{workflow}/run").json()["run_id"] for _ in range(times)]


@pytest.mark.parametrize("query", ["?topic=runs", "?topics=rums", "?after=x", "?after=-1", "?after=0&limit=3"])
def test_a_question_that_is_not_understood_is_not_answered_with_something_else(served, query):
    with live(served, query) as socket_:
        problem = json.loads(socket_.recv(timeout=30))
        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv(timeout=30)

    assert (problem["status"], problem["happened"]) == (422, "no")
    assert problem["field"] == query[1:].split("&")[-1].partition("=")[0]
    assert closed.value.rcvd.code == 1008


def test_what_happens_is_sent_as_it_happens(served):
    workflow = served.workflow()
    with live(served, "?topics=runs") as socket_:
        (started,) = run(served, workflow)

        events = [json.loads(socket_.recv(timeout=30)) for _ in range(2)]

    assert [event["type"] for event in events] == ["run.started", "run.succeeded"]
    assert {event["run_id"] for event in events} == {started}
    assert {event["topic"] for event in events} == {"runs"}


def test_a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice(served):
    workflow = served.workflow()
    first = served.ask("GET", "/events?limit=1000").json()["items"]
    seen = after = first[-1]["id"] if first else 0
    got: list[int] = []
    run(served, workflow, 60)
    for _ in range(5):
        with live(served, f"?after={after}") as socket_:
            got += [json.loads(socket_.recv(timeout=30))["id"] for _ in range(17)]
        after = got[-1]
        run(served, workflow, 5)

    kept = served.ask("GET", f"/events?after={seen}&limit=1000").json()["items"]
    assert got == [event["id"] for event in kept][: len(got)]


def test_events_of_another_process_are_sent_too(served):
    with Serving(at=served.folder) as other, live(served, "?topics=runs") as socket_:
        (started,) = run(other, other.workflow())

        assert json.loads(socket_.recv(timeout=30))["run_id"] == started


@pytest.mark.parametrize(
    ("query", "says"),
    [("?topics=weather", "weather"), ("?after=x", "after"), ("?after=-1", "after"), ("?after=999999999", "not come")],
)
def test_a_wrong_question_is_answered_with_a_problem_and_closed(served, query, says):
    with live(served, query) as socket_:
        said = json.loads(socket_.recv(timeout=30))

        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv(timeout=30)

    assert said["kind"] == "input"
    assert says in said["detail"]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_a_page_of_another_origin_is_refused(served):
    with pytest.raises(InvalidStatus) as refused, live(served, origin="http://evil.example"):
        pass

    assert refused.value.response.status_code == 403
    with live(served, origin=f"http://127.0.0.1:{served.port}"):
        pass


def test_who_does_not_read_holds_nobody_up_and_costs_no_memory(served):
    workflow = served.workflow()
    with contextlib.ExitStack() as deaf:
        for _ in range(10):
            deaf.enter_context(contextlib.closing(_deaf(served.port)))
        before = served.memory_kb()

        run(served, workflow, 300)

        with live(served, "?topics=runs") as socket_:
            (started,) = run(served, workflow)
            assert json.loads(socket_.recv(timeout=30))["run_id"] == started
        assert served.memory_kb() - before < 30_000


def test_the_end_of_the_service_is_told():
    with Serving() as served, live(served) as socket_:
        time.sleep(0.2)

        ended = served.end()

        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert ended == 0


def _deaf(port: int) -> socket.socket:
    """Open a WebSocket with the smallest buffer and never read from it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", port))
    lines = ["GET /ws?after=0 HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]
    client.sendall("\r\n".join(lines).encode())
    return client
