"""The demo's night, with `kill -9` again and again, at whatever it does: started again, it ends in the right counts."""

import json
import random
import socket
import time
from collections import Counter

import pytest
import requests

from drawbar.testing.billing import Billing
from drawbar.testing.demo import _CONTENT, Product
from drawbar.testing.night import BAD, MESSAGES, RECORDS, Night
from drawbar.testing.soap import SoapFault

FINAL = {"succeeded", "failed", "cancelled"}
PATIENCE_S = 240


class Mortal:
    """The product of the demo, killed a moment after each start: while it begins, loads, bills, or is at rest."""

    def __init__(self, night, seed):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.product = Product(night.config, port)
        self.dice = random.Random(seed)
        self.left = self.kills = 0
        self.at = float("inf")
        self.begin()

    def begin(self):
        self.product.spawn()
        self.began = time.monotonic()
        self.at = self.began + self.dice.uniform(0.3, 6)

    def until(self, true, kills=0):
        """Wait for it, and kill so many times meanwhile."""
        self.left, end = kills, time.monotonic() + PATIENCE_S
        self.at = time.monotonic() + self.dice.uniform(0.1, 3)
        while True:
            if self.left and time.monotonic() >= self.at:
                self.product.kill()
                self.left, self.kills = self.left - 1, self.kills + 1
                self.begin()
            try:
                if true() and not self.left:
                    return
            except requests.RequestException:
                assert self.product.process.poll() is None, "it ended by itself"
            assert time.monotonic() < end, true
            time.sleep(0.05)

    def post(self, path, body=None):
        return self.product.http.post(self.product.url + path, json=body or {}, timeout=20)


@pytest.fixture
def refused(monkeypatch):
    """The orders for which the service was asked for a second invoice."""
    refused, create = [], Billing.create

    def watched(self, arguments):
        try:
            return create(self, arguments)
        except SoapFault:
            refused.append(arguments["orderId"])
            raise

    monkeypatch.setattr(Billing, "create", watched)
    return refused


@pytest.fixture
def night(tmp_path, refused):
    with Night(tmp_path) as night:
        yield night


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_line_of_the_demo_and_started_again_the_counts_are_right(night, refused, seed):
    mortal = Mortal(night, seed)
    archive = night.inbox / "archive"

    def loaded():
        mortal.post("/syncs/nightly_orders/run")
        return any(archive.glob("*")) and not any(night.inbox.glob("*.DAT*"))

    def billed():
        for asks in mortal.product.every("/approvals?state=waiting"):
            mortal.post(f"/approvals/{asks['id']}/approve", {"reason": "customer is good for it"})
        runs = list(mortal.product.every("/runs?workflow=bill_order"))
        return len(runs) >= MESSAGES and all(run["status"] in FINAL for run in runs)

    def carried():
        mortal.post("/syncs/changed_orders/run")
        return night.rows("erp", _CONTENT) == night.rows("warehouse", _CONTENT)

    try:
        night.drop_orders()
        mortal.until(loaded, kills=4)
        night.send_orders()
        mortal.until(billed, kills=8)
        mortal.until(carried, kills=3)
        runs = Counter(run["status"] for run in mortal.product.every("/runs?workflow=bill_order"))
    finally:
        mortal.product.stop()

    messages, announced = night.announced()
    made = night.billing.invoices
    assert mortal.kills == 15
    assert not refused
    assert night.rows("erp", "select count(*) from orders") == [(RECORDS - len(BAD),)]
    assert sorted(rejected(night)) == sorted(BAD)
    assert runs == {"succeeded": MESSAGES}
    assert len(made) == len({invoice["orderId"] for invoice in made.values()}) == MESSAGES
    assert night.rows("erp", "select count(*) from orders where status = 'billed'") == [(MESSAGES,)]
    assert announced == MESSAGES <= messages


def rejected(night):
    """Give the record numbers that were written aside, each as often as it was."""
    files = [path for path in (night.folder / "rejects").rglob("*") if path.is_file()]
    return [json.loads(line)["record_no"] for path in files for line in path.read_text().splitlines()]
