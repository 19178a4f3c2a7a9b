"""
A Parquet file of any number of row groups, written in the memory of one.

A writer of pyarrow keeps 10 KB of each row group, and 10 KB more while it closes: so each has a writer of its own, whose
footer is taken over.
"""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

from pyarrow import parquet

from .parquet_footer import Footer

_MAGIC = b"PAR1"
_HELD_BYTES = 1 << 18


class Groups:
    """Writes row groups; what the footer will say of them waits in a temporary file. The stream stays open."""

    def __init__(self, stream: BinaryIO, schema: Any, **options: Any) -> None:
        self._stream = stream
        self._schema = schema
        self._options = options
        self._said: Any = SpooledTemporaryFile(_HELD_BYTES)  # noqa: SIM115 - it goes with this writer
        self._footer: Footer | None = None
        self._at = self._rows = self._count = 0
        self._emit(_MAGIC)

    def write(self, table: Any) -> None:
        """Write one row group."""
        moved = self._at - len(_MAGIC)
        self._footer = self._written(table)
        self._said.write(self._footer.group(moved))
        self._rows += len(table)
        self._count += 1

    def close(self) -> None:
        footer = self._footer or self._written(None)
        before, behind = footer.around(self._rows, self._count)
        begun = self._at
        self._emit(before)
        self._said.seek(0)
        while part := self._said.read(_HELD_BYTES):
            self._emit(part)
        self._said.close()
        self._emit(behind)
        self._emit((self._at - begun).to_bytes(4, "little") + _MAGIC)

    def _written(self, table: Any) -> Footer:
        part = _Part(self._emit)
        sink: Any = part
        with parquet.ParquetWriter(sink, self._schema, **self._options) as writer:
            if table is not None:
                writer.write_table(table, len(table))
            part.is_ending = True
        return part.footer()

    def _emit(self, part: Any) -> None:
        self._at += len(part)
        self._stream.write(part)


class _Part:
    """A file of one row group: its pages go on, its marks and its footer do not."""

    closed = False

    def __init__(self, emit: Any) -> None:
        self._emit = emit
        self._at = 0
        self._end = bytearray()
        self.is_ending = False

    def write(self, part: Any) -> int:
        size = len(part)
        if self.is_ending:
            self._end += part
        elif self._at:
            self._emit(part)
        self._at += size
        return size

    def footer(self) -> Footer:
        """Give the footer; what was only written with it are the last pages."""
        size = int.from_bytes(self._end[-8:-4], "little")
        self._emit(self._end[: -8 - size])
        return Footer(bytes(self._end[-8 - size : -8]))

    def tell(self) -> int:
        return self._at

    def flush(self) -> None: ...

    def writable(self) -> bool:
        return True

    def close(self) -> None: ...
