"""All syncs: who runs one now, their history, their cursors."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from .access import Caller
from .adapter import Place
from .batch import Keeping, Preparing, Rewinding, Sink, Source
from .budget import BatchShare
from .errors import ConfigError, DrawbarError, InputError, Unavailable
from .guard import Guard
from .holds import Holds, Intake
from .landscape import Landscape
from .pulse import Pulse
from .queues import Queue, Queues
from .store import events, syncs
from .store.ids import new_id
from .store.journal import Journal
from .sync import Carrier, Counts, Done, Progress, moment_of
from .sync_asked import Asked, day_of, narrow
from .sync_calls import Call, Remembered, calls_of
from .sync_config import SyncConfig
from .sync_deletes import Deleting, gone
from .sync_drift import Described, Widening, as_kept, changes, settle
from .sync_enrich import Enriching, Lookup, Valid
from .sync_outlook import age_of, digest_of, next_start
from .sync_resubmit import CorrectedSource
from .sync_runs import Held, SyncRun, run_of_row
from .tool_source import ToolSource
from .values import parse_json
from .work import StillRuns
from .workflow import TriggerConfig

log = structlog.get_logger("drawbar.sync")
_HOLD_S = 20.0
_KEPT_PORTIONS = 1000
_RENEW_S = 5.0
_LOOKED_BACK = 1000


class Syncs:
    """Runs syncs, one at a time each, whichever process asks."""

    def __init__(
        self,
        configs: Mapping[str, SyncConfig],
        landscape: Landscape,
        journal: Journal,
        place: Place,
        intake: Intake | None = None,
    ) -> None:
        self.configs = configs
        self._landscape = landscape
        self._journal = journal
        self._place = place
        self._intake = intake or Intake(Holds(journal))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._news = threading.Condition()
        self.queues = Queues()
        self.guard: Guard | None = None

    def names(self) -> list[str]:
        return sorted(self.configs)

    def list(self) -> Sequence[dict[str, Any]]:
        """Show every sync with its last run."""
        return [self.get(name) for name in self.names()]

    def get(self, name: str) -> dict[str, Any]:
        config = self._config(name)
        last = self.runs(name, limit=1)
        return {
            "name": name,
            "description": config.description,
            "from": config.from_.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, mode="json"),
            "to": config.to.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, mode="json"),
            "triggers": [one.model_dump(exclude_none=True, exclude_defaults=True) for one in config.triggers],
            "next": next_start(config.triggers),
            "last": last[0].as_json() if last else None,
        }

    def lag(self, name: str) -> dict[str, Any] | None:
        """Say how far behind its source a sync is: rows that wait, and the age of its last stamp; asks the source."""
        config = self._config(name)
        try:
            cursor = self.cursor(name)["cursor"]
            with ExitStack() as stack:
                source, _ = self._ends(name, stack)
                waiting = source.total(cursor) if config.from_.cursor is not None or config.from_.consume else None
        except DrawbarError:
            return None
        age = age_of(cursor, config)
        return None if age is None and waiting is None else {"rows": waiting, "seconds": age}

    def one_effect(self, name: str) -> dict[str, Any]:
        """Say whether a crash can repeat rows, and why; opens both ends."""
        with ExitStack() as stack:
            source, sink = self._ends(name, stack)
            weak = [said for one, said in (source.one_effect, sink.one_effect) if not one]
            return {"one_effect": not weak, "why": _said_of(source, sink)}

    def runs(self, name: str, after: str | None = None, limit: int = 100) -> Sequence[SyncRun]:
        self._config(name)
        with self._journal.read() as conn:
            return [run_of_row(row) for row in syncs.page(conn, name, after=after, limit=limit)]

    def run_of(self, run_id: str) -> SyncRun:
        with self._journal.read() as conn:
            row = syncs.find(conn, run_id)
        if row is None:
            raise InputError(f"there is no run {run_id!r} of a sync", reason="not_found", next="see drawbar syncs")
        return run_of_row(row)

    def wait(self, run_id: str, timeout_s: float) -> SyncRun:
        """Give the run as it is when it is over, or when the time is."""
        until = time.monotonic() + timeout_s
        while not (run := self.run_of(run_id)).is_final and (left := until - time.monotonic()) > 0:
            with self._news:
                self._news.wait(min(left, 0.2))
        return run

    def start(self, name: str, options: Mapping[str, Any] | None = None, *, caller: Caller) -> SyncRun:
        """Begin on a thread of its own. InputError (conflict) when it runs already."""
        self.queues.require(self.queue(name), f"sync {name}")
        held = self._begin(name, options or {}, caller.name, None)
        thread = threading.Thread(target=self._quietly, args=(held, None), name=f"drawbar-sync-{name}", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return self.run_of(held.id)

    def run(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        caller: Caller,
        progress: Progress | None = None,
        run_id: str | None = None,
    ) -> SyncRun:
        """Run to the end and give what came of it. Raises one of the five when it failed."""
        self.queues.require(self.queue(name), f"sync {name}")
        return self._carry(self._begin(name, options or {}, caller.name, run_id), progress)

    def run_for_task(self, name: str, *, run_id: str, date: str) -> Any:
        """Run for a task of a workflow; when the sync runs already, the task comes back later."""
        try:
            held = self._begin(name, {"date": date}, f"workflow:run:{run_id}", run_id)
        except InputError as error:
            if error.reason == "conflict":
                raise StillRuns(error.message, retry_after_s=2) from error
            raise
        return self._carry(held, None).as_json()

    def queue(self, name: str) -> Queue:
        """Give the queue that either end is pinned to."""
        config = self.configs.get(name)
        ends = () if config is None else (config.from_.adapter, config.to.adapter)
        return next((queue for end in ends if (queue := self._landscape.queue(end)) is not None), None)

    def targets(self, name: str) -> Sequence[str]:
        """Name what holds this sync when it is held."""
        config = self._config(name)
        ends = [f"adapter:{end.adapter}" for end in (config.from_, config.to)]
        feeds = [f"feed:{end.adapter}.{end.feed}" for end in (config.from_, config.to) if end.feed]
        return [f"sync:{name}", *ends, *feeds]

    def triggers(self, name: str) -> Sequence[TriggerConfig]:
        return self._config(name).triggers

    def waiting(self, name: str) -> int | None:
        """Ask the source how much is there, None when it cannot tell; records nothing."""
        config = self._config(name)
        self._share(config).look()
        source = self._source(name, config, None)
        try:
            return source.total(self._state_cursor(name))
        finally:
            source.close()

    def cursor(self, name: str) -> dict[str, Any]:
        """Show from where the next run goes on, and who keeps that."""
        with ExitStack() as stack:
            _, sink = self._ends(name, stack)
            kept = sink.cursor() if sink.keeps_cursor else self._state_cursor(name)
            return {"name": name, "cursor": kept, "kept_by": "target" if sink.keeps_cursor else "state"}

    def set_cursor(
        self,
        name: str,
        value: Any,
        *,
        caller: Caller,
        reason: str | None = None,
        agree: Callable[[Any], None] | None = None,
    ) -> dict[str, Any]:
        """
        Let the next run go on from there; refused where the target keeps its own cursor.

        `agree` looks at what is there now, and raises when that is not what the caller has seen.
        """
        caller.require("operate")
        before = self.cursor(name)
        said = {"sync": name, "by": caller.name, "before": before["cursor"], "after": value, "reason": reason}

        if before["kept_by"] == "target":
            if agree is not None:
                agree(before)
            self._rewind(name, value)
            self._journal.write(lambda conn: events.add(conn, "sync.cursor_set", body=said))
            return self.cursor(name)

        def unit(conn: Any) -> None:
            if agree is not None:
                agree({**before, "cursor": syncs.cursor(conn, name)})
            syncs.set_cursor(conn, name, value)
            events.add(conn, "sync.cursor_set", body=said)

        self._journal.write(unit)
        return self.cursor(name)

    def prepare(self, name: str) -> dict[str, Any]:
        """Give the DDL of what the target needs beside it, for whoever may run it; nothing is run."""
        with ExitStack() as stack:
            _, sink = self._ends(name, stack)
            ddl = sink.ddl() if isinstance(sink, Preparing) and self._config(name).to.cursor != "state" else None
        return {"name": name, "ddl": ddl}

    def _rewind(self, name: str, value: Any) -> None:
        with ExitStack() as stack:
            _, sink = self._ends(name, stack)
            if not isinstance(sink, Rewinding):
                raise InputError(f"the target of {name} keeps a cursor that cannot be set", reason="conflict")
            sink.rewind(value)

    def close(self) -> None:
        """Let runs stop at their next batch; what was not committed is carried by the next run."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def _begin(self, name: str, options: Mapping[str, Any], caller: str, run_id: str | None) -> Held:
        config = self._config(name)
        asked = Asked.of(options)
        asked.look(name, config)
        asked, options = self._earlier(name, config, asked, options)
        self._share(config).look()
        self._intake.require(*self.targets(name))
        held = Held(new_id(), name, config, asked, dict(options), time.time(), run_id)

        def unit(conn: Any) -> str | None:
            now = self._journal.now()
            if (other := syncs.hold(conn, name, held.id, now=now, until=now + _HOLD_S)) is not None:
                return other
            row = {"id": held.id, "sync": name, "state": "running", "caller": caller, "run_id": run_id}
            syncs.begin(conn, {**row, "options": held.options or None, "started_at": held.started_at})
            events.add(conn, "sync.started", run_id=run_id, body={"sync": name, "id": held.id, "by": caller})
            return None

        if (other := self._journal.write(unit)) is not None:
            raise InputError(
                f"sync {name} runs already (since run {other})", reason="conflict", id=other, next="wait for its end"
            )
        return held

    def _earlier(
        self, name: str, config: SyncConfig, asked: Asked, options: Mapping[str, Any]
    ) -> tuple[Asked, Mapping[str, Any]]:
        """Find what an earlier run read, and the business date of what is read again."""
        if asked.run is not None:
            with self._journal.read() as conn:
                row = syncs.find(conn, asked.run)
            if row is None or row["sync"] != name:
                raise InputError(f"{name} has no run {asked.run!r}", reason="not_found", field="run")
            asked = asked.after(row, config)
            return asked, {**options, "date": asked.date}
        if asked.files and asked.date is None and not asked.resubmit:
            with self._journal.read() as conn:
                for row in syncs.page(conn, name, limit=_LOOKED_BACK):
                    if any(one.get("name") in asked.files for one in row["portions"] or ()):
                        return replace(asked, date=day_of(row)), {**options, "date": day_of(row)}
        return asked, options

    def _quietly(self, held: Held, progress: Progress | None) -> None:
        try:
            self._carry(held, progress)
        except DrawbarError:
            pass  # it is in the history and in the events
        except Exception:  # an outermost loop: the history says that it failed
            log.exception("sync.defect", sync=held.name, id=held.id)

    def _carry(self, held: Held, progress: Progress | None) -> SyncRun:
        renewing = Pulse(f"sync-{held.name}", _RENEW_S, lambda: self._renew(held)).start()
        try:
            with ExitStack() as stack:
                source, sink = self._ends(held.name, stack, held)
                narrow(source, held.asked, held.name)
                self._drift(held, source, sink)
                carrier = self._carrier(held, source, sink, progress)
                if not held.asked.dry_run:
                    self._settle(held.name, sink)
                cursor = self._cursor_of(held.name, sink)
                if held.asked.full:
                    _refuse_again(held, cursor)
                    cursor = None
                held.before = held.after = cursor
                held.report |= {
                    "date": carrier.moment["date"],
                    "configuration": digest_of(held.config),
                    "effect": _said_of(source, sink),
                }
                keep = self._keeper(held)
                for done in carrier.carry(cursor, keep):
                    self._note(held, done)
                self._delete(held, source, sink)
                held.after = self._cursor_of(held.name, sink) if not held.asked.dry_run else cursor
            self._end(held, "succeeded" if held.done or held.report.get("deleted") else "nothing", None)
        except DrawbarError as error:
            self._end(held, "failed", error)
            raise
        except BaseException as error:
            self._end(held, "failed", Unavailable(f"the sync was interrupted: {type(error).__name__}"))
            raise
        finally:
            renewing.stop()
        return self.run_of(held.id)

    def _carrier(self, held: Held, source: Source, sink: Sink, progress: Progress | None) -> Carrier:
        return Carrier(
            name=held.name,
            config=held.config,
            source=source,
            sink=sink,
            base=self._place.base,
            moment=moment_of(held.run_id or held.id, held.asked.date, held.started_at),
            stop=self._stop,
            progress=self._told(held, progress),
            dry_run=held.asked.dry_run,
            full=held.asked.full,
            again=held.asked.is_again,
            share=self._share(held.config),
            enriching=self._enriching(held),
            valid=None if held.config.schema_ is None else Valid.of(self._schema(held.config.schema_)),
            promise=lambda made: self._journal.write(lambda conn: syncs.set_promise(conn, held.name, made)),
        )

    def _enriching(self, held: Held) -> Enriching | None:
        """Prepare what rows are given from elsewhere."""
        config = held.config
        if not config.lookups and not config.calls:
            return None
        lookups = {
            name: Lookup(
                self._landscape.adapter(one.adapter).finder(
                    {"table": one.table, "key": list(one.key), "columns": one.columns}
                ),
                {},
                one.remember,
            )
            for name, one in config.lookups.items()
        }
        calls = {
            name: Remembered(
                partial(self._calls(held, one.tool), one.tool), keep=one.remember, concurrency=one.concurrency
            )
            for name, one in config.calls.items()
        }
        return Enriching(config, lookups, calls)

    def _calls(self, held: Held, tool: str) -> Call:
        """Give what calls tools for a run; where the sync holds a place of the system already, it asks for no other of batch."""
        if self.guard is None:
            raise ConfigError(f"sync {held.name} calls a tool, and there is no guard here")
        ends = {held.config.from_.adapter, held.config.to.adapter}
        batch = tool.partition(".")[0] not in ends
        return calls_of(self.guard, held.name, [tool], run_id=held.run_id, batch=batch)

    def _schema(self, given: Any) -> Any:
        if not isinstance(given, Path):
            return given
        try:
            return parse_json((self._place.base / given).read_bytes(), what=f"the schema {given}")
        except InputError as error:
            raise ConfigError(error.message, field="schema") from error
        except OSError as error:
            raise ConfigError(f"the schema {given}: {error.strerror}", field="schema") from error

    def _share(self, config: SyncConfig) -> BatchShare:
        names = (config.from_.adapter, config.to.adapter)
        return BatchShare.of(
            (name, self._landscape.share(name), self._landscape.config(name).call_timeout_s) for name in names
        )

    def _told(self, held: Held, progress: Progress | None) -> Progress:
        """Tell the caller each batch, and everybody else once a second."""
        said_at = 0.0

        def told(counts: Counts, total: int | None) -> None:
            nonlocal said_at
            if progress is not None:
                progress(counts, total)
            if time.monotonic() - said_at > 1:
                said_at = time.monotonic()
                body = {
                    "sync": held.name,
                    "id": held.id,
                    "read": counts.read,
                    "written": counts.written,
                    "total": total,
                }
                self._journal.write(lambda conn: events.add(conn, "sync.progress", run_id=held.run_id, body=body))

        return told

    def _renew(self, held: Held) -> None:
        def unit(conn: Any) -> None:
            syncs.renew(conn, held.name, held.id, until=self._journal.now() + _HOLD_S)

        self._journal.write(unit)

    def _keeper(self, held: Held) -> Callable[[Any], None]:
        return lambda cursor: self._journal.write(lambda conn: syncs.set_cursor(conn, held.name, cursor))

    def _drift(self, held: Held, source: Source, sink: Sink) -> None:
        """Compare the columns of both ends, report what changed, and do what the sync says about it."""
        if not isinstance(source, Described) or not isinstance(sink, Described):
            return
        with self._journal.read() as conn:
            before = syncs.seen(conn, held.name)
        now = source.fields()
        found = changes(held.config, now, before, sink.fields())
        if found:
            held.report["drift"] = [one.as_json() for one in found]
        wanted = settle(held.config, held.name, found)
        if held.asked.dry_run:
            return
        if wanted and isinstance(sink, Widening):
            sink.add_fields(wanted)

        def unit(conn: Any) -> None:
            syncs.set_seen(conn, held.name, as_kept(now))
            if found:
                body = {"sync": held.name, "id": held.id, "changes": held.report["drift"]}
                events.add(conn, "sync.drift", run_id=held.run_id, body=body)

        if found or before is None:
            self._journal.write(unit)

    def _delete(self, held: Held, source: Source, sink: Sink) -> None:
        """Delete what is gone from the source, once all that is new was carried."""
        rules = held.config.deletes
        if rules is None or held.asked.is_again:
            return
        with self._share(held.config).held():
            found = gone(held.config, source, sink, rules)
            if held.asked.dry_run:
                held.would(found.would())
            elif found.keys and isinstance(sink, Deleting):
                cursor = self._cursor_of(held.name, sink)
                sink.delete(found.keys, portion=f"deletes:{held.id}", cursor=cursor)
                held.report["deleted"] = len(found.keys)

    def _settle(self, name: str, sink: Sink) -> None:
        """Find out whether what was promised before a crash was done; then its cursor is true."""
        with self._journal.read() as conn:
            promise = syncs.promise(conn, name)
        if promise is None or not isinstance(sink, Keeping):
            return
        kept = sink.kept(promise)

        def unit(conn: Any) -> None:
            syncs.set_cursor(conn, name, promise["cursor"]) if kept else syncs.set_promise(conn, name, None)

        self._journal.write(unit)

    def _note(self, held: Held, done: Done) -> None:
        held.done.append(done)
        del held.done[:-_KEPT_PORTIONS]  # a table of a hundred million rows has many pages
        held.counts = held.counts.plus(done.counts)
        if done.would is not None:
            held.would(done.would)
        if done.totals is not None:
            held.report["totals"] = list(done.totals)

    def _end(self, held: Held, state: str, error: DrawbarError | None) -> None:
        finished = time.time()
        portions = [done.as_json() for done in held.done]
        said = error.as_json() if error else None

        def unit(conn: Any) -> None:
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
            syncs.release(conn, held.name, held.id)
            body = {"sync": held.name, "id": held.id, "written": held.counts.written, "rejected": held.counts.rejected}
            what = "sync.failed" if error else "sync.finished"
            events.add(conn, what, run_id=held.run_id, body={**body, "error": said} if said else body)

        self._journal.write(unit)
        with self._news:
            self._news.notify_all()

    def _source(self, name: str, config: SyncConfig, held: Held | None) -> Source:
        if held is not None and held.asked.resubmit:
            return CorrectedSource(self._place.base / config.rejects.to / name, held.asked.files)
        if config.from_.operation is not None:
            held = held or Held("", name, config, Asked(), {}, time.time(), None)
            moment = moment_of(held.run_id or held.id, held.asked.date, held.started_at)
            return ToolSource(
                config.from_, self._calls(held, f"{config.from_.adapter}.{config.from_.operation}"), moment
            )
        spec = config.from_.model_dump(by_alias=True, exclude_none=True)
        return self._landscape.adapter(config.from_.adapter).source(spec, sync=name)

    def _ends(self, name: str, stack: ExitStack, held: Held | None = None) -> tuple[Source, Sink]:
        config = self._config(name)
        source = self._source(name, config, held)
        stack.callback(source.close)
        sink = self._landscape.adapter(config.to.adapter).sink(config.sink_spec(), sync=name)
        stack.callback(sink.close)
        return source, sink

    def _cursor_of(self, name: str, sink: Sink) -> Any:
        return sink.cursor() if sink.keeps_cursor else self._state_cursor(name)

    def _state_cursor(self, name: str) -> Any:
        with self._journal.read() as conn:
            return syncs.cursor(conn, name)

    def _config(self, name: str) -> SyncConfig:
        if name not in self.configs:
            near = difflib.get_close_matches(name, self.configs, 1)
            hint = f"did you mean {near[0]!r}?" if near else "see drawbar syncs"
            raise InputError(f"there is no sync {name!r}; {hint}", reason="not_found")
        return self.configs[name]


def _said_of(source: Source, sink: Sink) -> str:
    """Say what a crash can do: the weaker of the two ends decides."""
    return next((said for one, said in (source.one_effect, sink.one_effect) if not one), sink.one_effect[1])


def _refuse_again(held: Held, cursor: Any) -> None:
    """A full run reads again what is loaded already; a table that is only inserted into would have it twice."""
    from_, to = held.config.from_, held.config.to
    if from_.cursor is not None and cursor is not None and to.table is not None and to.mode in (None, "insert"):
        raise InputError(
            f"sync {held.name} inserts, and what is in {to.table} would be there twice after a full run",
            field="full",
            next="use mode upsert or replace",
        )
