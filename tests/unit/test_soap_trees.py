"""Usual answers are read by another parser than the rest, and nobody can tell."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawbar.connectors.soap import Service, Settings
from drawbar.connectors.soap_http import Url
from drawbar.connectors.soap_trees import MAX_BYTES, tree
from drawbar.connectors.soap_wire import Answer
from drawbar.connectors.soap_xml import BadXml, parse

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&]\ufffe\uffff"), max_size=8)
_PIECES = st.one_of(
    _TEXTS,
    st.sampled_from(
        ["&amp;", "&#13;", "&#x1F600;", "\r\n", "\t", " ", "<!-- <a> -->", "<?pi <a> ?>", "<![CDATA[<a> & ]]>"]
    ),
)
_NAMES = st.sampled_from(["a", "p:b", "q:c", "d", "é"])
_ATTRIBUTES = st.sampled_from(
    ["", ' x="1&#10; 2"', ' p:x="&lt;"', ' xmlns="urn:d"', ' xmlns=""', " xmlns:q='urn:q2' q:x=''"]
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    name, inside = draw(_NAMES), draw(st.lists(_PIECES if depth > 3 else _PIECES | elements(depth + 1), max_size=4))
    attributes = draw(_ATTRIBUTES)
    return f"<{name}{attributes}>{''.join(inside)}</{name}>" if inside else f"<{name}{attributes} />"


def seen(node: Any) -> Any:
    return node.tag, node.text or "", node.tail or "", sorted(node.items()), [seen(child) for child in node]


@settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["", HEAD, HEAD.replace('"', "'"), "\n "]), elements())
def test_both_parsers_see_the_same(head: str, inside: str) -> None:
    message = f"{head}<r xmlns:p='urn:p' xmlns:q=\"urn:q\">{inside}</r>".encode()

    usual = tree(message)

    assert usual is not None
    assert seen(usual) == seen(parse(message))


UNUSUAL = {
    "a document type": b"<!DOCTYPE a><a/>",
    "a document type behind a comment": b"<!-- --><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "a document type behind the declaration": HEAD.encode() + b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "an entity of nobody": b"<a>&b;</a>",
    "another code page": '<?xml version="1.0" encoding="iso-8859-1"?><a>é</a>'.encode("latin-1"),
    "two bytes a character": "<a/>".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf<a/>",
    "a later version": b'<?xml version="1.1"?><a/>',
    "nothing": b"",
    "cut off": b"<a><b></b>",
    "two roots": b"<a/><a/>",
    "a prefix of nobody": b"<p:a/>",
    "bytes that are no text": b"<a>\xff</a>",
    "a page": b"<html><br></html>",
    "depth": b"<a>" * 300 + b"</a>" * 300,
    "depth in a large message": b"<r>" + b"<a>" * 300 + b"</a>" * 300 + b"<b> </b>" * 9000 + b"</r>",
    "a long namespace": b'<a xmlns="urn:' + b"a" * 300 + b'"/>',
    "a namespace with a reference": b"<a xmlns='urn:a' b=\"xmlns'" + b"c" * 300 + b'"/>',
    "size": b"<a>" + b" " * MAX_BYTES + b"</a>",
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_not_usual_is_for_the_other_parser(what: str) -> None:
    assert tree(UNUSUAL[what]) is None


def test_a_document_type_is_refused_wherever_it_stands() -> None:
    for what, message in UNUSUAL.items():
        if what.startswith("a document type"):
            with pytest.raises(BadXml, match="DTD"):
                parse(message)


WSDL = Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl"
ANSWER = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">{}<s:Body><FindInvoiceResponse xmlns="urn:drawbar:billing">'
    "<invoices><id>INV-7</id><orderId>7</orderId><amount>10.00</amount><status>OPEN</status></invoices>"
    "</FindInvoiceResponse></s:Body></s:Envelope>"
)


@pytest.mark.parametrize("kind", ["text/xml", "text/xml; charset=utf-8", "application/soap+xml; charset=UTF-8"])
def test_a_usual_answer_is_read_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(Settings(wsdl=str(WSDL)))
    bound = next(service.bound(each) for each in service.contract.operations if each.name == "FindInvoice")
    monkeypatch.setattr("drawbar.connectors.soap_faults.parse", None)

    for header in ("", "<s:Header><any/></s:Header>"):
        answer = Answer(200, {"content-type": kind}, ANSWER.format(header).encode())
        found = bound.answered("read", Url.of("http://127.0.0.1/"), answer)
        assert [each["id"] for each in found["invoices"]] == ["INV-7"]


def test_a_large_message_of_the_usual_depth_is_usual() -> None:
    found = tree(b"<r>" + b"<a><b>1</b></a>" * 9000 + b"</r>")

    assert found is not None
    assert len(found) == 9000
