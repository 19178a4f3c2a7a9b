"""
Whole columns of a batch as the CSV that COPY takes, printed by Arrow.

A column whose values are all of a kind that the target's type holds exactly is taken at once; the values of any other go
one by one through the target's own `writer`, which refuses what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.batch import Columns, Read
from ..core.errors import InputError
from ..core.values import Wide
from .sql_model import Column

if TYPE_CHECKING:
    import pyarrow as pa

    Arrow = pa.Array[Any]
else:
    Arrow = Any

_DAY = (10, 10)
_STAMP = (19, 26)
"""How long the one form is that everybody reads alike: 2024-01-31, with 10:20:30 and up to six digits more."""
_DIGITS = 38
_EXACT_SCALE = 15
Take = Callable[[Column, Sequence[Any], Read | None], "Arrow | None"]
"""Makes a column of Arrow, None where its values are not what it knows."""


class Unprintable(Exception):
    """A value has no text here that the target would surely read as the same value."""


def lines(
    columns: Columns, into: Sequence[Column], writes: Sequence[Callable[[Any], Any]]
) -> tuple[bytes, dict[int, str]]:
    """Print rows for COPY, and say which do not fit; then nothing is to be written. Unprintable where COPY cannot be used."""
    found, refused = arrays(columns, into, writes)
    return (b"", refused) if refused else (printed(found), {})


def arrays(
    columns: Columns, into: Sequence[Column], writes: Sequence[Callable[[Any], Any]]
) -> tuple[list[Arrow], dict[int, str]]:
    """Give columns as the target means them, and say which rows do not fit; those are NULL in there."""
    refused: dict[int, str] = {}
    found = [
        _taken(column, values, read, write, refused)
        for column, values, read, write in zip(into, columns.values, columns.reads, writes, strict=True)
    ]
    return found, refused


def printed(found: Sequence[Arrow]) -> bytes:
    import pyarrow as pa
    from pyarrow import csv

    shown = [_hex(array) if pa.types.is_binary(array.type) else array for array in found]
    batch = pa.record_batch(shown, names=[str(at) for at in range(len(shown))])
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False, quoting_style="needed"))
    return sink.getvalue().to_pybytes()


def _taken(
    column: Column, values: Sequence[Any], read: Read | None, write: Callable[[Any], Any], refused: dict[int, str]
) -> Arrow:
    import pyarrow as pa

    try:
        # Whether a column is an `InArrow`; to ask for the protocol costs a tenth of what this makes of a batch.
        array = getattr(values, "array", None)
        found = _of_values(column, values, read) if array is None else _of_arrow(column, array, read)
    except (pa.ArrowException, OverflowError, ValueError):  # wider than Arrow's types, or a digit would be lost
        found = None
    return pa.array(_one_by_one(values, read, write, refused), pa.string()) if found is None else found


def _of_values(column: Column, values: Sequence[Any], read: Read | None) -> Arrow | None:
    kinds = set(map(type, values)) - {type(None)}
    kind = next(iter(kinds)) if len(kinds) == 1 else float if kinds == {int, float} else object
    take = _TAKES.get((column.kind, kind))
    return None if take is None else take(column, values, read)


def _of_arrow(column: Column, found: Arrow, read: Read | None) -> Arrow | None:
    """Take a column of Arrow as it is, where its type means what the target's kind does."""
    import pyarrow as pa

    kind, types = column.kind, pa.types
    if types.is_integer(found.type):
        if kind == "boolean":
            return _truths(found)
        return found if kind in {"integer", "bigint", "decimal"} else None
    if types.is_decimal128(found.type):
        fits = kind == "decimal" and (column.scale is None or found.type.scale <= column.scale)
        return found if fits else None
    if types.is_float64(found.type):
        if kind == "decimal":
            return _exact(column, found, read)
        return found if kind == "float" else None
    if types.is_string(found.type):
        return of_text(column, found) if kind == "text" or read is not None else None
    if types.is_timestamp(found.type):
        return found if found.type.unit == "us" and kind == ("timestamptz" if found.type.tz else "timestamp") else None
    plain = {"boolean": pa.bool_(), "date": pa.date32(), "time": pa.time64("us"), "bytes": pa.binary()}
    return found if plain.get(kind) == found.type else None


def of_text(column: Column, found: Arrow) -> Arrow | None:
    """Take texts for what they say; None where one is no such value, or too long for its column."""
    if column.kind == "text":
        return _short(column, found)
    if column.kind == "date":
        return _dated(_DAY, found, "date32")
    return _dated(_STAMP, found, "timestamp[us]") if column.kind == "timestamp" else None


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
    return _truths(_integers(column, values, read))


def _truths(found: Arrow) -> Arrow | None:
    """Take 0 and 1 for what they mean, and nothing else."""
    from pyarrow import compute

    bounds: Any = compute.min_max(found).as_py()
    return found.cast("bool") if bounds["min"] in {0, 1, None} and bounds["max"] in {0, 1, None} else None


def _texts(column: Column, values: Sequence[str], read: Read | None) -> Arrow | None:
    import pyarrow as pa

    return _short(column, pa.array(values, pa.string()))


def _short(column: Column, found: Arrow) -> Arrow | None:
    """Give texts of which none is longer than its column."""
    from pyarrow import compute

    if column.length is None:
        return found
    counts: Sequence[Callable[[Any], Any]] = (compute.binary_length, compute.utf8_length)
    for count in counts:  # few bytes are few characters, and are counted sooner
        longest = compute.max(count(found)).as_py()
        if longest is None or longest <= column.length:
            return found
    return None


def _decimals(column: Column, values: Sequence[Decimal], read: Read | None) -> Arrow | None:
    """Arrow refuses what has more digits than the column keeps."""
    import pyarrow as pa

    if column.scale is not None:
        return pa.array(values, pa.decimal128(column.precision or _DIGITS, column.scale))
    if not all(value is None or value.is_finite() for value in values):
        return None
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _float_decimals(column: Column, values: Sequence[float], read: Read | None) -> Arrow | None:
    return _exact(column, _floats(column, values, read), read)


def _exact(column: Column, found: Arrow, read: Read | None) -> Arrow | None:
    """
    Take SQLite's numbers for the decimals that they were written as: the shortest text that gives the float back.

    Units of the column's scale below 2^53 are exact, and so is the power of ten: a quotient that is the float is that text.
    """
    import numpy as np
    import pyarrow as pa

    if read is None or column.scale is None or column.scale > _EXACT_SCALE:
        return None
    empty = np.asarray(found.is_null())
    values = np.asarray(found.fill_null(0.0))
    units = np.rint(values * 10.0**column.scale)
    if not (np.abs(units) < 2.0**53).all() or not (units / 10.0**column.scale == values).all():
        return None
    whole = units.astype(np.int64)
    halves: Any = np.stack([whole, whole >> 63], axis=1)
    bits = pa.array(~empty).buffers()[1] if empty.any() else None
    return pa.Array.from_buffers(pa.decimal128(18, column.scale), len(whole), [bits, pa.py_buffer(halves)])


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
    return None if read is None else of_text(column, _strings(values))


def _strings(values: Sequence[Any]) -> Arrow:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _dated(form: tuple[int, int], found: Arrow, kind: str) -> Arrow | None:
    """Take texts for dates; Arrow refuses what is none, and its other forms, of fewer parts, are shorter."""
    from pyarrow import compute

    texts: Any = found
    lengths: Any = compute.min_max(compute.binary_length(texts)).as_py()
    least, most = form
    if lengths["min"] is not None and not least <= lengths["min"] <= lengths["max"] <= most:
        return None
    return found.cast(kind)


def _ids(column: Column, values: Sequence[UUID], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _bytes(column: Column, values: Sequence[bytes], read: Read | None) -> Arrow:
    import pyarrow as pa

    return pa.array(values, pa.binary())


def _hex(found: Arrow) -> Arrow:
    """Give bytes as PostgreSQL writes them in text."""
    import pyarrow as pa

    return pa.array([None if value is None else f"\\x{value.hex()}" for value in found.to_pylist()], pa.string())


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
    ("date", str): _stamp_texts,
    ("timestamp", datetime): _naive,
    ("timestamp", str): _stamp_texts,
    ("timestamptz", datetime): _zoned,
    ("time", time): _times,
    ("uuid", UUID): _ids,
    ("bytes", bytes): _bytes,
}
