"""What old databases keep otherwise than their types say, on the databases that keep it so."""

import sqlite3
from datetime import date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from checked import call
from pydantic import ValidationError

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, InputError, Rejected

QUIRKS = {
    "trailing_blanks": "strip",
    "columns": {
        "code": {"trailing_blanks": "pad"},
        "born": {"date": "%y%m%d", "pivot": 30, "null": ["000000"]},
        "changed": {"date": "%Y%m%d%H%M%S"},
        "active": {"boolean": "Y/N"},
        "amount": {"number": "decimal", "decimal_mark": ",", "scale": 2, "width": 10},
        "pieces": {"number": "integer"},
        "city": {"code_page": {"bytes": "utf-8", "read_as": "latin-1"}},
        "dated": {"date": "%Y%m%d", "null": [0]},
    },
}
COLUMNS = {
    "id": "integer not null primary key",
    "code": "varchar(6)",
    "name": "varchar(20)",
    "born": "char(6) not null",
    "changed": "varchar(14)",
    "active": "char(1)",
    "amount": "varchar(12)",
    "pieces": "varchar(5)",
    "city": "varchar(40)",
    "dated": "integer not null",
}
OLD = (1, "A1    ", "Kaiser   ", "310102", "20260102030405", "Y", "1234,50-", " 7 ", "MÃ¼nchen", 20260203)
URLS = {"postgresql": "pg_url", "mysql": "mariadb_url", "firebird": "firebird_url", "odbc": "odbc_url"}


def plain(url):
    return sa.create_engine(url.partition("?")[0].replace("+pyodbc", "+pymysql"))


def query(url, sql):
    engine = plain(url)
    with engine.begin() as connection:
        result = connection.execute(sa.text(sql))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def open_adapter(url, folder, **config):
    config = SqlConfig.model_validate({"kind": "sql", "url": url, "call_timeout_s": 10, **config})
    return SqlAdapter("db", config, Place(folder, folder))


@pytest.fixture(params=[*URLS, "sqlite"])
def adapter(request, tmp_path):
    url = f"sqlite:///{tmp_path}/old.db" if request.param == "sqlite" else request.getfixturevalue(URLS[request.param])
    engine = plain(url)
    quote = engine.dialect.identifier_preparer.quote
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind in COLUMNS.items())
    table = sa.table("old", *map(sa.column, COLUMNS))
    if request.param == "firebird":
        request.getfixturevalue("firebird").execute([f"create table old ({columns})"], url)
    else:
        query(url, f"create table old ({columns})")
    with engine.begin() as connection:
        connection.execute(sa.insert(table).values(dict(zip(COLUMNS, OLD, strict=True))))
    engine.dispose()
    tables = {"old": {"read": True, "insert": True, "update": True, "upsert": True, "quirks": QUIRKS}}
    statement = {"sql": "select * from old where code = :code", "parameters": {"code": {}}, "effect": "read"}
    adapter = open_adapter(url, tmp_path, tables=tables, statements={"find": {**statement, "quirks": QUIRKS}})
    yield adapter
    adapter.close()


MEANT = {
    "id": 1,
    "code": "A1",
    "name": "Kaiser",
    "born": date(1931, 1, 2),
    "changed": datetime(2026, 1, 2, 3, 4, 5),
    "active": True,
    "amount": Decimal("-1234.50"),
    "pieces": 7,
    "city": "München",
    "dated": date(2026, 2, 3),
}


def test_values_are_read_as_they_are_meant(adapter):
    assert call(adapter, "read_old")["rows"] == [MEANT]
    assert call(adapter, "find", code="A1    ")["rows"] == [MEANT]


def test_values_are_written_and_found_as_they_are_kept(adapter):
    new = {
        **MEANT, "id": 2, "code": "B2", "born": "2029-12-31", "active": False, "amount": "2.5", "pieces": 12, "dated": None,
        "changed": "2026-01-02T03:04:05",
    }  # fmt: skip
    call(adapter, "insert_old", **{**new, "city": "Köln"})
    url = adapter.config.url.get_secret_value()

    kept = query(url, "select code, born, active, amount, changed, city from old where id = 2")[0]
    assert kept == ("B2    ", "291231", "N", "0000002.50".replace(".", ","), "20260102030405", "KÃ¶ln")

    def ids(**where):
        return [row["id"] for row in call(adapter, "read_old", where=where)["rows"]]

    assert (
        ids(code="B2") == ids(city="Köln") == ids(active=False) == ids(amount="2.50") == ids(born="2029-12-31") == [2]
    )
    assert ids(dated=None) == ids(dated={"is null": True}) == [2] and ids(dated={"is null": False}) == [1]
    assert ids(city={"like": "%ü%"}) == [1] and ids(changed={">=": "2026-01-02T03:04:05"}) == [1, 2]
    call(adapter, "update_old", id=2, dated="2026-12-24", born=None)
    row = call(adapter, "read_old", where={"id": 2})["rows"][0]
    assert row["dated"] == date(2026, 12, 24) and row["born"] is None
    assert call(adapter, "upsert_old", **{**new, "city": "Ulm", "dated": "2026-01-01"}) == {"count": 1}


def test_what_is_not_kept_in_order_is_not_compared_by_order(adapter):
    schema = {tool.name: tool for tool in adapter.tools()}["read_old"].input_schema
    orders = schema["properties"]["order"]["items"]["enum"]

    assert "dated" in orders and "changed" in orders and not {"born", "amount", "city"} & {*orders}
    with pytest.raises(InputError):
        call(adapter, "read_old", where={"amount": {"<": "5"}})
    with pytest.raises(InputError, match="amount"):
        call(adapter, "update_old", id=1, amount="1.005")
    with pytest.raises(InputError, match="amount"):
        call(adapter, "update_old", id=1, amount="12345678901.00")
    with pytest.raises(InputError, match="city"):
        call(adapter, "update_old", id=1, city="x" * 41)


def test_zero_dates_of_mariadb_mean_nothing_or_are_shown(mariadb_url, tmp_path):
    query(mariadb_url, "create table zeros (id integer primary key, d date not null, t datetime)")
    query(mariadb_url, "insert into zeros values (1, '0000-00-00', '0000-00-00 00:00:00'), (2, '2026-01-02', null)")
    tables = {"zeros": {"read": True, "update": True}}
    adapter = open_adapter(mariadb_url, tmp_path, tables=tables, quirks={"null": ["0000-00-00"]})

    assert call(adapter, "read_zeros")["rows"][0] == {"id": 1, "d": None, "t": None}
    call(adapter, "update_zeros", id=2, d=None)
    assert [row["id"] for row in call(adapter, "read_zeros", where={"d": None})["rows"]] == [1, 2]
    adapter.close()


def test_bytes_of_another_code_page_in_a_text(tmp_path):
    line = sqlite3.connect(tmp_path / "raw.db")
    line.execute("create table raw (id integer primary key, word text, data blob)")
    line.execute("insert into raw values (1, cast(x'4dfc6e' as text), ?)", ("grün".encode("cp037"),))
    line.commit()
    line.close()
    url, tables = f"sqlite:///{tmp_path}/raw.db", {"raw": {"read": True, "update": True}}
    broken = open_adapter(url, tmp_path, tables=tables)
    with pytest.raises(Rejected, match="decode"):
        call(broken, "read_raw")
    broken.close()
    pages = {"word": {"code_page": {"bytes": "latin-1"}}, "data": {"code_page": {"bytes": "cp037"}}}
    adapter = open_adapter(url, tmp_path, tables={"raw": {**tables["raw"], "quirks": {"columns": pages}}})

    assert call(adapter, "read_raw")["rows"] == [{"id": 1, "word": "Mün", "data": "grün"}]
    with pytest.raises(InputError, match="word"):  # what is no text cannot be written as one
        call(adapter, "update_raw", id=1, word="Köln")
    call(adapter, "update_raw", id=1, word="Koeln", data="blau")
    adapter.close()
    assert query(url, "select word, data from raw") == [("Koeln", "blau".encode("cp037"))]


def test_nul_bytes(tmp_path):
    line = sqlite3.connect(tmp_path / "nul.db")
    line.execute("create table nul (id integer primary key, word text)")
    line.execute("insert into nul values (1, 'ab' || char(0) || 'c')")
    line.commit()
    line.close()
    for how, word in (("strip", "abc"), ("cut", "ab")):
        tables = {"nul": {"read": True, "update": True, "quirks": {"nul_bytes": how}}}
        adapter = open_adapter(f"sqlite:///{tmp_path}/nul.db", tmp_path, tables=tables)
        assert call(adapter, "read_nul")["rows"][0]["word"] == word
        with pytest.raises(InputError, match="NUL"):
            call(adapter, "update_nul", id=1, word="a\0b")
        adapter.close()


def test_a_column_that_is_not_there_has_no_quirks(adapter, tmp_path):
    url = adapter.config.url.get_secret_value()
    quirks = {"columns": {"nobody": {"boolean": "J/N"}}}
    with pytest.raises(ConfigError, match="nobody"):
        call(open_adapter(url, tmp_path, tables={"old": {"read": True, "quirks": quirks}}), "read_old")


@pytest.mark.parametrize(
    ("quirks", "said"),
    [
        ({"trim": True}, "trim"),
        ({"date": "%y"}, "date"),
        ({"code_page": {"bytes": "klingon"}}, "no code page"),
        ({"columns": {"a": {"boolean": "Y"}}}, "pattern"),
        ({"columns": {"a": {"boolean": "Y/N", "date": "%y"}}}, "one of"),
        ({"columns": {"a": {"width": 5}}}, "need number"),
    ],
)
def test_a_wrong_quirk_is_refused_when_it_is_read(quirks, said):
    with pytest.raises(ValidationError, match=said):
        SqlConfig.model_validate({"kind": "sql", "url": "sqlite:///x.db", "tables": {"t": {"quirks": quirks}}})


HOSTILE = [
    (1, "Kaiser  ", "000000", " 7", "Y ", "20260102"),
    (2, "Kaiser", "310102", "7 ", "N", "00000000"),
    (3, "kai", "junk", "007", "?", "20260101"),
    (4, "Kaiser ", "000000", "x", "Y", "garbage"),
    (5, "a  b ", "290102", "8", None, "00000000"),
    (6, None, "310102", None, "N ", "99999999"),
]
HOSTILE_QUIRKS = {
    "trailing_blanks": "strip",
    "columns": {
        "born": {"date": "%y%m%d", "pivot": 30, "null": ["000000"]},
        "pieces": {"number": "integer"},
        "active": {"boolean": "Y/N"},
        "due": {"date": "%Y%m%d", "null": ["00000000", "99999999"]},
    },
}


@pytest.fixture(params=[*URLS, "sqlite"])
def hostile(request, tmp_path):
    url = f"sqlite:///{tmp_path}/bad.db" if request.param == "sqlite" else request.getfixturevalue(URLS[request.param])
    sql = (
        "create table bad (id integer not null primary key, name varchar(20), born varchar(8), pieces varchar(5), "
        "active varchar(3), due varchar(8))"
    )
    if request.param == "firebird":
        request.getfixturevalue("firebird").execute([sql], url)
    else:
        query(url, sql)
    engine = plain(url)
    table = sa.table("bad", *map(sa.column, ("id", "name", "born", "pieces", "active", "due")))
    with engine.begin() as connection:
        for row in HOSTILE:
            connection.execute(sa.insert(table).values(row))
    engine.dispose()
    adapter = open_adapter(url, tmp_path, tables={"bad": {"read": True, "update": True, "quirks": HOSTILE_QUIRKS}})
    yield adapter
    adapter.close()


def test_what_is_shown_is_found_by_what_is_shown(hostile):
    def ids(**where):
        return [row["id"] for row in call(hostile, "read_bad", where=where, columns=["id"])["rows"]]

    assert ids(name="Kaiser") == ids(name="Kaiser  ") == ids(name={"like": "%ser"}) == [1, 2, 4]
    assert ids(name={"in": ["Kaiser", "a  b"]}) == [1, 2, 4, 5] and ids(name={"!=": "Kaiser"}) == [3, 5]
    assert ids(pieces=7) == [1, 2] and ids(active=True) == [1, 4] and ids(active=False) == [2, 6]


def test_what_means_null_is_neither_smaller_nor_larger(hostile):
    def ids(**where):
        return [row["id"] for row in call(hostile, "read_bad", where=where, columns=["id"])["rows"]]

    assert ids(due={"<": "2026-06-01"}) == [1, 3] and 6 not in ids(due={">": "2026-01-01"})
    assert ids(due=None) == ids(due={"is null": True}) == [2, 5, 6] and ids(born={"is null": True}) == [1, 4]
    assert ids(due={"!=": "2026-01-01"}) == [1, 4]


@pytest.mark.parametrize("order", [["name"], ["name desc"], ["due"], ["due desc", "name"]])
def test_pages_lose_no_row_and_repeat_none(hostile, order):
    seen, following = [], None
    for _ in range(9):
        page = call(
            hostile, "read_bad", order=order, limit=1, columns=["id"], **({"next": following} if following else {})
        )
        seen += [row["id"] for row in page["rows"]]
        assert all(set(row) == {"id"} for row in page["rows"])
        if (following := page["next"]) is None:
            break

    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert seen == [row["id"] for row in call(hostile, "read_bad", order=order, columns=["id"])["rows"]]
