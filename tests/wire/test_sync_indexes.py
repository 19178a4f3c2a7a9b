"""`indexes: rebuild` builds keys and indexes behind the rows, and the table is afterwards exactly what it was."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from structlog.testing import capture_logs
from syncing import Night, carry_once, execute, rows

from drawbar.connectors import sql_indexes
from drawbar.core.errors import ConfigError, Rejected

TABLE = "id integer not null, code varchar(9), day date, note text"
SOURCE = f"create table src ({TABLE}, primary key (id))"
FILLED = "insert into src select n, 'c' || n, date '2026-01-01' + n, 'note' from generate_series(1, 500) n"
CATALOGUE = """
select i.relname, pg_get_indexdef(x.indexrelid), c.conname, pg_get_constraintdef(c.oid), c.condeferrable, c.condeferred,
       x.indisprimary, x.indisclustered, x.indisreplident, i.reloptions, i.reltablespace, t.relreplident,
       obj_description(i.oid), obj_description(c.oid, 'pg_constraint'),
       (select array_agg(attnotnull order by attnum) from pg_attribute where attrelid = t.oid and attnum > 0)
from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
     left join pg_constraint c on c.conindid = i.oid and c.conrelid = t.oid and c.contype <> 'f'
where t.relname = 'dst' order by 1
"""
NUMBERS = (
    "select indexrelid::regclass::text, indexrelid::bigint from pg_index where indrelid = 'dst'::regclass order by 1"
)


@pytest.fixture(autouse=True)
def logging() -> Iterator[None]:
    """Log as it comes, whatever a test before has left."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []

    def make(url: str, target: str | None = None, **to: Any) -> Night:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Night(folder, *landscape(url, target or url, **to)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def landscape(url: str, target: str, source: str = "src", **to: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    adapters = {
        "a": {"kind": "sql", "url": url, "tables": {source: {}}},
        "b": {"kind": "sql", "url": target, "tables": {"dst": {}}},
    }
    into = {"adapter": "b", "table": "dst", "indexes": "rebuild", **to}
    return adapters, {"s": {"from": {"adapter": "a", "table": source}, "to": into}}


@pytest.mark.parametrize("mode", ["insert", "replace"])
def test_keys_and_indexes_are_built_again_exactly_as_they_were(pg_url: str, night: Any, mode: str) -> None:
    """Names, options, comments, deferrability, clustering, replica identity, and NOT NULL of what was a key's column."""
    execute(
        pg_url,
        SOURCE,
        FILLED,
        f'create table dst ({TABLE}, constraint "The Key" primary key (id) include (note) with (fillfactor = 71))',
        "alter table dst add constraint late unique (code, day) deferrable initially deferred",
        "create unique index whole on dst (code collate \"C\" desc nulls first) where code <> 'it''s 5%%'",
        "create index by_expression on dst (lower(note), (id %% 7)) with (fillfactor = 50)",
        "create index by_hash on dst using hash (day)",
        "create unique index identity on dst (id)",
        "alter table dst replica identity using index identity",
        "alter table dst cluster on late",
        "comment on constraint \"The Key\" on dst is 'who''s \\ who'",
        "comment on index by_hash is 'for 100%% of them'",
    )
    before, numbers = rows(pg_url, CATALOGUE), rows(pg_url, NUMBERS)

    run = night(pg_url, mode=mode).run("s")

    assert (run["status"], run["written"]) == ("succeeded", 500)
    assert rows(pg_url, CATALOGUE) == before
    assert not set(rows(pg_url, NUMBERS)) & set(numbers)  # they were built
    assert rows(pg_url, "select * from dst order by id") == rows(pg_url, "select * from src order by id")


def test_a_tablespace_of_its_own_is_kept(pg_url: str, night: Any) -> None:
    with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as line:
        line.execute("set allow_in_place_tablespaces = on")
        line.execute("create tablespace of_indexes location ''")
    execute(
        pg_url,
        SOURCE,
        FILLED,
        f"create table dst ({TABLE}, primary key (id) using index tablespace of_indexes)",
        "create index plain on dst (code)",
    )
    before, numbers = rows(pg_url, CATALOGUE), rows(pg_url, NUMBERS)

    night(pg_url).run("s")

    assert rows(pg_url, CATALOGUE) == before
    assert not set(rows(pg_url, NUMBERS)) & set(numbers)
    execute(pg_url, "drop table dst")


def test_a_duplicate_is_found_and_named_as_ever(pg_url: str, night: Any) -> None:
    """The key that cannot be built stands again, nothing is loaded, and the row that is to blame has a name."""
    execute(pg_url, f"create table src ({TABLE})", FILLED, "insert into src values (77, 'twice')")
    execute(pg_url, f"create table dst ({TABLE}, primary key (id))")
    before = rows(pg_url, CATALOGUE)

    with pytest.raises(Rejected) as refused:
        night(pg_url).run("s")

    assert "record 501" in refused.value.message
    assert "dst_pkey" in refused.value.message
    assert rows(pg_url, CATALOGUE) == before
    assert rows(pg_url, "select count(*) from dst") == [(0,)]


DEPENDED = "a foreign key or a view depends on it"
KEPT = {
    "foreign key": (["create table lines (dst integer references dst (id))"], DEPENDED),
    "view": (["create view grouped as select id, code from dst group by id"], DEPENDED),
    "trigger": (
        [
            "create function looks() returns trigger language plpgsql as 'begin return new; end'",
            "create trigger looking before insert on dst for each row execute function looks()",
        ],
        "its triggers may look for rows by them",
    ),
}


@pytest.mark.parametrize("what", KEPT)
def test_a_key_that_others_depend_on_is_kept_and_the_load_goes_on(pg_url: str, night: Any, what: str) -> None:
    statements, reason = KEPT[what]
    execute(pg_url, SOURCE, FILLED, f"create table dst ({TABLE}, primary key (id))", *statements)
    numbers = rows(pg_url, NUMBERS)

    with capture_logs() as logs:
        run = night(pg_url).run("s")

    assert (run["status"], run["written"]) == ("succeeded", 500)
    assert rows(pg_url, NUMBERS) == numbers
    assert [one["reason"] for one in logs if one["event"] == "sync.indexes_kept"] == [reason]


def test_what_can_be_built_is_built_beside_a_key_that_is_kept(pg_url: str, night: Any) -> None:
    execute(
        pg_url, SOURCE, FILLED, f"create table dst ({TABLE}, primary key (id))", "create index by_code on dst (code)"
    )
    execute(pg_url, "create table lines (dst integer references dst (id))")
    before, numbers = rows(pg_url, CATALOGUE), dict(rows(pg_url, NUMBERS))

    night(pg_url).run("s")

    after = dict(rows(pg_url, NUMBERS))
    assert (after["dst_pkey"] == numbers["dst_pkey"], after["by_code"] == numbers["by_code"]) == (True, False)
    assert rows(pg_url, CATALOGUE) == before


@pytest.mark.parametrize(
    ("owns", "reason"),
    [(False, "it belongs to somebody else"), (True, "an index needs the right CREATE in its schema")],
)
def test_who_may_not_build_an_index_keeps_it(pg_url: str, night: Any, owns: bool, reason: str) -> None:
    clerk = f"clerk_{abs(hash(pg_url)) % 10**8}"
    execute(
        pg_url,
        SOURCE,
        FILLED,
        f"create table dst ({TABLE}, primary key (id))",
        "revoke create on schema public from public",
    )
    execute(pg_url, f"create role {clerk} login password 'clerk'", f"grant all on dst to {clerk}")
    if owns:
        execute(pg_url, f"alter table dst owner to {clerk}")
    here = night(pg_url, pg_url.replace("drawbar:drawbar@", f"{clerk}:clerk@"))
    prepared = here.syncs.prepare("s")
    execute(pg_url, prepared["ddl"], f"grant all on drawbar_sync to {clerk}")
    numbers = rows(pg_url, NUMBERS)

    with capture_logs() as logs:
        run = here.run("s")

    assert run["written"] == 500
    assert rows(pg_url, NUMBERS) == numbers
    assert [one["reason"] for one in logs if one["event"] == "sync.indexes_kept"] == [reason]


def test_a_table_that_is_being_read_keeps_its_key(pg_url: str, night: Any) -> None:
    execute(pg_url, SOURCE, FILLED, f"create table dst ({TABLE}, primary key (id))")
    numbers = rows(pg_url, NUMBERS)

    with psycopg.connect(pg_url.replace("+psycopg", "")) as reader, capture_logs() as logs:
        reader.execute("select * from dst")
        run = night(pg_url).run("s")

    assert run["written"] == 500
    assert rows(pg_url, NUMBERS) == numbers
    assert [one["reason"] for one in logs if one["event"] == "sync.indexes_kept"] == ["somebody else is using it"]


def test_a_source_that_reads_the_target_is_not_locked_out(pg_url: str, tmp_path: Path) -> None:
    """What is to be inserted is what is not there yet: the source itself holds the table."""
    execute(pg_url, SOURCE, FILLED, f"create table dst ({TABLE}, primary key (id))")
    execute(pg_url, "create view missing as select * from src where not exists (select from dst where dst.id = src.id)")
    night = Night(tmp_path, *landscape(pg_url, pg_url, source="missing"))

    run = night.run("s")

    night.close()
    assert run["written"] == 500


def test_a_table_with_rows_is_inserted_into_with_its_key(pg_url: str, night: Any) -> None:
    execute(pg_url, SOURCE, FILLED, f"create table dst ({TABLE}, primary key (id))", "insert into dst values (1000)")
    numbers = rows(pg_url, NUMBERS)

    run = night(pg_url).run("s")

    assert run["written"] == 500
    assert rows(pg_url, NUMBERS) == numbers


def test_an_index_that_would_not_be_what_it_was_ends_as_if_nobody_had_tried(
    pg_url: str, night: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        pg_url, SOURCE, FILLED, f"create table dst ({TABLE}, primary key (id))", "comment on index dst_pkey is 'ours'"
    )
    before = rows(pg_url, CATALOGUE)
    built = sql_indexes._Aside._building
    monkeypatch.setattr(
        sql_indexes._Aside, "_building", lambda self, index: (one for one in built(self, index) if "comment" not in one)
    )

    run = night(pg_url).run("s")

    assert run["written"] == 500
    assert rows(pg_url, CATALOGUE) == before


def test_a_load_that_is_killed_while_it_builds_leaves_table_and_key_as_they_were(pg_url: str, tmp_path: Path) -> None:
    execute(
        pg_url,
        SOURCE,
        FILLED,
        "create function slow(given integer) returns integer immutable language plpgsql as "
        "'begin perform pg_sleep(0.1); return given; end'",
        f"create table dst ({TABLE}, primary key (id))",
        "create index crawling on dst (slow(id)) where id > 400",
        "insert into dst values (1, 'old')",
    )
    before = rows(pg_url, CATALOGUE)
    adapters, syncs = landscape(pg_url, pg_url, mode="replace")
    busy = (
        "select pid from pg_stat_activity where query ilike 'create index crawling%%' and datname = current_database()"
    )
    child = multiprocessing.get_context("spawn").Process(target=carry_once, args=(tmp_path, adapters, syncs, "s"))

    child.start()
    while child.is_alive() and not (pids := rows(pg_url, busy)):
        time.sleep(0.02)
    child.kill()
    child.join()
    rows(pg_url, f"select pg_terminate_backend({pids[0][0]})")

    assert rows(pg_url, "select id, code from dst") == [(1, "old")]
    assert rows(pg_url, CATALOGUE) == before


def test_only_postgresql_builds_indexes_behind_the_rows(pg_url: str, night: Any, tmp_path: Path) -> None:
    execute(pg_url, SOURCE, FILLED)
    url = f"sqlite:///{tmp_path}/target.db"
    (tmp_path / "target.db").touch()
    execute(url, f"create table dst ({TABLE}, primary key (id))")

    with pytest.raises(ConfigError, match="only PostgreSQL"):
        night(pg_url, url).run("s")
