"""
AMQP: 1 KB persistent messages to and from one durable queue of one RabbitMQ, beside pika, aio-pika and faststream.

Ours is what a sync does, everything on: rows are checked against the schema, become messages with ids that repeat, are kept until
their portion is whole, and leave in a window of confirms (mandatory); messages come as portions of rows, read as JSON, and are
acknowledged as one. The peers publish one body that is there already, 1,000 unconfirmed, and acknowledge 100 at once without
looking into a message. Each contestant's memory is the most that its process held.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pika
from _peers import python_with
from _table import Row, arguments, at_most, peak_mb, show

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from servers.rabbitmq import RabbitMQ

from drawbar.adapters.amqp import AmqpAdapter
from drawbar.core.adapter import Place

COUNT, BATCH = 40_000, 2_000
MOST_MB = 160
SCHEMA = {
    "type": "object",
    "required": ["id", "text"],
    "properties": {"id": {"type": "integer"}, "text": {"type": "string"}},
    "additionalProperties": False,
}
GOALS = {
    "publish": {"pika": 0.85, "aio-pika": 2, "faststream": 2},
    "consume": {"pika": 0.8, "blocking": 0.8, "aio-pika": 1.3},
}
NAMES = {"pika": "pika SelectConnection", "blocking": "pika BlockingChannel.consume"}


class Peer:
    def __init__(self, python: str, name: str, url: str) -> None:
        script = Path(__file__).with_name("_amqp_peers.py")
        self._process = subprocess.Popen(
            [python, script, name, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.peak_mb = 0.0

    def turn(self, work: str, queue: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(work, queue, COUNT, file=self._process.stdin, flush=True)
        took, peak = self._process.stdout.readline().split()
        self.peak_mb = float(peak)
        return float(took)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class Ours:
    """The verbs of a sync, on the adapter as it is configured."""

    def __init__(self, url: str, folder: Path) -> None:
        config = {
            "kind": "amqp",
            "url": url,
            "publish": {"bench": {"routing_key": "bench", "schema": SCHEMA}},
            "consume": {"bench": {"queue": "bench"}},
        }
        self._adapter = AmqpAdapter("bench", AmqpAdapter.Config.model_validate(config), Place(folder, folder))
        self._rows = [{"id": 1_000_000 + number, "text": "x" * 1000} for number in range(COUNT)]
        self._turns = 0

    def publish(self) -> float:
        self._turns += 1
        sink = self._adapter.sink({"publish": "bench"}, sync="bench")
        began = time.perf_counter()
        with sink.writing(portion=f"turn {self._turns}") as writing:
            for at in range(0, COUNT, BATCH):
                rows = self._rows[at : at + BATCH]
                writing.write_named(rows, [f"turn {self._turns}#{at + place}" for place in range(len(rows))])
            writing.commit(portion=f"turn {self._turns}", cursor=None)
        return time.perf_counter() - began

    def consume(self) -> float:
        began, read = time.perf_counter(), 0
        source = self._adapter.source({"consume": "bench"}, sync="bench")
        for portion in source.portions(None, batch_rows=BATCH):
            for batch in portion.batches(BATCH):
                read += len(batch.rows)
            portion.finished()
        took = time.perf_counter() - began
        assert read == COUNT, read
        return took

    def close(self) -> None:
        self._adapter.close()


class Broker:
    """The queue that everybody uses, filled or emptied before each turn and counted after it."""

    def __init__(self, url: str) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(url + "?heartbeat=0"))
        self._channel = connection.channel()
        self._channel.queue_declare("bench", durable=True)

    def holds(self) -> int:
        return int(self._channel.queue_declare("bench", passive=True).method.message_count)

    def prepare(self, work: str, fill: Callable[[], float]) -> None:
        if work == "publish":
            self._channel.queue_purge("bench")
        elif self.holds() != COUNT:
            self._channel.queue_purge("bench")
            fill()

    def check(self, work: str) -> None:
        expected = COUNT if work == "publish" else 0
        ends = time.monotonic() + 5
        while (found := self.holds()) != expected:
            assert time.monotonic() < ends, (work, found)
            time.sleep(0.05)


def measured(work: str, rounds: int, ours: Ours, peers: dict[str, Peer], broker: Broker) -> list[Row]:
    sides: dict[str, Callable[[], float]] = {"ours": getattr(ours, work)}
    for name in GOALS[work]:
        sides[name] = lambda name=name: peers[name].turn(work, "bench")  # type: ignore[misc]  # mypy knows no defaults
    took: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            broker.prepare(work, ours.publish)
            seconds = sides[name]()
            broker.check(work)
            if turn:  # the first one warms everybody up
                took[name].append(seconds)
    title = f"{COUNT:,} messages of 1 KB, {'published with confirms' if work == 'publish' else 'consumed with ack'}"
    return [
        Row(
            title,
            round(COUNT / statistics.median(took["ours"])),
            "messages/s",
            round(COUNT / statistics.median(took[name])),
            f"{NAMES.get(name, name)} ({peers[name].peak_mb:.0f} MB)",
            round(statistics.median(b / a for a, b in zip(took["ours"], took[name], strict=True)), 2),
            goal,
            peak_mb(),
        )
        for name, goal in GOALS[work].items()
    ]


def main() -> None:
    said = arguments(__doc__, rounds=3, parts=GOALS)
    python = python_with("amqp", "pika", "aio-pika", "faststream[rabbit]")
    with RabbitMQ() as server, TemporaryDirectory() as folder:
        ours, broker = Ours(server.url, Path(folder)), Broker(server.url)
        works = said.only or list(GOALS)
        peers = {name: Peer(python, name, server.url) for work in works for name in GOALS[work]}
        found = [row for work in works for row in measured(work, said.rounds, ours, peers, broker)]
        found.append(at_most("memory", peak_mb(), "MB", MOST_MB))
        ours.close()
        for peer in peers.values():
            peer.close()
    show("AMQP", found, as_json=said.json)


if __name__ == "__main__":
    main()
