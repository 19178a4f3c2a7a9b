"""USAGE DISPLAY: text, numbers in digits, and numbers with their point written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .copybook_fields import Alphabet, Codec, Shape, finish, precision_of, type_of, units_of
from .copybook_parser import Item
from .pictures import Picture
from .scalars import STRIPS, scaled, unscaled

_BLANKS = " \u3000"
"""Those of one and of two bytes."""


def text_field(size: int, alphabet: Alphabet, *, justified: bool) -> Codec:
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

    return Codec(size, "string", decode, encode, space * size, decode, encode, shape=Shape("text"))


def national_field(length: int, alphabet: Alphabet, *, justified: bool) -> Codec:
    """PIC N, USAGE NATIONAL: UTF-16 without a mark, two bytes a character, whatever the code page around it."""
    encoding, size = "utf-16-le" if alphabet.little_endian_native else "utf-16-be", length * 2
    space = " ".encode(encoding)
    strip = STRIPS[alphabet.trim]

    def decode(raw: bytes) -> str:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as wrong:
            raise ValueError(f"byte {wrong.start + 1} (X'{raw[wrong.start]:02X}') is not national (UTF-16)") from None
        return strip("".join(" " if char < " " or "\x7f" <= char < "\xa0" else char for char in text))

    def encode(value: Any) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        return _filled(value, value.encode(encoding), space, length, "national", justified=justified)

    def text(raw: bytes) -> str:
        return raw.decode(encoding, "replace").strip(" \0")

    return Codec(size, "string", decode, encode, space * length, text, encode)


def _filled(value: str, raw: bytes, space: bytes, length: int, kind: str, *, justified: bool) -> bytes:
    """Fill a field of characters of two bytes each with blanks. Raises ValueError for a value that is longer."""
    if len(raw) > 2 * length:
        raise ValueError(f"{value!r} is longer than {length} {kind} characters")
    blanks = space * ((2 * length - len(raw)) // 2)
    return blanks + raw if justified else raw + blanks


def graphic_field(length: int, alphabet: Alphabet, *, justified: bool) -> Codec:
    """PIC G, USAGE DISPLAY-1: characters of two bytes each in a double-byte code page."""
    encoding, size = alphabet.encoding, length * 2
    space = _wide_space(encoding)
    left, right = alphabet.trim in {"left", "both"}, alphabet.trim in {"right", "both"}

    def decode(raw: bytes) -> str:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as wrong:
            raise ValueError(f"byte {wrong.start + 1} (X'{raw[wrong.start]:02X}') is not {encoding}") from None
        text = text.lstrip(_BLANKS) if left else text
        return text.rstrip(_BLANKS) if right else text

    def encode(value: Any) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        narrow = next((char for char in value if len(char.encode(encoding, "replace")) != 2), None)
        if narrow is not None:
            raise ValueError(f"{narrow!r} is no double-byte character of {encoding}")
        return _filled(value, value.encode(encoding), space, length, "double-byte", justified=justified)

    def text(raw: bytes) -> str:
        return raw.decode(encoding, "replace").strip(_BLANKS + "\0")

    return Codec(size, "string", decode, encode, space * length, text, encode)


def _wide_space(encoding: str) -> bytes:
    """Give the blank of two bytes; ValueError where a code page has no such characters."""
    try:
        space = _BLANKS[1].encode(encoding)
    except UnicodeEncodeError:
        space = b""
    if len(space) != 2:
        raise ValueError(
            f"PIC G (DISPLAY-1) needs a double-byte code page, and {encoding} is none. Of such pages cp932, cp936, cp949, "
            "cp950 and the like are known here, and none of EBCDIC (cp930, cp939, cp1399): "
            "have these fields sent as PIC N (UTF-16), or in one of the others"
        )
    return space


def printed_field(picture: Picture, alphabet: Alphabet) -> Codec:
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
            if abs(units) >= 10**picture.digits:
                raise ValueError  # a digit where the sign stands
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


def zoned_field(item: Item, picture: Picture, alphabet: Alphabet) -> Codec:
    """USAGE DISPLAY: a digit a byte, the sign in a zone of the first or last byte, or in a byte of its own."""
    digits, leading, encoding = picture.digits, bool(item.sign_leading), alphabet.encoding
    separate = item.sign_separate and picture.signed
    size = digits + separate
    signs = _overpunch(alphabet)
    to_ascii = bytes.maketrans("0123456789".encode(encoding), b"0123456789")
    known = frozenset("0123456789".encode(encoding))
    to_ascii = bytes(to_ascii[code] if code in known else 0x3F for code in range(256))
    value_of = finish(picture)
    plus, minus = "+".encode(encoding), "-".encode(encoding)

    def wrong(raw: bytes) -> ValueError:
        said = f"{raw.decode(encoding, 'replace')!r} is no number as PIC {picture.text} (X'{raw.hex().upper()}')"
        other = "ascii" if alphabet.is_ebcdic else "cp037"
        if all(char in "0123456789 " for char in raw.decode(other, "replace")):
            said += f", and in {other} it would be one: is the encoding right?"
        return ValueError(said)

    def plain(raw: bytes) -> Any:
        try:
            return value_of(int(raw.translate(to_ascii)))
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
        return value_of(-value if negative else value)

    def apart(raw: bytes) -> Any:
        sign, body = (raw[:1], raw[1:]) if leading else (raw[-1:], raw[:-1])
        if sign not in {plus, minus}:
            raise wrong(raw)
        try:
            value = int(body.translate(to_ascii))
        except ValueError:
            raise wrong(raw) from None
        return value_of(-value if sign == minus else value)

    back_signs = {(digit, negative): code for code, (digit, negative) in reversed(signs.items())}

    def encode(value: Any) -> bytes:
        units = units_of(value, picture)
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
        size, type_of(picture), decode=decode, encode=encode, initial=encode(0),
        text=_characters(encoding), back=_padded(encoding, size), precision=precision_of(picture), scale=max(picture.scale, 0) or None, blank_is_null=True,
        shape=Shape("zoned", picture, leading=leading, separate=separate, signs=signs),
    )  # fmt: skip


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
