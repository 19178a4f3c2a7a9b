"""The intent of the next write is in the commit of the outcome before it, and nobody pays for that with a second payment."""

from threading import Thread

import pytest
from scripted import ME, House

from drawbar.core.course import Course
from drawbar.core.errors import InputError, Unavailable
from drawbar.core.holds import Brake
from drawbar.core.leases import Leases
from drawbar.core.pool import Pool, Refused
from drawbar.core.store import ledger

CHAIN = {
    "w": {
        "tasks": {
            "one": {"tool": "sys.pay", "with": {"n": 1}},
            "two": {"tool": "sys.pay", "needs": ["one"], "with": {"n": "${{ tasks.one.output.n + 1 }}"}},
            "three": {"tool": "sys.pay", "needs": ["two"], "with": {"n": "${{ tasks.two.output.n + 1 }}"}},
        }
    }
}


@pytest.fixture
def paid():
    return []


@pytest.fixture
def house(tmp_path, paid):
    def pay(arguments):
        paid.append(arguments["n"])
        return {"n": arguments["n"]}

    with House(tmp_path, {"pay": ("write", pay)}, CHAIN) as opened:
        yield opened


def began(result):
    """The call that a commit has begun ahead, None when it is no such commit."""
    courses = result if isinstance(result, list) else []
    claims = [claim for course in courses if isinstance(course, Course) for claim in course.claims]
    return next((claim.begun for claim in claims if claim.begun), None)


def number(begun):
    """Which write of the chain a call is that was begun ahead; 0 when none was."""
    return begun.prepared.arguments["n"] if begun else 0


def watch(house, hear):
    """Let `hear` see what every commit gave, before who committed sees it."""
    write = house.journal.write

    def watched(unit):
        result = write(unit)
        hear(result)
        return result

    house.journal.write = watched


def entries(house, run_id):
    with house.journal.read() as conn:
        return [ledger.find(conn, task.intent) for task in house.engine.tasks(run_id) if task.intent]


def test_no_write_of_a_chain_costs_a_commit_for_its_intent(house, paid):
    alone, ahead = [], []
    house.run("w")
    watch(
        house, lambda result: alone.append(result) if isinstance(result, ledger.Fresh) else ahead.append(began(result))
    )

    run = house.run("w")

    assert run.state == "succeeded"
    assert paid == [1, 2, 3] * 2
    assert not alone
    assert len([begun for begun in ahead if begun]) == 3
    assert {entry["state"] for entry in entries(house, run.id)} == {"done"}


def test_a_commit_whose_answer_was_lost_is_gone_on_from_and_parks_nothing(house, paid):
    """What it began is this process's still: its call was not made, and is made now."""
    house.run("w")
    lost = []

    def lose(result):
        if number(began(result)) > 1 and len(lost) < 2:
            lost.append(result)
            raise Unavailable("the connection broke in commit")

    watch(house, lose)
    run = house.run("w")

    assert run.state == "succeeded"
    assert paid == [1, 2, 3] * 2
    assert len(lost) == 2
    assert "task.lost" not in house.types(run.id)


def test_a_commit_whose_answer_came_after_the_lease_is_taken_back_and_parks_nothing(house, paid, monkeypatch):
    house.run("w")
    lost, is_lost = [], Leases.lost
    monkeypatch.setattr(
        Leases, "lost", lambda self, claim: bool(lost and claim.begun == lost[0]) or is_lost(self, claim)
    )

    def lose(result):
        if number(begun := began(result)) > 1 and not lost:
            lost.append(begun)
            raise Unavailable("the connection broke in commit")

    watch(house, lose)
    run = house.engine.start("w", {}, caller=ME)
    while not lost or not taken_back(house, lost[0].entry):
        house.engine.wait(run.id, 0.01)
    house.journal.write(
        lambda conn: conn.exec_driver_sql("update task_runs set lease_until = 1 where state = 'running'")
    )

    assert house.engine.wait(run.id, 60).state == "succeeded"
    assert paid == [1, 2, 3] * 2


def taken_back(house, entry_id):
    with house.journal.read() as conn:
        return ledger.find(conn, entry_id)["state"] == "unavailable"


@pytest.mark.parametrize("n", [1, 2])
def test_a_hold_between_the_commit_and_the_call_keeps_the_call_here(house, paid, n):
    house.run("w")
    paid.clear()
    held = []
    brake = Brake(house.journal, house.guard.holds, lambda: {"adapter": ["sys"]})

    def hold(result):
        if number(begun := began(result)) == n and not held:
            held.append(begun)
            brake.hold("sys", caller=ME, reason="night")
            house.guard.holds.forget()

    watch(house, hold)
    run = house.engine.start("w", {}, caller=ME)
    house.until(run.id, "waiting")

    assert paid == list(range(1, n))
    assert taken_back(house, held[0].entry)
    brake.release("sys", caller=ME)
    house.guard.holds.sweep()
    assert house.engine.wait(run.id, 60).state == "succeeded"
    assert paid == [1, 2, 3]


def test_a_start_beside_a_pool_that_stops_is_made_by_who_asked(house, paid):
    """It leaves its first task in the journal, without an intent: whoever comes next does it."""
    house.run("w")
    paid.clear()
    pool = house.engine._pool
    pool.ask = lambda act, reserved: pool.give([], reserved) or refuse()

    def refuse():
        raise Refused

    ahead = []
    watch(house, lambda result: ahead.append(number(began(result))))
    run = house.engine.start("w", {}, caller=ME)

    assert house.engine.wait(run.id, 60).state == "succeeded"
    assert paid == [1, 2, 3]
    assert ahead[0] == 0


def test_a_pool_that_stops_says_so_to_who_waits_for_its_threads():
    pool = Pool(1, lambda claim: [], lambda: None)
    pool._idle = 1  # its thread has not come to the queue yet
    reserved, said = pool.reserve(1), []

    def ask():
        try:
            pool.ask(lambda: (None, []), reserved)
        except Refused:
            said.append("refused")

    asking = Thread(target=ask)
    asking.start()
    while not pool._queue:
        asking.join(0.001)
    pool._threads.clear()

    assert pool.stop(1) == []
    asking.join(60)
    assert said == ["refused"]


def test_what_forbids_a_start_is_raised_where_it_was_asked_for(house, paid):
    house.run("w")
    paid.clear()

    def forbid(conn):
        raise InputError("not now", reason="conflict")

    with pytest.raises(InputError, match="not now"):
        house.engine.start("w", {}, caller=ME, before=forbid)

    assert len(house.engine.runs()) == 1
    assert house.run("w").state == "succeeded"
    assert paid == [1, 2, 3]


@pytest.mark.parametrize("task", ["one", "two"])
def test_an_intent_that_cannot_be_kept_takes_no_outcome_with_it(house, paid, monkeypatch, task):
    """The commit is made without it, the first of a run too, and the task records its intent in a commit of its own."""
    house.run("w")
    record, broken = ledger.record, []

    def breaks_once(conn, intent, now):
        if intent.task == task and not broken:
            broken.append(intent)
            raise TypeError("this cannot be written")
        record(conn, intent, now)

    monkeypatch.setattr(ledger, "record", breaks_once)
    run = house.run("w")

    assert run.state == "succeeded"
    assert len(broken) == 1
    assert paid == [1, 2, 3] * 2
    assert {entry["state"] for entry in entries(house, run.id)} == {"done"}


def test_arguments_that_cannot_be_filled_end_their_own_task(tmp_path):
    flow = {"w": {"tasks": {**CHAIN["w"]["tasks"]}}}
    flow["w"]["tasks"]["two"] = {"tool": "sys.pay", "needs": ["one"], "with": {"n": "${{ tasks.one.output.nothing }}"}}
    with House(tmp_path, {"pay": ("write", lambda arguments: arguments)}, flow) as house:
        house.run("w")
        run = house.run("w")

        assert house.states(run.id) == {"one": "succeeded", "two": "failed", "three": "skipped"}
        assert run.error["task"] == "two"


def test_what_another_person_must_agree_to_is_not_begun_ahead(tmp_path):
    paid, ahead = [], []
    flow = {"w": {"tasks": {name: CHAIN["w"]["tasks"][name] for name in ("one", "two")}}}
    rules = {"pay": {"approval": {"when": "${{ arguments.n > 1 }}"}}}
    functions = {"pay": ("write", lambda arguments: paid.append(arguments["n"]) or arguments)}
    with House(tmp_path, functions, flow, rules=rules) as house:
        house.until(house.engine.start("w", {}, caller=ME).id, "waiting")
        watch(house, lambda result: ahead.append(number(began(result))))
        run = house.engine.start("w", {}, caller=ME)
        house.until(run.id, "waiting")

        assert paid == [1, 1]
        assert max(ahead) == 1
        assert len(entries(house, run.id)) == 1


def test_a_key_that_was_used_gives_its_first_answer_all_the_same(tmp_path):
    paid = []
    functions = {"pay": ("write", lambda arguments: paid.append(arguments["n"]) or {"n": 7})}
    flow = {"w": {"tasks": {name: {"tool": "sys.pay", "with": {"n": 1}} for name in ("one", "two")}}}
    flow["w"]["tasks"]["two"]["needs"] = ["one"]
    with House(tmp_path, functions, flow, rules={"pay": {"key": "${{ arguments.n }}"}}) as house:
        assert house.run("w").state == "succeeded"
        assert house.run("w").state == "succeeded"
    assert paid == [1]
