"""Level 88: the values that a field may have, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from .copybook_fields import Codec

_RANGES = {"THRU", "THROUGH"}
_FIGURATIVE = {"ZERO": "0", "ZEROS": "0", "ZEROES": "0", "SPACE": "", "SPACES": ""}


def checked(codec: Codec, conditions: Mapping[str, Sequence[str]]) -> Codec:
    """Refuse values that no condition names, both ways; NULL passes."""
    ranges = [found for words in conditions.values() for found in _ranges(words, codec)]
    names = ", ".join(conditions)

    def right(value: Any) -> Any:
        if value is not None and not any(least <= value <= most for least, most in ranges):
            raise ValueError(f"{value!s} is none of {names} (level 88)")
        return value

    def encode(value: Any) -> bytes:
        raw = codec.encode(value)
        right(codec.decode(raw))
        return raw

    return replace(codec, decode=lambda raw: right(codec.decode(raw)), encode=encode, shape=None)


def _ranges(words: Sequence[str], codec: Codec) -> list[tuple[Any, Any]]:
    until = next((at for at, word in enumerate(words) if word in {"WHEN", "FALSE"}), len(words))
    values = list(words[:until])
    found: list[tuple[Any, Any]] = []
    while values:
        least = _value(values.pop(0), codec)
        if values[:1] and values[0] in _RANGES and len(values) > 1:
            values.pop(0)
            found.append((least, _value(values.pop(0), codec)))
        else:
            found.append((least, least))
    return found


def _value(word: str, codec: Codec) -> Any:
    text = _FIGURATIVE.get(word, word)
    if codec.type == "string":
        return text.rstrip(" ")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"level 88: {word!r} is no number") from None
