"""
Our engine as a user opens it, by `open_app`, around one system that does nothing.

As a script it is a process beside another one, see `_lines`: `_house.py FOLDER work` is `drawbar worker` (its answer is its
CPU seconds and its memory), `_house.py FOLDER run` does runs of its own on the same state.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _house
from _lines import Round, answer, rounds_of
from _table import peak_mb

from drawbar.app import App, open_app
from drawbar.cli.loading import ends
from drawbar.core import adapter
from drawbar.core.access import Caller
from drawbar.core.adapter import Adapter, AdapterConfig
from drawbar.core.tool import Tool

ME = Caller.cli("bench")
adapter._BUILT_IN["noop"] = "_house:Noop"
_out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
called: Callable[[dict[str, Any]], object] = lambda arguments: None  # noqa: E731 - replaced by who wants to see calls


class Noop(Adapter[AdapterConfig]):
    kind = "noop"
    Config = AdapterConfig

    def tools(self) -> Iterator[Tool]:
        anything = {"type": "object"}
        yield Tool("read", "Nothing.", "read", anything, {}, lambda arguments, call: _answered(arguments))
        yield Tool("write", "Nothing.", "write", anything, {}, lambda arguments, call: _answered(arguments))


def _answered(arguments: dict[str, Any]) -> dict[str, Any]:
    _house.called(arguments)
    if port := arguments.get("port"):
        said = f"{arguments['number']} {time.monotonic()}"
        _out.sendto(said.encode(), ("127.0.0.1", port))
    return arguments


def five(tool: str) -> dict[str, Any]:
    """Five tasks, each after the one before."""
    return {"tasks": {f"t{n}": {"tool": tool, "needs": [f"t{n - 1}"] if n else [], "with": {"n": n}} for n in range(5)}}


WORKFLOWS: dict[str, Any] = {
    "reads": five("sys.read"),
    "writes": five("sys.write"),
    "told": five("sys.read"),
    "first": five("sys.read"),
    "items": {
        "tasks": {
            "each": {
                "tool": "sys.read",
                "for_each": {"in": "${{ input.items }}", "as": "one", "concurrency": 16},
                "with": {"n": "${{ one }}"},
            }
        }
    },
    "waits": {"tasks": {"wait": {"wait_s": 864_000}, "t": {"tool": "sys.read", "needs": ["wait"]}}},
}
_TELLS = {"port": "${{ input.port }}", "number": "${{ input.number }}"}
WORKFLOWS["told"]["tasks"]["t4"]["with"] = _TELLS
WORKFLOWS["first"]["tasks"]["t0"]["with"] = _TELLS


def configured(folder: Path, **said: str) -> Path:
    """Write the configuration; `state` and `queue` are those of many machines."""
    file = folder / "drawbar.yaml"
    systems = {"sys": {"kind": "noop", "budget": {"concurrency": 64}}}
    body = {"version": 1, **said, "adapters": systems, "workflows": WORKFLOWS}
    file.write_text(json.dumps(body))
    return file


@contextmanager
def opened(file: Path, *, works: bool = True) -> Iterator[App]:
    """Open it as `serve` and `worker` do; without `works` others do the work."""
    with open_app(file) as app:
        if works:
            app.begin()
        ends()
        yield app


def runs_of(app: App, workflow: str) -> Callable[[int, int], Round]:
    def run() -> float:
        before = time.perf_counter()
        ended = app.engine.wait(app.engine.start(workflow, {}, caller=ME).id, 60)
        seconds = time.perf_counter() - before
        assert ended.state == "succeeded", ended
        return seconds

    return rounds_of(run)


class Told:
    """Hears by datagram that a task of a run was called, wherever that was, and when."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._heard: dict[int, tuple[threading.Event, list[float]]] = {}
        self._lock = threading.Lock()
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            number, at = self._socket.recv(100).split()
            event, times = self._heard[int(number)]
            times.append(float(at))
            event.set()

    def start(self, app: App, workflow: str) -> tuple[str, float, float]:
        """Start a run; give its id, when that was, and when the task that tells was called."""
        event, times = threading.Event(), list[float]()
        with self._lock:
            self._number += 1
            number = self._number
        self._heard[number] = event, times
        before = time.monotonic()
        run = app.engine.start(workflow, {"port": self.port, "number": number}, caller=ME)
        assert event.wait(60)
        del self._heard[number]
        return run.id, before, times[0]

    def runs(self, app: App) -> Callable[[int, int], Round]:
        """Make rounds of runs that other processes do: one is over when its last task is called, all when the journal says so."""
        ids = list[str]()

        def run() -> float:
            run_id, before, last = self.start(app, "told")
            ids.append(run_id)
            return last - before

        def round_(runs: int, at_once: int) -> Round:
            before = time.perf_counter()
            times = rounds_of(run)(runs, at_once)[1]
            while ids:
                ended = app.engine.wait(ids.pop(), 60)
                assert ended.state == "succeeded", ended
            return runs / (time.perf_counter() - before), times

        return round_

    def to_first(self, app: App, calls: int) -> list[float]:
        """Measure from the start of a run to the call of its first task, at rest."""
        times = []
        for _ in range(calls):
            run_id, before, first = self.start(app, "first")
            times.append(first - before)
            app.engine.wait(run_id, 10)
            time.sleep(0.05)
        return times


def main(folder: str, what: str) -> None:
    with opened(Path(folder) / "drawbar.yaml") as app:
        if what == "run":
            answer(runs_of(app, "reads"))
        else:
            app.landscape.tool("sys.read")
            answer(lambda: [time.process_time(), peak_mb()])
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
