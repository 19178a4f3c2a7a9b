"""Syncs in parts: several tables for one record, ranges of a table in parallel, batches that are committed for themselves."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from syncing import CALLER, Night, execute, rows

from drawbar.app import open_app
from drawbar.core.errors import ConfigError, InputError, Rejected, Unavailable
from drawbar.core.roster import is_served
from drawbar.core.syncs.loads import Loads

NUMBERS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {last}) "


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []
    (tmp_path / "drop").mkdir()

    def make(sync: dict[str, Any], *statements: str) -> Night:
        for name in ("erp", "house"):
            (tmp_path / f"{name}.db").touch()
        execute(f"sqlite:///{tmp_path}/house.db", *statements)
        feed = {"pattern": "*.jsonl", "ready": {"stable_s": 0}, "format": {"kind": "jsonl"}}
        adapters = {
            "drop": {"kind": "local", "root": str(tmp_path / "drop"), "feeds": {"orders": feed}},
            "erp": {"kind": "sql", "url": f"sqlite:///{tmp_path}/erp.db", "tables": {"orders": {}}},
            "house": {
                "kind": "sql",
                "url": f"sqlite:///{tmp_path}/house.db",
                "tables": {"orders": {}, "lines": {}},
            },
        }
        made.append(Night(tmp_path, adapters, {"s": sync}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def drop(folder: Path, name: str, *records: Any) -> None:
    (folder / "drop" / name).write_text("".join(json.dumps(one) + "\n" for one in records))


WRITES = [
    {"table": "orders", "mode": "upsert", "map": {"id": "${{ row.id }}", "name": "${{ row.name }}"}},
    {
        "table": "lines",
        "each": "row.lines",
        "map": {"order_id": "${{ row.id }}", "place": "${{ index }}", "item": "${{ item.sku }}"},
    },
]
TABLES = (
    "create table orders (id integer primary key, name varchar(10) not null)",
    "create table lines (order_id integer not null references orders (id), place integer, item varchar(5) not null)",
)


def test_a_record_and_its_lines_are_written_into_two_tables_or_into_none(
    night: Callable[..., Night], tmp_path: Path
) -> None:
    drop(
        tmp_path,
        "a.jsonl",
        {"id": 1, "name": "Ada", "lines": [{"sku": "a"}, {"sku": "b"}]},
        {"id": 2, "name": "Ben", "lines": [{"sku": "c"}, {"sku": "too long"}]},
        {"id": 3, "name": "Cid"},
        {"id": 4, "name": "Dee", "lines": {"sku": "d"}},
        {"id": 5, "name": "Eve", "lines": "no list"},
    )
    sync = {
        "from": {"adapter": "drop", "feed": "orders"},
        "to": {"adapter": "house", "writes": WRITES},
        "rejects": {"max_count": 2},
    }

    run = night(sync, *TABLES).run("s")

    house = f"sqlite:///{tmp_path}/house.db"
    assert (run["read"], run["written"], run["rejected"]) == (5, 3, 2)
    assert rows(house, "select id from orders order by id") == [(1,), (3,), (4,)]
    assert rows(house, "select * from lines order by 1, 2") == [(1, 1, "a"), (1, 2, "b"), (4, 1, "d")]
    reasons = [json.loads(line) for line in Path(run["files"][0]["rejects"]).read_text().splitlines()]
    assert [(one["record_no"], "lines" in one["reason"]) for one in reasons] == [(2, True), (5, True)]


def test_a_dry_run_of_several_tables_writes_into_none(night: Callable[..., Night], tmp_path: Path) -> None:
    drop(tmp_path, "a.jsonl", {"id": 1, "name": "Ada", "lines": [{"sku": "a"}]})
    sync = {"from": {"adapter": "drop", "feed": "orders"}, "to": {"adapter": "house", "writes": WRITES}}

    run = night(sync, *TABLES).run("s", dry_run=True)

    assert run["would"]["inserted"] == 2
    assert rows(f"sqlite:///{tmp_path}/house.db", "select count(*) from orders") == [(0,)]


def test_a_batched_file_that_was_cut_off_goes_on_whatever_the_size_of_its_batches(
    night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, "a.jsonl", *({"id": n, "name": f"n{n}"} for n in range(1, 101)))
    plain = "create table orders (id integer, name varchar(10))"
    sync = {
        "from": {"adapter": "drop", "feed": "orders"},
        "to": {"adapter": "house", "table": "orders", "load": "batched"},
        "batch_rows": 10,
    }
    here = night(sync, plain)
    seen = 0

    def told(counts: Any, total: int | None) -> None:
        nonlocal seen
        seen = counts.written
        if seen >= 40:
            raise Unavailable("cut off")

    with pytest.raises(Unavailable):
        here.syncs.run("s", {}, caller=CALLER, progress=told)
    house = f"sqlite:///{tmp_path}/house.db"
    half = rows(house, "select count(*) from orders")[0][0]
    with pytest.raises(InputError, match="would be there twice"):
        here.run("s", full=True)
    again = Night(tmp_path, here.adapters, {"s": {**sync, "batch_rows": 7}})
    run = again.run("s")
    again.close()

    assert half == 30
    assert run["read"] == 70
    assert rows(house, "select count(*), count(distinct id) from orders") == [(100, 100)]
    assert list((tmp_path / "drop").glob("*.jsonl")) == []


def test_a_batch_that_fails_says_what_is_loaded_already(night: Callable[..., Night], tmp_path: Path) -> None:
    records = [{"id": n, "name": f"n{n}"} for n in range(1, 31)]
    records[25] = {"id": 26, "name": None}
    drop(tmp_path, "a.jsonl", *records)
    plain = "create table orders (id integer primary key, name varchar(10) not null)"
    to = {"adapter": "house", "table": "orders", "load": "batched"}

    with pytest.raises(Rejected, match="the 20 records before are in the target"):
        night({"from": {"adapter": "drop", "feed": "orders"}, "to": to, "batch_rows": 10}, plain).run("s")


def loaded(tmp_path: Path, last: int) -> None:
    (tmp_path / "erp.db").touch()
    execute(
        f"sqlite:///{tmp_path}/erp.db",
        "create table orders (id integer primary key, name varchar(10))",
        f"{NUMBERS.format(last=last)} insert into orders select i * i, 'n' || i from n",
    )


PARTED = {
    "from": {"adapter": "erp", "table": "orders"},
    "to": {"adapter": "house", "table": "orders", "mode": "insert"},
    "partitions": {"ranges": 7, "parallel": 3},
    "batch_rows": 50,
}


def cut_off(here: Night, monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    """Run a load whose target is away when this range comes."""
    one = Loads.one

    def failing(self: Loads, held: Any, plan: Any, number: int, told: Any) -> Any:
        if number == at:
            raise Unavailable("away")
        return one(self, held, plan, number, told)

    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="away"):
        patched.setattr(Loads, "one", failing)
        here.run("s")


def test_a_load_in_ranges_that_was_cut_off_goes_on_with_the_ranges_that_are_left(
    night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(tmp_path, 1000)
    here = night(PARTED, "create table orders (id integer, name varchar(10))")
    cut_off(here, monkeypatch, at=4)
    with pytest.raises(InputError, match="twice"):
        here.run("s", full=True)
    run = here.run("s")

    assert run["load"]["ranges"] == 7
    assert run["load"]["done_before"] >= 4
    found = rows(f"sqlite:///{tmp_path}/house.db", "select count(*), count(distinct id), min(id), max(id) from orders")
    assert found == [(1000, 1000, 1, 1_000_000)]
    assert here.syncs.cursor("s")["cursor"] is None


def test_a_range_that_was_committed_and_not_noted_is_not_loaded_twice(
    night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died between the target's commit and our state's: the target knows."""
    loaded(tmp_path, 100)
    here = night(PARTED, "create table orders (id integer, name varchar(10))")
    tick = Loads.tick

    def dying(self: Loads, name: str, load: str, at: int) -> None:
        raise Unavailable("died")

    monkeypatch.setattr(Loads, "tick", dying)
    with pytest.raises(Unavailable, match="died"):
        here.run("s")
    monkeypatch.setattr(Loads, "tick", tick)
    run = here.run("s")

    assert any(one["again"] for one in run["files"])
    assert rows(f"sqlite:///{tmp_path}/house.db", "select count(*), count(distinct id) from orders") == [(100, 100)]


CHANGES = {
    "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed", "tie_breaker": "id"}},
    "to": {"adapter": "house", "table": "orders", "mode": "insert"},
    "partitions": {"ranges": 5, "parallel": 3},
    "batch_rows": 20,
}
STAMPED = "create table orders (id integer, name varchar(10), changed timestamp)"


def stamped(tmp_path: Path, *numbers: int) -> None:
    values = ", ".join(f"({n * n % 1009 + n * 2000}, 'n{n}', '2026-01-01 00:{n // 7 % 60:02d}:00')" for n in numbers)
    execute(f"sqlite:///{tmp_path}/erp.db", f"insert into orders values {values}")


@pytest.mark.parametrize("keeper", ["target", "state"])
def test_what_changed_is_read_in_ranges_between_two_cursors_and_once(
    night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: str
) -> None:
    """Also when the first load was cut off, and rows with the last stamp came after it was planned."""
    (tmp_path / "erp.db").touch()
    execute(f"sqlite:///{tmp_path}/erp.db", STAMPED.replace("id integer", "id integer primary key"))
    stamped(tmp_path, *range(1, 301))
    mode = {"cursor": "state", "mode": "upsert", "key": ["id"]} if keeper == "state" else {}
    key = STAMPED.replace("id integer", "id integer unique" if mode else "id integer")
    here = night({**CHANGES, "to": {**CHANGES["to"], **mode}}, key)
    cut_off(here, monkeypatch, at=3)
    halfway = here.syncs.cursor("s")["cursor"]
    [behind] = here.syncs.look()
    stamped(tmp_path, *range(301, 331))
    first, second, third = here.run("s"), here.run("s"), here.run("s")

    assert halfway["load"]["until"]["at"] == "2026-01-01 00:42:00"
    assert behind["lag"]["rows"] == 300
    assert (first["load"]["ranges"], first["load"]["done_before"] > 0) == (5, True)
    assert first["cursor_after"] == halfway["load"]["until"]
    assert (second["read"], second["load"]["ranges"]) == (30, 2)
    assert third["status"] == "nothing"
    assert here.syncs.cursor("s") == {"name": "s", "cursor": second["cursor_after"], "kept_by": keeper}
    house = f"sqlite:///{tmp_path}/house.db"
    assert rows(house, "select count(*), count(distinct id) from orders") == [(330, 330)]


def test_a_half_done_load_is_not_begun_again_without_its_ranges_where_rows_would_come_twice(
    night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(tmp_path, 100)
    here = night(PARTED, "create table orders (id integer, name varchar(10))")
    cut_off(here, monkeypatch, at=2)
    plain = Night(tmp_path, here.adapters, {"s": {name: said for name, said in PARTED.items() if name != "partitions"}})

    with pytest.raises(InputError, match="there twice"):
        plain.run("s")
    plain.close()


def test_what_every_page_of_an_upsert_gave_is_compared_with_what_the_target_has(
    night: Callable[..., Night], tmp_path: Path
) -> None:
    (tmp_path / "erp.db").touch()
    execute(
        f"sqlite:///{tmp_path}/erp.db",
        "create table orders (id integer primary key, amount decimal(12,2), changed timestamp)",
        f"{NUMBERS.format(last=95)} insert into orders select i, i + 0.25, '2026-01-01 00:00:00' from n",
    )
    target = "create table orders (id integer primary key, amount decimal(12,2))"
    sync = {
        "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}},
        "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
        "map": {"id": "${{ row.id }}", "amount": "${{ row.amount }}"},
        "totals": [{"sum": "amount"}],
        "batch_rows": 20,
    }
    liar = "create trigger liar after insert on orders when new.id = 50 begin update orders set amount = 0 where id = 50; end"

    here = night(sync, target)
    run = here.run("s")
    execute(f"sqlite:///{tmp_path}/house.db", liar, "delete from orders")

    assert [(one["of"], one["source"], one["target"]) for one in run["totals"]] == [
        ("count", "95", "95"),
        ("sum(amount)", "4583.75", "4583.75"),
    ]
    with pytest.raises(Rejected, match="the totals differ: sum"):
        here.run("s", full=True)
    assert rows(f"sqlite:///{tmp_path}/house.db", "select count(*) from orders") == [(40,)]


def test_a_load_is_spread_over_those_who_work_as_a_run_that_everybody_sees(tmp_path: Path) -> None:
    loaded(tmp_path, 900)
    (tmp_path / "house.db").touch()
    execute(f"sqlite:///{tmp_path}/house.db", "create table orders (id integer, name varchar(10))")
    parted = {**PARTED, "partitions": {"ranges": 6, "parallel": 3, "workers": True}}
    adapters = {
        name: {"kind": "sql", "url": f"sqlite:///{tmp_path}/{name}.db", "tables": {"orders": {}}}
        for name in ("erp", "house")
    }
    said = {"version": 1, "state": f"sqlite:///{tmp_path}/state.db", "adapters": adapters, "syncs": {"s": parted}}
    (tmp_path / "drawbar.yaml").write_text(json.dumps(said))

    with open_app(tmp_path / "drawbar.yaml") as app:
        app.begin()
        until = time.monotonic() + 60
        while not is_served(app.journal, "default") and time.monotonic() < until:
            time.sleep(0.02)
        run = app.syncs.run("s", {}, caller=CALLER).as_json()
        tasks = app.engine.tasks(run["load"]["run"], items=True)

    assert (run["status"], run["read"], run["written"]) == ("succeeded", 900, 900)
    assert sum(task.item is not None and task.state == "succeeded" for task in tasks) == 6
    assert rows(f"sqlite:///{tmp_path}/house.db", "select count(*), count(distinct id) from orders") == [(900, 900)]


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("way", ["whole", "in ranges", "looked up"])
def test_both_ends_in_one_file_of_sqlite_do_not_wait_for_each_other(
    night: Callable[..., Night], tmp_path: Path, mode: str, way: str
) -> None:
    """More is written than SQLite's cache holds, so that it wants the file for itself in the middle."""
    house = f"sqlite:///{tmp_path}/house.db"
    sync: dict[str, Any] = {
        "from": {"adapter": "same", "table": "orders"},
        "to": {"adapter": "house", "table": "lines", "mode": "upsert"},
    }
    if way == "in ranges":
        sync["partitions"] = {"ranges": 3}
    if way == "looked up":
        found = {"adapter": "same", "table": "orders", "key": {"id": "${{ row.id }}"}, "columns": ["name"]}
        sync |= {"lookups": {"l": found}, "map": {"id": "${{ row.id }}", "name": "${{ lookup.l.name }}"}}
    plain = "(id integer primary key, name varchar(400))"
    here = night(sync, f"create table orders {plain}", f"create table lines {plain}")
    many = f"{NUMBERS.format(last=9000)} insert into orders select i, printf('%0390d', i) from n"
    execute(house, f"pragma journal_mode = {mode}", many)
    two = {**here.adapters, "same": here.adapters["house"]}
    beside = Night(tmp_path, two, {"s": sync})

    if (way, mode) == ("looked up", "delete"):
        with pytest.raises(ConfigError, match="lets nobody read then"):
            beside.run("s")
    else:
        assert beside.run("s")["written"] == 9000
    beside.close()


def test_how_far_a_sync_is_behind_its_source_is_shown_and_looking_makes_no_table(
    night: Callable[..., Night], tmp_path: Path
) -> None:
    (tmp_path / "erp.db").touch()
    erp, house = f"sqlite:///{tmp_path}/erp.db", f"sqlite:///{tmp_path}/house.db"
    row = "insert into orders values ({}, '2026-01-01 00:00:00')"
    execute(erp, "create table orders (id integer primary key, changed timestamp)", *(row.format(n) for n in range(5)))
    sync = {
        "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}},
        "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
        "triggers": [{"cron": "0 3 * * *"}],
    }
    here = night(sync, "create table orders (id integer primary key, changed timestamp)")

    [before] = here.syncs.look()
    tables = rows(house, "select name from sqlite_master where type = 'table'")
    here.run("s")
    execute(erp, row.format(7), row.format(8))
    [after] = here.syncs.look()

    assert (before["lag"]["rows"], tables) == (5, [("orders",)])
    assert (after["lag"]["rows"], after["crash"]["one_effect"]) == (2, True)
    assert after["lag"]["seconds"] > 0
    assert "T03:00:00" in after["next"]


def test_rows_of_the_overlap_are_read_again_and_are_not_behind(night: Callable[..., Night], tmp_path: Path) -> None:
    (tmp_path / "erp.db").touch()
    row = "insert into orders values ({}, '2026-01-01 00:00:0{}')"
    made = "create table orders (id integer primary key, changed timestamp)"
    execute(f"sqlite:///{tmp_path}/erp.db", made, *(row.format(n, n) for n in range(5)))
    sync = {
        "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed", "overlap_s": 2}},
        "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
    }
    here = night(sync, made)

    here.run("s")
    [look] = here.syncs.look()
    second = here.run("s")
    again = here.run("s", run=second["id"])

    assert look["lag"]["rows"] == 0
    assert second["read"] == 3
    assert again["read"] >= 1


@pytest.mark.parametrize("server", ["postgres", "mariadb", "firebird"])
def test_every_database_can_be_read_in_ranges(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Firebird has words of its own for what counts and numbers rows."""
    url = str(request.getfixturevalue(server).create_database())
    adapters = {
        "erp": {"kind": "sql", "url": url, "tables": {"orders": {}}},
        "house": {"kind": "sql", "url": f"sqlite:///{tmp_path}/house.db", "tables": {"orders": {}}},
    }
    plain = "create table orders (id integer not null primary key, name varchar(10), changed timestamp)"
    (tmp_path / "house.db").touch()
    execute(f"sqlite:///{tmp_path}/house.db", plain)
    make = Night(tmp_path, adapters, {"whole": PARTED, "changes": CHANGES})
    with make.landscape.adapter("erp").database.unit("write") as connection:
        connection.exec_driver_sql(plain)
    with make.landscape.adapter("erp").database.unit("write") as connection:
        for n in range(1, 61):
            row = f"insert into orders values ({n * 5}, 'n{n}', timestamp '2026-01-01 00:{n // 7:02d}:00')"
            connection.exec_driver_sql(row)

    whole = make.run("whole")
    execute(f"sqlite:///{tmp_path}/house.db", "delete from orders")
    first, second = make.run("changes"), make.run("changes")
    make.close()

    assert (whole["read"], whole["load"]["ranges"]) == (60, 7)
    assert (first["read"], first["load"]["ranges"], second["status"]) == (60, 4, "nothing")
    assert rows(f"sqlite:///{tmp_path}/house.db", "select count(*), sum(id) from orders") == [(60, 5 * 61 * 30)]
