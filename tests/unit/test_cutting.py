"""Nothing that a model is shown is longer than it may be, and all of it can be read on to."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawbar.core.cutting import cut, fitting, units_of

MOST = 1000
LONG = 'x"ü\n' * 3000


def read_on(result):
    """Give each answer of somebody who reads a result to its end."""
    shown, following = cut(result, 0, MOST)
    answers = [shown]
    while following is not None:
        shown, following = cut(result, following, MOST)
        answers.append(shown)
    return answers


LONG_ONES = {
    "one row": {"rows": [{"id": 1, "note": LONG}], "next": None},
    "a row among others": {"rows": [{"id": 1}, {"id": 2, "note": LONG}, {"id": 3}], "next": None},
    "the first of several": {"rows": [{"id": 1, "note": LONG}, {"id": 2}], "next": None},
    "a text beside rows": {"rows": [{"id": 1}, {"id": 2}], "document": LONG},
    "a list of texts": ["a", LONG, "b"],
    "no rows": {"document": LONG},
    "a text": LONG,
}


@pytest.mark.parametrize("name", LONG_ONES)
def test_one_row_or_text_that_is_too_long_comes_in_pieces(name):
    result = LONG_ONES[name]

    answers = read_on(result)

    assert len(answers) > 5
    assert max(len(orjson.dumps(answer)) for answer in answers) < MOST * 1.1
    _, units = units_of(result, MOST)
    told = [unit for answer in answers for unit in (answer["rows"] if isinstance(answer, dict) else answer)]
    assert told == units


def test_rows_before_a_long_one_stay_rows():
    result = LONG_ONES["a row among others"]

    first, *others = read_on(result)

    assert first == {"rows": [{"id": 1}], "next": None}
    assert (
        orjson.loads("".join(unit for answer in others for unit in answer if isinstance(unit, str)))
        == result["rows"][1]
    )
    assert others[-1][-1] == {"id": 3}


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.text(max_size=400), min_size=1), min_size=2, max_size=30))
def test_rows_that_fit_are_never_torn(rows):
    told = []
    for answer in read_on({"rows": rows}):
        told += answer["rows"] if isinstance(answer, dict) else answer

    whole = [row for row in rows if len(orjson.dumps(row)) <= MOST]
    assert [unit for unit in told if isinstance(unit, dict)] == whole
    assert fitting(told) > 0
