"""
SOAP, everything on, against the bare library: small calls, large answers, and the way of an agent over stdio.

Parts: small, rows, stdio (`--only NAME`, repeatable). The host answers at once, in a process of its own.
"""

import json
import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog
from _doors import configured, environment
from _hosts import host, many_rows
from _lines import Ask, contestant
from _peers import python_with
from _table import Row, duel, row, show_parts
from calls import CALLS, THREADS, WSDL, crowd, guarded, opened
from gateway import billing, called, compared, measured, scratch

ROWS = 5000
PORT = "{urn:drawbar:billing}BillingSoap"
LEGACY2MCP = "legacy2mcp 0.5.1"
Work = Callable[[int], object]


def sides(stack: ExitStack, given: Callable[[int], dict[str, Any]]) -> tuple[Work, Work]:
    """Make a guarded call and the same by a bare zeep client, which all threads share."""
    import zeep

    url = stack.enter_context(host("soap"))["url"]
    app = stack.enter_context(opened({"billing": billing(url)}))
    bare = zeep.Client(str(WSDL)).create_service(PORT, url)
    return guarded(app, "billing.FindInvoice", given), lambda number: bare.FindInvoice(**given(number))


def small(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        ours, theirs = sides(stack, lambda number: {"orderId": number % 1000})
        alone = duel(ours, theirs, calls=CALLS, rounds=rounds)
        return [
            row("a small call, one thread", "zeep", alone),
            row(f"a small call, {THREADS} threads", "zeep", crowd(ours, theirs, rounds), goal=5),
        ]


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        ours, theirs = sides(stack, lambda number: {"orderId": ROWS})
        whole = duel(ours, theirs, calls=4, rounds=rounds)
    decoded = duel(*readers(), calls=6, rounds=rounds)
    return [
        row(f"reading an answer of {ROWS:,} rows", "zeep", decoded, goal=5, unit="answers/s"),
        row(f"a call with an answer of {ROWS:,} rows", "zeep", whole),
    ]


def readers() -> tuple[Work, Work]:
    """Make what reads the bytes of an answer into plain values: ours, and zeep's."""
    import zeep

    from drawbar.connectors.soap import Service, Settings
    from drawbar.connectors.soap_http import Url
    from drawbar.connectors.soap_wire import Answer

    body = many_rows()
    service = Service(Settings(wsdl=str(WSDL)))
    bound = next(service.bound(each) for each in service.contract.operations if each.name == "FindInvoice")
    answer = Answer(200, {"content-type": "text/xml; charset=utf-8"}, body)
    url = Url.of("http://127.0.0.1/billing")

    def ours(number: int) -> object:
        return bound.answered("read", url, answer)

    client = zeep.Client(str(WSDL))
    operation = client.service._binding.get("FindInvoice")
    reply = SimpleNamespace(status_code=200, content=body, headers={"Content-Type": "text/xml"}, encoding="utf-8")

    def theirs(number: int) -> object:
        return client.service._binding.process_reply(client, operation, reply)

    return ours, theirs


def stdio(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        url, folder = stack.enter_context(host("soap"))["url"], stack.enter_context(scratch())
        configured(folder, {"billing": billing(url)})
        served = [sys.executable, "-m", "drawbar", "-c", str(folder / "drawbar.yaml"), "mcp", "--agent", "bench"]
        asks = {
            "ours": _by_lines(stack, "billing_FindInvoice", served, environment(folder)),
            "legacy2mcp": _by_lines(stack, "billing_FindInvoice", legacy2mcp(folder, url), {}),
        }
        calls = {"ours": 1000, "legacy2mcp": 100}
        contests = {f"{name} {many}": partial(ask, calls[name], many) for many in (1, 64) for name, ask in asks.items()}
        seen = measured(contests, rounds)
    said = "MCP over stdio, a small call"
    return [
        compared(f"{said}, {many} at once", seen[f"ours {many}"], seen[f"legacy2mcp {many}"], LEGACY2MCP, 5, 0)
        for many in (1, 64)
    ]


def _by_lines(stack: ExitStack, tool: str, command: list[str], environ: dict[str, str]) -> Ask:
    body = called(tool, '{"orderId":0000}')
    return stack.enter_context(contestant(sys.executable, "_callers.py", "stdio", body, "INV-7", *command, **environ))


def legacy2mcp(folder: Path, url: str) -> list[str]:
    """Give the command of legacy2mcp over stdio for the same service; it takes the address from the WSDL alone."""
    contract = folder / "billing.wsdl"
    contract.write_text(WSDL.read_text().replace("http://127.0.0.1:8080/billing", url))
    adapter = {"id": "billing", "type": "soap", "config": {"wsdl_url": str(contract)}}
    audit = {"audit": {"path": str(folder / "audit.log")}}
    file = folder / "legacy2mcp.yaml"
    file.write_text(json.dumps({"server": {"transport": "stdio"}, "adapters": [adapter], "security": audit}))
    python = python_with("legacy2mcp", "legacy2mcp[db-postgres]==0.5.1")
    return [str(Path(python).with_name("legacy2mcp")), "run", "--config", str(file)]


PARTS: dict[str, Callable[[int], list[Row]]] = {"small": small, "rows": rows, "stdio": stdio}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    show_parts("SOAP, beside the bare library", __doc__, PARTS)
