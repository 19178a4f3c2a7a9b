"""MCP as a client of the official library meets it: over HTTP and stdio, in both eras of the protocol."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import requests
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from servers import warm
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

LANDSCAPE = """\
version: 1
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    budget: { hours: { closed: ["02:00-02:01"], timezone: Europe/Berlin } }
    statements:
      find_order:
        description: Find one order by its number.
        sql: select id, customer, amount from orders where id = :id
        parameters: { id: { type: integer, description: Order number. } }
        effect: read
      all_orders:
        description: Read all orders
        sql: select id, customer, amount from orders order by id
        effect: read
        max_rows: 10000
      set_customer:
        description: Give an order to another customer.
        sql: update orders set customer = :customer where id = :id
        parameters: { id: { type: integer }, customer: { type: string } }
        effect: write
      forget_order:
        description: Delete an order.
        sql: delete from orders where id = :id
        parameters: { id: { type: integer } }
        effect: write
      hidden: { description: Nobody named it., sql: delete from orders, effect: write }
    tools:
      forget_order: { approval: { by: [erp_lead] } }
      find_order: { examples: [ { arguments: { id: 42 } } ], units: { amount: EUR } }
agents:
  local: { tools: [erp.set_customer, erp.forget_order], scopes: [read, run] }
  careful: { tools: ["erp.find_*", erp.set_customer], scopes: [read], confirm: [write] }
  lead: { roles: [erp_lead], scopes: [read, approve] }
"""


def make_place(orders=3):
    at = folder("mcp")
    (at / "drawbar.yaml").write_text(LANDSCAPE)
    with sqlite3.connect(at / "erp.db") as erp:
        erp.execute("create table orders (id integer primary key, customer text, amount numeric(10, 2))")
        erp.executemany(
            "insert into orders values (?, ?, ?)", [(n, f"C{n:05}", f"{n}.50") for n in range(1, orders + 1)]
        )
    return at


def customers(at):
    with sqlite3.connect(at / "erp.db") as erp:
        return dict(erp.execute("select id, customer from orders"))


@pytest.fixture(scope="module")
def served():
    at = make_place()
    with Serving(LANDSCAPE, at=at) as serving:
        yield serving


def with_client(to, ask, mode="auto"):
    async def main():
        async with Client(to, mode=mode) as client:
            return await ask(client)

    return asyncio.run(main())


def call(to, name, mode="auto", **arguments):
    return with_client(to, lambda client: client.call_tool(name, arguments), mode)


def refused(to, tool, **arguments):
    """Give the error of a call as a model reads it."""
    answer = with_client(to, lambda client: client.call_tool(tool, arguments))
    assert answer.is_error, answer
    return json.loads(answer.content[0].text)


def stdio(at, *words):
    return StdioServerParameters(command=sys.executable, args=["-m", "drawbar", "mcp", *words], cwd=at)


@pytest.fixture(params=["http", "stdio"])
def to(request, served):
    return f"{served.url}/mcp" if request.param == "http" else stdio(served.folder)


ERAS = ["auto", "legacy"]


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_finds_the_tools_that_it_may_call_and_calls_one(to, mode):
    async def ask(client):
        listed = await client.list_tools()
        return listed.tools, await client.call_tool("erp_find_order", {"id": 2}), client.protocol_version

    tools, found, version = with_client(to, ask, mode)

    assert {"erp_find_order", "erp_set_customer", "drawbar_status"} <= {tool.name for tool in tools}
    assert "erp_hidden" not in {tool.name for tool in tools}
    assert found.structured_content["result"]["rows"] == [{"id": 2, "customer": "C00002", "amount": "2.50"}]
    assert json.loads(found.content[0].text) == found.structured_content
    # Over stdio the client falls back when the process is slow to start.
    assert version == "2025-11-25" if mode == "legacy" else version >= ("2026-07-28" if isinstance(to, str) else "2025")


def test_a_description_says_what_follows_and_what_is_needed(served):
    tools = {tool.name: tool for tool in with_client(f"{served.url}/mcp", lambda c: c.list_tools()).tools}

    find, forget = tools["erp_find_order"], tools["erp_forget_order"]

    assert find.description == (
        "Find one order by its number. Changes nothing. Units: amount in EUR. "
        "Its system is closed 02:00-02:01 (Europe/Berlin)."
    )
    assert "Another person may have to approve it first" in forget.description
    assert (find.annotations.read_only_hint, forget.annotations.destructive_hint) == (True, True)
    assert find.input_schema["additionalProperties"] is False
    assert find.input_schema["examples"] == [{"id": 42}]
    assert all(len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in tools)


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "happened"),
    [
        ("erp_find_order", {"id": "x"}, "input", "no"),
        ("erp_find_order", {"di": 1}, "input", "no"),
        ("erp_find_order", {"id": 1, "sneak": 1}, "input", "no"),
        ("erp_hidden", {}, "input", "no"),
        ("drawbar_status", {"id": "nothing"}, "input", "no"),
        ("drawbar_more", {"next": "mcp-0000/1"}, "input", "no"),
    ],
)
def test_an_error_is_one_that_a_model_can_act_on(served, name, arguments, kind, happened):
    answer = call(f"{served.url}/mcp", name, **arguments)

    said = json.loads(answer.content[0].text)
    assert answer.is_error
    assert (said["kind"], said["happened"]) == (kind, happened)
    assert said["message"]


def test_a_tool_that_there_is_not_is_an_error_of_the_protocol(to):
    async def ask(client):
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("erp_nothing", {})
        return await client.call_tool("erp_find_order", {"id": 1})

    assert not with_client(to, ask).is_error


def test_a_write_that_another_person_must_approve_is_asked_after_by_its_id(served):
    at = f"{served.url}/mcp"
    waiting = call(at, "erp_forget_order", id=3).structured_content

    still = call(at, "drawbar_status", id=waiting["id"]).structured_content
    assert (waiting["status"], still["status"], still["result"]["approval"]) == ("waiting", "waiting", "waiting")
    assert 3 in customers(served.folder)

    done = warm.run(["approve", waiting["id"]], cwd=served.folder)
    assert done.returncode == 0, done.stderr
    until = time.monotonic() + 60
    while (said := call(at, "drawbar_status", id=waiting["id"]).structured_content)["status"] != "done":
        assert time.monotonic() < until
        time.sleep(0.2)
    assert said["result"] == {"count": 1}
    assert 3 not in customers(served.folder)


def test_an_agent_that_must_confirm_calls_with_the_code_of_its_preview():
    at = make_place()
    agent = stdio(at, "--agent", "careful")

    async def ask(client):
        given = {"id": 1, "customer": "NEW"}
        without = await client.call_tool("erp_set_customer", given)
        code = (
            await client.call_tool("drawbar_preview", {"name": "erp_set_customer", "arguments": given})
        ).structured_content
        before = customers(at)
        other = await client.call_tool(
            "erp_set_customer", {**given, "customer": "EVIL", "confirmation_code": code["code"]}
        )
        again = (
            await client.call_tool("drawbar_preview", {"name": "erp_set_customer", "arguments": given})
        ).structured_content
        done = await client.call_tool("erp_set_customer", {**given, "confirmation_code": again["code"]})
        twice = await client.call_tool("erp_set_customer", {**given, "confirmation_code": again["code"]})
        return without, code, before, other, done, twice

    without, code, before, other, done, twice = with_client(agent, ask)

    for refused in (without, other, twice):
        said = json.loads(refused.content[0].text)
        assert (said["happened"], said["field"]) == ("no", "confirmation_code")
        assert "drawbar_preview" in said["next"]
    assert "update orders" in json.dumps(code["would"])
    assert before[1] == "C00001"
    assert (other.is_error, done.is_error, twice.is_error) == (True, False, True)
    assert customers(at)[1] == "NEW"


def test_with_preview_nothing_is_changed():
    at = make_place()

    said = call(stdio(at, "--preview"), "erp_set_customer", id=1, customer="NEW").structured_content

    assert said["status"] == "preview"
    assert customers(at)[1] == "C00001"


def test_a_long_result_is_cut_after_a_row_and_read_on_to_its_end():
    at = make_place(orders=2000)

    async def ask(client):
        answer = (await client.call_tool("erp_all_orders", {})).structured_content
        rows, pages = list(answer["result"]["rows"]), 1
        size = len(json.dumps(answer))
        while answer.get("truncated"):
            answer = (await client.call_tool("drawbar_more", {"next": answer["next"]})).structured_content
            rows += answer["result"]
            pages += 1
        return rows, pages, size

    rows, pages, size = with_client(stdio(at), ask)

    assert [row["id"] for row in rows] == list(range(1, 2001))
    assert pages > 3
    assert size < 40_000


def test_past_its_end_a_long_result_is_refused_and_not_empty():
    at = make_place(orders=2000)

    async def ask(client):
        called = await client.call_tool("erp_all_orders", {})
        token, uri = called.structured_content["next"], called.content[1].uri
        place, _, row = token.rpartition(":")
        arabic = row.translate({ord("0") + digit: 0x660 + digit for digit in range(10)})
        wrong = [f"{place}:2000", f"{place}:999999999", f"{place}:{arabic}"]
        more = [await client.call_tool("drawbar_more", {"next": one}) for one in wrong]
        with pytest.raises(MCPError, match="ends at"):
            await client.read_resource(f"{uri}?offset=999999999")
        return more, await client.call_tool("drawbar_more", {"next": f"{place}:1999"})

    more, last = with_client(stdio(at), ask)

    assert [json.loads(one.content[0].text)["field"] for one in more] == ["next", "next", "next"]
    assert len(last.structured_content["result"]) == 1


def test_a_row_that_alone_is_too_long_comes_in_pieces_of_its_text():
    at = make_place(orders=3)
    with sqlite3.connect(at / "erp.db") as erp:
        erp.execute("update orders set customer = ? where id = 2", ["long " * 20_000])

    async def ask(client):
        answer = await client.call_tool("erp_all_orders", {})
        said, sizes = [answer.structured_content], [len(answer.content[0].text)]
        while said[-1].get("truncated"):
            answer = await client.call_tool("drawbar_more", {"next": said[-1]["next"]})
            said.append(answer.structured_content)
            sizes.append(len(answer.content[0].text))
        one = await client.call_tool("erp_find_order", {"id": 2})
        return said, sizes, one

    said, sizes, one = with_client(stdio(at), ask)

    assert max(sizes) <= 24_576
    assert [row["id"] for row in said[0]["result"]["rows"]] == [1]
    pieces = [unit for answer in said[1:] for unit in answer["result"] if isinstance(unit, str)]
    assert json.loads("".join(pieces)) == {"id": 2, "customer": "long " * 20_000, "amount": "2.50"}
    assert said[-1]["result"][-1]["id"] == 3
    assert len(one.content[0].text) <= 24_576
    assert one.structured_content["truncated"]


def test_a_long_result_is_read_whole_as_a_resource_and_by_its_own_caller_alone():
    at = make_place(orders=2000)

    async def ask(client):
        called = await client.call_tool("erp_all_orders", {})
        uri = called.content[1].uri
        listed = [one.uri for one in (await client.list_resources()).resources]
        templates = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
        return called, uri, listed, templates, (await client.read_resource(uri)).contents[0]

    async def steal(client):
        with pytest.raises(MCPError, match="yours"):
            await client.read_resource(uri)
        return (await client.list_resources()).resources, await client.call_tool("drawbar_more", {"next": token})

    called, uri, listed, templates, whole = with_client(stdio(at), ask)
    token = called.structured_content["next"]
    others, stolen = with_client(stdio(at, "--agent", "lead"), steal)

    assert (listed, templates) == ([uri], ["drawbar://claims/{id}{?offset}"])
    assert called.content[1].size == len(whole.text)
    assert [row["id"] for row in json.loads(whole.text)["rows"]] == list(range(1, 2001))
    assert others == []
    assert stolen.is_error
    assert "C0" not in stolen.content[0].text


def test_how_long_an_answer_may_be_and_how_many_tools_are_listed_is_configured():
    at = make_place(orders=100)
    (at / "drawbar.yaml").write_text(f"{LANDSCAPE}mcp: {{ max_tools: 3, max_result_bytes: 1024 }}\n")

    async def ask(client):
        names = {tool.name for tool in (await client.list_tools()).tools}
        return names, await client.call_tool("drawbar_call", {"name": "erp_all_orders"})

    names, called = with_client(stdio(at), ask)

    assert {"drawbar_search", "drawbar_describe", "drawbar_call"} <= names
    assert "erp_find_order" not in names
    assert called.structured_content["truncated"]
    assert len(called.content[0].text) <= 1024


def test_permission_preview_and_approval_hold_through_the_tools_that_find_others():
    at = make_place()
    (at / "drawbar.yaml").write_text(f"{LANDSCAPE}mcp: {{ max_tools: 1 }}\n")

    async def ask(client):
        set_customer = {"name": "erp_set_customer", "arguments": {"id": 1, "customer": "NEW"}}
        said = [
            await client.call_tool("drawbar_search", {"q": "hidden"}),
            await client.call_tool("drawbar_call", {"name": "erp_hidden", "arguments": {}}),
            await client.call_tool("drawbar_call", set_customer),
            await client.call_tool("drawbar_preview", set_customer),
        ]
        code = said[-1].structured_content["code"]
        return [*said, await client.call_tool("drawbar_call", {**set_customer, "confirmation_code": code})]

    found, hidden, without, preview, done = with_client(stdio(at, "--agent", "careful"), ask)

    assert found.structured_content["result"]["tools"] == []
    assert (hidden.is_error, without.is_error, preview.is_error, done.is_error) == (True, True, False, False)
    assert customers(at)[1] == "NEW"


def test_hundreds_of_tools_are_found_by_search():
    at = make_place()
    statements = "".join(
        f"      find_{n}: {{ description: Find thing {n}., sql: select {n} as n, effect: read }}\n" for n in range(150)
    )
    config = f"version: 1\nadapters:\n  erp:\n    kind: sql\n    url: sqlite:///erp.db\n    statements:\n{statements}"
    (at / "drawbar.yaml").write_text(config)

    async def ask(client):
        names = [tool.name for tool in (await client.list_tools()).tools]
        found = await client.call_tool("drawbar_search", {"q": "thing 149"})
        described = await client.call_tool("drawbar_describe", {"name": "erp_find_149"})
        called = await client.call_tool("drawbar_call", {"name": "erp_find_149", "arguments": {}})
        direct = await client.call_tool("erp_find_7", {})
        return names, found, described, called, direct

    names, found, described, called, direct = with_client(stdio(at), ask)

    assert len(names) < 10
    assert [tool["name"] for tool in found.structured_content["result"]["tools"]] == ["erp_find_149"]
    assert described.structured_content["result"]["inputSchema"]["type"] == "object"
    assert called.structured_content["result"]["rows"] == [{"n": 149}]
    assert direct.structured_content["result"]["rows"] == [{"n": 7}]


def test_without_a_key_mcp_lets_nobody_in_once_there_is_one():
    at = make_place()
    made = warm.run(["--json", "keys", "add", "careful"], cwd=at)
    key = json.loads(made.stdout)["key"]
    with Serving(LANDSCAPE, at=at) as serving:
        ask = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        refused = requests.post(f"{serving.url}/mcp", json=ask, timeout=10)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"

        async def main():
            headers = {"Authorization": f"Bearer {key}"}
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(f"{serving.url}/mcp", http_client=http)) as client,
            ):
                return [tool.name for tool in (await client.list_tools()).tools]

        assert set(asyncio.run(main())) == {
            "erp_find_order",
            "erp_set_customer",
            "drawbar_status",
            "drawbar_more",
            "drawbar_preview",
        }


_MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
_HEADERS = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
WRONG = {
    "no JSON": (b"{", {}, 400, -32700),
    "half a character": (b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', {}, 400, -32700),
    "a batch": (b"[]", {}, 400, -32600),
    "a batch of a version that has none": (
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
        {"MCP-Protocol-Version": "2025-06-18"},
        400,
        -32600,
    ),
    "a batch without an end": ([{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * 51, {}, 400, -32600),
    "no method": ({"jsonrpc": "2.0", "id": 1}, {}, 400, -32600),
    "a strange id": ({"jsonrpc": "2.0", "id": [1], "method": "ping"}, {}, 400, -32600),
    "params that are no object": ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}, {}, 400, -32602),
    "no such method": ({"jsonrpc": "2.0", "id": 1, "method": "tools/destroy"}, {}, 200, -32601),
    "a version of the future": (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": _MODERN}},
        {**_HEADERS, "MCP-Protocol-Version": "2031-01-01"},
        400,
        -32022,
    ),
    "a notification of a version that there is not": (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"MCP-Protocol-Version": "1999-01-01"},
        400,
        -32022,
    ),
    "no envelope": ({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, _HEADERS, 400, -32602),
    "a header that says another method": (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": _MODERN}},
        {**_HEADERS, "Mcp-Method": "tools/call"},
        400,
        -32020,
    ),
    "a header that says another tool": (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"_meta": _MODERN, "name": "erp_hidden"}},
        {**_HEADERS, "Mcp-Method": "tools/call", "Mcp-Name": "erp_find_order"},
        400,
        -32020,
    ),
    "a modern request for a method of the past": (
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": _MODERN}},
        {**_HEADERS, "Mcp-Method": "ping"},
        404,
        -32601,
    ),
    "a cursor of another list": (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": "x"}},
        {},
        200,
        -32602,
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_message_gets_the_protocols_own_error(served, what):
    body, headers, status, code = WRONG[what]
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()

    answer = requests.post(
        f"{served.url}/mcp", data=sent, headers={"Content-Type": "application/json", **headers}, timeout=10
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


BATCH = [
    {"jsonrpc": "2.0", "id": "p", "method": "ping"},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "erp_find_order", "arguments": {"id": 1}}},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "erp_find_order", "arguments": {"id": 2}}},
    {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}},
    "no message",
]


def answers_the_batch(said):
    by_id = {one["id"]: one for one in said}
    assert len(said) == len(by_id) == 5  # the notification has none
    assert by_id["p"]["result"] == {}
    rows = [by_id[number]["result"]["structuredContent"]["result"]["rows"] for number in (1, 2)]
    assert [row["id"] for [row] in rows] == [1, 2]
    assert [by_id[wrong]["error"]["code"] for wrong in (3, None)] == [-32600, -32600]


@pytest.mark.parametrize("headers", [{}, {"MCP-Protocol-Version": "2025-03-26"}])
def test_a_batch_of_2025_03_26_is_answered_together(served, headers):
    answer = requests.post(f"{served.url}/mcp", json=BATCH, headers=headers, timeout=10)
    told = requests.post(f"{served.url}/mcp", json=[BATCH[1]], headers=headers, timeout=10)

    assert answer.status_code == 200
    answers_the_batch(answer.json())
    assert (told.status_code, told.content) == (202, b"")


def test_a_batch_on_a_line_is_answered_message_by_message():
    done = subprocess.run(
        [sys.executable, "-m", "drawbar", "mcp"],
        cwd=make_place(),
        input=json.dumps(BATCH).encode() + b"\n",
        capture_output=True,
        timeout=60,
        check=False,
    )

    answers_the_batch([json.loads(line) for line in done.stdout.splitlines()])


def test_there_is_no_stream_to_listen_to_and_no_session_to_end(served):
    for method in ("GET", "DELETE"):
        answer = requests.request(method, f"{served.url}/mcp", timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    told = requests.post(
        f"{served.url}/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, timeout=10
    )
    assert (told.status_code, told.content) == (202, b"")
    assert requests.post(
        f"{served.url}/v1/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, timeout=10
    ).json() == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {},
    }


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_page_from_elsewhere_does_not_reach_mcp_on_loopback(served, name):
    value = {"Host": "evil.example", "Origin": "http://evil.example"}[name]
    answer = requests.post(
        f"{served.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers={name: value}, timeout=10
    )
    assert answer.status_code == 403


def test_many_callers_at_once_get_their_own_answers(served):
    def ask(number):
        body = {
            "jsonrpc": "2.0",
            "id": number,
            "method": "tools/call",
            "params": {"name": "erp_find_order", "arguments": {"id": number % 2 + 1}},
        }
        said = requests.post(f"{served.url}/mcp", json=body, timeout=30).json()
        return said["id"], said["result"]["structuredContent"]["result"]["rows"][0]["id"]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == [(number, number % 2 + 1) for number in range(200)]


def test_a_line_that_is_no_message_stops_nothing():
    at = make_place()
    lines = [b"nonsense", b"", b"[" * 5000, b'{"jsonrpc":"2.0","id":1,"method":"ping"}', b"x" * 2_000_000]
    lines.append(
        b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"erp_find_order","arguments":{"id":1}}}'
    )
    done = subprocess.run(
        [sys.executable, "-m", "drawbar", "mcp"],
        cwd=at,
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        timeout=60,
        check=False,
    )

    said = [json.loads(line) for line in done.stdout.splitlines()]
    answered = {one["id"]: one for one in said if one["id"] is not None}
    assert done.returncode == 0, done.stderr
    assert [one["error"]["code"] for one in said if one["id"] is None] == [-32700, -32700, -32700]
    assert answered[1]["result"] == {}
    assert answered[2]["result"]["structuredContent"]["result"]["rows"][0]["id"] == 1


def test_an_error_names_tools_as_a_model_can_call_them_the_field_and_what_to_do(to):
    missing = refused(to, "erp_find_order")
    strange = refused(to, "erp_find_order", id=1, customer="x")
    nothing = refused(to, "drawbar_call", name="erp.find_order", arguments={"id": 1})
    forbidden = refused(to, "erp_hidden")

    assert (missing["tool"], missing["field"]) == ("erp_find_order", "id")
    assert (strange["tool"], strange["field"]) == ("erp_find_order", "customer")
    assert (nothing["field"], nothing["next"].partition("?")[0]) == ("name", "did you mean 'erp_find_order'")
    assert forbidden["message"] == "local may not call erp_hidden (effect write)"
    assert all(one["next"] for one in (missing, strange, nothing, forbidden))


@pytest.mark.parametrize(("wrong", "near"), [("erp.find_ordr", "; did you mean 'erp_find_order'?"), ("erp_hiden", "")])
def test_a_name_that_is_nearly_a_tools_is_told_to_who_may_call_it(to, wrong, near):
    async def ask(client):
        with pytest.raises(MCPError) as caught:
            await client.call_tool(wrong, {})
        return caught.value

    assert str(with_client(to, ask)) == f"Unknown tool: '{wrong}'{near}"


def test_nobody_hears_by_an_id_what_others_wait_for(served):
    url = f"{served.url}/mcp"

    mine = json.loads(call(url, "erp_forget_order", id=3).content[0].text)["id"]

    assert json.loads(call(url, "drawbar_status", id=mine).content[0].text)["status"] == "waiting"
    said = refused(url, "drawbar_status", id="nothing")
    assert said["message"] == "there is no call 'nothing' of yours"
    assert "said waiting" in said["next"]


SLOW = """\
version: 1
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      pay:
        description: Pay an order, slowly.
        sql: >-
          update orders set customer = 'paid' where id = :id and
          (with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000000) select count(*) from n) > 0
        parameters: { id: { type: integer } }
        effect: write
agents: { local: { tools: [erp.pay] } }
"""


def test_a_client_that_ends_its_server_by_a_signal_leaves_no_call_behind_whose_end_nobody_knows():
    at = make_place()
    (at / "drawbar.yaml").write_text(SLOW)
    words = [sys.executable, "-m", "drawbar", "mcp"]
    program = subprocess.Popen(words, cwd=at, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "erp_pay", "arguments": {"id": 2}}}
    program.stdin.write(json.dumps(asked).encode() + b"\n")
    program.stdin.flush()
    eventually(lambda: ledger(at) == ["intent"])

    program.send_signal(signal.SIGTERM)
    said = program.stdout.read()

    assert program.wait(60) == 0
    assert json.loads(said)["result"]["structuredContent"]["result"] == {"count": 1}
    assert customers(at)[2] == "paid"
    assert ledger(at) == ["done"]


def ledger(at):
    """Give what came of the calls that change something."""
    with contextlib.closing(sqlite3.connect(at / "drawbar.db")) as state, contextlib.suppress(sqlite3.OperationalError):
        return [one for (one,) in state.execute("select state from ledger")]
    return []
