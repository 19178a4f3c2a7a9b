"""JSON Lines: one object a line (jsonlines.org)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, field_validator

from ...core.batch import Reject, Row
from ...core.errors import InputError
from ...core.values import parse_json, write_json
from .compression import FormatConfig
from .format import Begun, Column, Format, IncompleteFile, Record
from .framing import MAX_RECORD_BYTES, known_encoding, lines
from .scalars import Columns, parser


class JsonlConfig(FormatConfig):
    """JSON Lines."""

    kind: Literal["jsonl"] = Field(description="JSON Lines: one object a line.")
    encoding: str = Field("utf-8", description="Encoding of the file.")
    columns: Columns = Field(
        default_factory=list,
        description="Types of members whose JSON is a string: decimals, dates. Others pass as they are.",
    )
    numbers: Literal["string", "exact"] = Field(
        "string", description="How decimals are written: as strings with their scale, or as exact JSON numbers."
    )
    max_record_bytes: int = Field(MAX_RECORD_BYTES, ge=64, description="A longer line makes the file wrong.")

    _encoding = field_validator("encoding")(known_encoding)

    def plain(self, base: Path) -> Format:
        return Jsonl(self)


class Jsonl:
    """Reads and writes JSON Lines; numbers with a point come as exact decimals."""

    is_closed = False

    def __init__(self, config: JsonlConfig) -> None:
        self._config = config
        self._typed = [(spec, parser(spec, ".")) for spec in config.columns if spec.type != "string"]

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        numbered = enumerate(self._lines(stream), 1)
        for number, (raw, ended) in islice(numbered, start, None):
            try:
                yield Record(number, "row", self._values(raw), raw)
            except ValueError as wrong:
                if not ended:
                    raise IncompleteFile(f"line {number} ends in the middle: {wrong}") from wrong
                yield Reject(number, str(wrong), raw)

    def write(self, rows: Iterable[Row | Record], stream: BinaryIO) -> int:
        count = 0
        exact = self._config.numbers == "exact"
        for count, row in enumerate(rows, 1):
            values = row.values if isinstance(row, Record) else row
            text = write_json(dict(values), exact=exact)
            try:
                encoded = text if self._config.encoding == "utf-8" else text.decode().encode(self._config.encoding)
            except UnicodeEncodeError as wrong:
                raise InputError(f"record {count}: {wrong.reason} in {self._config.encoding}") from wrong
            stream.write(encoded + "\n".encode(self._config.encoding))
        return count

    def writing(self, stream: BinaryIO) -> Begun:
        return Begun(lambda rows: self.write(rows, stream))

    def columns(self) -> list[Column] | None:
        return None

    def layouts(self) -> Mapping[str, list[Column]]:
        return {}

    def _lines(self, stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
        newline = "\n".encode(self._config.encoding)
        for raw, ended in lines(stream, newline, self._config.max_record_bytes):
            if raw.strip():
                yield raw, ended

    def _values(self, raw: bytes) -> dict[str, Any]:
        try:
            text = raw.decode(self._config.encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as wrong:
            raise ValueError(f"byte {wrong.start + 1} is not {self._config.encoding}: {wrong.reason}") from wrong
        try:
            values = parse_json(text, what="the line")
        except InputError as wrong:
            raise ValueError(wrong.message) from wrong
        if not isinstance(values, dict):
            raise ValueError("the line is JSON, but not an object")
        for spec, parse in self._typed:
            given = values.get(spec.name)
            if given in spec.null:
                values[spec.name] = None
            elif isinstance(given, str) or (given is not None and spec.type in {"decimal", "integer", "bigint"}):
                try:
                    values[spec.name] = parse(str(given))
                except ValueError as wrong:
                    raise ValueError(f"{spec.name}: {wrong}") from wrong
        return values
