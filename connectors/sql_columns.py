"""
Whole columns of a batch as the CSV that COPY takes, printed by Arrow.

A column whose values are all of a kind that the target's type holds exactly is taken at once; the values of any other go
one by one through the target's own `writer`, which refuses what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.batch import Columns, Read
from ..core.errors import InputError
from ..core.values import Wide
from .sql_model import Column

if TYPE_CHECKING:
    import pyarrow as pa

    Arrow = pa.Array[Any]

_STAMP = r"^\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?$"
_DAY = r"^\d{4}-\d\d-\d\d$"
Take = Callable[[Column, Sequence[Any], Read | None], "Arrow | None"]
"""Makes a column of Arrow, None where its values are not what it knows."""


class Unprintable(Exception):
    """A value has no text here that the target would surely read as the same value."""


def lines(
    columns: Columns, into: Sequence[Column], writes: Sequence[Callable[[Any], Any]]
) -> tuple[bytes, dict[int, str]]:
    """Print rows for COPY, and say which do not fit; then nothing is to be written. Unprintable where COPY cannot be used."""
    import pyarrow as pa
    from pyarrow import csv

    refused: dict[int, str] = {}
    arrays = [
        _taken(column, values, read, write, refused)
        for column, values, read, write in zip(into, columns.values, columns.reads, writes, strict=True)
    ]
    if refused:
        return b"", refused
    batch = pa.record_batch(arrays, names=[str(at) for at in range(len(arrays))])
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False, quoting_style="needed"))
    return sink.getvalue().to_pybytes(), {}


def _taken(
    column: Column, values: Sequence[Any], read: Read | None, write: Callable[[Any], Any], refused: dict[int, str]
) -> Arrow:
    import pyarrow as pa

    kinds = set(map(type, values)) - {type(None)}
    kind = next(iter(kinds)) if len(kinds) == 1 else float if kinds == {int, float} else object
    if (take := _TAKES.get((column.kind, kind))) is not None:
        try:
            found = take(column, values, read)
        except (pa.ArrowException, OverflowError, ValueError):  # wider than Arrow's types, or a digit would be lost
            found = None
        if found is not None:
            return found
    return pa.array(_one_by_one(values, read, write, refused), pa.string())


def _one_by_one(
    values: Sequence[Any], read: Read | None, write: Callable[[Any], Any], refused: dict[int, str]
) -> list[str | None]:
    shown: list[str | None] = []
    for at, value in enumerate(values):
        try:
            shown.append(_text(write(value if read is None else read(value))))
        except InputError as error:
            refused.setdefault(at, error.message)
    return shown


def _text(value: Any) -> str | None:
    kind = type(value)
    if value is None:
        return None
    if kind in (str, int, Wide, float, Decimal, bool, UUID, date, datetime, time):
        return str(value)
    if kind is bytes:
        return f"\\x{value.hex()}"
    raise Unprintable(kind.__name__)


def _integers(column: Column, values: Sequence[int], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array(values, pa.int64())


def _floats(column: Column, values: Sequence[float], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array(values, pa.float64())


def _booleans(column: Column, values: Sequence[bool], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array(values, pa.bool_())


def _ones(column: Column, values: Sequence[int], read: Read | None) -> Arrow | None:
    return _integers(column, values, read) if set(values) <= {0, 1, None} else None


def _texts(column: Column, values: Sequence[str], read: Read | None) -> Arrow | None:
    import pyarrow as pa
    from pyarrow import compute

    found = pa.array(values, pa.string())
    if column.length is not None and compute.max(compute.utf8_length(found)).as_py() > column.length:
        return None
    return found


def _decimals(column: Column, values: Sequence[Decimal], read: Read | None) -> Arrow | None:
    """Arrow refuses what has more digits than the column keeps."""
    import pyarrow as pa

    if column.scale is not None:
        return pa.array(values, pa.decimal128(38, column.scale))
    if not all(value is None or value.is_finite() for value in values):
        return None
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _float_decimals(column: Column, values: Sequence[float], read: Read | None) -> Arrow | None:
    """SQLite's numbers: the shortest text that gives the float back is what was written."""
    from pyarrow import compute

    if read is None or column.scale is None or column.scale > 15:
        return None
    found = _floats(column, values, read)
    exact = compute.all(compute.equal(compute.round(found, column.scale), found)).as_py()
    return found if exact and compute.max(compute.abs(found)).as_py() < inf else None


def _naive(column: Column, values: Sequence[datetime], read: Read | None) -> Arrow | None:
    """A time with its zone would lose it in such a column without a word."""
    import pyarrow as pa

    return pa.array(values, pa.timestamp("us")) if _zones(values) == {None} else None


def _zoned(column: Column, values: Sequence[datetime], read: Read | None) -> Arrow | None:
    import pyarrow as pa

    return None if None in _zones(values) else pa.array(values, pa.timestamp("us", tz="UTC"))


def _zones(values: Sequence[Any]) -> set[Any]:
    return {value.tzinfo for value in values if value is not None}


def _dates(column: Column, values: Sequence[date], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array(values, pa.date32())


def _times(column: Column, values: Sequence[time], read: Read | None) -> Arrow | None:
    import pyarrow as pa

    return pa.array(values, pa.time64("us")) if _zones(values) == {None} else None


def _stamp_texts(column: Column, values: Sequence[str], read: Read | None) -> Arrow | None:
    return _dated(_STAMP, values, read)


def _day_texts(column: Column, values: Sequence[str], read: Read | None) -> Arrow | None:
    return _dated(_DAY, values, read)


def _dated(form: str, values: Sequence[str], read: Read | None) -> Arrow | None:
    """SQLite's dates are texts: those in the one form that everybody reads alike pass as they are."""
    import pyarrow as pa
    from pyarrow import compute

    if read is None:
        return None
    found = pa.array(values, pa.string())
    return found if compute.all(compute.match_substring_regex(found, form)).as_py() else None


def _ids(column: Column, values: Sequence[UUID], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _bytes(column: Column, values: Sequence[bytes], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array([None if value is None else f"\\x{value.hex()}" for value in values], pa.string())


_TAKES: Mapping[tuple[str, type], Take] = {
    ("integer", int): _integers,
    ("integer", Wide): _integers,
    ("bigint", int): _integers,
    ("bigint", Wide): _integers,
    ("decimal", Decimal): _decimals,
    ("decimal", int): _integers,
    ("decimal", float): _float_decimals,
    ("float", float): _floats,
    ("boolean", bool): _booleans,
    ("boolean", int): _ones,
    ("text", str): _texts,
    ("date", date): _dates,
    ("date", str): _day_texts,
    ("timestamp", datetime): _naive,
    ("timestamp", str): _stamp_texts,
    ("timestamptz", datetime): _zoned,
    ("time", time): _times,
    ("uuid", UUID): _ids,
    ("bytes", bytes): _bytes,
}
