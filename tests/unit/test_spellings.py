"""What must not be seen is found in what a system says back, however that system spells it."""

import json
from decimal import Decimal
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest

from drawbar.core.masking import places, without

NAME = "Zoë O'Neil & <Sons>"


@pytest.mark.parametrize(
    "said",
    [
        json.dumps(NAME)[1:-1],
        json.dumps(NAME, ensure_ascii=False)[1:-1],
        "Zo\\u00eb O\\u0027Neil \\u0026 \\u003cSons\\u003e",
        escape(NAME),
        escape(NAME, {"'": "&#39;"}),
        quote(NAME),
        quote(NAME, safe="").lower(),
        quote_plus(NAME),
        NAME.upper(),
        NAME.replace("'", "''"),
        NAME.replace("ë", "e"),
        NAME.replace("ë", "?"),
        NAME.encode().decode("latin-1"),
    ],
)
def test_an_escaped_text_is_found(said):
    assert without(f"(name)=({said}) is there", {NAME}) == "(name)=(***) is there"
    assert places({"said": f"no {said}!", "n": 1}, {NAME}) == ("said",)


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("4711-0815-4711-0815", "4711081547110815"),
        ("1234.5", "1,234.50"),
        ("1234.50", "1.234,5"),
        ("-1234.50", "1 234.50"),
        ("0004711", "4711"),
        ("1980-05-17", "17.05.1980"),
        ("1980-05-17", "05/17/1980"),
        ("1980-05-17", "19800517"),
        ("Müller", "MUELLER"),
    ],
)
def test_a_code_a_number_and_a_day_are_found_in_another_form(hidden, said):
    assert without(f"not {said} here", {hidden}) == "not *** here"


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ("1234.50", "11,234.50"),
        ("0007", "7 of 7.00"),
        ("Anna Lee", "anna, lee"),
        ("12345", "1234 5678"),
    ],
)
def test_what_only_looks_like_it_stays(hidden, said):
    assert without(said, {hidden}) == said


def test_a_number_is_found_whatever_its_type():
    value = {"a": 1234.5, "b": Decimal("1234.50"), "c": 1235, "d": True}

    assert places(value, {"1234.50"}) == ("a", "b")
    assert without(value, {"1234.50"}) == {"a": "***", "b": "***", "c": 1235, "d": True}
