"""What of a sync goes with what: which source, sink and option make no sense together, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import SyncConfig

Misfit = tuple[str, str]
"""The key to blame, and the sentence."""

_UNNAMED_MESSAGES = (
    "what is read whole each time has no names for its rows: after a crash they would be sent again under other message "
    "ids, so that no consumer can drop them; read a table with a cursor"
)
_UNNAMED_CALLS = (
    "each row is one call, and what is read whole each time has no names for its rows: name the key that says which "
    "business case a row is, and it is called once"
)
_WHOLE_FILES = (
    "everything is read each time, into one file a run that is there as a whole or not at all; the run after a crash can "
    "write it once more"
)
_TOTALS = (
    "totals: of a whole table that replaces a table, without where; or of what is written into a table with mode upsert "
    "(files have totals of their own)"
)
_SWAPPED = "the ranges are collected beside the target, and all of it is replaced in one transaction; a load that was cut off goes on"


def misfits(sync: SyncConfig) -> Iterator[Misfit]:
    """Find what cannot be done, whatever the systems are."""
    yield from _ends(sync)
    yield from _again(sync)
    yield from _replaced(sync)
    yield from _called(sync)
    yield from _several(sync)
    yield from _proof(sync)
    yield from _batched(sync)
    yield from _partitions(sync)
    yield from _rebuilt(sync)


def effect_of(sync: SyncConfig, source: tuple[bool, str], sink: tuple[bool, str]) -> tuple[bool, str]:
    """Say what a crash can do: the weaker of the two ends decides, unless the target knows what comes again by its key."""
    to = sync.to
    if to.feed is not None and _is_whole(sync):
        return False, _WHOLE_FILES
    if sync.partitions is not None and "replace" in to.modes and sink[0]:
        return True, _SWAPPED
    by_key = (to.is_database and "insert" not in to.modes) or (to.operation is not None and bool(to.key))
    ends = (sink,) if sink[0] and (by_key or sync.partitions is not None) else (source, sink)
    return next((end for end in ends if not end[0]), sink)


def _is_whole(sync: SyncConfig) -> bool:
    """Tell whether everything is read each time."""
    from_ = sync.from_
    if from_.operation is not None:
        return from_.changed is None
    return from_.statement is not None or (from_.table is not None and from_.cursor is None)


def _ends(sync: SyncConfig) -> Iterator[Misfit]:
    from_, to = sync.from_, sync.to
    tables = {to.table, *(one.table for one in to.writes or ())} - {None}
    if from_.adapter == to.adapter and (from_.table in tables or (to.feed is not None and from_.feed == to.feed)):
        yield "to", "from and to are the same place: the sync would read what it writes"
    if to.publish is not None and _is_whole(sync):
        yield "to", _UNNAMED_MESSAGES


def _again(sync: SyncConfig) -> Iterator[Misfit]:
    cursor, to = sync.from_.cursor, sync.to
    if cursor is None:
        return
    if cursor.overlap_s and to.is_database and to.modes != {"upsert"}:
        yield "mode", "overlap_s reads rows again, so a table needs mode upsert"
    if cursor.overlap_s and to.feed is not None:
        yield "mode", "overlap_s reads rows again, and a file would hold them a second time"
    if cursor.snapshot and to.modes != {"upsert"}:
        yield "mode", "snapshot reads rows again that change meanwhile, so it needs a table and mode upsert"


def _replaced(sync: SyncConfig) -> Iterator[Misfit]:
    from_ = sync.from_
    if "replace" in sync.to.modes and (
        from_.cursor is not None or from_.consume is not None or from_.changed is not None
    ):
        yield "mode", "mode replace needs everything at once: not a cursor, not a queue"


def _called(sync: SyncConfig) -> Iterator[Misfit]:
    to = sync.to
    if to.operation is None:
        return
    if (_is_whole(sync) or sync.from_.operation is not None) and not to.key:
        yield "to", _UNNAMED_CALLS
    if sync.map is not None and (missing := [name for name in to.key if name not in sync.map]):
        yield "to", f"key {', '.join(missing)} is not in the map"


def _several(sync: SyncConfig) -> Iterator[Misfit]:
    if sync.to.writes is None:
        return
    if sync.map is not None:
        yield "map", "writes: each table has a map of its own, so the sync has none"
    if sync.schema_ is not None:
        yield "schema", "schema: is of one mapped row, and writes make several of each"


def _proof(sync: SyncConfig) -> Iterator[Misfit]:
    from_, to = sync.from_, sync.to
    if sync.deletes is not None and (from_.table is None or to.table is None or to.mode == "replace"):
        yield "deletes", "deletes: compares a table with a table, and mode replace needs no such thing"
    whole = from_.table is not None and from_.cursor is None and to.mode == "replace" and sync.where is None
    if sync.totals and not whole and not (to.table is not None and to.mode == "upsert"):
        yield "totals", _TOTALS
    if sync.on_drift == "add_column" and (from_.table is None or to.table is None or sync.map is not None):
        yield "on_drift", "add_column: from a table into a table, and without a map"


def _batched(sync: SyncConfig) -> Iterator[Misfit]:
    if sync.to.load != "batched":
        return
    from_, modes = sync.from_, sync.to.modes
    if from_.cursor is not None or from_.consume is not None or from_.operation is not None:
        yield (
            "load",
            "load: batched is for files and for what is read whole; this source is committed page by page already",
        )
    elif "replace" in modes:
        yield "load", "load: batched cannot replace everything: a table that is half replaced has lost the rest"
    elif from_.feed is None and modes != {"upsert"}:
        yield (
            "load",
            "load: batched begins again where it was cut off, since rows of a table come in no order: mode upsert, or partitions",
        )


def _partitions(sync: SyncConfig) -> Iterator[Misfit]:
    from_, to = sync.from_, sync.to
    if sync.partitions is None:
        return
    if from_.table is None or to.table is None:
        yield "partitions", "partitions: are ranges of a table's key, loaded into a table"
    elif to.mode == "replace" and to.cursor == "state":
        yield (
            "partitions",
            "partitions: with mode replace the target says which ranges are collected there, so it keeps the cursor: leave cursor: state out",
        )
    elif to.load == "batched":
        yield "partitions", "partitions: a range is committed as a whole; leave load out"


def _rebuilt(sync: SyncConfig) -> Iterator[Misfit]:
    """Refuse to build indexes behind rows that are looked for by them, or that are not all there then."""
    to = sync.to
    if to.indexes == "keep":
        return
    if to.table is None:
        yield "to", "indexes: rebuild is for the load of one table"
    elif to.mode == "upsert":
        yield "to", "indexes: rebuild is for mode insert or replace: an upsert finds its rows by the key"
    elif sync.partitions is not None:
        yield (
            "to",
            "indexes: rebuild locks the table for the time of its load, and partitions load several ranges at a time",
        )
    elif to.load == "batched":
        yield (
            "to",
            "indexes: rebuild is for one load of everything; with load: batched only its first part finds the table empty",
        )
