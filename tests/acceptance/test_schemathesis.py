"""The whole OpenAPI, tried by schemathesis: no server error, and no answer that the document does not name."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.drawbar import Serving
from servers.process import CACHE, folder

WANTED = "schemathesis==4.32.5"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,use_after_free"
)
LANDSCAPE = """\
version: 1
server: { adapters_over_rest: true }
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find_order:
        description: Find one order by its number.
        sql: select id, customer from orders where id = :id
        parameters: { id: { type: integer } }
        effect: read
      add_order:
        description: Add an order.
        sql: insert into orders (customer) values (:customer)
        parameters: { customer: { type: string } }
        effect: write
    tables: { orders: { key: [id], read: true, upsert: true } }
  copy: { kind: sql, url: "sqlite:///copy.db", tables: { orders: { key: [id], upsert: true } } }
workflows:
  look: { tasks: { order: { tool: erp.find_order, with: { id: 1 } } } }
  slow: { tasks: { pause: { wait_s: 60 } } }
syncs:
  load:
    from: { adapter: erp, table: orders, cursor: { column: id } }
    to: { adapter: copy, table: orders, mode: upsert, key: [id] }
agents:
  local: { tools: [erp.add_order], scopes: [read, run, approve, operate, administer] }
  guest: { scopes: [read] }
"""
# A 503 is an answer of ours ("nothing happened, try again after Retry-After"): the fuzzer holds a sync and then starts it.
STATUSES = """\
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""
REAL = """\
[[operations]]
include-path-regex = "^/workflows/"
parameters = {{ "path.id" = "{workflow}", "path.run_id" = "{run}" }}
[[operations]]
include-path-regex = "^/runs/"
parameters = {{ "path.id" = "{run}" }}
[[operations]]
include-path-regex = "^/tasks/"
parameters = {{ "path.id" = "{workflow}.pause" }}
[[operations]]
include-path-regex = "^/tools/"
parameters = {{ "path.name" = "erp.find_order" }}
[[operations]]
include-path-regex = "^/adapters/"
parameters = {{ "path.name" = "copy" }}
[[operations]]
include-path-regex = "^/agents/"
parameters = {{ "path.id" = "{agent}" }}
[[operations]]
include-path-regex = "^/context/"
parameters = {{ "path.scope" = "shop", "path.key" = "door" }}
[[operations]]
include-path-regex = "^/syncs/"
parameters = {{ "path.name" = "load" }}
[[operations]]
include-path-regex = "^/feeds/"
parameters = {{ "path.feed" = "erp.orders", "path.file" = "one.csv" }}
[[operations]]
include-path-regex = "^/holds/"
parameters = {{ "path.name" = "slow" }}
"""


@pytest.fixture(scope="module")
def schemathesis() -> Path:
    """The program, in a virtual environment of its own: its libraries are not ours."""
    place = CACHE / "schemathesis"
    program = place / "bin" / "schemathesis"
    mark = place / "installed"
    if not mark.exists() or mark.read_text() != WANTED:
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True, timeout=120)
        pip = [place / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", WANTED]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            missing = f"{WANTED} cannot be installed: {done.stderr[-500:]}"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
        mark.write_text(WANTED)
    return program


@pytest.fixture
def served() -> Iterator[Serving]:
    place = folder("openapi")
    for name in ("erp.db", "copy.db"):
        with sqlite3.connect(place / name) as database:
            database.execute("create table orders (id integer primary key, customer text)")
            database.execute("insert into orders values (1, 'c1')")
    with Serving(LANDSCAPE, at=place) as serving:
        yield serving


def real_names(served: Serving) -> str:
    """Make one of each, and say so to schemathesis: behind a name that exists there is more to break."""
    workflow = served.workflow(tasks={"pause": {"wait_s": 60}})
    run = served.ask("POST", f"/workflows/{workflow}/run").json()["run_id"]
    agent = served.ask("POST", "/agents", json={"name": "clerk"}).json()["id"]
    served.ask("POST", "/holds", json={"name": "slow", "reason": "nobody runs it here"})
    served.ask("PUT", "/context/shop/door", json={"open": True}, headers={"If-None-Match": "*"})
    return REAL.format(workflow=workflow, run=run, agent=agent)


def tried(
    program: Path, served: Serving, phases: str, examples: int, limit_s: int, *, config: str = "", key: str = ""
) -> str:
    """Run it and give what it printed; the seed makes a second run the same."""
    (served.folder / "schemathesis.toml").write_text(STATUSES + config)
    command = [program, "run", f"{served.url}/openapi.json", "--url", served.url, "--phases", phases]
    command += ["--checks", CHECKS, "--seed", "4711", "--max-examples", str(examples), "--no-color"]
    command += ["--warnings", "off", "--request-timeout", "70"]
    command += ["--header", f"Authorization: Bearer {key}"] if key else []
    done = subprocess.run(command, cwd=served.folder, capture_output=True, text=True, timeout=limit_s, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def generated(said: str) -> int:
    found = re.search(r"(\d+) generated", said)
    return int(found[1]) if found else 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_route_answers_as_the_document_says(schemathesis, served):
    """The short form: the edges of every parameter, once."""
    said = tried(schemathesis, served, "examples,coverage", 3, 600, config=real_names(served))

    assert generated(said) > 1000
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_route_answers_as_the_document_says_whatever_is_sent(schemathesis, served):
    first = tried(schemathesis, served, "examples,coverage,fuzzing,stateful", 20, 1700)
    second = tried(schemathesis, served, "coverage,fuzzing", 20, 1700, config=real_names(served))

    assert generated(first) + generated(second) > 5000
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_key_of_few_scopes_gets_documented_answers_too_and_changes_nothing(schemathesis, served):
    config = real_names(served)
    places = ("/runs", "/agents", "/workflows", "/holds", "/context/shop", "/dead-letters", "/approvals?state=waiting")
    words = [sys.executable, "-m", "drawbar", "--json", "keys", "add", "guest"]
    made = subprocess.run(words, cwd=served.folder, capture_output=True, check=False, timeout=60, text=True)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]

    def seen() -> list[object]:
        headers = {"Authorization": f"Bearer {key}"}
        found = {place: served.ask("GET", place, headers=headers).json()["items"] for place in places}
        runs = [run["run_id"] for run in found.pop("/runs")]  # one of them ends meanwhile
        return [runs, *found.values()]

    before = seen()

    said = tried(schemathesis, served, "examples,coverage", 3, 600, config=config, key=key)

    assert generated(said) > 1000
    assert seen() == before
    assert "Traceback" not in served.log.read_text()
