"""Picture and usage to the codec of one field."""

from __future__ import annotations

from .copybook_binary import binary_field, floating_field, packed_field
from .copybook_display import national_field, printed_field, text_field, zoned_field
from .copybook_fields import Alphabet, Codec
from .copybook_parser import Item


def codec_of(item: Item, alphabet: Alphabet) -> Codec:
    """Compile a field; ValueError says what cannot be built."""
    if item.usage in {"float", "double"}:
        return floating_field(4 if item.usage == "float" else 8, alphabet)
    picture = item.picture
    assert picture is not None  # the parser refuses a field without one
    if picture.kind == "text":
        return text_field(picture.length, alphabet, justified=item.justified)
    if picture.kind == "national":
        return national_field(picture.length, alphabet, justified=item.justified)
    if picture.kind == "printed":
        return printed_field(picture, alphabet)
    match item.usage:
        case "packed":
            return packed_field(picture)
        case "binary" | "native":
            return binary_field(item, picture, alphabet)
        case _:
            return zoned_field(item, picture, alphabet)
