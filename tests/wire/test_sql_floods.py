"""Answers that are far larger than their limits: cut or refused before they are in memory, and the next call is answered."""

import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.connectors import sql_flood
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError
from drawbar.core.tool import Call

KINDS = ["pg_url", "mariadb_url", "odbc_url", "firebird_url", "sqlite"]
LONG = "ä" * 400_000
LIMITS = {"max_bytes": 1_000_000}


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    if request.param != "sqlite":
        return request.getfixturevalue(request.param)
    sqlite3.connect(tmp_path / "erp.db").close()
    return f"sqlite:///{tmp_path}/erp.db"


@pytest.fixture
def adapter(url, tmp_path):
    engine = sa.create_engine(url.partition("?")[0].replace("+pyodbc", "+pymysql"))
    text = {"postgresql": "text", "sqlite": "text", "mysql": "longtext"}.get(engine.dialect.name, "blob sub_type text")
    if "firebird" in url:
        sa.event.listen(engine, "after_cursor_execute", uncounted)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create table notes (id integer not null primary key, body {text})")
    engine.dispose()
    statements = {"every": {"sql": "select id, body from notes order by id", "effect": "read", **LIMITS}}
    tables = {"notes": {"read": True, "insert": True, **LIMITS}}
    config = {"kind": "sql", "url": url, "call_timeout_s": 30, "statements": statements, "tables": tables}
    adapter = SqlAdapter("db", SqlConfig.model_validate(config), Place(tmp_path, tmp_path))
    yield adapter
    adapter.close()


def uncounted(_c, cursor, _s, _p, context, _m):
    if cursor.description is None:
        context._rowcount = -1


def caller(adapter):
    known = {tool.name: tool for tool in adapter.tools()}
    return lambda name, **given: known[name].run(given, Call("c", "me", time.monotonic() + 30))


def test_a_page_is_cut_at_its_bytes_and_the_next_one_goes_on(adapter):
    call = caller(adapter)
    for number in range(5):
        call("insert_notes", id=number, body=LONG)

    for _ in range(2):
        first = call("read_notes")
        assert [row["id"] for row in first["rows"]] == [0, 1] and first["rows"][0]["body"] == LONG
        second = call("read_notes", next=first["next"])
        assert [row["id"] for row in second["rows"]] == [2, 3]
        assert [row["id"] for row in call("read_notes", next=second["next"])["rows"]] == [4]
        assert [len(row["body"]) for row in call("every")["rows"]] == [len(LONG)] * 2


def test_a_value_that_is_larger_than_the_limit_is_refused_and_the_others_are_read(adapter):
    call = caller(adapter)
    call("insert_notes", id=1, body="short")
    call("insert_notes", id=2, body="x" * 6_000_000)
    call("insert_notes", id=3, body="last")

    for _ in range(3):
        if "odbc" in adapter.database.engine.dialect.driver:  # it takes all rows before it gives the first
            with pytest.raises(InputError, match="all rows together are much larger than max_bytes"):
                call("every")
        elif adapter.database.dialect != "sqlite":  # its driver looks one row ahead
            assert [row["id"] for row in call("every")["rows"]] == [1]
        with pytest.raises(InputError):
            call("read_notes", where={"id": 2})
        assert call("read_notes", where={"id": 3})["rows"] == [{"id": 3, "body": "last"}]


@pytest.mark.parametrize("look_s", [0.0002, 60])
def test_what_odbc_took_is_refused_whenever_it_was_looked_at(odbc_url, tmp_path, monkeypatch, look_s):
    monkeypatch.setattr(sql_flood, "_LOOKOUT", sql_flood._Lookout(look_s))
    statements = {"large": {"sql": "select repeat('x', :size) as body from seq_1_to_3", "effect": "read", **LIMITS}}
    statements["large"]["parameters"] = {"size": {"type": "integer"}}
    config = {"kind": "sql", "url": odbc_url, "call_timeout_s": 20, "statements": statements}
    adapter = SqlAdapter("db", SqlConfig.model_validate(config), Place(tmp_path, tmp_path))
    call = caller(adapter)

    for _ in range(3):
        with pytest.raises(InputError, match="all rows together are much larger than max_bytes"):
            call("large", size=2_000_000)
        assert len(call("large", size=900_000)["rows"]) == 1
    adapter.close()


@pytest.mark.slow
def test_half_a_gigabyte_does_not_come_into_memory(pg_url, tmp_path):
    """One value of 400 MB, and 400 rows of 2 MB, against limits of 1 MB: PostgreSQL sends as fast as we read."""
    engine = sa.create_engine(pg_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table notes (id integer primary key, body text)")
        connection.exec_driver_sql("alter table notes alter body set storage external")
        connection.exec_driver_sql("insert into notes values (0, repeat('0123456789', 40000000))")
        connection.exec_driver_sql("insert into notes select n, repeat('x', 2000000) from generate_series(1, 400) n")
    engine.dispose()
    statements = {
        "one": {"sql": "select * from notes where id = 0", "effect": "read", **LIMITS},
        "many": {"sql": "select * from notes where id > 0", "effect": "read", **LIMITS},
    }
    config = {
        "kind": "sql",
        "url": pg_url,
        "call_timeout_s": 30,
        "statements": statements,
        "tables": {"notes": {"read": True}},
    }
    adapter = SqlAdapter("db", SqlConfig.model_validate(config), Place(tmp_path, tmp_path))
    call = caller(adapter)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()

    for _ in range(3):
        for name in statements:
            with pytest.raises(InputError):
                call(name)
        assert len(call("read_notes", where={"id": {">": 0}})["rows"]) == 4

    assert peak_mb() - before < 250
    adapter.close()


def test_rows_that_odbc_takes_all_at_once_do_not_come_into_memory(odbc_url, tmp_path):
    """MariaDB's driver keeps an answer whole; the line is cut, and the next call is answered."""
    engine = sa.create_engine(odbc_url.partition("?")[0].replace("+pyodbc", "+pymysql"))
    with engine.begin() as connection:
        connection.exec_driver_sql("create table notes (id integer primary key, body longtext)")
        connection.exec_driver_sql("insert into notes select seq, repeat('x', 2000000) from seq_1_to_40")
    engine.dispose()
    statements = {"many": {"sql": "select * from notes where id > :id", "effect": "read", **LIMITS}}
    statements["many"]["parameters"] = {"id": {"type": "integer"}}
    config = {"kind": "sql", "url": odbc_url, "call_timeout_s": 20, "statements": statements}
    adapter = SqlAdapter("db", SqlConfig.model_validate(config), Place(tmp_path, tmp_path))
    call = caller(adapter)
    assert call("many", id=40)["rows"] == []
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()

    for _ in range(2):
        with pytest.raises(InputError, match="max_bytes"):
            call("many", id=0)
        assert call("many", id=40)["rows"] == []

    assert peak_mb() - before < 60
    adapter.close()


def peak_mb():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
