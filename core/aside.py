"""
Large values are kept aside (Claim Check): a row holds a reference, and the body is read when somebody asks for it.

A value over `over_bytes` becomes a claim of its run, written in the same unit as the row that refers to it; equal bodies of one
run are kept once. Expressions see the whole value, views show the claim. Bodies of tools with secret or personal fields are
sealed, and those fields are masked when the claim is shown. What the ledger keeps as sent lives as long as its entry does.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .errors import DrawbarError, InputError
from .masking import ALL, Vault, masked, texts_at
from .store import aside as stored
from .store.aside import PIECE_BYTES, Row
from .store.journal import Connection, Journal
from .values import ClaimCheck, dump, has_claims, load, moment, outward, write_json

JSON = "application/json"
BYTES = "application/octet-stream"
_PREVIEW = 200
_MAX_SHOWN_BYTES = 33_554_432


@dataclass(slots=True)
class Kept:
    """A value ready for a row: `text` is what the row holds, and `store` writes the body, if it has one, in the row's own unit."""

    value: Any
    """The value itself, or the claim check that stands for it."""
    text: str
    row: Row | None = None
    body: bytes = b""
    vault: Vault | None = None

    def store(self, conn: Connection) -> str:
        if self.row is not None:
            stored.add(conn, self.row, self._pieces())
        return self.text

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.body), PIECE_BYTES):
            piece = self.body[start : start + PIECE_BYTES]
            yield self.vault.seal_bytes(piece) if self.vault is not None else piece


class Aside:
    """Keeps what is large aside, and finds it again."""

    def __init__(self, vault: Vault, over_bytes: int = 65536) -> None:
        self._vault = vault
        self.over_bytes = over_bytes
        self.hidden: Callable[..., Collection[str]] = lambda tool: ()
        """Name the fields of a tool that must not be seen."""
        self.hides: Callable[[], bool] = lambda: False
        """Tell whether any tool has fields that must not be seen."""
        self.below: Callable[[str], Any] = lambda workflow: None
        """Find the plan of a workflow."""

    def keep(
        self, value: Any, owner: str, *, of_run: bool = True, of_entry: bool = False, hidden: Iterable[str] = ()
    ) -> Kept:
        """
        Make a value ready for a row of its owner: a run, or the ledger's entry of a direct call.

        `of_entry`: it is part of what the entry says, and goes with it.
        """
        if isinstance(value, bytes) and len(value) > self.over_bytes:
            return self._aside(value, owner, BYTES, of_run=of_run, of_entry=of_entry)
        text = dump(value)
        paths = tuple(hidden)
        if not self.is_large(text):
            return Kept(value, text)
        shown = write_json(masked(value, paths)).decode() if paths else None
        said = {"of_run": of_run, "of_entry": of_entry}
        return self._aside(text.encode(), owner, JSON, text, **said, hidden=paths, shown=shown)

    def veil(
        self, value: Any, owner: str, paths: Iterable[str], *, of_run: bool = True, of_entry: bool = False
    ) -> Kept:
        """Do the same, with what has something at these paths aside however small it is: sealed, and masked when shown."""
        hidden = tuple(paths)
        if not hidden or isinstance(value, bytes) or not texts_at(value, hidden):
            return self.keep(value, owner, of_run=of_run, of_entry=of_entry, hidden=hidden)
        text, shown = dump(value), write_json(masked(value, hidden)).decode()
        entry = of_entry or not (of_run or self.is_large(text))
        kept = self._aside(text.encode(), owner, JSON, text, of_run=of_run, of_entry=entry, hidden=hidden, shown=shown)
        assert kept.row is not None
        # a digest of what is hidden would let anybody guess it
        row = replace(
            kept.row, id=f"{owner}.{secrets.token_hex(16)}", sha256=hashlib.sha256(shown.encode()).hexdigest()
        )
        check = replace(kept.value, id=row.id)
        return replace(kept, value=check, text=dump(check), row=row)

    def hidden_in(self, conn: Connection, text: str | None) -> tuple[str, ...]:
        """Name the paths that are masked when what a row holds is shown, of the claims that stand in a list or an object, too."""
        if text is None or not has_claims(text) or not self.hides():
            return ()
        at = list(_claims_in(load(text), ()))
        found = stored.hidden_of(conn, [claim for _, claim in at])
        named = (
            ".".join((*place, *([] if path == ALL else [path]))) or ALL
            for place, claim in at
            if claim in found
            for path in load(found[claim])
        )
        return tuple(dict.fromkeys(named))

    def shown(self, conn: Connection, check: ClaimCheck, but: Collection[str] = ()) -> Any:
        """Give what is kept aside as it is shown where it is small, else the claim; `but` are paths that may be seen."""
        row = stored.find(conn, check.id)
        if row is None or row.hidden is None or row.removed_at is not None or row.bytes > self.over_bytes:
            return check
        try:
            return masked(self._read(conn, row.id), [path for path in load(row.hidden) if path not in but])
        except DrawbarError:  # it was sealed with another state_key
            return check

    def is_large(self, text: str) -> bool:
        """Tell whether what `dump` wrote is too large for a row."""
        return 4 * len(text) > self.over_bytes and (len(text) > self.over_bytes or len(text.encode()) > self.over_bytes)

    def keep_text(self, text: str, owner: str) -> Kept:
        """Do the same with what `dump` wrote; the value of a small one is not built."""
        return self._aside(text.encode(), owner, JSON, text) if self.is_large(text) else Kept(None, text)

    def whole(self, conn: Connection, value: Any) -> Any:
        """Give a value with all that is kept aside in it. Raises InputError for what was removed, or cannot be opened."""
        if isinstance(value, ClaimCheck):
            return self._read(conn, value.id)
        if isinstance(value, list):
            return [self.whole(conn, item) for item in value]
        if isinstance(value, dict):
            return {name: self.whole(conn, item) for name, item in value.items()}
        return value

    def load(self, conn: Connection, text: str | None) -> Any:
        """Read what a row holds, whole."""
        value = load(text)
        return self.whole(conn, value) if has_claims(text) else value

    def body(self, conn: Connection, row: Row, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Give the pieces of a body from one number to another."""
        _still_there(row)
        for piece in stored.pieces(conn, row.id, range(first, row.pieces if end is None else min(end, row.pieces))):
            yield self._vault.open_bytes(piece) if row.sealed else piece

    def _aside(
        self,
        body: bytes,
        owner: str,
        content_type: str,
        text: str | None = None,
        *,
        of_run: bool = True,
        of_entry: bool = False,
        hidden: tuple[str, ...] = (),
        shown: str | None = None,
    ) -> Kept:
        if shown is None:
            shown = None if text is None else outward(text)
        size = len(body) if shown is None else len(shown.encode())
        sha = hashlib.sha256(body).hexdigest()
        vault = self._vault if hidden and self._vault.can_seal else None
        row = Row(
            id=f"{owner}.{sha[:32]}{'' if content_type == JSON else 'b'}",
            run_id=owner if of_run and not of_entry else None,
            sha256=sha,
            bytes=len(body),
            shown_bytes=size,
            plain=int(shown is None or shown is text),
            content_type=content_type,
            sealed=int(vault is not None),
            hidden=dump(list(hidden)) if hidden else None,
            pieces=-(-len(body) // PIECE_BYTES),
            created_at=time.time(),
            entry=owner if of_entry else None,
        )
        begins = body[:_PREVIEW].decode("utf-8", "replace") if shown is None else shown[:_PREVIEW]
        check = ClaimCheck(row.id, size, begins)
        return Kept(check, dump(check), row, body, vault)

    def _read(self, conn: Connection, claim_id: str) -> Any:
        row = _found(stored.find(conn, claim_id), claim_id)
        try:
            body = b"".join(self.body(conn, row))
        except InputError:
            raise
        except DrawbarError as error:
            raise InputError(f"the value {claim_id} cannot be read: {error.message}", next=error.next) from error
        if len(body) != row.bytes:
            raise _removed(row)
        if row.content_type == BYTES:
            return body
        text = body.decode()
        del body
        return self.load(conn, text)


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that is kept aside, as people see it."""

    id: str
    run_id: str | None
    bytes: int
    content_type: str
    sha256: str
    is_masked: bool
    created_at: float

    def as_json(self) -> dict[str, Any]:
        return {
            "claim": self.id,
            "run_id": self.run_id,
            "bytes": self.bytes,
            "content_type": self.content_type,
            "sha256": self.sha256,
            "masked": self.is_masked,
            "created_at": moment(self.created_at),
        }


class Claims:
    """Shows claims to readers, part by part, in the outward form."""

    def __init__(self, journal: Journal, aside: Aside) -> None:
        self._journal = journal
        self._aside = aside
        self._lock = threading.Lock()
        self._last: tuple[str, bytes] = ("", b"")

    def find(self, claim_id: str) -> Claim:
        """Give what is known of a claim; InputError when there is none, or when its body was removed."""
        with self._journal.read() as conn:
            row = _found(stored.find(conn, claim_id), claim_id)
        _still_there(row)
        return _claim_of(row)

    def of_owner(self, owner: str, most: int) -> list[Claim]:
        """List the claims of direct calls whose owners begin so (letters, digits and `-` alone), the newest first."""
        with self._journal.read() as conn:
            return [_claim_of(row) for row in stored.of_owner(conn, owner, most)]

    def part(self, claim_id: str, start: int, end: int) -> bytes:
        """Give the bytes from one position to another; fewer where it ends."""
        with self._journal.read() as conn:
            row = _found(stored.find(conn, claim_id), claim_id)
            _still_there(row)
            if not row.plain:
                return self._shown(conn, row)[start:end]
            end = min(end, row.bytes)
            first = start // PIECE_BYTES
            body = b"".join(self._aside.body(conn, row, first, -(-end // PIECE_BYTES)))
        found = body[start - first * PIECE_BYTES : end - first * PIECE_BYTES]
        if len(found) < end - start:
            raise _removed(row)
        return found

    def value(self, claim_id: str) -> Any:
        """Give the whole value, with its types and with nothing masked: for Python."""
        with self._journal.read() as conn:
            return self._aside.whole(conn, ClaimCheck(claim_id, 0, ""))

    def _shown(self, conn: Connection, row: Row) -> bytes:
        """Give the outward form of what has types of its own, or fields to hide; the last one is remembered for its next part."""
        with self._lock:
            if self._last[0] == row.id:
                return self._last[1]
        text = b"".join(self._aside.body(conn, row)).decode()
        hidden = load(row.hidden)
        shown = write_json(masked(load(text), hidden)) if hidden else outward(text).encode()
        if len(shown) <= _MAX_SHOWN_BYTES:
            with self._lock:
                self._last = (row.id, shown)
        return shown


def _claims_in(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Find the claims in a value, each with the dotted path of its place."""
    if isinstance(value, ClaimCheck):
        yield place, value.id
    elif isinstance(value, list):
        for inner in value:
            yield from _claims_in(inner, place)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _claims_in(inner, (*place, name))


def _claim_of(row: Row) -> Claim:
    hidden = row.hidden is not None
    return Claim(row.id, row.run_id, row.shown_bytes, row.content_type, row.sha256, hidden, row.created_at)


def _found(row: Row | None, claim_id: str) -> Row:
    if row is None:
        raise InputError(f"there is no claim {claim_id!r}", reason="not_found", next="a run and its tasks name theirs")
    return row


def _still_there(row: Row) -> None:
    if row.removed_at is not None:
        raise _removed(row)


def _removed(row: Row) -> InputError:
    when = f" on {(moment(row.removed_at) or '')[:10]}" if row.removed_at else ""
    return InputError(
        f"the value {row.id} was removed{when}: large values are kept for claims.keep_d days after their run ended",
        reason="not_found",
        id=row.id,
        next="start a new run: one whose large values are gone cannot be retried from its middle",
    )
