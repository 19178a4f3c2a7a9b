"""CSV, JSON Lines and fixed width: what goes in comes out, and what is wrong is located."""

import io
import string
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from drawbar.adapters.formats import AnyFormat, Format, IncompleteFile, Record, Reject, WrongFile
from drawbar.adapters.formats.scalars import shortest
from drawbar.core.errors import InputError

HERE = Path()
ANY = TypeAdapter(AnyFormat)


def opened(kind: str, **keys) -> Format:
    return ANY.validate_python({"kind": kind, **keys}).open(HERE)


def read(form: Format, data: bytes, start: int = 0) -> list[Record | Reject]:
    return list(form.read(io.BytesIO(data), start=start))


def rows(form: Format, data: bytes) -> list[dict]:
    found = read(form, data)
    assert all(isinstance(record, Record) for record in found), found
    return [record.values for record in found]


def written(form: Format, rows) -> bytes:
    stream = io.BytesIO()
    assert form.write(rows, stream) == len(list(rows))
    return stream.getvalue()


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=12)
TYPED = {
    "t": "string",
    "i": "integer",
    "d": {"type": "decimal", "scale": 2},
    "b": "boolean",
    "day": "date",
    "at": "datetime",
}
TYPED_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.none() | TEXT,
            "i": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
            "d": st.none() | st.decimals(-(10**12), 10**12, places=2),
            "b": st.none() | st.booleans(),
            "day": st.none() | st.dates(),
            "at": st.none() | st.datetimes(),
        }
    ),
    max_size=5,
)


@given(
    rows_in=TYPED_ROWS,
    delimiter=st.sampled_from(",;|\t"),
    escape=st.sampled_from([None, "\\"]),
    newline=st.sampled_from(["lf", "crlf"]),
    null=st.sampled_from(["", "\\N", "NULL"]),
    decimal=st.sampled_from([".", ","]),
)
def test_csv_gives_back_what_it_wrote(rows_in, delimiter, escape, newline, null, decimal):
    """Types, NULL against empty text, quotes, newlines and delimiters in text survive in every dialect."""
    form = opened("csv", delimiter=delimiter, escape=escape, newline=newline, null=null, decimal=decimal, columns=TYPED)

    assert rows(form, written(form, rows_in)) == rows_in


@given(rows_in=TYPED_ROWS)
def test_jsonl_gives_back_what_it_wrote(rows_in):
    form = opened("jsonl", columns=TYPED)

    assert rows(form, written(form, rows_in)) == rows_in


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.text(string.printable[:94] + "äöü", max_size=8),
                "number": st.none() | st.integers(-9999, 99999),
                "amount": st.none() | st.decimals("-9999.99", "99999.99", places=2),
                "day": st.none() | st.dates(date(1970, 1, 1), date(2068, 12, 31)),
            }
        ),
        max_size=5,
    ),
    st.sampled_from([("utf-8", "line"), ("cp273", "line"), ("latin-1", "fixed"), ("cp1140", "fixed")]),
)
def test_fixed_width_gives_back_what_it_wrote(rows_in, how):
    encoding, record = how
    form = opened("fixed", encoding=encoding, record=record, newline="lf", fields=FIELDS)

    assert rows(form, written(form, rows_in)) == rows_in


FIELDS = [
    {"name": "name", "start": 1, "length": 8},
    {"name": "number", "start": 9, "length": 5, "type": "integer"},
    {"name": "amount", "start": 14, "length": 7, "type": "decimal", "scale": 2},
    {"name": "day", "start": 21, "length": 6, "type": "date", "date": "%y%m%d"},
]


def test_null_and_empty_text_stay_apart_in_csv():
    form = opened("csv")

    assert rows(form, b'a,b\n,""\n') == [{"a": None, "b": ""}]
    assert written(form, [{"a": None, "b": ""}]) == b'a,b\n,""\n'


def test_a_quoted_newline_stays_in_its_record_and_in_its_raw_bytes():
    form = opened("csv", columns={"n": "integer"})

    found = read(form, b'n,t\r\n1,"two\r\nlines"\r\nx,"more\r\nlines"\r\n2,end\r\n')

    assert found[0] == Record(1, "row", {"n": 1, "t": "two\r\nlines"}, b'1,"two\r\nlines"')
    assert found[1] == Reject(2, "n: 'x' is no integer", b'x,"more\r\nlines"')
    assert found[2].values == {"n": 2, "t": "end"}


def test_a_quote_in_the_middle_of_a_field_is_text():
    assert rows(opened("csv"), b'a,b\n5" pipe,x\n') == [{"a": '5" pipe', "b": "x"}]


def test_a_record_in_another_encoding_is_rejected_where_it_is_wrong():
    found = read(opened("csv"), b"a,b\nx,y\nM\xfcller,z\n")

    assert isinstance(found[1], Reject)
    assert found[1].raw == b"M\xfcller,z"
    assert "byte 2 is not utf-8" in found[1].reason


def test_a_wrong_count_of_fields_is_a_reject_and_the_next_record_is_read():
    found = read(opened("csv"), b"a,b\n1\n2,3,4\n5,6\n")

    assert [type(record) for record in found] == [Reject, Reject, Record]
    assert found[0].reason == "the record has 1 fields, and the file 2 columns"


@pytest.mark.parametrize(
    ("kind", "keys", "data"),
    [
        ("csv", {}, b'a,b\n1,"open'),
        ("csv", {}, b'a,b\n1,"open\n2,3\n'),
        ("csv", {}, b"a,b\n1,2\n3"),
        ("jsonl", {}, b'{"a": 1}\n{"a": '),
        ("fixed", {"fields": FIELDS}, b"name    00001000010026"),
        ("fixed", {"fields": FIELDS, "record": "fixed"}, b"name    000010000100260131na"),
    ],
)
def test_a_file_that_ends_inside_a_record_is_incomplete(kind, keys, data):
    """Somebody is still writing it: that costs no reject."""
    with pytest.raises(IncompleteFile):
        read(opened(kind, **keys), data)


def test_a_file_whose_records_end_with_a_carriage_return_is_no_file_of_a_header_alone():
    """It was archived as empty, and its rows were lost."""
    body = b"id,name\r1,a\r2,b\r"

    with pytest.raises(WrongFile, match="newline: cr"):
        read(opened("csv"), body)

    assert rows(opened("csv", newline="cr"), body) == [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]
    assert rows(opened("csv"), b'id,"full\rname"\r\n1,a\r\n') == [{"id": "1", "full\rname": "a"}]


def test_another_header_makes_the_whole_file_wrong():
    with pytest.raises(WrongFile, match="no column 'amount'"):
        read(opened("csv", columns={"amount": "decimal"}), b"id;amount\n1;2\n")


def test_an_open_quote_does_not_read_the_whole_file_into_memory():
    form = opened("csv", max_record_bytes=1000)
    with pytest.raises(WrongFile, match="longer than 1000 bytes"):
        read(form, b'a,b\n1,"open\n' + b"x\n" * 10_000)


def test_footers_are_no_rows_but_totals_see_them():
    form = opened("csv", delimiter=";", skip_footer=1, columns={"n": "integer"})

    found = read(form, b"n\n1\n2\nEND;2\n")

    assert [record.layout for record in found] == ["row", "row", "trailer"]
    assert found[2].values == {"fields": ["END", "2"]}


def test_decimals_are_exact_with_their_scale_and_a_comma():
    form = opened("csv", delimiter=";", decimal=",", columns={"a": {"type": "decimal", "scale": 2}})

    assert rows(form, b"a\n0,1\n") == [{"a": Decimal("0.10")}]
    assert "no number" in read(form, b"a\n0.1\n")[0].reason
    assert "more than 2 digits" in read(form, b"a\n0,123\n")[0].reason


def test_numbers_in_jsonl_are_read_exactly():
    values = rows(opened("jsonl"), b'{"a": 10.00, "b": 12345678901234567890, "c": [1.1]}\n')

    assert values == [{"a": Decimal("10.00"), "b": 12345678901234567890, "c": [Decimal("1.1")]}]
    assert str(values[0]["a"]) == "10.00"
    assert written(opened("jsonl", numbers="exact"), values[:1]).startswith(b'{"a": 10.00, "b": 123456789')


@pytest.mark.parametrize("line", [b"[1]", b"{", b'{"a": NaN}', b'{"a": "\xff"}'])
def test_a_line_that_is_no_object_is_rejected_with_its_bytes(line):
    found = read(opened("jsonl"), line + b'\n{"a": 1}\n')

    assert isinstance(found[0], Reject)
    assert found[0].raw == line
    assert found[1].values == {"a": 1}


def test_fixed_width_names_the_field_that_is_wrong():
    form = opened("fixed", fields=FIELDS)

    found = read(form, b"name    0000x0001000260131\nname    000010001000260231\nshort\n" + b"y" * 30 + b"\n")

    assert [record.reason for record in found] == [
        "number: '0000x' is no integer",
        "day: '260231' is no date as %y%m%d",
        "number: the record ends at 5, and the field at 13",
        "the record has 30 characters, and its layout 26",
    ]


def test_layouts_of_fixed_width_have_their_own_fields():
    form = opened(
        "fixed",
        fields=[
            {"name": "kind", "start": 1, "length": 1},
            {"name": "amount", "start": 2, "length": 5, "type": "decimal", "scale": 2, "layout": ["row"]},
            {"name": "count", "start": 2, "length": 5, "type": "integer", "layout": ["trailer"]},
        ],
        layouts={"row": "${{ record.kind == 'D' }}", "trailer": "${{ record.kind == 'T' }}"},
    )

    found = read(form, b"D00150\nT00001\nX00000\n")

    assert found[0].values == {"kind": "D", "amount": Decimal("1.50")}
    assert (found[1].layout, found[1].values) == ("trailer", {"kind": "T", "count": 1})
    assert found[2].reason == "no layout fits the record (kind='X')"


def test_reading_goes_on_after_a_number_of_records():
    for form, data in (
        (opened("csv"), b"a\n1\n2\n3\n"),
        (opened("jsonl"), b'{"a": "1"}\n{"a": "2"}\n{"a": "3"}\n'),
        (opened("fixed", fields=[{"name": "a", "start": 1, "length": 1}]), b"1\n2\n3\n"),
    ):
        assert [(record.record_no, record.values["a"]) for record in read(form, data, start=1)] == [(2, "2"), (3, "3")]


@pytest.mark.parametrize(
    ("form", "row", "said"),
    [
        (("csv", {"columns": ["a"]}), {"b": 1}, "record 1: there is no column b"),
        (("csv", {"columns": {"a": "integer"}}), {"a": "x"}, "a: 'x' is no number"),
        (("csv", {"columns": {"a": "decimal"}}), {"a": 0.1}, "floating point"),
        (("csv", {"encoding": "latin-1"}), {"a": "€"}, "'€' does not exist in latin-1"),
        (("csv", {"quote": None}), {"a": "x,y"}, "needs quotes"),
        (("fixed", {"fields": FIELDS}), {"name": "too long to fit"}, "does not fit into 8 characters"),
        (("fixed", {"fields": FIELDS}), {"name": "a\nb"}, "newline"),
        (("fixed", {"fields": FIELDS}), {"amount": Decimal("1.234")}, "more than 2 digits"),
    ],
)
def test_what_cannot_be_written_is_an_error_that_names_the_field(form, row, said):
    kind, keys = form
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        written(opened(kind, **keys), [row])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kind": "xlm"}, "did you mean .xml."),
        ({"kind": "csv", "compression": "rar"}, "compression"),
        ({"kind": "csv", "delimeter": ";"}, "delimeter"),
        ({"kind": "csv", "header": False}, "needs columns"),
        ({"kind": "csv", "encoding": "utf-16"}, "more than one byte"),
        ({"kind": "csv", "encoding": "ebcdic-nowhere"}, "no encoding"),
        ({"kind": "csv", "delimiter": '"'}, "different characters"),
        ({"kind": "fixed", "fields": [{"name": "a", "start": 0, "length": 1}]}, "greater than or equal to 1"),
        ({"kind": "fixed", "fields": FIELDS, "length": 10}, "the last field ends at 26"),
        ({"kind": "fixed", "fields": [{"name": "a", "start": 1, "length": 1, "scale": 2}]}, "scale belongs to"),
    ],
)
def test_a_wrong_format_is_refused_when_it_is_loaded(keys, said):
    with pytest.raises(ValidationError, match=said):
        ANY.validate_python(keys)


def test_code_pages_of_the_ebcdic_package_are_known():
    form = opened("fixed", encoding="cp1141", record="fixed", fields=[{"name": "a", "start": 1, "length": 4}])

    assert written(form, [{"a": "ä€"}]) == b"\xc0\x9f\x40\x40"


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    assert rows(opened("csv"), b"\xef\xbb\xbfa\n1\n") == [{"a": "1"}]
    assert written(opened("csv", encoding="utf-8-sig"), [{"a": "1"}]) == b"\xef\xbb\xbfa\n1\n"


def test_datetimes_follow_their_pattern():
    form = opened("csv", columns={"at": {"type": "datetime", "date": "%d.%m.%Y %H:%M"}})

    assert rows(form, b"at\n01.02.2026 03:04\n") == [{"at": datetime(2026, 2, 1, 3, 4)}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.675253076836542e16, "3.6752530768365424e+16"),
        (-4.058022975180734e16, "-4.0580229751807344e+16"),
        (1e22, "1e+22"),
    ],
)
def test_no_float_is_written_as_what_lies_between_two(value, text):
    assert (shortest(value), float(text)) == (text, value)
