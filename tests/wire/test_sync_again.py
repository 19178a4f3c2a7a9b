"""What an operator does with a sync: look first, read a range again, read a file again, go back, prove what was done."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syncing import Night, execute, rows

from drawbar.cli import main
from drawbar.core.errors import InputError

LANDSCAPE = """\
version: 1
adapters:
  erp: {{ kind: sql, url: "{erp}", tables: {{ orders: {{}} }} }}
  house: {{ kind: sql, url: "{house}", tables: {{ orders: {{}} }} }}
  drop:
    kind: local
    root: ./inbox
    feeds:
      orders: {{ pattern: "*.csv", ready: {{ stable_s: 0 }}, format: {{ kind: csv, columns: {{ id: integer }} }} }}
      made:
        pattern: "*.made"
        ready: {{ stable_s: 0 }}
        format: {{ kind: csv, columns: {{ id: integer, name: text }} }}
        totals: [ {{ count: row, equals: "${{{{ file.name == 'two.made' ? 2 : 3 }}}}" }}, {{ sum: id, equals: "${{{{ 3 }}}}" }} ]
syncs:
  copy:
    from: {{ adapter: erp, table: orders, cursor: {{ column: changed }} }}
    to: {{ adapter: house, table: orders, mode: upsert }}
    batch_rows: 20
    triggers: [ {{ cron: "0 4 * * *" }} ]
  load:
    from: {{ adapter: drop, feed: orders }}
    to: {{ adapter: house, table: orders, mode: upsert }}
    map: {{ id: "${{{{ row.id }}}}", name: "${{{{ string(run.date) }}}}" }}
  apart:
    from: {{ adapter: erp, table: orders, cursor: {{ column: changed }} }}
    to: {{ adapter: house, table: orders, mode: upsert, cursor_table: ops.carried }}
  mirror:
    from: {{ adapter: erp, table: orders, cursor: {{ column: changed }} }}
    to: {{ adapter: house, table: orders, mode: upsert }}
    deletes: {{ max_share: 0.05 }}
  grow:
    from: {{ adapter: erp, table: orders }}
    to: {{ adapter: house, table: orders, mode: replace }}
    on_drift: add_column
    totals: [ {{ sum: amount }} ]
  dated:
    from: {{ adapter: drop, feed: orders }}
    to: {{ adapter: house, table: orders, mode: upsert }}
    map: {{ id: "${{{{ row.id }}}}", name: "${{{{ string(run.date) }}}}" }}
    rejects: {{ max_count: 3 }}
  lenient:
    from: {{ adapter: drop, feed: orders }}
    to: {{ adapter: house, table: orders, mode: insert }}
    map: {{ id: "${{{{ row.id }}}}", name: "${{{{ file.name }}}}" }}
    rejects: {{ max_count: 2 }}
  all:
    from: {{ adapter: erp, table: orders, cursor: {{ column: changed, snapshot: true }} }}
    to: {{ adapter: house, table: orders, mode: upsert }}
    batch_rows: 30
  export:
    from: {{ adapter: erp, table: orders, cursor: {{ column: changed }} }}
    to: {{ adapter: drop, feed: made }}
    map: {{ id: "${{{{ row.id }}}}", name: "${{{{ row.name }}}}" }}
  proven:
    from: {{ adapter: drop, feed: made }}
    to: {{ adapter: house, table: orders, mode: upsert }}
  every:
    from: {{ adapter: erp, table: orders }}
    to: {{ adapter: house, table: orders, mode: replace }}
  add:
    from: {{ adapter: erp, table: orders, cursor: {{ column: changed }} }}
    to: {{ adapter: house, table: orders, mode: insert }}
"""
TABLE = "create table orders (id integer primary key, name varchar(20), amount decimal(12,2), changed timestamp)"


@pytest.fixture
def night(tmp_path: Path, postgres: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Two databases with a table each, 100 orders in the first, and the command line."""

    class Night:
        erp, house, folder = postgres.create_database(), postgres.create_database(), tmp_path

        def __call__(self, *words: str, code: int = 0) -> Any:
            capsys.readouterr()
            ended = main(["-c", str(tmp_path / "drawbar.yaml"), "--json", *words])
            out = capsys.readouterr()
            assert ended == code, (ended, out.out, out.err)
            return json.loads(out.out) if out.out.strip() else out.err

    made = Night()
    for url in (made.erp, made.house):
        execute(url, TABLE)
    day = "timestamp '2026-01-01' + interval '1 hour'"
    execute(made.erp, f"insert into orders select n, 'n' || n, n, {day} * n from generate_series(1, 100) n")
    (tmp_path / "drawbar.yaml").write_text(LANDSCAPE.format(erp=made.erp, house=made.house))
    (tmp_path / "inbox").mkdir()
    return made


def test_a_dry_run_says_what_would_change_and_changes_nothing(night: Callable[..., Any]) -> None:
    night("sync", "copy")
    execute(night.house, "delete from orders where id < 11", "update orders set name = 'old' where id = 60")
    execute(night.erp, "update orders set amount = 0.5, changed = '2026-02-01' where id = 50")
    before = rows(night.house, "select * from orders order by id"), night("cursor", "show", "copy")

    one = night("sync", "copy", "--dry-run")["would"]
    whole = night("sync", "copy", "--full", "--dry-run")["would"]

    assert (one["inserted"], one["updated"], one["deleted"], one["unchanged"]) == (0, 1, 0, 0)
    assert one["samples"] == [
        {"would": "update", "key": {"id": 50},
         "changes": {"amount": ["50.00", "0.50"], "changed": ["2026-01-03T02:00:00", "2026-02-01T00:00:00"]}}
    ]  # fmt: skip
    assert (whole["inserted"], whole["updated"], whole["unchanged"]) == (10, 2, 88)
    assert (rows(night.house, "select * from orders order by id"), night("cursor", "show", "copy")) == before


def test_a_dry_run_and_a_look_make_no_table_beside_the_target(night: Callable[..., Any], capsys: Any) -> None:
    """Who only looks may have no right to make one, and nobody asked for it."""
    would = night("sync", "copy", "--dry-run")["would"]
    assert night("cursor", "show", "copy")["cursor"] is None
    main(["-c", str(night.folder / "drawbar.yaml"), "syncs"])

    assert would["inserted"] == 100 and "dry run" in capsys.readouterr().out
    assert rows(night.house, "select to_regclass('drawbar_sync') is null") == [(True,)]
    night("cursor", "set", "copy", json.dumps({"at": "2026-01-03T00:00:00", "key": [48]}))
    assert night("sync", "copy", "--dry-run")["would"]["inserted"] == 52
    assert night("sync", "copy")["read"] == 52


def test_a_dry_run_into_a_file_shows_what_it_would_hold(night: Callable[..., Any]) -> None:
    found = night("sync", "export", "--dry-run")["would"]

    assert found["inserted"] == 100 and found["samples"][0] == {"would": "write", "row": {"id": 1, "name": "n1"}}
    assert list((night.folder / "inbox").iterdir()) == []


def test_a_dry_run_takes_no_file_and_puts_none_aside(night: Callable[..., Any]) -> None:
    inbox = night.folder / "inbox"
    (inbox / "a.csv").write_text("id\n1\n2\n")
    (inbox / "b.csv").write_text("id\nx\n")

    said = night("sync", "load", "--dry-run", code=1)

    assert "b.csv" in json.dumps(said) and sorted(path.name for path in inbox.iterdir()) == ["a.csv", "b.csv"]
    assert rows(night.house, "select count(*) from orders") == [(0,)]
    (inbox / "b.csv").unlink()
    assert night("sync", "load", "--dry-run")["would"]["inserted"] == 2


def test_a_range_is_read_again_and_the_cursor_stays(night: Callable[..., Any]) -> None:
    night("sync", "copy")
    kept = night("cursor", "show", "copy")
    execute(night.house, "delete from orders")

    done = night("sync", "copy", "--since", "2026-01-01 10:00", "--until", "2026-01-02 01:00:00")

    assert [n for (n,) in rows(night.house, "select id from orders order by id")] == list(range(10, 26))
    assert (done["read"], done["cursor_after"]) == (16, kept["cursor"]) and night("cursor", "show", "copy") == kept
    assert "twice" in json.dumps(night("sync", "add", "--since", "2026-01-01", code=2))
    assert "no cursor column" in json.dumps(night("sync", "load", "--since", "2026-01-01", code=2))
    assert "do not go together" in json.dumps(night("sync", "copy", "--full", "--since", "2026-01-01", code=2))
    assert "is no timestamp" in json.dumps(night("sync", "copy", "--since", "yesterday", code=2))
    backward = night("sync", "copy", "--since", "2026-01-02", "--until", "2026-01-01", code=2)
    assert "nothing lies between" in json.dumps(backward)


def test_what_an_earlier_run_read_is_read_again(night: Callable[..., Any]) -> None:
    first = night("sync", "copy")
    execute(night.erp, "insert into orders values (200, 'new', 1, '2026-03-01')")
    second = night("sync", "copy", "--date", "2026-03-02")
    execute(night.house, "delete from orders")

    again = night("sync", "copy", "--run", second["id"])

    assert rows(night.house, "select max(id) from orders") == [(200,)] and again["date"] == "2026-03-02"
    assert night("sync", "copy", "--run", first["id"])["read"] == 100
    assert night("sync", "copy", code=5)["status"] == "nothing"
    assert "has no run" in json.dumps(night("sync", "load", "--run", first["id"], code=2))


def test_a_file_is_read_again_with_the_business_date_that_it_had(night: Callable[..., Any]) -> None:
    (night.folder / "inbox" / "a.csv").write_text("id\n1\n2\n")
    first = night("sync", "load", "--date", "2026-05-05")
    execute(night.house, "update orders set name = 'wrong'")

    again = night("sync", "load", "--file", "a.csv")

    assert (again["read"], again["date"]) == (2, "2026-05-05")
    assert rows(night.house, "select distinct name from orders") == [("2026-05-05",)]
    assert (night.folder / "inbox" / "archive" / "a.csv").exists()
    assert night("sync", "load", "--run", first["id"])["read"] == 2
    assert "no file" in json.dumps(night("sync", "load", "--file", "b.csv", code=2))


def test_the_cursor_goes_back_to_where_a_run_began(night: Callable[..., Any]) -> None:
    night("sync", "copy")
    execute(night.erp, "insert into orders values (200, 'new', 1, '2026-03-01'), (201, 'new', 1, '2026-03-02')")
    second = night("sync", "copy")

    night("cursor", "back", "copy", second["id"], "--reason", "loaded while the target was wrong")

    assert night("sync", "copy")["read"] == 2
    night("cursor", "set", "copy", '{"at": "2026-03-01T00:00:00", "key": [200]}')
    assert night("sync", "copy")["read"] == 1
    night("cursor", "set", "copy", "null")
    assert night("sync", "copy")["read"] == 102


def test_the_table_of_cursors_has_the_name_that_is_said(night: Callable[..., Any]) -> None:
    ddl = night("sync", "apart", "--prepare")["ddl"]
    assert ddl.startswith("CREATE TABLE ops.carried (")
    execute(night.house, "create schema ops", ddl)

    assert night("sync", "apart")["written"] == 100
    assert rows(night.house, "select count(*) > 1 from ops.carried where sync = 'apart'") == [(True,)]


@pytest.mark.parametrize("option", ["--since", "--until", "--run", "--date", "--file"])
def test_an_empty_option_is_refused_and_starts_no_other_run(night: Callable[..., Any], option: str) -> None:
    """As from `--since "$FROM"` where FROM is not set."""
    refused = night("sync", "copy", option, "", code=2)

    assert "empty" in json.dumps(refused)
    assert rows(night.house, "select count(*) from orders") == [(0,)]


@pytest.mark.parametrize("other", [("--dry-run",), ("--full",), ("--since", "2026-01-01")])
def test_what_prints_the_table_of_cursors_goes_with_no_option_of_a_run(
    night: Callable[..., Any], other: tuple[str, ...]
) -> None:
    refused = night("sync", "apart", "--prepare", *other, code=2)

    assert "--prepare runs nothing" in json.dumps(refused)
    assert night("sync", "apart", "--prepare")["ddl"]


def test_a_run_has_a_report_and_a_sync_its_outlook(
    night: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ended = night("sync", "copy")
    execute(night.erp, "insert into orders values (200, 'new', 1, '2026-03-01')")

    report = night("syncs", "show", ended["id"])
    listed = {one["name"]: one for one in night("syncs")}
    main(["-c", str(night.folder / "drawbar.yaml"), "syncs", "show", ended["id"]])
    page = capsys.readouterr().out

    assert (report["read"], report["cursor_before"], len(report["files"])) == (100, None, 5)
    assert report["configuration"] and "committed together" in report["effect"]
    assert "read 100 = written 100 + rejected 0 + filtered 0: balances" in page and report["files"][0]["id"] in page
    assert listed["copy"]["lag"]["rows"] == 1 and listed["copy"]["lag"]["seconds"] > 86400 and listed["copy"]["next"]
    assert listed["load"]["next"] is None


def test_a_refused_file_is_said_beside_its_sync_with_what_waits_behind_it(
    night: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def page() -> tuple[str, Any]:
        listed = {one["name"]: one for one in night("syncs")}["load"]["lag"]
        main(["-c", str(night.folder / "drawbar.yaml"), "syncs"])
        return " ".join(capsys.readouterr().out.split()), listed

    assert page()[1] == {"rows": None, "files": 0, "seconds": None}
    for at, (name, text) in enumerate((("a", "1"), ("b", "x"), ("c", "3"), ("d", "4"))):
        (night.folder / f"inbox/{name}.csv").write_text(f"id\n{text}\n")
        os.utime(night.folder / f"inbox/{name}.csv", (time.time() - 100 + at,) * 2)
    night("sync", "load", code=1)
    said, lag = page()

    assert lag["files"] == 3 and 90 < lag["seconds"] < 200
    assert "load: b.csv: 1 of 1 records were rejected" in said
    assert "3 files wait, it and those behind it" in said and "files drop.orders" in said


@pytest.mark.parametrize("between", [" ", "T"])
def test_a_range_of_stamps_that_are_texts_is_found_however_a_person_writes_them(tmp_path: Path, between: str) -> None:
    """SQLite compares `2026-01-02 03:00:00` with `2026-01-02T03:00:00` letter by letter."""
    for name in ("erp", "house"):
        (tmp_path / f"{name}.db").touch()
        execute(f"sqlite:///{tmp_path}/{name}.db", "create table orders (id integer primary key, changed timestamp)")
    values = ", ".join(f"({n}, '2026-01-0{n}{between}00:00:00')" for n in range(1, 8))
    execute(f"sqlite:///{tmp_path}/erp.db", f"insert into orders values {values}")
    tables = {"orders": {}}
    adapters = {n: {"kind": "sql", "url": f"sqlite:///{tmp_path}/{n}.db", "tables": tables} for n in ("erp", "house")}
    source = {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}}
    sync = {"from": source, "to": {"adapter": "house", "table": "orders", "mode": "upsert"}}
    here = Night(tmp_path, adapters, {"s": sync})
    try:
        read = [
            here.run("s", since=since, until=until)["read"]
            for since, until in (
                ("2026-01-02 00:00:00", "2026-01-04T00:00:00"),
                ("2026-01-02", "2026-01-04"),
                ("2026-01-02T01:00:00+01:00", "2026-01-04T00:00:00Z"),
            )
        ]
        with pytest.raises(InputError, match="is no stamp"):
            here.run("s", since="yesterday")
    finally:
        here.close()

    assert read == [3, 3, 3]


def test_a_report_says_what_was_to_be_read_from_where_to_where_and_what_the_file_says_of_itself(
    night: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def page(*words: str, code: int = 0) -> str:
        run = night("sync", *words, code=code)
        main(["-c", str(night.folder / "drawbar.yaml"), "syncs", "show", run["id"]])
        return " ".join(capsys.readouterr().out.split())

    (night.folder / "inbox/two.made").write_text("id,name\n1,a\n2,b\n")
    proven = page("proven")

    assert "from drop.made to house.orders (upsert) asked the files that are ready" in proven
    assert "two.made: count of row 2, and the file says 2" in proven and "sum of id 3, and the file says 3" in proven
    assert "asked everything, as in each run" in page("every")
    assert "asked what is new since the cursor before" in page("copy")
    assert "asked everything, whatever the cursor says" in page("copy", "--full")
    since = page("copy", "--since", "2026-01-02", "--until", "2026-01-03")
    assert "asked again: changed from 2026-01-02 to 2026-01-03" in since
    (night.folder / "inbox/one.made").write_text("id,name\n3,a\n")
    assert "count of row is 1, and the file says 3" in json.dumps(night("sync", "proven", code=1))


def test_what_is_gone_from_the_source_is_deleted_and_equal_rows_do_not_travel(night: Callable[..., Any]) -> None:
    execute(night.erp, "delete from orders where id in (7, 8, 9)")
    execute(night.house, "insert into orders select n, 'n' || n, n from generate_series(1, 100) n")

    would = night("sync", "mirror", "--dry-run")["would"]
    assert (would["deleted"], would["samples"][-1]) == (3, {"would": "delete", "key": {"id": 9}})
    done = night("sync", "mirror")

    assert done["deleted"] == 3 and rows(night.house, "select count(*) from orders where id in (7, 8, 9)") == [(0,)]
    assert night("sync", "mirror", code=5)["status"] == "nothing"
    execute(night.erp, "delete from orders where id > 50")
    assert "more than deletes allows" in json.dumps(night("sync", "mirror", code=1))
    assert rows(night.house, "select count(*) from orders") == [(97,)]


@pytest.mark.parametrize("other", ["mariadb", "sqlite"])
def test_keys_are_hashed_alike_by_every_database(other: str, pg_url: str, tmp_path: Path, request: Any) -> None:
    """Whole numbers, texts with umlauts and blanks, days, and parts that are NULL, in one key."""
    import sqlite3

    from drawbar.connectors.sql import Database
    from drawbar.connectors.sql_keys import TableKeys
    from drawbar.connectors.sql_reflect import reflect

    url = request.getfixturevalue("mariadb_url") if other == "mariadb" else f"sqlite:///{tmp_path}/other.db"
    if other == "sqlite":
        sqlite3.connect(tmp_path / "other.db").close()
    made = "create table k (a bigint, b varchar(20), d date)"
    values = ",".join(f"({n * 10**12}, 'Ä {n} ', '2026-01-{n % 28 + 1:02d}')" for n in range(-150, 150))
    buckets = []
    for one in (pg_url, url):
        execute(one, made, f"insert into k values {values}, (1, null, null), (null, 'x', null), (null, null, null)")
        database = Database("x", one, base=tmp_path, connections=2, call_timeout_s=30)
        keys = TableKeys(database, reflect(database, "k"), ["a", "b", "d"])
        buckets.append(keys.buckets())
        assert len(list(keys.of([min(buckets[-1])]))) == buckets[-1][min(buckets[-1])].count
        database.close()

    assert buckets[0] == buckets[1] and sum(bucket.count for bucket in buckets[0].values()) == 303


def test_drift_is_reported_and_done_about_as_the_sync_says(night: Callable[..., Any]) -> None:
    night("sync", "copy")
    assert "drift" not in night("sync", "grow")
    execute(
        night.erp,
        "alter table orders add column total numeric(14, 4), alter column name type varchar(40)",
        "update orders set total = id * 1.0001, changed = '2026-04-01' where id = 5",
    )

    refused = json.dumps(night("sync", "copy", code=1))
    assert "no column total" in refused and "does not fit the target's text(20)" in refused
    assert rows(night.house, "select changed from orders where id = 5")[0][0].month == 1
    execute(night.house, "alter table orders alter column name type varchar(40)")
    foreseen = night("sync", "grow", "--dry-run")
    grown = night("sync", "grow")

    assert [one["change"] for one in grown["drift"]] == ["new", "changed"] and foreseen["drift"] == grown["drift"]
    assert str(rows(night.house, "select total from orders where id = 5")[0][0]) == "5.0005"
    assert night("sync", "copy")["read"] == 1
    execute(night.erp, "alter table orders drop column total")
    assert "no column total any more" in json.dumps(night("sync", "copy", code=1))


def test_control_totals_of_both_ends_are_compared_before_anything_is_committed(night: Callable[..., Any]) -> None:
    execute(night.house, "alter table orders alter column amount type numeric(12, 0)")
    execute(night.erp, "update orders set amount = 0.50 where id = 3")
    execute(
        night.house,
        "create function round_it() returns trigger language plpgsql as $$ begin new.amount := new.amount + 1; return new; end $$",
        "create trigger round_it before insert on orders for each row when (new.id = 7) execute function round_it()",
        "alter table orders alter column amount type numeric(12, 2)",
    )

    said = json.dumps(night("sync", "grow", code=1))

    assert "sum(amount)" in said and "5047.50" in said and "5048.50" in said
    assert rows(night.house, "select count(*) from orders") == [(0,)]
    execute(night.house, "drop trigger round_it on orders")
    done = night("sync", "grow")
    assert done["totals"] == [
        {"of": "count", "source": "100", "target": "100", "balances": True},
        {"of": "sum(amount)", "source": "5047.50", "target": "5047.50", "balances": True},
    ]


def test_corrected_rejects_are_sent_again(night: Callable[..., Any]) -> None:
    (night.folder / "inbox" / "a.csv").write_text("id\n1\n2\nx\n4000000000\n5\n")
    done = night("sync", "lenient")
    assert (done["written"], done["rejected"]) == (3, 2)
    path = Path(done["files"][0]["rejects"])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("row") for line in lines] == [None, {"id": 4000000000}]
    corrected = [{**lines[0], "row": {"id": 3}}, {**lines[1], "row": {"id": 4}}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in corrected))

    assert night("resubmit", "lenient", "--dry-run")["would"]["inserted"] == 2
    again = night("resubmit", "lenient")

    assert (again["read"], again["written"]) == (2, 2) and not path.exists()
    assert rows(night.house, "select id, name from orders order by id") == [(n, "a.csv") for n in range(1, 6)]
    assert (path.parent / "sent" / path.name).exists()
    assert night("resubmit", "lenient", code=5)["status"] == "nothing"


def test_a_corrected_record_keeps_the_business_date_of_the_run_that_refused_it(night: Callable[..., Any]) -> None:
    def correct(numbers: list[int]) -> None:
        [path] = (night.folder / "rejects/dated").glob("*.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        said = [{**line, "row": {"id": number}} for line, number in zip(lines, numbers, strict=True)]
        path.write_text("".join(f"{json.dumps(one)}\n" for one in said) + '{"row": {"id": 9}}\n' * (len(numbers) == 2))

    (night.folder / "inbox" / "a.csv").write_text("id\n1\nx\ny\n")
    night("sync", "dated", "--date", "2026-01-31")
    correct([2, 4_000_000_000])
    again = night("resubmit", "dated")
    assert (again["written"], again["rejected"]) == (2, 1)
    correct([3])
    night("resubmit", "dated")

    found = dict(rows(night.house, "select id, name from orders"))
    assert [found[n] for n in (1, 2, 3)] == ["2026-01-31"] * 3
    assert found[9] == again["date"]  # a line that a person made belongs to no earlier run


def test_a_snapshot_takes_rows_without_a_stamp_goes_on_where_it_was_cut_off_and_ends_in_changes(
    night: Callable[..., Any],
) -> None:
    execute(night.erp, "update orders set changed = null where id in (5, 95)")
    execute(night.house, "alter table orders add constraint small check (id < 50)")

    assert "small" in json.dumps(night("sync", "all", code=1))
    assert night("cursor", "show", "all")["cursor"]["snapshot"]["key"] == [30]
    execute(night.house, "alter table orders drop constraint small")
    execute(night.erp, "update orders set name = 'moved', changed = '2026-06-01' where id = 2")
    rest = night("sync", "all")

    assert rest["read"] == 70 + 2  # what was left, the last stamp of the beginning again, and what moved meanwhile
    both = [rows(url, "select * from orders order by id") for url in (night.erp, night.house)]
    assert both[0] == both[1] and night("sync", "all", code=5)["status"] == "nothing"
