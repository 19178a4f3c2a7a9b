"""
The door as callers meet it, against other doors in the same run: MCP over HTTP and stdio, REST, many who wait, the start.

All contestants take turns, so that a busy machine is busy for all of them; the callers are the same for all, in a process of
their own. Parts: http, stdio, soap, rest, slow, start (`--only NAME`, repeatable).
"""

import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from _callers import NUMBER
from _doors import (
    Server,
    bare,
    configured,
    environment,
    family_mb,
    fastapi,
    fastapi_zeep,
    free_port,
    legacy2mcp,
    orders,
    ours,
    running,
    toolbox,
    toolbox_soap,
)
from _hosts import ROOT, host
from _lines import Ask, Round, contestant
from _peers import FOLDER
from _table import Row, at_most, percentiles, show_parts

WORKERS = 2
CALLS = {1: 1000, 8: 4000, 64: 6000}
EXPECTED = "ACME"
TOOLBOX = "toolbox-server 1.15"
WSDL = ROOT / "testing" / "data" / "billing.wsdl"
Seen = dict[str, list[Round]]


@contextmanager
def scratch() -> Iterator[Path]:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, ignore_cleanup_errors=True) as name:
        yield Path(name)


def called(tool: str, arguments: str) -> str:
    """Write a call in MCP's words; the same for ours and theirs."""
    params = f'{{"name":"{tool}","arguments":{arguments}}}'
    return f'{{"jsonrpc":"2.0","id":{NUMBER.decode()},"method":"tools/call","params":{params}}}'


def callers(
    stack: ExitStack, server: Server, path: str, body: str, expected: str = EXPECTED, kind: str = "http"
) -> Ask:
    return stack.enter_context(
        contestant(sys.executable, "_callers.py", kind, server.url + path, server.key, body, expected)
    )


def filled(stack: ExitStack) -> str:
    """Give the URL of a PostgreSQL with a thousand orders."""
    import sqlalchemy as sa

    url: str = stack.enter_context(host("sql"))["url"]
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        conn.exec_driver_sql(
            "create table orders (id integer primary key, customer varchar(40), amount numeric(10,2), status varchar(10))"
        )
        conn.exec_driver_sql(
            "insert into orders select n, 'ACME ' || n, 10.25, 'open' from generate_series(1000, 1999) n"
        )
    engine.dispose()
    return url


def measured(contests: dict[str, Callable[[], Any]], rounds: int) -> Seen:
    """Let all take turns, in both directions; the first turn is for warming up."""
    for contest in contests.values():
        contest()
    seen: Seen = {name: [] for name in contests}
    for turn in range(rounds):
        for name in list(contests)[:: 1 if turn % 2 == 0 else -1]:
            answered = contests[name]()
            if answered is None:
                raise RuntimeError(f"{name} gave a wrong answer")
            seen[name].append(tuple(answered))
    return seen


def compared(
    work: str, ours: list[Round], peer: list[Round], peer_name: str, goal: float | None, memory_mb: float
) -> Row:
    ratio = statistics.median(a / b for (a, _), (b, _) in zip(ours, peer, strict=True))
    ours_s, peer_s = (round(statistics.median(rate for rate, _ in side), 1) for side in (ours, peer))
    p50, p99 = percentiles([one for _, times in ours for one in times])
    return Row(work, ours_s, "calls/s", peer_s, peer_name, round(ratio, 2), goal, round(memory_mb, 1), p50, p99)


def p99_row(
    work: str, ours: list[Round], peer: list[Round], peer_name: str, goal: float | None, memory_mb: float
) -> Row:
    """Compare what the slowest of a hundred wait for, round by round."""
    tails = [[percentiles(times)[1] or 0.0 for _, times in side] for side in (ours, peer)]
    ratio = statistics.median(b / a for a, b in zip(*tails, strict=True))
    mine, theirs = (round(statistics.median(side) / 1000, 2) for side in tails)
    return Row(work, mine, "ms", theirs, peer_name, round(ratio, 2), goal, round(memory_mb, 1))


def http(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        url, folder = filled(stack), stack.enter_context(scratch())
        mine = stack.enter_context(ours(folder, orders(url), WORKERS))
        theirs = stack.enter_context(toolbox(folder, url))
        asks = {
            "ours": callers(stack, mine, "/mcp", called("erp_find_order", '{"id":0000}')),
            "toolbox": callers(stack, theirs, "/mcp", called("find_order", '{"id":0000}')),
        }
        contests = {
            f"{name} {many}": partial(ask, calls, many) for many, calls in CALLS.items() for name, ask in asks.items()
        }
        seen = measured(contests, rounds)
        memory_mb = family_mb(mine.pid)
    said = f"MCP over HTTP, database row, {WORKERS} processes"
    rows = []
    for many in CALLS:
        sides = seen[f"ours {many}"], seen[f"toolbox {many}"]
        rows.append(compared(f"{said}, {_people(many)}", *sides, TOOLBOX, 0.5, memory_mb))
    return [*rows, p99_row(f"the same, p99 of {many}", *sides, TOOLBOX, 0.5, memory_mb)]


def stdio(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        url, folder = filled(stack), stack.enter_context(scratch())
        configured(folder, orders(url))
        served = [sys.executable, "-m", "drawbar", "-c", str(folder / "drawbar.yaml"), "mcp", "--agent", "bench"]
        asks = {
            "ours": _by_lines(stack, "erp_find_order", served, environment(folder)),
            "legacy2mcp": _by_lines(stack, "erp_query_find_order", legacy2mcp(folder, url), {}),
        }
        calls = {"ours": {1: 1000, 64: 3000}, "legacy2mcp": {1: 200, 64: 300}}
        contests = {
            f"{name} {many}": partial(ask, calls[name][many], many) for many in (1, 64) for name, ask in asks.items()
        }
        seen = measured(contests, rounds)
    said, goals = "MCP over stdio, database row", {1: 8, 64: 15}
    return [
        compared(
            f"{said}, {_people(many)}", seen[f"ours {many}"], seen[f"legacy2mcp {many}"], "legacy2mcp 0.5.1", goal, 0
        )
        for many, goal in goals.items()
    ]


def _by_lines(stack: ExitStack, tool: str, command: list[str], environ: dict[str, str]) -> Ask:
    body = called(tool, '{"id":0000}')
    return stack.enter_context(contestant(sys.executable, "_callers.py", "stdio", body, EXPECTED, *command, **environ))


def soap(rounds: int) -> list[Row]:
    """Call a SOAP operation: ours answers typed JSON, Toolbox the XML as it came, FastAPI what zeep made of it."""
    said, invoice = '{"orderId":0000}', "INV-7"
    with ExitStack() as stack:
        url, folder = stack.enter_context(host("soap"))["url"], stack.enter_context(scratch())
        mine = stack.enter_context(ours(folder, {"billing": billing(url)}, WORKERS))
        toolbox_ = stack.enter_context(toolbox_soap(folder, url))
        zeep = stack.enter_context(fastapi_zeep(url, WORKERS))
        asks = {
            "ours": callers(stack, mine, "/mcp", called("billing_FindInvoice", said), invoice),
            "toolbox": callers(stack, toolbox_, "/mcp", called("find_invoice", said), invoice),
            "zeep": callers(stack, zeep, "/call", said, invoice),
        }
        calls = {name: {8: 3000, 64: 4000} for name in asks} | {"zeep": {8: 500, 64: 500}}
        contests = {
            f"{name} {many}": partial(ask, calls[name][many], many) for many in (8, 64) for name, ask in asks.items()
        }
        seen = measured(contests, rounds)
        memory_mb = family_mb(mine.pid)
    work, rows = f"MCP over HTTP, SOAP call as typed JSON, {WORKERS} processes", list[Row]()
    for many in (8, 64):
        of = f"{work}, {_people(many)}"
        peers = ("toolbox", f"{TOOLBOX}, undecoded XML", 1), ("zeep", "FastAPI over plain zeep", 5)
        rows += [
            compared(of, seen[f"ours {many}"], seen[f"{peer} {many}"], name, goal, memory_mb)
            for peer, name, goal in peers
        ]
    return rows


def billing(url: str) -> dict[str, Any]:
    """Configure ours for the billing service."""
    return {
        "kind": "soap",
        "wsdl": str(WSDL),
        "endpoints": url,
        "effects": {"FindInvoice": "read"},
        "budget": {"concurrency": 64},
    }


def rest(rounds: int) -> list[Row]:
    arguments = '{"arguments":{"id":0000,"customer":"ACME"}}'
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        mine = stack.enter_context(ours(folder, {"sys": {"kind": "idle", "budget": {"concurrency": 64}}}))
        theirs = stack.enter_context(fastapi())
        asks = {
            "ours": callers(stack, mine, "/tools/sys.echo/call", arguments),
            "fastapi": callers(stack, theirs, "/call", arguments),
        }
        seen = measured({name: partial(ask, 6000, 64) for name, ask in asks.items()}, rounds)
        memory_mb = family_mb(mine.pid)
    work, peer = "REST call of a no-op tool, 64 callers", "FastAPI and uvicorn, pydantic in and out"
    return [compared(work, seen["ours"], seen["fastapi"], peer, 1, memory_mb)]


def slow(rounds: int) -> list[Row]:
    """
    Call what takes a second elsewhere, and beside it what takes none, at a measured pace.

    Two cores serve, call and are called, so that even a door that does nothing is heard later beside so many: it is measured
    in the same way, with a timer for a slow tool, and says how much of that is the machine's. The crowd and its host cost little
    and leave the cores to others first; who calls beside them does not.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        far = stack.enter_context(host("slow"))["url"]
        mine = stack.enter_context(ours(folder, _far_and_near(far), WORKERS))
        least = stack.enter_context(bare(WORKERS))
        order = '{"id":0000,"customer":"ACME"}'
        sides = {
            "ours": _Beside(
                callers(stack, mine, "/mcp", called("sys_echo", order)),
                callers(stack, mine, "/mcp", called("far_FindInvoice", '{"orderId":0000}'), "INV-7", "crowd"),
            ),
            "bare": _Beside(
                callers(stack, least, "/near", order), callers(stack, least, "/slow", order, EXPECTED, "crowd")
            ),
        }
        for turn in range(rounds):
            for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                sides[name].round()
        memory_mb = family_mb(mine.pid)
    said = f"500 callers of a tool that takes a second, {WORKERS} processes"
    ours_, bare_ = sides["ours"], sides["bare"]
    rate = statistics.median(rate for rate, _ in ours_.many)
    p50, p99 = percentiles([one for _, times in ours_.many for one in times])
    longer, least_longer = ours_.longer, bare_.longer
    tail, floor = (round(statistics.median(side), 2) for side in (longer, least_longer))
    ratio = statistics.median(b / a for a, b in zip(longer, least_longer, strict=True))
    work, peer = "so many times as long as alone", f"{_BARE}: so many times"
    return [
        Row(said, round(rate, 1), "calls/s", 450, "at least", round(rate / 450, 2), 1, round(memory_mb, 1), p50, p99),
        p99_row("p99 of another tool beside them", ours_.beside, ours_.alone, "alone", 1, memory_mb),
        p99_row(f"{_BARE}, the same", bare_.beside, bare_.alone, "alone", None, 0),
        Row(f"p99 beside them, {work}", tail, "", floor, peer, round(ratio, 2), 1, 0),
    ]


_BARE = "uvicorn that does nothing"


class _Beside:
    """What a door answers at a measured pace, alone and beside those who wait for a second."""

    def __init__(self, near: Ask, crowd: Ask) -> None:
        self._near, self._crowd = near, crowd
        self.alone, self.beside, self.many = list[Round](), list[Round](), list[Round]()
        near(500, 8, 20)
        crowd(1000, 500)

    def round(self) -> None:
        self.alone.append(self._near(1500, 8, 20))
        with _meanwhile(lambda: self._crowd(4000, 500)) as ended:
            time.sleep(1)
            self.beside.append(self._near(1500, 8, 20))
        self.many.append(ended[0])

    @property
    def longer(self) -> list[float]:
        """Say how many times as long the slowest of a hundred took beside the others, round by round."""
        tails = ([percentiles(times)[1] or 0.0 for _, times in side] for side in (self.beside, self.alone))
        return [a / b for a, b in zip(*tails, strict=True)]


def _far_and_near(far: str) -> dict[str, Any]:
    slow_ = {**billing(far), "budget": {"concurrency": 500}}
    return {"far": slow_, "sys": {"kind": "idle", "budget": {"concurrency": 64}}}


@contextmanager
def _meanwhile(work: Callable[[], Any]) -> Iterator[list[Any]]:
    import threading

    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(work()))
    thread.start()
    yield ended
    thread.join()


def start(rounds: int) -> list[Row]:
    """Start with ten systems until it answers, until its tools are listed, and look at what it holds at rest."""
    answered, listed, held = list[float](), list[float](), list[float]()
    for turn in range(rounds + 1):
        with ExitStack() as stack:
            folder = stack.enter_context(scratch())
            key, port = configured(folder, _ten(folder)), free_port()
            command = [sys.executable, "-m", "drawbar", "serve", "--port", str(port)]
            began = time.perf_counter()
            server = stack.enter_context(running(command, port, key, cwd=folder, env=environment(folder)))
            _list(server)
            if turn == 0:
                continue  # this one left compiled files, as an installer does
            answered.append(server.start_s)
            listed.append(time.perf_counter() - began)
            time.sleep(2)
            held.append(family_mb(server.pid))
    said = "cold start with 10 adapters"
    return [
        at_most(f"{said}, until it answers", statistics.median(answered), "s", 1.0, answered),
        at_most(f"{said}, until all tools are listed", statistics.median(listed), "s", 1.0, listed),
        at_most("memory of it at rest, after that", statistics.median(held), "MB", 110),
    ]


def _list(server: Server) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{server.url}/mcp", body, headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert "tools" in json.load(answer)["result"]


def _ten(folder: Path) -> dict[str, Any]:
    (folder / "in").mkdir()
    soap = {"kind": "soap", "wsdl": str(WSDL), "endpoints": "http://127.0.0.1:9/billing"}
    statement = orders("sqlite:///erp.db")["erp"]
    feed = {"pattern": "in/*.csv", "format": {"kind": "csv"}}
    drop = {"kind": "local", "root": str(folder), "feeds": {"orders": feed}}
    events = {"kind": "amqp", "url": "amqp://127.0.0.1:9", "publish": {"told": {"exchange": "x", "routing_key": "y"}}}
    return {
        **{f"soap{number}": soap for number in range(4)},
        **{f"sql{number}": statement for number in range(3)},
        **{f"drop{number}": drop for number in range(2)},
        "events": events,
    }


def _people(many: int) -> str:
    return f"{many} caller{'s' if many > 1 else ''}"


PARTS: dict[str, Callable[[int], list[Row]]] = {
    "http": http,
    "stdio": stdio,
    "soap": soap,
    "rest": rest,
    "slow": slow,
    "start": start,
}


if __name__ == "__main__":
    show_parts("The door, beside other doors", __doc__, PARTS)
