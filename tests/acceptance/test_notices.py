"""A running service tells a person by a webhook, and no secret with it."""

import json
import os
import signal
import time

import pytest
from receiver import Receiver
from servers.drawbar import Serving
from servers.process import folder

LANDSCAPE = """\
version: 1
notify:
  - { on: [parked, failed, held, disk], to: { webhook: "${env:ALERT_URL}" } }
  - { on: [failed], to: { webhook: "${env:NO_ALERT_URL:-}" } }
adapters:
  gone:
    kind: sql
    url: "sqlite:///${env:HUSH}/none.db"
    statements: { one: { description: Nothing., sql: select 1 as one, effect: read } }
workflows:
  fail: { tasks: { one: { tool: gone.one, retry: { attempts: 1 } } } }
"""


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def until(true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_failure_and_a_hold_are_told_though_the_other_side_was_away_and_we_were_killed(receiver):
    place = folder("notices")
    environ = {**os.environ, "ALERT_URL": receiver.url, "HUSH": "/no-such-folder/hush-hush-4711"}
    receiver.answers = [503] * 1000
    with Serving(LANDSCAPE, at=place, environ=environ) as serving:
        run = serving.ask("POST", "/workflows/fail/run?wait_s=30").json()
        serving.ask("POST", "/holds", json={"name": "gone", "reason": "it is down"})
        until(lambda: receiver.seen)
        serving.end(signal.SIGKILL)
    receiver.answers.clear()
    with Serving(LANDSCAPE, at=place, environ=environ) as serving:
        until(lambda: len(receiver.taken) == 2, 60)

    assert run["status"] == "failed"
    assert [(one["on"], one["what"]) for one in receiver.taken] == [("failed", "workflow fail"), ("held", "gone")]
    assert receiver.taken[0]["next"] == f"drawbar show {run['run_id']}"
    assert "it is down" in receiver.taken[1]["message"]
    everything = json.dumps(receiver.taken) + serving.log.read_text()
    assert "hush-hush-4711" not in everything
    assert "s3cret-token" not in everything
