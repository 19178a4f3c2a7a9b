"""How the configuration spells where events are published."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from .notify_config import is_web
from .strict import Strict


class Publish(Strict):
    """Where events go as CloudEvents 1.0: an exchange of an adapter of kind amqp, or a webhook."""

    adapter: str | None = Field(None, description="An adapter of kind amqp.")
    exchange: str | None = Field(None, min_length=1, max_length=255, description="The type is the routing key.")
    webhook: Annotated[SecretStr, AfterValidator(is_web)] | None = Field(
        None, description="URL that gets a POST for each; empty: nobody."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.webhook is None) == (self.adapter is None) or (self.adapter is None) != (self.exchange is None):
            raise PydanticCustomError("publish", "publish takes adapter and exchange, or a webhook")
        return self


class EventsConfig(Strict):
    """What becomes of events beside the journal."""

    publish: Publish | None = Field(None, description="At least once and in order, from the journal.")
