"""Plain values and their two forms in JSON."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drawbar.core.errors import InputError
from drawbar.core.schema import Checker
from drawbar.core.values import Wide, canonical, dump, json_form, load, parse_json, to_json, write_json

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers().map(Wide),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC])),
    st.times(),
    st.timedeltas(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("$t"), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@example({"$t": 2**63})
@example({"$t": 2**64})
@example({"$t": -(2**63) - 1})
def test_the_journal_gives_back_what_it_was_given(value):
    """Also maps that look like our own tags: nobody can smuggle a type in."""
    found = load(dump(value))

    assert found == value
    assert repr(to_json(found)) == repr(to_json(value))


@given(st.lists(SCALARS.filter(lambda value: type(value) is not dt.time)))
def test_a_schema_sees_what_callers_get(row):
    assert json_form(row) == json.loads(write_json(row)) == to_json(row)


def test_a_time_that_is_spelled_otherwise_for_a_schema_is_no_deviation():
    checker = Checker.of({"type": "string", "pattern": r"^\d\d:\d\d:\d\d\.\d{6}$"})

    assert checker.deviation(dt.time(12, 5, 53, 10_000)) is None
    assert "does not match" in checker.deviation(dt.time(12, 5))


def test_types_decide_the_outward_form_and_never_values():
    shown = json.loads(write_json({"d": Decimal("10.00"), "e": Decimal("1E+2"), "w": Wide(3), "i": 3, "b": b"x"}))

    assert shown == {"d": "10.00", "e": "100", "w": "3", "i": 3, "b": "eA=="}


def test_exact_numbers_keep_every_digit():
    shown = write_json({"d": Decimal("12345678901234567890.10"), "w": Wide(2**63), "i": 1}, exact=True)

    assert shown == b'{"d": 12345678901234567890.10, "w": 9223372036854775808, "i": 1}'


def test_equal_values_have_equal_hashes_whatever_the_order_of_their_keys():
    assert canonical({"a": 1, "b": Decimal("1.0")}) == canonical({"b": Decimal("1.0"), "a": 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": }', "line 1, column 7"),
        ("[1,", "not JSON"),
        ('{"a": NaN}', "NaN"),
        (b"\xff\xfe", "not UTF-8 (byte 0)"),
        ("[" * 300 + "]" * 300, "nested more than 200 deep"),
        ("[" * 100_000, "nested more than 200 deep"),
        ("1" * 10_000, "thousands of digits"),
    ],
)
def test_json_from_outside_that_cannot_be_read_says_where(text, said):
    with pytest.raises(InputError) as error:
        parse_json(text)

    assert said in error.value.message


SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "amount": {"type": ["string", "number"], "format": "decimal"},
        "day": {"type": "string", "format": "date"},
        "ratio": {"type": "number"},
        "big": {"anyOf": [{"type": "null"}, {"type": ["string", "integer"], "format": "int64"}]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
    },
    "required": ["id"],
    "additionalProperties": False,
    "$defs": {
        "line": {
            "type": "object",
            "properties": {
                "price": {"type": ["string", "number"], "format": "decimal"},
                "sub": {"type": "array", "items": {"$ref": "#/$defs/line"}},
            },
        }
    },
}


def test_arguments_become_plain_values():
    text = '{"id": 1, "amount": 10.10, "day": "2026-01-02", "ratio": 0.1, "big": "9007199254740993", "lines": [{"price": "1.0", "sub": [{"price": 2}]}]}'

    found = Checker.of(SCHEMA).arguments(parse_json(text))

    assert found == {
        "id": 1,
        "amount": Decimal("10.10"),
        "day": dt.date(2026, 1, 2),
        "ratio": 0.1,
        "big": 9007199254740993,
        "lines": [{"price": Decimal("1.0"), "sub": [{"price": Decimal(2)}]}],
    }
    assert str(found["amount"]) == "10.10"
    assert type(found["ratio"]) is float


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ('{"id": "x"}', "id", "integer"),
        ("{}", "id", "required"),
        ('{"id": 1, "x": 2}', "x", "'x'"),
        ('{"id": 1, "amount": 1234567890123.4567}', "amount", "send it as a text"),
        ('{"id": 1, "big": 1234567890123456789}', "big", "send it as a text"),
        ('{"id": 1, "amount": "ten"}', "amount", "no decimal"),
        ('{"id": 1, "day": "2026-13-01"}', "day", "no date"),
        ('{"id": 1, "lines": [{"price": "x"}]}', "lines.0.price", "no decimal"),
        ("[]", None, "object"),
    ],
)
def test_arguments_that_break_the_schema_name_the_field(text, field, said):
    with pytest.raises(InputError) as error:
        Checker.of(SCHEMA).arguments(parse_json(text))

    assert error.value.field == field
    assert said in error.value.message


def test_arguments_that_no_json_can_hold_are_refused():
    """A command line's bytes that are no UTF-8 come as half of a surrogate pair."""
    checker = Checker.of({"type": "object", "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}}})
    for wrong in ({"name": "\udcff"}, {"\udcff": "x"}):
        with pytest.raises(InputError):
            checker.arguments(wrong)

    with pytest.raises(InputError, match="cannot be written as JSON"):
        canonical({"name": "\udcff"})
