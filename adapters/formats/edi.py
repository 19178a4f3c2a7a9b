"""What X12 and EDIFACT share as formats: records out of messages, messages out of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from pydantic import Field, model_validator

from ...core.batch import Reject, Row
from ...core.errors import InputError
from .compression import FormatConfig
from .edi_envelopes import Dialect, End, Message, Pair, Service, Walk, values_of
from .edi_records import EdiColumns, Elements, LoopSpec, Part, arrange, flat, loop_names
from .edi_syntax import Scanner, Separators, joined
from .format import Begun, Column, Record, Whole, WrongFile


class EdiConfig(FormatConfig):
    """What both say."""

    record: str | None = Field(
        None, description="A loop that gives one record each; without it a record is a whole message."
    )
    loops: dict[str, LoopSpec] = Field(default_factory=dict, description="Groups of segments that repeat, by name.")
    columns: EdiColumns = Field(
        default_factory=list, description="Elements that stand in a record under a name of their own, with a type."
    )
    checks: Literal["strict", "lenient"] = Field(
        "strict",
        description="Whether control numbers and counts that differ make a message a reject and a file wrong, or pass.",
    )
    newline: Literal["lf", "crlf", "none"] = Field("lf", description="What stands behind each segment that is written.")

    @model_validator(mode="after")
    def _fits(self) -> EdiConfig:
        names = loop_names(self.loops)
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two loops are called {min(twice)}")
        if self.record is not None and self.record not in names:
            raise ValueError(f"record: there is no loop {self.record!r} under loops")
        taken = {"interchange", "group", "message", "segments", "loops", "after", "within"}
        if clash := taken & {column.name for column in self.columns}:
            raise ValueError(f"a column cannot be called {min(clash)}: records have a part of that name")
        return self


class Edi(Whole):
    """Reads and writes interchanges. Of a syntax it knows its dialect, its separators and how a header is filled up."""

    is_closed = False
    beside = ("answer",)
    """Layouts that records may have which are not described."""

    def __init__(self, config: EdiConfig, dialect: Dialect, encoding: str | None, writer: EdiWriter) -> None:
        self._config = config
        self._dialect = dialect
        self._encoding = encoding
        self._elements = Elements(config.columns)
        self._writer = writer

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        strict = self._config.checks == "strict"
        number = 0
        for found in Walk(Scanner(stream, self._encoding), self._dialect, lenient=not strict):
            if isinstance(found, End):
                if strict and found.faults:
                    raise WrongFile("; ".join(said for _, said in found.faults))
                continue
            for record in self._records(found, number, strict=strict):
                number = record.record_no
                if number > start:
                    yield record

    def writing(self, stream: BinaryIO) -> Begun:
        return self._writer.begin(stream)

    def columns(self) -> list[Column] | None:
        return None

    def layouts(self) -> Mapping[str, list[Column]]:
        return {}

    def walk(self, stream: BinaryIO) -> Walk:
        return Walk(Scanner(stream, self._encoding), self._dialect)

    def _records(self, found: Message | Service, number: int, *, strict: bool) -> Iterator[Record | Reject]:
        if isinstance(found, Service):
            values = {"interchange": values_of(found.interchange), "segments": [found.segment.values()]}
            yield Record(number + 1, "answer", values, found.segment.raw)
            return
        if strict and found.faults:
            yield Reject(number + 1, "; ".join(said for _, said in found.faults), found.raw)
            return
        root, parts = arrange(found.segments[1:-1], self._config.loops)
        envelope = {
            "interchange": values_of(found.interchange),
            "group": values_of(found.group),
            "message": values_of(found.head),
        }
        wanted = [(root, [])] if self._config.record is None else [p for p in parts if p[0].name == self._config.record]
        for at, (part, around) in enumerate(wanted, number + 1):
            yield self._record(at, found, envelope, part, around)

    def _record(
        self, number: int, message: Message, envelope: dict[str, Any], part: Part, around: Sequence[Part]
    ) -> Record | Reject:
        raw = message.raw if self._config.record is None else b"".join(segment.raw for segment in part.every())
        within = {outer.name or "message": {"segments": [s.values() for s in outer.segments]} for outer in around}
        seen = [*part.every(), *(s for outer in reversed(around) for s in outer.segments)]
        seen += [s for s in (message.head, message.group, message.interchange) if s is not None]
        try:
            columns = self._elements.values(seen)
        except ValueError as wrong:
            return Reject(number, str(wrong), raw)
        return Record(
            number, "row", {**columns, **envelope, **({"within": within} if around else {}), **part.values()}, raw
        )


@dataclass(frozen=True, slots=True)
class EdiWriter:
    """Rows to interchanges: rows that follow each other with the same interchange and group stand in one."""

    dialect: Dialect
    separators: Separators
    encoding: str
    newline: str
    prefix: Callable[[], str]
    """What stands before an interchange (UNA)."""
    interchange: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Fill up the header of an interchange; ValueError says what is missing."""
    group: Callable[[Mapping[str, Any], dict[str, Any], int], dict[str, Any] | None]
    message: Callable[[Mapping[str, Any], int], dict[str, Any]]
    header: Callable[[dict[str, Any]], str] | None = None
    """Write the interchange's header, where it is no segment like others (ISA)."""

    def begin(self, stream: BinaryIO) -> Begun:
        open_ = _Open(self)

        def more(rows: Iterable[Row | Record]) -> int:
            count = 0
            kept = open_.copy()
            for count, row in enumerate(rows, 1):
                try:
                    text = open_.put(row.values if isinstance(row, Record) else row)
                    stream.write(text.encode(self.encoding))
                except UnicodeEncodeError as wrong:
                    open_.restore(kept)
                    raise InputError(
                        f"record {count}: {wrong.object[wrong.start]!r} does not exist in {self.encoding}"
                    ) from wrong
                except ValueError as wrong:
                    open_.restore(kept)
                    raise InputError(f"record {count}: {wrong}") from wrong
            return count

        return Begun(more, lambda: _written(stream, open_.end().encode(self.encoding)))

    def line(self, values: Mapping[str, Any]) -> str:
        return joined(values, self.separators) + self.separators.segment + self.newline


def _written(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)


class _Open:
    """The envelopes that are open while rows are written, and how much is in them."""

    def __init__(self, writer: EdiWriter) -> None:
        self._writer = writer
        self._heads: dict[str, dict[str, Any]] = {}
        self._counts = {"interchange": 0, "group": 0}

    def copy(self) -> tuple[dict[str, Any], dict[str, int]]:
        return dict(self._heads), dict(self._counts)

    def restore(self, kept: tuple[dict[str, Any], dict[str, int]]) -> None:
        self._heads, self._counts = dict(kept[0]), dict(kept[1])

    def put(self, row: Mapping[str, Any]) -> str:
        writer, text = self._writer, ""
        if "within" in row:
            raise ValueError("it is one loop of a message; only whole messages are written")
        interchange = writer.interchange(row.get("interchange") or {})
        if self._heads.get("interchange") != interchange:
            text += self.end()
            self._heads["interchange"] = interchange
            text += writer.prefix() + (
                writer.header(interchange) + writer.newline if writer.header else writer.line(interchange)
            )
        at = self._counts["interchange"] + ("group" not in self._heads)
        group = writer.group(row.get("group") or {}, dict(row.get("message") or {}), at)
        if group != self._heads.get("group"):
            text += self._close("group", writer.dialect.group)
            if group is not None:
                self._heads["group"] = group
                text += writer.line(group)
                self._counts["interchange"] += 1
        inner = "group" if group is not None else "interchange"
        self._counts[inner] += 1
        head = writer.message(row.get("message") or {}, self._counts[inner])
        lines = [head, *flat(row)]
        if len(lines) == 1:
            raise ValueError("it has no segments")
        pair = writer.dialect.message
        tail = self._tail(pair, head, len(lines) + 1)
        return text + "".join(writer.line(line) for line in [*lines, tail])

    def end(self) -> str:
        dialect = self._writer.dialect
        return self._close("group", dialect.group) + self._close("interchange", dialect.interchange)

    def _close(self, level: str, pair: Pair) -> str:
        head = self._heads.pop(level, None)
        count, self._counts[level] = self._counts[level], 0
        return self._writer.line(self._tail(pair, head, count)) if head is not None else ""

    def _tail(self, pair: Pair, head: Mapping[str, Any], count: int) -> dict[str, Any]:
        return {
            "id": pair.closes,
            f"{pair.closes}{pair.count:02}": str(count),
            f"{pair.closes}{pair.echo:02}": head[f"{pair.opens}{pair.control:02}"],
        }
