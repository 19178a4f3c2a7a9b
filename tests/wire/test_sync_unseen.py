"""What a real database says of a value that must not be seen reaches nobody."""

from typing import Any

import pytest
from syncing import Night, execute

from drawbar.core.errors import DrawbarError

MARK = "MARK-iban-DE89"
FROM = {"adapter": "db", "table": "people"}


@pytest.mark.parametrize(
    "sync",
    [
        {"from": FROM, "to": {"adapter": "db", "table": "copies"}},
        {"from": FROM, "to": {"adapter": "db", "table": "copies"}, "where": "${{ row.id > 0 }}"},
        {"from": FROM, "to": {"adapter": "db", "table": "copies"}, "map": {"id": "${{ row.id }}", "iban": "${{ 'x' + row.iban }}"}},
        {"from": FROM, "to": {"adapter": "db", "table": "checked"}},
        {"from": FROM, "to": {"adapter": "db", "table": "checked"}, "rejects": {"max_count": 5}},
        {"from": FROM, "to": {"adapter": "db", "table": "short"}},
        {"from": FROM, "to": {"adapter": "db", "table": "triggered"}},
        {"from": FROM, "to": {"adapter": "db", "table": "quoting", "mode": "replace"}, "partitions": {"ranges": 2}},
    ],
)  # fmt: skip
def test_an_error_that_quotes_a_row_is_told_without_it(
    pg_url: str, tmp_path: Any, capsys: Any, sync: dict[str, Any]
) -> None:
    execute(
        pg_url,
        "create table people (id integer primary key, iban text)",
        f"insert into people values (1, '{MARK}'), (2, '{MARK}')",
        "create table copies (id integer, iban text unique)",
        "create table checked (id integer, iban text check (iban = 'a'))",
        "create table short (id integer, iban varchar(3))",
        "create table triggered (id integer, iban text)",
        "create function no() returns trigger language plpgsql as $$ begin raise exception 'not %%', new.iban; end $$",
        "create table quoting (id integer, iban text)",
        "create function quotes() returns trigger language plpgsql as $$ begin raise exception 'not \"%%\"', new.iban; end $$",
        "create trigger quotes before insert on quoting for each row execute function quotes()",
        "create trigger no before insert on triggered for each row execute function no()",
    )
    tables = {name: {} for name in ("people", "copies", "checked", "short", "triggered", "quoting")}
    hides = {"read_people": {"personal": ["rows.iban"]}}
    night = Night(tmp_path, {"db": {"kind": "sql", "url": pg_url, "tables": tables, "tools": hides}}, {"s": sync})
    try:
        said = ""
        try:
            said = str(night.run("s"))
        except DrawbarError as error:
            said = str(error.as_json())
        with night.journal.read() as conn:
            told = str(conn.exec_driver_sql("select body from events").fetchall())
        runs = str([one.as_json() for one in night.syncs.runs("s")])
    finally:
        night.close()

    assert "rejected" in runs, runs
    assert MARK not in said + told + runs + capsys.readouterr().out
