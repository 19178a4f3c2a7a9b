"""A portion that fails and names no row: halved until the rows that are to blame stand alone, so that the others go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..batch import Portion, Reject, name_of
from ..errors import DrawbarError, Unavailable
from ..rejects import RejectFile
from .config import RejectRules

if TYPE_CHECKING:
    from pathlib import Path

MOST_ALONE = 20
"""When so many fail alone it is no single row that is to blame."""


@runtime_checkable
class Divisible(Protocol):
    """A portion whose rows can be loaded and acknowledged in two parts, in order."""

    @property
    def size(self) -> int: ...

    def halves(self) -> Sequence[Portion]:
        """Give two portions in its place; nothing for one row."""


class Divided(Exception):
    """A portion is to be carried in parts; it is still open."""

    def __init__(self, portion: Portion, error: DrawbarError) -> None:
        super().__init__(error.message)
        self.portion = portion
        self.error = error


class Alone:
    """The rows of one portion that fail alone: rejects as long as the rules allow some, and then whatever their source says."""

    def __init__(self, rules: RejectRules, size: int, folder: Path, sync: str, run: Mapping[str, Any]) -> None:
        self._rules = rules
        self._size = size
        self._folder = folder
        self._sync = sync
        self._run = run
        self.count = 0
        self.failure: DrawbarError | None = None

    @property
    def is_enough(self) -> bool:
        return self.count >= MOST_ALONE

    def reject(self, portion: Portion, error: DrawbarError) -> Path | None:
        """Put one row aside, and give its reject file; None where it may not be rejected and its source has it again."""
        self.count += 1
        batch = next(portion.batches(1))
        found = Reject(batch.record_nos[0], error.message, batch.raw_of(0), batch.rows[0] if batch.rows else None)
        if not self._rules.allow(self.count, self._size):
            self.failure = self.failure or error
            portion.failed(error, [found])
            return None
        rejects = RejectFile(self._folder, self._sync, portion.id, name_of(portion), self._run)
        rejects.add([found])
        kept = rejects.keep()
        portion.finished()
        return kept

    def leave(self, portion: Portion) -> None:
        portion.failed(Unavailable("others of its portion failed, and it was not tried"), ())
