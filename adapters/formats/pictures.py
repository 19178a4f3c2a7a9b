"""COBOL PICTURE strings: what a field holds, from the characters of its PIC clause (ISO/IEC 1989, 13.18.40)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "national", "graphic", "number", "printed"]

MAX_DIGITS = 38
_PART = re.compile(r"(CR|DB|[A-Z0-9$+\-*/,.£€])(?:\((\d{1,6})\))?")
_NUMBER = re.compile(r"(S?)(P*)(9*)(V?)(P*)(9*)(P*)(V?)")
_PRINTED = re.compile(r"([+-]?)(Z*9*)(?:\.(9+))?([+-]?)")
_EDITED = re.compile(r"(?:CR|DB|[9ZBPVE0$+\-*/,.£€])+")


@dataclass(frozen=True, slots=True)
class Picture:
    """
    What a PICTURE says: `length` characters, of which `digits` are digits, with 10^-scale as the unit.

    `national` and `graphic` characters have two bytes each; `printed` numbers have their point and sign written in them; other edited pictures are text.
    """

    text: str
    kind: Kind
    length: int
    digits: int = 0
    scale: int = 0
    signed: bool = False


def parse_picture(text: str) -> Picture:
    """Read a PICTURE string; ValueError says what is wrong with it."""
    symbols = _expand(text.upper())
    joined = "".join(symbols)
    if joined and set(joined) <= set("XA9B0/") and set(joined) & set("XA"):
        return Picture(text, "text", len(joined))
    if joined and set(joined) <= set("NB0/") and "N" in joined:
        return Picture(text, "national", len(joined))
    if joined and set(joined) <= set("GB") and "G" in joined:
        return Picture(text, "graphic", len(joined))
    if set(joined) & set("NG"):
        raise ValueError(f"PIC {text} has N or G beside what cannot stand there")
    if number := _NUMBER.fullmatch(joined):
        return _number(text, number)
    if (printed := _PRINTED.fullmatch(joined)) and "9" in joined and ("." in joined or printed[1] or printed[4]):
        scale = len(printed[3] or "")
        digits = len(printed[2]) + scale
        return Picture(text, "printed", len(joined), digits, scale, signed=bool(printed[1] or printed[4]))
    if _EDITED.fullmatch(joined):
        return Picture(text, "text", sum(len(symbol) for symbol in symbols if symbol not in {"V", "P"}))
    raise ValueError(f"PIC {text} is no PICTURE that can be read")


def _expand(text: str) -> list[str]:
    symbols: list[str] = []
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"PIC {text}: unexpected {text[at]!r}")
        symbols += [part[1]] * (int(part[2]) if part[2] else 1)
        if len(symbols) > 1_000_000:
            raise ValueError(f"PIC {text} is longer than a million characters")
        at = part.end()
    return symbols


def _number(text: str, found: re.Match[str]) -> Picture:
    sign, left_p, whole, point, inner_p, fraction, right_p, late_point = found.groups()
    digits = len(whole) + len(fraction)
    if not digits or (point and late_point):
        raise ValueError(f"PIC {text} has no digit, or two points")
    if digits > MAX_DIGITS:
        raise ValueError(f"PIC {text} has {digits} digits; {MAX_DIGITS} is the most")
    scale = len(fraction)
    if left_p or (point and inner_p):
        scale = len(left_p) + len(whole) + len(inner_p) + len(fraction)
    elif inner_p or right_p:
        if fraction and (inner_p or point):
            raise ValueError(f"PIC {text}: P stands only at one end")
        scale = -len(inner_p) - len(right_p)
    return Picture(text, "number", digits, digits, scale, signed=bool(sign))
