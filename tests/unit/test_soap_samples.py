"""What Hypothesis draws for a schema of ours, against libxml2: XML Schema's builtins, facets, choices, repetitions, names."""

from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from soap_message import only_operation, wsdl_of
from soap_samples import drawn, settled

from drawbar.connectors.soap import Bound
from drawbar.connectors.soap_xml import parse
from drawbar.core.errors import InputError
from drawbar.core.schema import Checker
from drawbar.core.values import to_json

FILE = Path(__file__).parents[1] / "data" / "everything.xsd"
XSD = etree.XMLSchema(file=str(FILE))


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Bound:
    return only_operation(tmp_path_factory.mktemp("wsdl"), wsdl_of("urn:all", FILE.read_text()))


@pytest.mark.parametrize("examples", [25, pytest.param(1500, marks=pytest.mark.slow)])
def test_what_fits_the_schema_is_refused_by_name_or_valid_and_comes_back(ask: Bound, examples: int) -> None:
    """JSON Schema cannot say all (no 31st of June, a range of dates): what it lets through wrongly does not leave."""
    takes, shows = Checker.of(ask.input_schema()), Checker.of(ask.output_schema())
    seen = {"valid": 0, "refused": 0}

    def check(given: Any) -> None:
        arguments = takes.arguments(given)
        try:
            envelope = parse(ask.envelope(arguments).encode())
        except InputError as refused:
            assert refused.field
            seen["refused"] += 1
            return
        assert XSD.validate(envelope[-1][0]), XSD.error_log
        found = ask.read(envelope[-1])
        assert shows.deviation(found) is None
        assert settled(to_json(found)) == settled(to_json(arguments))
        seen["valid"] += 1

    drawn(ask.input_schema(), examples, check)
    assert seen["valid"] > seen["refused"] * 2


def sent(ask: Bound, **given: Any) -> str:
    return ask.envelope(Checker.of(ask.input_schema()).arguments({"mid": 1, "d1": "yes", "nilstr": None, **given}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("era", "1989-12-31"), ("era", "2000-02-30"), ("t", "25:00:00"), ("gmd", "--02-30"), ("gy", "0000")),
        *(("ncn", "a:b"), ("nm", "a b"), ("lang", "-"), ("ident", "1a"), ("short", " "), ("l", ["a b"])),
        *(("hex", "00"), ("bin", "AAAAAAA="), ("zip", "1234"), ("num", 2), ("half", 10), ("open", "0.00001")),
        *(("d1", "no"), ("tok", "\ufffe"), ("tok", "\x0b"), ("uri", "\ud800")),
    ],
)
def test_what_the_xsd_refuses_does_not_leave(ask: Bound, field: str, value: Any) -> None:
    with pytest.raises(InputError):
        sent(ask, **{field: value})


def test_a_number_with_a_pattern_keeps_its_spelling(ask: Bound) -> None:
    envelope = parse(sent(ask, zip="01234", cur="1.50").encode())

    assert ask.read(envelope[-1])["zip"] == "01234"
    assert "<cur>1.50</cur>" in etree.tostring(envelope).decode()


def test_fields_of_another_alternative_are_refused_and_not_dropped(ask: Bound) -> None:
    with pytest.raises(InputError):
        sent(ask, c1=1, c5=[1])


def test_an_abstract_head_is_not_offered_and_its_members_are_in_all_generations(ask: Bound) -> None:
    shown = ask.input_schema()["properties"]["_items"]["items"]["properties"]

    assert shown.keys() == {"less", "more", "most"}
