"""Syncs between real databases: nothing lost, nothing twice, whatever is killed."""

import multiprocessing
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from syncing import CALLER, Night, carry, execute, rows

from drawbar.core.errors import ConfigError, InputError, Rejected, Unavailable

STAMP = {"postgresql": "timestamp", "mysql": "datetime(6)", "sqlite": "datetime"}
COLUMNS = "id, name, amount, big, changed"


def dialect(url: str) -> str:
    return url.split(":", maxsplit=1)[0].split("+", maxsplit=1)[0]


def table(url: str, name: str = "orders") -> str:
    return (
        f"create table {name} (id integer primary key, name varchar(20) not null, amount decimal(12,2), big bigint, "
        f"changed {STAMP[dialect(url)]})"
    )


def fill(url: str, numbers: range, *, per_stamp: int = 1) -> None:
    """Rows whose stamps are equal in groups of `per_stamp`."""
    values = [
        f"({n}, 'n{n}', {n}.{n % 100:02d}, {2**53 + n}, '2026-01-01 {n // per_stamp // 60 % 24:02d}:{n // per_stamp % 60:02d}:00.123456')"
        for n in numbers
    ]
    execute(url, *(f"insert into orders values {','.join(values[at : at + 500])}" for at in range(0, len(values), 500)))


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    made = iter(range(100))

    def make(kind: str) -> str:
        if kind == "sqlite":
            path = tmp_path / f"base{next(made)}.db"
            sqlite3.connect(path).close()
            return f"sqlite:///{path}"
        return str(request.getfixturevalue({"postgresql": "postgres", "mysql": "mariadb"}[kind]).create_database())

    return make


PAIRS = [
    ("postgresql", "postgresql"),
    ("postgresql", "mysql"),
    ("mysql", "postgresql"),
    ("mysql", "sqlite"),
    ("sqlite", "postgresql"),
    ("sqlite", "sqlite"),
]


@pytest.fixture(params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def ends(request: pytest.FixtureRequest, database: Callable[[str], str]) -> tuple[str, str]:
    source, target = map(database, request.param)
    execute(source, table(source))
    execute(target, table(target))
    return source, target


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []

    def make(ends: tuple[str, str], *, to: dict[str, Any] | None = None, **sync: Any) -> Night:
        tables = {"orders": {}, "other": {"table": "orders"}}
        adapters = {
            "erp": {"kind": "sql", "url": ends[0], "tables": {"orders": {}}, **sync.pop("erp", {})},
            "house": {"kind": "sql", "url": ends[1], "tables": tables},
        }
        said = {
            "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}},
            "to": {"adapter": "house", "table": "orders", **(to or {"mode": "upsert"})},
            "batch_rows": 7,
            **sync,
        }
        made.append(Night(tmp_path, adapters, {"copy": said}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def same(ends: tuple[str, str]) -> bool:
    """Compare row for row, by plain drivers: numbers as decimals, stamps as times."""
    query = f"select {COLUMNS} from orders order by id"

    def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
        number, name, amount, big, changed = row
        stamp = datetime.fromisoformat(changed) if isinstance(changed, str) else changed
        return number, name, None if amount is None else Decimal(str(amount)).quantize(Decimal("0.01")), big, stamp

    return [plain(row) for row in rows(ends[0], query)] == [plain(row) for row in rows(ends[1], query)]


def test_a_watermark_carries_what_is_new_and_equal_stamps_lose_nothing(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(1, 101), per_stamp=25)  # pages of 7 end inside groups of equal stamps
    copy = night(ends)

    first = copy.run("copy")
    assert (first["read"], first["written"], first["status"]) == (100, 100, "succeeded") and same(ends)

    assert copy.run("copy")["status"] == "nothing"

    fill(ends[0], range(101, 130), per_stamp=25)  # 101 to 124 have the last stamp seen, and greater keys
    assert copy.run("copy")["read"] == 29 and same(ends)
    execute(ends[0], "update orders set amount = 9.99, changed = '2026-02-01 00:00:00.000001' where id in (3, 50)")
    assert copy.run("copy")["read"] == 2 and same(ends)


@pytest.mark.parametrize("mode", ["insert", "upsert", "replace"])
def test_a_whole_table_is_written_in_each_mode(ends: tuple[str, str], night: Any, mode: str) -> None:
    fill(ends[0], range(50))
    whole = {"adapter": "erp", "table": "orders"}
    copy = night(ends, to={"mode": mode}, **{"from": whole})

    assert copy.run("copy")["written"] == 50 and same(ends)

    execute(ends[0], "delete from orders where id = 7", "update orders set name = 'new' where id = 8")
    if mode == "replace":
        copy.run("copy")
        assert same(ends)
    elif mode == "upsert":
        copy.run("copy")
        assert rows(ends[1], "select name from orders where id in (7, 8) order by id") == [("n7",), ("new",)]
    else:
        with pytest.raises(Rejected, match="records were rejected"):
            copy.run("copy")
        assert len(rows(ends[1], "select id from orders")) == 50


def test_rows_that_the_target_refuses_go_to_the_reject_file(ends: tuple[str, str], night: Any, tmp_path: Path) -> None:
    fill(ends[0], range(100))
    execute(ends[0], f"update orders set name = '{'x' * 20}' where id in (11, 12, 55)")
    execute(ends[1], "drop table orders", table(ends[1]).replace("varchar(20)", "varchar(10)"))
    copy = night(ends, rejects={"max_share": 0.5, "to": "./rejects"})

    result = copy.run("copy")

    assert (result["read"], result["written"], result["rejected"]) == (100, 97, 3)
    assert len(rows(ends[1], "select id from orders")) == 97
    files = [Path(done["rejects"]) for done in result["files"] if done.get("rejects")]
    text = "".join(file.read_text() for file in files)
    assert text.count("\n") == 3 and "20 characters, 10 fit" in text and '\\"id\\":55' in text


def test_the_databases_own_refusals_are_isolated_too(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(100))
    execute(
        ends[1],
        "drop table orders",
        table(ends[1]).replace("bigint", f"bigint check (big not in ({2**53 + 11}, {2**53 + 12}, {2**53 + 99}))"),
    )
    copy = night(ends, to={"mode": "insert"}, rejects={"max_count": 9}, batch_rows=50)

    result = copy.run("copy")

    assert (result["rejected"], result["written"]) == (3, 97)
    assert [n for (n,) in rows(ends[1], "select id from orders where id in (10, 11, 12, 13, 98, 99) order by id")] == [
        10,
        13,
        98,
    ]


def test_too_many_rejects_change_nothing(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(20))
    execute(ends[0], f"update orders set name = '{'x' * 20}' where id < 5")
    execute(ends[1], "drop table orders", table(ends[1]).replace("varchar(20)", "varchar(10)"))
    copy = night(ends, rejects={"max_count": 4}, batch_rows=100)

    with pytest.raises(Rejected, match="5 of 20"):
        copy.run("copy")

    assert rows(ends[1], "select count(*) from orders") == [(0,)]
    assert copy.syncs.runs("copy")[0].state == "failed"


def test_rows_are_filtered_and_mapped(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(30))
    fields = {
        "id": "${{ row.id + 1000 }}",
        "name": "${{ 'row ' + string(record_no) }}",
        "amount": "${{ row.amount * 2 }}",
    }
    copy = night(ends, where="${{ row.id % 3 == 0 }}", map=fields)

    result = copy.run("copy")

    assert (result["read"], result["written"], result["filtered"]) == (30, 10, 20)
    found = rows(ends[1], "select id, amount, changed from orders where id = 1003")
    assert found[0][0] == 1003 and Decimal(str(found[0][1])) == Decimal("6.06") and found[0][2] is None


def test_an_unknown_column_fails_or_is_left_out(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(5))
    execute(ends[1], "alter table orders drop column big")

    with pytest.raises(Rejected, match="no column big"):
        night(ends).run("copy")
    assert rows(ends[1], "select count(*) from orders") == [(0,)]
    assert night(ends, on_drift="ignore").run("copy")["written"] == 5


def test_a_dry_run_changes_nothing(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(30))
    copy = night(ends)

    assert copy.run("copy", dry_run=True)["read"] > 0
    assert rows(ends[1], "select count(*) from orders") == [(0,)]
    assert copy.run("copy")["written"] == 30


def test_a_full_run_reads_everything_again(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(30))
    copy = night(ends)
    copy.run("copy")
    execute(ends[1], "delete from orders where id < 10")

    assert copy.run("copy", full=True)["read"] == 30 and same(ends)
    fill(ends[0], range(30, 40))
    assert copy.run("copy")["read"] == 10 and same(ends)


def test_an_overlap_takes_rows_that_came_late(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(100, 130))
    cursor = {"column": "changed", "overlap_s": 1800}
    copy = night(ends, **{"from": {"adapter": "erp", "table": "orders", "cursor": cursor}, "batch_rows": 1000})
    copy.run("copy")
    assert copy.run("copy")["written"] == 30
    assert copy.run("copy")["written"] == 0  # the same rows again: the target has that portion

    execute(
        ends[0], "insert into orders values (1, 'late', 1.00, 1, '2026-01-01 01:55:30')"
    )  # 102 minutes after midnight is 130's

    result = copy.run("copy")
    assert result["read"] > 1 and same(ends)


def test_a_row_that_commits_within_the_overlap_while_a_long_run_reads_on_is_not_lost(
    ends: tuple[str, str], night: Any
) -> None:
    """A run that followed what is written meanwhile would leave the late row further back than the overlap reaches."""
    fill(ends[0], range(14))
    cursor = {"column": "changed", "overlap_s": 1800}
    copy = night(ends, **{"from": {"adapter": "erp", "table": "orders", "cursor": cursor}})
    late = ["insert into orders values (1000, 'late', 1, 1, '2026-01-01 00:02:00.123456')"]
    late += [
        f"insert into orders values ({1001 + n}, 'on', 1, 1, '2026-01-01 01:{n:02d}:00.123456')" for n in range(14)
    ]

    def others_write(counts: Any, total: int | None) -> None:
        """Commit once, when the first page was read."""
        execute(ends[0], *late)
        late.clear()

    copy.syncs.run("copy", {}, caller=CALLER, progress=others_write)

    assert rows(ends[1], "select max(id) from orders") == [(13,)]
    copy.run("copy")
    assert same(ends)


@pytest.mark.parametrize("kept", ["target", "state"])
@pytest.mark.parametrize(
    "cursor",
    [{}, 5, "snapshot", ["at", "key"], {"at": 1}, {"at": None, "key": None}, {"at": "2026", "key": [1, 2, 3]},
     {"at": "2026", "key": "1"}, {"snapshot": {}}, {"since": 1}],
)  # fmt: skip
def test_what_is_no_cursor_of_the_table_is_refused_when_it_is_set(
    cursor: Any, kept: str, ends: tuple[str, str], night: Any
) -> None:
    copy = night(ends, to={"mode": "upsert", **({"cursor": "state"} if kept == "state" else {})})

    with pytest.raises(InputError, match="no cursor of a table") as refused:
        copy.syncs.set_cursor("copy", cursor, caller=CALLER)

    assert refused.value.field == "cursor"
    assert copy.syncs.cursor("copy")["cursor"] is None


def test_where_the_target_keeps_no_cursor_our_state_does(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(30))
    copy = night(ends, to={"mode": "upsert", "cursor": "state"})

    assert copy.run("copy")["written"] == 30 and copy.run("copy")["status"] == "nothing"

    assert copy.syncs.cursor("copy")["kept_by"] == "state"
    with pytest.raises(sa.exc.DBAPIError):
        rows(ends[1], "select * from drawbar_sync")


def test_a_statement_is_a_source(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(30))
    statement = {
        "sql": f"select {COLUMNS} from orders where id >= :low and name like 'n%'",
        "effect": "read",
        "parameters": {"low": {"type": "integer"}},
    }
    said = {"adapter": "erp", "statement": "some", "with": {"low": 10}}
    copy = night(ends, **{"from": said}, erp={"statements": {"some": statement}})

    assert copy.run("copy")["written"] == 20
    execute(ends[0], "delete from orders where id < 10")
    assert same(ends)


def test_the_same_rows_are_held_by_one_run_at_a_time(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(30))
    copy = night(ends)
    adapter = copy.landscape.adapter("house")
    slow, fast = (adapter.sink({"table": "orders", "mode": "upsert"}, sync="copy") for _ in range(2))
    slow.cursor(), fast.cursor()
    with fast.writing(portion="p1") as writing:
        writing.write([{"id": 1, "name": "fast"}])
        writing.commit(portion="p1", cursor={"at": 1, "key": []})

    with pytest.raises(Unavailable, match="another run has committed"), slow.writing(portion="p2") as writing:
        writing.write([{"id": 1, "name": "slow"}])
        writing.commit(portion="p2", cursor={"at": 0, "key": []})

    assert rows(ends[1], "select name from orders") == [("fast",)]
    assert fast.cursor() == {"at": 1, "key": []}


@pytest.mark.parametrize("kind", ["double precision", "numeric"])
@pytest.mark.parametrize("by_bytes", [True, False])
def test_a_stamp_behind_which_nothing_comes_is_refused(
    database: Any, tmp_path: Path, kind: str, by_bytes: bool
) -> None:
    """A cursor at NaN would read nothing any more, or fail for ever."""
    url = database("postgresql")
    for table in ("one", "two"):
        execute(url, f"create table {table} (id int primary key, place {kind})")
    execute(url, "insert into one values (1, 1), (2, 'NaN')")
    sync = {
        "from": {"adapter": "house", "table": "one", "cursor": {"column": "place"}},
        "to": {"adapter": "house", "table": "two", "mode": "upsert"},
        **({} if by_bytes else {"where": "${{ row.id > 0 }}"}),
    }
    adapters = {"house": {"kind": "sql", "url": url, "tables": {"one": {}, "two": {}}}}

    with closing(Night(tmp_path, adapters, {"copy": sync})) as at_work, pytest.raises(Rejected, match="can go on"):
        at_work.run("copy")

    assert rows(url, "select * from two") == []


def test_a_table_that_may_not_be_made_is_said_with_what_prints_it(postgres: Any, night: Any, database: Any) -> None:
    source, target = database("postgresql"), database("postgresql")
    execute(source, table(source))
    fill(source, range(3))
    execute(target, table(target), "revoke create on schema public from public")
    execute(target, "create role clerk login password 'clerk'", "grant all on orders to clerk")
    as_clerk = target.replace("drawbar:drawbar@", "clerk:clerk@")

    with pytest.raises(ConfigError) as told:
        night((source, as_clerk), to={"mode": "insert"}).run("copy")
    assert "drawbar sync copy --prepare" in str(told.value.next)
    assert night((source, as_clerk), to={"mode": "upsert"}).run("copy")["written"] == 3
    night((source, target), to={"mode": "upsert"}).run("copy")  # another role makes it, and the clerk may not read it
    with pytest.raises(ConfigError, match="cannot be read"):
        night((source, as_clerk), to={"mode": "insert"}).run("copy")
    execute(target, "drop owned by clerk", "drop role clerk")


def test_a_million_values_are_exact(ends: tuple[str, str], night: Any) -> None:
    numbers = [random.Random(n).randint(-(10**9), 10**9) for n in range(300)]
    execute(
        ends[0],
        "insert into orders values "
        + ",".join(
            f"({n}, 'é\u20ac', {v // 100}.{abs(v) % 100:02d}, {v * 10**9}, null)" for n, v in enumerate(numbers)
        ),
    )
    copy = night(ends, to={"mode": "insert"}, **{"from": {"adapter": "erp", "table": "orders"}})

    copy.run("copy")

    assert same(ends)


def test_a_large_table_goes_through_in_batches(ends: tuple[str, str], night: Any) -> None:
    fill(ends[0], range(20_000))
    copy = night(ends, to={"mode": "insert"}, batch_rows=5000, **{"from": {"adapter": "erp", "table": "orders"}})

    assert copy.run("copy")["written"] == 20_000

    assert same(ends)


KILLS = 25


@pytest.mark.parametrize(
    "kinds",
    [("postgresql", "mysql"), ("mysql", "postgresql"), ("sqlite", "sqlite")],
    ids="-".join,
)
@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing_and_repeats_nothing(
    kinds: tuple[str, str], database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target has no key and rows are inserted: one that was written twice would be there twice."""
    source, target = map(database, kinds)
    execute(source, table(source))
    execute(target, table(target).replace(" primary key", ""))
    adapters = {
        name: {"kind": "sql", "url": url, "tables": {"orders": {}}}
        for name, url in (("erp", source), ("house", target))
    }
    copy = {
        "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}},
        "to": {"adapter": "house", "table": "orders", "mode": "insert"},
        "batch_rows": 5,
    }
    monkeypatch.setenv(
        "PYTHONPATH", str(Path(__file__).parent.parent)
    )  # the fork server's own path, so that it can preload
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["syncing"])
    dice = random.Random(7)
    seen: list[int] = []
    patience_s = 0.4  # longer where the machine is too busy for a run to get anywhere

    for kill in range(KILLS):
        fill(source, range(kill * 100, kill * 100 + 100), per_stamp=7)
        begun = context.Event()
        child = context.Process(target=carry, args=(tmp_path, adapters, {"copy": copy}, "copy", begun))
        child.start()
        assert begun.wait(60)
        time.sleep(dice.uniform(0, patience_s))
        child.kill()
        child.join()
        found = rows(target, "select count(*) from orders")[0][0]
        patience_s = min(patience_s * (1.5 if found in seen else 0.9), 8)
        seen.append(found)
    time.sleep(0.3)
    carry(tmp_path, adapters, {"copy": copy}, "copy")

    assert len(set(seen)) > KILLS // 8, "the kills came too early"
    assert any(count % 100 for count in seen), "no kill came in the middle of a run"
    assert rows(target, "select count(*) from orders") == [(KILLS * 100,)]
    assert same((source, target))
