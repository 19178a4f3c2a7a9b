"""The batch side of an adapter: sources read portions from a cursor on, sinks write them so that a repetition has one effect."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import compress
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from .values import kept_json

Row = Mapping[str, Any]
Some = TypeVar("Some")
Cursor = Any
"""Where reading goes on: a plain value that `core.values.dump` keeps; None is the beginning."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that failed: its number (from 1), why, its original bytes, and, where it could be read, its row."""

    record_no: int
    reason: str
    raw: bytes
    row: Mapping[str, Any] | None = None
    seen: Mapping[str, Any] | None = None
    """What expressions saw beside the row."""


Read = Callable[[Any], Any]


@runtime_checkable
class InArrow(Protocol):
    """A column that is a pyarrow.Array still: values are made only for those who ask for one."""

    @property
    def array(self) -> Any: ...

    def only(self, kept: Sequence[bool]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Columns(Sequence[Row]):
    """
    Rows that have the same names, kept by column as the driver gave them; a row is made only when it is asked for.

    `reads` turns a column's values into ours, None where they are that already: who writes columns need not make them.
    """

    names: Sequence[str]
    values: Sequence[Sequence[Any]]
    reads: Sequence[Read | None]

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[Sequence[Any]], reads: Sequence[Read | None]) -> Columns:
        return cls(names, list(zip(*rows, strict=True)) if rows else [()] * len(names), reads)

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Columns: ...
    def __getitem__(self, at: int | slice) -> Row | Columns:
        if isinstance(at, slice):
            return replace(self, values=[column[at] for column in self.values])
        return {
            name: column[at] if read is None else read(column[at])
            for name, column, read in zip(self.names, self.values, self.reads, strict=True)
        }

    def __iter__(self) -> Iterator[Row]:
        ours = [
            column if read is None else map(read, column) for column, read in zip(self.values, self.reads, strict=True)
        ]
        for values in zip(*ours, strict=True):
            yield dict(zip(self.names, values, strict=True))

    def only(self, kept: Sequence[bool]) -> Columns:
        return replace(
            self,
            values=[
                column.only(kept) if isinstance(column, InArrow) else list(compress(column, kept))
                for column in self.values
            ],
        )

    def without(self, names: Container[str]) -> Columns:
        places = [at for at, name in enumerate(self.names) if name not in names]
        names, values, reads = self.names, self.values, self.reads
        return Columns([names[at] for at in places], [values[at] for at in places], [reads[at] for at in places])


@runtime_checkable
class ByColumn(Protocol):
    """What stands beside the rows of a batch (its `each`), which can be had by column too."""

    def column(self, path: Sequence[str]) -> Sequence[Any] | None:
        """Give what a path leads to, for all rows; None where one of them has nothing there."""


class Made(Sequence[Some]):
    """What `make` gives for each of these, only when it is asked for."""

    def __init__(self, make: Callable[[Any], Some], of: Sequence[Any]) -> None:
        self._make = make
        self._of = of

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, at: int) -> Some: ...
    @overload
    def __getitem__(self, at: slice) -> Made[Some]: ...
    def __getitem__(self, at: int | slice) -> Some | Made[Some]:
        return Made(self._make, self._of[at]) if isinstance(at, slice) else self._make(self._of[at])


def as_json(rows: Sequence[Row]) -> Made[bytes]:
    """Give rows as JSON, each made only when it is asked for: of those that are rejected."""
    return Made(kept_json, rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Some rows of a portion, in order.

    `record_nos` counts from 1 within the portion. `facts` is what expressions see beside `row`: header, trailer, file, message.
    `raw` gives a row's original bytes by its index, for the reject file. `each` is what expressions see beside single rows
    (`message`), and `names` is what identifies a row for ever, where the source knows more than portion and number.
    """

    rows: Sequence[Row]
    record_nos: Sequence[int]
    rejects: Sequence[Reject] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    raw: Sequence[bytes] | None = None
    each: Sequence[Mapping[str, Any]] | None = None
    names: Sequence[str] | None = None

    def raw_of(self, at: int) -> bytes:
        """Give a row's original bytes, none where they are not known; made for rejects only, since a source may have to compose them."""
        return self.raw[at] if self.raw is not None else b""


class Portion(Protocol):
    """
    What is loaded and acknowledged as one: a file, a drain of a queue, a range of a table.

    `id` identifies its content for ever (path, size, hash): a target that has it committed is not given it again.
    """

    @property
    def id(self) -> str: ...

    @property
    def cursor(self) -> Cursor:
        """Where reading goes on after this portion; known when `batches` is exhausted."""

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        """Read the portion; may be called again and then begins again (a portion that cannot says so by Unavailable)."""

    def finished(self) -> None:
        """Acknowledge or archive: the target has committed. A second call does nothing."""

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None:
        """Put back, quarantine or dead-letter, as the feed says."""


def name_of(portion: Portion) -> str:
    """Name a portion for people: a file's name, where it is one."""
    return getattr(portion, "name", None) or portion.id


@dataclass(frozen=True, slots=True)
class Lane:
    """
    A way on which rows pass as bytes, from a source that makes them to a target that takes them as they are.

    `form` names the bytes; a field is (target's column, source's column, its type in words of the form). `facts` is what
    else there is to know about the bytes (a dialect).
    """

    form: str
    fields: tuple[tuple[str, str, str], ...]
    facts: Any = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """Of CSV in UTF-8 with a header: a quoted field is text, an unquoted `null` is NULL."""

    delimiter: str
    quote: str
    null: str
    max_record_bytes: int


Chunk = bytes | bytearray | memoryview


class Flow(Protocol):
    """The rows of a portion as bytes of a lane. Each chunk holds whole rows where the form knows where they end."""

    @property
    def rows(self) -> int:
        """How many came so far; all of them when `chunks` is exhausted."""

    def chunks(self) -> Generator[Chunk, None, None]:
        """Give the bytes; an empty chunk says that it still waits. Raises `LaneClosed` for what needs the rows' way."""


class LaneClosed(Exception):
    """These rows cannot pass as bytes, which nobody could know before; nothing was written, so they go as rows."""


@runtime_checkable
class Flowing(Protocol):
    """A source that has lanes; portions of one that it has entered have `flow()`."""

    def lanes(self, wanted: Mapping[str, str] | None) -> Sequence[Lane]:
        """Offer lanes for these columns (target's name: ours), or for all as they are; the best first."""

    def enter(self, lane: Lane) -> bool:
        """Make portions for this lane from now on; false when it cannot give the types that the target asks for."""


@runtime_checkable
class Offering(Protocol):
    """A portion that has a lane of its own: only a file knows its columns."""

    def lane(self, wanted: Mapping[str, str] | None) -> Lane | None: ...


@runtime_checkable
class Taking(Protocol):
    """A sink that takes bytes; its writings then have `load(lane, flow, beat)`, which gives what was `Written`."""

    def takes(self, lane: Lane) -> Lane | None:
        """Agree to a lane, perhaps with other types that the source has to give; None when rows are needed."""


@runtime_checkable
class Pouring(Protocol):
    """A writing that takes batches by column in one go, where a refused row cannot be told from the others any more."""

    def pour(self, batches: Iterator[Columns]) -> Written:
        """Write all or none; `LaneClosed` when a row does not fit, and then `write` finds out which."""


@runtime_checkable
class Pourable(Protocol):
    """A portion that has a faster way for who takes all of it by column in one go."""

    def pourable(self) -> Iterator[Batch]:
        """Give the rows of `batches`; LaneClosed when only those can be read."""


class Source(Protocol):
    """Where rows come from. `one_effect` says in a sentence whether a crash can repeat rows, for `validate` and `syncs`."""

    @property
    def one_effect(self) -> tuple[bool, str]: ...

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        """Give what is there from the cursor on, one at a time, and end when nothing is left."""

    def total(self, cursor: Cursor) -> int | None:
        """Estimate the rows to come, for the progress bar; None when nobody knows."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Written:
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    @property
    def rows(self) -> int:
        return self.inserted + self.updated + self.deleted + self.unchanged


class Writing(Protocol):
    """One transaction of the target (or one file until its rename). Leaving it by an exception leaves nothing behind."""

    def write(self, rows: Sequence[Row]) -> Written:
        """Write rows; a row that the target refuses raises `RowRefused` and the others of this call are not written."""

    def commit(self, *, portion: str, cursor: Cursor) -> None:
        """Commit rows, cursor and portion id together. An error in here is OutcomeUnknown."""


@runtime_checkable
class Naming(Protocol):
    """A writing that gives each row its name: receivers know by it what they have already."""

    def write_named(self, rows: Sequence[Row], names: Sequence[str]) -> Written: ...


@runtime_checkable
class Promising(Protocol):
    """A writing without a transaction in common with the cursor: what it is about to do is kept first."""

    def promise(self) -> Mapping[str, Any]:
        """Say what `commit` will leave behind, so that `Keeping.kept` can look for it after a crash."""


@runtime_checkable
class Keeping(Protocol):
    """A sink that can tell whether a promise was kept."""

    def kept(self, promise: Mapping[str, Any]) -> bool: ...


class RowRefused(Exception):
    """
    The target said no to one row: `index` within the call to `write`, `reason` for the reject file.

    A target that knows them all at once gives `reasons`, by index, so that the others are written again once and not once
    for each.
    """

    def __init__(self, index: int, reason: str, reasons: Mapping[int, str] | None = None) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason
        self.reasons: Mapping[int, str] = reasons if reasons is not None else {index: reason}


class Sink(Protocol):
    """Where rows go. `keeps_cursor` is true where the target commits rows and cursor together."""

    @property
    def keeps_cursor(self) -> bool: ...

    @property
    def one_effect(self) -> tuple[bool, str]: ...

    def cursor(self) -> Cursor:
        """Give the cursor that the target has committed for this sync, None at first."""

    def has(self, portion: str) -> bool:
        """Tell whether the target has this portion committed."""

    def writing(self, *, portion: str, file_name: str | None = None) -> AbstractContextManager[Writing]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Would:
    """What a portion would do to its target, and some rows of it."""

    counts: Written
    samples: Sequence[Mapping[str, Any]] = ()


@runtime_checkable
class Ranging(Protocol):
    """A source that can be read from one value of its cursor to another, both included."""

    def only(self, since: Any, until: Any) -> None: ...


@runtime_checkable
class Refetching(Protocol):
    """A source that can give again what it gave, by name."""

    def again(self, names: Sequence[str]) -> None: ...


@runtime_checkable
class Peeking(Protocol):
    """An end that can be looked at: nothing is claimed, moved, counted, put aside or made."""

    def peek(self) -> None: ...


@runtime_checkable
class Comparing(Protocol):
    """A sink that can say what rows would do, by reading alone."""

    def comparing(self) -> AbstractContextManager[Comparison]: ...


class Comparison(Protocol):
    def write(self, rows: Sequence[Row]) -> Written:
        """Compare rows with what is there; `RowRefused` as in a `Writing`."""

    def would(self) -> Would:
        """Say what all of them together would do."""


@runtime_checkable
class Understanding(Protocol):
    """A source that knows its own cursors, which a person may write."""

    def understand(self, cursor: Cursor) -> None:
        """Raise InputError for what is no cursor of this source."""


@runtime_checkable
class Staging(Protocol):
    """A sink that can collect the ranges of a load beside its target, and put all of them there in one transaction."""

    def begin_stage(self, load: str, columns: Sequence[str]) -> None:
        """Make room for a load that writes these columns; a second call does nothing."""

    def staged(self, load: str, part: str) -> Sink:
        """Give what writes one range, with marks of its own under the name `part`."""

    def swapping(self, load: str, columns: Sequence[str]) -> AbstractContextManager[Writing]:
        """Replace everything by what was collected, in the transaction that the caller commits."""

    def noted(self, parts: Sequence[str]) -> Sequence[Cursor]:
        """Give the cursor that each of these ranges has committed."""

    def clear_stages(self) -> None:
        """Drop what loads of this sync have left."""


@runtime_checkable
class Preparing(Protocol):
    """A sink that needs something beside its target."""

    def ddl(self) -> str: ...

    def grants(self) -> str | None:
        """Give what lets our user use it, where the system has rights."""


@runtime_checkable
class Rewinding(Protocol):
    """A sink that keeps the cursor and can be told another."""

    def rewind(self, cursor: Cursor) -> None: ...


@runtime_checkable
class Trailing(Protocol):
    """A source that can say how many rows behind it a cursor is, where `total` counts what a run would read."""

    def behind(self, cursor: Cursor) -> int | None: ...


@runtime_checkable
class Standing(Protocol):
    """A source that has no cursor to be behind of: what lies there has not been read."""

    def standing(self) -> Mapping[str, Any]:
        """Give `files`, how many lie there unread, and `seconds`, how old the oldest is."""


@runtime_checkable
class Totalling(Protocol):
    """An end that can count its rows and sum columns; a writing tells of the table as it would be committed."""

    def totals(self, names: Sequence[str]) -> Sequence[Decimal]: ...
