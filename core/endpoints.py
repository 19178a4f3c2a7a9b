"""
The several addresses of one system: which is asked next, which are left alone, and how those come back.

Each has its own breakers for reads and writes, shared by all processes of a state. The system is down when all of them are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from .breaker import Breaker, BreakerRules, LeftAlone
from .errors import ConfigError, DrawbarError, OutcomeUnknown, Unavailable
from .tool import Effect

if TYPE_CHECKING:
    from .lines import Lines

log = structlog.get_logger("drawbar.endpoints")
A = TypeVar("A")
T = TypeVar("T")
Tell = Callable[[str, dict[str, Any]], None]
_LAST_S = 5.0
_PROBE_S = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """One of them, by the name that it is shown by. The lowest `priority` is asked; `weight` says how often within it."""

    name: str
    priority: int = 0
    weight: float = 1.0


class Endpoint:
    """How one address stands in this process."""

    def __init__(self, address: Address, reads: Breaker, writes: Breaker) -> None:
        self.address = address
        self.reads = reads
        self.writes = writes
        self.outstanding = 0
        self.turn = 0.0  # when it is its turn, where others have as little to do
        self.last_until = 0.0  # it failed just now: asked after the others

    @property
    def name(self) -> str:
        return self.address.name

    def line(self, effect: Effect) -> Breaker:
        return self.reads if effect == "read" else self.writes

    def as_json(self) -> dict[str, Any]:
        reads, writes = self.reads.as_json(), self.writes.as_json()
        return {"url": self.name, "outstanding": self.outstanding, "reads": reads, "writes": writes}


class Endpoints:
    """
    The endpoints of one system in this process; empty for a system that has one address.

    `reach` looks whether an endpoint is there again, without a call; it raises one of the five.
    """

    def __init__(
        self, system: str, rules: BreakerRules, tell: Tell = lambda what, body: None, lines: Lines | None = None
    ) -> None:
        self._system = system
        self._rules = rules
        self._tell = tell
        self._lines = lines
        self._lock = threading.Lock()
        self._now = 0.0
        self._probing: set[tuple[str, str]] = set()
        self.every: tuple[Endpoint, ...] = ()
        self.reach: Callable[[str], None] = lambda name: None
        self.trouble: str | None = None
        """Why the list could not be made anew, and the last good one is used."""

    def __bool__(self) -> bool:
        return bool(self.every)

    def put(self, addresses: Iterable[Address]) -> None:
        """Take a new list; what is known of an address that stays is kept."""
        with self._lock:
            known = {end.name: end for end in self.every}
            made = []
            for address in addresses:
                end = known.pop(address.name, None) or self._made(address)
                end.address = address
                made.append(end)
            self.every = tuple(made)
        for gone in known.values():
            gone.reads.forget()
            gone.writes.forget()

    def ask(
        self,
        effect: Effect,
        limit_s: float,
        send: Callable[[Endpoint], A],
        read: Callable[[A], T],
    ) -> T:
        """
        Ask one after the other until one has taken the question; what has left to one is never sent to another.

        `send` raises Unavailable or ConfigError where nothing left; what `read` makes of an answer is final.
        """
        said: DrawbarError | None = None
        for end in self._turns(effect):
            answered = False
            try:
                with self._taken(end, effect, limit_s):
                    answer = send(end)
                    answered = True
                    return read(answer)
            except (Unavailable, ConfigError, OutcomeUnknown) as error:
                if not isinstance(error, LeftAlone):
                    end.last_until = time.monotonic() + _LAST_S
                if answered or isinstance(error, OutcomeUnknown):
                    raise
                if said is None or not isinstance(error, LeftAlone):
                    said = error
        raise said or self._none(effect)

    def line(self, effect: Effect) -> Together:
        """Give the line to the system as a whole."""
        return Together(self, effect)

    def refusal(self, effect: Effect) -> Unavailable | None:
        """Say that all are left alone, as the first that will be tried again says it; None while one takes calls."""
        errors = [end.line(effect).error for end in self.every]
        closed = [error for error in errors if error is not None]
        if not errors or len(closed) < len(errors):
            return None
        first = min(closed, key=lambda error: error.retry_after_s or 0)
        said = f"{self._system}: all {len(errors)} endpoints are left alone for a while; {first.message}"
        return LeftAlone(said, retry_after_s=first.retry_after_s)

    def as_json(self) -> list[dict[str, Any]]:
        return [end.as_json() for end in self.every]

    def _turns(self, effect: Effect) -> Iterator[Endpoint]:
        """Give the endpoints in the order to ask them; one whose time for a try has come is looked at beside the calls."""
        now = time.monotonic()
        sound, due = [], []
        for end in self.every:
            line = end.line(effect)
            if line.error is None:
                sound.append(end)
            elif line.is_due:
                due.append(end)
        if sound:
            for end in due:
                self._probe(end, effect)
        with self._lock:
            sound.sort(key=lambda end: (end.last_until > now, end.address.priority, _load(end), end.turn))
        yield from sound
        yield from sorted(due, key=lambda end: end.address.priority)

    @contextmanager
    def _taken(self, end: Endpoint, effect: Effect, limit_s: float) -> Iterator[None]:
        with self._lock:
            end.outstanding += 1
            self._now = max(self._now, end.turn)
            end.turn = self._now + 1 / max(end.address.weight, 0.01)
        try:
            with end.line(effect).watched(limit_s):
                yield
        finally:
            with self._lock:
                end.outstanding -= 1

    def _probe(self, end: Endpoint, effect: Effect) -> None:
        """Look on a thread of its own whether it is back: no caller waits for it, and no write is risked."""
        key = (end.name, "read" if effect == "read" else "write")
        with self._lock:
            if key in self._probing:
                return
            self._probing.add(key)

        def look() -> None:
            try:
                end.line(effect).probe(lambda: self.reach(end.name), _PROBE_S)
            except Exception:  # the outermost loop of a thread: the next call looks again
                log.exception("endpoint.defect", endpoint=end.name)
            finally:
                with self._lock:
                    self._probing.discard(key)

        threading.Thread(target=look, name=f"drawbar-probe-{self._system}", daemon=True).start()

    def _made(self, address: Address) -> Endpoint:
        reads, writes = (
            Breaker(
                f"{what} of {self._system} at {address.name}",
                self._rules,
                lambda event, body, what=what: self._told(event, what, address.name, body),  # type: ignore[misc]  # bound now
                lines=self._lines,
            )
            for what in ("reads", "writes")
        )
        end = Endpoint(address, reads, writes)
        end.turn = self._now
        return end

    def _told(self, event: str, what: str, name: str, body: dict[str, Any]) -> None:
        """Tell of one endpoint, and of the system when it was the last one, or is the first one again."""
        self._tell(event.replace("system.", "endpoint."), {"endpoint": name, **body})
        effect: Effect = "read" if what == "reads" else "write"
        if all(end.line(effect).error is not None for end in self.every if end.name != name):
            self._tell(event, {**body, "line": f"{what} of {self._system}"})

    def _none(self, effect: Effect) -> DrawbarError:
        said = f"{self._system} has no endpoint" + (f": {self.trouble}" if self.trouble else "")
        return self.refusal(effect) or Unavailable(said, retry_after_s=1)


class Together:
    """The line of a system with several endpoints, as the guard looks at it: each call is watched at the endpoint it goes to."""

    def __init__(self, endpoints: Endpoints, effect: Effect) -> None:
        self._endpoints = endpoints
        self._effect = effect

    @property
    def error(self) -> Unavailable | None:
        return self._endpoints.refusal(self._effect)

    @property
    def since(self) -> float:
        """Say since when all of them are down."""
        return max((end.line(self._effect).since for end in self._endpoints.every), default=0.0)

    def look(self) -> None:
        """Refuse at once while no endpoint takes a call."""
        every = self._endpoints.every
        if every and all((line := end.line(self._effect)).error is not None and not line.is_due for end in every):
            raise self._endpoints.refusal(self._effect) or LeftAlone("no endpoint takes calls", retry_after_s=0.1)

    @contextmanager
    def watched(self, limit_s: float) -> Iterator[None]:
        self.look()
        yield

    def as_json(self) -> dict[str, Any]:
        """Show the best of them: the system is as well as that."""
        rank = {"up": 0, "trying": 1, "down": 2}
        every = [end.line(self._effect).as_json() for end in self._endpoints.every]
        return min(every, key=lambda said: (rank[said["state"]], said.get("again_in_s", 0)))


def _load(end: Endpoint) -> float:
    return end.outstanding / max(end.address.weight, 0.01)
