"""Calls that the event loop itself follows: begun when there is a place in their system's budget, read when there is an answer."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .ears import AT_ONCE, AT_ONCE_BESIDE, LOOK_S, PATIENCE_S, TICK_S, Ears

if TYPE_CHECKING:
    from ..core.begun import Begun
    from ..core.budget import Share
    from ..core.direct import Direct
    from .lane import Lane, Passage
    from .threads import Threads


_BESIDE_S = 0.1
"""So long after a call of another system there are others beside those of a system."""
_WAY_S = 0.00005
"""A pause in which a thread has the interpreter; it keeps it until its work is done, or for a switch."""
_WAYS = 4
"""So many pauses for a thread that was given work: its system may let it wait."""
_CROWD = 16
"""So many calls of one system are a crowd: while others are called, the loop goes on with one of them at a time."""
_WORK_S = 0.0005
"""The loop works so long for a crowd before it rests."""


class Turn:
    """Of one system: the calls that are under way, and who waits for a place, since when; the loop hears each in its turn."""

    __slots__ = ("asks", "begun", "ears", "looks", "share", "ticks", "waiting")

    def __init__(self) -> None:
        self.ears: Ears[_Call] = Ears()
        self.looks = False
        self.begun = 0
        """So many since the loop had a turn."""
        self.asks = False
        self.share: Share | None = None
        self.ticks = False
        self.waiting: deque[tuple[float, Passage]] = deque()


_Call = tuple["Passage", "Begun"]


class Turns:
    """Follows the calls of one event loop."""

    def __init__(self, lane: Lane, direct: Direct, threads: Threads) -> None:
        self._lane = lane
        self._direct = direct
        self._threads = threads
        self._systems: dict[str, Turn] = {}
        self._called = ""
        self._beside_until = 0.0
        self._away = 0
        """So many calls are at threads."""
        self._ways = 0
        self._makes_way = False
        self._put_off: deque[Callable[[], None]] = deque()
        self._rested_at = 0.0

    def left(self) -> None:
        """Hear that a call was given to a thread."""
        self._away += 1
        self._ways = _WAYS

    def back(self) -> None:
        """Hear that a thread ended a call."""
        self._away -= 1

    def puts_off(self, turn: Turn, then: Callable[[], None]) -> bool:
        """
        Have a request wait for its turn of the loop, of a line that called this system, where a crowd does.

        Those who are answered in the same moment ask again in the same moment, and who calls another system behind them would
        be read when all of theirs have begun.
        """
        if not self._is_crowd(turn):
            return False
        self._put_off.append(then)
        if len(self._put_off) == 1:
            asyncio.get_running_loop().call_soon(self._take_put_off)
        return True

    def _take_put_off(self) -> None:
        """Go on with one that was put off."""
        self._make_way()
        self._rest()
        try:
            self._put_off[0]()
        finally:
            self._put_off.popleft()
            if self._put_off:
                asyncio.get_running_loop().call_soon(self._take_put_off)

    def _is_crowd(self, turn: Turn) -> bool:
        """Tell whether a crowd calls this system while others are called."""
        return len(turn.ears) + len(turn.waiting) >= _CROWD and time.monotonic() < self._beside_until

    def _rest(self) -> None:
        """
        Leave the core to whoever waits for it, where the loop has worked for long.

        Otherwise the kernel may leave it to the loop for milliseconds, and those who wait call other systems, or answer for them.
        """
        worked_s = time.thread_time()
        if worked_s - self._rested_at > _WORK_S:
            time.sleep(_WAY_S)
            self._rested_at = worked_s

    def take(self, passage: Passage) -> bool:
        """Take a call that needs no thread; False where it needs one."""
        tool = passage.errand.tool or ""
        system = tool.partition(".")[0]
        if system != self._called:
            self._called = system
            self._beside_until = time.monotonic() + _BESIDE_S
        standing = self._direct.standing(tool, passage.caller)
        if standing is None:
            return False
        turn = self._systems.get(system) or self._met(system)
        if turn.ears.are_deaf:
            return False
        passage.turn = turn
        if standing and not turn.waiting and turn.begun < self._at_once():
            if turn.begun == 0:
                asyncio.get_running_loop().call_soon(self._go_on, turn)
            turn.begun += 1
            self._begin(passage, turn)
            return True
        turn.waiting.append((time.monotonic(), passage))
        if not turn.ticks:
            self._ask(turn, passage)
            turn.ticks = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick, turn)
        return True

    def _met(self, system: str) -> Turn:
        turn = self._systems[system] = Turn()
        if not turn.ears.are_deaf:
            asyncio.get_running_loop().add_reader(turn.ears, self._hear, turn)
        return turn

    def _at_once(self) -> int:
        """Say how many calls of one system go on before the loop hears others."""
        return AT_ONCE_BESIDE if time.monotonic() < self._beside_until else AT_ONCE

    def _ask(self, turn: Turn, passage: Passage) -> None:
        """Have a thread ask the other processes for places, where there are too few for those that wait."""
        share = turn.share = self._direct.share(passage.errand.tool or "")
        if share.lacks(len(turn.waiting)) and not turn.asks:
            turn.asks = True
            passage.crew.give(share.ask, partial(self._asked, turn), contextvars.Context())

    def _asked(self, turn: Turn, result: object, error: BaseException | None) -> None:
        turn.asks = False
        self._serve(turn)
        if turn.waiting:
            self._ask(turn, turn.waiting[0][1])

    def _make_way(self) -> None:
        """
        Let threads work that were given calls lately, and write their answers: the loop has more to do, and would keep the
        interpreter from them.

        Those that wait for their systems all the same cost the others little: the pauses are few.
        """
        if not self._away or self._makes_way or time.monotonic() >= self._beside_until:
            return
        self._makes_way = True  # what is written may let the next request of its line in
        try:
            if self._ways:
                self._ways -= 1
                time.sleep(_WAY_S)
            self._threads.settle()
        finally:
            self._makes_way = False

    def _begin(self, passage: Passage, turn: Turn) -> None:
        errand = passage.errand
        begun = passage.context.run(errand.begin)
        if begun is None:
            self._lane.by_thread(passage, errand.whole)
        elif isinstance(begun, tuple):
            asyncio.get_running_loop().call_soon(self._lane.ended, passage, begun, None)
        elif (fileno := begun.fileno) is None:
            self._lane.by_thread(passage, partial(errand.rest, begun))
        else:
            if not turn.looks:
                turn.looks = True
                asyncio.get_running_loop().call_later(LOOK_S, self._look, turn)
            turn.ears.listen(fileno, (passage, begun), begun.until)

    def _hear(self, turn: Turn) -> None:
        most = self._at_once()
        if self._is_crowd(turn):
            most = 1
            self._rest()
        for fileno, call in turn.ears.heard(0, most):
            if call is not None:
                self._heard(fileno, turn, *call)

    def _look(self, turn: Turn) -> None:
        """Hear whose time is over, as long as a call is under way."""
        self._hear(turn)
        turn.looks = bool(turn.ears)
        if turn.looks:
            asyncio.get_running_loop().call_later(LOOK_S, self._look, turn)

    def _heard(self, fileno: int, turn: Turn, passage: Passage, begun: Begun) -> None:
        """Go on with a call whose line has something to say."""
        self._make_way()
        state = begun.step()
        if state == "waits":
            turn.ears.listen(fileno, (passage, begun), begun.until)
            return
        said = passage.context.run(passage.errand.answer, begun) if state == "ended" else None
        if said is None:
            self._lane.by_thread(passage, partial(passage.errand.rest, begun))
        else:
            self._lane.ended(passage, said, None)
        if turn.waiting:
            self._serve(turn, 1)

    def _go_on(self, turn: Turn) -> None:
        """Go on with those that wait for a turn of the loop."""
        turn.begun = 0
        if turn.waiting:
            self._serve(turn)

    def _serve(self, turn: Turn, most: int | None = None) -> None:
        """Begin what there is a place for, so many at most; more when the loop has had a turn."""
        for _ in range(min(most or self._at_once(), len(turn.waiting))):
            self._make_way()
            if not turn.waiting:  # those who were made way for may have begun them
                return
            passage = turn.waiting[0][1]
            standing = self._direct.standing(passage.errand.tool or "", passage.caller)
            if standing is False:
                return
            turn.waiting.popleft()
            if standing:
                self._begin(passage, turn)
            else:
                self._lane.by_thread(passage, passage.errand.whole)
        if most is None and turn.waiting:
            if turn.begun == 0:
                asyncio.get_running_loop().call_soon(self._go_on, turn)
            turn.begun = AT_ONCE

    def _tick(self, turn: Turn) -> None:
        """See to those that wait, whatever becomes of those that run."""
        self._serve(turn)
        if turn.waiting:
            since, passage = turn.waiting[0]
            self._ask(turn, passage)
            if time.monotonic() - since > PATIENCE_S:
                turn.waiting.popleft()
                self._lane.by_thread(passage, passage.errand.whole)
        turn.ticks = bool(turn.waiting)
        if turn.ticks:
            asyncio.get_running_loop().call_later(TICK_S, self._tick, turn)
        elif turn.share is not None:
            turn.share.lacks(0)
