"""Statements of PostgreSQL that read, on connections with prepared statements: the same answers, and never a worse one."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from drawbar.adapters.sql import SqlAdapter, SqlConfig
from drawbar.connectors import sql_pinned
from drawbar.connectors.sql_pinned import PinnedRead
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError, Rejected, Unavailable
from drawbar.core.tool import Call

TABLE = """
create table things (id bigint primary key, name text, price numeric(10, 2), made date, at timestamptz, ok boolean,
  body jsonb, raw bytea, tags text[], mark uuid, code char(5));
insert into things select n, 'N' || n, n * 1.10, date '2026-01-01' + n, timestamptz '2026-01-01 10:00+00', n % 2 = 0,
  jsonb_build_object('n', n, 'x', 1.10), '\\x00ff', array['a', 'b'], '11111111-1111-1111-1111-111111111111', 'ab'
  from generate_series(1, 50) n;
"""
STATEMENTS = {
    "find": ("select * from things where id = :id", {"id": {"type": "integer"}}),
    "twice": ("select id, id, name as \"a b\" from things where id = :id and name not like '%z%'", {"id": {"type": "integer"}}),
    "typed": (
        "select :n + 1 as n, cast(:day as date) + 1 as day, :t || 'x' as t, :d * 2 as d",
        {
            "n": {"type": "integer"},
            "day": {"type": "date"},
            "t": {"type": "string"},
            "d": {"type": "decimal", "nullable": True},
        },
    ),
    "every": ("select id from things order by id", {}),
    "divided": ("select 1 / :by as n", {"by": {"type": "integer"}}),
    "sleeping": ("select pg_sleep(:s)", {"s": {"type": "number"}}),
    "repeated": ("select repeat('x', :n) as t", {"n": {"type": "integer"}}),
    "growing": ("select nullif(n, 0) as \"a \"\"{b}\"\"\", repeat('x', nullif(n, 0)) as t from generate_series(0, 900) n", {}),
    "pid": ("select pg_backend_pid() as pid", {}),
    "writing": ("select nextval('counter') as n", {}),
}  # fmt: skip


@pytest.fixture
def adapter(postgres, pg_url, tmp_path):
    postgres.execute(TABLE, pg_url.rpartition("/")[2])
    postgres.execute("create sequence counter", pg_url.rpartition("/")[2])
    statements = {
        name: {"sql": sql, "parameters": parameters, "effect": "read", "max_rows": 60}
        for name, (sql, parameters) in STATEMENTS.items()
    }
    statements["every"]["max_rows"] = 10
    statements["repeated"]["max_bytes"] = 10_000
    statements["growing"] |= {"max_rows": 1000, "max_bytes": sum(range(600)) + 16 * 601}
    config = SqlConfig.model_validate(
        {"kind": "sql", "url": pg_url, "statements": statements, "budget": {"concurrency": 4}, "call_timeout_s": 20}
    )
    adapter = SqlAdapter("db", config, Place(tmp_path, tmp_path))
    yield adapter
    adapter.close()


def call(adapter, tool, timeout_s=20.0, **arguments):
    if not hasattr(adapter, "known"):
        adapter.known = {one.name: one for one in adapter.tools()}
    return adapter.known[tool].run(arguments, Call("c", "me", time.monotonic() + timeout_s))


@pytest.fixture
def pinned(monkeypatch):
    """What was answered on the short way."""
    seen = []
    ordinary = PinnedRead.read

    def read(self, parameters, left_s):
        found = ordinary(self, parameters, left_s)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(PinnedRead, "read", read)
    return seen


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("find", {"id": 7}),
        ("find", {"id": 9_999_999_999_999}),
        ("twice", {"id": 3}),
        ("typed", {"n": 1, "day": "2026-02-28", "t": "ä", "d": "1.50"}),
        ("typed", {"n": 3_000_000_000, "day": "2026-02-28", "t": "", "d": None}),
    ],
)
def test_the_short_way_gives_what_the_ordinary_one_gives(adapter, pinned, tool, arguments):
    first = call(adapter, tool, **arguments)
    second = call(adapter, tool, **arguments)

    assert pinned == [False, True]
    assert second == first
    for one, other in zip(first["rows"], second["rows"], strict=True):
        assert {name: type(value) for name, value in one.items()} == {
            name: type(value) for name, value in other.items()
        }


def test_a_long_answer_is_cut_and_from_then_on_read_by_a_server_cursor(adapter, pinned):
    call(adapter, "pid")
    answers = [call(adapter, "every") for _ in range(3)]

    assert [len(answer["rows"]) for answer in answers] == [10, 10, 10]
    assert all(answer["truncated"] for answer in answers)
    assert pinned == [False, True, False, False]


def test_what_the_database_refuses_is_said_as_on_the_ordinary_way(adapter):
    assert call(adapter, "divided", by=1)["rows"] == [{"n": 1}]
    for _ in range(2):
        with pytest.raises(Rejected, match="division by zero"):
            call(adapter, "divided", by=0)
    assert call(adapter, "divided", by=-1)["rows"] == [{"n": -1}]


def test_it_cannot_write_either(adapter):
    call(adapter, "pid")
    with pytest.raises(Rejected, match="read-only"):
        call(adapter, "writing")


def test_its_time_is_over_when_the_calls_is(adapter, pinned):
    call(adapter, "sleeping", s=0)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="timeout"):
        call(adapter, "sleeping", timeout_s=2, s=60)

    assert time.monotonic() - began < 20
    assert call(adapter, "sleeping", s=0)["rows"] is not None


def test_after_a_restart_the_next_call_is_answered(adapter, postgres, pg_url, pinned):
    call(adapter, "pid")
    call(adapter, "pid")
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'drawbar'"
    postgres.execute(kill, pg_url.rpartition("/")[2])
    time.sleep(1.2)  # an idle connection is looked at

    for _ in range(6):
        assert call(adapter, "pid")["rows"]
    assert pinned[-1]


def test_a_connection_that_says_nothing_after_a_rest_is_given_up_soon(adapter, pinned, monkeypatch):
    call(adapter, "pid")
    old = call(adapter, "pid")["rows"]
    monkeypatch.setattr(sql_pinned, "_IDLE_S", 0)
    monkeypatch.setattr(sql_pinned, "_GRACE_S", 0.1)
    monkeypatch.setattr(sql_pinned._Pin, "wake", lambda pin: pin.line.send_query(b"select pg_sleep(9)") or True)
    reading = adapter.known["pid"].begin({}, Call("c", "me", time.monotonic() + 20))

    assert reading.until < time.monotonic() + 1
    assert reading.step() == "waits"
    assert reading.rest()["rows"] != old


def test_a_table_that_changed_under_a_prepared_statement_is_read_as_it_is(adapter, postgres, pg_url, pinned):
    call(adapter, "find", id=1)
    before = call(adapter, "find", id=1)["rows"][0]
    postgres.execute("alter table things add column more integer default 5", pg_url.rpartition("/")[2])

    after = call(adapter, "find", id=1)["rows"][0]

    assert after == {**before, "more": 5}


def test_there_are_never_more_connections_than_the_budget_has_calls(adapter):
    with ThreadPoolExecutor(8) as pool:
        pids = {one["rows"][0]["pid"] for one in pool.map(lambda _: call(adapter, "pid"), range(200))}

    assert adapter.database._beside._open <= 4
    assert len(pids) <= 4 + 8


def test_one_row_that_is_too_large_is_refused(adapter, pinned):
    call(adapter, "repeated", n=1)
    with pytest.raises(InputError, match="max_bytes"):
        call(adapter, "repeated", n=20_000)

    assert pinned == [False]
    assert call(adapter, "repeated", n=1)["rows"] == [{"t": "x"}]


def test_an_answer_of_several_pieces_is_cut_where_its_rows_are_too_large_together(adapter, pinned):
    for _ in range(2):
        found = call(adapter, "growing")
        assert [len(row["t"] or "") for row in found["rows"]] == [0, *range(1, 600)] and found["truncated"]
        assert [row['a "{b}"'] for row in found["rows"]][:3] == [None, 1, 2]
    assert pinned == [False, True]
