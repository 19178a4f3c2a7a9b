"""The types of Parquet's columns, and their values as ours: decimals exact, moments with their zone, NULL apart from all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO, Literal

import pyarrow as pa
from pyarrow import parquet

from ...core.batch import Columns as Batched
from ...core.batch import InArrow, Row, as_json
from ...core.errors import InputError
from .bulk import columns_of
from .format import ArrowBatch, IncompleteFile, Record, WrongFile
from .parquet_groups import Groups
from .scalars import ColumnSpec

_MAGIC = b"PAR1"
_BUFFER = 1 << 18
_MB = 1024 * 1024
_DIGITS = 38
_GROUP_BYTES = 4 * _MB
Codec = Literal["snappy", "zstd", "gzip", "none"]
Check = Callable[[Any], Any]
"""Gives a value as its column holds it; ValueError for one that does not fit."""


def batches(stream: BinaryIO, rows: int, start: int, most_mb: int) -> Iterator[ArrowBatch]:
    """Read a file; IncompleteFile where its end is not there yet, WrongFile where it is no Parquet."""
    file = _opened(stream)
    for at in range(file.metadata.num_row_groups):
        if file.metadata.row_group(at).total_byte_size > most_mb * _MB:
            raise WrongFile(f"row group {at + 1} is larger than {most_mb} MB; see max_row_group_mb")
    number = 1
    try:
        for batch in file.iter_batches(rows, use_threads=False):
            found = _ours(batch)
            numbers: Any = pa.array(range(number, number + len(found)))
            number += len(found)
            if number > start + 1:
                skipped = max(len(found) - (number - start - 1), 0)
                found, numbers = found.slice(skipped), numbers.slice(skipped)
                yield ArrowBatch(found, numbers.to_numpy(), (), as_json(columns_of(found)))
    except (pa.ArrowException, OSError) as error:
        raise WrongFile(f"the Parquet file cannot be read: {_first_line(error)}") from error


def _opened(stream: BinaryIO) -> Any:
    begins = stream.read(len(_MAGIC))
    stream.seek(0)
    if begins == b"":
        raise IncompleteFile("the file is empty")
    if begins != _MAGIC:
        raise WrongFile("this is no Parquet file: it does not begin with PAR1")
    try:
        return parquet.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise IncompleteFile(f"the end of the Parquet file is not there: {_first_line(error)}") from error
    except (pa.ArrowException, OSError) as error:
        raise WrongFile(f"the Parquet file cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]


def _ours(batch: Any) -> Any:
    arrays = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            arrays.append(column.cast(_read_as(field.type)))
        except pa.ArrowException as error:
            raise WrongFile(f"{field.name}: {field.type} cannot be read exactly: {_first_line(error)}") from error
    return pa.record_batch(arrays, names=batch.schema.names)


def _read_as(kind: Any) -> Any:
    """Give the type that says the same in fewer ways."""
    types = pa.types
    if types.is_dictionary(kind):
        return _read_as(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_fixed_size_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_time(kind):
        return pa.time64("us")
    if types.is_date(kind):
        return pa.date32()
    if types.is_floating(kind):
        return pa.float64()
    if types.is_decimal32(kind) or types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    return kind


@dataclass(frozen=True, slots=True)
class _Typed:
    """A column that is written."""

    name: str
    type: Any
    check: Check


class Writer:
    """Writes row groups of bounded size; the types are declared, the source's, or those of the first rows."""

    def __init__(self, stream: BinaryIO, specs: Sequence[ColumnSpec], codec: Codec, rows: int) -> None:
        self._stream = stream
        self._specs = {spec.name: spec for spec in specs}
        self._codec = codec
        self._group_rows = rows
        self._columns: list[_Typed] = []
        self._writer: Groups | None = None
        self._held: list[Any] = []
        self._held_rows = 0
        if specs:
            self._begin([_typed(spec.name, _declared(spec)) for spec in specs])

    def rows(self, given: Iterable[Row | Record]) -> int:
        """Take rows; InputError names the record and the field that do not fit."""
        rows: list[Row] = []
        fresh, known = not self._columns, self._checks()
        for number, one in enumerate(given, 1):
            row = one.values if isinstance(one, Record) else one
            try:
                rows.append(row if fresh else _checked_row(known, row))
            except ValueError as wrong:
                raise InputError(f"record {number}: {wrong}") from wrong
        if fresh and rows:
            rows = self._inferred(rows)
        if rows:
            self._take([[row.get(column.name) for row in rows] for column in self._columns])
        return len(rows)

    def columns(self, given: Batched) -> bool:
        """Take a batch by column; false when one of its values has to be looked at by itself."""
        fresh = not self._columns
        if fresh and not all(isinstance(values, InArrow) for values in given.values):
            return False
        if fresh:
            kinds = [values.array.type for values in given.values if isinstance(values, InArrow)]
            self._columns = [_typed(name, kind) for name, kind in zip(given.names, kinds, strict=True)]
        elif list(given.names) != [column.name for column in self._columns]:
            return False
        try:
            arrays = [
                _exactly(values.array, column.type)
                if isinstance(values, InArrow)
                else _array(column, values if read is None else list(map(read, values)))
                for column, values, read in zip(self._columns, given.values, given.reads, strict=True)
            ]
        except (ValueError, TypeError, OverflowError, pa.ArrowException):
            self._columns = [] if fresh else self._columns
            return False
        if fresh:
            self._begin(self._columns)
        self._keep(arrays)
        return True

    def finish(self) -> None:
        if self._writer is None:
            self._begin([])
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _begin(self, columns: list[_Typed]) -> None:
        self._columns = columns
        schema = pa.schema([(column.name, column.type) for column in columns])
        # Dictionaries cost four times the rest, and on data that is no report they make the file larger.
        self._writer = Groups(self._stream, schema, compression=self._codec, version="2.6", use_dictionary=False)

    def _inferred(self, rows: list[Row]) -> list[Row]:
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = [_typed(name, _common(name, [row.get(name) for row in rows])) for name in names]
        checked: list[Row] = []
        self._columns = columns
        known = self._checks()
        for number, row in enumerate(rows, 1):
            try:
                checked.append(_checked_row(known, row))
            except ValueError as wrong:
                self._columns = []
                raise InputError(f"record {number}: {wrong}") from wrong
        self._begin(columns)
        return checked

    def _checks(self) -> dict[str, Check]:
        return {column.name: column.check for column in self._columns}

    def _take(self, values: Sequence[Sequence[Any]]) -> None:
        self._keep([pa.array(one, column.type) for one, column in zip(values, self._columns, strict=True)])

    def _keep(self, arrays: Sequence[Any]) -> None:
        batch = pa.record_batch(list(arrays), names=[column.name for column in self._columns])
        self._held.append(batch)
        self._held_rows += len(batch)
        if self._held_rows >= self._group_rows or sum(one.nbytes for one in self._held) >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._held_rows and self._writer is not None:
            table = pa.Table.from_batches(self._held)
            for at in range(0, len(table), self._group_rows):
                self._writer.write(table.slice(at, self._group_rows))
        self._held, self._held_rows = [], 0


def _checked_row(known: Mapping[str, Check], row: Row) -> dict[str, Any]:
    if unknown := next((name for name in row if name not in known), None):
        raise ValueError(f"there is no column {unknown}; the first rows had none, so declare columns:")
    return {name: None if value is None else known[name](value) for name, value in row.items()}


def _exactly(found: Any, kind: Any) -> Any:
    if found.type == kind:
        return found
    if pa.types.is_timestamp(kind) and (found.type.tz is None) != (kind.tz is None):
        raise ValueError("a zone")
    if not (_number(found.type) and _number(kind)) and found.type.id != kind.id:
        raise ValueError("another type")
    return found.cast(kind)


def _number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _array(column: _Typed, values: Sequence[Any]) -> Any:
    return pa.array([None if one is None else column.check(one) for one in values], column.type)


def _declared(spec: ColumnSpec) -> Any:
    known = {
        "string": pa.string(),
        "integer": pa.int64(),
        "bigint": pa.int64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us"),
    }
    return pa.decimal128(_DIGITS, spec.scale or 0) if spec.type == "decimal" else known[spec.type]


def _common(name: str, values: Sequence[Any]) -> Any:
    """Give the type of the first value; of decimals, and of integers beside them, the one with all their digits."""
    kind = next((word for one in values if one is not None and (word := _word_of(one)) is not None), "string")
    scales = [-int(one.as_tuple().exponent) for one in values if isinstance(one, Decimal) and one.is_finite()]
    if kind in {"integer", "decimal"} and scales:
        return pa.decimal128(_DIGITS, max(0, *scales))
    return pa.decimal128(_DIGITS, 0) if kind == "decimal" else _ARROW[kind]


def _word_of(value: Any) -> str | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return "moment with a zone"
    for kind, known in _PYTHON:
        if isinstance(value, known):
            return kind
    return None


_PYTHON: Sequence[tuple[str, type | tuple[type, ...]]] = (
    ("boolean", bool),
    ("integer", int),
    ("decimal", Decimal),
    ("float", float),
    ("moment", datetime),
    ("date", date),
    ("time", time),
    ("bytes", bytes),
    ("string", str),
)
_ARROW = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "moment": pa.timestamp("us"),
    "moment with a zone": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "bytes": pa.binary(),
    "string": pa.string(),
}


def _typed(name: str, kind: Any) -> _Typed:
    return _Typed(name, kind, lambda value: _checked(name, kind, value))


def _checked(name: str, kind: Any, value: Any) -> Any:
    """Give a value that the column holds exactly: pyarrow drops a zone, or the time of a day, without a word."""
    if isinstance(value, str) and not pa.types.is_string(kind):
        value = _parsed(kind, value)
    found, wanted = _word_of(value) or type(value).__name__, _word(kind)
    if found != wanted and (found, wanted) not in {("integer", "decimal"), ("integer", "float")}:
        raise ValueError(f"{name}: {found} in a column of {wanted}")
    try:
        pa.scalar(value, kind)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise ValueError(f"{name}: {_first_line(error)}") from error
    return value


def _parsed(kind: Any, text: str) -> Any:
    try:
        if pa.types.is_timestamp(kind):
            return datetime.fromisoformat(text)
        return date.fromisoformat(text) if pa.types.is_date(kind) else text
    except ValueError:
        return text


def _word(kind: Any) -> str:
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_timestamp(kind):
        return "moment" if kind.tz is None else "moment with a zone"
    return next((word for word, known in _ARROW.items() if known == kind), str(kind))
