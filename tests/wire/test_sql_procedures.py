"""Stored procedures and functions as tools, on real PostgreSQL, MariaDB (by itself and through ODBC) and Firebird."""

import time
from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, InputError, OutcomeUnknown, Rejected
from drawbar.core.schema import Checker
from drawbar.core.tool import Call
from drawbar.core.values import Wide

POSTGRES = [
    "create table book (id integer primary key, amount numeric(10,2), day date)",
    "create type mood as enum ('glad', 'sad')",
    """create procedure post(id integer, amount numeric, inout total numeric, out at date, day date default '2026-01-01')
       language plpgsql as $$ begin insert into book values (id, amount, day);
       total := total + amount; at := day; end $$""",
    "comment on procedure post(integer, numeric, numeric, date, date) is 'Post one entry.'",
    """create function above(lowest numeric) returns table (no integer, amount numeric) stable language sql as
       $$ select id, amount from book where amount >= lowest order by id $$""",
    "create function both_of(a bigint, out twice bigint, out word text) language sql as $$ select a * 2, 'w' || a $$",
    "create function entries() returns setof book stable language sql as $$ select * from book order by id $$",
    "create function plus(integer, m mood default 'sad') returns text immutable language sql as $$ select $1 || ':' || m $$",
    "create function twin(a integer) returns integer language sql as 'select 1'",
    "create function twin(a text) returns integer language sql as 'select 2'",
    "create function loose() returns setof record language sql as $$ select 1, 'a'::text $$",
    "create function open_one() returns refcursor language plpgsql as $$ declare c refcursor; begin return c; end $$",
    "create function on_change() returns trigger language plpgsql as 'begin return new; end'",
    "create function writing() returns bigint language sql as $$ insert into book values (99, 0, null) returning 1::bigint $$",
    "create procedure commits() language plpgsql as $$ begin insert into book values (50, 0, null); commit; end $$",
]
MARIADB = [
    "create table book (id integer primary key, amount decimal(10,2), day date) engine = InnoDB",
    """create procedure post(in id integer, in amount decimal(10,2), inout total decimal(10,2), out at date, in day date)
       comment 'Post one entry.' begin insert into book values (id, amount, day); set total = total + amount; set at = day; end""",
    """create procedure above(in lowest decimal(10,2)) begin select id as no, amount from book where amount >= lowest order by id;
       select count(*) as entries from book; end""",
    "create function plus(a bigint, m enum('glad','sad')) returns varchar(20) deterministic return concat(a, ':', m)",
    "create procedure commits() begin insert into book values (50, 0, null); commit; signal sqlstate '45000'; end",
]
FIREBIRD = [
    'create table book (id integer not null primary key, amount numeric(10,2), "DAY" date)',
    """create procedure post(id integer, amount numeric(10,2), total numeric(10,2), "DAY" date)
       returns (new_total numeric(10,2), "at" date) as begin insert into book values (:id, :amount, :"DAY");
       new_total = total + amount; "at" = "DAY"; end""",
    """create procedure above(lowest numeric(10,2)) returns ("no" integer, amount numeric(10,2)) as begin
       for select id, amount from book where amount >= :lowest order by id into :"no", :amount do suspend; end""",
    "create function plus(a bigint) returns varchar(20) as begin return a || ':sad'; end",
    "comment on procedure post is 'Post one entry.'",
]


def built(url, folder, statements, procedures, firebird=None):
    if firebird is not None:
        firebird.execute(statements, url)
        statements = []
    engine = sa.create_engine(url.partition("?")[0].replace("+pyodbc", "+pymysql"))
    for statement in statements:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()
    config = {"kind": "sql", "url": url, "call_timeout_s": 10, "procedures": procedures}
    return SqlAdapter("db", SqlConfig.model_validate(config), Place(folder, folder))


def tools(adapter):
    return {tool.name: tool for tool in adapter.tools()}


def call(tool, /, **arguments):
    checked = Checker.of(tool.input_schema).arguments(arguments)
    answer = tool.run(checked, Call("c", "me", time.monotonic() + 20))
    assert Checker.of(tool.output_schema).deviation(answer) is None
    return answer


@pytest.fixture(params=["pg_url", "mariadb_url", "odbc_url", "firebird_url"])
def adapter(request, tmp_path):
    made = {"pg_url": POSTGRES, "firebird_url": FIREBIRD}.get(request.param, MARIADB)
    procedures = {"post": {}, "above": {"effect": "read", "max_rows": 2}, "plus": {"effect": "read"}}
    firebird = request.getfixturevalue("firebird") if request.param == "firebird_url" else None
    adapter = built(request.getfixturevalue(request.param), tmp_path, made, procedures, firebird)
    yield adapter
    adapter.close()


def test_what_goes_in_comes_out_and_is_listed(adapter):
    known = tools(adapter)
    assert set(known) == {"call_post", "call_above", "call_plus"} == SqlAdapter.tool_names(adapter.config)
    assert known["call_post"].description == "Post one entry." and known["call_post"].effect == "write"

    for number in range(1, 4):
        done = call(known["call_post"], id=number, amount=f"{number}.50", total="10.00", day="2026-02-03")
        total = done["out"]["new_total" if "new_total" in done["out"] else "total"]
        assert total == Decimal(f"1{number}.50") and done["out"]["at"] == date(2026, 2, 3)

    listed = call(known["call_above"], lowest="2.50")
    assert listed["rows"] == [{"no": 2, "amount": Decimal("2.50")}, {"no": 3, "amount": Decimal("3.50")}]
    if adapter.database.dialect == "mysql":
        assert listed["more"] == [[{"entries": 3}]]
    cut = call(known["call_above"], lowest="0")
    assert len(cut["rows"]) == 2 and cut["truncated"]
    assert call(known["call_above"], lowest="99")["rows"] == []


def test_a_refusal_undoes_all_and_poisons_nothing(adapter):
    post = tools(adapter)["call_post"]
    call(post, id=1, amount="1.00", total="0", day="2026-02-03")
    with pytest.raises(Rejected):
        call(post, id=1, amount="1.00", total="0", day="2026-02-03")
    with pytest.raises(InputError):
        call(post, id=2, amount="much", total="0", day="2026-02-03")

    assert call(post, id=2, amount=None, total="0", day="2026-02-03")["out"]
    assert "post" in post.preview({"id": 1, "amount": "1", "total": "0", "day": None})["sql"]


def test_a_function_gives_its_value(adapter):
    plus = tools(adapter)["call_plus"]
    arguments = {"postgresql": {"arg1": 7, "m": "glad"}, "mysql": {"a": "7", "m": "glad"}, "firebird": {"a": 7}}
    word = call(plus, **arguments[adapter.database.dialect])["result"]
    assert word == ("7:sad" if adapter.database.dialect == "firebird" else "7:glad")
    if adapter.database.dialect != "firebird":
        assert plus.input_schema["properties"]["m"]["enum"][:2] == ["glad", "sad"]


def test_the_check_shows_what_the_catalogue_knows(adapter):
    findings = {finding.what: finding for finding in adapter.check()}

    assert findings["procedure post"].ok and "in amount" in findings["procedure post"].found
    lost = SqlAdapter("db", adapter.config.model_copy(update={"procedures": {"abov": next(iter(adapter.config.procedures.values()))}}), adapter.place)  # fmt: skip
    finding = {finding.what: finding for finding in lost.check()}["procedure abov"]
    assert not finding.ok and "did you mean 'above'" in finding.found
    lost.close()


def test_functions_of_postgresql_in_every_form(pg_url, tmp_path):
    names = ["both_of", "entries", "plus", "post", "twin_of_text", "writing", "commits"]
    procedures = {name: {} for name in names}
    procedures["twin_of_text"]["procedure"] = "public.twin(text)"
    procedures["writing"]["effect"] = "read"
    procedures["commits"]["transactional"] = False
    adapter = built(pg_url, tmp_path, POSTGRES, procedures)
    known = tools(adapter)

    assert call(known["call_both_of"], a="4611686018427387000")["out"] == {
        "twice": Wide(9223372036854774000),
        "word": "w4611686018427387000",
    }
    assert call(known["call_plus"], arg1=7) == {"result": "7:sad"}
    assert call(known["call_post"], id=5, amount="1", total="0")["out"]["at"] == date(2026, 1, 1)
    assert call(known["call_entries"])["rows"] == [{"id": 5, "amount": Decimal("1.00"), "day": date(2026, 1, 1)}]
    assert call(known["call_twin_of_text"], a="x") == {"result": 2}
    with pytest.raises(Rejected, match="read-only"):
        call(known["call_writing"])
    assert call(known["call_commits"]) == {}
    assert len(call(known["call_entries"])["rows"]) == 2
    with pytest.raises(OutcomeUnknown):
        call(known["call_commits"])
    wrong_ones = {
        "twin": r"twin\(integer\)",
        "on_change": "triggers",
        "loose": "without columns",
        "open_one": "cursors",
    }
    for name, said in wrong_ones.items():
        wrong = SqlAdapter("db", SqlConfig.model_validate({"kind": "sql", "url": pg_url, "procedures": {name: {}}}), adapter.place)  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            list(wrong.tools())
        wrong.close()
    adapter.close()


def test_a_procedure_that_commits_by_itself_has_an_unknown_outcome_on_any_error(mariadb_url, tmp_path):
    adapter = built(mariadb_url, tmp_path, MARIADB, {"commits": {}})
    with pytest.raises(OutcomeUnknown):
        call(tools(adapter)["call_commits"])
    adapter.close()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"url": "sqlite:///x.db", "procedures": {"a": {}}}, "are known"),
        ({"url": "mysql://x/y", "procedures": {"a b": {}}}, "letters"),
        ({"url": "mysql://x/y", "procedures": {"a": {"sql": "x"}}}, "sql"),
        ({"url": "mysql://x/y", "procedures": {"a": {}}, "statements": {"call_a": {"sql": "select 1"}}}, "call_a"),
    ],
)
def test_a_wrong_procedure_is_refused_when_it_is_read(config, said):
    with pytest.raises(ValidationError, match=said):
        SqlConfig.model_validate({"kind": "sql", **config})
