"""What a target refuses of a batch: taken out, so that the others are written, and kept with its row for its reject file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import compress

from ..batch import Batch, Columns, Naming, Reject, Row, RowRefused, Writing
from ..errors import Rejected
from ..mapping import Mapped
from .tool_sink import Acting
from .unseen import Unseen

_SEEN = frozenset({"file", "header", "trailer", "message", "run"})


def isolated(
    writing: Writing,
    mapped: Mapped,
    batch: Batch,
    portion: str,
    saw: Callable[[Sequence[Row]], None] | None,
    unseen: Unseen | None = None,
) -> tuple[int, list[Reject]]:
    """Write rows; those that the target refuses are taken out, and the others are written."""
    refused: list[Reject] = []
    rows, places = mapped.rows, mapped.at
    while len(rows):
        try:
            if isinstance(writing, Acting):
                writing.take(rows, [_due(batch, place, portion) for place in places])
            elif isinstance(writing, Naming):
                writing.write_named(rows, [_name(batch, place, portion) for place in places])
            else:
                writing.write(rows)
            break
        except RowRefused as error:
            for at, reason in sorted(error.reasons.items()):
                place = places[at]
                said = reason if unseen is None else unseen.refused(reason, rows[at])
                refused.append(Reject(batch.record_nos[place], said, batch.raw_of(place)))
            kept = [at not in error.reasons for at in range(len(rows))]
            rows = rows.only(kept) if isinstance(rows, Columns) else list(compress(rows, kept))
            places = list(compress(places, kept))
    if saw is not None:
        saw(rows)
    return len(rows), refused


class TooMany(Rejected):
    """More records failed than may; the reasons of the first are told with it."""


def _due(batch: Batch, place: int, portion: str) -> tuple[str, Reject]:
    """Give a row's name, and its record for the reject file."""
    number = batch.record_nos[place]
    [record] = with_rows([Reject(number, "", batch.raw_of(place))], batch)
    return _name(batch, place, portion), record


def with_rows(failed: Sequence[Reject], batch: Batch) -> list[Reject]:
    """Order rejects, and give those that could be read their rows, so that they can be corrected and sent again."""
    if not failed:
        return []
    places = {number: at for at, number in enumerate(batch.record_nos)}
    facts = {name: value for name, value in batch.facts.items() if name in _SEEN and value}
    found = []
    for reject in sorted(failed, key=lambda one: one.record_no):
        at = places.get(reject.record_no)
        if at is None:
            found.append(replace(reject, seen=facts))
            continue
        own = batch.each[at] if batch.each is not None else {}
        seen = {**facts, **{name: value for name, value in own.items() if name in _SEEN}}
        found.append(replace(reject, row=batch.rows[at], seen=seen))
    return found


def _name(batch: Batch, place: int, portion: str) -> str:
    """Name a row for ever: as its source does, or by its portion and number."""
    return batch.names[place] if batch.names is not None else f"{portion}:{batch.record_nos[place]}"
