"""The configuration is read again while the service runs: as a whole or not at all, in every process."""

import signal
import sqlite3
import time

import pytest
from servers.drawbar import Serving
from servers.process import folder

FIRST = """\
version: 1
agents: { local: { scopes: [read, run, operate, administer] } }
adapters:
  erp: &erp
    kind: sql
    url: sqlite:///erp.db
    statements: { count: { description: Count orders., sql: select count(*) as n from orders, effect: read } }
workflows:
  count: { input: { type: object }, tasks: { count: { tool: erp.count, if: "${{ size(input) == 0 }}" } } }
"""
SECOND = (
    FIRST.replace("count(*) as n", "count(*) + 100 as n")
    + """\
  later: { tasks: { rest: { wait_s: 0.01 } } }
"""
)
WRONG = SECOND.replace("wait_s: 0.01", "wait_z: 1")


@pytest.fixture
def place():
    at = folder("reload")
    with sqlite3.connect(at / "erp.db") as erp:
        erp.execute("create table orders (id integer primary key)")
    (at / "drawbar.yaml").write_text(FIRST)
    return at


def counted(serving):
    return serving.ask("POST", "/tools/erp.count/call", json={"arguments": {}}).json()["result"]["rows"][0]["n"]


def status_of(serving, workflow):
    return serving.ask("GET", f"/workflows/{workflow}").status_code


def until(is_so, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_is_taken_over_whole_or_not_at_all(place):
    with Serving(at=place) as serving:
        assert counted(serving) == 0

        (place / "drawbar.yaml").write_text(WRONG)
        refused = serving.ask("POST", "/config/reload")
        (place / "drawbar.yaml").write_text(SECOND + "state_key: not-the-one-before\n")
        kept = counted(serving), status_of(serving, "later")
        taken = serving.ask("POST", "/config/reload")

        assert refused.status_code == 422
        assert "drawbar.yaml:10:" in refused.json()["detail"]
        assert "wait_s" in refused.json()["detail"]
        assert kept == (0, 404)
        assert taken.json() == {"changed": ["adapters.erp", "workflows.later"], "restart": ["state_key"]}
        assert (counted(serving), status_of(serving, "later")) == (100, 200)
        assert serving.ask("POST", "/workflows/later/run?wait_s=20").json()["status"] == "succeeded"
        (place / "drawbar.yaml").write_text(FIRST)
        serving.process.send_signal(signal.SIGHUP)
        until(lambda: (counted(serving), status_of(serving, "later")) == (0, 404))
        assert serving.end() == 0


@pytest.mark.parametrize("lost", ["gone", "empty", "only a comment"])
def test_a_file_that_is_gone_or_says_nothing_takes_no_system_away(place, lost):
    """An editor removes before it writes, a full disk leaves an empty file: neither means that there is nothing to serve."""
    with Serving(at=place, more=["--watch"]) as serving:
        assert counted(serving) == 0

        if lost == "gone":
            (place / "drawbar.yaml").unlink()
        else:
            (place / "drawbar.yaml").write_text("# to be written\n" if lost == "only a comment" else "")
        refused = serving.ask("POST", "/config/reload")

        assert refused.status_code == 422
        assert ("is gone" if lost == "gone" else "has nothing in it") in refused.json()["detail"]
        until(lambda: "config.refused" in serving.log.read_text())  # of the watch
        assert counted(serving) == 0
        (place / "drawbar.yaml").write_text("version: 1\nagents: { local: { scopes: [read, run, administer] } }\n")
        until(lambda: not serving.ask("GET", "/tools").json()["items"])
        assert serving.end() == 0


def test_who_may_not_administer_reloads_nothing(place):
    (place / "drawbar.yaml").write_text(FIRST.replace(", administer", ""))
    with Serving(at=place) as serving:
        assert serving.ask("POST", "/config/reload").status_code == 403


@pytest.mark.parametrize(
    "how", [pytest.param("watch", marks=pytest.mark.slow), "signal", pytest.param("rest", marks=pytest.mark.slow)]
)
def test_every_process_follows(place, how):
    """Three processes on one port: each answer soon comes from the new configuration, and none from a wrong one."""
    more = ["--workers", "3", *(["--watch"] if how == "watch" else [])]
    with Serving(at=place, more=more) as serving:
        assert counted(serving) == 0
        (place / "drawbar.yaml").write_text(WRONG)
        if how == "watch":
            until(lambda: "config.refused" in serving.log.read_text())
        (place / "drawbar.yaml").write_text(SECOND)
        if how == "signal":
            serving.process.send_signal(signal.SIGHUP)
        elif how == "rest":
            assert serving.ask("POST", "/config/reload").status_code == 200
        until(lambda: all(counted(serving) == 100 for _ in range(15)))
        until(lambda: all(status_of(serving, "later") == 200 for _ in range(15)))
        assert serving.end() == 0
