"""Reading the audit: page by page for who looks into it, and from end to end for who doubts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..store import audit as stored
from ..store.ids import first_id
from ..store.journal import Connection, Journal
from ..values import load, moment, to_json
from .chain import ERASED, Signer, entries_of, payloads_of

_PAGE = 500
_MAX_BLOCKS = 5000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are looked for."""

    who: str | None = None
    what: str | None = None
    kind: str | None = None
    outcome: str | None = None
    run: str | None = None
    since: float | None = None
    q: str | None = None

    def fits(self, entry: Mapping[str, Any]) -> bool:
        named = ("who", "what", "kind", "outcome", "run")
        if any((asked := getattr(self, name)) is not None and entry[name] != asked for name in named):
            return False
        return self.q is None or self.q.lower() in str(entry).lower()


@dataclass(slots=True)
class Found:
    """What a walk over everything found."""

    entries: int = 0
    chains: int = 0
    seals: int = 0
    erased: int = 0
    cut: int = 0
    unlinked: int = 0
    last_seal: str | None = None
    sealed_on: str | None = None
    gaps: list[str] = field(default_factory=list)
    """What is broken or missing, in the order of the walk."""
    strange: list[str] = field(default_factory=list)
    """Chains of another key, which nobody can verify with this one."""

    @property
    def is_sound(self) -> bool:
        return not self.gaps and not self.strange

    def as_json(self) -> dict[str, Any]:
        return {
            "sound": self.is_sound,
            "entries": self.entries,
            "chains": self.chains,
            "seals": self.seals,
            "erased": self.erased,
            "removed_by_age": self.cut,
            "not_linked_yet": self.unlinked,
            "last_seal": self.last_seal,
            "sealed_on": self.sealed_on,
            "first_broken": self.gaps[0] if self.gaps else None,
            "gaps": self.gaps,
            "of_another_key": self.strange,
        }


def page(
    journal: Journal, wanted: Wanted, *, after: str | None = None, limit: int = 100
) -> tuple[list[dict[str, Any]], str | None]:
    """
    Give entries, newest first, and where the next page begins; None at the end.

    `after` is an entry's `id`. A page that has looked at many blocks ends early, perhaps empty.
    """
    since = None if wanted.since is None else first_id(wanted.since - 60)
    block, _, place = (after or "").partition(".")
    below = int(place) if place.isdigit() else 0
    before: str | None = f"{block}~" if block and below else (block or None)
    found: list[dict[str, Any]] = []
    looked = 0
    with journal.read() as conn:
        while rows := stored.page(conn, before=before, since=since, limit=min(_PAGE, _MAX_BLOCKS - looked)):
            for row in rows:
                for entry in _newest_first(row, below if row["id"] == block else None):
                    if wanted.fits(entry) and (wanted.since is None or entry["epoch"] >= wanted.since):
                        found.append({name: value for name, value in entry.items() if name != "epoch"})
                    if len(found) == limit:
                        return found, entry["id"]
            looked += len(rows)
            before = rows[-1]["id"]
            if looked >= _MAX_BLOCKS:
                return found, f"{before}.0"
    return found, None


def _newest_first(row: Mapping[str, Any], below: int | None) -> Iterator[dict[str, Any]]:
    payloads = payloads_of(row)
    for number, entry in reversed(list(enumerate(entries_of(row)))):
        if below is not None and number >= below:
            continue
        said = payloads[number] if number < len(payloads) else ERASED
        is_erased = said.startswith(ERASED)
        about = {} if is_erased else (to_json(load(said)) or {})
        yield {
            "id": f"{row['id']}.{number}",
            **{name: value for name, value in entry.items() if name not in {"at", "payload"}},
            "at": moment(entry["at"]),
            "epoch": entry["at"],
            "about": about,
            "erased": is_erased,
            "chain": row["chain"],
            "no": None if row["no"] is None else row["no"] + number,
        }


def verify(journal: Journal, signer: Signer | None) -> Found:
    """Walk all chains from end to end. Nothing is changed."""
    with journal.read() as conn:
        return _Walk(conn, signer).walk()


class _Walk:
    """One walk over one moment of the journal."""

    def __init__(self, conn: Connection, signer: Signer | None) -> None:
        self._conn = conn
        self._signer = signer
        self._found = Found()
        self._ends: dict[str, dict[int, str]] = {}
        """Of each chain, the links that seals speak of, filled while it is walked."""
        self._standing: dict[str, tuple[int, int]] = {}

    def walk(self) -> Found:
        seals = stored.all_seals(self._conn)
        for one in seals:
            for chain, entries, _ in orjson.loads(one["body"]):
                self._ends.setdefault(chain, {})[entries] = ""
        chains = stored.all_chains(self._conn)
        if not chains and not seals and self._word("chains") is None and not stored.strays(self._conn, 1):
            return self._found
        if self._signer is None:
            self._found.gaps.append("there is no key: neither the state_key nor the key's file is there")
            return self._found
        self._count(chains)
        for one in chains:
            self._chain(one, self._signer)
        self._strays(self._signer)
        self._seals(seals, self._signer)
        return self._found

    def _count(self, chains: list[dict[str, Any]]) -> None:
        """No chain is missing: they are numbered, and how many there are is signed."""
        assert self._signer is not None
        self._found.chains = len(chains)
        for expected, one in enumerate(chains, 1):
            if one["number"] != expected:
                self._gap(f"chain {expected} is missing: the next one is {one['number']}")
                break
        self._counted("chains", chains[-1]["number"] if chains else 0, ())

    def _counted(self, what: str, number: int, more: tuple[str, ...]) -> None:
        """Compare a number with the signed word about it."""
        assert self._signer is not None
        said, _, rest = (self._word(what) or "").partition(":")
        key, _, digest = rest.partition(":")
        if key and key != self._signer.id:
            return  # another key signed the newest; its chain is named as strange
        if said != str(number):
            self._gap(f"there were {said or 'no'} {what}, and now there are {number}: the newest were taken away")
        elif not self._signer.fits(digest, what, number, *more):
            self._gap(f"the number of {what} is not as it was signed")

    def _chain(self, chain: Mapping[str, Any], signer: Signer) -> None:
        name = f"chain {chain['number']} ({chain['host']}, process {chain['pid']})"
        if chain["signer"] != signer.id:
            self._found.strange.append(f"{name} was signed with the key {chain['signer']}, this one is {signer.id}")
            self._ends.pop(chain["id"], None)
            return
        if not signer.fits(
            chain["digest"], "chain", *(chain[one] for one in ("id", "number", "entries", "link", "cut", "cut_link"))
        ):
            self._gap(f"{name}: its row was changed")
        if not chain["cut"] and chain["cut_link"] != signer.first(chain["id"], chain["number"]):
            self._gap(f"{name}: it does not begin where it began")
        self._found.cut += chain["cut"]
        no, link, broken = chain["cut"], chain["cut_link"], False
        end = (no, link)
        while rows := stored.of_chain(self._conn, chain["id"], no, _PAGE):
            for row in rows:
                broken = broken or self._block(name, row, no, link, signer)
                no, link = row["no"] - 1 + row["entries"], row["link"]
                self._found.entries += row["entries"]
                if no <= chain["entries"]:
                    end = (no, link)
                else:
                    self._found.unlinked += row["entries"]  # it is in the chain, whose row signs that a moment later
                if no in self._ends.get(chain["id"], {}):
                    self._ends[chain["id"]][no] = link
        if no < chain["entries"]:
            self._gap(f"{name}: entries {no + 1} to {chain['entries']} are missing at its end")
        elif not broken and end != (chain["entries"], chain["link"]):
            self._gap(f"{name}: it ends elsewhere than its row says, at entry {end[0]}")
        self._standing[chain["id"]] = (chain["cut"], chain["entries"])

    def _block(self, name: str, row: Mapping[str, Any], no: int, link: str, signer: Signer) -> bool:
        """Look at one block; tell whether the chain is broken here."""
        last = row["no"] + row["entries"] - 1
        said = f"entry {row['no']}" if last == row["no"] else f"entries {row['no']} to {last}"
        at = moment(row["at"])
        if row["no"] != no + 1:
            self._gap(f"{name}: entries {no + 1} to {row['no'] - 1} are missing")
            return True
        if not self._is_as_signed(f"{name}: {said} ({at})", row, signer):
            return True
        if not signer.fits(row["link"], "link", row["chain"], row["no"], link, row["id"], row["digest"]):
            self._gap(f"{name}: {said} ({at}) does not follow what stands before it")
            return True
        return False

    def _is_as_signed(self, name: str, row: Mapping[str, Any], signer: Signer) -> bool:
        if signer.block(row) != row["digest"]:
            self._gap(f"{name} was changed")
            return False
        payloads = payloads_of(row)
        for number, entry in enumerate(entries_of(row)):
            text = payloads[number] if number < len(payloads) else ""
            if text.startswith(ERASED) and text == signer.erased(row["id"], number, entry["payload"]):
                self._found.erased += 1
            elif signer.payload(row["id"], number, text) != entry["payload"]:
                self._gap(f"{name}: what is told of entry {(row['no'] or 0) + number} was changed")
                return False
        return True

    def _strays(self, signer: Signer) -> None:
        for row in stored.strays(self._conn):
            if row["chain"] is not None:
                self._gap(f"entries of the chain {row['chain']} are there, the chain is not")
            elif row["signer"] == signer.id:
                self._found.unlinked += row["entries"]
                self._found.entries += row["entries"]
                self._is_as_signed(f"an entry that is not linked yet, {row['id']}", row, signer)

    def _seals(self, seals: list[dict[str, Any]], signer: Signer) -> None:
        before = ""
        self._found.seals = len(seals)
        for expected, one in enumerate(seals, 1):
            if one["number"] != expected:
                self._gap(f"seal {expected} is missing")
                break
            if one["signer"] == signer.id and one["digest"] != signer.seal(
                one["number"], one["day"], before, one["body"]
            ):
                self._gap(f"seal {one['number']} of {one['day']} was changed")
            before = one["digest"]
            self._hold(one)
        if seals:
            self._found.last_seal, self._found.sealed_on = seals[-1]["digest"], seals[-1]["day"]
        self._counted("seals", seals[-1]["number"], (before,)) if seals else self._no_seals()

    def _hold(self, one: Mapping[str, Any]) -> None:
        """Compare where a seal says that chains stood with what was walked."""
        for chain, entries, link in orjson.loads(one["body"]):
            standing = self._standing.get(chain)
            if standing is None:
                if chain in self._ends:
                    self._gap(f"the chain {chain} was sealed on {one['day']} and is not there any more")
                continue
            cut, last = standing
            if entries > last:
                self._gap(f"the chain {chain} had {entries} entries on {one['day']}, and now it has {last}")
            elif entries > cut and self._ends[chain][entries] != link:
                self._gap(f"the chain {chain} is another one than was sealed on {one['day']}")

    def _no_seals(self) -> None:
        if self._word("seals") is not None:
            self._gap("there were seals, and now there are none")

    def _word(self, name: str) -> str | None:
        return stored.word(self._conn, name)

    def _gap(self, said: str) -> None:
        self._found.gaps.append(said)
