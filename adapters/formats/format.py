"""What every format shares: records, columns, and what can be wrong with a whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

from ...core.batch import Columns, Reject, Row

ColumnType = Literal[
    "any", "string", "integer", "wide", "decimal", "number", "boolean", "date", "datetime", "binary", "object", "array"
]
_JSON_TYPES: dict[ColumnType, dict[str, Any]] = {
    "any": {},
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "wide": {"type": "string", "format": "integer", "pattern": r"^-?\d+$"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "binary": {"type": "string", "contentEncoding": "base64"},
}


class IncompleteFile(Exception):
    """The file ends in the middle of a record: somebody is still writing it, so it waits."""


class WrongFile(Exception):
    """The file as a whole is not what its layout says (another header, a size limit passed): no record of it counts."""


@dataclass(frozen=True, slots=True)
class Record:
    """
    One record, numbered from 1 within its file. `raw` are its original bytes, without framing.

    Given to `write`, `raw` keeps what values cannot say: FILLER, sign nibbles, padding.
    """

    record_no: int
    layout: str
    values: dict[str, Any]
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a record. `of` are the fields of an object, or the one item type of an array."""

    name: str
    type: ColumnType
    precision: int | None = None
    scale: int | None = None
    description: str = ""
    of: Sequence[Column] = field(default=())

    def schema(self, *, accepts: bool = False) -> dict[str, Any]:
        """
        Give the JSON Schema of its outward form; every field may be null.

        `accepts`: as an argument, where numbers may come as numbers or as text.
        """
        said = self._said(accepts)
        if "type" in said:
            kinds = [said["type"]] if isinstance(said["type"], str) else said["type"]
            said = {**said, "type": [*kinds, "null"]}
        return {**said, **({"description": self.description} if self.description else {})}

    def _said(self, accepts: bool) -> dict[str, Any]:
        if self.type == "object":
            return {"type": "object", "properties": {part.name: part.schema(accepts=accepts) for part in self.of}}
        if self.type == "array":
            return {"type": "array", "items": self.of[0].schema(accepts=accepts) if self.of else {}}
        if self.type == "decimal":
            if accepts:
                return {"type": ["string", "number"], "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$"}
            places = rf"\.\d{{{self.scale}}}" if self.scale else r"(\.\d+)?" if self.scale is None else ""
            return {"type": "string", "format": "decimal", "pattern": rf"^-?\d+{places}$"}
        if accepts and self.type in {"integer", "wide"}:
            return {"type": ["integer", "string"], "format": "integer", "pattern": r"^-?\d+$"}
        return dict(_JSON_TYPES[self.type])


def record_schema(columns: Sequence[Column] | None, *, accepts: bool = False) -> dict[str, Any]:
    """Give the JSON Schema of one record; an open object where the columns are only known when a file is there."""
    if columns is None:
        return {"type": "object"}
    return {"type": "object", "properties": {column.name: column.schema(accepts=accepts) for column in columns}}


@dataclass(frozen=True, slots=True)
class ArrowBatch:
    """
    Rows of the layout `row` by column, in the file's order: `rows` is a pyarrow.RecordBatch of the format's schema.

    `record_nos` (an int64 array) and `raw` (original bytes, cut out when asked for) say for each row where it came from.
    `rejects` are the records among them that failed.
    """

    rows: Any
    record_nos: Any
    rejects: Sequence[Reject]
    raw: Sequence[bytes]


@runtime_checkable
class ByColumns(Protocol):
    """A format that reads whole columns at once: exactly the rows and rejects of `read`, many times as fast."""

    def arrow_schema(self) -> Any:
        """Give the pyarrow.Schema of every batch: decimal128, int64, string, date32, lists and structs for groups."""

    def arrow_batches(self, stream: BinaryIO, batch_rows: int = 32768, *, start: int = 0) -> Iterator[ArrowBatch]:
        """
        Read up to `batch_rows` records at a time; records of other layouts (header, trailer) are passed over.

        Raises IncompleteFile and WrongFile as `read` does, after the batches before.
        """


@runtime_checkable
class Acknowledging(Protocol):
    """A format whose interchanges are answered."""

    def acknowledge(
        self, stream: BinaryIO, *, control: str, moment: datetime, kind: str | None = None
    ) -> list[dict[str, Any]]:
        """Give the rows of a functional acknowledgement, to be written by this format. Raises what `read` raises."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A file that is being written: each call writes more rows, `finish` what stands behind the last.

    What a call has written before it raised InputError is to be thrown away; the next call goes on as if it had not been.
    `columns` writes a batch by column, where the format has a way for that; False, and nothing written, when a row has to be
    looked at by itself.
    """

    more: Callable[[Iterable[Row | Record]], int]
    finish: Callable[[], None] = _nothing
    columns: Callable[[Columns], bool] | None = None

    def __call__(self, rows: Iterable[Row | Record]) -> int:
        return self.more(rows)


class Format(Protocol):
    """A Message Translator between bytes and records, both ways, in bounded memory."""

    @property
    def is_closed(self) -> bool:
        """Tell whether `columns` are all that a row can have."""

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        """
        Read records from the beginning of a stream, leaving out the first `start`.

        Raises IncompleteFile where the bytes end inside a record, WrongFile where the file is another one.
        """

    def write(self, rows: Iterable[Row | Record], stream: BinaryIO) -> int:
        """Write rows and give their count; InputError names the record and the field that do not fit."""

    def writing(self, stream: BinaryIO) -> Begun:
        """Begin a file, to which rows come bit by bit."""

    def columns(self) -> list[Column] | None:
        """Name the columns of a row; None when only a file knows them."""

    def layouts(self) -> Mapping[str, list[Column]]:
        """Name the columns of the other layouts (header, trailer), where the format has them."""


class Whole:
    """Writes a file at once as `writing` writes it bit by bit."""

    def writing(self, stream: BinaryIO) -> Begun:
        raise NotImplementedError

    def write(self, rows: Iterable[Row | Record], stream: BinaryIO) -> int:
        begun = self.writing(stream)
        count = begun(rows)
        begun.finish()
        return count
