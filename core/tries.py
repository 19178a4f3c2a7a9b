"""A direct call is tried again, within its deadline, where what came of it allows that."""

from __future__ import annotations

import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_exponential_jitter

from .outcome import Outcome
from .policy import verdict
from .tool import Effect

TRIES = 3


def tried(effect: Effect, limit_s: float, attempt: Callable[[float], Outcome]) -> Outcome:
    """Make up to three attempts in so many seconds; each is told how many are left."""
    until = time.monotonic() + limit_s

    def again(outcome: Outcome) -> bool:
        if outcome.recovery is None or outcome.at_once or verdict(outcome.recovery, effect) != "again":
            return False
        return time.monotonic() + (outcome.retry_after_s or 0) < until

    def once() -> Outcome:
        return attempt(max(until - time.monotonic(), 0.001))

    outcome = once()
    return _retried(outcome, again, once, limit_s) if again(outcome) else outcome


def _retried(first: Outcome, again: Callable[[Outcome], bool], once: Callable[[], Outcome], limit_s: float) -> Outcome:
    """Try again what failed once; `first` is the outcome of the first try."""
    backoff = wait_exponential_jitter(multiplier=0.1, max=2)
    known = [first]

    def wait_s(state: RetryCallState) -> float:
        asked_s = state.outcome.result().retry_after_s if state.outcome else None
        return max(backoff(state), asked_s or 0)

    retrying = Retrying(
        stop=stop_after_attempt(TRIES) | stop_after_delay(limit_s),
        wait=wait_s,
        retry=retry_if_result(again),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    outcome: Outcome = retrying(lambda: known.pop() if known else once())
    return outcome
