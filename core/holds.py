"""
Holds: an operator says that a system, a feed, a sync, a workflow or a trigger takes no new work.

What runs, ends; what would begin waits where it is. Every process looks at the journal twice a second: at its own file who
asks looks, at a server a thread does, so that nobody waits for the line.
"""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from .access import Caller
from .disk import Floor
from .errors import DrawbarError, InputError, NotNow, Unavailable
from .pulse import Pulse
from .store import events, holds
from .store.journal import Connection, Journal
from .values import moment

log = structlog.get_logger("drawbar.holds")
KINDS = ("adapter", "feed", "sync", "workflow", "trigger")
FEED_VERBS = frozenset({"list", "read", "write", "stat"})
_LOOK_S = 0.4
_AGAIN_S = 60.0
_WAKE_S = 10.0
_LONGEST_S = 100 * 366 * 86_400.0
_SPAN = re.compile(r"\+?(\d{1,6})(m|h|d)\Z")
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}


class Held(NotNow):
    """Somebody holds it. A task that hears this waits, and a release wakes it."""

    def __init__(self, row: Mapping[str, Any], now: float) -> None:
        until = row["until"]
        said = f"{row['name']} is held by {row['held_by']}"
        said += f" until {moment(until)}" if until else ""
        said += f": {row['reason']}" if row["reason"] else ""
        super().__init__(
            said,
            retry_after_s=_AGAIN_S if until is None else round(max(until - now, 1), 3),
            next=f"drawbar release {row['name']}",
            detail={"held": row["target"]},
            pauses=True,
        )
        self.until: float | None = until


class Holds:
    """What is held now, as this process has last seen it; once somebody has asked, `looks` has a thread look again and again."""

    def __init__(self, journal: Journal, *, looks: bool = False) -> None:
        self._journal = journal
        self._looks = looks
        self._looking: Pulse | None = None
        self._clock: Callable[[], float] = time.time if journal.is_sqlite else journal.now
        self._lock = threading.Lock()
        self._live: Mapping[str, dict[str, Any]] = {}
        self._until = 0.0

    def now(self) -> float:
        """Give the wall clock that all processes share: `until` is what people wrote."""
        return self._clock()

    @property
    def is_known(self) -> bool:
        """Tell whether the next question is answered from memory."""
        return time.monotonic() < self._until

    @property
    def renews(self) -> bool:
        """Tell that it is time for somebody to call `renew`: the journal will soon be looked at, or is not known."""
        return self._looking is None and time.monotonic() >= self._until - _LOOK_S / 2 and not self._lock.locked()

    def renew(self) -> None:
        """Look at the journal, before somebody has to wait for it."""
        if self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()

    def refresh(self) -> None:
        """Look again when it is time, where that is a look at our own file: whoever calls here must not wait for a line."""
        if time.monotonic() >= self._until and self._journal.is_sqlite:
            self.renew()

    def live(self) -> Mapping[str, dict[str, Any]]:
        """Give every hold by its target; while the journal is away, as it was last seen."""
        if time.monotonic() >= self._until:
            with self._lock:
                if time.monotonic() >= self._until:
                    self._look()
                    if self._looks and self._looking is None:
                        self._looking = Pulse("held", _LOOK_S / 2, self.renew).start()
        if not self._live:
            return self._live
        now = self.now()
        return {target: row for target, row in self._live.items() if row["until"] is None or row["until"] > now}

    def refusal(self, *targets: str) -> Held | None:
        """Say which of these is held; None when none is."""
        live = self.live()
        if not live:
            return None
        return next((Held(live[target], self.now()) for target in targets if target in live), None)

    def require(self, *targets: str) -> None:
        """Raise Held when one of these is."""
        if (held := self.refusal(*targets)) is not None:
            raise held

    def require_tool(self, adapter: str, tool: str | None = None) -> None:
        """Raise Held when the system is, or the feed that this tool of it works on."""
        if not self.live():
            return
        verb, _, feed = (tool or "").partition("_")
        self.require(f"adapter:{adapter}", *([f"feed:{adapter}.{feed}"] if verb in FEED_VERBS else []))

    def close(self) -> None:
        """Look no more by itself; a second call does nothing."""
        self._looks = False
        if self._looking is not None:
            self._looking.stop()

    def forget(self) -> None:
        """Look again at the next question."""
        self._until = 0.0

    def sweep(self) -> None:
        """End what has expired, and let the tasks go on that waited for what is over."""
        now = self.now()
        with self._journal.read() as conn:
            rows, over = holds.live(conn), holds.over(conn)
        for row in rows:
            if row["until"] is not None and row["until"] <= now:
                self._journal.write(partial(ended, row=row, now=now, by="time", reason=None))
        for target, over_at in over:
            while self._journal.write(partial(holds.wake, target=target, now=self._journal.now())):
                pass
            if now > over_at + _WAKE_S:  # who saw the hold a moment ago has put its task off by now
                self._journal.write(partial(holds.forget, target=target))

    def _look(self) -> None:
        try:
            with self._journal.read() as conn:
                self._live = {row["target"]: row for row in holds.live(conn)}
        except DrawbarError as error:
            log.warning("holds.unread", error=error.message)
        self._until = time.monotonic() + _LOOK_S


def ended(conn: Connection, row: Mapping[str, Any], now: float, *, by: str, reason: str | None) -> bool:
    """Let one go, with its event, inside a unit of the journal."""
    if not holds.end(conn, row["target"], now):
        return False
    said = {"name": row["name"], "kind": row["kind"], "by": by, "reason": reason, "since": moment(row["since"])}
    events.add(conn, "hold.released", body=said)
    return True


class Intake:
    """Whether anything new may begin: nobody holds it, and the disk has room."""

    def __init__(self, kept: Holds, floor: Floor | None = None, *, read_only: bool = False) -> None:
        self.holds = kept
        self.floor = floor
        self.read_only = read_only

    def refusal(self, *targets: str) -> Unavailable | None:
        return (self.floor.refusal() if self.floor else None) or self.holds.refusal(*targets)

    def require(self, *targets: str) -> None:
        """Raise Unavailable when a new run of these may not begin, InputError where none may."""
        if self.read_only:
            raise InputError(
                "this Drawbar only reads, and begins no runs",
                reason="forbidden",
                next="ask one that was started without --read-only",
            )
        if (refusal := self.refusal(*targets)) is not None:
            raise refusal


class Brake:
    """The operator's verbs. `known` names what can be held, by kind."""

    def __init__(self, journal: Journal, kept: Holds, known: Callable[[], Mapping[str, Collection[str]]]) -> None:
        self._journal = journal
        self._holds = kept
        self._known = known

    def list(self) -> list[dict[str, Any]]:
        """List what is held, with who and since when."""
        self._holds.forget()
        return [_shown(row) for row in self._holds.live().values()]

    def hold(
        self, name: str, *, caller: Caller, until: datetime | None = None, reason: str | None = None
    ) -> dict[str, Any]:
        """Let it take no new work, until a moment or until `release`. Holding it again says anew until when and why."""
        caller.require("operate")
        kind, found = self._target(name)
        now = self._holds.now()
        row: dict[str, Any] = {
            "target": f"{kind}:{found}",
            "name": found,
            "kind": kind,
            "held_by": caller.name,
            "reason": reason,
        }
        row |= {"since": now, "until": _checked(until, now)}

        def unit(conn: Connection) -> None:
            holds.put(conn, row)
            said = {"name": found, "kind": kind, "by": caller.name, "reason": reason, "until": moment(row["until"])}
            events.add(conn, "hold.set", body=said)

        self._journal.write(unit)
        self._holds.forget()
        return _shown(row)

    def release(
        self,
        name: str,
        *,
        caller: Caller,
        reason: str | None = None,
        agree: Callable[[Any], None] | None = None,
    ) -> dict[str, Any]:
        """Let it take new work again. `agree` looks at the hold, and raises when it is not the one that the caller has seen."""
        caller.require("operate")
        row = self._one(name)
        if agree is not None:
            agree(_shown(row))
        self._journal.write(lambda conn: ended(conn, row, self._holds.now(), by=caller.name, reason=reason))
        self._holds.forget()
        return _shown(row)

    def find(self, name: str) -> dict[str, Any]:
        """Show one hold."""
        return _shown(self._one(name))

    def _one(self, name: str) -> dict[str, Any]:
        self._holds.forget()
        live = self._holds.live()
        found = [row for row in live.values() if name in {row["name"], row["target"]}]
        if not found:
            near = difflib.get_close_matches(name, [row["name"] for row in live.values()], 1)
            hint = f"did you mean {near[0]!r}?" if near else "see drawbar status"
            raise InputError(f"{name!r} is not held; {hint}", reason="not_found")
        if len(found) > 1:
            raise _many(name, [row["target"] for row in found])
        return found[0]

    def _target(self, name: str) -> tuple[str, str]:
        known = self._known()
        kind, _, rest = name.partition(":")
        if rest in known.get(kind, ()):
            return kind, rest
        kinds = [kind for kind in KINDS if name in known.get(kind, ())]
        if len(kinds) > 1 and kinds[-1] == "trigger":  # a single cron is named after what it starts
            kinds.pop()
        if len(kinds) > 1:
            raise _many(name, [f"{kind}:{name}" for kind in kinds])
        if not kinds:
            near = difflib.get_close_matches(name, [one for names in known.values() for one in names], 1)
            hint = f"did you mean {near[0]!r}?" if near else "an adapter, ADAPTER.FEED, a sync, a workflow or a trigger"
            raise InputError(f"there is nothing named {name!r} to hold; {hint}", reason="not_found", field="name")
        return kinds[0], name


def moment_of(text: str, now: datetime) -> datetime:
    """Read when a hold ends: `90m`, `2h`, `1d`, `06:30` (the next one), or an ISO date and time; local where it has no zone."""
    try:
        if span := _SPAN.match(text):
            return now + timedelta(**{_SPANS[span[2]]: int(span[1])})
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the zone is the one of `now`
            found = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
            return found if found > now else found + timedelta(days=1)
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError):
        raise InputError(
            f"{text!r} is no moment", field="until", next="write 90m, 2h, 06:30 or 2026-11-22T06:30+01:00"
        ) from None


def _checked(until: datetime | None, now: float) -> float | None:
    if until is None:
        return None
    at = until.timestamp()
    if at <= now:
        raise InputError("until is over already", field="until", next="name a moment to come, or leave it out")
    if at > now + _LONGEST_S:
        raise InputError("until is more than 100 years away", field="until", next="leave it out")
    return at


def _many(name: str, targets: list[str]) -> InputError:
    return InputError(
        f"{name!r} is several things", reason="conflict", field="name", next=f"say {' or '.join(sorted(targets))}"
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "kind": row["kind"],
        "by": row["held_by"],
        "reason": row["reason"],
        "since": moment(row["since"]),
        "until": moment(row["until"]),
    }
