"""Parquet: what goes in comes out with its type, and what does not fit is named."""

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import TypeAdapter, ValidationError

from drawbar.adapters.formats import AnyFormat, Format, IncompleteFile, WrongFile, bulks
from drawbar.core.errors import InputError

ROW: dict[str, Any] = {
    "number": 2**53 + 1,
    "amount": Decimal("12345678901234567890.50"),
    "moment": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "clock": datetime(2026, 1, 2, 3, 4, 5),
    "day": date(2026, 1, 2),
    "time": time(3, 4, 5, 6),
    "text": "",
    "truth": False,
    "content": b"\0\xff",
    "float": 0.1,
}


def opened(**keys: Any) -> Format:
    return TypeAdapter(AnyFormat).validate_python({"kind": "parquet", **keys}).open(Path())


def written(form: Format, rows: list[dict[str, Any]]) -> io.BytesIO:
    stream = io.BytesIO()
    assert form.write(rows, stream) == len(rows)
    stream.seek(0)
    return stream


def test_what_is_written_is_read_with_its_types() -> None:
    nothing = dict.fromkeys(ROW)
    stream = written(opened(), [ROW, nothing])

    found = [record.values for record in opened().read(stream)]

    assert found == [ROW, nothing]
    assert {name: type(value) for name, value in found[0].items() if name != "number"} == {
        name: type(value) for name, value in ROW.items() if name != "number"
    }
    assert str(found[0]["amount"]) == "12345678901234567890.50"


def test_a_file_is_read_from_the_row_on_that_is_asked_for() -> None:
    stream = written(opened(row_group_rows=2), [{"a": number} for number in range(7)])

    assert parquet.ParquetFile(stream).metadata.num_row_groups >= 1
    stream.seek(0)
    assert [(one.record_no, one.values["a"]) for one in opened().read(stream, start=4)] == [(5, 4), (6, 5), (7, 6)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Decimal("1.505"), "a: "),
        (datetime(2026, 1, 1, tzinfo=UTC), "a: moment with a zone in a column of decimal"),
        ("x", "a: string in a column of decimal"),
        ([1], "a: list in a column of decimal"),
    ],
)
def test_a_value_that_its_column_does_not_hold_is_named(value: Any, said: str) -> None:
    begun = opened(columns={"a": {"type": "decimal", "scale": 2}}).writing(io.BytesIO())
    begun([{"a": Decimal("1.50")}])

    with pytest.raises(InputError, match=f"record 2: {said}"):
        begun([{"a": 3}, {"a": value}])


def test_a_zone_is_not_dropped_and_none_is_made_up() -> None:
    begun = opened().writing(io.BytesIO())
    begun([{"a": datetime(2026, 1, 1)}])

    with pytest.raises(InputError, match="record 1: a: moment with a zone in a column of moment"):
        begun([{"a": datetime(2026, 1, 1, tzinfo=UTC)}])


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", IncompleteFile), (b"PAR1 and half", IncompleteFile), (b"id,name\n1,x\n", WrongFile)],
)
def test_what_is_no_whole_file_says_so(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(opened().read(io.BytesIO(content)))


def test_a_broken_page_makes_the_file_wrong() -> None:
    content = bytearray(written(opened(codec="none"), [{"a": "x" * 50 + str(n)} for n in range(100)]).getvalue())
    content[10:40] = bytes(30)

    with pytest.raises(WrongFile, match="cannot be read"):
        list(opened().read(io.BytesIO(bytes(content))))


def test_types_of_other_writers_mean_the_same() -> None:
    stamp = datetime(2026, 1, 2, 3, 4, 5)
    table = pa.table(
        {
            "a": pa.array(["x", None]).dictionary_encode(),
            "b": pa.array([stamp, None], pa.timestamp("ns")),
            "c": pa.array([1, None], pa.int32()),
            "d": pa.array([0.5, None], pa.float32()),
            "e": pa.array([[1, 2], None]),
            "f": pa.array(["x", None], pa.large_string()),
        }
    )
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    stream.seek(0)

    (bulk,) = bulks(opened(), stream, 100)

    assert list(bulk.rows) == [
        {"a": "x", "b": stamp, "c": 1, "d": 0.5, "e": [1, 2], "f": "x"},
        dict.fromkeys("abcdef"),
    ]


def test_nanoseconds_that_would_be_lost_make_the_file_wrong() -> None:
    stream = io.BytesIO()
    parquet.write_table(pa.table({"a": pa.array([1], pa.timestamp("ns"))}), stream)
    stream.seek(0)

    with pytest.raises(WrongFile, match="a: timestamp"):
        list(opened().read(stream))


def test_a_file_without_rows_has_its_declared_columns() -> None:
    stream = written(opened(columns={"a": "integer", "b": "date"}), [])

    assert [str(one.type) for one in parquet.read_schema(stream)] == ["int64", "date32[day]"]


def test_compression_around_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="say codec instead"):
        opened(compression="gzip")


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
def test_a_footer_says_of_every_row_group_what_its_own_writer_would(codec: str) -> None:
    """Forty groups of values with their nulls: the places, the sizes and the bounds of each, and a page that can be found."""
    rows = [
        {"a": number, "b": None if number % 3 else f"text {number}", "c": Decimal(number) / 4} for number in range(400)
    ]
    stream = written(opened(row_group_rows=10, codec=codec), rows)
    theirs = io.BytesIO()
    table = parquet.read_table(stream)
    parquet.write_table(table, theirs, row_group_size=10, compression=codec, version="2.6", use_dictionary=False)

    ours, known = parquet.ParquetFile(stream).metadata, parquet.ParquetFile(theirs).metadata

    assert (ours.num_rows, ours.num_row_groups, ours.schema) == (400, 40, known.schema)
    assert [ours.row_group(at).to_dict() for at in range(40)] == [known.row_group(at).to_dict() for at in range(40)]
    assert parquet.ParquetFile(stream).read_row_group(37).to_pylist() == table.slice(370, 10).to_pylist()
    assert table.to_pylist() == rows
