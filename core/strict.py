"""The shape of every configuration model."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """
    A configuration model: unknown keys are errors, values are frozen.

    `later` names keys of the contract that this version does not build yet, each with the sentence that `validate` says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)
    later: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _not_yet(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key, sentence in cls.later.items():
                if key in given:
                    raise PydanticCustomError("not_yet", "{sentence}", {"key": key, "sentence": f"{key}: {sentence}"})
        return given
