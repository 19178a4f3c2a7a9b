"""Columns of Arrow as lines of CSV, byte for byte what the way of rows writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from ...core.batch import Columns, InArrow, Read
from .scalars import ColumnSpec, Print, in_sql, shortest

Array = Any
_PLAIN = frozenset("0123456789+-.:eTtrufals NaInfity")
"""What stands in the text of anything that is no text: numbers, truths, days and moments."""
_PLAIN_SCALE = 6
"""Smaller units than this may be written with an exponent by Arrow."""
_FLOATS = 1e-4, 1e10
"""Between these Arrow writes no exponent."""
_STAMP_CHARS, _SECOND_CHARS = 26, 19


class ColumnPrinter:
    """Prints batches by the dialect of a file."""

    def __init__(self, delimiter: str, quote: str, null: str, newline: str, *, sql: bool) -> None:
        self._sql = sql
        self._delimiter, self._quote, self._null, self._newline = delimiter, quote, null, newline
        self._special = np.zeros(256, np.bool_)
        self._special[list((delimiter + quote + "\n\r").encode())] = True

    @classmethod
    def of(
        cls, delimiter: str, quote: str | None, null: str, newline: str, *, sql: bool = False
    ) -> ColumnPrinter | None:
        """Give a printer; None for a dialect in which a number may need quotes."""
        if quote is None or not (delimiter + quote).isascii() or _PLAIN & {delimiter, quote}:
            return None
        return None if null and set(null) <= _PLAIN else cls(delimiter, quote, null, newline, sql=sql)

    def lines(self, rows: Columns, prints: Sequence[tuple[ColumnSpec, Print]]) -> memoryview | None:
        """Print rows; None when one of their values has to be looked at by itself."""
        shown = []
        for values, read, (spec, show) in zip(rows.values, rows.reads, prints, strict=True):
            found = self._shown(values, read, spec, show)
            if found is None:
                return None
            shown.append(found)
        empty: Any = pa.scalar("")
        shown[-1] = compute.binary_join_element_wise(
            compute.fill_null(shown[-1], self._null), empty, pa.scalar(self._newline)
        )
        found = compute.binary_join_element_wise(
            *shown, pa.scalar(self._delimiter), null_handling="replace", null_replacement=self._null
        )
        offsets: Any = np.frombuffer(found.buffers()[1], np.int32)[found.offset :]
        return memoryview(found.buffers()[2])[int(offsets[0]) : int(offsets[len(found)])]

    def _shown(self, values: Sequence[Any], read: Read | None, spec: ColumnSpec, show: Print) -> Array | None:
        try:
            if not isinstance(values, InArrow):
                values = values if read is None else list(map(read, values))
                return self._quoted(pa.array([None if one is None else show(one) for one in values], pa.string()))
            found = values.array
            if not _usual(spec, found.type):
                return None
            if pa.types.is_string(found.type):
                return self._quoted(found)
            if self._sql and pa.types.is_timestamp(found.type):
                return pa.array([None if one is None else in_sql(one) for one in values], pa.string())
            return _texts(found)
        except ValueError:  # the way of rows says which one it is
            return None

    def _quoted(self, found: Array) -> Array:
        """Put quotes around what needs them."""
        if isinstance(found, pa.ChunkedArray):
            found = found.combine_chunks()
        same = compute.equal(found, pa.scalar(self._null))
        if compute.any(same).as_py():
            found = compute.if_else(same, self._in_quotes(self._null), found)
        held = found.buffers()[2]
        if held is None or not len(found):
            return found
        offsets: Any = np.frombuffer(found.buffers()[1], np.int32)[found.offset : found.offset + len(found) + 1]
        text: Any = np.frombuffer(held, np.uint8)[offsets[0] : offsets[-1]]
        places = np.flatnonzero(self._special[text])
        if not len(places):
            return found
        which = np.unique(np.searchsorted(offsets[1:] - offsets[0], places, side="right"))
        mask = np.zeros(len(found), np.bool_)
        mask[which] = True
        return self._replaced(found, mask, same)

    def _replaced(self, found: Array, mask: Any, done: Array) -> Array:
        mask &= ~np.asarray(compute.fill_null(done, False))
        chosen = pa.array(mask)
        made = [self._in_quotes(text) for text in found.filter(chosen).to_pylist()]
        return compute.replace_with_mask(found, chosen, pa.array(made, pa.string()))

    def _in_quotes(self, text: str) -> str:
        quote = self._quote
        return f"{quote}{text.replace(quote, quote * 2)}{quote}"


def _usual(spec: ColumnSpec, kind: Any) -> bool:
    """Tell whether a column of the file writes values of this type as they are."""
    types, said = pa.types, spec.type
    if said == "string":
        return not types.is_binary(kind)
    if types.is_integer(kind):
        return said in {"integer", "bigint"}
    if types.is_decimal128(kind):
        return said == "decimal" and spec.scale in (None, kind.scale)
    if types.is_boolean(kind):
        return said == "boolean" and (spec.true, spec.false) == ("true", "false")
    if types.is_date32(kind):
        return said == "date" and spec.date is None
    return types.is_timestamp(kind) and said == "datetime" and spec.date is None


def _texts(found: Array) -> Array:
    """Give texts of values that are none; ValueError for a type that has no text here."""
    kind = found.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return found.cast(pa.string())
    if pa.types.is_date32(kind):
        return found.cast(pa.string())
    if pa.types.is_decimal128(kind):
        if kind.scale <= _PLAIN_SCALE:
            return found.cast(pa.string())
        return pa.array([None if one is None else format(one, "f") for one in found.to_pylist()], pa.string())
    if pa.types.is_float64(kind):
        return _floats(found)
    if pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz in (None, "UTC"):
        return _moments(found)
    raise ValueError(str(kind))


def _floats(found: Array) -> Array:
    texts = found.cast(pa.string())
    size = np.abs(np.asarray(found.fill_null(1.0)))
    odd = ~(((size >= _FLOATS[0]) & (size < _FLOATS[1])) | (size == 0))
    if not odd.any():
        return texts
    chosen = pa.array(odd)
    return compute.replace_with_mask(
        texts, chosen, pa.array([shortest(one) for one in found.filter(chosen).to_pylist()], pa.string())
    )


def _moments(found: Array) -> Array:
    """Print moments as ISO 8601 does: fractions of a second only where there are some."""
    ticks = found.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0)
    values: Any = np.asarray(ticks)
    text = ticks.cast(pa.timestamp("us")).cast(pa.string())
    count = len(values)
    chars: Any = np.frombuffer(text.buffers()[2], np.uint8)[: count * _STAMP_CHARS].reshape(count, _STAMP_CHARS).copy()
    chars[:, 10] = ord("T")
    if found.type.tz is not None:
        zone = np.broadcast_to(np.frombuffer(b"+00:00", np.uint8), (count, 6))
        chars = np.hstack([chars, zone])
    whole = values % 1_000_000 == 0
    if whole.all():
        chars = np.hstack([chars[:, :_SECOND_CHARS], chars[:, _STAMP_CHARS:]])
    widths = np.full(count, chars.shape[1], np.int32)
    if whole.any() and not whole.all():
        kept = np.ones(chars.shape, np.bool_)
        kept[whole, _SECOND_CHARS:_STAMP_CHARS] = False
        widths[whole] -= _STAMP_CHARS - _SECOND_CHARS
        chars = chars[kept]
    ends: Any = np.zeros(count + 1, np.int32)
    np.cumsum(widths, out=ends[1:])
    flat: Any = np.ascontiguousarray(chars)
    empty = np.asarray(found.is_null())
    bits = pa.array(~empty).buffers()[1] if empty.any() else None
    return pa.Array.from_buffers(pa.string(), count, [bits, pa.py_buffer(ends), pa.py_buffer(flat)])
