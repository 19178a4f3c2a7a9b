"""What a service loads before it is asked for anything but its tools: others wait while it loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import drawbar

WSDL = Path(drawbar.__file__).parent / "testing" / "data" / "billing.wsdl"
LANDSCAPE = {
    "version": 1,
    "adapters": {
        "billing": {"kind": "soap", "wsdl": str(WSDL), "endpoints": "http://127.0.0.1:9/billing"},
        "erp": {
            "kind": "sql",
            "url": "sqlite:///erp.db",
            "statements": {"count": {"description": "Count.", "sql": "select 1 as n", "effect": "read"}},
        },
        "drop": {"kind": "local", "root": "in", "feeds": {"orders": {"pattern": "*.csv", "format": {"kind": "csv"}}}},
        "events": {"kind": "amqp", "url": "amqp://127.0.0.1:9", "publish": {"told": {"routing_key": "y"}}},
    },
}
SERVE = """
import sys
from drawbar.cli import entry
entry._fill("serve")
from drawbar.app import open_app
from drawbar.facade.front import web
from drawbar.facade import serve
with open_app() as app:
    web(app)
    app.begin(starts=True)
    tools = len(app.landscape.tools())
    print(tools, *sys.modules)
"""


def test_a_service_that_starts_loads_nothing_that_only_a_call_needs(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "drawbar.yaml").write_text(json.dumps(LANDSCAPE))
    started(tmp_path)  # from now on the contract is kept

    tools, loaded = started(tmp_path)

    wires = {"zeep", "requests", "paramiko", "pika", "psycopg", "pymysql", "celery", "sqlalchemy.dialects.postgresql"}
    frameworks = {"fastapi", "mcp", "alembic", "httpx", "opentelemetry", "prometheus_client", "jsonschema"}
    heavy = {"pyarrow", "numpy", "cryptography", "rich"}
    assert tools > 8
    assert loaded & (wires | frameworks | heavy) == set()


def started(folder):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRAWBAR_")}
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=folder, env=environ, check=True, capture_output=True, text=True, timeout=60
    )
    tools, *loaded = done.stdout.splitlines()[-1].split()
    return int(tools), set(loaded)
