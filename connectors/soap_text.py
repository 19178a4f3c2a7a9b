"""Text as XML carries it."""

from __future__ import annotations

import re

from .soap_scalars import BadValue

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escaped(text: str) -> str:
    """Escape text for an element; a carriage return would not come through otherwise."""
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    if not text.isprintable() and _UNFIT.search(text):
        raise BadValue("it has a character that XML cannot carry")
    return text


def quoted(text: str) -> str:
    return escaped(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
