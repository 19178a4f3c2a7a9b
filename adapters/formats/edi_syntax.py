"""Segments of X12 and EDIFACT: bytes to elements and back, one segment at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from .format import IncompleteFile, WrongFile

Element = str | list[Any]
"""Text; a composite is a list of texts; a repeated element is a list of lists."""
MAX_SEGMENT_BYTES = 1024 * 1024
_CHUNK = 1 << 16
_BLANK = b" \t\r\n\x00\x1a"


@dataclass(frozen=True, slots=True)
class Separators:
    """The characters between elements, components, repetitions and segments; `release` takes away the next one's meaning."""

    element: str
    component: str
    segment: str
    repetition: str | None = None
    release: str | None = None

    @property
    def special(self) -> str:
        return "".join({self.element, self.component, self.segment, self.repetition or "", self.release or ""})


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its tag, its elements, its original bytes with their end, and where it stands (both from 1)."""

    tag: str
    elements: Sequence[Element]
    raw: bytes
    number: int
    at: int

    def __getitem__(self, position: int) -> str:
        """Give an element as text, from 1; an absent one is empty, of a composite the first component counts."""
        found: Any = self.elements[position - 1] if position <= len(self.elements) else ""
        while isinstance(found, list):
            found = found[0] if found else ""
        return str(found)

    @property
    def place(self) -> str:
        return f"segment {self.number} ({self.tag}, byte {self.at})"

    def values(self) -> dict[str, Any]:
        """Give the segment with its elements under their reference designators: BEG03 is the third of BEG."""
        return {"id": self.tag, **{f"{self.tag}{at:02}": value for at, value in enumerate(self.elements, 1)}}


class Scanner:
    """Reads segments from a stream, holding no more than one of them and a chunk."""

    def __init__(self, stream: BinaryIO, encoding: str | None) -> None:
        self._stream = stream
        self.is_told = encoding is not None
        self.encoding = encoding or "latin-1"
        self._held = b""
        self._at = 0
        self._gone = 0
        self._number = 0

    @property
    def place(self) -> str:
        return f"byte {self._gone + self._at + 1}"

    def peek(self, size: int) -> bytes:
        """Give the next bytes behind blanks without taking them; fewer at the end."""
        while True:
            while self._at < len(self._held) and self._held[self._at] in _BLANK:
                self._at += 1
            if len(self._held) - self._at >= size or not self._more():
                return self._held[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        found = self.peek(size)
        self._at += len(found)
        return found

    def segment(self, separators: Separators) -> Segment | None:
        """Give the next segment; None at the end of the file. Raises IncompleteFile for one without its end."""
        if not self.peek(1):
            return None
        begins = self._gone + self._at + 1
        end = self._find(separators)
        raw = self._held[self._at : end]
        self._at = end
        self._number += 1
        try:
            text = raw[: -len(separators.segment.encode(self.encoding))].decode(self.encoding)
        except UnicodeDecodeError as wrong:
            raise WrongFile(
                f"segment {self._number} (byte {begins + wrong.start}): {wrong.reason} in {self.encoding}"
            ) from wrong
        tag, elements = split(text, separators)
        return Segment(tag, elements, raw, self._number, begins)

    def _find(self, separators: Separators) -> int:
        """Give where the segment at hand ends, its terminator included."""
        terminator = separators.segment.encode(self.encoding)
        release = separators.release.encode(self.encoding) if separators.release else None
        searched = self._at
        while True:
            found = self._held.find(terminator, searched)
            while found >= 0 and release is not None and self._is_released(found, release):
                found = self._held.find(terminator, found + 1)
            if found >= 0:
                return found + len(terminator)
            if len(self._held) - self._at > MAX_SEGMENT_BYTES:
                raise WrongFile(f"{self.place}: a segment is longer than {MAX_SEGMENT_BYTES} bytes")
            before = self._at
            if not self._more():
                raise IncompleteFile(f"segment {self._number + 1} at {self.place} has no end yet")
            searched = max(searched - before, 0)

    def _is_released(self, at: int, release: bytes) -> bool:
        before = at
        while before > self._at and self._held[before - 1 : before] == release:
            before -= 1
        return (at - before) % 2 == 1

    def _more(self) -> bool:
        chunk = self._stream.read(_CHUNK)
        self._gone += self._at
        self._held = self._held[self._at :] + chunk
        self._at = 0
        return bool(chunk)


def split(text: str, separators: Separators) -> tuple[str, list[Element]]:
    tag, *elements = _parts(text, separators.element, separators.release)
    if tag == "ISA":  # it names the separators, which separate nothing there
        return tag, list(elements)
    return tag.strip(), [_element(element, separators) for element in elements]


def _element(text: str, separators: Separators) -> Element:
    if separators.repetition and separators.repetition in text:
        several = _parts(text, separators.repetition, separators.release)
        if len(several) > 1:
            return [[_plain(part, separators) for part in _components(one, separators)] for one in several]
    components = _components(text, separators)
    return _plain(text, separators) if len(components) == 1 else [_plain(part, separators) for part in components]


def _components(text: str, separators: Separators) -> list[str]:
    return _parts(text, separators.component, separators.release)


def _parts(text: str, separator: str, release: str | None) -> list[str]:
    if release is None or release not in text:
        return text.split(separator)
    e, s = re.escape(release), re.escape(separator)
    return re.findall(rf"(?:^|{s})((?:{e}(?s:.)|[^{e}{s}])*)", text)


def _plain(text: str, separators: Separators) -> str:
    if separators.release is None or separators.release not in text:
        return text
    return re.sub(rf"{re.escape(separators.release)}((?s:.))", r"\1", text)


def joined(values: Mapping[str, Any], separators: Separators) -> str:
    """Give the text of a segment without its end; ValueError names the element that cannot be written."""
    tag = str(values.get("id", ""))
    if not re.fullmatch(r"[A-Z][A-Z0-9]{1,2}", tag):
        raise ValueError(f"a segment needs its id, two or three characters; found {tag!r}")
    elements: dict[int, str] = {}
    for name, value in values.items():
        if name == "id":
            continue
        if not name.startswith(tag) or not name[len(tag) :].isdigit() or not int(name[len(tag) :]):
            raise ValueError(f"{name} is no element of {tag}; they are called {tag}01, {tag}02 ...")
        try:
            elements[int(name[len(tag) :])] = _shown(value, separators)
        except ValueError as wrong:
            raise ValueError(f"{name}: {wrong}") from None
    return separators.element.join([tag, *(elements.get(at, "") for at in range(1, max(elements, default=0) + 1))])


def _shown(value: Any, separators: Separators) -> str:
    if isinstance(value, (list, tuple)):
        if any(isinstance(part, (list, tuple)) for part in value):
            if separators.repetition is None:
                raise ValueError("it is repeated, and there is no repetition separator")
            return separators.repetition.join(_shown(part, separators) for part in value)
        return separators.component.join(_released(part, separators) for part in value)
    return _released(value, separators)


def _released(value: Any, separators: Separators) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, float, dict)):
        raise ValueError(f"{value!r} has no form as text here")
    text = f"{value:f}" if not isinstance(value, (str, int)) and hasattr(value, "as_tuple") else str(value)
    if not any(char in text for char in separators.special):
        return text
    if separators.release is None:
        raise ValueError(f"{text!r} holds a separator, which X12 cannot write")
    return "".join(separators.release + char if char in separators.special else char for char in text)
