"""The shape of a speed claim: measured against a named peer in the same run, printed as a table or as JSON."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One claim; a larger `ratio` is better for us, `goal` is what it has to reach."""

    work: str
    ours: float
    unit: str
    peer: float
    peer_name: str
    ratio: float
    goal: float | None
    peak_mb: float
    p50_us: float | None = None
    p99_us: float | None = None


@dataclass(frozen=True)
class Side:
    """One contestant: calls a second in each round, and the median of single calls."""

    rates: list[float]
    p50_us: float | None = None


def duel(ours: Callable[[int], object], peer: Callable[[int], object], *, calls: int, rounds: int) -> tuple[Side, Side]:
    """Measure both in turns, so that a busy machine is busy for both; `calls` of each in a round."""
    for each in (ours, peer):
        for number in range(min(calls, 50)):
            each(number)
    sides: list[tuple[list[float], list[float]]] = [([], []), ([], [])]
    for turn in range(rounds):
        order = ((0, ours), (1, peer)) if turn % 2 == 0 else ((1, peer), (0, ours))
        for index, work in order:
            times = timed(work, calls)
            sides[index][0].append(calls / sum(times))
            sides[index][1].extend(times)
    first, second = (Side(rates, statistics.median(times) * 1e6) for rates, times in sides)
    return first, second


def timed(work: Callable[[int], object], calls: int) -> list[float]:
    times = []
    for number in range(calls):
        before = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - before)
    return times


def row(
    work: str, peer_name: str, sides: tuple[Side, Side], *, goal: float | None = None, unit: str = "calls/s"
) -> Row:
    """Make a row of a duel: the ratio is the median of the rounds' ratios."""
    ours, peer = sides
    ratio = statistics.median(a / b for a, b in zip(ours.rates, peer.rates, strict=True))
    return Row(
        work,
        round(statistics.median(ours.rates), 1),
        unit,
        round(statistics.median(peer.rates), 1),
        peer_name,
        round(ratio, 2),
        goal,
        peak_mb(),
        None if ours.p50_us is None else round(ours.p50_us, 1),
    )


def at_most(work: str, ours: float, unit: str, limit: float, times: Sequence[float] = ()) -> Row:
    """Make a row of something that must not pass a limit; the ratio is how often it fits in. `times` are seconds."""
    p50, p99 = percentiles(times)
    return Row(work, round(ours, 3), unit, limit, "at most", round(limit / max(ours, 1e-9), 2), 1, peak_mb(), p50, p99)


def percentiles(times: Sequence[float]) -> tuple[float | None, float | None]:
    """Give median and 99th percentile in microseconds."""
    if len(times) < 2:
        return None, None
    ordered = sorted(times)
    return round(statistics.median(ordered) * 1e6, 1), round(ordered[int(0.99 * (len(ordered) - 1))] * 1e6, 1)


def peak_mb() -> float:
    """Give the most memory that this process ever held, the peers' libraries included."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def arguments(description: str | None, *, rounds: int = 7, parts: Iterable[str] = ()) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="a list of rows instead of a table")
    parser.add_argument("--rounds", type=int, default=rounds)
    if names := list(parts):
        parser.add_argument("--only", action="append", choices=names, help="this part only")
    return parser.parse_args()


def show_parts(title: str, description: str | None, parts: Mapping[str, Callable[[int], list[Row]]]) -> None:
    """Do what the command line asks for: every part of a table, or those that it names."""
    said = arguments(description, rounds=5, parts=parts)
    show(title, [row for name in said.only or parts for row in parts[name](said.rounds)], as_json=said.json)


def show(title: str, rows: list[Row], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(each) for each in rows], indent=2))
        return
    table = Table(title=title, title_justify="left")
    for name, side in (("work", "left"), ("ours", "right"), ("peer", "right"), ("", "left"), ("ratio", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]  # one of rich's words
    shows_p99 = any(each.p99_us is not None for each in rows)
    for name in ("goal", "p50 µs", *(["p99 µs"] if shows_p99 else []), "peak MB"):
        table.add_column(name, justify="right")
    for each in rows:
        table.add_row(
            each.work,
            f"{_short(each.ours)} {each.unit}",
            _short(each.peer),
            each.peer_name,
            f"{each.ratio:.2f}",
            "" if each.goal is None else f"{each.goal:g}",
            "" if each.p50_us is None else f"{each.p50_us:,.0f}",
            *([""] if shows_p99 and each.p99_us is None else [f"{each.p99_us:,.0f}"] if shows_p99 else []),
            f"{each.peak_mb:,.0f}",
        )
    Console(width=150).print(table)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.3g}"
