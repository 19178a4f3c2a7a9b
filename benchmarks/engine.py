"""
Durable runs of five no-op tasks, embedded and on many machines, against the disk itself and other engines in the same run.

Every task's outcome is on the disk before the next one begins. All contestants take turns, so that a busy machine is busy
for all of them. Parts: embedded, workers, trigger, shared, items, history, waiting (`--only NAME`, repeatable).
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import _engine_limits
from _hosts import host
from _house import Told, configured, opened, runs_of
from _lines import Ask, Round, contestant
from _peers import FOLDER, python_with
from _table import Row, at_most, peak_mb, percentiles, show_parts

RUNS = 40
AT_ONCE = 16
COMMITS = 6  # of one run: its start and each outcome; intents are in them
WORKERS = {1: 0.5, 2: 0.35, 4: None}
DISK = "append 4 KiB and fdatasync"
CHAIN = "Celery chain on RabbitMQ, no results"
CPU_MS = {"embedded": 0.6, "worker": 1.5}
Seen = dict[str, list[Round]]


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
def scratch() -> Iterator[Path]:
    """Give a folder on the disk of the checkout."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, ignore_cleanup_errors=True) as name:
        yield Path(name)


def chains(stack: ExitStack, broker: str, workers: int) -> Ask:
    python = python_with("celery", "celery>=5.5")
    return stack.enter_context(contestant(python, "_celery_chain.py", broker, str(workers)))


def measured(contests: dict[str, Callable[[], Round]], rounds: int) -> Seen:
    """Let all take turns, in both directions; the first turn is for warming up."""
    for contest in contests.values():
        contest()
    seen: Seen = {name: [] for name in contests}
    for turn in range(rounds):
        for name in list(contests)[:: 1 if turn % 2 == 0 else -1]:
            rate, times = contests[name]()
            seen[name].append((rate, times))
    return seen


def compared(
    seen: Seen, work: str, ours: str, peer: str, peer_name: str, goal: float | None, *, commits: int = 0
) -> Row:
    """Make a row; with `commits` a run it is commits that are compared, otherwise runs."""
    rates = [(commits or 1) * rate for rate, _ in seen[ours]]
    peers = [rate for rate, _ in seen[peer]]
    p50, p99 = percentiles([second for _, seconds in seen[ours] for second in seconds])
    ratio = statistics.median(a / b for a, b in zip(rates, peers, strict=True))
    ours_s, peer_s = (round(statistics.median(one), 2) for one in (rates, peers))
    unit = "commits/s" if commits else "runs/s"
    return Row(work, ours_s, unit, peer_s, peer_name, round(ratio, 2), goal, peak_mb(), p50, p99)


def embedded(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder, dbos_folder, prefect_folder = (stack.enter_context(scratch()) for _ in range(3))
        app = stack.enter_context(opened(configured(folder)))
        chain = chains(stack, stack.enter_context(host("amqp"))["url"], 1)
        dbos = stack.enter_context(contestant(python_with("dbos", "dbos>=3"), "_dbos_steps.py", str(dbos_folder)))
        flow_python = python_with("prefect", "prefect>=3", "fastapi<0.150")  # newer ones break Prefect 3.8
        flow = stack.enter_context(contestant(flow_python, "_prefect_steps.py", str(prefect_folder)))
        cpu: dict[str, list[float]] = {"reads": [], "writes": []}

        def ours(kind: str, runs: int, at_once: int) -> Round:
            before = time.process_time()
            done = runs_of(app, kind)(runs, at_once)
            cpu[kind].append((time.process_time() - before) * 1000 / runs / 5)
            return done

        many = 3 * RUNS
        seen = measured(
            {
                "disk": partial(appends, folder),
                "reads 1": partial(ours, "reads", RUNS, 1),
                "dbos 1": partial(dbos, RUNS // 2, 1),
                "writes 1": partial(ours, "writes", RUNS, 1),
                "chain 1": partial(chain, RUNS, 1),
                "flow 1": partial(flow, 2, 1),
                "reads 16": partial(ours, "reads", many, AT_ONCE),
                "dbos 16": partial(dbos, RUNS, AT_ONCE),
                "writes 16": partial(ours, "writes", many, AT_ONCE),
                "chain 16": partial(chain, many, AT_ONCE),
            },
            rounds,
        )
    return [*_embedded_rows(seen), *(_cpu_row(kind, cpu[kind]) for kind in cpu)]


def _embedded_rows(seen: Seen) -> list[Row]:
    rows = []
    for kind, goal in (("reads", 0.35), ("writes", None)):
        one, work = f"{kind} 1", f"five {kind}, one run at a time"
        rows.append(compared(seen, work, one, "disk", DISK, goal, commits=COMMITS))
        rows.append(compared(seen, work, one, "dbos 1", "dbos on SQLite", 4))
        rows.append(compared(seen, work, one, "flow 1", "Prefect, local", 10))
        rows.append(compared(seen, work, one, "chain 1", CHAIN, None))
    for kind in ("reads", "writes"):
        many, work = f"{kind} {AT_ONCE}", f"five {kind}, {AT_ONCE} at once"
        rows.append(compared(seen, work, many, f"dbos {AT_ONCE}", "dbos on SQLite", 5))
        rows.append(compared(seen, work, many, f"chain {AT_ONCE}", CHAIN, None))
        rows.append(compared(seen, work, many, f"{kind} 1", "ours, one at a time", 1.2))
    return rows


def _cpu_row(kind: str, spent: list[float]) -> Row:
    """Starting and waiting for the runs is in it, since that is in the same process."""
    return at_most(f"CPU of one task, five {kind}", statistics.median(spent), "ms", CPU_MS["embedded"])


def workers(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        broker = stack.enter_context(host("amqp"))["url"]
        system = stack.enter_context(host("state"))
        rows = []
        for number, goal in WORKERS.items():
            rows += _with_workers(system["url"], broker, number, goal, rounds)
        return rows


def _with_workers(state: str, broker: str, number: int, goal: float | None, rounds: int) -> list[Row]:
    """Race so many workers of ours, on PostgreSQL and RabbitMQ, against as many of Celery."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        file = configured(folder, state=state, queue=broker)
        app = stack.enter_context(opened(file, works=False))
        ours = [
            stack.enter_context(contestant(sys.executable, "_house.py", str(folder), "work")) for _ in range(number)
        ]
        chain = chains(stack, broker, number)
        told = Told().runs(app)
        spent: list[float] = []

        def race(runs: int, at_once: int) -> Round:
            before = sum(ask()[0] for ask in ours)
            done = told(runs, at_once)
            spent.append((sum(ask()[0] for ask in ours) - before) * 1000 / runs / 5)
            return done

        many = 4 * RUNS
        seen = measured({"ours": partial(race, many, AT_ONCE), "chain": partial(chain, many, AT_ONCE)}, rounds)
        peak = max(ask()[1] for ask in ours)
    said = f"{number} worker{'s' if number > 1 else ''}"
    rows = [compared(seen, f"PostgreSQL, {said}, {AT_ONCE} runs at once", "ours", "chain", f"{CHAIN}, {said}", goal)]
    if number == 1:
        rows.append(at_most("CPU of one task in a worker", statistics.median(spent), "ms", CPU_MS["worker"]))
        rows.append(at_most("memory of a worker", peak, "MB", 200))
    return rows


def trigger(rounds: int) -> list[Row]:
    """Measure from the start of a run to the call of its first task, at rest."""
    with ExitStack() as stack:
        app = stack.enter_context(opened(configured(stack.enter_context(scratch()))))
        folder = stack.enter_context(scratch())
        broker = stack.enter_context(host("amqp"))["url"]
        state = stack.enter_context(host("state"))["url"]
        far = stack.enter_context(opened(configured(folder, state=state, queue=broker), works=False))
        stack.enter_context(contestant(sys.executable, "_house.py", str(folder), "work"))
        told = Told()
        here, there = list[float](), list[float]()
        told.to_first(app, 5)
        told.to_first(far, 5)
        for _ in range(rounds):
            here += told.to_first(app, 10)
            there += told.to_first(far, 10)
    named = {"embedded": here, "through RabbitMQ to a worker": there}
    return [
        at_most(f"start to first task at rest, {name}", 1000 * statistics.median(times), "ms", 5, times)
        for name, times in named.items()
    ]


PARTS: dict[str, Callable[[int], list[Row]]] = {
    "embedded": embedded,
    "workers": workers,
    "trigger": trigger,
    "shared": partial(_engine_limits.shared, scratch),
    "items": partial(_engine_limits.items, scratch),
    "history": partial(_engine_limits.history, scratch),
    "waiting": partial(_engine_limits.waiting, scratch),
}


if __name__ == "__main__":
    show_parts("Durable runs of five no-op tasks", __doc__, PARTS)
