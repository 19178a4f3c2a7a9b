"""XML records: paths, namespaces, types, both ways, in bounded memory, and what is refused."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from drawbar.adapters.formats import AnyFormat, Format, IncompleteFile, Record, Reject, WrongFile
from drawbar.core.errors import ConfigError, InputError

ORDERS = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!-- from the plant in M\xfcnchen -->
<orders xmlns="urn:plant" xmlns:x="urn:extra">
  <order id="1"><customer><name>M\xfcller &amp; S\xf6hne</name></customer><amount>10.00</amount><due>2026-01-31</due>
    <lines><line sku="a">2</line><line sku="b">1</line></lines></order>
  <order id="2"><amount/><x:note xml:lang="de">eilt</x:note></order>
  <order id="three"><amount>1</amount></order>
</orders>"""
COLUMNS = {
    "id": {"path": "@id", "type": "integer"},
    "name": {"path": "customer/name"},
    "amount": {"type": "decimal", "scale": 2},
    "due": "date",
    "skus": {"path": "lines/line/@sku", "many": True},
}


def opened(**keys) -> Format:
    return TypeAdapter(AnyFormat).validate_python({"kind": "xml", **keys}).open(Path())


def read(form: Format, data: bytes) -> list[Record | Reject]:
    return list(form.read(io.BytesIO(data)))


def written(form: Format, rows) -> bytes:
    stream = io.BytesIO()
    form.write(rows, stream)
    return stream.getvalue()


def test_columns_have_types_and_paths_and_a_wrong_one_is_a_reject_with_its_line():
    form = opened(record="p:orders/p:order", namespaces={"p": "urn:plant"}, columns=COLUMNS)

    first, second, third = read(form, ORDERS)

    assert first.values == {
        "id": 1, "name": "Müller & Söhne", "amount": Decimal("10.00"), "due": date(2026, 1, 31), "skus": ["a", "b"],
    }  # fmt: skip
    assert second.values == {"id": 2, "name": None, "amount": None, "due": None, "skus": []}
    assert isinstance(third, Reject)
    assert third.reason == "line 7: id: 'three' is no integer"
    assert b'id="three"' in third.raw
    assert [column.type for column in form.columns()] == ["integer", "string", "decimal", "date", "array"]


def test_without_columns_a_record_has_all_that_its_element_has():
    form = opened(record="order", lists=["note"])

    records = read(form, ORDERS)

    assert records[0].values["lines"] == {"line": [{"@sku": "a", "#text": "2"}, {"@sku": "b", "#text": "1"}]}
    assert records[1].values == {"@id": "2", "amount": "", "note": [{"@lang": "de", "#text": "eilt"}]}
    assert [record.record_no for record in form.read(io.BytesIO(ORDERS), start=1)] == [2, 3]


def test_a_name_with_a_prefix_is_of_its_namespace_alone():
    other = opened(record="orders/order", namespaces={"x": "urn:other"}, columns={"note": {"path": "x:note"}})
    assert [record.values["note"] for record in read(other, ORDERS)] == [None] * 3
    ours = opened(record="orders/order", namespaces={"x": "urn:extra"}, columns={"note": {"path": "x:note"}})
    assert [record.values["note"] for record in read(ours, ORDERS)] == [None, "eilt", None]


def test_what_is_written_is_read_back():
    form = opened(record="orders/order", columns=COLUMNS, namespaces={"": "urn:plant"}, encoding="latin-1")
    rows = [
        {"id": 1, "name": "Ä <&> €", "amount": Decimal("10.00"), "due": date(2026, 1, 31), "skus": ["a", "b"]},
        {"id": 2, "name": None, "amount": None, "due": None, "skus": []},
    ]

    raw = written(form, rows)

    assert raw.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<orders xmlns:xsi=')
    assert b"\xc4 &lt;&amp;&gt; &#8364;" in raw
    assert [record.values for record in read(opened(record="orders/order", columns=COLUMNS), raw)] == rows


def test_any_values_are_written_and_read_back():
    form = opened(record="a/b/c")
    rows = [{"@id": "1", "x": {"y": ["1", "2"], "z": None}}, {"#text": "t", "@k": "v"}, {}]

    assert [record.values for record in read(form, written(form, rows))] == [*rows[:2], {"#text": ""}]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"a b": 1}, "'a b' is no name"),
        ({"a": "\x00"}, r"a: the character '\\x00' cannot stand in XML"),
        ({"q:a": "1"}, "prefix of q:a is not among namespaces"),
    ],
)
def test_what_xml_cannot_hold_is_refused(row, said):
    with pytest.raises(InputError, match=f"record 1: .*{said}"):
        written(opened(record="rows/row"), [row])


@pytest.mark.parametrize("at", [0, 20, 200, len(ORDERS) - 1])
def test_a_document_that_ends_early_is_incomplete(at):
    with pytest.raises(IncompleteFile, match="ends in the middle"):
        read(opened(record="order"), ORDERS[:at])


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;">]><a><order t="&c;">&c;</order></a>'


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (BOMB, "DTD"),
        (b'<?xml version="1.0"?>\n<!-- <a> -->' + BOMB, "DTD"),
        ('<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'.encode("utf-16"), "DTD"),
        (b"<a><order></a>", "no well-formed XML: Opening and ending tag mismatch"),
        (b"<a/><b/>", "Extra content"),
        (b"<a>" * 300, "no well-formed XML: Excessive depth"),
        (b"<a>\xff</a>", "no well-formed XML"),
    ],
)
def test_document_types_and_broken_documents_are_refused(document, said):
    with pytest.raises(WrongFile, match=said):
        read(opened(record="order"), document)


def test_another_root_is_a_wrong_file_and_not_one_without_records():
    form = opened(record="o:orders/o:order", namespaces={"o": "urn:orders"})

    assert read(form, b'<orders xmlns="urn:orders"/>') == []
    with pytest.raises(WrongFile, match=r"its root element is \{urn:other\}orders, and record: begins with o:orders"):
        read(form, b'<orders xmlns="urn:other"><order/></orders>')


class Endless(io.RawIOBase):
    """A document that is far larger than what may be held of it."""

    def __init__(self, chunks: int, part: bytes) -> None:
        self._left, self._part = chunks, part

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        return self._part if self._left >= 0 else b""


def test_a_record_without_end_is_wrong_and_many_are_not():
    with pytest.raises(WrongFile, match="a record is larger than 100000 bytes"):
        list(opened(record="a", max_record_bytes=100_000).read(Endless(1000, b"<a>" + b"<b>x</b>" * 1000)))

    form = opened(record="rows/a", max_record_bytes=200_000)
    document = io.BytesIO(b"<rows>" + b"<a><b>x</b></a><noise/>" * 20_000 + b"</rows>")
    assert sum(1 for _ in form.read(document)) == 20_000


def test_wrong_paths_are_refused_when_they_are_loaded():
    for keys in ({"record": "a//b"}, {"record": "p:a"}, {"record": "a", "columns": {"x": {"path": "q:b"}}}):
        with pytest.raises(ValidationError, match=r"is no name of|prefix of"):
            opened(**keys)
    with pytest.raises(ConfigError, match="no root element"):
        written(opened(record="order"), [{}])
