"""The journal: units, groups of them, several processes, and what a failure leaves: nothing."""

import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from drawbar.core.errors import ConfigError, Unavailable
from drawbar.core.store.ids import new_id
from drawbar.core.store.journal import Journal
from drawbar.core.store.statement import Statement
from drawbar.core.store.tables import documents

ADD = Statement(
    "INSERT INTO documents (scope, key, body, version, created_at, updated_at) VALUES (:scope, :key, '{}', 1, 0, 0)"
)


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


def keys(journal):
    with journal.read() as conn:
        return {key for (key,) in conn.execute(documents.select().with_only_columns(documents.c.key))}


def together(journal, units):
    """Run units in one group: they queue while the first one holds the connection."""
    entered, go, errors = threading.Event(), threading.Event(), {}

    def hold(conn):
        entered.set()
        go.wait(60)

    def run(name, unit):
        try:
            journal.write(unit)
        except Exception as error:
            errors[name] = error

    threads = [threading.Thread(target=run, args=("holder", hold))]
    threads[0].start()
    entered.wait(60)
    for name, unit in units.items():
        threads.append(threading.Thread(target=run, args=(name, unit)))
        threads[-1].start()
    while len(journal._writer._waiting) < len(units):
        time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join(60)
    return errors


def test_a_failed_unit_leaves_nothing_and_the_others_of_its_group_stay(journal):
    def good(conn):
        ADD(conn, scope="s", key="good")

    def bad(conn):
        ADD(conn, scope="s", key="bad")
        raise ValueError("after the row")

    def broken(conn):
        ADD(conn, scope="s", key="broken")
        ADD(conn, scope="s", key="broken")

    errors = together(journal, {"good": good, "bad": bad, "broken": broken, "last": good_too})

    assert keys(journal) == {"good", "last"}
    assert isinstance(errors.pop("bad"), ValueError)
    assert isinstance(errors.pop("broken"), sqlite3.IntegrityError)
    assert not errors


def good_too(conn):
    ADD(conn, scope="s", key="last")


def test_a_failed_unit_alone_leaves_nothing(journal):
    def bad(conn):
        ADD(conn, scope="s", key="bad")
        raise ValueError("after the row")

    with pytest.raises(ValueError, match="after the row"):
        journal.write(bad)

    assert keys(journal) == set()


def test_a_failed_group_leaves_nothing_and_everybody_hears_of_it(journal):
    """A full disk: SQLite gives up the whole transaction."""
    pages = journal._writer._conn.connection.driver_connection
    pages.execute(f"PRAGMA max_page_count={pages.execute('PRAGMA page_count').fetchone()[0] + 2}")
    fill = Statement(
        "INSERT INTO documents (scope, key, body, version, created_at, updated_at)"
        " VALUES ('s', :key, hex(zeroblob(50000)), 1, 0, 0)"
    )

    errors = together(
        journal,
        {
            "small": lambda conn: ADD(conn, scope="s", key="small") and None,
            "big": lambda conn: fill(conn, key="big") and None,
            "late": lambda conn: ADD(conn, scope="s", key="late") and None,
        },
    )

    assert isinstance(errors["big"], Unavailable)
    assert keys(journal) == {"small", "late"} - errors.keys()
    assert all(isinstance(error, Unavailable) for error in errors.values())
    pages.execute("PRAGMA max_page_count=1000000")
    journal.write(lambda conn: ADD(conn, scope="s", key="after") and None)
    assert "after" in keys(journal)


def test_a_unit_that_is_interrupted_leaves_nothing_for_anybody(journal):
    """Only the one who is interrupted hears that; the others may come again."""

    def interrupted(conn):
        ADD(conn, scope="s", key="interrupted")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.write(interrupted)
    journal.write(good_too)

    assert keys(journal) == {"last"}


def test_threads_lose_no_unit(journal):
    """Many units share commits, and each is there exactly once."""

    def work(name):
        for number in range(100):
            journal.write(lambda conn, key=f"{name}.{number}": ADD(conn, scope="s", key=key) and None)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys(journal)) == 800


def test_a_unit_that_writes_through_the_journal_is_refused_instead_of_hanging(journal):
    with pytest.raises(RuntimeError, match="own connection"):
        journal.write(lambda conn: journal.write(lambda conn: None))


def test_a_reader_can_write_nothing(journal):
    with pytest.raises(Unavailable), journal.read() as conn:
        conn.execute(documents.delete())


def test_a_reader_sees_one_moment(journal):
    with journal.read() as conn:
        before = conn.execute(documents.select()).all()
        journal.write(good_too)
        assert conn.execute(documents.select()).all() == before == []
    assert keys(journal) == {"last"}


CHILD = """
import sys
from drawbar.core.store.journal import Journal
from drawbar.core.store.statement import Statement
ADD = Statement("INSERT INTO documents (scope, key, body, version, created_at, updated_at) VALUES ('s', :key, '{}', 1, 0, 0)")
journal = Journal.open(sys.argv[1])
print(journal.now(), flush=True)
for number in range(int(sys.argv[3])):
    journal.write(lambda conn: ADD(conn, key=f"{sys.argv[2]}.{number}") and None)
"""


def child(tmp_path, name, number):
    url = f"sqlite:///{tmp_path}/state.db"
    return subprocess.Popen([sys.executable, "-c", CHILD, url, name, str(number)], stdout=subprocess.PIPE, text=True)


def test_two_processes_share_one_file(journal, tmp_path):
    """Neither fails, neither starves, and they agree on the time."""
    children = [child(tmp_path, name, 300) for name in ("a", "b")]
    slowest = 0.0
    while any(one.poll() is None for one in children):
        before = time.monotonic()
        journal.write(lambda conn: ADD(conn, scope="own", key=new_id()) and None)
        slowest = max(slowest, time.monotonic() - before)

    times = [float(one.stdout.read()) for one in children]
    assert [one.wait() for one in children] == [0, 0]
    assert sum(key.startswith(("a.", "b.")) for key in keys(journal)) == 600
    assert slowest < 10
    assert all(abs(told - journal.now()) < 60 for told in times)


def test_a_process_that_is_killed_in_a_commit_leaves_a_whole_journal(journal, tmp_path):
    """And its locks: the others go on at once."""
    for round_ in range(5):
        killed = child(tmp_path, f"killed{round_}", 100_000)
        killed.stdout.readline()
        time.sleep(0.05 * round_)
        killed.kill()
        killed.wait()
        journal.write(lambda conn: ADD(conn, scope="own", key=new_id()) and None)

        numbers = sorted(int(key.partition(".")[2]) for key in keys(journal) if key.startswith(f"killed{round_}."))
        assert numbers == list(range(len(numbers)))
    with journal.read() as conn:
        assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_the_clock_of_the_journal_does_not_jump(journal, monkeypatch):
    before = journal.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)

    assert 0 <= journal.now() - before < 60


def test_a_newer_journal_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/state.db"
    Journal.open(url).close()
    with sqlite3.connect(tmp_path / "state.db") as raw:
        raw.execute("UPDATE meta SET value = '999' WHERE name = 'version'")

    with pytest.raises(ConfigError, match="newer Drawbar"):
        Journal.open(url)


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "nonsense", "sqlite:////proc/none/state.db", "oracle+nothing://x"],
)
def test_a_wrong_url_is_an_error_of_the_configuration(url):
    with pytest.raises(ConfigError, match="state"):
        Journal.open(url)


def test_a_file_that_is_no_database_is_an_error_of_the_configuration(tmp_path):
    (tmp_path / "state.db").write_text("not a database at all, but long enough to be read as one" * 100)

    with pytest.raises(ConfigError, match="not a database"):
        Journal.open(f"sqlite:///{tmp_path}/state.db")


def test_ids_sort_by_the_time_they_were_made():
    made = [new_id() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == 10_000
    assert {len(one) for one in made} == {26}
