"""A state made from a backup: what may have been done since is parked, and nothing is sent twice."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

CONFIG = """\
version: 1
state: ${env:STATE:-sqlite:///state.db}
agents: { local: { tools: [erp.pay], scopes: [read, run, operate, approve] } }
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      look: { description: Look., sql: select count(*) as n from paid, effect: read }
      pay:
        description: Pay.
        sql: insert into paid (run) values (:run)
        parameters: { run: { type: string, description: Run. } }
        effect: write
workflows:
  pay:
    tasks:
      look: { tool: erp.look }
      ask: { approval: { within_h: 24 }, needs: [look] }
      pay: { tool: erp.pay, needs: [ask], with: { run: "${{ run.id }}" } }
  above:
    tasks:
      ask: { approval: { within_h: 24 } }
      sub: { workflow: below, needs: [ask] }
  below: { tasks: { pay: { tool: erp.pay, with: { run: "${{ run.id }}" } } } }
  tick: { triggers: [ { cron: "* * * * *", missed: all } ] }
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.wire("postgres")])])
def place(request, monkeypatch):
    at = folder("restore")
    with sqlite3.connect(at / "erp.db") as erp:
        erp.execute("create table paid (run text)")
    (at / "drawbar.yaml").write_text(CONFIG)
    if request.param == "postgresql":
        monkeypatch.setenv("STATE", request.getfixturevalue("pg_url"))
        programs = Path(request.getfixturevalue("postgres")._server).parent
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return at


def drawbar(at, *words, code=0):
    done = warm.run([*words, "--json"], cwd=at)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if done.stdout.strip() and code == 0 else done.stdout + done.stderr


def paid(at):
    with sqlite3.connect(at / "erp.db") as erp:
        return [row[0] for row in erp.execute("select run from paid order by run")]


def until(is_so, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def approve(serving, code=0):
    """Answer both questions: that of the run, and that of the one which starts another."""
    asked = until(lambda: len(found := serving.ask("GET", "/approvals?state=waiting").json()["items"]) == 2 and found)
    for one in asked:
        drawbar(serving.folder, "approve", one["id"], code=code)


def status(serving, run):
    return serving.ask("GET", f"/runs/{run}").json()["status"]


def started(serving, workflow):
    return serving.ask("POST", f"/workflows/{workflow}/run").json()["run_id"]


def test_what_was_done_after_the_backup_is_not_done_again(place):
    with Serving(at=place) as serving:
        first = started(serving, "pay")
        until(lambda: status(serving, first) == "waiting")
        above = started(serving, "above")
        until(lambda: status(serving, above) == "waiting")
        drawbar(place, "state", "backup", "night.bak")
        refused = drawbar(place, "state", "backup", "night.bak", code=1)
        busy = drawbar(place, "state", "restore", "night.bak", code=1)
        approve(serving)
        until(lambda: status(serving, first) == status(serving, above) == "succeeded")
        assert len(paid(place)) == 2
        assert serving.end(signal.SIGTERM) == 0
    before = paid(place)

    drawbar(place, "state", "restore", "night.bak", "--reason", "the disk was lost")

    assert "already" in refused
    assert "worked on" in busy
    with Serving(at=place) as serving:
        approve(serving, code=3)
        until(lambda: status(serving, first) == status(serving, above) == "parked")
        letters = {one["run_id"]: one for one in serving.ask("GET", "/dead-letters").json()["items"]}
        [below] = {*letters} - {first}
        assert "restored from a backup" in letters[first]["error"]
        drawbar(place, "dead", "settle", letters[first]["id"], "--done", "--result", '{"count": 1}')
        drawbar(place, "dead", "settle", letters[below]["id"], "--not-done")
        until(lambda: status(serving, first) == status(serving, above) == "succeeded")
        fresh = started(serving, "below")
        until(lambda: status(serving, fresh) == "succeeded")
        ticks = serving.ask("GET", "/runs?workflow=tick").json()["items"]
    assert paid(place) == sorted([*before, below, fresh])
    assert len(ticks) <= 2


def test_what_is_no_backup_changes_nothing(place):
    drawbar(place, "run", "below")
    (place / "letter.bak").write_text("this is a letter")
    before = drawbar(place, "runs")

    for wrong in ("letter.bak", "nothing.bak"):
        drawbar(place, "state", "restore", wrong, code=2)

    assert drawbar(place, "runs") == before
