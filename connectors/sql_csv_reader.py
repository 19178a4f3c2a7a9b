"""CSV as Arrow reads it by strict types, from bytes as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv

from ..core.batch import Chunk, Dialect


def arrow_batches(
    chunks: Iterator[Chunk], types: Mapping[str, pa.DataType], dialect: Dialect, block_bytes: int
) -> Iterator[Any]:
    """Give these columns of a file; an empty chunk ends it. Arrow's own errors name what is no such value."""
    file: Any = pa.PythonFile(_Pulled(chunks), "r")  # type: ignore[arg-type]  # it reads, and nothing else is asked of it
    yield from csv.open_csv(
        file,
        csv.ReadOptions(use_threads=False, block_size=block_bytes),
        csv.ParseOptions(delimiter=dialect.delimiter, quote_char=dialect.quote, newlines_in_values=True),
        csv.ConvertOptions(
            include_columns=list(types),
            column_types=dict(types),
            null_values=[dialect.null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true", "TRUE", "True", "1"],
            false_values=["false", "FALSE", "False", "0"],
        ),
    )


class _Pulled:
    """A file that is read as its chunks come."""

    closed = False

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Give exactly so many bytes, fewer only at the end."""
        parts: list[memoryview] = []
        while size:
            if not self._left:
                self._left = memoryview(next(self._chunks, b""))
                if not self._left:
                    break
            part, self._left = self._left[:size], self._left[size:]
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True
