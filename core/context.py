"""Context: JSON documents that runs and agents share, by scope and key, each change a version."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .context_config import ContextConfig
from .errors import InputError
from .places import KEY, SCOPE
from .register import merge_patch
from .store import documents, versions
from .store.expected import Expected, one_of
from .store.journal import Connection, Journal
from .values import dump, moment, to_json


@dataclass(frozen=True, slots=True)
class Document:
    scope: str
    key: str
    version: int
    value: Any
    changed_at: float
    by: str
    deleted: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "key": self.key,
            "version": self.version,
            "value": to_json(self.value),
            "changed_at": moment(self.changed_at),
            "changed_by": self.by,
            **({"deleted": True} if self.deleted else {}),
        }


class Context:
    """
    All documents. `expect` of a change is the version that the writer has seen.

    0: there must be none yet; None: there must be one, whichever. A change that comes too late is InputError (stale).
    """

    def __init__(self, journal: Journal, limits: ContextConfig | None = None) -> None:
        self._journal = journal
        self.shelf = Shelf(limits or ContextConfig())

    def page(self, scope: str, after: str | None = None, limit: int = 100) -> list[Document]:
        """List documents by key; a scope without documents is empty."""
        _look_at(scope)
        with self._journal.read() as conn:
            return [_document(scope, kept) for kept in documents.page(conn, scope, after=after, limit=limit)]

    def get(self, scope: str, key: str, *, version: int | None = None) -> Document:
        """Give a document as it is, or as it was in one of the versions that are kept."""
        _look_at(scope, key)
        with self._journal.read() as conn:
            kept = documents.find(conn, scope, key)
            if version is not None and (kept is None or kept.version != version):
                kept = versions.find(conn, scope, key, version)
        if kept is None:
            raise _missing(scope, key, version)
        return _document(scope, kept)

    def versions(self, scope: str, key: str, *, before: int | None = None, limit: int = 100) -> list[Document]:
        """List the versions that are kept, the newest first, that it was deleted too."""
        _look_at(scope, key)
        with self._journal.read() as conn:
            now = documents.find(conn, scope, key)
            older = versions.page(conn, scope, key, before=before, limit=limit)
        found = [now] if now is not None and (before is None or now.version < before) else []
        if now is None and not older and before is None:
            raise _missing(scope, key)
        return [_document(scope, kept) for kept in (*found, *older)][:limit]

    def put(self, scope: str, key: str, value: Any, *, expect: Expected, by: str) -> Document:
        """Write a whole document."""
        _look_at(scope, key)
        self.shelf.body(value)  # before the journal is asked for its turn
        return self._change(scope, key, lambda old: value, expect, by)

    def merge(self, scope: str, key: str, patch: Any, *, expect: Expected, by: str) -> Document:
        """Change a part by a JSON merge patch (RFC 7396)."""
        _look_at(scope, key)
        return self._change(scope, key, lambda old: merge_patch(old, patch), expect, by)

    def delete(self, scope: str, key: str, *, expect: Expected, by: str) -> None:
        _look_at(scope, key)

        def unit(conn: Connection) -> None:
            old = _seen(conn, scope, key, expect)
            if old is None or not documents.remove(conn, scope, key, seen=old.version):
                raise _stale(scope, key)
            self.shelf.deleted(conn, scope, old, by)

        self._journal.write(unit)

    def put_in(self, conn: Connection, scope: str, key: str, value: Any, *, expect: Expected, by: str) -> Document:
        """Write a whole document inside a unit of the caller."""
        _look_at(scope, key)
        return self._changed(conn, scope, key, lambda old: value, expect, by)

    def _change(self, scope: str, key: str, make: Callable[[Any], Any], expect: Expected, by: str) -> Document:
        return self._journal.write(lambda conn: self._changed(conn, scope, key, make, expect, by))

    def _changed(
        self, conn: Connection, scope: str, key: str, make: Callable[[Any], Any], expect: Expected, by: str
    ) -> Document:
        now = time.time()  # people read it
        old = _seen(conn, scope, key, expect)
        value = make(old.value if old else None)
        body = self.shelf.body(value)
        self.shelf.room(conn, scope, key, body)
        if old is None:
            version = documents.add(conn, scope, key, body, by=by, now=now)
        elif documents.change(conn, scope, key, body, seen=old.version, by=by, now=now):
            version = old.version + 1
            self.shelf.replaced(conn, scope, old)
        else:
            raise _stale(scope, key)
        return Document(scope, key, version, value, now, by)


class Shelf:
    """How large documents and scopes may be, and how many of their older versions stay."""

    def __init__(self, limits: ContextConfig) -> None:
        self._limits = limits

    def body(self, value: Any) -> str:
        """Give the body of a document; InputError when it is too large."""
        body, most = dump(value), self._limits.document_bytes
        if len(body) > most or len(body.encode()) > most:
            raise InputError(f"a document has at most {most:,} bytes", reason="too_large", next="split it by key")
        return body

    def room(self, conn: Connection, scope: str, key: str, body: str) -> None:
        """Raise InputError where its scope would be too large with it; what shrinks is always taken."""
        others, before = documents.sizes(conn, scope, key)
        size = len(body.encode())
        if size > before and others + size > self._limits.scope_bytes:
            raise InputError(
                f"the scope {scope} would have more than {self._limits.scope_bytes:,} bytes",
                reason="too_large",
                next="delete what nobody needs, or use more scopes",
            )

    def write(self, conn: Connection, scope: str, key: str, body: str, by: str) -> int:
        """Make a document or write its next version, whichever it is; give the version. Ask for `room` first."""
        old = documents.find(conn, scope, key, to_change=True) if self._limits.versions else None
        version = documents.write(conn, scope, key, body, by=by, now=time.time())
        if old is not None:
            self.replaced(conn, scope, old)
        return version

    def replaced(self, conn: Connection, scope: str, old: documents.Kept) -> None:
        """Keep what a document was before, in the unit that changed it."""
        if self._limits.versions:
            versions.keep(conn, scope, old)
        if (first := old.version - self._limits.versions + 1) > 1:
            versions.trim(conn, scope, old.key, first)

    def deleted(self, conn: Connection, scope: str, old: documents.Kept, by: str) -> None:
        """Keep what was deleted, and that it was."""
        self.replaced(conn, scope, old)
        if self._limits.versions:
            gone = documents.Kept(old.key, None, old.version + 1, time.time(), by, deleted=True)
            versions.keep(conn, scope, gone)
            documents.passed(conn, gone.version)


def _seen(conn: Connection, scope: str, key: str, expect: Expected) -> documents.Kept | None:
    """Give what is there when it is what the writer expects."""
    old = documents.find(conn, scope, key, to_change=True)
    if expect == 0:
        if old is not None:
            raise InputError(f"there is already a document {scope}/{key}", reason="stale", next="read it first")
        return None
    if old is None:
        raise _missing(scope, key)
    if expect is not None and old.version != one_of(expect, old.version):
        raise _stale(scope, key)
    return old


def _look_at(scope: str, key: str | None = None) -> None:
    """Refuse names that no route or expression could spell."""
    said = "begins with a letter, a digit or _ and goes on with these and . : @ -"
    if not SCOPE.match(scope):
        raise InputError(f"a scope {said}; at most 100 of them", field="scope")
    if key is not None and not KEY.match(key):
        raise InputError(f"a key {said} + and blanks; at most 200 of them", field="key")


def _missing(scope: str, key: str, version: int | None = None) -> InputError:
    if version is None:
        return InputError(f"there is no document {scope}/{key}", reason="not_found", next=f"see /context/{scope}")
    said = f"there is no version {version} of {scope}/{key}, or it is not kept any more"
    return InputError(said, reason="not_found", next=f"see /context/{scope}/{key}/versions")


def _stale(scope: str, key: str) -> InputError:
    return InputError(
        f"{scope}/{key} was changed by somebody else", reason="stale", next="read it again and repeat the change"
    )


def _document(scope: str, kept: documents.Kept) -> Document:
    return Document(scope, kept.key, kept.version, kept.value, kept.changed_at, kept.by, kept.deleted)
