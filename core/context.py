"""Context: JSON documents that runs and agents share, by scope and key, each change a version."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .places import KEY, SCOPE
from .register import merge_patch
from .store import documents
from .store.journal import Connection, Journal
from .values import dump, moment, to_json

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Document:
    scope: str
    key: str
    version: int
    value: Any
    changed_at: float
    by: str

    def as_json(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "key": self.key,
            "version": self.version,
            "value": to_json(self.value),
            "changed_at": moment(self.changed_at),
            "changed_by": self.by,
        }


class Context:
    """
    All documents. `expect` of a change is the version that the writer has seen.

    0: there must be none yet; None: there must be one, whichever. A change that comes too late is InputError (stale).
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def page(self, scope: str, after: str | None = None, limit: int = 100) -> list[Document]:
        """List documents by key; a scope without documents is empty."""
        _look_at(scope)
        with self._journal.read() as conn:
            return [_document(scope, kept) for kept in documents.page(conn, scope, after=after, limit=limit)]

    def get(self, scope: str, key: str) -> Document:
        _look_at(scope, key)
        with self._journal.read() as conn:
            kept = documents.find(conn, scope, key)
        if kept is None:
            raise _missing(scope, key)
        return _document(scope, kept)

    def put(self, scope: str, key: str, value: Any, *, expect: int | None, by: str) -> Document:
        """Write a whole document."""
        _look_at(scope, key)
        written(value)  # before the journal is asked for its turn
        return self._change(scope, key, lambda old: value, expect, by)

    def merge(self, scope: str, key: str, patch: Any, *, expect: int | None, by: str) -> Document:
        """Change a part by a JSON merge patch (RFC 7396)."""
        _look_at(scope, key)
        return self._change(scope, key, lambda old: merge_patch(old, patch), expect, by)

    def delete(self, scope: str, key: str, *, expect: int | None, by: str) -> None:
        _look_at(scope, key)

        def unit(conn: Connection) -> None:
            old = _seen(conn, scope, key, expect)
            if old is None or not documents.remove(conn, scope, key, seen=old.version):
                raise _stale(scope, key)

        self._journal.write(unit)

    def _change(self, scope: str, key: str, make: Callable[[Any], Any], expect: int | None, by: str) -> Document:
        now = time.time()  # people read it

        def unit(conn: Connection) -> Document:
            old = _seen(conn, scope, key, expect)
            value = make(old.value if old else None)
            body = written(value)
            if old is None:
                version = documents.add(conn, scope, key, body, by=by, now=now)
            elif documents.change(conn, scope, key, body, seen=old.version, by=by, now=now):
                version = old.version + 1
            else:
                raise _stale(scope, key)
            return Document(scope, key, version, value, now, by)

        return self._journal.write(unit)


def _seen(conn: Connection, scope: str, key: str, expect: int | None) -> documents.Kept | None:
    """Give what is there when it is what the writer expects."""
    old = documents.find(conn, scope, key, to_change=True)
    if expect == 0:
        if old is not None:
            raise InputError(f"there is already a document {scope}/{key}", reason="stale", next="read it first")
        return None
    if old is None:
        raise _missing(scope, key)
    if expect is not None and old.version != expect:
        raise _stale(scope, key)
    return old


def written(value: Any) -> str:
    """Give the body of a document; InputError when it is too large."""
    body = dump(value)
    if len(body.encode()) > MAX_BYTES:
        raise InputError(f"a document has at most {MAX_BYTES:,} bytes", reason="too_large", next="split it by key")
    return body


def _look_at(scope: str, key: str | None = None) -> None:
    """Refuse names that no route or expression could spell."""
    said = "begins with a letter, a digit or _ and goes on with these and . : @ -"
    if not SCOPE.match(scope):
        raise InputError(f"a scope {said}; at most 100 of them", field="scope")
    if key is not None and not KEY.match(key):
        raise InputError(f"a key {said} + and blanks; at most 200 of them", field="key")


def _missing(scope: str, key: str) -> InputError:
    return InputError(f"there is no document {scope}/{key}", reason="not_found", next=f"see /context/{scope}")


def _stale(scope: str, key: str) -> InputError:
    return InputError(
        f"{scope}/{key} was changed by somebody else", reason="stale", next="read it again and repeat the change"
    )


def _document(scope: str, kept: documents.Kept) -> Document:
    return Document(scope, kept.key, kept.version, kept.value, kept.changed_at, kept.by)
