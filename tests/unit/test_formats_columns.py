"""A copybook's file by whole columns: exactly the rows and the rejects of the way of rows."""

import gzip
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drawbar.adapters.formats import CopybookConfig, IncompleteFile, Record, Reject, bulks

EVERY = """
       01 REC.
          05 T        PIC X(6).
          05 ZONED    PIC 9(5).
          05 PUNCHED  PIC S9(5)V99.
          05 FIRST-P  PIC S9(3) SIGN LEADING.
          05 APART    PIC S9(3)V9 SIGN IS TRAILING SEPARATE CHARACTER.
          05 LEAD     PIC S9(3) SIGN LEADING SEPARATE.
          05 B2       PIC S9(4) COMP.
          05 B4       PIC 9(9) BINARY.
          05 B8       PIC S9(16)V99 COMP-4.
          05 N2       PIC S9(4) COMP-5.
          05 N8       PIC 9(18) COMP-5.
          05 P-ODD    PIC S9(7)V99 COMP-3.
          05 P-EVEN   PIC 9(4) PACKED-DECIMAL.
          05 P-LONG   PIC S9(29)V99 COMP-3.
          05 THOUS    PIC 9(3)P(3).
          05 F1       COMP-1.
          05 PRINTED  PIC -9(5).99.
          05 TAB OCCURS 2 TIMES.
             10 A PIC X.
             10 Q PIC S9 COMP-3.
          05 G.
             10 D PIC 9(6).
             10 E REDEFINES D PIC S9(11) COMP-3.
             10 FILLER REDEFINES D.
                15 H PIC 9(2).
                15 I PIC X(4).
"""


def opened(folder: Path, text: str, **keys):
    (folder / "rec.cpy").write_text(text)
    return CopybookConfig(kind="copybook", copybook="rec.cpy", **keys).open(folder)


def written(form, rows) -> bytes:
    stream = io.BytesIO()
    form.write(rows, stream)
    return stream.getvalue()


def by_rows(form, data: bytes):
    found = form.read(io.BytesIO(data))
    return [
        (one.record_no, one.values if isinstance(one, Record) else one.reason, one.raw)
        for one in found
        if isinstance(one, Reject) or one.layout == "row"
    ]


def by_columns(form, data: bytes, rows: int = 7):
    found = []
    for bulk in bulks(form, io.BytesIO(data), rows):
        assert list(bulk.record_nos) == sorted(bulk.record_nos)
        found += list(zip(bulk.record_nos, bulk.rows, bulk.raw, strict=True))
        found += [(one.record_no, one.reason, one.raw) for one in bulk.rejects]
    return sorted(found, key=lambda one: one[0])


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    return {
        key: opened(folder, EVERY, **keys)
        for key, keys in {
            "cp037": {},
            "cp273": {"encoding": "cp273", "trim": "both"},
            "ascii": {"encoding": "ascii", "native": "little", "trim": "none"},
            "nulls": {"null_if": ["high_values", "zeros"]},
        }.items()
    }


SPOILT = st.lists(
    st.tuples(
        st.integers(0, 200),
        st.sampled_from([0x00, 0x40, 0x20, 0x30, 0xF1, 0xC1, 0xD5, 0x1C, 0x2D, 0x7F, 0xFF, 0x5A]) | st.integers(0, 255),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(spoilt=st.lists(SPOILT, min_size=1, max_size=20), key=st.sampled_from(["cp037", "cp273", "ascii", "nulls"]))
@example(spoilt=[[(85, 0xF1)]], key="cp037")  # a digit where PIC -9(5).99 has its sign
def test_any_bytes_give_the_same_by_columns_as_by_rows(forms, spoilt, key):
    form = forms[key]
    plain = written(form, [{"T": "a ä"[: 3 if key == "cp273" else 1], "P_LONG": "-12345678901234567890.12", "B2": -1}])
    data = bytearray()
    for changes in spoilt:
        record = bytearray(plain)
        for at, byte in changes:
            record[at % len(plain)] = byte
        data += record

    ours, theirs = by_columns(form, bytes(data)), by_rows(form, bytes(data))

    assert repr(ours) == repr(theirs)


def test_types_are_exact_and_nested(forms):
    schema = forms["cp037"].arrow_schema()

    assert schema.field("PUNCHED").type == pa.decimal128(7, 2)
    assert schema.field("P_LONG").type == pa.decimal128(31, 2)
    assert schema.field("N8").type == pa.decimal128(20, 0)
    assert schema.field("T").type == pa.string()
    assert schema.field("TAB").type == pa.list_(pa.struct([("A", pa.string()), ("Q", pa.int64())]))
    assert schema.field("G").type.get_field_index("H") >= 0


LAYOUTS = """
       01 HEADER.
          05 KIND PIC X.
          05 DAY-OF PIC 9(8).
       01 ROW.
          05 KIND PIC X.
          05 AMOUNT PIC S9(7)V99 COMP-3.
          05 NAME PIC X(3).
       01 TRAILER.
          05 KIND PIC X.
          05 N PIC 9(8).
"""
KINDS = {name: f"${{{{ record.KIND == '{name[0].upper()}' }}}}" for name in ("header", "row", "trailer")}


@pytest.mark.parametrize("record", ["fixed", "rdw", "bdw"])
def test_headers_and_trailers_are_passed_over_and_what_fits_no_layout_is_a_reject(tmp_path, record):
    form = opened(tmp_path, LAYOUTS, record=record, layouts=KINDS, block_bytes=64)
    rows = [{"KIND": "R", "AMOUNT": f"{n}.25", "NAME": "abc"} for n in range(20)]
    rows[7] |= {"KIND": "?"}
    parts = [
        Record(0, "header", {"KIND": "H", "DAY_OF": 20261123}),
        *rows,
        Record(0, "trailer", {"KIND": "T", "N": 20}),
    ]

    found = by_columns(form, written(form, parts), 6)

    assert found == by_rows(form, written(form, parts))
    assert len(found) == 20
    assert found[7][1].startswith("no layout fits the record (KIND='?') (byte ")


def test_short_and_long_variable_records_keep_their_place(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC 9(3). 05 B PIC X(4). 05 C PIC X(4).", record="rdw")
    records = [b"123ABCDEFGH", b"123AB", b"12", b"1234567890123", b"xyzABCDEFGH", b"007ABCDEFGH"]
    data = b"".join((len(raw) + 4).to_bytes(2, "big") + b"\0\0" + raw.decode().encode("cp037") for raw in records)

    found = by_columns(form, data)

    assert found == by_rows(form, data)
    assert [one[1].partition(" (byte")[0] if isinstance(one[1], str) else one[1]["A"] for one in found] == [
        123, "the record has 5 bytes, and its layout at least 11", "the record has 2 bytes, and its layout at least 11", "the record has 13 bytes, and its layout 11",
        "A: 'xyz' is no number as PIC 9(3) (X'A7A8A9')", 7,
    ]  # fmt: skip


def test_tables_of_varying_length_and_rules_go_the_way_of_rows(tmp_path):
    text = "01 R. 05 N PIC 9. 05 T OCCURS 0 TO 3 DEPENDING ON N. 10 V PIC S9(3)V9 COMP-3."
    form = opened(tmp_path, text, record="rdw")
    data = written(form, [{"T": [{"V": "1.5"}] * n} for n in (0, 3, 1)])

    assert by_columns(form, data) == by_rows(form, data)
    assert by_columns(form, data)[1][1] == {"N": 3, "T": [{"V": Decimal("1.5")}] * 3}


def test_dates_and_enums_are_decoded_once_for_each_value(tmp_path):
    form = opened(
        tmp_path,
        "01 R. 05 D PIC 9(6). 05 K PIC X. 88 OPEN-K VALUE 'A' THRU 'C'.",
        types={"D": {"date": "%y%m%d", "null": "zeros"}},
        enums="check",
    )
    data = "261123A000000B261399A261123D".encode("cp037")

    found = by_columns(form, data)

    assert found == by_rows(form, data)
    assert [one[1] for one in found] == [
        {"D": date(2026, 11, 23), "K": "A"},
        {"D": None, "K": "B"},
        "D: '261399' is no date as %y%m%d (byte 14 of the file, 0 of the record)",
        "K: D is none of OPEN-K (level 88) (byte 27 of the file, 6 of the record)",
    ]


def test_the_first_records_can_be_left_out_and_a_rest_is_incomplete(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC 9(4).", compression="gzip")
    data = gzip.compress("".join(f"{n:04}" for n in range(100)).encode("cp037"))

    (batch,) = form.arrow_batches(io.BytesIO(data), start=90)

    assert batch.rows.column("A").to_pylist() == list(range(90, 100))
    assert batch.record_nos[0] == 91
    with pytest.raises(IncompleteFile):
        list(form.arrow_batches(io.BytesIO(data[:-20])))


@pytest.mark.parametrize(
    ("name", "copybook", "data", "keys"),
    [
        ("gnucobol_cust", "cust.cpy", "gen.ebc", {}),
        ("cobrix_test1", "test1_copybook.cob", "test1_data__example.bin", {}),
        ("cobrix_test3", "test3_copybook.cob", "test3_data__TRAN2.AUG31.DATA.dat", {}),
        ("cobrix_test10", "test10_copybook.cob", "test10_data__data.dat", {"encoding": "ascii"}),
        ("cobrix_test19", "test19_display_num.cob", "test19_display_num__data.dat", {}),
        (
            "cobrix_test5", "test5_copybook.cob", "test5_data__COMP.DETAILS.SEP30.DATA.dat",
            {"record": "rdw", "rdw_includes_itself": False, "trim": "both"},
        ),
    ],
)  # fmt: skip
def test_third_party_files_are_the_same_both_ways(kit, name, copybook, data, keys):
    folder = kit / "copybook" / name
    form = CopybookConfig(kind="copybook", copybook=copybook, **keys).open(folder)
    raw = (folder / data).read_bytes()

    assert by_columns(form, raw, 300) == by_rows(form, raw)
