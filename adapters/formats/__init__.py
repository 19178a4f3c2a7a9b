"""
Formats: Message Translators between bytes and records, for files, messages and columns.

A configuration model opens to a `Format`: `AnyFormat` is what a feed's `format:` may be.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...core.batch import Reject
from .bulk import Bulk, bulks
from .compression import CompressionConfig
from .format import (
    Acknowledging,
    ArrowBatch,
    Begun,
    ByColumns,
    Column,
    Format,
    IncompleteFile,
    Record,
    WrongFile,
    record_schema,
)
from .kinds import CONFIGS, AnyFormat

if TYPE_CHECKING:
    from .copybook import CopybookConfig
    from .delimited import CsvConfig
    from .edifact import EdifactConfig
    from .fixed import FixedConfig
    from .jsonl import JsonlConfig
    from .parquet import ParquetConfig
    from .x12 import X12Config
    from .xml import XmlConfig


def __getattr__(name: str) -> Any:
    """Load a format by the name of its configuration."""
    for module, config in CONFIGS.values():
        if config == name:
            return getattr(import_module(module, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Acknowledging",
    "AnyFormat",
    "ArrowBatch",
    "Begun",
    "Bulk",
    "ByColumns",
    "Column",
    "CompressionConfig",
    "CopybookConfig",
    "CsvConfig",
    "EdifactConfig",
    "FixedConfig",
    "Format",
    "IncompleteFile",
    "JsonlConfig",
    "ParquetConfig",
    "Record",
    "Reject",
    "WrongFile",
    "X12Config",
    "XmlConfig",
    "bulks",
    "record_schema",
]
