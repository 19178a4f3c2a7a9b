"""Interchange, group, message: what stands around the segments of X12 and EDIFACT, with its numbers and counts checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .edi_syntax import Scanner, Segment, Separators
from .format import IncompleteFile, WrongFile

MAX_MESSAGE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """Header and trailer of one level: the header's control element, and what the trailer's elements repeat."""

    name: str
    opens: str
    closes: str
    control: int
    count: int = 1
    echo: int = 2


@dataclass(frozen=True, slots=True)
class Dialect:
    """The three levels of a syntax, and how an interchange begins."""

    name: str
    interchange: Pair
    group: Pair
    message: Pair
    group_needed: bool
    begin: Callable[[Scanner], Separators | None]
    opening: Callable[[Segment], list[str]]
    """What is wrong with the first segment of an interchange, beyond its numbers."""


@dataclass(slots=True)
class Message:
    """One transaction set or message with all of its segments, header and trailer included."""

    interchange: Segment
    group: Segment | None
    segments: list[Segment]
    separators: Separators
    faults: list[tuple[str, str]] = field(default_factory=list)
    """What is wrong: a word for the acknowledgement (count, control, duplicate), and a sentence."""

    @property
    def head(self) -> Segment:
        return self.segments[0]

    @property
    def raw(self) -> bytes:
        return b"".join(segment.raw for segment in self.segments)


@dataclass(slots=True)
class End:
    """A group or an interchange is over: its header, how many it had, and what is wrong with it as a whole."""

    pair: Pair
    head: Segment
    count: int
    said: str
    faults: list[tuple[str, str]]


@dataclass(slots=True)
class Service:
    """A segment between the envelopes that answers another interchange (TA1)."""

    interchange: Segment
    segment: Segment


_NOTHING = Segment("", (), b"", 0, 0)


class Walk:
    """
    Walks through the envelopes of a stream. Order of segments is always checked; numbers and counts become faults.

    `lenient`: the last interchange may end without its trailer.
    """

    def __init__(self, scanner: Scanner, dialect: Dialect, *, lenient: bool = False) -> None:
        self._scanner = scanner
        self._dialect = dialect
        self._lenient = lenient
        self._separators = Separators("", "", "")

    def __iter__(self) -> Iterator[Message | End | Service]:
        dialect = self._dialect
        while self._scanner.peek(1):
            separators = dialect.begin(self._scanner)
            if separators is None:
                raise WrongFile(f"{self._scanner.place}: {dialect.interchange.opens} is expected here")
            self._separators = separators
            yield from self._interchange(self._next("the interchange"))

    def _interchange(self, head: Segment) -> Iterator[Message | End | Service]:
        dialect, pair = self._dialect, self._dialect.interchange
        faults = [("opening", said) for said in dialect.opening(head)]
        groups = messages = 0
        while (segment := self._next(f"interchange {head[pair.control]}")).tag != pair.closes:
            if segment is _NOTHING:
                return
            if segment.tag == dialect.group.opens:
                groups += 1
                yield from self._group(head, segment)
            elif segment.tag == dialect.message.opens and not dialect.group_needed:
                messages += 1
                yield self._message(head, None, segment, set())
            elif segment.tag == "TA1" and dialect.name == "X12":
                yield Service(head, segment)
            else:
                raise WrongFile(f"{segment.place} stands in no {dialect.message.name}")
        yield self._end(pair, head, groups or messages, segment, faults)

    def _group(self, interchange: Segment, head: Segment) -> Iterator[Message | End]:
        pair, inner = self._dialect.group, self._dialect.message
        seen: set[str] = set()
        count = 0
        while (segment := self._next(f"group {head[pair.control]}")).tag != pair.closes:
            if segment.tag != inner.opens:
                raise WrongFile(f"{segment.place} stands in no {inner.name}")
            count += 1
            yield self._message(interchange, head, segment, seen)
        yield self._end(pair, head, count, segment, [])

    def _message(self, interchange: Segment, group: Segment | None, head: Segment, seen: set[str]) -> Message:
        pair = self._dialect.message
        others = {p.opens for p in (self._dialect.interchange, self._dialect.group, pair)}
        others |= {p.closes for p in (self._dialect.interchange, self._dialect.group)}
        message = Message(interchange, group, [head], self._separators)
        size = len(head.raw)
        while (segment := self._next(f"{pair.name} {head[pair.control]}")).tag != pair.closes:
            if segment.tag in others:
                raise WrongFile(f"{segment.place}: {pair.name} {head[pair.control]} has no {pair.closes} before it")
            message.segments.append(segment)
            size += len(segment.raw)
            if size > MAX_MESSAGE_BYTES:
                raise WrongFile(
                    f"{head.place}: {pair.name} {head[pair.control]} is larger than {MAX_MESSAGE_BYTES} bytes"
                )
        message.segments.append(segment)
        message.faults += _numbers(pair, head, segment, len(message.segments), "segments")
        if head[pair.control] in seen:
            message.faults.append(
                ("duplicate", f"{pair.name} {head[pair.control]} is there a second time in its group")
            )
        seen.add(head[pair.control])
        return message

    def _end(self, pair: Pair, head: Segment, count: int, tail: Segment, faults: list[tuple[str, str]]) -> End:
        what = "groups or messages" if pair is self._dialect.interchange else f"{self._dialect.message.name}s"
        return End(pair, head, count, tail[pair.count], [*faults, *_numbers(pair, head, tail, count, what)])

    def _next(self, where: str) -> Segment:
        segment = self._scanner.segment(self._separators)
        if segment is None and self._lenient and where.startswith("interchange"):
            return _NOTHING
        if segment is None:
            raise IncompleteFile(f"the file ends inside {where}")
        return segment


def _numbers(pair: Pair, head: Segment, tail: Segment, count: int, what: str) -> list[tuple[str, str]]:
    """Compare what the trailer says with the header and with what was there."""
    faults = []
    who = f"{pair.name} {head[pair.control]}"
    if not tail[pair.count].isdigit() or int(tail[pair.count]) != count:
        faults.append(
            ("count", f"{who}: {pair.closes}{pair.count:02} says {tail[pair.count]}, and it has {count} {what}")
        )
    if tail[pair.echo] != head[pair.control]:
        said = f"{who}: {pair.closes}{pair.echo:02} is {tail[pair.echo]!r}, and {pair.opens}{pair.control:02} {head[pair.control]!r}"
        faults.append(("control", said))
    return faults


def values_of(segment: Segment | None) -> dict[str, Any]:
    return segment.values() if segment is not None else {}
