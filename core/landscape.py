"""The registered systems and their tools: opened when used, so that a dead system stops nothing else."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from .adapter import Adapter, AdapterConfig, Place, find
from .budget import Share
from .errors import ConfigError, DrawbarError, InputError, Unavailable
from .queues import Queue, queue_of
from .rules import ToolRules
from .schema import Checker
from .slices import Holdings
from .tenants import OF, systems_of
from .tool import Effect, Tool

log = structlog.get_logger("drawbar.landscape")
Tell = Callable[[str, dict[str, Any]], None]
_FORGET_FAILURE_S = 5.0
_PATIENCE_S = 3.0
_PATIENCE_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Bound:
    """A tool as callers see it: the adapter's own, under its full name, with what the configuration says about it."""

    name: str
    adapter: str
    tool: Tool
    rules: ToolRules
    effect: Effect
    description: str
    input_schema: Mapping[str, Any]
    arguments: Checker
    answer: Checker
    timeout_s: float
    share: Share
    tenant: str | None = None

    @property
    def full_name(self) -> str:
        """Name it with the system that it is of: what the ledger, dead letters and the audit keep of a tenant's own."""
        return self.name if self.tenant is None else f"{self.adapter}.{self.name.partition('.')[2]}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "adapter": self.adapter,
            "description": self.description,
            "effect": self.effect,
            "enabled": self.rules.enabled,
            "timeout_s": self.timeout_s,
            "input_schema": self.input_schema,
            "output_schema": self.tool.output_schema,
            "examples": list(self.rules.examples),
        }


class _Entry:
    """One adapter: its configuration, and, once used, the open adapter with its tools."""

    def __init__(self, name: str, config: AdapterConfig, place: Place, tell: Tell, holdings: Holdings | None) -> None:
        self.name = name
        self.public, _, tenant = name.partition(OF)
        self.tenant = tenant or None
        self.config = config
        self.place = place
        self.lock = threading.RLock()
        self.deriving = threading.Lock()
        self.asked: tuple[float, Future[None]] | None = None
        self.share = Share(
            name, config.budget, tell=lambda what, body: tell(what, {"system": name, **body}), holdings=holdings
        )
        self.adapter: Adapter[Any] | None = None
        self.tools: dict[str, Bound] | None = None
        self.failure: tuple[float, DrawbarError] | None = None

    def open(self) -> Adapter[Any]:
        with self.lock:
            if self.adapter is None:
                place = replace(self.place, endpoints=self.share.endpoints)
                self.adapter = find(self.config.kind)(self.name, self.config, place)
            return self.adapter

    def bound(self) -> dict[str, Bound]:
        """Derive the tools once; a failure is remembered for a moment, so that a dead system is not asked by every call."""
        if (known := self.tools) is not None:
            return known
        with self.deriving:
            if self.tools is not None:
                return self.tools
            if self.failure and self.failed_just_now:
                raise self.failure[1]
            self.share.look(self.config.call_timeout_s)
            try:
                self.tools = {bound.name: bound for bound in self._bind(self.open().tools())}
            except DrawbarError as error:
                error.next = error.next or explained_by(self.name)
                self.failure = (time.monotonic(), error)
                raise
            self.failure = None
            return self.tools

    @property
    def failed_just_now(self) -> bool:
        return self.failure is not None and time.monotonic() - self.failure[0] < _FORGET_FAILURE_S

    @property
    def trouble(self) -> DrawbarError | None:
        """Say why its tools are not known: it failed when it was asked last, or it has not answered for long."""
        if self.failure:
            return self.failure[1]
        if self.asked and not self.asked[1].done() and (silent_s := time.monotonic() - self.asked[0]) >= _PATIENCE_S:
            said = f"{self.name} was asked what it offers {silent_s:.0f} s ago and is silent"
            return Unavailable(said, next=explained_by(self.name))
        return None if self.tools is not None else self.share.refusal(self.config.call_timeout_s)

    def ask(self) -> Future[None] | None:
        """Derive the tools on a thread of their own; None when there is nothing that is worth waiting for."""
        with self.lock:
            if self.tools is not None or self.failed_just_now:
                return None
            if self.asked and not self.asked[1].done():
                return None if time.monotonic() - self.asked[0] >= _PATIENCE_S else self.asked[1]
            self.asked = time.monotonic(), Future()
            threading.Thread(
                target=self._answer, args=(self.asked[1],), name=f"drawbar-tools-{self.name}", daemon=True
            ).start()
            return self.asked[1]

    def _answer(self, asked: Future[None]) -> None:
        try:
            with suppress(DrawbarError):
                self.bound()
        except Exception as error:  # the outermost loop of a thread: a defect of one adapter hides no other's tools
            log.exception("adapter.defect", adapter=self.name)
            said = f"{self.name}: the adapter failed unexpectedly ({type(error).__name__}); this is a defect, the log has it"
            self.failure = (time.monotonic(), ConfigError(said))
        finally:
            asked.set_result(None)

    def _bind(self, tools: Iterable[Tool]) -> Iterable[Bound]:
        unused = dict(self.config.tools)
        own = []
        for tool in tools:
            own.append(tool.name)
            yield _bound(self, tool, unused.pop(tool.name, ToolRules()))
        for name in unused:
            near = difflib.get_close_matches(name, own, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{self.name} has no tool {name!r}{hint}", field=f"adapters.{self.name}.tools.{name}")

    def close(self) -> None:
        with self.lock:
            if self.adapter is not None:
                self.adapter.close()
            self.adapter = self.tools = None


def explained_by(adapter: str) -> str:
    """Say what to do about a system that fails in a way that says nothing itself."""
    return f"drawbar check {adapter} tries its connection step by step"


def _wait_for(entries: Collection[_Entry]) -> None:
    patience_s = _PATIENCE_S if any(entry.failure is None for entry in entries) else _PATIENCE_AGAIN_S
    asked = {future for entry in entries if (future := entry.ask()) is not None}
    while asked:
        answered, asked = wait(asked, timeout=patience_s, return_when=FIRST_COMPLETED)
        if not answered:
            return


def _bound(entry: _Entry, tool: Tool, rules: ToolRules) -> Bound:
    name = f"{entry.public}.{rules.as_ or tool.name}"
    visible = _without(tool.input_schema, rules.bind)
    limits = (rules.timeout_s, tool.timeout_s, entry.config.call_timeout_s)
    return Bound(
        name=name,
        adapter=entry.name,
        tool=tool,
        rules=rules,
        effect=rules.effect or tool.effect,
        description=rules.description or tool.description,
        input_schema=visible,
        arguments=Checker.of(visible, f"the input schema of {name}"),
        answer=Checker.of(tool.output_schema, f"the output schema of {name}"),
        timeout_s=next(limit for limit in limits if limit is not None),
        share=entry.share,
        tenant=entry.tenant,
    )


def _without(schema: Mapping[str, Any], bind: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what callers do not see."""
    if not bind:
        return schema
    fields = {name: inner for name, inner in (schema.get("properties") or {}).items() if name not in bind}
    required = [name for name in schema.get("required") or () if name not in bind]
    return {**schema, "properties": fields, "required": required}


def _hiding(configs: Mapping[str, AdapterConfig]) -> Mapping[tuple[str, str], ToolRules]:
    """Find the rules of all tools that hide something, by adapter and by the name that callers see."""
    return {
        (name, rules.as_ or own): rules
        for name, config in configs.items()
        for own, rules in config.tools.items()
        if rules.hides
    }


class Landscape:
    """Every registered adapter by name, and every tool by its full name (`erp.find_order`)."""

    def __init__(
        self,
        place: Place,
        adapters: Mapping[str, AdapterConfig],
        tell: Tell = lambda what, body: None,
        holdings: Holdings | None = None,
    ) -> None:
        self.place = place
        self._tell = tell
        self._holdings = holdings
        self._entries: dict[str, _Entry] = {}
        self._configs: dict[str, AdapterConfig] = {}
        self._names: list[str] | None = None
        self._hiding: Mapping[tuple[str, str], ToolRules] = {}
        for name, config in adapters.items():
            self.put(name, config)
        self.changes: Mapping[str, Mapping[str, Any]] = {}
        """What was changed about single tools while running, by full name: `enabled`, `description`."""
        self.read_only = False
        self.tenant_header = "X-Tenant"
        """Whether every tool that has an effect is switched off."""

    def names(self) -> list[str]:
        """Name the adapters as they are configured."""
        names = self._names
        if names is None:
            names = self._names = sorted(self._configs)
        return names

    def systems(self) -> list[str]:
        """Name the systems: of an adapter with tenants, that of each."""
        return sorted(self._entries)

    def is_system(self, name: str) -> bool:
        return name in self._entries

    def system(self, name: str, tenant: str | None) -> str:
        """Name the system that an adapter is for a tenant; InputError where there is one for each and this is none of them."""
        config = self._configs.get(name)
        if config is None or not config.tenants:
            return name
        if tenant is None:
            raise InputError(
                f"{name} is another system for each tenant: say for which",
                field="tenant",
                next=f"send the header {self.tenant_header}; drawbar --tenant; drawbar/tenant in the _meta of MCP; tenant: of a workflow",
            )
        if tenant not in config.tenants:
            raise InputError(f"{name} has no such tenant", field="tenant", next="see that the tenant is spelt right")
        return f"{name}{OF}{tenant}"

    def config(self, name: str) -> AdapterConfig:
        found = self._configs.get(name)
        return self._entry(name).config if found is None else found

    def queue(self, name: str) -> Queue:
        """Give the queue that a system is pinned to."""
        config = self._configs.get(name.partition(OF)[0])
        return None if config is None else queue_of(config.queue)

    def share(self, name: str) -> Share:
        """Give the budget of a system in this process."""
        return self._entry(name).share

    def hear(self) -> None:
        """Take over what other processes found out about systems and endpoints that are down."""
        for entry in list(self._entries.values()):
            if entry.config.has_endpoints:
                with suppress(DrawbarError):
                    entry.open()  # it names them; no wire is touched
        if self._holdings is not None:
            with suppress(DrawbarError):
                self._holdings.lines.look()

    def adapter(self, name: str) -> Adapter[Any]:
        """Give the adapter, created but not yet connected."""
        return self._entry(name).open()

    def tool(self, name: str, tenant: str | None = None) -> Bound:
        """
        Find a tool; InputError with the nearest name, Unavailable when its system cannot say what it offers.

        Where each tenant has its own system, `tenant` says which; a name with the tenant in it (`full_name`) says so itself.
        """
        adapter, _, own = name.partition(".")
        entry = self._entries.get(adapter) or self._entries.get(self.system(adapter, tenant))
        if entry is None:
            raise self._unknown(name)
        found = entry.bound().get(f"{entry.public}.{own}")
        if found is None:
            raise self._unknown(name)
        return self._changed(found)

    def known(self, name: str, tenant: str | None = None) -> Bound | None:
        """Find a tool without asking its system; None while nobody has asked it."""
        adapter = name.partition(".")[0]
        config = self._configs.get(adapter)
        entry = self._entries.get(f"{adapter}{OF}{tenant}" if config is not None and config.tenants else adapter)
        found = entry.tools.get(name) if entry is not None and entry.tools is not None else None
        return None if found is None else self._changed(found)

    @property
    def hides(self) -> bool:
        """Tell whether any tool has fields that must not be shown."""
        return bool(self._hiding)

    def hidden(self, tool: str, sees: Collection[str] = ()) -> list[str]:
        """Name the fields of a tool that must not be shown, from the configuration alone: its system may be away."""
        if not self._hiding:  # each task of each run asks
            return []
        adapter, _, called = tool.partition(".")
        rules = self._hiding.get((adapter.partition(OF)[0], called))
        return [] if rules is None else [*(() if "personal" in sees else rules.personal), *rules.secret]

    def undeclared(self, tool: str, paths: Iterable[str]) -> tuple[str, ...]:
        """Give those of these paths that the tool itself does not hide."""
        own = self.hidden(tool)
        return tuple(path for path in paths if path not in own)

    def rules(self, tool: str) -> ToolRules | None:
        """Give what the configuration says of a tool; None where it says nothing."""
        adapter, _, called = tool.partition(".")
        config = self._configs.get(adapter.partition(OF)[0])
        found = config.tools.items() if config is not None else ()
        return next((rules for own, rules in found if (rules.as_ or own) == called), None)

    def bound(self, name: str) -> Mapping[str, Bound]:
        """Derive the tools of one system, or say why that fails; of an adapter with tenants, those of the first that answers."""
        failure: DrawbarError | None = None
        for entry in self._of(name):
            try:
                return entry.bound()
            except DrawbarError as error:
                failure = error
        raise failure or self._entry_unknown(name)

    def state(self, name: str) -> tuple[str, DrawbarError | None]:
        """Tell how a system was when it was last used: `unopened`, `up` or `down` with its error."""
        entry = self._entry(name)
        if entry.share.closed_until(0) is not None:
            return "closed", None
        lines = (entry.share.line("read"), entry.share.line("write"))
        if trouble := entry.trouble or next((error for line in lines if (error := line.error)), None):
            return "down", trouble
        return ("up" if entry.tools is not None else "unopened"), None

    def _changed(self, bound: Bound) -> Bound:
        change = self.changes.get(bound.name)
        if self.read_only and bound.effect != "read":
            change = {**(change or {}), "enabled": False}
        if not change:
            return bound
        rules = bound.rules.model_copy(update={"enabled": change.get("enabled", bound.rules.enabled)})
        return replace(bound, rules=rules, description=change.get("description") or bound.description)

    def tools(
        self,
        *,
        adapter: str | None = None,
        effect: str | None = None,
        q: str | None = None,
        tenant: str | None = None,
        tenants: Collection[str] | None = None,
    ) -> list[Bound]:
        """
        List the tools of all systems that answer; `failures` says which do not.

        All are asked at the same time, and waited for as long as one after the other answers. Of an adapter with tenants it
        lists those of `tenant`, or, without one, of the first among `tenants`: they have one contract.
        """
        words = (q or "").lower().split()
        names = [adapter] if adapter else self.names()
        entries = [entry for name in names if (entry := self._for(name, tenant, tenants)) is not None]
        _wait_for(entries)
        found = []
        for entry in entries:
            for tool in map(self._changed, (entry.tools or {}).values()):
                text = f"{tool.name} {tool.description}".lower()
                if (not effect or tool.effect == effect) and all(word in text for word in words):
                    found.append(tool)
        return sorted(found, key=lambda tool: tool.name)

    def failures(self) -> dict[str, DrawbarError]:
        """Name the systems whose tools could not be derived the last time."""
        return {name: trouble for name, entry in self._entries.items() if (trouble := entry.trouble)}

    def put(self, name: str, config: AdapterConfig) -> None:
        """Register or replace an adapter; calls that run keep the old one until they end."""
        old = self._of(name)
        made = {
            system: _Entry(system, one, self.place, self._tell, self._holdings)
            for system, one in systems_of(name, config).items()
        }
        self._configs[name] = config
        self._names = None
        self._hiding = _hiding(self._configs)
        self._entries.update(made)
        for entry in old:
            if entry.name not in made:
                del self._entries[entry.name]
            entry.close()

    def remove(self, name: str) -> None:
        old = self._of(name) or [self._entry(name)]
        self._configs.pop(name, None)
        self._names = None
        self._hiding = _hiding(self._configs)
        for entry in old:
            del self._entries[entry.name]
            entry.close()

    def close(self) -> None:
        for entry in self._entries.values():
            entry.close()

    def _of(self, name: str) -> list[_Entry]:
        """Give the systems of an adapter: one, or one for each tenant."""
        return [entry for entry in list(self._entries.values()) if name in {entry.name, entry.public}]

    def _for(self, name: str, tenant: str | None, tenants: Collection[str] | None) -> _Entry | None:
        config = self._configs.get(name)
        if config is None or not config.tenants:
            return self._entry(name)
        if tenant is None:
            tenant = next((one for one in config.tenants if tenants is None or one in tenants), None)
        return self._entries.get(f"{name}{OF}{tenant}")

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise self._entry_unknown(name)
        return entry

    def _entry_unknown(self, name: str) -> InputError:
        config = self._configs.get(name)
        if config is not None:
            known = ", ".join(f"{name}{OF}{tenant}" for tenant in config.tenants)
            return InputError(f"{name} is another system for each tenant", reason="not_found", next=f"known: {known}")
        near = difflib.get_close_matches(name, self._entries, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see drawbar adapters"
        return InputError(f"there is no adapter {name!r}; {hint}", reason="not_found")

    def _unknown(self, name: str) -> InputError:
        known = [tool for entry in self._entries.values() for tool in (entry.tools or ())]
        near = difflib.get_close_matches(name, known or list(self._entries), 1)
        adapter, dot, tool = name.partition(".")
        if not near and adapter not in self._entries:
            near = [f"{one}{dot}{tool}" for one in difflib.get_close_matches(adapter, self._entries, 1)]
        hint = f"did you mean {near[0]!r}?" if near else "see drawbar tools"
        return InputError(f"there is no tool {name!r}; {hint}", reason="not_found", tool=name)
