"""The line to PostgreSQL: what a unit of the journal asks leaves together, in order, and all of it or nothing is done."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from scripted import ME, House
from sqlalchemy import text

from drawbar.core.errors import DrawbarError
from drawbar.core.store import line, runs
from drawbar.core.store.journal import Away, Connection, Journal
from drawbar.core.store.line import Line
from drawbar.core.store.statement import Statement, surely

PUT = Statement("INSERT INTO meta (name, value) VALUES (:name, :value)")
ALL = Statement("SELECT name, value FROM meta WHERE name LIKE 'x%' ORDER BY name")
BROKEN = Statement("SELECT 1 FROM no_such_table")


@pytest.fixture
def journal(pg_url: str) -> Iterator[Journal]:
    opened = Journal.open(pg_url)
    yield opened
    opened.close()


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements left each time."""
    seen: list[int] = []
    exchange = Line._exchange

    def counted(self: Line, *, commits: bool) -> None:
        seen.append(len(self._waiting))
        exchange(self, commits=commits)

    monkeypatch.setattr(Line, "_exchange", counted)
    return seen


def kept(journal: Journal) -> list[tuple[str, str]]:
    with journal.read() as conn:
        return ALL(conn).fetchall()


def put(conn: Connection, name: str, value: str = "1") -> None:
    PUT(conn, name=name, value=value)


def test_what_nobody_reads_leaves_with_the_commit(journal, exchanges):
    journal.write(lambda conn: [put(conn, f"x{n}") for n in range(5)])

    assert exchanges == [5]
    assert len(kept(journal)) == 5


def test_what_is_read_finds_what_was_asked_before_also_by_sqlalchemy(journal, exchanges):
    def unit(conn: Connection) -> tuple[object, object]:
        put(conn, "x1")
        ours = ALL(conn).fetchall()
        put(conn, "x2")
        return ours, conn.execute(text("SELECT count(*) FROM meta WHERE name LIKE 'x%'")).scalar()

    assert journal.write(unit) == ([("x1", "1")], 2)
    assert exchanges == [2, 1, 0]
    assert len(kept(journal)) == 2


def test_a_statement_that_fails_undoes_its_unit_and_nothing_else(journal):
    def unit(conn: Connection) -> None:
        put(conn, "x1")
        BROKEN(conn)
        put(conn, "x2")

    with pytest.raises(Exception, match="no_such_table"):
        journal.write(unit)

    journal.write(lambda conn: put(conn, "x3"))
    assert kept(journal) == [("x3", "1")]


def test_a_text_that_postgresql_cannot_hold_is_refused_whole_and_the_line_stays(journal, exchanges):
    with pytest.raises(Exception, match="NUL"):
        journal.write(lambda conn: put(conn, "x1", "a\0b"))

    journal.write(lambda conn: put(conn, "x2", "ä€ %s %(name)s \\ ' 😀"))

    assert kept(journal) == [("x2", "ä€ %s %(name)s \\ ' 😀")]
    assert exchanges == [1]


def test_a_server_that_forgot_what_was_prepared_is_asked_again(journal):
    journal.write(lambda conn: put(conn, "x1"))
    journal.write(lambda conn: conn.exec_driver_sql("DEALLOCATE ALL"))

    journal.write(lambda conn: put(conn, "x2"))

    assert [name for name, _ in kept(journal)] == ["x1", "x2"]


def test_what_a_unit_relied_on_and_was_not_so_undoes_it_and_it_looks(journal):
    """The second try trusts nothing; a division by zero there is an error like any other."""
    tries: list[bool] = []

    def unit(conn: Connection) -> None:
        tries.append(runs.trusts(conn, "no such run", 3))
        put(conn, f"x{len(tries)}")

    journal.write(unit)

    assert tries == [True, False]
    assert kept(journal) == [("x2", "1")]
    with pytest.raises(Exception, match="division by zero"):
        journal.write(surely("SELECT 1 WHERE 1 = 0"))


def test_much_in_both_directions_at_once_does_not_block(journal):
    big = Statement("SELECT repeat(:text, 10)")

    def unit(conn: Connection) -> int:
        answers = [big(conn, text=f"{n}" + "x" * 200_000) for n in range(30)]
        return sum(len(answer.fetchone()[0]) for answer in answers)

    assert journal.write(unit) > 60_000_000


def test_a_line_that_the_server_has_cut_is_replaced_before_anything_leaves(journal, postgres, pg_url):
    journal.write(lambda conn: put(conn, "x1"))
    database = pg_url.rpartition("/")[2]
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{}'"
    postgres.execute(cut.format(database))
    others = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s"
    with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as conn:
        while conn.execute(others, [database]).fetchone() != (0,):
            time.sleep(0.01)

    journal.write(lambda conn: put(conn, "x2"))

    assert len(kept(journal)) == 2


def test_a_line_that_is_cut_in_an_exchange_leaves_nothing_behind(journal, postgres, pg_url):
    database = pg_url.rpartition("/")[2]

    def unit(conn: Connection) -> None:
        put(conn, "x1")
        assert line.line_of(conn) is not None
        ALL(conn).fetchall()
        pid = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        if not cuts:
            cuts.append(pid)
            postgres.execute(f"SELECT pg_terminate_backend({pid})", database)
        ALL(conn).fetchall()

    cuts: list[object] = []
    journal.write(unit)
    assert kept(journal) == [("x1", "1")]

    journal.close()
    with pytest.raises(DrawbarError):
        journal.write(unit)


def test_a_start_whose_commit_had_no_answer_is_one_run_and_is_said_to_be(
    tmp_path, postgres, pg_url, proxy, monkeypatch
):
    between = proxy(postgres.port)
    monkeypatch.setattr(House, "state", pg_url.replace(f":{postgres.port}", f":{between.port}"))
    house = House(tmp_path, {}, {"w": {"tasks": {"rest": {"wait_s": 1}}}})  # nobody works yet
    first = house.engine.start("w", {}, caller=ME).id

    def runs():
        with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as conn:
            return {row[0] for row in conn.execute("select id from runs")}

    between.stall("down")
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(house.engine.start, "w", {}, caller=ME)
        until = time.monotonic() + 60
        while runs() == {first}:
            assert time.monotonic() < until
            time.sleep(0.05)
        between.drop()
        between.flow()
        second = starting.result(60).id
    assert runs() == {first, second}
    house.end()


def test_a_start_while_the_journal_is_away_is_said_so_at_once(tmp_path, postgres, pg_url, proxy, monkeypatch):
    between = proxy(postgres.port)
    monkeypatch.setattr(House, "state", pg_url.replace(f":{postgres.port}", f":{between.port}"))
    house = House(tmp_path, {}, {"w": {"tasks": {"rest": {"wait_s": 1}}}})
    house.engine.start("w", {}, caller=ME)
    looked = []
    monkeypatch.setattr(house.engine, "_has_begun", looked.append)
    between.refuse()
    between.drop()
    time.sleep(0.3)  # until the cut has come to us

    with pytest.raises(Away) as error:
        house.engine.start("w", {}, caller=ME)

    assert (error.value.in_doubt, looked) == (False, [])
    between.start()
    house.end()
