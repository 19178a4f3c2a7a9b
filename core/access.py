"""Who calls, and what they may."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from pydantic import Field

from .errors import InputError
from .strict import Strict
from .tool import Effect

_EVERY_READ = "read:*"  # no tool is named so
Scope = Literal["read", "run", "approve", "operate", "administer"]
SCOPES: frozenset[Scope] = frozenset({"read", "run", "approve", "operate", "administer"})


class AgentConfig(Strict):
    """A named caller: what it may call, how far, with whose approval."""

    later: ClassVar[dict[str, str]] = {
        "model": "agents with a model come with the gateway; remove it until then",
        "instructions": "agents with a model come with the gateway; remove it until then",
        "per_minute": "rates of agents come with the gateway; remove it until then",
        "max_steps": "step bounds come with agents that have a model; remove it until then",
        "confirm": "confirmation by code comes with the gateway; remove it until then",
    }
    description: str = ""
    tools: list[str] = Field(default_factory=list, description="Globs of tools; a write only when named in full.")
    scopes: list[Scope] = Field(default=["read", "run"], description="What else it may do.")
    approval: list[Effect] = Field(default_factory=list, description="Effects that another person must agree to.")


@dataclass(frozen=True, slots=True)
class Caller:
    """
    One principal. `kind` says where it comes from: the command line owns the state, a workflow may call what its tasks name.
    """

    name: str
    kind: Literal["agent", "cli", "workflow"] = "agent"
    tools: tuple[str, ...] = ()
    scopes: frozenset[Scope] = frozenset({"read", "run"})
    approval: tuple[Effect, ...] = ()
    claims: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def cli(cls, user: str) -> Caller:
        return cls(f"cli:{user}", "cli", ("*",), SCOPES)

    @classmethod
    def workflow(cls, name: str, tools: frozenset[str] = frozenset()) -> Caller:
        return cls(f"workflow:{name}", "workflow", tuple(sorted(tools)))

    @classmethod
    def agent(cls, name: str, config: AgentConfig) -> Caller:
        return cls(name, "agent", tuple(config.tools), frozenset(config.scopes), tuple(config.approval))

    def may_call(self, tool: str, effect: Effect) -> bool:
        """Tell whether the tool is open to this caller: a write must be named in full, a glob is not enough."""
        if self.kind == "cli":
            return True
        if effect == "write":
            return tool in self.tools
        if effect == "read" and _EVERY_READ in self.tools:
            return True
        return any(fnmatchcase(tool, glob) for glob in self.tools)

    def require(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise InputError(
                f"{self.name} lacks the scope {scope!r}", reason="forbidden", next="ask who administers Drawbar"
            )


def local(config: AgentConfig | None) -> Caller:
    """Give the caller without credentials on loopback: every read, and the writes that `agents.local.tools` names."""
    config = config or AgentConfig(scopes=["read", "run", "approve", "operate"])
    return Caller("local", "agent", (_EVERY_READ, *config.tools), frozenset(config.scopes), tuple(config.approval))
