"""Contracts that are broken or mean harm: each loads, or is one clear error, in little time and memory."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from spending import at_most

from drawbar.connectors.soap import Service, Settings
from drawbar.connectors.soap_http import Http, Url
from drawbar.core.errors import ConfigError, DrawbarError, OutcomeUnknown

WSDL = """<wsdl:definitions targetNamespace="urn:t" xmlns:t="urn:t" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
 xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
 <wsdl:types><xs:schema targetNamespace="urn:t">{schema}<xs:element name="ask" type="{type}"/></xs:schema></wsdl:types>
 <wsdl:message name="In"><wsdl:part name="p" element="t:ask"/></wsdl:message>
 <wsdl:portType name="P"><wsdl:operation name="ask"><wsdl:input message="{message}"/><wsdl:output message="t:In"/></wsdl:operation></wsdl:portType>
 <wsdl:binding name="B" type="{port}"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <wsdl:operation name="ask"><soap:operation soapAction="{action}"/><wsdl:input><soap:body use="literal"/></wsdl:input>
  <wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation></wsdl:binding>
 <wsdl:service name="S"><wsdl:port name="Q" binding="{binding}"><soap:address location="{address}"/></wsdl:port></wsdl:service>
</wsdl:definitions>"""
USUAL = {
    "schema": "",
    "type": "xs:string",
    "message": "t:In",
    "port": "t:P",
    "action": "",
    "binding": "t:B",
    "address": "http://127.0.0.1:1/x",
}


def complex_type(name: str, inside: str) -> str:
    return f'<xs:complexType name="{name}">{inside}</xs:complexType>'


def extending(name: str, base: str) -> str:
    inside = f'<xs:complexContent><xs:extension base="t:{base}"><xs:sequence><xs:element name="e{name}" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent>'
    return complex_type(name, inside)


BOMB_TYPES = "".join(
    complex_type(
        f"T{n}",
        "<xs:sequence>" + "".join(f'<xs:element name="e{m}" type="t:T{n + 1}"/>' for m in range(10)) + "</xs:sequence>",
    )
    for n in range(12)
) + complex_type("T12", "")
CASES: list[tuple[str, dict[str, str], str | None]] = [
    ("a type that extends itself", {"schema": extending("A", "A"), "type": "t:A"}, None),
    ("types that extend each other", {"schema": extending("A", "B") + extending("B", "A"), "type": "t:A"}, None),
    ("a group of itself", {"schema": '<xs:group name="g"><xs:sequence><xs:group ref="t:g"/></xs:sequence></xs:group>' + complex_type("A", '<xs:group ref="t:g"/>'), "type": "t:A"}, "made of itself"),
    ("attributes of themselves", {"schema": '<xs:attributeGroup name="g"><xs:attributeGroup ref="t:g"/></xs:attributeGroup>' + complex_type("A", '<xs:attributeGroup ref="t:g"/>'), "type": "t:A"}, "made of itself"),
    ("a list of itself", {"schema": '<xs:simpleType name="A"><xs:list itemType="t:A"/></xs:simpleType>', "type": "t:A"}, "made of itself"),
    ("a union of itself", {"schema": '<xs:simpleType name="A"><xs:union memberTypes="t:A t:A"/></xs:simpleType>', "type": "t:A"}, "made of itself"),
    ("a restriction of itself", {"schema": '<xs:simpleType name="A"><xs:restriction base="t:A"/></xs:simpleType>', "type": "t:A"}, "made of itself"),
    ("an element in place of itself", {"schema": '<xs:element name="e" substitutionGroup="t:e"/>' + complex_type("A", '<xs:sequence><xs:element ref="t:e"/></xs:sequence>'), "type": "t:A"}, "made of itself"),
    ("a trillion of fields by ten types", {"schema": BOMB_TYPES, "type": "t:T0"}, None),
    ("sequences in sequences", {"schema": complex_type("A", "<xs:sequence>" * 200 + '<xs:element name="e"/>' + "</xs:sequence>" * 200), "type": "t:A"}, None),
    ("a hundred thousand values", {"schema": '<xs:simpleType name="A"><xs:restriction base="xs:string">' + "".join(f'<xs:enumeration value="{n}"/>' for n in range(100_000)) + "</xs:restriction></xs:simpleType>", "type": "t:A"}, None),
    ("a pattern that is none", {"schema": '<xs:simpleType name="A"><xs:restriction base="xs:string"><xs:pattern value="(["/></xs:restriction></xs:simpleType>', "type": "t:A"}, None),
    ("a pattern that takes for ever", {"schema": '<xs:simpleType name="A"><xs:restriction base="xs:string"><xs:pattern value="((a+)+)+b"/></xs:restriction></xs:simpleType>', "type": "t:A"}, None),
    ("occurrences that are none", {"schema": complex_type("A", '<xs:sequence><xs:element name="e" minOccurs="x" maxOccurs="-7"/></xs:sequence>'), "type": "t:A"}, "invalid literal"),
    ("a bound of many digits", {"schema": '<xs:simpleType name="A"><xs:restriction base="xs:decimal"><xs:maxInclusive value="1e999999999"/><xs:totalDigits value="99999999999"/></xs:restriction></xs:simpleType>', "type": "t:A"}, None),
    ("a type that is nowhere", {"type": "t:Nowhere"}, None),
    ("a prefix that is nowhere", {"type": "nowhere:A"}, None),
    ("a message that is nowhere", {"message": "t:Nowhere"}, "Nowhere"),
    ("a port type that is nowhere", {"port": "t:Nowhere"}, "Nowhere"),
    ("a binding that is nowhere", {"binding": "t:Nowhere"}, "no SOAP operation"),
    ("an address that is no URL", {"address": "javascript:alert(1)"}, None),
    ("an action with a line break", {"action": "a&#13;&#10;X: y"}, "cannot be sent"),
    ("an import of itself", {"schema": '<xs:include schemaLocation="hostile.wsdl"/>'}, None),
    ("an import of a device", {"schema": '<xs:include schemaLocation="/dev/zero"/>'}, "/dev/zero"),
    ("an import of a folder above", {"schema": '<xs:import namespace="u" schemaLocation="../../../../../../etc/passwd"/>'}, "passwd"),
    ("an import from the internet", {"schema": '<xs:import namespace="u" schemaLocation="http://198.51.100.1/a.xsd"/>'}, "198.51.100.1"),
]  # fmt: skip


LONG = {"a hundred thousand values", "sequences in sequences", "types that extend each other", "a union of itself"}


@pytest.mark.parametrize(
    ("what", "said", "error"),
    [pytest.param(*each, id=each[0], marks=pytest.mark.slow if each[0] in LONG else ()) for each in CASES],
)
def test_a_contract_loads_or_is_one_clear_error(
    tmp_path: Path, what: str, said: dict[str, str], error: str | None
) -> None:
    # Given
    file = tmp_path / "hostile.wsdl"
    file.write_text(WSDL.format(**{**USUAL, **said}))

    # When
    def load() -> None:
        service = Service(Settings(wsdl=str(file), load_timeout_s=2))
        for operation in service.contract.operations:
            bound = service.bound(operation)
            bound.input_schema()
            with pytest.raises(DrawbarError) if what == "an address that is no URL" else quiet():
                bound.to()

    # Then
    with at_most(cpu_s=10, megabytes=300 if what in LONG else 60), contextlib.ExitStack() as refused:
        if error is not None:
            refused.enter_context(pytest.raises(ConfigError, match=error))
        load()


@contextmanager
def quiet() -> Iterator[None]:
    yield


@contextmanager
def pouring(head: bytes, megabytes: int) -> Iterator[str]:
    """A host that answers with so many megabytes of nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            connection.recv(65536)
            try:
                connection.sendall(head)
                for _ in range(megabytes):
                    connection.sendall(b"x" * 2**20)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    listener.close()
    thread.join(60)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 209715200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n",
    ],
    ids=["announced", "without end"],
)
def test_two_hundred_megabytes_are_refused_within_the_limit(head: bytes) -> None:
    with pouring(head, 200) as url, at_most(cpu_s=10, megabytes=64):
        http = Http(tls=lambda: pytest.fail("no TLS"), headers={}, max_bytes=16 * 2**20)

        with pytest.raises(OutcomeUnknown, match="larger than"):
            http.post(Url.of(url), b"<a/>", "", deadline=time.monotonic() + 20)


def test_a_contract_of_two_hundred_megabytes_is_refused_within_the_limit(tmp_path: Path) -> None:
    """From the host, and from a file; the default limit holds."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n<wsdl:a>"
    with pouring(head, 200) as url, at_most(10, 200), pytest.raises(DrawbarError, match="larger than"):
        assert Service(Settings(wsdl=url)).contract
    file = tmp_path / "large.wsdl"
    with file.open("wb") as out:
        out.truncate(200 * 2**20)
    with at_most(cpu_s=10, megabytes=200), pytest.raises(ConfigError, match="larger than"):
        assert Service(Settings(wsdl=str(file))).contract
