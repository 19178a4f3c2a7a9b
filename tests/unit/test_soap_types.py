"""XSD to JSON Schema, plain values to XML and back: everything that XML Schema 1.0 can say about one message."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lxml import etree
from soap_message import only_operation, wsdl_of

from drawbar.connectors.soap import Bound, Service, Settings
from drawbar.connectors.soap_xml import parse
from drawbar.core.errors import InputError
from drawbar.core.schema import Checker
from drawbar.core.values import Wide, to_json

SCHEMA = """
<xs:schema targetNamespace="urn:rich" xmlns="urn:rich" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    elementFormDefault="qualified">
  <xs:simpleType name="Money"><xs:restriction base="xs:decimal">
    <xs:totalDigits value="6"/><xs:fractionDigits value="2"/><xs:minInclusive value="0"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Code"><xs:restriction base="xs:string">
    <xs:pattern value="[A-Z]{2}\\d+"/><xs:maxLength value="6"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Colour"><xs:restriction base="xs:token">
    <xs:enumeration value="red"/><xs:enumeration value="light blue"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Numbers"><xs:list itemType="xs:int"/></xs:simpleType>
  <xs:simpleType name="Size"><xs:union memberTypes="xs:int Colour"/></xs:simpleType>
  <xs:complexType name="Shape" abstract="true"><xs:sequence><xs:element name="id" type="xs:int"/></xs:sequence></xs:complexType>
  <xs:complexType name="Circle"><xs:complexContent><xs:extension base="Shape">
    <xs:sequence><xs:element name="radius" type="Money"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Square"><xs:complexContent><xs:extension base="Shape">
    <xs:sequence><xs:element name="side" type="Money"/><xs:element name="inner" type="Shape" minOccurs="0"/></xs:sequence>
    <xs:attribute name="filled" type="xs:boolean" use="required"/></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Price"><xs:simpleContent><xs:extension base="xs:decimal">
    <xs:attribute name="currency" type="Code" use="required"/><xs:attribute name="net" type="xs:boolean" default="true"/>
  </xs:extension></xs:simpleContent></xs:complexType>
  <xs:complexType name="Tree"><xs:sequence><xs:element name="name" type="xs:string"/>
    <xs:element ref="node" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
  <xs:element name="node" type="Tree"/>
  <xs:element name="party" type="xs:string" abstract="true"/>
  <xs:element name="person" type="xs:string" substitutionGroup="party"/>
  <xs:element name="firm" type="xs:string" substitutionGroup="party"/>
  <xs:group name="Contact"><xs:choice><xs:element name="mail" type="xs:string"/>
    <xs:sequence><xs:element name="phone" type="xs:string"/><xs:element name="ext" type="xs:short" minOccurs="0"/></xs:sequence>
  </xs:choice></xs:group>
  <xs:element name="Ask"><xs:complexType><xs:sequence>
    <xs:element name="amount" type="Money"><xs:annotation><xs:documentation>Gross, in EUR.</xs:documentation></xs:annotation></xs:element>
    <xs:element name="big" type="xs:integer" minOccurs="0"/>
    <xs:element name="long" type="xs:long" minOccurs="0" nillable="true"/>
    <xs:element name="day" type="xs:date" minOccurs="0"/>
    <xs:element name="at" type="xs:dateTime" minOccurs="0"/>
    <xs:element name="lasts" type="xs:duration" minOccurs="0"/>
    <xs:element name="ratio" type="xs:double" minOccurs="0"/>
    <xs:element name="raw" type="xs:base64Binary" minOccurs="0"/>
    <xs:element name="colour" type="Colour" minOccurs="0"/>
    <xs:element name="size" type="Size" minOccurs="0"/>
    <xs:element name="numbers" type="Numbers" minOccurs="0"/>
    <xs:element name="tag" type="Code" minOccurs="0" maxOccurs="3"/>
    <xs:element name="price" type="Price" minOccurs="0"/>
    <xs:element name="shape" type="Shape" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="tree" type="Tree" minOccurs="0"/>
    <xs:group ref="Contact" minOccurs="0"/>
    <xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="plus" type="xs:int"/><xs:element name="minus" type="xs:int"/></xs:choice>
    <xs:sequence minOccurs="0" maxOccurs="unbounded"><xs:element name="key" type="xs:string"/><xs:element name="val" type="xs:string" minOccurs="0"/></xs:sequence>
    <xs:element ref="party" minOccurs="0"/>
    <xs:element name="free" minOccurs="0"/>
    <xs:any namespace="##other" processContents="lax" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence><xs:attribute name="version" type="xs:int"/><xs:anyAttribute namespace="##other" processContents="skip"/></xs:complexType></xs:element>
</xs:schema>"""

XSD = etree.XMLSchema(etree.fromstring(SCHEMA))


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Bound:
    return only_operation(tmp_path_factory.mktemp("wsdl"), wsdl_of("urn:rich", SCHEMA))


def sent(ask: Bound, given: dict[str, Any]) -> etree._Element:
    """Check arguments as the guard does, write them, and give the body's element."""
    arguments = Checker.of(ask.input_schema()).arguments(given)
    return etree.fromstring(ask.envelope(arguments).encode())[-1][0]


def read_back(ask: Bound, element: etree._Element) -> dict[str, Any]:
    body = etree.Element("Body")
    body.append(element)
    return ask.read(body)  # type: ignore[misc]


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True)


SAMPLES: list[dict[str, Any]] = [
    {"amount": "10.00"},
    {"amount": 12.5},
    {"amount": 0, "version": 3},
    {"amount": "1", "big": "123456789012345678901234567890", "long": "9223372036854775807"},
    {"amount": "1", "long": None},
    {"amount": "1", "day": "2024-02-29"},
    {"amount": "1", "day": "2024-02-29+02:00"},
    {"amount": "1", "at": "2024-02-29T10:00:00.123456789+02:00"},
    {"amount": "1", "at": "2024-02-29T10:00:00"},
    {"amount": "1", "lasts": "P1Y2M"},
    {"amount": "1", "lasts": "P1DT30S"},
    {"amount": "1", "ratio": 0.1},
    {"amount": "1", "ratio": "INF"},
    {"amount": "1", "raw": "AAH/"},
    {"amount": "1", "colour": "light blue", "size": 4},
    {"amount": "1", "size": "red", "numbers": [1, -2, 3]},
    {"amount": "1", "tag": ["AB1", "CD23"]},
    {"amount": "1", "price": {"value": "9.90", "currency": "EU1", "net": False}},
    {"amount": "1", "shape": [{"_type": "Circle", "id": 1, "radius": "2.50"}, {"_type": "Square", "id": 2, "side": "1", "filled": True, "inner": {"_type": "Circle", "id": 3, "radius": "1"}}]},
    {"amount": "1", "tree": {"name": "a", "node": [{"name": "b", "node": []}, {"name": "c", "node": [{"name": "d"}]}]}},
    {"amount": "1", "mail": "a@b"},
    {"amount": "1", "phone": "1", "ext": 7},
    {"amount": "1", "_items": [{"plus": 1}, {"minus": 2}, {"plus": 3}]},
    {"amount": "1", "_items_2": [{"key": "a", "val": "1"}, {"key": "b"}, {"key": "c", "val": "3"}]},
    {"amount": "1", "firm": "ACME & <Sons>\r\n"},
    {"amount": "1", "free": "text"},
    {"amount": "1", "free": {"xml": "<a xmlns='urn:x'><b/></a>"}},
    {"amount": "1", "_any": ["<x:a xmlns:x='urn:x'>1</x:a>", "<b xmlns='urn:y'/>"]},
    {"amount": "1", "_attributes": {"{urn:x}a": "1 & 2"}},
]  # fmt: skip


@pytest.mark.parametrize("given", SAMPLES, ids=lambda given: json.dumps(given)[:60])
def test_what_is_sent_is_valid_and_comes_back_as_it_was(ask: Bound, given: dict[str, Any]) -> None:
    """libxml2, which knows nothing of us, validates the body against the XSD."""
    # When
    element = sent(ask, given)

    # Then
    XSD.assertValid(element)
    back = read_back(ask, element)
    assert Checker.of(ask.output_schema()).deviation(back) is None
    again = sent(ask, {key: value for key, value in to_json(back).items() if value != []})
    assert canonical(again) == canonical(element)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "arguments"),
    ({"amount": "-1"}, "amount"),
    ({"amount": "1.234"}, "amount"),
    ({"amount": "12345.67"}, "amount"),
    ({"amount": "ten"}, "amount"),
    ({"amount": True}, "amount"),
    ({"amount": "1", "colour": "green"}, "colour"),
    ({"amount": "1", "tag": ["ab1"]}, "tag"),
    ({"amount": "1", "tag": ["AB1"] * 4}, "tag"),
    ({"amount": "1", "long": "9223372036854775808"}, "long"),
    ({"amount": "1", "day": "29.02.2024"}, "day"),
    ({"amount": "1", "raw": "***"}, "raw"),
    ({"amount": "1", "price": {"value": "1"}}, "price"),
    ({"amount": "1", "shape": [{"id": 1}]}, "shape"),
    ({"amount": "1", "mail": "a", "phone": "b"}, "arguments"),
    ({"amount": "1", "_items": [{"plus": 1, "minus": 2}]}, "_items"),
    ({"amount": "1", "_any": ["<a"]}, "_any"),
    ({"amount": "1", "_any": ["<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]}, "_any"),
    ({"amount": "1", "nonsense": 1}, "arguments"),
    ({"amount": "1", "person": "bell \x07"}, "person"),
]


@pytest.mark.parametrize(("given", "field"), WRONG, ids=lambda given: json.dumps(given)[:60])
def test_what_does_not_fit_is_refused_with_its_field(ask: Bound, given: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        sent(ask, given)

    assert str(refused.value).startswith(field)


def test_values_keep_their_kind(ask: Bound) -> None:
    """A decimal is never a float, a wide integer stays one, and a date is a date."""
    # Given
    element = sent(
        ask, SAMPLES[3] | {"day": "2024-02-29", "at": "2024-02-29T10:00:00Z", "lasts": "PT36H", "raw": "AAH/"}
    )

    # When
    back = read_back(ask, element)

    # Then
    assert back["amount"] == Decimal(1)
    assert type(back["big"]) is Wide
    assert back["day"] == date(2024, 2, 29)
    assert back["at"] == datetime(2024, 2, 29, 10, tzinfo=UTC)
    assert back["lasts"] == timedelta(hours=36)
    assert back["raw"] == b"\x00\x01\xff"


def test_the_schemas_are_schemas_and_say_what_the_xsd_says(ask: Bound) -> None:
    # When
    schema = ask.input_schema()
    fields = schema["properties"]

    # Then
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.meta.validate(ask.output_schema())
    assert fields["amount"] == {
        "type": ["string", "number"],
        "format": "decimal",
        "pattern": r"^[+-]?(0*\d{1,6}(\.\d{0,2}0*)?|\.\d{0,2}0*)$",
        "minimum": 0,
        "description": "Gross, in EUR.",
    }
    assert fields["colour"] == {"type": "string", "enum": ["red", "light blue"]}
    assert fields["tag"] == {
        "type": "array",
        "items": {"type": "string", "pattern": r"^(?:[A-Z]{2}\d+)$", "maxLength": 6},
        "maxItems": 3,
    }
    assert fields["tree"] == {"$ref": "#/$defs/Tree"}
    assert "null" in fields["long"]["type"]
    assert schema["required"] == ["amount"]


def test_a_value_that_breaks_its_type_is_kept_as_it_came(ask: Bound) -> None:
    """An answer to a write is not lost because a field of it is wrong."""
    # Given
    xml = '<Ask xmlns="urn:rich"><amount>a lot</amount><surprise><x>1</x></surprise><day>0000-00-00</day></Ask>'

    # When
    back = read_back(ask, etree.fromstring(xml))

    # Then
    assert back["amount"] == "a lot"
    assert back["day"] == "0000-00-00"
    assert back["_any"] == ['<surprise xmlns="urn:rich"><x>1</x></surprise>']
    assert "amount" in str(Checker.of(ask.output_schema()).deviation(back))


def test_text_may_speak_of_document_types() -> None:
    """Only a document type before the root is one."""
    assert parse(b"<a><![CDATA[<!DOCTYPE html>]]></a>").text == "<!DOCTYPE html>"


def test_an_answer_without_its_namespace_is_read_all_the_same(ask: Bound) -> None:
    back = read_back(ask, etree.fromstring("<Ask><amount>1.50</amount><tag>AB1</tag></Ask>"))

    assert back["amount"] == Decimal("1.50")
    assert back["tag"] == ["AB1"]


def test_a_wsdl_beside_its_schemas_is_read_from_files(tmp_path: Path) -> None:
    """Imports and includes are followed, an included schema without namespace takes that of the including one."""
    # Given
    (tmp_path / "xsd").mkdir()
    (tmp_path / "xsd" / "part.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">'
        '<xs:complexType name="Part"><xs:sequence><xs:element name="no" type="xs:int"/></xs:sequence></xs:complexType></xs:schema>'
    )
    (tmp_path / "xsd" / "main.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:rich" xmlns="urn:rich"'
        ' elementFormDefault="qualified"><xs:include schemaLocation="part.xsd"/><xs:element name="Ask" type="Part"/></xs:schema>'
    )
    imports = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        '<xs:import namespace="urn:rich" schemaLocation="xsd/main.xsd"/></xs:schema>'
    )
    (tmp_path / "rich.wsdl").write_text(wsdl_of("urn:rich", imports))

    # When
    service = Service(Settings(wsdl=str(tmp_path / "rich.wsdl")))
    bound = service.bound(service.contract.operations[0])

    # Then
    assert list(bound.input_schema()["properties"]) == ["no"]
    assert "}no>" in "".join(f"{each.tag}>" for each in etree.fromstring(bound.envelope({"no": 1}).encode()).iter())
