"""Where a workflow carries what its tools hide, decided from its templates."""

import pytest

from drawbar.core.masking import masked, texts_at, without
from drawbar.core.plan import plan_of
from drawbar.core.veils import NONE, veils_of
from drawbar.core.workflow import Workflow

HIDDEN = {"crm.find": ["rows.name"], "bank.pay": ["card", "to.name"]}


def veils(output=None, **tasks):
    given = {"description": "x", "tasks": tasks, **({"output": output} if output is not None else {})}
    return veils_of(plan_of(Workflow.model_validate(given)), lambda tool: HIDDEN.get(tool, []))


@pytest.mark.parametrize(
    ("output", "hidden"),
    [
        ("${{ tasks.find.output }}", ("rows.name",)),
        ("${{ tasks.find.output.rows[0] }}", ("name",)),
        ("${{ tasks.find.output.rows[0].name }}", ("*",)),
        ("${{ tasks.find.output.rows[0].id }}", ()),
        ("to ${{ tasks.find.output.rows[0].name }}", ("*",)),
        ({"a": "${{ tasks.find.output.rows }}", "b": 1}, ("a.name",)),
        ({"a": {"b": "${{ size(tasks.find.output.rows) }}"}}, ("a.b",)),
    ],
)
def test_an_output_hides_what_it_takes_of_a_hidden_field(output, hidden):
    assert veils(output, find={"tool": "crm.find"}).output == hidden


def test_an_input_hides_what_a_hidden_argument_is_made_of():
    said = veils(
        pay={
            "tool": "bank.pay",
            "with": {"card": "${{ input.a.card }}", "to": "${{ input.who }}", "n": "${{ input.n }}"},
        }
    )

    assert said.input == ("a.card", "who.name")


def test_the_items_of_a_loop_are_followed_to_their_list():
    pay = {"tool": "bank.pay", "for_each": {"in": "${{ input.cards }}", "as": "one"}, "with": {"card": "${{ one.no }}"}}

    said = veils(pay=pay)

    assert (said.input, said.items["pay"]) == (("cards.no",), ("no",))


def test_what_an_agent_is_given_of_a_hidden_field_is_known():
    think = {"agent": "clerk", "needs": ["find"], "with": {"task": "Who?", "rows": "${{ tasks.find.output.rows }}"}}

    assert veils(find={"tool": "crm.find"}, think=think).given["think"] == ("rows.name",)


def test_a_document_hides_what_is_saved_of_a_hidden_field():
    said = veils(
        find={
            "tool": "crm.find",
            "output": "${{ size(result.rows) }}",
            "save": {"crm.all": "${{ result }}", "crm.first": {"name": "${{ result.rows[0].name }}", "n": 1}},
        },
        note={
            "tool": "crm.note",
            "needs": ["find"],
            "save": {"crm.n": "${{ result.n }}", "crm.found": "${{ tasks.find.output }}"},
        },
    )

    assert said.saved == {
        "find": {"crm.all": ("rows.name",), "crm.first": ("name",)},
        "note": {"crm.n": (), "crm.found": ("*",)},
    }


def test_a_workflow_whose_tools_hide_nothing_hides_nothing():
    assert veils(find={"tool": "crm.other"}) is NONE


def test_texts_are_taken_out_wherever_they_stand_and_short_ones_only_as_words():
    texts = texts_at({"card": "4711-0815", "cvv": 123, "rows": [{"n": "Ada"}]}, ["card", "cvv", "rows.n"])

    assert texts == {"4711-0815", "123", "Ada"}
    said = without({"message": "no 4711-0815x for Ada, Adam: 1234 or 123", "n": [123, 5, True]}, texts)
    assert said == {"message": "no ***x for ***, Adam: 1234 or ***", "n": ["***", 5, True]}
    assert masked({"a": 1}, ["*"]) == "***"
