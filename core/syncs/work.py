"""One run of a sync, from opening its ends to the row in the history."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..batch import Keeping, Sink, Source, Staging
from ..errors import DrawbarError, InputError, Unavailable
from ..pulse import Pulse
from ..rejects import RejectFile
from ..store import events, syncs
from ..store.journal import Connection, Journal
from .asked import narrow
from .batched import Batched, is_half
from .deletes import Deleting, gone
from .done import Counts, Done, Progress, moment_of
from .drift import Described, Widening, as_kept, changes, settle
from .ends import Ends
from .enrich import Valid
from .fits import effect_of
from .loads import Loads
from .outlook import digest_of
from .parked import Settlements
from .partitions import Plan, begun, reached
from .refused import TooMany
from .runs import CURSOR, Held
from .sync import Carrier
from .tool_sink import ToolSink
from .unseen import Unseen, shown

if TYPE_CHECKING:
    from .spread import Spread

HOLD_S = 20.0
RENEW_S = 5.0
_KEPT_PORTIONS = 1000


class SyncWork:
    """Carries runs that this process holds. `ended` hears that one is over."""

    def __init__(self, ends: Ends, journal: Journal, stop: threading.Event, ended: Callable[[str], None]) -> None:
        self.ends = ends
        self.journal = journal
        self.stop = stop
        self._ended = ended
        self.spread: Spread | None = None
        """What spreads loads over workers, where there is an engine."""

    def carry(self, held: Held, progress: Progress | None) -> None:
        """Run to the end, and record it. Raises one of the five when it failed."""
        renewing = Pulse(f"sync-{held.name}", RENEW_S, lambda: self._renew(held)).start()
        try:
            told = self._told(held, progress)
            with self.ends.opened(held) as (source, sink):
                self._carried(held, source, sink, told)
            carried = held.done or held.loaded or held.report.get("deleted") or held.report.get("settled")
            self._end(held, "succeeded" if carried else "nothing", None)
        except DrawbarError as error:
            unseen = Unseen.of(held.config, self.ends.landscape.hidden)
            if unseen is not None and not isinstance(error, TooMany):
                unseen.error(error)
            self._end(held, "failed", error)
            raise
        except BaseException as error:
            self._end(held, "failed", Unavailable(f"the sync was interrupted: {type(error).__name__}"))
            raise
        finally:
            renewing.stop()

    def _carried(self, held: Held, source: Source, sink: Sink, told: Progress) -> None:
        narrow(source, held.asked, held.name)
        self._drift(held, source, sink)
        if not held.asked.dry_run:
            self._settle(held.name, sink)
            if isinstance(sink, ToolSink):
                self._hear(held, sink)
        held.report |= {
            "date": moment_of(held.run_id or held.id, held.asked.date, held.started_at)["date"],
            "configuration": digest_of(held.config),
            "effect": effect_of(held.config, source.one_effect, sink.one_effect)[1],
        }
        unseen = Unseen.of(held.config, self.ends.landscape.hidden)
        if unseen is not None and unseen.cursor:
            held.report["hidden"] = [CURSOR]
        if self._is_in_ranges(held, sink):
            Loads(self).carry(held, source, sink, told)
        else:
            self._in_order(held, source, sink, told)
        self._delete(held, source, sink)

    def _is_in_ranges(self, held: Held, sink: Sink) -> bool:
        """Tell whether the rows are read in ranges: what changed since a snapshot is not."""
        cursor = held.config.from_.cursor
        if held.config.partitions is None or held.asked.is_again or held.asked.dry_run:
            return False
        if cursor is None or not cursor.snapshot or held.asked.full:
            return True
        return Plan.kept(self.state_cursor(held.name)) is not None or self.cursor_of(held.name, sink) is None

    def _in_order(self, held: Held, source: Source, sink: Sink, told: Progress) -> None:
        """Carry one portion after the other, from the cursor on."""
        cursor = self.cursor_of(held.name, sink)
        if held.config.partitions is None and not held.asked.is_again and not held.asked.dry_run:
            self._drop_plan(held, sink, cursor)
        batched = held.config.to.load == "batched" and not held.asked.is_again
        if is_half(cursor) and (held.asked.full or not batched):
            _refuse_half(held)
        if held.asked.full:
            self.refuse_again(held, cursor)
            cursor = None
        held.before = held.after = cursor
        if batched:
            source = Batched(source, sink.has)
        carrier = self.carrier(held, source, sink, told)
        for done in carrier.carry(cursor, self._keeper(held)):
            self.note(held, done)
        held.after = cursor if held.asked.dry_run else self.cursor_of(held.name, sink)

    def carrier(self, held: Held, source: Source, sink: Sink, told: Progress) -> Carrier:
        config = held.config
        return Carrier(
            name=held.name,
            config=config,
            source=source,
            sink=sink,
            base=self.ends.place.base,
            moment=moment_of(held.run_id or held.id, held.asked.date, held.started_at),
            stop=self.stop,
            progress=told,
            dry_run=held.asked.dry_run,
            full=held.asked.full,
            again=held.asked.is_again,
            share=self.ends.share(config),
            enriching=self.ends.enriching(held),
            unseen=Unseen.of(config, self.ends.landscape.hidden),
            valid=None if config.schema_ is None else Valid.of(self.ends.schema(config.schema_)),
            park=lambda entries: self.journal.write(lambda conn: syncs.park(conn, held.name, entries)),
            promise=lambda made: self.journal.write(lambda conn: syncs.set_promise(conn, held.name, made)),
        )

    def cursor_of(self, name: str, sink: Sink) -> Any:
        return sink.cursor() if sink.keeps_cursor else reached(self.state_cursor(name))

    def refuse_again(self, held: Held, cursor: Any) -> None:
        """A full run reads again what is loaded already; a table that is only inserted into would have it twice."""
        from_, to = held.config.from_, held.config.to
        if from_.cursor is not None and cursor is not None and "insert" in to.modes:
            raise InputError(
                f"sync {held.name} inserts, and what is in {_tables(held)} would be there twice after a full run",
                field="full",
                next="use mode upsert or replace",
            )

    def state_cursor(self, name: str) -> Any:
        with self.journal.read() as conn:
            return syncs.cursor(conn, name)

    def note(self, held: Held, done: Done) -> None:
        """Add a portion to the report."""
        held.done.append(done)
        del held.done[:-_KEPT_PORTIONS]  # a table of a hundred million rows has many pages
        held.counts = held.counts.plus(done.counts)
        if done.would is not None:
            held.would(shown(done.would, held.config, self.ends.landscape.hidden))
        if done.totals is not None:
            held.proved(done.totals)
        for entry in done.parked:
            held.parked(entry)

    def _told(self, held: Held, progress: Progress | None) -> Progress:
        """Tell the caller each batch, and everybody else once a second."""
        said_at = 0.0

        def told(counts: Counts, total: int | None) -> None:
            nonlocal said_at
            if progress is not None:
                progress(counts, total)
            if time.monotonic() - said_at > 1:
                said_at = time.monotonic()
                seconds = max(time.time() - held.started_at, 0.001)
                body = {
                    "sync": held.name,
                    "id": held.id,
                    "read": counts.read,
                    "written": counts.written,
                    "total": total,
                    "rows_per_s": round(counts.read / seconds),
                }

                def unit(conn: Any) -> None:
                    seen = {"read": counts.read, "written": counts.written, "rejected": counts.rejected}
                    syncs.save(conn, held.id, **seen, report={**held.report, "total": total})
                    events.add(conn, "sync.progress", run_id=held.run_id, body=body)

                self.journal.write(unit)

        return told

    def _renew(self, held: Held) -> None:
        def unit(conn: Any) -> None:
            syncs.renew(conn, held.name, held.id, until=self.journal.now() + HOLD_S)

        self.journal.write(unit)

    def _keeper(self, held: Held) -> Callable[[Any], None]:
        return lambda cursor: self.journal.write(lambda conn: syncs.set_cursor(conn, held.name, cursor))

    def _drift(self, held: Held, source: Source, sink: Sink) -> None:
        """Compare the columns of both ends, report what changed, and do what the sync says about it."""
        if not isinstance(source, Described) or not isinstance(sink, Described):
            return
        with self.journal.read() as conn:
            before = syncs.seen(conn, held.name)
        now = source.fields()
        found = changes(held.config, now, before, sink.fields())
        if found:
            held.report["drift"] = [one.as_json() for one in found]
        stopped: DrawbarError | None = None
        try:
            wanted = settle(held.config, held.name, found)
        except DrawbarError as error:
            stopped, wanted = error, []
        if held.asked.dry_run:
            if stopped is not None:
                raise stopped
            if wanted and isinstance(sink, Widening):
                sink.foresee(wanted)
            return
        if wanted and isinstance(sink, Widening):
            sink.add_fields(wanted)

        def unit(conn: Any) -> None:
            if stopped is None:
                syncs.set_seen(conn, held.name, as_kept(now))
            if found:
                body = {"sync": held.name, "id": held.id, "changes": held.report["drift"], "stops": stopped is not None}
                events.add(conn, "sync.drift", run_id=held.run_id, body=body)

        if found or before is None:
            self.journal.write(unit)
        if stopped is not None:
            raise stopped

    def _forget_load(self, conn: Connection, held: Held) -> None:
        """Put the cursor in the place of a load's plan, unless another run was faster and has begun another load."""
        plan = Plan.kept(syncs.locked_cursor(conn, held.name))
        if plan is not None and plan.id == held.loaded:
            syncs.set_cursor(conn, held.name, held.behind)

    def _drop_plan(self, held: Held, sink: Sink, cursor: Any) -> None:
        """Forget a load in ranges that the configuration knows no more; refused where its rows would be there twice."""
        kept = self.state_cursor(held.name)
        if Plan.kept(kept) is not None:
            begun(kept, held.config, full=held.asked.full)
            self._keeper(held)(cursor)
            if isinstance(sink, Staging):
                sink.clear_stages()

    def _delete(self, held: Held, source: Source, sink: Sink) -> None:
        """Delete what is gone from the source, once all that is new was carried."""
        rules = held.config.deletes
        if rules is None or held.asked.is_again:
            return
        with self.ends.share(held.config).held(), closing(gone(held.config, source, sink, rules)) as found:
            if held.asked.dry_run:
                held.would(found.would())
            elif found.keys and isinstance(sink, Deleting):
                cursor = self.cursor_of(held.name, sink)
                sink.delete(found.keys, portion=f"deletes:{held.id}", cursor=cursor)
                held.report["deleted"] = len(found.keys)
                held.after = self.cursor_of(held.name, sink) if held.config.partitions is None else held.after

    def _settle(self, name: str, sink: Sink) -> None:
        """Find out whether what was promised before a crash was done; then its cursor is true."""
        with self.journal.read() as conn:
            promise = syncs.promise(conn, name)
        if promise is None or not isinstance(sink, Keeping):
            return
        kept = sink.kept(promise)

        def unit(conn: Any) -> None:
            syncs.set_cursor(conn, name, promise["cursor"]) if kept else syncs.set_promise(conn, name, None)

        self.journal.write(unit)

    def _hear(self, held: Held, sink: ToolSink) -> None:
        """Take in what persons found out of calls that were parked."""
        to = self.ends.place.base / held.config.rejects.to
        told = Settlements(
            self.journal, held, sink, RejectFile(to, held.name, f"settled:{held.id}", f"settled-{held.id}")
        )
        try:
            told.take_in()
        finally:
            if (done := told.close()) is not None:
                self.note(held, done)

    def _end(self, held: Held, state: str, error: DrawbarError | None) -> None:
        finished = time.time()
        portions = [done.as_json() for done in held.done]
        said = error.as_json() if error else None

        def unit(conn: Any) -> None:
            if held.config.to.operation is not None and (unsettled := len(syncs.parked(conn, held.name))):
                held.report["unsettled"] = unsettled
            syncs.save(
                conn,
                held.id,
                state=state,
                finished_at=finished,
                read=held.counts.read,
                written=held.counts.written,
                rejected=held.counts.rejected,
                filtered=held.counts.filtered,
                portions=portions,
                cursor_before=held.before,
                cursor_after=held.after,
                error=said,
                report=held.report or None,
            )
            if held.loaded is not None and error is None:
                self._forget_load(conn, held)
            syncs.release(conn, held.name, held.id)
            body = {"sync": held.name, "id": held.id, "written": held.counts.written, "rejected": held.counts.rejected}
            what = "sync.failed" if error else "sync.finished"
            events.add(conn, what, run_id=held.run_id, body={**body, "error": said} if said else body)

        self.journal.write(unit)
        self._ended(held.name)


def _refuse_half(held: Held) -> None:
    """What is half loaded would be there twice if it were read from its beginning."""
    if "insert" in held.config.to.modes and not held.asked.resubmit:
        raise InputError(
            f"a part of what sync {held.name} reads is in {_tables(held)} already, and would be there twice",
            reason="conflict",
            next="run it with load: batched and without options first, to its end",
        )


def _tables(held: Held) -> str:
    to = held.config.to
    return to.table or ", ".join(one.table for one in to.writes or ())
