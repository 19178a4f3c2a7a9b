"""
What this process counts and times, for whoever reads metrics.

Plain numbers under a lock: nothing is loaded and nothing is written for it. Names follow OpenTelemetry's conventions as Prometheus
spells them; labels take names of the configuration, kinds and states only, never what a caller sent.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Labels = tuple[str, ...]
SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MAX_SERIES = 5000
"""Of one metric; what comes later is counted under the label `other`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, what it says, its labels."""

    name: str
    says: str
    labels: Labels = ()
    kind: Literal["counter", "histogram", "gauge"] = "counter"


_TOOL = ("drawbar_system", "drawbar_tool", "drawbar_effect")
TOOL_CALLS = Metric("drawbar_tool_calls", "Attempts to call a tool, by what came of them.", (*_TOOL, "drawbar_outcome"))
TOOL_ERRORS = Metric("drawbar_tool_errors", "Attempts that failed, by kind of error.", (*_TOOL, "error_type"))
TOOL_SECONDS = Metric(
    "drawbar_tool_call_duration_seconds", "How long attempts took, waiting for the budget too.", _TOOL, "histogram"
)
REFUSALS = Metric("drawbar_tool_refusals", "Calls that were refused before anything was sent.", ("error_type",))
BUDGET_SECONDS = Metric(
    "drawbar_budget_wait_duration_seconds",
    "How long calls waited for a place in their system's budget, those that had to.",
    ("drawbar_system",),
    "histogram",
)
COMMIT_SECONDS = Metric(
    "drawbar_journal_commit_duration_seconds", "How long writing to the journal took, commit too.", (), "histogram"
)
HTTP_SECONDS = Metric(
    "http_server_request_duration_seconds",
    "How long requests took.",
    ("http_request_method", "http_route", "http_response_status_code"),
    "histogram",
)
RUNS_ENDED = Metric("drawbar_runs_ended", "Runs that ended in this process.", ("drawbar_workflow", "drawbar_run_state"))
LOGINS = Metric("drawbar_login_refusals", "Requests whose credentials opened nothing.")
AUDIT_LOST = Metric("drawbar_audit_lost", "Entries of the audit that were dropped while the journal was away.")
CPU = Metric("process_cpu_time_seconds", "CPU time of this process.")
MEMORY = Metric("process_memory_usage_bytes", "Resident memory of this process.", (), "gauge")
TOKENS = Metric("gen_ai_client_token_usage", "Tokens that models used.", ("gen_ai_request_model", "gen_ai_token_type"))
MEASURED = (
    *(TOOL_CALLS, TOOL_ERRORS, TOOL_SECONDS, REFUSALS, BUDGET_SECONDS, COMMIT_SECONDS, HTTP_SECONDS, RUNS_ENDED),
    *(LOGINS, AUDIT_LOST, TOKENS, CPU, MEMORY),
)


class _Times:
    """A histogram of one series."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SHORT_S) + 1)
        self.sum = 0.0


class Meter:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, float]] = {one.name: {} for one in MEASURED if one.kind == "counter"}
        self._times: dict[str, dict[Labels, _Times]] = {one.name: {} for one in MEASURED if one.kind == "histogram"}

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        series = self._counts[metric.name]
        with self._lock:
            if labels not in series and len(series) >= MAX_SERIES:
                labels = ("other",) * len(labels)
            series[labels] = series.get(labels, 0) + by

    def time(self, metric: Metric, seconds: float, *labels: str) -> None:
        with self._lock:
            self._time(metric, seconds, labels)

    def attempt(self, seconds: float, labels: Labels, outcome: str) -> None:
        """Time and count an attempt to call a tool, under one lock: every call has one."""
        counts, called = self._counts[TOOL_CALLS.name], (*labels, outcome)
        with self._lock:
            self._time(TOOL_SECONDS, seconds, labels)
            if called not in counts and len(counts) >= MAX_SERIES:
                called = ("other",) * len(called)
            counts[called] = counts.get(called, 0) + 1

    def _time(self, metric: Metric, seconds: float, labels: Labels) -> None:
        series = self._times[metric.name]
        times = series.get(labels)
        if times is None:
            labels = labels if len(series) < MAX_SERIES else ("other",) * len(labels)
            times = series.setdefault(labels, _Times())
        times.counts[bisect_left(SHORT_S, seconds)] += 1
        times.sum += seconds

    def snapshot(self) -> dict[str, list[list[Any]]]:
        """Give all series as plain JSON: by metric, labels with a number, or with a histogram's counts and sum."""
        with self._lock:
            counts = {name: [[list(labels), n] for labels, n in one.items()] for name, one in self._counts.items()}
            times = {
                name: [[list(labels), list(each.counts), each.sum] for labels, each in one.items()]
                for name, one in self._times.items()
            }
        counts[CPU.name] = [[[], time.process_time()]]
        return {**counts, **times, MEMORY.name: [[[], float(_resident())]]}


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):  # not a Linux
        return 0


METER = Meter()
"""This process's."""


def measured_names() -> Iterator[str]:
    """Name every metric as it is exported."""
    for one in MEASURED:
        if one.kind == "counter":
            yield f"{one.name}_total"
        elif one.kind == "histogram":
            yield from (f"{one.name}_{end}" for end in ("bucket", "sum", "count"))
        else:
            yield one.name
