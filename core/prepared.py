"""A call that may be made, and why another one may not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .access import Caller
from .errors import DrawbarError, InputError, OutcomeUnknown
from .expressions import EvaluationError, Template
from .landscape import Bound
from .rules import ApprovalRule
from .store import ledger
from .values import canonical
from .veils import takes


@dataclass(slots=True)
class Prepared:
    """A call that may be made: converted arguments, the business key, and the approval that it needs."""

    tool: Bound
    arguments: dict[str, Any]
    kept_hash: str | None
    """The hash of the arguments, of what the ledger keeps with one."""
    key: str | None
    caller: Caller
    approval: ApprovalRule | None
    needs_code: bool = False
    """Whether a direct call needs the code of its preview: a slip of this caller would have this effect."""
    carried: tuple[str, ...] = ()
    """Paths of the arguments that were taken from what other tools hide."""

    @property
    def hides(self) -> bool:
        """Tell whether anything of this call must not be seen."""
        return self.tool.rules.hides or bool(self.carried)

    @property
    def hides_key(self) -> bool:
        """Tell whether its business key is made of what must not be seen."""
        key = self.tool.rules.key
        return key is not None and self.hides and takes(key, "arguments", self.hidden)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Name what must not be seen of the arguments."""
        return (*self.tool.rules.hidden, *self.carried)

    @property
    def hash(self) -> str:
        """Give what equal arguments have alike; most reads are never asked for it."""
        return self.kept_hash or hashlib.sha256(canonical(self.arguments)).hexdigest()

    @property
    def recorded(self) -> bool:
        """Tell whether the ledger keeps it: every effect, and every read that has a key."""
        return self.tool.effect != "read" or self.key is not None


def forbidden(bound: Bound, caller: Caller) -> InputError:
    if bound.effect == "write" and caller.name == "local":
        hint = f'agents: {{ local: {{ tools: ["{bound.name}"] }} }}'
    else:
        hint = f"list it under agents.{caller.name}.tools"
    return InputError(
        f"{caller.name} may not call {bound.name} (effect {bound.effect})",
        reason="forbidden",
        tool=bound.name,
        next=hint,
    )


def approval_of(bound: Bound, caller: Caller, env: Mapping[str, Any]) -> ApprovalRule | None:
    rule = bound.rules.approval
    if rule is not None and (rule.when is None or value_of(rule.when, env, bound, "approval.when") is True):
        return rule
    return ApprovalRule() if bound.effect in caller.approval else None


def value_of(template: Template, env: Mapping[str, Any], bound: Bound, field_name: str) -> Any:
    try:
        return template.fill(env)
    except EvaluationError as error:
        raise InputError(f"{field_name}: {error.message}", tool=bound.name, field=field_name) from error


def busy_with(prepared: Prepared, busy: ledger.Busy) -> DrawbarError:
    """Say why a call is not made whose key another call holds; what became of that one is what became of this one."""
    name = prepared.tool.name
    if busy.state == "unknown":
        return OutcomeUnknown(
            f"{name}: the outcome of the first call with this key is unknown",
            tool=name,
            id=busy.entry,
            next=f"do not call it again: find out what happened, then drawbar dead settle {busy.entry}",
        )
    said = f"{name}: a call with this key is still running"
    return InputError(said, reason="conflict", tool=name, id=busy.entry, next="ask again for its answer")
