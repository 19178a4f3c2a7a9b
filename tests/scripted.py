"""An engine whose one system does what a test says: `sys.NAME` calls the function that the test gave under that name."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tenacity.wait import wait_base, wait_fixed

from drawbar.core import adapter
from drawbar.core.access import Caller
from drawbar.core.adapter import Adapter, AdapterConfig, Place
from drawbar.core.assignments import Assignments
from drawbar.core.desk import Desk
from drawbar.core.engine import Engine
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.pulse import Pulse
from drawbar.core.reconcile import Reconciler
from drawbar.core.store.journal import Journal
from drawbar.core.tool import Effect, Tool
from drawbar.core.views import Run
from drawbar.core.workflow import Workflow

ME = Caller.cli("me")
OTHER = Caller.cli("other")
Function = Callable[[dict[str, Any]], Any]
adapter._BUILT_IN["scripted"] = "scripted:Scripted"


class Scripted(Adapter[AdapterConfig]):
    kind = "scripted"
    Config = AdapterConfig
    functions: Mapping[str, tuple[Effect, Function]] = {}

    def tools(self):
        anything = {"type": "object"}
        for name, (effect, function) in self.functions.items():
            yield Tool(name, name, effect, anything, {}, lambda arguments, call, f=function: f(arguments))


class House:
    """A journal in a folder (or at `state`) with an engine on it, the desk and the sweep over unknown outcomes."""

    state: str | None = None

    def __init__(
        self,
        folder: Path,
        functions: Mapping[str, tuple[Effect, Function]],
        workflows: Mapping[str, Any],
        *,
        rules: Mapping[str, Any] | None = None,
        threads: int = 8,
        wait: wait_base | None = None,
        run_sync: Any = None,
        poll_s: float = 0.1,
        bell: Any = None,
    ) -> None:
        Scripted.functions = functions
        config = AdapterConfig.model_validate(
            {"kind": "scripted", "tools": dict(rules or {}), "budget": {"concurrency": 100}}
        )
        self.journal = Journal.open(self.state or f"sqlite:///{folder}/state.db")
        self.landscape = Landscape(Place(folder, folder), {"sys": config})
        self.guard = Guard(self.landscape, self.journal, Vault(None))
        known = {name: Workflow.model_validate(body) for name, body in workflows.items()}
        self.engine = Engine(
            self.journal,
            self.guard,
            known.get,
            threads=threads,
            wait=wait or wait_fixed(0.05),
            run_sync=run_sync,
            poll_s=poll_s,
            bell=bell,
        )
        self.desk = Desk(self.journal, self.guard, self.engine)
        self.assignments = Assignments(self.journal, self.engine.take, self.guard.aside)
        self._reconcile = Pulse("reconcile", poll_s, Reconciler(self.guard, self.journal, self.engine.settled).sweep)

    def begin(self) -> Self:
        self.engine.begin()
        self._reconcile.start()
        return self

    def end(self) -> None:
        with suppress(RuntimeError):
            self._reconcile.stop()
        self.engine.stop(drain_s=5)
        self.journal.close()

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    def run(self, workflow: str, given: Any = None, timeout_s: float = 20, **said: Any) -> Run:
        """Start a run and wait for its end."""
        return self.engine.wait(self.engine.start(workflow, given or {}, caller=ME, **said).id, timeout_s)

    def until(self, run_id: str, state: str, timeout_s: float = 60) -> Run:
        """Wait until a run is shown in this state."""
        end = time.monotonic() + timeout_s
        while (run := self.engine.run(run_id)).state != state:
            assert time.monotonic() < end, f"{run.state} instead of {state}: {run.error}"
            time.sleep(0.01)
        return run

    def states(self, run_id: str) -> dict[str, str]:
        return {task.task: task.state for task in self.engine.tasks(run_id)}

    def types(self, run_id: str) -> list[str]:
        return [event.type for event in self.engine.events(limit=10_000, run_id=run_id)]
