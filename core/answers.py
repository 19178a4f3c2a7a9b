"""
The same request again gives the first answer: Idempotency-Key as the IETF draft says it (draft-ietf-httpapi-idempotency-key).

Held in the state, so that it is true for every process. Of a tool's call only what was rejected is here: the ledger has what was
done and what is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .store import answers as stored
from .store.journal import Connection, Journal

_KEPT_S = 86_400.0
_WORKED_ON_S = 120.0
_MAX_BYTES = 1_000_000
_NOT_FINAL = frozenset({401, 403, 408, 425, 429})


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


class Answers:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, caller: str, key: str, hash_: str) -> FirstAnswer | None:
        """
        Take a key for a request, or give the first answer to the same one.

        InputError: invalid for another request under this key, conflict while the first is still worked on.
        """
        now = self._journal.now()
        found = self._journal.write(
            lambda conn: stored.begin(conn, caller, key, hash_, now=now, until=now + _WORKED_ON_S)
        )
        return None if found is None else _first(found, hash_)

    def rejection(self, caller: str, key: str, hash_: str) -> FirstAnswer | None:
        """Give the answer to the same call of a tool when it was rejected; InputError for another call under this key."""
        with self._journal.read() as conn:
            found = stored.find(conn, caller, key, now=self._journal.now())
        return None if found is None else _first(found, hash_)

    def rejected(self, caller: str, key: str, hash_: str, answer: FirstAnswer) -> None:
        """Keep that a call of a tool was rejected; what another request has kept under this key meanwhile stays."""
        if not _is_final(answer):
            return
        now = self._journal.now()
        until = now + _KEPT_S

        def unit(conn: Connection) -> None:
            if stored.begin(conn, caller, key, hash_, now=now, until=until) is None:
                _keep(conn, caller, key, answer, until)

        self._journal.write(unit)

    def end(self, caller: str, key: str, answer: FirstAnswer) -> None:
        """Keep a final answer for a day; any other frees the key."""
        if not _is_final(answer):
            self.free(caller, key)
            return
        until = self._journal.now() + _KEPT_S
        self._journal.write(lambda conn: _keep(conn, caller, key, answer, until))

    def free(self, caller: str, key: str) -> None:
        self._journal.write(lambda conn: stored.free(conn, caller, key))


def _is_final(answer: FirstAnswer) -> bool:
    return answer.status < 500 and answer.status not in _NOT_FINAL and len(answer.body) <= _MAX_BYTES


def _keep(conn: Connection, caller: str, key: str, answer: FirstAnswer, until: float) -> None:
    stored.keep(conn, caller, key, status=answer.status, headers=answer.headers, body=answer.body, until=until)


def _first(found: Mapping[str, Any], hash_: str) -> FirstAnswer:
    if found["hash"] != hash_:
        raise InputError(
            "this Idempotency-Key was used for another request",
            field="Idempotency-Key",
            next="use another key, or send the first request again",
        )
    if found["status"] is None:
        raise InputError(
            "the first request with this Idempotency-Key is still worked on",
            reason="conflict",
            field="Idempotency-Key",
            retry_after_s=1,
            next="send it again in a moment",
        )
    return FirstAnswer(found["status"], found["headers"], bytes(found["body"]))
