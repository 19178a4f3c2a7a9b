"""A system that hangs is its callers' trouble alone: calls to other systems go on, by REST, by MCP and in workflows."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from servers.drawbar import Serving

from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.soap import Hang, SoapService

HANGS_S = 60
CALLERS = 100


@pytest.fixture
def hanging():
    """A service that takes a question and says nothing."""
    with SoapService(WSDL, {**Billing().answers, "FindInvoice": [Hang(HANGS_S)]}) as service:
        yield service


def landscape(folder, url, **budget):
    sqlite3.connect(folder / "quick.db").close()
    said = ", ".join(f"{name}: {value}" for name, value in budget.items())
    return f"""
adapters:
  legacy:
    kind: soap
    wsdl: {WSDL}
    endpoints: {url}
    effects: {{ FindInvoice: read }}
    call_timeout_s: {HANGS_S}
    budget: {{ {said} }}
  quick:
    kind: sql
    url: sqlite:///{folder}/quick.db
    statements:
      one: {{ sql: "select 1 as one", effect: read, description: One. }}
"""


def rest(serving, tool, arguments):
    answer = serving.ask("POST", f"/v1/tools/{tool}/call", json={"arguments": arguments})
    return answer.status_code, answer.json()


def mcp(serving, tool, arguments):
    params = {"name": tool.replace(".", "_"), "arguments": arguments}
    answer = serving.ask("POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    return answer.status_code, answer.json()["result"]["structuredContent"]


@contextmanager
def stuck(count, call):
    """Have so many callers wait for an answer that does not come while the test lives."""
    left = threading.Semaphore(0)
    ended = []

    def ask():
        left.release()
        try:
            call()
        except requests.RequestException:
            return
        ended.append(time.monotonic())

    for _ in range(count):
        threading.Thread(target=ask, daemon=True).start()
    for _ in range(count):
        left.acquire()
    yield ended


@pytest.mark.parametrize("call", [rest, mcp])
def test_a_system_that_hangs_a_hundred_callers_leaves_the_others_alone(hanging, call, tmp_path):
    with Serving(landscape(tmp_path, hanging.url, concurrency=CALLERS)) as serving:
        call(serving, "quick.one", {})

        with stuck(CALLERS, lambda: call(serving, "legacy.FindInvoice", {"orderId": 1})) as ended:
            _until(lambda: len(hanging.received) == CALLERS)
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: call(serving, "quick.one", {}), range(100)))
            listed = serving.ask("GET", "/v1/status").status_code

        assert [status for status, _ in answers] == [200] * 100
        assert listed == 200
        assert ended == []
        serving.process.kill()


def _until(true, within_s=60):
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_five_hundred_callers_of_a_slow_tool_are_served_at_once_where_its_budget_lets_them(tmp_path):
    """A tool of two seconds: what 500 callers ask is under way together, and not 64 at a time."""
    most = Most(2.0)
    with (
        SoapService(WSDL, {**Billing().answers, "FindInvoice": most}) as service,
        Serving(landscape(tmp_path, service.url, concurrency=500)) as serving,
    ):
        rest(serving, "legacy.FindInvoice", {"orderId": 1})
        with ThreadPoolExecutor(400) as pool:
            answers = list(pool.map(lambda _: rest(serving, "legacy.FindInvoice", {"orderId": 1}), range(400)))

    assert [status for status, _ in answers] == [200] * 400
    assert most.seen > 130


class Most:
    """Answer after a while, and count how many wait at the same time."""

    def __init__(self, takes_s):
        self.takes_s = takes_s
        self.seen = self.now = 0
        self._lock = threading.Lock()

    def __call__(self, arguments):
        with self._lock:
            self.now += 1
            self.seen = max(self.seen, self.now)
        time.sleep(self.takes_s)
        with self._lock:
            self.now -= 1
        return {"invoices": []}


def test_runs_that_wait_for_a_system_that_hangs_do_not_hold_up_runs_of_others(hanging, tmp_path):
    """Each process works on a few tasks at a time: those of one system must not be all of them."""
    with Serving(landscape(tmp_path, hanging.url, concurrency=CALLERS)) as serving:
        slow = serving.workflow(tasks={"ask": {"tool": "legacy.FindInvoice", "with": {"orderId": 1}}})
        quick = serving.workflow(tasks={"ask": {"tool": "quick.one"}})
        for _ in range(60):
            assert serving.ask("POST", f"/v1/workflows/{slow}/run").status_code == 202
        _until(lambda: len(hanging.received) >= 8)

        ended = [
            serving.ask("POST", f"/v1/workflows/{quick}/run", params={"wait_s": 30}).json()["status"] for _ in range(5)
        ]

        assert ended == ["succeeded"] * 5
        serving.process.kill()
