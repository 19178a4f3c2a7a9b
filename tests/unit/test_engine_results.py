"""What a task gives: its output, the documents it saves; which errors it is tried again after, and approvals that expire."""

import time

import pytest
from scripted import ME, House

from drawbar.core.context import Context
from drawbar.core.errors import InputError, OutcomeUnknown, Unavailable


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def state(request, monkeypatch):
    """Let every test run on both kinds of journal."""
    if request.param == "postgresql":
        monkeypatch.setattr(House, "state", request.getfixturevalue("pg_url"))


def steps(**tasks):
    return {"w": {"tasks": {name: {"tool": "sys.do", **said} for name, said in tasks.items()}}}


def test_output_makes_the_tasks_output_of_its_result(tmp_path):
    each = {"in": "${{ [1, 2] }}", "as": "n"}
    flow = steps(
        one={"with": {"n": 4}, "output": "${{ {'double': result.n * 2, 'from': input.x} }}"},
        many={"for_each": each, "with": {"n": "${{ n }}"}, "output": "${{ result.n * 10 + index }}"},
    )
    flow["w"]["output"] = "${{ {'one': tasks.one.output, 'many': tasks.many.output} }}"
    with House(tmp_path, {"do": ("read", lambda arguments: arguments)}, flow) as house:
        assert house.run("w", {"x": 7}).output == {"one": {"double": 8, "from": 7}, "many": [10, 21]}


def test_an_output_that_cannot_be_made_fails_the_task_and_never_repeats_the_write(tmp_path):
    """A retry of the run goes on with the answer that the ledger has."""
    done = []
    flow = steps(pay={"with": {"n": 1}, "output": "${{ result.id + input.add }}"})
    flow["w"]["output"] = "${{ tasks.pay.output }}"
    with House(tmp_path, {"do": ("write", lambda _: done.append(1) or {"id": 40})}, flow) as house:
        run = house.run("w", {"add": "two"})
        assert (run.state, run.error["happened"], run.error["field"]) == ("failed", "yes", "output")
        assert "it was done, but its output cannot be made" in run.error["message"]
        house.engine.retry(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "failed"
        house.engine.retry(run.id, caller=ME, input={"add": 2})

        run = house.engine.wait(run.id, 60)
        assert (run.state, run.output, done) == ("succeeded", 42, [1])


def test_a_write_that_is_done_is_not_made_with_other_arguments_either(tmp_path):
    done = []
    flow = steps(pay={"with": {"n": "${{ input.n }}"}, "output": "${{ result.nothing }}"})
    with House(tmp_path, {"do": ("write", lambda a: done.append(a["n"]) or {})}, flow) as house:
        run = house.run("w", {"n": 1})
        house.engine.retry(run.id, caller=ME, input={"n": 2})
        run = house.engine.wait(run.id, 60)

        assert (run.state, done) == ("failed", [1])
        assert "done already, with other arguments" in run.error["message"]


def test_save_writes_documents_with_the_outcome(tmp_path):
    flow = steps(
        one={
            "with": {"n": 4},
            "save": {"orders.last": "${{ {'n': result.n, 'of': run.id} }}", "orders.count": "${{ 1 }}"},
        },
        two={
            "needs": ["one"],
            "with": {"n": "${{ context.orders.last.n + 1 }}"},
            "save": {"orders.last": "${{ result }}"},
        },
    )
    with House(tmp_path, {"do": ("read", lambda arguments: arguments)}, flow) as house:
        run = house.run("w")
        found = Context(house.journal).get("orders", "last")

        assert run.state == "succeeded"
        assert (found.value, found.version, found.by) == ({"n": 5}, 2, "cli:me")
        changed = [e for e in house.engine.events(limit=100, run_id=run.id) if e.type == "context.changed"]
        assert sorted((e.body["key"], e.body["version"]) for e in changed) == [("count", 1), ("last", 1), ("last", 2)]


def test_what_cannot_be_saved_fails_the_task_and_saves_nothing(tmp_path):
    flow = steps(one={"with": {"n": 4}, "save": {"orders.good": "${{ 1 }}", "orders.bad": "${{ result.nothing }}"}})
    with House(tmp_path, {"do": ("read", lambda arguments: arguments)}, flow) as house:
        run = house.run("w")

        assert (run.state, run.error["field"]) == ("failed", "save.orders.bad")
        with pytest.raises(InputError):
            Context(house.journal).get("orders", "good")


def test_a_document_that_was_deleted_has_a_higher_version_when_a_task_saves_it_again(tmp_path):
    with House(tmp_path, {"do": ("read", lambda _: 1)}, steps(a={"save": {"s.k": "${{ result }}"}})) as house:
        context = Context(house.journal)
        house.run("w")
        house.run("w")
        context.delete("s", "k", expect=2, by="me")
        house.run("w")

        assert context.get("s", "k").version == 4  # that it was deleted is a version, too


@pytest.mark.parametrize(("on", "tries"), [(["retry"], 1), (["reconcile"], 3), (["retry", "reconcile"], 3)])
def test_retry_says_after_which_errors_a_task_is_tried_again(tmp_path, on, tries):
    calls = []

    def lost(_):
        calls.append(1)
        raise OutcomeUnknown("no answer")

    flow = steps(a={"retry": {"attempts": 3, "on": on}})
    with House(tmp_path, {"do": ("idempotent", lost)}, flow) as house:
        assert house.run("w").state == "failed"
        assert len(calls) == tries


def test_retry_on_reconcile_alone_fails_at_once_when_the_system_is_away(tmp_path):
    calls = []

    def away(_):
        calls.append(1)
        raise Unavailable("away")

    with House(tmp_path, {"do": ("read", away)}, steps(a={"retry": {"on": ["reconcile"]}})) as house:
        assert house.run("w").state == "failed"
        assert calls == [1]


@pytest.mark.parametrize(
    ("on_expiry", "state", "task"), [("fail", "failed", "failed"), ("skip", "succeeded", "skipped")]
)
def test_an_approval_that_expires_fails_or_is_skipped(tmp_path, on_expiry, state, task):
    ask = {"approval": {"within_h": 0.2 / 3600, "on_expiry": on_expiry}}
    flow = {"w": {"tasks": {"ask": ask, "after": {"tool": "sys.do", "needs": ["ask"]}}}}
    with House(tmp_path, {"do": ("read", lambda _: time.time())}, flow) as house:
        run = house.run("w")

        assert run.state == state
        assert house.states(run.id) == {"ask": task, "after": "skipped"}


def test_what_failed_after_its_effect_is_undone_like_all_else_and_then_done_again(tmp_path):
    done = []

    def pay(_):
        done.append("pay")
        return {"id": len(done)}

    task = {"tool": "sys.pay", "output": "${{ input.good ? result.id : result.nothing }}"}
    task["compensate"] = {"tool": "sys.back", "with": {"id": "${{ result.id }}"}}
    functions = {"pay": ("write", pay), "back": ("write", lambda a: done.append(f"back {a['id']}"))}
    with House(tmp_path, functions, {"w": {"tasks": {"pay": task}}}) as house:
        run = house.run("w", {"good": False})
        assert (run.state, done) == ("failed", ["pay", "back 1"])
        house.engine.retry(run.id, caller=ME, input={"good": True})

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert done == ["pay", "back 1", "pay"]


def test_output_and_save_see_the_whole_of_what_is_kept_aside(tmp_path):
    flow = steps(a={"output": "${{ size(result.text) }}", "save": {"s.size": "${{ size(result.text) }}"}})
    flow["w"]["output"] = "${{ tasks.a.output }}"
    with House(tmp_path, {"do": ("write", lambda _: {"text": "x" * 300_000})}, flow) as house:
        assert house.run("w").output == 300_000
        assert Context(house.journal).get("s", "size").value == 300_000


def test_a_child_hands_what_is_kept_aside_to_its_parent(tmp_path):
    flow = {
        "big": {"tasks": {"a": {"tool": "sys.do"}}, "output": "${{ tasks.a.output }}"},
        "w": {"tasks": {"sub": {"workflow": "big"}}, "output": "${{ size(tasks.sub.output.text) }}"},
    }
    with House(tmp_path, {"do": ("read", lambda _: {"text": "x" * 300_000})}, flow) as house:
        assert house.run("w").output == 300_000
