"""What starts runs and syncs by itself: the clock, messages, files; for workflows of the configuration and of REST."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from .access import Caller
from .adapter import Occurrence
from .engine import Engine
from .errors import DrawbarError, InputError, NotNow, Unavailable
from .holds import Held, Holds, Intake
from .landscape import Landscape
from .pulse import Pulse
from .queues import Queues
from .register import Register
from .schedule import Schedule, Schedules
from .store.journal import Journal
from .syncs.syncs import Syncs
from .triggers import Alarm, Pauses, StartRun, Watch
from .values import dump
from .workflow import AdapterTrigger, CronTrigger, Task, TriggerConfig, Workflow, tools_of

log = structlog.get_logger("drawbar.starts")
_BEAT_S = 0.5
_POLL_S = 3.0
_STOP_S = 15.0
_LOOK_S = 0.25
_HELD_AGAIN_S = 2.0


class Starts:
    """
    Wires every cron and every adapter trigger. Nothing happens before `begin`.

    `reload` takes over workflows that came, changed or went: only their triggers are begun or ended.
    """

    def __init__(
        self,
        journal: Journal,
        landscape: Landscape,
        engine: Engine,
        syncs: Syncs,
        workflows: Register[Workflow],
        made_by: Callable[[str], Caller] = Caller,
        intake: Intake | None = None,
        queues: Queues | None = None,
    ) -> None:
        """`made_by` gives the caller of a name, as it may call now; by itself a name may call nothing."""
        self._journal = journal
        self._landscape = landscape
        self._engine = engine
        self._syncs = syncs
        self._workflows = workflows
        self._made_by = made_by
        self._intake = intake or Intake(Holds(journal))
        self._queues = queues or Queues()
        self._schedules = Schedules(journal)
        self._lock = threading.Lock()
        self._watches: dict[str, _Watched] = {}
        self._beat: Pulse | None = None
        self._look: Pulse | None = None

    def begin(self) -> None:
        with self._lock:
            if self._beat is None:
                self._wire()
                self._beat = Pulse("schedules", _BEAT_S, self._schedules.beat).start()
                self._look = Pulse("holds", _LOOK_S, self._look_at_holds).start()

    def reload(self) -> None:
        with self._lock:
            if self._beat is not None:
                self._wire()

    def stop(self) -> None:
        """Start nothing more. A second call does nothing."""
        with self._lock:
            pulses, self._beat, self._look = (self._beat, self._look), None, None
            for pulse in pulses:
                if pulse is not None:
                    pulse.stop()
            self._end(list(self._watches))

    def _wire(self) -> None:
        crons: list[Schedule] = []
        wanted: dict[str, _Wanted] = {}
        for workflow_id, workflow in self._known():
            for name, trigger in _named(workflow_id, workflow.triggers):
                if isinstance(trigger, CronTrigger):
                    crons.append(Schedule(name, trigger, partial(self._start_run, workflow_id, name, trigger)))
                elif not self._queues.is_elsewhere(self._queues.of_adapter(trigger.adapter)):
                    self._want(wanted, name, partial(self._message, workflow_id, workflow, name, trigger))
        for sync in self._syncs.names():
            for name, trigger in _named(f"sync:{sync}", self._syncs.triggers(sync)):
                if isinstance(trigger, CronTrigger):
                    crons.append(Schedule(name, trigger, partial(self._start_sync, sync, name)))
                elif not self._queues.is_elsewhere(self._syncs.queue(sync)):
                    self._want(wanted, name, partial(self._carry, sync, name, trigger))
        self._schedules.declare(crons)
        self._watch(wanted)

    def names(self) -> list[str]:
        """Name every trigger, as a hold names it."""
        owned: list[tuple[str, Sequence[TriggerConfig]]] = [
            (workflow_id, workflow.triggers) for workflow_id, workflow in self._known()
        ]
        owned += [(f"sync:{sync}", self._syncs.triggers(sync)) for sync in self._syncs.names()]
        return [name for owner, triggers in owned for name, _ in _named(owner, triggers)]

    def _look_at_holds(self) -> None:
        for one in list(self._watches.values()):
            one.watch.look()

    def _may_begin(self, name: str) -> None:
        """Let a tick of the clock wait while its trigger, or what it starts, takes no new work."""
        held = self._intake.refusal(f"trigger:{name}")
        if held is not None:
            raise Unavailable(held.message, retry_after_s=_HELD_AGAIN_S)

    def _want(self, wanted: dict[str, _Wanted], name: str, make: Callable[[], _Wanted]) -> None:
        """Take in one trigger; one whose adapter is gone or cannot be used here stops no other."""
        try:
            wanted[name] = make()
        except DrawbarError as error:
            Alarm(self._journal, name).tell(error)

    def _known(self) -> Iterator[tuple[str, Workflow]]:
        for entry in self._workflows.every():
            yield entry.id, entry.model

    def _caller(self, workflow_id: str) -> Caller:
        """
        Give who a run is for that nobody asked for.

        The workflow itself, where the configuration agreed to its tools; else who wrote it, and no more than that may.
        """
        entry = self._workflows.entry(workflow_id)
        if entry.origin == "yaml":
            return caller_of(workflow_id, entry.model)
        return self._made_by(entry.changed_by or "nobody")

    def _start_run(self, workflow_id: str, name: str, trigger: CronTrigger, tick: datetime) -> str:
        self._may_begin(name)
        workflow = self._workflows.find(workflow_id)
        if workflow is None:
            raise InputError(f"there is no workflow {workflow_id!r}", reason="not_found")
        env = {"run": {"date": tick.date(), "started_at": tick}}
        with _waiting():
            run = self._engine.start(
                workflow_id,
                None if trigger.input is None else trigger.input.fill(env),
                caller=self._caller(workflow_id),
                trigger_id=f"schedule:{name}:{int(tick.timestamp())}",
                date=tick.date().isoformat(),
            )
        return run.id

    def _start_sync(self, sync: str, name: str, tick: datetime) -> str | None:
        self._may_begin(name)
        with _waiting():
            if self._queues.is_elsewhere(self._syncs.queue(sync)):
                return self._send_sync(sync, name, tick)
            self._syncs.start(sync, {"date": tick.date().isoformat()}, caller=_caller_of_sync(sync))
            return None

    def _send_sync(self, sync: str, name: str, tick: datetime) -> str:
        """Leave a sync to the machines that reach its systems: a run of one task, on their queue."""
        run = self._engine.start(
            f"sync:{sync}",
            caller=_caller_of_sync(sync),
            trigger_id=f"schedule:{name}:{int(tick.timestamp())}",
            date=tick.date().isoformat(),
            definition=Workflow(description=f"The sync {sync}.", tasks={"sync": Task(sync=sync)}),
        )
        return run.id

    def _message(self, workflow_id: str, workflow: Workflow, name: str, trigger: AdapterTrigger) -> _Wanted:
        caller = self._caller(workflow_id)
        start = StartRun(self._engine, name, workflow_id, caller, trigger.input)
        rights = [caller.name, sorted(caller.tools), sorted(caller.scopes), sorted(caller.approval)]
        said = dump([trigger.model_dump(mode="json", exclude_none=True), sorted(tools_of(workflow)), rights])
        return self._wanted(name, trigger, start, said, (f"workflow:{workflow_id}",))

    def _carry(self, sync: str, name: str, trigger: AdapterTrigger) -> _Wanted:
        carry = Carry(self._syncs, sync, Alarm(self._journal, name))
        said = dump(trigger.model_dump(mode="json", exclude_none=True))
        return self._wanted(name, trigger, carry, said, self._syncs.targets(sync))

    def _wanted(
        self, name: str, trigger: AdapterTrigger, start: StartRun | Carry, said: str, held_by: Sequence[str]
    ) -> _Wanted:
        adapter = self._landscape.adapter(trigger.adapter)
        targets = [f"trigger:{name}", f"adapter:{trigger.adapter}", *held_by]
        targets += [f"feed:{trigger.adapter}.{trigger.feed}"] if trigger.feed else []
        closed = partial(self._closed, trigger.adapter, targets)
        spec = trigger.model_dump(include={"feed", "consume"}, exclude_none=True)
        stop = None
        if isinstance(start, Carry):
            if trigger.consume is not None:  # the sync reads the queue itself
                return _Wanted(said, adapter, lambda: Poll(name, start, closed))
            spec["for"], stop = "sync", start.stop

        def make() -> Watch:
            adapter_now = partial(self._landscape.adapter, trigger.adapter)
            return Watch(name, adapter_now, spec, start, self._journal, stop=stop, closed=closed)

        return _Wanted(said, adapter, make)

    def _closed(self, adapter: str, targets: Sequence[str]) -> DrawbarError | None:
        """Say why a trigger may not watch its system now: somebody holds it, or it is closed."""
        if (held := self._intake.refusal(*targets)) is not None:
            return held
        try:
            limit_s = self._landscape.config(adapter).call_timeout_s
            return self._landscape.share(adapter).refusal(limit_s)
        except InputError:  # it was removed a moment ago, and the trigger goes with it
            return None

    def _watch(self, wanted: dict[str, _Wanted]) -> None:
        """End what is no longer wanted or was changed, and begin what is new."""
        gone = [
            name
            for name, one in self._watches.items()
            if name not in wanted or one.said != wanted[name].said or one.adapter is not wanted[name].adapter
        ]
        self._end(gone)
        for name, one in wanted.items():
            if name not in self._watches:
                self._watches[name] = _Watched(one.said, one.adapter, made := one.make())
                made.begin()

    def _end(self, names: Sequence[str]) -> None:
        ended = [self._watches.pop(name).watch for name in names]
        for watch in ended:
            watch.ask_to_stop()
        until = time.monotonic() + _STOP_S
        for watch in ended:
            watch.join(max(0.1, until - time.monotonic()))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A trigger as it shall be: what was said about it, the adapter behind it, and how it is made."""

    said: str
    adapter: Any
    make: Callable[[], Watch | Poll]


@dataclass(frozen=True, slots=True)
class _Watched:
    said: str
    adapter: Any
    watch: Watch | Poll


@dataclass(frozen=True, slots=True)
class Carried:
    """A run of a sync that has ended."""

    said: str

    def ended(self) -> str:
        return self.said


@dataclass(slots=True)
class Carry:
    """
    Runs a sync because something is there.

    After a failure it waits, longer each time, since each run is a row of history; as long as at first when something else was
    refused than the last time.
    """

    syncs: Syncs
    sync: str
    alarm: Alarm
    stop: threading.Event = field(default_factory=threading.Event)
    _pauses: Pauses = field(default_factory=lambda: Pauses(_POLL_S, 300))
    _not_before: float = 0
    _refused: str = ""

    def __call__(self, occurrence: Occurrence) -> Carried:
        return Carried(self.run())

    def poll(self) -> None:
        """Run the sync when its source says that something is there."""
        if time.monotonic() < self._not_before:
            return
        try:
            waiting = self.syncs.waiting(self.sync)
        except NotNow as error:
            self._put_off(error)
            return
        except DrawbarError as error:
            self.alarm.tell(error)
            self._wait()
            return
        self.alarm.well()
        if waiting is None or waiting > 0:
            self.run()

    def run(self) -> str:
        """Run it to its end, and say why it failed; first wait until it may run again, and for the end of one that is under way."""
        while not self.stop.wait(max(0.0, self._not_before - time.monotonic())):
            try:
                run = self.syncs.start(self.sync, caller=_caller_of_sync(self.sync))
            except NotNow as error:
                self._put_off(error)
                continue
            except InputError as error:
                if error.reason != "conflict":
                    raise
                self._not_before = time.monotonic() + _POLL_S
                continue
            while not run.is_final and not self.stop.is_set():
                run = self.syncs.wait(run.id, 0.5)
            if run.state == "failed":
                self._got_on(run.error)
                self._wait()
                return str((run.error or {}).get("message", "failed"))
            if run.is_final:
                self._pauses.reset()
            return ""
        return ""

    def _got_on(self, error: Mapping[str, Any] | None) -> None:
        """Tell one file after the other that is wrong from one thing that stays so."""
        said = str(error["message"]) if error and error.get("kind") == "rejected" else ""
        if said and said != self._refused:
            self._pauses.reset()
        self._refused = said

    def _put_off(self, error: NotNow) -> None:
        self._not_before = time.monotonic() + (error.retry_after_s or _POLL_S)

    def _wait(self) -> None:
        self._not_before = time.monotonic() + self._pauses.next()


class Poll:
    """Looks every few seconds whether a queue has something for a sync."""

    def __init__(self, name: str, carry: Carry, closed: Callable[[], object]) -> None:
        self._carry = carry
        self._pulse = Pulse(f"poll-{name}", _POLL_S, lambda: None if closed() else carry.poll())

    def begin(self) -> None:
        self._pulse.start()

    def look(self) -> None: ...

    def ask_to_stop(self) -> None:
        self._carry.stop.set()

    def join(self, timeout_s: float) -> None:
        self._pulse.stop()


@contextmanager
def _waiting() -> Iterator[None]:
    """Look again soon at what is held: the tick waits for its release."""
    try:
        yield
    except Held as held:
        raise Unavailable(held.message, retry_after_s=_HELD_AGAIN_S) from held


def caller_of(workflow_id: str, workflow: Workflow) -> Caller:
    """Give a workflow as a caller: it may call what its tasks name."""
    return Caller.workflow(workflow_id, tools_of(workflow))


def _caller_of_sync(sync: str) -> Caller:
    return Caller.workflow(f"sync:{sync}")


def _named(owner: str, triggers: Sequence[TriggerConfig]) -> Iterator[tuple[str, TriggerConfig]]:
    """Name triggers: a cron by its owner, numbered where there are several; others by what they watch too."""
    crons = [trigger for trigger in triggers if isinstance(trigger, CronTrigger)]
    for trigger in triggers:
        if isinstance(trigger, CronTrigger):
            number = next(at for at, one in enumerate(crons, 1) if one is trigger)
            yield owner if len(crons) == 1 else f"{owner}#{number}", trigger
        else:
            yield f"{owner}:{trigger.adapter}.{trigger.feed or trigger.consume}", trigger
