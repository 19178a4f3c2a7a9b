"""RunEvents for readers: in order, with numbers that leave no gap behind a reader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from .store.journal import Journal
from .store.tables import events
from .values import load, to_json

_NUMBER = text(
    "UPDATE events SET seq = fresh.seq FROM (SELECT id, nextval('events_numbers') AS seq FROM"
    " (SELECT id FROM events WHERE seq IS NULL ORDER BY id) AS waiting) AS fresh WHERE events.id = fresh.id"
)
_NUMBERER = 0x44726177  # any number that no one else locks


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One thing that happened. `id` is its public number: who has seen up to it asks for what comes after."""

    id: int
    run_id: str | None
    type: str
    task: str | None
    item: int | None
    body: Any
    at: float

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "run_id": self.run_id,
            "type": self.type,
            "task": self.task,
            "item": self.item,
            "body": to_json(self.body),
            "at": moment(self.at),
        }


def moment(seconds: float | None) -> str | None:
    """Spell a time for people and programs: ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


class Events:
    """
    The journal's events.

    On SQLite a row's own number is public, since one writer at a time makes it the order of commits. On PostgreSQL rows become
    visible out of order, so one numberer at a time numbers what is committed.
    """

    def __init__(self, journal: Journal, news: threading.Condition | None = None) -> None:
        self._journal = journal
        self._news = news or threading.Condition()
        self._column = events.c.id if journal.is_sqlite else events.c.seq
        if not journal.is_sqlite:
            journal.write(lambda conn: conn.execute(text("CREATE SEQUENCE IF NOT EXISTS events_numbers")))

    def page(
        self,
        after: int = 0,
        limit: int = 100,
        *,
        run_id: str | None = None,
        match: Callable[[RunEvent], bool] | None = None,
    ) -> list[RunEvent]:
        """Give events after a number, oldest first; `match` leaves out others of the same page."""
        self._number()
        query = (
            select(self._column, *(events.c[name] for name in ("run_id", "type", "task", "item", "body", "at")))
            .where(self._column > after)
            .order_by(self._column)
            .limit(limit)
        )
        if run_id is not None:
            query = query.where(events.c.run_id == run_id)
        with self._journal.read() as conn:
            rows = conn.execute(query).all()
        found = [RunEvent(row[0], row[1], row[2], row[3], row[4], load(row[5]), row[6]) for row in rows]
        return found if match is None else [event for event in found if match(event)]

    def last(self) -> int:
        """Give the number of the newest event, 0 when there is none."""
        self._number()
        with self._journal.read() as conn:
            return conn.execute(select(func.max(self._column))).scalar() or 0

    def follow(
        self, after: int, stop: threading.Event, *, run_id: str | None = None, poll_s: float = 0.25
    ) -> Iterator[RunEvent]:
        """Give events as they come, those of other processes too, until `stop` is set."""
        while not stop.is_set():
            page = self.page(after, 500, run_id=run_id)
            for event in page:
                after = event.id
                yield event
            if not page:
                with self._news:
                    self._news.wait(poll_s)

    def _number(self) -> None:
        if not self._journal.is_sqlite:
            with self._journal.read() as conn:
                waits = conn.execute(select(events.c.id).where(events.c.seq.is_(None)).limit(1)).first()
            if waits:
                self._journal.write(_number)


def _number(conn: Connection) -> None:
    conn.execute(select(func.pg_advisory_xact_lock(_NUMBERER)))
    conn.execute(_NUMBER)
