"""Parquet: columns with their types, in row groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, model_validator

from ...core.batch import Reject, Row
from .bulk import columns_of
from .compression import FormatConfig
from .format import ArrowBatch, Begun, Column, Format, Record, Whole
from .scalars import Columns

_READ_ROWS = 8192


class ParquetConfig(FormatConfig):
    """Parquet."""

    kind: Literal["parquet"] = Field(description="Parquet: columns with their types.")
    columns: Columns = Field(
        default_factory=list,
        description="Types of what is written; without them those of the source, or of the first rows.",
    )
    codec: Literal["snappy", "zstd", "gzip", "none"] = Field("snappy", description="How a written file is compressed.")
    row_group_rows: int = Field(
        65536, ge=1, le=1_000_000, description="Rows of a row group that is written; they are held in memory."
    )
    max_row_group_mb: int = Field(
        1024, ge=1, description="A file that is read with a larger row group, unpacked, is wrong."
    )

    @model_validator(mode="after")
    def _is_packed_inside(self) -> ParquetConfig:
        if self.compression is not None:
            raise ValueError("compression: a Parquet file is compressed inside; say codec instead")
        return self

    def plain(self, base: Path) -> Format:
        return Parquet(self)


class Parquet(Whole):
    """Reads and writes Parquet; a row's original bytes, which there are none of, are its JSON."""

    is_closed = False

    def __init__(self, config: ParquetConfig) -> None:
        self._config = config

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        for batch in self.arrow_batches(stream, _READ_ROWS):
            for number, row, raw in zip(batch.record_nos.tolist(), self._rows(batch), batch.raw, strict=True):
                if number > start:
                    yield Record(number, "row", dict(row), raw)

    def arrow_schema(self) -> Any:
        """Give nothing: only a file knows."""

    def arrow_batches(self, stream: BinaryIO, batch_rows: int = 32768, *, start: int = 0) -> Iterator[ArrowBatch]:
        from .parquet_columns import batches

        yield from batches(stream, batch_rows, start, self._config.max_row_group_mb)

    def writing(self, stream: BinaryIO) -> Begun:
        from .parquet_columns import Writer

        config = self._config
        writer = Writer(stream, config.columns, config.codec, config.row_group_rows)
        return Begun(writer.rows, writer.finish, columns=writer.columns)

    def columns(self) -> list[Column] | None:
        return None

    def layouts(self) -> Mapping[str, list[Column]]:
        return {}

    def _rows(self, batch: ArrowBatch) -> Iterable[Row]:
        return columns_of(batch.rows)


__all__ = ["Parquet", "ParquetConfig"]
