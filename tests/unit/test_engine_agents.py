"""Tasks that agents do: handed over, answered once, withdrawn, or over in time."""

import time

import pytest
from scripted import ME, House

from drawbar.core.access import SCOPES, Caller
from drawbar.core.errors import InputError, Rejected

CLERK = Caller("clerk")
OTHER = Caller("other")
DESK = Caller("desk", scopes=SCOPES)
NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def state(request, monkeypatch):
    """Let every test run on both kinds of journal."""
    if request.param == "postgresql":
        monkeypatch.setattr(House, "state", request.getfixturevalue("pg_url"))


def think(**said):
    flow = {"tasks": {"think": {"agent": "clerk", "with": {"task": "Count ${{ input.what }}."}, **said}}}
    return {"w": {**flow, "output": "${{ tasks.think.output }}"}}


def opened(house, run):
    house.until(run.id, "waiting")
    return house.assignments.page(caller=CLERK, agent="clerk")


def test_a_task_is_handed_to_its_agent_and_goes_on_with_the_answer(tmp_path):
    with House(tmp_path, {}, think(description="Counting.", output=NUMBER)) as house:
        run = house.engine.start("w", {"what": "sheep"}, caller=ME)
        (open_,) = opened(house, run)
        assert (open_["input"], open_["description"]) == ({"task": "Count sheep."}, "Counting.")
        assert (open_["output_schema"], open_["run_id"], open_["task"]) == (NUMBER, run.id, "think")
        answered = house.assignments.answer(open_["id"], caller=CLERK, output={"n": 3})

        assert (answered["state"], answered["answered_by"], answered["output"]) == ("done", "clerk", {"n": 3})
        assert house.engine.wait(run.id, 60).output == {"n": 3}
        assert {"assignment.made", "assignment.answered"} <= set(house.types(run.id))
        assert house.assignments.page(caller=CLERK, agent="clerk") == []


def test_an_answer_that_does_not_fit_is_refused_and_leaves_it_open(tmp_path):
    with House(tmp_path, {}, think(output=NUMBER)) as house:
        run = house.engine.start("w", {"what": "sheep"}, caller=ME)
        (open_,) = opened(house, run)
        with pytest.raises(InputError) as wrong:
            house.assignments.answer(open_["id"], caller=CLERK, output={"n": "three"})
        assert (wrong.value.status, wrong.value.field) == (422, "output.n")
        with pytest.raises(InputError, match="n"):
            house.assignments.answer(open_["id"], caller=CLERK, output={})

        house.assignments.answer(open_["id"], caller=CLERK, output={"n": 1})
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_it_is_answered_once_and_by_its_agent_or_an_operator(tmp_path):
    with House(tmp_path, {}, think()) as house:
        run = house.engine.start("w", {"what": "sheep"}, caller=ME)
        (open_,) = opened(house, run)
        for act in (
            lambda: house.assignments.answer(open_["id"], caller=OTHER, output=1),
            lambda: house.assignments.answer(open_["id"], caller=Caller.workflow("clerk"), output=1),
            lambda: house.assignments.page(caller=OTHER, agent="clerk"),
            lambda: house.assignments.page(caller=CLERK),
            lambda: house.assignments.find(open_["id"], caller=OTHER),
        ):
            with pytest.raises(InputError) as refused:
                act()
            assert refused.value.reason == "forbidden"
        assert len(house.assignments.page(caller=DESK)) == 1
        house.assignments.answer(open_["id"], caller=DESK, output="many")

        with pytest.raises(InputError, match="is not open: it is done") as late:
            house.assignments.answer(open_["id"], caller=CLERK, output=1)
        assert late.value.reason == "conflict"
        assert house.engine.wait(run.id, 60).output == "many"


def test_an_agent_that_cannot_do_it_fails_the_task_and_a_retry_asks_again(tmp_path):
    with House(tmp_path, {}, think()) as house:
        run = house.engine.start("w", {"what": "sheep"}, caller=ME)
        (open_,) = opened(house, run)
        house.assignments.answer(open_["id"], caller=CLERK, error="There are none.")
        failed = house.engine.wait(run.id, 60)
        assert (failed.state, failed.error["message"], failed.error["kind"]) == (
            "failed",
            "There are none.",
            "rejected",
        )
        house.engine.retry(run.id, caller=ME)
        (again,) = opened(house, run)
        assert again["id"] != open_["id"]
        house.assignments.answer(again["id"], caller=CLERK, output=0)

        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_cancel_withdraws_it(tmp_path):
    with House(tmp_path, {}, think()) as house:
        run = house.engine.start("w", {"what": "sheep"}, caller=ME)
        (open_,) = opened(house, run)
        house.engine.cancel(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == "cancelled"
        assert house.assignments.find(open_["id"], caller=CLERK)["state"] == "withdrawn"
        with pytest.raises(InputError, match="withdrawn"):
            house.assignments.answer(open_["id"], caller=CLERK, output=1)


def test_a_time_that_is_over_fails_the_task(tmp_path):
    with House(tmp_path, {}, think(within_h=0.3 / 3600)) as house:
        run = house.run("w", {"what": "sheep"})

        assert (run.state, run.error["message"]) == ("failed", "clerk did not answer in time")
        assert run.error["kind"] == Rejected.kind
        (one,) = house.assignments.page(caller=DESK, state=None)
        assert one["state"] == "expired"


def test_a_list_is_handed_over_item_by_item(tmp_path):
    each = {"in": "${{ ['a', 'b', 'c'] }}", "concurrency": 2}
    with House(tmp_path, {}, think(for_each=each, **{"with": {"letter": "${{ item }}"}})) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not house.engine.run(run.id).is_final:
            for one in house.assignments.page(caller=CLERK, agent="clerk"):
                assert len(house.assignments.page(caller=CLERK, agent="clerk")) <= 2
                house.assignments.answer(one["id"], caller=CLERK, output=one["input"]["letter"] * 2)
            time.sleep(0.02)

        assert house.engine.run(run.id).output == ["aa", "bb", "cc"]
