"""Databases that go away in the middle: what is said of the call, and that the next one is answered."""

import time
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from servers.odbc import through_odbc

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.connectors.sql import Database
from drawbar.core.adapter import Place
from drawbar.core.errors import OutcomeUnknown, Unavailable
from drawbar.core.schema import Checker
from drawbar.core.tool import Call

KINDS = ["postgres", "mariadb", "firebird", "odbc"]
TABLE = "create table stock (id integer not null primary key, amount integer)"
PROCEDURES = {
    "postgres": "create procedure book(a integer) language sql as 'insert into stock values (a, 1)'",
    "mariadb": "create procedure book(in a integer) insert into stock values (a, 1)",
    "firebird": "create procedure book(a integer) as begin insert into stock values (:a, 1); end",
}
ID = {"parameters": {"id": {"type": "integer"}}}
CONFIG = {
    "kind": "sql",
    "call_timeout_s": 10,
    "budget": {"concurrency": 3},
    "statements": {
        "look": {"sql": "select amount from stock where id = :id", "effect": "read", **ID},
        "add": {"sql": "insert into stock values (:id, 1)", **ID},
    },
    "tables": {"stock": {"read": True, "insert": True, "upsert": True, "update": True}},
    "procedures": {"book": {}},
}
READS = {"look": {"id": 1}, "read_stock": {"where": {"id": 1}}}
WRITES = {
    "add": {"id": 11},
    "insert_stock": {"id": 12, "amount": 1},
    "upsert_stock": {"id": 13, "amount": 1},
    "update_stock": {"id": 1, "amount": 14},
    "call_book": {"id": 15},
}


class House:
    """One database of a real server, through a proxy."""

    def __init__(self, kind, request, folder):
        self.server = request.getfixturevalue("mariadb" if kind == "odbc" else kind)
        self.proxy = request.getfixturevalue("proxy")(self.server.port)
        self.url = self.server.create_database()
        made = [TABLE, PROCEDURES["mariadb" if kind == "odbc" else kind], "insert into stock values (1, 7)"]
        if kind == "firebird":
            self.server.execute(made, self.url)
        else:
            engine = sa.create_engine(self.url)
            with engine.begin() as connection:
                for statement in made:
                    connection.exec_driver_sql(statement)
            engine.dispose()
        url = self.url.replace(f":{self.server.port}/", f":{self.proxy.port}/")
        config = {**CONFIG, "url": through_odbc(url) if kind == "odbc" else url}
        self.adapter = SqlAdapter("db", SqlConfig.model_validate(config), Place(folder, folder))
        self.known = {tool.name: tool for tool in self.adapter.tools()}

    def call(self, name, /, within_s=10, **arguments):
        tool = self.known[name]
        if name == "call_book":
            arguments = {next(iter(tool.input_schema["properties"])): arguments["id"]}
        checked = Checker.of(tool.input_schema).arguments(arguments)
        return tool.run(checked, Call("c", "me", time.monotonic() + within_s))


@pytest.fixture
def house(request, tmp_path):
    made = House(request.param, request, tmp_path)
    yield made
    made.proxy.flow()
    made.adapter.close()


every_kind = pytest.mark.parametrize("house", KINDS, indirect=True)


@every_kind
def test_connections_come_back_after_a_restart(house):
    """The call in between is refused, and those that follow need no help."""
    for _ in range(2):
        for name, arguments in READS.items():
            assert house.call(name, **arguments)["rows"]

    house.server.stop()
    try:
        for name, arguments in {**READS, **WRITES}.items():
            with pytest.raises(Unavailable):
                house.call(name, **arguments)
    finally:
        house.server.start()

    for name, arguments in READS.items():
        assert house.call(name, **arguments)["rows"] == [
            {"id": 1, "amount": 7} if "where" in arguments else {"amount": 7}
        ]
    for name, arguments in WRITES.items():
        house.call(name, **arguments)
    assert len(house.call("read_stock")["rows"]) == 5


@pytest.mark.slow
@every_kind
def test_a_restart_between_two_calls_costs_no_call(house):
    """Connections that lay idle meanwhile are looked at before they are used."""
    for name, arguments in READS.items():
        house.call(name, **arguments)
    house.server.restart()
    time.sleep(1.1)

    for name, arguments in {**READS, **WRITES}.items():
        house.call(name, **arguments)


@every_kind
@pytest.mark.parametrize(
    "name", [name if name in {"add", "call_book"} else pytest.param(name, marks=pytest.mark.slow) for name in WRITES]
)
def test_a_line_that_is_cut_at_the_commit_leaves_an_unknown_outcome(house, name, monkeypatch):
    """The database has committed, and its answer is lost: nobody may say that nothing happened."""
    for each, arguments in READS.items():
        house.call(each, **arguments)
    commit = sa.engine.Connection.commit

    def cut(connection):
        house.proxy.cut(0, "down")
        commit(connection)

    monkeypatch.setattr(sa.engine.Connection, "commit", cut)
    with pytest.raises(OutcomeUnknown, match="commit"):
        house.call(name, **WRITES[name])
    monkeypatch.undo()
    house.proxy.flow()

    assert (
        14 in {row["amount"] for row in house.call("read_stock")["rows"]} or len(house.call("read_stock")["rows"]) == 2
    )


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize("name", ["add", "upsert_stock", "call_book"])
def test_a_line_that_is_cut_before_the_commit_left_nothing(house, name, monkeypatch):
    for each, arguments in READS.items():
        house.call(each, **arguments)
    unit = Database.unit

    @contextmanager
    def cut(*given, **named):
        with unit(*given, **named) as connection:
            house.proxy.cut(0, "down")
            yield connection

    monkeypatch.setattr(Database, "unit", cut)
    with pytest.raises(Unavailable):
        house.call(name, **WRITES[name])
    monkeypatch.undo()
    house.proxy.flow()

    assert len(house.call("read_stock")["rows"]) == 1
    house.call(name, **WRITES[name])
    assert len(house.call("read_stock")["rows"]) == 2
