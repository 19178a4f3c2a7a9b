"""CSV as Arrow reads it by strict types, from chunks of whole rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv

from ..core.batch import Chunk, Dialect


def arrow_batches(chunks: Iterator[Chunk], types: Mapping[str, pa.DataType], dialect: Dialect) -> Iterator[Any]:
    """
    Give these columns of a file whose first row names all of them. Arrow's own errors name what is no such value.

    Each chunk is read by itself: Arrow's reader of streams would have 32 of them in memory.
    """
    parse = csv.ParseOptions(delimiter=dialect.delimiter, quote_char=dialect.quote)
    convert = csv.ConvertOptions(
        column_types=dict(types),
        null_values=[dialect.null],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["true", "TRUE", "True", "1"],
        false_values=["false", "FALSE", "False", "0"],
    )
    names: list[str] = []
    for chunk in chunks:
        read = csv.ReadOptions(use_threads=False, block_size=len(chunk) + 1, column_names=names)
        file: Any = pa.BufferReader(chunk)
        table = csv.read_csv(file, read, parse, convert)
        if not names:
            names = table.column_names
            convert.include_columns = list(types)
        batches = table.select(list(types)).to_batches()
        del chunk, file, table  # what was read is not kept while its rows are written
        yield from batches
