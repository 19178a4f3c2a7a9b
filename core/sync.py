"""A sync: source, where, map, sink; each portion in one transaction, and nothing acknowledged before it balances."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import structlog

from .batch import Batch, Portion, Reject, Row, RowRefused, Sink, Source, Writing
from .budget import BatchShare
from .errors import ConfigError, DrawbarError, Rejected, Unavailable
from .expressions import Env, EvaluationError
from .rejects import RejectFile
from .sync_config import SyncConfig

log = structlog.get_logger("drawbar.sync")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows; every row that was read is in exactly one of the others."""

    read: int = 0
    written: int = 0
    rejected: int = 0
    filtered: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.written + other.written,
            self.rejected + other.rejected,
            self.filtered + other.filtered,
        )

    @property
    def balance(self) -> bool:
        return self.read == self.written + self.rejected + self.filtered


@dataclass(frozen=True, slots=True)
class Done:
    """A portion that was carried over, or that the target had already (`again`)."""

    id: str
    name: str
    counts: Counts
    rejects: str | None = None
    again: bool = False

    def as_json(self) -> dict[str, Any]:
        said = {"name": self.name, **_named(self.counts), "rejects": self.rejects, "again": self.again}
        return {name: value for name, value in said.items() if value is not None}


Progress = Callable[[Counts, int | None], None]


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

    def carry(self, cursor: Any, keep_cursor: Callable[[Any], None]) -> Iterator[Done]:
        """Carry what is there from the cursor on, portion by portion. Raises one of the five for the first that fails."""
        total = self.source.total(cursor)
        sum_ = Counts()
        portions = iter(self.source.portions(cursor, batch_rows=self.config.batch_rows))
        while True:
            with self.share.held():  # a place at both ends for each portion, so that other work gets in between
                portion = next(portions, None)
                if portion is None:
                    return
                if self.stop.is_set():
                    portion.failed(Unavailable("the sync was stopped"), ())
                    raise Unavailable(f"sync {self.name} was stopped; the next run goes on where it was")
                done = self._portion(portion, sum_, total)
            sum_ = sum_.plus(done.counts)
            if not self.dry_run and not self.sink.keeps_cursor:
                keep_cursor(portion.cursor)
            yield done

    def _portion(self, portion: Portion, before: Counts, total: int | None) -> Done:
        name = getattr(portion, "name", None) or portion.id
        # A full run carries again what can be carried again; inserting it twice would double it.
        if (not self.full or self.config.to.mode in (None, "insert")) and self.sink.has(portion.id):
            portion.finished()
            return Done(portion.id, name, Counts(), again=True)
        rejects = RejectFile(self.base / self.config.rejects.to, self.name, portion.id, name)
        kept: list[Reject] = []
        try:
            with self.sink.writing(portion=portion.id, file_name=self._file_name(portion)) as writing:
                counts = self._write(portion, writing, rejects, kept, before, total)
                self._prove(portion, counts, kept)
                if not self.dry_run:
                    where = rejects.keep()
                    writing.commit(portion=portion.id, cursor=portion.cursor)
        except DrawbarError as error:
            portion.failed(error, kept)
            raise
        except BaseException:
            portion.failed(Unavailable("the sync was interrupted"), ())
            raise
        finally:
            rejects.discard()
        if self.dry_run:
            portion.failed(Unavailable("a dry run"), ())
            return Done(portion.id, name, counts)
        portion.finished()
        return Done(portion.id, name, counts, str(where) if where else None)

    def _write(
        self,
        portion: Portion,
        writing: Writing,
        rejects: RejectFile,
        kept: list[Reject],
        before: Counts,
        total: int | None,
    ) -> Counts:
        counts = Counts()
        limit = self.config.rejects.max_count
        for batch in portion.batches(self.config.batch_rows):
            if self.stop.is_set():
                raise Unavailable(f"sync {self.name} was stopped; the next run goes on where it was")
            self.share.look()
            read = len(batch.rows) + len(batch.rejects)
            mapped, wrong, filtered = self._mapped(batch, portion)
            written, refused = _isolated(writing, mapped)
            failed = sorted([*batch.rejects, *wrong, *refused], key=lambda reject: reject.record_no)
            rejects.add(failed)
            kept += failed[: max(100 - len(kept), 0)]
            counts = counts.plus(Counts(read, written, len(failed), filtered))
            if limit is not None and counts.rejected > limit:
                raise self._too_many(portion, counts, kept)
            self.progress(before.plus(counts), total)
        return counts

    def _mapped(self, batch: Batch, portion: Portion) -> tuple[list[_Row], list[Reject], int]:
        """Filter and map; a row whose expression fails is a reject of its own."""
        where, fields = self.config.where, self.config.map
        env: dict[str, Any] = {**batch.facts, "run": self.moment}
        rows: list[_Row] = []
        rejects: list[Reject] = []
        filtered = 0
        for at, (row, number) in enumerate(zip(batch.rows, batch.record_nos, strict=True)):
            env["row"], env["record_no"] = row, number
            try:
                if where is not None and not _condition(where.fill, env):
                    filtered += 1
                    continue
                value: Row = (
                    row if fields is None else {name: _field(name, one.fill, env) for name, one in fields.items()}
                )
            except EvaluationError as error:
                if not rejects:
                    self._look_for_names(portion, row)
                rejects.append(Reject(number, error.message, _raw(batch, at)))
                continue
            rows.append(_Row(value, number, batch, at))
        return rows, rejects, filtered

    def _look_for_names(self, portion: Portion, row: Row) -> None:
        """Raise ConfigError for a name that no row of the source has: the rows are not to blame."""
        missing: Callable[[Sequence[str], Row], str | None] | None = getattr(portion, "missing", None)
        if missing is None:
            return
        fields = {"where": self.config.where, **{f"map.{name}": one for name, one in (self.config.map or {}).items()}}
        for place, template in fields.items():
            for path in sorted(template.paths if template is not None else ()):
                if path[0] == "row" and (said := missing(path[1:], row)) is not None:
                    raise ConfigError(
                        f"sync {self.name}, {place}: {said}",
                        field=f"syncs.{self.name}.{place}",
                        next="correct the sync; nothing was changed, and what was read stays where it is",
                    )

    def _prove(self, portion: Portion, counts: Counts, kept: Sequence[Reject]) -> None:
        if not counts.balance:
            raise Rejected(
                f"{portion.id} does not balance: read {counts.read}, written {counts.written}, "
                f"rejected {counts.rejected}, filtered {counts.filtered}; nothing was changed"
            )
        if not self.config.rejects.allow(counts.rejected, counts.read):
            raise self._too_many(portion, counts, kept)

    def _too_many(self, portion: Portion, counts: Counts, kept: Sequence[Reject]) -> Rejected:
        bounds = self.config.rejects.model_dump(include={"max_share", "max_count"}, exclude_none=True)
        said = ", ".join(f"{name} {bound}" for name, bound in bounds.items()) or "none are allowed"
        return Rejected(
            f"{getattr(portion, 'name', None) or portion.id}: {counts.rejected} of {counts.read} records were rejected "
            f"({said}); nothing was changed; the first is record {kept[0].record_no}: {kept[0].reason}",
            detail=[{"record_no": one.record_no, "reason": one.reason} for one in kept[:20]],
            next="correct what the reasons say, or raise rejects.max_share",
        )

    def _file_name(self, portion: Portion) -> str | None:
        template = self.config.to.name
        if template is None:
            return None
        facts = getattr(portion, "facts", {})
        return str(template.fill({**facts, "run": self.moment}))


@dataclass(frozen=True, slots=True)
class _Row:
    value: Row
    record_no: int
    batch: Batch
    at: int

    @property
    def raw(self) -> bytes:
        return _raw(self.batch, self.at)


def _raw(batch: Batch, at: int) -> bytes:
    """Give a row's original bytes; made for rejects only, since a source may have to compose them."""
    return batch.raw[at] if batch.raw is not None else b""


def _isolated(writing: Writing, rows: Sequence[_Row]) -> tuple[int, list[Reject]]:
    """Write rows; those that the target refuses are taken out one by one, and the others are written."""
    refused: list[Reject] = []
    left = list(rows)
    while left:
        try:
            writing.write([row.value for row in left])
            break
        except RowRefused as error:
            for at in sorted(error.reasons, reverse=True):
                row = left.pop(at)
                refused.append(Reject(row.record_no, error.reasons[at], row.raw))
    return len(left), refused


def _condition(fill: Callable[[Env], Any], env: Env) -> bool:
    found = fill(env)
    if not isinstance(found, bool):
        raise EvaluationError(f"where: {found!r} is neither true nor false")
    return found


def _field(name: str, fill: Callable[[Env], Any], env: Env) -> Any:
    try:
        return fill(env)
    except EvaluationError as error:
        raise EvaluationError(f"{name}: {error.message}") from error


def _named(counts: Counts) -> dict[str, int]:
    return {
        "read": counts.read,
        "written": counts.written,
        "rejected": counts.rejected,
        "filtered": counts.filtered,
    }


def moment_of(run_id: str, day: str | None, started_at: float) -> dict[str, Any]:
    """Give what expressions see as `run`; it stays the same when a run is repeated."""
    begun = datetime.fromtimestamp(started_at, UTC)
    return {"id": run_id, "date": date.fromisoformat(day) if day else begun.date(), "started_at": begun}
