"""
Rows of PostgreSQL's binary COPY as columns of Arrow, taken apart column by column.

A value that Arrow or Python has no room for (NaN, infinity, a year 0) makes its column one of Python's values, read by the
driver, which says what it says about such rows elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from ..core.arrow_column import ArrowColumn
from .sql_copy import SAID

Places = Any
"""Where a field begins in each row, and how long it is: -1 for NULL."""
_BEHIND = 16
"""So many bytes behind the last field may be looked at."""
_EPOCH = date(1970, 1, 1)
_EPOCH_D = (date(2000, 1, 1) - _EPOCH).days
_DAY_US = 86_400_000_000
_DAYS = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_STAMPS = _DAYS[0] * _DAY_US, (_DAYS[1] + 1) * _DAY_US - 1
_DIGITS = 18
_SPECIAL = 0xC000


class _Unusual(Exception):
    """A value that only the driver can read, or refuse."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """One field of every row."""

    data: bytes
    at: Places
    size: Places

    def read(self, kind: str, offset: Any = 0) -> Any:
        """Read a number of each; what stands at a NULL means nothing."""
        view: Any = np.ndarray(len(self.data) - 7, dtype=f">{kind}", buffer=self.data, strides=(1,))
        return view[self.at + offset].astype(kind)

    @property
    def empty(self) -> Any:
        """Tell which are NULL; None where no one is."""
        found = self.size < 0
        return found if found.any() else None

    @property
    def bits(self) -> Any:
        """Tell which are there, as Arrow does; None where all are."""
        return None if (empty := self.empty) is None else _bits(~empty)

    def array(self, values: Any, kind: Any) -> Any:
        """Give numbers as they are; pa.array() would load all that numpy has for masked ones."""
        return pa.Array.from_buffers(kind, len(values), [self.bits, pa.py_buffer(values)])

    def bounded(self, values: Any, least: int, most: int) -> Any:
        seen = values if self.empty is None else values[self.size >= 0]
        if len(seen) and (seen.min() < least or seen.max() > most):
            raise _Unusual
        return values


def _bits(found: Any) -> Any:
    packed: Any = np.packbits(found, bitorder="little")
    return pa.py_buffer(packed)


Decode = Callable[[_Fields], Any]
Load = Callable[[bytes], Any]
"""Read one field as the driver does."""


def decoder(said: str) -> Decode | None:
    """Give what reads fields of a type, named as format_type() does; None where a row's way has to."""
    known = SAID.fullmatch(said)
    if known is None:
        return None
    base = known["base"]
    if base == "numeric":
        precision, _, scale = (known["sizes"] or "").partition(",")
        if not precision or int(precision) > _DIGITS or not 0 <= int(scale or 0) <= int(precision):
            return _by_driver
        return lambda fields: _decimals(fields, int(precision), int(scale or 0))
    if base in ("timestamp", "time") and known["sizes"] not in (None, "6"):
        return None
    if base == "timestamp":
        return _zoned if known["zone"] == " with time zone" else _stamps
    if base == "time":
        return None if known["zone"] == " with time zone" else _times
    return _DECODERS.get(base)


def columns(
    rows: bytearray, lengths: Sequence[int], decoders: Sequence[Decode], loads: Sequence[Load]
) -> Iterator[Sequence[Any]]:
    """Give the columns of rows as COPY sends them."""
    data = b"".join((rows, bytes(_BEHIND)))
    at = np.cumsum(lengths) - lengths + 2
    sizes: Any = np.ndarray(len(data) - 7, dtype=">i4", buffer=data, strides=(1,))
    for decode, load in zip(decoders, loads, strict=True):
        size = sizes[at].astype(np.int64)
        fields = _Fields(data, at + 4, size)
        try:
            yield ArrowColumn(decode(fields))
        except _Unusual:
            yield _loaded(fields, load)
        at = fields.at + np.maximum(size, 0)


def _loaded(fields: _Fields, load: Load) -> list[Any]:
    data = fields.data
    return [
        None if size < 0 else load(data[at : at + size])
        for at, size in zip(fields.at.tolist(), fields.size.tolist(), strict=True)
    ]


def _by_driver(fields: _Fields) -> Any:
    raise _Unusual


def _truths(fields: _Fields) -> Any:
    return pa.Array.from_buffers(pa.bool_(), len(fields.at), [fields.bits, _bits(fields.read("u1") != 0)])


def _dates(fields: _Fields) -> Any:
    days = fields.read("i4").astype(np.int64) + _EPOCH_D
    return fields.array(fields.bounded(days, *_DAYS).astype(np.int32), pa.date32())


def _moments(fields: _Fields) -> Any:
    ticks = fields.read("i8")
    fields.bounded(ticks, _STAMPS[0] - _EPOCH_D * _DAY_US, _STAMPS[1] - _EPOCH_D * _DAY_US)
    return ticks + _EPOCH_D * _DAY_US


def _stamps(fields: _Fields) -> Any:
    return fields.array(_moments(fields), pa.timestamp("us"))


def _zoned(fields: _Fields) -> Any:
    return fields.array(_moments(fields), pa.timestamp("us", tz="UTC"))


def _times(fields: _Fields) -> Any:
    return fields.array(fields.bounded(fields.read("i8"), 0, _DAY_US - 1), pa.time64("us"))


def _decimals(fields: _Fields, precision: int, scale: int) -> Any:
    """Put numbers together from their groups of four digits."""
    valid = fields.size >= 0
    groups, weight = np.where(valid, fields.read("i2"), 0), fields.read("i2", 2).astype(np.int64)
    sign = fields.read("u2", 4)
    if (sign[valid] >= _SPECIAL).any():
        raise _Unusual
    units = np.zeros(len(groups), np.int64)
    for place in range(-(-(precision - scale) // 4) - 1, -(-scale // 4) * -1 - 1, -1):
        group = weight - place
        there = (group >= 0) & (group < groups)
        digits = np.where(there, fields.read("i2", 8 + 2 * np.where(there, group, 0)), 0)
        kept = 4 if place >= 0 else min(4, scale + 4 * (place + 1))
        units = units * 10**kept + digits // 10 ** (4 - kept)
    units = np.where(sign == 0, units, -units)
    halves: Any = np.ascontiguousarray(np.stack([units, units >> 63], axis=1))
    return fields.array(halves, pa.decimal128(precision, scale))


def _texts(fields: _Fields) -> Any:
    return _cut(fields, pa.string())


def _bytes(fields: _Fields) -> Any:
    return _cut(fields, pa.binary())


def _cut(fields: _Fields, kind: Any) -> Any:
    """Take every second of the pieces between the edges: the fields, and not what is between them."""
    edges: Any = np.empty(len(fields.at) * 2 + 1, np.int32)
    edges[0:-1:2], edges[1::2] = fields.at, fields.at + np.maximum(fields.size, 0)
    edges[-1] = edges[-2]
    empty = fields.empty
    bits = None if empty is None else _bits(np.repeat(~empty, 2))
    pieces = pa.Array.from_buffers(kind, len(edges) - 1, [bits, pa.py_buffer(edges), pa.py_buffer(fields.data)])
    whole: Any = np.arange(0, len(edges) - 1, 2, dtype=np.int64)
    return pieces.take(pa.Array.from_buffers(pa.int64(), len(whole), [None, pa.py_buffer(whole)]))


def _numbers(code: str, kind: Any) -> Decode:
    return lambda fields: fields.array(fields.read(code), kind)


_DECODERS: Mapping[str, Decode] = {
    "smallint": _numbers("i2", pa.int16()),
    "integer": _numbers("i4", pa.int32()),
    "bigint": _numbers("i8", pa.int64()),
    "double precision": _numbers("f8", pa.float64()),
    "boolean": _truths,
    "date": _dates,
    "text": _texts,
    "character varying": _texts,
    "character": _texts,
    "enum": _texts,
    "bytea": _bytes,
}
