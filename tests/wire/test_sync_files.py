"""Syncs from files and queues into databases and back into files."""

import json
import multiprocessing
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from syncing import Night, carry, execute, rows

from drawbar.core.errors import Rejected, Unavailable

TABLE = "create table orders (id integer primary key, customer varchar(10) not null, amount decimal(10,2), placed date)"
CSV = {"kind": "csv", "columns": {"ID": "integer", "AMOUNT": "decimal", "PLACED": "date"}}
MAP = {
    "id": "${{ row.ID }}",
    "customer": "${{ row.CUSTOMER }}",
    "amount": "${{ row.AMOUNT }}",
    "placed": "${{ row.PLACED }}",
}
LOAD = {
    "from": {"adapter": "drop", "feed": "orders"},
    "to": {"adapter": "house", "table": "orders", "mode": "insert"},
    "map": MAP,
    "rejects": {"max_share": 0.2},
    "batch_rows": 30,
}


def csv(numbers: range) -> str:
    return "ID,CUSTOMER,AMOUNT,PLACED\n" + "".join(f'{n},"c, {n}",{n}.50,2026-01-{n % 28 + 1:02d}\n' for n in numbers)


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        sqlite3.connect(tmp_path / "house.db").close()
        url = f"sqlite:///{tmp_path}/house.db"
    else:
        url = request.getfixturevalue("pg_url" if request.param == "postgresql" else "mariadb_url")
    execute(url, TABLE)
    return str(url)


def adapters(folder: Path, url: str, **more: Any) -> dict[str, Any]:
    feed = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": CSV, "lease_s": 3}
    out = {"pattern": "*.csv", "format": {"kind": "csv"}}
    drop = {"kind": "local", "root": str(folder / "drop"), "feeds": {"orders": feed}}
    away = {"kind": "local", "root": str(folder / "away"), "feeds": {"export": out}}
    house = {"kind": "sql", "url": url, "tables": {"orders": {}}}
    return {"drop": drop, "away": away, "house": house, **more}


@pytest.fixture
def night(tmp_path: Path, target: str) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []
    (tmp_path / "drop").mkdir()
    (tmp_path / "away").mkdir()

    def make(sync: dict[str, Any], **more: Any) -> Night:
        made.append(Night(tmp_path, adapters(tmp_path, target, **more), {"load": sync}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_files_become_rows_and_bad_records_a_reject_file(night: Any, target: str, tmp_path: Path) -> None:
    text = csv(range(1, 101)).replace("\n7,", "\nseven,").replace('"c, 9"', '"a name that is too long"')
    (tmp_path / "drop/a.csv").write_text(text.replace("12.50", ""))
    (tmp_path / "drop/b.csv").write_text(csv(range(101, 131)))

    result = night(LOAD).run("load")

    assert (result["read"], result["written"], result["rejected"]) == (130, 128, 2)
    assert [(file["name"], file["written"]) for file in result["files"]] == [("a.csv", 98), ("b.csv", 30)]
    assert rows(target, "select count(*), count(amount) from orders") == [(128, 127)]
    rejects = [json.loads(line) for line in Path(result["files"][0]["rejects"]).read_text().splitlines()]
    assert [reject["record_no"] for reject in rejects] == [7, 9]
    assert rejects[0]["text"].startswith('seven,"c, 7"') and "fit" in rejects[1]["reason"]
    assert sorted(path.name for path in (tmp_path / "drop/archive").iterdir()) == ["a.csv", "b.csv"]


def test_a_file_with_too_many_bad_records_changes_nothing(night: Any, target: str, tmp_path: Path) -> None:
    (tmp_path / "drop/a.csv").write_text(csv(range(1, 11)).replace(".50", ".5x"))

    with pytest.raises(Rejected, match="10 of 10"):
        night(LOAD).run("load")

    assert rows(target, "select count(*) from orders") == [(0,)]
    assert not (tmp_path / "drop/archive/a.csv").exists()
    assert (
        len([path for path in (tmp_path / "drop").rglob("*a.csv*") if path.is_file() and path.stat().st_size > 200])
        == 1
    )


def test_a_file_that_is_not_whole_holds_no_other(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    target = f"sqlite:///{tmp_path}/house.db"
    execute(target, TABLE)
    (tmp_path / "drop/a.csv").write_text(csv(range(1, 101))[:-3] + ',"open')
    load = Night(tmp_path, adapters(tmp_path, target), {"load": LOAD})
    try:
        with pytest.raises(Unavailable, match=r"a\.csv is not complete"):
            load.run("load")
        (tmp_path / "drop/b.csv").write_text(csv(range(101, 131)))
        (tmp_path / "drop/a.csv").touch()

        assert [file["name"] for file in load.run("load")["files"]] == ["b.csv"]
        (tmp_path / "drop/a.csv").write_text(csv(range(1, 101)))
        assert [file["name"] for file in load.run("load")["files"]] == ["a.csv"]
        assert rows(target, "select count(*) from orders") == [(130,)]
    finally:
        load.close()


def test_the_same_file_again_is_not_loaded_twice(night: Any, target: str, tmp_path: Path) -> None:
    (tmp_path / "drop/a.csv").write_text(csv(range(1, 11)))
    load = night(LOAD)
    load.run("load")
    (tmp_path / "drop/archive/a.csv").rename(tmp_path / "drop/a.csv")

    again = load.run("load")

    assert again["written"] == 0 and again["files"][0]["again"] is True
    assert rows(target, "select count(*) from orders") == [(10,)]


def test_rows_become_a_file(night: Any, target: str, tmp_path: Path) -> None:
    execute(target, "insert into orders values (1, 'ä,b', 10.00, '2026-01-02'), (2, 'c', null, null)")
    export = {
        "from": {"adapter": "house", "table": "orders"},
        "to": {"adapter": "away", "feed": "export", "name": "orders-${{ run.date }}.csv"},
    }

    result = night(export).run("load", date="2026-03-04")

    assert result["written"] == 2
    text = (tmp_path / "away/orders-2026-03-04.csv").read_text()
    assert text.splitlines()[0] == "id,customer,amount,placed"
    assert sorted(text.splitlines()[1:]) == ['1,"ä,b",10.00,2026-01-02', "2,c,,"]


def test_messages_become_rows(night: Any, target: str, rabbitmq: Any, tmp_path: Path) -> None:
    url = rabbitmq.make_vhost()
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare("orders.in", durable=True)
    for number in range(50):
        body = (
            b"no json"
            if number == 13
            else json.dumps({"id": number, "customer": f"c{number}", "amount": f"{number}.25"})
        )
        channel.basic_publish("", "orders.in", body)
    events = {"kind": "amqp", "url": url, "consume": {"incoming": {"queue": "orders.in"}}}
    sync = {
        "from": {"adapter": "events", "consume": "incoming"},
        "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
        "rejects": {"max_count": 1},
        "batch_rows": 20,
    }

    result = night(sync, events=events).run("load")

    assert (result["read"], result["written"], result["rejected"]) == (50, 49, 1)
    assert rows(target, "select count(*), sum(amount) from orders where id <> 0")[0][0] == 48
    assert channel.queue_declare("orders.in", passive=True).method.message_count == 0
    connection.close()


@pytest.mark.parametrize("target", ["postgresql"], indirect=True)
def test_a_message_that_fails_its_portion_for_ever_becomes_a_dead_letter(
    night: Any, target: str, rabbitmq: Any
) -> None:
    url = rabbitmq.make_vhost()
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for queue in ("orders.in", "orders.dead"):
        channel.queue_declare(queue, durable=True)
    for number in (1, 2, 3):
        body = {"id": number, "customer": "much too long a name" if number == 2 else "c", "amount": "1.00"}
        channel.basic_publish("", "orders.in", json.dumps(body), pika.BasicProperties(message_id=f"m{number}"))
    consume = {"queue": "orders.in", "max_attempts": 3, "dead_letter": {"routing_key": "orders.dead"}}
    events = {"kind": "amqp", "url": url, "consume": {"incoming": consume}}
    to = {"adapter": "house", "table": "orders", "mode": "upsert"}
    carried = night({"from": {"adapter": "events", "consume": "incoming"}, "to": to}, events=events)

    for _ in range(3):
        with pytest.raises(Rejected, match="1 of 3"):
            carried.run("load")

    assert carried.run("load")["written"] == 2
    _, properties, body = channel.basic_get("orders.dead", auto_ack=True)
    assert properties.message_id == "m2" and "failed 3 times" in properties.headers["x-drawbar-reason"]
    assert json.loads(body)["id"] == 2
    connection.close()


@pytest.mark.parametrize("target", ["postgresql"], indirect=True)
@pytest.mark.parametrize("rules", [{}, {"max_count": 1}])
def test_a_message_that_spoils_its_portion_without_being_named_is_found_and_the_others_go_through(
    night: Any, target: str, rabbitmq: Any, rules: dict[str, Any]
) -> None:
    """A field that the target has no column for is said of all rows together."""
    url = rabbitmq.make_vhost()
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare("orders.in", durable=True)
    for number in range(1, 10):
        body = {"id": number, "customer": "c", "amount": "1.00", **({"nobody": 1} if number == 6 else {})}
        channel.basic_publish("", "orders.in", json.dumps(body), pika.BasicProperties(message_id=f"m{number}"))
    events = {"kind": "amqp", "url": url, "consume": {"incoming": {"queue": "orders.in", "max_attempts": 3}}}
    sync = {
        "from": {"adapter": "events", "consume": "incoming"},
        "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
        "rejects": rules,
    }
    carried = night(sync, events=events)

    if rules:
        run = carried.run("load")
        assert (run["read"], run["written"], run["rejected"]) == (9, 8, 1)
        [where] = [one["rejects"] for one in run["files"] if one.get("rejects")]
        assert "nobody" in json.loads(Path(where).read_text())["reason"]
    else:
        with pytest.raises(Rejected, match="no column nobody"):
            carried.run("load")

    assert rows(target, "select id from orders where id <> 0 order by id") == [(n,) for n in range(1, 10) if n != 6]
    waiting = channel.queue_declare("orders.in", passive=True).method.message_count
    assert waiting == (0 if rules else 1)
    connection.close()


@pytest.mark.parametrize("target", ["postgresql"], indirect=True)
def test_a_file_on_sftp_becomes_rows(night: Any, target: str, sshd: Any, drop: Path) -> None:
    (drop / "a.csv").write_text(csv(range(1, 21)))
    (drop / "a.csv").chmod(0o666)
    feeds = {"orders": {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": CSV}}
    partner = {
        "kind": "sftp",
        "host": sshd.host,
        "port": sshd.port,
        "username": sshd.user,
        "private_key_file": str(sshd.key_file),
        "known_hosts": str(sshd.known_hosts),
        "root": str(drop),
        "feeds": feeds,
    }

    result = night({**LOAD, "from": {"adapter": "partner", "feed": "orders"}}, partner=partner).run("load")

    assert result["written"] == 20 and rows(target, "select count(*) from orders") == [(20,)]


KILLS = 20


@pytest.mark.slow
@pytest.mark.parametrize("target", ["postgresql"], indirect=True)
def test_kill_9_while_files_are_loaded_loses_nothing_and_repeats_nothing(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are inserted into a table without a key: what was loaded twice would be there twice."""
    execute(target, "drop table orders", TABLE.replace(" primary key", ""))
    (tmp_path / "drop").mkdir()
    said = adapters(tmp_path, target)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["syncing"])
    dice = random.Random(11)
    seen: set[int] = set()
    patience_s = 0.5  # longer where the machine is too busy for a load to get anywhere

    for kill in range(KILLS):
        for part in range(3):
            first = (kill * 3 + part) * 50
            (tmp_path / f"drop/new-{first}").write_text(csv(range(first, first + 50)))
            (tmp_path / f"drop/new-{first}").rename(tmp_path / f"drop/f{first:05d}.csv")
        begun = context.Event()
        child = context.Process(
            target=carry, args=(tmp_path, said, {"load": {**LOAD, "batch_rows": 10}}, "load", begun)
        )
        child.start()
        assert begun.wait(60)
        time.sleep(dice.uniform(0, patience_s))
        child.kill()
        child.join()
        found = rows(target, "select count(*) from orders")[0][0]
        patience_s = min(patience_s * (1.5 if found in seen else 0.9), 8)
        seen.add(found)
    until = time.monotonic() + 60
    while any((tmp_path / "drop").glob("*.csv")) or rows(target, "select count(*) from orders")[0][0] < KILLS * 150:
        assert time.monotonic() < until, "files stay behind"
        carry(tmp_path, said, {"load": LOAD}, "load")
        time.sleep(0.5)

    assert len(seen) > 3
    assert rows(target, "select count(*), count(distinct id) from orders") == [(KILLS * 150, KILLS * 150)]
    assert len(list((tmp_path / "drop/archive").iterdir())) == KILLS * 3
