"""`drawbar migrate`, and what an operator sees of an upgrade."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from servers import warm

from drawbar.core.store.tables import VERSION

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def drawbar(tmp_path, request):
    """Run a verb in a folder whose state is the first release's."""

    def run(*words):
        return warm.run(words, cwd=tmp_path)

    return run


@pytest.fixture
def file(tmp_path):
    (tmp_path / "drawbar.yaml").write_text("version: 1\nstate: sqlite:///state.db\n")
    with closing(sqlite3.connect(tmp_path / "state.db")) as conn:
        conn.executescript((DATA / "journal_v1.sqlite.sql").read_text())
    return tmp_path / "state.db"


@pytest.fixture
def database(tmp_path, pg_url):
    (tmp_path / "drawbar.yaml").write_text(f"version: 1\nstate: {pg_url}\n")
    with psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute((DATA / "journal_v1.postgresql.sql").read_text())
    return pg_url


def test_a_file_is_migrated_by_any_verb_that_opens_it_and_says_so(drawbar, file):
    done = drawbar("runs", "--json")
    again = drawbar("runs")

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 14
    [copy] = file.parent.glob("*.bak")
    assert f"from version 1 to {VERSION}" in done.stderr
    assert str(copy) in done.stderr
    assert again.stderr == ""
    assert drawbar("migrate").returncode == 5


@pytest.mark.slow
def test_a_dry_run_prints_sql_and_changes_nothing(drawbar, file):
    before = file.read_bytes()

    done = drawbar("migrate", "--dry-run")

    assert done.returncode == 0
    assert "ALTER TABLE" in done.stdout
    assert file.read_bytes() == before
    assert json.loads(drawbar("migrate", "--dry-run", "--json").stdout)["sql"] == done.stdout
    assert drawbar("migrate", "--json").returncode == 0
    assert drawbar("migrate", "--dry-run").returncode == 5


@pytest.mark.wire("postgres")
def test_a_database_is_migrated_by_the_operator_alone(drawbar, database):
    refused = drawbar("runs")
    found = drawbar("validate")
    done = drawbar("migrate", "--json")

    assert (refused.returncode, found.returncode) == (2, 4)
    assert "drawbar migrate" in refused.stderr
    assert "this program needs" in found.stderr
    assert "drawbar migrate" in found.stderr
    assert json.loads(done.stdout) == {"done": True, "before": 1, "after": VERSION, "copy": None}
    assert drawbar("runs").returncode == 0
    assert drawbar("migrate").returncode == 5


def test_what_cannot_be_migrated_is_one_clear_line(drawbar, tmp_path):
    (tmp_path / "drawbar.yaml").write_text("version: 1\nstate: sqlite:///state.db\n")
    (tmp_path / "state.db").write_text("this is a letter, and no database at all")
    broken = drawbar("migrate")
    (tmp_path / "drawbar.yaml").write_text("version: 1\nstate: postgresql+psycopg://u:s3cret-pw@127.0.0.1:1/x\n")
    away = drawbar("migrate")

    assert (broken.returncode, away.returncode) == (2, 4)
    for said in (broken, away):
        assert "Traceback" not in said.stderr
        assert "s3cret-pw" not in said.stderr
    assert "not a database" in broken.stderr


def test_alembic_is_loaded_only_where_there_is_something_to_migrate(tmp_path):
    script = (
        "import sys\n"
        "from drawbar.core.store.journal import Journal\n"
        f"for _ in range(2): Journal.open('sqlite:///{tmp_path}/new.db').close()\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('alembic', 'mako')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.strip() == "[]", done.stderr
