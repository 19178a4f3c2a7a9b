"""
Formats: Message Translators between bytes and records, for files, messages and columns.

A configuration model opens to a `Format`: `AnyFormat` is what a feed's `format:` may be.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ...core.batch import Reject
from .copybook import CopybookConfig
from .delimited import CsvConfig
from .fixed import FixedConfig
from .format import Column, Format, IncompleteFile, Record, WrongFile, record_schema
from .jsonl import JsonlConfig

_LATER = ("xml", "x12", "edifact")


def _built(given: Any) -> Any:
    kind = given.get("kind") if isinstance(given, dict) else None
    if kind in _LATER:
        raise PydanticCustomError("not_yet", "{said}", {"said": f"kind: the format {kind} is not built yet"})
    return given


AnyFormat = Annotated[
    Annotated[CsvConfig | JsonlConfig | FixedConfig | CopybookConfig, Field(discriminator="kind")],
    BeforeValidator(_built),
]

__all__ = [
    "AnyFormat",
    "Column",
    "CopybookConfig",
    "CsvConfig",
    "FixedConfig",
    "Format",
    "IncompleteFile",
    "JsonlConfig",
    "Record",
    "Reject",
    "WrongFile",
    "record_schema",
]
