"""Picture and usage to the codec of one field."""

from __future__ import annotations

from .copybook_binary import binary_field, floating_field, packed_field, unsigned_packed_field
from .copybook_display import graphic_field, national_field, printed_field, text_field, zoned_field
from .copybook_fields import Alphabet, Codec
from .copybook_parser import Item
from .pictures import Picture

_ADDRESSABLE_BYTES = 8


def codec_of(item: Item, alphabet: Alphabet) -> Codec:
    """Compile a field; ValueError says what cannot be built."""
    if item.usage in {"float", "double"}:
        return floating_field(4 if item.usage == "float" else 8, alphabet)
    if item.usage == "bare":
        size, signed = item.bare
        return _whole(size or alphabet.pointer_bytes, alphabet, signed=signed)
    picture = item.picture
    assert picture is not None  # the parser refuses a field without one
    if item.usage == "dbcs":
        return graphic_field(picture.length, alphabet, justified=item.justified)
    if picture.kind == "national":
        return national_field(picture.length, alphabet, justified=item.justified)
    if item.usage == "any size":
        return _of_any_size(picture, alphabet)
    if picture.kind == "text":
        return text_field(picture.length, alphabet, justified=item.justified)
    if picture.kind == "printed":
        return printed_field(picture, alphabet)
    match item.usage:
        case "packed":
            return packed_field(picture)
        case "unsigned packed":
            return unsigned_packed_field(picture)
        case "binary" | "native":
            return binary_field(picture, alphabet, native=item.usage == "native")
        case _:
            return zoned_field(item, picture, alphabet)


def _whole(size: int, alphabet: Alphabet, *, signed: bool) -> Codec:
    """INDEX, POINTER, BINARY-LONG and the like: all that their bytes can hold, in the machine's own order."""
    digits = len(str(256**size))
    picture = Picture(f"of {size} bytes", "number", digits, digits, signed=signed)
    return binary_field(picture, alphabet, native=True, size=size)


def _of_any_size(picture: Picture, alphabet: Alphabet) -> Codec:
    """COMP-X: the least bytes that hold the digits, or as many as there are X; big endian always."""
    if picture.kind == "text":
        size = picture.length
        digits = len(str(256**size))
        picture = Picture(picture.text, "number", digits, digits)
    else:
        size = (10**picture.digits - 1).bit_length() + picture.signed
        size = -(-size // 8)
    if size > _ADDRESSABLE_BYTES:
        raise ValueError(f"PIC {picture.text} has {size} bytes as COMP-X; {_ADDRESSABLE_BYTES} are the most")
    return binary_field(picture, alphabet, native=True, size=size, order="big")
