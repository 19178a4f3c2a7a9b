"""What is read by column is what is read row by row: the same values, the same files, the same rejects."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from syncing import Night, execute, rows

from drawbar.adapters.feeds.sink import FeedSink, FileWriting
from drawbar.adapters.formats.delimited import Csv
from drawbar.connectors.sql_lane import TableColumns
from drawbar.connectors.sql_sqlite import SqliteColumns

TYPES = (
    "id bigint primary key, a integer, b smallint, c numeric(12,2), d numeric(18,8), e numeric, f double precision, "
    "g date, h timestamp, i timestamptz, j time, k varchar(40), l text, m boolean, n char(5), o bytea"
)
VALUES = {
    "plain": "(1, 2, 3, 4.50, 0.00000001, 1.500, 0.1, '2026-02-28', '2026-02-28 23:59:59.12', '2026-02-28 23:59:59+02', "
    "'23:59:59.5', 'name', 'text', true, 'ab', '\\x00ff')",
    "null": "(1)",
    "negative": "(-1, -2147483648, -32768, -9999999999.99, -9999999999.99999999, -0.5, -1e-7)",
    "zero": "(0, 0, 0, 0.00, 0.00000000, 0.000, 0, '0001-01-01', '0001-01-01 00:00:00', '1970-01-01 00:00:00+00')",
    "large": "(9223372036854775807, 2147483647, 32767, 9999999999.99, 9999999999.99999999, 1e30, 1e300, '9999-12-31', "
    "'9999-12-31 23:59:59.999999', '9998-12-31 23:59:59.999999+00', '00:00:00')",
    "no number": "(1, 2, 3, 'NaN', 'NaN', 4, 1e22)",
    "texts": "(1, 2, 3, 4, 5, 6, 7, null, null, null, null, '', E'a \"b\"\\r\\nc, d;\\\\N', null, 'é', '')",
    "digits of four": "(1, 1, 1, 10000.00, 1.00010000, 10000), (2, 1, 1, 100000000.01, 10000.0001, 0), "
    "(3, 1, 1, 0.01, 0.0001, 99990000)",
}
FORMS = [
    {},
    {"datetimes": "sql", "null": "-"},
    {"null": "\\N", "delimiter": ";", "newline": "crlf"},
    {"encoding": "utf-8-sig"},
]
ODD = {
    "a text that is no number": "insert into src values (200, 'abc', 'x', '2026-01-01', 1)",
    "a number too long for a float": "insert into src values (200, 9007199254740993, 'x', '2026-01-01', 1)",
    "more places than the column has": "insert into src values (200, 1.234, 'x', '2026-01-01', 1)",
    "bytes for a text": "insert into src values (200, 1.5, x'616263', '2026-01-01', 1)",
    "a day as it is written elsewhere": "insert into src values (200, 1.5, 'x', '01/02/2026', 1)",
    "a number for a day": "insert into src values (200, 1.5, 'x', 20260102, 1)",
    "neither true nor false": "insert into src values (200, 1.5, 'x', '2026-01-01', 7)",
    "a text too long": "insert into src values (200, 1.5, 'a long text indeed', '2026-01-01', 1)",
    "nothing at all": "insert into src (id) values (200)",
}


def some_slow(cases: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Leave a few of the cases to every run, and the others to the nightly one."""
    return [one if one in quick else pytest.param(one, marks=pytest.mark.slow) for one in cases]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []

    def make(adapters: dict[str, Any], sync: dict[str, Any]) -> Night:
        folder = tmp_path / str(len(made))
        (folder / "drop/files").mkdir(parents=True)
        drop = {"kind": "local", "root": str(folder / "drop"), "feeds": adapters.pop("feeds", {})}
        made.append(Night(folder, {**adapters, "files": drop}, {"s": sync}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def source(url: str) -> dict[str, Any]:
    return {"a": {"kind": "sql", "url": url, "tables": {"src": {}, "dst": {}}}}


def filled(url: str, which: str) -> None:
    execute(url, f"create table src ({TYPES})", f"create table dst ({TYPES})")
    names = [one.split()[0] for one in TYPES.split(", ")]
    width = VALUES[which].partition("), (")[0].count(", ") + 1 if "'" not in VALUES[which] else 0  # a text has commas
    said = f" ({', '.join(names[:width])})" if width and width < len(names) else ""
    execute(url, f"insert into src{said} values {VALUES[which]}".replace("%", "%%"))


@pytest.mark.parametrize("which", some_slow(VALUES, {"plain", "digits of four", "no number"}))
def test_columns_of_postgresql_are_what_its_rows_are(which: str, pg_url: str, night: Any, monkeypatch: Any) -> None:
    filled(pg_url, which)
    fields = {one.split()[0]: f"${{{{ row.{one.split()[0]} }}}}" for one in TYPES.split(", ")}
    fields["a"] = "${{ row.id > 1 ? row.a : row.a }}"
    to = {"adapter": "a", "table": "dst", "mode": "replace"}
    sync = {"from": {"adapter": "a", "table": "src"}, "map": fields, "to": to, "rejects": {"max_count": 9}}

    run = night(source(pg_url), sync).run("s")
    by_column = rows(pg_url, "select t::text from dst t order by 1")
    monkeypatch.setattr(TableColumns, "of", lambda database, table: None)
    again = night(source(pg_url), sync).run("s")

    assert by_column == rows(pg_url, "select t::text from dst t order by 1")
    assert (run["written"], run["rejected"]) == (again["written"], again["rejected"])
    assert run["rejected"] or by_column == rows(pg_url, "select t::text from src t order by 1")


def exported(night: Any, url: str, form: dict[str, Any]) -> bytes:
    feed = {"pattern": "files/*.out", "ready": {"min_age_s": 0}, "format": form}
    sync = {
        "from": {"adapter": "a", "table": "src"},
        "to": {"adapter": "files", "feed": "rows"},
        "rejects": {"max_count": 9},
    }
    made = night({**source(url), "feeds": {"rows": feed}}, sync)
    made.run("s")
    (file,) = Path(made.landscape.config("files").root).glob("files/*.out")
    return bytes(file.read_bytes())


@pytest.mark.parametrize("form", some_slow(FORMS, FORMS[:2]), ids=str)
@pytest.mark.parametrize("which", some_slow(VALUES, {"plain", "texts"}))
def test_a_file_by_column_is_byte_for_byte_the_one_by_row(
    which: str, form: dict[str, Any], pg_url: str, night: Any, monkeypatch: Any
) -> None:
    filled(pg_url, which)
    execute(pg_url, "alter table src drop column o, drop column j")
    if "datetimes" in form:  # then the server's own lines are what is written
        execute(pg_url, "alter table src drop column i")

    lines: list[str] = []
    load = FileWriting.load
    monkeypatch.setattr(
        FileWriting, "load", lambda self, lane, *given: lines.append(lane.form) or load(self, lane, *given)
    )

    by_column = exported(night, pg_url, {"kind": "csv", **form})
    assert lines == (["postgresql csv"] if "datetimes" in form else [])
    monkeypatch.setattr(Csv, "_printed", lambda *given: None)
    monkeypatch.setattr(FeedSink, "takes", lambda self, lane: None)

    assert by_column == exported(night, pg_url, {"kind": "csv", **form})


AWKWARD = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "\\N", "\\.", '"', '""', "a,b", "a\nb", "\r", "\r\n", "-", "null", "'", "\\", "\t", "\ufeffx"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
)
ROW = st.tuples(
    AWKWARD,
    AWKWARD,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=7),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.datetimes(),
    st.none() | st.dates(),
    st.none() | st.booleans(),
    st.none() | st.uuids(),
)


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],  # rows that differ are shown as lines, and a smaller example takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ROW, min_size=40, max_size=60))
def test_lines_that_the_server_prints_are_byte_for_byte_ours(
    pg_url: str, night: Any, found: list[tuple[Any, ...]]
) -> None:
    execute(
        pg_url,
        "drop table if exists src",
        "create table src (a text, b varchar(20), c bigint, d numeric, e double precision, f timestamp, g date, h boolean, i uuid)",
    )
    with psycopg.connect(pg_url.replace("+psycopg", "")) as line:
        line.cursor().executemany("insert into src values (%s, %s, %s, %s, %s, %s, %s, %s, %s)", found)
    form = {"kind": "csv", "datetimes": "sql", "null": "\\N"}

    by_server = exported(night, pg_url, form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeedSink, "takes", lambda self, lane: None)
        patch.setattr(Csv, "_printed", lambda *given: None)
        patch.setattr(TableColumns, "of", lambda database, table: None)
        by_row = exported(night, pg_url, form)

    assert by_server.splitlines(keepends=True) == by_row.splitlines(keepends=True)


def test_a_table_becomes_a_parquet_file_and_a_table_again(pg_url: str, night: Any) -> None:
    filled(pg_url, "plain")
    execute(pg_url, "insert into src (id) values (7)", "alter table src drop column e, drop column n")
    execute(pg_url, "alter table dst drop column e, drop column n")
    form = {"kind": "parquet", "row_group_rows": 1}
    feed = {"pattern": "files/*.parquet", "ready": {"min_age_s": 0}, "format": form}
    out = {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "files", "feed": "rows", "name": "x.parquet"}}
    back = {"from": {"adapter": "files", "feed": "rows"}, "to": {"adapter": "a", "table": "dst", "mode": "insert"}}
    made = night({**source(pg_url), "feeds": {"rows": feed}}, out)
    made.run("s")
    root = Path(made.landscape.config("files").root)
    file = pyarrow.parquet.ParquetFile(root / "files/x.parquet")
    drop = {"kind": "local", "root": str(root), "feeds": {"rows": feed}}
    (root / "again").mkdir()
    other = Night(root / "again", {**source(pg_url), "files": drop}, {"s": back})

    run = other.run("s")
    other.close()

    kinds = {one.name: str(one.type) for one in file.schema_arrow}
    assert (file.metadata.num_row_groups, kinds["c"], kinds["i"]) == (2, "decimal128(12, 2)", "timestamp[us, tz=UTC]")
    assert (kinds["g"], kinds["h"], kinds["o"]) == ("date32[day]", "timestamp[us]", "binary")
    assert (run["written"], run["rejected"]) == (2, 0)
    assert rows(pg_url, "select t::text from dst t order by 1") == rows(pg_url, "select t::text from src t order by 1")


@pytest.mark.parametrize("odd", some_slow([None, *ODD], {None, "bytes for a text", "a number too long for a float"}))
def test_columns_of_sqlite_are_what_its_rows_are(
    odd: str | None, pg_url: str, night: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """SQLite lets a row have what it likes: whatever it is, it becomes the same, or the same reject."""
    line = sqlite3.connect(tmp_path / "old.db")
    line.execute("create table src (id integer primary key, a numeric(10,2), b varchar(9), c date, d boolean)")
    line.executemany("insert into src values (?, ?, ?, ?, ?)", [(n, None if n < 9 else n / 4, "", None if n < 9 else "2026-01-02", n % 2) for n in range(1, 100)])  # fmt: skip
    if odd is not None:
        line.execute(ODD[odd])
    line.commit()
    line.close()
    execute(pg_url, "create table dst (id bigint primary key, a numeric(10,2), b varchar(9), c date, d boolean)")
    adapters = {**source(pg_url), "old": {"kind": "sql", "url": f"sqlite:///{tmp_path}/old.db", "tables": {"src": {}}}}
    to = {"adapter": "a", "table": "dst", "mode": "replace"}
    sync = {"from": {"adapter": "old", "table": "src"}, "to": to, "rejects": {"max_count": 9}}
    looked: list[str] = []
    portions = SqliteColumns.portions
    monkeypatch.setattr(SqliteColumns, "portions", lambda self: looked.append("by column") or portions(self))

    run = night(dict(adapters), sync).run("s")
    by_column = rows(pg_url, "select * from dst order by 1")
    monkeypatch.setattr(SqliteColumns, "of", lambda database, table: None)
    again = night(dict(adapters), sync).run("s")

    assert looked == ["by column"]
    assert by_column == rows(pg_url, "select * from dst order by 1")
    assert (run["written"], run["rejected"]) == (again["written"], again["rejected"])


@pytest.mark.parametrize("odd", [None, "insert into src values (9999, x'616263')"])
def test_many_rows_of_sqlite_come_once_however_wide_they_are(
    odd: str | None, pg_url: str, night: Any, tmp_path: Path
) -> None:
    """What is put together of several reads has every row of them, and an odd one behind them is still seen."""
    line = sqlite3.connect(tmp_path / "old.db")
    line.execute("create table src (id integer primary key, a text)")
    wide = ("w" * 2000, None, "", "é")
    line.executemany("insert into src values (?, ?)", [(n, wide[n % 4] if n < 3000 else None) for n in range(1, 9000)])
    if odd is not None:
        line.execute(odd)
    line.commit()
    line.close()
    execute(pg_url, "create table dst (id bigint primary key, a text)")
    adapters = {**source(pg_url), "old": {"kind": "sql", "url": f"sqlite:///{tmp_path}/old.db", "tables": {"src": {}}}}
    sync = {"from": {"adapter": "old", "table": "src"}, "to": {"adapter": "a", "table": "dst", "mode": "replace"}}

    run = night(dict(adapters), {**sync, "rejects": {"max_count": 1}}).run("s")

    assert (run["written"], run["rejected"]) == (8999, 0 if odd is None else 1)
    assert rows(pg_url, "select count(*), sum(id), sum(length(a)), count(a) from dst") == [
        (8999, 8999 * 4500, 749 * 2000 + 750, 2249)
    ]
