"""
The composition root: reads the configuration and puts the parts together.

`serve`, the command line and the tests all start from `open_app`. What the parts do is written where they are.
"""

from __future__ import annotations

import getpass
import math
import os
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from .config import Config, load
from .config import parts as config_parts
from .config.changes import Changes, compared, differing
from .config.references import Registered, check_one_workflow
from .config.secrets import scrub_values
from .core.access import AgentConfig, Caller, local
from .core.adapter import AdapterConfig, Place, find
from .core.agents_runs import AgentRuns
from .core.agents_staff import Staff
from .core.agents_tools import AgentTools
from .core.announce import MEDIA_TYPE, Announcer
from .core.answers import Answers
from .core.aside import Aside, Claims
from .core.assignments import Assignments
from .core.audit.audit import Audit
from .core.audit.key import key_file, signer_of
from .core.catalogue import Catalogue
from .core.context import Context
from .core.depths import Depths
from .core.desk import Desk
from .core.direct import Direct
from .core.disk import Floor, free_mb
from .core.door import Door
from .core.engine import Engine
from .core.errors import ConfigError, DrawbarError, InputError
from .core.events import told
from .core.feeds import Feeds
from .core.forget import Forgetting
from .core.gauges import Gauges
from .core.groups import Groups
from .core.guard import Guard
from .core.holds import Brake, Holds, Intake
from .core.keys import Keys
from .core.landscape import Landscape
from .core.letters import Letters
from .core.limits import Limits
from .core.masking import Vault
from .core.notify import Outlet
from .core.pulse import Pulse, each_alone
from .core.queues import DEFAULT, Queues
from .core.reconcile import Reconciler
from .core.register import Register
from .core.retention import Retention
from .core.rules import ToolRules
from .core.slices import Holdings
from .core.starts import Starts
from .core.status import Status
from .core.store import events
from .core.store.budgets import Budgets
from .core.store.definitions import Definitions
from .core.store.drops import Drops
from .core.store.journal import Journal
from .core.store.taken import Taken
from .core.syncs.syncs import Syncs
from .core.tasks import Tasks
from .core.views import Run
from .core.witness import Witness
from .core.workflow import Workflow
from .lazy import Models, bell, post, reader, spans

log = structlog.get_logger("drawbar.app")
_RELOAD = "reload"
_CLOCKS_S = 5.0
"""So far may the clocks of two machines be apart; to read the configuration once too often does no harm."""
_SWEEP_S = 0.5
_CLEAN_S = 60.0
_TELL_S = 0.5
_WATCH_S = 30.0


class App:
    """
    One open landscape. Close it, or use it in `with`.

    `begin` starts its engine; with `starts`, its triggers and schedules too, which one long-lived process should do.
    """

    def __init__(
        self,
        config: Config,
        queues: Collection[str] = (DEFAULT,),
        source: Callable[[], Config] | None = None,
        read_at: float = math.inf,
    ) -> None:
        """`source` reads the configuration again; without it there is nothing to reload. `read_at` is when it was read."""
        self.config = config
        self._source = source
        self._reloading = threading.Lock()
        self.journal = Journal.open(config.state_url)
        state = self.journal.path.parent if self.journal.path else config.base
        self.drops = Drops(self.journal)
        self.place = Place(config.base, state, Taken(self.journal), drops=self.drops, groups=Groups(self.journal))
        self.definitions = Definitions(self.journal)
        self.workflows: Register[Workflow] = Register(
            "workflow",
            config.workflows,
            self.definitions,
            _workflow,
            lambda name, one: check_one_workflow(
                self.config, name, one, Registered(self.workflows.find, self.agents.find)
            ),
        )
        self.agents: Register[AgentConfig] = Register("agent", config.agents, self.definitions, self._agent)
        self.adapters: Register[Any] = Register("adapter", config.adapters, self.definitions, self._adapter)
        self.tasks = Tasks(self.workflows)
        self.holdings = Holdings(Budgets(self.journal))
        self.landscape = Landscape(self.place, config.adapters, partial(told, self.journal), self.holdings)
        self.floor = Floor(self.journal, config.server.min_free_mb, partial(free_mb, self.place.state))
        self.intake = Intake(
            Holds(self.journal, looks=not self.journal.is_sqlite), self.floor, read_only=config.read_only
        )
        self.landscape.read_only = config.read_only
        self.landscape.tenant_header = config.server.authentication.tenants.header
        vault = Vault(config.state_key.get_secret_value() or None)
        aside = Aside(vault, config.claims.over_bytes)
        self.guard = Guard(self.landscape, self.journal, vault, self.intake.holds, aside)
        self.audit_key = key_file(self.journal.path, config.base)
        self.audit = Audit(self.journal, partial(signer_of, vault, self.audit_key), scrub=scrub_values)
        self.spans = spans(config.traces)
        self.guard.witness = Witness(self.audit, self.spans)
        self.forgetting = Forgetting(self.journal, self.guard, self.audit)
        self.claims = Claims(self.journal, aside)
        self.context = Context(self.journal, config.context)
        self.syncs = Syncs(config.syncs, self.landscape, self.journal, self.place, self.intake)
        self.queues = Queues(queues, self.landscape.queue, self.syncs.queue)
        self.guard.queues = self.syncs.queues = self.queues
        self.syncs.equip(self.guard)
        self.engine = Engine(
            self.journal,
            self.guard,
            self.workflows.find,
            run_sync=self.syncs.run_for_task,
            intake=self.intake,
            bell=bell(config.queue),
            queues=self.queues,
            shelf=self.context.shelf,
        )
        self.syncs.employ(self.engine)
        self.agent_runs = AgentRuns(self.journal, self.engine, self.agents, self.audit)
        self.desk = Desk(self.journal, self.guard, self.engine)
        self.assignments = Assignments(self.journal, self.engine.take, self.guard.aside)
        self.letters = Letters(self.desk, self.journal)
        self.limits = Limits(self.holdings)
        self.direct = Direct(self.guard, self.engine, self.desk, self.limits)
        self.catalogue = Catalogue(self.landscape, self.adapters, self.definitions)
        self.models = Models()
        self.agent_tools = AgentTools(self.catalogue, self.guard, self.context)
        self.engine.employ(
            Staff(
                self.agents.find,
                self.caller,
                self.agent_tools,
                self.models,
                scrub_values,
                self.limits.count,
                lambda name: name in self.config.workflows,
            )
        )
        self.feeds = Feeds(self.landscape, self.journal)
        self.brake = Brake(self.journal, self.intake.holds, self._known)
        self.status = Status(self.journal, self.catalogue, self.syncs.list, floor=self.floor, held=self.brake.list)
        self.gauges = Gauges(
            self.journal, self.floor, self.catalogue.systems, self.syncs.names, Depths(self.landscape).read
        )
        self.starts = Starts(
            self.journal,
            self.landscape,
            self.engine,
            self.syncs,
            self.workflows,
            self.caller,
            self.intake,
            self.queues,
        )
        self.keys = Keys(self.journal)
        self.answers = Answers(self.journal)
        entrance = config.server.authentication
        self.door = Door(entrance, self.keys, self._registered, self.local, reader(entrance, config.base))
        self.door.refused = self.audit.refused_login
        self.retention = self._retention()
        self._pulses: list[Pulse] = []
        self._tellers: list[Pulse] = []
        self._seen_changes = -1
        self._seen_reload = self._reloads(before=read_at - _CLOCKS_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, *, starts: bool = False) -> None:
        """Start the engine and the sweep over unknown outcomes; with `starts` also triggers and schedules."""
        self.follow_changes()
        self.audit.begin()
        self.audit.configured(self.config.files, by=self.owner().name)
        self._pulses = [
            Pulse("changes", _SWEEP_S, self.follow_changes).start(),
            Pulse("released", _SWEEP_S, self.intake.holds.sweep).start(),
            Pulse("disk", _SWEEP_S, self.floor.sweep).start(),
        ]
        if not self.config.read_only:
            self.engine.begin()
            reconciler = Reconciler(self.guard, self.journal, self.engine.settled)
            self._pulses.append(Pulse("reconcile", _SWEEP_S, reconciler.sweep).start())
        if starts:
            self.begin_starts()

    def begin_starts(self) -> None:
        """Start triggers and schedules, and what else one process of a service does for all."""
        if not self.config.read_only:
            self.starts.begin()
            self._begin_tellers()

    def _begin_tellers(self) -> None:
        self._tellers = [Pulse("retention", _CLEAN_S, self.retention.beat).start()]
        self._tellers += [Pulse("watch", _WATCH_S, self._watch).start()]
        self._tellers += [Pulse("announce", _TELL_S, one.beat).start() for one in self._announcers()]
        self._tellers += [Pulse(one.name, _TELL_S, one.beat).start() for one in self._outlets()]

    def _end_tellers(self) -> None:
        self.retention.stop()
        for pulse in self._tellers:
            pulse.stop()
        self._tellers = []

    def follow_changes(self) -> None:
        """Take over what was registered or changed over REST, or reloaded, by any process of this state."""
        changes = self.definitions.changes()
        if changes != self._seen_changes:
            self._seen_changes = changes
            self.catalogue.reload()
            self.starts.reload()
            if self._reloads() != self._seen_reload:
                self._follow_reload()

    def reload(self, *, caller: Caller, tell: bool = True) -> Changes:
        """
        Read the configuration again and take it over as a whole; every process of this state then does the same.

        Without `tell` they hear of it only where something has changed here.

        Raises ConfigError where anything is wrong with it, and then nothing has changed. What runs goes on with the
        definitions that it began with; of the systems only those whose configuration differs are closed and opened anew.
        """
        caller.require("administer")
        changes = self._reload()
        if not (tell or changes.changed):
            return changes
        said = {"files": [str(file) for file in self.config.files], **changes.as_json()}
        self._seen_reload = self.definitions.put(_RELOAD, _RELOAD, _RELOAD, said, by=caller.name).version
        return changes

    def _reload(self) -> Changes:
        if self._source is None:
            raise ConfigError("this landscape was not read from a file", next="start it with -c FILE")
        with self._reloading:
            changes, new = compared(self.config, self._source())
            if taken := {*new.adapters} & {one.id for one in self.adapters.every() if one.origin == "rest"}:
                raise ConfigError(
                    f"the adapter {min(taken)!r} was registered over REST",
                    field=f"adapters.{min(taken)}",
                    next="rename it in the file, or delete the one that was registered",
                )
            if changes.changed:
                self._take(changes, new)
        log.info("config.reloaded", **changes.as_json())
        return changes

    def _take(self, changes: Changes, new: Config) -> None:
        """Take a checked configuration over; from here on nothing is refused."""
        old, self.config = self.config, new
        self.workflows.fixed, self.agents.fixed, self.adapters.fixed = new.workflows, new.agents, new.adapters
        self.syncs.configs = new.syncs
        for name in differing(old.adapters, new.adapters):
            if name in new.adapters:
                self.landscape.put(name, new.adapters[name])
            else:
                self.landscape.remove(name)
        self.catalogue.reload()
        self.starts.reload()
        if changes.touches("notify", "events", "history"):
            tells = bool(self._tellers)
            self._end_tellers()
            self.retention = self._retention()
            if tells:
                self._begin_tellers()

    def _reloads(self, before: float = math.inf) -> int:
        """Tell how often the configuration was reloaded; -1 when the last time was not before a moment."""
        told = self.definitions.get(_RELOAD, _RELOAD)
        return 0 if told is None else told.version if told.changed_at < before else -1

    def _follow_reload(self) -> None:
        """Do what another process was told to; what is wrong with the files of this machine changes nothing here."""
        self._seen_reload = self._reloads()
        try:
            self._reload()
        except DrawbarError as error:
            log.warning("config.refused", error=error.message, next=error.next)

    def restored(self, *, caller: Caller, reason: str | None) -> None:
        """Tell in the history that the state was made from a backup."""
        said = {"by": caller.name, "reason": reason}
        self.journal.write(lambda conn: events.add(conn, "state.restored", body=said))

    def close(self, *, drain_s: float = 10) -> None:
        """Stop what was begun, let calls that run end (so long at most), and close every line; twice is once."""
        self._end_tellers()
        for pulse in self._pulses:
            pulse.stop()
        self._pulses = []
        self.starts.stop()
        self.syncs.close()
        self.engine.stop(drain_s)
        self.models.close()
        self.landscape.close()
        self.holdings.close()
        self.audit.close()
        self.intake.holds.close()
        if self.spans is not None:
            self.spans.close()
        self.journal.close()

    def local(self) -> Caller:
        """Give the caller without credentials on loopback."""
        return local(self.agents.find("local"))

    def caller(self, name: str) -> Caller:
        """Give an agent by its name, with what it may do now; one that is gone may do nothing."""
        if name == "local":
            return self.local()
        config = self.agents.find(name)
        return Caller(name, scopes=frozenset()) if config is None else Caller.agent(name, config)

    def _registered(self, name: str) -> Caller | None:
        """Give an agent that is registered, never the one without credentials."""
        config = None if name == "local" else self.agents.find(name)
        return None if config is None else Caller.agent(name, config)

    def owner(self) -> Caller:
        """Give who runs the command line: it owns the state."""
        try:
            return Caller.cli(getpass.getuser())
        except (KeyError, OSError, ImportError):  # a container's user without a name
            return Caller.cli(f"uid{os.getuid()}")

    def start(
        self, workflow: str, given: Any, *, caller: Caller, key: str | None = None, trigger_id: str | None = None
    ) -> Run:
        """Begin a run for a caller. The same `trigger_id` begins one run and gives it again."""
        caller.require("run")
        self.workflows.entry(workflow)  # where there is none, this names a near one
        run = self.engine.start(workflow, given, caller=caller, key=key, trigger_id=trigger_id)
        self.audit.note("run", caller.name, workflow, "started", run=run.id)
        return run

    def run_of(self, workflow: str, run_id: str) -> Run:
        """Give a run of this workflow, not of another."""
        run = self.engine.run(run_id)
        if run.workflow != workflow:
            raise InputError(f"there is no run {run_id!r} of {workflow!r}", reason="not_found")
        return run

    def _retention(self) -> Retention:
        keep, claims = self.config.history, self.config.claims
        return Retention(
            self.journal,
            keep,
            key_s=self._key_s,
            rejects=self._rejects,
            claims=claims,
            context=self.config.context,
            audit=self.audit.cut,
        )

    def _key_s(self) -> float:
        """Say how long the ledger has to remember keys, those of callers too."""
        rules = [rules for name in self.landscape.names() for rules in self.landscape.config(name).tools.values()]
        return 3600 * max(one.key_h for one in (ToolRules(), *rules))

    def _watch(self) -> None:
        """Let adapters look for what should have happened; those of another queue's processes are theirs."""
        watched = [
            name
            for name in self.landscape.systems()
            if self.landscape.config(name).is_watched and not self.queues.is_elsewhere(self.landscape.queue(name))
        ]
        each_alone(self.landscape.adapter(name).watch for name in watched)

    def _outlets(self) -> list[Outlet]:
        told = [one for one in self.config.notify if one.to.webhook.get_secret_value()]
        return [Outlet(self.journal, self.engine.history, one, post, scrub_values) for one in told]

    def _announcers(self) -> list[Announcer]:
        to = self.config.events.publish
        if to is None or (to.webhook is not None and not to.webhook.get_secret_value()):
            return []

        def send(id: str, kind: str, body: bytes) -> None:  # noqa: A002 - the word of CloudEvents
            if to.webhook is not None:
                post(to.webhook.get_secret_value(), body, {"Content-Type": MEDIA_TYPE, "User-Agent": "drawbar"})
            else:
                self.intake.holds.require(f"adapter:{to.adapter}")
                self.landscape.adapter(to.adapter or "").announce(to.exchange or "", kind, id, body, MEDIA_TYPE)

        return [Announcer(self.journal, self.engine.history, send, scrub_values)]

    def _rejects(self) -> list[Path]:
        return [self.config.base / sync.rejects.to / name for name, sync in self.config.syncs.items()]

    def _known(self) -> dict[str, Collection[str]]:
        """Name everything that can be held, by kind."""
        configs = {name: self.landscape.config(name) for name in self.landscape.names()}
        return {
            "adapter": sorted({*configs, *self.landscape.systems()}),
            "feed": [f"{name}.{feed}" for name, one in configs.items() for feed in _feeds(one)],
            "sync": self.syncs.names(),
            "workflow": [entry.id for entry in self.workflows.every()],
            "trigger": self.starts.names(),
        }

    def _agent(self, name: str, body: dict[str, Any]) -> AgentConfig:
        return config_parts.agent(name, body, base=self.config.base)

    def _adapter(self, name: str, body: dict[str, Any]) -> Any:
        return config_parts.adapter(name, body, base=self.config.base)


def _feeds(config: AdapterConfig) -> set[str]:
    try:
        return set(find(config.kind).endpoints(config).get("feed", ()))
    except ConfigError:  # its library is not installed: then it has no feed here
        return set()


def _workflow(name: str, body: dict[str, Any]) -> Workflow:
    return Workflow.model_validate(body)


def open_app(config: Config | Path | str | None = None, *, queues: Collection[str] = (DEFAULT,)) -> App:
    """
    Read the configuration, if it is not given, and open the landscape; nothing is begun and no system is touched.

    `queues` are those that this process serves.
    """
    # Arrow's own allocator keeps 20 MB that nobody uses; the system's is no slower for batches as small as ours.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if isinstance(config, Config):
        return App(config, queues)
    source, read_at = partial(load, config), time.time()
    return App(source(), queues, source, read_at)
