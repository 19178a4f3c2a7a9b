"""
Notices: a person is told by a webhook of what waits for one, from the journal's events, at least once.

An outlet's cursor moves in one commit with what it remembers of having told; a kill between the POST and that commit sends
the same notice, with the same id, again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from .errors import DrawbarError
from .events import Events, RunEvent
from .notify_config import Notify
from .store import drops, history, holds, outbox
from .store.ids import new_id
from .store.journal import Connection, Journal
from .values import moment, write_json

log = structlog.get_logger("drawbar.notify")
Post = Callable[[str, bytes, dict[str, str]], None]
_PAGE = 200
_HOLD_S = 20.0
_FIRST_S, _LONGEST_S = 1.0, 300.0
_LONGEST_TEXT = 500
_FAILURES = {
    "run.failed": "workflow",
    "sync.failed": "sync",
    "trigger.failed": "trigger",
    "schedule.failed": "schedule",
}
_ASKED = frozenset({"approval.asked", "assignment.made"})
_OVER = {"hold.released": "held", "disk.ok": "disk", "file.came": "file_late"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `matter` says what is the same again."""

    on: str
    what: str
    message: str
    next: str

    @property
    def matter(self) -> str:
        return f"{self.on} {self.what}"[:500]


class Outlet:
    """One entry of `notify`, for all processes. `scrub` takes secrets out of what is sent."""

    def __init__(
        self,
        journal: Journal,
        events: Events,
        config: Notify,
        post: Post,
        scrub: Callable[[Any], Any] = lambda value: value,
        *,
        first_s: float = _FIRST_S,
    ) -> None:
        self._journal = journal
        self._events = events
        self._config = config
        self._url = config.to.webhook.get_secret_value()
        self._post = post
        self._scrub = scrub
        self._first_s = first_s
        told = f"{sorted(config.on)} {self._url}"
        self.name = f"notify:{hashlib.sha256(told.encode()).hexdigest()[:16]}"
        self._me = new_id()
        self._seen: int | None = None
        self._kept = 0
        self._failing = ""

    def beat(self) -> None:
        """Tell what has happened since, oldest first, until nothing is left or the other side is away."""
        if self._seen is None:
            last = self._events.last()
            self._seen = self._kept = self._journal.write(lambda conn: outbox.open_at(conn, self.name, last))
        while page := self._events.page(self._seen, _PAGE):
            for event in page:
                if not self._take(event):
                    return
                self._seen = event.id
            if self._seen - self._kept > 5 * _PAGE:
                self._kept = self._seen
                self._journal.write(partial(outbox.skip_to, name=self.name, cursor=self._seen))
        self._again()

    def _take(self, event: RunEvent) -> bool:
        """Do what one event asks for; false when it must wait."""
        over = _OVER.get(event.type)
        notice = None if over else self._notice(event)
        if notice is None and (over is None or over not in self._config.on):
            return True
        cursor = self._hold()
        if cursor is None:
            return False
        if cursor >= event.id:
            return True  # another process has told it
        if notice is None:
            self._commit(event.id, outbox.forget, f"{over} {_what(event)}")
            return True
        matter = notice.matter
        with self._journal.read() as conn:
            told_at = outbox.told_at(conn, self.name, matter)
        if told_at is not None and self._journal.now() < told_at + 3600 * self._config.again_after_h:
            self._commit(event.id, outbox.count, matter)
            return True
        said = {"id": f"{self.name}-{event.id}", "type": event.type, "run_id": event.run_id, "task": event.task}
        if not self._send({**said, "at": moment(event.at), **_said(notice)}):
            return False
        self._commit(event.id, partial(outbox.tell, at=self._journal.now()), matter)
        return True

    def _again(self) -> None:
        """Tell again what is still so, and what has happened more often since it was told."""
        before = self._journal.now() - 3600 * self._config.again_after_h
        with self._journal.read() as conn:
            rows = outbox.told_before(conn, self.name, before)
        for row in rows:
            on, _, what = row["matter"].partition(" ")
            still, message = self._still(on, what)
            if not still and not row["count"]:
                self._journal.write(partial(outbox.forget, name=self.name, matter=row["matter"]))
                continue
            cursor = self._hold()
            if cursor is None:
                return
            said = {"id": f"{self.name}-{row['matter']}-{int(row['told_at'])}", "type": "notice.again", "on": on}
            said |= {"what": what, "message": message, "count": row["count"], "again": True, "next": "drawbar status"}
            if not self._send(said):
                return
            self._commit(cursor, partial(outbox.tell, at=self._journal.now()), row["matter"])

    def _still(self, on: str, what: str) -> tuple[bool, str]:
        """Look whether a matter is still so."""
        with self._journal.read() as conn:
            if on == "held":
                return any(row["name"] == what for row in holds.live(conn)), f"{what} is still held"
            if on == "file_late":
                return drops.is_missing(conn, what), f"nothing has come yet for {what}"
            if on == "disk":
                return holds.word(conn, "disk") == "low", "the disk is still too full for new runs"
            if on == "parked":
                count = outbox.open_letters(conn, what)
                return count > 0, f"{count} writes of {what} wait for a person"
            if on == "waiting":
                kind, _, whose = what.partition(" ")
                count = (
                    outbox.open_assignments(conn, whose) if kind == "assignment" else outbox.open_approvals(conn, whose)
                )
                return count > 0, f"{count} {kind}s of {whose} wait"
        return False, f"{what} has drifted again" if on == "drift" else f"{what} has failed again"

    def _notice(self, event: RunEvent) -> Notice | None:
        on = self._config.on
        body = event.body if isinstance(event.body, dict) else {}
        if event.type == "dead.parked" and "parked" in on:
            tool = str((body.get("error") or {}).get("tool") or body.get("tool") or event.task)
            message = f"nobody knows whether {tool} happened: {_message(body)}"
            return Notice("parked", tool, message, f"drawbar dead show {body.get('entry')}")
        if event.type in _ASKED and "waiting" in on:
            return self._asked(event, body)
        if event.type in _FAILURES and "failed" in on:
            if event.type == "sync.failed" and event.run_id is not None:
                return None  # its run tells it
            what = _what(event) if event.run_id is None else self._workflow(event.run_id)
            next_ = f"drawbar show {event.run_id}" if event.run_id else "drawbar status"
            return Notice("failed", f"{_FAILURES[event.type]} {what}", _message(body), next_)
        if event.type == "hold.set" and "held" in on:
            why = f": {body['reason']}" if body.get("reason") else ""
            until = f" until {body['until']}" if body.get("until") else ""
            name = str(body.get("name"))
            return Notice("held", name, f"{name} is held by {body.get('by')}{until}{why}", f"drawbar release {name}")
        if event.type == "file.late" and "file_late" in on:
            name = str(body.get("name"))
            return Notice("file_late", name, _message(body), f"drawbar files {name}")
        if event.type == "sync.drift" and "drift" in on:
            return _drifted(body)
        if event.type == "disk.low" and "disk" in on:
            message = f"the disk is too full for new runs: {body.get('free_mb')} MB free, {body.get('floor_mb')} wanted"
            return Notice("disk", "disk", message, "free some disk")
        return None

    def _asked(self, event: RunEvent, body: dict[str, Any]) -> Notice:
        """Tell what waits: a person's answer, or an agent's."""
        workflow = self._workflow(event.run_id) if event.run_id else "a call"
        if event.type == "assignment.made":
            agent = str(body.get("agent"))
            message = f"{event.task} of {workflow} is assigned to {agent}"
            return Notice("waiting", f"assignment {agent}", message, f"drawbar assignments {agent}")
        message = f"{event.task} of {workflow} waits for an approval"
        return Notice("waiting", f"approval {workflow}", message, f"drawbar approve {body.get('approval')}, or reject")

    def _workflow(self, run_id: str) -> str:
        with self._journal.read() as conn:
            row = history.run(conn, run_id)
        return str(row["workflow"]) if row else run_id

    def _hold(self) -> int | None:
        now = self._journal.now()
        return self._journal.write(lambda conn: outbox.hold(conn, self.name, self._me, now=now, until=now + _HOLD_S))

    def _commit(self, cursor: int, remember: Callable[..., None], matter: str) -> None:
        """Move the cursor together with what is remembered of a matter."""

        def unit(conn: Connection) -> None:
            remember(conn, name=self.name, matter=matter)
            outbox.keep(conn, self.name, self._me, cursor)

        self._journal.write(unit)
        self._kept = max(self._kept, cursor)

    def _send(self, said: dict[str, Any]) -> bool:
        """Send one notice; after a failure wait longer each time, and never give up."""
        body = write_json(self._scrub({name: value for name, value in said.items() if value is not None}))
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(said["id"]), "User-Agent": "drawbar"}
        try:
            self._post(self._url, body, headers)
        except DrawbarError as error:
            self._put_off(error.message)
            return False
        if self._failing:
            log.info("notify.well", outlet=self.name)
            self._failing = ""
        return True

    def _put_off(self, error: str) -> None:
        if error != self._failing:
            self._failing = error
            log.warning("notify.fails", outlet=self.name, error=error)

        def unit(conn: Connection) -> None:
            failures = outbox.failures(conn, self.name) + 1
            wait_s = min(self._first_s * 2 ** min(failures - 1, 20), _LONGEST_S) * random.uniform(0.5, 1)
            next_at = self._journal.now() + wait_s
            outbox.put_off(conn, self.name, self._me, error=error, failures=failures, next_at=next_at)

        self._journal.write(unit)


def _drifted(body: dict[str, Any]) -> Notice:
    """Tell what changed; another change is another matter."""
    sync = str(body.get("sync"))
    changes = [one for one in body.get("changes") or () if isinstance(one, dict)]
    said = "; ".join(str(one.get("said")) for one in changes)
    columns = ", ".join(f"{one.get('change')} {one.get('column')}" for one in changes)
    stops = ": it stopped" if body.get("stops") else ""
    message = f"the source of sync {sync} has drifted{stops}: {said}"[:_LONGEST_TEXT]
    return Notice("drift", f"{sync} {columns}", message, f"drawbar syncs show {body.get('id')}")


def _what(event: RunEvent) -> str:
    body = event.body if isinstance(event.body, dict) else {}
    if event.type.startswith("disk."):
        return "disk"
    return str(next((body[key] for key in ("name", "sync", "trigger", "schedule") if key in body), event.type))


def _message(body: dict[str, Any]) -> str:
    error = body.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return str(said or "it failed")[:_LONGEST_TEXT]


def _said(notice: Notice) -> dict[str, Any]:
    return {"on": notice.on, "what": notice.what, "message": notice.message, "next": notice.next}
