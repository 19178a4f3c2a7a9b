"""Copybooks: every usage both ways, the third-party files, and what is wrong with a copybook or a record."""

import io
import json
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drawbar.adapters.formats import CopybookConfig, Format, IncompleteFile, Record, Reject, WrongFile
from drawbar.core.errors import ConfigError, InputError
from drawbar.core.values import Wide


def opened(tmp_path: Path, text: str, **keys) -> Format:
    (tmp_path / "rec.cpy").write_text(text)
    return CopybookConfig(kind="copybook", copybook="rec.cpy", **keys).open(tmp_path)


def read(form: Format, data: bytes) -> list[Record | Reject]:
    return list(form.read(io.BytesIO(data)))


def written(form: Format, rows) -> bytes:
    stream = io.BytesIO()
    form.write(rows, stream)
    return stream.getvalue()


EVERY_USAGE = """
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
          05 THOUS    PIC 9(3)P(3).
          05 SMALL    PIC VPP99.
          05 F1       COMP-1.
          05 F2       COMP-2.
          05 PRINTED  PIC -9(5).99.
          05 TAB OCCURS 2 TIMES.
             10 A PIC X.
             10 Q PIC S9 COMP-3.
"""


def fits(digits, scale=0, signed=True):
    top = Decimal(10**digits - 1).scaleb(-scale)
    if scale:
        return st.decimals(-top if signed else 0, top, places=scale)
    return st.integers(-int(top) if signed else 0, int(top))


EVERY_ROW = st.fixed_dictionaries(
    {
        "T": st.text("ABCxyz019 -", max_size=6).map(str.rstrip),
        "ZONED": fits(5, signed=False),
        "PUNCHED": fits(7, 2),
        "FIRST_P": fits(3),
        "APART": fits(4, 1),
        "LEAD": fits(3),
        "B2": fits(4),
        "B4": fits(9, signed=False),
        "B8": fits(18, 2),
        "N2": st.integers(-(2**15), 2**15 - 1),
        "N8": st.integers(0, 2**64 - 1),
        "P_ODD": fits(9, 2),
        "P_EVEN": fits(4, signed=False),
        "THOUS": st.integers(0, 999).map(lambda n: n * 1000),
        "SMALL": st.integers(0, 99).map(lambda n: Decimal(n).scaleb(-4)),
        "F1": st.sampled_from([0.0, 1.0, -118.625, 0.15625, 1073741824.0]),
        "F2": st.floats(-1e60, 1e60, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-60),
        "PRINTED": fits(7, 2),
        "TAB": st.lists(
            st.fixed_dictionaries({"A": st.sampled_from("AB"), "Q": fits(1)}), min_size=2, max_size=2
        ),
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def every_usage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("usage")
    forms = {}
    for encoding in ("cp037", "cp500", "cp1140", "cp273", "ascii"):
        forms[encoding] = opened(
            folder, EVERY_USAGE, encoding=encoding, native="little" if encoding == "ascii" else "big"
        )
    return forms


@given(rows=st.lists(EVERY_ROW, min_size=1, max_size=3), encoding=st.sampled_from(["cp037", "cp500", "cp273", "ascii"]))
def test_every_usage_gives_back_what_it_wrote(every_usage, rows, encoding):
    form = every_usage[encoding]

    found = read(form, written(form, rows))

    assert [record.values for record in found] == rows
    assert written(form, found) == b"".join(record.raw for record in found)


@given(raw=st.binary(min_size=76, max_size=76))
def test_any_bytes_give_a_record_or_a_reject_and_nothing_else(every_usage, raw):
    form = every_usage["cp037"]
    size = len(written(form, [{}]))
    raw = raw.ljust(size, b"\xf1")[:size]

    (found,) = read(form, raw)

    assert found.raw == raw
    if isinstance(found, Record):
        assert written(form, [found]) == raw


def test_the_bytes_are_those_of_a_mainframe(tmp_path):
    form = opened(
        tmp_path,
        """
       01 R.
          05 A PIC S9(3).
          05 B PIC S9(3) COMP-3.
          05 C PIC 9(3) COMP-3.
          05 D PIC S9(4) COMP.
          05 E PIC X(2).
          05 F COMP-1.
""",
    )

    raw = written(form, [{"A": -123, "B": 45, "C": 6, "D": -2, "E": "Ab", "F": -118.625}])

    assert raw.hex(" ") == "f1 f2 d3 04 5c 00 6f ff fe c1 82 c2 76 a0 00"


def test_gnucobol_cust_comes_out_as_expected_and_goes_back(kit):
    """The file was written by COBOL: values, sign half bytes and FILLER."""
    form = CopybookConfig(kind="copybook", copybook="cust.cpy").open(kit / "copybook/gnucobol_cust")
    raw = (kit / "copybook/gnucobol_cust/gen.ebc").read_bytes()
    expected = [json.loads(line) for line in (kit / "copybook/gnucobol_cust/expected.jsonl").open()]

    found = read(form, raw)

    assert [without(comparable(record.values), "VRN") for record in found] == expected
    assert written(form, found) == raw
    assert written(form, [record.values for record in found]) == raw
    assert written(form, expected) == raw


COBRIX = {
    "test1": ("test1_copybook.cob", "test1_data__example.bin", {}, []),
    "test3": ("test3_copybook.cob", "test3_data__TRAN2.AUG31.DATA.dat", {}, []),
    "test3_trim_none": ("test3_copybook.cob", "test3_data__TRAN2.AUG31.DATA.dat", {"trim": "none"}, []),
    "test10": ("test10_copybook.cob", "test10_data__data.dat", {"encoding": "ascii"}, ["NAME_NT", "ACCOUNT_NO_NT"]),
    "test19": ("test19_display_num.cob", "test19_display_num__data.dat", {}, ["File_Id", "Record_Id"]),
}


@pytest.mark.parametrize("case", COBRIX)
def test_cobrix_files_come_out_as_expected_and_go_back(kit, case):
    """Their rows leave out what is null; the names of generated columns are the origin's."""
    copybook, data, keys, generated = COBRIX[case]
    folder = kit / f"copybook/cobrix_{case.removesuffix('_trim_none')}"
    form = CopybookConfig(kind="copybook", copybook=copybook, **keys).open(folder)
    raw = (folder / data).read_bytes()
    expected = [
        json.loads(line, parse_float=Decimal) for line in (folder / f"expected__{case}.txt").open() if line.strip()
    ]
    expected = [row.get("RECORD", row) for row in expected][: 5 if case == "test19" else 60]

    found = read(form, raw)

    assert [present(record.values) for record in found[: len(expected)]] == [
        present(without(row, *generated)) for row in expected
    ]
    if case != "test19":
        assert written(form, found) == raw


def test_letters_in_a_number_are_a_reject_and_blanks_are_null(kit):
    """Where Cobrix gives null for both, we tell them apart."""
    folder = kit / "copybook/cobrix_test19"
    form = CopybookConfig(kind="copybook", copybook="test19_display_num.cob").open(folder)

    raw = (folder / "test19_display_num__data.dat").read_bytes()
    *others, blank, letters = read(form, raw)

    assert blank.values["WS_DATE_NUM"] is None
    assert isinstance(letters, Reject)
    assert (
        letters.reason
        == "WS_DATE_NUM: 'ABCDE   ' is no number as PIC 9(08) (X'C1C2C3C4C5404040') (byte 480 of the file, 0 of the record)"
    )
    assert written(form, [*others, blank]) + letters.raw == raw


def test_cobrix_variable_records_come_out_as_expected(kit):
    """Text outside of the origin's own code page `common` (TAXPAYER-STR over a binary) is left out."""
    folder = kit / "copybook/cobrix_test5"
    form = CopybookConfig(
        kind="copybook", copybook="test5_copybook.cob", record="rdw", rdw_includes_itself=False, rdw_bytes="little",
        trim="both",
    ).open(folder)  # fmt: skip
    expected = [json.loads(line) for line in (folder / "expected__test5.txt").open()]
    raw = (folder / "test5_data__COMP.DETAILS.SEP30.DATA.dat").read_bytes()

    found = read(form, raw)

    assert written(form, found) == raw

    assert len(found) == 1000
    for record, row in zip(found, expected, strict=False):
        assert record.values["COMPANY_ID"] == row["COMPANY_ID"]
        assert record.values["STATIC_DETAILS"]["ADDRESS"] == row["STATIC_DETAILS"]["ADDRESS"]
        assert record.values["STATIC_DETAILS"]["TAXPAYER"]["TAXPAYER_NUM"] == row["STATIC_DETAILS"]["TAXPAYER"].get(
            "TAXPAYER_NUM"
        )
        assert record.values["CONTACTS"]["PHONE_NUMBER"] == row["CONTACTS"]["PHONE_NUMBER"]


def test_header_detail_and_trailer_by_a_condition_with_several_01_levels(tmp_path):
    form = opened(
        tmp_path,
        """
       01 ORDER-ROW.
          05 REC-TYPE   PIC X.
          05 ORDER-ID   PIC 9(6).
          05 AMOUNT     PIC S9(7)V99 COMP-3.
       01 ORDER-TRAILER.
          05 REC-TYPE   PIC X.
          05 REC-COUNT  PIC 9(6).
          05 FILLER     PIC X(5) VALUE SPACES.
""",
        layouts={"row": "${{ record.REC_TYPE == 'D' }}", "trailer": "${{ record.REC_TYPE == 'T' }}"},
    )
    raw = written(
        form,
        [
            {"REC_TYPE": "D", "ORDER_ID": 1, "AMOUNT": "10.00"},
            Record(0, "trailer", {"REC-TYPE": "T", "REC-COUNT": 1}),
        ],
    )

    found = read(form, raw + b"\xe7" * 12)

    assert found[0].values == {"REC_TYPE": "D", "ORDER_ID": 1, "AMOUNT": Decimal("10.00")}
    assert (found[1].layout, found[1].values) == ("trailer", {"REC_TYPE": "T", "REC_COUNT": 1})
    assert found[2].reason == "no layout fits the record (REC_TYPE='X') (byte 24 of the file)"
    assert [column.name for column in form.layouts()["trailer"]] == ["REC_TYPE", "REC_COUNT"]


REDEFINED = """
       01 REC.
          05 KIND PIC X.
          05 DETAIL.
             10 AMOUNT PIC S9(5)V99 COMP-3.
             10 NOTE   PIC X(4).
          05 TRAILER-PART REDEFINES DETAIL.
             10 REC-COUNT PIC 9(6).
             10 FILLER    PIC XX.
"""
KINDS = {"row": "${{ record.KIND == 'D' }}", "trailer": "${{ record.KIND == 'T' }}"}


def test_a_trailer_may_be_a_redefinition_and_a_wrong_row_is_still_wrong(tmp_path):
    form = opened(tmp_path, REDEFINED, layouts=KINDS)
    trailer = "T000002  ".encode("cp037")
    wrong_row = "D".encode("cp037") + b"\x00\x00\x1f\x4e" + "NOTE".encode("cp037")

    found = read(form, trailer + wrong_row)

    assert found[0].layout == "trailer"
    assert found[0].values["TRAILER_PART"] == {"REC_COUNT": 2}
    assert isinstance(found[1], Reject)
    assert found[1].reason.startswith("DETAIL.AMOUNT: X'00001F4E' is no packed number")


def test_a_changed_field_is_written_and_the_bytes_around_it_stay(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X(3). 05 FILLER PIC X(2). 05 B PIC S9(3) COMP-3. 05 C PIC S9(3) COMP-3.")
    raw = b"\xc1\x00\x00\xde\xad\x01\x2f\x03\x4c"
    (record,) = read(form, raw)

    changed = Record(1, "row", {**record.values, "C": -35}, record.raw)

    assert record.values == {"A": "A", "B": 12, "C": 34}
    assert written(form, [changed]) == b"\xc1\x00\x00\xde\xad\x01\x2f\x03\x5d"


def test_occurs_depending_on_slides_what_follows(tmp_path):
    text = """
       01 REC.
          05 N PIC 9.
          05 ITEMS OCCURS 0 TO 5 TIMES DEPENDING ON N.
             10 CODE-X PIC XX.
          05 LAST-ONE PIC X(3).
"""
    form = opened(tmp_path, text, record="rdw")

    raw = written(form, [{"ITEMS": [{"CODE_X": "AA"}, {"CODE_X": "BB"}], "LAST_ONE": "END"}, {"LAST_ONE": "X"}])

    assert raw.hex(" ") == "00 0c 00 00 f2 c1 c1 c2 c2 c5 d5 c4 00 08 00 00 f0 e7 40 40"
    assert [record.values for record in read(form, raw)] == [
        {"N": 2, "ITEMS": [{"CODE_X": "AA"}, {"CODE_X": "BB"}], "LAST_ONE": "END"},
        {"N": 0, "ITEMS": [], "LAST_ONE": "X"},
    ]
    with pytest.raises(InputError, match="N: it says 3, and ITEMS has 1 entries"):
        written(form, [{"N": 3, "ITEMS": [{}]}])


def test_occurs_depending_on_may_keep_its_room(tmp_path):
    text = "01 REC. 05 N PIC 9. 05 ITEMS OCCURS 0 TO 3 DEPENDING ON N PIC XX. 05 LAST-ONE PIC X(3)."
    form = opened(tmp_path, text, depending="stays")

    raw = written(form, [{"ITEMS": ["AA"], "LAST_ONE": "END"}])

    assert raw == b"\xf1\xc1\xc1" + b"\x40" * 4 + b"\xc5\xd5\xc4"
    wild = raw[:3] + b"\0\x01\x02\x03" + raw[7:]  # what is behind the entries may be anything, and is kept
    (record,) = read(form, wild)
    assert record.values == {"N": 1, "ITEMS": ["AA"], "LAST_ONE": "END"}
    assert written(form, [record]) == wild


VARYING = """
       01 REC.
          05 KIND PIC X.
          05 NUMBERS.
             10 N PIC 9.
             10 V PIC S9(3) COMP-3 OCCURS 1 TO 4 DEPENDING ON N.
             10 AFTER-X PIC X.
          05 TEXTS REDEFINES PLACE.
             10 M PIC 9.
             10 T PIC X(4) OCCURS 0 TO 3 DEPENDING ON M.
             10 END-X PIC XX.
""".replace("NUMBERS.", "PLACE PIC X(20).\n          05 NUMBERS REDEFINES PLACE.", 1)


def test_tables_that_vary_inside_of_redefines(tmp_path):
    rules = {"NUMBERS": "${{ record.KIND == 'N' }}", "TEXTS": "${{ record.KIND == 'T' }}"}
    form = opened(tmp_path, VARYING, record="rdw", redefines=rules)
    numbers = {"N": 2, "V": [-7, 123], "AFTER_X": "Z"}
    texts = {"M": 3, "T": ["a", "bb", "cccc"], "END_X": "!!"}
    data = written(form, [{"KIND": "N", "NUMBERS": numbers}, {"KIND": "T", "TEXTS": texts}])
    body = data[4:25]
    short = b"\0\x0b\0\0" + body[:7]  # as a program writes it: nothing behind what it describes
    wrong = b"\0\x0b\0\0" + body[:1] + b"\xf9" + body[2:7]

    found = read(form, data + short + wrong)

    assert [one.values["NUMBERS"] for one in found[:3]] == [numbers, None, numbers]
    assert found[1].values["TEXTS"] == texts
    assert found[3].reason == "NUMBERS.N: 9 is outside of OCCURS 1 TO 4 (byte 66 of the file, 1 of the record)"
    assert written(form, found[:3]) == data + short


def test_a_varying_record_that_is_longer_or_cut_is_a_reject(tmp_path):
    text = "01 R. 05 N PIC 9. 05 T PIC X OCCURS 0 TO 3 DEPENDING ON N. 05 B PIC S9(5) COMP-3. 05 C PIC X(4)."
    form = opened(tmp_path, text, record="rdw")
    whole = written(form, [{"T": ["a", "b"], "B": 1, "C": "end"}])

    def framed(body: bytes) -> bytes:
        return (len(body) + 4).to_bytes(2, "big") + b"\0\0" + body

    cut, long = read(form, framed(whole[4:-2]) + framed(whole[4:] + b"\x40"))

    assert cut.reason == "C: the record ends at byte 8, inside of it (byte 10 of the file, 6 of the record)"
    assert long.reason == "the record has 11 bytes, and by its counts 10 (byte 16 of the file)"


def test_national_text_goes_both_ways_beside_a_code_page(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X(2). 05 B PIC N(3). 05 C PIC NN USAGE NATIONAL JUST. 05 D PIC 9.")

    raw = written(form, [{"A": "ab", "B": "Ж€", "C": "z", "D": 7}])

    assert raw.hex(" ") == "81 82 04 16 20 ac 00 20 00 20 00 7a f7"
    assert read(form, raw)[0].values == {"A": "ab", "B": "Ж€", "C": " z", "D": 7}
    (bad,) = read(form, raw[:2] + b"\xdc\x00" + raw[4:])
    assert bad.reason.startswith("B: byte 1 (X'DC') is not national (UTF-16) (byte 2 of the file")
    with pytest.raises(InputError, match="longer than 3 national characters"):
        written(form, [{"B": "four"}])
    with pytest.raises(ConfigError, match="USAGE NATIONAL is for PIC N"):
        opened(tmp_path, "01 R. 05 A PIC 9(4) USAGE NATIONAL.")


def test_sync_puts_slack_bytes_before_binaries(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X. 05 B PIC S9(9) COMP SYNC. 05 C PIC X. 05 D PIC S9(4) COMP SYNC.")

    assert written(form, [{"A": "A", "B": 1, "C": "C", "D": 2}]).hex(" ") == "c1 00 00 00 00 00 00 01 c3 00 00 02"


def test_dates_nulls_and_wide_integers(tmp_path):
    form = opened(
        tmp_path,
        "01 R. 05 D PIC 9(6). 05 E PIC S9(7) COMP-3. 05 F PIC 9(16). 05 G PIC X(4).",
        types={"D": {"date": "%y%m%d", "null": ["000000"]}, "E": {"date": "0%y%m%d"}, "G": {"null": "low_values"}},
    )

    raw = written(form, [{"D": date(2026, 1, 31), "E": "2026-02-01", "F": 1, "G": "x"}, {"D": None, "F": 2, "G": None}])
    found = [record.values if isinstance(record, Record) else record.reason for record in read(form, raw)]

    assert found[0] == {"D": date(2026, 1, 31), "E": date(2026, 2, 1), "F": Wide(1), "G": "x"}
    assert isinstance(found[0]["F"], Wide)
    assert raw[30:36] == "000000".encode("cp037")
    assert raw[-4:] == bytes(4)
    assert found[1] == "E: '0000000' is no date as 0%y%m%d (byte 36 of the file, 6 of the record)"
    assert form.columns()[0].type == "date"


def test_lines_lose_their_blanks_and_binary_fields_are_refused_in_them(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X(3). 05 B PIC 99. 05 C PIC X(5).", record="line", newline="nl")

    assert read(form, "AB 12\x85".encode("cp037"))[0].values == {"A": "AB", "B": 12, "C": ""}
    with pytest.raises(ConfigError, match=r"binary fields.*: B \(rec.cpy:1\)"):
        opened(tmp_path, "01 R. 05 A PIC X. 05 B PIC 9(4) COMP.", record="line")


def test_a_file_that_is_no_multiple_of_its_record_is_incomplete(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X(4).")

    stream = form.read(io.BytesIO("AAAABBBBCC".encode("cp037")))

    assert [next(stream).values, next(stream).values] == [{"A": "AAAA"}, {"A": "BBBB"}]
    with pytest.raises(IncompleteFile, match="after record 2 there are 2 bytes left"):
        next(stream)


def test_descriptor_words_are_checked(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X(4).", record="rdw")

    assert read(form, b"\0\x08\0\0\xc1\xc1\xc1\xc1")[0].values == {"A": "AAAA"}
    short = read(form, b"\0\x07\0\0\xc1\xc1\xc1")[0]
    assert short.reason == "the record has 3 bytes, and its layout at least 4 (byte 4 of the file)"
    long = read(form, b"\0\x09\0\0\xc1\xc1\xc1\xc1\xc1")[0]
    assert long.reason == "the record has 5 bytes, and its layout 4 (byte 4 of the file)"
    with pytest.raises(IncompleteFile, match="record 1 has 2 of the 4 bytes"):
        read(form, b"\0\x08\0\0\xc1\xc1")
    with pytest.raises(WrongFile, match="no valid descriptor word"):
        read(form, b"\xc1\xc2\xc3\xc4\xc5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("01 R. 05 A PIC X(3)", "rec.cpy:1:16: the period after the last entry is missing"),
        ("01 R.\n 05 A PIC X(3)\n 05 B PIC X.", "rec.cpy:3:2: unexpected '05'; is a period missing before it?"),
        ("01 R.\n 05 A PIC Q(3).", "rec.cpy:2:11: PIC Q(3) is no PICTURE" ),
        ("01 R.\n 05 A PIC X(3) COMP-3.", "rec.cpy:2:5: A: PIC X(3) is no number"),
        ("01 R.\n 05 A.", "rec.cpy:2:5: A has neither a PICTURE nor fields below it"),
        ("01 R.\n 05 A-B PIC X.\n 05 A_B PIC X.", "rec.cpy:3:5: two fields of one group are called A_B"),
        ("01 R.\n 05 A PIC X.\n 05 B REDEFINES C PIC X.", "rec.cpy:3:17: C is not the field before"),
        ("01 R.\n 05 A PIC X OCCURS 0 TO 3 DEPENDING ON N.", "rec.cpy:2:40: N is no field at a fixed place"),
        ("01 R.\n COPY OTHER.", "rec.cpy:2:2: COPY is not resolved here"),
        ("01 R.\n 05 :T:-A PIC X.", "rec.cpy:2:5: ':T:-A' is no name; COPY REPLACING"),
        ("01 R.\n 05 A PIC 9(20) COMP.", "more than 18 digits"),
        ("01 R.\n 05 A PIC G(4).", "rec.cpy:2:5: A: PIC G (DISPLAY-1) needs a double-byte code page, and cp037 is none"),
        ("01 R.\n 05 A PIC G(4) NATIONAL.", "A: USAGE DISPLAY-1 is for PIC G and PIC N"),
        ("01 R.\n 05 A PIC X(4) DISPLAY-1.", "A: USAGE DISPLAY-1 is for PIC G and PIC N"),
        ("01 R.\n 05 A PIC 9(4) POINTER.", "rec.cpy:2:5: A: a field of this USAGE has no PICTURE"),
        ("01 R.\n 05 A PIC S9(4) COMP-6.", "A: COMP-6 has no sign, and PIC S9(4) has one"),
        ("01 R.\n 05 A PIC X(9) COMP-X.", "PIC X(9) has 9 bytes as COMP-X; 8 are the most"),
        ("01 R.\n 05 A PIC 9(4) COMP SIGNED.", "unexpected 'SIGNED'"),
        ("01 R.\n 05 A PIC X VALUE 'ab.", "a literal is not closed"),
        ("hello world.", "expected a level number, found 'hello'"),
        ("", "there is no data description"),
    ],
)  # fmt: skip
def test_a_wrong_copybook_is_refused_with_its_place(tmp_path, text, said):
    with pytest.raises(ConfigError) as refused:
        opened(tmp_path, text)

    assert said in str(refused.value)


def test_reference_format_with_numbers_comments_and_continuation(tmp_path):
    form = opened(
        tmp_path,
        "000100* A COMMENT                                                       IGNORED\n"
        "000200 01  REC.                                                         COLS73\n"
        "000300     05  LONG-\n"
        "000400-        NAME   PIC X(3)\n"
        "000500         VALUE 'A'.\n"
        "000600/\n"
        "000700     05  B      PIC 9(3). *> inline\n",
    )

    assert [column.name for column in form.columns()] == ["LONG_NAME", "B"]
    assert written(form, [{}]) == "A  000".encode("cp037")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"A": "toolong"}, "record 1: A: 'toolong' is longer than 4 bytes"),
        ({"A": "€"}, "A: '€' does not exist in cp037"),
        ({"B": 1000}, "B: 1000 does not fit PIC 9(3)"),
        ({"B": -1}, "B: -1 is negative"),
        ({"B": "x"}, "B: 'x' is no number"),
        ({"B": 1.5}, "floating point"),
        ({"C": "1.234"}, "C: 1.234 has more than 2 digits"),
        ({"AA": 1}, "AA: there is no such field; did you mean A?"),
        ({"C": None}, "C: None is no number"),
    ],
)
def test_what_does_not_fit_is_never_cut_or_rounded(tmp_path, row, said):
    form = opened(tmp_path, "01 R. 05 A PIC X(4). 05 B PIC 9(3). 05 C PIC S9(3)V99 COMP-3.")
    with pytest.raises(InputError) as refused:
        written(form, [row])

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"record": "vb"}, "bdw"),
        ({"redefines": {"A": "${{ row.B }}"}}, "'row' is not seen here"),
        ({"encoding": "utf-16"}, "more than one byte"),
        ({"compression": "rar"}, "compression"),
        ({"layouts": {"row": "${{ nothing.A == 1 }}"}}, "not seen here"),
    ],
)
def test_wrong_keys_are_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        CopybookConfig(kind="copybook", copybook="x", **keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"types": {"DAT": {"null": "0"}}}, "has no field DAT; did you mean DAY?"),
        ({"length": 3}, "length is 3, and the copybook's record has 6 bytes"),
        ({"layouts": {"row": "${{ record.KIND == 'D' }}"}}, "there is no field KIND"),
        ({"copybook": "absent.cpy"}, "cannot be read"),
    ],
)
def test_keys_that_do_not_fit_the_copybook_are_refused(tmp_path, keys, said):
    (tmp_path / "rec.cpy").write_text("01 R. 05 DAY PIC 9(6).")
    with pytest.raises(ConfigError, match=said):
        CopybookConfig(**{"kind": "copybook", "copybook": "rec.cpy", **keys}).open(tmp_path)


def test_ten_thousand_records_take_well_under_a_second(kit):
    form = CopybookConfig(kind="copybook", copybook="cust.cpy").open(kit / "copybook/gnucobol_cust")
    raw = (kit / "copybook/gnucobol_cust/gen.ebc").read_bytes() * 2000

    began = time.process_time()
    count = sum(1 for _ in form.read(io.BytesIO(raw)))

    assert count == 10_000
    assert time.process_time() - began < 1


def comparable(value):
    """Give decimals as strings and leave integers, as the expected files have them."""
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def present(value):
    if isinstance(value, dict):
        return {name: present(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [present(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def without(row, *names):
    return {name: item for name, item in row.items() if name not in names}


def test_blocked_records_go_both_ways_and_a_failed_row_leaves_no_trace(tmp_path):
    form = opened(tmp_path, "01 R. 05 A PIC X(4).", record="bdw", block_bytes=64)
    stream = io.BytesIO()
    begun = form.writing(stream)

    begun([{"A": f"{n:04}"} for n in range(8)])
    kept = stream.tell()
    with pytest.raises(InputError, match="record 1: A: 'too long' is longer than 4 bytes"):
        begun([{"A": "too long"}])
    assert stream.tell() == kept
    begun([{"A": "last"}])
    begun.finish()

    raw = stream.getvalue()
    assert raw[:8] == b"\0\x3c\0\0\0\x08\0\0"
    assert [record.values["A"] for record in read(form, raw)] == [*(f"{n:04}" for n in range(8)), "last"]
    assert raw.count(b"\0\x08\0\0") == 9
    wide = b"\x80\0\0\x0c" + raw[4:12]
    assert [record.values["A"] for record in read(form, wide)] == ["0000"]
    for cut in (2, 30, len(raw) - 1):
        with pytest.raises(IncompleteFile, match="block"):
            read(form, raw[:cut])
    with pytest.raises(WrongFile, match="block 1: record 1 has 4 of the 96 bytes"):
        read(form, b"\0\x0c\0\0\0\x64\0\0" + b"\xf1" * 4)
    with pytest.raises(WrongFile, match="block 1 has no valid descriptor word: f1 f2 f3 f4"):
        read(form, b"\xf1\xf2\xf3\xf4")


PAYMENT = """
       01 REC.
          05 KIND PIC X.
          05 CARD.
             10 NUMBER-X PIC 9(4).
             10 LIMIT-X  PIC S9(3)V99 COMP-3.
          05 BANK REDEFINES CARD.
             10 IBAN     PIC X(7).
          05 FILLER REDEFINES CARD.
             10 NOTHING  PIC X(7).
"""


def test_a_rule_says_which_description_of_a_redefines_is_meant(tmp_path):
    form = opened(
        tmp_path, PAYMENT, redefines={"CARD": "${{ record.KIND == 'C' }}", "BANK": "${{ record.KIND == 'B' }}"}
    )
    card, bank = {"NUMBER_X": 1234, "LIMIT_X": Decimal("-1.50")}, {"IBAN": "DE99"}

    raw = written(form, [{"KIND": "C", "CARD": card}, {"KIND": "B", "BANK": bank}])
    wrong_card = "CDE99   ".encode("cp037")
    neither = "XDE99   ".encode("cp037")
    found = read(form, raw + wrong_card + neither)

    assert found[0].values == {"KIND": "C", "CARD": card, "BANK": None, "NOTHING": None}
    assert found[1].values == {"KIND": "B", "CARD": None, "BANK": bank, "NOTHING": None}
    assert isinstance(found[2], Reject)
    assert found[2].reason.startswith("CARD.NUMBER_X: 'DE99' is no number")
    assert found[3].values == {"KIND": "X", "CARD": None, "BANK": None, "NOTHING": "DE99"}
    assert written(form, found[:2]) == raw


def test_a_rule_for_a_redefines_that_is_not_there_is_refused(tmp_path):
    for key, said in (("KIND", "no KIND that shares its place"), ("CART", "no CART that shares")):
        with pytest.raises(ConfigError, match=said):
            opened(tmp_path, PAYMENT, redefines={key: "${{ record.KIND == 'C' }}"})
    with pytest.raises(ConfigError, match="redefines: there is no field KEY"):
        opened(tmp_path, PAYMENT, redefines={"CARD": "${{ record.KEY == 'C' }}"})


def test_level_88_can_be_checked_with_ranges(tmp_path):
    text = "01 R. 05 K PIC X. 88 OPEN-K VALUE 'A' THRU 'C'. 88 SHUT VALUE 'X', SPACE. 05 N PIC S9(2). 88 LOW VALUE -1 THRU 3."
    form = opened(tmp_path, text, enums="check")

    assert [r.values["K"] for r in read(form, written(form, [{"K": "B", "N": -1}, {"K": "", "N": 3}]))] == ["B", ""]
    assert [r.reason for r in read(form, "D01".encode("cp037") + "A09".encode("cp037"))] == [
        "K: D is none of OPEN-K, SHUT (level 88) (byte 0 of the file, 0 of the record)",
        "N: 9 is none of LOW (level 88) (byte 4 of the file, 1 of the record)",
    ]  # fmt: skip
    with pytest.raises(InputError, match="K: Z is none of OPEN-K, SHUT"):
        written(form, [{"K": "Z", "N": 1}])


def test_packed_without_a_sign_is_checked_by_rows_and_by_columns(tmp_path):
    form = opened(tmp_path, "01 R.\n 05 A PIC 9(3) COMP-6.\n 05 B PIC 9(2)V99 COMP-6.", encoding="ascii")
    content = bytes.fromhex("01239950 11239950 01239A50 00000000")

    rows = read(form, content)
    (batch,) = form.arrow_batches(io.BytesIO(content))

    assert [record.values for record in rows if isinstance(record, Record)] == [
        {"A": 123, "B": Decimal("99.50")}, {"A": 0, "B": Decimal("0.00")},
    ]  # fmt: skip
    assert batch.rows.to_pylist() == [record.values for record in rows if isinstance(record, Record)]
    assert [reject.reason for reject in batch.rejects] == [
        "A: X'1123' has more digits than PIC 9(3) (byte 4 of the file, 0 of the record)",
        "B: X'9A50' is no packed number without a sign (byte 10 of the file, 2 of the record)",
    ]


def test_an_address_is_as_long_as_on_the_machine_of_its_code_page(tmp_path):
    def size(**keys):
        form = opened(tmp_path, "01 R.\n 05 A PIC X.\n 05 B POINTER SYNC.", **keys)
        out = io.BytesIO()
        form.write([{"A": "x", "B": 7}], out)
        assert read(form, out.getvalue())[0].values == {"A": "x", "B": 7}
        return len(out.getvalue())

    assert (size(encoding="cp037"), size(encoding="ascii")) == (4 + 4, 8 + 8)
    assert size(encoding="cp037", pointer_bytes=8) == 8 + 8


def test_double_byte_text_goes_both_ways_in_a_page_that_has_it(tmp_path):
    form = opened(tmp_path, "01 R.\n 05 A PIC G(4) DISPLAY-1.\n 05 B PIC N(2) USAGE DISPLAY-1.", encoding="cp932")
    raw = "東京　　大阪".encode("cp932")

    (record,) = read(form, raw)
    out = io.BytesIO()
    form.write([record.values], out)

    assert record.values == {"A": "東京", "B": "大阪"}
    assert out.getvalue() == raw
    with pytest.raises(InputError, match="'x' is no double-byte character of cp932"):
        form.write([{"A": "東x"}], io.BytesIO())
