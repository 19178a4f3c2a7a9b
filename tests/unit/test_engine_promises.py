"""What the engine promises where something goes wrong between its commits, or in one run beside many."""

import threading
import time
from decimal import Decimal

import pytest
from scripted import ME, OTHER, House
from tenacity.wait import wait_fixed
from waiting import eventually

from drawbar.core.access import AgentConfig, Caller
from drawbar.core.course import Course
from drawbar.core.errors import InputError, Rejected, Unavailable
from drawbar.core.store import ledger
from drawbar.core.work import StillRuns, Work


class Dies(BaseException):
    """Ends a thread as a crash would: nothing is stored, and nothing is given back."""


def steps(**tasks):
    return {"w": {"tasks": {name: {"tool": "sys.do", **said} for name, said in tasks.items()}}}


def entries(house, run_id):
    with house.journal.read() as conn:
        return [ledger.find(conn, task.intent) for task in house.engine.tasks(run_id) if task.intent]


def end_leases(house):
    house.journal.write(
        lambda conn: conn.exec_driver_sql("update task_runs set lease_until = 1 where state = 'running'")
    )


def test_a_crash_after_the_first_answer_of_a_key_was_found_stops_no_other_run(tmp_path, monkeypatch):
    """The task has written no intent of its own then, so there is nothing in the ledger to be looked up."""
    paid = []
    flow = steps(pay={"with": {"n": "${{ input.n }}"}})
    rules = {"do": {"key": "${{ arguments.n }}"}}
    house = House(tmp_path, {"do": ("write", lambda a: paid.append(a["n"]) or {"id": 1})}, flow, rules=rules)
    with house:
        assert house.run("w", {"n": 1}).state == "succeeded"
        finish, died = Work._finish, []

        def dies_once(self, claim, settle):
            if not died:
                died.append(claim)
                return []
            return finish(self, claim, settle)

        monkeypatch.setattr(Work, "_finish", dies_once)
        run = house.engine.start("w", {"n": 1}, caller=ME)
        while not died:
            time.sleep(0.01)
        end_leases(house)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert house.run("w", {"n": 2}).state == "succeeded"
    assert paid == [1, 2]


def test_what_cannot_be_stored_ends_its_task_and_not_its_thread_or_its_lease(tmp_path, monkeypatch):
    """A task whose outcome cannot be committed is not held for ever by a process that lives."""
    broken = []
    conclude = ledger.conclude

    def breaks_once(conn, entry_id, **said):
        if not broken:
            broken.append(entry_id)
            raise TypeError("this cannot be written")
        return conclude(conn, entry_id, **said)

    monkeypatch.setattr(ledger, "conclude", breaks_once)
    with House(tmp_path, {"do": ("write", lambda _: {"id": 1})}, steps(pay={})) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not broken:
            time.sleep(0.01)
        eventually(lambda: house.engine._leases._held == {})

        end_leases(house)
        house.until(run.id, "parked")
        assert [entry["state"] for entry in entries(house, run.id)] == ["unknown"]


def test_one_run_that_cannot_go_on_holds_up_no_other(tmp_path, monkeypatch):
    """The sweeper looks at each finding by itself."""
    flow = steps(do={"retry": {"attempts": 5}})
    answers = {"bad": 0, "good": 0}

    def do(arguments):
        answers[arguments["n"]] += 1
        if answers[arguments["n"]] == 1:
            raise Unavailable("away")
        return arguments

    flow["w"]["tasks"]["do"]["with"] = {"n": "${{ input.n }}"}
    with House(tmp_path, {"do": ("read", do)}, flow, wait=wait_fixed(0.2)) as house:
        move, bad = house.engine._sweep._move, []

        def breaks(run_id, *rest):
            if run_id in bad:
                raise TypeError("a defect in this run alone")
            move(run_id, *rest)

        monkeypatch.setattr(house.engine._sweep, "_move", breaks)
        bad.append(house.engine.start("w", {"n": "bad"}, caller=ME).id)

        assert house.run("w", {"n": "good"}, timeout_s=60).state == "succeeded"


def test_an_expression_over_numbers_that_cannot_be_compared_fails_its_task(tmp_path):
    flow = steps(one={}, two={"needs": ["one"], "if": "${{ tasks.one.output.n > 10 }}"})
    with House(tmp_path, {"do": ("read", lambda _: {"n": Decimal("NaN")})}, flow) as house:
        run = house.run("w")

        assert run.state == "failed"
        assert run.error["task"] == "two"


def test_a_sync_that_another_process_still_holds_is_waited_for_and_costs_no_attempt(tmp_path):
    """The hold of a process that was killed runs out after a while; the run waits as long as that takes."""
    asked = []

    def run_sync(name, *, run_id, date):
        asked.append(name)
        if len(asked) < 6:
            raise StillRuns("sync s runs already", retry_after_s=0.02)
        return {"read": 1}

    flow = {"w": {"tasks": {"load": {"sync": "s", "retry": {"attempts": 1}}}}}
    with House(tmp_path, {}, flow, run_sync=run_sync) as house:
        assert house.run("w").state == "succeeded"
    assert len(asked) == 6


def test_the_time_of_an_approval_is_not_the_time_of_retries(tmp_path):
    tried = []

    def do(_):
        tried.append(1)
        if len(tried) == 1:
            raise Unavailable("away")
        return {}

    flow = steps(pay={"retry": {"attempts": 5, "within_s": 0.5}})
    with House(tmp_path, {"do": ("write", do)}, flow, rules={"do": {"approval": {}}}) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        time.sleep(0.7)
        [question] = house.desk.approvals(run_id=run.id)
        house.desk.answer(question["id"], approved=True, caller=OTHER)

        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_an_intent_of_its_own_that_never_ended_is_parked_and_not_waited_for(tmp_path):
    """The commit of the intent was made, but its answer was lost: nobody calls, and nobody would ever say so."""
    paid = []
    with House(tmp_path, {"do": ("write", lambda _: paid.append(1) or {})}, steps(pay={})) as house:
        write, lost = house.journal.write, []

        def loses_an_answer(unit):
            result = write(unit)
            if isinstance(result, ledger.Fresh) and not lost:
                lost.append(result)
                raise Unavailable("the connection broke in commit")
            return result

        house.engine._record.journal.write = loses_an_answer
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "parked")

        [entry] = entries(house, run.id)
        assert (entry["state"], paid) == ("unknown", [])
        house.desk.settle(entry["id"], done=False, caller=OTHER)
        assert house.engine.wait(run.id, 60).state == "succeeded"
    assert paid == [1]


def test_an_answer_that_cannot_be_kept_is_done_all_the_same(tmp_path):
    def deep(_):
        answer = {}
        for _ in range(300):
            answer = {"in": answer}
        return answer

    with House(
        tmp_path,
        {"do": ("write", deep), "half": ("write", lambda _: {"a": "\ud800"})},
        {"w": {"tasks": {"deep": {"tool": "sys.do"}, "half": {"tool": "sys.half"}}}},
    ) as house:
        run = house.run("w")

        assert house.states(run.id) == {"deep": "succeeded", "half": "succeeded"}
        assert [entry["state"] for entry in entries(house, run.id)] == ["done", "done"]


def test_a_ready_task_that_cannot_be_claimed_is_not_the_next_one_for_ever(tmp_path, monkeypatch):
    house = House(tmp_path, {"do": ("read", lambda a: a)}, steps(do={}))
    bad = house.engine.start("w", {}, caller=ME).id  # nobody works yet: both stay ready
    good = house.engine.start("w", {}, caller=ME).id
    claim = Course.claim

    def breaks(self, task, item):
        if self.run_id == bad:
            raise TypeError("a defect in this run alone")
        claim(self, task, item)

    monkeypatch.setattr(Course, "claim", breaks)
    with house:
        assert house.engine.wait(good, 60).state == "succeeded"
        assert house.engine.run(bad).state == "running"


def test_who_may_only_run_lets_nobody_elses_writes_be_done_again(tmp_path):
    """A retry goes on with the rights of who started the run."""
    clerk = Caller.agent("clerk", AgentConfig(scopes=["read", "run"]))
    flow = steps(pay={}, fails={"needs": ["pay"], "if": "${{ input.nothing }}"})
    paid = []
    with House(tmp_path, {"do": ("write", lambda _: paid.append(1) or {})}, flow) as house:
        run = house.run("w")
        with pytest.raises(InputError) as error:
            house.engine.retry(run.id, caller=clerk, from_task="pay")

        assert (error.value.reason, paid) == ("forbidden", [1])


def test_a_corrected_input_is_what_every_process_goes_on_with(tmp_path):
    """The one that knew the run before its retry too."""
    flow = {"tasks": {"do": {"tool": "sys.do", "with": {"n": "${{ input.n }}"}, "retry": {"attempts": 1}}}}
    paid = []

    def do(arguments):
        if arguments["n"] < 0:
            raise Rejected("no")
        paid.append(arguments["n"])

    first = House(tmp_path, {"do": ("write", do)}, {"w": flow})  # knows the run, and does not work yet
    run = first.engine.start("w", {"n": -1}, caller=ME)
    with House(tmp_path, {"do": ("write", do)}, {"w": flow}) as second:
        assert second.engine.wait(run.id, 60).state == "failed"
    third = House(tmp_path, {"do": ("write", do)}, {"w": flow})
    third.engine.retry(run.id, caller=ME, input={"n": 7})
    third.end()

    with first:
        assert first.engine.wait(run.id, 60).state == "succeeded"
    assert paid == [7]


def test_what_another_process_wants_of_a_run_reaches_the_one_that_remembers_it(tmp_path):
    """The outcome of a task relies on what is remembered, and finds out that it is not so."""
    called, go_on = [], threading.Event()

    def do(arguments):
        called.append(arguments["n"])
        assert go_on.wait(60)

    flow = steps(one={}, two={"needs": ["one"]})
    for n, name in enumerate(flow["w"]["tasks"]):
        flow["w"]["tasks"][name]["with"] = {"n": n}
    with House(tmp_path, {"do": ("write", do)}, flow) as first:
        run = first.engine.start("w", {}, caller=ME)
        while not called:
            time.sleep(0.01)
        second = House(tmp_path, {"do": ("write", do)}, flow)
        second.engine.pause(run.id, caller=ME)
        go_on.set()

        while first.states(run.id)["one"] != "succeeded":
            time.sleep(0.01)
        assert second.engine.run(run.id).state == "paused"
        assert called == [0]

        second.engine.resume(run.id, caller=ME)
        second.end()
        first.until(run.id, "succeeded")
    assert called == [0, 1]
