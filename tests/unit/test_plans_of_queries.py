"""What is asked of a run at each of its facts must not read what is over."""

import pytest

from drawbar.core.store import runs
from drawbar.core.store.journal import Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


def plan(journal, statement):
    with journal.read() as conn:
        said = f"EXPLAIN QUERY PLAN {statement._text(conn.dialect)}"
        return [row[3] for row in conn.connection.cursor().execute(said, {"run_id": "r"}).fetchall()]


def test_live_items_are_found_without_those_that_are_done(journal):
    [step] = plan(journal, runs._LIVE)

    assert "COVERING INDEX task_runs_live" in step


def test_tasks_are_found_without_their_items(journal):
    looks = [step for step in plan(journal, runs._WHOLE) if step.startswith("SEARCH")]

    assert looks[-2].endswith("(run_id=? AND task>?)")
    assert looks[-1].endswith("(run_id=? AND task=? AND item=?)")
    assert all("PRIMARY KEY" in look for look in looks)
