"""Methods marked as tools: their schemas and what their arguments become."""

import time
from datetime import date
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import AfterValidator, Field

from drawbar.core.errors import InputError
from drawbar.core.schema import Checker
from drawbar.core.tool import Call, marked_tools, tool


def odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("only odd doors")
    return value


class Desk:
    @tool(effect="write", name="pay", timeout_s=5)
    def settle_bill(
        self,
        amount: Annotated[Decimal, Field(gt=0)],
        day: date,
        call: Call,
        door: Annotated[int, AfterValidator(odd)] = 1,
    ) -> dict[str, Decimal]:
        """Pay a bill."""
        return {"paid": amount, "by": Decimal(len(call.caller))}

    def not_a_tool(self) -> None: ...


def pay(**arguments):
    (found,) = marked_tools(Desk())
    checked = Checker.of(found.input_schema).arguments(arguments)
    return found.run(checked, Call("1", "ann", time.monotonic() + 1))


def test_schemas_come_from_annotations_and_decimals_keep_their_format():
    (found,) = marked_tools(Desk())

    assert (found.name, found.description, found.effect, found.timeout_s) == ("pay", "Pay a bill.", "write", 5)
    amount = found.input_schema["properties"]["amount"]
    assert (amount["type"], amount["format"]) == (["string", "number"], "decimal")
    assert found.input_schema["required"] == ["amount", "day"]
    assert found.output_schema["additionalProperties"]["format"] == "decimal"


def test_arguments_arrive_as_what_they_mean():
    assert pay(amount="10.50", day="2026-11-22") == {"paid": Decimal("10.50"), "by": Decimal(3)}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": "ten"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": Decimal("1234567890123.4567")}, "amount"),
        ({"day": "2026-02-30"}, "day"),
        ({"door": 2}, "door"),
    ],
)
def test_what_a_schema_cannot_say_is_an_input_error_all_the_same(wrong, field):
    with pytest.raises(InputError) as error:
        pay(**{"amount": "1", "day": "2026-11-22", **wrong})

    assert error.value.field == field
