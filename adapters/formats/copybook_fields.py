"""One elementary COBOL field: its bytes to a value and back, compiled once from picture and usage."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from ...core.values import Wide
from .copybook_parser import Item
from .format import Column, ColumnType
from .pictures import Picture
from .scalars import STRIPS, Trim, as_decimal, power_of_ten, scaled, unscaled

Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]
_WIDE_DIGITS = 16
_BINARY_SIZES = ((4, 2), (9, 4), (18, 8))


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A code page, and what text and digits look like in it."""

    encoding: str
    trim: Trim
    little_endian_native: bool = False

    @property
    def is_ebcdic(self) -> bool:
        return "0".encode(self.encoding) == b"\xf0"

    @property
    def space(self) -> bytes:
        return " ".encode(self.encoding)


@dataclass(frozen=True, slots=True)
class Codec:
    """
    An elementary field of `size` bytes. `decode` and `encode` raise ValueError with a reason.

    `text` shows the characters or digits that a rule for dates and NULLs looks at; `back` makes bytes of such a text.
    """

    size: int
    type: ColumnType
    decode: Decode
    encode: Encode
    initial: bytes
    text: Callable[[bytes], str]
    back: Callable[[str], bytes]
    precision: int | None = None
    scale: int | None = None
    blank_is_null: bool = False

    def column(self, name: str, description: str = "") -> Column:
        return Column(name, self.type, self.precision, self.scale, description)


def codec_of(item: Item, alphabet: Alphabet) -> Codec:
    """Compile a field; ValueError says what cannot be built."""
    if item.usage in {"float", "double"}:
        return _floating(4 if item.usage == "float" else 8, alphabet)
    picture = item.picture
    assert picture is not None  # the parser refuses a field without one
    if picture.kind == "text":
        return _text(picture.length, alphabet, justified=item.justified)
    if picture.kind == "printed":
        return _printed(picture, alphabet)
    match item.usage:
        case "packed":
            return _packed(picture)
        case "binary" | "native":
            return _binary(item, picture, alphabet)
        case _:
            return _zoned(item, picture, alphabet)


def _text(size: int, alphabet: Alphabet, *, justified: bool) -> Codec:
    """
    Text of a code page. Control characters, low values among them, read as blanks.

    A record that is written from one that was read keeps them, because unchanged fields keep their bytes.
    """
    encoding, space = alphabet.encoding, alphabet.space
    visible = _without_controls(alphabet)
    strip = STRIPS[alphabet.trim]

    def decode(raw: bytes) -> str:
        try:
            return strip(raw.translate(visible).decode(encoding))
        except UnicodeDecodeError as wrong:
            raise ValueError(f"byte {wrong.start + 1} (X'{raw[wrong.start]:02X}') is not {encoding}") from None

    def encode(value: Any) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        try:
            raw = value.encode(encoding)
        except UnicodeEncodeError as wrong:
            raise ValueError(f"{value[wrong.start]!r} does not exist in {encoding}") from None
        if len(raw) > size:
            raise ValueError(f"{value!r} is longer than {size} bytes")
        return raw.rjust(size, space) if justified else raw.ljust(size, space)

    return Codec(size, "string", decode, encode, space * size, decode, encode)


def _printed(picture: Picture, alphabet: Alphabet) -> Codec:
    """A number with its point written in it: PIC 9(8).99, PIC -ZZ9.9."""
    encoding, size, scale = alphabet.encoding, picture.length, picture.scale
    lead, trail = picture.text[:1] in {"+", "-"}, picture.text[-1:] in {"+", "-"}
    whole = size - (scale + 1 if "." in picture.text else 0) - lead - trail

    def decode(raw: bytes) -> Any:
        text = raw.decode(encoding).strip(" ")
        if text[-1:] in {"+", "-"}:
            text = text[-1] + text[:-1]
        text = text.replace(" ", "")
        try:
            units = unscaled(text, scale)
        except ValueError:
            raise ValueError(f"{raw.decode(encoding)!r} is no number as PIC {picture.text}") from None
        return scaled(units, scale) if scale else units

    def encode(value: Any) -> bytes:
        units = unscaled(value, scale)
        digits = str(abs(units)).zfill(scale + 1)
        integer, fraction = (digits[:-scale], "." + digits[-scale:]) if scale else (digits, "")
        if len(integer) > whole or (units < 0 and not picture.signed):
            raise ValueError(f"{value} does not fit PIC {picture.text}")
        text = integer.rjust(whole, " " if "Z" in picture.text.upper() else "0") + fraction
        sign = "-" if units < 0 else "+" if "+" in picture.text else " "
        return (sign * lead + text + sign * trail).encode(encoding)

    return Codec(
        size, "decimal" if scale else "integer", decode, encode, encode(0), _characters(encoding), _padded(encoding, size),
        precision=picture.digits, scale=scale or None, blank_is_null=True,
    )  # fmt: skip


def _zoned(item: Item, picture: Picture, alphabet: Alphabet) -> Codec:
    """USAGE DISPLAY: a digit a byte, the sign in a zone of the first or last byte, or in a byte of its own."""
    digits, leading, encoding = picture.digits, bool(item.sign_leading), alphabet.encoding
    separate = item.sign_separate and picture.signed
    size = digits + separate
    signs = _overpunch(alphabet)
    to_ascii = bytes.maketrans("0123456789".encode(encoding), b"0123456789")
    known = frozenset("0123456789".encode(encoding))
    to_ascii = bytes(to_ascii[code] if code in known else 0x3F for code in range(256))
    finish = _finish(picture)
    plus, minus = "+".encode(encoding), "-".encode(encoding)

    def wrong(raw: bytes) -> ValueError:
        return ValueError(
            f"{raw.decode(encoding, 'replace')!r} is no number as PIC {picture.text} (X'{raw.hex().upper()}')"
        )

    def plain(raw: bytes) -> Any:
        try:
            return finish(int(raw.translate(to_ascii)))
        except ValueError:
            return punched(raw)

    def punched(raw: bytes) -> Any:
        at = 0 if leading else len(raw) - 1
        digit, negative = signs.get(raw[at], (b"?", False))
        body = raw.translate(to_ascii)
        try:
            value = int(digit + body[1:] if leading else body[:-1] + digit)
        except ValueError:
            raise wrong(raw) from None
        if negative and not picture.signed:
            raise ValueError(f"{raw.decode(encoding, 'replace')!r} is negative, and PIC {picture.text} has no sign")
        return finish(-value if negative else value)

    def apart(raw: bytes) -> Any:
        sign, body = (raw[:1], raw[1:]) if leading else (raw[-1:], raw[:-1])
        if sign not in {plus, minus}:
            raise wrong(raw)
        try:
            value = int(body.translate(to_ascii))
        except ValueError:
            raise wrong(raw) from None
        return finish(-value if sign == minus else value)

    back_signs = {(digit, negative): code for code, (digit, negative) in reversed(signs.items())}

    def encode(value: Any) -> bytes:
        units = _units(value, picture)
        body = str(abs(units)).zfill(digits).encode(encoding)
        if separate:
            sign = minus if units < 0 else plus
            return sign + body if leading else body + sign
        if not picture.signed:
            return body
        at = 0 if leading else digits - 1
        digit = str(abs(units)).zfill(digits)[at].encode("ascii")
        return body[:at] + bytes([back_signs[digit, units < 0]]) + body[at + 1 :]

    decode = apart if separate else punched if picture.signed else plain
    return Codec(
        size, _typed(picture), decode=decode, encode=encode, initial=encode(0),
        text=_characters(encoding), back=_padded(encoding, size), precision=_precision(picture), scale=max(picture.scale, 0) or None, blank_is_null=True,
    )  # fmt: skip


def _packed(picture: Picture) -> Codec:
    """COMP-3: two digits a byte, the sign in the last half byte (C, A, E, F plus; D, B minus)."""
    size = picture.digits // 2 + 1
    limit = 10**picture.digits
    finish = _finish(picture)
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
        return finish(value)

    def encode(value: Any) -> bytes:
        units = _units(value, picture)
        sign = ("d" if units < 0 else "c") if signed else "f"
        return bytes.fromhex(str(abs(units)).zfill(size * 2 - 1) + sign)

    def text(raw: bytes) -> str:
        digits = raw.hex()
        return digits[-1 - picture.digits : -1]

    return Codec(
        size, _typed(picture), decode=decode, encode=encode, initial=encode(0), text=text,
        back=lambda digits: encode(scaled(int(digits), max(picture.scale, 0))), precision=_precision(picture), scale=max(picture.scale, 0) or None, blank_is_null=True,
    )  # fmt: skip


def _binary(item: Item, picture: Picture, alphabet: Alphabet) -> Codec:
    """COMP and COMP-5: big endian two's complement; COMP-5 holds all that its bytes can, COMP what its digits say."""
    native = item.usage == "native"
    size = next((size for digits, size in _BINARY_SIZES if picture.digits <= digits), 0)
    if not size:
        raise ValueError(f"PIC {picture.text} has more than 18 digits, which a binary field cannot hold")
    order: Literal["little", "big"] = "little" if native and alphabet.little_endian_native else "big"
    signed = picture.signed
    limit = 1 << (size * 8) if native else 10**picture.digits
    wide = native and size == 8 and picture.scale <= 0
    finish = Wide if wide else _finish(picture)

    def decode(raw: bytes) -> Any:
        value = int.from_bytes(raw, order, signed=signed)
        if not -limit < value < limit:
            raise ValueError(f"{value} has more digits than PIC {picture.text}; COMP-5 holds the full range")
        return finish(value)

    def encode(value: Any) -> bytes:
        try:
            return (unscaled(value, picture.scale) if native else _units(value, picture)).to_bytes(
                size, order, signed=signed
            )
        except OverflowError:
            raise ValueError(f"{value} does not fit PIC {picture.text} in {size} bytes") from None

    kind: ColumnType = "wide" if wide else _typed(picture)
    precision = len(str(limit)) if native else picture.digits
    return Codec(
        size, kind, decode, encode, bytes(size), text=lambda raw: str(abs(int.from_bytes(raw, order, signed=signed))),
        back=lambda digits: encode(scaled(int(digits), max(picture.scale, 0))), precision=precision,
        scale=max(picture.scale, 0) or None,
    )  # fmt: skip


def _floating(size: int, alphabet: Alphabet) -> Codec:
    """COMP-1 and COMP-2: hexadecimal floating point where the text is EBCDIC, IEEE 754 elsewhere."""
    if not alphabet.is_ebcdic:
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


def _overpunch(alphabet: Alphabet) -> dict[int, tuple[bytes, bool]]:
    """Give (digit, is negative) by the byte that carries digit and sign; the first of several is the one written."""
    found: dict[int, tuple[bytes, bool]] = {}
    if alphabet.is_ebcdic:
        for zone, negative in ((0xC0, False), (0xD0, True), (0xF0, False), (0xA0, False), (0xB0, True), (0xE0, False)):
            for digit in range(10):
                found[zone | digit] = (b"%d" % digit, negative)
        return found
    for digit, (plus, minus, gnu_minus) in enumerate(zip(b"{ABCDEFGHI", b"}JKLMNOPQR", b"pqrstuvwxy", strict=True)):
        found[plus] = (b"%d" % digit, False)
        found[minus] = (b"%d" % digit, True)
        found[gnu_minus] = (b"%d" % digit, True)
        found[0x30 + digit] = (b"%d" % digit, False)
    return found


def _finish(picture: Picture) -> Callable[[int], Any]:
    scale = picture.scale
    if scale > 0:
        return lambda value: Decimal(f"{value}E-{scale}")
    if scale < 0:
        factor = 10**-scale
        return (lambda value: Wide(value * factor)) if _is_wide(picture) else lambda value: value * factor
    return Wide if _is_wide(picture) else lambda value: value


def _units(value: Any, picture: Picture) -> int:
    """Give a value as the digits that the field keeps; ValueError where one would be lost."""
    if picture.scale < 0:
        units, lost = divmod(unscaled(value, 0), power_of_ten(-picture.scale))
        if lost:
            raise ValueError(f"{value} is no multiple of {10**-picture.scale}, as PIC {picture.text} needs")
    else:
        units = unscaled(value, picture.scale)
    if abs(units) >= 10**picture.digits:
        raise ValueError(f"{as_decimal(value):f} does not fit PIC {picture.text}")
    if units < 0 and not picture.signed:
        raise ValueError(f"{value} is negative, and PIC {picture.text} has no sign")
    return units


def _is_wide(picture: Picture) -> bool:
    return picture.digits - min(picture.scale, 0) >= _WIDE_DIGITS


def _typed(picture: Picture) -> ColumnType:
    return "decimal" if picture.scale > 0 else "wide" if _is_wide(picture) else "integer"


def _precision(picture: Picture) -> int:
    return max(picture.digits, picture.scale) - min(picture.scale, 0)


def _without_controls(alphabet: Alphabet) -> bytes:
    """Give the translation that turns control characters into blanks."""
    table = bytearray(range(256))
    for code in range(256):
        char = bytes([code]).decode(alphabet.encoding, "ignore")
        if char and (char < " " or "\x7f" <= char < "\xa0"):
            table[code] = alphabet.space[0]
    return bytes(table)


def _characters(encoding: str) -> Callable[[bytes], str]:
    return lambda raw: raw.decode(encoding, "replace").strip(" \0")


def _padded(encoding: str, size: int) -> Callable[[str], bytes]:
    def back(text: str) -> bytes:
        raw = text.encode(encoding).ljust(size, " ".encode(encoding))
        if len(raw) != size:
            raise ValueError(f"{text!r} does not fit into {size} bytes")
        return raw

    return back
