"""`load: batched`: what a source gives as one is committed in parts, and a load that was cut off goes on with the next part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

from ..batch import Batch, Columns, Cursor, Portion, Reject, Row, Source, name_of

MARK = "batched"
_MOST_OPEN = 100


class Batched:
    """
    A source whose portions are committed in parts of `batch_rows`.

    A cursor is {"batched": {portion: the last record that is committed}, "before": the source's own}: it moves in the same
    transaction as a part's rows, so that a part is never loaded twice, whatever `batch_rows` is by then.
    """

    def __init__(self, source: Source, has: Callable[[str], bool]) -> None:
        self._source = source
        self._has = has
        self.one_effect = source.one_effect

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        done, before = _opened(cursor)
        for portion in self._source.portions(before, batch_rows=batch_rows):
            if self._has(portion.id):
                yield portion
                continue
            name = hashlib.sha256(portion.id.encode()).hexdigest()[:32]
            last = done.get(name, 0)
            pending: Batch | None = None
            for batch in portion.batches(batch_rows):
                if (rest := _after(batch, last)) is None:
                    continue
                if pending is not None:
                    done = dict([*done.items(), (name, _last(pending))][-_MOST_OPEN:])
                    yield Part.of(portion, pending, {MARK: done, "before": before}, is_last=False)
                pending = rest
            done = {one: at for one, at in done.items() if one != name}
            reached = {MARK: done, "before": portion.cursor} if done else portion.cursor
            yield Part.of(portion, pending or Batch((), ()), reached, is_last=True)
            before = portion.cursor

    def total(self, cursor: Cursor) -> int | None:
        return self._source.total(_opened(cursor)[1])

    def close(self) -> None:
        self._source.close()


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a portion. The last part has the portion's own identity: a target that has it has all."""

    id: str
    name: str
    cursor: Cursor
    whole: Portion
    batch: Batch
    is_last: bool
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, portion: Portion, batch: Batch, cursor: Cursor, *, is_last: bool) -> Part:
        identity = portion.id if is_last else f"{portion.id}#{_last(batch)}"
        return cls(identity, name_of(portion), cursor, portion, batch, is_last, getattr(portion, "facts", {}))

    @property
    def left(self) -> str | None:
        first = min((*self.batch.record_nos[:1], *(one.record_no for one in self.batch.rejects[:1])), default=1)
        return None if first <= 1 else f"the {first - 1} records before are in the target (load: batched)"

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        yield self.batch

    def missing(self, path: Sequence[str], row: Row) -> str | None:
        look: Callable[[Sequence[str], Row], str | None] | None = getattr(self.whole, "missing", None)
        return None if look is None else look(path, row)

    def finished(self) -> None:
        if self.is_last:
            self.whole.finished()

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None:
        self.whole.failed(error, rejects)


def is_half(cursor: Cursor) -> bool:
    """Tell whether a portion is loaded in part, which only `Batched` can go on with."""
    return isinstance(cursor, Mapping) and bool(cursor.get(MARK))


def _opened(cursor: Cursor) -> tuple[dict[str, int], Cursor]:
    if isinstance(cursor, Mapping) and MARK in cursor:
        return dict(cursor[MARK]), cursor["before"]
    return {}, cursor


def _last(batch: Batch) -> int:
    return max((*batch.record_nos[-1:], *(one.record_no for one in batch.rejects)), default=0)


def _after(batch: Batch, last: int) -> Batch | None:
    """Leave out the records that are loaded; None when no other is in the batch."""
    if last == 0:
        return batch
    kept = [number > last for number in batch.record_nos]
    rejects = [one for one in batch.rejects if one.record_no > last]
    if not any(kept) and not rejects:
        return None
    if all(kept):
        return replace(batch, rejects=rejects)
    rows = batch.rows
    return replace(
        batch,
        rows=rows.only(kept) if isinstance(rows, Columns) else list(compress(rows, kept)),
        record_nos=list(compress(batch.record_nos, kept)),
        rejects=rejects,
        raw=None if batch.raw is None else [batch.raw_of(at) for at, one in enumerate(kept) if one],
        each=None if batch.each is None else list(compress(batch.each, kept)),
        names=None if batch.names is None else list(compress(batch.names, kept)),
    )
