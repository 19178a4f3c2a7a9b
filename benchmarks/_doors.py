"""The servers of `gateway.py`: ours with its keys, and the peers; each a process, or several, of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from _noop import brought
from _peers import python_with

START_S = 60.0
END_S = 10.0
SELECT = "select id, customer, amount, status from orders where id = "
DESCRIPTION = "Find one order."


@dataclass(frozen=True)
class Server:
    """A server that answers: where, since when, and the key that opens it."""

    url: str
    pid: int
    key: str
    start_s: float


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], port: int, key: str = "none", **said: Any) -> Iterator[Server]:
    """Run a server while the block does, from when it answers."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, **said)
    try:
        while not _answers(port):
            if child.poll() is not None or time.perf_counter() > began + START_S:
                raise RuntimeError(f"{command[0]} did not start: {child.communicate()[1].decode()[-2000:]}")
            time.sleep(0.005)
        yield Server(f"http://127.0.0.1:{port}", child.pid, key, time.perf_counter() - began)
    finally:
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(END_S)
        with suppress(ProcessLookupError):  # some leave a child of their own behind
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def family_mb(pid: int) -> float:
    """Give the memory of a process and of its children, what they share once."""
    pids, found = [pid], 0
    while pids:
        one = pids.pop()
        pids += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        found += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
    return found / 1024


def environment(folder: Path) -> dict[str, str]:
    """Give what ours starts with: nothing that keeps Python from using compiled files, as an installation has them."""
    path = os.pathsep.join([str(folder), str(Path(__file__).parent)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRAWBAR_", "PYTHON"))}
    return {**kept, "PYTHONPATH": path}


def configured(folder: Path, adapters: dict[str, Any]) -> str:
    """Write the configuration of a landscape that `bench` may call, and give its key."""
    agent = {"tools": [f"{name}.*" for name in adapters], "scopes": ["read", "run"], "per_minute": 1_000_000}
    body = {"version": 1, "adapters": adapters, "agents": {"bench": agent}}
    (folder / "drawbar.yaml").write_text(json.dumps(body))
    brought(folder)
    command = [sys.executable, "-m", "drawbar", "--json", "keys", "add", "bench"]
    made = subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)
    key: str = json.loads(made.stdout)["key"]
    return key


@contextmanager
def ours(folder: Path, adapters: dict[str, Any], workers: int = 1) -> Iterator[Server]:
    """Serve as a user does: keys, audit, metrics and limits are on."""
    key, port = configured(folder, adapters), free_port()
    more = ["--workers", str(workers)] if workers > 1 else []
    command = [sys.executable, "-m", "drawbar", "serve", "--port", str(port), *more]
    with running(command, port, key, cwd=folder, env=environment(folder)) as server:
        yield server


def orders(url: str, concurrency: int = 16) -> dict[str, Any]:
    """Configure ours for the row by its key."""
    statement = {
        "description": DESCRIPTION,
        "sql": f"{SELECT}:id",
        "parameters": {"id": {"type": "integer"}},
        "effect": "read",
    }
    budget = {"concurrency": concurrency}
    return {"erp": {"kind": "sql", "url": url, "statements": {"find_order": statement}, "budget": budget}}


@contextmanager
def toolbox(folder: Path, url: str) -> Iterator[Server]:
    """Run MCP Toolbox for Databases, a Go binary; it uses every core."""
    place, port = urlsplit(url), free_port()
    source = {
        "kind": "source",
        "name": "erp",
        "type": "postgres",
        "host": place.hostname,
        "port": str(place.port),
        "database": place.path[1:],
        "user": place.username,
        "password": place.password or "none",
    }
    tool = {
        "kind": "tool",
        "name": "find_order",
        "type": "postgres-sql",
        "source": "erp",
        "description": DESCRIPTION,
        "statement": f"{SELECT}$1",
        "parameters": [{"name": "id", "type": "integer", "description": "Its number."}],
    }
    with _toolbox(folder, port, source, tool) as server:
        yield server


@contextmanager
def _toolbox(folder: Path, port: int, *documents: dict[str, Any]) -> Iterator[Server]:
    file = folder / "toolbox.yaml"
    file.write_text("\n---\n".join(map(json.dumps, documents)))
    binary = Path(python_with("toolbox", "toolbox-server==1.15.0")).with_name("toolbox-server")
    quiet = ["--log-level", "ERROR", "--disable-reload", "--disable-version-check"]
    with running([str(binary), "--config", str(file), "--port", str(port), *quiet], port, cwd=folder) as server:
        yield server


@contextmanager
def toolbox_soap(folder: Path, url: str) -> Iterator[Server]:
    """Run MCP Toolbox as it can speak SOAP: an envelope by its http tool, and the answer as undecoded XML."""
    place, port = urlsplit(url), free_port()
    base = f"http://{place.netloc}"
    source = {"kind": "source", "name": "billing", "type": "http", "baseUrl": base, "allowedIpRanges": ["127.0.0.0/8"]}
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
        '<soap:Body><n:FindInvoice xmlns:n="urn:drawbar:billing"><n:orderId>{{.orderId}}</n:orderId></n:FindInvoice>'
        "</soap:Body></soap:Envelope>"
    )
    tool = {
        "kind": "tool",
        "name": "find_invoice",
        "type": "http",
        "source": "billing",
        "method": "POST",
        "path": place.path,
        "description": "Find the invoices of an order.",
        "headers": {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "urn:drawbar:billing#FindInvoice"},
        "requestBody": envelope,
        "bodyParams": [{"name": "orderId", "type": "integer", "description": "Its number."}],
    }
    with _toolbox(folder, port, source, tool) as server:
        yield server


def legacy2mcp(folder: Path, url: str) -> list[str]:
    """Give the command of legacy2mcp over stdio for the row by its key."""
    query = {
        "name": "find_order",
        "sql": f"{SELECT}:id",
        "description": DESCRIPTION,
        "params": [{"name": "id", "type": "integer"}],
    }
    place = urlsplit(url)
    adapter = {
        "id": "erp",
        "type": "db",
        "config": {"dialect": "postgres", "dsn_env": "BENCH_DSN", "queries": [query]},
    }
    body = {
        "server": {"transport": "stdio"},
        "adapters": [adapter],
        "security": {"audit": {"path": str(folder / "audit.log")}},
    }
    file = folder / "legacy2mcp.yaml"
    file.write_text(json.dumps(body))
    python = python_with("legacy2mcp", "legacy2mcp[db-postgres]==0.5.1")
    dsn = f"postgresql://{place.netloc}{place.path}"
    return ["env", f"BENCH_DSN={dsn}", str(Path(python).with_name("legacy2mcp")), "run", "--config", str(file)]


@contextmanager
def fastapi(workers: int = 1) -> Iterator[Server]:
    """Run FastAPI's no-op as uvicorn runs it by default: uvloop and httptools."""
    with _uvicorn(python_with("fastapi", "fastapi", "uvicorn[standard]"), "_noop_api", workers) as server:
        yield server


@contextmanager
def bare(workers: int) -> Iterator[Server]:
    """Run an ASGI application that does nothing, on the same uvicorn."""
    with _uvicorn(python_with("fastapi", "fastapi", "uvicorn[standard]"), "_bare_api", workers) as server:
        yield server


@contextmanager
def fastapi_zeep(url: str, workers: int) -> Iterator[Server]:
    """Run FastAPI over plain zeep."""
    python = python_with("zeep", "fastapi", "uvicorn[standard]", "zeep==4.3.3")
    with _uvicorn(python, "_soap_api", workers, SOAP_URL=url) as server:
        yield server


@contextmanager
def _uvicorn(python: str, module: str, workers: int, **said: str) -> Iterator[Server]:
    port = free_port()
    more = ["--workers", str(workers)] if workers > 1 else []
    command = [python, "-m", "uvicorn", f"{module}:app", "--port", str(port), "--no-access-log", *more]
    with running(command, port, cwd=Path(__file__).parent, env={**os.environ, **said}) as server:
        yield server
