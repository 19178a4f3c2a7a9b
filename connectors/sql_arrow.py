"""
Columns of Arrow as the rows of PostgreSQL's binary COPY, put together column by column.

Only what the target's type holds exactly goes this way: `fits` looks at the types, and `Unfit` names a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from .sql_copy import SAID

Array = Any
"""A pyarrow.Array."""
Matrix = Any
"""Bytes, a row for each value."""
_GROUP = 10_000
_EPOCH_D = (date(2000, 1, 1) - date(1970, 1, 1)).days
_EPOCH_US = _EPOCH_D * 86_400_000_000
_INTEGERS = {"smallint": 2, "integer": 4, "bigint": 8}
_TEXTS = ("text", "character varying", "character")
_INT64_DIGITS = 18


class Unfit(Exception):
    """A value does not fit its column."""


def fits(kind: Any, said: str) -> bool:
    """Tell whether values of an Arrow type go into a column of this type, named as format_type() does."""
    known = SAID.fullmatch(said)
    if known is None:
        return False
    base, sizes = known["base"], known["sizes"]
    if pa.types.is_integer(kind):
        return kind != pa.uint64() and (base in _INTEGERS or base == "numeric")
    if pa.types.is_decimal128(kind):
        return base == "numeric" and 0 <= kind.scale <= (int(sizes.partition(",")[2] or 0) if sizes else kind.scale)
    if pa.types.is_string(kind):
        return base in _TEXTS
    if pa.types.is_timestamp(kind):
        zone = " with time zone" if kind.tz else " without time zone"
        return base == "timestamp" and sizes is None and kind.unit == "us" and known["zone"] == zone
    plain = {pa.bool_(): "boolean", pa.date32(): "date", pa.float64(): "double precision", pa.binary(): "bytea"}
    return plain.get(kind) == base


def binary_rows(columns: Sequence[Array], types: Sequence[str]) -> bytes:
    """Give the rows of equally long arrays; Unfit for a value that its column cannot hold."""
    count = len(columns[0])
    held: list[Matrix] = [_repeated(len(columns).to_bytes(2, "big"), count)]
    pieces: list[Array] = []

    def flush() -> None:
        if held:
            pieces.append(_equal(np.hstack(held)))
            held.clear()

    for column, said in zip(columns, types, strict=True):
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            held.append(_lengths(column, said))
            flush()
            pieces.append(column.cast(pa.binary()))
            continue
        matrix = _printed(column, said)
        if column.null_count:
            flush()
            pieces.append(_sparse(matrix, column))
        else:
            held += [_repeated(matrix.shape[1].to_bytes(4, "big"), count), matrix]
    flush()
    nothing: Any = b""
    rows: Any = compute.binary_join_element_wise(*pieces, nothing, null_handling="replace", null_replacement="")
    offsets = np.frombuffer(rows.buffers()[1], np.int32)[rows.offset :]
    return bytes(memoryview(rows.buffers()[2])[int(offsets[0]) : int(offsets[len(rows)])])


def _printed(column: Array, said: str) -> Matrix:
    """Give the bytes of values of one length; those of NULLs mean nothing."""
    kind, base = column.type, said.partition("(")[0]
    if pa.types.is_boolean(kind):
        return _big(np.asarray(column.fill_null(False)).astype(np.uint8), 1)
    values = _values(column)
    if pa.types.is_decimal(kind):
        return _numeric(values, kind.precision, kind.scale)
    if pa.types.is_integer(kind):
        if base == "numeric":
            return _numeric(values.astype(np.int64), 19, 0)
        return _integers(column, values, _INTEGERS[base], said)
    if pa.types.is_date32(kind):
        return _big(values - _EPOCH_D, 4)
    return _big(values - _EPOCH_US if pa.types.is_timestamp(kind) else values, 8)


def _values(column: Array) -> Any:
    """Give an array's numbers as numpy has them; decimals that 64 bits do not hold as integers of Python."""
    kind, at, count = column.type, column.offset, len(column)
    held = column.buffers()[1]
    if not pa.types.is_decimal(kind):
        known = (
            np.int64
            if pa.types.is_timestamp(kind)
            else np.int32
            if pa.types.is_date32(kind)
            else kind.to_pandas_dtype()
        )
        return np.frombuffer(held, known)[at : at + count]
    halves = np.frombuffer(held, np.int64).reshape(-1, 2)[at : at + count]
    if kind.precision <= _INT64_DIGITS:
        return halves[:, 0]
    return (halves[:, 1].astype(object) << 64) + halves[:, 0].view(np.uint64).astype(object)


def _integers(column: Array, values: Any, size: int, said: str) -> Matrix:
    bounds: Any = compute.min_max(column).as_py()
    least, most = bounds["min"], bounds["max"]
    if least is not None and not -(1 << (size * 8 - 1)) <= least <= most < 1 << (size * 8 - 1):
        raise Unfit(f"{most if most > 0 else least} does not fit {said}")
    return _big(values.astype(f"i{size}"), size)


def _numeric(units: Any, precision: int, scale: int) -> Matrix:
    """Print numbers in groups of four digits; the database drops groups of nothing itself."""
    before, after = -(-(precision - scale) // 4), -(-scale // 4)
    size = np.abs(units)
    size = size if size.dtype == object else size.view(np.uint64)  # the least of 64 bits has no positive one
    whole, rest = size // 10**scale, size % 10**scale * 10 ** (after * 4 - scale)
    words = np.empty((len(units), 4 + before + after), dtype=">i2")
    words[:, 0], words[:, 1], words[:, 3] = before + after, before - 1, scale
    words[:, 2] = np.where(units < 0, 0x4000, 0)
    for places, left in ((range(3 + before, 3, -1), whole), (range(3 + before + after, 3 + before, -1), rest)):
        for place in places:
            words[:, place] = left % _GROUP
            left = left // _GROUP  # noqa: PLW2901 - what is left of it
    return words.view(np.uint8)


def _big(values: Any, size: int) -> Matrix:
    return values.astype(values.dtype.newbyteorder(">")).view(np.uint8).reshape(-1, size)


def _lengths(column: Array, said: str) -> Matrix:
    """Give the length before each text, -1 for NULL; Unfit where one is longer than its column."""
    sizes = said.partition("(")[2].rstrip(")")
    if sizes:
        counts: Any = compute.utf8_length(column)
        longest = compute.max(counts).as_py()
        if longest is not None and longest > int(sizes):
            raise Unfit(f"{longest} characters do not fit {said}")
    lengths: Any = compute.binary_length(column)
    return _big(_values(lengths.fill_null(-1)), 4)


def _sparse(matrix: Matrix, column: Array) -> Array:
    """Give the length and the bytes of each value, the length -1 alone for NULL."""
    count, size = matrix.shape
    valid = np.asarray(column.is_valid())
    whole = np.hstack([_repeated(size.to_bytes(4, "big"), count), matrix])
    whole[~valid, :4] = 0xFF
    kept = np.repeat(valid[:, None], size + 4, axis=1)
    kept[:, :4] = True
    data: Any = whole[kept]
    ends: Any = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.where(valid, size + 4, 4), out=ends[1:])
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(ends), pa.py_buffer(data)])


def _equal(matrix: Matrix) -> Array:
    count, size = matrix.shape
    ends: Any = np.arange(0, (count + 1) * size, size, dtype=np.int32)
    data: Any = np.ascontiguousarray(matrix)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(ends), pa.py_buffer(data)])


def _repeated(word: bytes, count: int) -> Matrix:
    return np.broadcast_to(np.frombuffer(word, np.uint8), (count, len(word)))
