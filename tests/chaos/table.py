"""What came of it, as tables and one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from .count import Tally


@dataclass
class Report:
    """One run on one kind of state."""

    kind: str
    seed: int
    seconds: float
    tallies: list[Tally]
    windows: Counter[str]
    runs: Counter[str]
    not_ended: int
    not_accepted: int
    events: Counter[str]
    settled: Counter[str]
    by_operator: Counter[str]
    faults: Counter[str]
    exits: Counter[str]
    answers: Counter[str]
    as_meant: int = 0
    """Runs that failed or were cancelled because that was ordered."""
    failed_compensations: int = 0

    @property
    def lost(self) -> int:
        return sum(len(one.lost) for one in self.tallies)

    @property
    def twice(self) -> int:
        return sum(len(one.twice) for one in self.tallies) - sum(self.windows.values())

    @property
    def ended_wrong(self) -> int:
        return self.runs["failed"] + self.runs["cancelled"] - self.as_meant + self.failed_compensations

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.twice or self.not_ended or self.ended_wrong or self.not_accepted)

    def line(self) -> str:
        parked = self.events["dead.parked"]
        return (
            f"CHAOS {self.kind}: seed {self.seed}; runs {sum(self.runs.values())}; lost {self.lost}; "
            f"never ended {self.not_ended}; ended wrong {self.ended_wrong}; done twice {self.twice}; "
            f"parked {parked}, settled {sum(self.settled.values())}; stale {self.events['task.stale']}; "
            f"in the window of a stopped process {sum(self.windows.values())}; "
            f"faults {sum(self.faults.values())}; {self.seconds:.0f} s"
        )


def show(console: Console, report: Report) -> None:
    """Print the tables."""
    console.print(f"\n[bold]Chaos, {report.kind} state[/]   seed {report.seed}\n")
    console.print(_counted(report))
    console.print()
    facts = _grid("Runs and what was parked", ("what", "how many"))
    states = ", ".join(f"{count} {state}" for state, count in report.runs.most_common())
    rows: list[tuple[str, object]] = [
        ("runs", states),
        ("  that never ended", report.not_ended),
        ("  that failed or were cancelled, as was ordered, and were undone", report.as_meant),
        ("compensations that failed", report.failed_compensations),
        ("orders that were never accepted", report.not_accepted),
        ("tasks taken from a process that died or slept", report.events["task.lost"]),
        ("outcomes that were parked as unknown", report.events["dead.parked"]),
        ("  settled by a probe", report.settled["probe"]),
        *((f"  settled by a person who looked: {said}", count) for said, count in sorted(report.by_operator.items())),
        ("stale results, kept as evidence", report.events["task.stale"]),
        ("answers to callers", ", ".join(f"{said} {count}" for said, count in sorted(report.answers.items()))),
    ]
    for what, number in rows:
        facts.add_row(what, str(number))
    console.print(facts)
    console.print()
    struck = _grid("Faults", ("fault", "times"))
    for fault, times in sorted(report.faults.items()):
        struck.add_row(fault, str(times or "left out: no small disk may be mounted"))
    for name, times in sorted(report.exits.items()):
        struck.add_row(f"  {name} ended by itself and was started again", str(times))
    console.print(struck)
    style = "bold green" if report.is_good else "bold red"
    console.print(f"\n[{style}]{report.line()}[/]", soft_wrap=True)


def _counted(report: Report) -> Table:
    table = _grid("Counted at the systems", ("effect", "expected", "found", "lost", "twice", "window", ""))
    for one in report.tallies:
        window = report.windows[one.what]
        twice = len(one.twice) - window
        table.add_row(
            one.what, f"{one.expected:,}", f"{one.found:,}", _zero(len(one.lost)), _zero(twice), str(window), one.note
        )
    for column in table.columns[1:6]:
        column.justify = "right"
    return table


def _zero(number: int) -> str:
    return f"[green]{number}[/]" if number == 0 else f"[bold red]{number}[/]"


def _grid(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for at, column in enumerate(columns):
        table.add_column(column, header_style="dim", no_wrap=at == 0)
    return table
