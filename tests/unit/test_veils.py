"""Where a workflow carries what its tools hide, decided from its templates."""

import pytest

from drawbar.core.masking import masked, places, texts_at, without
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


def test_a_compensation_hides_what_was_sent_and_what_came_back():
    undo = {
        "tool": "crm.note",
        "with": {"a": "${{ 'not ' + arguments.card }}", "b": "${{ result.rows }}", "c": "${{ arguments.n }}"},
    }
    pay = {"tool": "bank.pay", "with": {"card": "${{ input.card }}", "n": "${{ input.n }}"}, "compensate": undo}
    find = {"tool": "crm.find", "compensate": undo}

    assert veils(pay=pay).given["compensate:pay"] == ("a",)
    assert veils(find=find).given["compensate:find"] == ("b.name",)


def test_what_a_run_was_seen_to_hold_is_followed_as_what_its_tools_declare():
    plan = plan_of(
        Workflow.model_validate(
            {
                "description": "x",
                "tasks": {
                    "say": {"tool": "crm.say"},
                    "put": {"tool": "crm.put", "needs": ["say"], "with": {"a": "${{ tasks.say.output.said }}", "b": 1}},
                },
                "output": {"c": "${{ input.who }}", "d": "${{ tasks.say.output }}"},
            }
        )
    )
    more = frozenset({("tasks", "say", "output", "said"), ("input", "who")})

    said = veils_of(plan, lambda tool: [], more=more)

    assert (said.given["put"], said.output, said.input) == (("a",), ("c", "d.said"), ("who",))
    assert said.named == ("input.who", "tasks.say.output.said")


@pytest.mark.parametrize(
    ("value", "texts", "found"),
    [
        ({"a": "to DE89 now", "b": {"c": ["x", "DE89"]}, "d": 1}, {"DE89"}, ("a", "b.c")),
        ({"a": "Ada", "b": "Adam"}, {"Ada"}, ("a",)),
        ({"a": 4711, "b": "4711", "c": 47110}, {"4711"}, ("a", "b")),
        ({"a": 7, "b": "7"}, {"7"}, ()),
        ("it is DE89", {"DE89"}, ("*",)),
        ([{"n": None}, {"n": "DE89"}], {"DE89"}, ("n",)),
        ({"by": {"DE89": 1}, "at": {"a.b": "DE89"}, "ok": True}, {"DE89"}, ("by", "at")),
        ({"a": "DE89"}, set(), ()),
    ],
)
def test_what_is_said_back_is_found_wherever_it_can_be_named(value, texts, found):
    assert places(value, texts) == found
    assert "DE89" not in str(masked(value, found)) or not texts


def test_a_workflow_whose_tools_hide_nothing_hides_nothing():
    assert veils(find={"tool": "crm.other"}) is NONE


def test_texts_are_taken_out_wherever_they_stand_and_short_ones_only_as_words():
    texts = texts_at({"card": "4711-0815", "cvv": 123, "rows": [{"n": "Ada"}]}, ["card", "cvv", "rows.n"])

    assert texts == {"4711-0815", "123", "Ada"}
    said = without({"message": "no 4711-0815x for Ada, Adam: 1234 or 123", "n": [123, 5, True]}, texts)
    assert said == {"message": "no ***x for ***, Adam: 1234 or ***", "n": ["***", 5, True]}
    assert masked({"a": 1}, ["*"]) == "***"


def test_what_stands_in_place_of_an_object_is_hidden_whole():
    value = {"who": "Ada", "rows": ["x", {"who": None}], "n": 1}

    assert masked(value, ["who.name", "rows.who.name"]) == {"who": "***", "rows": ["***", {"who": None}], "n": 1}
    assert texts_at(value, ["who.name", "rows.who"]) == {"Ada", "x"}
    assert (masked("Ada", ["who.name"]), texts_at("Ada", ["who.name"])) == ("Ada", frozenset())
