"""What is seen of every call at the guard: its entry in the audit, its numbers, its span."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .access import Caller
from .audit.audit import Audit
from .errors import DrawbarError, InputError
from .landscape import Bound
from .measure import BUDGET_SECONDS, METER, REFUSALS, TOOL_ERRORS
from .outcome import Outcome
from .prepared import Prepared
from .store.journal import Connection
from .trace import CARRIED, PARENT, Spans

_WAITED_S = 0.001
_LONGEST_NAME = 200


class Witness:
    """Sees the calls of one process. Without an audit, and without tracing, it only counts."""

    def __init__(self, audit: Audit | None = None, spans: Spans | None = None) -> None:
        self.audit = audit
        self.spans = spans

    def attempt(
        self, prepared: Prepared, call_id: str, run_id: str | None, task: str | None, perform: Callable[[], Outcome]
    ) -> Outcome:
        """Make one attempt, timed and as a span of its own."""
        began = time.perf_counter()
        outcome = (
            perform() if self.spans is None else self._traced(self.spans, prepared, call_id, run_id, task, perform)
        )
        self.counted(prepared, outcome, time.perf_counter() - began)
        return outcome

    def counted(self, prepared: Prepared, outcome: Outcome, seconds: float) -> None:
        """Count an attempt that was made."""
        bound = prepared.tool
        labels = (bound.adapter, bound.name, bound.effect)
        METER.attempt(seconds, labels, outcome.state)
        if outcome.error is not None:
            METER.count(TOOL_ERRORS, *labels, str(outcome.error.get("kind")))

    def waited(self, bound: Bound, seconds: float) -> None:
        """Time a wait for the budget; most calls do not wait."""
        if seconds > _WAITED_S:
            METER.time(BUDGET_SECONDS, seconds, bound.adapter)

    def refused(self, tool: str, caller: Caller, arguments: Any, error: DrawbarError, hidden: Sequence[str]) -> None:
        """Note a call that was turned away before it was prepared."""
        METER.count(REFUSALS, error.reason if isinstance(error, InputError) else error.kind)
        if self.audit is not None:
            given = {"arguments": arguments} if isinstance(arguments, Mapping) else {}
            self.audit.note(
                "call",
                caller.name,
                tool[:_LONGEST_NAME],
                "refused",
                payload={**given, "error": _said(error)},
                hidden=hidden,
            )

    def turned_away(self, prepared: Prepared, call_id: str, outcome: str, error: DrawbarError | None = None) -> None:
        """Note a call that was prepared and not made: refused, waiting for a person, or answered by an earlier one."""
        if outcome == "refused":
            METER.count(REFUSALS, error.reason if isinstance(error, InputError) else "other")
        if self.audit is not None:
            payload = _payload(prepared, None if error is None else _said(error))
            self.audit.note("call", prepared.caller.name, prepared.tool.full_name, outcome, call=call_id, **_about(prepared), payload=payload)  # fmt: skip

    def called(
        self, prepared: Prepared, call_id: str, outcome: Outcome, *, run_id: str | None = None, task: str | None = None
    ) -> None:
        """Note a call that the ledger does not keep."""
        if self.audit is not None and (outcome.counts or run_id is None):
            payload = _payload(prepared, _brief(outcome), task)
            self.audit.note("call", prepared.caller.name, prepared.tool.full_name, outcome.state, call=call_id, run=run_id, **_about(prepared), payload=payload)  # fmt: skip

    def entry(
        self, prepared: Prepared, call_id: str, outcome: Outcome, *, run_id: str | None = None, task: str | None = None
    ) -> dict[str, Any] | None:
        """Make the audit's entry of a call, for `write` in the unit that records its outcome."""
        if self.audit is None or not (outcome.counts or run_id is None):
            return None
        payload = _payload(prepared, _brief(outcome), task)
        return self.audit.row("call", prepared.caller.name, prepared.tool.full_name, outcome.state, call=call_id, run=run_id, **_about(prepared), payload=payload)  # fmt: skip

    def write(self, conn: Connection, entry: Mapping[str, Any] | None) -> None:
        if self.audit is not None and entry is not None:
            self.audit.write(conn, entry)

    @contextmanager
    def beginning(self, workflow: str) -> Iterator[None]:
        """Begin a run in here: it belongs to the trace of who starts it, or to one of its own."""
        if self.spans is None:
            yield
            return
        token = PARENT.set(self.spans.mark(f"run {workflow}", PARENT.get(), {"drawbar.workflow": workflow}))
        try:
            yield
        finally:
            PARENT.reset(token)

    def _traced(
        self,
        spans: Spans,
        prepared: Prepared,
        call_id: str,
        run_id: str | None,
        task: str | None,
        perform: Callable[[], Outcome],
    ) -> Outcome:
        bound = prepared.tool
        about: dict[str, str | int | float | bool] = {
            "drawbar.system": bound.adapter,
            "drawbar.tool": bound.name,
            "drawbar.effect": bound.effect,
            "drawbar.call.id": call_id,
            "drawbar.caller": prepared.caller.name,
            **({"drawbar.run.id": run_id} if run_id else {}),
            **({"drawbar.task": task} if task else {}),
        }
        with spans.call(bound.name, PARENT.get(), about) as span:
            token = CARRIED.set(span.carried)
            try:
                outcome = perform()
            finally:
                CARRIED.reset(token)
            error = outcome.error or {}
            span.end(outcome.state, {"error.type": str(error["kind"])} if error else {})
            return outcome


def _about(prepared: Prepared) -> dict[str, Any]:
    return {"effect": prepared.tool.effect, "hidden": prepared.hidden if prepared.hides else ()}


def _payload(prepared: Prepared, error: Any, task: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"arguments": prepared.arguments}
    if error is not None:
        said["error"] = error
    if task is not None:
        said["task"] = task
    return said


def _brief(outcome: Outcome) -> Any:
    """Say why, without what the system sent along."""
    return (
        None
        if outcome.error is None
        else {name: outcome.error[name] for name in ("kind", "message") if name in outcome.error}
    )


def _said(error: DrawbarError) -> dict[str, Any]:
    return {"kind": error.kind, "message": error.message}
