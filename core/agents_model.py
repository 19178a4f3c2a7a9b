"""A model, as agents work with it: what is asked, and what it says. The wire to it is a connector's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .agents_config import ModelConfig


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that a model wants made. `arguments` is what it wrote, which may be no JSON."""

    id: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a model. `kept` is the same in the wire's own form, for the model alone: it is sent back as it came."""

    text: str
    wishes: tuple[Wish, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cut: bool = False
    """Whether it ended because it was too long."""
    kept: Any = None


@dataclass(frozen=True, slots=True)
class Told:
    """What an agent's model is told: a text, or what came of a call that it wished for."""

    text: str
    wish: Wish | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """All that a model is asked with. `talk` alternates: what it was told, what it said."""

    instructions: str
    talk: Sequence[Said | Sequence[Told]]
    tools: Sequence[Tool] = ()
    output: Mapping[str, Any] | None = None


class Model(Protocol):
    """
    One model of one provider.

    Asking changes nothing, so it may be asked again. Raises Unavailable (busy, away, too late: nothing is known to have
    come of it), ConfigError (the key, the model's name), Rejected (too long for it, refused).
    """

    def ask(self, question: Question, config: ModelConfig) -> Said: ...


Kind = Literal["given", "said", "missed", "called", "heard", "refused", "failed"]
