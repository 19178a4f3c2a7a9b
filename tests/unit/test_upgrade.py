"""A journal of another version: copied and migrated, refused, or served; whatever happens, nothing of it is lost."""

import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from drawbar.core.errors import ConfigError, DrawbarError
from drawbar.core.store import backup, events, migrations, tables, upgrade
from drawbar.core.store.journal import Journal, planned, reach
from drawbar.core.store.tables import VERSION

RELEASED = (Path(__file__).parent.parent / "data/journal_v1.sqlite.sql").read_text()
NEXT = VERSION + 1
REVISION = """\
import sqlalchemy as sa
from alembic import op
import os, time
revision = "{number:04}"
down_revision = "{before:04}"
def upgrade():
    op.add_column("runs", sa.Column("extra", sa.Text()))
    {more}
"""


@pytest.fixture
def file(tmp_path):
    """A journal of the first release."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(RELEASED)
    path.chmod(0o640)
    return path


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """Let this program be the next version, with a revision of its own; `serves_from` says which programs it leaves behind."""

    def become(serves_from=VERSION, more="pass", version=NEXT):
        folder = tmp_path / "versions"
        folder.mkdir(exist_ok=True)
        (folder / f"v{NEXT:04}.py").write_text(REVISION.format(number=NEXT, before=VERSION, more=more))
        monkeypatch.setattr(migrations, "PLACES", [*migrations.PLACES[:1], folder])
        be(version, serves_from)

    def be(version, serves_from):
        for module in (upgrade, migrations):
            monkeypatch.setattr(module, "VERSION", version)
            monkeypatch.setattr(module, "SERVES_FROM", serves_from)

    become.back = lambda: be(VERSION, tables.SERVES_FROM)
    return become


def opened(path, **said):
    with closing(Journal.open(f"sqlite:///{path}", **said)) as journal:
        return journal.upgraded


def migrated(url):
    with closing(Journal.open(url, migrate=True)) as journal:
        return journal.upgraded


def columns(path, table="runs"):
    with closing(sqlite3.connect(path)) as conn:
        return [row[1] for row in conn.execute(f"pragma table_info({table})")]


def content(path):
    """Everything in it, as SQL."""
    with closing(sqlite3.connect(path)) as conn:
        return list(conn.iterdump())


def copies(path):
    return sorted(path.parent.glob("*.bak*"))


def test_an_older_file_is_copied_before_it_is_changed(file):
    before = content(file)

    done = opened(file)

    assert (done.before, done.after) == (1, VERSION)
    assert copies(file) == [done.copy]
    assert done.copy.name.startswith("state.db.v1-")
    assert content(done.copy) == before
    assert stat.S_IMODE(done.copy.stat().st_mode) == 0o640
    assert opened(file) is None
    assert copies(file) == [done.copy]


def test_the_copy_is_a_journal_again(file):
    """Who goes back takes the copy: it is one file, without a log beside it."""
    copy = opened(file).copy
    shutil.copy(copy, file.parent / "back.db")

    assert opened(file.parent / "back.db").before == 1


def test_no_event_number_is_given_again_after_a_migration(file):
    """Readers go on after the last number that they have seen, though its event may be gone."""
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("INSERT INTO events (id, type, at) VALUES (900, 'run.started', 1)")
        conn.execute("DELETE FROM events WHERE id >= 500")
        conn.commit()

    with closing(Journal.open(f"sqlite:///{file}")) as journal:
        journal.write(lambda conn: events.add(conn, "run.started"))

    with closing(sqlite3.connect(file)) as conn:
        assert conn.execute("SELECT MAX(id) FROM events").fetchone() == (901,)


def test_no_copy_overwrites_another(file, monkeypatch):
    monkeypatch.setattr(backup.time, "strftime", lambda *_: "now")
    kept = file.read_bytes()
    first = opened(file).copy
    file.write_bytes(kept)
    second = opened(file).copy

    assert [first.name, second.name] == ["state.db.v1-now.bak", "state.db.v1-now-2.bak"]


def test_a_migration_that_fails_leaves_the_file_as_it_was_and_names_the_copy(file, newer):
    opened(file)
    before = content(file)
    newer(more='op.execute("insert into nowhere values (1)")')

    with pytest.raises(ConfigError) as refused:
        opened(file)

    assert content(file) == before
    [_, copy] = copies(file)
    assert str(copy) in refused.value.next
    assert "no such table: nowhere" in refused.value.message


def test_a_defect_in_a_migration_leaves_the_file_as_it_was(file, newer):
    opened(file)
    before = content(file)
    newer(more="1 / 0")

    with pytest.raises(ZeroDivisionError):
        opened(file)
    newer.back()

    assert content(file) == before
    assert opened(file) is None


def test_a_migration_that_is_killed_leaves_the_file_as_it_was(file, tmp_path):
    """kill -9 between its statements: the next start begins again."""
    before = content(file)
    script = (
        "import os\n"
        "from drawbar.core.store import migrations, upgrade\n"
        "from drawbar.core.store.journal import Journal\n"
        "real = migrations.upgrade\n"
        "def killed(conn, before):\n"
        "    real(conn, before)\n"
        "    os.kill(os.getpid(), 9)\n"
        "migrations.upgrade = killed\n"
        f"Journal.open('sqlite:///{file}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60, capture_output=True)

    assert done.returncode == -9
    assert content(file) == before
    assert opened(file).before == 1


def test_a_full_disk_refuses_the_upgrade_and_leaves_no_half_copy(file):
    """A limit on the size of files stands for the disk."""
    before = content(file)
    limit = file.stat().st_size // 2

    done = subprocess.run(
        [sys.executable, "-c", f"from drawbar.core.store.journal import Journal\nJournal.open('sqlite:///{file}')"],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )

    assert "ConfigError" in done.stderr
    assert "could not be copied before the upgrade" in done.stderr
    assert copies(file) == []
    assert content(file) == before


def test_a_disk_without_room_for_the_copy_is_seen_before(file, monkeypatch):
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 2**20))

    with pytest.raises(ConfigError, match="2 MB are wanted and 1 MB are free"):
        opened(file)
    assert copies(file) == []


def test_processes_that_open_an_older_file_at_once_migrate_it_once(file):
    script = (
        "import sys\nfrom drawbar.core.store.journal import Journal\n"
        f"sys.stdin.read()\nprint(Journal.open('sqlite:///{file}').upgraded is not None)\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    threads = [threading.Thread(target=one.stdin.close) for one in started]
    for thread in threads:
        thread.start()
    said = sorted(one.stdout.read().splitlines()[-1] for one in started)
    for one in started:
        one.wait(60)

    assert said == ["False", "False", "False", "True"]
    assert len(copies(file)) == 1


def test_a_program_goes_on_while_the_next_version_migrates_its_file(file, newer):
    """An old `serve` beside a new command line: two adjacent versions share a schema."""
    opened(file)
    with closing(Journal.open(f"sqlite:///{file}")) as old:
        newer()
        assert opened(file).after == NEXT
        old.write(lambda conn: conn.exec_driver_sql("update runs set reason = 'old' where 1 = 1") and None)
        with old.read() as conn:
            assert conn.exec_driver_sql("select distinct reason from runs").fetchall() == [("old",)]
    assert "extra" in columns(file)


def test_a_newer_schema_serves_the_program_before_it(file, newer):
    opened(file)
    newer(serves_from=VERSION)
    opened(file)
    newer.back()

    assert opened(file) is None
    assert "extra" in columns(file)


def test_a_program_refuses_a_newer_schema_that_leaves_it_behind(file, newer):
    opened(file)
    newer(serves_from=NEXT)
    opened(file)
    newer.back()
    before = content(file)

    with pytest.raises(ConfigError, match="newer Drawbar") as refused:
        opened(file)
    assert refused.value.next == "use the newer program"
    assert content(file) == before


def test_a_schema_that_is_two_versions_old_is_migrated_in_one_go(file, newer):
    newer()

    assert opened(file).before == 1
    assert {"extra", "journal_version"} <= {*columns(file)}


def test_a_database_with_a_meta_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("create table meta (name text, value text)")
        conn.execute("insert into meta values ('version', 'beta')")
        conn.commit()

    with pytest.raises(ConfigError, match="not a journal's"):
        opened(path)


@pytest.mark.wire("postgres")
class TestPostgres:
    """What many machines share is changed when an operator says so, and not before."""

    @pytest.fixture
    def url(self, pg_url):
        text = (Path(__file__).parent.parent / "data/journal_v1.postgresql.sql").read_text()
        with create_engine(pg_url).begin() as conn:
            conn.connection.cursor().execute(text)
        return pg_url

    def test_an_older_schema_is_refused_until_it_is_migrated(self, url):
        for look in (Journal.open, reach):
            with pytest.raises(ConfigError, match="version 1, and this program needs") as refused:
                look(url)
            assert refused.value.next.endswith("drawbar migrate")

        with closing(Journal.open(url, migrate=True)) as journal:
            assert (journal.upgraded.before, journal.upgraded.after) == (1, VERSION)
        with closing(Journal.open(url, migrate=True)) as journal:
            assert journal.upgraded is None
        reach(url)

    def test_the_sql_of_a_dry_run_is_the_migration(self, url):
        """Who lets a database administrator run it gets the same."""
        sql = planned(url)
        with pytest.raises(ConfigError):
            Journal.open(url)

        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as conn:
            conn.connection.cursor().execute(sql)

        with closing(Journal.open(url)) as journal:
            assert journal.upgraded is None
        assert planned(url) is None

    def test_an_empty_database_is_made_at_once(self, pg_url):
        with closing(Journal.open(pg_url)) as journal:
            assert journal.upgraded == upgrade.Upgraded(None, VERSION)

    def test_migrations_at_once_are_one(self, url):
        done = []

        def work():
            with closing(Journal.open(url, migrate=True)) as journal:
                done.append(journal.upgraded is not None)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(done) == [False, False, False, True]

    def test_a_migration_that_fails_leaves_the_database_as_it_was(self, url, newer):
        with closing(Journal.open(url, migrate=True)):
            pass
        newer(more='op.execute("insert into nowhere values (1)")')

        with pytest.raises(DrawbarError, match="nowhere"):
            Journal.open(url, migrate=True)
        newer.back()

        with closing(Journal.open(url)) as journal, journal.read() as conn:
            assert "extra" not in {column["name"] for column in inspect(conn).get_columns("runs")}

    def test_a_session_that_holds_a_table_delays_the_migration_and_never_stops_the_workers(self, url, monkeypatch):
        """It asks and gives up, again and again: who comes later is not kept waiting behind it."""
        monkeypatch.setattr(upgrade, "LOCKS_S", 2)
        engine = create_engine(url)
        with engine.connect() as holder, engine.connect() as worker:
            holder.exec_driver_sql("select * from task_runs")
            failed = []

            def work():
                try:
                    Journal.open(url, migrate=True).close()
                except DrawbarError as error:
                    failed.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            worker.exec_driver_sql("set lock_timeout = '900ms'")
            while thread.is_alive():
                worker.exec_driver_sql("select count(*) from task_runs join runs on id = run_id")
                worker.commit()
            thread.join()
            holder.rollback()
            assert [error.kind for error in failed] == ["unavailable"]
        assert migrated(url).before == 1

    def test_a_newer_schema_is_served_or_refused_as_it_says(self, url, newer):
        for serves_from in (VERSION, NEXT):
            newer(serves_from=serves_from)
            with closing(Journal.open(url, migrate=True)):
                pass
            newer.back()
            if serves_from == VERSION:
                Journal.open(url).close()
        with create_engine(url).begin() as conn:
            conn.exec_driver_sql(f"update meta set value = '{NEXT}' where name = 'version'")

        with pytest.raises(ConfigError, match="newer Drawbar"):
            Journal.open(url)
