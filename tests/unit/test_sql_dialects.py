"""Databases that no test can start: the SQL that is made for them, and what to install for them."""

import importlib
import re
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, oracle

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.connectors.sql_model import Column, Condition, Order, Query, Table
from drawbar.connectors.sql_select import selecting
from drawbar.connectors.sql_session import prepare
from drawbar.connectors.sql_shapes import form_of, shape
from drawbar.connectors.sql_statements import Statement
from drawbar.connectors.sql_text import parse
from drawbar.connectors.sql_upsert import upserting
from drawbar.core.adapter import Place

TABLE = Table("orders", "erp", (Column("id", "integer", nullable=False), Column("Line No", "text")), ("id",))


@dataclass(frozen=True)
class Spoken:
    dialect: str


QUERY = Query(["id", "Line No"], [Condition("id", ">", 1), Condition("Line No", "like", "a%")], [Order("id")], [5], 10)


@pytest.mark.parametrize(
    ("dialect", "name", "parts"),
    [
        (mssql.dialect(), "mssql", ["SELECT TOP __[POSTCOMPILE_param_1]", "erp.orders.[Line No] LIKE", "ORDER BY"]),
        (oracle.dialect(), "oracle", ['erp.orders."Line No" LIKE', "ORDER BY erp.orders.id", "FETCH FIRST"]),
    ],
)
def test_a_page_is_asked_for_in_the_words_of_the_database(dialect, name, parts):
    sql = str(selecting(TABLE, QUERY, name).compile(dialect=dialect))

    for part in parts:
        assert part in sql
    assert "a%" not in sql


def test_a_page_of_db2(monkeypatch):
    """Its dialect lies beside the servers of the tests, without the driver."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / ".servers/db2")
    db2 = importlib.import_module("ibm_db_sa.ibm_db")
    sql = str(selecting(TABLE, QUERY, "db2").compile(dialect=db2.dialect()))

    assert 'erp.orders."Line No" LIKE' in sql and "LIMIT" in sql


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mssql",
            (
                "MERGE INTO erp.orders WITH (HOLDLOCK) USING (SELECT 1 AS one) AS one ON (erp.orders.id = :id) WHEN MATCHED THEN "
                "UPDATE SET [Line No] = :Line_No WHEN NOT MATCHED THEN INSERT (id, [Line No]) VALUES (:id, :Line_No);"
            ),
        ),
        (
            "oracle",
            (
                'MERGE INTO erp.orders USING dual ON (erp.orders.id = :id) WHEN MATCHED THEN UPDATE SET "Line No" = :"Line No" '
                'WHEN NOT MATCHED THEN INSERT (id, "Line No") VALUES (:id, :"Line No")'
            ),
        ),
        (
            "db2",
            (
                "MERGE INTO erp.orders USING sysibm.sysdummy1 AS one ON (erp.orders.id = ?) WHEN MATCHED THEN UPDATE SET "
                '"Line No" = ? WHEN NOT MATCHED THEN INSERT (id, "Line No") VALUES (?, ?)'
            ),
        ),
        ("firebird", 'UPDATE OR INSERT INTO orders (id, "Line No") VALUES (:id, :Line_No) MATCHING (id)'),
        (
            "mysql",
            "INSERT INTO erp.orders (id, `Line No`) VALUES (%s, %s) ON DUPLICATE KEY UPDATE `Line No` = VALUES(`Line No`)",
        ),
    ],
)
def test_an_upsert_is_one_statement_of_the_database(name, said, monkeypatch):
    dialect = dialect_of(name, monkeypatch)
    table = replace(TABLE, unique=(frozenset({"id"}),), schema=None if name == "firebird" else "erp")

    sql = str(upserting(table, ["id"], ["id", "Line No"], Spoken(name)).compile(dialect=dialect))

    assert sql == said
    assert upserting(replace(table, unique=()), ["id"], ["id", "Line No"], Spoken(name)) is None


@pytest.mark.parametrize("name", ["mssql", "oracle", "db2", "firebird"])
def test_every_other_statement_is_in_the_words_of_the_database(name, monkeypatch):
    """Insert and update by key, lists, and the text of a configured statement with a list."""
    dialect = dialect_of(name, monkeypatch)
    target = shape(TABLE)
    statement = Statement(parse("select a from t where a in (:l) and b = :b", name, {"l"}), frozenset({"l"}))

    inserted = str(sa.insert(target).values(id=1).compile(dialect=dialect))
    changed = str(sa.update(target).where(target.c.id == 1).values({"Line No": "a"}).compile(dialect=dialect))
    listed = str(selecting(TABLE, Query(["id"], [Condition("id", "in", [1, 2, 3])]), name).compile(dialect=dialect))
    asked = str(statement.bound().compile(dialect=dialect))

    assert inserted.startswith("INSERT INTO") and "orders (id) VALUES (" in inserted
    assert changed.startswith("UPDATE") and re.search(r'SET ["\[]Line No["\]]=', changed)
    assert listed.count("?") + listed.count(":v") >= 4
    assert "POSTCOMPILE_l" in asked and asked.startswith("select a from t where a in ")


def test_lists_of_nearly_the_same_length_are_one_statement():
    forms = {form_of(Condition("id", "in", list(range(count)))) for count in (33, 40, 64)}

    assert forms == {("id", "in", 64)}
    assert form_of(Condition("id", "in", list(range(1000))))[2] == 1000
    assert form_of(Condition("id", "in", []))[2] == 0


class Line:
    """A connection that remembers what a session is prepared with."""

    def __init__(self, dialect):
        self.dialect = dialect
        line = types.SimpleNamespace(options={})
        line.set_option = line.options.update
        self.connection = types.SimpleNamespace(dbapi_connection=line)
        self.info = {}
        self.sent = []

    def exec_driver_sql(self, sql):
        self.sent.append(sql)

    def execution_options(self, **_):
        return self


@pytest.mark.parametrize(
    ("name", "driver", "access", "sent", "limit"),
    [
        ("oracle", "oracledb", "read", ["set transaction read only"], {"call_timeout": 2500}),
        ("oracle", "oracledb", "write", [], {"call_timeout": 2500}),
        ("mssql", "pyodbc", "read", ["set lock_timeout 2500"], {"timeout": 3}),
        ("db2", "ibm_db", "write", ["set current lock timeout wait 3"], {"options": {0: 3}}),
    ],
)
def test_a_session_is_prepared_in_the_words_of_the_database(name, driver, access, sent, limit, monkeypatch):
    line = Line(types.SimpleNamespace(driver=driver, name=name))
    monkeypatch.setitem(sys.modules, "ibm_db", types.SimpleNamespace(SQL_ATTR_QUERY_TIMEOUT=0))

    prepare(line, name, access, 2.5, None, steps=False)

    assert line.sent == sent
    assert {key: getattr(line.connection.dbapi_connection, key) for key in limit} == limit


def dialect_of(name, monkeypatch):
    if name == "db2":  # it lies beside the servers of the tests, without the driver
        monkeypatch.syspath_prepend(Path(__file__).parents[2] / ".servers/db2")
        return importlib.import_module("ibm_db_sa.ibm_db").dialect()
    if name == "firebird":
        return importlib.import_module("sqlalchemy_firebird.firebird").dialect()
    return importlib.import_module(f"sqlalchemy.dialects.{name}").dialect()


@pytest.mark.parametrize(
    ("url", "module", "hint"),
    [
        ("oracle://u:s3cret@h:1521/?service_name=x", "oracledb", "drawbar[oracle]"),
        ("mssql://u:s3cret@h/x?driver=y", "pyodbc", "drawbar[odbc]"),
        ("db2://u:s3cret@h:50000/x", "ibm_db_sa", "ibm_db_sa"),
        ("ibm_db_sa://u:s3cret@h:50000/x", "ibm_db_sa", "ibm_db_sa"),
        ("ibm_db_sa+pyodbc400://u:s3cret@h/x", "ibm_db_sa", "ibm_db_sa"),
        ("mssql+pymssql://u:s3cret@h/x", "pymssql", "pymssql"),
        ("firebird://u:s3cret@h/x.fdb", "sqlalchemy_firebird", "drawbar[firebird]"),
        ("mysql+pyodbc://u:s3cret@h/x?driver=y", "pyodbc", "drawbar[odbc]"),
    ],
)
def test_the_check_says_what_to_install(url, module, hint, monkeypatch, tmp_path):
    for known in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    adapter = SqlAdapter("db", SqlConfig.model_validate({"kind": "sql", "url": url}), Place(Path(tmp_path), tmp_path))

    finding = next(iter(adapter.check()))

    assert not finding.ok and hint in finding.next and "s3cret" not in repr(finding)


@pytest.mark.parametrize(
    "url", ["mssql://u:s3cret@h/x?driver=Nope", "mysql+pyodbc://u:s3cret@h:1/x?driver=Nope", "mssql://u:s3cret@nowhere"]
)
def test_the_check_says_that_unixodbc_lacks_the_driver(url, tmp_path):
    pytest.importorskip("pyodbc")
    adapter = SqlAdapter("db", SqlConfig.model_validate({"kind": "sql", "url": url}), Place(Path(tmp_path), tmp_path))

    finding = next(iter(adapter.check()))

    assert not finding.ok and "odbcinst" in finding.next and "s3cret" not in repr(finding)


@pytest.mark.parametrize("url", ["nosuch://h/x", "mysql+nope://h/x", "db2+nope://h/x"])
def test_a_database_that_nobody_knows_is_a_configuration_error(url, tmp_path):
    adapter = SqlAdapter("db", SqlConfig.model_validate({"kind": "sql", "url": url}), Place(Path(tmp_path), tmp_path))

    finding = next(iter(adapter.check()))

    assert not finding.ok and finding.next
