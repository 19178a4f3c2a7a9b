"""Syncs that are killed -9 at random moments: afterwards source and target are equal, by a comparison that knows nothing of us."""

import csv
import json
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from syncing import Night, carry, carry_once, execute, rows

SEED = int(os.environ.get("SEED", "7"))
PER_KILL = 60
TABLE = "create table orders (id integer, name varchar(20) not null, amount decimal(12,2), changed timestamp)"
WATERMARK = {"adapter": "erp", "table": "orders", "cursor": {"column": "changed", "tie_breaker": "id"}}
Fact = tuple[int, str, str]


def facts(numbers: range) -> list[Fact]:
    return [(n, f"n, {n}", f"{n}.{n % 100:02d}") for n in numbers]


class Pair:
    """A source that grows, a target, and what each of them holds as plain rows."""

    sync: dict[str, Any]

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder = folder
        self.repeats = 0
        self.servers = request
        self.adapters: dict[str, Any] = {}

    def database(self, name: str) -> str:
        url = str(self.servers.getfixturevalue("postgres").create_database())
        self.adapters[name] = {"kind": "sql", "url": url, "tables": {"orders": {}}}
        return url

    def broker(self, **said: Any) -> None:
        self.url = self.servers.getfixturevalue("rabbitmq").make_vhost()
        self.adapters["events"] = {"kind": "amqp", "url": self.url, **said}
        with self.channel() as channel:
            channel.queue_declare("orders", durable=True)

    def channel(self) -> Any:
        return pika.BlockingConnection(pika.URLParameters(self.url)).channel()

    def feed(self, numbers: range) -> None: ...

    def arrived(self) -> Counter[Fact]:
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Tell whether the source has nothing more to give, so that the last run was the last."""
        return True


class FromTable(Pair):
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.source = self.database("erp")
        execute(self.source, TABLE, "create unique index orders_by on orders (changed, id)")

    def feed(self, numbers: range) -> None:
        values = ",".join(
            f"({n}, '{name}', {amount}, timestamp '2026-01-01' + interval '1 minute' * {n // 7})"
            for n, name, amount in facts(numbers)
        )
        execute(self.source, f"insert into orders values {values}")


class IntoTable(Pair):
    """A target without a key that is only inserted into: what was written twice is there twice."""

    columns = "id, name, amount"

    def target_table(self) -> str:
        self.target = self.database("house")
        execute(self.target, TABLE.replace("changed timestamp", "message varchar(40)"))
        return self.target

    def arrived(self) -> Counter[Fact]:
        return Counter(
            (n, name, f"{amount:.2f}") for n, name, amount in rows(self.target, f"select {self.columns} from orders")
        )


class TableToTable(FromTable, IntoTable):
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.target_table()
        plain = {name: f"${{{{ row.{name} }}}}" for name in ("id", "name", "amount")}
        self.sync = {"from": WATERMARK, "to": {"adapter": "house", "table": "orders", "mode": "insert"}, "map": plain}


class FileToTable(IntoTable):
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.target_table()
        self.drop = folder / "drop"
        self.drop.mkdir()
        form = {"kind": "csv", "columns": {"id": "integer", "amount": "decimal"}}
        feed = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": form, "lease_s": 3}
        self.adapters["drop"] = {"kind": "local", "root": str(self.drop), "feeds": {"orders": feed}}
        self.sync = {
            "from": {"adapter": "drop", "feed": "orders"},
            "to": {"adapter": "house", "table": "orders", "mode": "insert"},
        }

    def feed(self, numbers: range) -> None:
        for part in range(0, len(numbers), 20):
            some = numbers[part : part + 20]
            with (self.drop / "new").open("w", newline="") as file:
                csv.writer(file).writerows([("id", "name", "amount"), *facts(some)])
            (self.drop / "new").rename(self.drop / f"f{some[0]:06d}.csv")

    def is_empty(self) -> bool:
        return not any(self.drop.glob("*.csv")) and not any(self.drop.glob(".drawbar/*~*"))


class QueueToTable(IntoTable):
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.target_table()
        self.broker(consume={"incoming": {"queue": "orders"}})
        plain = {name: f"${{{{ row.{name} }}}}" for name in ("id", "name", "amount")}
        self.sync = {
            "from": {"adapter": "events", "consume": "incoming"},
            "to": {"adapter": "house", "table": "orders", "mode": "insert"},
            "map": {**plain, "message": "${{ message.id }}"},
        }

    def feed(self, numbers: range) -> None:
        with self.channel() as channel:
            channel.confirm_delivery()
            for n, name, amount in facts(numbers):
                body = json.dumps({"id": n, "name": name, "amount": amount})
                properties = pika.BasicProperties(message_id=f"m{n}", delivery_mode=2)
                channel.basic_publish("", "orders", body, properties)

    def arrived(self) -> Counter[Fact]:
        found = rows(self.target, f"select message, {self.columns} from orders")
        self.repeats = len(found) - len({message for message, *_ in found})
        return Counter((n, name, f"{amount:.2f}") for _, n, name, amount in {*found})

    def is_empty(self) -> bool:
        with self.channel() as channel:
            return channel.queue_declare("orders", passive=True).method.message_count == 0


class TableToFile(FromTable):
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.away = folder / "away"
        self.away.mkdir()
        feeds = {"export": {"pattern": "*.csv", "format": {"kind": "csv"}}}
        self.adapters["away"] = {"kind": "local", "root": str(self.away), "feeds": feeds}
        self.sync = {"from": WATERMARK, "to": {"adapter": "away", "feed": "export"}}

    def arrived(self) -> Counter[Fact]:
        return Counter(
            (int(row["id"]), row["name"], row["amount"])
            for file in self.away.glob("*.csv")
            for row in csv.DictReader(file.open(newline=""))
        )


class TableToQueue(FromTable):
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.broker(publish={"orders": {"routing_key": "orders"}})
        self.sync = {"from": WATERMARK, "to": {"adapter": "events", "publish": "orders"}}

    def arrived(self) -> Counter[Fact]:
        with self.channel() as channel:
            waiting = channel.queue_declare("orders", passive=True).method.message_count
            messages: dict[str, dict[str, Any]] = {}
            for _ in range(waiting):
                _, properties, body = channel.basic_get("orders")
                messages.setdefault(properties.message_id, json.loads(body))
        self.repeats = waiting - len(messages)
        return Counter((row["id"], row["name"], row["amount"]) for row in messages.values())


class FileInBatches(FileToTable):
    """`load: batched`: what a kill leaves half loaded, the next run goes on with."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.sync["to"]["load"] = "batched"


class FileToTables(FileToTable):
    """One record into two tables: a number in one, all of it in the other."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        execute(self.target, "create table numbers (id integer)")
        self.adapters["house"]["tables"]["numbers"] = {}
        plain = {name: f"${{{{ row.{name} }}}}" for name in ("id", "name", "amount")}
        writes = [{"table": "numbers", "map": {"id": plain["id"]}}, {"table": "orders", "map": plain}]
        self.sync["to"] = {"adapter": "house", "writes": writes}

    def arrived(self) -> Counter[Fact]:
        found = super().arrived()
        numbers = Counter(one for (one,) in rows(self.target, "select id from numbers"))
        assert numbers == Counter({n: count for (n, _, _), count in found.items()}), (
            "one table has what the other has not"
        )
        return found


class TableToCalls(FromTable, IntoTable):
    """Each row is a call of a statement that inserts: made twice, it is there twice; a probe says what became of it."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.fed = 0
        self.target_table()
        fields = {"id": {"type": "integer"}, "name": {"type": "string"}, "amount": {"type": "decimal"}}
        self.adapters["house"] |= {
            "call_timeout_s": 0.5,
            "statements": {
                "add": {
                    "sql": "insert into orders (id, name, amount) values (:id, :name, :amount)",
                    "effect": "write",
                    "parameters": fields,
                },
                "find": {
                    "sql": "select id from orders where id = :id",
                    "effect": "read",
                    "parameters": {"id": fields["id"]},
                },
            },
            "tools": {
                "add": {
                    "probe": {
                        "tool": "house.find",
                        "with": {"id": "${{ arguments.id }}"},
                        "done": "${{ size(result.rows) > 0 }}",
                        "after_s": 0,
                        "absent_after_s": 0.6,
                    }
                }
            },
        }
        plain = {name: f"${{{{ row.{name} }}}}" for name in ("id", "name", "amount")}
        self.sync = {"from": WATERMARK, "to": {"adapter": "house", "operation": "add", "concurrency": 2}, "map": plain}

    def feed(self, numbers: range) -> None:
        super().feed(numbers)
        self.fed += len(numbers)

    def is_empty(self) -> bool:
        return sum(self.arrived().values()) >= self.fed


PAIRS = [
    TableToTable,
    FileToTable,
    QueueToTable,
    TableToFile,
    TableToQueue,
    TableToCalls,
    pytest.param(FileInBatches, marks=pytest.mark.slow),
    pytest.param(FileToTables, marks=pytest.mark.slow),
]


@pytest.fixture(params=PAIRS, ids=lambda pair: pair.__name__)
def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    here = os.pathsep.join(filter(None, (str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", here)  # the fork server's own path, so that it preloads
    made: Pair = request.param(tmp_path, request)
    made.sync["batch_rows"] = 10
    yield made


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_leaves_source_and_target_equal(
    pair: Pair, kills: int, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["syncing"])
    dice = random.Random(f"{SEED} {type(pair).__name__}")
    span_s, alive = 0.5, 0

    for kill in range(kills):
        pair.feed(range(kill * PER_KILL, (kill + 1) * PER_KILL))
        begun = context.Event()
        said = (pair.folder, pair.adapters, {"copy": pair.sync}, "copy", begun)
        child = context.Process(target=carry, args=said)
        child.start()
        assert begun.wait(60)
        since = time.monotonic()
        child.join(dice.uniform(0, span_s))
        if child.is_alive():
            alive += 1
            child.kill()
            child.join()
        else:  # it was done before its death came: come sooner
            span_s = max(0.05, time.monotonic() - since)
    until = time.monotonic() + 120
    while True:
        time.sleep(0.25)  # the last one's lease
        carry(pair.folder, pair.adapters, {"copy": pair.sync}, "copy")
        if pair.is_empty():
            break
        assert time.monotonic() < until, "something stays behind"
    carry(pair.folder, pair.adapters, {"copy": pair.sync}, "copy")

    arrived = pair.arrived()
    expected = Counter(facts(range(kills * PER_KILL)))
    with capsys.disabled():
        print(
            f"\n{type(pair).__name__}: {alive} of {kills} killed at work (seed {SEED}), {sum(expected.values())} rows, "
            f"{sum((expected - arrived).values())} lost, {sum((arrived - expected).values())} doubled or changed, "
            f"{pair.repeats} messages repeated under their id"
        )
    assert arrived == expected
    assert alive > (kills // 3 if kills > 20 else 0), "the kills came too late"


@pytest.mark.parametrize("mode", ["insert", "replace"])
@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_kill_9_of_a_load_in_ranges_leaves_each_load_complete_and_no_row_twice(
    postgres: Any,
    tmp_path: Path,
    kills: int,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where everything is replaced, who looks sees all of a load or all of the one before, whenever he looks."""
    here = os.pathsep.join(filter(None, (str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", here)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["syncing"])
    dice = random.Random(f"{SEED} ranges")
    source, target = postgres.create_database(), postgres.create_database()
    execute(
        source,
        "create table orders (id integer primary key, name text)",
        "insert into orders select n * 3, 'n' || n from generate_series(1, 20000) n",
    )
    execute(target, "create table orders (id integer, name text)")
    adapters = {
        name: {"kind": "sql", "url": url, "tables": {"orders": {}}}
        for name, url in (("erp", source), ("house", target))
    }
    sync = {
        "from": {"adapter": "erp", "table": "orders"},
        "to": {"adapter": "house", "table": "orders", "mode": mode},
        "partitions": {"ranges": 24, "parallel": 3},
    }
    sync |= {"totals": [{"sum": "id"}]} if mode == "replace" else {}
    every = "select count(*), sum(id), md5(string_agg(id || name, ',' order by id)) from orders"
    whole, before = rows(source, every), rows(target, every)
    alive = loads = 0

    def complete() -> bool:
        night = Night(tmp_path, adapters, {"copy": sync})
        try:
            return sum(run.state == "succeeded" for run in night.syncs.runs("copy", limit=10_000)) > loads
        finally:
            night.close()

    def check() -> None:
        nonlocal before, whole
        assert rows(target, every) == whole, f"load {loads}"
        if mode == "insert":
            execute(target, "truncate orders")
        else:
            execute(source, f"update orders set name = 'load {loads} ' || id")
            before, whole = whole, rows(source, every)

    for _ in range(kills):
        begun = context.Event()
        child = context.Process(target=carry_once, args=(tmp_path, adapters, {"copy": sync}, "copy", begun))
        child.start()
        assert begun.wait(60)
        child.join(dice.uniform(0, 0.5))
        if child.is_alive():
            alive += 1
            child.kill()
            child.join()
        if mode == "replace":
            assert rows(target, every) in (before, whole)
        if complete():
            loads += 1
            check()
    until = time.monotonic() + 120
    while not complete():
        assert time.monotonic() < until, "the load does not end"
        time.sleep(0.25)
        carry_once(tmp_path, adapters, {"copy": sync}, "copy")
    loads += 1
    check()
    with capsys.disabled():
        print(
            f"\nranges, {mode}: {alive} of {kills} killed at work (seed {SEED}), {loads} loads of 20000 rows, 0 lost, 0 doubled"
        )
    assert alive > (kills // 3 if kills > 20 else 0), "the kills came too late"
