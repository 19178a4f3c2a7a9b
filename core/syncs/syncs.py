"""All syncs: who runs one now, their history, their cursors."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import structlog

from ..access import Caller
from ..adapter import Place
from ..batch import Preparing, Rewinding, Sink, Source, Staging, Standing, Trailing, Understanding
from ..engine import Engine
from ..errors import DrawbarError, InputError
from ..guard import Guard
from ..holds import Holds, Intake
from ..landscape import Landscape
from ..queues import Queue, Queues
from ..store import events, syncs
from ..store.ids import new_id
from ..store.journal import Journal
from ..work import StillRuns
from ..workflow import TriggerConfig
from . import work
from .asked import Asked, day_of
from .batched import is_half
from .config import SyncConfig
from .done import Progress
from .ends import Ends
from .fits import effect_of
from .lag import Lags
from .loads import Loads
from .outlook import age_of, next_start, place_of
from .partitions import Plan, reached
from .runs import Held, SyncRun, run_of_row
from .spread import Spread
from .work import SyncWork

log = structlog.get_logger("drawbar.sync")
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
        self._intake = intake or Intake(Holds(journal))
        self._stop = threading.Event()
        self._ends = Ends(landscape, place)
        self._work = SyncWork(self._ends, journal, self._stop, self._over)
        self._lags = Lags(self._behind)
        self._threads: list[threading.Thread] = []
        self._news = threading.Condition()
        self.queues = Queues()

    def equip(self, guard: Guard) -> None:
        """Give what calls tools."""
        self._ends.guard = guard

    def employ(self, engine: Engine) -> None:
        """Let loads be spread over the processes that work on runs."""
        self._work.spread = Spread(engine, self._journal, lambda: self.queues, self._stop)

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
            **({"parked": count} if (count := self._parked(name, config)) else {}),
            "last": last[0].as_json() if last else None,
        }

    def _parked(self, name: str, config: SyncConfig) -> int:
        """Count the calls that a person has to settle, or that the next run hears of."""
        if config.to.operation is None:
            return 0
        with self._journal.read() as conn:
            return len(syncs.parked(conn, name))

    def look(self, name: str | None = None) -> Sequence[dict[str, Any]]:
        """Show every sync, or one, as `get` does, with how far it is behind and what a crash can do; asks the systems."""
        names = self.names() if name is None else [name]
        shown = [self.get(one) for one in names]
        found = self._lags.of(names)
        return [{**one, "lag": None, "crash": None, **found[one["name"]]} for one in shown]

    def _behind(self, name: str) -> dict[str, Any]:
        """Ask both ends; one that is away cannot say."""
        try:
            with self._opened(name) as (source, sink):
                once, why = effect_of(self._config(name), source.one_effect, sink.one_effect)
                return {"lag": self._lag(name, source, sink), "crash": {"one_effect": once, "why": why}}
        except DrawbarError as error:
            return {"lag": None, "crash": {"one_effect": None, "why": error.message}}

    def _lag(self, name: str, source: Source, sink: Sink) -> dict[str, Any] | None:
        """Say how far behind its source a sync is: rows that wait and the age of its last stamp, or files and the oldest one's."""
        config = self._config(name)
        try:
            if isinstance(source, Standing):
                return {"rows": None, **source.standing()}
            cursor = self._work.cursor_of(name, sink)
            if isinstance(source, Trailing):
                waiting = source.behind(cursor)
            else:
                waiting = source.total(cursor) if config.from_.consume else None
        except DrawbarError:
            return None
        age = age_of(cursor, config)
        return None if age is None and waiting is None else {"rows": waiting, "seconds": age}

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
        held = self._begin(name, options or {}, caller.name, run_id)
        self._work.carry(held, progress)
        return self.run_of(held.id)

    def run_for_task(self, name: str, *, run_id: str, date: str, part: int | None = None) -> Any:
        """
        Run for a task of a workflow; when the sync runs already, the task comes back later.

        `part` is for a run that a load was spread over: one range of it, and nothing but that.
        """
        if part is not None:
            return self._range(name, part, run_id, date)
        try:
            held = self._begin(name, {"date": date}, f"workflow:run:{run_id}", run_id)
        except InputError as error:
            if error.reason == "conflict":
                raise StillRuns(error.message, retry_after_s=2) from error
            raise
        self._work.carry(held, None)
        return self.run_of(held.id).as_json()

    def _range(self, name: str, at: int, run_id: str, date: str) -> Any:
        """Load one range of a load that another process has begun, and holds."""
        plan = Plan.kept(self._work.state_cursor(name))
        if plan is not None and (plan.run is None or run_id > plan.run):
            raise StillRuns(f"the load of {name} is just being begun", retry_after_s=0.2)
        if plan is None or plan.run != run_id:
            raise InputError(f"the load of {name} that this run was for is no more", reason="conflict")
        if at in plan.done:
            return {"range": at, "again": True}
        held = Held(new_id(), name, self._config(name), Asked(date=date), {}, time.time(), run_id)
        done = Loads(self._work).one(held, plan, at, lambda counts, total: None)
        return {"range": at, **(done.as_json() if done is not None else {})}

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
        self._ends.share(config).look()
        source = self._ends.source(self._looked(name))
        try:
            return source.total(reached(self._work.state_cursor(name)))
        finally:
            source.close()

    def cursor(self, name: str) -> dict[str, Any]:
        """Show from where the next run goes on, and who keeps that."""
        with self._opened(name) as (_, sink):
            return self._kept(name, sink)

    def _kept(self, name: str, sink: Sink) -> dict[str, Any]:
        state = self._work.state_cursor(name)
        if sink.keeps_cursor and Plan.kept(state) is None:
            return {"name": name, "cursor": sink.cursor(), "kept_by": "target"}
        return {"name": name, "cursor": state, "kept_by": "state"}

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
        with self._opened(name, looks=False) as (source, sink):
            before = self._kept(name, sink)
            if isinstance(source, Understanding) and not is_half(value):
                source.understand(value)
        if value is not None and Plan.kept(before["cursor"]) is not None:
            raise InputError(
                f"a load of {name} is half done",
                reason="conflict",
                next=f"drawbar cursor set {name} null drops it first",
            )
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
        if Plan.kept(before["cursor"]) is not None:
            self._clear_stages(name)
        return self.cursor(name)

    def _clear_stages(self, name: str) -> None:
        with self._opened(name) as (_, sink):
            if isinstance(sink, Staging):
                sink.clear_stages()

    def prepare(self, name: str) -> dict[str, Any]:
        """Give the DDL of what the target needs beside it, and the rights, for whoever may run them; nothing is run."""
        with self._opened(name) as (_, sink):
            if not isinstance(sink, Preparing) or self._config(name).to.cursor == "state":
                return {"name": name, "ddl": None, "grants": None}
            return {"name": name, "ddl": sink.ddl(), "grants": sink.grants()}

    def _rewind(self, name: str, value: Any) -> None:
        with self._opened(name, looks=False) as (_, sink):
            if not isinstance(sink, Rewinding):
                raise InputError(f"the target of {name} keeps a cursor that cannot be set", reason="conflict")
            sink.rewind(value)

    def close(self) -> None:
        """Let runs stop at their next batch; what was not committed is carried by the next run."""
        self._stop.set()
        self._lags.close()
        for thread in self._threads:
            thread.join(timeout=15)

    def _begin(self, name: str, options: Mapping[str, Any], caller: str, run_id: str | None) -> Held:
        config = self._config(name)
        asked = Asked.of(options)
        asked.look(name, config)
        asked, options = self._earlier(name, config, asked, options)
        self._ends.share(config).look()
        self._intake.require(*self.targets(name))
        held = Held(new_id(), name, config, asked, dict(options), time.time(), run_id)
        held.report |= {
            "asked": asked.said(config),
            "from": place_of(config.from_),
            "to": place_of(config.to),
        }

        def unit(conn: Any) -> str | None:
            now = self._journal.now()
            if (other := syncs.hold(conn, name, held.id, now=now, until=now + work.HOLD_S)) is not None:
                return other
            row = {"id": held.id, "sync": name, "state": "running", "caller": caller, "run_id": run_id}
            syncs.begin(conn, {**row, "options": held.options or None, "started_at": held.started_at})
            events.add(conn, "sync.started", run_id=run_id, body={"sync": name, "id": held.id, "by": caller})
            if not caller.startswith("workflow:"):  # a person or an agent, no clock, trigger or task
                events.audited(conn, "sync.started", body={"sync": name, "id": held.id, "by": caller, **held.options})
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
            self._work.carry(held, progress)
        except DrawbarError:
            pass  # it is in the history and in the events
        except Exception:  # an outermost loop: the history says that it failed
            log.exception("sync.defect", sync=held.name, id=held.id)

    def _opened(self, name: str, *, looks: bool = True) -> AbstractContextManager[tuple[Source, Sink]]:
        """Open both ends; who only `looks` makes nothing beside the target."""
        return self._ends.opened(self._looked(name, looks=looks))

    def _looked(self, name: str, *, looks: bool = True) -> Held:
        """Give a run that is none."""
        return Held("", name, self._config(name), Asked(dry_run=looks), {}, time.time(), None)

    def _over(self, name: str) -> None:
        self._lags.forget(name)
        with self._news:
            self._news.notify_all()

    def _config(self, name: str) -> SyncConfig:
        if name not in self.configs:
            near = difflib.get_close_matches(name, self.configs, 1)
            hint = f"did you mean {near[0]!r}?" if near else "see drawbar syncs"
            raise InputError(f"there is no sync {name!r}; {hint}", reason="not_found")
        return self.configs[name]
