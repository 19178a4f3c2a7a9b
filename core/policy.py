"""Pure decisions: what follows an outcome, how long to wait, what a budget allows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .breaker import BreakerRules
from .errors import Recovery
from .hours import Hours
from .strict import Strict
from .tool import Effect

Verdict = Literal["again", "park", "fail"]

_VERDICTS: dict[tuple[Recovery, Effect], Verdict] = {
    ("retry", "read"): "again",
    ("retry", "idempotent"): "again",
    ("retry", "write"): "again",
    ("reconcile", "read"): "again",
    ("reconcile", "idempotent"): "again",
    ("reconcile", "write"): "park",
    ("stop", "read"): "fail",
    ("stop", "idempotent"): "fail",
    ("stop", "write"): "fail",
}


def verdict(recovery: Recovery, effect: Effect) -> Verdict:
    """Say what follows an error, by the table of the design (`park` may first ask a probe)."""
    return _VERDICTS[recovery, effect]


class Budget(Strict):
    """How much of one system everybody together may use."""

    concurrency: int = Field(8, ge=1, le=1000, description="Calls at the same time.")
    batch: int | None = Field(None, ge=1, description="How many of these batch work may hold.")
    per_second: float | None = Field(None, gt=0, description="Calls that start in one second.")
    hours: Hours | None = Field(None, description="When calls may start; none starts that may last into a closed time.")
    breaker: BreakerRules = Field(BreakerRules(), description="When the system is left alone, reads and writes apart.")

    @model_validator(mode="after")
    def _batch_is_a_part(self) -> Budget:
        if self.batch is not None and self.batch > self.concurrency:
            said = {"batch": self.batch, "concurrency": self.concurrency}
            raise PydanticCustomError(
                "batch", "batch work may hold {batch} of {concurrency} calls: more than all", said
            )
        return self
