"""Three services of one state behind no balancer at all: requests spread at random, and one service is killed."""

import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
from servers.drawbar import Serving
from servers.process import folder
from sqlalchemy import create_engine, text

pytestmark = [pytest.mark.wire("postgres"), pytest.mark.timeout(120)]
CALLERS = 6
SECONDS = 3.0
LANDSCAPE = """\
version: 1
state: {url}
adapters:
  erp:
    kind: sql
    url: {url}
    statements:
      pay: {{ description: Pay., sql: "insert into payments (token) values (:token)", parameters: {{ token: {{ type: string }} }}, effect: write }}
workflows: {{ nothing: {{ description: Nothing. }} }}
agents:
  local: {{ tools: [erp.pay], scopes: [read, run, operate] }}
"""


class Caller:
    """One client: it asks any of the services, and another one when the line breaks."""

    def __init__(self, number, urls):
        self.random = random.Random(number)
        self.name = f"caller{number}"
        self.urls = urls
        self.session = requests.Session()
        self.statuses = Counter()
        self.runs, self.made, self.paid, self.noted, self.read = {}, {}, {}, {}, set()

    def ask(self, method, path, **sent):
        """Give the answer, or None when the line broke: then nobody knows."""
        url = self.random.choice(self.urls)
        try:
            answer = self.session.request(method, url + path, timeout=20, **sent)
        except requests.ConnectionError:
            self.urls = [one for one in self.urls if one != url]
            return None
        self.statuses[answer.status_code] += 1
        return answer

    def once(self, path, token, body, seen):
        """Send one request up to four times under one key, to whoever; keep every answer that is final."""
        for _ in range(self.random.randint(1, 4)):
            answer = self.ask("POST", path, json=body, headers={"Idempotency-Key": token})
            if answer is not None and answer.status_code in {200, 201, 202}:
                seen.setdefault(token, []).append(answer.json())

    def note(self, token):
        """Add a word to the shared document, as often as somebody else was faster."""
        for _ in range(100):
            seen = self.ask("GET", "/context/shop/notes")
            if seen is None:
                continue
            value = [*seen.json()["value"], token]
            written = self.ask("PUT", "/context/shop/notes", json=value, headers={"If-Match": seen.headers["ETag"]})
            if written is None or written.status_code == 200:
                self.noted[token] = written is not None
                return
            assert written.status_code == 412, written.text

    def work(self, until):
        number = 0
        while time.monotonic() < until:
            number += 1
            token = f"{self.name}-{number}"
            kind = self.random.randrange(5)
            if kind == 0:
                self.once("/workflows", token, {"name": token}, self.made)
            elif kind == 1:
                self.once("/workflows/nothing/run", token, {"input": {}, "key": token}, self.runs)
            elif kind == 2:
                self.once("/tools/erp.pay/call", token, {"arguments": {"token": token}}, self.paid)
            elif kind == 3:
                self.note(token)
            elif (answer := self.ask("GET", "/workflows/nothing")) is not None:
                self.read.add((answer.status_code, answer.headers["ETag"], answer.content))


@pytest.fixture
def url(postgres):
    made = postgres.create_database()
    with create_engine(made).begin() as conn:
        conn.execute(text("create table payments (token text)"))
    return made


@pytest.fixture
def services(url):
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        served = [Serving(LANDSCAPE.format(url=url), at=folder(f"three-{number}")) for number in range(3)]
        first = stack.enter_context(served[0])  # it makes the tables
        yield [first, *pool.map(stack.enter_context, served[1:])]


def every(served, path):
    """Read a whole list, page by page."""
    items, after = [], None
    while True:
        page = served.ask("GET", path, params={"limit": 500, **({"after": after} if after else {})}).json()
        items += page["items"]
        if (after := page["next"]) is None:
            return items


def test_any_service_gives_the_same_answers_and_one_that_is_killed_takes_nothing_along(services, url):
    made = services[0].ask("PUT", "/context/shop/notes", json=[], headers={"If-None-Match": "*"})
    assert made.status_code == 201
    callers = [Caller(number, [one.url for one in services]) for number in range(CALLERS)]
    until = time.monotonic() + SECONDS

    with ThreadPoolExecutor(CALLERS) as pool:
        working = [pool.submit(caller.work, until) for caller in callers]
        time.sleep(SECONDS / 2)
        services[1].process.send_signal(signal.SIGKILL)
        for one in working:
            one.result()

    left = services[0], services[2]
    statuses = sum((caller.statuses for caller in callers), Counter())
    assert set(statuses) <= {200, 201, 202, 409, 412, 503, 504}, statuses
    assert len(set().union(*(caller.read for caller in callers))) == 1
    _each_once(callers, left, url)
    notes = [one.ask("GET", "/context/shop/notes").json() for one in left]
    assert notes[0] == notes[1]
    written = Counter(notes[0]["value"])
    noted = {token: heard for caller in callers for token, heard in caller.noted.items()}
    assert max(written.values()) == 1
    assert {token for token, heard in noted.items() if heard} <= set(written) <= set(noted)
    assert sum(written.values()) == notes[0]["version"] - 1
    assert sum(statuses.values()) > 100


def _each_once(callers, left, url):
    """Look that what was answered is there once, and what was not at most once."""
    workflows = [every(one, "/workflows") for one in left]
    assert workflows[0] == workflows[1]
    by_name = Counter(one["name"] for one in workflows[0])
    assert max(by_name.values()) == 1
    runs = Counter(run["key"] for run in every(left[0], "/runs") if run["workflow"] == "nothing")
    assert max(runs.values()) == 1
    with create_engine(url).connect() as conn:
        paid = Counter(conn.execute(text("select token from payments")).scalars())
    assert max(paid.values()) == 1
    for caller in callers:
        assert all(by_name[token] == 1 and len({one["id"] for one in said}) == 1 for token, said in caller.made.items())
        assert all(
            runs[token] == 1 and len({one["run_id"] for one in said}) == 1 for token, said in caller.runs.items()
        )
        assert all(paid[token] == 1 and len({one["id"] for one in said}) == 1 for token, said in caller.paid.items())
