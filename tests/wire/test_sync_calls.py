"""A tool as the target of a sync: each row is one guarded call, known in the ledger."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from syncing import Night

from drawbar.cli import main
from drawbar.core.access import Caller
from drawbar.core.desk import Desk
from drawbar.core.errors import Rejected, Unavailable
from drawbar.core.reconcile import Reconciler
from drawbar.core.store import ledger
from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.soap import Close, HttpError, SoapService

OPERATOR = Caller.cli("night desk")
MAP = {name: f"${{{{ row.{name} }}}}" for name in ("orderId", "customer", "amount")}


@pytest.fixture
def billing() -> Iterator[Any]:
    kept = Billing()

    def create(arguments: dict[str, Any]) -> Any:
        return service.create(arguments)

    with SoapService(WSDL, {**kept.answers, "CreateInvoice": create}, port=0) as found:
        service: Any = found
        service.kept, service.create = kept, kept.create
        yield service


@pytest.fixture
def night(billing: Any, tmp_path: Path) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []
    (tmp_path / "drop").mkdir()

    def make(tools: dict[str, Any] | None = None, **to: Any) -> Night:
        feed = {"pattern": "*.jsonl", "ready": {"stable_s": 0}, "format": {"kind": "jsonl"}}
        adapters = {
            "drop": {"kind": "local", "root": str(tmp_path / "drop"), "feeds": {"orders": feed}},
            "billing": {
                "kind": "soap",
                "wsdl": billing.wsdl,
                "effects": {"FindInvoice": "read"},
                "tools": tools or {},
                "call_timeout_s": 5,
                "budget": {"concurrency": 2},
            },
        }
        sync = {
            "from": {"adapter": "drop", "feed": "orders"},
            "to": {"adapter": "billing", "operation": "CreateInvoice", **to},
            "map": MAP,
            "rejects": {"max_count": 2},
        }
        made.append(Night(tmp_path, adapters, {"bill": sync}))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Nobody:
    """No runs of workflows that wait for an answer."""

    def settled(self, entry_id: str) -> None: ...

    def answered(self, approval_id: str) -> None: ...


def drop(folder: Path, name: str, *orders: tuple[int, str]) -> None:
    lines = [json.dumps({"orderId": order, "customer": "Ada", "amount": amount}) for order, amount in orders]
    (folder / "drop" / name).write_text("\n".join(lines) + "\n")


def test_each_row_is_one_call_and_a_refused_one_is_a_reject(
    night: Callable[..., Night], billing: Any, tmp_path: Path
) -> None:
    drop(tmp_path, "a.jsonl", (1, "1.00"), (2, "2.00"), (3, "3.00"))
    billing.kept.create({"orderId": 2, "amount": 2})  # the system has it already, and says so

    run = night(concurrency=2).run("bill")

    assert (run["read"], run["written"], run["rejected"]) == (3, 2, 1)
    assert sorted(billing.kept.invoices) == ["INV-1", "INV-2", "INV-3"]
    [portion] = run["files"]
    [line] = Path(portion["rejects"]).read_text().splitlines()
    assert "ERR-017" in json.loads(line)["reason"]
    assert json.loads(line)["row"]["orderId"] == 2


def test_a_call_whose_answer_is_lost_is_parked_and_never_made_again(
    night: Callable[..., Night], billing: Any, tmp_path: Path
) -> None:
    calls: list[int] = []

    def lost(arguments: dict[str, Any]) -> Any:
        calls.append(arguments["orderId"])
        made = billing.kept.create(arguments)
        return Close() if arguments["orderId"] == 2 else made

    billing.create = lost
    drop(tmp_path, "a.jsonl", (1, "1.00"), (2, "2.00"), (3, "3.00"))
    here = night()

    run = here.run("bill")
    drop(tmp_path, "b.jsonl", (4, "4.00"))
    after = here.run("bill")

    assert (run["read"], run["written"], run["parked"]) == (3, 2, 1)
    assert (after["read"], after["written"]) == (1, 1)
    assert calls == [1, 2, 3, 4]
    with here.journal.read() as conn:
        assert ledger.find(conn, run["parked_entries"][0])["state"] == "unknown"


def test_a_scheduler_sees_by_the_exit_code_that_a_person_is_needed(
    billing: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each run until somebody has found out what became of the call."""

    def lost(arguments: dict[str, Any]) -> Any:
        billing.kept.create(arguments)
        return Close()

    billing.create = lost
    (tmp_path / "drop").mkdir()
    drop(tmp_path, "a.jsonl", (1, "1.00"))
    feed = {"pattern": "*.jsonl", "ready": {"stable_s": 0}, "format": {"kind": "jsonl"}}
    said = {
        "version": 1,
        "state": f"sqlite:///{tmp_path}/state.db",
        "adapters": {
            "drop": {"kind": "local", "root": str(tmp_path / "drop"), "feeds": {"orders": feed}},
            "billing": {"kind": "soap", "wsdl": billing.wsdl, "call_timeout_s": 5},
        },
        "syncs": {
            "bill": {
                "from": {"adapter": "drop", "feed": "orders"},
                "to": {"adapter": "billing", "operation": "CreateInvoice"},
                "map": MAP,
            }
        },
    }
    (tmp_path / "drawbar.yaml").write_text(json.dumps(said))

    def drawbar(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["-c", str(tmp_path / "drawbar.yaml"), "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    first, run = drawbar("sync", "bill")
    second, later = drawbar("sync", "bill")
    listed, _ = drawbar("syncs")
    answer = json.dumps({"invoiceId": "INV-1", "rc": 0, "text": "ok"})
    drawbar("dead", "settle", run["parked_entries"][0], "--done", "--result", answer, "--reason", "it is there")
    heard, _ = drawbar("sync", "bill")
    after = [drawbar("sync", "bill")[0], drawbar("syncs")[0]]

    assert (first, second, listed) == (3, 3, 3)
    assert (later["status"], later["unsettled"]) == ("nothing", 1)
    assert (heard, after) == (0, [5, 0])


@pytest.mark.parametrize("settled", ["done", "not done", "not done, and sent by hand", "dropped", "refused", "nobody"])
def test_the_next_run_takes_in_what_a_person_found_out_of_a_parked_call(
    night: Callable[..., Night], billing: Any, tmp_path: Path, settled: str
) -> None:
    """Whatever the person says, and whoever calls again: each order is there once, and the counts say what was done."""
    calls: list[int] = []
    is_first = True

    def lost(arguments: dict[str, Any]) -> Any:
        calls.append(arguments["orderId"])
        if is_first and arguments["orderId"] == 2:
            if settled == "done":
                billing.kept.create(arguments)
            return Close()
        return billing.kept.create(arguments)

    billing.create = lost
    drop(tmp_path, "a.jsonl", (1, "1.00"), (2, "2.00"), (3, "3.00"))
    here = night()
    first = here.run("bill")
    is_first = False
    [entry] = first["parked_entries"]
    desk = Desk(here.journal, here.guard, Nobody())
    if settled == "refused":
        billing.kept.create({"orderId": 2, "amount": 2})  # somebody did it by other means
    if settled != "nobody":
        desk.settle(
            entry, done=settled == "done", caller=OPERATOR, result={"invoiceId": "INV-2", "rc": 0, "text": "ok"}
        )
    if settled == "not done, and sent by hand":
        desk.send(entry, caller=OPERATOR)
    if settled == "dropped":
        desk.drop(entry, caller=OPERATOR)
    waiting = here.syncs.get("bill")["parked"]
    drop(tmp_path, "b.jsonl", (4, "4.00"))
    second = here.run("bill")
    third = here.run("bill")

    called, became = {
        "done": (False, {"done": 1}),
        "not done": (True, {"called again": 1}),
        "not done, and sent by hand": (False, {"done": 1}),
        "dropped": (False, {"dropped": 1}),
        "refused": (True, {"refused": 1}),
        "nobody": (False, None),
    }[settled]
    rejected = int(settled == "refused")
    assert waiting == 1
    assert second.get("settled") == became
    assert (second["read"], second["written"], second["rejected"]) == (1 + called, 1 + called - rejected, rejected)
    assert (third["status"], "settled" in third) == ("nothing", False)
    assert here.syncs.get("bill").get("parked") == (1 if settled == "nobody" else None)
    assert (first["unsettled"], third.get("unsettled")) == (1, 1 if settled == "nobody" else None)
    assert calls.count(2) == (2 if settled.startswith("not done") or settled == "refused" else 1)
    has_two = settled not in ("dropped", "nobody")
    assert sorted(billing.kept.invoices) == [f"INV-{n}" for n in (1, 2, 3, 4) if n != 2 or has_two]
    if rejected:
        [line] = Path(second["files"][0]["rejects"]).read_text().splitlines()
        assert "ERR-017" in json.loads(line)["reason"]
        assert '"orderId"' in json.loads(line)["text"]


def test_a_system_that_is_away_keeps_the_file_and_what_was_called_is_not_called_again(
    night: Callable[..., Night], billing: Any, tmp_path: Path
) -> None:
    drop(tmp_path, "a.jsonl", (1, "1.00"), (2, "2.00"), (3, "3.00"))
    calls: list[int] = []
    is_away = True

    def away(arguments: dict[str, Any]) -> Any:
        calls.append(arguments["orderId"])
        return HttpError(503) if is_away and arguments["orderId"] == 2 else billing.kept.create(arguments)

    billing.create = away
    here = night()
    with pytest.raises(Unavailable):
        here.run("bill")
    is_away = False
    run = here.run("bill")

    assert (run["read"], run["written"], run["rejected"]) == (3, 3, 0)
    assert (calls.count(1), sorted(billing.kept.invoices)) == (1, ["INV-1", "INV-2", "INV-3"])


def test_a_business_key_is_called_once_and_other_arguments_under_it_are_refused(
    night: Callable[..., Night], billing: Any, tmp_path: Path
) -> None:
    drop(tmp_path, "a.jsonl", (1, "1.00"), (1, "1.00"), (1, "9.00"))

    run = night(key=["orderId"]).run("bill")

    assert (run["written"], run["rejected"]) == (2, 1)
    assert [str(one["amount"]) for one in billing.kept.invoices.values()] == ["1.00"]


def test_nothing_is_called_when_too_many_rows_are_no_calls(
    night: Callable[..., Night], billing: Any, tmp_path: Path
) -> None:
    (tmp_path / "drop" / "a.jsonl").write_text(
        json.dumps({"orderId": 1, "customer": "Ada", "amount": "1.00"}) + "\n" + '{"orderId": "x"}\n' * 3
    )

    with pytest.raises(Rejected, match="nothing was changed"):
        night().run("bill")

    assert billing.kept.invoices == {}


def test_a_dry_run_calls_nothing_and_shows_the_calls(night: Callable[..., Night], billing: Any, tmp_path: Path) -> None:
    drop(tmp_path, "a.jsonl", (1, "1.00"))

    run = night().run("bill", dry_run=True)

    assert run["would"]["inserted"] == 1
    assert run["would"]["samples"][0]["orderId"] == 1
    assert billing.kept.invoices == {}


def test_who_died_between_intent_and_outcome_is_looked_for_before_the_file_is_done(
    night: Callable[..., Night], billing: Any, tmp_path: Path
) -> None:
    """The probe says whether the call was made; until it has, the file is neither done nor called again."""
    probe = {
        "tool": "billing.FindInvoice",
        "with": {"orderId": "${{ arguments.orderId }}"},
        "done": "${{ size(result.invoices) == 1 }}",
        "after_s": 0,
        "absent_after_s": 0.1,
    }
    drop(tmp_path, "a.jsonl", (1, "1.00"), (2, "2.00"))
    here = night({"CreateInvoice": {"probe": probe}})
    call = here.guard.call

    def dying(prepared: Any, **said: Any) -> Any:
        if prepared.arguments["orderId"] == 2:
            intent = here.guard.intent(prepared, said["call_id"], here.journal.now() - 1000)
            here.journal.write(lambda conn: ledger.admit(conn, intent, here.journal.now() - 1000))
            billing.kept.create(prepared.arguments)
            raise KeyboardInterrupt
        return call(prepared, **said)

    here.guard.call = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        here.run("bill")
    here.guard.call = call  # type: ignore[method-assign]

    with pytest.raises(Unavailable, match="no answer yet"):
        here.run("bill")
    sweep = Reconciler(here.guard, here.journal, lambda entry: None)
    sweep.sweep()
    sweep.sweep()
    run = here.run("bill")

    assert (run["read"], run["written"]) == (2, 2)
    assert sorted(billing.kept.invoices) == ["INV-1", "INV-2"]
