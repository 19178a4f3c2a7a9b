"""
The chaos run: workflows with writes to four systems while processes, servers and connections die.

    PYTHONPATH=tests .venv/bin/python -m chaos --minutes 10 --seed 7 --state embedded

It ends with a table for each kind of state and one line of counts, and with 1 when a zero is no zero: then the folder with
the logs is kept. The same seed draws the same orders and the same faults; the machine decides which of them meet.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from rich.console import Console

from .books import Books
from .count import Bus, Tally, count, steps, tally
from .drain import drain
from .faults import Faults
from .landscape import Kind, Landscape
from .load import Load, Order, orders
from .table import Report, show

RUNS_A_SECOND = 4.0
DRAIN_S = 300.0
TASKS = {
    "rows (PostgreSQL)": "book",
    "invoices (SOAP)": "invoice",
    "messages 'billed' (RabbitMQ)": "tell",
    "messages 'shipped' (RabbitMQ)": "ship",
    "files (SFTP)": "file",
    "reservations (PostgreSQL)": "reserve",
    "  undone: reservations (PostgreSQL)": "compensate:reserve",
    "invoices ahead (SOAP)": "invoice",
    "  undone: invoices ahead (SOAP)": "compensate:invoice",
    "answers that counted (PostgreSQL)": "confirm",
}
ALONE = "DRAWBAR_CHAOS_ALONE"


def main() -> int:
    _mount_for_ourselves()
    asked = _arguments()
    console = Console(highlight=False, width=max(min(Console().width, 120), 110))
    kinds: list[Kind] = ["distributed", "embedded"] if asked.state == "both" else [asked.state]
    reports = [_chaos(console, kind, asked) for kind in kinds]
    console.print()
    for report in reports:
        console.print(report.line(), soft_wrap=True)
    return 0 if all(report.is_good for report in reports) else 1


def _mount_for_ourselves() -> None:
    """Let the small disks be seen by us alone: they are gone with the last of our processes, however it ends."""
    unshare = shutil.which("unshare")
    if ALONE in os.environ or unshare is None:
        return
    os.environ[ALONE] = "yes"
    if subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False).returncode == 0:
        os.execv(unshare, [unshare, "--mount", sys.executable, "-m", "chaos", *sys.argv[1:]])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("--state", choices=["embedded", "distributed", "both"], default="both")
    parser.add_argument("--minutes", type=float, default=10, help="of faults, on each kind of state")
    parser.add_argument("--runs", type=int, help=f"on each kind of state; {RUNS_A_SECOND:.0f} a second when absent")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument(
        "--gap", type=float, nargs=2, metavar="S", help="between two faults; 1 4, and 0.3 1.5 in less than two minutes"
    )
    parser.add_argument(
        "--sabotage", action="store_true", help="send writes without an answer again: the count must see it"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs in any case")
    asked = parser.parse_args()
    asked.gap = asked.gap or ((0.3, 1.5) if asked.minutes < 2 else (1.0, 4.0))
    return asked


def _chaos(console: Console, kind: Kind, asked: argparse.Namespace) -> Report:
    began = time.monotonic()
    seconds = asked.minutes * 60
    drawn = orders(asked.runs or round(seconds * RUNS_A_SECOND), asked.seed)
    console.print(f"[dim]{kind}: {sum(one.runs for one in drawn)} runs in {seconds:.0f} s, seed {asked.seed}[/]")
    with Landscape(kind, workers=3 if kind == "distributed" else 2, sabotage=asked.sabotage) as landscape:
        landscape.keep = asked.keep
        load, books, bus = Load(landscape, drawn, seconds), Books(landscape.state), Bus()
        faults = Faults(landscape, asked.seed, tuple(asked.gap))
        load.begin()
        faults.run(time.monotonic() + seconds)
        faults.calm()
        console.print("[dim]  no more faults: everything comes to its end[/]")
        tend_until = time.monotonic() + DRAIN_S
        while not load.is_done and time.monotonic() < tend_until:
            landscape.tend()
            time.sleep(0.2)
        load.end()
        operator = drain(landscape, books, bus, sum(one.runs for one in drawn), DRAIN_S)
        accepted = [one for one in drawn if one.number in load.accepted]
        tallies = [*count(landscape, accepted, bus, load.said), _runs(accepted, books)]
        tallies += [steps(accepted, books.children_of_orders()), _answered(load)]
        ends = books.ends()
        report = Report(
            kind, asked.seed, time.monotonic() - began, tallies, _windows(tallies, books), books.runs(),
            books.not_ended(), len(drawn) - len(accepted), books.events(), books.settled(), operator.settled,
            faults.counts, landscape.exits, load.answers,
            as_meant=sum(ends[str(one.number), one.end] for one in accepted if one.end != "succeeded"),
            failed_compensations=books.failed_compensations(),
        )  # fmt: skip
        show(console, report)
        for trouble in operator.troubles:
            console.print(f"[red]the operator was told: {trouble}[/]")
        if not report.is_good:
            _explain(console, landscape, report, books.failures(but={str(one.number) for one in drawn if one.verdict}))
    return report


def _runs(accepted: list[Order], books: Books) -> Tally:
    found = books.runs_of_orders()
    expected = {str(one.number): one.runs for one in accepted if one.runs}
    return tally(
        "orders with all their runs",
        expected,
        {order: 1 if found[order] == runs else (2 if found[order] > runs else 0) for order, runs in expected.items()},
    )


def _answered(load: Load) -> Tally:
    """Count the answers of the clerk that Drawbar took: of two that came at once, one."""
    said = {str(order): len(taken) for order, taken in load.said.items()}
    return tally("yeses of the clerk that were taken", said, said)


def _windows(tallies: list[Tally], books: Books) -> Counter[str]:
    """Count what was done twice because a process was stopped between its last look and the send, as documented."""
    stale = books.stale()
    return Counter(
        one.what for one in tallies for name in one.twice if (TASKS.get(one.what), name.partition("-")[0]) in stale
    )


def _explain(console: Console, landscape: Landscape, report: Report, failures: list[Any]) -> None:
    landscape.keep = True
    for one in report.tallies:
        if one.lost or one.twice:
            console.print(f"[red]{one.what}: lost {list(one.lost)[:20]}, twice {list(one.twice)[:20]}[/]")
    for failed in failures[:10]:
        console.print(f"[red]{failed}[/]", soft_wrap=True)
    console.print(f"[red]Logs, faults and the journal are in {landscape.folder}[/]", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
