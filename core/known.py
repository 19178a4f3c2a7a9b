"""What this process knows of a run: what never changes in it, and the outputs that expressions have asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from .access import Caller
from .agents_config import ContextRights
from .aside import Aside
from .errors import InputError
from .expressions import Path, Template
from .interpreter import CHILD, FINAL, State, TaskState
from .masking import MASK, texts_at, without
from .plan import Plan, plan_of_body, tasks_named
from .store import documents, items, runs
from .store.journal import Connection
from .store.runs import Header
from .values import has_claims, holds_claims, load
from .veils import NONE, Veils, split, veils_of

Reading = Callable[[], Connection]
"""Gives a connection to read by, when one is needed."""
_MAX_KEPT_BYTES = 65536
_SHOWN = {"open": "running", "delayed": "waiting", "held": "waiting", **CHILD}


def shown_task(state: str) -> str:
    """Give the contract's word for a task's state."""
    return _SHOWN.get(state, state)


@dataclass(slots=True)
class Known:
    """One run. `point` is its version and state as of the last commit that this process saw; `outputs` is a cache."""

    header: Header
    plan: Plan
    input: Any
    """The run's input; what is kept aside of it is read when an expression names it."""
    caller: Caller
    aside: Aside
    point: tuple[int, State] = (-1, State())
    outputs: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    carried: tuple[str, ...] = ()
    """Paths of the input that must not be seen, as who began the run knew, or its row says."""
    veiled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths that must not be seen of the outputs that were read last."""
    hides_key: bool = False
    """Its key is made of what must not be seen."""
    is_ours: bool = False
    """All that ever happened to it happened here, and no operator had a hand in it."""
    is_shared: bool = False
    """Others take facts of it too: what is remembered is looked at before it is relied on."""

    def env(
        self, conn: Reading, paths: frozenset[Path], state: State, fresh: Mapping[str, tuple[Any, Any]]
    ) -> dict[str, Any]:
        """
        Build what an expression sees, as far as it names it. `fresh` are outputs that are not yet committed.

        `conn` is asked only for what is not at hand.
        """
        header = self.header
        env: dict[str, Any] = {"input": self.input}
        if any(path[0] == "input" for path in paths) and holds_claims(self.input):
            env["input"] = self.aside.whole(conn(), self.input)
        env["run"] = {
            "id": header.id,
            "key": header.key,
            "date": date.fromisoformat(header.date),
            "started_at": datetime.fromtimestamp(header.created_at, UTC),
            "tenant": self.caller.tenant,
        }
        if any(path[0] == "tasks" for path in paths):
            env["tasks"] = {
                name: self._task(conn, name, paths, state, fresh) for name in tasks_named(paths, self.plan.steps)
            }
        if any(path[0] == "context" for path in paths):
            env["context"] = _context(conn(), paths, self.caller)
        return env

    def add_item(self, conn: Reading, env: dict[str, Any], name: str, task: str, item: int) -> frozenset[Path]:
        """Add the item of a for_each to what expressions see, and give what of it must not be seen, as they name it."""
        text = items.value(conn(), self.header.id, task, item)
        env[name], env["index"] = self.aside.load(conn(), text), item
        return frozenset((name, *split(path)) for path in self.aside.hidden_in(conn(), text))

    def veils(self, more: Iterable[Path] = ()) -> Veils:
        """Say what must not be seen of what this run keeps: by its tools, by what it was given, and by what came of its tasks."""
        aside = self.aside
        if not aside.hides():
            return NONE
        own = veils_of(self.plan, aside.hidden, aside.below)
        seen = {("input", *split(path)) for path in self.carried if path not in own.input}
        for name, paths in list(self.veiled.items()):
            known = own.tasks.get(name, ())
            seen |= {("tasks", name, "output", *split(path)) for path in paths if path not in known}
        seen |= {("run", "key"), *more} if self.hides_key else set(more)
        return own if not seen else veils_of(self.plan, aside.hidden, aside.below, more=frozenset(seen))

    @property
    def key_shown(self) -> str | None:
        return MASK if self.hides_key else self.header.key

    def fill(self, template: Template, env: Mapping[str, Any], more: Iterable[Path] = ()) -> Any:
        """Fill a template of this run; what goes wrong is said without what must not be seen."""
        try:
            return template.fill(env)
        except InputError as error:
            error.message = self.told(error.message, env, more)
            raise

    def told(self, said: Any, env: Mapping[str, Any], more: Iterable[Path] = ()) -> Any:
        """Take out of what is said what must not be seen of what an expression sees."""
        named = self.veils(more).named
        return without(said, texts_at(env, named)) if named else said

    def _task(
        self,
        conn: Reading,
        name: str,
        paths: frozenset[Path],
        state: State,
        fresh: Mapping[str, tuple[Any, Any]],
    ) -> dict[str, Any]:
        task = state.tasks.get(name, TaskState())
        found = fresh.get(name) or self.outputs.get(name)
        if found is not None:
            self.veiled.pop(name, None)
        else:
            found = (None, None)
            if task.state in FINAL:
                output, error = runs.output(conn(), self.header.id, name)
                self.veiled[name] = self.aside.hidden_in(conn(), output)
                if has_claims(output):  # what is large is read when it is named, and held by nobody
                    whole = self.aside.load(conn(), output) if _names_output(paths, name) else None
                    return {"output": whole, "status": shown_task(task.state), "error": load(error)}
                found = (load(output), load(error))
                committed = self.point[1].tasks.get(name)
                if committed and committed.state in FINAL and len(output or "") <= _MAX_KEPT_BYTES:
                    self.outputs[name] = found
        return {"output": found[0], "status": shown_task(task.state), "error": found[1]}


def _names_output(paths: frozenset[Path], name: str) -> bool:
    short = {("tasks",), ("tasks", name)}
    return any(path in short or path[:3] == ("tasks", name, "output") for path in paths)


def _context(conn: Connection, paths: frozenset[Path], caller: Caller) -> dict[str, Any]:
    """Read the documents that the paths name; all of a scope where only the scope is named."""
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        if path[0] != "context":
            continue
        if len(path) < 2:
            raise InputError("an expression names the scope of the context that it reads: context.SCOPE.KEY")
        caller.reads(path[1])
        bodies = documents.bodies(conn, path[1], path[2] if len(path) > 2 else None)
        found.setdefault(path[1], {}).update({key: load(body) for key, body in bodies.items()})
    return found


def read(conn: Connection, run_id: str, aside: Aside) -> Known | None:
    """Read a run from the journal, without its state."""
    found = runs.header(conn, run_id)
    if found is None:
        return None
    header, given, body = found
    caller = load(header.caller)
    return Known(
        header,
        plan_of_body(body),
        load(given),
        Caller(
            caller["name"],
            caller["kind"],
            tuple(caller["tools"]),
            frozenset(caller["scopes"]),
            tuple(caller["approval"]),
            caller["claims"],
            context=ContextRights.model_validate(caller["context"]) if "context" in caller else None,
            tenant=caller.get("tenant"),
            tenants=frozenset(caller["tenants"]) if "tenants" in caller else None,
        ),
        aside,
        carried=aside.hidden_in(conn, given),
        hides_key=caller.get("hides_key", False),
    )


class Memory:
    """The runs that this process met last; what it has forgotten it reads again."""

    def __init__(self, max_runs: int = 4000) -> None:
        self._max_runs = max_runs
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Known] = OrderedDict()

    def get(self, run_id: str) -> Known | None:
        with self._lock:
            known = self._known.get(run_id)
            if known is not None:
                self._known.move_to_end(run_id)
            return known

    def keep(self, known: Known, version: int, state: State) -> None:
        """Take what a commit made true; what an earlier commit says later is no news."""
        with self._lock:
            if state.ended:
                self._known.pop(known.header.id, None)
                return
            if version > known.point[0]:
                known.point = (version, state)
            self._known[known.header.id] = known
            if len(self._known) > self._max_runs:
                self._known.popitem(last=False)

    def forget(self, run_id: str) -> None:
        with self._lock:
            self._known.pop(run_id, None)
