"""CSV as Arrow reads it by strict types, from chunks of whole rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv

from ..core.batch import Chunk, Dialect


class ChunkReader:
    """
    Gives these columns of a file whose first row names all of them. Arrow's own errors name what is no such value.

    Each chunk is read by itself: Arrow's reader of streams would have 32 of them in memory. Any thread may read one, once
    the first has been read.
    """

    def __init__(self, types: Mapping[str, pa.DataType], dialect: Dialect) -> None:
        self._parse = csv.ParseOptions(delimiter=dialect.delimiter, quote_char=dialect.quote)
        self._convert = csv.ConvertOptions(
            column_types=dict(types),
            null_values=[dialect.null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true", "TRUE", "True", "1"],
            false_values=["false", "FALSE", "False", "0"],
        )
        self._wanted = list(types)
        self._names: list[str] = []

    def batches(self, chunk: Chunk) -> list[Any]:
        read = csv.ReadOptions(use_threads=False, block_size=len(chunk) + 1, column_names=self._names)
        file: Any = pa.BufferReader(chunk)
        table = csv.read_csv(file, read, self._parse, self._convert)
        if not self._names:
            self._names = table.column_names
            self._convert.include_columns = self._wanted
        return table.select(self._wanted).to_batches()
