"""What is asked of a run at each of its facts must not read what is over."""

import pytest

from drawbar.core.store import audit, claims, runs
from drawbar.core.store.effects import OPEN_CALLS
from drawbar.core.store.journal import Journal
from drawbar.core.store.statement import Statement


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


def plan(journal, statement):
    with journal.read() as conn:
        said = f"EXPLAIN QUERY PLAN {statement._text(conn.dialect)}"
        given = {"run_id": "r", "signer": "s", "origin": "o", "intent": "i"}
        return [row[3] for row in conn.connection.cursor().execute(said, given).fetchall()]


def test_live_items_are_found_without_those_that_are_done(journal):
    [step] = plan(journal, runs._LIVE)

    assert "COVERING INDEX task_runs_live" in step


def test_tasks_are_found_without_their_items(journal):
    looks = [step for step in plan(journal, runs._WHOLE) if step.startswith("SEARCH")]

    assert looks[-2].endswith("(run_id=? AND task>?)")
    assert looks[-1].endswith("(run_id=? AND task=? AND item=?)")
    assert all("PRIMARY KEY" in look for look in looks)


def test_what_is_not_linked_yet_is_found_without_what_is(journal):
    assert plan(journal, audit._OWN)[0] == "SEARCH audit_blocks USING INDEX audit_linked (chain=?)"


def test_open_calls_are_found_without_what_runs_have_open(journal):
    [step] = plan(journal, Statement(f"SELECT id FROM ledger WHERE {OPEN_CALLS} AND expires_at < 5"))

    assert step == "SEARCH ledger USING INDEX ledger_calls (expires_at<?)"


def test_the_task_of_a_parked_write_is_found_without_those_that_are_done(journal):
    assert "USING INDEX task_runs_unknown (intent=?)" in plan(journal, claims._OF_INTENT)[0]
