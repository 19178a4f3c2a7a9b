"""A load on many workers: a run of the engine whose tasks each load one range, wherever there is a thread for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .access import Caller
from .engine import Engine
from .errors import InputError, Unavailable, from_json
from .queues import Queues, named
from .roster import is_served
from .store.journal import Journal
from .sync import Counts, Progress
from .sync_partitions import Plan
from .sync_runs import Held
from .work import load_of
from .workflow import Workflow

_LOOK_S = 0.5
_TASK = "ranges"


class Spread:
    """Spreads loads over the processes that work on runs."""

    def __init__(self, engine: Engine, journal: Journal, queues: Callable[[], Queues], stop: threading.Event) -> None:
        self._engine = engine
        self._journal = journal
        self._queues = queues
        self._stop = stop

    def serves(self, held: Held) -> bool:
        """Tell whether somebody is there to work; a task of a workflow keeps a thread busy already, and loads by itself."""
        if held.run_id is not None:
            return False
        return is_served(self._journal, named(self._queues().of_sync(held.name)))

    def load(self, held: Held, plan: Plan, keep: Callable[[Plan], None], told: Progress) -> None:
        """Begin the run of a load, or find the one that was begun, and come back when all its ranges are there."""
        run = self._begun(plan)
        if run is None:
            run = self._begin(held, plan)
            keep(replace(plan, run=run))
        held.report["load"] |= {"run": run}
        while not (seen := self._engine.wait(run, _LOOK_S)).is_final:
            if self._stop.is_set():
                raise Unavailable(
                    f"sync {held.name} was stopped; its ranges go on as run {run}, and the next run looks again"
                )
            told(self._counts(run), None)
        held.counts = self._counts(run)
        told(held.counts, None)
        if seen.state != "succeeded":
            [task] = self._engine.tasks(run)
            error = task.error or seen.error
            raise from_json(error) if error else Unavailable(f"the run {run} of the load was {seen.state}")

    def _begin(self, held: Held, plan: Plan) -> str:
        rules = held.config.partitions
        assert rules is not None
        each = {"in": "${{ input.ranges }}", "as": "range", "concurrency": rules.parallel}
        tasks = {_TASK: {"sync": held.name, "for_each": each, "retry": {"attempts": 5, "within_s": 600}}}
        said = {"description": f"The ranges of load {plan.id} of sync {held.name}.", "tasks": tasks}
        definition = Workflow.model_validate(said)
        caller = Caller(f"sync:{held.name}", "workflow")
        given = {"ranges": list(range(plan.ranges))}
        return self._engine.start(load_of(held.name), given, caller=caller, definition=definition).id

    def _begun(self, plan: Plan) -> str | None:
        """Give the run that loads the plan; None where none does any more."""
        if plan.run is None:
            return None
        try:
            run = self._engine.run(plan.run)
        except InputError:
            return None
        return None if run.is_final and run.state != "succeeded" else run.id

    def _counts(self, run: str) -> Counts:
        """Add up what the ranges say that are done."""
        whole = Counts()
        for task in self._engine.tasks(run, items=True, limit=10_000):
            said: Any = task.output
            if task.item is not None and isinstance(said, dict):
                names = ("read", "written", "rejected", "filtered")
                whole = whole.plus(Counts(*(int(said.get(name) or 0) for name in names)))
        return whole
