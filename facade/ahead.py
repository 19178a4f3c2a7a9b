"""Calls of a read whose line is heard beside the client's: who reads the one reads the others, and no thread waits for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ..core.errors import DrawbarError
from .ears import LOOK_S, PATIENCE_S, TICK_S, Ears
from .hands import Work

if TYPE_CHECKING:
    from ..app import App
    from ..core.access import Caller
    from ..core.begun import Begun
    from ..core.budget import Share
    from .errands import ToolByMcp

_Under = tuple[int, "Turn", "Begun"]
"""A call under way, and the line that it is heard by."""
_AT_ONCE = 32
"""So many calls go on before the client is heard: it is one alone, and reads their answers together."""
log = structlog.get_logger("drawbar.facade")


@dataclass(slots=True)
class Turn:
    """One call, the system that it is for, and who hears its answer."""

    errand: ToolByMcp
    system: str
    caller: Caller
    say: Callable[[bytes], None]

    def whole(self) -> None:
        self.say(self.errand.whole()[2])

    def rest(self, begun: Begun) -> None:
        self.say(self.errand.rest(begun)[2])


class Turns:
    """The calls under way; one thread at a time uses them. Where the client's line cannot be heard so, there are none."""

    def __init__(self, app: App, client: int, stop: int | None = None) -> None:
        self.ended = False
        """Whether the client says nothing more."""
        self._direct = app.direct
        self._holds = app.guard.holds
        self._client = client
        self._stop = stop
        self._later: list[Callable[[], None]] = []
        self._waiting: dict[str, deque[tuple[float, Turn]]] = {}
        self._asks: set[str] = set()
        self._ears: Ears[tuple[Turn, Begun]] = Ears()
        for fileno in (client,) if stop is None else (client, stop):
            self._ears.also(fileno)
        self._is_deaf = self._ears.are_deaf

    def __bool__(self) -> bool:
        return bool(self._ears or self._waiting)

    def wait(self) -> tuple[bool, list[_Under]]:
        """Wait until the client says something, True, or calls can go on; give those for `go_on`."""
        if self._is_deaf:
            return True, []
        hears, calls = False, list[_Under]()
        wait_s = TICK_S if self._waiting else LOOK_S if self._ears else None
        for fileno, call in self._ears.heard(wait_s, _AT_ONCE):
            if fileno == self._client:
                hears = not self.ended
                if self.ended:
                    self._ears.leave(self._client)
            elif fileno == self._stop:
                self.ended = True
                self._ears.leave(fileno)
            elif call is not None:
                calls.append((fileno, *call))
        return hears, calls

    def go_on(self, calls: Sequence[_Under]) -> list[Work]:
        """Go on with calls, and begin those that there is a place for; give what needs a thread."""
        self._holds.refresh()
        works = list[Work]()
        for call in calls:
            works += self._heard(*call)
        if self._waiting:
            for system in list(self._waiting):
                works += self._serve(system)
        return works

    def note(self) -> None:
        """Count and note the calls whose answers have left."""
        if self._later:
            for note in self._later:
                note()
            self._later.clear()

    def take(self, turn: Turn) -> Work | None:
        """Begin a call, now or when there is a place; give it back where it needs a thread."""
        if self._is_deaf:
            return turn.system, turn.whole
        if (line := self._waiting.get(turn.system)) is not None:
            line.append((time.monotonic(), turn))  # those before it come first: `go_on` sees to it
            return None
        standing = self._direct.standing(turn.errand.tool or "", turn.caller)
        if standing is None:
            return turn.system, turn.whole
        if standing:
            return self._begin(turn)
        self._waiting[turn.system] = deque([(time.monotonic(), turn)])
        return self._asking(turn)

    def _asking(self, turn: Turn) -> Work | None:
        """Have a thread ask the other processes for places, where there are too few for those that wait."""
        system = turn.system
        share = self._direct.share(turn.errand.tool or "")
        if not share.lacks(len(self._waiting[system])) or system in self._asks:
            return None
        self._asks.add(system)
        return system, partial(self._ask, system, share)

    def _ask(self, system: str, share: Share) -> None:
        try:
            share.ask()
        except DrawbarError as error:  # who waits for long asks on a thread, and is told
            log.debug("places.unasked", system=system, error=error.message)
        finally:
            self._asks.discard(system)

    def _begin(self, turn: Turn) -> Work | None:
        begun = turn.errand.begin()
        if begun is None:
            return turn.system, turn.whole
        if isinstance(begun, tuple):
            turn.say(begun[2])
        elif (fileno := begun.fileno) is None:
            return turn.system, partial(turn.rest, begun)
        else:
            begun.later = self._later
            self._ears.listen(fileno, (turn, begun), begun.until)
        return None

    def _heard(self, fileno: int, turn: Turn, begun: Begun) -> Sequence[Work]:
        """Go on with a call whose line has something to say."""
        state = begun.step()
        if state == "waits":
            self._ears.listen(fileno, (turn, begun), begun.until)
            return ()
        said = turn.errand.answer(begun) if state == "ended" else None
        if said is None:
            return [(turn.system, partial(turn.rest, begun))]
        turn.say(said[2])
        return ()

    def _serve(self, system: str) -> list[Work]:
        """Begin what there is a place for; who has waited for long needs a thread."""
        works, line = list[Work](), self._waiting[system]
        while line:
            since, turn = line[0]
            standing = self._direct.standing(turn.errand.tool or "", turn.caller)
            if standing is False and time.monotonic() - since < PATIENCE_S:
                work = self._asking(turn)
                return works if work is None else [*works, work]
            line.popleft()
            work = self._begin(turn) if standing else (turn.system, turn.whole)
            works += [] if work is None else [work]
        del self._waiting[system]
        self._direct.share(turn.errand.tool or "").lacks(0)
        return works
