"""Rows that pass as bytes or by column become what they become row by row, and what does not fit is found all the same."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from syncing import Night, execute, rows

from drawbar.core.errors import Rejected
from drawbar.core.syncs.sync import Carrier

TYPES = (
    "id integer primary key, amount numeric(8,2), day date, at timestamp, name varchar(6), note text, "
    "paid boolean, big bigint"
)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name the lanes that carried something."""
    found: list[str] = []
    flow = Carrier._flow

    def seen(self: Carrier, lane: Any, *given: Any) -> Any:
        counts = flow(self, lane, *given)
        if counts is not None:
            found.append(lane.form)
        return counts

    monkeypatch.setattr(Carrier, "_flow", seen)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return found


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []

    def make(adapters: dict[str, Any], **sync: Any) -> Night:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Night(folder, adapters, {"s": sync}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def both(url: str) -> dict[str, Any]:
    return {"a": {"kind": "sql", "url": url, "tables": {"src": {}, "dst": {}}}}


def carried(mode: str = "insert", **more: Any) -> dict[str, Any]:
    return {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "a", "table": "dst", "mode": mode}, **more}


def test_a_table_passes_as_bytes_and_is_the_same(pg_url: str, night: Any, lanes: list[str]) -> None:
    columns = (
        "id bigint primary key, a numeric, b numeric(30,10), c double precision, d real, e timestamptz, f interval, "
        "g bytea, h jsonb, i uuid, j text[], k inet, l char(5), m mood, n varchar(9), o time, p money, q int4range, r small"
    )
    execute(pg_url, "create type mood as enum ('fair', 'foul')", "create domain small as smallint check (value < 9)")
    execute(pg_url, f"create table src ({columns})", f"create table dst ({columns})")
    execute(
        pg_url,
        "insert into src values (9007199254740993, 1.500, 'NaN', 'infinity', 0.1, 'infinity', '1 mon 2 days 3.5 s', '\\x00ff', "
        "'{\"a\": 1.10}', 'c0ffee00-0000-0000-0000-000000000000', '{a,NULL,\"b,c\"}', '10.0.0.1/8', 'ab', 'foul', "
        "E'x\\\\y\\n', '23:59:59.999999', '1.23', '[1,5)', 3)",
        "insert into src values (2)",
    )

    run = night(both(pg_url), **carried()).run("s")

    assert (run["written"], lanes) == (2, ["postgresql binary"])
    assert rows(pg_url, "select t::text from src t order by 1") == rows(pg_url, "select t::text from dst t order by 1")


def test_columns_are_renamed_and_types_that_hold_more_are_cast(pg_url: str, night: Any, lanes: list[str]) -> None:
    execute(pg_url, "create table src (id int primary key, a smallint, b numeric(6,2), c date, d varchar(5))")
    execute(
        pg_url,
        "create table dst (n bigint primary key, x bigint, y numeric(8,3), z timestamp, w text, other int default 7)",
    )
    execute(pg_url, "insert into src values (1, -2, 3.14, '2026-01-02', 'five'), (2, null, null, null, '')")
    fields = {"n": "id", "x": "a", "y": "b", "z": "c", "w": "d"}

    night(both(pg_url), **carried(map={name: f"${{{{ row.{source} }}}}" for name, source in fields.items()})).run("s")

    assert lanes == ["postgresql binary"]
    assert rows(pg_url, "select t::text from dst t order by n") == [
        ('(1,-2,3.140,"2026-01-02 00:00:00",five,7)',),
        ('(2,,,,"",7)',),
    ]


def test_what_would_be_rounded_is_looked_at_row_by_row(pg_url: str, night: Any, lanes: list[str]) -> None:
    execute(
        pg_url,
        "create table src (id int primary key, a numeric(8,4))",
        "create table dst (id int primary key, a numeric(8,2))",
    )
    execute(
        pg_url,
        "insert into src select n, n + case when n = 70 then 0.0001 else 0.25 end from generate_series(1, 100) n",
    )

    run = night(both(pg_url), **carried(rejects={"max_count": 1})).run("s")

    assert (run["written"], run["rejected"], lanes) == (99, 1, [])


def test_a_row_that_the_target_refuses_is_found_and_the_others_are_written(
    pg_url: str, night: Any, lanes: list[str]
) -> None:
    execute(
        pg_url,
        "create table src (id int primary key, a int)",
        "create table dst (id int primary key, a int check (a <> 70))",
    )
    execute(pg_url, "insert into src select n, n from generate_series(1, 100) n")

    with pytest.raises(Rejected, match="violates check"):
        night(both(pg_url), **carried()).run("s")
    run = night(both(pg_url), **carried(rejects={"max_count": 1})).run("s")

    assert (run["read"], run["written"], run["rejected"], lanes) == (100, 99, 1, [])


@pytest.mark.parametrize("where", [None, "${{ row.id > 0 }}"], ids=["bytes", "columns"])
def test_an_upsert_merges_and_the_last_of_equal_keys_wins(
    pg_url: str, night: Any, lanes: list[str], where: str | None
) -> None:
    execute(pg_url, "create table src (id int, a text)", "create table dst (id int primary key, a text, kept int)")
    execute(pg_url, "insert into dst values (1, 'old', 5)")
    execute(
        pg_url, "insert into src select n, 'new' from generate_series(1, 100) n", "insert into src values (1, 'last')"
    )

    night(both(pg_url), **carried("upsert", **({} if where is None else {"where": where}))).run("s")

    assert rows(pg_url, "select count(*), min(kept) from dst") == [(100, 5)]
    assert rows(pg_url, "select a from dst where id = 1") == [("last",)]
    assert lanes == ([] if where else ["postgresql binary"])


def test_pages_of_a_watermark_pass_as_bytes_and_go_on(pg_url: str, night: Any, lanes: list[str]) -> None:
    execute(
        pg_url,
        "create table src (id int primary key, at timestamptz)",
        "create table dst (id int primary key, at timestamptz)",
    )
    execute(
        pg_url,
        "insert into src select n, timestamptz '2026-01-01' + n / 7 * interval '1 s' from generate_series(1, 50) n",
    )
    source = {"adapter": "a", "table": "src", "cursor": {"column": "at"}}
    copy = night(both(pg_url), **{**carried(), "from": source, "batch_rows": 20})

    first = copy.run("s")
    execute(pg_url, "insert into src values (99, '2026-02-01')")

    assert (first["written"], copy.run("s")["written"], copy.run("s")["status"]) == (50, 1, "nothing")
    assert rows(pg_url, "select * from src order by 1") == rows(pg_url, "select * from dst order by 1")
    assert lanes == ["postgresql binary"] * 4


def test_a_trigger_that_keeps_rows_out_is_not_taken_for_written(pg_url: str, night: Any, lanes: list[str]) -> None:
    execute(pg_url, "create table src (id int primary key)", "create table dst (id int primary key)")
    execute(
        pg_url,
        "create function keep_out() returns trigger language plpgsql as 'begin return null; end'",
        "create trigger keep_out before insert on dst for each row when (new.id = 3) execute function keep_out()",
        "insert into src select generate_series(1, 9)",
    )

    night(both(pg_url), **carried()).run("s")

    assert lanes == []


FILES = {
    "plain": "1,2.50,2026-01-02,2026-01-02 03:04:05.6,abc,x,true,9007199254740993\n",
    "crlf": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,1,3\r\n",
    "quoted": '1,2.50,2026-01-02,2026-01-02 03:04:05,"a,""b","two\nlines",false,\n',
    "empty and null": '1,,,,"",,,\n',
    "rounded": "1,2.505,2026-01-02,2026-01-02 03:04:05,abc,x,true,3\n",
    "a day as it is written elsewhere": "1,2.50,01/02/2026,2026-01-02 03:04:05,abc,x,true,3\n",
    "a word": "1,2.50,today,2026-01-02 03:04:05,abc,x,true,3\n",
    "not a number": "1,NaN,2026-01-02,2026-01-02 03:04:05,abc,x,true,3\n",
    "a forgiven truth": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,yes,3\n",
    "spaces that do not fit": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc      ,x,true,3\n",
    "a quote in the middle": '1,2.50,2026-01-02,2026-01-02 03:04:05,abc,5" x,true,3\n2,,,,,7" y,true,4\n',
    "a doubled quote in the middle": '1,2.50,2026-01-02,2026-01-02 03:04:05,abc,a""b,true,3\n',
    "COPY's end": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,true,3\n\\.\n2,,,,,,,\n",
    "a blank line": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,true,3\n\n2,,,,,,,\n",
    "a field too few": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,true\n2,,,,,,,\n",
    "the same key": "1,,,,,,,\n1,,,,,,,\n",
    "a hexadecimal number": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,true,0x1F\n",
    "a word like one": "1,2.50,2026-01-02,2026-01-02 03:04:05,ox,taxi 10x,true,31\n",
    "no end": "1,2.50,2026-01-02,2026-01-02 03:04:05,abc,x,true,3",
    "nothing": "",
}
AS_BYTES = {"plain", "crlf", "quoted", "empty and null", "a word like one", "a blank line", "no end", "nothing"}


def loaded(pg_url: str, night: Any, tmp_path: Path, content: str) -> Any:
    (tmp_path / "in" / "files").mkdir(parents=True, exist_ok=True)
    end = "\r\n" if content.endswith("\r\n") else "\n"
    header = "id,amount,day,at,name,note,paid,big" + end
    (tmp_path / "in" / "files" / "a.csv").write_bytes((header + content).encode())
    feed = {"pattern": "files/*.csv", "ready": {"min_age_s": 0}, "format": {"kind": "csv"}}
    adapters = {**both(pg_url), "files": {"kind": "local", "root": str(tmp_path / "in"), "feeds": {"rows": feed}}}
    execute(pg_url, "drop table if exists dst, drawbar_sync", f"create table dst ({TYPES})")
    sync = {
        "from": {"adapter": "files", "feed": "rows"},
        "to": {"adapter": "a", "table": "dst"},
        "rejects": {"max_count": 9},
    }
    run = night(adapters, **sync).run("s")
    return run["read"], run["written"], run["rejected"], rows(pg_url, "select t::text from dst t order by id")


@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_the_same_as_bytes_and_row_by_row(
    name: str, pg_url: str, night: Any, tmp_path: Path, lanes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_bytes = loaded(pg_url, night, tmp_path, FILES[name])
    used = list(lanes)
    monkeypatch.setattr(Carrier, "_own_lane", lambda self, portion: None)

    row_by_row = loaded(pg_url, night, tmp_path, FILES[name])

    assert as_bytes == row_by_row
    assert used == (["csv"] if name in AS_BYTES else [])


@pytest.mark.parametrize("size", [5, 64])
def test_rows_are_whole_wherever_a_file_is_cut(
    size: int, pg_url: str, night: Any, tmp_path: Path, lanes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbar.adapters.formats.csv_lane._CHUNK", size)
    row = ',2.50,2026-01-02,2026-01-02 03:04:05,"a,""b","two\nlines",false,3\n'

    said = loaded(pg_url, night, tmp_path, "".join(f"{at}{row}" for at in range(20)) + "20,,,,,,,")

    assert said[:3] == (21, 21, 0)
    assert {text.partition(",")[2] for (text,) in said[3][:20]} == {said[3][0][0].partition(",")[2]}
    assert lanes == ["csv"]


@pytest.mark.parametrize("wrong", ["2.505", "NaN", "0x10"])
def test_a_wrong_value_far_behind_in_a_file_leaves_nothing_of_what_was_sent_before_it(
    wrong: str, pg_url: str, night: Any, tmp_path: Path, lanes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbar.adapters.formats.csv_lane._CHUNK", 64)
    row = ",2.50,2026-01-02,2026-01-02 03:04:05,abc,x,true,3\n"
    content = "".join(f"{at}{row.replace('2.50', wrong) if at == 15 else row}" for at in range(20))

    said = loaded(pg_url, night, tmp_path, content)

    assert said[:3] == (20, 19, 1)
    assert len(said[3]) == 19
    assert lanes == []
