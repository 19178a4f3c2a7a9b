"""What old procedures take and give otherwise than their types say, on the databases that have procedures."""

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa
from checked import call

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, InputError

TABLE = "create table entries (active char(1), born varchar(6), amount varchar(12), city varchar(40), name char(10))"
SQL = {
    "pg_url": [
        TABLE,
        """create procedure post(inout active char(1), inout born varchar, inout amount varchar, inout city varchar, out name char(10))
           language plpgsql as $$ begin name := 'Kaiser'; insert into entries values (active, born, amount, city, name); end $$""",
        """create function listed(yes char(1)) returns table (active char(1), born varchar, amount varchar, city varchar, name char(10))
           language sql as $$ select * from entries e where e.active = yes $$""",
        "create function due(born varchar) returns varchar language sql as $$ select born $$",
    ],
    "mariadb_url": [
        TABLE,
        """create procedure post(inout active char(1), inout born varchar(6), inout amount varchar(12), inout city varchar(40),
           out name char(10)) begin set name = 'Kaiser    '; insert into entries values (active, born, amount, city, name); end""",
        """create procedure listed(yes char(1)) begin select active, born, amount, city, name from entries where active = yes;
           select count(*) as entries, concat('Kaiser', '  ') as name from entries; end""",
        "create function due(born varchar(6)) returns varchar(6) deterministic return born",
    ],
    "firebird_url": [
        TABLE,
        """create procedure post(active char(1), born varchar(6), amount varchar(12), city varchar(40))
           returns (name char(10)) as begin name = 'Kaiser'; insert into entries values (:active, :born, :amount, :city, :name); end""",
        """create procedure listed(yes char(1)) returns (active char(1), born varchar(6), amount varchar(12), city varchar(40),
           name char(10)) as begin for select active, born, amount, city, name from entries where active = :yes
           into :active, :born, :amount, :city, :name do suspend; end""",
        "create function due(born varchar(6)) returns varchar(6) as begin return born; end",
    ],
}  # fmt: skip
SQL["odbc_url"] = SQL["mariadb_url"]
BORN = {"date": "%y%m%d", "pivot": 30, "null": ["000000"]}
COLUMNS = {
    "active": {"boolean": "Y/N"},
    "born": BORN,
    "amount": {"number": "decimal", "decimal_mark": ",", "scale": 2, "width": 10},
    "city": {"code_page": {"bytes": "utf-8", "read_as": "latin-1"}},
}


@pytest.fixture(params=SQL)
def opened(request, tmp_path):
    """The adapter, by the quirks of one procedure more, and a query beside it."""
    url = request.getfixturevalue(request.param)
    engine = sa.create_engine(url.partition("?")[0].replace("+pyodbc", "+pymysql"))
    if request.param == "firebird_url":
        request.getfixturevalue("firebird").execute(SQL[request.param], url)
    else:
        with engine.begin() as connection:
            for statement in SQL[request.param]:
                connection.exec_driver_sql(statement)

    def adapter(**more):
        procedures = {
            "post": {"quirks": {"columns": COLUMNS}},
            "listed": {"effect": "read", "quirks": {"columns": {**COLUMNS, "yes": {"boolean": "Y/N"}}}},
            "due": {"effect": "read", "quirks": {"columns": {"born": {"date": "%Y%m%d"}, "result": BORN}}},
            **more,
        }
        config = {"kind": "sql", "url": url, "call_timeout_s": 10, "procedures": procedures}
        config["quirks"] = {"trailing_blanks": "strip"}
        return SqlAdapter("db", SqlConfig.model_validate(config), Place(tmp_path, tmp_path))

    def query(sql):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    made = adapter()
    yield made, adapter, query
    made.close()
    engine.dispose()


GIVEN = {"active": True, "born": "2029-12-31", "amount": "2.5", "city": "Köln"}
MEANT = {"active": True, "born": date(2029, 12, 31), "amount": Decimal("2.50"), "city": "Köln", "name": "Kaiser"}


def test_a_procedure_takes_and_gives_what_is_meant(opened):
    adapter, _, query = opened

    out = call(adapter, "call_post", **GIVEN)["out"]

    assert out == MEANT if len(out) > 1 else out == {"name": "Kaiser"}
    assert query("select active, born, amount, city from entries") == [("Y", "291231", "0000002,50", "KÃ¶ln")]
    answer = call(adapter, "call_listed", yes=True)
    assert answer["rows"] == [MEANT] and call(adapter, "call_listed", yes=False)["rows"] == []
    assert answer.get("more", [[{"entries": 1, "name": "Kaiser"}]]) == [[{"entries": 1, "name": "Kaiser"}]]


def test_the_value_of_a_function_and_its_parameter_differ(opened):
    adapter, _, _ = opened
    with pytest.raises(InputError, match="born"):
        call(adapter, "call_due", born="x")
    if adapter.database.dialect != "firebird":  # MariaDB cuts eight characters to six or refuses them
        return
    with pytest.raises(InputError, match="amount"):
        call(adapter, "call_post", **{**GIVEN, "amount": "1.005"})


def test_zeros_mean_nothing(opened):
    _, adapter, _ = opened
    plain = adapter(due={"effect": "read", "quirks": {"columns": {"result": BORN}}})

    assert call(plain, "call_due", born="000000")["result"] is None
    assert call(plain, "call_due", born="310102")["result"] == date(1931, 1, 2)
    plain.close()


def test_a_parameter_that_is_not_there_has_no_quirks(opened):
    _, adapter, _ = opened
    wrong = adapter(due={"effect": "read", "quirks": {"columns": {"nobody": BORN}}})
    with pytest.raises(ConfigError, match="nobody"):
        list(wrong.tools())
    wrong.close()
