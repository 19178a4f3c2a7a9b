"""Databases that no test can start: the SQL that is made for them, and what to install for them."""

import importlib
import sys
from pathlib import Path

import pytest
from sqlalchemy.dialects import mssql, oracle

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.connectors.sql_model import Column, Condition, Order, Query, Table
from drawbar.connectors.sql_select import selecting
from drawbar.core.adapter import Place

TABLE = Table("orders", "erp", (Column("id", "integer", nullable=False), Column("Line No", "text")), ("id",))
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
    ("url", "module", "hint"),
    [
        ("oracle://u:s3cret@h:1521/?service_name=x", "oracledb", "drawbar[oracle]"),
        ("mssql://u:s3cret@h/x?driver=y", "pyodbc", "drawbar[odbc]"),
        ("db2://u:s3cret@h:50000/x", "ibm_db_sa", "ibm_db_sa"),
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
