"""What came of one attempt, sorted by what the tool's rules say of it, and made fit to be recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import structlog

from .breaker import LeftAlone
from .errors import (
    ConfigError,
    DrawbarError,
    NotNow,
    OutcomeUnknown,
    Recovery,
    Rejected,
    Unavailable,
    from_json,
)
from .expressions import EvaluationError, Template
from .landscape import Bound, explained_by
from .masking import masked, places, texts_at, without
from .prepared import Prepared
from .values import write_json

log = structlog.get_logger("drawbar.guard")
_SHORT_BYTES = 65_536
State = Literal["done", "rejected", "unavailable", "unknown", "failed"]
_STATES: dict[str, State] = {"rejected": "rejected", "unavailable": "unavailable", "unknown": "unknown"}


@dataclass(slots=True)
class Outcome:
    """What came of one attempt. `recovery` says what an error allows (policy.verdict decides)."""

    state: State
    result: Any = None
    error: dict[str, Any] | None = None
    recovery: Recovery | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    counts: bool = True
    """False where nothing left us by an agreement of our own: that uses up no attempt."""
    pauses: bool = False
    """Nor the time for attempts (`within_s`)."""
    at_once: bool = False
    """Nothing left us, and a direct caller is told so at once."""
    is_json: bool = field(default=False, compare=False)
    """Its result was seen to be JSON."""
    hidden: tuple[str, ...] = ()
    """Paths of its result that repeat what must not be seen of the arguments."""
    text: bytes | None = field(default=None, compare=False, repr=False)
    """The outward form of its result as it was written to be compared, where that is short."""

    @classmethod
    def of_error(cls, error: DrawbarError, notes: dict[str, Any]) -> Outcome:
        mine = isinstance(error, NotNow)
        at_once = mine or isinstance(error, LeftAlone)
        pauses = isinstance(error, NotNow) and error.pauses
        state = _STATES.get(error.kind, "failed")
        return cls(state, None, error.as_json(), error.recovery, notes, counts=not mine, pauses=pauses, at_once=at_once)

    @property
    def retry_after_s(self) -> float | None:
        return (self.error or {}).get("retry_after_s")

    def raised(self) -> DrawbarError:
        return from_json(self.error or {"kind": "unknown", "message": "no outcome"})


def by_rules(prepared: Prepared, outcome: Outcome) -> Outcome:
    """Apply the tool's own outcome rules, then compare the answer with its schema."""
    bound = prepared.tool
    env = _outcome_env(prepared, outcome) if bound.rules.outcome else {}
    for rule in bound.rules.outcome:
        if not _matches(rule.when, env):
            continue
        message = (
            filled(rule.message, env, prepared.hidden)
            or (outcome.error or {}).get("message")
            or f"{bound.name} said so"
        )
        if rule.is_ == "done":
            outcome = Outcome("done", filled(rule.result, env, prepared.hidden), notes=outcome.notes)
        else:
            kind = {"rejected": Rejected, "unavailable": Unavailable, "unknown": OutcomeUnknown}[rule.is_]
            detail = (outcome.error or {}).get("detail", outcome.result)
            outcome = Outcome.of_error(kind(str(message), tool=bound.name, detail=detail), outcome.notes)
        break
    if outcome.state == "done":
        return _compared(prepared, outcome)
    if outcome.error is None:
        return outcome
    asks = {"next": explained_by(bound.adapter)} if outcome.error["kind"] in {"config", "unavailable"} else {}
    return replace(outcome, error={"tool": bound.name, **asks, **outcome.error})


def filled(template: Template | None, env: Mapping[str, Any], hidden: Sequence[str]) -> Any:
    if template is None:
        return None
    try:
        return template.fill(env)
    except EvaluationError as error:
        log.warning("rule.fails", error=_told(error.message, env, hidden))
        return None


def _told(said: str, env: Mapping[str, Any], hidden: Sequence[str]) -> str:
    """Take out of what an expression says what is hidden of all that it sees."""
    texts = {text for value in env.values() for text in texts_at(value, hidden)}
    told: str = without(said, texts)
    return told


def _matches(when: Template, env: Mapping[str, Any]) -> bool:
    """A rule about a fault does not match an answer: what it names is simply not there."""
    try:
        return when.fill(env) is True
    except EvaluationError:
        return False


def _outcome_env(prepared: Prepared, outcome: Outcome) -> dict[str, Any]:
    env: dict[str, Any] = {
        "arguments": prepared.arguments,
        "caller": {"name": prepared.caller.name, "claims": prepared.caller.claims},
    }
    if outcome.state == "done":
        env["result"] = outcome.result
    elif (detail := (outcome.error or {}).get("detail")) is not None:
        env["fault"] = detail
    return env


def defect(bound: Bound, error: Exception) -> DrawbarError:
    said = f"{bound.name}: the adapter failed unexpectedly ({type(error).__name__}); this is a defect, the log has it"
    return ConfigError(said) if bound.effect == "read" else OutcomeUnknown(said)


def _compared(prepared: Prepared, outcome: Outcome) -> Outcome:
    """Compare an answer with its tool's schema."""
    bound, is_json, text = prepared.tool, True, b""
    try:
        text = write_json(outcome.result)
        deviation = bound.answer.deviation(outcome.result, text)
    except (TypeError, ValueError, RecursionError) as error:
        is_json, deviation = False, f"the answer is no JSON: {error}"
    if deviation is None:
        outcome.is_json = True
        outcome.text = text if len(text) <= _SHORT_BYTES else None
        return outcome
    if prepared.hides:
        deviation = without(deviation, _texts(prepared, outcome))
    log.warning("answer.deviates", tool=bound.name, deviation=deviation)
    notes = {**outcome.notes, "deviation": deviation}
    if bound.tool.strict and bound.effect == "read":
        said = f"{bound.name} answered what breaks its own schema: {deviation}"
        next_ = "tolerant: true of the adapter takes it and reports it"
        return Outcome.of_error(Rejected(said, tool=bound.name, next=next_), notes)
    return replace(outcome, notes=notes, is_json=is_json)


def storable(bound: Bound, outcome: Outcome) -> Outcome:
    """Make sure that an outcome can be recorded: what happened is not forgotten because of what was said about it."""
    if outcome.is_json and outcome.error is None and not outcome.notes:
        return outcome
    try:
        write_json([None if outcome.is_json else outcome.result, outcome.error, outcome.notes])
        return outcome
    except (TypeError, ValueError, RecursionError) as error:
        log.warning("answer.unstorable", tool=bound.name, error=str(error))
        said = f"the answer cannot be kept: {error}"
    failed = None
    if outcome.error is not None:
        message = str(outcome.error.get("message", "")).encode("utf-8", "replace").decode()
        failed = {"kind": outcome.error["kind"], "message": message, "tool": bound.name}
    return replace(
        outcome, result=None, error=failed, notes={"deviation": said, "left_at": outcome.notes.get("left_at")}
    )


def veiled(prepared: Prepared, outcome: Outcome) -> Outcome:
    """Take out of an error, and out of what was noted, what must not be seen of the arguments and of a fault."""
    if not prepared.hides:
        return outcome
    if outcome.state == "done" and (sent := texts_at(prepared.arguments, prepared.hidden)):
        outcome.hidden = places(outcome.result, sent)
    if outcome.error is None and not outcome.notes:
        return outcome
    texts = _texts(prepared, outcome)
    said = outcome.error
    if said is not None and "detail" in said:
        said = {**said, "detail": _veiled_detail(said["detail"], prepared.hidden)}
    if said is not None:
        kept: dict[str, Any] = {
            name: said[name] for name in ("kind", "happened", "tool", "retry_after_s") if name in said
        }
        said = {**without(said, texts), **kept}
    left = {name: value for name, value in outcome.notes.items() if name == "left_at"}
    return replace(outcome, error=said, notes={**without(outcome.notes, texts), **left})


def _texts(prepared: Prepared, outcome: Outcome) -> frozenset[str]:
    """Give what must not be seen of the arguments, of a fault and of a result."""
    hidden, detail = prepared.hidden, (outcome.error or {}).get("detail")
    found = texts_at(prepared.arguments, hidden) | texts_at(outcome.result, hidden) | texts_at(detail, hidden)
    inner = _elements(detail)
    return found.union(texts_at(inner, hidden), *(texts_at(part, hidden) for part in inner.values()))


def _elements(detail: Any) -> Mapping[str, Any]:
    """Give what a fault of SOAP has in its detail: one element's fields, or several elements by their names."""
    inner = detail.get("detail") if isinstance(detail, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _veiled_detail(detail: Any, hidden: Collection[str]) -> Any:
    said = masked(detail, hidden)
    if not (inner := _elements(said)):
        return said
    parts = {name: masked(part, hidden) if isinstance(part, Mapping | list) else part for name, part in inner.items()}
    return {**said, "detail": masked(parts, hidden)}
