"""What somebody has a right to be forgotten in is erased everywhere, and the audit stays sound."""

import pytest
from scripted import ME, House

from drawbar.core.audit.audit import Audit
from drawbar.core.audit.chain import Signer
from drawbar.core.audit.walk import verify
from drawbar.core.errors import InputError, OutcomeUnknown
from drawbar.core.forget import Forgetting
from drawbar.core.witness import Witness

SIGNER = Signer(b"a key of a test")
NAME = "Zebulon Quirk"
GREET = {"tool": "sys.greet", "with": {"customer": "${{ input.customer }}"}}
LOST = {"tool": "sys.lose", "with": {"customer": "${{ input.customer }}"}}


def lose(arguments):
    raise OutcomeUnknown("no answer")


@pytest.fixture
def house(tmp_path):
    functions = {
        "greet": ("write", lambda arguments: {"greeting": f"Dear {arguments['customer']['name']}"}),
        "look": ("read", lambda arguments: {}),
        "lose": ("write", lose),
    }
    house = House(tmp_path, functions, {"greet": {"tasks": {"greet": GREET}}, "lose": {"tasks": {"lose": LOST}}})
    house.audit = Audit(house.journal, lambda: SIGNER)
    house.guard.witness = Witness(house.audit)
    house.forgetting = Forgetting(house.journal, house.guard, house.audit)
    with house:
        yield house
        house.audit.close()


def of(name):
    return {"customer": {"name": name}}


def call(house, tool, name):
    return house.guard.call(house.guard.prepare(tool, of(name), ME))


def kept(house):
    """Read every text that the state has."""
    with house.journal.read() as conn:
        tables = conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        return {table: str(conn.exec_driver_sql(f"SELECT * FROM {table}").all()) for table in tables}


def test_nothing_of_it_is_left_in_any_table_and_the_chain_is_sound(house):
    call(house, "sys.greet", NAME)
    call(house, "sys.look", NAME)
    house.run("greet", of(NAME))
    call(house, "sys.greet", "Somebody Else")
    house.audit.beat()
    assert {table for table, text in kept(house).items() if NAME in text} >= {"ledger", "runs", "audit_blocks"}

    said = house.forgetting.erase(f"arguments.customer.name == '{NAME}'", caller=ME, reason="asked to")

    assert (said["ledger"], said["runs"], said["left"]) == (2, 1, [])
    assert [table for table, text in kept(house).items() if NAME in text] == []
    assert "Somebody Else" in kept(house)["ledger"]
    found = verify(house.journal, SIGNER)
    assert (found.is_sound, found.erased) == (True, said["audit"]), found.gaps


def test_what_a_run_carried_on_is_forgotten_with_it(tmp_path):
    functions = {
        "find": ("read", lambda arguments: {"rows": [{"iban": NAME}]}),
        "note": ("write", lambda arguments: {"noted": f"noted {arguments['note']}"}),
    }
    note = {"tool": "sys.note", "needs": ["find"], "with": {"note": "for ${{ tasks.find.output.rows[0].iban }}"}}
    again = {"tool": "sys.note", "needs": ["note"], "with": {"note": "${{ tasks.note.output.noted }}"}}
    below = {"tasks": {"put": {"tool": "sys.note", "with": {"note": "${{ input.note }}"}}}}
    sub = {"workflow": "below", "needs": ["note"], "with": {"note": "${{ tasks.note.output.noted }}"}}
    flow = {
        "tasks": {"find": {"tool": "sys.find"}, "note": note, "again": again, "sub": sub},
        "output": "${{ tasks.sub.output }}",
    }
    house = House(tmp_path, functions, {"flow": flow, "below": below}, rules={"find": {"personal": ["rows.iban"]}})
    house.audit = Audit(house.journal, lambda: SIGNER)
    house.guard.witness = Witness(house.audit)
    with house:
        assert house.run("flow", {}).state == "succeeded"
        house.audit.beat()
        assert NAME in kept(house)["claim_pieces"]  # without a state_key it is kept as it is
        assert [table for table, text in kept(house).items() if NAME in text] == ["claim_pieces"]

        Forgetting(house.journal, house.guard, house.audit).erase(f"arguments.note == 'for {NAME}'", caller=ME)

        assert [table for table, text in kept(house).items() if NAME in text] == []
        house.audit.close()


def test_looking_erases_nothing_and_erasing_again_finds_nothing(house):
    call(house, "sys.greet", NAME)
    expression = f"arguments.customer.name == '{NAME}'"

    before = kept(house)["ledger"]
    found = house.forgetting.find(expression)
    house.forgetting.erase(expression, caller=ME)
    again = house.forgetting.find(expression)

    assert NAME in before
    assert (found["erased"], found["ledger"]) == (False, 1)
    assert (again["ledger"], again["audit"]) == (0, 0)


def test_what_is_open_is_left_and_named(house):
    run = house.engine.start("lose", of(NAME), caller=ME)
    house.until(run.id, "parked")

    said = house.forgetting.erase(f"arguments.customer.name == '{NAME}'", caller=ME)

    assert (said["ledger"], said["runs"]) == (0, 0)
    assert sorted(one["why"].partition(":")[0] for one in said["left"]) == [
        "it has not ended",
        "its outcome is unknown",
    ]
    assert NAME in kept(house)["ledger"]


@pytest.mark.parametrize("text", ["", "1 =", "true", "customer == 'X'", "arguments."])
def test_an_expression_that_is_wrong_or_fits_everything_is_refused(house, text):
    with pytest.raises(InputError):
        house.forgetting.find(text)


def test_the_expression_itself_is_not_kept(house):
    call(house, "sys.greet", NAME)

    house.forgetting.erase(f"arguments.customer.name == '{NAME}'", caller=ME, reason="asked to")

    assert NAME not in kept(house)["audit_blocks"]
    assert "asked to" in kept(house)["audit_blocks"]
