"""A SOAP read over HTTP needs no thread, gives what the long way gives, and is cut off when its time is over."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests
from servers.process import folder
from serving import count_heard, serving

from drawbar.app import open_app
from drawbar.facade.front import web
from drawbar.facade.patient import Patient
from drawbar.facade.turns import Turns
from drawbar.testing.billing import WSDL, Billing, fault
from drawbar.testing.soap import Close, Hang, SoapService

LONG = {"X-Unusual": "1"}
LANDSCAPE = """\
version: 1
server: {{ authentication: {{ anonymous: loopback }} }}
adapters:
  billing:
    kind: soap
    wsdl: {wsdl}
    endpoints: {url}
    budget: {{ concurrency: 4 }}
    effects: {{ GetInvoice: read, FindInvoice: read }}
    tools: {{ FindInvoice: {{ timeout_s: 1 }} }}
  other:
    kind: soap
    wsdl: {wsdl}
    endpoints: {url}
    effects: {{ GetInvoice: read, FindInvoice: read }}
agents: {{ clerk: {{ tools: ["billing.*", "other.*"], per_minute: 100000 }} }}
"""


class Ways:
    def __init__(self):
        self.begun = 0
        self.find = None

    def __call__(self, arguments):
        return self.find(arguments)


@pytest.fixture(scope="module")
def house():
    place, billing, ways = folder("lane_soap"), Billing(), Ways()
    ways.usual = ways.find = billing.answers["FindInvoice"]
    answers = {**billing.answers, "FindInvoice": ways}
    with SoapService(WSDL, answers, port=0) as service:
        (place / "drawbar.yaml").write_text(LANDSCAPE.format(wsdl=WSDL, url=service.url))
        with open_app(place / "drawbar.yaml") as app:
            api = web(app)
            with serving(api, http=partial(Patient, lane=api.lane)) as server:
                key = app.keys.add("clerk", scopes=None, days=None, by="test")["key"]
                session = requests.Session()
                session.headers["Authorization"] = f"Bearer {key}"
                session.url, session.ways = f"http://127.0.0.1:{server.config.port}", ways
                yield session


@pytest.fixture(autouse=True)
def _counted(house, monkeypatch):
    count_heard(monkeypatch, house.ways)
    house.ways.begun, house.ways.find = 0, house.ways.usual


def find(house, order=7, *, system="billing", **headers):
    arguments = {"arguments": {"orderId": order}}
    return house.post(f"{house.url}/tools/{system}.FindInvoice/call", json=arguments, headers=headers, timeout=20)


def test_both_ways_give_the_same(house):
    find(house)  # a connection lies idle from now on
    house.ways.begun = 0

    short, long = find(house), find(house, **LONG)

    assert house.ways.begun > 0
    assert (
        (short.status_code, short.json()["result"])
        == (long.status_code, long.json()["result"])
        == (200, {"invoices": []})
    )


def test_a_fault_is_the_same_error(house):
    find(house)
    house.ways.find = lambda arguments: (_ for _ in ()).throw(fault("ERR-404", "unknown"))
    house.ways.begun = 0

    short, long = find(house).json(), find(house, **LONG).json()

    assert house.ways.begun > 0
    assert {**short, "id": None} == {**long, "id": None}


def test_a_host_that_hangs_is_given_up_in_time_and_the_next_call_is_answered(house):
    find(house)
    house.ways.find = lambda arguments: Hang(6, {"invoices": []})
    began = time.monotonic()

    late = find(house)

    assert late.status_code == 504
    assert time.monotonic() - began < 5.5
    house.ways.find = house.ways.usual
    assert find(house).status_code == 200


def test_a_line_that_breaks_is_asked_again(house):
    find(house)
    answers = iter([Close(), {"invoices": []}])
    house.ways.find = lambda arguments: next(answers)

    assert find(house).status_code == 200


def test_many_at_once_are_all_answered_within_the_budget(house):
    with ThreadPoolExecutor(16) as pool:
        answered = list(pool.map(lambda order: find(house, order).status_code, range(200)))

    assert answered == [200] * 200


def test_a_crowd_beside_which_others_call_is_answered_too_one_request_a_turn(house, monkeypatch):
    put_off, puts_off = [], Turns.puts_off

    def counted(turns, turn, then):
        put_off.append(puts_off(turns, turn, then))
        return put_off[-1]

    monkeypatch.setattr(Turns, "puts_off", counted)
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=40)
    house.mount("http://", adapter)

    def call(number):
        system = "other" if number % 10 == 0 else "billing"
        answer = find(house, number, system=system)
        return answer.status_code, answer.json()["result"]

    with ThreadPoolExecutor(40) as pool:
        answered = list(pool.map(call, range(400)))

    assert answered == [(200, {"invoices": []})] * 400
    assert any(put_off)
