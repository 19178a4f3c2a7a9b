"""CSV and its dialects (RFC 4180 and what is found beside it), with NULL apart from empty text."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, field_validator, model_validator

from ...core.batch import Columns as Batched
from ...core.batch import Reject, Row
from ...core.errors import InputError
from .compression import FormatConfig
from .format import Begun, Column, Format, IncompleteFile, Record, Whole, WrongFile
from .framing import Newline, known_encoding, lines, newline_bytes
from .scalars import Columns, ColumnSpec, Parse, Print, in_sql, parser, printer

Cell = tuple[str, bool]
"""The text of a field, and whether it was quoted."""


class CsvConfig(FormatConfig):
    """CSV and its dialects."""

    kind: Literal["csv"] = Field(description="Text with a delimiter.")
    delimiter: str = Field(",", min_length=1, max_length=1, description="What stands between two fields.")
    quote: str | None = Field('"', min_length=1, max_length=1, description="Quote character; null for none.")
    escape: str | None = Field(None, min_length=1, max_length=1, description="Takes the next character as it is.")
    encoding: str = Field("utf-8", description="Encoding: utf-8, utf-8-sig, latin-1, cp1252, cp037 ...")
    header: bool = Field(True, description="The first record names the columns.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark of numbers.")
    null: str = Field(
        "",
        description="Unquoted text that means NULL. By default an empty field is NULL and a quoted empty one is text.",
    )
    datetimes: Literal["iso", "sql"] = Field(
        "iso",
        description="How date-times without a pattern of their own are written: 2026-01-02T03:04:05, or 2026-01-02 03:04:05 "
        "as databases do. Both are read.",
    )
    newline: Newline = Field("lf", description="End of a record when writing; lf and crlf are both read.")
    skip_footer: int = Field(
        0, ge=0, le=1000, description="Last records that are no rows; totals see them as `trailer.fields`."
    )
    columns: Columns = Field(default_factory=list, description="Names and types; a column not listed is text.")
    max_record_bytes: int = Field(1024 * 1024, ge=64, description="A longer record makes the file wrong.")

    _encoding = field_validator("encoding")(known_encoding)

    @model_validator(mode="after")
    def _fits(self) -> CsvConfig:
        if len(newline_bytes("lf", _bare(self.encoding))) != 1:
            raise ValueError(f"{self.encoding} has more than one byte for a newline; convert the file to utf-8")
        if len({self.delimiter, self.quote, self.escape} - {None}) < 1 + (self.quote is not None) + (
            self.escape is not None and self.escape != self.quote
        ):
            raise ValueError("delimiter, quote and escape must be different characters")
        if not self.header and not self.columns:
            raise ValueError("a file without header needs columns:, in their order")
        names = [spec.name for spec in self.columns]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the column {min(twice)} stands there twice")
        newline_bytes(self.newline, _bare(self.encoding))
        return self

    def plain(self, base: Path) -> Format:
        return Csv(self)


class Csv(Whole):
    """Reads and writes delimited text; a record keeps its original bytes, quoted newlines included."""

    def __init__(self, config: CsvConfig) -> None:
        self._config = config
        self.is_closed = not config.header
        self._encoding = _bare(config.encoding)
        self._cells = _Cells(
            config.delimiter, config.quote, None if config.escape == config.quote else config.escape, config.null
        )
        self._specs = {spec.name: spec for spec in config.columns}
        # Where EBCDIC has its end of a line.
        self._next_line = None if is_utf8(config) and config.newline != "nl" else "\x85"

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        records = self._records(stream)
        specs = self._header(records) if self._config.header else list(self._config.columns)
        if specs is None:
            return
        decode = self._decoder(specs)
        held: deque[_Raw] = deque()
        count = 0
        for record in records:
            if not record.raw and len(specs) > 1:
                continue
            count += 1
            held.append(record)
            if len(held) > self._config.skip_footer:
                first = held.popleft()
                if (number := count - self._config.skip_footer) > start:
                    yield self._row(number, first, decode, len(specs))
        for number, record in enumerate(held, count - len(held) + 1):
            if number > start:
                yield Record(number, "trailer", {"fields": _texts(record)}, record.raw)

    def header_of(self, stream: BinaryIO) -> list[ColumnSpec] | None:
        """Read the header alone; None when the file is empty or has none."""
        return self._header(self._records(stream)) if self._config.header else None

    def writing(self, stream: BinaryIO) -> Begun:
        stream.write("".encode(self._config.encoding))
        names: list[str] = []
        prints: list[Print] = []

        def begin(found: Iterable[str]) -> None:
            names.extend(found)
            prints.extend(self._printer(self._specs.get(name, ColumnSpec(name=name))) for name in names)
            stream.write(self.header_line(names))

        def more(rows: Iterable[Row | Record]) -> int:
            count, fresh = 0, not names
            for count, row in enumerate(rows, 1):
                if not names:
                    begin(_values(row))
                try:
                    stream.write(self._line(self._shown(_values(row), names, prints)))
                except ValueError as wrong:
                    if fresh:  # the header goes away with what this call wrote
                        names.clear()
                        prints.clear()
                    raise InputError(f"record {count}: {wrong}") from wrong
            return count

        def columns(rows: Batched) -> bool:
            fresh, kept = not names, stream.tell()
            if fresh:
                begin(rows.names)
            found = None if list(rows.names) != names else self._printed(rows, names, prints)
            if found is None:
                if fresh:
                    names.clear()
                    prints.clear()
                    stream.seek(kept)
                    stream.truncate()
                return False
            stream.write(found)
            return True

        if self._config.columns:
            begin(spec.name for spec in self._config.columns)
        return Begun(more, columns=columns)

    def header_line(self, names: Iterable[str]) -> bytes:
        """Give what a file begins with."""
        return self._line([self._quoted(name) for name in names]) if self._config.header else b""

    def _printer(self, spec: ColumnSpec) -> Print:
        show = printer(spec, self._config.decimal)
        if self._config.datetimes == "iso" or spec.date is not None or spec.type not in {"string", "datetime"}:
            return show
        return lambda value: in_sql(value) if isinstance(value, datetime) else show(value)

    def _printed(self, rows: Batched, names: list[str], prints: list[Print]) -> memoryview | None:
        """Print a batch by column; None for a dialect, or a value, that the way of rows knows alone."""
        config = self._config
        if not len(rows) or self._next_line or self._cells.escape is not None or config.decimal != ".":
            return None
        from .csv_columns import ColumnPrinter

        newline = newline_bytes(config.newline, self._encoding).decode()
        printer = ColumnPrinter.of(config.delimiter, config.quote, config.null, newline, sql=config.datetimes == "sql")
        specs = [self._specs.get(name, ColumnSpec(name=name)) for name in names]
        return None if printer is None else printer.lines(rows, list(zip(specs, prints, strict=True)))

    def columns(self) -> list[Column] | None:
        return [spec.column() for spec in self._config.columns] or None

    def layouts(self) -> Mapping[str, list[Column]]:
        trailer = [Column("fields", "array", of=(Column("field", "string"),))]
        return {"trailer": trailer} if self._config.skip_footer else {}

    def _records(self, stream: BinaryIO) -> Iterator[_Raw]:
        """Put lines together to records: a quoted field may hold newlines."""
        config = self._config
        newline = newline_bytes("lf" if config.newline == "crlf" else config.newline, self._encoding)
        quote = (config.quote or "").encode(self._encoding)
        raw, number = b"", 0
        for line, ended in lines(stream, newline, config.max_record_bytes):
            joined = raw + newline + line if raw else line
            if len(joined) > config.max_record_bytes:
                raise WrongFile(f"record {number + 1} is longer than {config.max_record_bytes} bytes: is a quote open?")
            if raw and quote not in line and ended:
                raw = joined
                continue
            record = self._split(joined, ended)
            if record.open:
                if not ended:
                    raise IncompleteFile(f"record {number + 1} ends inside a quoted field")
                raw = joined
                continue
            raw = b""
            number += 1
            yield record
        if raw:
            raise IncompleteFile(f"record {number + 1} ends inside a quoted field")

    def _split(self, raw: bytes, ended: bool) -> _Raw:
        carriage_return = "\r".encode(self._encoding)
        try:
            text = raw.decode(self._encoding).removeprefix("\ufeff")
            cells = self._cells.split(text.removesuffix("\r"))
        except UnicodeDecodeError as wrong:
            reason = f"byte {wrong.start + 1} is not {self._encoding}: {wrong.reason}"
            return _Raw(raw.removesuffix(carriage_return), None, reason, ended)
        except ValueError as wrong:
            return _Raw(raw.removesuffix(carriage_return), None, str(wrong), ended)
        return _Raw(raw if cells is None else raw.removesuffix(carriage_return), cells, "", ended, open=cells is None)

    def _header(self, records: Iterator[_Raw]) -> list[ColumnSpec] | None:
        first = next((record for record in records if record.raw), None)
        if first is None:
            return None
        if first.cells is None:
            raise WrongFile(f"the header cannot be read: {first.reason}")
        if any("\r" in text and not quoted for text, quoted in first.cells):  # all of the file would be a header
            raise WrongFile("the header goes on behind a CR: say newline: cr where CR alone ends a record")
        names = [text.strip() for text, _ in first.cells]
        if twice := {name for name in names if names.count(name) > 1}:
            raise WrongFile(f"the header names the column {min(twice)!r} twice")
        if missing := [name for name in self._specs if name not in names]:
            raise WrongFile(f"the header has no column {missing[0]!r}; it has {', '.join(names)[:500]}")
        if not all(names):
            raise WrongFile("the header has a column without a name")
        return [self._specs.get(name) or ColumnSpec(name=name) for name in names]

    def _decoder(self, specs: list[ColumnSpec]) -> list[tuple[str, Parse | None, frozenset[str], bool]]:
        return [
            (
                spec.name,
                None if spec.type == "string" else parser(spec, self._config.decimal),
                frozenset(spec.null),
                spec.type != "string",
            )
            for spec in specs
        ]

    def _row(self, number: int, record: _Raw, decode: list[Any], width: int) -> Record | Reject:
        if record.cells is None:
            return Reject(number, record.reason, record.raw)
        if len(record.cells) != width:
            said = f"the record has {len(record.cells)} fields, and the file {width} columns"
            if not record.ended and len(record.cells) < width:
                raise IncompleteFile(f"record {number} ends in the middle: {said}")
            return Reject(number, said, record.raw)
        null = self._config.null
        values: dict[str, Any] = {}
        for (name, parse, nulls, typed), (text, quoted) in zip(decode, record.cells, strict=True):
            if (not quoted and (text == null or (typed and not text))) or text in nulls:
                values[name] = None
            elif parse is None:
                values[name] = text
            else:
                try:
                    values[name] = parse(text)
                except ValueError as wrong:
                    return Reject(number, f"{name}: {wrong}", record.raw)
        return Record(number, "row", values, record.raw)

    def _shown(self, values: Row, names: list[str], prints: list[Print]) -> Iterator[str]:
        if len(values) > len(names) or any(name not in names for name in values):
            raise ValueError(f"there is no column {next(name for name in values if name not in names)}")
        for name, show in zip(names, prints, strict=True):
            value = values.get(name)
            try:
                yield self._config.null if value is None else self._quoted(show(value))
            except ValueError as wrong:
                raise ValueError(f"{name}: {wrong}") from wrong

    def _quoted(self, text: str) -> str:
        quote, escape = self._config.quote, self._cells.escape
        special = {self._config.delimiter, quote, escape, "\n", "\r", self._next_line} - {None}
        if text != self._config.null and not any(char in text for char in special if char):
            return text
        if quote is None:
            raise ValueError(f"{text!r} needs quotes, and the format has none")
        if escape:
            text = text.replace(escape, escape * 2).replace(quote, escape + quote)
        else:
            text = text.replace(quote, quote * 2)
        return f"{quote}{text}{quote}"

    def _line(self, cells: Iterable[str]) -> bytes:
        text = self._config.delimiter.join(cells)
        try:
            return text.encode(self._encoding) + newline_bytes(self._config.newline, self._encoding)
        except UnicodeEncodeError as wrong:
            raise ValueError(f"{wrong.object[wrong.start]!r} does not exist in {self._encoding}") from wrong


@dataclass(frozen=True, slots=True)
class _Raw:
    """A record as it stands in the file: its cells, or the reason why it has none."""

    raw: bytes
    cells: list[Cell] | None
    reason: str
    ended: bool
    open: bool = False


class _Cells:
    """Splits a record at its delimiters."""

    def __init__(self, delimiter: str, quote: str | None, escape: str | None, null: str) -> None:
        self.escape = escape
        self._null = null
        self._delimiter, self._quote = delimiter, quote
        d, q, e = (re.escape(char) if char else "" for char in (delimiter, quote, escape))
        quoted = f"[^{q}{e}]|{q}{q}" + (f"|{e}(?s:.)" if e else "")
        self._quoted = re.compile(f"{q}((?:{quoted})*+){q}" if q else "(?!)")
        self._bare = re.compile(f"(?:[^{d}{e}]|{e}(?s:.))*+" if e else f"[^{d}]*+")
        self._unescape = re.compile(f"{e}((?s:.))|{q}{q}" if q else f"{e}((?s:.))") if e else None

    def split(self, text: str) -> list[Cell] | None:
        """Give the cells, or None while a quoted one is open; ValueError for text after a closing quote."""
        if (self._quote is None or self._quote not in text) and (self.escape is None or self.escape not in text):
            return [(part, False) for part in text.split(self._delimiter)]
        cells: list[Cell] = []
        at = 0
        while True:
            is_quoted = self._quote is not None and text.startswith(self._quote, at)
            found = (self._quoted if is_quoted else self._bare).match(text, at)
            if found is None:
                return None
            cells.append((self._inner(found.group(1)), True) if is_quoted else self._plain(found.group()))
            at = found.end()
            if at == len(text):
                return cells
            if text[at] != self._delimiter:
                raise ValueError(f"field {len(cells)}: text follows its closing quote")
            at += 1

    def _inner(self, text: str) -> str:
        quote = self._quote or ""
        if self._unescape is not None:
            return self._unescape.sub(lambda found: found.group(1) or quote, text)
        return text.replace(quote * 2, quote)

    def _plain(self, text: str) -> Cell:
        """Take escapes away; text that had some is no NULL, and NULL itself may be written with one."""
        if self._unescape is None or text == self._null:
            return text, False
        plain = self._unescape.sub(lambda found: found.group(1) or found.group(), text)
        return plain, plain != text


def is_utf8(config: CsvConfig) -> bool:
    return codecs.lookup(config.encoding).name in {"utf-8", "utf-8-sig"}


def _bare(encoding: str) -> str:
    """Give the encoding without its byte order mark, which stands once and not in every record."""
    return "utf-8" if codecs.lookup(encoding).name == "utf-8-sig" else encoding


def _values(row: Row | Record) -> Row:
    return row.values if isinstance(row, Record) else row


def _texts(record: _Raw) -> list[str]:
    return [text for text, _ in record.cells or []]
