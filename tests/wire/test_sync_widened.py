"""Columns that `on_drift: add_column` gives to a target, on each database; what it could not keep is not added."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import syncing

from drawbar.connectors.sql import Database
from drawbar.connectors.sql_reflect import reflect
from drawbar.connectors.sql_values import writer
from drawbar.connectors.sql_widen import add_columns
from drawbar.core.errors import ConfigError, InputError
from drawbar.core.syncs.drift import Field

KINDS = ("integer", "bigint", "float", "boolean", "text", "date", "time", "timestamp", "timestamptz", "bytes", "uuid")
FIELDS = [
    *(Field(f"a_{kind}", kind) for kind in KINDS),
    Field("a_name", "text", 30),
    Field("a_sum", "decimal", None, 12, 2),
]
BOUNDLESS = Field("a_free", "decimal")
WIDE = Field("a_wide", "decimal", None, 70, 2)


@pytest.fixture(params=["postgres", "mariadb", "firebird", "sqlite"])
def database(request: Any, tmp_path: Path) -> Iterator[Database]:
    made = "create table t (id integer not null primary key)"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/t.db"
        (tmp_path / "t.db").touch()
        syncing.execute(url, made)
    else:
        server = request.getfixturevalue(request.param)
        url = server.create_database()
        server.execute([made], url) if request.param == "firebird" else syncing.execute(url, made)
    database = Database("b", url, base=tmp_path, connections=1, call_timeout_s=30)
    yield database
    database.close()


def test_a_column_of_each_kind_is_added_and_once(database: Database) -> None:
    for _ in range(2):
        add_columns(database, reflect(database, "t"), FIELDS)

    found = {column.name: column for column in reflect(database, "t").columns}
    assert list(found) == ["id", *(field.name for field in FIELDS)]
    assert (found["a_sum"].precision, found["a_sum"].scale) == (12, 2)
    assert {found[f"a_{kind}"].kind for kind in ("float", "date", "integer")} == {"float", "date", "integer"}
    with database.unit("write") as connection:
        connection.execute(sa.text("insert into t (id, a_float, a_name) values (1, 0.5e0, 'x')"))
        assert connection.execute(sa.text("select a_float, a_sum from t")).one() == (0.5, None)


@pytest.mark.parametrize("field", [BOUNDLESS, WIDE], ids=lambda field: field.name)
def test_a_number_that_the_database_would_round_is_not_added_without_a_word(database: Database, field: Field) -> None:
    table = reflect(database, "t")
    keeps = database.dialect in {"postgresql", "sqlite"}
    if keeps:
        add_columns(database, table, [Field("before", "integer"), field])
    else:
        with pytest.raises(ConfigError, match=f"{field.name} of type decimal.* is not added by itself"):
            add_columns(database, table, [Field("before", "integer"), field])

    assert [one.name for one in reflect(database, "t").columns] == ["id", *(["before", field.name] if keeps else [])]


def test_a_number_that_sqlite_would_make_a_float_of_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    (tmp_path / "t.db").touch()
    syncing.execute(url, "create table t (id integer primary key, amount decimal(30,10))")
    database = Database("b", url, base=tmp_path, connections=1, call_timeout_s=30)
    write = writer(reflect(database, "t").column("amount"), "sqlite")
    database.close()

    assert [write(Decimal(said)) for said in ("0.1", "1234567890123.45", "9007199254740993")] == [
        0.1,
        1234567890123.45,
        9007199254740993,
    ]
    for said in ("12345678901234567890.0123456789", "123456789.0123456789", "99999999999999999999"):
        with pytest.raises(InputError, match="SQLite keeps about 15 digits"):
            write(Decimal(said))
