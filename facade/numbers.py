"""
Numbers of this process, and of those beside it, in Prometheus's form.

Each process counts by itself. Several of one port leave what they counted in a folder every few seconds, and whichever is asked
gives all of it, by worker: a worker that is replaced begins at zero again, which a rate understands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ..core.errors import ConfigError, raise_as
from ..core.gauges import STATED, Value
from ..core.measure import MEASURED, METER, SHORT_S, Metric

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric as Family

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
WRITE_S = 2.0
_FRESH_S = 15.0
_END_S = 5.0
_WORKER = "drawbar_worker"
Snapshot = dict[str, list[list[Any]]]


class Shared:
    """What the processes of one port tell each other of their numbers. Without a folder there is only this one."""

    def __init__(self, worker: str = "0", folder: Path | None = None) -> None:
        self._worker = worker
        self._folder = folder

    def write(self) -> None:
        """Leave this process's numbers for the others."""
        if self._folder is None:
            return
        own = self._folder / f"metrics-{self._worker}.json"
        draft = own.with_suffix(f".{os.getpid()}")
        draft.write_bytes(orjson.dumps({"at": time.time(), "numbers": METER.snapshot()}))
        draft.replace(own)

    def read(self) -> Iterator[tuple[str, Snapshot]]:
        """Give the numbers of each worker, one's own as of now."""
        yield self._worker, METER.snapshot()
        for file in sorted(self._folder.glob("metrics-*.json")) if self._folder else ():
            worker = file.stem.removeprefix("metrics-")
            try:
                said = orjson.loads(file.read_bytes())
            except (OSError, ValueError):
                continue
            if worker != self._worker and said["at"] > time.time() - _FRESH_S:
                yield worker, said["numbers"]


def text(workers: Iterable[tuple[str, Snapshot]], stated: Iterable[Value]) -> bytes:
    """Write all of it in Prometheus's form."""
    from prometheus_client import generate_latest  # loaded by who is asked

    return generate_latest(_registry(lambda: workers, lambda: stated))


@contextmanager
def offered(host: str, port: int, stated: Callable[[], Iterable[Value]]) -> Iterator[str]:
    """Give the numbers of this process to whoever asks at a port of their own, while the block runs; gives its URL."""
    from prometheus_client import start_http_server

    with raise_as(ConfigError, OSError, doing=f"port {port} of {host} for metrics", field="--metrics-port"):
        server, thread = start_http_server(port, host, _registry(Shared().read, stated))
    try:
        yield f"http://{host}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_END_S)


def _registry(
    workers: Callable[[], Iterable[tuple[str, Snapshot]]], stated: Callable[[], Iterable[Value]]
) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    class Collector:
        def collect(self) -> Iterator[Family]:
            yield from _measured(list(workers()))
            yield from _stated(list(stated()))

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return registry


def _measured(workers: list[tuple[str, Snapshot]]) -> Iterator[Family]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    for metric in MEASURED:
        labels = [*metric.labels, _WORKER]
        if metric.kind == "histogram":
            times = HistogramMetricFamily(metric.name, metric.says, labels=labels)
            for worker, numbers in workers:
                for said, counts, total in numbers.get(metric.name, ()):
                    times.add_metric([*said, worker], _buckets(counts), total)
            yield times
            continue
        family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        made = family(metric.name, metric.says, labels=labels)
        for worker, numbers in workers:
            for said, value in numbers.get(metric.name, ()):
                made.add_metric([*said, worker], value)
        yield made


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    found, total = [], 0
    for bound, count in zip((*map(repr, SHORT_S), "+Inf"), counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def _stated(values: list[Value]) -> Iterator[Family]:
    from prometheus_client.core import GaugeMetricFamily

    by_metric: dict[Metric, list[Value]] = {}
    for value in values:
        by_metric.setdefault(value[0], []).append(value)
    for metric in STATED:
        made = GaugeMetricFamily(metric.name, metric.says, labels=list(metric.labels))
        for _, labels, number in by_metric.get(metric, ()):
            made.add_metric(list(labels), number)
        yield made
