"""A tool that writes as the target of a sync: each row is one guarded call, with an entry of its own in the ledger."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, runtime_checkable

from ..access import Caller
from ..batch import Cursor, Reject, Row, RowRefused, Would, Written
from ..errors import ConfigError, DrawbarError, InputError, NotNow, OutcomeUnknown, Rejected, Unavailable
from ..masking import masked
from ..store import ledger
from ..values import canonical, dump, load, write_json
from .calls import one_effect_of
from .config import SyncTo

if TYPE_CHECKING:
    from ..guard import Guard
    from ..prepared import Prepared

_IN_MEMORY = 1 << 20
_AGAIN_S = 5.0
_SAMPLES = 5
Ended = Literal["done", "again", "refused", "parked", "waiting"]
"""`again`: an earlier run did it. `waiting`: nobody knows yet, and a probe or the sweep of lost calls will say."""


@dataclass(frozen=True, slots=True)
class Due:
    """A row that is to be called: its name for ever, and what a reject file says of it when the other side refuses it."""

    name: str
    row: Row
    record: Reject


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of one row. `entry` is the ledger's."""

    record: Reject
    entry: str
    ended: Ended
    said: str = ""


@runtime_checkable
class Acting(Protocol):
    """A writing whose effects cannot be taken back: its rows are called one by one once the whole portion is proven."""

    def take(self, rows: Sequence[Row], due: Sequence[tuple[str, Reject]]) -> Written:
        """Keep rows, each with its name and record, until `act`; `RowRefused` for those that are no arguments."""

    def act(self) -> Iterator[Acted]:
        """Do what was kept, in order. Raises Unavailable where the other side is away: what was done is not done again."""


class ToolSink:
    """
    Calls a tool once for each row.

    A call is named by the sync and by what identifies its row for ever, or by `key`: an entry that is done is never sent again,
    and one that nobody knows the outcome of is parked.
    """

    keeps_cursor = False

    def __init__(self, config: SyncTo, guard: Guard, *, sync: str, carried: tuple[str, ...] = ()) -> None:
        self.tool = f"{config.adapter}.{config.operation}"
        self.key: Sequence[str] = config.key
        self.concurrency = config.concurrency
        self.one_effect = one_effect_of(config)
        self._guard = guard
        self._carried = guard.landscape.undeclared(self.tool, carried)
        self._sync = sync
        self._caller = Caller(f"sync:{sync}", "workflow", (self.tool,))

    def cursor(self) -> Cursor:
        return None

    def has(self, portion: str) -> bool:
        return False

    @contextmanager
    def writing(self, *, portion: str, file_name: str | None = None) -> Iterator[ToolWriting]:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            yield ToolWriting(self, spool)  # type: ignore[arg-type]  # it is a binary stream

    def close(self) -> None: ...

    def prepared(self, row: Row) -> Prepared:
        """Look whether a row is a call that may be made. InputError where its arguments are to blame, ConfigError elsewhere."""
        try:
            prepared = self._guard.prepare(self.tool, dict(row), self._caller, outside=False, carried=self._carried)
        except InputError as error:
            if error.reason == "invalid":
                raise
            raise ConfigError(error.message, field="to.operation", next=error.next) from error
        if prepared.tool.effect == "read":
            raise ConfigError(f"{self.tool} only reads: a sync writes with a tool that writes", field="to.operation")
        if prepared.approval is not None:
            said = f"{self.tool} needs another person's approval, for which no sync can wait"
            raise ConfigError(said, field="to.operation", next="let a workflow call it for each row")
        return prepared

    def name_of(self, name: str, row: Row) -> str:
        """Name a row by its business key where there is one. InputError for a row without it."""
        if not self.key:
            return name
        if (missing := next((one for one in self.key if row.get(one) in (None, "")), None)) is not None:
            raise InputError(f"its key {missing} is empty", field=missing)
        return canonical([row[one] for one in self.key]).decode()

    def call(self, due: Due) -> Acted:
        """Make one call, unless it was made before. Raises Unavailable and ConfigError, which are no row's fault."""
        entry = f"sync-{hashlib.sha256(f'{self._sync} {self.tool} {due.name}'.encode()).hexdigest()[:40]}"
        try:
            prepared = self.prepared(due.row)
        except InputError as error:
            return Acted(due.record, entry, "refused", error.message)
        with self._guard.journal.read() as conn:
            first = ledger.done_as(conn, entry)
        if first is not None:
            if self.key and first[0] != prepared.hash:
                said = f"its key was called with other arguments before (ledger entry {entry})"
                return Acted(due.record, entry, "refused", said)
            return Acted(due.record, entry, "again")
        return self._called(prepared, due, entry)

    def again(self, row: Mapping[str, Any]) -> Acted:
        """Call again what a person settled as not done. Raises as `call`, and InputError where it may not be called any more."""
        prepared = self._guard.again(row, self._caller)
        shown = masked(prepared.arguments, prepared.hidden)
        record = Reject(1, "", write_json(shown))
        return self._called(prepared, Due(row["id"], prepared.arguments, record), row["id"])

    def _called(self, prepared: Prepared, due: Due, entry: str) -> Acted:
        try:
            answer = self._guard.call(prepared, call_id=entry, batch=True)
        except (OutcomeUnknown, InputError) as error:
            return self._open(due, entry, error)
        except Rejected as error:
            return Acted(due.record, entry, "refused", error.message)
        return Acted(due.record, entry, "again" if answer.repeated else "done")

    def _open(self, due: Due, entry: str, error: DrawbarError) -> Acted:
        """Ask the ledger what stands in the way of a call that has no answer, or that another one of the same key goes before."""
        at = error.id or entry
        try:
            with self._guard.journal.read() as conn:
                row = ledger.find(conn, at)
        except InputError:
            return Acted(due.record, entry, "refused", error.message)
        if row["state"] == "unknown" and row["probe_at"] is None:
            return Acted(due.record, at, "parked", error.message)
        if row["state"] in ("unknown", "intent"):
            return Acted(due.record, at, "waiting", error.message)
        if isinstance(error, OutcomeUnknown):
            raise Unavailable(error.message, retry_after_s=_AGAIN_S) from error  # of a tool that may be called again
        return Acted(due.record, at, "refused", error.message)


class ToolWriting:
    """The calls of one portion, kept here until all of it is proven."""

    def __init__(self, sink: ToolSink, spool: BinaryIO) -> None:
        self._sink = sink
        self._spool = spool
        self._count = 0
        self._samples: list[dict[str, Any]] = []

    def write(self, rows: Sequence[Row]) -> Written:
        raise ConfigError(f"{self._sink.tool}: rows without a name cannot be called")

    def take(self, rows: Sequence[Row], due: Sequence[tuple[str, Reject]]) -> Written:
        reasons: dict[int, str] = {}
        lines: list[bytes] = []
        for at, (row, (name, record)) in enumerate(zip(rows, due, strict=True)):
            try:
                self._sink.prepared(row)
                named = self._sink.name_of(name, row)
            except InputError as error:
                reasons[at] = error.message
                continue
            said = [named, dict(row), record.record_no, record.raw, record.row, record.seen]
            lines.append(dump(said).encode())
        if reasons:
            first = min(reasons)
            raise RowRefused(first, reasons[first], reasons)
        for line in lines:
            self._spool.write(len(line).to_bytes(4, "big") + line)
        self._samples += [{"would": "call", **row} for row in rows[: max(_SAMPLES - len(self._samples), 0)]]
        self._count += len(rows)
        return Written(inserted=len(rows))

    def would(self) -> Would:
        return Would(Written(inserted=self._count), self._samples)

    def act(self) -> Iterator[Acted]:
        waiting, first = 0, ""
        for acted in self._called():
            if acted.ended == "waiting":
                waiting, first = waiting + 1, first or acted.entry
            else:
                yield acted
        if waiting:
            raise NotNow(
                f"{waiting} calls of {self._sink.tool} have no answer yet; the next run looks again, and calls only them",
                id=first,
                retry_after_s=_AGAIN_S,
                next=f"drawbar dead show {first}",
            )

    def commit(self, *, portion: str, cursor: Cursor) -> None:
        """Do nothing: each call is in the ledger."""

    def _called(self) -> Iterator[Acted]:
        """Call in order, a few at a time; an error comes after what was begun before it has ended."""
        dues = self._dues()
        if self._sink.concurrency == 1:
            yield from map(self._sink.call, dues)
            return
        with ThreadPoolExecutor(self._sink.concurrency, "drawbar-sync-write") as threads:
            while some := list(islice(dues, self._sink.concurrency * 4)):
                failure: DrawbarError | None = None
                for future in [threads.submit(self._sink.call, due) for due in some]:
                    try:
                        yield future.result()
                    except DrawbarError as error:
                        failure = failure or error
                if failure is not None:
                    raise failure

    def _dues(self) -> Iterator[Due]:
        self._spool.seek(0)
        while size := self._spool.read(4):
            name, row, number, raw, whole, seen = load(self._spool.read(int.from_bytes(size, "big")))
            yield Due(name, row, Reject(number, "", raw, whole, seen))
