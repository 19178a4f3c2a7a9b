"""A pinned catalogue beside the live one."""

import pytest
import sqlalchemy as sa

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.core.adapter import Place
from drawbar.core.drift import compare

MADE = [
    "create table orders (id integer primary key, customer varchar(20) not null, amount numeric(10,2), note text)",
    "create function above(lowest numeric) returns table (no integer) language sql as 'select id from orders'",
]
CHANGES = [
    ("alter table orders add column extra text", False),
    ("alter table orders add column needed integer not null", True),
    ("alter table orders drop column note cascade", True),
    ("alter table orders alter column amount type text", True),
    ("alter table orders alter column customer type varchar(10)", True),
    ("alter table orders alter column customer type varchar(40)", False),
    ("alter table orders alter column customer drop not null", True),
    ("alter table orders drop constraint orders_pkey", True),
    ("comment on column orders.note is 'What was said.'", False),
    ("drop function above", True),
    ("create or replace function above(lowest numeric, more integer default 1) returns table (no integer) language sql as 'select 1'; drop function above(numeric)", False),
    ("drop table orders cascade", True),
]  # fmt: skip


@pytest.fixture
def adapter(pg_url, tmp_path):
    run(pg_url, *MADE)
    config = {
        "url": pg_url,
        "tables": {"orders": {"read": True}},
        "procedures": {"above": {"effect": "read"}},
        "statements": {"find": {"sql": "select id, amount from orders", "effect": "read"}},
    }
    adapter = SqlAdapter("db", SqlConfig.model_validate({"kind": "sql", **config}), Place(tmp_path, tmp_path))
    yield adapter
    adapter.close()


def run(url, *statements):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_what_did_not_change_has_no_drift(adapter):
    adapter.pin(adapter.survey())

    assert compare(adapter.pinned(), adapter.survey()) == []
    assert {"table orders", "procedure above", "statement find"} == set(adapter.pinned().parts)


def test_each_change_is_breaking_or_not(adapter):
    url = adapter.config.url.get_secret_value()
    adapter.pin(adapter.survey())
    wrong = []
    for change, breaking in CHANGES:
        run(url, "drop schema public cascade", "create schema public", *MADE)
        run(url, change)
        found = compare(adapter.pinned(), adapter.survey())
        if not found or any(each.breaking for each in found) != breaking:
            wrong.append((change, found))

    assert wrong == []


def test_a_column_that_is_configured_and_gone_is_what_is_said(pg_url, tmp_path):
    run(pg_url, *MADE)
    columns = {"columns": {"note": {"trailing_blanks": "strip"}}}
    config = {"url": pg_url, "tables": {"orders": {"read": True, "quirks": columns, "columns": ["id", "note"]}}}
    adapter = SqlAdapter("db", SqlConfig.model_validate({"kind": "sql", **config}), Place(tmp_path, tmp_path))
    adapter.pin(adapter.survey())
    run(pg_url, "alter table orders drop column note")

    found = compare(adapter.pinned(), adapter.survey())

    assert found and all("note" in change.where for change in found) and any(change.breaking for change in found)
    adapter.close()
