"""What the configuration says about one tool, on every kind of adapter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from .expressions import Sees, Template
from .strict import Strict
from .tool import Effect

ToolTemplate = Annotated[Template, Sees("arguments", "result", "fault", "caller")]


class Probe(Strict):
    """How to look whether a write whose answer was lost has happened."""

    tool: str = Field(description="Full name of a read tool.")
    with_: ToolTemplate = Field(alias="with", description="Its arguments.")
    done: ToolTemplate = Field(description="True when the effect is there.")
    result: ToolTemplate | None = Field(None, description="The answer that the call would have given.")
    after_s: float = Field(5, ge=0, le=86_400, description="Seconds after the call left before the first look.")
    absent_after_s: float | None = Field(
        None,
        gt=0,
        le=31_622_400,
        description="Seconds after the call left from which on 'not seen' counts as not done. No default: parked.",
    )


class OutcomeRule(Strict):
    """What an answer or a fault means, where the system says it in its own way."""

    when: ToolTemplate
    is_: Literal["done", "rejected", "unavailable", "unknown"] = Field(alias="is")
    result: ToolTemplate | None = None
    message: ToolTemplate | None = None


class ApprovalRule(Strict):
    """When another person must agree."""

    when: ToolTemplate | None = Field(None, description="Only then; always when absent.")
    by: list[str] = Field(
        default_factory=list, description="Roles or names that may approve; empty: anybody with the scope."
    )
    within_h: float = Field(24, gt=0, le=87_600, description="After that many hours it expires into a rejection.")


class ToolRules(Strict):
    """Overrides and rules of one tool."""

    as_: str | None = Field(
        None, alias="as", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="The name that callers see."
    )
    description: str | None = None
    effect: Effect | None = None
    key: ToolTemplate | None = Field(None, description="The business case: the same key has one effect.")
    key_h: float = Field(72, gt=0, le=876_000, description="How long a key is remembered, in hours.")
    bind: dict[str, ToolTemplate] = Field(default_factory=dict, description="Arguments that callers do not see.")
    probe: Probe | None = None
    outcome: list[OutcomeRule] = Field(default_factory=list, description="First match wins.")
    approval: ApprovalRule | None = None
    timeout_s: float | None = Field(None, gt=0, le=3600)
    personal: list[str] = Field(default_factory=list, description="Paths of fields to mask.")
    secret: list[str] = Field(default_factory=list, description="Paths of fields never to show.")
    examples: list[dict[str, Any]] = Field(default_factory=list)
    units: dict[str, str] = Field(
        default_factory=dict, description="What numbers are counted in, by field: `amount: EUR`. Models read it."
    )
    enabled: bool = True

    @property
    def hides(self) -> bool:
        return bool(self.personal or self.secret)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Name the fields that must not be shown."""
        return (*self.personal, *self.secret)

    def hide_beside(self, field: str, others: Iterable[str]) -> None:
        """Hide what says a field in another form, such as its bytes, where anything in that field is hidden."""
        for paths in (self.personal, self.secret):
            for path in [path.split(".") for path in paths]:
                if field in path:
                    beside = (".".join((*path[: path.index(field)], other)) for other in others)
                    paths.extend(one for one in beside if one not in paths)
