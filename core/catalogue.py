"""What callers see of systems and tools, and the small changes that are made to tools while running."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .access import Caller
from .adapter import Finding
from .errors import DrawbarError, InputError
from .landscape import Bound, Landscape
from .register import Register
from .shown import as_tool, exported, name_of
from .store.definitions import Definitions
from .tenants import OF, systems_of
from .values import moment

_TOOL = "tool"
_RANK = {"up": 0, "unopened": 1, "closed": 2, "down": 3}
_OF_SYSTEM = ("name", "kind", "state", "owner", "error", "since", "closed_until", "calls", "endpoints", "discovery")


class Catalogue:
    """The landscape as it is shown: by permission, with nothing secret."""

    def __init__(self, landscape: Landscape, adapters: Register[Any], definitions: Definitions) -> None:
        self._landscape = landscape
        self._adapters = adapters
        self._definitions = definitions

    def tools(
        self, *, caller: Caller, adapter: str | None = None, effect: str | None = None, q: str | None = None
    ) -> list[dict[str, Any]]:
        """List the tools that this caller may call, by name; operators see all of them."""
        found = self._landscape.tools(adapter=adapter, effect=effect, q=q, tenant=caller.tenant, tenants=caller.tenants)
        return [tool.as_json() for tool in found if _visible(tool, caller)]

    def offered(self, caller: Caller, **by: str | None) -> list[Bound]:
        """Give the tools that this caller may call now, by name; `by` is as for `tools`."""
        found = self._landscape.tools(**by, tenant=caller.tenant, tenants=caller.tenants)
        return [one for one in found if one.rules.enabled and caller.may_call(one.name, one.effect)]

    def as_tool(self, bound: Bound, caller: Caller) -> dict[str, Any]:
        """Write a tool as models see it."""
        return as_tool(bound, caller, self._landscape.config(bound.adapter).budget.hours, self._landscape.names())

    def named(self, tool: str) -> str:
        """Give the name by which models call a tool."""
        return name_of(tool, self._landscape.names())

    def export(self, form: str, *, caller: Caller) -> Any:
        """Write the tools that this caller may call for the agents of others: mcp, openai, anthropic or openapi."""
        return exported((self.as_tool(one, caller) for one in self.offered(caller)), form)

    def tool(self, name: str, *, caller: Caller) -> dict[str, Any]:
        found = self.bound(name, caller)
        if not _visible(found, caller):
            raise InputError(f"there is no tool {name!r} for {caller.name}", reason="not_found", tool=name)
        return found.as_json()

    def bound(self, name: str, caller: Caller) -> Bound:
        """Find a tool as this caller would call it; one that names no tenant sees that of the first."""
        adapter = name.partition(".")[0]
        if caller.tenant is None and adapter in self._landscape.names() and self._landscape.config(adapter).tenants:
            for found in self._landscape.tools(adapter=adapter, tenants=caller.tenants):
                if found.name == name:
                    return found
        return self._landscape.tool(name, caller.tenant)

    def change_tool(
        self,
        name: str,
        *,
        caller: Caller,
        enabled: bool | None = None,
        description: str | None = None,
        agree: Callable[[Any], None] | None = None,
    ) -> dict[str, Any]:
        """
        Switch a tool on or off or describe it anew, for every process of this state.

        `agree` looks at the tool as it is now, and raises when that is not what the caller has seen.
        """
        caller.require("administer")
        self.bound(name, caller)
        stored = self._definitions.get(_TOOL, name)
        if agree is not None:
            self.reload()  # what another process has changed since; what comes between here and the change is refused there
            agree(self.bound(name, caller).as_json())
        said = {**((stored.body if stored else None) or {})}
        said.update(
            {key: value for key, value in (("enabled", enabled), ("description", description)) if value is not None}
        )
        self._definitions.put(_TOOL, name, name, said, by=caller.name, expect=stored.version if stored else 0)
        self.reload()
        return self.bound(name, caller).as_json()

    def reload(self) -> None:
        """Take over what other processes changed: tools, and adapters made over REST."""
        self._landscape.changes = {stored.id: stored.body or {} for stored in self._stored(_TOOL)}
        made = {entry.id: entry.model for entry in self._adapters.every() if entry.origin == "rest"}
        fixed = set(self._adapters.fixed)
        for name in set(self._landscape.names()) - fixed - set(made):
            self._landscape.remove(name)
        for name, config in made.items():
            if name not in self._landscape.names() or self._landscape.config(name) != config:
                self._landscape.put(name, config)

    def _stored(self, kind: str) -> list[Any]:
        found: list[Any] = []
        while page := self._definitions.page(kind, after=found[-1].id if found else None, limit=500):
            found += page
        return found

    def adapters(self) -> list[dict[str, Any]]:
        self._landscape.hear()
        return [self._adapter(name) for name in self._landscape.systems()]

    def adapter(self, name: str) -> dict[str, Any]:
        """Show an adapter; of one with tenants the system of each."""
        config = self._landscape.config(name)
        if not config.tenants:
            return self._adapter(name)
        each = {
            tenant: self._adapter(system)
            for tenant, system in zip(config.tenants, systems_of(name, config), strict=True)
        }
        best = min(each.values(), key=lambda one: _RANK.get(one["state"], 9))
        return {**best, "name": name, "tenants": each}

    def _adapter(self, name: str) -> dict[str, Any]:
        config = self._landscape.config(name)
        state, error = self._landscape.state(name)
        said: dict[str, Any] = {
            "name": name,
            "kind": config.kind,
            "owner": config.owner,
            "origin": "yaml" if name.partition(OF)[0] in self._adapters.fixed else "rest",
            "state": state,
            "budget": config.budget.model_dump(exclude_none=True),
        }
        share = self._landscape.share(name)
        reads, writes = share.line("read"), share.line("write")
        said["calls"] = {"reads": reads.as_json(), "writes": writes.as_json()}
        if share.endpoints:
            said["endpoints"] = share.endpoints.as_json()
        if share.endpoints.trouble:
            said["discovery"] = share.endpoints.trouble
        if downs := [line.since for line in (reads, writes) if line.error is not None]:
            said["since"] = moment(min(downs))
        if (closed_until := share.closed_until(0)) is not None:
            said["closed_until"] = moment(closed_until)
        return {**said, "error": error.message} if error else said

    def systems(self) -> list[dict[str, Any]]:
        """Tell how each system was the last time that it was used; nothing is tried."""
        return [{key: said[key] for key in _OF_SYSTEM if key in said} for said in self.adapters()]

    def check(self, name: str, *, write: bool = False) -> list[Finding]:
        """Try the connection step by step; what is raised is the last finding."""
        config = self._landscape.config(name)  # a name that nobody knows is the caller's mistake, not a finding
        if config.tenants and OF not in name:
            of_each = [(one, self.check(one, write=write)) for one in systems_of(name, config)]
            return [replace(finding, what=f"{one}: {finding.what}") for one, found in of_each for finding in found]
        findings: list[Finding] = []
        try:
            findings += self._landscape.adapter(name).check(write=write)
        except DrawbarError as error:
            findings.append(Finding("check", ok=False, found=error.message, next=error.next or ""))
        if all(finding.ok for finding in findings):
            findings.append(self._derived(name))
        return findings

    def _derived(self, name: str) -> Finding:
        try:
            count = len(self._landscape.bound(name))
        except DrawbarError as error:
            return Finding("tools", ok=False, found=error.message, next=error.next or "")
        return Finding("tools", ok=True, found=f"{count} derived")


def _visible(tool: Bound, caller: Caller) -> bool:
    return "operate" in caller.scopes or caller.may_call(tool.name, tool.effect)
