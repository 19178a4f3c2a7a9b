"""Parts of what is kept aside, as they may be shown."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.aside import Claim, Claims


def part(claims: Claims, found: Claim, start: int, end: int) -> bytes:
    """Give a part in which no secret of the configuration can be read, one that lies across its ends neither."""
    from ..config.secrets import longest, scrub_bytes

    around = longest()
    first, last = max(start - around, 0), min(end + around, found.bytes)
    return scrub_bytes(claims.part(found.id, first, last))[start - first : end - first]


def whole_characters(body: bytes, *, at_end: bool) -> tuple[str, int]:
    """Decode up to the last character that is whole, and say how many bytes that are."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(body, final=at_end)
    return text, len(body) - len(decoder.getstate()[0])
