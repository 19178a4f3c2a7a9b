"""X12 and EDIFACT: the third-party files, envelopes with their numbers, loops as records, both ways, and the answers."""

import importlib
import io
import warnings
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from drawbar.adapters.formats import AnyFormat, IncompleteFile, Record, Reject, WrongFile
from drawbar.core.errors import InputError

MOMENT = datetime(2026, 11, 23, 4, 5)


def opened(kind, **keys):
    return TypeAdapter(AnyFormat).validate_python({"kind": kind, **keys}).open(Path())


def read(form, data: bytes) -> list[Record | Reject]:
    return list(form.read(io.BytesIO(data)))


def written(form, rows) -> bytes:
    stream = io.BytesIO()
    form.write(rows, stream)
    return stream.getvalue()


def bare(data: bytes) -> bytes:
    return data.replace(b"\r", b"").replace(b"\n", b"").strip()


def _without_last_empty(segment):
    """pydifact drops an empty last component, which we keep to write it back."""
    tag, elements = segment
    return tag, [value[:-1] if isinstance(value, list) and not value[-1] else value for value in elements]


# Segments as the origin counts them, and what is wrong with the file's own numbers.
X12 = {
    "277_5010__x12_277CA_accepted.txt": (["277"], [23], "", ""),
    "837_5010__x12_999_accepted.txt": (["999"], [6], "", "IEA02 is '000000001', and ISA13 '000000286'"),
    "837_5010__x12_bad_first_line.txt": (["837"], [34], "SE01 says 25, and it has 34", "ISA02 has 9 characters"),
    "837_5010__x12_complex.txt": (["837", "837"], [147, 147], "SE01 says 25, and it has 147", "GE01 says 1"),
    "837_5010__x12_multiple_st.txt": (["837", "837"], [34, 34], "SE01 says 25, and it has 34", "GE01 says 1"),
    "837_5010__x12_valid.txt": (["837"], [34], "SE01 says 25, and it has 34", ""),
    "pyx12__834_ls_le_ls.txt": (["834"], [74], "", ""),
    "pyx12__835_mult_loops.txt": (["835"], [31], "", ""),
    "x270_271__x270.txt": (["270"], [14], "SE02 is '0000121', and ST02 '000121'", "IEA02 is '000014420'"),
}


@pytest.mark.parametrize("name", X12)
def test_x12_files_come_out_as_expected(kit, name):
    kinds, counts, reject, wrong = X12[name]
    data = (kit / "x12" / name).read_bytes()

    records = read(opened("x12", checks="lenient"), data)

    assert [record.values["message"]["ST01"] for record in records] == kinds
    assert [len(record.values["segments"]) + 2 for record in records] == counts
    strict = opened("x12").read(io.BytesIO(data))
    first = next(strict)
    assert reject in first.reason if reject else isinstance(first, Record)
    if wrong:
        with pytest.raises(WrongFile, match=wrong):
            list(strict)
    else:
        assert not [one for one in strict if isinstance(one, Reject) and not reject]


@pytest.mark.parametrize("name", X12)
def test_x12_files_go_back(kit, name):
    """Counts are written right; where they were right before, the bytes are the same."""
    data = (kit / "x12" / name).read_bytes()
    form = opened("x12", checks="lenient", repetition=chr(data[82]) if data[82:83] in b"!^" else "^")
    records = read(form, data)

    raw = written(form, records)

    if "multiple" not in name:  # its two transaction sets have one number
        assert all(isinstance(record, Record) for record in read(opened("x12"), raw))
    assert [record.values["segments"] for record in read(form, raw)] == [r.values["segments"] for r in records]
    if not X12[name][2] and not X12[name][3]:
        assert bare(raw) == bare(data)


EDIFACT = {
    "wikipedia_en.edi": ("PAORES", 11, None),
    "order.edi": ("ORDERS", 14, IncompleteFile),
    "invoice1.edi": ("INVOIC", 22, None),
    "patient1.edi": ("MEDRPT", 34, WrongFile),
}


@pytest.mark.parametrize("name", EDIFACT)
def test_edifact_files_come_out_as_pydifact_reads_them(kit, name):
    kind, count, wrong = EDIFACT[name]
    segments = importlib.import_module("pydifact.segmentcollection")
    warnings.simplefilter("ignore")
    data = (kit / "edifact" / name).read_bytes()

    (record,) = read(opened("edifact", checks="lenient"), data)

    assert record.values["message"]["UNH02"][0] == kind
    assert len(record.values["segments"]) == count
    (message,) = segments.Interchange.from_str(data.decode("latin-1")).get_messages()
    theirs = [(segment.tag, segment.elements) for segment in message.segments]
    ours = [
        (segment["id"], [value for key, value in segment.items() if key != "id"])
        for segment in record.values["segments"]
    ]
    assert [_without_last_empty(one) for one in ours] == [_without_last_empty(one) for one in theirs]
    if wrong:
        with pytest.raises(wrong):
            read(opened("edifact"), data)


def test_edifact_goes_back_to_the_same_bytes(kit):
    data = (kit / "edifact/wikipedia_en.edi").read_bytes()
    form = opened("edifact")

    assert bare(written(form, read(form, data))) == bare(data)


ORDER = b"""UNA:+.? '
UNB+UNOC:3+BUYER:14+SELLER:14+261123:0405+77'
UNH+1+ORDERS:D:96A:UN'BGM+220+4711+9'DTM+137:20261123:102'FTX+AAI+++Ger?'s fast ?+ cheap ??'
LIN+1++5020436373085:EN'QTY+21:8:PCE'PRI+AAA:10.00'LIN+2++5020436373108:EN'QTY+21:2.5'UNS+S'CNT+2:2'UNT+12+1'
UNZ+1+77'
"""
LINES = {"line": {"starts": "LIN", "ends": ["UNS"]}}
COLUMNS = {
    "order": {"at": "BGM02"},
    "day": {"at": "DTM01-2", "where": {"DTM01": 137}, "type": "date", "date": "%Y%m%d"},
    "no": {"at": "LIN01", "type": "integer"},
    "article": {"at": "LIN03"},
    "quantity": {"at": "QTY01-2", "where": {"QTY01": 21}, "type": "decimal"},
}


def test_a_loop_gives_one_record_each_with_typed_columns_and_what_is_around_it():
    form = opened("edifact", loops=LINES, record="line", columns=COLUMNS)

    first, second = read(form, ORDER)

    assert {name: first.values[name] for name in COLUMNS} == {
        "order": "4711", "day": date(2026, 11, 23), "no": 1, "article": "5020436373085", "quantity": Decimal(8),
    }  # fmt: skip
    assert second.values["quantity"] == Decimal("2.5")
    assert [segment["id"] for segment in second.values["segments"]] == ["LIN", "QTY"]
    assert [s["id"] for s in second.values["within"]["message"]["segments"]] == ["BGM", "DTM", "FTX"]
    assert second.raw == b"LIN+2++5020436373108:EN'QTY+21:2.5'"
    with pytest.raises(InputError, match="record 1: it is one loop of a message"):
        written(form, [first])


def test_loops_of_a_whole_message_keep_their_order_and_go_back():
    form = opened("edifact", loops=LINES)

    (record,) = read(form, ORDER)

    assert [part["loop"] for part in record.values["loops"]] == ["line", "line"]
    assert [segment["id"] for segment in record.values["after"]] == ["UNS", "CNT"]
    assert record.values["segments"][2]["FTX04"] == "Ger's fast + cheap ?"
    assert bare(written(form, [record])) == bare(ORDER)


def test_hierarchical_loops_of_x12_are_told_apart_by_an_element(kit):
    data = (kit / "x12/837_5010__x12_complex.txt").read_bytes()
    form = opened(
        "x12",
        checks="lenient",
        record="claim",
        loops={
            "billing": {
                "starts": "HL",
                "where": {"HL03": 20},
                "loops": {
                    "subscriber": {
                        "starts": "HL",
                        "where": {"HL03": 22},
                        "loops": {
                            "claim": {"starts": "CLM", "loops": {"line": {"starts": "LX"}}},
                            "patient": {"starts": "HL", "where": {"HL03": 23}},
                        },
                    }
                },
            }
        },
        columns={"amount": {"at": "CLM02", "type": "decimal"}, "tax_id": {"at": "REF02", "where": {"REF01": "EI"}}},
    )

    claims = read(form, data)

    assert claims
    assert all(isinstance(claim, Record) and claim.values["amount"] > 0 for claim in claims)
    assert claims[0].values["within"].keys() == {"message", "billing", "subscriber"}
    assert [claim.record_no for claim in claims] == list(range(1, len(claims) + 1))


ROW = {
    "interchange": {
        "ISA05": "ZZ", "ISA06": "US", "ISA07": "ZZ", "ISA08": "THEM", "ISA09": "261123", "ISA10": "0405", "ISA13": 7,
    },
    "group": {"GS02": "US", "GS03": "THEM", "GS04": "20261123", "GS05": "0405", "GS08": "004010"},
    "message": {"ST01": "850"},
    "segments": [{"id": "BEG", "BEG01": "00", "BEG02": "NE", "BEG03": "4711", "BEG05": "20261123"}],
}  # fmt: skip


def test_rows_of_ones_own_become_an_interchange_with_counts():
    raw = written(opened("x12", newline="none"), [ROW, ROW])

    assert raw == (
        b"ISA*00*          *00*          *ZZ*US             *ZZ*THEM           *261123*0405*^*00501*000000007*0*P*:~"
        b"GS*PO*US*THEM*20261123*0405*1*X*004010~"
        b"ST*850*0001~BEG*00*NE*4711**20261123~SE*3*0001~ST*850*0002~BEG*00*NE*4711**20261123~SE*3*0002~"
        b"GE*2*1~IEA*1*000000007~"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"interchange": {}}, "interchange.ISA05 is missing"),
        ({"group": {}}, "group.GS02 is missing"),
        ({"message": {"ST03": "x"}, "group": {**ROW["group"], "GS01": "PO"}}, "ST01 is missing"),
        ({"segments": []}, "no segments"),
        ({"segments": [{"id": "BEG", "BEG03": "a*b"}]}, "BEG03: 'a[*]b' holds a separator"),
        ({"segments": [{"id": "BEG", "REF03": "a"}]}, "REF03 is no element of BEG"),
        ({"segments": [{"id": "BEG", "BEG02": 1.5}]}, "BEG02: 1.5 has no form as text"),
    ],
)
def test_what_x12_cannot_hold_is_refused_and_the_file_stays_whole(change, said):
    form = opened("x12", newline="none")
    stream = io.BytesIO()
    begun = form.writing(stream)
    begun([ROW])
    kept = stream.tell()

    with pytest.raises(InputError, match=f"record 1: .*{said}"):
        begun([{**ROW, **change}])
    stream.seek(kept)
    stream.truncate()
    begun.finish()

    assert stream.getvalue() == written(form, [ROW])


@pytest.mark.parametrize("kind", ["x12", "edifact"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_a_file_that_ends_early_is_incomplete(kind, share):
    data = ORDER if kind == "edifact" else written(opened("x12"), [ROW])

    with pytest.raises(IncompleteFile):
        read(opened(kind), data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("x12", b"UNB+UNOC'", "byte 1: ISA is expected"),
        ("edifact", b"hello, world", "byte 1: UNB is expected"),
        ("edifact", ORDER.replace(b"UNH+1+ORDERS:D:96A:UN'", b""), r"segment 2 \(BGM, byte 57\) stands in no message"),
        ("edifact", ORDER.replace(b"UNT+12+1'", b""), "message 1 has no UNT before it"),
        ("edifact", ORDER + b"ABC'", "UNB is expected here"),
    ],
)
def test_what_stands_in_the_wrong_place_is_located(kind, data, said):
    with pytest.raises(WrongFile, match=said):
        read(opened(kind), data)


def test_one_wrong_message_is_a_reject_and_the_others_are_records():
    good = written(opened("x12", newline="none"), [ROW, ROW, ROW])

    found = read(opened("x12"), good.replace(b"SE*3*0002", b"SE*4*0002"))

    assert [type(one) for one in found] == [Record, Reject, Record]
    assert found[1].reason == "transaction set 0002: SE01 says 4, and it has 3 segments"
    assert found[1].raw.startswith(b"ST*850*0002~")


def test_a_999_says_what_was_accepted_and_pyx12_agrees_that_it_is_one():
    form = opened("x12")
    good = written(form, [ROW, ROW]).replace(b"SE*3*0002", b"SE*4*0002")

    rows = form.acknowledge(io.BytesIO(good), control="8", moment=MOMENT)
    raw = written(form, rows)

    assert bare(raw).endswith(
        b"GS*FA*THEM*US*20261123*0405*1*X*005010X231A1~ST*999*0001*005010X231A1~AK1*PO*1*004010~"
        b"AK2*850*0001~IK5*A~AK2*850*0002~IK5*R*4~AK9*P*2*2*1~SE*8*0001~GE*1*1~IEA*1*000000008~"
    )
    reader = importlib.import_module("pyx12.x12file")
    source = reader.X12Reader(io.StringIO(raw.decode()))
    assert [segment.get_seg_id() for segment in source][:3] == ["ISA", "GS", "ST"]
    assert source.pop_errors() == []


def test_a_997_of_an_old_version():
    form = opened("x12", newline="none")

    rows = form.acknowledge(io.BytesIO(written(form, [ROW])), control="8", moment=MOMENT, kind="997")

    assert b"ST*997*0001~AK1*PO*1~AK2*850*0001~AK5*A~AK9*A*1*1*1~SE*6*0001~" in written(form, rows)


def test_a_contrl_says_what_was_accepted():
    form = opened("edifact", newline="none")
    wrong = ORDER.replace(b"UNT+12+1'", b"UNT+13+1'")

    raw = written(form, form.acknowledge(io.BytesIO(wrong), control="9", moment=MOMENT))

    assert raw == (
        b"UNA:+.? 'UNB+UNOC:3+SELLER:14+BUYER:14+261123:0405+9'UNH+1+CONTRL:D:3:UN'UCI+77+BUYER:14+SELLER:14+7'"
        b"UCM+1+ORDERS:D:96A:UN+4+29+UNT'UNT+4+1'UNZ+1+9'"
    )


def test_wrong_layouts_are_refused_when_they_are_loaded():
    for keys, said in (
        ({"record": "line"}, "no loop 'line'"),
        ({"columns": {"a": {"at": "BEG"}}}, "names no element"),
        ({"columns": {"message": {"at": "BEG03"}}}, "cannot be called message"),
        ({"loops": {"a": {"starts": "LX", "loops": {"a": {"starts": "SV"}}}}}, "two loops are called a"),
    ):
        with pytest.raises(ValidationError, match=said):
            opened("x12", **keys)


def test_the_separators_that_isa_names_are_shown_as_they_are():
    text = f"ISA*00*{'':10}*00*{'':10}*ZZ*{'A':15}*ZZ*{'B':15}*260131*1200*^*00501*000000905*0*P*>~"
    text += "GS*PO*S*R*20260131*1200*1*X*005010~ST*850*0001~BEG*00*SA*4711**20260131~SE*3*0001~GE*1*1~IEA*1*000000905~"
    form = opened("x12", component=">", repetition="^")
    (record,) = read(form, text.encode())

    assert (record.values["interchange"]["ISA11"], record.values["interchange"]["ISA16"]) == ("^", ">")
    assert bare(written(form, [record])) == text.encode()


@pytest.mark.parametrize(("syntax", "encoding"), [("UNOC", "latin-1"), ("UNOW", "utf-8"), ("UNOA", "latin-1")])
def test_the_encoding_is_what_unb_says(syntax, encoding):
    data = ORDER.decode().replace("UNOC", syntax).replace("cheap", "günstig").encode(encoding)

    (record,) = read(opened("edifact"), data)

    assert record.values["segments"][2]["FTX04"] == "Ger's fast + günstig ?"
