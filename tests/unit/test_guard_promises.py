"""What the guard, the ledger, the desk and the sweep over unknown outcomes promise when something goes wrong."""

import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from drawbar.core import landscape as landscape_module
from drawbar.core.access import AgentConfig, Caller, local
from drawbar.core.adapter import Adapter, AdapterConfig, Place
from drawbar.core.desk import Desk
from drawbar.core.direct import Direct
from drawbar.core.engine import Engine
from drawbar.core.errors import InputError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.reconcile import Reconciler
from drawbar.core.store import ledger
from drawbar.core.store.journal import Journal
from drawbar.core.tool import Call, Tool, tool

OWNER, OTHER = Caller.cli("ada"), Caller.cli("bob")
PROBE = {"tool": "bank.find", "with": {}, "done": "${{ false }}", "after_s": 0, "absent_after_s": 30}


class Bank(Adapter[AdapterConfig]):
    """A bank that books what it is told, and then answers as the test wants."""

    kind = "bank"
    Config = AdapterConfig
    away: Exception | None = None

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.booked = []
        self.answers = []

    def tools(self):
        if self.away is not None:
            raise self.away
        yield from super().tools()
        free = {"type": "object"}
        yield Tool(
            "send", "Send.", "write", free, {}, lambda arguments, call: self.booked.append(arguments) or {"ok": 1}
        )

    @tool(effect="write")
    def pay(self, to: str, amount: Decimal = Decimal(1), branch: str = "", *, call: Call) -> dict:
        """Pay."""
        answer = self.answers.pop(0) if self.answers else None
        if not isinstance(answer, Unavailable):
            self.booked.append((to, branch))
        if isinstance(answer, BaseException):
            raise answer
        return answer(call) if callable(answer) else {"id": len(self.booked)}

    @tool(effect="read")
    def find(self) -> dict:
        """Find."""
        return {}


class House:
    def __init__(self, folder: Path, monkeypatch, **rules) -> None:
        monkeypatch.setattr(landscape_module, "find", lambda kind: Bank)
        config = AdapterConfig.model_validate({"kind": "bank", "tools": rules})
        self.journal = Journal.open(f"sqlite:///{folder}/state.db")
        self.folder = folder
        self.land = Landscape(Place(folder, folder), {"bank": config})
        self.bank = self.land.adapter("bank")
        self.guard = Guard(self.land, self.journal, Vault("k" * 20))
        self.engine = Engine(self.journal, self.guard, {}.get, threads=4, poll_s=0.05)
        self.desk = Desk(self.journal, self.guard, self.engine)
        self.direct = Direct(self.guard, self.engine, self.desk)
        self.reconciler = Reconciler(self.guard, self.journal, self.engine.settled)

    def pay(self, caller=OWNER, **arguments):
        return self.guard.call(self.guard.prepare("bank.pay", {"to": "ada", **arguments}, caller))

    def unknown(self, **arguments):
        """Leave a payment whose answer was lost; give its entry."""
        self.bank.answers.append(OutcomeUnknown("no answer"))
        with pytest.raises(OutcomeUnknown) as error:
            self.pay(**arguments)
        return error.value.id

    def entry(self, entry_id):
        with self.journal.read() as conn:
            return ledger.find(conn, entry_id)

    def forget_tools(self, error):
        """The system goes away: nothing of it is known any more."""
        self.land.put("bank", self.land.config("bank"))
        self.land.adapter("bank").away = error

    def on_disk(self):
        self.journal.write(lambda conn: conn.exec_driver_sql("select 1"))
        return b"".join(path.read_bytes() for path in self.folder.glob("state.db*") if path.is_file())


@pytest.fixture
def house_of(tmp_path, monkeypatch):
    made = []

    def make(**rules):
        made.append(House(tmp_path, monkeypatch, **rules))
        return made[-1]

    yield make
    for house in made:
        house.engine.stop(1)
        house.journal.close()


def test_the_time_of_a_call_is_read_from_the_journals_clock(house_of, monkeypatch):
    """A wall clock that was set back would make a payment that left just now look long gone."""
    house = house_of(pay={"probe": PROBE})
    monkeypatch.setattr("time.time", lambda real=time.time: real() - 3600)

    entry = house.unknown()
    house.reconciler.sweep()

    assert house.entry(entry)["state"] == "unknown"


def test_who_died_may_have_called_until_it_was_given_up(house_of):
    house = house_of(pay={"probe": PROBE})
    prepared = house.guard.prepare("bank.pay", {"to": "ada"}, OWNER)
    intent = house.guard.intent(prepared, "lost", house.journal.now() - 1000)
    house.journal.write(lambda conn: ledger.admit(conn, intent, house.journal.now() - 1000))

    house.reconciler.sweep()
    house.reconciler.sweep()

    assert house.entry("lost")["state"] == "unknown"


def test_a_slow_probe_says_how_it_was_when_it_was_asked(house_of, monkeypatch):
    house = house_of(pay={"probe": {**PROBE, "absent_after_s": 0.3}})
    entry = house.unknown()
    probe = house.guard.probe
    monkeypatch.setattr(house.guard, "probe", lambda row: [probe(row), time.sleep(0.5)][0])

    house.reconciler.sweep()

    assert house.entry(entry)["state"] == "unknown"


def test_of_two_processes_one_asks_the_probe(house_of, monkeypatch):
    """Ten processes on one state must not ask the old system ten times, nor fail over each other's answer."""
    house = house_of(pay={"probe": {**PROBE, "absent_after_s": 0.001}})
    house.unknown()
    asked, probe = [], house.guard.probe

    def ask(row):
        asked.append(row["id"])
        if len(asked) == 1:
            assert house.reconciler.sweep() == 0, "the other process, at the same time"
        return probe(row)

    monkeypatch.setattr(house.guard, "probe", ask)

    assert house.reconciler.sweep() == 1
    assert len(asked) == 1


def test_a_person_may_settle_while_the_probe_is_asked(house_of, monkeypatch):
    house = house_of(pay={"probe": {**PROBE, "absent_after_s": 0.001}})
    entry, probe = house.unknown(), house.guard.probe

    def ask(row):
        house.desk.settle(entry, done=True, result={"id": 1}, caller=OTHER)
        return probe(row)

    monkeypatch.setattr(house.guard, "probe", ask)

    assert house.reconciler.sweep() == 0
    assert house.entry(entry)["state"] == "done"


def test_a_letter_that_cannot_be_probed_holds_up_no_other(house_of, monkeypatch):
    house = house_of(pay={"probe": {**PROBE, "absent_after_s": 0.001}})
    first, second = house.unknown(to="a"), house.unknown(to="b")
    probe = house.guard.probe

    def breaks(row):
        if row["id"] == first:
            raise KeyError("a defect of an adapter")
        return probe(row)

    monkeypatch.setattr(house.guard, "probe", breaks)
    house.reconciler.sweep()

    assert (house.entry(first)["state"], house.entry(second)["state"]) == ("unknown", "not_done")
    assert "KeyError" in house.entry(first)["probes"][0]["said"]


def test_a_letter_of_a_system_that_is_away_is_looked_at_again_later(house_of):
    house = house_of(pay={"probe": PROBE})
    entry = house.unknown()
    house.forget_tools(Unavailable("away"))

    house.reconciler.sweep()

    assert house.entry(entry)["probe_at"] > house.journal.now()
    assert "away" in house.entry(entry)["probes"][0]["said"]


def test_two_sweeps_at_once_lose_a_call_once(house_of):
    house = house_of()
    prepared = house.guard.prepare("bank.pay", {"to": "ada"}, OWNER)
    intent = house.guard.intent(prepared, "lost", house.journal.now() - 1000)
    house.journal.write(lambda conn: ledger.admit(conn, intent, house.journal.now() - 1000))
    with house.journal.read() as conn:
        lost = ledger.expired_calls(conn, house.journal.now())

    assert [house.reconciler._lose(lost[0], house.journal.now()) for _ in range(2)] == [True, False]
    assert house.entry("lost")["notes"] is None


def test_a_caller_that_slept_past_its_time_sends_nothing(house_of, monkeypatch):
    house = house_of()
    now = house.journal.now
    admit = ledger.admit

    def sleeps(conn, intent, at):
        admission = admit(conn, intent, at)
        monkeypatch.setattr(house.journal, "now", lambda: now() + 1000)
        return admission

    monkeypatch.setattr(ledger, "admit", sleeps)

    with pytest.raises(Unavailable, match="too slow"):
        house.pay()
    assert house.bank.booked == []


def test_an_outcome_that_cannot_be_recorded_is_told_as_it_was(house_of, monkeypatch):
    """Unavailable would say that nothing happened."""
    house = house_of()

    def breaks(call):
        monkeypatch.setattr(house.journal, "write", lambda unit: (_ for _ in ()).throw(Unavailable("disk full")))
        return {"id": 7}

    house.bank.answers.append(breaks)

    assert house.pay().result == {"id": 7}


def test_an_answer_that_cannot_be_kept_is_done_all_the_same(house_of):
    house = house_of()
    house.bank.answers.append(lambda call: {"id": "\ud800"})

    answer = house.pay()

    assert house.entry(answer.id)["state"] == "done"
    assert "deviation" in house.entry(answer.id)["notes"]


def test_a_system_that_says_when_to_come_back_is_not_asked_before(house_of):
    house = house_of()
    house.bank.answers.append(Unavailable("busy", retry_after_s=0.6))
    begun = time.monotonic()

    house.pay()

    assert time.monotonic() - begun >= 0.6


def test_personal_fields_stay_hidden_while_their_system_is_away(house_of):
    house = house_of(pay={"personal": ["to"]})
    entry = house.unknown(to="Eva Musterfrau")
    house.forget_tools(Unavailable("away"))

    shown = house.desk.dead_letter(entry)

    assert "Eva" not in repr(shown)


@pytest.mark.parametrize(
    "inner",
    [{"person": {"pin": "MARK-4711"}}, {"NoPerson": {"person": {"pin": "MARK-4711"}}, "other": "x"},
     {"No.person": [{"person": [{"pin": "MARK-4711"}]}]}],
    ids=["of one element", "of several", "in a list"],
)  # fmt: skip
def test_personal_fields_in_the_detail_of_a_fault_are_masked(house_of, inner):
    """SOAP's adapter has the content of a fault's only element, or an object of several, below `detail`."""
    house = house_of(pay={"personal": ["person.pin"]})
    house.bank.answers.append(Rejected("no", detail={"code": "ERR-017", "message": "MARK-4711", "detail": inner}))

    with pytest.raises(Rejected) as refused:
        house.pay()

    assert refused.value.detail["code"] == "ERR-017"
    assert "MARK" not in repr([refused.value.message, refused.value.detail])


def test_personal_fields_of_a_question_are_sealed_and_masked_everywhere(house_of):
    house = house_of(pay={"personal": ["to"], "approval": {}})
    house.engine.begin()

    asked = house.direct.call("bank.pay", {"to": "Eva Musterfrau", "amount": "2.50"}, caller=OWNER)
    seen = [house.desk.approval(asked.id), house.engine.run(asked.run_id).as_json()]
    assert house.desk.approval(asked.id)["arguments"] == {"to": "***", "amount": Decimal("2.50")}
    house.land.put("bank", house.land.config("bank"))
    house.land.adapter("bank").away = Unavailable("away")
    seen.append(house.desk.approval(asked.id))
    house.land.adapter("bank").away = None
    time.sleep(0.1)
    house.desk.answer(asked.id, approved=True, caller=OTHER)
    run = house.engine.wait(asked.run_id, 60)
    seen += [run.as_json(), [task.as_json() for task in house.engine.tasks(asked.run_id)]]

    assert run.state == "succeeded"
    assert house.land.adapter("bank").booked == [("Eva Musterfrau", "")]
    assert "Eva" not in repr(seen)
    assert b"Eva" not in house.on_disk()


def test_names_of_arguments_are_no_expressions(house_of):
    """A tool that takes any field takes one whose name looks like the end of an expression."""
    house = house_of(send={"approval": {}})
    house.engine.begin()
    given = {"a'] + 'x": 1, 'b"\\': "${{ context.secrets.key }}", "c}}": "$${"}

    asked = house.direct.call("bank.send", given, caller=OWNER)
    house.desk.answer(asked.id, approved=True, caller=OTHER)
    house.engine.wait(asked.run_id, 60)

    assert house.bank.booked == [given]


def test_a_call_that_was_cancelled_while_it_waited_is_not_told_as_done(house_of):
    house = house_of(pay={"approval": {}})
    house.engine.begin()
    asked = house.direct.call("bank.pay", {"to": "ada"}, caller=OWNER, key="k")
    house.engine.cancel(asked.run_id, caller=OTHER)
    house.engine.wait(asked.run_id, 60)

    with pytest.raises(Rejected, match="cancelled"):
        house.direct.call("bank.pay", {"to": "ada"}, caller=OWNER, key="k")


def test_an_idempotency_key_of_a_question_is_for_these_arguments_alone(house_of):
    house = house_of(pay={"approval": {}})
    house.engine.begin()
    first = house.direct.call("bank.pay", {"to": "ada"}, caller=OWNER, key="k")

    assert house.direct.call("bank.pay", {"to": "ada"}, caller=OWNER, key="k").id == first.id
    with pytest.raises(InputError) as error:
        house.direct.call("bank.pay", {"to": "eve"}, caller=OWNER, key="k")
    assert error.value.status == 422


def test_what_is_sent_again_is_what_was_sent_before(house_of):
    """Arguments that the configuration bound are kept as they were, whoever sends."""
    house = house_of(pay={"bind": {"branch": "${{ caller.claims.branch }}"}})
    north = Caller("app", "agent", ("bank.pay",), claims={"branch": "north"})
    entry = house.unknown(caller=north)
    house.bank.booked.clear()
    house.desk.settle(entry, done=False, caller=OTHER)

    house.desk.send(entry, caller=OTHER)

    assert house.bank.booked == [("ada", "north")]


def test_two_who_send_a_letter_again_send_it_once(house_of):
    house = house_of()
    entry = house.unknown()
    house.bank.booked.clear()
    house.desk.settle(entry, done=False, caller=OTHER)
    said = []

    def send():
        try:
            said.append(house.desk.send(entry, caller=OTHER).repeated)
        except InputError as error:
            said.append(error.reason)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(house.bank.booked) == 1


def test_codes_that_nobody_used_are_forgotten(house_of, monkeypatch):
    house = house_of()
    now = house.journal.now
    house.guard.preview("bank.pay", {"to": "ada"}, OWNER)
    monkeypatch.setattr(house.journal, "now", lambda: now() + 1000)

    house.guard.preview("bank.pay", {"to": "ada"}, OWNER)

    with house.journal.read() as conn:
        assert conn.exec_driver_sql("select count(*) from codes").scalar() == 1


def test_the_local_caller_reads_everything_and_changes_only_what_is_named():
    plain, named = local(None), local(AgentConfig(tools=["drop.write_*"]))

    assert plain.may_call("drop.list_orders", "read")
    assert not plain.may_call("drop.write_orders", "idempotent")
    assert not plain.may_call("bank.pay", "write")
    assert named.may_call("drop.write_orders", "idempotent")
    assert not named.may_call("drop.write_orders", "write")


def test_who_needs_an_approval_cannot_send_a_letter_without_one(house_of):
    house = house_of()
    entry = house.unknown()
    house.desk.settle(entry, done=False, caller=OTHER)
    clerk = Caller.agent("clerk", AgentConfig(tools=["bank.pay"], scopes=["read", "operate"], approval=["write"]))

    with pytest.raises(InputError) as error:
        house.desk.send(entry, caller=clerk)
    assert error.value.reason == "forbidden"
