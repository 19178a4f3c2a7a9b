"""
The audit log: who called what with what outcome, and what operators did and why.

What changes something is written in the commit of its outcome. Reads, refusals and logins are collected in memory and written
within a second by a thread of its own, so that a read waits for no database: while the journal is away so many are kept, then
the oldest are dropped, and how many is an entry too.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import orjson
import structlog

from ..errors import DrawbarError
from ..masking import masked
from ..measure import AUDIT_LOST, METER
from ..pulse import Pulse
from ..store import audit as stored
from ..store.events import UNDONE
from ..store.ids import first_id, new_id
from ..store.journal import Connection, Journal
from ..trace import REQUEST
from ..values import dump
from .chain import Signer, body_of, payloads_text
from .seal import cut, seal

log = structlog.get_logger("drawbar.audit")
KEPT = 20_000
"""Entries that wait in memory while the journal is away."""
_BEAT_S = 0.5
_LOOKS_S = 5.0
_BLOCK = 400
_BLOCKS = 5
"""So many are written in one unit: each time it waits for the disk, who answers calls has to take the interpreter back."""
_AT_ONCE_S = 0.0005
"""So long entries are signed before whoever answers calls has a turn."""
_BREATH_S = 0.002
"""So long a turn is: a fifth of the time is enough for many times as many as can come."""
_LEFT_S = 60.0
_LONGEST_TEXT = 2000
_LONGEST_LIST = 200
_AGAIN_S = 60.0
_MAX_REMEMBERED = 10_000
Waiting = tuple[float, str, str, str, str | None, str, str | None, str | None, str | None, Any, Sequence[str]]
"""at, kind, who, what, effect, outcome, call, run, request; what is to be its payload, and which fields of it are hidden."""


class More(TypedDict, total=False):
    """What else is said of an entry. `hidden` are the fields of `payload`'s arguments that are not to be seen."""

    effect: str | None
    call: str | None
    run: str | None
    payload: Mapping[str, Any] | None
    hidden: Sequence[str]


class Audit:
    """The audit of one process: one chain. `scrub` takes the configuration's secrets out of what is kept."""

    def __init__(
        self,
        journal: Journal,
        signer: Callable[[], Signer],
        *,
        scrub: Callable[[Any], Any] = lambda value: value,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._find_signer = signer
        self._signer: Signer | None = None
        self._scrub = scrub
        self._clock = clock
        self._origin = new_id()
        self._signed_end = self._last = (0, "")
        self._last_at = -1
        """How often something was undone when the last entry was written: since then it may be another one."""
        self._waiting: deque[Waiting] = deque()
        self._lost = 0
        self._look_until = 0.0
        self._left_at = 0.0
        self._day = ""
        self._pulse: Pulse | None = None
        self._lock = threading.Lock()
        self._beating = threading.Lock()
        self._closed = False
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        journal.tell(self._event)

    @property
    def signer(self) -> Signer:
        if self._signer is None:
            with self._lock:
                self._signer = self._signer or self._find_signer()
        return self._signer

    @property
    def waiting(self) -> int:
        """Say how many entries are in memory alone."""
        return len(self._waiting)

    @property
    def lost(self) -> int:
        """Say how many were dropped since one of them was told of."""
        return self._lost

    def begin(self) -> None:
        """Take up what dead processes left unlinked, seal each day, and write soon what is collected."""
        self._woken()

    def configured(self, files: Sequence[Path], *, by: str) -> None:
        """Tell that a process works by other files than the last one did; their digest is kept, not what is in them."""
        known = hashlib.sha256()
        try:
            for file in files:
                known.update(str(file).encode() + b"\0" + file.read_bytes())
        except OSError:  # it was taken away a moment ago
            return
        digest = known.hexdigest()
        with self._journal.read() as conn:
            if not files or stored.word(conn, "config") == digest:
                return

        def unit(conn: Connection) -> None:
            stored.say(conn, "config", digest)
            said = {"by": by, "sha256": digest, "files": [str(file) for file in files]}
            self._event(conn, "config.changed", None, None, said, None)

        self._journal.write(unit)

    def note(self, kind: str, who: str, what: str, outcome: str, **more: Unpack[More]) -> None:
        """Collect an entry."""
        if len(self._waiting) >= KEPT:
            self._waiting.popleft()
            self._lost += 1
            METER.count(AUDIT_LOST)
        self._waiting.append(self._entry(kind, who, what, outcome, **more))
        if self._pulse is None:
            self._woken()

    def row(self, kind: str, who: str, what: str, outcome: str, **more: Unpack[More]) -> dict[str, Any]:
        """Make the signed row of an entry, for `write` in the unit that it belongs to."""
        return self._signed([self._entry(kind, who, what, outcome, **more)])

    def _entry(
        self,
        kind: str,
        who: str,
        what: str,
        outcome: str,
        *,
        effect: str | None = None,
        call: str | None = None,
        run: str | None = None,
        payload: Mapping[str, Any] | None = None,
        hidden: Sequence[str] = (),
    ) -> Waiting:
        return self._clock(), kind, who, what, effect, outcome, call, run, REQUEST.get(), payload, hidden

    def write(self, conn: Connection, row: Mapping[str, Any]) -> None:
        """Write an entry's row in a unit of the journal, and so in its commit."""
        self._add(conn, row)
        self._look_until = time.monotonic() + _LOOKS_S
        if self._pulse is None:
            self._woken()

    def _add(self, conn: Connection, row: Mapping[str, Any]) -> None:
        """Write a row; with its link where the units of a process follow each other anyway, as on SQLite."""
        if not self._journal.is_sqlite:
            stored.add(conn, row)
            return
        undone = conn.info[UNDONE]
        last, link = self._last if self._last_at == undone else self._end(conn)
        link = self.signer.link(self._origin, last + 1, link, row["id"], row["digest"])
        stored.add_linked(conn, row, chain=self._origin, no=last + 1, link=link)
        self._last, self._last_at = (last + row["entries"], link), undone

    def _add_all(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            self._add(conn, row)

    def _end(self, conn: Connection) -> tuple[int, str]:
        """Give the last entry of this process's chain and its link: never one before an end that was signed."""
        found = stored.last(conn, self._origin)
        if found is None and not self._signed_end[0]:
            return self._head(conn)[:2]
        return max(found or self._signed_end, self._signed_end)

    def refused_login(self, peer: str | None, error: DrawbarError) -> None:
        """Collect that somebody was not let in: the first time at once, then once a minute with how often."""
        about, now = (peer or "", error.message), time.monotonic()
        with self._lock:
            until, more = self._said.get(about, (0.0, 0))
            if now < until:
                self._said[about] = (until, more + 1)
                return
            if len(self._said) > _MAX_REMEMBERED:
                self._said.clear()
            self._said[about] = (now + _AGAIN_S, 0)
        payload = {"peer": peer, "error": error.message, **({"before": more} if more else {})}
        self.note("login", "nobody", "login", "refused", payload=payload)

    def _event(
        self, conn: Connection, kind: str, run_id: str | None, task: str | None, body: Any, request: str | None
    ) -> None:
        """Write an audited event's entry, in the unit that tells the event."""
        said = body if isinstance(body, Mapping) else {}
        who = str(said.get("by") or "drawbar")
        rest = {name: value for name, value in said.items() if name != "by"}
        payload = {**({"task": task} if task else {}), **rest}
        call = next((str(said[name]) for name in ("entry", "approval", "assignment", "key") if said.get(name)), None)
        entry = (self._clock(), "verb", who, kind, None, "done", call, run_id, request, payload, ())
        self.write(conn, self._signed([entry]))

    def _signed(self, waiting: Iterable[Waiting]) -> dict[str, Any]:
        signer, block = self.signer, new_id()
        entries: list[Any] = []
        payloads: list[str] = []
        until = time.perf_counter() + _AT_ONCE_S
        for number, one in enumerate(waiting):
            if time.perf_counter() > until:
                time.sleep(_BREATH_S)
                until = time.perf_counter() + _AT_ONCE_S
            text = self._text(one[9], one[10])
            payloads.append(text)
            entries.append((*one[:9], signer.payload(block, number, text)))
        row = {
            "id": block,
            "origin": self._origin,
            "signer": signer.id,
            "at": entries[0][0],
            "entries": len(entries),
            "body": body_of(entries),
            "payload": payloads_text(payloads),
        }
        return {**row, "digest": signer.block(row)}

    def _text(self, payload: Any, hidden: Sequence[str]) -> str:
        if payload is None:
            return "null"
        if hidden:
            payload = {**payload, "arguments": masked(payload.get("arguments"), hidden)}
        try:
            text = dump(payload)
            if len(text) > _LONGEST_TEXT:
                text = dump(_short(payload))
            return text if self._scrub(text) == text else dump(self._scrub(orjson.loads(text)))
        except (TypeError, ValueError, RecursionError):
            return dump({"unwritten": "what belongs here cannot be written as JSON"})

    def _woken(self) -> None:
        with self._lock:
            if self._pulse is None and not self._closed:
                self._pulse = Pulse("audit", _BEAT_S, self.beat).start()

    def beat(self) -> None:
        """Write what is collected, and link what is written."""
        with self._beating:
            self._flush()
            now = time.monotonic()
            if now < self._look_until:
                self._link_own()
            if now - self._left_at > _LEFT_S:
                self._left_at = now
                self._adopt()
                self._seal()

    def close(self) -> None:
        """Write and link what is left; a second call does nothing."""
        with self._lock:
            pulse, self._pulse = self._pulse, None
            is_first, self._closed = not self._closed, True
        if pulse is not None:
            pulse.stop()
        if not is_first or (not self._waiting and self._look_until == 0):
            return
        try:
            with self._beating:
                while self._waiting or self._lost:
                    self._flush()
                while self._link_own():
                    pass
        except DrawbarError as error:
            log.warning("audit.unwritten", entries=len(self._waiting), error=error.message)

    def cut(self, before: float) -> None:
        """Remove what was made before then."""
        cut(self._journal, self.signer, before)

    def _flush(self) -> None:
        """Write what is collected by now; were what comes meanwhile written too, a few entries at a time would wait for the disk."""
        left = len(self._waiting)
        while left or self._lost:
            lost = self._lost
            taken = [self._waiting.popleft() for _ in range(min(_BLOCK * _BLOCKS, left, len(self._waiting)))]
            left = max(left - _BLOCK * _BLOCKS, 0)
            if lost:
                about: Waiting = (
                    self._clock(), "audit", "drawbar", "lost", None, "dropped", None, None, None, {"entries": lost}, (),
                )  # fmt: skip
                taken.append(about)
            rows = [self._signed(taken[at : at + _BLOCK]) for at in range(0, len(taken), _BLOCK)]
            try:
                self._journal.write(partial(self._add_all, rows=rows))
            except DrawbarError:
                self._waiting.extendleft(reversed(taken[: len(taken) - bool(lost)]))
                raise
            self._lost -= lost
            self._look_until = time.monotonic() + _LOOKS_S

    def _link_own(self) -> int:
        """Link what this process wrote and is committed; give how many blocks."""
        if not self._journal.is_sqlite:
            return self._journal.write(lambda conn: self._link(conn, stored.own(conn, self._origin, self.signer.id)))
        self._signed_end = self._journal.write(partial(self._sign_end, chain=self._origin)) or self._signed_end
        return 0

    def _adopt(self) -> None:
        """Link what others wrote and did not come to link, and sign the ends of their chains."""
        before = first_id(time.time() - _LEFT_S)

        def unit(conn: Connection) -> int:
            return self._link(conn, stored.left(conn, self._origin, self.signer.id, before))

        while self._any_left(before) and self._journal.write(unit):
            pass
        with self._journal.read() as conn:
            chains = stored.unsigned(conn, self.signer.id, before)
        for chain in chains:
            self._journal.write(partial(self._sign_end, chain=chain))

    def _any_left(self, before: str) -> bool:
        with self._journal.read() as conn:
            return stored.any_left(conn, self._origin, self.signer.id, before)

    def _link(self, conn: Connection, rows: Sequence[Any]) -> int:
        if not rows:
            return 0
        chain = self._origin
        head = self._head(conn)
        entries, link = max(stored.last(conn, chain) or head[:2], head[:2])
        links = []
        for block, _, count, _, digest in rows:
            no, entries = entries + 1, entries + count
            link = self.signer.link(chain, no, link, block, digest)
            links.append({"id": block, "chain": chain, "no": no, "link": link})
        stored.link(conn, links)
        self._last_at = -1
        self._grow(conn, chain, (entries, link), head)
        return len(rows)

    def _sign_end(self, conn: Connection, chain: str) -> tuple[int, str] | None:
        """Sign where a chain ends by the blocks that are there, and give it; never one before the end that is signed."""
        head, last = stored.head(conn, chain, to_change=True), stored.last(conn, chain)
        if head is None or last is None or last[0] < head[0]:
            return None  # `verify` says what is missing
        if last[0] > head[0]:
            self._grow(conn, chain, last, head)
        return last

    def _grow(self, conn: Connection, chain: str, end: tuple[int, str], head: stored.Head) -> None:
        (entries, link), (_, _, cut, cut_link, number) = end, head
        said = {"id": chain, "number": number, "entries": entries, "link": link, "cut": cut, "cut_link": cut_link}
        stored.grow(conn, chain, entries=entries, link=link, digest=self.signer.chain(said))

    def _head(self, conn: Connection) -> stored.Head:
        """Give where this process's chain ends, by its row; it begins with the first entry."""
        return stored.head(conn, self._origin, to_change=True) or self._begun(conn)

    def _begun(self, conn: Connection) -> stored.Head:
        """Begin this process's chain: chains are counted, so that none can be taken away whole."""
        stored.take_turn(conn)
        signer, number = self.signer, stored.count_chains(conn) + 1
        first = signer.first(self._origin, number)
        said = {"id": self._origin, "number": number, "entries": 0, "link": first, "cut": 0, "cut_link": first}
        about = {"signer": signer.id, "host": socket.gethostname()[:200], "pid": os.getpid(), "began_at": time.time()}
        stored.begin(conn, {**said, **about, "digest": signer.chain(said)})
        stored.say(conn, "chains", f"{number}:{signer.id}:{signer.sign('chains', number)}")
        return 0, first, 0, first, number

    def _seal(self) -> None:
        """Seal all chains, once a day, whichever process comes first."""
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        if day == self._day:
            return
        with self._journal.read() as conn:
            last = stored.last_seal(conn)
        if last is None or last["day"] < day:
            sealed = self._journal.write(lambda conn: seal(conn, self.signer, day, self._clock()))
            if sealed is not None:  # in a log that is kept elsewhere it shows what the state was that day
                log.info("audit.sealed", day=day, seal=sealed)
        self._day = day


def _short(value: Any) -> Any:
    """Cut long texts and lists: what was called is to be seen, not all that was sent."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}... ({len(value)} characters)"
    if isinstance(value, Mapping):
        return {str(name): _short(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        more = [] if len(value) <= _LONGEST_LIST else [f"... ({len(value)} items)"]
        return [*map(_short, value[:_LONGEST_LIST]), *more]
    return value
