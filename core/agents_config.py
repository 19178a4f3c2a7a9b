"""What is configured of an agent that has a model, and of an agent's documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from .strict import Strict

ScopeGlob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:@*?\[\]!-]{1,100}$")]


class Price(Strict):
    """What a million tokens cost, in whatever money the costs are counted in."""

    input: Decimal = Field(Decimal(0), ge=0, description="A million tokens that the model reads.")
    output: Decimal = Field(Decimal(0), ge=0, description="A million tokens that the model writes.")


class ModelConfig(Strict):
    """The model that an agent works with."""

    provider: Literal["openai", "anthropic"] = Field(
        description="Which protocol it speaks: openai: chat completions, of OpenAI and of every server that is compatible; anthropic: messages."
    )
    name: str = Field(min_length=1, max_length=200, description="The model's name there.")
    base_url: str | None = Field(
        None, pattern=r"^(https?://|\$\{)", description="Where it is served; absent: at the provider itself."
    )
    api_key: SecretStr = Field(SecretStr(""), description="The key; a server of your own may need none.")
    timeout_s: float = Field(120, gt=0, le=3600, description="Limit of one answer, in seconds.")
    attempts: int = Field(
        5, ge=1, le=100, description="How often one question is asked while the model is away or busy."
    )
    max_output_tokens: int = Field(4096, ge=1, le=1_000_000, description="Tokens of one answer.")
    temperature: float | None = Field(None, ge=0, le=2, description="Absent: the model's own.")
    structured: bool = Field(
        False,
        description="Ask for an answer with a schema by the provider's own structured output; else in words, which every model understands. It is checked here in both cases.",
    )
    price_per_million: Price | None = Field(
        None, description="Prices, for the costs of a run; absent: none are counted."
    )


class ContextRights(Strict):
    """Which scopes of the context an agent may read and write."""

    read: list[ScopeGlob] = Field(default_factory=list, description="Globs of scopes.")
    write: list[ScopeGlob] = Field(default_factory=list, description="Globs of scopes; who writes may read there, too.")
