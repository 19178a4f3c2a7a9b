"""
Events for other systems, as CloudEvents 1.0 in JSON, at least once and in order, from the journal.

The cursor moves after the other side has taken a page: a kill in between sends those again, with the same ids.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from .errors import DrawbarError
from .events import Events, RunEvent
from .store import holds, outbox
from .store.ids import new_id
from .store.journal import Connection, Journal
from .values import moment, write_json

log = structlog.get_logger("drawbar.announce")
MEDIA_TYPE = "application/cloudevents+json"
Send = Callable[[str, str, bytes], None]
"""Takes the event's id, its type, and the whole as JSON; raises one of the five."""
_PAGE = 100
_HOLD_S = 60.0
_FIRST_S, _LONGEST_S = 1.0, 60.0
_NAME = "events"


class Announcer:
    """Sends every event that comes from its first beginning on, whichever process does. `scrub` takes secrets out."""

    def __init__(
        self,
        journal: Journal,
        events: Events,
        send: Send,
        scrub: Callable[[Any], Any] = lambda value: value,
        *,
        first_s: float = _FIRST_S,
    ) -> None:
        self._journal = journal
        self._events = events
        self._send = send
        self._scrub = scrub
        self._first_s = first_s
        self._me = new_id()
        self._source = ""
        self._failing = ""

    def beat(self) -> None:
        """Send what has happened since, a page at a time, until nothing is left or the other side is away."""
        if not self._source:
            last = self._events.last()
            self._source = self._journal.write(partial(_opened, last=last))
        while self._turn():
            pass

    def _turn(self) -> bool:
        with self._journal.read() as conn:
            seen = outbox.cursor(conn, _NAME)
        if seen is None or not self._events.page(seen, 1):
            return False
        now = self._journal.now()
        cursor = self._journal.write(partial(outbox.hold, name=_NAME, holder=self._me, now=now, until=now + _HOLD_S))
        if cursor is None:
            return False
        sent = cursor
        try:
            for event in self._events.page(cursor, _PAGE):
                self._send(self._id(event), event.type, self._spelled(event))
                sent = event.id
        except DrawbarError as error:
            self._put_off(sent, error.message, is_first=sent > cursor)
            return False
        self._failing = ""
        self._journal.write(partial(outbox.keep, name=_NAME, holder=self._me, cursor=sent))
        return sent > cursor

    def _id(self, event: RunEvent) -> str:
        return f"{self._source}-{event.id}"

    def _spelled(self, event: RunEvent) -> bytes:
        said = event.as_json()
        data = {name: said[name] for name in ("run_id", "task", "item", "body")}
        cloud = {
            "specversion": "1.0",
            "id": self._id(event),
            "source": f"urn:drawbar:{self._source}",
            "type": f"drawbar.{event.type}",
            "time": moment(event.at),
            "datacontenttype": "application/json",
            "data": self._scrub(data),
        }
        return write_json({**cloud, "subject": event.run_id} if event.run_id else cloud)

    def _put_off(self, sent: int, error: str, *, is_first: bool) -> None:
        if error != self._failing:
            self._failing = error
            log.warning("events.unpublished", error=error)

        def unit(conn: Connection) -> None:
            failures = 1 if is_first else outbox.failures(conn, _NAME) + 1
            outbox.keep(conn, _NAME, self._me, sent)
            wait_s = min(self._first_s * 2 ** min(failures - 1, 20), _LONGEST_S) * random.uniform(0.5, 1)
            next_at = self._journal.now() + wait_s
            outbox.put_off(conn, _NAME, self._me, error=error, failures=failures, next_at=next_at)

        self._journal.write(unit)


def _opened(conn: Connection, last: int) -> str:
    """Begin after the newest event, or go on; give the name of this journal, which makes ids its own."""
    outbox.open_at(conn, _NAME, last)
    holds.first_word(conn, "instance", secrets.token_hex(6))
    return holds.word(conn, "instance") or ""
