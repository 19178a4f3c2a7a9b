"""Rows that are read to their end before the first of them is given, in a temporary file."""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

Chunk = Sequence[Sequence[Any]]


def spooled(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Keep chunks of plain values (numbers, texts, bytes, null) aside, and give them again."""
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            marshal.dump([tuple(row) for row in chunk], file)
        file.seek(0)
        while True:
            try:
                yield marshal.load(file)  # noqa: S302 - nobody else has this file
            except EOFError:
                return
