"""How the configuration spells what a database keeps otherwise than its types say."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ...connectors.sql_model import Quirk
from ...core.strict import Strict


class CodePage(Strict):
    """Bytes of one code page that were taken for another: `{bytes: utf-8, read_as: latin-1}` makes `Ã¤` an `ä`."""

    bytes: str = Field(description="What the bytes really are.")
    read_as: str = Field("utf-8", description="What the database or its driver takes them for.")

    @field_validator("bytes", "read_as")
    @classmethod
    def _known(cls, given: str) -> str:
        try:
            return codecs.lookup(given).name
        except LookupError:
            pass
        try:
            import ebcdic  # type: ignore[import-untyped]  # noqa: F401 - no types; importing it registers code pages

            return codecs.lookup(given).name
        except (ImportError, LookupError):
            raise PydanticCustomError("code_page", "{given!r} is no code page", {"given": given}) from None


class Quirks(Strict):
    """What may be said of all columns; where it does not fit a column's type it means nothing there."""

    trailing_blanks: Literal["strip", "pad"] | None = Field(
        None, description="strip: not shown. pad: not shown, and written and compared with blanks up to the length."
    )
    nul_bytes: Literal["strip", "cut"] | None = Field(
        None, description="strip: left out of texts. cut: a text ends at the first. Writing one is refused."
    )
    code_page: CodePage | None = Field(None, description="Texts whose bytes were taken for another code page.")
    null: list[str | int] = Field(
        default_factory=list, description='What means NULL in dates, numbers and texts: ["0000-00-00"].'
    )

    def of(self, more: Quirks | None) -> Quirk:
        """Give the quirk of a column of which `more` is said too."""
        fields = {**self.said_fields(), **(more.said_fields() if more is not None else {})}
        return Quirk(**fields)

    def said_fields(self) -> dict[str, Any]:
        """Give what is said, as a quirk names it."""
        said: dict[str, Any] = {
            name: getattr(self, name) for name in self.model_fields_set if name not in {"columns", "null"}
        }
        if self.code_page is not None:
            said["code_page"] = (self.code_page.bytes, self.code_page.read_as)
        if self.null:
            said["null"] = tuple(map(str, self.null))
        if isinstance(boolean := said.get("boolean"), str):
            yes, _, no = boolean.partition("/")
            said["boolean"] = (yes, no)
        return said


class ColumnQuirks(Quirks):
    """What may be said of one column."""

    date: str | None = Field(
        None, description='A date, or a stamp, kept as a text or a number: "%y%m%d", "%Y%m%d%H%M%S".'
    )
    pivot: int = Field(70, ge=0, le=99, description="Years of two digits from here on are of the last century.")
    number: Literal["integer", "bigint", "decimal"] | None = Field(None, description="A number kept as a text.")
    decimal_mark: Literal[".", ","] = Field(".", description="Of a number kept as a text.")
    scale: int | None = Field(None, ge=0, le=38, description="Decimal places of a number kept as a text.")
    width: int | None = Field(None, ge=1, le=100, description="A number is written with zeros up to this length.")
    boolean: str | None = Field(None, pattern=r"^[^/]+/[^/]+$", description='What means true and false: "Y/N".')

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if sum(bool(one) for one in (self.date, self.number, self.boolean)) > 1:
            raise PydanticCustomError("quirks", "a column is one of date, number and boolean")
        if self.number is None and {"decimal_mark", "scale", "width"} & self.model_fields_set:
            raise PydanticCustomError("quirks", "decimal_mark, scale and width need number")
        return self


class TableQuirks(Quirks):
    """Of all columns of a table or of an answer, and of single ones."""

    columns: dict[str, ColumnQuirks] = Field(default_factory=dict, description="Of single columns, by their name.")


def quirks_of(every: Quirks, table: TableQuirks) -> tuple[Quirk, Mapping[str, Quirk]]:
    """Give what holds for each column, and what holds for those that are named."""
    common = Quirks.model_validate({**every.model_dump(exclude_unset=True), **_common(table)})
    return common.of(None), {name: common.of(column) for name, column in table.columns.items()}


def _common(table: TableQuirks) -> dict[str, object]:
    return {name: value for name, value in table.model_dump(exclude_unset=True).items() if name != "columns"}
