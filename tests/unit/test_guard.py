"""The guard and the ledger: who may call, what is recorded, what an answer means."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest

from drawbar.core import landscape as landscape_module
from drawbar.core.access import AgentConfig, Caller, local
from drawbar.core.adapter import Adapter, AdapterConfig, Place
from drawbar.core.errors import ConfigError, InputError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.reconcile import Reconciler
from drawbar.core.rules import ToolRules
from drawbar.core.store import ledger
from drawbar.core.store.journal import Journal
from drawbar.core.tool import Call, tool

OWNER = Caller.cli("test")


class BankConfig(AdapterConfig):
    pass


class Bank(Adapter[BankConfig]):
    """A bank that books what it is told, and then answers as the test wants."""

    kind = "bank"
    Config = BankConfig
    booked: list[tuple[str, Decimal]]
    answers: list[Exception | dict | None]

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.booked = []
        self.answers = []
        self.asked = 0

    @tool(effect="write")
    def pay(self, to: str, amount: Decimal, branch: str = "", *, call: Call) -> dict:
        """Pay."""
        answer = self.answers.pop(0) if self.answers else None
        if not isinstance(answer, (Unavailable, Rejected)):
            self.booked.append((to, amount))
        if isinstance(answer, Exception):
            raise answer
        return answer or {"id": f"P{len(self.booked)}", "branch": branch, "rc": 0}

    @tool(effect="read")
    def find(self, to: str) -> dict:
        """Find payments."""
        self.asked += 1
        if self.answers and isinstance(self.answers[0], Exception):
            raise self.answers.pop(0)
        return {"found": [to for name, _ in self.booked if name == to]}


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


@pytest.fixture
def bank_of(journal, tmp_path, monkeypatch):
    monkeypatch.setattr(landscape_module, "find", lambda kind: Bank)

    def make(state_key=None, **rules):
        config = BankConfig(kind="bank", tools={"pay": ToolRules.model_validate(rules)} if rules else {})
        land = Landscape(Place(Path(tmp_path), Path(tmp_path)), {"bank": config})
        return land.adapter("bank"), Guard(land, journal, Vault(state_key))

    return make


def entry(journal, entry_id):
    with journal.read() as conn:
        return ledger.find(conn, entry_id)


def pay(guard, caller=OWNER, **arguments):
    return guard.call(guard.prepare("bank.pay", {"to": "ada", "amount": "10.00", **arguments}, caller))


def test_a_write_is_recorded_before_it_leaves_and_its_outcome_after(bank_of, journal):
    bank, guard = bank_of()

    answer = pay(guard)

    assert answer.result == {"id": "P1", "branch": "", "rc": 0}
    recorded = entry(journal, answer.id)
    assert (recorded["state"], recorded["effect"], recorded["tool"]) == ("done", "write", "bank.pay")
    assert bank.booked == [("ada", Decimal("10.00"))]


def test_an_agent_calls_no_write_that_is_not_named_in_full(bank_of):
    bank, guard = bank_of()
    agent = Caller.agent("clerk", AgentConfig(tools=["bank.*"]))

    with pytest.raises(InputError) as error:
        pay(guard, agent)

    assert error.value.reason == "forbidden"
    assert bank.booked == []
    assert pay(guard, Caller.agent("clerk", AgentConfig(tools=["bank.pay"]))).result["id"] == "P1"


def test_the_local_caller_reads_everything_and_writes_what_is_named(bank_of):
    bank, guard = bank_of()

    assert guard.call(guard.prepare("bank.find", {"to": "x"}, local(None))).result == {"found": []}
    with pytest.raises(InputError, match="may not call"):
        pay(guard, local(None))
    pay(guard, local(AgentConfig(tools=["bank.pay"])))
    assert len(bank.booked) == 1


def test_nothing_happened_is_tried_again_and_books_once(bank_of):
    bank, guard = bank_of()
    bank.answers = [Unavailable("away"), Unavailable("away")]

    pay(guard)

    assert len(bank.booked) == 1


def test_a_lost_answer_of_a_write_is_never_repeated(bank_of, journal):
    bank, guard = bank_of()
    bank.answers = [OutcomeUnknown("no answer")]

    with pytest.raises(OutcomeUnknown) as error:
        pay(guard)

    assert len(bank.booked) == 1
    assert entry(journal, error.value.id)["state"] == "unknown"
    assert "dead settle" in error.value.next


def test_a_lost_answer_of_a_read_is_asked_again(bank_of):
    bank, guard = bank_of()
    bank.answers = [OutcomeUnknown("no answer")]

    assert guard.call(guard.prepare("bank.find", {"to": "x"}, OWNER)).result == {"found": []}
    assert bank.asked == 2


def test_an_adapter_that_breaks_leaves_a_write_unknown_and_says_it_is_a_defect(bank_of):
    bank, guard = bank_of()
    bank.answers = [ZeroDivisionError("oops")]

    with pytest.raises(OutcomeUnknown, match="defect"):
        pay(guard)

    assert len(bank.booked) == 1


def test_the_same_key_gives_the_first_answer(bank_of):
    bank, guard = bank_of(key="${{ arguments.to }}")

    first, second = pay(guard), pay(guard, Caller.agent("other", AgentConfig(tools=["bank.pay"])))

    assert second.result == first.result
    assert (first.repeated, second.repeated) == (False, True)
    assert len(bank.booked) == 1


def test_other_arguments_under_the_same_key_are_refused(bank_of):
    bank, guard = bank_of(key="${{ arguments.to }}")
    pay(guard)

    with pytest.raises(InputError, match="other arguments") as error:
        pay(guard, amount="11.00")

    assert error.value.reason == "conflict"
    assert len(bank.booked) == 1


def test_a_key_whose_call_was_rejected_is_free_again(bank_of):
    bank, guard = bank_of(key="${{ arguments.to }}")
    bank.answers = [Rejected("not today")]
    with pytest.raises(Rejected):
        pay(guard)

    assert pay(guard).repeated is False
    assert len(bank.booked) == 1


def test_a_key_with_an_unknown_outcome_sends_nothing_more(bank_of):
    bank, guard = bank_of(key="${{ arguments.to }}")
    bank.answers = [OutcomeUnknown("no answer")]
    with pytest.raises(OutcomeUnknown) as first:
        pay(guard)

    with pytest.raises(OutcomeUnknown, match="first call") as second:
        pay(guard)

    assert len(bank.booked) == 1
    assert second.value.id == first.value.id, "504 with its dead letter until that is settled, and never: happened no"


def test_ten_callers_with_one_key_book_once(bank_of):
    bank, guard = bank_of(key="${{ arguments.to }}")
    answers, refused = [], []

    def one():
        try:
            answers.append(pay(guard).result["id"])
        except InputError as error:
            refused.append(error.reason)

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(bank.booked) == 1
    assert set(answers) == {"P1"}
    assert set(refused) <= {"conflict"}
    assert len(answers) + len(refused) == 10


def test_a_rule_turns_a_polite_answer_into_a_rejection(bank_of, journal):
    bank, guard = bank_of(
        outcome=[{"when": "${{ result.rc >= 8 }}", "is": "rejected", "message": "${{ result.text }}"}]
    )
    bank.answers = [{"rc": 8, "text": "account closed"}]

    with pytest.raises(Rejected, match="account closed"):
        pay(guard)


def test_a_rule_turns_a_fault_into_done(bank_of):
    rule = {"when": "${{ fault.code == 'ERR-017' }}", "is": "done", "result": "${{ {'id': fault.detail.id} }}"}
    bank, guard = bank_of(outcome=[rule])
    bank.answers = [Rejected("exists", detail={"code": "ERR-017", "detail": {"id": "P9"}})]

    assert pay(guard).result == {"id": "P9"}


def test_bound_arguments_are_not_for_callers(bank_of):
    _, guard = bank_of(bind={"branch": "${{ caller.claims.branch }}"})
    caller = Caller("app", "agent", ("bank.pay",), claims={"branch": "north"})

    assert pay(guard, caller).result["branch"] == "north"
    assert "branch" not in guard.landscape.tool("bank.pay").input_schema["properties"]
    with pytest.raises(InputError, match="branch"):
        pay(guard, caller, branch="south")


PROBE = {
    "tool": "bank.find",
    "with": {"to": "${{ arguments.to }}"},
    "done": "${{ size(result.found) > 0 }}",
    "result": "${{ {'id': 'found'} }}",
    "after_s": 0,
}


def test_a_probe_that_sees_the_effect_ends_the_unknown(bank_of, journal):
    bank, guard = bank_of(probe=PROBE)
    bank.answers = [OutcomeUnknown("no answer")]
    with pytest.raises(OutcomeUnknown) as error:
        pay(guard)
    settled = []

    Reconciler(guard, journal, settled.append).sweep()

    assert entry(journal, error.value.id)["state"] == "done"
    assert entry(journal, error.value.id)["result"] == {"id": "found"}
    assert settled == [error.value.id]
    assert len(bank.booked) == 1


def test_not_seen_counts_only_after_the_declared_time(bank_of, journal):
    bank, guard = bank_of(probe=PROBE)
    bank.answers = [OutcomeUnknown("no answer")]
    with pytest.raises(OutcomeUnknown) as error:
        pay(guard)
    bank.booked.clear()

    Reconciler(guard, journal, lambda entry_id: None).sweep()

    assert entry(journal, error.value.id)["state"] == "unknown"
    assert entry(journal, error.value.id)["probes"][0]["said"] == "not seen"


def test_not_seen_after_the_declared_time_is_not_done(bank_of, journal):
    bank, guard = bank_of(probe={**PROBE, "absent_after_s": 0.001})
    bank.answers = [OutcomeUnknown("no answer")]
    with pytest.raises(OutcomeUnknown) as error:
        pay(guard)
    bank.booked.clear()

    Reconciler(guard, journal, lambda entry_id: None).sweep()

    assert entry(journal, error.value.id)["state"] == "not_done"


def test_an_error_in_the_probe_is_no_answer(bank_of, journal):
    bank, guard = bank_of(probe={**PROBE, "absent_after_s": 0.001})
    bank.answers = [OutcomeUnknown("no answer")]
    with pytest.raises(OutcomeUnknown) as error:
        pay(guard)
    bank.booked.clear()
    bank.answers = [Unavailable("away")]

    Reconciler(guard, journal, lambda entry_id: None).sweep()

    assert entry(journal, error.value.id)["state"] == "unknown"


def test_personal_fields_are_sealed_where_they_are_kept(bank_of, journal):
    _, guard = bank_of(state_key="k" * 20, personal=["to"])

    answer = pay(guard)

    kept = entry(journal, answer.id)["arguments"]
    assert '"ada"' not in kept
    assert '"ada"' in guard.vault.open(kept)


def test_personal_fields_without_a_state_key_are_refused_before_anything_leaves(bank_of):
    bank, guard = bank_of(personal=["to"])

    with pytest.raises(ConfigError, match="state_key"):
        pay(guard)

    assert bank.booked == []


def test_an_answer_that_breaks_its_schema_is_done_all_the_same(bank_of, journal):
    bank, guard = bank_of()
    bank.answers = [{"id": 7}]

    answer = pay(guard)

    assert answer.result == {"id": 7}
    assert entry(journal, answer.id)["state"] == "done"


def test_unknown_tools_name_the_nearest(bank_of):
    _, guard = bank_of()
    guard.landscape.tools()

    with pytest.raises(InputError, match=r"did you mean 'bank.pay'"):
        guard.prepare("bank.payy", {}, OWNER)


def test_a_rule_about_a_tool_that_is_not_there_is_an_error(bank_of, monkeypatch):
    config = BankConfig(kind="bank", tools={"pya": ToolRules()})
    _, guard = bank_of()
    guard.landscape.put("other", config)

    with pytest.raises(ConfigError, match="did you mean 'pay'"):
        guard.landscape.tool("other.pay")
