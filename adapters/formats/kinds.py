"""Which formats there are; one is loaded when it is configured, since most landscapes have one or two."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

CONFIGS: Mapping[str, tuple[str, str]] = {
    "csv": (".delimited", "CsvConfig"),
    "jsonl": (".jsonl", "JsonlConfig"),
    "parquet": (".parquet", "ParquetConfig"),
    "xml": (".xml", "XmlConfig"),
    "fixed": (".fixed", "FixedConfig"),
    "copybook": (".copybook", "CopybookConfig"),
    "x12": (".x12", "X12Config"),
    "edifact": (".edifact", "EdifactConfig"),
}
"""By kind: the module of a format, and its configuration."""


def _config(kind: str) -> type[BaseModel]:
    module, name = CONFIGS[kind]
    found: type[BaseModel] = getattr(import_module(module, __package__), name)
    return found


def _whole() -> TypeAdapter[Any]:
    """Give the configuration of all formats, for who asks what they take."""
    every: Any = Union[tuple(map(_config, CONFIGS))]  # noqa: UP007 - of types that are known only here
    chosen: Any = Annotated[every, Field(discriminator="kind")]
    return TypeAdapter(chosen)


def _checked(given: Any, info: ValidationInfo) -> Any:
    if isinstance(given, BaseModel):
        return given
    kind = given.get("kind") if isinstance(given, dict) else None
    if not isinstance(kind, str):
        return _whole().validate_python(given, context=info.context)
    if kind not in CONFIGS:
        near = difflib.get_close_matches(kind, CONFIGS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(CONFIGS)}"
        raise PydanticCustomError("kind", "{said}", {"said": f"there is no format {kind!r}; {hint}"})
    return _config(kind).model_validate(given, context=info.context)


class _ByKind:
    """The configuration of one of the formats, looked at by its own model."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(_checked)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_whole().core_schema)


if TYPE_CHECKING:
    from .copybook import CopybookConfig
    from .delimited import CsvConfig
    from .edifact import EdifactConfig
    from .fixed import FixedConfig
    from .jsonl import JsonlConfig
    from .parquet import ParquetConfig
    from .x12 import X12Config
    from .xml import XmlConfig

    AnyFormat = (
        CsvConfig | JsonlConfig | ParquetConfig | XmlConfig | FixedConfig | CopybookConfig | X12Config | EdifactConfig
    )
else:
    AnyFormat = Annotated[Any, _ByKind]
