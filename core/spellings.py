"""How a value may be spelled by a system that repeats it: what `masking` looks for in what comes back."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")
"""What JSON, XML and an address write as it is."""
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,10})?")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_GAP = r"[ .\-/]?"
_APART = re.compile(r"[\s.\-/]+")
_LEAST = 4  # digits: half of all counts are shorter
_LEAST_IN_GROUPS, _MOST_IN_GROUPS = 6, 64
_SAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}
"""What JSON that may stand in a page escapes."""
_QUOTES = {'"': "&quot;", "'": "&apos;"}
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "AE", "Ö": "OE", "Ü": "UE", "ß": "ss"})


def spelled(text: str) -> str:
    """
    Give a pattern of a text in the forms of other systems: escaped, in groups (`DE12 3456`), a number as money, a day as theirs.

    Upper and lower case are the caller's.
    """
    if _NUMBER.fullmatch(text):
        forms = "|".join(re.escape(form) for form in _numbers(text) if sum(map(str.isdigit, form)) >= _LEAST)
        own = _grouped(text) or re.escape(text)
        return rf"(?<![0-9])(?:{forms})(?![0-9])|{own}" if forms else own
    found = [] if _PLAIN.fullmatch(text) else [re.escape(form) for form in dict.fromkeys(_escaped(text))]
    if (day := _DAY.fullmatch(text)) is not None:
        found += map(re.escape, _days(*day.groups()))
    if not text.isascii():
        found += map(re.escape, _folded(text))
    return "|".join([_grouped(text) or re.escape(text), *found])


def _escaped(text: str) -> Iterator[str]:
    for form in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield form
        yield form.replace("/", "\\/")
        yield form.translate(_SAFE)
    yield escape(text)
    yield escape(text, _QUOTES)
    yield escape(text, {'"': "&#34;", "'": "&#39;"})
    yield escape(text, {"'": "&#x27;", '"': "&quot;"})
    yield quote(text, safe="")
    yield quote(text)
    yield quote_plus(text)
    yield repr(text)[1:-1]
    yield text.replace("'", "\\'")
    yield text.replace("'", "''")
    yield text.replace('"', '""')


def _grouped(text: str) -> str | None:
    """Give a number or a code of letters and digits with or without what parts its groups; None for other texts."""
    signs = _APART.sub("", text)
    if not _LEAST_IN_GROUPS <= len(signs) <= _MOST_IN_GROUPS or not signs.isalnum():
        return None
    return _GAP.join(signs) if any(sign.isdigit() for sign in signs) else None


def _numbers(text: str) -> Iterator[str]:
    number = abs(Decimal(text))
    yield text
    plain = f"{number.normalize():f}"
    yield plain
    whole, _, part = plain.partition(".")
    for decimals in {part, part.ljust(2, "0")} if len(part) <= 2 else {part}:
        for group, point in ((",", "."), (".", ","), ("", "."), ("", ","), (" ", ","), ("'", ".")):
            said = f"{int(whole):,}".replace(",", group) if group else whole
            yield f"{said}{point}{decimals}" if decimals else said


def _days(year: str, month: str, day: str) -> Iterator[str]:
    yield f"{year}{month}{day}"
    for mark in "./-":
        yield f"{day}{mark}{month}{mark}{year}"
        yield f"{month}{mark}{day}{mark}{year}"
        yield f"{year}{mark}{month}{mark}{day}"


def _folded(text: str) -> Iterator[str]:
    """Give a text as systems write it that have another alphabet, or took it for another."""
    apart = unicodedata.normalize("NFKD", text)
    yield apart
    yield unicodedata.normalize("NFC", text)
    yield "".join(sign for sign in apart if not unicodedata.combining(sign))
    yield text.translate(_LETTERS)
    yield text.upper()
    yield text.encode("ascii", "replace").decode()
    yield text.encode(errors="replace").decode("latin-1")
    yield text.encode(errors="replace").decode("cp1252", "replace")
