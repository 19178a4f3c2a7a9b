"""Statements of MariaDB that fail in the middle: what stays in a table that cannot roll back is never said to be nothing."""

import time

import pytest
import sqlalchemy as sa

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import OutcomeUnknown, Rejected, Unavailable
from drawbar.core.tool import Call

MADE = """
create table innodb (id integer primary key) engine = InnoDB;
create table myisam (id integer primary key) engine = MyISAM;
create table memory (id integer primary key) engine = MEMORY;
create table aria (id integer primary key) engine = Aria;
create table noted (id integer primary key) engine = InnoDB;
create trigger noting before insert on noted for each row insert into myisam values (new.id + 100);
create procedure both_ways(n integer) begin insert into `myisam` values (n + 200); insert into innodb values (n), (n); end
"""
TWICE = "insert into {} values (:a), (:b), (:a)"
INTEGER = {"type": "integer"}


@pytest.fixture(params=["mariadb_url", "odbc_url"])
def url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def adapter(url, tmp_path):
    engine = sa.create_engine(url.partition("?")[0].replace("+pyodbc", "+pymysql"))
    with engine.begin() as connection:
        for statement in MADE.strip().split(";\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    made = opened(url, tmp_path)
    yield made
    made.close()


def opened(url, folder, procedures=("both_ways",)):
    tables = ("innodb", "myisam", "memory", "aria", "noted")
    statements = {
        f"add_{name}": {"sql": TWICE.format(name), "parameters": {"a": INTEGER, "b": INTEGER}} for name in tables
    }
    statements |= {f"count_{name}": {"sql": f"select count(*) as n from {name}", "effect": "read"} for name in tables}
    statements["slow"] = {"sql": "update `myisam` set id = id + 10 where sleep(0.1) = 0"}
    statements["cut"] = {"sql": "update innodb set id = id + 10 where sleep(0.1) = 0"}
    statements["strict"] = {"sql": "delete from aria", "expect_rows": 1}
    procedures = {name: {} for name in procedures}
    config = {"kind": "sql", "url": url, "statements": statements, "procedures": procedures, "call_timeout_s": 10}
    return SqlAdapter("db", SqlConfig.model_validate(config), Place(folder, folder))


def call(adapter, name, **given):
    if not hasattr(adapter, "known"):
        adapter.known = {tool.name: tool for tool in adapter.tools()}
    return adapter.known[name].run(given, Call("c", "me", time.monotonic() + 10))


def count(adapter, name):
    return int(call(adapter, f"count_{name}")["rows"][0]["n"])


@pytest.mark.parametrize("name", ["myisam", "memory", "aria"])
def test_what_stays_is_unknown_and_what_did_not_begin_is_refused(adapter, name):
    with pytest.raises(OutcomeUnknown, match="stays"):
        call(adapter, f"add_{name}", a=1, b=2)
    assert count(adapter, name) == 2

    with pytest.raises(Rejected, match="Duplicate"):
        call(adapter, f"add_{name}", a=1, b=3)
    assert count(adapter, name) == 2


def test_what_is_rolled_back_is_refused(adapter):
    with pytest.raises(Rejected, match="Duplicate"):
        call(adapter, "add_innodb", a=1, b=2)

    assert count(adapter, "innodb") == 0


def test_what_a_trigger_or_a_procedure_wrote_stays_too(adapter):
    with pytest.raises(OutcomeUnknown, match="stays"):
        call(adapter, "add_noted", a=1, b=2)
    assert (count(adapter, "noted"), count(adapter, "myisam")) == (0, 2)

    with pytest.raises(OutcomeUnknown, match="stays"):
        call(adapter, "call_both_ways", n=7)
    assert (count(adapter, "innodb"), count(adapter, "myisam")) == (0, 3)


def test_more_rows_than_expected_cannot_be_put_back(adapter):
    with pytest.raises(OutcomeUnknown):
        call(adapter, "add_aria", a=1, b=2)

    with pytest.raises(OutcomeUnknown, match="2 rows instead of 1"):
        call(adapter, "strict")


@pytest.mark.parametrize("url", ["mariadb_url"], indirect=True)
def test_a_line_that_is_cut_says_nothing_about_a_table_that_cannot_roll_back(
    adapter, url, mariadb, proxy, tmp_path, monkeypatch
):
    between = proxy(mariadb.port)
    line = opened(url.replace(f":{mariadb.port}/", f":{between.port}/"), tmp_path, procedures=())
    ran = sa.engine.Connection.execute

    def cut(connection, statement, *given, **named):
        if "sleep" in str(statement):
            between.drop()
        return ran(connection, statement, *given, **named)

    monkeypatch.setattr(sa.engine.Connection, "execute", cut)
    for name, kind in (("slow", OutcomeUnknown), ("cut", Unavailable)):
        with pytest.raises(kind):
            call(line, name)
    line.close()
