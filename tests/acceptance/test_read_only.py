"""`--read-only`: nothing is changed at any system by this process, whoever asks."""

import json
import sqlite3

import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

CONFIG = """\
version: 1
agents: { local: { tools: [erp.pay], scopes: [read, run, operate] } }
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      look: { description: Look., sql: select count(*) as n from paid, effect: read }
      pay: { description: Pay., sql: insert into paid (run) values ('x'), effect: write }
      set: { description: Set., sql: update paid set run = 'y', effect: idempotent }
workflows:
  pay: { triggers: [ { cron: "* * * * * *" } ], tasks: { pay: { tool: erp.pay } } }
"""


@pytest.fixture
def place():
    at = folder("reads")
    with sqlite3.connect(at / "erp.db") as erp:
        erp.execute("create table paid (run text)")
    (at / "drawbar.yaml").write_text(CONFIG)
    return at


def test_a_service_that_only_reads(place):
    with Serving(at=place, more=["--read-only", "--workers", "2"]) as serving:
        looked = serving.ask("POST", "/tools/erp.look/call", json={"arguments": {}})
        refused = [
            serving.ask("POST", path, json={})
            for path in ("/tools/erp.pay/call", "/tools/erp.set/call", "/workflows/pay/run")
        ]
        listed = {one["name"]: one["enabled"] for one in serving.ask("GET", "/tools").json()["items"]}
        runs = serving.ask("GET", "/runs").json()["items"]
        log = serving.log.read_text()

    assert looked.json()["result"]["rows"] == [{"n": 0}]
    assert [one.status_code for one in refused] == [403, 403, 403]
    assert "only reads" in refused[0].json()["detail"]
    assert listed == {"erp.look": True, "erp.pay": False, "erp.set": False}
    assert runs == []
    assert "defect" not in log


def test_a_command_that_only_reads(place):
    def drawbar(*words):
        return warm.run([*words, "--json", "--read-only"], cwd=place)

    assert json.loads(drawbar("call", "erp.look").stdout)["result"]["rows"] == [{"n": 0}]
    for words in (("call", "erp.pay"), ("run", "pay")):
        done = drawbar(*words)
        assert done.returncode != 0
        assert "only reads" in done.stdout
    with sqlite3.connect(place / "erp.db") as erp:
        assert erp.execute("select count(*) from paid").fetchone() == (0,)
