"""Tools as models see them: names that nobody can mistake, descriptions and schemas of one form."""

import re

from hypothesis import given
from hypothesis import strategies as st

from drawbar.core.shown import files_of, name_of

LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ADAPTERS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
TOOLS = st.text(st.sampled_from("abAB01_-.:/äß "), min_size=1, max_size=80)


@given(st.lists(st.tuples(ADAPTERS, TOOLS), unique=True, max_size=12))
def test_names_are_legal_and_no_two_tools_have_the_same(tools):
    adapters = {adapter for adapter, _ in tools}

    names = [name_of(f"{adapter}.{tool}", adapters) for adapter, tool in tools]

    assert all(LEGAL.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)


def test_a_plain_name_stays_as_it_is():
    assert name_of("erp.find_order", ["erp", "files"]) == "erp_find_order"


def test_a_name_that_another_adapter_could_have_is_made_another():
    assert name_of("erp.eu_find", ["erp", "erp_eu"]) != name_of("erp_eu.find", ["erp", "erp_eu"]) == "erp_eu_find"
    assert name_of("drawbar.status") != "drawbar_status"


def test_a_long_name_is_always_shortened_in_the_same_way():
    assert name_of("erp." + "x" * 80) == name_of("erp." + "x" * 80) != name_of("erp." + "x" * 81)


def test_the_files_of_a_result_are_found_by_its_schema():
    picture = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}

    assert files_of(picture) == {None: "image/png"}
    assert files_of({"type": "object", "properties": {"scan": picture, "n": {"type": "integer"}}}) == {
        "scan": "image/png"
    }
    assert files_of({"type": "string", "contentEncoding": "base64"}) == {}
