"""A system with opening hours, as its users meet it: told at once, or waited for."""

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from servers.drawbar import Serving
from waiting import eventually

from drawbar.app import open_app
from drawbar.core.access import Caller
from drawbar.core.errors import NotNow, Unavailable

ME = Caller.cli("me")
ROWS = 50


def closed_now() -> str:
    now = datetime.now(UTC)
    return f"{now - timedelta(minutes=2):%H:%M}-{now + timedelta(minutes=30):%H:%M}"


@pytest.fixture
def place(tmp_path):
    for name in ("erp", "warehouse"):
        with sqlite3.connect(tmp_path / f"{name}.db") as database:
            database.execute("create table orders (id integer primary key, amount integer)")
            if name == "erp":
                database.executemany("insert into orders values (?, ?)", [(one, one * 10) for one in range(ROWS)])
        database.close()

    def write(closed: str):
        table = {"kind": "sql", "tables": {"orders": {"key": ["id"], "read": True, "upsert": True}}}
        budget = {"hours": {"closed": [closed], "timezone": "UTC", "spread_s": 0}, "batch": 1}
        config = {
            "version": 1,
            "adapters": {
                "erp": {**table, "url": f"sqlite:///{tmp_path}/erp.db", "budget": budget},
                "warehouse": {**table, "url": f"sqlite:///{tmp_path}/warehouse.db"},
            },
            "syncs": {
                "copy": {
                    "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "id"}},
                    "to": {"adapter": "warehouse", "table": "orders", "mode": "upsert", "key": ["id"]},
                    "batch_rows": 10,
                }
            },
            "workflows": {"night": {"tasks": {"load": {"sync": "copy", "retry": {"attempts": 1, "within_s": 0.5}}}}},
        }
        file = tmp_path / "drawbar.yaml"
        file.write_text(json.dumps(config))
        return file

    return write


def copied(tmp_path):
    with sqlite3.connect(tmp_path / "warehouse.db") as database:
        found = database.execute("select count(*), sum(amount) from orders").fetchone()
    database.close()
    return found


class Wall:
    """The clock of one system, as the test sets it."""

    def __init__(self, app, said: str) -> None:
        self.set(said)
        app.landscape.share("erp")._clock = lambda: self.now

    def set(self, said: str) -> None:
        self.now = datetime.fromisoformat(f"2026-11-23T{said}+00:00").timestamp()


def test_a_call_on_the_command_line_and_over_rest_is_told_when_to_come_back(place, tmp_path):
    file = place(closed_now())
    said = subprocess.run(
        [sys.executable, "-m", "drawbar", "--config", file, "call", "erp.read_orders"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert said.returncode == 4
    assert "erp is closed until" in said.stderr

    with Serving(at=tmp_path) as served:
        refused = served.ask("POST", "/v1/tools/erp.read_orders/call", json={}, headers={"Idempotency-Key": "1"})
    assert refused.status_code == 503
    assert 1500 < int(refused.headers["Retry-After"]) <= 1860


def test_a_sync_that_a_person_starts_in_closed_hours_is_refused_and_leaves_no_history(place):
    with open_app(place("02:00-03:30")) as app:
        Wall(app, "02:10:00")

        with pytest.raises(NotNow, match="erp is closed until 2026-11-23 03:30"):
            app.syncs.run("copy", caller=ME)

        assert app.syncs.runs("copy") == []


def test_a_sync_in_a_workflow_waits_for_the_opening(place, tmp_path):
    with open_app(place("02:00-03:30")) as app:
        wall = Wall(app, "03:29:58")
        app.begin()
        run = app.start("night", {}, caller=ME)
        eventually(lambda: app.engine.run(run.id).state == "waiting")
        wall.set("03:30:01")

        ended = app.engine.wait(run.id, 60)

        assert ended.state == "succeeded", ended.error
        assert copied(tmp_path) == (ROWS, sum(range(ROWS)) * 10)


def test_a_sync_stops_where_its_system_closes_and_goes_on_after(place, tmp_path):
    with open_app(place("02:00-03:30")) as app:
        wall = Wall(app, "01:00:00")

        with pytest.raises(Unavailable, match="closed"):
            app.syncs.run("copy", caller=ME, progress=lambda counts, total: wall.set("02:00:00"))

        before = copied(tmp_path)[0]
        assert before < ROWS
        wall.set("03:30:00")
        app.syncs.run("copy", caller=ME)
        assert copied(tmp_path) == (ROWS, sum(range(ROWS)) * 10)
