"""
Formats: Message Translators between bytes and records, for files, messages and columns.

A configuration model opens to a `Format`: `AnyFormat` is what a feed's `format:` may be.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ...core.batch import Reject
from .bulk import Bulk, bulks
from .compression import CompressionConfig
from .copybook import CopybookConfig
from .delimited import CsvConfig
from .edifact import EdifactConfig
from .fixed import FixedConfig
from .format import ArrowBatch, Begun, ByColumns, Column, Format, IncompleteFile, Record, WrongFile, record_schema
from .jsonl import JsonlConfig
from .x12 import X12Config
from .xml import XmlConfig

_KINDS = ("csv", "jsonl", "xml", "fixed", "copybook", "x12", "edifact")


def _known(given: Any) -> Any:
    kind = given.get("kind") if isinstance(given, dict) else None
    if isinstance(kind, str) and kind not in _KINDS:
        near = difflib.get_close_matches(kind, _KINDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_KINDS)}"
        raise PydanticCustomError("kind", "{said}", {"said": f"there is no format {kind!r}; {hint}"})
    return given


AnyFormat = Annotated[
    Annotated[
        CsvConfig | JsonlConfig | XmlConfig | FixedConfig | CopybookConfig | X12Config | EdifactConfig,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_known),
]

__all__ = [
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
    "Record",
    "Reject",
    "WrongFile",
    "X12Config",
    "XmlConfig",
    "bulks",
    "record_schema",
]
