"""A run that this process began or ended is given without a look at the journal, and is what the journal has."""

from decimal import Decimal

import pytest
from scripted import ME, House

from drawbar.core.errors import Rejected


def answers(arguments):
    if arguments.get("fails"):
        raise Rejected("the other side said no", detail={"at": Decimal("1.50")})
    return {"n": arguments.get("n"), "text": "x" * arguments.get("size", 1)}


FLOWS = {
    "w": {
        "output": "${{ tasks.do.output }}",
        "tasks": {
            "do": {
                "tool": "sys.do",
                "with": {"n": "${{ input.n }}", "fails": "${{ input.fails }}", "size": "${{ input.size }}"},
            }
        },
    },
    "waits": {"tasks": {"wait": {"wait_s": 60}}},
    "nothing": {"tasks": {}},
}


@pytest.fixture
def house(tmp_path):
    with House(tmp_path, {"do": ("write", answers)}, FLOWS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"n": Decimal("10.00"), "fails": False, "size": 1}, "succeeded"),
        ({"n": 2**60, "fails": False, "size": 200_000}, "succeeded"),
        ({"n": 1, "fails": True, "size": 1}, "failed"),
        ({"n": "y" * 200_000, "fails": False, "size": 1}, "succeeded"),
    ],
)
def test_what_a_wait_gives_is_what_the_journal_has(house, given, state):
    run = house.engine.wait(house.engine.start("w", given, caller=ME, key="k", date="2026-01-02").id, 60)

    assert run.state == state
    assert run == house.engine.run(run.id)


@pytest.mark.parametrize(("workflow", "state"), [("waits", "waiting"), ("nothing", "succeeded")])
def test_what_a_start_gives_is_what_the_journal_has(house, workflow, state):
    run = house.engine.start(workflow, {"when": Decimal("1.0")}, caller=ME, trigger_id="once")

    assert run.state == state
    assert run == house.engine.run(run.id) == house.engine.start(workflow, {}, caller=ME, trigger_id="once")


def test_a_wait_hears_why_an_operator_cancelled(house):
    run = house.engine.start("waits", {}, caller=ME)

    house.engine.cancel(run.id, caller=ME, reason="not today")

    assert house.engine.wait(run.id, 60) == house.engine.run(run.id)
    assert house.engine.run(run.id).reason == "not today"


def test_a_wait_hears_the_reason_of_a_pause_that_is_over(house):
    run = house.engine.start("waits", {}, caller=ME)
    house.engine.pause(run.id, caller=ME, reason="for a while")
    house.engine.resume(run.id, caller=ME)
    house.journal.write(lambda conn: conn.exec_driver_sql("update task_runs set due_at = 0 where state = 'waiting'"))

    ended = house.engine.wait(run.id, 60)

    assert (ended.state, ended.reason) == ("succeeded", "for a while")
