"""The batch side of an adapter: sources read portions from a cursor on, sinks write them so that a repetition has one effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = Mapping[str, Any]
Cursor = Any
"""Where reading goes on: a plain value that `core.values.dump` keeps; None is the beginning."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that failed: its number (from 1), why, and its original bytes."""

    record_no: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Some rows of a portion, in order.

    `record_nos` counts from 1 within the portion. `facts` is what expressions see beside `row`: header, trailer, file, message.
    `raw` gives a row's original bytes by its index, for the reject file.
    """

    rows: Sequence[Row]
    record_nos: Sequence[int]
    rejects: Sequence[Reject] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    raw: Sequence[bytes] | None = None


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
