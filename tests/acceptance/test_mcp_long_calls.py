"""Calls over MCP that take their time: how far they are, taking them back, and results that are too long for an answer."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import requests
from mcp import Client, StdioServerParameters
from servers.process import ROOT, answers, folder, free_port, start, stop, wait_until

PROGRAM = [sys.executable, str(ROOT / "tests" / "everything.py")]


class Place:
    """The fixture of the conformance suite, whose adapter `line` takes one call at a time."""

    def __init__(self):
        self.folder, self.port = folder("everything"), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mcp = f"{self.url}/mcp"

    def __enter__(self):
        self.process = start([*PROGRAM, str(self.port)], self.folder / "log", cwd=self.folder)
        wait_until(lambda: answers(self.port), self.process, self.folder / "log", 60)
        return self

    def __exit__(self, *_):
        stop(self.process)

    def call(self, name, timeout_s=30.0, call_id=1, **arguments):
        body = message(call_id, name, arguments)
        return requests.post(self.mcp, json=body, timeout=timeout_s).json()

    def waiting(self, pool, seconds):
        """Have a call take the line for so long; it has begun when this is over."""
        at = self.folder / "waiting"
        at.unlink(missing_ok=True)
        call = pool.submit(self.call, "line_wait", seconds=seconds)
        until(at.exists)
        return call

    def notes(self):
        at = self.folder / "notes"
        return at.read_text().split() if at.exists() else []

    def ledger(self):
        """Give the calls that were to change something: their text and what came of them."""
        done = subprocess.run(
            [sys.executable, "-c", LEDGER], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return dict(json.loads(done.stdout))


LEDGER = """
import json, sqlite3
rows = sqlite3.connect("drawbar.db").execute("select arguments, state from ledger where tool = 'line.note'")
print(json.dumps([(json.loads(given)["text"], state) for given, state in rows]))
"""


def message(call_id, name, arguments, **meta):
    params = {"name": name, "arguments": arguments, **({"_meta": meta} if meta else {})}
    return {"jsonrpc": "2.0", "id": call_id, "method": "tools/call", "params": params}


@pytest.fixture(scope="module")
def place():
    with Place() as place:
        yield place


def until(holds, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_who_sends_a_token_hears_how_far_a_call_is(place):
    heard = []

    async def hear(done, total, said):
        heard.append((done, total, said))

    async def over(to):
        async with Client(to) as client:
            return await client.call_tool("test_tool_with_progress", {}, progress_callback=hear)

    for to in (place.mcp, StdioServerParameters(command=PROGRAM[0], args=[PROGRAM[1], "stdio"], cwd=folder("stdio"))):
        heard.clear()
        answer = asyncio.run(over(to))
        assert answer.structured_content["result"] == "done"
        assert [done for done, _, _ in heard] == [0, 50, 100]
        assert heard[-1] == (100, 100, "100 of 100")


def test_without_a_token_the_answer_is_plain_json(place):
    sent = {"Accept": "application/json, text/event-stream"}
    plain = requests.post(place.mcp, json=message(1, "test_tool_with_progress", {}), headers=sent, timeout=30)
    stream = requests.post(
        place.mcp, json=message(1, "test_tool_with_progress", {}, progressToken=7), headers=sent, timeout=30
    )

    assert plain.headers["content-type"] == "application/json"
    assert stream.headers["content-type"] == "text/event-stream"
    events = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: ")]
    assert {one["params"]["progressToken"] for one in events[:-1]} == {7}
    assert events[-1]["result"]["structuredContent"] == {
        **plain.json()["result"]["structuredContent"],
        "as_of": events[-1]["result"]["structuredContent"]["as_of"],
    }


def test_a_call_whose_connection_is_closed_before_it_left_does_not_leave(place):
    with ThreadPoolExecutor(1) as pool:
        before = place.waiting(pool, 3)
        with pytest.raises(requests.Timeout):
            place.call("line_note", 0.5, text="closed")
        assert before.result()["result"]["structuredContent"]["result"] == "waited"
    until(lambda: place.ledger().get("closed") == "unavailable")

    assert "closed" not in place.notes()


def test_a_call_that_is_taken_back_before_it_left_does_not_leave(place):
    with ThreadPoolExecutor(2) as pool:
        before = place.waiting(pool, 2)
        later = pool.submit(place.call, "line_note", call_id="mine", text="back")
        time.sleep(0.3)
        said = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}}
        assert requests.post(place.mcp, json=said, timeout=30).status_code == 202
        before.result()
        answer = json.loads(later.result()["result"]["content"][0]["text"])

    assert (answer["kind"], answer["happened"]) == ("unavailable", "no")
    assert "back" not in place.notes()


def test_a_call_that_left_is_in_the_ledger_though_nobody_hears_its_answer(place):
    with pytest.raises(requests.Timeout):
        place.call("line_note", 0.3, text="left", seconds=1)
    until(lambda: place.ledger().get("left") == "done")

    assert "left" in place.notes()


def test_over_stdio_a_call_that_is_taken_back_is_not_answered():
    at = folder("stdio")
    program = subprocess.Popen([*PROGRAM, "stdio"], cwd=at, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = [
        message(1, "line_wait", {"seconds": 2}),
        message(2, "line_note", {"text": "back"}),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}},
    ]
    for line in lines:
        program.stdin.write(json.dumps(line).encode() + b"\n")
        program.stdin.flush()
        time.sleep(0.3)
    said, _ = program.communicate(timeout=60)

    assert [json.loads(line)["id"] for line in said.splitlines()] == [1]
    assert not (at / "notes").exists()


def test_two_clients_that_use_the_same_id_do_not_take_back_each_others_calls(place):
    with ThreadPoolExecutor(3) as pool:
        before = place.waiting(pool, 2)
        both = [pool.submit(place.call, "line_note", call_id=5, text=text) for text in ("one", "two")]
        time.sleep(0.2)
        said = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        requests.post(place.mcp, json=said, timeout=30)
        before.result()
        assert all("structuredContent" in one.result()["result"] for one in both)

    assert {"one", "two"} <= set(place.notes())


def test_a_slow_system_holds_up_no_call_of_another(place):
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(place.call, "line_wait", seconds=0.2) for _ in range(15)]
        place.call("test_simple_text")
        assert sum(not one.done() for one in slow) > 2
        for one in slow:
            one.result()


def test_many_calls_at_once_on_one_connection_each(place):
    async def main():
        async with httpx2.AsyncClient() as http:
            said = await asyncio.gather(
                *(http.post(place.mcp, json=message(n, "test_simple_text", {})) for n in range(100))
            )
        return [one.json()["id"] for one in said]

    before = threading.active_count()
    assert asyncio.run(main()) == list(range(100))
    assert threading.active_count() - before < 50
