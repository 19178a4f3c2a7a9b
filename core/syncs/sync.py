"""A sync: source, where, map, sink; each portion in one transaction, and nothing acknowledged before it balances."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from ..ahead import ahead
from ..batch import (
    Batch,
    Columns,
    Comparing,
    Flow,
    Flowing,
    Lane,
    LaneClosed,
    Offering,
    Portion,
    Pourable,
    Pouring,
    Promising,
    Reject,
    Row,
    Sink,
    Source,
    Taking,
    Would,
    Writing,
    Written,
    name_of,
)
from ..budget import BatchShare
from ..errors import ConfigError, DrawbarError, InputError, Rejected, Unavailable
from ..mapping import Mapped, Mapper
from ..masking import MASK
from ..rejects import RejectFile
from .config import SyncConfig
from .divide import Alone, Divided, Divisible
from .done import Counts, Done, Progress
from .enrich import Enriching, Valid
from .refused import TooMany, isolated, with_rows
from .tool_sink import Acting
from .totals import Balance, RangeBalance, RowBalance
from .unseen import Unseen
from .writes import Fanning

log = structlog.get_logger("drawbar.sync")
_BEAT_S = 0.2
_ROWS_IN_HAND = 1000
"""More rows at once that are no columns take 30 MB more, and more time: the collector of garbage looks at all of them."""
_SAID_REJECTS = 5
_SAID_ROWS = 5


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries portions of one sync. `moment` is what expressions see as `run`."""

    name: str
    config: SyncConfig
    source: Source
    sink: Sink
    base: Path
    moment: Mapping[str, Any]
    stop: threading.Event
    progress: Progress = field(default=lambda counts, total: None)
    dry_run: bool = False
    full: bool = False
    share: BatchShare = field(default_factory=BatchShare)
    promise: Callable[[Mapping[str, Any]], None] = field(default=lambda promise: None)
    park: Callable[[Sequence[str]], None] = field(default=lambda entries: None)
    """Hears of the calls of a portion whose outcome nobody knows, before the portion is done."""

    enriching: Enriching | None = None
    valid: Valid | None = None
    unseen: Unseen | None = None
    """What must not be told of its rows."""

    load: str | None = None
    """Of which load the source is a range that is collected, before all of them replace the target together."""

    again: bool = False
    """What is read was read before: the cursor stays where it is, and what the target has is written again."""

    def carry(self, cursor: Any, keep_cursor: Callable[[Any], None]) -> Iterator[Done]:
        """
        Carry what is there from the cursor on, portion by portion. Raises one of the five for the first that fails.

        A portion that is not whole yet holds no other; that is raised when there was nothing else.
        """
        total = self.source.total(cursor)
        sum_ = Counts()
        waits: Unavailable | None = None
        lane = self._lane()
        portions = iter(self.source.portions(cursor, batch_rows=self.config.batch_rows))
        while True:
            with self.share.held():  # a place at both ends for each portion, so that other work gets in between
                portion = next(portions, None)
                if portion is None:
                    break
                if self.stop.is_set():
                    portion.failed(Unavailable("the sync was stopped"), ())
                    raise self._stopped()
                failure: DrawbarError | None = None
                try:
                    dones = [self._portion(portion, sum_, total, lane, cursor)]
                except Divided as divided:
                    dones, failure = self._apart(divided, sum_, total, lane, cursor)
                except Unavailable as error:
                    if not getattr(portion, "waits", False):
                        raise
                    waits = waits or error
                    continue
            if failure is None and not self.dry_run and not self.again and not self.sink.keeps_cursor:
                keep_cursor(portion.cursor)
            for done in dones:
                sum_ = sum_.plus(done.counts)
                yield done
            if failure is not None:
                raise failure
        if waits is not None and not sum_.read:
            raise waits

    def _apart(
        self, first: Divided, before: Counts, total: int | None, lane: Lane | None, cursor: Any
    ) -> tuple[list[Done], DrawbarError | None]:
        """Carry a portion in ever smaller parts until those that are to blame stand alone."""
        size = first.portion.size  # type: ignore[attr-defined]  # it is divisible
        alone = Alone(self.config.rejects, size, self.base / self.config.rejects.to, self.name, self.moment)
        dones: list[Done] = []
        left: list[Portion | Divided] = [first]
        while left:
            one = left.pop(0)
            try:
                if not isinstance(one, Divided):
                    if alone.is_enough:
                        alone.leave(one)
                    else:
                        dones.append(self._portion(one, before, total, lane, cursor))
                    continue
            except Divided as divided:
                one = divided
            except Rejected as error:  # it has named its rows
                alone.failure = alone.failure or error
                continue
            if halves := one.portion.halves():  # type: ignore[attr-defined]  # it is divisible
                left[:0] = halves
            elif (kept := alone.reject(one.portion, one.error)) is not None:
                dones.append(Done(one.portion.id, one.portion.id, Counts(1, 0, 1), str(kept)))
        return dones, alone.failure

    @property
    def _is_plain(self) -> bool:
        """Tell whether nobody needs to look at single rows."""
        return not self.dry_run and self.enriching is None and self.valid is None and not self._proves_rows

    @property
    def _proves_rows(self) -> bool:
        """Tell whether what was written is compared with what the target has under the same keys."""
        return bool(self.config.totals) and self.config.to.mode == "upsert"

    def _balance(self) -> Balance | RangeBalance | RowBalance | None:
        if self._proves_rows:
            return RowBalance(self.config, self.sink)
        if self.load is not None:
            return RangeBalance.of_range(self.config, self.source, self.load)
        return Balance.of(self.config, self.source)

    def _mapper(self) -> Mapper | Fanning:
        writes = self.config.to.writes
        return Mapper(self.config.where, self.config.map) if writes is None else Fanning(self.config.where, writes)

    def _lane(self) -> Lane | None:
        """Find a lane that both ends agree to; None where rows are needed: a mapping that computes, a dry run, a difference in types."""
        if not self._is_plain or not isinstance(self.source, Flowing) or not isinstance(self.sink, Taking):
            return None
        try:
            wanted = self._mapper().renames()
        except ValueError:
            return None
        for offered in self.source.lanes(wanted):
            if (agreed := self.sink.takes(offered)) is not None and self.source.enter(agreed):
                return agreed
        return None

    def _own_lane(self, portion: Portion) -> Lane | None:
        """Find a lane for a portion that alone knows its columns."""
        if not self._is_plain or not isinstance(portion, Offering) or not isinstance(self.sink, Taking):
            return None
        try:
            offered = portion.lane(self._mapper().renames())
        except ValueError:
            return None
        return None if offered is None else self.sink.takes(offered)

    def _portion(self, portion: Portion, before: Counts, total: int | None, lane: Lane | None, stays: Any) -> Done:
        name = name_of(portion)
        # A full run carries again what can be carried again; inserting it twice would double it.
        modes = self.config.to.modes
        if (not (self.full or self.again) or not modes or "insert" in modes) and self.sink.has(portion.id):
            if not self.dry_run:
                portion.finished()
            return Done(portion.id, name, Counts(), again=True)
        rejects = RejectFile(self.base / self.config.rejects.to, self.name, portion.id, name, self.moment)
        balance = self._balance()
        parked: list[str] = []
        first: list[Row] = []
        try:
            with self._opened(portion) as writing:
                saw: Callable[[Sequence[Row]], None] | None = None
                if self.dry_run:
                    saw = partial(_keep_first, first)
                elif isinstance(balance, RowBalance):
                    saw = partial(balance.saw, writing)
                counts = self._loaded(lane, portion, writing, rejects, before, total, saw)
                self._prove(portion, counts, rejects)
                if isinstance(writing, Acting) and not self.dry_run:
                    counts = self._act(portion, writing, counts, rejects, parked, before, total)
                totals = None if balance is None or self.dry_run else balance.prove(writing)
                if self.dry_run:  # before its transaction is over
                    would = writing.would() if hasattr(writing, "would") else _would(counts, first)
                    refused = [_refused(one) for one in rejects.first[:_SAID_REJECTS]]
                    would = replace(would, samples=[*refused, *would.samples])
                else:
                    where = rejects.keep()
                    reached = stays if self.again else portion.cursor
                    if isinstance(balance, RangeBalance):
                        reached = balance.noted()
                    if isinstance(writing, Promising) and not self.sink.keeps_cursor and not self.again:
                        self.promise({**writing.promise(), "portion": portion.id, "cursor": reached})
                    writing.commit(portion=portion.id, cursor=reached)
                    if parked:
                        self.park(parked)
        except DrawbarError as error:
            self._tell_no_value(error, portion)
            nameless = isinstance(error, (Rejected, InputError)) and not rejects.first and not self.dry_run
            if nameless and isinstance(portion, Divisible):
                raise Divided(portion, error) from error
            portion.failed(Unavailable("a dry run") if self.dry_run else error, rejects.first)
            raise
        except BaseException:
            portion.failed(Unavailable("the sync was interrupted"), ())
            raise
        finally:
            rejects.discard()
        if self.dry_run:
            portion.failed(Unavailable("a dry run"), ())
            return Done(portion.id, name, counts, would=would)
        portion.finished()
        kept = str(where) if where else None
        proven = getattr(portion, "proven", ())
        return Done(portion.id, name, counts, kept, totals=totals, parked=parked, proven=proven)

    def _opened(self, portion: Portion) -> AbstractContextManager[Any]:
        if self.dry_run and isinstance(self.sink, Comparing):
            return self.sink.comparing()
        return self.sink.writing(portion=portion.id, file_name=self._file_name(portion))

    def _loaded(
        self,
        lane: Lane | None,
        portion: Portion,
        writing: Writing,
        rejects: RejectFile,
        before: Counts,
        total: int | None,
        saw: Callable[[Sequence[Row]], None] | None,
    ) -> Counts:
        """Write a portion as bytes, else by column, else by row: the first of the three that it can go."""
        agreed = lane or self._own_lane(portion)
        counts: Counts | None = None
        # A page of a snapshot has no flow: it goes as rows, whatever its table can do.
        if agreed is not None and hasattr(portion, "flow"):
            counts = self._flow(agreed, portion, writing, before, total)
        if counts is None and self._is_plain and getattr(portion, "repeats", False) and isinstance(writing, Pouring):
            counts = self._pour(portion, writing, rejects, before, total)
        return self._write(portion, writing, rejects, before, total, saw) if counts is None else counts

    def _write(
        self,
        portion: Portion,
        writing: Writing,
        rejects: RejectFile,
        before: Counts,
        total: int | None,
        saw: Callable[[Sequence[Row]], None] | None,
    ) -> Counts:
        counts = Counts()
        limit = self.config.rejects.max_count
        mapper = self._mapper()
        looks = not self._is_plain or isinstance(writing, Pouring)
        for batch in ahead(self._batches(portion, looks=looks)):
            self._look()
            read = len(batch.rows) + len(batch.rejects)
            mapped = self._mapped(mapper, batch, portion)
            written, refused = isolated(writing, mapped, batch, portion.id, saw, self.unseen)
            failed = self._failed([*batch.rejects, *mapped.rejects, *refused], batch)
            rejects.add(failed)
            counts = counts.plus(Counts(read, written, len(failed), mapped.filtered))
            if limit is not None and counts.rejected > limit:
                raise self._too_many(portion, counts, rejects)
            self.progress(before.plus(counts), total)
        return counts

    def _act(
        self,
        portion: Portion,
        writing: Acting,
        counts: Counts,
        rejects: RejectFile,
        parked: list[str],
        before: Counts,
        total: int | None,
    ) -> Counts:
        """Do what cannot be taken back; it stops at the first refusal that is too much, and what was done stays done."""
        for acted in writing.act():
            self._look()
            if acted.ended == "parked":
                parked.append(acted.entry)
                counts = replace(counts, written=counts.written - 1, parked=counts.parked + 1)
            elif acted.ended == "refused":
                failed = replace(acted.record, reason=acted.said)
                rejects.add([failed])
                counts = replace(counts, written=counts.written - 1, rejected=counts.rejected + 1)
                if not self.config.rejects.allow(counts.rejected, counts.read):
                    raise self._too_many(portion, counts, rejects, "what was called before is not called again")
            self.progress(before.plus(counts), total)
        return counts

    def _pour(
        self,
        portion: Portion,
        writing: Pouring,
        rejects: RejectFile,
        before: Counts,
        total: int | None,
    ) -> Counts | None:
        """Write by column in one go; None when a row does not fit, and nothing was written then."""
        counts = Counts()
        mapper = self._mapper()

        def mapped() -> Generator[Columns, None, None]:
            nonlocal counts
            by_column = isinstance(portion, Pourable)
            batches = portion.pourable() if isinstance(portion, Pourable) else self._batches(portion)
            for batch in ahead(batches) if by_column or not getattr(portion, "is_near", False) else batches:
                self._look()
                found = self._mapped(mapper, batch, portion)
                failed = self._failed([*batch.rejects, *found.rejects], batch)
                rejects.add(failed)
                read = len(batch.rows) + len(batch.rejects)
                counts = counts.plus(Counts(read, len(found.rows), len(failed), found.filtered))
                if not isinstance(found.rows, Columns):
                    raise LaneClosed("the rows have not all the same columns")
                yield found.rows
                self.progress(before.plus(counts), total)

        try:
            with closing(mapped()) as batches:
                written = writing.pour(batches)
        except LaneClosed as closed:
            self._log_closed(portion, "columns", closed)
            rejects.discard()
            return None
        return Counts(counts.read, written.rows, counts.rejected, counts.filtered)

    def _batches(self, portion: Portion, *, looks: bool = False) -> Iterator[Batch]:
        """Read a portion, each row with what it is given from elsewhere; `looks` says that single rows are looked at."""
        rows = self.config.batch_rows
        if looks or getattr(portion, "by_row", False):
            rows = min(rows, _ROWS_IN_HAND)
        batches = portion.batches(rows)
        if self.enriching is None:
            return batches
        return (self.enriching.enrich(batch, self.moment) for batch in batches)

    def _mapped(self, mapper: Mapper | Fanning, batch: Batch, portion: Portion) -> Mapped:
        mapped = mapper.map(batch, self.moment, lambda row: self._look_for_names(portion, row))
        return mapped if self.valid is None else self.valid.only(mapped, batch)

    def _failed(self, failed: Sequence[Reject], batch: Batch) -> list[Reject]:
        """Give records that failed with their rows, and with reasons that may be told."""
        found = with_rows(failed, batch)
        return found if self.unseen is None else self.unseen.records(found, batch)

    def _tell_no_value(self, error: DrawbarError, portion: Portion) -> None:
        if self.unseen is not None and not isinstance(error, TooMany):  # the reasons in that one may be told
            self.unseen.error(error, portion.cursor)

    def _log_closed(self, portion: Portion, lane: str, closed: LaneClosed) -> None:
        reason = str(closed) if self.unseen is None else MASK  # a target's own words; row by row they are told again
        log.info("sync.lane_closed", sync=self.name, portion=portion.id, lane=lane, reason=reason)

    def _stopped(self) -> Unavailable:
        return Unavailable(f"sync {self.name} was stopped; the next run goes on where it was")

    def _look(self) -> None:
        if self.stop.is_set():
            raise self._stopped()
        self.share.look()

    def _flow(self, lane: Lane, portion: Portion, writing: Writing, before: Counts, total: int | None) -> Counts | None:
        """Let the rows pass as bytes; None when they have to go as rows, and nothing was written then."""
        flow: Flow = portion.flow()  # type: ignore[attr-defined]  # a source that has entered a lane makes such portions
        limit = time.monotonic()

        def beat() -> None:
            nonlocal limit
            if self.stop.is_set():
                raise self._stopped()
            if time.monotonic() > limit:
                limit = time.monotonic() + _BEAT_S
                self.share.look()
                self.progress(before.plus(Counts(flow.rows, flow.rows)), total)

        try:
            written: Written = writing.load(lane, flow, beat)  # type: ignore[attr-defined]  # a sink that agreed to the lane
        except LaneClosed as closed:
            self._log_closed(portion, lane.form, closed)
            return None
        counts = Counts(flow.rows, written.rows)
        self.progress(before.plus(counts), total)
        return counts

    def _look_for_names(self, portion: Portion, row: Row) -> None:
        """Raise ConfigError for a name that no row of the source has: the rows are not to blame."""
        missing: Callable[[Sequence[str], Row], str | None] | None = getattr(portion, "missing", None)
        if missing is None:
            return
        fields = {"where": self.config.where, **{f"map.{name}": one for name, one in (self.config.map or {}).items()}}
        for at, write in enumerate(self.config.to.writes or ()):
            fields |= {f"to.writes.{at}.map.{name}": one for name, one in write.map.items()}
        for place, template in fields.items():
            for path in sorted(template.paths if template is not None else ()):
                if path[0] == "row" and (said := missing(path[1:], row)) is not None:
                    raise ConfigError(
                        f"sync {self.name}, {place}: {said}",
                        field=f"syncs.{self.name}.{place}",
                        next="correct the sync; nothing was changed, and what was read stays where it is",
                    )

    def _prove(self, portion: Portion, counts: Counts, rejects: RejectFile) -> None:
        if not counts.balance:
            raise Rejected(
                f"{portion.id} does not balance: read {counts.read}, written {counts.written}, "
                f"rejected {counts.rejected}, filtered {counts.filtered}; {_left(portion)}"
            )
        if not self.config.rejects.allow(counts.rejected, counts.read):
            raise self._too_many(portion, counts, rejects)

    def _too_many(self, portion: Portion, counts: Counts, rejects: RejectFile, left: str = "") -> TooMany:
        first = rejects.first[0]
        bounds = self.config.rejects.model_dump(include={"max_share", "max_count"}, exclude_none=True)
        said = ", ".join(f"{name} {bound}" for name, bound in bounds.items()) or "none are allowed"
        return TooMany(
            f"{name_of(portion)}: {counts.rejected} of {counts.read} records were rejected "
            f"({said}); {left or _left(portion)}; the first is record {first.record_no}: {first.reason}",
            detail=[{"record_no": one.record_no, "reason": one.reason} for one in rejects.first[:20]],
            next="correct what the reasons say, or raise rejects.max_share",
        )

    def _file_name(self, portion: Portion) -> str | None:
        template = self.config.to.name
        if template is None:
            return None
        facts = getattr(portion, "facts", {})
        return str(template.fill({**facts, "run": self.moment}))


def _keep_first(kept: list[Row], rows: Sequence[Row]) -> None:
    kept += rows[: max(_SAID_ROWS - len(kept), 0)]


def _would(counts: Counts, first: Sequence[Row]) -> Would:
    """Say what a target would get that cannot compare: a file, a queue."""
    return Would(Written(inserted=counts.written), [{"would": "write", "row": dict(row)} for row in first])


def _left(portion: Portion) -> str:
    """Say what a portion that fails leaves behind."""
    return getattr(portion, "left", None) or "nothing was changed"


def _refused(one: Reject) -> dict[str, Any]:
    return {"would": "reject", "record_no": one.record_no, "reason": one.reason}
