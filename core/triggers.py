"""Triggers: each watches a message queue or a drop of files on a thread of its own and starts runs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import structlog

from .access import Caller
from .adapter import Adapter, Begun, Occurrence
from .errors import DrawbarError, InputError, Unavailable
from .expressions import Template
from .store import events
from .store.journal import Journal
from .trace import in_trace, traceparent_of

log = structlog.get_logger("drawbar.triggers")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_SOUND_S = 60.0
_LOOK_S = 0.25
_ROOM_S = 0.5
_SAID_AGAIN_S = 600.0


class Starter(Protocol):
    """What of the engine a trigger needs."""

    def start(
        self,
        workflow: str,
        input: Any = None,  # noqa: A002 - the word of the contract
        *,
        caller: Caller,
        trigger_id: str | None = None,
        date: str | None = None,
        group: str | None = None,
    ) -> Any: ...

    def run(self, run_id: str) -> Any: ...

    def unfinished(self, workflow: str, most: int) -> int: ...


@dataclass(frozen=True, slots=True)
class StartRun:
    """Starts a run of a workflow for each occurrence; `name` keeps triggers apart that watch the same place."""

    engine: Starter
    name: str
    workflow: str
    caller: Caller
    input: Template | None

    def __call__(self, occurrence: Occurrence) -> RunOf:
        """
        Return when the run is in the journal.

        InputError says that this occurrence will never start a run; Unavailable that it may later.
        """
        self._look_for_room(occurrence.most)
        today = datetime.now(UTC)
        env = {**occurrence.env, "run": {"date": today.date(), "started_at": today}}
        given = None if self.input is None else self.input.fill(env)
        own = f"{self.name}:"
        trigger_id = occurrence.id if occurrence.id.startswith(own) else own + occurrence.id
        start = partial(
            self.engine.start,
            self.workflow,
            given,
            caller=self.caller,
            trigger_id=trigger_id,
            date=today.date().isoformat(),
            group=occurrence.group,
        )
        try:
            return RunOf(self.engine, in_trace(_trace_of(occurrence.env), start).id)
        except InputError as error:
            if error.reason == "not_found":  # the workflow was deleted a moment ago: the message is not to blame
                raise Unavailable(error.message, retry_after_s=5) from error
            raise

    def _look_for_room(self, most: int | None) -> None:
        if most is not None and self.engine.unfinished(self.workflow, most) >= most:
            said = f"{most} runs of {self.workflow} are not finished, and no more may wait (max_waiting)"
            raise Unavailable(said, retry_after_s=_ROOM_S)


@dataclass(frozen=True, slots=True)
class RunOf:
    """A run that an occurrence has started, for a trigger that settles when it has ended."""

    engine: Starter
    id: str

    def ended(self) -> str | None:
        run = self.engine.run(self.id)
        if not run.is_final:
            return None
        return f"run {self.id} failed: {_said(run.error)}" if run.state == "failed" else ""


def _said(error: Any) -> str:
    return str(error.get("message", "")) if isinstance(error, Mapping) else str(error or "")


def _trace_of(env: Mapping[str, Any]) -> str | None:
    """Give the trace that a message came in."""
    message = env.get("message")
    headers = message.get("headers") if isinstance(message, Mapping) else None
    return traceparent_of(headers.get("traceparent")) if isinstance(headers, Mapping) else None


@dataclass(slots=True)
class Pauses:
    """Waits that double, with jitter, until something goes well again."""

    first_s: float = _FIRST_PAUSE_S
    longest_s: float = _LONGEST_PAUSE_S
    _next_s: float = 0

    def next(self) -> float:
        self._next_s = min(max(self._next_s * 2, self.first_s), self.longest_s)
        return self._next_s * random.uniform(0.5, 1)

    def reset(self) -> None:
        self._next_s = 0


@dataclass(slots=True)
class Alarm:
    """Tells that a trigger fails, once; again when it fails otherwise, or every ten minutes."""

    journal: Journal
    name: str
    _said: str = ""
    _said_at: float = field(default=0, repr=False)

    def tell(self, error: Exception) -> None:
        said = error.message if isinstance(error, DrawbarError) else f"{type(error).__name__}: {error}"
        if said == self._said and time.monotonic() - self._said_at < _SAID_AGAIN_S:
            return
        self._said, self._said_at = said, time.monotonic()
        log.warning("trigger.failed", trigger=self.name, error=said, exc_info=not isinstance(error, DrawbarError))
        body = {"trigger": self.name, "error": said}
        try:
            self.journal.write(lambda conn: events.add(conn, "trigger.failed", body=body))
        except DrawbarError as unwritten:
            log.warning("trigger.untold", trigger=self.name, error=unwritten.message)

    def well(self) -> None:
        self._said = ""


class Watch:
    """One trigger and its thread: what fails is begun again after a while."""

    def __init__(
        self,
        name: str,
        adapter: Callable[[], Adapter[Any]],
        spec: Mapping[str, Any],
        start: Callable[[Occurrence], Begun | None],
        journal: Journal,
        *,
        stop: threading.Event | None = None,
        closed: Callable[[], object] = lambda: None,
    ) -> None:
        """`closed` says why nothing new may begin; meanwhile the trigger is ended, and what it watches stays there."""
        self.name = name
        self._adapter = adapter
        self._closed = closed
        self._pause = threading.Event()
        self._spec = spec
        self._start = start
        self._alarm = Alarm(journal, name)
        self._stop = stop or threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"drawbar-trigger-{name}", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()
        self._pause.set()

    def look(self) -> None:
        """End the trigger for as long as nothing new may begin; called several times a second."""
        if not self._pause.is_set() and self._closed():
            self._pause.set()

    def join(self, timeout_s: float) -> None:
        """Wait for its end; what it has not settled by then comes again."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=timeout_s)
            if self._thread.is_alive():
                log.warning("trigger.still_runs", trigger=self.name)

    def _run(self) -> None:
        pauses = Pauses()
        while not self._stop.is_set():
            begun = time.monotonic()
            if self._closed():
                self._stop.wait(_LOOK_S)
                continue
            self._pause.clear()
            if self._stop.is_set():
                return
            try:
                self._adapter().trigger(self._spec, name=self.name).run(self._start, self._pause)
                if not self._pause.is_set():
                    raise Unavailable(f"the trigger {self.name} ended by itself")
            except Exception as error:  # an outermost loop: a trigger that dies is begun again
                if time.monotonic() - begun > _SOUND_S:
                    pauses.reset()
                    self._alarm.well()
                self._alarm.tell(error)
            if not self._pause.is_set():
                self._stop.wait(pauses.next())
