"""Tasks that other runs do: a child is a run of its own, and what happens to one of the two reaches the other."""

import threading
import time

import pytest
from scripted import ME, OTHER, House
from waiting import eventually

from drawbar.core.access import Caller
from drawbar.core.errors import OutcomeUnknown, Rejected
from drawbar.core.record import Record


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def state(request, monkeypatch):
    """Let every test run on both kinds of journal."""
    if request.param == "postgresql":
        monkeypatch.setattr(House, "state", request.getfixturevalue("pg_url"))


class Log:
    """What the system was asked, in order; it answers once it is let."""

    def __init__(self, answer=lambda arguments: arguments, *, shut=False):
        self.calls = []
        self.answer = answer
        self.open = threading.Event()
        if not shut:
            self.open.set()

    def __call__(self, arguments):
        self.calls.append(arguments.get("n"))
        assert self.open.wait(60)
        return self.answer(arguments)


def do(**said):
    return {"tool": "sys.do", "with": {"n": "${{ input.n }}"}, **said}


def flows(child=None, **tasks):
    """A workflow `w` of these tasks beside `bill`, which does what `child` says."""
    bill = {"tasks": child or {"do": do()}, "output": "${{ {'n': input.n} }}"}
    return {"w": {"tasks": tasks}, "bill": bill}


def bill(n=1, **said):
    return {"workflow": "bill", "with": {"n": n}, **said}


def children(house, run_id):
    return sorted(house.engine.runs(parent=run_id), key=lambda run: run.id)


def child_of(house, run_id):
    end = time.monotonic() + 60
    while not (found := children(house, run_id)):
        assert time.monotonic() < end
        time.sleep(0.01)
    (child,) = found
    return child


def test_a_task_runs_a_workflow_and_gives_its_output(tmp_path):
    log = Log()
    workflows = flows(
        sub=bill("${{ input.x + 1 }}"), after={**do(needs=["sub"]), "with": {"n": "${{ tasks.sub.output.n }}"}}
    )
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        run = house.run("w", {"x": 6}, date="2026-11-20")

        assert (run.state, log.calls) == ("succeeded", [7, 7])
        child = child_of(house, run.id)
        assert (child.state, child.workflow, child.input, child.date) == ("succeeded", "bill", {"n": 7}, "2026-11-20")
        assert child.caller == run.caller
        assert (child.parent_run, child.parent_task, child.parent_item) == (run.id, "sub", None)
        assert [task.child for task in house.engine.tasks(run.id)] == [child.id, None]


def test_a_child_that_fails_fails_its_task_with_its_error_and_its_run(tmp_path):
    def no(_):
        raise Rejected("no such order", detail={"code": 7})

    with House(tmp_path, {"do": ("read", no)}, flows(sub=bill())) as house:
        run = house.run("w")

        assert run.state == "failed"
        child = child_of(house, run.id)
        assert (run.error["message"], run.error["detail"]) == ("no such order", {"code": 7})
        assert (run.error["task"], run.error["run_id"]) == ("sub", child.id)


def test_what_a_child_cannot_begin_with_fails_its_task(tmp_path):
    workflows = flows(sub=bill("no number"))
    workflows["bill"]["input"] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    workflows["gone"] = {"tasks": {"sub": {"workflow": "nowhere"}}}
    with House(tmp_path, {"do": ("read", Log())}, workflows) as house:
        wrong, gone = house.run("w"), house.run("gone")

        assert (wrong.state, wrong.error["kind"]) == ("failed", "input")
        assert "workflow bill: n:" in wrong.error["message"]
        assert (gone.state, gone.error["message"]) == ("failed", "there is no workflow 'nowhere'")
        assert not children(house, wrong.id)


def test_for_each_runs_a_workflow_for_each_item_and_keeps_its_concurrency(tmp_path):
    log = Log(shut=True)
    each = {"in": "${{ [1, 2, 3, 4, 5] }}", "concurrency": 2}
    workflows = flows(sub=bill("${{ item }}", for_each=each))
    workflows["w"]["output"] = "${{ tasks.sub.output }}"
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        run = house.engine.start("w", {}, caller=ME)
        eventually(lambda: len(log.calls) == 2)
        time.sleep(0.5)
        assert len(log.calls) == len(children(house, run.id)) == 2
        log.open.set()
        run = house.engine.wait(run.id, 60)

        assert run.state == "succeeded"
        assert run.output == [{"n": n} for n in (1, 2, 3, 4, 5)]
        assert sorted(child.parent_item for child in children(house, run.id)) == [0, 1, 2, 3, 4]


def test_the_task_holds_no_thread_while_its_child_works(tmp_path):
    """One thread is enough for twenty runs, each one task of the one above; a further one is refused."""
    deep = {
        "tasks": {"sub": {"workflow": "deep", "if": "${{ input.left > 0 }}", "with": {"left": "${{ input.left - 1 }}"}}}
    }
    with House(tmp_path, {}, {"deep": deep}, threads=1) as house:
        assert house.run("deep", {"left": 20}, timeout_s=60).state == "succeeded"
        run = house.run("deep", {"left": 21}, timeout_s=60)

        assert run.state == "failed"
        assert "20 runs stand above it" in run.error["message"]


def test_a_child_waits_for_the_run_that_holds_its_key(tmp_path):
    log = Log(shut=True)
    workflows = flows(sub=bill())
    workflows["bill"]["key"] = "${{ input.n }}"
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        first = house.engine.start("bill", {"n": 1}, caller=ME)
        run = house.engine.start("w", {}, caller=ME)
        assert child_of(house, run.id).state == "queued"
        assert house.until(run.id, "waiting")
        log.open.set()

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert house.engine.run(first.id).state == "succeeded"
        assert house.types(child_of(house, run.id).id)[:2] == ["run.queued", "run.started"]


def test_a_child_of_a_paused_run_that_gets_its_key_begins_nothing(tmp_path):
    log = Log(shut=True)
    workflows = flows(sub=bill())
    workflows["bill"]["key"] = "${{ input.n }}"
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        first = house.engine.start("bill", {"n": 1}, caller=ME)
        run = house.engine.start("w", {}, caller=ME)
        child = child_of(house, run.id)
        house.engine.pause(run.id, caller=ME)
        log.open.set()
        house.until(first.id, "succeeded")
        house.until(child.id, "paused")
        assert log.calls == [1]

        house.engine.resume(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_a_held_workflow_makes_the_task_wait_and_uses_up_no_attempt(tmp_path):
    from drawbar.core.holds import Brake

    with House(tmp_path, {"do": ("read", Log())}, flows(sub=bill())) as house:
        holds = house.guard.holds
        brake = Brake(house.journal, holds, lambda: {"workflow": ["bill"]})
        brake.hold("bill", caller=ME)
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        assert "bill is held by cli:me" in house.engine.tasks(run.id)[0].error["message"]
        assert not children(house, run.id)

        brake.release("bill", caller=ME)
        holds.sweep()
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_cancel_reaches_the_child_and_waits_for_its_end(tmp_path):
    log = Log(shut=True)
    child = {"do": do(), "then": do(needs=["do"])}
    with House(tmp_path, {"do": ("read", log)}, flows(child, sub=bill())) as house:
        run = house.engine.start("w", {}, caller=ME)
        child = child_of(house, run.id)
        while not log.calls:
            time.sleep(0.01)
        house.engine.cancel(run.id, caller=ME, reason="wrong order")
        assert house.engine.run(run.id).state == "running", "what runs ends first"
        log.open.set()

        assert house.engine.wait(run.id, 60).state == "cancelled"
        assert house.engine.run(child.id).state == "cancelled"
        assert (house.states(run.id), log.calls) == ({"sub": "cancelled"}, [1])
        said = [event for event in house.engine.events(limit=1000, run_id=child.id) if event.type == "run.cancelling"]
        assert said[0].body == {"by": "cli:me", "reason": "wrong order", "parent": run.id}


def test_cancel_and_pause_reach_those_that_wait_two_levels_down(tmp_path):
    workflows = flows({"ask": {"approval": {}}}, mid={"workflow": "mid", "with": {"n": 1}})
    workflows["mid"] = {"tasks": {"sub": bill()}}
    with House(tmp_path, {}, workflows) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        mid = child_of(house, run.id)
        low = child_of(house, mid.id)
        house.engine.pause(run.id, caller=ME)
        assert {house.engine.run(one.id).state for one in (run, mid, low)} == {"paused"}
        house.engine.resume(run.id, caller=ME)
        house.until(run.id, "waiting")
        house.engine.cancel(run.id, caller=ME)

        assert {house.engine.wait(one.id, 60).state for one in (run, mid, low)} == {"cancelled"}
        assert [one["state"] for one in house.desk.approvals(state=None)] == ["withdrawn"]


def test_pause_lets_the_child_begin_nothing_more_until_it_is_resumed(tmp_path):
    log = Log(shut=True)
    child = {"do": do(), "then": do(needs=["do"])}
    with House(tmp_path, {"do": ("read", log)}, flows(child, sub=bill())) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not log.calls:
            time.sleep(0.01)
        house.engine.pause(run.id, caller=ME)
        log.open.set()
        house.until(child_of(house, run.id).id, "paused")
        time.sleep(0.3)
        assert (child_of(house, run.id).state, log.calls) == ("paused", [1])

        house.engine.resume(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert log.calls == [1, 1]


def test_a_person_who_cancels_the_child_alone_fails_the_task(tmp_path):
    with House(tmp_path, {}, flows({"ask": {"approval": {}}}, sub=bill())) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        child = child_of(house, run.id)
        house.engine.cancel(child.id, caller=OTHER)
        run = house.engine.wait(run.id, 60)

        assert (run.state, run.error["message"]) == ("failed", f"run {child.id} was cancelled")


def test_how_a_child_stands_is_how_its_parent_stands(tmp_path):
    """A write that is parked and a question to a person are seen from above."""

    def lost(_):
        raise OutcomeUnknown("no answer")

    child = {"ask": {"approval": {}}, "do": do(needs=["ask"])}
    with House(tmp_path, {"do": ("write", lost)}, flows(child, sub=bill())) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        (asked,) = house.desk.approvals()
        house.desk.answer(asked["id"], approved=True, caller=OTHER)
        house.until(run.id, "parked")
        assert house.states(run.id) == {"sub": "parked"}

        (letter,) = house.desk.dead_letters()
        house.desk.settle(letter["id"], done=True, result={"id": 1}, caller=OTHER)
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_a_retry_goes_on_in_the_child_that_failed(tmp_path):
    """What is finished in it is not done again, and corrected input reaches it."""
    log = Log()

    def answer(arguments):
        if arguments["n"] == "bad":
            raise Rejected("bad")
        return arguments

    log.answer = answer
    child = {"once": {"tool": "sys.do", "with": {"n": "once"}}, "do": do(needs=["once"])}
    workflows = flows(child, sub=bill("${{ input.n }}"))
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        run = house.run("w", {"n": "bad"})
        first = child_of(house, run.id)
        assert run.state == "failed"
        house.engine.retry(run.id, caller=ME, input={"n": "good"})
        run = house.engine.wait(run.id, 60)

        assert (run.state, log.calls) == ("succeeded", ["once", "bad", "good"])
        again = child_of(house, run.id)
        assert (again.id, again.state, again.input) == (first.id, "succeeded", {"n": "good"})
        assert "run.retried" in house.types(first.id)


def test_a_child_that_a_person_has_brought_to_its_end_is_not_begun_again(tmp_path):
    fails = [True]

    def answer(arguments):
        if fails:
            raise Rejected("not today")
        return arguments

    log = Log(answer)
    with House(tmp_path, {"do": ("read", log)}, flows(sub=bill())) as house:
        run = house.run("w")
        child = child_of(house, run.id)
        fails.clear()
        house.engine.retry(child.id, caller=ME)
        assert house.engine.wait(child.id, 60).state == "succeeded"
        assert house.engine.run(run.id).state == "failed", "it was over before"
        house.engine.retry(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert log.calls == [1, 1]


def test_a_retry_from_a_task_that_is_done_begins_a_new_child(tmp_path):
    def answer(arguments):
        if arguments["n"] == "no":
            raise Rejected("no")
        return arguments

    log = Log(answer)
    with House(
        tmp_path, {"do": ("read", log)}, flows(sub=bill(), no={"tool": "sys.do", "needs": ["sub"], "with": {"n": "no"}})
    ) as house:
        run = house.run("w")
        house.engine.retry(run.id, caller=ME, from_task="sub")
        house.engine.wait(run.id, 60)

        assert log.calls == [1, "no", 1, "no"]
        assert len(children(house, run.id)) == 2


def test_a_retry_of_a_list_goes_on_in_the_child_of_each_item(tmp_path):
    bad = [2]

    def answer(arguments):
        if arguments["n"] in bad:
            raise Rejected("two")
        return arguments

    log = Log(answer)
    workflows = flows(sub=bill("${{ item }}", for_each={"in": "${{ input.list }}"}))
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        run = house.run("w", {"list": [1, 2, 3]})
        assert run.state == "failed"
        bad.clear()
        house.engine.retry(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert log.calls == [1, 2, 2, 3]
        assert len(children(house, run.id)) == 3


def test_an_item_that_is_another_one_now_gets_a_child_of_its_own(tmp_path):
    log = Log(lambda arguments: 1 / 0 if arguments["n"] == 2 else arguments)
    workflows = flows(sub=bill("${{ item }}", for_each={"in": "${{ input.list }}"}))
    with House(tmp_path, {"do": ("read", log)}, workflows) as house:
        run = house.run("w", {"list": [1, 2]})
        house.engine.retry(run.id, caller=ME, input={"list": [1, 5]})

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert sorted(child.input["n"] for child in children(house, run.id)) == [1, 2, 5]


def test_a_workflow_that_runs_for_itself_may_call_what_its_children_name(tmp_path):
    """A schedule runs as its workflow, whose configuration agreed to its children as to its tools."""
    with House(tmp_path, {"do": ("write", Log())}, flows(sub=bill())) as house:
        run = house.engine.start("w", {}, caller=Caller.workflow("w"))
        run = house.engine.wait(run.id, 60)

        assert run.state == "succeeded"
        assert child_of(house, run.id).caller == "workflow:w"


def test_a_crash_between_the_childs_end_and_its_parents_fact_is_caught_up(tmp_path, monkeypatch):
    told = Record._told
    monkeypatch.setattr(Record, "_told", lambda self, parent, child, room: [])
    with House(tmp_path, {"do": ("read", Log())}, flows(sub=bill())) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(child_of(house, run.id).id, "succeeded")
        time.sleep(0.2)
        assert house.engine.run(run.id).state == "running"
        monkeypatch.setattr(Record, "_told", told)
        house.engine._sweep.catch_up()

        assert house.engine.run(run.id).state == "succeeded"
        house.engine._sweep.catch_up()
        assert house.types(run.id).count("task.succeeded") == 1


def test_many_children_that_end_together_all_reach_their_parent(tmp_path):
    each = {"in": "${{ input.list }}", "concurrency": 20}
    with House(tmp_path, {"do": ("read", Log())}, flows(sub=bill("${{ item }}", for_each=each))) as house:
        run = house.run("w", {"list": list(range(100))}, timeout_s=60)

        assert run.state == "succeeded"
        assert {child.state for child in house.engine.runs(parent=run.id, limit=200)} == {"succeeded"}
