"""`drawbar demo`: a night at a wholesaler, with a SIGKILL in the middle, and a last line that proves the counts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from .night import APPROVAL, BAD, MESSAGES, RECORDS, Night

KILL_AFTER = 60
PATIENCE_S = 90.0
FINAL = {"succeeded", "failed", "cancelled"}


class Product:
    """Drawbar itself: a process of its own, which can be killed and started again."""

    def __init__(self, config: Path, port: int) -> None:
        self._command = [sys.executable, "-m", "drawbar", "-c", str(config), "serve", "--port", str(port)]
        self._log = (config.parent / "drawbar.log").open("ab")
        self.url = f"http://127.0.0.1:{port}/v1"
        self.http = requests.Session()
        self.http.trust_env = False
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it answers; give the seconds."""
        began = time.monotonic()
        process = self.spawn()
        while time.monotonic() - began < PATIENCE_S:
            if process.poll() is not None:
                raise Broken(f"drawbar serve ended with {process.returncode}; see {self._log.name}")
            try:
                if self.http.get(f"{self.url}/health/ready", timeout=2).ok:
                    return time.monotonic() - began
            except requests.RequestException:
                pass
            time.sleep(0.05)
        raise Broken(f"drawbar serve does not answer; see {self._log.name}")

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it and wait for nothing."""
        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        return self.process

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
        self._log.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"{self.url}{path}", json=body, timeout=60)
        if not answer.ok:
            raise Broken(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer.json() if answer.content else None

    def every(self, path: str) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            page = self.ask("GET", f"{path}{'&' if '?' in path else '?'}limit=100{after}")
            yield from page["items"]
            if not page.get("next"):
                return
            after = f"&after={page['next']}"


class Broken(Exception):
    """The night went wrong: what is said is for the person who runs the demo."""


def main(*, serve: bool = False, folder: Path | None = None, port: int | None = None) -> int:
    """Run the night; give the exit code. With `serve` the landscape is left running until Ctrl-C."""
    console = Console(highlight=False, width=min(Console().width, 110))
    keep = folder is not None or serve
    place = folder or Path(tempfile.mkdtemp(prefix="drawbar-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        with Night(place) as night, _product(night, port or (8000 if serve else _free_port())) as product:
            proved = _Story(console, night, product).tell()
            if serve:
                _leave_running(console, night, product)
            return 0 if proved else 1
    except Broken as broken:
        console.print(f"[bold red]The demo did not end well:[/] {broken}")
        keep = True
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if keep:
            console.print(f"[dim]Everything is in {place}[/]")
        else:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _product(night: Night, port: int) -> Iterator[Product]:
    product = Product(night.config, port)
    try:
        yield product
    finally:
        product.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _leave_running(console: Console, night: Night, product: Product) -> None:
    console.print(
        f"\nThe same landscape goes on at [bold]{product.url.removesuffix('/v1')}[/] "
        f"(routes: {product.url.removesuffix('/v1')}/docs).\n"
        f"Try: drawbar -c {night.config} tools      Ctrl-C ends it."
    )
    while product.process is not None and product.process.poll() is None:
        time.sleep(0.5)


class _Story:
    """The night, step by step."""

    def __init__(self, console: Console, night: Night, product: Product) -> None:
        self.console = console
        self.night = night
        self.product = product

    def tell(self) -> bool:
        began = time.monotonic()
        self.console.print(
            "\n[bold]A night at a wholesaler[/]\nDrawbar between five systems, none of which was changed.\n"
        )
        self.systems()
        load = self.orders()
        self.bills()
        self.warehouse()
        return self.proof(load, time.monotonic() - began)

    def systems(self) -> None:
        seconds = self.product.start()
        rows = []
        for adapter in self.product.every("/adapters"):
            checked = self.product.ask("POST", f"/adapters/{adapter['name']}/check")
            findings = checked["findings"]
            good = all(finding["ok"] for finding in findings)
            tools = len(list(self.product.every(f"/tools?adapter={adapter['name']}")))
            rows.append((adapter["name"], adapter["kind"], tools, "ok" if good else findings[-1]["found"]))
        self._table(f"The landscape   up in {seconds:.1f} s", ("system", "kind", "tools", "check"), rows)

    def orders(self) -> dict[str, Any]:
        """The mainframe drops its file; a sync proves it and loads it."""
        self.night.drop_orders()
        load = self._sync("nightly_orders")
        written = self.night.rows("erp", "select count(*) from orders")[0][0]
        rejects = _rejects(self.night.folder)
        archived = [path.name for path in (self.night.inbox / "archive").glob("*")]
        rows: list[tuple[Any, ...]] = [
            ("read and counted against the trailer", f"{load['read']:,}", f"{load['seconds']:.1f} s"),
            ("written into the ERP", f"{written:,}", ""),
            ("rejected, with reason and original bytes", f"{load['rejected']:,}", ""),
            ("archived", ", ".join(archived), ""),
        ]
        self._table("The mainframe's order file   EBCDIC, packed decimals, a trailer", ("what", "how many", "in"), rows)
        shown = [(reject["record_no"], reject["reason"]) for reject in rejects]
        self._table("Rejects", ("record", "reason"), shown)
        return load

    def bills(self) -> None:
        """Messages start runs; the process dies in the middle; everything ends once."""
        began = time.monotonic()
        self.night.send_orders()
        self._until(lambda: len(self.night.billing.invoices) >= KILL_AFTER, "the first invoices")
        before = len(self.night.billing.invoices)
        self.product.kill()
        made_by_then = len(self.night.billing.invoices)
        seconds = self.product.start()
        self.console.print(
            f"  [bold red]SIGKILL[/] after {before} of {MESSAGES} invoices; up again in {seconds:.1f} s, "
            f"{made_by_then} at the service\n"
        )
        self._approve()
        self._until(self._all_ended, "every run to end")
        runs = Counter(run["status"] for run in self._runs())
        rows: list[tuple[Any, ...]] = [
            ("messages sent", MESSAGES),
            ("runs", ", ".join(f"{count} {state}" for state, count in sorted(runs.items()))),
            ("invoices at the service", len(self.night.billing.invoices)),
            ("calls that it took", sum(self.night.billing.calls.values())),
            *((f"  of these it {what}", count) for what, count in sorted(self.night.billing.mishaps.items())),
        ]
        self._table(f"Bills   {time.monotonic() - began:.1f} s, the kill included", ("what", "how many"), rows)

    def _approve(self) -> None:
        """One order is over the limit: the run waits for a person, and holds nothing while it does."""
        waiting: list[dict[str, Any]] = []

        def asked() -> bool:
            waiting[:] = self.product.every("/approvals?state=waiting")
            return bool(waiting)

        self._until(asked, "the approval to be asked for")
        [asks] = waiting
        self.product.ask("POST", f"/approvals/{asks['id']}/approve", {"reason": "customer is good for it"})
        self.console.print(
            f"  [bold]approved[/] order {APPROVAL} over {asks['arguments']['amount']} EUR, asked by {asks['asked_by']}\n"
        )

    def warehouse(self) -> None:
        """A second sync carries what changed to the modern side."""
        first = self._sync("changed_orders")
        again = self._sync("changed_orders")
        rows: list[tuple[Any, ...]] = [
            ("rows carried", f"{first['written']:,}", f"{first['seconds']:.1f} s"),
            ("carried by a second run: nothing changed", f"{again['written']:,}", f"{again['seconds']:.1f} s"),
        ]
        self._table("The warehouse   what changed in the ERP, by watermark", ("what", "how many", "in"), rows)

    def proof(self, load: dict[str, Any], seconds: float) -> bool:
        """Count at the systems themselves, not in Drawbar's own books."""
        in_erp = self.night.rows("erp", "select count(*) from orders")[0][0]
        rejected = len(_rejects(self.night.folder))
        runs = self._runs()
        succeeded = sum(run["status"] == "succeeded" for run in runs)
        billed = self.night.rows("erp", "select count(*) from orders where status = 'billed'")[0][0]
        invoices = len(self.night.billing.invoices)
        messages, announced = self.night.announced()
        same = self.night.rows("erp", _CONTENT) == self.night.rows("warehouse", _CONTENT)
        checks = {
            f"{RECORDS:,} records in = {in_erp:,} rows + {rejected} rejects": in_erp + rejected
            == RECORDS
            == load["read"]
            and rejected == len(BAD),
            f"{MESSAGES} messages = {succeeded} runs = {invoices} invoices = {billed} orders billed = {announced} announced": (
                {succeeded, len(runs), invoices, billed, announced} == {MESSAGES}
            ),
            f"0 doubled ({messages - announced} repeated message ids dropped)": invoices
            == len(set(self.night.billing.invoices)),
            "ERP = warehouse, row for row": same,
        }
        for said, true in checks.items():
            self.console.print(f"  {'[green]✓[/]' if true else '[bold red]✗[/]'} {said}")
        proved = all(checks.values())
        verdict = "[bold green]PROVED[/]" if proved else "[bold red]NOT PROVED[/]"
        self.console.print(
            f"\n{verdict}  records {RECORDS} = rows {in_erp} + rejects {rejected}; messages {MESSAGES} = runs {succeeded} = "
            f"invoices {invoices}; duplicates {invoices - len(set(self.night.billing.invoices))}; {seconds:.0f} s",
            soft_wrap=True,
        )
        return proved

    def _runs(self) -> list[dict[str, Any]]:
        return list(self.product.every("/runs?workflow=bill_order"))

    def _all_ended(self) -> bool:
        runs = self._runs()
        return len(runs) >= MESSAGES and all(run["status"] in FINAL for run in runs)

    def _sync(self, name: str) -> dict[str, Any]:
        """Run a sync and wait for it; one that the clock has just started is let through first."""
        for _ in range(50):
            answer = self.product.http.post(f"{self.product.url}/syncs/{name}/run?wait_s=60", json={}, timeout=90)
            if answer.status_code != 409:
                break
            time.sleep(0.2)
        if not answer.ok:
            raise Broken(f"sync {name}: {answer.status_code} {answer.text[:400]}")
        run: dict[str, Any] = answer.json()
        if run["status"] not in {"succeeded", "nothing"}:
            raise Broken(f"sync {name} {run['status']}: {run.get('error')}")
        return run

    def _until(self, true: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not true():
            if time.monotonic() > until:
                raise Broken(f"waited {PATIENCE_S:.0f} s for {what}")
            time.sleep(0.05)

    def _table(self, title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 3, 0, 2)
        )
        for column in columns:
            table.add_column(column, style=None, header_style="dim")
        for row in rows:
            table.add_row(*map(str, row))
        self.console.print(table)
        self.console.print()


_CONTENT = (
    "select id, customer, amount, plant, status, strftime('%Y-%m-%d %H:%M:%f', updated_at) from orders order by id"
)


def _rejects(folder: Path) -> list[dict[str, Any]]:
    import json

    lines = [line for path in sorted((folder / "rejects").rglob("*")) if path.is_file() for line in path.open()]
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
