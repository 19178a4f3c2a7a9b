"""What is remembered of files by feed: who works on one, how often it failed, what was taken when, and what came late."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Float, Index, Integer, String, Table, Text

from ..drops import Arrival, FileNote, Twin
from ..values import dump, load, moment
from . import events
from .journal import Journal
from .statement import Statement
from .tables import metadata

_SINCE_DAY = "since"
_KEPT_D = 400.0
_DAY_S = 86_400.0

notes = Table(
    "drop_notes",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("mark", Text, nullable=False),  # size and time, as they were when somebody took it
    Column("state", String(20), nullable=False),
    Column("owner", Text),
    Column("lease_until", Float),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    Column("changed_at", Float, nullable=False),
)

arrivals = Table(
    "drop_arrivals",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("identity", String(64), primary_key=True),  # of name, size and content
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("place", Text),  # in the feed's order, as JSON
    Column("at", Float, nullable=False),
    Column("file_at", Float, nullable=False),
)
Index("drop_arrivals_name", arrivals.c.feed, arrivals.c.name)
Index("drop_arrivals_sha256", arrivals.c.feed, arrivals.c.sha256)
Index("drop_arrivals_at", arrivals.c.feed, arrivals.c.at)

lates = Table(
    "drop_lates",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("told_at", Float, nullable=False),
    Column("came_at", Float),
)

_OF_FEED = Statement(
    "SELECT name, mark, state, owner, lease_until, attempts, reason FROM drop_notes WHERE feed = :feed"
)
_ENTER = Statement(
    "INSERT INTO drop_notes (feed, name, mark, state, owner, lease_until, attempts, changed_at)"
    " VALUES (:feed, :name, :mark, 'claimed', :owner, :until, 0, :now) ON CONFLICT DO NOTHING"
)
_TAKE = Statement(
    "UPDATE drop_notes SET owner = :owner, lease_until = :until, changed_at = :now, state = 'claimed', reason = NULL,"
    " attempts = CASE WHEN mark = :mark THEN attempts ELSE 0 END, mark = :mark"
    " WHERE feed = :feed AND name = :name AND NOT (state IN ('done', 'quarantined') AND mark = :mark)"
    " AND NOT (state = 'claimed' AND lease_until > :now AND owner <> :owner AND owner <> :gone)"
)
_ATTEMPTS = Statement("SELECT attempts FROM drop_notes WHERE feed = :feed AND name = :name")
_RENEW = Statement(
    "UPDATE drop_notes SET lease_until = :until WHERE feed = :feed AND owner = :owner AND state = 'claimed'"
)
_END = Statement(
    "UPDATE drop_notes SET state = :state, owner = NULL, lease_until = NULL, attempts = :attempts, reason = :reason,"
    " changed_at = :now WHERE feed = :feed AND name = :name AND owner = :owner"
)
_NOTE = Statement(
    "INSERT INTO drop_notes (feed, name, mark, state, attempts, reason, changed_at)"
    " VALUES (:feed, :name, :mark, :state, 0, :reason, :now)"
    " ON CONFLICT (feed, name) DO UPDATE SET mark = excluded.mark, state = excluded.state, attempts = 0,"
    " owner = NULL, lease_until = NULL, reason = excluded.reason, changed_at = excluded.changed_at"
)
_FORGET = Statement("DELETE FROM drop_notes WHERE feed = :feed AND name = :name")
_ARRIVED = Statement(
    "INSERT INTO drop_arrivals (feed, identity, name, sha256, size, place, at, file_at)"
    " VALUES (:feed, :identity, :name, :sha256, :size, :place, :now, :file_at)"
    " ON CONFLICT (feed, identity) DO UPDATE SET at = excluded.at"
)
_TWINS = Statement(
    "SELECT name, sha256, at, file_at FROM drop_arrivals WHERE feed = :feed AND at > :since"
    " AND (name = :name OR sha256 = :sha256) ORDER BY at DESC LIMIT 50"
)
_PLACES = Statement(
    "SELECT place FROM drop_arrivals WHERE feed = :feed AND place IS NOT NULL ORDER BY at DESC LIMIT 200"
)
_CAME = Statement(  # what came late was that day's, and is not the next one's
    "SELECT 1 FROM drop_arrivals WHERE feed = :feed AND at >= :since AND at > COALESCE("
    "(SELECT MAX(came_at) FROM drop_lates WHERE feed = :feed AND day <> 'since'), 0) LIMIT 1"
)
_LATE = Statement(
    "INSERT INTO drop_lates (feed, day, told_at, came_at) VALUES (:feed, :day, :now, :came) ON CONFLICT DO NOTHING"
)
_SINCE = Statement("SELECT told_at FROM drop_lates WHERE feed = :feed AND day = 'since'")
_NOT_LATE = Statement("UPDATE drop_lates SET came_at = :now WHERE feed = :feed AND came_at IS NULL")
_MISSING = Statement("SELECT feed, day, told_at FROM drop_lates WHERE came_at IS NULL ORDER BY feed, day")
_IS_MISSING = Statement("SELECT 1 FROM drop_lates WHERE came_at IS NULL AND feed = :feed LIMIT 1")
_CLEAN = Statement("DELETE FROM drop_arrivals WHERE feed = :feed AND at < :before")


class Drops:
    """Keeps them in the journal; each change is a commit of its own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def notes(self, feed: str) -> dict[str, FileNote]:
        now = self._journal.now()
        with self._journal.read() as conn:
            rows = _OF_FEED(conn, feed=feed).fetchall()
        return {
            name: FileNote(mark, state, owner, attempts, state == "claimed" and (until or 0) > now, reason)
            for name, mark, state, owner, until, attempts, reason in rows
        }

    def claim(self, feed: str, name: str, mark: str, owner: str, lease_s: float, *, gone: str = "") -> int | None:
        now = self._journal.now()
        asked = {"feed": feed, "name": name, "mark": mark, "owner": owner, "until": now + lease_s, "now": now}

        def unit(conn: Connection) -> int | None:
            if _ENTER(conn, **asked).rowcount == 1:
                return 0
            if _TAKE(conn, **asked, gone=gone or owner).rowcount != 1:
                return None
            return int(_ATTEMPTS(conn, feed=feed, name=name).fetchone()[0])

        return self._journal.write(unit)

    def renew(self, feed: str, owner: str, lease_s: float) -> None:
        until = self._journal.now() + lease_s
        self._journal.write(lambda conn: _RENEW(conn, feed=feed, owner=owner, until=until).rowcount)

    def end(
        self, feed: str, name: str, owner: str, state: str, attempts: int = 0, *, reason: str | None = None
    ) -> None:
        asked = {"feed": feed, "name": name, "owner": owner, "state": state, "attempts": attempts, "reason": reason}
        now = self._journal.now()
        self._journal.write(lambda conn: _END(conn, **asked, now=now).rowcount)

    def note(self, feed: str, name: str, state: str, mark: str, *, reason: str | None = None) -> None:
        asked = {"feed": feed, "name": name, "state": state, "mark": mark, "reason": reason}
        now = self._journal.now()
        self._journal.write(lambda conn: _NOTE(conn, **asked, now=now).rowcount)

    def forget(self, feed: str, name: str) -> None:
        self._journal.write(lambda conn: _FORGET(conn, feed=feed, name=name).rowcount)

    def arrived(self, feed: str, arrival: Arrival) -> None:
        told = f"{arrival.name}\0{arrival.size}\0{arrival.file_at}\0{arrival.sha256}"
        row = {
            "feed": feed,
            "identity": hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest(),
            "name": arrival.name,
            "sha256": arrival.sha256,
            "size": arrival.size,
            "place": None if arrival.place is None else dump(arrival.place),
            "file_at": arrival.file_at,
        }

        def unit(conn: Connection) -> None:
            now = time.time()
            _ARRIVED(conn, **row, now=now)
            if _NOT_LATE(conn, feed=feed, now=now).rowcount:
                events.add(conn, "file.came", body={"name": feed, "file": arrival.name})
            _CLEAN(conn, feed=feed, before=now - _KEPT_D * _DAY_S)

        self._journal.write(unit)

    def twins(self, feed: str, name: str, sha256: str, within_d: float) -> list[Twin]:
        since = time.time() - within_d * _DAY_S
        with self._journal.read() as conn:
            rows = _TWINS(conn, feed=feed, name=name, sha256=sha256, since=since).fetchall()
        return [Twin(*row) for row in rows]

    def last_place(self, feed: str) -> Any:
        with self._journal.read() as conn:
            found = [load(row[0]) for row in _PLACES(conn, feed=feed).fetchall()]
        same = [place for place in found if type(place) is type(found[0])]
        return max(same, default=None)

    def watched_since(self, feed: str) -> float:
        def unit(conn: Connection) -> float:
            now = time.time()
            _LATE(conn, feed=feed, day=_SINCE_DAY, now=now, came=now)
            return float(_SINCE(conn, feed=feed).fetchone()[0])

        with self._journal.read() as conn:
            row = _SINCE(conn, feed=feed).fetchone()
        return float(row[0]) if row is not None else self._journal.write(unit)

    def came(self, feed: str, since: float) -> bool:
        with self._journal.read() as conn:
            return _CAME(conn, feed=feed, since=since).fetchone() is not None

    def late(self, feed: str, day: str, body: dict[str, Any]) -> bool:
        def unit(conn: Connection) -> bool:
            if _LATE(conn, feed=feed, day=day, now=time.time(), came=None).rowcount != 1:
                return False
            events.add(conn, "file.late", body=body)
            return True

        return self._journal.write(unit)

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        self._journal.write(lambda conn: events.add(conn, kind, body=body))


def missing(conn: Connection) -> list[dict[str, Any]]:
    """Give what was late and has not come yet."""
    return [{"feed": feed, "day": day, "since": moment(told_at)} for feed, day, told_at in _MISSING(conn).fetchall()]


def is_missing(conn: Connection, feed: str) -> bool:
    """Tell whether something of a feed was late and has not come yet."""
    return _IS_MISSING(conn, feed=feed).fetchone() is not None
