"""What an operator sees of a running service: its numbers, its audit, and only with the right to."""

import json
from pathlib import Path

import pytest
import requests
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

from drawbar.core.gauges import STATED
from drawbar.core.measure import measured_names

DASHBOARD = Path(__file__).parents[2] / "examples" / "deploy" / "grafana" / "drawbar.json"
CONFIG = """
version: 1
server: { metrics: METRICS }
adapters: { drop: { kind: local, root: ./inbox, feeds: { orders: { pattern: "*.csv", format: { kind: csv } } } } }
agents:
  reader: { tools: ["drop.*"], scopes: [read] }
  boss: { tools: ["drop.*"], scopes: [read, operate, administer] }
"""
BODY = {"arguments": {}}


def key_of(at, agent):
    from drawbar.app import open_app

    with open_app(at / "drawbar.yaml") as app:
        return {"Authorization": f"Bearer {app.keys.add(agent, scopes=None, days=1, by='test')['key']}"}


@pytest.fixture(scope="module")
def served():
    at = folder("seeing")
    (at / "drawbar.yaml").write_text(CONFIG.replace("METRICS", "operate"))
    (at / "inbox").mkdir()
    reader, boss = key_of(at, "reader"), key_of(at, "boss")
    with Serving(at=at, more=["--workers", "2"]) as service:
        service.reader, service.boss = reader, boss
        for number in range(6):
            sent = {**reader, "X-Request-Id": f"asked-{number}"}
            assert service.ask("POST", "/tools/drop.list_orders/call", json=BODY, headers=sent).status_code == 200
        service.ask("POST", "/tools/drop.nothing/call", json=BODY, headers=reader)
        service.ask("GET", "/tools", headers={"Authorization": "Bearer drawbar_wrong_key"})
        yield service


def numbers(service, headers):
    answer = service.ask("GET", "/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    lines = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def summed(found, name):
    return sum(value for series, value in found.items() if series.partition("{")[0] == name)


def test_the_numbers_of_all_processes_of_a_port_are_read_from_any(served):
    import time

    until = time.monotonic() + 60
    while summed(found := numbers(served, served.boss), "drawbar_tool_calls_total") < 6:
        assert time.monotonic() < until, found
        time.sleep(0.2)

    assert summed(found, "drawbar_tool_call_duration_seconds_count") == 6
    assert summed(found, "drawbar_tool_refusals_total") >= 1
    assert summed(found, "drawbar_login_refusals_total") >= 1
    assert found["drawbar_journal_up"] == 1
    assert 'http_route="/tools/{name}/call"' in str(found)
    assert not any("asked-" in series or "nothing" in series for series in found)


@pytest.mark.parametrize(("path", "who", "status"), [
    ("/metrics", "reader", 403), ("/metrics", None, 401), ("/audit", "reader", 403), ("/audit", None, 401),
    ("/audit/verify", "reader", 403), ("/audit?kind=nonsense", "boss", 422), ("/audit?since=yesterday", "boss", 422),
    ("/audit?after=nonsense", "boss", 422), ("/audit?limit=0", "boss", 422),
])  # fmt: skip
def test_only_who_has_the_scope_sees_it_and_nonsense_is_refused(served, path, who, status):
    headers = {} if who is None else getattr(served, who)

    assert served.ask("GET", path, headers=headers).status_code == status


def test_the_audit_of_all_processes_is_read_and_verified_over_rest(served):
    def audited(**asked):
        return served.ask("GET", "/audit", params=asked, headers=served.boss).json()["items"]

    found = eventually(lambda: audited(what="drop.list_orders", limit=1000), lambda found: len(found) >= 6)

    assert {one["request"] for one in found} == {f"asked-{number}" for number in range(6)}
    assert {(one["who"], one["outcome"]) for one in found} == {("reader", "done")}
    expected = {("call", "reader"), ("login", "nobody")}
    refused = eventually(
        lambda: audited(outcome="refused"), lambda found: {(one["kind"], one["who"]) for one in found} >= expected
    )
    assert not any("drawbar_wrong_key" in str(one) for one in refused)
    verified = served.ask("GET", "/audit/verify", headers=served.boss).json()
    assert verified["sound"], verified


def test_open_metrics_are_for_loopback_and_not_for_what_a_proxy_passes_on():
    at = folder("seeing")
    (at / "drawbar.yaml").write_text(CONFIG.replace("METRICS", "open"))
    key_of(at, "reader")
    with Serving(at=at) as service:
        assert requests.get(f"{service.url}/metrics", timeout=10).status_code == 200
        passed_on = {"X-Forwarded-For": "192.0.2.7"}
        assert requests.get(f"{service.url}/metrics", headers=passed_on, timeout=10).status_code == 401


def test_every_number_on_the_dashboard_is_one_that_the_product_exports():
    import re

    board = json.loads(DASHBOARD.read_text())
    panels = [panel for row in board["panels"] for panel in (row, *row.get("panels", ()))]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    asked += [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    names = {name for one in asked for name in re.findall(r"\b(?:drawbar|http|gen_ai|process)_[a-z_]+", one)}
    labels = {label for one in (*STATED,) for label in one.labels}
    exported = {*measured_names(), *(one.name for one in STATED)}

    from drawbar.core.measure import MEASURED

    labels |= {label for one in MEASURED for label in one.labels} | {"drawbar_worker", "le"}
    assert len(names & exported) > 12
    assert names - exported - labels == set()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert {"id", "type", "title", "gridPos"} <= panel.keys()
        assert {*panel["gridPos"]} == {"h", "w", "x", "y"} and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
