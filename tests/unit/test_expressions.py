"""Expressions: CEL's grammar, exact decimals, dates, and what an expression may see."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawbar.core.errors import ConfigError
from drawbar.core.expressions import EvaluationError, compile, template

ROW = {
    "row": {
        "amount": Decimal("10.00"),
        "count": 3,
        "name": "Ada",
        "items": [1, 2, 3],
        "day": date(2026, 2, 3),
        "nested": {"id": 7, "none": None},
        "flag": True,
    }
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("row.count + 1", 4),
        ("row.amount * row.count", Decimal("30.00")),
        ("row.amount + 1", Decimal("11.00")),
        ("1 - row.amount", Decimal("-9.00")),
        ("row.amount / 3 > 3", True),
        ("round(row.amount / 3, 2)", Decimal("3.33")),
        ("round(decimal('2.345'), 2)", Decimal("2.35")),
        ("round(decimal('-2.345'), 2)", Decimal("-2.35")),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7.0 / 2.0", 3.5),
        ("1 - 2 - 3", -4),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("row.count == 3 && row.name == 'Ada'", True),
        ("row.count == 3.0", True),
        ("row.flag == 1", False),
        ("row.nested.none == null", True),
        ("!row.flag", False),
        ("row.count > 2 ? 'many' : 'few'", "many"),
        ("row.items[0]", 1),
        ("row['name']", "Ada"),
        ("2 in row.items", True),
        ("'name' in row", True),
        ("size(row.items) == 3 && row.items.size() == 3", True),
        ("row.items.filter(i, i > 1).map(i, i * 2)", [4, 6]),
        ("row.items.map(i, i > 1, i * 2)", [4, 6]),
        ("row.items.all(i, i > 0)", True),
        ("row.items.exists(i, i == 9)", False),
        ("row.items.exists_one(i, i == 2)", True),
        ("sum(row.items)", 6),
        ("{'order': row.nested.id, 'list': [row.name]}", {"order": 7, "list": ["Ada"]}),
        ("row.day + duration('24h') == date('2026-02-04')", True),
        ("row.day.year", 2026),
        ("date('2026-02-05') - row.day", timedelta(days=2)),
        ("has(row.name) && !has(row.missing) && !has(row.nested.deep.er)", True),
        ("has(row.nested.none)", False),
        ("row.name.startsWith('A') && row.name.contains('d') && row.name.matches('^A.a$')", True),
        ("' x '.trim() + 'y'.upperAscii()", "xY"),
        ("'a,b'.split(',')", ["a", "b"]),
        ("int('42') + int(row.amount)", 52),
        ("string(row.amount) + string(row.day)", "10.002026-02-03"),
        ('r\'\\d\' + "q\\""', '\\dq"'),
        # From the specification: an operand that decides wins over the error of the other.
        ("row.missing == 1 || true", True),
        ("row.missing == 1 && false", False),
    ],
)
def test_an_expression_gives_what_the_specification_and_the_contract_say(text, expected):
    """The type counts too: a decimal stays a decimal, with its scale."""
    found = compile(text)(ROW)

    assert found == expected
    assert type(found) is type(expected)
    assert str(found) == str(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("row.amount * row.rate", "there is no rate"),
        ("row.amount + row.float", "float beside a decimal"),
        ("row.name + 1", "no number"),
        ("row.name < 1", "no order"),
        ("row.items[9]", "no item 9"),
        ("row.count ? 1 : 2", "true or false"),
        ("1 / 0", "division by zero"),
        ("int('x')", "no integer"),
        ("decimal(1.5)", "has rounded already"),
        ("missing", "missing is not there"),
        ("row.count.year", "an integer has no year"),
    ],
)
def test_what_cannot_be_computed_is_an_error_that_quotes_the_expression(text, said):
    with pytest.raises(EvaluationError) as error:
        compile(text)({"row": {**ROW["row"], "float": 1.5}})

    assert said in error.value.message
    assert text in error.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("row.", "at column"),
        ("1 +", "at column"),
        ("", "not a CEL expression"),
        ("foo(1)", "no function 'foo'"),
        ("row.explode()", "no function 'explode'"),
        ("now()", "no function 'now'"),
        ("row.items.map(i + 1)", "list.map(x, expression)"),
        ("decimal('1') * 1.5", "float literal beside a decimal"),
        ("other.x", "'other' is not seen here"),
        ("[" * 2000 + "]" * 2000, "nested too deep"),
    ],
)
def test_what_is_wrong_in_itself_is_an_error_at_load(text, said):
    with pytest.raises(ConfigError) as error:
        compile(text, ("row",))

    assert said in error.value.message


def test_an_expression_knows_what_it_reads():
    """Variables of macros are not names from outside."""
    found = compile("tasks.order.output.rows.exists(r, r.id == input.id) && has(run.date)").paths

    assert found == {("tasks", "order", "output", "rows"), ("input", "id"), ("run", "date")}


def test_a_string_that_is_only_an_expression_keeps_its_type():
    filled = template({"a": "${{ row.amount }}", "b": "n-${{ row.count }}!", "c": ["$${{ x }}", 1, None]}).fill(ROW)

    assert filled == {"a": Decimal("10.00"), "b": "n-3!", "c": ["${{ x }}", 1, None]}


def test_braces_inside_an_expression_do_not_end_it():
    assert template("${{ {'a': {'b': '}}'}} }}").fill({}) == {"a": {"b": "}}"}}


def test_an_unclosed_expression_says_to_put_it_in_quotes():
    with pytest.raises(ConfigError, match="quotes"):
        template("${{ row.x")


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12),
    st.integers(-(10**9), 10**9),
)
def test_arithmetic_on_decimals_is_exact(a, b, n):
    env = {"a": a, "b": b, "n": n}

    assert compile("a + b - n")(env) == a + b - n
    assert compile("a * b")(env) == a * b
    assert compile("a < b")(env) is (a < b)


def test_what_says_the_same_is_equal():
    """A configuration that is read again closes no system whose words are the same."""
    said = {"id": "${{ row.id }}", "rest": [1, "at ${{ row.n }}"]}

    assert template(said) == template(dict(said))
    assert template(said) != template({**said, "rest": [True, "at ${{ row.n }}"]})
    assert template("${{ row.id }}") != template("${{ row.ID }}")
