"""
A breaker: after some failures one after the other a system is left alone for a while, then one call tries it.

Decisions are pure functions of a line's history and the time; `Breaker` keeps the history of one line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from .errors import DrawbarError, NotNow, OutcomeUnknown, Rejected, Unavailable
from .strict import Strict

if TYPE_CHECKING:
    from .lines import Lines, Said

_SAME_S = 0.05
Went = Literal["well", "badly", "nowhere", "reached"]
"""How a call went. `nowhere`: it did not reach the system, and says nothing about it. `reached`: no call, and it is there."""


class BreakerRules(Strict):
    """When a system that fails is left alone."""

    failures: int = Field(5, ge=0, description="So many failures one after the other open it; 0: it never opens.")
    open_s: float = Field(5, gt=0, description="How long no call is let through, the first time; then one call tries.")
    longest_s: float = Field(60, gt=0, description="How long at most: the time doubles while the system stays away.")


class LeftAlone(Unavailable):
    """The breaker is open: nothing left us, and asking again before its time is no use."""


@dataclass(frozen=True, slots=True)
class Line:
    """How the last calls went. `until` is the end of the time in which nothing is let through; `trying` of one call's try."""

    failures: int = 0
    opened: int = 0
    until: float | None = None
    trying: float | None = None


SOUND = Line()


def admitted(line: Line, now: float, limit_s: float) -> Line | float:
    """Let a call through, as the line is then; or say in how many seconds to come back."""
    if line.until is None:
        return line
    if now < line.until:
        return line.until - now
    if line.trying is not None and now < line.trying:
        return min(line.trying - now, 1.0)
    return replace(line, trying=now + limit_s)


def followed(line: Line, rules: BreakerRules, went: Went, now: float, *, tried: bool) -> Line:
    """Give the line after a call; `tried` says that the call was let through to try an open line."""
    if went == "well":
        return SOUND
    if went == "nowhere":
        return replace(line, trying=None) if tried else line
    if went == "reached":  # calls go through again, and the first that fails opens it for longer than before
        return Line(max(rules.failures - 1, 0), line.opened)
    failed = replace(line, failures=line.failures + 1)
    opens = line.until is None and 0 < rules.failures <= failed.failures
    if not opens and not tried:
        return failed  # a call that began before it opened is no news
    open_s = min(rules.open_s * 2**line.opened, max(rules.longest_s, rules.open_s))
    return Line(failed.failures, min(line.opened + 1, 30), now + open_s)


def went(error: BaseException | None) -> Went:
    """Say what an outcome tells about the system: one that says no is there."""
    if error is None or isinstance(error, Rejected):
        return "well"
    return "badly" if isinstance(error, (Unavailable, OutcomeUnknown)) and not isinstance(error, NotNow) else "nowhere"


class _Watched:
    """One call, in a `with`; no generator, since most calls have nothing to tell."""

    __slots__ = ("_breaker", "_limit_s", "_tried")

    def __init__(self, breaker: Breaker, limit_s: float) -> None:
        self._breaker = breaker
        self._limit_s = limit_s
        self._tried = False

    def __enter__(self) -> None:
        self._tried = self._breaker.begun(self._limit_s)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._breaker.ended(error, tried=self._tried)


class Breaker:
    """One line to a system; `tell` hears that it went down or came up again."""

    def __init__(
        self,
        name: str,
        rules: BreakerRules,
        tell: Callable[[str, dict[str, Any]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        lines: Lines | None = None,
    ) -> None:
        """`lines` are those of all processes of a state; their clock is the monotonic one."""
        self._name = name
        self._rules = rules
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._line = SOUND
        self.since = 0.0
        self._last = ""
        self._shared = False  # the others know that it is down
        self._lines = lines if rules.failures else None
        if self._lines is not None:
            self._lines.heard[name] = self.hear

    def hear(self, said: Said | None) -> None:
        """Take over how the line stands for everybody; it is told by whoever saw it change."""
        with self._lock:
            if said is None:
                if self._shared:
                    self._line, self._shared = SOUND, False
            elif self._line.until is None or said.until > self._line.until + _SAME_S:
                self._line = Line(said.failures, said.opened, said.until, said.trying)
                self._last, self.since, self._shared = said.error, said.since, True

    @property
    def error(self) -> Unavailable | None:
        """Say that it is open, and why; None while calls go through."""
        line = self._line
        if line.until is None:
            return None
        return self._refusal(max(line.until - self._clock(), 0))

    def look(self) -> None:
        """Refuse at once while nothing is let through; the time for a try is not taken."""
        line = self._line
        if line.until is not None and isinstance(left_s := admitted(line, self._clock(), 0), float):
            raise self._refusal(left_s)

    @property
    def is_due(self) -> bool:
        """Tell whether it is open, and its time for a try has come."""
        line, now = self._line, self._clock()
        return line.until is not None and now >= line.until and (line.trying is None or now >= line.trying)

    def probe(self, reach: Callable[[], None], limit_s: float) -> None:
        """Take the one try of all processes, where it is free, for a look that is no call; `reach` raises one of the five."""
        try:
            if not self.begun(limit_s):
                return
        except LeftAlone:
            return
        try:
            reach()
        except DrawbarError as error:
            self._follow("badly", True, error)
        else:
            self._follow("reached", True, None)

    def forget(self) -> None:
        """Hear no more of it."""
        if self._lines is not None and self._lines.heard.get(self._name) == self.hear:
            del self._lines.heard[self._name]

    def watched(self, limit_s: float) -> _Watched:
        """Let one call through, or refuse it at once; how it goes is remembered."""
        return _Watched(self, limit_s)

    def begun(self, limit_s: float) -> bool:
        """Let a call through, or refuse it; tell whether it is the one that tries an open line."""
        if self._line.until is None:
            return False
        with self._lock:
            if self._line.until is None:
                return False
            admission = admitted(self._line, self._clock(), limit_s)
            if isinstance(admission, float):
                raise self._refusal(admission)
            self._line = admission
            shared = self._shared
        return self._is_ours(limit_s) if self._lines is not None and shared else True

    def ended(self, error: BaseException | None, *, tried: bool) -> None:
        """Hear how a call went that was let through."""
        if error is not None:
            self._follow(went(error), tried, error)
        elif self._line is not SOUND:
            self._follow("well", tried, None)

    def as_json(self) -> dict[str, Any]:
        line, now = self._line, self._clock()
        if line.until is None:
            return {"state": "up", "failures": line.failures}
        said = {"state": "down" if now < line.until else "trying", "failures": line.failures}
        return {**said, "again_in_s": round(max(line.until - now, 0), 3), "error": self._last}

    def _is_ours(self, limit_s: float) -> bool:
        """Take the one try of all processes; False when the line is sound by now."""
        assert self._lines is not None
        taken, said = self._lines.take_try(self._name, limit_s)
        if taken:
            return True
        with self._lock:
            if said is None:
                self._line, self._shared = SOUND, False
                return False
            self._line = Line(said.failures, said.opened, said.until, said.trying)
            left_s = admitted(self._line, self._clock(), 0)
            raise self._refusal(left_s if isinstance(left_s, float) else 1.0)

    def _follow(self, went: Went, tried: bool, error: BaseException | None) -> None:
        with self._lock:
            before = self._line
            self._line = after = followed(before, self._rules, went, self._clock(), tried=tried)
            was, is_ = before.until is not None, after.until is not None
            if is_ and went == "badly":
                self._last = error.message if isinstance(error, DrawbarError) else str(error)
            since = self.since
            if is_ and not was:
                self.since = time.time()
            shared, self._shared = self._shared, is_
        if self._lines is not None:
            self._share(self._lines, before, after, went, shared=shared, tried=tried)
        if is_ and not was:
            self._tell("system.down", {"line": self._name, "failures": after.failures, "error": self._last})
        elif was and not is_:
            self._tell("system.up", {"line": self._name, "down_s": round(time.time() - since, 3)})

    def _share(self, lines: Lines, before: Line, after: Line, went: Went, *, shared: bool, tried: bool) -> None:
        """Tell the others, or ask them, when a call went wrong."""
        if after.until is None:
            if shared:
                lines.close(self._name)
            elif went == "badly" and (said := lines.find(self._name)) is not None:
                self.hear(said)
        elif after.until != before.until:
            lines.open(
                self._name,
                failures=after.failures,
                opened=after.opened,
                until=after.until,
                error=self._last,
                since=self.since,
            )
        elif tried:
            lines.give_try_back(self._name)

    def _refusal(self, left_s: float) -> LeftAlone:
        return LeftAlone(
            f"{self._name}: {self._line.failures} calls in a row failed, so it is left alone for a while; "
            f"the last: {self._last}",
            retry_after_s=round(max(left_s, 0.05), 3),
        )
