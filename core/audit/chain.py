"""
What the audit signs, and how its entries hang together: pure functions of a key.

A block is signed by itself when it is made. Its link signs the block's digest together with the link before it, so that what is
changed, left out or moved breaks the chain there. A chain's row signs where the chain ends, a seal where all of them do.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

ERASED = "erased:"
_FIELDS = ("at", "kind", "who", "what", "effect", "outcome", "call", "run", "request", "payload")
Entry = Sequence[Any]
"""The fields of `_FIELDS`; `payload` is the keyed digest of what stands apart."""


class Signer:
    """A key, and what is signed with it. `id` names the key and gives nothing of it away."""

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        self._inner, self._outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
        self.id = hashlib.sha256(b"drawbar.audit:" + key).hexdigest()[:16]

    def sign(self, what: str, *parts: str | int) -> str:
        """Give the HMAC (RFC 2104); what depends on the key alone is summed once: half of the time of `hmac`'s own."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(orjson.dumps([what, *parts]))
        outer.update(inner.digest())
        return outer.hexdigest()

    def fits(self, digest: str | None, what: str, *parts: str | int) -> bool:
        return hmac.compare_digest(digest or "", self.sign(what, *parts))

    def payload(self, block: str, at: int, text: str) -> str:
        """Sign a payload; the block's id is in it, so that equal payloads have unequal digests."""
        return self.sign("payload", block, at, text)

    def erased(self, block: str, at: int, digest: str) -> str:
        """Give what stands where a payload was erased on purpose."""
        return ERASED + self.sign("erased", block, at, digest)

    def block(self, row: Mapping[str, Any]) -> str:
        return self.sign("block", row["id"], row["origin"], row["entries"], row["body"])

    def first(self, chain: str, number: int) -> str:
        """Give the link that a chain's first entry hangs on."""
        return self.sign("first", chain, number)

    def link(self, chain: str, no: int, before: str, block: str, digest: str) -> str:
        return self.sign("link", chain, no, before, block, digest)

    def chain(self, row: Mapping[str, Any]) -> str:
        said = ("id", "number", "entries", "link", "cut", "cut_link")
        return self.sign("chain", *(row[name] for name in said))

    def seal(self, number: int, day: str, before: str, body: str) -> str:
        return self.sign("seal", number, day, before, body)


def body_of(entries: Sequence[Entry]) -> str:
    return orjson.dumps(entries).decode()


def entries_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read a block's entries."""
    return [dict(zip(_FIELDS, entry, strict=True)) for entry in orjson.loads(row["body"])]


def payloads_of(row: Mapping[str, Any]) -> list[str]:
    """Read what stands apart of a block's entries: texts, or what is left of those that were erased."""
    found: list[str] = orjson.loads(row["payload"] or "[]")
    return found


def payloads_text(payloads: Sequence[str]) -> str:
    return orjson.dumps(payloads).decode()


def derived(state_key_digest: bytes | None) -> Signer | None:
    """Give the signer that belongs to a `state_key`."""
    return None if state_key_digest is None else Signer(hmac.digest(state_key_digest, b"drawbar.audit", "sha256"))
