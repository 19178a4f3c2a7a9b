"""Tools written for the agents of others, from the third-party WSDLs of the kit too."""

import json
import re

import jsonschema_rs
import pytest
import requests
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def export(at, *words):
    return json.loads(warm.run(["export", *words], cwd=at).stdout)


@pytest.fixture(scope="module")
def place(kit):
    at = folder("export")
    wsdls = sorted(path for path in (kit / "soap").rglob("*.wsdl"))[:12]
    systems = "".join(f"  s{n}: {{ kind: soap, wsdl: '{path}' }}\n" for n, path in enumerate(wsdls))
    (at / "drawbar.yaml").write_text(f"version: 1\nadapters:\n{systems}agents:\n  clerk: {{ tools: [] }}\n")
    return at


def test_every_tool_has_a_legal_name_and_a_valid_schema(place):
    tools = export(place, "--format", "mcp")["tools"]

    assert len(tools) > 10
    assert len({tool["name"] for tool in tools}) == len(tools)
    for tool in tools:
        assert NAME.fullmatch(tool["name"])
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            jsonschema_rs.meta.validate(schema)
            jsonschema_rs.Draft202012Validator(schema)  # its references lead somewhere
        assert tool["inputSchema"]["type"] == "object"


def test_the_forms_of_models_hold_the_same_tools(place):
    tools = {tool["name"]: tool for tool in export(place, "--format", "mcp")["tools"]}
    openai = export(place, "--format", "openai")
    anthropic = export(place, "--format", "anthropic")

    assert {one["function"]["name"]: one["function"]["parameters"] for one in openai} == {
        name: tool["inputSchema"] for name, tool in tools.items()
    }
    assert {one["name"]: one["input_schema"] for one in anthropic} == {
        name: tool["inputSchema"] for name, tool in tools.items()
    }
    assert {one["type"] for one in openai} == {"function"}


def test_the_openapi_document_calls_what_the_facade_serves(place):
    document = export(place, "--format", "openapi")

    assert document["openapi"] == "3.1.0"
    for path, item in document["paths"].items():
        body = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        jsonschema_rs.meta.validate(body)
        jsonschema_rs.Draft202012Validator({**body, "components": document["components"]})
        assert path.startswith("/v1/tools/s")


def test_every_reference_of_the_openapi_document_leads_somewhere_in_it(place):
    document = export(place, "--format", "openapi")
    found = list(references(document))

    assert any("/$defs/" in one for one in found)
    for one in found:
        part = document
        for step in one.removeprefix("#/").split("/"):
            part = part[step]
        assert part


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for one in part.values():
            yield from references(one)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def test_an_agent_is_given_what_it_may_call_and_nothing_else(place):
    assert export(place, "--format", "openai", "--agent", "clerk") == []
    with Serving(at=place) as served:
        assert served.ask("GET", "/tools/export?format=anthropic").json() == export(
            place, "--format", "anthropic", "--agent", "local"
        )
        assert requests.get(f"{served.url}/tools/export?format=latin", timeout=30).status_code == 422


def test_a_system_that_cannot_say_what_it_offers_is_named_beside_the_document():
    """Whoever generates tools from it would miss that some are not there."""
    at = folder("export")
    (at / "drawbar.yaml").write_text(
        'version: 1\nadapters:\n  gone: { kind: soap, wsdl: "http://127.0.0.1:1/x?wsdl" }\n'
        '  here: { kind: sql, url: "sqlite:///here.db", statements: { one: { sql: select 1 as n, effect: read } } }\n'
    )

    done = warm.run(["export", "--format", "openai"], cwd=at)

    assert [one["function"]["name"] for one in json.loads(done.stdout)] == ["here_one"]
    assert "gone cannot say what it offers" in done.stderr
