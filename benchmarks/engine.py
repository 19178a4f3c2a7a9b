"""
Durable runs of five no-op tasks, embedded, against the disk itself and against a Celery chain in the same run.

Every task's outcome is on the disk before the next one begins; Celery keeps no state. All take turns, so that a busy machine
is busy for all of them.
"""

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _hosts import host
from _peers import FOLDER, python_with
from _table import Row, arguments, peak_mb, show

from drawbar.core import adapter
from drawbar.core.access import Caller
from drawbar.core.adapter import Adapter, AdapterConfig, Place
from drawbar.core.engine import Engine
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.store.journal import Journal
from drawbar.core.tool import Tool
from drawbar.core.workflow import Workflow

RUNS = 60
AT_ONCE = 16
COMMITS = {"reads": 6, "writes": 11}  # of one run: its start and each outcome; before a write also its intent
ME = Caller.cli("bench")
Round = tuple[float, list[float]]
"""Runs a second, and the seconds of each."""


class Noop(Adapter[AdapterConfig]):
    kind = "noop"
    Config = AdapterConfig

    def tools(self) -> Iterator[Tool]:
        anything = {"type": "object"}
        yield Tool("read", "Nothing.", "read", anything, {}, lambda arguments, call: arguments)
        yield Tool("write", "Nothing.", "write", anything, {}, lambda arguments, call: arguments)


def five(tool: str) -> Workflow:
    tasks = {f"t{n}": {"tool": tool, "needs": [f"t{n - 1}"] if n else [], "with": {"n": n}} for n in range(5)}
    return Workflow.model_validate({"tasks": tasks})


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    adapter._BUILT_IN["noop"] = f"{__name__}:Noop"
    journal = Journal.open(f"sqlite:///{folder}/state.db")
    config = AdapterConfig.model_validate({"kind": "noop", "budget": {"concurrency": 64}})
    landscape = Landscape(Place(folder, folder), {"sys": config})
    flows = {"reads": five("sys.read"), "writes": five("sys.write")}
    opened = Engine(journal, Guard(landscape, journal, Vault(None)), flows.get, threads=AT_ONCE)
    opened.begin()
    yield opened
    opened.stop()
    journal.close()


def runs_of(opened: Engine, workflow: str, number: int, at_once: int) -> Round:
    left, times = iter(range(number)), []

    def work() -> None:
        for _ in left:
            before = time.perf_counter()
            run = opened.wait(opened.start(workflow, {}, caller=ME).id, 60)
            times.append(time.perf_counter() - before)
            assert run.state == "succeeded", run

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return number / (time.perf_counter() - before), times


def appends(folder: Path, seconds: float = 0.5) -> Round:
    """Append 4 KiB and fdatasync, as often as the disk lets us."""
    page, times = b"\0" * 4096, []
    fd = os.open(folder / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began = time.perf_counter()
    while (before := time.perf_counter()) < began + seconds:
        os.write(fd, page)
        os.fdatasync(fd)
        times.append(time.perf_counter() - before)
    os.close(fd)
    return len(times) / (time.perf_counter() - began), times


@contextmanager
def chains() -> Iterator[Callable[[int, int], Round]]:
    """Give what runs chains on a private RabbitMQ: number and how many at once."""
    script = str(Path(__file__).parent / "_celery_chain.py")
    with host("amqp") as broker:
        command = [python_with("celery", "celery>=5.5"), script, broker["url"]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            asked, answered = child.stdin, child.stdout
            assert asked is not None
            assert answered is not None
            if answered.readline() != "ready\n":
                raise RuntimeError("the Celery chain did not start")

            def run(number: int, at_once: int) -> Round:
                asked.write(f"{number} {at_once}\n")
                asked.flush()
                said = json.loads(answered.readline())
                return number / said["seconds"], said["times"]

            yield run
            asked.close()


def measured(rounds: int) -> dict[str, list[Round]]:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=FOLDER) as name,
        engine(Path(name)) as opened,
        chains() as chain,
    ):
        contests: dict[str, Callable[[], Round]] = {
            "disk": lambda: appends(Path(name)),
            "reads 1": lambda: runs_of(opened, "reads", RUNS, 1),
            "chain 1": lambda: chain(RUNS, 1),
            "writes 1": lambda: runs_of(opened, "writes", RUNS, 1),
            f"reads {AT_ONCE}": lambda: runs_of(opened, "reads", 4 * RUNS, AT_ONCE),
            f"chain {AT_ONCE}": lambda: chain(4 * RUNS, AT_ONCE),
            f"writes {AT_ONCE}": lambda: runs_of(opened, "writes", 4 * RUNS, AT_ONCE),
        }
        for contest in contests.values():
            contest()
        seen: dict[str, list[Round]] = {name: [] for name in contests}
        for turn in range(rounds):
            for name_ in list(contests)[:: 1 if turn % 2 == 0 else -1]:
                seen[name_].append(contests[name_]())
        return seen


def compared(
    seen: dict[str, list[Round]], work: str, ours: str, peer: str, peer_name: str, goal: float, *, commits: int = 0
) -> Row:
    """Make a row; with `commits` a run it is commits that are compared, otherwise runs."""
    factor = commits or 1
    rates = [factor * rate for rate, _ in seen[ours]]
    peers = [rate for rate, _ in seen[peer]]
    times = [second for _, seconds in seen[ours] for second in seconds]
    return Row(
        work,
        round(statistics.median(rates), 1),
        "commits/s" if commits else "runs/s",
        round(statistics.median(peers), 1),
        peer_name,
        round(statistics.median(a / b for a, b in zip(rates, peers, strict=True)), 2),
        goal,
        peak_mb(),
        round(statistics.median(times) * 1e6, 1),
    )


def main() -> None:
    said = arguments(__doc__ or "")
    seen = measured(said.rounds)
    disk, chain, many = "append 4 KiB and fdatasync", "Celery chain on RabbitMQ, no results", f"{AT_ONCE} at once"
    rows = [
        compared(seen, "five reads, one run at a time", "reads 1", "disk", disk, 0.35, commits=COMMITS["reads"]),
        compared(seen, "five reads, one run at a time", "reads 1", "chain 1", chain, 1),
        compared(seen, "five writes, one run at a time", "writes 1", "chain 1", chain, 1),
        compared(seen, f"five reads, {many}", f"reads {AT_ONCE}", f"chain {AT_ONCE}", chain, 1),
        compared(seen, f"five writes, {many}", f"writes {AT_ONCE}", f"chain {AT_ONCE}", chain, 1),
        compared(seen, f"five reads, {many}, to one at a time", f"reads {AT_ONCE}", "reads 1", "one at a time", 1.2),
    ]
    show("Durable runs of five no-op tasks, embedded (SQLite, WAL, FULL)", rows, as_json=said.json)


if __name__ == "__main__":
    main()
