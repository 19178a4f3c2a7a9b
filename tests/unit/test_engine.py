"""The engine on one machine: what tasks can say, what operators can do, and what a restart may not lose."""

import threading
import time
from collections import Counter

import pytest
from scripted import ME, OTHER, House
from tenacity.wait import wait_fixed
from waiting import eventually

from drawbar.core.errors import InputError, OutcomeUnknown, Rejected, Unavailable


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def state(request, monkeypatch):
    """Let every test run on both kinds of journal."""
    if request.param == "postgresql":
        monkeypatch.setattr(House, "state", request.getfixturevalue("pg_url"))


def reads(function):
    return {"do": ("read", function)}


def steps(**tasks):
    return {"w": {"tasks": {name: {"tool": "sys.do", **said} for name, said in tasks.items()}}}


class Log:
    """What the system was asked, in order."""

    def __init__(self, answer=lambda arguments: arguments):
        self.calls = []
        self.answer = answer

    def __call__(self, arguments):
        self.calls.append(arguments.get("n"))
        return self.answer(arguments)


def test_tasks_run_in_the_order_of_their_needs(tmp_path):
    log = Log()
    flow = steps(
        last={"needs": ["left", "right"], "with": {"n": "last"}},
        left={"needs": ["first"], "with": {"n": "left"}},
        right={"needs": ["first"], "with": {"n": "right"}},
        first={"with": {"n": "first"}},
    )
    with House(tmp_path, reads(log), flow) as house:
        run = house.run("w")

        assert run.state == "succeeded"
        assert log.calls[0] == "first"
        assert set(log.calls[1:3]) == {"left", "right"}
        assert log.calls[3:] == ["last"]


def test_branches_run_at_the_same_time(tmp_path):
    meet = threading.Barrier(3)
    flow = steps(a={}, b={}, c={})
    with House(tmp_path, reads(lambda _: meet.wait(60) and None), flow) as house:
        assert house.run("w").state == "succeeded"


def test_a_workflow_without_tasks_succeeds_at_once(tmp_path):
    with House(tmp_path, {}, {"w": {"description": "Nothing."}}) as house:
        run = house.engine.start("w", None, caller=ME)

        assert run.state == "succeeded"
        assert house.types(run.id) == ["run.started", "run.succeeded"]


def test_outputs_reach_the_tasks_that_name_them(tmp_path):
    flow = {
        "w": {
            "tasks": {
                "one": {"tool": "sys.do", "with": {"n": "${{ input.n + 1 }}"}},
                "two": {"tool": "sys.do", "needs": ["one"], "with": {"n": "${{ tasks.one.output.n * 10 }}"}},
            },
            "output": "${{ {'n': tasks.two.output.n, 'status': tasks.one.status} }}",
        }
    }
    with House(tmp_path, reads(lambda arguments: arguments), flow) as house:
        assert house.run("w", {"n": 4}).output == {"n": 50, "status": "succeeded"}


def test_a_condition_that_is_false_skips_the_task_and_who_needs_it(tmp_path):
    flow = steps(
        maybe={"if": "${{ input.yes }}"},
        after={"needs": ["maybe"]},
        always={"needs": ["maybe"], "when": "always"},
    )
    with House(tmp_path, reads(lambda _: None), flow) as house:
        no, yes = house.run("w", {"yes": False}), house.run("w", {"yes": True})

        assert (no.state, yes.state) == ("succeeded", "succeeded")
        assert house.states(no.id) == {"maybe": "skipped", "after": "skipped", "always": "succeeded"}
        assert set(house.states(yes.id).values()) == {"succeeded"}


def test_a_condition_that_cannot_be_evaluated_fails_its_task(tmp_path):
    with House(tmp_path, reads(lambda _: None), steps(maybe={"if": "${{ input.nothing }}"})) as house:
        run = house.run("w")

        assert run.state == "failed"
        assert run.error["task"] == "maybe"
        assert "nothing" in run.error["message"]


def test_a_failed_task_fails_the_run_and_its_error_is_the_runs(tmp_path):
    def no(_):
        raise Rejected("no such order", detail={"code": 7})

    flow = steps(a={}, b={"needs": ["a"]})
    flow["w"]["on_failure"] = {"note": {"tool": "sys.note", "with": {"n": "${{ tasks.a.error.message }}"}}}
    note = Log()
    with House(tmp_path, {"do": ("read", no), "note": ("read", note)}, flow) as house:
        run = house.run("w")

        assert run.state == "failed"
        assert (run.error["kind"], run.error["task"], run.error["detail"]) == ("rejected", "a", {"code": 7})
        assert house.states(run.id) == {"a": "failed", "b": "skipped", "note": "succeeded"}
        assert note.calls == ["no such order"]


def test_for_each_keeps_its_concurrency_and_gives_its_list_in_order(tmp_path):
    live, most, lock = [], [], threading.Lock()

    def do(arguments):
        with lock:
            live.append(arguments["n"])
            most.append(len(live))
        time.sleep(0.02)
        with lock:
            live.remove(arguments["n"])
        return {"double": arguments["n"] * 2, "at": arguments["at"]}

    each = {"in": "${{ input.list }}", "as": "thing", "concurrency": 3}
    flow = steps(
        each={"for_each": each, "with": {"n": "${{ thing }}", "at": "${{ index }}"}},
        after={"needs": ["each"], "with": {"n": "${{ size(tasks.each.output) }}", "at": 0}},
    )
    flow["w"]["output"] = "${{ tasks.each.output }}"
    with House(tmp_path, reads(do), flow) as house:
        run = house.run("w", {"list": list(range(20))})

        assert run.state == "succeeded"
        assert run.output == [{"double": n * 2, "at": n} for n in range(20)]
        assert max(most) == 3
        assert len(house.engine.tasks(run.id, items=True)) == 22


@pytest.mark.parametrize("given", [[], None])
def test_for_each_over_nothing(tmp_path, given):
    """An empty list succeeds; what is no list fails."""
    with House(tmp_path, reads(Log()), steps(each={"for_each": {"in": "${{ input.list }}"}})) as house:
        run = house.run("w", {"list": given})

        assert run.state == ("failed" if given is None else "succeeded")


def test_for_each_stops_at_the_first_failure_or_goes_on(tmp_path):
    def odd(arguments):
        if arguments["n"] == 2:
            raise Rejected("two")
        return arguments["n"]

    def flow(on_failure):
        each = {"in": "${{ input.list }}", "on_item_failure": on_failure}
        return {"tasks": {"each": {"tool": "sys.do", "for_each": each, "with": {"n": "${{ item }}"}}}}

    log = Log(odd)
    flows = {name: {**flow(name), "output": "${{ tasks.each.output }}"} for name in ("stop", "continue")}
    with House(tmp_path, reads(log), flows) as house:
        stopped = house.run("stop", {"list": [1, 2, 3]})
        assert (stopped.state, stopped.error["kind"], log.calls) == ("failed", "rejected", [1, 2])

        went_on = house.run("continue", {"list": [1, 2, 3]})
        assert (went_on.state, went_on.output) == ("succeeded", [1, None, 3])


def test_a_task_is_tried_again_when_nothing_happened_over_there(tmp_path):
    tries = Counter()

    def do(arguments):
        tries["all"] += 1
        if tries["all"] < 3:
            raise Unavailable("down")
        return "up"

    with House(tmp_path, reads(do), steps(a={"retry": {"attempts": 3}})) as house:
        run = house.run("w")

        assert run.state == "succeeded"
        assert [one["state"] for one in house.engine.attempts(run.id)] == ["delayed", "delayed", "succeeded"]
        assert house.types(run.id).count("task.retry") == 2


def test_what_was_done_at_once_has_an_attempt_and_keeps_it_when_it_is_done_again(tmp_path):
    flow = steps(a={"with": {"n": 1}}, b={"needs": ["a"], "with": {"n": "${{ input.n }}"}})
    with House(
        tmp_path, reads(lambda given: given["n"] if given["n"] > 0 else _raise(Rejected("negative"))), flow
    ) as house:
        run = house.run("w", {"n": -1})
        [first, failed] = house.engine.attempts(run.id)
        assert (first["task"], first["attempt"], first["state"], first["error"]) == ("a", 1, "succeeded", None)
        assert first["owner"] == failed["owner"] and failed["started_at"] >= first["ended_at"] >= first["started_at"]
        assert house.engine.attempts(run.id, "a") == [first]

        house.engine.retry(run.id, caller=ME, input={"n": 1}, from_task="a")
        house.engine.wait(run.id, 60)

        again = house.engine.attempts(run.id)
        assert again[:2] == [first, failed]
        assert [(one["task"], one["state"]) for one in again[2:]] == [("a", "succeeded"), ("b", "succeeded")]


def test_the_attempt_of_a_write_done_at_once_says_when_it_left(tmp_path):
    with House(tmp_path, {"do": ("write", lambda _: 1)}, steps(a={}, b={"needs": ["a"]})) as house:
        run = house.run("w")

        first, second = (one["notes"]["left_at"] for one in house.engine.attempts(run.id))
        assert second > first > 0


@pytest.mark.parametrize(
    ("error", "effect", "tries"),
    [
        (Unavailable("down"), "write", 3),
        (OutcomeUnknown("lost"), "read", 3),
        (OutcomeUnknown("lost"), "idempotent", 3),
        (Rejected("no"), "write", 1),
    ],
)
def test_attempts_are_bounded_and_follow_the_verdict(tmp_path, error, effect, tries):
    def do(_):
        raise error

    log = Log(do)
    with House(tmp_path, {"do": (effect, log)}, steps(a={"retry": {"attempts": 3}})) as house:
        run = house.run("w")

        assert (run.state, len(log.calls)) == ("failed", tries)


def test_no_attempt_starts_after_within_s(tmp_path):
    def do(_):
        raise Unavailable("down")

    log = Log(do)
    flow = steps(a={"retry": {"attempts": 100, "within_s": 1.5}})
    with House(tmp_path, reads(log), flow, wait=wait_fixed(0.5)) as house:
        assert house.run("w").state == "failed"
        assert 2 <= len(log.calls) <= 4


def test_retry_after_is_honoured(tmp_path):
    at = []

    def do(_):
        at.append(time.monotonic())
        if len(at) == 1:
            raise Unavailable("closed", retry_after_s=0.6)

    with House(tmp_path, reads(do), steps(a={"retry": {"attempts": 2}})) as house:
        assert house.run("w").state == "succeeded"
        assert at[1] - at[0] >= 0.55


def test_a_retry_outlives_the_process(tmp_path):
    """The next attempt is a row in the journal: whoever is there then makes it."""
    log = Log(lambda _: _raise(Unavailable("down")))
    flow = steps(a={"retry": {"attempts": 5}})
    with House(tmp_path, reads(log), flow, wait=wait_fixed(1)) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")

    log.answer = lambda _: "up"
    with House(tmp_path, reads(log), flow) as house:
        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert len(log.calls) == 2


def _raise(error):
    raise error


def test_a_timer_holds_no_thread(tmp_path):
    flow = {"w": {"tasks": {"pause": {"wait_s": 0.5}, "then": {"tool": "sys.do", "needs": ["pause"]}}}}
    with House(tmp_path, reads(lambda _: None), flow, threads=1) as house:
        began = time.monotonic()
        ids = [house.engine.start("w", {}, caller=ME).id for _ in range(20)]

        assert {house.engine.wait(one, 60).state for one in ids} == {"succeeded"}
        assert 0.5 <= time.monotonic() - began < 8, "they wait one after the other"


def test_the_timeout_of_a_task_reaches_its_call(tmp_path):
    seen = []

    def do(_):
        return None

    with House(tmp_path, {"do": ("read", do)}, steps(a={"timeout_s": 0.25})) as house:
        perform = house.guard.perform
        house.guard.perform = lambda *a, **k: seen.append(k["timeout_s"]) or perform(*a, **k)
        house.run("w")

        assert seen == [0.25]


def test_a_write_without_an_answer_is_parked_and_settled_by_a_person(tmp_path):
    """A lost acknowledgement never sends the invoice twice."""
    pay = Log(lambda _: _raise(OutcomeUnknown("no answer")))
    flow = {
        "w": {
            "tasks": {
                "pay": {"tool": "sys.pay"},
                "tell": {"tool": "sys.do", "needs": ["pay"], "with": {"n": "${{ tasks.pay.output.id }}"}},
            }
        }
    }
    tell = Log()
    with House(tmp_path, {"pay": ("write", pay), "do": ("read", tell)}, flow) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "parked")
        [letter] = house.desk.dead_letters()

        house.desk.settle(letter["id"], done=True, result={"id": 77}, caller=OTHER, reason="seen in the books")
        run = house.engine.wait(run.id, 60)

        assert run.state == "succeeded"
        assert (len(pay.calls), tell.calls) == (1, [77])
        assert "dead.parked" in house.types(run.id)


def test_a_parked_write_that_was_not_done_is_sent_again(tmp_path):
    pay = Log(lambda _: _raise(OutcomeUnknown("no answer")) if len(pay.calls) == 1 else {"id": 1})
    with House(tmp_path, {"do": ("write", pay)}, steps(pay={})) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "parked")
        [letter] = house.desk.dead_letters()

        house.desk.settle(letter["id"], done=False, caller=OTHER)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert len(pay.calls) == 2


def test_a_probe_answers_for_a_person(tmp_path):
    """Done: the run goes on with what the probe found; the write is not repeated."""
    booked = []

    def pay(arguments):
        booked.append(arguments["n"])
        raise OutcomeUnknown("no answer")

    rules = {
        "pay": {
            "probe": {
                "tool": "sys.find",
                "with": {"n": "${{ arguments.n }}"},
                "done": "${{ size(result) == 1 }}",
                "result": "${{ {'id': result[0]} }}",
                "after_s": 0,
            }
        }
    }
    functions = {"pay": ("write", pay), "find": ("read", lambda a: [n for n in booked if n == a["n"]])}
    flow = {"w": {"tasks": {"pay": {"tool": "sys.pay", "with": {"n": 5}}}, "output": "${{ tasks.pay.output.id }}"}}
    with House(tmp_path, functions, flow, rules=rules) as house:
        run = house.run("w")

        assert (run.state, run.output, booked) == ("succeeded", 5, [5])


def test_a_cancelled_run_waits_for_its_unknown_outcome(tmp_path):
    with House(
        tmp_path, {"do": ("write", lambda _: _raise(OutcomeUnknown("lost")))}, steps(a={}, b={"needs": ["a"]})
    ) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "parked")
        [letter] = house.desk.dead_letters()

        assert house.engine.cancel(run.id, caller=ME, reason="stop").state == "parked"
        house.desk.settle(letter["id"], done=True, caller=OTHER)

        run = house.engine.wait(run.id, 60)
        assert (run.state, run.reason) == ("cancelled", "stop")
        assert house.states(run.id) == {"a": "succeeded", "b": "cancelled"}


def test_the_same_business_key_has_one_effect_whatever_run_calls(tmp_path):
    """Two runs at the same time: one pays, the other gets the first answer."""

    def pay(arguments):
        time.sleep(0.2)
        return {"id": len(log.calls)}

    log = Log(pay)
    flow = {
        "w": {
            "tasks": {"pay": {"tool": "sys.do", "with": {"n": "${{ input.n }}"}}},
            "output": "${{ tasks.pay.output.id }}",
        }
    }
    with House(tmp_path, {"do": ("write", log)}, flow, rules={"do": {"key": "${{ string(arguments.n) }}"}}) as house:
        runs = [house.engine.start("w", {"n": 7}, caller=ME) for _ in range(4)]
        ended = [house.engine.wait(run.id, 60) for run in runs]

        assert [(run.state, run.output) for run in ended] == [("succeeded", 1)] * 4
        assert len(log.calls) == 1


def test_an_approval_task_waits_without_a_thread(tmp_path):
    flow = {
        "w": {
            "tasks": {"ask": {"approval": {"by": ["cli:other"]}, "description": "Close the day?"}},
            "output": "${{ tasks.ask.output.by }}",
        }
    }
    with House(tmp_path, {}, flow, threads=1) as house:
        yes, no = (house.engine.start("w", {}, caller=ME).id for _ in range(2))
        house.until(yes, "waiting")
        first, second = house.desk.approvals()
        assert first["description"] == "Close the day?"

        with pytest.raises(InputError, match="cannot approve"):
            house.desk.answer(first["id"], approved=True, caller=ME)
        house.desk.answer(first["id"], approved=True, caller=OTHER)
        house.desk.answer(second["id"], approved=False, caller=OTHER, reason="not today")

        assert house.engine.wait(yes, 60).output == "cli:other"
        ended = house.engine.wait(no, 60)
        assert (ended.state, ended.error["kind"]) == ("failed", "rejected")
        assert "not today" in ended.error["message"]


def test_an_approval_that_nobody_gives_expires_into_a_rejection(tmp_path):
    flow = {"w": {"tasks": {"ask": {"approval": {"within_h": 0.3 / 3600}}}}}
    with House(tmp_path, {}, flow) as house:
        run = house.run("w")

        assert (run.state, run.error["kind"]) == ("failed", "rejected")


def test_a_tool_that_needs_approval_is_called_after_it_and_only_with_these_arguments(tmp_path):
    pay = Log()
    rules = {"do": {"approval": {"when": "${{ arguments.n > 100 }}"}}}
    flow = steps(pay={"with": {"n": "${{ input.n }}"}})
    with House(tmp_path, {"do": ("write", pay)}, flow, rules=rules, threads=1) as house:
        small, large = house.run("w", {"n": 5}), house.engine.start("w", {"n": 500}, caller=ME)
        house.until(large.id, "waiting")
        assert (small.state, pay.calls) == ("succeeded", [5])

        [asked] = house.desk.approvals()
        assert asked["arguments"] == {"n": 500}
        house.desk.answer(asked["id"], approved=True, caller=OTHER)

        assert house.engine.wait(large.id, 60).state == "succeeded"
        assert pay.calls == [5, 500]


def test_a_tool_whose_approval_was_refused_is_never_called(tmp_path):
    pay = Log()
    with House(tmp_path, {"do": ("write", pay)}, steps(pay={}), rules={"do": {"approval": {}}}) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        house.desk.answer(house.desk.approvals()[0]["id"], approved=False, caller=OTHER)

        run = house.engine.wait(run.id, 60)
        assert (run.state, run.error["kind"], pay.calls) == ("failed", "rejected", [])


def test_an_answer_that_nobody_told_the_engine_is_found(tmp_path):
    """The process that took the answer died before it could say so."""
    flow = {"w": {"tasks": {"ask": {"approval": {}}}}}
    with House(tmp_path, {}, flow) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        house.desk._runs = type("Nobody", (), {"answered": lambda self, _: None})()
        house.desk.answer(house.desk.approvals()[0]["id"], approved=True, caller=OTHER)

    with House(tmp_path, {}, flow) as house:
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_cancel_lets_the_call_end_and_begins_nothing_more(tmp_path):
    go = threading.Event()
    log = Log(lambda _: go.wait(60))
    with House(tmp_path, reads(log), steps(a={}, b={"needs": ["a"]})) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not log.calls:
            time.sleep(0.01)

        house.engine.cancel(run.id, caller=ME, reason="wrong order")
        assert not house.engine.run(run.id).is_final
        go.set()

        run = house.engine.wait(run.id, 60)
        assert (run.state, run.reason) == ("cancelled", "wrong order")
        assert house.states(run.id) == {"a": "succeeded", "b": "cancelled"}
        with pytest.raises(InputError, match="over"):
            house.engine.cancel(run.id, caller=ME)


def test_cancel_withdraws_what_waits(tmp_path):
    flow = {"w": {"tasks": {"ask": {"approval": {}}, "pause": {"wait_s": 60}}}}
    with House(tmp_path, {}, flow) as house:
        run = house.engine.start("w", {}, caller=ME)

        assert house.engine.cancel(run.id, caller=ME).state == "cancelled"
        assert house.desk.approvals() == []


def test_a_paused_run_begins_nothing_until_it_is_resumed(tmp_path):
    go = threading.Event()
    log = Log(lambda _: go.wait(60))
    with House(tmp_path, reads(log), steps(a={"with": {"n": 1}}, b={"needs": ["a"], "with": {"n": 2}})) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not log.calls:
            time.sleep(0.01)
        assert house.engine.pause(run.id, caller=ME).state == "paused"
        go.set()
        time.sleep(0.3)
        assert log.calls == [1]

        house.engine.resume(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert log.calls == [1, 2]


def test_retry_goes_on_from_what_failed_with_corrected_input(tmp_path):
    def do(arguments):
        if arguments["n"] < 0:
            raise Rejected("negative")
        return arguments["n"]

    log = Log(do)
    flow = steps(
        first={"with": {"n": 1}},
        second={"needs": ["first"], "with": {"n": "${{ input.n }}"}},
        third={"needs": ["second"], "with": {"n": 3}},
    )
    with House(tmp_path, reads(log), flow) as house:
        run = house.run("w", {"n": -2})
        assert run.state == "failed"

        house.engine.retry(run.id, caller=ME, input={"n": 2}, reason="typo")
        run = house.engine.wait(run.id, 60)

        assert (run.state, run.error, log.calls) == ("succeeded", None, [1, -2, 2, 3])
        with pytest.raises(InputError, match="only a failed or cancelled"):
            house.engine.retry(run.id, caller=ME)


def test_retry_of_a_for_each_does_only_the_items_that_failed(tmp_path):
    broken = {2}
    log = Log(lambda a: _raise(Rejected("broken")) if a["n"] in broken else a["n"])
    each = {"in": "${{ input.list }}", "on_item_failure": "stop"}
    flow = {
        "w": {
            "tasks": {"each": {"tool": "sys.do", "for_each": each, "with": {"n": "${{ item }}"}}},
            "output": "${{ tasks.each.output }}",
        }
    }
    with House(tmp_path, reads(log), flow) as house:
        run = house.run("w", {"list": [1, 2, 3]})
        assert (run.state, log.calls) == ("failed", [1, 2])

        broken.clear()
        house.engine.retry(run.id, caller=ME)
        run = house.engine.wait(run.id, 60)

        assert (run.state, run.output, log.calls) == ("succeeded", [1, 2, 3], [1, 2, 2, 3])


def test_one_run_a_key_at_a_time(tmp_path):
    """The second waits, is shown as queued, and begins when the first is over."""
    go = threading.Event()
    log = Log(lambda _: go.wait(60))
    flow = steps(a={"with": {"n": "${{ input.which }}"}})
    flow["w"]["key"] = "${{ input.order }}"
    with House(tmp_path, reads(log), flow) as house:
        first = house.engine.start("w", {"order": 1, "which": "first"}, caller=ME)
        second = house.engine.start("w", {"order": 1, "which": "second"}, caller=ME)
        third = house.engine.start("w", {"order": 1, "which": "third"}, caller=ME)
        other = house.engine.start("w", {"order": 2, "which": "other"}, caller=ME)
        eventually(lambda: set(log.calls) == {"first", "other"})
        assert second.state == "queued"
        with pytest.raises(InputError, match="waits for another run"):
            house.engine.resume(second.id, caller=ME)
        assert house.engine.cancel(third.id, caller=ME).state == "cancelled"
        go.set()

        assert {house.engine.wait(run.id, 60).state for run in (first, second, other)} == {"succeeded"}
        assert len(log.calls) == 3
        assert len(house.engine.runs(key="1")) == 3


def test_the_same_occurrence_starts_one_run(tmp_path):
    with House(tmp_path, reads(lambda _: None), steps(a={})) as house:
        runs = {house.engine.start("w", {}, caller=ME, trigger_id="message 7").id for _ in range(3)}

        assert len(runs) == 1


def test_wrong_input_and_unknown_names_are_the_callers_errors(tmp_path):
    flow = {"w": {"input": {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}}}}
    with House(tmp_path, {}, flow) as house:
        for name, given, said in (("nothing", {}, "no workflow"), ("w", {}, "order"), ("w", {"order": "x"}, "order")):
            with pytest.raises(InputError, match=said):
                house.engine.start(name, given, caller=ME)
        for ask in (house.engine.run, house.engine.tasks, house.engine.attempts):
            with pytest.raises(InputError, match="no run"):
                ask("nothing")
        with pytest.raises(InputError, match="no run"):
            house.engine.cancel("nothing", caller=ME)
        with pytest.raises(InputError, match="no state"):
            house.engine.runs(state="done")


def test_a_task_with_an_unknown_tool_fails_with_its_name(tmp_path):
    with House(tmp_path, {}, {"w": {"tasks": {"a": {"tool": "sys.nothing"}}}}) as house:
        run = house.run("w")

        assert (run.state, run.error["kind"]) == ("failed", "input")
        assert "sys.nothing" in run.error["message"]


def test_a_defect_of_an_adapter_ends_its_task_and_not_its_thread(tmp_path):
    def broken(_):
        raise ZeroDivisionError

    with House(
        tmp_path,
        {"do": ("read", broken), "fine": ("read", lambda _: 1)},
        {**steps(a={}), "ok": {"tasks": {"a": {"tool": "sys.fine"}}}},
        threads=1,
    ) as house:
        assert house.run("w").state == "failed"
        assert house.run("ok").state == "succeeded"


def test_a_sync_is_a_task(tmp_path):
    seen = []

    def run_sync(name, *, run_id, date):
        seen.append((name, date))
        return {"read": 3}

    flow = {"w": {"tasks": {"load": {"sync": "nightly"}}, "output": "${{ tasks.load.output.read }}"}}
    with House(tmp_path, {}, flow, run_sync=run_sync) as house:
        run = house.run("w", date="2026-11-01")

        assert (run.output, seen) == (3, [("nightly", "2026-11-01")])


def test_branches_that_end_together_never_leave_a_run_stuck(tmp_path):
    """Four branches end at the same moment, and the join begins once, many times over."""
    log = Log()
    flow = steps(
        **{f"b{n}": {"with": {"n": n}} for n in range(4)},
        join={"needs": [f"b{n}" for n in range(4)], "with": {"n": "join"}},
    )
    with House(tmp_path, reads(log), flow, threads=8) as house:
        ids = [house.engine.start("w", {}, caller=ME).id for _ in range(250)]

        assert Counter(house.engine.wait(one, 60).state for one in ids) == {"succeeded": 250}
        assert Counter(log.calls) == {0: 250, 1: 250, 2: 250, 3: 250, "join": 250}


def test_two_engines_on_one_journal_share_the_work(tmp_path):
    """A second process, as far as the journal can tell: each task is done once, by either."""
    log = Log()
    flow = steps(a={"with": {"n": "${{ input.n }}"}}, b={"needs": ["a"], "with": {"n": "${{ input.n }}"}})
    writes = {"do": ("write", log)}
    idle = House(tmp_path, writes, flow)
    with House(tmp_path, writes, flow, threads=2), House(tmp_path, writes, flow, threads=2) as house:
        ids = [idle.engine.start("w", {"n": n}, caller=ME).id for n in range(100)]

        assert {house.engine.wait(one, 60).state for one in ids} == {"succeeded"}
        assert Counter(log.calls) == dict.fromkeys(range(100), 2)
        owners = {one["owner"] for run in ids for one in house.engine.attempts(run)}
        assert len(owners) == 2
    idle.end()


def test_a_result_that_comes_too_late_is_only_evidence(tmp_path):
    """A worker that was stopped past its lease: somebody else has the task by now, and the late one changes nothing."""
    go = threading.Event()
    log = Log(lambda _: go.wait(60) if len(log.calls) == 1 else "second")
    flow = steps(a={})
    flow["w"]["output"] = "${{ tasks.a.output }}"
    with House(tmp_path, reads(log), flow) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not log.calls:
            time.sleep(0.01)
        house.journal.write(lambda conn: conn.exec_driver_sql("UPDATE task_runs SET lease_until = 0") and None)
        ended = house.engine.wait(run.id, 60)
        assert (ended.state, ended.output) == ("succeeded", "second")

        go.set()
        while "task.stale" not in house.types(run.id):
            time.sleep(0.01)

        assert house.engine.run(run.id).output == "second"
        assert [one["state"] for one in house.engine.attempts(run.id)] == ["stale", "succeeded"]


def test_an_event_reader_misses_nothing_beside_writers(tmp_path):
    with House(tmp_path, reads(lambda _: None), steps(a={}, b={"needs": ["a"]})) as house:
        stop, seen = threading.Event(), []

        def read():
            seen.extend(iter_events(house, stop))

        reader = threading.Thread(target=read)
        reader.start()
        ids = [house.engine.start("w", {}, caller=ME).id for _ in range(100)]
        for one in ids:
            house.engine.wait(one, 60)
        stop.set()
        reader.join(60)

        numbers = [event.id for event in house.engine.events(limit=100_000)]
        assert seen == numbers == sorted(set(numbers))
        assert len(numbers) == 600


def iter_events(house, stop):
    after = 0
    while True:
        last = stop.is_set()
        for event in house.engine.events(after=after, limit=50):
            after = event.id
            yield event.id
        if last and after == house.engine.history.last():
            return


def test_stop_lets_the_call_end_and_the_next_process_goes_on(tmp_path):
    begun, go = threading.Event(), threading.Event()

    def do(arguments):
        begun.set()
        go.wait(60)

    log = Log(do)
    flow = steps(a={"with": {"n": 1}}, b={"needs": ["a"], "with": {"n": 2}})
    house = House(tmp_path, {"do": ("write", log)}, flow).begin()
    run = house.engine.start("w", {}, caller=ME)
    begun.wait(60)
    threading.Timer(0.2, go.set).start()
    house.end()

    with House(tmp_path, {"do": ("write", log)}, flow) as house:
        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert log.calls == [1, 2]


def test_runs_are_listed_newest_first_and_found_by_what_they_say(tmp_path):
    with House(tmp_path, reads(lambda _: None), {**steps(a={}), "x": {}}) as house:
        ids = [house.run(name, {"customer": f"customer-{n}"}).id for n, name in enumerate(["w", "x", "w"])]
        listed = house.engine.runs()

        assert [run.id for run in listed] == ids[::-1]
        assert [run.id for run in house.engine.runs(after=ids[2], limit=1)] == [ids[1]]
        assert [run.id for run in house.engine.runs(workflow="x")] == [ids[1]]
        assert [run.id for run in house.engine.runs(q="customer-2")] == [ids[2]]
        assert house.engine.runs(state="failed") == []
        assert house.engine.runs(since=time.time() + 60) == []
        assert house.engine.latest("w").id == ids[2]
