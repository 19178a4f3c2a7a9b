"""One tool, another system for each tenant: who calls decides which, and nobody gets at another's."""

import json

import pytest
from servers import warm
from servers.drawbar import Serving
from waiting import eventually

from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.soap import SoapService

CREATE = {"orderId": "7", "customer": "ACME", "amount": "10.00"}


@pytest.fixture
def towns():
    found = {name: (billing := Billing(), SoapService(WSDL, billing.answers)) for name in ("north", "south")}
    yield found
    for _, service in found.values():
        service.close()


def configuration(towns, more=""):
    north, south = (towns[name][1].url for name in ("north", "south"))
    return f"""
adapters:
  billing:
    kind: soap
    wsdl: {WSDL}
    effects: {{ FindInvoice: read }}
    budget: {{ concurrency: 5 }}
    tools: {{ CreateInvoice: {{ as: create, key: "${{{{ arguments.orderId }}}}" }} }}
    tenants:
      north: {{ endpoints: {north} }}
      south: {{ endpoints: {south}, budget: {{ concurrency: 2 }} }}
agents:
  local: {{ tools: [billing.create], scopes: [read, run, operate] }}
  clerk: {{ tools: [billing.create, "billing.Find*"], tenants: [south] }}
  pair: {{ tools: [billing.create], tenants: [north, south] }}
workflows:
  of_input:
    tenant: "${{{{ input.town }}}}"
    tasks:
      bill: {{ tool: billing.create, with: {{ orderId: "${{{{ input.order }}}}", customer: "${{{{ run.tenant }}}}", amount: "1.00" }} }}
  of_caller:
    tasks:
      bill: {{ tool: billing.create, with: {{ orderId: "${{{{ input.order }}}}", customer: X, amount: "1.00" }} }}
{more}"""


@pytest.fixture
def serving(towns):
    with Serving(configuration(towns)) as found:
        yield found


def create(serving, headers=None, order="7"):
    body = {"arguments": {**CREATE, "orderId": order}}
    return serving.ask("POST", "/v1/tools/billing.create/call", json=body, headers=headers or {})


def orders(towns):
    return {name: sorted(billing.invoices) for name, (billing, _) in towns.items()}


def test_the_header_chooses_the_system_and_each_tenant_has_its_own_keys(serving, towns):
    """The same business key of two tenants is two cases; without a tenant, or with one that is not there, nothing is chosen."""
    answers = [create(serving, {"X-Tenant": town}) for town in ("north", "south", "north")]
    without, unknown = create(serving), create(serving, {"X-Tenant": "west"})

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[2].json()["id"] == answers[0].json()["id"] != answers[1].json()["id"]
    assert orders(towns) == {"north": ["INV-7"], "south": ["INV-7"]}
    assert (without.status_code, without.json()["field"]) == (422, "tenant")
    assert (unknown.status_code, unknown.json()["field"]) == (422, "tenant")
    systems = {one["name"] for one in serving.ask("GET", "/v1/health/systems").json()["items"]}
    assert systems == {"billing@north", "billing@south"}
    names = [tool["name"] for tool in serving.ask("GET", "/v1/tools").json()["items"]]
    assert names == sorted(set(names))
    assert "billing.create" in names


def key_of(serving, agent):
    return json.loads(drawbar(serving.folder, "keys", "add", agent).stdout)["key"]


def test_who_is_bound_to_a_tenant_reaches_no_other(serving, towns):
    clerk = {"Authorization": f"Bearer {key_of(serving, 'clerk')}"}
    pair = {"Authorization": f"Bearer {key_of(serving, 'pair')}"}

    own = create(serving, clerk)
    others = [
        create(serving, {**clerk, "X-Tenant": "north"}, "8"),
        serving.ask("POST", "/v1/tools/billing@north.create/call", json={"arguments": CREATE}, headers=clerk),
        serving.ask("POST", "/v1/workflows/of_input/run", json={"input": {"town": "north", "order": 9}}, headers=clerk),
    ]
    started = serving.ask(
        "POST", "/v1/workflows/of_caller/run", json={"input": {"order": 9}}, headers=clerk, params={"wait_s": 20}
    )
    must_say = create(serving, pair)

    assert own.status_code == 200
    assert [answer.status_code for answer in others] == [403, 403, 403]
    assert started.json()["status"] == "succeeded"
    assert (must_say.status_code, must_say.json()["field"]) == (422, "tenant")
    assert orders(towns) == {"north": [], "south": ["INV-7", "INV-9"]}


def test_a_run_is_for_the_tenant_of_its_workflow_or_of_who_started_it(serving, towns):
    wait = {"params": {"wait_s": 20}}
    by_input = serving.ask("POST", "/v1/workflows/of_input/run", json={"input": {"town": "south", "order": 1}}, **wait)
    by_header = serving.ask(
        "POST", "/v1/workflows/of_caller/run", json={"input": {"order": 2}}, headers={"X-Tenant": "north"}, **wait
    )
    by_nobody = serving.ask("POST", "/v1/workflows/of_caller/run", json={"input": {"order": 3}}, **wait)

    assert [answer.json()["status"] for answer in (by_input, by_header, by_nobody)] == [
        "succeeded",
        "succeeded",
        "failed",
    ]
    assert orders(towns) == {"north": ["INV-2"], "south": ["INV-1"]}
    assert towns["south"][0].invoices["INV-1"]["orderId"] == 1
    assert towns["south"][1].received[-1].arguments["customer"] == "south"


def mcp(serving, name, arguments, *, headers=None, meta=None):
    params = {"name": name, "arguments": arguments, **({"_meta": meta} if meta else {})}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return serving.ask("POST", "/mcp", json=body, headers=headers or {}).json()


def test_mcp_takes_the_header_or_its_meta_and_not_two_that_differ(serving, towns):
    by_meta = mcp(serving, "billing_create", CREATE, meta={"drawbar/tenant": "south"})
    by_header = mcp(serving, "billing_create", CREATE, headers={"X-Tenant": "north"})
    both = mcp(serving, "billing_create", CREATE, headers={"X-Tenant": "north"}, meta={"drawbar/tenant": "south"})
    none = mcp(serving, "billing_create", CREATE)

    assert by_meta["result"]["structuredContent"]["status"] == "done"
    assert by_header["result"]["structuredContent"]["status"] == "done"
    assert "another tenant" in both["error"]["message"]
    assert none["result"]["isError"] is True
    assert orders(towns) == {"north": ["INV-7"], "south": ["INV-7"]}


def drawbar(folder, *words):
    return warm.run([*words, "--json"], cwd=folder)


@pytest.mark.slow
def test_the_command_line_names_the_tenant_too(towns, tmp_path):
    (tmp_path / "drawbar.yaml").write_text(configuration(towns))
    given = [f"{name}={value}" for name, value in CREATE.items()]

    done = drawbar(tmp_path, "call", "billing.create", *given, "--tenant", "south")
    without = drawbar(tmp_path, "call", "billing.create", *given)
    valid = drawbar(tmp_path, "validate")
    checked = json.loads(drawbar(tmp_path, "check").stdout)

    assert done.returncode == 0, done.stderr
    assert without.returncode == 2
    assert "another system for each tenant" in without.stderr + without.stdout
    assert orders(towns) == {"north": [], "south": ["INV-7"]}
    assert valid.returncode == 0, valid.stdout
    assert set(checked["adapters"]) == {"billing@north", "billing@south"}


def test_a_hold_of_the_adapter_holds_all_tenants_and_one_of_a_system_only_its_own(serving, towns):
    def hold(name):
        answer = serving.ask("POST", "/v1/holds", json={"name": name})
        assert answer.status_code in {200, 201}, answer.text

    def is_held(town):
        return create(serving, {"X-Tenant": town}, "8").status_code == 503

    hold("billing@north")
    eventually(lambda: is_held("north"))
    south = create(serving, {"X-Tenant": "south"}).status_code
    hold("billing")
    eventually(lambda: is_held("south"))

    assert south == 200
    assert is_held("north")


def test_who_names_no_tenant_is_told_the_header_that_is_configured(towns):
    with Serving(configuration(towns, "server: { authentication: { tenants: { header: X-Plant } } }\n")) as serving:
        without, by_another = create(serving), create(serving, {"X-Tenant": "north"})
        unknown = create(serving, {"X-Plant": "west"})

        assert create(serving, {"X-Plant": "north"}).status_code == 200

    for refused in (without, by_another):
        assert (refused.status_code, refused.json()["happened"]) == (422, "no")
        assert refused.json()["next"].startswith("send the header X-Plant;")
    assert (unknown.status_code, unknown.json()["field"]) == (422, "tenant")
