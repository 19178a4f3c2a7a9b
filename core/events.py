"""RunEvents for readers: in order, with numbers that leave no gap behind a reader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from .errors import DrawbarError
from .store import events, history
from .store.journal import Journal
from .values import load, moment, to_json

log = structlog.get_logger("drawbar.events")


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


def told(journal: Journal, type: str, body: Any) -> None:  # noqa: A002 - the word of the contract
    """Record what belongs to no run; a journal that is away stops nobody."""
    try:
        journal.write(lambda conn: events.add(conn, type, body=body))
    except DrawbarError as error:
        log.warning("event.untold", type=type, error=error.message)


class Events:
    """
    The journal's events.

    On SQLite a row's own number is public, since one writer at a time makes it the order of commits. On PostgreSQL rows become
    visible out of order, so one numberer at a time numbers what is committed.
    """

    def __init__(self, journal: Journal, news: threading.Condition | None = None) -> None:
        self._journal = journal
        self._news = news or threading.Condition()
        self._numbered = not journal.is_sqlite

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
        with self._journal.read() as conn:
            rows = history.events_after(conn, after, limit, run_id, numbered=self._numbered)
        found = [
            RunEvent(row["number"], row["run_id"], row["type"], row["task"], row["item"], load(row["body"]), row["at"])
            for row in rows
        ]
        return found if match is None else [event for event in found if match(event)]

    def last(self) -> int:
        """Give the number of the newest event, 0 when there is none."""
        self._number()
        with self._journal.read() as conn:
            return history.last_event(conn, numbered=self._numbered)

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
        if self._numbered:
            with self._journal.read() as conn:
                waits = history.has_unnumbered(conn)
            if waits:
                self._journal.write(history.number_events)
