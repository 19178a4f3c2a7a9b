"""What the configuration says about single fields of a copybook: dates, and what means NULL."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from ...core.errors import ConfigError
from ...core.strict import Strict
from .copybook_fields import Alphabet, Codec
from .scalars import ColumnSpec, parser, printer

_FIGURATIVE: dict[str, Callable[[Alphabet], bytes]] = {
    "spaces": lambda alphabet: alphabet.space,
    "low_values": lambda alphabet: b"\0",
    "high_values": lambda alphabet: b"\xff",
    "zeros": lambda alphabet: "0".encode(alphabet.encoding),
}


def _names(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


NullIf = Annotated[list[str], BeforeValidator(_names)]


class FieldRule(Strict):
    """What one field means beyond its PICTURE."""

    date: str | None = Field(None, description="Its characters or digits are a date, written as in strptime: '%y%m%d'.")
    datetime: str | None = Field(None, description="The same for a date with a time.")
    null: NullIf = Field(
        default_factory=list, description="Characters that mean NULL, or spaces, low_values, high_values, zeros."
    )

    @model_validator(mode="after")
    def _one(self) -> FieldRule:
        if self.date and self.datetime:
            raise ValueError("a field is a date or a datetime, not both")
        return self


class FieldRules:
    """Puts rules on the codecs of fields, and knows afterwards which were never used."""

    def __init__(self, types: Mapping[str, FieldRule], null_if: Sequence[str] | None, alphabet: Alphabet) -> None:
        self._types = types
        self._null_if = null_if
        self._alphabet = alphabet
        self._used: set[str] = set()
        self._seen: set[str] = set()

    def __call__(self, name: str, path: str, codec: Codec) -> Codec:
        self._seen |= {name, path}
        rule = FieldRule()
        for key, given in self._types.items():
            if key.replace("-", "_") in {name, path}:
                self._used.add(key)
                rule = given
        nulls = [*rule.null, *(self._null_if or [])]
        if pattern := rule.date or rule.datetime:
            codec = _moment(codec, pattern, is_date=rule.date is not None)
        if nulls:
            return _nullable(codec, nulls, self._alphabet)
        return _blank_is_null(codec, self._alphabet) if codec.blank_is_null else codec

    def finish(self) -> None:
        """Refuse rules for fields that the copybook has not."""
        for key in self._types:
            if key not in self._used:
                near = difflib.get_close_matches(key.replace("-", "_"), self._seen, 1)
                raise ConfigError(
                    f"types: the copybook has no field {key}{f'; did you mean {near[0]}?' if near else ''}"
                )


def _moment(codec: Codec, pattern: str, *, is_date: bool) -> Codec:
    spec = ColumnSpec(name="moment", type="date" if is_date else "datetime", date=pattern)
    parse, show = parser(spec, "."), printer(spec, ".")
    return replace(
        codec,
        type="date" if is_date else "datetime",
        precision=None,
        scale=None,
        decode=lambda raw: parse(codec.text(raw)),
        encode=lambda value: codec.back(show(value)),
        shape=None,
    )


def _nullable(codec: Codec, nulls: Sequence[str], alphabet: Alphabet) -> Codec:
    patterns = [
        _FIGURATIVE[null.lower().replace("-", "_")](alphabet) * codec.size
        for null in nulls
        if null.lower().replace("-", "_") in _FIGURATIVE
    ]
    whole = frozenset(patterns)
    texts = frozenset(null for null in nulls if null.lower().replace("-", "_") not in _FIGURATIVE)
    written = patterns[0] if patterns else codec.back(next(iter(texts)))

    def decode(raw: bytes) -> Any:
        if raw in whole or (texts and codec.text(raw) in texts):
            return None
        return codec.decode(raw)

    return replace(
        codec, decode=decode, encode=lambda value: written if value is None else codec.encode(value), shape=None
    )


def _blank_is_null(codec: Codec, alphabet: Alphabet) -> Codec:
    """Read a number whose bytes are all blanks or all low values as NULL: no number looks like that."""
    blanks = frozenset({alphabet.space * codec.size, bytes(codec.size)})
    inner = codec.decode

    def decode(raw: bytes) -> Any:
        try:
            return inner(raw)
        except ValueError:
            if raw in blanks:
                return None
            raise

    return replace(codec, decode=decode)
