"""Where all chains of the audit stand, signed once a day; and its oldest entries, which go without leaving a gap."""

from __future__ import annotations

import orjson

from ..store import audit as stored
from ..store.ids import first_id
from ..store.journal import Connection, Journal
from .chain import Signer


def cut(journal: Journal, signer: Signer, before: float) -> None:
    """Remove entries that were made before then. What a chain's row signs says how many, so that they are no gap."""
    with journal.read() as conn:
        found = stored.old(conn, signer.id, first_id(before))
    for chain in found:
        journal.write(lambda conn, chain=chain: cut_chain(conn, signer, chain, first_id(before)))  # type: ignore[misc]  # mypy cannot see through the default


def cut_chain(conn: Connection, signer: Signer, chain: str, before: str) -> None:
    head = stored.head(conn, chain, to_change=True)
    last = stored.last_old(conn, chain, before)
    if head is None or last is None:
        return
    entries, link, _, _, number = head
    if last[0] > entries:
        return  # its end is not signed yet
    said = {"id": chain, "number": number, "entries": entries, "link": link, "cut": last[0], "cut_link": last[1]}
    stored.cut(conn, chain, cut=last[0], cut_link=last[1], digest=signer.chain(said))


def seal(conn: Connection, signer: Signer, day: str, now: float) -> str | None:
    """Sign where every chain stands; None when another process has, or when there is no chain."""
    stored.take_turn(conn)
    last = stored.last_seal(conn)
    if last is not None and last["day"] >= day:
        return None
    standing = stored.grown(conn)
    if not standing and last is None:
        return None
    number, before = (last["number"] + 1, last["digest"]) if last else (1, "")
    body = orjson.dumps([list(one) for one in standing]).decode()
    digest = signer.seal(number, day, before, body)
    stored.seal(conn, {"number": number, "signer": signer.id, "day": day, "at": now, "body": body, "digest": digest})
    stored.is_sealed(conn, [one[0] for one in standing])
    stored.say(conn, "seals", f"{number}:{signer.id}:{signer.sign('seals', number, digest)}")
    return digest
