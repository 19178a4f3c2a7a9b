"""COMP-3, COMP-6, COMP, COMP-5, COMP-X, COMP-1 and COMP-2, and numbers without a PICTURE."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Literal

from ...core.values import Wide
from .copybook_fields import Alphabet, Codec, Decode, Encode, Shape, finish, precision_of, type_of, units_of
from .format import ColumnType
from .pictures import Picture
from .scalars import scaled, unscaled

_BINARY_SIZES = ((4, 2), (9, 4), (18, 8))
_JSON_BYTES = 6
"""What has more bytes can pass the integers that JSON's readers keep."""


def packed_field(picture: Picture) -> Codec:
    """COMP-3: two digits a byte, the sign in the last half byte (C, A, E, F plus; D, B minus)."""
    size = picture.digits // 2 + 1
    limit = 10**picture.digits
    value_of = finish(picture)
    signed = picture.signed

    def decode(raw: bytes) -> Any:
        text = raw.hex()
        try:
            value = int(text[:-1])
        except ValueError:
            raise ValueError(f"X'{text.upper()}' is no packed number") from None
        sign = text[-1]
        if sign in "db":
            value = -value
            if not signed and value:
                raise ValueError(f"X'{text.upper()}' is negative, and PIC {picture.text} has no sign")
        elif sign not in "cfae":
            raise ValueError(f"X'{text.upper()}' has no sign in its last half byte")
        if not -limit < value < limit:
            raise ValueError(f"X'{text.upper()}' has more digits than PIC {picture.text}")
        return value_of(value)

    def encode(value: Any) -> bytes:
        units = units_of(value, picture)
        sign = ("d" if units < 0 else "c") if signed else "f"
        return bytes.fromhex(str(abs(units)).zfill(size * 2 - 1) + sign)

    def text(raw: bytes) -> str:
        digits = raw.hex()
        return digits[-1 - picture.digits : -1]

    return Codec(
        size, type_of(picture), decode=decode, encode=encode, initial=encode(0), text=text,
        back=lambda digits: encode(scaled(int(digits), max(picture.scale, 0))), precision=precision_of(picture), scale=max(picture.scale, 0) or None, blank_is_null=True, shape=Shape("packed", picture),
    )  # fmt: skip


def unsigned_packed_field(picture: Picture) -> Codec:
    """COMP-6: two digits a byte and no sign."""
    size = (picture.digits + 1) // 2
    value_of = finish(picture)

    def decode(raw: bytes) -> Any:
        text = raw.hex()
        if not text.isdecimal():
            raise ValueError(f"X'{text.upper()}' is no packed number without a sign")
        if picture.digits % 2 and text[0] != "0":
            raise ValueError(f"X'{text.upper()}' has more digits than PIC {picture.text}")
        return value_of(int(text))

    def encode(value: Any) -> bytes:
        return bytes.fromhex(str(units_of(value, picture)).zfill(size * 2))

    return Codec(
        size, type_of(picture), decode=decode, encode=encode, initial=bytes(size), text=lambda raw: raw.hex()[-picture.digits :],
        back=lambda digits: encode(scaled(int(digits), max(picture.scale, 0))), precision=precision_of(picture),
        scale=max(picture.scale, 0) or None, shape=Shape("unsigned packed", picture),
    )  # fmt: skip


def binary_field(
    picture: Picture, alphabet: Alphabet, *, native: bool, size: int = 0, order: Literal["little", "big"] | None = None
) -> Codec:
    """COMP and COMP-5: big endian two's complement; COMP-5 holds all that its bytes can, COMP what its digits say."""
    size = size or next((size for digits, size in _BINARY_SIZES if picture.digits <= digits), 0)
    if not size:
        raise ValueError(f"PIC {picture.text} has more than 18 digits, which a binary field cannot hold")
    if order is None:
        order = "little" if native and alphabet.little_endian_native else "big"
    signed = picture.signed
    limit = 1 << (size * 8) if native else 10**picture.digits
    wide = native and size > _JSON_BYTES and picture.scale <= 0
    value_of: Callable[[int], Any] = Wide if wide else finish(picture)

    def decode(raw: bytes) -> Any:
        value = int.from_bytes(raw, order, signed=signed)
        if not -limit < value < limit:
            raise ValueError(f"{value} has more digits than PIC {picture.text}; COMP-5 holds the full range")
        return value_of(value)

    def encode(value: Any) -> bytes:
        try:
            return (unscaled(value, picture.scale) if native else units_of(value, picture)).to_bytes(
                size, order, signed=signed
            )
        except OverflowError:
            raise ValueError(f"{value} does not fit PIC {picture.text} in {size} bytes") from None

    kind: ColumnType = "wide" if wide else type_of(picture)
    precision = len(str(limit)) if native else picture.digits
    return Codec(
        size, kind, decode, encode, bytes(size), text=lambda raw: str(abs(int.from_bytes(raw, order, signed=signed))),
        back=lambda digits: encode(scaled(int(digits), max(picture.scale, 0))), precision=precision,
        scale=max(picture.scale, 0) or None, shape=Shape("binary", picture, native=native, little=order == "little") if size in {1, 2, 4, 8} else None,
    )  # fmt: skip


def floating_field(size: int, alphabet: Alphabet) -> Codec:
    """COMP-1 and COMP-2: hexadecimal floating point where the text is EBCDIC, IEEE 754 elsewhere."""
    if alphabet.has_ieee_floats:
        layout = struct.Struct((">" if not alphabet.little_endian_native else "<") + ("f" if size == 4 else "d"))
        decode: Decode = lambda raw: layout.unpack(raw)[0]  # noqa: E731 - one of two
        encode: Encode = lambda value: layout.pack(float(value))  # noqa: E731
    else:
        bits = (size - 1) * 8
        decode = lambda raw: _from_hexadecimal(raw, bits)  # noqa: E731
        encode = lambda value: _to_hexadecimal(float(value), bits)  # noqa: E731
    return Codec(
        size,
        "number",
        decode,
        encode,
        bytes(size),
        text=lambda raw: str(decode(raw)),
        back=lambda text: encode(float(text)),
    )


def _from_hexadecimal(raw: bytes, bits: int) -> float:
    """Read IBM hexadecimal floating point: sign, power of 16 with excess 64, fraction."""
    whole = int.from_bytes(raw, "big")
    fraction = whole & ((1 << bits) - 1)
    power = ((whole >> bits) & 0x7F) - 64
    value = float(fraction) * 2.0 ** (4 * power - bits)
    return -value if whole >> (bits + 7) else value


def _to_hexadecimal(value: float, bits: int) -> bytes:
    size = bits // 8 + 1
    numerator, denominator = abs(value).as_integer_ratio()
    if not numerator:
        return bytes(size)
    power = 64
    while numerator >= denominator:
        denominator *= 16
        power += 1
    while numerator * 16 < denominator:
        numerator *= 16
        power -= 1
    fraction = (numerator * (1 << bits) * 2 // denominator + 1) // 2
    if fraction >> bits:
        fraction >>= 4
        power += 1
    if not 0 <= power < 128:
        raise ValueError(f"{value} is outside of what the field can hold")
    return ((value < 0) << (bits + 7) | power << bits | fraction).to_bytes(size, "big")
