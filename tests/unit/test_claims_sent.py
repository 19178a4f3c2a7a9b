"""What is about to be sent, what a person is asked about, and the items of a for_each: the large ones are kept aside too."""

import json
import time
from contextlib import closing

import pytest
import scripted
from scripted import ME, OTHER, House
from sqlalchemy import text

from drawbar.core.aside import Claims
from drawbar.core.errors import InputError, OutcomeUnknown, Rejected
from drawbar.core.masking import MASK, Vault
from drawbar.core.retention import Retention
from drawbar.core.retention_config import History
from drawbar.core.store import ledger
from drawbar.core.store.journal import Journal
from drawbar.core.values import ClaimCheck, write_json

DAY_S = 86_400
MB = 1_000_000
LARGE = "ä" * (5 * MB // 2)


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    monkeypatch.setattr(House, "state", url)
    return url


def scalar(journal, query):
    with journal.read() as conn:
        return conn.exec_driver_sql(query).scalar()


def outward(value):
    return json.loads(write_json(value))


def later(house, days, **keep):
    return Retention(house.journal, History(**keep), clock=lambda: time.time() + days * DAY_S)


def is_claim(shown, size):
    return set(shown) == {"claim", "bytes", "preview"} and shown["bytes"] > size and len(shown["preview"]) <= 200


def test_a_large_write_that_parks_shows_a_claim_and_is_sent_again_whole(state, tmp_path):
    sent = []

    def pay(given):
        sent.append(given)
        if len(sent) == 1:
            raise OutcomeUnknown("no answer")
        return {"size": len(given["text"])}

    with House(tmp_path, {"pay": ("write", pay)}, {}) as one:
        prepared = one.guard.prepare("sys.pay", {"text": LARGE}, ME)
        with pytest.raises(OutcomeUnknown) as raised:
            one.guard.call(prepared)

        letter = outward(one.desk.dead_letter(raised.value.id))
        assert is_claim(letter["arguments"], 5 * MB)
        assert scalar(one.journal, "select length(arguments) from ledger") < 1000
        assert Claims(one.journal, one.guard.aside).value(letter["arguments"]["claim"]) == {"text": LARGE}
        with one.journal.read() as conn:
            assert ledger.find(conn, raised.value.id)["args_hash"] == prepared.hash
        one.desk.settle(raised.value.id, done=False, caller=OTHER)
        assert one.desk.send(raised.value.id, caller=OTHER).result == {"size": len(LARGE)}
        assert sent == [{"text": LARGE}] * 2
        assert is_claim(outward(one.desk.dead_letter(raised.value.id))["arguments"], 5 * MB)


def test_a_large_write_of_a_run_goes_on_from_its_probe_and_is_undone_with_what_was_sent(state, tmp_path):
    seen = {}

    def keep(name, error=None):
        def do(given):
            seen[name] = len(given["text"])
            if error is not None:
                raise error
            return 1

        return do

    functions = {
        "do": ("write", keep("do", OutcomeUnknown("no answer"))),
        "find": ("read", keep("find")),
        "undo": ("write", keep("undo", Rejected("not today"))),
        "fail": ("read", keep("fail", Rejected("no"))),
    }
    same = {"text": "${{ arguments.text }}"}
    rules = {"do": {"probe": {"tool": "sys.find", "with": same, "done": "${{ result == 1 }}", "after_s": 0}}}
    flow = {
        "tasks": {
            "do": {
                "tool": "sys.do",
                "with": {"text": "${{ input.text }}"},
                "compensate": {"tool": "sys.undo", "with": same},
            },
            "fail": {"tool": "sys.fail", "needs": ["do"], "with": {"text": ""}},
        }
    }
    with House(tmp_path, functions, {"w": flow}, rules=rules) as one:
        run = one.run("w", {"text": LARGE})

        assert run.state == "failed"
        assert seen == {"do": len(LARGE), "find": len(LARGE), "fail": 0, "undo": len(LARGE)}
        [letter] = one.desk.dead_letters()
        assert is_claim(outward(one.desk.dead_letter(letter["id"]))["arguments"], 5 * MB)
        assert scalar(one.journal, "select max(length(arguments)) from ledger") < 1000

        later(one, 20).clean()  # the values of the run are gone by now, and what is to be sent again is not
        with pytest.raises(InputError, match="was removed"):
            Claims(one.journal, one.guard.aside).value(run.input.id)
        seen.clear()
        with pytest.raises(Rejected):
            one.desk.send(letter["id"], caller=OTHER)
        assert seen == {"undo": len(LARGE)}


def test_what_was_sent_lives_as_long_as_its_letter(tmp_path):
    def lose(_):
        raise OutcomeUnknown("no answer")

    with House(tmp_path, {"do": ("write", lose)}, {}) as one:
        with pytest.raises(OutcomeUnknown) as raised:
            one.guard.call(one.guard.prepare("sys.do", {"text": "x" * MB}, ME))
        later(one, 1000).clean()
        assert scalar(one.journal, "select count(*) from claim_pieces") == 4
        one.desk.settle(raised.value.id, done=True, caller=OTHER)
        later(one, 179).clean()
        assert scalar(one.journal, "select count(*) from claim_pieces") == 4

        later(one, 181).clean()
        later(one, 181).clean()

        for table in ("ledger", "claims", "claim_pieces"):
            assert scalar(one.journal, f"select count(*) from {table}") == 0


def test_a_large_call_that_waits_for_an_approval_shows_a_claim_and_is_made_whole(state, tmp_path):
    sent = []
    flow = {"tasks": {"pay": {"tool": "sys.pay", "with": {"text": "${{ input.text }}"}}}}
    rules = {"pay": {"approval": {"within_h": 1}}}
    with House(tmp_path, {"pay": ("write", sent.append)}, {"w": flow}, rules=rules) as one:
        run = one.engine.start("w", {"text": LARGE}, caller=ME)
        one.until(run.id, "waiting")

        [asked] = one.desk.approvals()
        assert is_claim(outward(asked)["arguments"], 5 * MB)
        assert scalar(one.journal, "select length(arguments) from approvals") < 1000
        one.desk.answer(asked["id"], approved=True, caller=OTHER)
        assert one.engine.wait(run.id, 60).state == "succeeded"
        assert sent == [{"text": LARGE}]
        assert is_claim(outward(one.desk.approval(asked["id"]))["arguments"], 5 * MB)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["sqlite", "postgresql"], indirect=True)
def test_two_hundred_large_items_are_kept_aside_and_those_that_failed_are_done_again_alone(state, tmp_path):
    seen, works = [], []

    def do(given):
        seen.append(given["item"])
        if given["item"][0] == 199 and not works:
            raise Rejected("no")

    flow = {
        "tasks": {
            "each": {
                "tool": "sys.do",
                "for_each": {"in": "${{ input.items }}", "concurrency": 8},
                "with": {"item": "${{ item }}"},
            }
        }
    }
    items = [[number, "x" * 100_000] for number in range(200)]
    with House(tmp_path, {"do": ("idempotent", do)}, {"w": flow}) as one:
        run = one.run("w", {"items": items}, timeout_s=60)

        assert run.state == "failed"
        assert sorted(seen) == items
        assert scalar(one.journal, "select max(length(value)) from items") < 1000
        assert scalar(one.journal, "select max(length(arguments)) from ledger") < 1000
        seen.clear()
        works.append(True)
        one.engine.retry(run.id, caller=ME)
        assert one.engine.wait(run.id, 60).state == "succeeded"
        assert seen == [items[199]]
        later(one, 40).clean()
        later(one, 40).clean()
        assert [scalar(one.journal, f"select count(*) from {table}") for table in ("claims", "claim_pieces")] == [0, 0]


def test_small_items_stay_in_their_rows(tmp_path):
    flow = {
        "tasks": {"each": {"tool": "sys.do", "for_each": {"in": "${{ input.items }}"}, "with": {"item": "${{ item }}"}}}
    }
    with House(tmp_path, {"do": ("write", lambda _: None)}, {"w": flow}) as one:
        assert one.run("w", {"items": ["x" * 100] * 20}).state == "succeeded"

        assert scalar(one.journal, "select count(*) from claims") == 0


def test_an_item_that_an_older_version_kept_whole_is_not_done_again(tmp_path):
    seen = []

    def do(given):
        seen.append(given["item"])
        if len(seen) == 2:
            raise Rejected("no")

    each = {"in": "${{ input.items }}", "concurrency": 1}
    flow = {"tasks": {"each": {"tool": "sys.do", "for_each": each, "with": {"item": "${{ item }}"}}}}
    items = ["a" * 100_000, "b" * 100_000]
    with House(tmp_path, {"do": ("write", do)}, {"w": flow}) as one:
        run = one.run("w", {"items": items})
        assert run.state == "failed"
        whole = [{"item": number, "value": json.dumps(item)} for number, item in enumerate(items)]
        one.journal.write(lambda conn: conn.execute(text("update items set value = :value where item = :item"), whole))

        one.engine.retry(run.id, caller=ME, input={"items": items})

        assert one.engine.wait(run.id, 60).state == "succeeded"
        assert seen == [*items, items[1]]


def test_items_of_a_run_that_an_older_version_began_stay_in_their_rows(tmp_path):
    """Programs of that version work beside us, and would take the claim for the item."""
    flow = {
        "tasks": {
            "ask": {"approval": {}},
            "each": {
                "tool": "sys.do",
                "needs": ["ask"],
                "for_each": {"in": "${{ input.items }}"},
                "with": {"item": "${{ item }}"},
            },
        }
    }
    items = ["a" * 100_000, "b"]
    with House(tmp_path, {"do": ("read", lambda given: len(given["item"]))}, {"w": flow}) as one:
        run = one.engine.start("w", {"items": items}, caller=ME)
        one.until(run.id, "waiting")
        one.journal.write(lambda conn: conn.execute(text("update runs set journal_version = 2")))
        [asked] = one.desk.approvals()
        one.desk.answer(asked["id"], approved=True, caller=OTHER)

        assert one.engine.wait(run.id, 60).state == "succeeded"
        assert scalar(one.journal, "select max(length(value)) from items") == 100_002


def test_secret_fields_of_what_is_sent_are_sealed_and_masked(tmp_path, monkeypatch):
    monkeypatch.setattr(scripted, "Vault", lambda _: Vault("k" * 20))
    sent = []

    def pay(given):
        sent.append(given)
        if len(sent) == 1:
            raise OutcomeUnknown("no answer")

    given = {"card": "4111-secret", "text": "x" * MB}
    with House(tmp_path, {"pay": ("write", pay)}, {}, rules={"pay": {"secret": ["card"]}}) as one:
        with pytest.raises(OutcomeUnknown) as raised:
            one.guard.call(one.guard.prepare("sys.pay", given, ME))

        shown = one.desk.dead_letter(raised.value.id)["arguments"]
        assert isinstance(shown, ClaimCheck)
        assert "secret" not in shown.preview
        claims = Claims(one.journal, one.guard.aside)
        body = claims.part(shown.id, 0, claims.find(shown.id).bytes)
        assert json.loads(body) == {**given, "card": MASK}
        files = [file.read_bytes() for file in tmp_path.glob("state.db*") if file.is_file()]
        assert not any(b"4111-secret" in body for body in files)
        one.desk.settle(raised.value.id, done=False, caller=OTHER)
        one.desk.send(raised.value.id, caller=OTHER)
        assert sent == [given, given]


def test_secret_fields_are_not_kept_without_a_state_key(tmp_path):
    with House(tmp_path, {"pay": ("write", lambda _: None)}, {}, rules={"pay": {"secret": ["card"]}}) as one:
        prepared = one.guard.prepare("sys.pay", {"card": "4111", "text": "x" * MB}, ME)

        with pytest.raises(Exception, match="state_key is not set"):
            one.guard.call(prepared)

        assert scalar(one.journal, "select count(*) from claims") == 0


def test_an_intent_that_is_refused_leaves_no_claim(tmp_path):
    with House(tmp_path, {"do": ("write", lambda _: 1)}, {}, rules={"do": {"key": "${{ arguments.n }}"}}) as one:
        one.guard.call(one.guard.prepare("sys.do", {"n": 1, "text": "x" * MB}, ME))
        with pytest.raises(InputError, match="other arguments"):
            one.guard.call(one.guard.prepare("sys.do", {"n": 1, "text": "y" * MB}, ME))
        assert one.guard.call(one.guard.prepare("sys.do", {"n": 1, "text": "x" * MB}, ME)).repeated

        assert scalar(one.journal, "select count(*) from claims") == 1
    with closing(Journal.open(f"sqlite:///{tmp_path}/state.db")) as journal:
        assert scalar(journal, "select count(*) from ledger") == 1
