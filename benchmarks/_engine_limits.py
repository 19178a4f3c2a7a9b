"""What must not grow: with the items of a for_each, with what is stored, with runs that wait, with a second process."""

import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from _house import ME, configured, opened, runs_of
from _lines import contestant
from _table import Row, at_most, peak_mb, percentiles

from drawbar.app import App

Scratch = Callable[[], AbstractContextManager[Path]]
STORED = 200_000
"""Runs of five tasks each."""
WAITING = 100_000
_QUIET_S = 5.0


def shared(scratch: Scratch, rounds: int) -> list[Row]:
    """Compare the slowest runs of one process with those beside a second one on the same SQLite file."""
    alone, beside = list[float](), list[float]()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        app = stack.enter_context(opened(configured(folder)))
        other = stack.enter_context(contestant(sys.executable, "_house.py", str(folder), "run"))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        run = runs_of(app, "reads")
        run(50, 1)
        for _ in range(rounds):
            alone += run(100, 1)[1]
            others = pool.submit(other, 200, 1)
            while not others.done():
                beside += run(10, 1)[1]
    one, two = percentiles(alone)[1] or 0, percentiles(beside)[1] or 0
    p50, p99 = percentiles(beside)
    return [
        Row(
            "p99 of a run, two processes on one SQLite file",
            round(two / 1000, 2),
            "ms",
            round(one / 1000, 2),
            "one process",
            round(one / two, 2),
            0.1,
            peak_mb(),
            p50,
            p99,
        )
    ]


def items(scratch: Scratch, rounds: int) -> list[Row]:
    """Compare the cost of an item among 10,000 with that among 1,000, in time and in CPU."""
    few, many = 1_000, 10_000
    spent: dict[int, list[tuple[float, float]]] = {few: [], many: []}
    with scratch() as folder, opened(configured(folder)) as app:
        _each(app, few)
        for _ in range(min(rounds, 3)):
            for number in (few, few, many):
                spent[number].append(_each(app, number))
    rows = []
    for index, what in enumerate(("time", "CPU")):
        low, high = (statistics.median(pair[index] for pair in spent[number]) for number in (few, many))
        work = f"{what} of an item, for_each of {many:,}"
        ratio = round(low / high, 2)
        rows.append(Row(work, round(high, 3), "ms", round(low, 3), f"for_each of {few:,}", ratio, 0.67, peak_mb()))
    return rows


def _each(app: App, number: int) -> tuple[float, float]:
    """Give milliseconds and CPU milliseconds of one item."""
    before, cpu = time.perf_counter(), time.process_time()
    run = app.engine.start("items", {"items": list(range(number))}, caller=ME)
    assert app.engine.wait(run.id, 120).state == "succeeded"
    return (time.perf_counter() - before) * 1000 / number, (time.process_time() - cpu) * 1000 / number


def history(scratch: Scratch, rounds: int) -> list[Row]:
    """Compare a journal that keeps a million tasks with an empty one; and look how long a sweep takes there."""
    with ExitStack() as stack:
        empty, full = (
            stack.enter_context(opened(configured(folder)))
            for folder in (stack.enter_context(scratch()), stack.enter_context(scratch()))
        )
        for app in (empty, full):
            runs_of(app, "writes")(20, 1)
        _copy(full, STORED)
        cpu: dict[App, list[float]] = {empty: [], full: []}
        sweeps = list[float]()
        for _ in range(rounds):
            for app in (empty, full):
                before = time.process_time()
                runs_of(app, "writes")(60, 1)
                cpu[app].append((time.process_time() - before) * 1000 / 60 / 5)
            sweeps += [_seconds(full.engine._sweep.beat) for _ in range(20)]
    low, high = (statistics.median(cpu[app]) for app in (empty, full))
    ratio = round(statistics.median(a / b for a, b in zip(cpu[empty], cpu[full], strict=True)), 2)
    work = f"CPU of one task, {5 * STORED:,} stored"
    return [
        Row(work, round(high, 3), "ms", round(low, 3), "few stored", ratio, 0.71, peak_mb()),
        at_most(f"a sweep, {5 * STORED:,} tasks stored", 1000 * statistics.median(sweeps), "ms", 5, sweeps),
    ]


def _seconds(act: Callable[[], Any]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


def _copy(app: App, number: int) -> None:
    """Make so many copies of the newest run with all that belongs to it, under ids of their own."""
    run_id = app.engine.runs(limit=1)[0].id

    def unit(conn: Any) -> None:
        driver = conn.connection.driver_connection
        for table, key in (("runs", "id"), ("task_runs", "run_id"), ("attempts", "run_id"), ("events", "run_id")):
            columns = [row[1] for row in driver.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(name for name in columns if (table, name) != ("events", "id"))
            picked = names.replace(key, "printf('00%024d', n)", 1)
            picked = picked.replace(" intent,", " intent || n,")
            driver.execute(
                f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {number})"
                f" INSERT INTO {table} ({names}) SELECT {picked} FROM c, {table} WHERE {key} = ?",
                (run_id,),
            )

    app.journal.write(unit)


def waiting(scratch: Scratch, rounds: int) -> list[Row]:
    """Look what runs cost that wait for a timer: threads, CPU, memory, and a sweep."""
    with scratch() as folder, opened(configured(folder)) as app:
        run = app.engine.start("waits", {}, caller=ME)
        time.sleep(1)
        threads, before_mb = threading.active_count(), peak_mb()
        idle = _load(_QUIET_S)
        _copy(app, WAITING)
        time.sleep(1)
        busy = _load(_QUIET_S)
        more = threading.active_count() - threads
        sweeps = [_seconds(app.engine._sweep.beat) for _ in range(50)]
        grown = peak_mb() - before_mb
        assert app.engine.run(run.id).state == "waiting"
    work = f"{WAITING:,} waiting runs"
    return [
        at_most(f"{work}: more of a core than without", max(busy - idle, 0.01), "%", 1),
        Row(f"{work}: threads more", more, "threads", 0, "none", 1.0 if more <= 0 else 0.0, 1, peak_mb()),
        at_most(f"{work}: a sweep", 1000 * statistics.median(sweeps), "ms", 5, sweeps),
        at_most(f"{work}: memory more", max(grown, 0.1), "MB", 64),
    ]


def _load(seconds: float) -> float:
    """Give how much of a core this process takes while nothing happens, in percent."""
    before = time.process_time()
    time.sleep(seconds)
    return 100 * (time.process_time() - before) / seconds
