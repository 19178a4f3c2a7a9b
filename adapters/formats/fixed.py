"""Fixed width by a layout in the configuration: text whose fields stand at fixed places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, field_validator, model_validator

from ...core.batch import Reject, Row
from ...core.errors import InputError
from .compression import FormatConfig
from .format import Begun, Column, Format, IncompleteFile, Record
from .framing import Newline, blocks, known_encoding, lines, newline_bytes
from .layouts import LayoutRules, LayoutSpec, Names, compile_layouts
from .scalars import STRIPS, ColumnSpec, Parse, Print, Trim, parser, printer

_WIDE_DIGITS = 16


class FixedField(ColumnSpec):
    """One field of a fixed-width record."""

    start: int = Field(ge=1, description="Its first position; the first of a record is 1.")
    length: int = Field(ge=1, le=65535, description="How many characters it has.")
    layout: list[str] = Field(default_factory=list, description="Only in these layouts; in all of them when empty.")

    @property
    def end(self) -> int:
        return self.start - 1 + self.length

    def column(self) -> Column:
        wide = self.type == "integer" and self.length >= _WIDE_DIGITS
        return Column(self.name, "wide", scale=None) if wide else super().column()


class FixedConfig(FormatConfig):
    """Fixed width."""

    kind: Literal["fixed"] = Field(description="Fixed width by a layout.")
    encoding: str = Field("utf-8", description="Code page: utf-8, latin-1, cp037 ...")
    fields: list[FixedField] = Field(min_length=1, description="The fields. A decimal with scale has an implied point.")
    record: Literal["line", "fixed"] = Field("line", description="Records end with a newline, or have equal length.")
    length: int | None = Field(None, ge=1, description="Length of a record; the end of the last field when absent.")
    newline: Newline = Field("lf", description="End of a line.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark, where one is written.")
    trim: Trim = Field("right", description="Blanks to cut from text.")
    layouts: dict[str, LayoutRules] = Field(
        default_factory=dict, description="Which record is what (row, header, trailer): a condition over `record`."
    )

    _encoding = field_validator("encoding")(known_encoding)

    @model_validator(mode="after")
    def _fits(self) -> FixedConfig:
        newline_bytes(self.newline, self.encoding)
        names: set[tuple[str, str]] = set()
        for field in self.fields:
            for layout in field.layout or [*self.layouts, ""]:
                if (layout, field.name) in names or ("", field.name) in names:
                    raise ValueError(f"the field {field.name} stands there twice")
                names.add((layout, field.name))
            if unknown := set(field.layout) - set(self.layouts):
                raise ValueError(f"the field {field.name} names the layout {min(unknown)!r}, which layouts: has not")
        if self.length is not None and self.length < max(field.end for field in self.fields):
            raise ValueError(f"length is {self.length}, but the last field ends at {max(f.end for f in self.fields)}")
        return self

    def plain(self, base: Path) -> Format:
        return Fixed(self)


class Fixed:
    """Reads and writes fixed-width text; positions count characters."""

    is_closed = True

    def __init__(self, config: FixedConfig) -> None:
        self._config = config
        self._length = config.length or max(field.end for field in config.fields)
        self._newline = newline_bytes(config.newline, config.encoding)
        self._which = compile_layouts(config.layouts, lambda path: path in {(field.name,) for field in config.fields})
        self._read = {name: self._readers(name) for name in self._names()}
        self._write = {name: self._writers(name) for name in self._names()}

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        for number, (raw, ended) in islice(enumerate(self._records(stream), 1), start, None):
            try:
                layout, values = self._decode(raw)
            except ValueError as wrong:
                if not ended and len(raw) < self._length:
                    raise IncompleteFile(f"record {number} ends in the middle: {wrong}") from wrong
                yield Reject(number, str(wrong), raw)
            else:
                yield Record(number, layout, values, raw)

    def write(self, rows: Iterable[Row | Record], stream: BinaryIO) -> int:
        count = 0
        for count, row in enumerate(rows, 1):
            layout, values = (row.layout, row.values) if isinstance(row, Record) else (self._names()[0], row)
            try:
                stream.write(self._encode(layout, values))
            except ValueError as wrong:
                raise InputError(f"record {count}: {wrong}") from wrong
        return count

    def writing(self, stream: BinaryIO) -> Begun:
        return Begun(lambda rows: self.write(rows, stream))

    def columns(self) -> list[Column] | None:
        return self.layouts()[self._names()[0]]

    def layouts(self) -> Mapping[str, list[Column]]:
        return {name: [field.column() for field in self._fields(name)] for name in self._names()}

    def _names(self) -> list[str]:
        return sorted(self._config.layouts, key=lambda name: name != "row") or ["row"]

    def _fields(self, layout: str) -> list[FixedField]:
        return [field for field in self._config.fields if not field.layout or layout in field.layout]

    def _readers(self, layout: str) -> list[tuple[FixedField, Parse]]:
        return [(field, self._reader(field)) for field in self._fields(layout)]

    def _reader(self, field: FixedField) -> Parse:
        if field.type == "string":
            return STRIPS[self._config.trim]
        if field.column().type == "wide":
            field = field.model_copy(update={"type": "bigint"})
        return parser(field, self._config.decimal, implied_scale=field.scale is not None)

    def _writers(self, layout: str) -> dict[str, tuple[FixedField, Print]]:
        return {
            field.name: (field, printer(field, self._config.decimal, implied_scale=field.scale is not None))
            for field in self._fields(layout)
        }

    def _records(self, stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
        if self._config.record == "line":
            for raw, ended in lines(stream, self._newline):
                if raw or ended:
                    yield raw, ended
            return
        for _, raw in blocks(stream, self._length):
            yield raw, True

    def _decode(self, raw: bytes) -> tuple[str, dict[str, Any]]:
        try:
            text = raw.decode(self._config.encoding)
        except UnicodeDecodeError as wrong:
            raise ValueError(f"byte {wrong.start + 1} is not {self._config.encoding}: {wrong.reason}") from wrong
        if len(text) > self._length:
            raise ValueError(f"the record has {len(text)} characters, and its layout {self._length}")
        layout = self._which(lambda path: self._peek(text, path)) if self._which else "row"
        values = {}
        for field, parse in self._read[layout]:
            part = text[field.start - 1 : field.end]
            if len(part) < field.length and (self._config.record == "fixed" or field.type != "string" or not part):
                raise ValueError(f"{field.name}: the record ends at {len(text)}, and the field at {field.end}")
            values[field.name] = _value(field, part, parse)
        return layout, values

    def _peek(self, text: str, path: Names) -> Any:
        field = next(field for field in self._config.fields if field.name == path[0])
        part = text[field.start - 1 : field.end]
        return part.strip(" ") if field.type == "string" else _lenient(field, part, self._config.decimal)

    def _encode(self, layout: str, values: Row) -> bytes:
        if layout not in self._write:
            raise ValueError(f"there is no layout {layout!r}")
        writers = self._write[layout]
        if unknown := [name for name in values if name not in writers]:
            raise ValueError(f"there is no field {unknown[0]}")
        text = [" "] * self._length
        for name, (field, show) in writers.items():
            try:
                text[field.start - 1 : field.end] = _placed(field, values.get(name), show)
            except ValueError as wrong:
                raise ValueError(f"{name}: {wrong}") from wrong
        try:
            encoded = "".join(text).encode(self._config.encoding)
        except UnicodeEncodeError as wrong:
            raise ValueError(f"{wrong.object[wrong.start]!r} does not exist in {self._config.encoding}") from wrong
        if self._config.record == "line" and self._newline in encoded:
            raise ValueError("a text holds a newline, which would break the record")
        return encoded + (self._newline if self._config.record == "line" else b"")


def _value(field: FixedField, part: str, parse: Parse) -> Any:
    if (field.type != "string" and not part.strip(" ")) or part in field.null or part.strip(" ") in field.null:
        return None
    try:
        return parse(part)
    except ValueError as wrong:
        raise ValueError(f"{field.name}: {wrong}") from wrong


def _lenient(field: FixedField, part: str, mark: str) -> Any:
    try:
        return _value(field, part, parser(field, mark, implied_scale=field.scale is not None))
    except ValueError:
        return None


def _placed(field: FixedField, value: Any, show: Print) -> str:
    if value is None:
        return (field.null[0] if field.null else "").ljust(field.length)
    text = show(value)
    if len(text) > field.length:
        raise ValueError(f"{text!r} does not fit into {field.length} characters")
    if field.type in {"integer", "bigint", "decimal"}:
        return text.zfill(field.length)
    return text.ljust(field.length)


__all__ = ["Fixed", "FixedConfig", "FixedField", "LayoutSpec"]
