"""
API keys. A key is shown once, when it is made; what is kept is its SHA-256.

The secret part has 256 random bits, so a slow hash would protect nothing: nobody guesses it. Keys are compared in constant
time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .access import SCOPES, Scope
from .errors import InputError
from .store import events
from .store import keys as stored
from .store.ids import new_id
from .store.journal import Journal
from .values import moment

PREFIX = "drawbar_"
_DAY_S = 86_400
_USED_S = 60.0
_IDS_S = 1.0
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """What a key opens: an agent, with these scopes of it at most (None: all that it has)."""

    id: str
    agent: str
    scopes: frozenset[str] | None


class Keys:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._used: dict[str, float] = {}
        self._ids: frozenset[str] = frozenset()
        self._ids_until = 0.0

    def add(
        self, agent: str, *, scopes: Sequence[Scope] | None, days: float | None, by: str, reason: str | None = None
    ) -> dict[str, Any]:
        """Make a key and give it with `key`, which nobody can read again. It opens nothing after `days`; None: for ever."""
        if unknown := sorted({*(scopes or ())} - SCOPES):
            raise InputError(f"there is no scope {unknown[0]!r}", field="scope", next=f"known: {', '.join(SCOPES)}")
        key_id, secret, now = new_id(), secrets.token_urlsafe(32), time.time()
        row = {"id": key_id, "agent": agent, "hash": _hashed(secret), "scopes": list(scopes) if scopes else None}
        expires_at = None if days is None else now + days * _DAY_S

        def unit(conn: Any) -> None:
            stored.add(conn, **row, created_at=now, created_by=by, expires_at=expires_at)
            events.add(conn, "key.added", body={"key": key_id, "agent": agent, "by": by, "reason": reason})

        self._journal.write(unit)
        return {**self._shown(self._row(key_id)), "key": f"{PREFIX}{key_id}_{secret}"}

    def list(self) -> Sequence[dict[str, Any]]:
        with self._journal.read() as conn:
            return [self._shown(row) for row in stored.page(conn)]

    def revoke(self, key_id: str, *, by: str, reason: str | None = None) -> dict[str, Any]:
        """Close a key for ever, everywhere within two seconds. Revoking it again changes nothing."""
        self._row(key_id)

        def unit(conn: Any) -> None:
            if stored.revoke(conn, key_id, by=by, at=time.time()):
                events.add(conn, "key.revoked", body={"key": key_id, "by": by, "reason": reason})

        self._journal.write(unit)
        return self._shown(self._row(key_id))

    def any(self) -> bool:
        """Tell whether some key opens something now."""
        with self._journal.read() as conn:
            return stored.live(conn, time.time()) > 0

    def is_known(self, key_id: str) -> bool:
        """Tell whether there is a key of this id, as of a second ago: who asks often looks once."""
        now = time.monotonic()
        if now >= self._ids_until:
            with self._journal.read() as conn:
                self._ids = frozenset(row["id"] for row in stored.page(conn))
            self._ids_until = now + _IDS_S
        return key_id in self._ids

    def opened(self, given: str) -> Key:
        """Give what a key opens; InputError (unauthenticated) for every key that opens nothing, without saying why."""
        key_id = id_of(given)
        secret = given.removeprefix(PREFIX).partition("_")[2]
        with self._journal.read() as conn:
            row = stored.find(conn, key_id)
        fits = hmac.compare_digest(row["hash"] if row else _NOBODY, _hashed(secret))
        now = time.time()
        if row is None or not fits or _is_over(row, now):
            raise InputError("this key opens nothing", reason="unauthenticated", next="ask who administers Drawbar")
        self._note_use(key_id, now)
        return Key(key_id, row["agent"], None if row["scopes"] is None else frozenset(row["scopes"]))

    def _note_use(self, key_id: str, now: float) -> None:
        if now - self._used.get(key_id, 0) > _USED_S:
            self._used[key_id] = now
            self._journal.write(lambda conn: stored.used(conn, key_id, now))

    def _row(self, key_id: str) -> dict[str, Any]:
        with self._journal.read() as conn:
            row = stored.find(conn, key_id)
        if row is None:
            raise InputError(f"there is no key {key_id!r}", reason="not_found", next="see drawbar keys list")
        return row

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        state = "revoked" if row["revoked_at"] is not None else "expired" if _is_over(row, time.time()) else "live"
        times = {name: moment(row[name]) for name in ("created_at", "expires_at", "revoked_at", "used_at")}
        named = {name: row[name] for name in ("id", "agent", "scopes", "created_by", "revoked_by")}
        return {**named, **times, "state": state}


def id_of(given: str) -> str:
    """Give the part of a key that is no secret."""
    return given.removeprefix(PREFIX).partition("_")[0]


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_over(row: dict[str, Any], now: float) -> bool:
    return row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now)
