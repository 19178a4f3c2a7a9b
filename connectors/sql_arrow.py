"""
Columns of Arrow as the rows of PostgreSQL's binary COPY, put together column by column.

Only what the target's type holds exactly goes this way: `fits` looks at the types, and `Unfit` names a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from .sql_copy import SAID

Array = Any
"""A pyarrow.Array."""
_GROUP, _GROUP_DIGITS = 10_000, 4
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


def binary_rows(columns: Sequence[Array], types: Sequence[str]) -> memoryview:
    """Give the rows of equally long arrays; Unfit for a value that its column cannot hold."""
    count = len(columns[0])
    if not count:
        return memoryview(b"")
    held = [_Part(len(columns).to_bytes(2, "big"))]
    pieces: list[Array] = []

    def flush() -> None:
        if held:
            pieces.append(_equal(held, count))
            held.clear()

    for column, said in zip(columns, types, strict=True):
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            held.append(_lengths(column, said))
            flush()
            pieces.append(column.cast(pa.binary()))
            continue
        part = _printed(column, said)
        length = _Part(len(part.bytes).to_bytes(4, "big"))
        if column.null_count:
            flush()
            pieces.append(_sparse([length, part], column))
        else:
            held += [length, part]
    flush()
    nothing: Any = b""
    rows: Any = compute.binary_join_element_wise(*pieces, nothing, null_handling="replace", null_replacement="")
    offsets = np.frombuffer(rows.buffers()[1], np.int32)[rows.offset :]
    return memoryview(rows.buffers()[2])[int(offsets[0]) : int(offsets[len(rows)])]


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes that stand in every row, and the numbers of each row among them: where, of which type, and which."""

    bytes: bytes
    numbers: Sequence[tuple[int, str, Any]] = ()


def _rows(parts: Sequence[_Part], count: int) -> bytearray:
    """Put parts beside each other, row after row."""
    row = b"".join(part.bytes for part in parts)
    rows = bytearray(row) * count
    before = 0
    for part in parts:
        for at, kind, values in part.numbers:
            np.ndarray((count,), kind, rows, before + at, (len(row),))[:] = values
        before += len(part.bytes)
    return rows


def _printed(column: Array, said: str) -> _Part:
    """Give the bytes of values of one length; those of NULLs mean nothing."""
    kind, base = column.type, said.partition("(")[0]
    if pa.types.is_boolean(kind):
        return _number("u1", np.asarray(column.fill_null(False)))
    values = _values(column)
    if pa.types.is_decimal(kind):
        return _numeric(values, kind.scale)
    if pa.types.is_integer(kind):
        if base == "numeric":
            return _numeric(values.astype(np.int64), 0)
        return _integers(column, values, _INTEGERS[base], said)
    if pa.types.is_date32(kind):
        return _number(">i4", values - _EPOCH_D)
    return _number(">i8", values - _EPOCH_US) if pa.types.is_timestamp(kind) else _number(">f8", values)


def _number(kind: str, values: Any) -> _Part:
    return _Part(bytes(np.dtype(kind).itemsize), [(0, kind, values)])


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


def _integers(column: Array, values: Any, size: int, said: str) -> _Part:
    bounds: Any = compute.min_max(column).as_py()
    least, most = bounds["min"], bounds["max"]
    if least is not None and not -(1 << (size * 8 - 1)) <= least <= most < 1 << (size * 8 - 1):
        raise Unfit(f"{most if most > 0 else least} does not fit {said}")
    return _number(f">i{size}", values)


def _numeric(units: Any, scale: int) -> _Part:
    """Print numbers in groups of four digits, as many as the largest needs; the database drops groups of nothing itself."""
    after = -(-scale // _GROUP_DIGITS)
    size = np.abs(units)
    if size.dtype != object:
        size = size.view(np.uint64)  # the least of 64 bits has no positive one
        if after * _GROUP_DIGITS > _INT64_DIGITS:  # the groups of a fraction are wider than it
            size = size.astype(object)
    whole = size // 10**scale if scale else size
    before = -(-len(str(whole.max())) // _GROUP_DIGITS)
    words = np.array([before + after, before - 1, 0, scale] + [0] * (before + after), ">i2")
    numbers = [(4, ">i2", np.where(units < 0, 0x4000, 0)), *_groups(whole, 4, before)]
    if scale:
        rest = (size - whole * 10**scale) * 10 ** (after * _GROUP_DIGITS - scale)
        numbers += _groups(rest, 4 + before, after)
    return _Part(words.tobytes(), numbers)


def _groups(left: Any, first: int, count: int) -> list[tuple[int, str, Any]]:
    """Give the groups of numbers as the words from the first on."""
    found = []
    for place in range(first + count - 1, first, -1):
        more = left // _GROUP
        found.append((place * 2, ">i2", left - more * _GROUP))  # numpy divides far faster than it takes remainders
        left = more
    return [*found, (first * 2, ">i2", left)]


def _lengths(column: Array, said: str) -> _Part:
    """Give the length before each text, -1 for NULL; Unfit where one is longer than its column."""
    counts: Any = compute.binary_length(column)
    lengths = _values(counts.fill_null(-1))
    sizes = said.partition("(")[2].rstrip(")")
    if sizes and len(lengths) and int(lengths.max()) > int(sizes):
        counts = compute.utf8_length(column)
        longest = compute.max(counts).as_py()
        if longest > int(sizes):
            raise Unfit(f"{longest} characters do not fit {said}")
    return _number(">i4", lengths)


def _sparse(parts: Sequence[_Part], column: Array) -> Array:
    """Give the length and the bytes of each value, the length -1 alone for NULL."""
    count = len(column)
    valid = np.asarray(column.is_valid())
    whole = np.frombuffer(_rows(parts, count), np.uint8).reshape(count, -1)
    size = whole.shape[1]
    whole[~valid, :4] = 0xFF
    kept = np.repeat(valid[:, None], size, axis=1)
    kept[:, :4] = True
    data: Any = whole[kept]
    ends: Any = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.where(valid, size, 4), out=ends[1:])
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(ends), pa.py_buffer(data)])


def _equal(parts: Sequence[_Part], count: int) -> Array:
    data: Any = _rows(parts, count)
    ends: Any = np.arange(count + 1, dtype=np.int32) * (len(data) // count)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(ends), pa.py_buffer(data)])
