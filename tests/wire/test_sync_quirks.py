"""Syncs of what old databases keep otherwise: rows arrive as they are meant, and a cursor goes on after what is kept."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from syncing import Night, execute, rows

from drawbar.core.errors import ConfigError

COLUMNS = {
    "born": {"date": "%y%m%d", "pivot": 30, "null": ["000000"]},
    "stamp": {"date": "%Y%m%d%H%M%S"},
    "amount": {"number": "decimal", "decimal_mark": ",", "scale": 2},
    "active": {"boolean": "J/N"},
}
OLD = (
    "create table old (id integer primary key, name char(10), born char(6) not null, stamp varchar(14), amount varchar(10), "
    "active char(1))"
)
NEW = "create table new (id integer primary key, name varchar(10), born date, stamp timestamp null, amount numeric(10,2), active boolean)"
SYNC = {"to": {"adapter": "db", "table": "new", "mode": "upsert", "key": ["id"]}, "batch_rows": 2}


def values(number: int, stamp: str) -> str:
    return f"insert into old values ({number}, 'N{number}', '{'000000' if number == 2 else '310102'}', '{stamp}', '1,5', 'J')"


@pytest.fixture(params=["pg_url", "mariadb_url", "sqlite"])
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    file = f"sqlite:///{tmp_path}/both.db"
    url = file if request.param == "sqlite" else request.getfixturevalue(request.param)
    execute(url, OLD, NEW, *(values(number, f"2026010100000{number}") for number in range(1, 6)))
    quirks = {"trailing_blanks": "strip", "columns": COLUMNS}
    adapters = {"db": {"kind": "sql", "url": url, "tables": {"old": {"quirks": quirks}, "new": {}}}}
    syncs = {
        "changed": {**SYNC, "from": {"adapter": "db", "table": "old", "cursor": {"column": "stamp", "overlap_s": 2}}},
        "lost": {**SYNC, "from": {"adapter": "db", "table": "old", "cursor": {"column": "born"}}},
        "back": {
            "from": {"adapter": "db", "table": "new"},
            "to": {"adapter": "db", "table": "old", "mode": "upsert", "key": ["id"]},
        },
    }
    made = Night(tmp_path, adapters, syncs)
    made.url = url  # type: ignore[attr-defined]  # for the tests
    yield made
    made.close()


def test_rows_arrive_as_they_are_meant_and_the_cursor_goes_on(night: Any) -> None:
    first = night.run("changed")
    assert first["read"] == 5
    found = rows(night.url, "select id, name, born, amount, active from new order by id")
    assert [tuple(map(str, row)) for row in found][:2] == [
        ("1", "N1", str(date(1931, 1, 2)), *tuple(map(str, found[0][3:]))),
        ("2", "N2", "None", *tuple(map(str, found[1][3:]))),
    ]
    assert Decimal(str(found[0][3])) == Decimal("1.5") and bool(found[0][4])

    execute(night.url, values(6, "20260101000003"), values(7, "20260101000009"), values(8, "20260101000001"))
    again = night.run("changed")

    assert again["read"] == 5  # 3, 4, 5 and 6 of the overlap, and the new one
    assert [row[0] for row in rows(night.url, "select id from new order by id")] == [1, 2, 3, 4, 5, 6, 7]


def test_a_lookup_finds_by_what_is_shown(night: Any) -> None:
    execute(night.url, "update old set name = 'N1  ', amount = ' 1,50' where id = 1")
    found = night.landscape.adapter("db").finder(
        {"table": "old", "key": ["name", "amount"], "columns": ["id", "active"]}
    )

    (row,) = found([("N1", Decimal("1.5")), ("N1", Decimal(9))]).values()

    assert row == {"id": 1, "active": True}


def test_a_cursor_over_years_of_two_digits_is_refused(night: Any) -> None:
    with pytest.raises(ConfigError, match="order"):
        night.run("lost")


def test_rows_are_written_as_they_are_kept(night: Any) -> None:
    night.run("changed")
    execute(night.url, "update new set amount = 7, active = false, born = null where id = 1")

    night.run("back")

    found = rows(night.url, "select trim(born), trim(stamp), trim(amount), active from old where id = 1")
    assert found == [("000000", "20260101000001", "7,00", "N")]
