"""Batches of a format for syncs: whole columns where the format reads them so, else row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from ...core.arrow_column import ArrowColumn
from ...core.batch import Columns, Reject, Row
from ...core.values import Wide
from .format import ByColumns, Column, Format, Record

Read = Callable[[Any], Any]
MOST_BYTES = 2 << 20
"""A batch ends at so many bytes of records, however few rows they are."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """Rows in order, and for each its number and its original bytes; the rejects among them."""

    rows: Sequence[Row]
    record_nos: Sequence[int]
    raw: Sequence[bytes]
    rejects: Sequence[Reject]


def bulks(form: Format, stream: BinaryIO, batch_rows: int) -> Iterator[Bulk]:
    """Read the rows of a stream, other layouts left out. Raises what `Format.read` raises, after what came before."""
    if isinstance(form, ByColumns):
        columns = form.columns()
        reads = None if columns is None else [reader(column) for column in columns]
        for batch in form.arrow_batches(stream, batch_rows):
            yield Bulk(columns_of(batch.rows, reads), batch.record_nos.tolist(), batch.raw, batch.rejects)
        return
    yield from _by_rows(form, stream, batch_rows)


def columns_of(found: Any, reads: Sequence[Read | None] | None = None) -> Columns:
    """Give a batch of Arrow as columns of ours; unless it is said, a 64-bit integer is one that JSON has no number for."""
    if reads is None:
        reads = [_wide if str(one.type) in _WIDE else None for one in found.schema]
    return Columns(found.schema.names, [ArrowColumn(column) for column in found.columns], reads)


_WIDE = frozenset({"int64", "uint64"})


def _wide(value: Any) -> Any:
    return value if value is None else Wide(value)


def _by_rows(form: Format, stream: BinaryIO, batch_rows: int) -> Iterator[Bulk]:
    rows: list[Row] = []
    numbers: list[int] = []
    raws: list[bytes] = []
    rejects: list[Reject] = []
    size = 0
    for record in form.read(stream):
        size += len(record.raw)
        if not isinstance(record, Record):
            rejects.append(record)
        elif record.layout == "row":
            rows.append(record.values)
            numbers.append(record.record_no)
            raws.append(record.raw)
        if len(rows) + len(rejects) >= batch_rows or size >= MOST_BYTES:
            yield Bulk(together(rows), numbers, raws, rejects)
            rows, numbers, raws, rejects = [], [], [], []
            size = 0
    if rows or rejects:
        yield Bulk(together(rows), numbers, raws, rejects)


def together(rows: Sequence[Row]) -> Sequence[Row]:
    """Give rows by column where all of them have the same names in the same order."""
    if not rows or not rows[0]:
        return rows
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        return rows
    return Columns(names, list(zip(*(row.values() for row in rows), strict=True)), [None] * len(names))


def reader(column: Column) -> Read | None:
    """Give what makes our value of an Arrow one; None where it is ours already."""
    if column.type == "wide":
        return _wide
    if column.type == "array":
        inner = reader(column.of[0])
        return inner and (lambda value: value if value is None else [inner(one) for one in value])
    if column.type != "object":
        return None
    inners = {part.name: read for part in column.of if (read := reader(part)) is not None}
    if not inners:
        return None

    def read_object(value: Any) -> Any:
        if value is None:
            return None
        return {name: inners[name](part) if name in inners else part for name, part in value.items()}

    return read_object


__all__ = ["Bulk", "bulks"]
