"""Compensation: what a run did is undone backward when it fails or is cancelled, each thing once, whatever happens."""

import threading
import time
from collections import Counter

import pytest
from scripted import ME, OTHER, House
from tenacity.wait import wait_fixed

from drawbar.core.errors import InputError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.store import undoing
from drawbar.core.work import Work
from drawbar.core.workflow import Workflow, check_workflow


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def state(request, monkeypatch):
    """Let every test run on both kinds of journal."""
    if request.param == "postgresql":
        monkeypatch.setattr(House, "state", request.getfixturevalue("pg_url"))


class System:
    """Writes down what was made and what was undone, in order; `says` answers instead where a test wants that."""

    def __init__(self):
        self.log = []
        self.says = {}
        self.lock = threading.Lock()

    def do(self, arguments):
        return self._act("do", arguments, {"id": f"id-{arguments['n']}"})

    def undo(self, arguments):
        return self._act("undo", arguments, {"gone": True})

    def _act(self, what, arguments, answer):
        said = self.says.get((what, str(arguments["n"])))
        with self.lock:
            self.log.append(f"{what} {arguments['n']}")
        return said(arguments) if said else answer

    def functions(self, effect="write"):
        return {"do": (effect, self.do), "undo": ("write", self.undo), "fail": ("write", _refuse)}

    def undone(self):
        return [line.removeprefix("undo ") for line in self.log if line.startswith("undo ")]


def _refuse(_):
    raise Rejected("no")


def raises(error):
    def act(_):
        raise error

    return act


UNDO = {"tool": "sys.undo", "with": {"n": "${{ arguments.n }}"}}


def task(n, *needs, **said):
    return {"tool": "sys.do", "with": {"n": n}, "needs": list(needs), "compensate": UNDO, **said}


def flow(*, on_failure=None, **tasks):
    last = [name for name in tasks if name != "bad"]
    bad = {"tool": "sys.fail", "needs": last, "when": "always"}
    return {"w": {"tasks": {**tasks, "bad": tasks.get("bad", bad)}, "on_failure": on_failure or {}}}


def rows(house, run_id):
    return {one.task: one for one in house.engine.tasks(run_id)}


def test_what_was_done_is_undone_backward_before_on_failure(tmp_path):
    system = System()
    told = {"note": {"tool": "sys.do", "with": {"n": "note"}}}
    chain = flow(a=task("a"), b=task("b", "a"), c=task("c", "b"), on_failure=told)
    with House(tmp_path, system.functions(), chain) as house:
        run = house.run("w")

        assert (run.state, run.error["task"]) == ("failed", "bad")
        assert system.log == ["do a", "do b", "do c", "undo c", "undo b", "undo a", "do note"]
        assert house.states(run.id) == {
            **dict.fromkeys("abc", "succeeded"),
            **dict.fromkeys(("compensate:a", "compensate:b", "compensate:c", "note"), "succeeded"),
            "bad": "failed",
        }
        assert rows(house, run.id)["compensate:a"].kind == "compensation"
        assert house.types(run.id).count("task.compensating") == house.types(run.id).count("task.compensated") == 3


def test_branches_are_undone_one_at_a_time_in_the_order_in_which_they_ended(tmp_path):
    system, ends = System(), {name: threading.Event() for name in "abcd"}
    undoing, most = [], []

    def waits(arguments):
        ends[arguments["n"]].wait(60)
        return {}

    def undo(arguments):
        undoing.append(arguments["n"])
        most.append(len(undoing))
        time.sleep(0.03)
        undoing.remove(arguments["n"])
        return {}

    for name in "abcd":
        system.says |= {("do", name): waits, ("undo", name): undo}
    with House(tmp_path, system.functions(), flow(**{name: task(name) for name in "abcd"})) as house:
        run = house.engine.start("w", {}, caller=ME)
        for name in "cadb":
            ends[name].set()
            while house.states(run.id)[name] != "succeeded":
                time.sleep(0.01)
        assert house.engine.wait(run.id, 60).state == "failed"

    assert (system.undone(), most) == (["b", "d", "a", "c"], [1, 1, 1, 1])


def test_each_item_that_is_done_is_undone_the_last_first(tmp_path):
    system = System()
    system.says[("do", "3")] = raises(Rejected("three"))
    each = {"in": "${{ input.list }}", "as": "one"}
    undo = {"tool": "sys.undo", "with": {"n": "${{ [one, index, result.id] }}"}}
    lines = task("${{ one }}", for_each=each, compensate=undo)
    with House(tmp_path, system.functions(), flow(first=task("first"), lines={**lines, "needs": ["first"]})) as house:
        run = house.run("w", {"list": [1, 2, 3, 4]})

        assert run.state == "failed"
        assert system.undone() == ["[2, 1, 'id-2']", "[1, 0, 'id-1']", "first"]
        whole = rows(house, run.id)["compensate:lines"]
        assert (whole.state, whole.total, whole.failed, whole.output) == ("succeeded", 2, 0, None)
        items = [one for one in house.engine.tasks(run.id, items=True) if one.task == "compensate:lines"]
        assert [(one.item, one.state) for one in items] == [(None, "succeeded"), (0, "succeeded"), (1, "succeeded")]


def test_what_succeeded_well_is_not_undone(tmp_path):
    system = System()
    with House(tmp_path, system.functions(), {"w": {"tasks": {"a": task("a")}}}) as house:
        run = house.run("w")

        assert (run.state, system.log, list(house.states(run.id))) == ("succeeded", ["do a"], ["a"])


def test_a_compensation_sees_what_was_sent_and_what_came_back(tmp_path):
    """Not the task's `output`, and not what expressions would give by now."""
    system = System()
    sees = {"n": "${{ [arguments.n, result.id, input.order, tasks.first.output.id, run.id] }}"}
    second = task("x", "first", compensate={"tool": "sys.undo", "with": sees}, output="${{ 7 }}")
    with House(tmp_path, system.functions(), flow(first=task("first", compensate=None), second=second)) as house:
        run = house.run("w", {"order": 4})

        assert system.undone() == [str(["x", "id-x", 4, "id-first", run.id])]


def test_a_compensation_is_tried_again_by_its_own_retry(tmp_path):
    system, tries = System(), []

    def comes_back(_):
        tries.append(1)
        if len(tries) < 4:
            raise Unavailable("away")
        return {}

    system.says[("undo", "a")] = comes_back
    undo = {**UNDO, "retry": {"attempts": 5}}
    with House(tmp_path, system.functions(), flow(a=task("a", compensate=undo)), wait=wait_fixed(0.02)) as house:
        run = house.run("w")

        assert (run.state, len(tries)) == ("failed", 4)
        assert rows(house, run.id)["compensate:a"].attempt == 4
        assert house.desk.dead_letters() == []


def test_a_compensation_that_fails_is_a_dead_letter_and_the_others_go_on(tmp_path):
    system = System()
    system.says[("undo", "b")] = raises(Rejected("too late to cancel"))
    with House(tmp_path, system.functions(), flow(a=task("a"), b=task("b", "a"), c=task("c", "b"))) as house:
        run = house.run("w")

        assert (run.state, run.error["task"], system.undone()) == ("failed", "bad", ["c", "b", "a"])
        [letter] = house.desk.dead_letters()
        assert (letter["state"], letter["task"], letter["run_id"]) == ("rejected", "compensate:b", run.id)
        seen = house.desk.dead_letter(letter["id"])
        assert (seen["arguments"], seen["error"], set(seen["verbs"])) == (
            {"n": "b"},
            "too late to cancel",
            {"send", "drop"},
        )
        assert rows(house, run.id)["compensate:b"].state == "failed"
        assert {"dead.parked", "task.compensation_failed"} <= set(house.types(run.id))

        with pytest.raises(Rejected):
            house.desk.send(letter["id"], caller=OTHER)
        assert [one["id"] for one in house.desk.dead_letters()] == [letter["id"]]
        system.says.clear()
        assert house.desk.send(letter["id"], caller=OTHER).result == {"gone": True}

        assert house.desk.dead_letters() == []
        assert rows(house, run.id)["compensate:b"].state == "succeeded"
        assert house.engine.run(run.id).state == "failed"
        assert system.undone() == ["c", "b", "a", "b", "b"]


@pytest.mark.parametrize("wrong", [{"tool": "sys.gone"}, {"with": {"n": "${{ result.nothing }}"}}])
def test_what_fails_before_it_is_sent_is_a_dead_letter_too(tmp_path, wrong):
    system = System()
    with House(
        tmp_path, system.functions(), flow(a=task("a"), b=task("b", "a", compensate={**UNDO, **wrong}))
    ) as house:
        run = house.run("w")

        assert (run.state, system.undone()) == ("failed", ["a"])
        [letter] = house.desk.dead_letters()
        seen = house.desk.dead_letter(letter["id"])
        assert (seen["task"], seen["attempts"]) == ("compensate:b", 0)
        assert seen["arguments"] == ({"n": "b"} if "tool" in wrong else None)
        with pytest.raises(InputError):
            house.desk.send(letter["id"], caller=OTHER)
        house.desk.drop(letter["id"], caller=OTHER)
        assert house.desk.dead_letters() == []


def test_an_unknown_compensation_is_parked_and_settled_before_the_next(tmp_path):
    system = System()
    system.says[("undo", "b")] = raises(OutcomeUnknown("silence"))
    with House(tmp_path, system.functions(), flow(a=task("a"), b=task("b", "a"))) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "parked")
        [letter] = house.desk.dead_letters()
        assert (letter["task"], system.undone()) == ("compensate:b", ["b"])

        system.says.clear()
        house.desk.settle(letter["id"], done=False, caller=OTHER)

        assert house.engine.wait(run.id, 60).state == "failed"
        assert system.undone() == ["b", "b", "a"]


def test_a_run_is_not_undone_before_an_unknown_outcome_is_settled(tmp_path):
    """Neither when a branch failed nor when it is cancelled; what is settled as done is undone then."""
    system, failed = System(), threading.Event()
    system.says[("do", "b")] = lambda _: failed.wait(60) and raises(OutcomeUnknown("silence"))(_)
    bad = {"tool": "sys.fail", "needs": ["a"]}
    with House(tmp_path, system.functions(), flow(a=task("a"), b=task("b", "a"), bad=bad)) as house:
        run = house.engine.start("w", {}, caller=ME)
        while house.states(run.id)["bad"] != "failed":
            time.sleep(0.01)
        failed.set()
        house.until(run.id, "parked")
        house.engine.cancel(run.id, caller=ME)
        time.sleep(0.2)
        assert (system.undone(), house.engine.run(run.id).state) == ([], "parked")

        [letter] = house.desk.dead_letters()
        house.desk.settle(letter["id"], done=True, result={"id": "found"}, caller=OTHER)

        assert house.engine.wait(run.id, 60).state == "cancelled"
        assert system.undone() == ["b", "a"]


def test_cancel_undoes_what_was_done_and_lets_the_call_end_first(tmp_path):
    system, go = System(), threading.Event()
    system.says[("do", "b")] = lambda _: go.wait(60) and {}
    with House(
        tmp_path, system.functions(), {"w": {"tasks": {"a": task("a"), "b": task("b", "a"), "c": task("c", "b")}}}
    ) as house:
        run = house.engine.start("w", {}, caller=ME)
        while "do b" not in system.log:
            time.sleep(0.01)
        house.engine.cancel(run.id, caller=ME)
        time.sleep(0.2)
        assert system.undone() == []
        go.set()

        assert house.engine.wait(run.id, 60).state == "cancelled"
        assert system.undone() == ["b", "a"]
        assert house.states(run.id)["c"] == "cancelled"


@pytest.mark.parametrize("cancelled", [False, True])
def test_pause_holds_what_undoes_and_cancel_does_not_stop_it(tmp_path, cancelled):
    system, go = System(), threading.Event()
    system.says[("undo", "b")] = lambda _: go.wait(60) and {}
    chain = flow(a=task("a"), b=task("b", "a"), on_failure={"note": {"tool": "sys.do", "with": {"n": "note"}}})
    with House(tmp_path, system.functions(), chain) as house:
        run = house.engine.start("w", {}, caller=ME)
        while system.undone() != ["b"]:
            time.sleep(0.01)
        if cancelled:
            house.engine.cancel(run.id, caller=ME)
        assert house.engine.pause(run.id, caller=ME).state == "paused"
        go.set()
        time.sleep(0.3)
        assert system.undone() == ["b"]

        house.engine.resume(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == ("cancelled" if cancelled else "failed")
        assert system.undone() == ["b", "a"]
        assert ("do note" in system.log) != cancelled


def test_a_run_that_waits_for_its_compensations_approval_is_not_cancelled_out_of_it(tmp_path):
    system = System()
    with House(tmp_path, system.functions(), flow(a=task("a")), rules={"undo": {"approval": {}}}) as house:
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")
        house.engine.cancel(run.id, caller=ME)
        [asked] = house.desk.approvals()
        assert (asked["task"], asked["arguments"]) == ("compensate:a", {"n": "a"})
        house.desk.answer(asked["id"], approved=True, caller=OTHER)

        assert house.engine.wait(run.id, 60).state == "cancelled"
        assert system.undone() == ["a"]


def test_retry_does_again_what_was_undone_and_what_needs_it(tmp_path):
    system, works = System(), []
    functions = {**system.functions(), "fail": ("write", lambda _: {} if works else _refuse(_))}
    chain = flow(a=task("a", compensate=None), b=task("b", "a"), c=task("c", "b", compensate=None))
    with House(tmp_path, functions, chain, rules={"do": {"key": "${{ arguments.n }}"}}) as house:
        run = house.run("w")
        assert system.log == ["do a", "do b", "do c", "undo b"]

        works.append(1)
        house.engine.retry(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert system.log[4:] == ["do b"], "its key was freed; what it gave to c is kept under c's own key"
        assert set(house.states(run.id).values()) == {"succeeded"}
        assert "compensate:b" not in house.states(run.id)


def test_a_run_that_fails_again_is_undone_again(tmp_path):
    system = System()
    each = task("${{ item }}", "a", for_each={"in": "${{ input.list }}"})
    with House(tmp_path, system.functions(), flow(a=task("a"), each=each)) as house:
        run = house.run("w", {"list": [1, 2]})
        house.engine.retry(run.id, caller=ME)

        assert house.engine.wait(run.id, 60).state == "failed"
        assert system.log == [*["do a", "do 1", "do 2", "undo 2", "undo 1", "undo a"] * 2]


def test_a_retry_waits_for_the_word_of_a_person_about_what_could_not_be_undone(tmp_path):
    """Dropped: what was done stays, and is not done again. Sent: it was undone, and is done again."""
    system, works = System(), []
    functions = {**system.functions(), "fail": ("write", lambda _: {} if works else _refuse(_))}
    system.says |= {("undo", n): raises(Rejected("late")) for n in "12"}
    each = task("${{ item }}", for_each={"in": "${{ [1, 2, 3] }}"})
    with House(tmp_path, functions, flow(each=each)) as house:
        run = house.run("w")
        letters = {house.desk.dead_letter(one["id"])["arguments"]["n"]: one["id"] for one in house.desk.dead_letters()}
        assert (set(letters), rows(house, run.id)["compensate:each"].state) == ({1, 2}, "failed")
        with pytest.raises(InputError, match="dead letter"):
            house.engine.retry(run.id, caller=ME)
        system.says.clear()
        house.desk.send(letters[1], caller=OTHER)
        house.desk.drop(letters[2], caller=OTHER)
        system.log.clear()

        house.engine.retry(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "failed"
        assert system.log[:2] == ["do 1", "do 3"]
        assert sorted(system.undone()) == ["1", "2", "3"], "what stayed is undone when the run fails again"

        works.append(1)
        house.engine.retry(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "succeeded"


def test_what_stays_done_is_not_done_again_though_it_needs_what_was_undone(tmp_path):
    """Dropped, b stays paid: the retry makes a again and does not pay a second time. From a on means from a on."""
    system, works = System(), []
    functions = {**system.functions(), "fail": ("write", lambda _: {} if works else _refuse(_))}
    system.says["undo", "b"] = raises(Rejected("too late"))
    with House(tmp_path, functions, flow(a=task("a"), b=task("b", "a"), c=task("c", "b"))) as house:
        run = house.run("w")
        house.desk.drop(house.desk.dead_letters()[0]["id"], caller=OTHER)
        system.log.clear()

        house.engine.retry(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "failed"
        assert system.log == ["do a", "do c", "undo c", "undo a", "undo b"], "what stayed is undone when it fails again"

        house.desk.drop(house.desk.dead_letters()[0]["id"], caller=OTHER)
        works.append(1)
        system.log.clear()
        house.engine.retry(run.id, from_task="a", caller=ME)
        assert house.engine.wait(run.id, 60).state == "succeeded"
        assert system.log == ["do a", "do b", "do c"]


def test_what_another_run_did_under_the_same_key_is_not_undone(tmp_path):
    system = System()
    flows = {**flow(a=task("${{ input.n }}")), "good": {"tasks": {"a": task("${{ input.n }}")}}}
    with House(tmp_path, system.functions(), flows, rules={"do": {"key": "${{ arguments.n }}"}}) as house:
        first, second = house.run("good", {"n": 7}), house.run("w", {"n": 7})

        assert (first.state, second.state) == ("succeeded", "failed")
        assert system.log == ["do 7"]
        assert house.run("w", {"n": 8}).state == "failed"
        assert system.log[1:] == ["do 8", "undo 8"]
        assert house.run("good", {"n": 8}).state == "succeeded"
        assert system.log[3:] == ["do 8"], "what was undone is no answer for the next call of its key"


def test_a_compensation_whose_intent_was_left_open_by_a_crash_is_not_sent_again(tmp_path, monkeypatch):
    system = System()
    finish, died = Work._finish, []

    def dies_once(self, claim, settle):
        if claim.step.undoes and not died:
            died.append(claim)
            return []
        return finish(self, claim, settle)

    monkeypatch.setattr(Work, "_finish", dies_once)
    with House(tmp_path, system.functions(), flow(a=task("a"), b=task("b", "a"))) as house:
        run = house.engine.start("w", {}, caller=ME)
        while not died:
            time.sleep(0.01)
        house.journal.write(
            lambda conn: conn.exec_driver_sql("update task_runs set lease_until = 1 where state = 'running'") and None
        )
        house.until(run.id, "parked")
        [letter] = house.desk.dead_letters()
        house.desk.settle(letter["id"], done=True, result={}, caller=OTHER)

        assert house.engine.wait(run.id, 60).state == "failed"
        assert system.undone() == ["b", "a"]


def test_many_items_are_undone_by_two_engines_in_order(tmp_path):
    """What one did the other undoes: the order is in the journal, and none is undone twice."""
    system = System()
    each = task("${{ item }}", for_each={"in": "${{ input.list }}", "concurrency": 8})
    one = House(tmp_path, system.functions(), flow(each=each), threads=4).begin()
    with House(tmp_path, system.functions(), flow(each=each), threads=4) as house:
        run = house.run("w", {"list": list(range(120))}, timeout_s=120)

        assert run.state == "failed"
        assert Counter(system.undone()) == {str(n): 1 for n in range(120)}
        with house.journal.read() as conn:
            done = conn.exec_driver_sql("SELECT item FROM task_runs WHERE done_no < 0 ORDER BY done_no").scalars().all()
        assert system.undone() == [str(item) for item in done], "the largest number was done last"
    one.end()


def test_mistakes_are_found_before_it_runs():
    tasks = {
        "a": {"tool": "sys.do", "compensate": {"tool": "sys.undo", "with": {"n": "${{ fault.x + result.y }}"}}},
        "b": {"tool": "sys.do", "compensate": {"tool": "sys.undo", "with": {"n": "${{ tasks.a.output + item }}"}}},
        "c": {"tool": "sys.do", "for_each": {"in": "${{ [1] }}"}, "compensate": {**UNDO, "with": {"n": "${{ item }}"}}},
    }
    workflow = Workflow.model_validate({"tasks": tasks, "on_failure": {"n": task("n")}})

    found = {".".join(map(str, where)): said for where, said in check_workflow("w", workflow)}
    assert set(found) == {"tasks.a.compensate.with.n", "tasks.b.compensate.with.n", "on_failure.n.compensate"}
    assert "'fault' is not seen" in found["tasks.a.compensate.with.n"]
    for kind in ({"approval": {}}, {"wait_s": 1}):
        with pytest.raises(ValueError, match="compensate is for"):
            Workflow.model_validate({"tasks": {"a": {**kind, "compensate": UNDO}}})


def test_what_was_done_last_is_found_by_its_index(tmp_path):
    """The ten thousandth costs what the first cost."""
    with House(tmp_path, {}, {}) as house:
        fill = (
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)"
            " INSERT INTO task_runs (run_id, task, item, kind, state, done_no)"
            " SELECT 'r', 't', n, 'tool', 'succeeded', n FROM n"
        )
        for statement in (fill, "ANALYZE"):
            house.journal.write(lambda conn, statement=statement: conn.exec_driver_sql(statement) and None)

        def plan(conn):
            how = "EXPLAIN QUERY PLAN" if conn.dialect.name == "sqlite" else "EXPLAIN"
            cursor = conn.connection.cursor()
            cursor.execute(f"{how} {undoing._LAST._text(conn.dialect)}", {"run_id": "r"})
            return "\n".join(str(row) for row in cursor.fetchall())

        with house.journal.read() as conn:
            assert "task_runs_done" in plan(conn)
            assert undoing.last(conn, "r") == ("t", 10000)


def test_a_workflow_that_was_done_is_undone_by_its_task_and_one_that_failed_undid_itself(tmp_path):
    system = System()
    flows = {
        "good": {"tasks": {"g": task("g", compensate=None)}, "output": "${{ tasks.g.output.id }}"},
        "bad": {"tasks": {"b": task("b"), "no": {"tool": "sys.fail", "needs": ["b"]}}},
        "w": {
            "tasks": {
                "one": {"workflow": "good", "compensate": {"tool": "sys.undo", "with": {"n": "${{ result }}"}}},
                "two": {"workflow": "bad", "needs": ["one"], "compensate": UNDO},
            }
        },
    }
    with House(tmp_path, system.functions(), flows) as house:
        run = house.run("w")

        assert (run.state, system.log) == ("failed", ["do g", "do b", "undo b", "undo id-g"])
        assert house.states(run.id) == {"one": "succeeded", "compensate:one": "succeeded", "two": "failed"}
        house.engine.retry(run.id, caller=ME)
        assert house.engine.wait(run.id, 60).state == "failed"
        assert system.log[4:] == ["do g", "do b", "undo b", "undo id-g"]


def test_a_cancelled_parent_waits_until_its_child_is_undone(tmp_path):
    system, go = System(), threading.Event()
    system.says[("undo", "b")] = lambda _: go.wait(60) and {}
    system.says[("do", "c")] = lambda _: time.sleep(0.3) or {}
    flows = {
        "child": {"tasks": {"b": task("b"), "c": task("c", "b", compensate=None)}},
        "w": {"tasks": {"a": task("a"), "sub": {"workflow": "child", "needs": ["a"]}}},
    }
    with House(tmp_path, system.functions(), flows) as house:
        run = house.engine.start("w", {}, caller=ME)
        while "do c" not in system.log:
            time.sleep(0.01)
        house.engine.cancel(run.id, caller=ME)
        while "undo b" not in system.log:
            time.sleep(0.01)
        time.sleep(0.2)
        assert not house.engine.run(run.id).is_final
        go.set()

        assert house.engine.wait(run.id, 60).state == "cancelled"
        assert system.undone() == ["b", "a"]
