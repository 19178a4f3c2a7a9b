"""A copybook's file in Arrow batches: rows by whole columns, what they cannot say by the way of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa

from ...core.batch import Reject
from .copybook_columns import Bytes, Field, Mask, decode
from .format import ArrowBatch, Record
from .framing import Placed

ROW = "row"
_MOST_BYTES = 8 << 20
Read = Callable[[int, bytes, int], "Record | Reject"]
"""Read one record, by its number, the way of rows; the last is its offset in the file."""


class Raws(Sequence[bytes]):
    """The original bytes of rows, cut out when somebody asks."""

    def __init__(self, data: bytes, starts: Any, ends: Any) -> None:
        self._data, self._starts, self._ends = data, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> Raws: ...
    def __getitem__(self, at: int | slice) -> bytes | Raws:
        if isinstance(at, slice):
            return Raws(self._data, self._starts[at], self._ends[at])
        return self._data[self._starts[at] : self._ends[at]]


class Block:
    """Some records in one piece of memory, and where they stand in their file."""

    def __init__(self, data: bytes, starts: Any, ends: Any, first: int, places: Any) -> None:
        self.data, self.starts, self.ends, self.first, self.places = data, starts, ends, first, places

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, at: int) -> bytes:
        return self.data[self.starts[at] : self.ends[at]]

    def matrix(self, places: Any, width: int) -> Bytes:
        """Give records of one length as a matrix; those that lie evenly are not copied."""
        whole: Any = np.frombuffer(self.data, dtype=np.uint8)
        starts = self.starts[places]
        step = int(starts[1] - starts[0]) if len(starts) > 1 else width
        if not len(starts):
            return np.empty((0, width), dtype=np.uint8)
        if (
            step >= width
            and int(starts[-1]) == int(starts[0]) + step * (len(starts) - 1)
            and (np.diff(starts) == step).all()
        ):
            return np.lib.stride_tricks.as_strided(
                whole[int(starts[0]) :], shape=(len(starts), width), strides=(step, 1), writeable=False
            )
        return np.lib.stride_tricks.sliding_window_view(whole, width)[starts]


def blocks_of(stream: Any, length: int, rows: int, skip: int) -> Iterator[Block]:
    """Give blocks of records of equal length."""
    from .framing import whole_blocks

    number = skip
    for data in whole_blocks(stream, length, max(min(rows, _MOST_BYTES // length), 1), skip):
        starts = np.arange(0, len(data), length, dtype=np.int64)
        yield Block(data, starts, starts + length, number + 1, starts + number * length)
        number += len(starts)


def gathered(records: Iterator[Placed], rows: int, start: int) -> Iterator[Block]:
    """Give blocks of records of any length, the first `start` left out."""
    held: list[Placed] = []
    number = size = 0
    first = start + 1
    for number, placed in enumerate(records, 1):
        if number <= start:
            continue
        held.append(placed)
        size += len(placed[1])
        if len(held) == rows or size >= _MOST_BYTES:
            yield _block(held, first)
            first, held, size = number + 1, [], 0
    if held:
        yield _block(held, first)


def _block(held: list[Placed], first: int) -> Block:
    places, raws = zip(*held, strict=True)
    ends = np.cumsum([len(raw) for raw in raws], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    return Block(b"".join(raws), starts, ends, first, places)


class Columnar:
    """Turns blocks into batches. `equal`: every record is as long as any; else those of another length go by rows."""

    def __init__(self, fields: list[Field], width: int, equal: bool, schema: Any, read: Read, sorting: Sorting) -> None:
        self._fields, self._width, self._equal, self._schema = fields, width, equal, schema
        self._read, self._sorting = read, sorting

    def batch(self, block: Block) -> ArrowBatch:
        """Decode one block; rows and rejects keep their order and their numbers."""
        is_row, slow = self._sorting(block)
        whole = (block.ends - block.starts) == self._width if not self._equal else np.ones(len(block), dtype=bool)
        fast, slow = is_row & whole, slow | (is_row & ~whole)
        places = np.flatnonzero(fast)
        batch, kept, wrong = self._decoded(block, places)
        again = np.sort(np.concatenate([np.flatnonzero(slow), wrong]))
        rows, rejects = self._by_rows(block, again)
        if rows:
            batch, kept = self._merged(batch, kept, rows)
        return ArrowBatch(batch, kept + block.first, rejects, Raws(block.data, block.starts[kept], block.ends[kept]))

    def _decoded(self, block: Block, places: Any) -> tuple[Any, Any, Any]:
        if not len(places):
            return _empty(self._schema), places[:0], places
        columns, wrong = decode(self._fields, block.matrix(places, self._width))
        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        if wrong is None or not wrong.any():
            return batch, places, places[:0]
        return batch.filter(pa.array(~wrong)), places[~wrong], places[wrong]

    def _by_rows(self, block: Block, places: Any) -> tuple[list[tuple[int, dict[str, Any]]], list[Reject]]:
        rows: list[tuple[int, dict[str, Any]]] = []
        rejects: list[Reject] = []
        for at in places.tolist():
            found = self._read(block.first + at, block.raw(at), int(block.places[at]))
            if isinstance(found, Reject):
                rejects.append(found)
            elif found.layout == ROW:
                rows.append((at, found.values))
        return rows, rejects

    def _merged(self, batch: Any, kept: Any, rows: list[tuple[int, dict[str, Any]]]) -> tuple[Any, Any]:
        more = pa.RecordBatch.from_pylist([values for _, values in rows], schema=self._schema)
        places = np.concatenate([kept, np.array([at for at, _ in rows], dtype=np.int64)])
        order: Any = np.argsort(places, kind="stable")
        table = pa.Table.from_batches([batch, more]).take(order).combine_chunks()
        merged = table.to_batches()
        return (merged[0] if merged else _empty(self._schema)), places[order]


class Sorting:
    """Tells which records of a block are rows: each different value of the fields that say so is looked at once."""

    def __init__(self, keys: Sequence[tuple[int, int]], kind: Callable[[bytes], str]) -> None:
        self._kind = kind
        self._bytes = sorted({at for start, end in keys for at in range(start, end)})

    def __call__(self, block: Block) -> tuple[Mask, Mask]:
        """Give which are rows, and which only the way of rows can judge."""
        slow = np.zeros(len(block), dtype=bool)
        if not self._bytes:
            return np.full(len(block), self._kind(b"") == ROW), slow
        width = self._bytes[-1] + 1
        slow = (block.ends - block.starts) < width
        places = np.flatnonzero(~slow)
        is_row = np.zeros(len(block), dtype=bool)
        if not len(places):
            return is_row, slow
        first, which = unique(block.matrix(places, width)[:, self._bytes])
        kinds = [self._named(block.raw(places[at])) for at in first]
        is_row[places] = np.array([kind == ROW for kind in kinds])[which]
        slow[places] |= np.array([kind is None for kind in kinds])[which]
        return is_row, slow

    def _named(self, raw: bytes) -> str | None:
        try:
            return self._kind(raw)
        except ValueError:
            return None


def _empty(schema: Any) -> Any:
    return pa.RecordBatch.from_pylist([], schema=schema)


def unique(keys: Bytes) -> tuple[Any, Any]:
    """Give the first place of each different key, and for every record which key it has."""
    width = keys.shape[1]
    if width <= 8:
        packed = np.zeros((len(keys), 8), dtype=np.uint8)
        packed[:, :width] = keys
        whole: Any = packed.view(np.uint64).ravel()
    else:
        whole = np.ascontiguousarray(keys).view(np.dtype((np.void, width))).ravel()
    _, first, which = np.unique(whole, return_index=True, return_inverse=True)
    return first, which
