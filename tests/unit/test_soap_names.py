"""Qualified names as values, and enumerations of whole lists and of unions: what leaves is valid, what comes keeps its meaning."""

from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from soap_message import only_operation, wsdl_of

from drawbar.connectors.soap import Bound
from drawbar.core.errors import InputError
from drawbar.core.schema import Checker
from drawbar.core.values import to_json

SCHEMA = """
<xs:schema targetNamespace="urn:names" xmlns="urn:names" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:c="urn:colours"
    elementFormDefault="qualified">
  <xs:simpleType name="Colour"><xs:restriction base="xs:QName">
    <xs:enumeration value="c:red"/><xs:enumeration value="own"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Names"><xs:list itemType="xs:QName"/></xs:simpleType>
  <xs:simpleType name="Digits"><xs:list itemType="xs:int"/></xs:simpleType>
  <xs:simpleType name="Pair"><xs:restriction base="Digits">
    <xs:enumeration value="1 2"/><xs:enumeration value="3 4"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Step"><xs:restriction base="xs:token"><xs:enumeration value="a"/><xs:enumeration value="b"/>
    </xs:restriction></xs:simpleType>
  <xs:simpleType name="Steps"><xs:list itemType="Step"/></xs:simpleType>
  <xs:simpleType name="Way"><xs:restriction base="Steps">
    <xs:enumeration value="a b"/><xs:enumeration value="b a"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Rates"><xs:restriction><xs:simpleType><xs:list itemType="xs:decimal"/></xs:simpleType>
    <xs:enumeration value="1.0 2.50"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Any"><xs:union memberTypes="xs:int Step"/></xs:simpleType>
  <xs:simpleType name="Some"><xs:restriction base="Any">
    <xs:enumeration value="7"/><xs:enumeration value="b"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Odd"><xs:restriction base="Digits"><xs:pattern value="[0-9]( [0-9])*"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Either"><xs:union memberTypes="xs:int Step xs:QName xs:string"/></xs:simpleType>
  <xs:simpleType name="Eithers"><xs:list itemType="Either"/></xs:simpleType>
  <xs:simpleType name="Fault"><xs:restriction><xs:simpleType><xs:union memberTypes="xs:int xs:QName"/></xs:simpleType>
    <xs:enumeration value="7"/><xs:enumeration value="c:late"/></xs:restriction></xs:simpleType>
  <xs:complexType name="Said"><xs:simpleContent><xs:extension base="Either"><xs:attribute name="by" type="Either"/>
  </xs:extension></xs:simpleContent></xs:complexType>
  <xs:complexType name="Code"><xs:simpleContent><xs:extension base="xs:QName">
    <xs:attribute name="of" type="xs:QName"/><xs:attribute name="n" type="xs:int"/></xs:extension></xs:simpleContent></xs:complexType>
  <xs:element name="Ask"><xs:complexType><xs:sequence>
    <xs:element name="name" type="xs:QName" minOccurs="0" nillable="true"/>
    <xs:element name="colour" type="Colour" minOccurs="0"/>
    <xs:element name="names" type="Names" minOccurs="0"/>
    <xs:element name="code" type="Code" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="pair" type="Pair" minOccurs="0"/>
    <xs:element name="way" type="Way" minOccurs="0"/>
    <xs:element name="rates" type="Rates" minOccurs="0"/>
    <xs:element name="some" type="Some" minOccurs="0"/>
    <xs:element name="odd" type="Odd" minOccurs="0"/>
    <xs:element name="either" type="Either" minOccurs="0"/>
    <xs:element name="eithers" type="Eithers" minOccurs="0"/>
    <xs:element name="fault" type="Fault" minOccurs="0"/>
    <xs:element name="said" type="Said" minOccurs="0"/>
  </xs:sequence><xs:attribute name="kind" type="xs:QName" default="c:red"/><xs:attribute name="other" type="xs:QName"/>
  </xs:complexType></xs:element>
</xs:schema>"""

XSD = etree.XMLSchema(etree.fromstring(SCHEMA))


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Bound:
    return only_operation(tmp_path_factory.mktemp("wsdl"), wsdl_of("urn:names", SCHEMA))


def sent(ask: Bound, given: dict[str, Any]) -> etree._Element:
    arguments = Checker.of(ask.input_schema()).arguments(given)
    return etree.fromstring(ask.envelope(arguments).encode())[-1][0]


def read_back(ask: Bound, element: etree._Element) -> dict[str, Any]:
    return ask.read(etree.fromstring(f"<Body>{etree.tostring(element, encoding='unicode')}</Body>"))  # type: ignore[misc]


@pytest.mark.parametrize(
    "given",
    [
        {"name": "{http://x/?a=1&b='2'}a"},
        {"name": "bare"},
        {"name": None},
        {"colour": "{urn:colours}red"},
        {"colour": "{urn:names}own"},
        {"names": ["{urn:a}x", "{urn:b}y", "{urn:a}z", "bare"]},
        {"names": []},
        {"code": [{"value": "{urn:a}x", "of": "{urn:b}y", "n": 1}, {"value": "bare"}]},
        {"kind": "{urn:a}x", "other": "{urn:b}y"},
        {"pair": [3, 4], "way": ["b", "a"], "some": 7, "odd": [1, 2]},
        {"some": "b", "rates": ["1.0", "2.50"]},
        *({"either": each} for each in (12, "a", "{urn:a&b}x", "bare", 'two <words> & "more"')),
        {"eithers": [1, "b", "{urn:a}x", "{urn:b}y", "{urn:a}z", "bare"]},
        {"fault": "{urn:colours}late"},
        {"fault": 7},
        {"said": {"value": "{urn:a}x", "by": "{urn:b}y"}},
        {"said": {"value": 'a & "b"', "by": 'c < "d"'}},
    ],
    ids=str,
)
def test_what_is_sent_is_valid_and_comes_back(ask: Bound, given: dict[str, Any]) -> None:
    element = sent(ask, given)

    XSD.assertValid(etree.fromstring(etree.tostring(element)))
    found = read_back(ask, element)
    assert {name: value for name, value in to_json(found).items() if value != [] or given.get(name) == []} == given
    assert Checker.of(ask.output_schema()).deviation(found) is None


@pytest.mark.parametrize(
    "given",
    [
        {"name": "p:a"},
        {"name": "{urn:x}"},
        {"name": '{urn:"}a'},
        {"colour": "{urn:colours}blue"},
        {"names": ["a b"]},
        {"pair": [1, 4]},
        {"pair": [1]},
        {"way": ["a", "a"]},
        {"rates": ["1", "3"]},
        {"some": 8},
        {"some": "a"},
        {"odd": [12]},
        {"fault": 8},
        {"fault": "{urn:names}late"},
        {"either": "bell \x07"},
    ],
    ids=str,
)
def test_what_the_xsd_refuses_does_not_leave(ask: Bound, given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        sent(ask, given)


def test_a_prefix_is_what_its_message_declares(ask: Bound) -> None:
    text = (
        '<Ask xmlns="urn:names" xmlns:c="urn:other" kind="c:k"><name>c:a</name><colour xmlns:c="urn:colours"> c:red </colour>'
        '<names>c:a lost:b c</names><code of="c:o" xmlns:c="urn:inner">c:v</code><some>b</some></Ask>'
    )

    found = read_back(ask, etree.fromstring(text))

    assert found["name"] == "{urn:other}a" and found["colour"] == "{urn:colours}red" and found["kind"] == "{urn:other}k"
    assert found["names"] == ["{urn:other}a", "lost:b", "{urn:names}c"]
    text = text.replace(
        "<some>b</some>", "<either>c:a</either><eithers>1 c:a lost:b b</eithers><fault> x:late </fault>"
    )
    more = read_back(ask, etree.fromstring(text.replace("<fault>", '<fault xmlns:x="urn:colours">')))
    assert more["either"] == "{urn:other}a" and more["eithers"] == [1, "{urn:other}a", "lost:b", "b"]
    assert more["fault"] == "{urn:colours}late"
    assert found["code"] == [{"value": "{urn:inner}v", "of": "{urn:inner}o"}]


def test_the_schemas_name_the_values(ask: Bound) -> None:
    fields = ask.input_schema()["properties"]

    assert fields["colour"]["enum"] == ["{urn:colours}red", "{urn:names}own"]
    assert fields["pair"]["enum"] == [[1, 2], [3, 4]] and fields["way"]["enum"] == [["a", "b"], ["b", "a"]]
    assert fields["some"]["enum"] == [7, "b"] and "1.0 2.50" in fields["rates"]["description"]
    assert fields["fault"]["enum"] == [7, "{urn:colours}late"]
    assert fields["kind"]["default"] == "{urn:colours}red"


def test_numbers_of_a_list_may_be_spelled_otherwise(ask: Bound) -> None:
    assert "<" in ask.envelope(Checker.of(ask.input_schema()).arguments({"rates": [1, "2.5"]}))


def test_a_kept_contract_is_the_same(tmp_path: Path) -> None:
    first = only_operation(tmp_path, wsdl_of("urn:names", SCHEMA))
    again = only_operation(tmp_path, wsdl_of("urn:names", SCHEMA))

    assert first.input_schema() == again.input_schema()
