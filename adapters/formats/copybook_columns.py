"""Whole columns out of many records at once, by numpy into Arrow; what a column cannot say goes back to the way of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .copybook_fields import Alphabet, Codec, Shape
from .copybook_layout import Node
from .format import Column

Bytes = Any
"""Records, or one field of them, as a matrix of bytes: a row each."""
Mask = Any
"""A true or false for each."""
Array = Any
"""A pyarrow.Array."""
ArrowType = Any
Decoded = tuple[Array, "Mask | None"]
"""Values, null where they are wrong or NULL; and where they are wrong, None for nowhere."""
Decode = Callable[[Bytes], Decoded]
_WRONG = 255
_INT64_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Field:
    """One name of a record: the bytes that it has, and how they become a column. `soft`: what is wrong is null."""

    name: str
    start: int
    end: int
    decode: Decode
    type: ArrowType
    soft: bool


def fields(root: Node, alphabet: Alphabet) -> list[Field]:
    """Compile the fields of a layout without OCCURS DEPENDING ON."""
    return _fields(root, alphabet, soft=False)


def schema_of(named: Sequence[tuple[str, ArrowType]]) -> Any:
    return pa.schema([pa.field(name, kind) for name, kind in named])


def decode(compiled: Sequence[Field], records: Bytes) -> tuple[list[Array], Mask | None]:
    """Decode records of equal length to columns; the mask is true where a record has a field that is wrong."""
    wrong: Mask | None = None
    columns = []
    for field in compiled:
        column, bad = field.decode(records[:, field.start : field.end])
        columns.append(column)
        if bad is not None and not field.soft:
            wrong = bad if wrong is None else wrong | bad
    return columns, wrong


def arrow_type(column: Column) -> ArrowType:
    """Give the Arrow type of a column; numbers are exact."""
    match column.type:
        case "integer":
            return pa.int64()
        case "wide":
            wide = (column.precision or 0) > _INT64_DIGITS
            return pa.decimal128(min(column.precision or 38, 38), 0) if wide else pa.int64()
        case "decimal":
            return pa.decimal128(column.precision or 38, column.scale or 0)
        case "number":
            return pa.float64()
        case "boolean":
            return pa.bool_()
        case "date":
            return pa.date32()
        case "datetime":
            return pa.timestamp("us")
        case "binary":
            return pa.binary()
        case "object":
            return pa.struct([pa.field(part.name, arrow_type(part)) for part in column.of])
        case "array":
            return pa.list_(arrow_type(column.of[0]))
        case _:
            return pa.string()


def _fields(group: Node, alphabet: Alphabet, *, soft: bool) -> list[Field]:
    found: list[Field] = []
    for slot in group.slots:
        for node in slot.nodes:
            inner_soft = soft or (len(slot.nodes) > 1 and node is not slot.nodes[0])
            if not node.says_something:
                continue
            if node.name:
                column = _column(node)
                decode = _node(node, alphabet, column, soft=inner_soft)
                found.append(
                    Field(node.name, slot.offset, slot.offset + node.size, decode, arrow_type(column), inner_soft)
                )
                continue
            found += [
                Field(f.name, slot.offset + f.start, slot.offset + f.end, f.decode, f.type, f.soft)
                for f in _fields(node, alphabet, soft=inner_soft)
            ]
    return found


def _column(node: Node) -> Column:
    from .copybook_codec import columns

    inner = tuple(columns(node)) if node.slots else ()
    one = node.codec.column(node.name) if node.codec else Column(node.name, "object", of=inner)
    return Column(node.name, "array", of=(one,)) if node.repeats else one


def _node(node: Node, alphabet: Alphabet, column: Column, *, soft: bool) -> Decode:
    if node.repeats:
        column = column.of[0]
    one = _struct(_fields(node, alphabet, soft=soft)) if node.slots else _leaf(node, alphabet, arrow_type(column))
    return _table(one, node.repeats, node.one_size) if node.repeats else one


def _struct(inner: list[Field]) -> Decode:
    types = [pa.field(field.name, field.type) for field in inner]

    def struct(raw: Bytes) -> Decoded:
        columns, wrong = decode(inner, raw)
        return pa.StructArray.from_arrays(columns, fields=types), wrong

    return struct


def _table(one: Decode, repeats: int, size: int) -> Decode:
    def table(raw: Bytes) -> Decoded:
        rows = len(raw)
        values, wrong = one(np.ascontiguousarray(raw).reshape(rows * repeats, size))
        offsets: Any = np.arange(0, rows * repeats + 1, repeats, dtype=np.int32)
        bad = wrong.reshape(rows, repeats).any(axis=1) if wrong is not None else None
        return pa.ListArray.from_arrays(offsets, values), bad

    return table


def _leaf(node: Node, alphabet: Alphabet, kind: ArrowType) -> Decode:
    codec = node.codec
    assert codec is not None
    shape = codec.shape
    if shape is None:
        return _by_value(codec, kind)
    picture = shape.picture
    match shape.kind:
        case "text":
            return _text(codec, alphabet, kind)
        case "zoned" if picture is not None and picture.digits <= _INT64_DIGITS and picture.scale >= 0:
            return _nulled(_zoned(shape, alphabet), codec, alphabet, kind)
        case "packed" if picture is not None and picture.digits <= _INT64_DIGITS and picture.scale >= 0:
            return _nulled(_packed(shape, codec.size), codec, alphabet, kind)
        case "unsigned packed" if picture is not None and picture.digits <= _INT64_DIGITS and picture.scale >= 0:
            return _nulled(_unsigned_packed(picture.digits, codec.size), codec, alphabet, kind)
        case "binary" if (
            picture is not None and picture.scale >= 0 and not (shape.native and not picture.signed and codec.size == 8)
        ):
            return _binary(shape, codec.size, kind)
    return _by_value(codec, kind)


def _by_value(codec: Codec, kind: ArrowType) -> Decode:
    """Decode each different value once, as a row would: dates, rules, and what is rare."""

    def by_value(raw: Bytes) -> Decoded:
        whole = np.ascontiguousarray(raw).view(np.dtype((np.void, codec.size))).ravel()
        different, places = np.unique(whole, return_inverse=True)
        values: list[Any] = []
        bad = np.zeros(len(different), dtype=bool)
        for at, one in enumerate(different):
            try:
                values.append(codec.decode(one.tobytes()))
            except ValueError:
                values.append(None)
                bad[at] = True
        column = pa.array(values, type=kind).take(_indexes(places))
        return column, bad[places] if bad.any() else None

    return by_value


def _text(codec: Codec, alphabet: Alphabet, kind: ArrowType) -> Decode:
    table = np.array([_code_point(codec, code) for code in range(256)], dtype=np.int32)
    narrow = np.where((table >= 0) & (table < 128), table, _WRONG).astype(np.uint8)
    strip = {"right": (pc.ascii_rtrim, pc.utf8_rtrim), "left": (pc.ascii_ltrim, pc.utf8_ltrim),
             "both": (pc.ascii_trim, pc.utf8_trim), "none": None}[alphabet.trim]  # fmt: skip
    size = codec.size

    def text(raw: Bytes) -> Decoded:
        rows = len(raw)
        plain: Any = narrow[raw]
        if plain.max(initial=0) != _WRONG:
            offsets: Any = np.arange(0, (rows + 1) * size, size, dtype=np.int32)
            data: Any = np.ascontiguousarray(plain)
            column: Array = pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))
            return (strip[0](column, characters=" ") if strip else column), None
        points = table[raw]
        unknown: Any = (points < 0).any(axis=1)
        wide = np.ascontiguousarray(np.where(points < 0, 32, points).astype(np.uint32)).view(f"<U{size}").ravel()
        column = pa.array(wide.tolist(), type=kind)
        column = strip[1](column, characters=" ") if strip else column
        return _masked(column, unknown) if unknown.any() else (column, None)

    return text


def _code_point(codec: Codec, code: int) -> int:
    try:
        return ord(codec.text(bytes([code])) or " ")
    except ValueError:
        return -1


def _zoned(shape: Shape, alphabet: Alphabet) -> Callable[[Bytes], tuple[Any, Mask]]:
    """Digits by a table of bytes; the digit that carries a sign by another."""
    picture = shape.picture
    assert picture is not None
    digit, sign_digit, negative = _digit_tables(shape, alphabet)
    plus, minus = "+".encode(alphabet.encoding)[0], "-".encode(alphabet.encoding)[0]
    digits, leading, signed = picture.digits, shape.leading, picture.signed

    def zoned(raw: Bytes) -> tuple[Any, Mask]:
        across = np.ascontiguousarray(raw.T)
        signs = None
        if shape.separate:
            signs = across[0] if leading else across[-1]
            across = across[1:] if leading else across[:-1]
        at = -1 if shape.separate else 0 if leading else digits - 1
        units = np.zeros(across.shape[1], dtype=np.int64)
        wrong = np.zeros(across.shape[1], dtype=bool)
        for place in range(digits):
            found = (sign_digit if place == at else digit)[across[place]]
            wrong |= found == _WRONG
            units *= 10
            units += found
        if signs is not None:
            minuses = signs == minus
            wrong |= ~minuses & (signs != plus)
        else:
            minuses = negative[across[at]]
            if not signed:
                wrong |= minuses
        return np.where(minuses, -units, units), wrong

    return zoned


def _digit_tables(shape: Shape, alphabet: Alphabet) -> tuple[Bytes, Bytes, Mask]:
    """Give the digit of a byte, that of a byte with a sign, and whether its sign is minus."""
    digit = np.full(256, _WRONG, dtype=np.uint8)
    for value, code in enumerate("0123456789".encode(alphabet.encoding)):
        digit[code] = value
    sign_digit = np.full(256, _WRONG, dtype=np.uint8)
    negative = np.zeros(256, dtype=bool)
    for code, (text, minus) in shape.signs.items():
        sign_digit[code], negative[code] = int(text), minus
    return digit, sign_digit, negative


def _packed(shape: Shape, size: int) -> Callable[[Bytes], tuple[Any, Mask]]:
    picture = shape.picture
    assert picture is not None
    codes = np.arange(256)
    high, low = codes >> 4, codes & 15
    pairs = np.where((high < 10) & (low < 10), high * 10 + low, _WRONG).astype(np.uint8)
    first = np.where((high == 0) & (low < 10), low, _WRONG).astype(np.uint8) if picture.digits % 2 == 0 else pairs
    last = np.where((high < 10) & (low > 9), high, _WRONG).astype(np.uint8)
    minus = (low == 0xD) | (low == 0xB)

    def packed(raw: Bytes) -> tuple[Any, Mask]:
        across = np.ascontiguousarray(raw.T)
        units = np.zeros(across.shape[1], dtype=np.int64)
        wrong = np.zeros(across.shape[1], dtype=bool)
        for place in range(size):
            found = (last if place == size - 1 else first if place == 0 else pairs)[across[place]]
            wrong |= found == _WRONG
            units *= 10 if place == size - 1 else 100
            units += found
        minuses = minus[across[-1]]
        if not picture.signed:
            wrong |= minuses & (units != 0)
        return np.where(minuses, -units, units), wrong

    return packed


def _unsigned_packed(digits: int, size: int) -> Callable[[Bytes], tuple[Any, Mask]]:
    codes = np.arange(256)
    high, low = codes >> 4, codes & 15
    pairs = np.where((high < 10) & (low < 10), high * 10 + low, _WRONG).astype(np.uint8)
    first = np.where(high == 0, pairs, _WRONG).astype(np.uint8) if digits % 2 else pairs

    def packed(raw: Bytes) -> tuple[Any, Mask]:
        across = np.ascontiguousarray(raw.T)
        units = np.zeros(across.shape[1], dtype=np.int64)
        wrong = np.zeros(across.shape[1], dtype=bool)
        for place in range(size):
            found = (pairs if place else first)[across[place]]
            wrong |= found == _WRONG
            units *= 100
            units += found
        return units, wrong

    return packed


def _binary(shape: Shape, size: int, kind: ArrowType) -> Decode:
    picture = shape.picture
    assert picture is not None
    order = "<" if shape.little else ">"
    limit = 10**picture.digits

    def binary(raw: Bytes) -> Decoded:
        units = np.ascontiguousarray(raw).view(f"{order}{'i' if picture.signed else 'u'}{size}").ravel()
        if shape.native:
            return _exact(units.astype(np.int64), kind, None), None
        wrong = units >= limit
        if picture.signed:
            wrong |= units <= -limit
        bad = wrong if wrong.any() else None
        return _exact(np.where(wrong, 0, units).astype(np.int64), kind, bad), bad

    return binary


def _nulled(numbers: Callable[[Bytes], tuple[Any, Mask]], codec: Codec, alphabet: Alphabet, kind: ArrowType) -> Decode:
    """Make a column of numbers; those of nothing but blanks or low values are NULL."""
    space = alphabet.space[0]

    def nulled(raw: Bytes) -> Decoded:
        units, wrong = numbers(raw)
        if not wrong.any():
            return _exact(units, kind, None), None
        column = _exact(units, kind, wrong)
        if codec.blank_is_null:
            places = np.flatnonzero(wrong)
            held = raw[places]
            blank = (held == space).all(axis=1) | (held == 0).all(axis=1)
            wrong[places[blank]] = False
        return column, wrong if wrong.any() else None

    return nulled


def _exact(units: Any, kind: ArrowType, null: Mask | None) -> Array:
    """Make an Arrow column of integers that count its smallest unit."""
    bits: Any = np.packbits(~null, bitorder="little") if null is not None else None
    valid = pa.py_buffer(bits) if null is not None else None
    if not pa.types.is_decimal(kind):
        return pa.Array.from_buffers(kind, len(units), [valid, pa.py_buffer(units)])
    wide: Any = np.empty((len(units), 2), dtype=np.int64)
    wide[:, 0] = units
    np.right_shift(units, 63, out=wide[:, 1])
    return pa.Array.from_buffers(kind, len(units), [valid, pa.py_buffer(wide)])


def _indexes(places: Any) -> Any:
    return pa.array(places)


def _masked(column: Array, null: Mask) -> Decoded:
    return pc.if_else(pa.array(null), pa.scalar(None, column.type), column), null
