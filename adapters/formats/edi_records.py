"""Messages of X12 and EDIFACT as records: whole, or one for each occurrence of a loop; and single elements as columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from ...core.strict import Strict
from .edi_syntax import Element, Segment
from .format import Column as Described
from .scalars import ColumnSpec, named_columns, parser

_DESIGNATOR = re.compile(r"([A-Z][A-Z0-9]{1,2})(\d\d)(?:-(\d{1,2}))?")


def _text(given: Any) -> Any:
    return {name: str(value) for name, value in given.items()} if isinstance(given, Mapping) else given


Where = Annotated[dict[str, str], BeforeValidator(_text)]


class LoopSpec(Strict):
    """A group of segments that repeats."""

    starts: str = Field(pattern="^[A-Z][A-Z0-9]{1,2}$", description="The segment that begins it: HL, CLM, LIN ...")
    where: Where = Field(
        default_factory=dict, description="What elements of that segment must hold: {HL03: '20'}; all of them."
    )
    ends: list[str] = Field(
        default_factory=list, description="Segments that stand behind its last occurrence, in the loop around it."
    )
    loops: dict[str, LoopSpec] = Field(default_factory=dict, description="Loops inside of it, by name.")

    @field_validator("where")
    @classmethod
    def _designators(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            designator(name)
        return given

    def begins(self, segment: Segment) -> bool:
        return segment.tag == self.starts and all(_at(segment, name) == value for name, value in self.where.items())


class EdiColumn(ColumnSpec):
    """One element as a column of its own."""

    at: str = Field(description="Reference designator: BEG03, N104, SVC01-2 for a component.")
    where: Where = Field(default_factory=dict, description="What other elements of the segment must hold: {N101: BY}.")

    @field_validator("at")
    @classmethod
    def _designator(cls, given: str) -> str:
        designator(given)
        return given


EdiColumns = Annotated[list[EdiColumn], BeforeValidator(named_columns)]


def designator(name: str) -> tuple[str, int, int]:
    """Read a reference designator: segment, element, component (from 1)."""
    found = _DESIGNATOR.fullmatch(name)
    if found is None or not int(found[2]):
        raise ValueError(f"{name!r} names no element; BEG03 is the third of BEG, SVC01-2 a component")
    return found[1], int(found[2]), int(found[3] or 1)


@dataclass(slots=True)
class Part:
    """Segments of one occurrence of a loop: before its inner loops, those, and behind them."""

    name: str
    segments: list[Segment] = field(default_factory=list)
    loops: list[Part] = field(default_factory=list)
    after: list[Segment] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = {"segments": [segment.values() for segment in self.segments]}
        if self.loops:
            values["loops"] = [{"loop": part.name, **part.values()} for part in self.loops]
        if self.after:
            values["after"] = [segment.values() for segment in self.after]
        return values

    def every(self) -> Iterator[Segment]:
        yield from self.segments
        for part in self.loops:
            yield from part.every()
        yield from self.after


def arrange(segments: Iterable[Segment], loops: Mapping[str, LoopSpec]) -> tuple[Part, list[tuple[Part, list[Part]]]]:
    """Put segments into their loops; give the outermost part, and every part with those around it, in order."""
    root = Part("")
    found: list[tuple[Part, list[Part]]] = [(root, [])]
    open_: list[tuple[Part, Mapping[str, LoopSpec], LoopSpec | None]] = [(root, loops, None)]
    for segment in segments:
        depth = _place(open_, segment)
        if depth is None:
            while len(open_) > 1 and (spec := open_[-1][2]) is not None and segment.tag in spec.ends:
                open_.pop()
            part = open_[-1][0]
            (part.after if part.loops else part.segments).append(segment)
            continue
        level, name, spec = depth
        del open_[level + 1 :]
        part = Part(name, [segment])
        open_[-1][0].loops.append(part)
        found.append((part, [outer for outer, _, _ in open_]))
        open_.append((part, spec.loops, spec))
    return root, found


def _place(
    open_: Sequence[tuple[Part, Mapping[str, LoopSpec], LoopSpec | None]], segment: Segment
) -> tuple[int, str, LoopSpec] | None:
    """Find the loop that a segment begins, the innermost first."""
    for level in range(len(open_) - 1, -1, -1):
        for name, spec in open_[level][1].items():
            if spec.begins(segment):
                return level, name, spec
    return None


def loop_names(loops: Mapping[str, LoopSpec]) -> list[str]:
    return [found for name, spec in loops.items() for found in (name, *loop_names(spec.loops))]


class Elements:
    """Reads the columns of a record."""

    def __init__(self, columns: Sequence[EdiColumn]) -> None:
        self._columns = [(spec, parser(spec, "."), designator(spec.at)) for spec in columns]

    def values(self, segments: Sequence[Segment]) -> dict[str, Any]:
        """Take each column from the first segment that fits; ValueError names the column and the segment."""
        values: dict[str, Any] = {}
        for spec, parse, (tag, _, _) in self._columns:
            fits = (
                segment
                for segment in segments
                if segment.tag == tag and all(_at(segment, name) == held for name, held in spec.where.items())
            )
            found = next(fits, None)
            text = _at(found, spec.at) if found is not None else ""
            if not text.strip() or text in spec.null or found is None:
                values[spec.name] = None
                continue
            try:
                values[spec.name] = parse(text if spec.type == "string" else text.strip())
            except ValueError as wrong:
                raise ValueError(f"{spec.name}: {wrong} ({spec.at}, {found.place})") from wrong
        return values

    def described(self) -> list[Described]:
        return [spec.column() for spec, _, _ in self._columns]


def _at(segment: Segment, name: str) -> str:
    tag, position, component = designator(name)
    if segment.tag != tag or position > len(segment.elements):
        return ""
    element: Element = segment.elements[position - 1]
    if isinstance(element, list) and element and isinstance(element[0], list):
        element = element[0]
    parts = element if isinstance(element, list) else [element]
    return str(parts[component - 1]) if component <= len(parts) else ""


def flat(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the segments of a record that is written, those of its loops in order among them."""
    yield from values.get("segments") or ()
    for part in values.get("loops") or ():
        yield from flat(part)
    yield from values.get("after") or ()
