"""What every elementary COBOL field has: size, value, bytes, and its place among JSON's types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from ...core.values import Wide
from .format import Column, ColumnType
from .pictures import Picture
from .scalars import Trim, as_decimal, power_of_ten, unscaled

Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]
_WIDE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A code page, and what text and digits look like in it."""

    encoding: str
    trim: Trim
    little_endian_native: bool = False
    ieee: bool | None = None
    address_bytes: int | None = None

    @property
    def pointer_bytes(self) -> int:
        """Tell how long an address is: 31 bits where the text is EBCDIC, 64 elsewhere, unless somebody said so."""
        return self.address_bytes or (4 if self.is_ebcdic else 8)

    @property
    def has_ieee_floats(self) -> bool:
        """Tell how COMP-1 and COMP-2 are kept: as IBM does where the text is EBCDIC, unless somebody said so."""
        return not self.is_ebcdic if self.ieee is None else self.ieee

    @property
    def is_ebcdic(self) -> bool:
        return "0".encode(self.encoding) == b"\xf0"

    @property
    def space(self) -> bytes:
        return " ".encode(self.encoding)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the way of columns needs to know of a field whose bytes no rule changes the meaning of."""

    kind: Literal["text", "zoned", "packed", "unsigned packed", "binary"]
    picture: Picture | None = None
    leading: bool = False
    separate: bool = False
    native: bool = False
    little: bool = False
    signs: Mapping[int, tuple[bytes, bool]] = field(default_factory=dict)


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
    shape: Shape | None = None

    def column(self, name: str, description: str = "") -> Column:
        return Column(name, self.type, self.precision, self.scale, description)


def finish(picture: Picture) -> Callable[[int], Any]:
    """Compile digits to a value with its scale."""
    scale = picture.scale
    if scale > 0:
        return lambda value: Decimal(f"{value}E-{scale}")
    if scale < 0:
        factor = 10**-scale
        return (lambda value: Wide(value * factor)) if _is_wide(picture) else lambda value: value * factor
    return Wide if _is_wide(picture) else lambda value: value


def units_of(value: Any, picture: Picture) -> int:
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


def type_of(picture: Picture) -> ColumnType:
    return "decimal" if picture.scale > 0 else "wide" if _is_wide(picture) else "integer"


def precision_of(picture: Picture) -> int:
    return max(picture.digits, picture.scale) - min(picture.scale, 0)
