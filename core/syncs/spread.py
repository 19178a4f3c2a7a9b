"""A load on many workers: a run of the engine whose tasks each load one range, wherever there is a thread for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from ..access import Caller
from ..engine import Engine
from ..errors import InputError, Unavailable, from_json
from ..queues import Queues, named
from ..roster import is_served
from ..store.journal import Journal
from ..work import load_of
from ..workflow import Workflow
from .done import Counts, Done, Progress
from .partitions import Plan
from .runs import Held

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

    def load(self, held: Held, plan: Plan, width: int, keep: Callable[[Plan], None], told: Progress) -> None:
        """Begin the run of a load, or find the one that was begun, and come back when all its ranges are there."""
        run = self._begun(plan)
        if run is None:
            run = self._begin(held, plan, width)
            keep(replace(plan, run=run))
        held.report["load"] |= {"run": run}
        while not (seen := self._engine.wait(run, _LOOK_S)).is_final:
            if self._stop.is_set():
                raise Unavailable(
                    f"sync {held.name} was stopped; its ranges go on as run {run}, and the next run looks again"
                )
            told(_sum(self._done(run)), None)
        held.done = self._done(run)
        held.counts = _sum(held.done)
        told(held.counts, None)
        if seen.state != "succeeded":
            [task] = self._engine.tasks(run)
            error = task.error or seen.error
            raise from_json(error) if error else Unavailable(f"the run {run} of the load was {seen.state}")

    def _begin(self, held: Held, plan: Plan, width: int) -> str:
        each = {"in": "${{ input.ranges }}", "as": "range", "concurrency": width}
        tasks = {_TASK: {"sync": held.name, "for_each": each, "retry": {"attempts": 5, "within_s": 600}}}
        said = {"description": f"The ranges of load {plan.id} of sync {held.name}.", "tasks": tasks}
        definition = Workflow.model_validate(said)
        caller = Caller(f"sync:{held.name}", "workflow")
        given = {"ranges": list(range(plan.ranges))}
        # Who dies before it has kept the run leaves one that the next finds by this name, and not a second one.
        only = f"load:{plan.id}:{plan.run or ''}"
        return self._engine.start(load_of(held.name), given, caller=caller, definition=definition, trigger_id=only).id

    def _begun(self, plan: Plan) -> str | None:
        """Give the run that loads the plan; None where none does any more."""
        if plan.run is None:
            return None
        try:
            run = self._engine.run(plan.run)
        except InputError:
            return None
        return None if run.is_final and run.state != "succeeded" else run.id

    def _done(self, run: str) -> list[Done]:
        """List what the ranges say that are done."""
        said = [task.output for task in self._engine.tasks(run, items=True, limit=10_000) if task.item is not None]
        return [_done_of(one) for one in said if isinstance(one, dict) and "id" in one]


def _done_of(said: Mapping[str, Any]) -> Done:
    counts = Counts(*(int(said.get(name) or 0) for name in ("read", "written", "rejected", "filtered")))
    return Done(said["id"], said["name"], counts, said.get("rejects"), again=bool(said.get("again")))


def _sum(done: Sequence[Done]) -> Counts:
    return reduce(Counts.plus, (one.counts for one in done), Counts())
