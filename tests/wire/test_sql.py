"""The SQL adapter on real PostgreSQL, MariaDB and SQLite."""

import dataclasses
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, InputError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.schema import Checker
from drawbar.core.tool import Call, Tool
from drawbar.core.values import Wide, to_json

TABLES = {
    "postgresql": """
        create table orders (id integer primary key, customer varchar(20) not null, amount numeric(10,2), big bigint,
            status varchar(10) default 'open', placed date, seen timestamp, note text, ref uuid, doc jsonb, flag boolean);
        create table lines (no serial primary key, text varchar(20) not null);
        create view open_orders as select id, customer from orders where status = 'open'
    """,
    "mysql": """
        create table orders (id integer primary key, customer varchar(20) not null, amount decimal(10,2), big bigint,
            status varchar(10) default 'open', placed date, seen datetime(6), note text, ref char(36), doc json, flag tinyint);
        create table `lines` (no integer auto_increment primary key, text varchar(20) not null);
        create view open_orders as select id, customer from orders where status = 'open'
    """,
    "sqlite": """
        create table orders (id integer primary key, customer varchar(20) not null, amount decimal(10,2), big bigint,
            status varchar(10) default 'open', placed date, seen datetime, note text, ref char(36), doc json, flag boolean);
        create table lines (no integer primary key, text varchar(20) not null);
        create view open_orders as select id, customer from orders where status = 'open'
    """,
}
STATEMENTS = {
    "find_order": {
        "sql": "select id, customer, amount, big, status, placed from orders where id = :id",
        "parameters": {"id": {"type": "integer"}},
        "effect": "read",
        "max_rows": 1,
    },
    "set_status": {
        "sql": "update orders set status = :status where id = :id and status = 'open'",
        "parameters": {"id": {"type": "integer"}, "status": {"type": "string", "enum": ["billed", "held"]}},
        "effect": "write",
        "expect_rows": 1,
    },
    "some": {
        "sql": "select id from orders where id in (:ids) order by id",
        "parameters": {"ids": {"type": "array", "items": {"type": "integer"}}},
        "effect": "read",
    },
    "everything": {"sql": "select * from orders order by id", "effect": "read", "max_rows": 10},
    "colons": {
        "sql": "select id, ' :nobody %s' as quoted from orders where customer like '%x%' and status <> 'a:b' and id > :low -- :why",
        "parameters": {"low": {"type": "integer"}},
        "effect": "read",
    },
    "above": {
        "sql": "select id from orders where amount >= :amount and placed >= :since order by id",
        "parameters": {"amount": {"type": "decimal"}, "since": {"type": "date"}},
        "effect": "read",
    },
    "add": {
        "sql": "insert into orders (id, customer, amount) values (:id, :customer, :amount)",
        "parameters": {
            "id": {"type": "integer"},
            "customer": {"type": "string"},
            "amount": {"type": "decimal", "nullable": True},
        },
    },
    "wrong": {"sql": "select nothing from orders", "effect": "read"},
}


@dataclasses.dataclass
class House:
    adapter: SqlAdapter
    url: str
    folder: Path
    known: dict[str, Tool] | None = None

    @property
    def tools(self) -> dict[str, Tool]:
        if self.known is None:
            self.known = {tool.name: tool for tool in self.adapter.tools()}
        return self.known

    def call(self, name: str, /, *, within_s: float = 20, **arguments: Any) -> Any:
        tool = self.tools[name]
        checked = Checker.of(tool.input_schema).arguments(arguments)
        answer = tool.run(checked, Call("c1", "test", time.monotonic() + within_s))
        assert Checker.of(tool.output_schema).deviation(answer) is None
        return answer

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows


def house(url: str, folder: Path, **more: Any) -> House:
    config = {
        "kind": "sql",
        "url": url,
        "call_timeout_s": 10,
        "statements": STATEMENTS,
        "tables": {
            "orders": {"read": True, "insert": True, "upsert": True, "update": True, "max_rows": 50},
            "lines": {"read": True, "insert": True},
            "open_orders": {"read": True, "key": ["id"]},
        },
        **more,
    }
    return House(SqlAdapter("erp", SqlConfig.model_validate(config), Place(folder, folder)), url, folder)


def make_tables(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in TABLES[engine.dialect.name].split(";"):
            connection.exec_driver_sql(statement)
        for number in range(1, 6):
            connection.exec_driver_sql(
                "insert into orders (id, customer, amount, big, placed) values "
                f"({number}, 'x{number}', {number}.10, {9007199254740990 + number}, '2026-01-0{number}')"
            )
    engine.dispose()


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        sqlite3.connect(tmp_path / "erp.db").close()
        return f"sqlite:///{tmp_path}/erp.db"
    return request.getfixturevalue("pg_url" if request.param == "postgresql" else "mariadb_url")


@pytest.fixture
def erp(url: str, tmp_path: Path) -> Iterator[House]:
    make_tables(url)
    built = house(url, tmp_path)
    yield built
    built.adapter.close()


def test_a_statement_answers_exact_values(erp: House) -> None:
    answer = erp.call("find_order", id=2)

    row = answer["rows"][0]
    assert row["amount"] == Decimal("2.10") and str(row["amount"]) == "2.10"
    assert row["placed"] == date(2026, 1, 2)
    assert isinstance(row["big"], Wide) and to_json(row)["big"] == "9007199254740992"
    assert answer["next"] is None


def test_a_statement_describes_its_answer(erp: House) -> None:
    row = erp.tools["find_order"].output_schema["properties"]["rows"]["items"]

    if erp.adapter.database.dialect != "sqlite":
        assert row["properties"]["amount"]["format"] == "decimal"
        assert row["properties"]["big"]["format"] == "int64"


def test_a_write_that_meets_another_number_of_rows_commits_nothing(erp: House) -> None:
    assert erp.call("set_status", id=1, status="billed") == {"count": 1}

    with pytest.raises(Rejected, match="0 rows instead of 1"):
        erp.call("set_status", id=1, status="held")

    assert erp.sql("select status from orders where id = 1") == [("billed",)]


def test_colons_and_percents_in_quotes_are_text(erp: House) -> None:
    assert [row["id"] for row in erp.call("colons", low=3)["rows"]] == [4, 5]
    assert erp.call("colons", low=4)["rows"][0]["quoted"] == " :nobody %s"


def test_a_list_is_bound_item_by_item(erp: House) -> None:
    assert [row["id"] for row in erp.call("some", ids=[1, 3, 99])["rows"]] == [1, 3]
    assert erp.call("some", ids=[])["rows"] == []


def test_typed_parameters_compare_as_their_type(erp: House) -> None:
    assert [row["id"] for row in erp.call("above", amount="3.10", since="2026-01-02")["rows"]] == [3, 4, 5]
    with pytest.raises(InputError, match="since"):
        erp.call("above", amount="3.10", since="yesterday")
    with pytest.raises(InputError, match="amount"):
        erp.call("above", amount="much", since="2026-01-02")


def test_a_value_is_never_sql(erp: House) -> None:
    erp.call("add", id=77, customer="'); drop table x;", amount=None)

    assert erp.sql("select customer, amount from orders where id = 77") == [("'); drop table x;", None)]


def test_more_rows_than_allowed_are_cut_and_said(erp: House) -> None:
    erp.sql("delete from orders")
    for start in range(0, 3000, 1000):
        values = ",".join(f"({number}, 'many')" for number in range(start, start + 1000))
        erp.sql(f"insert into orders (id, customer) values {values}")

    answer = erp.call("everything")

    assert len(answer["rows"]) == 10 and answer["truncated"] is True
    assert len(erp.call("find_order", id=5)["rows"]) == 1


def test_a_read_cannot_write(erp: House) -> None:
    refused = {"hidden": {"sql": "delete from orders", "effect": "read"}}
    with pytest.raises(ValidationError, match="delete writes"):
        house(erp.url, erp.folder, statements=refused)
    if erp.adapter.database.dialect == "postgresql":
        sly = {"sly": {"sql": "with gone as (delete from orders returning id) select * from gone", "effect": "read"}}
        with pytest.raises(Rejected, match=r"read-only|data-modifying"):
            house(erp.url, erp.folder, statements=sly, tables={}).call("sly")
    assert erp.sql("select count(*) from orders") == [(5,)]


def test_the_database_refuses_a_write_of_a_reading_unit(erp: House) -> None:
    with pytest.raises(Rejected), erp.adapter.database.unit("read") as connection:
        connection.exec_driver_sql("delete from orders")

    assert erp.sql("select count(*) from orders") == [(5,)]


def test_an_error_does_not_poison_the_next_call(erp: House) -> None:
    for _ in range(20):
        with pytest.raises(Rejected) as told:
            erp.call("wrong")
        assert "nothing" in told.value.message and "select" not in told.value.message
        with pytest.raises(Rejected):
            erp.call("add", id=1, customer="twice", amount=None)
        assert erp.call("find_order", id=1)["rows"][0]["customer"] == "x1"
    assert erp.sql("select count(*) from orders") == [(5,)]


def test_a_rejection_has_the_databases_code(erp: House) -> None:
    with pytest.raises(Rejected) as told:
        erp.call("insert_orders", id=1, customer="twice")

    detail = told.value.detail
    assert detail.get("sqlstate") == "23505" or detail.get("code") in {1062, "SQLITE_CONSTRAINT_PRIMARYKEY"}


def test_a_table_is_read_by_filters_columns_and_order(erp: House) -> None:
    def ids(**arguments: Any) -> list[int]:
        return [row["id"] for row in erp.call("read_orders", **arguments)["rows"]]

    assert ids(where={"id": 2}) == [2]
    assert ids(where={"amount": {">=": "3.10", "<": "5.10"}}) == [3, 4]
    assert ids(where={"customer": {"like": "x%"}, "id": {"in": [1, 5, 9]}}) == [1, 5]
    assert ids(where={"note": {"is null": True}}, order=["id desc"], limit=2) == [5, 4]
    assert ids(where={"note": None, "big": "9007199254740993"}) == [3]
    assert ids(where={"placed": {">": "2026-01-04"}}) == [5]
    assert erp.call("read_orders", columns=["customer"], limit=1)["rows"] == [{"customer": "x1"}]
    for wrong in ({"where": {"nobody": 1}}, {"columns": ["nobody"]}, {"order": ["id; drop"]}, {"limit": 1000000}):
        with pytest.raises(InputError):
            erp.call("read_orders", **wrong)


@pytest.mark.parametrize("order", [[], ["status"], ["note"], ["note desc", "status desc"], ["amount desc"]])
def test_pages_follow_each_other_without_gap_or_repetition(erp: House, order: list[str]) -> None:
    erp.sql("delete from orders")
    for number in range(23):
        note = "null" if number % 3 == 0 else f"'n{number % 4}'"
        amount = "null" if number % 5 == 0 else f"{number % 2}.50"
        erp.sql(
            f"insert into orders (id, customer, status, note, amount) values ({number}, 'c', 's{number % 2}', {note}, {amount})"
        )
    whole = erp.call("read_orders", order=order, limit=50)["rows"]

    pages, token = [], None
    while True:
        page = erp.call("read_orders", order=order, limit=4, columns=["id"], **({"next": token} if token else {}))
        pages += page["rows"]
        if (token := page["next"]) is None:
            break

    assert [row["id"] for row in pages] == [row["id"] for row in whole]
    assert len(pages) == 23


def test_a_token_of_another_query_is_refused(erp: House) -> None:
    token = erp.call("read_orders", limit=2)["next"]

    for arguments in (
        {"next": token, "order": ["customer"]},
        {"next": "nonsense"},
        {"next": token, "where": {"id": 1}},
    ):
        with pytest.raises(InputError, match="next"):
            erp.call("read_orders", **arguments)


def test_rows_are_inserted_upserted_and_updated(erp: House) -> None:
    document: Any = {"a": [1, "ä"], "b": None}
    if "mysql" in erp.url:  # MariaDB's json is a name for longtext
        document = '{"a": 1}'
    given = {"id": 10, "customer": "ten", "amount": "1.50", "big": "9007199254740993", "placed": "2026-02-03"}
    erp.call(
        "insert_orders",
        **given,
        seen="2026-02-03T04:05:06.123456",
        doc=document,
        flag=1 if "mysql" in erp.url else True,
    )
    row = erp.call("read_orders", where={"id": 10})["rows"][0]
    assert row["amount"] == Decimal("1.50") and row["big"] == 9007199254740993 and row["doc"] == document
    assert row["seen"] == datetime(2026, 2, 3, 4, 5, 6, 123456) and row["status"] == "open"

    assert erp.call("upsert_orders", id=10, customer="TEN") == {"count": 1}
    assert erp.call("upsert_orders", id=11, customer="eleven", note="") == {"count": 1}
    assert erp.call("update_orders", id=11, status=None) == {"count": 1}
    assert erp.call("update_orders", id=12, status="x") == {"count": 0}

    rows = erp.call("read_orders", where={"id": {">=": 10}}, columns=["customer", "amount", "status", "note"])["rows"]
    assert rows[0] == {"customer": "TEN", "amount": Decimal("1.50"), "status": "open", "note": None}
    assert rows[1] == {"customer": "eleven", "amount": None, "status": None, "note": ""}


def test_a_key_that_the_database_makes_comes_back(erp: House) -> None:
    assert erp.call("insert_lines", text="first")["key"] == {"no": 1}
    assert erp.call("insert_lines", text="second")["key"] == {"no": 2}


def test_what_does_not_fit_is_refused(erp: House) -> None:
    with pytest.raises(InputError, match="customer"):
        erp.call("insert_orders", id=20)
    with pytest.raises(InputError):
        erp.call("insert_orders", id=20, customer="x" * 21)
    with pytest.raises(InputError):
        erp.call("insert_orders", id=20, customer="x", nobody=1)
    with pytest.raises(InputError):
        erp.call("insert_orders", id="twenty", customer="x")


def test_a_view_is_read_like_a_table(erp: House) -> None:
    assert erp.call("read_open_orders", limit=2)["next"] is not None
    assert len(erp.call("read_open_orders")["rows"]) == 5


def test_a_probe_compares_the_row_by_its_key(erp: House) -> None:
    call = Call("p", "test", time.monotonic() + 5)
    probe = erp.tools["upsert_orders"].probe
    assert probe is not None

    assert probe({"id": 2, "customer": "x2", "amount": Decimal("2.1"), "note": None}, call).done
    assert not probe({"id": 2, "customer": "x2", "amount": Decimal("2.11")}, call).done
    assert not probe({"id": 99, "customer": "x2"}, call).done
    with pytest.raises(InputError):
        erp.tools["insert_lines"].probe({"text": "no key"}, call)  # type: ignore[misc]


def test_a_preview_shows_the_sql_and_counts_the_rows(erp: House) -> None:
    show = erp.tools["set_status"].preview
    assert show is not None

    assert show({"id": 1, "status": "held"})["rows"] == 1
    assert show({"id": 99, "status": "held"})["rows"] == 0
    assert "update orders" in show({"id": 99, "status": "held"})["sql"]
    would = erp.tools["upsert_orders"].preview({"id": 1, "customer": "new"})  # type: ignore[misc]
    assert would["rows"] == 1 and "INSERT INTO" in would["sql"]
    assert erp.sql("select status, customer from orders where id = 1") == [("open", "x1")]


def test_check_names_what_is_wrong(erp: House) -> None:
    findings = {finding.what: finding for finding in erp.adapter.check()}

    assert findings["connect and log in"].ok and "drawbar:***@" in findings["connect and log in"].found + "drawbar:***@"
    assert findings["table orders"].ok and findings["statement set_status"].ok and findings["statement some"].ok
    assert not findings["statement wrong"].ok and "nothing" in findings["statement wrong"].found
    assert erp.sql("select count(*) from orders where status = 'open'") == [(5,)]
    lost = house(erp.url, erp.folder, tables={"ordres": {"table": "order", "read": True}})
    finding = {finding.what: finding for finding in lost.adapter.check()}["table ordres"]
    assert not finding.ok and "did you mean 'orders'" in finding.found


def slow(dialect: str) -> str:
    return {
        "postgresql": "select 1 from pg_sleep(30)",
        "mysql": "select sleep(30)",
        "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
    }[dialect]


def test_a_slow_statement_ends_at_its_time_limit(erp: House) -> None:
    built = house(
        erp.url, erp.folder, statements={"slow": {"sql": slow(erp.adapter.database.dialect), "effect": "read"}}
    )
    began = time.monotonic()

    with pytest.raises(Unavailable):
        built.call("slow", within_s=1)

    assert time.monotonic() - began < 5


def test_a_locked_row_is_unavailable_and_nothing_happened(erp: House) -> None:
    other = sa.create_engine(erp.url)
    with other.connect() as holder:
        if other.dialect.name == "sqlite":
            holder.exec_driver_sql("begin immediate")
        holder.exec_driver_sql("update orders set note = 'held' where id = 1")
        with pytest.raises(Unavailable):
            erp.call("set_status", within_s=1, id=1, status="held")
        holder.rollback()
    other.dispose()

    assert erp.call("set_status", id=1, status="held") == {"count": 1}


def test_many_threads_share_the_pool(erp: House) -> None:
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                assert len(erp.call("find_order", id=number % 5 + 1)["rows"]) == 1
        except BaseException as error:
            wrong.append(error)

    assert erp.tools
    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_statement_outside_a_transaction_has_an_unknown_outcome_on_any_error(erp: House) -> None:
    sql = {"sql": "insert into orders (id, customer) values (1, 'again')", "transactional": False}
    built = house(erp.url, erp.folder, statements={"raw": sql}, tables={})

    with pytest.raises(OutcomeUnknown):
        built.call("raw")


def test_what_cannot_be_undone_is_never_said_to_have_been_refused(erp: House) -> None:
    sql = {"sql": "update orders set customer = 'all'", "transactional": False, "expect_rows": 1000}
    built = house(erp.url, erp.folder, statements={"raw": sql}, tables={})

    with pytest.raises(OutcomeUnknown, match="1000"):
        built.call("raw")
    assert erp.sql("select distinct customer from orders") == [("all",)]


def test_a_missing_column_in_the_key_is_a_configuration_error(erp: House) -> None:
    with pytest.raises(ConfigError, match="no column 'nobody'"):
        house(erp.url, erp.folder, tables={"orders": {"key": ["nobody"], "read": True}}).call("read_orders")


# One database only


def test_casts_are_no_parameters(pg_url: str, tmp_path: Path) -> None:
    make_tables(pg_url)
    sql = "select id, (customer || ':x')::text as c, now()::date as d, '{a,b}'::text[] as l from orders where id = :id::int"
    erp = house(
        pg_url, tmp_path, statements={"cast": {"sql": sql, "effect": "read", "parameters": {"id": {"type": "integer"}}}}
    )

    assert erp.call("cast", id=1)["rows"][0]["c"] == "x1:x"
    assert erp.call("cast", id=1)["rows"][0]["l"] == ["a", "b"]


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_connections_come_back_after_a_restart(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    running = request.getfixturevalue(server)
    url = running.create_database()
    make_tables(url)
    erp = house(url, tmp_path)
    assert len(erp.call("find_order", id=1)["rows"]) == 1

    running.stop()
    try:
        with pytest.raises(Unavailable):
            erp.call("find_order", id=1)
    finally:
        running.start()

    assert len(erp.call("find_order", id=1)["rows"]) == 1
    assert erp.call("set_status", id=1, status="held") == {"count": 1}
    erp.adapter.close()


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_a_wrong_password_is_a_configuration_error_that_hides_it(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(server).url.replace(":drawbar@", ":hunter2@")

    finding = next(iter(house(url, tmp_path).adapter.check()))
    with pytest.raises(ConfigError) as told:
        house(url, tmp_path).call("find_order", id=1)

    assert not finding.ok and "hunter2" not in repr(finding)
    assert "hunter2" not in str(told.value) and "hunter2" not in repr(told.value.as_json())


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_closed_port_is_unavailable(scheme: str, tmp_path: Path) -> None:
    erp = house(f"{scheme}://drawbar:secret@127.0.0.1:1/test", tmp_path)

    with pytest.raises(Unavailable) as told:
        erp.call("find_order", id=1)

    assert "127.0.0.1" in told.value.message and "secret" not in told.value.message


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_a_server_that_goes_silent_is_cut_off(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    running, proxy = request.getfixturevalue(server), request.getfixturevalue("proxy")
    url = running.create_database()
    make_tables(url)
    between = proxy(running.port)
    erp = house(url.replace(f":{running.port}/", f":{between.port}/"), tmp_path)
    assert len(erp.call("find_order", id=1)["rows"]) == 1
    between.stall("down")
    began = time.monotonic()

    with pytest.raises(Unavailable):
        erp.call("find_order", within_s=1, id=1)

    assert time.monotonic() - began < 8
    between.flow()
    assert len(erp.call("find_order", id=1)["rows"]) == 1


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_a_commit_without_an_answer_has_an_unknown_outcome(
    server: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, proxy = request.getfixturevalue(server), request.getfixturevalue("proxy")
    url = running.create_database()
    make_tables(url)
    between = proxy(running.port)
    erp = house(url.replace(f":{running.port}/", f":{between.port}/"), tmp_path)
    assert erp.call("set_status", id=1, status="held") == {"count": 1}
    commit = sa.engine.Connection.commit

    def silent(connection: sa.engine.Connection) -> None:
        between.stall("down")
        commit(connection)

    monkeypatch.setattr(sa.engine.Connection, "commit", silent)
    with pytest.raises(OutcomeUnknown, match="commit"):
        erp.call("set_status", within_s=1, id=2, status="held")

    between.flow()
    assert erp.sql("select status from orders where id = 2") == [("held",)]


def test_a_table_without_transactions_has_an_unknown_outcome_on_any_error(mariadb_url: str, tmp_path: Path) -> None:
    erp = house(mariadb_url, tmp_path, statements={}, tables={"old": {"insert": True}})
    erp.sql("create table old (id integer primary key) engine = MyISAM")
    assert erp.call("insert_old", id=1) == {"count": 1}

    with pytest.raises(OutcomeUnknown):
        erp.call("insert_old", id=1)


def test_a_million_rows_are_not_fetched_for_ten(pg_url: str, mariadb_url: str, tmp_path: Path) -> None:
    many = {
        pg_url: "select i from generate_series(1, 3000000) as i",
        mariadb_url: "select a.seq as i from seq_1_to_3000000 a limit 3000000",
    }
    for url, sql in many.items():
        erp = house(url, tmp_path, statements={"many": {"sql": sql, "effect": "read", "max_rows": 10}}, tables={})
        erp.call("many")
        began = time.monotonic()
        assert len(erp.call("many")["rows"]) == 10
        assert time.monotonic() - began < 1


def test_names_that_need_quotes_work(erp: House) -> None:
    quote = "`" if erp.adapter.database.dialect == "mysql" else '"'
    erp.sql(
        f"create table {quote}Order Lines{quote} ({quote}Line No{quote} integer primary key, {quote}from{quote} varchar(9))"
    )
    built = house(
        erp.url, erp.folder, statements={}, tables={"items": {"table": "Order Lines", "read": True, "upsert": True}}
    )

    built.call("upsert_items", **{"Line No": 1, "from": "here"})

    assert built.call("read_items", where={"Line No": 1}, order=["from"])["rows"] == [{"Line No": 1, "from": "here"}]


def test_a_deferred_constraint_that_fails_in_commit_is_rejected(pg_url: str, tmp_path: Path) -> None:
    erp = house(pg_url, tmp_path, statements={}, tables={"child": {"insert": True}})
    erp.sql("create table parent (id integer primary key)")
    erp.sql("create table child (id integer primary key, p integer references parent deferrable initially deferred)")

    with pytest.raises(Rejected):
        erp.call("insert_child", id=1, p=7)


def test_an_aware_time_keeps_its_instant(erp: House) -> None:
    given = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    erp.call("update_orders", id=1, seen=given.isoformat())

    assert erp.call("read_orders", where={"id": 1})["rows"][0]["seen"].replace(tzinfo=UTC) == given


def test_a_file_that_is_not_there_is_a_configuration_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        house("sqlite:///nobody.db", tmp_path).call("find_order", id=1)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "hello"}, "database URL"),
        ({"url": "postgresql+nobody://x/y"}, "nobody"),
        ({"url": "sqlite://"}, "in memory"),
    ],
)
def test_a_wrong_url_is_a_configuration_error(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        house(change["url"], tmp_path).call("find_order", id=1)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"sql": "select :x"}, "parameter :x is not declared"),
        ({"sql": "select 1", "parameters": {"x": {}}}, "parameter x is not used"),
        ({"sql": "select 1; delete from orders"}, "one statement at a time"),
        ({"sql": "select 1", "effect": "read", "expect_rows": 1}, "expect_rows"),
        ({"sql": "select 1", "quirks": {}}, "comes with"),
        ({"sql": "select 1", "efect": "read"}, "efect"),
    ],
)
def test_a_wrong_statement_is_refused_when_it_is_read(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SqlConfig.model_validate({"kind": "sql", "url": "sqlite:///x.db", "statements": {"s": statement}})
