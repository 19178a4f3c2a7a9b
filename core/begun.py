"""
A direct call of a read in two halves: begun here, answered when its line has something to say.

Nobody waits on a thread meanwhile, so that what an event loop does costs no change of threads. Whatever would make it wait is
left for `rest`, which a thread does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .errors import DrawbarError, Unavailable
from .guard import Answer
from .outcome import Outcome, by_rules, storable, veiled
from .store.ids import new_id
from .tool import Asker, Call, Reading

if TYPE_CHECKING:
    from .direct import Direct
    from .guard import Guard
    from .prepared import Prepared

_AGAIN_S = 0.05
State = Literal["waits", "ended", "rest"]
"""Its line will have more to say; all is there for `answer`; what is left is for `rest`, on a thread."""


class Begun:
    """One call under way. It is ended by `answer` or by `rest`."""

    def __init__(self, direct: Direct, guard: Guard, prepared: Prepared, asker: Asker) -> None:
        self._direct = direct
        self._guard = guard
        self._prepared = prepared
        self._asker = asker
        self._call_id = new_id()
        self._began = time.perf_counter()
        self._until = time.monotonic() + prepared.tool.timeout_s
        self.later: list[Callable[[], None]] | None = None
        """Takes what counts and notes it, for when its answer has left; None: that is done before."""
        self._reading: Reading | None = None
        if prepared.approval is None and not prepared.recorded and not prepared.needs_code:
            self._begin()

    @property
    def fileno(self) -> int | None:
        """Give the descriptor that can be read when there is more; None where all of it is for `rest`."""
        return None if self._reading is None else self._reading.fileno

    @property
    def until(self) -> float:
        """Say when its time is over, or that of what it waits for now, on the monotonic clock."""
        own = None if self._reading is None else self._reading.until
        return self._until if own is None else min(self._until, own)

    def step(self) -> State:
        """Go on as far as that goes without waiting."""
        if self._reading is None or time.monotonic() >= self.until:
            return "rest"
        return self._reading.step()

    def answer(self) -> Answer:
        """Give the answer, after `step` said that it ended; raises one of the five."""
        assert self._reading is not None
        try:
            outcome = self._outcome(self._reading.answer)
        finally:
            self._free()
        if self.later is None or outcome.state != "done":
            return self._shown(self._ended(outcome))
        self.later.append(partial(self._noted, outcome, time.perf_counter() - self._began))
        return self._shown(Answer(outcome.result, self._call_id, text=outcome.text))

    def rest(self) -> Answer:
        """Do what is left, on a thread; raises one of the five."""
        if self._reading is None:
            return self._shown(self._direct.made(self._prepared, asker=self._asker))
        try:
            outcome = self._outcome(self._reading.rest)
        finally:
            self._free()
        left_s = self._until - time.monotonic()
        if outcome.error is not None and isinstance(outcome.raised(), Unavailable) and left_s > _AGAIN_S:
            return self._shown(
                self._guard.call(self._prepared, call_id=self._call_id, timeout_s=left_s, asker=self._asker)
            )
        return self._shown(self._ended(outcome))

    def _begin(self) -> None:
        bound, caller, asker = self._prepared.tool, self._prepared.caller, self._asker
        begin = bound.tool.begin
        if begin is None or not bound.share.take():
            return
        try:
            asker.leaving()
            call = Call(
                self._call_id,
                caller.name,
                self._until,
                leaving=asker.leaving,
                progress=asker.progress,
                claims=caller.claims,
            )
            self._reading = begin(self._prepared.arguments, call)
        finally:
            if self._reading is None:
                bound.share.give_back()

    def _free(self) -> None:
        self._reading = None
        self._prepared.tool.share.give_back()

    def _outcome(self, give: Any) -> Outcome:
        bound = self._prepared.tool
        try:
            with bound.share.line(bound.effect).watched(bound.timeout_s):
                outcome = Outcome("done", give())
        except DrawbarError as error:
            outcome = Outcome.of_error(error, {})
        except Exception as error:  # a defect of an adapter, as the guard has it
            outcome = self._guard.defective(self._prepared, self._call_id, error, {})
        return veiled(self._prepared, storable(bound, by_rules(self._prepared, outcome)))

    def _ended(self, outcome: Outcome) -> Answer:
        self._guard.witness.counted(self._prepared, outcome, time.perf_counter() - self._began)
        return self._guard.ended(self._prepared, self._call_id, outcome)

    def _noted(self, outcome: Outcome, seconds: float) -> None:
        self._guard.witness.counted(self._prepared, outcome, seconds)
        self._guard.witness.called(self._prepared, self._call_id, outcome)

    def _shown(self, answer: Answer) -> Answer:
        prepared = self._prepared
        if not prepared.tool.rules.hides:
            return answer
        return replace(answer, result=self._guard.shown(prepared.tool.name, answer.result, prepared.caller), text=None)
