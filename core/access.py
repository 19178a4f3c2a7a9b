"""Who calls, and what they may."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .agents_config import ContextRights, ModelConfig
from .errors import InputError
from .strict import Strict
from .tool import Effect

_EVERY_READ = "read:*"  # no tool is named so
Scope = Literal["read", "run", "approve", "operate", "administer"]
Sight = Literal["personal"]
_TENANT = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
TenantName = Annotated[str, StringConstraints(pattern=f"^{_TENANT}$")]
Role = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,99}$")]
SCOPES: frozenset[Scope] = frozenset({"read", "run", "approve", "operate", "administer"})


class AgentConfig(Strict):
    """A named caller: what it may call, how far, with whose approval."""

    description: str = ""
    tools: list[str] = Field(default_factory=list, description="Globs of tools; a write only when named in full.")
    scopes: list[Scope] = Field(default=["read", "run"], description="What else it may do.")
    roles: list[Role] = Field(
        default_factory=list, description="What it stands for where an approval asks `by`: that names roles or agents."
    )
    confirm: list[Literal["idempotent", "write"]] = Field(
        default_factory=list,
        description="Effects that a direct call has only with the one-use code of its own preview.",
    )
    approval: list[Effect] = Field(default_factory=list, description="Effects that another person must agree to.")
    per_minute: int | None = Field(
        None, ge=1, le=1_000_000, description="Requests and calls that it may make in any minute, everywhere together."
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Calls of tools that it may have under way at the same time, everywhere together.",
    )
    max_steps: int | None = Field(
        None, ge=1, le=10_000, description="Calls of tools that it may make for one task, or in one `Drawbar-Session`."
    )
    model: ModelConfig | None = Field(
        None, description="The model that does the tasks it is given; absent: they wait for somebody's answer."
    )
    instructions: str = Field("", max_length=100_000, description="What its model is told before every task.")
    max_tokens: int | None = Field(
        None, ge=1, description="Tokens, read and written, that its model may use for one task."
    )
    run_by: list[Role] | None = Field(
        None,
        description="Agents or roles that may give it tasks, beside the workflows of the configuration; absent: everybody with the scope `run`.",
    )
    tenants: list[TenantName] | None = Field(
        None,
        description="Tenants whose systems it may call; absent: whichever it names. A single one need not be named.",
    )
    sees: list[Sight] = Field(
        default_factory=list,
        description="`personal`: fields that tools declare personal are shown to it in answers; absent: masked. Secret ones never are.",
    )
    context: ContextRights | None = Field(
        None,
        description="Scopes of the context that are open to it; absent: all that its scopes `read` and `run` allow, and none for its model.",
    )


@lru_cache(maxsize=4096)
def _fits(tool: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(tool, glob) for glob in globs)


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
    roles: frozenset[str] = frozenset()
    confirm: frozenset[Effect] = frozenset()
    per_minute: int | None = None
    concurrency: int | None = None
    max_steps: int | None = None
    session: str | None = None
    """Which of its sessions this call belongs to, where it says so: `max_steps` are counted in each."""
    context: ContextRights | None = None
    tenant: str | None = None
    """Whose systems its calls go to, where a system is there for each tenant."""
    tenants: frozenset[str] | None = None
    """The tenants that it may name; None: any."""
    sees: frozenset[Sight] = frozenset()
    """What is shown to it of what is masked for others."""

    @classmethod
    def cli(cls, user: str) -> Caller:
        return cls(f"cli:{user}", "cli", ("*",), SCOPES, sees=frozenset({"personal"}))

    @classmethod
    def workflow(cls, name: str, tools: frozenset[str] = frozenset()) -> Caller:
        return cls(f"workflow:{name}", "workflow", tuple(sorted(tools)))

    @classmethod
    def agent(cls, name: str, config: AgentConfig) -> Caller:
        return _of_config(name, tuple(config.tools), config)

    @property
    def is_limited(self) -> bool:
        """Tell whether its calls of tools are counted."""
        return self.concurrency is not None or (self.max_steps is not None and self.session is not None)

    def may_call(self, tool: str, effect: Effect) -> bool:
        """Tell whether the tool is open to this caller: a write must be named in full, a glob is not enough."""
        if self.kind == "cli":
            return True
        if effect == "write":
            return tool in self.tools
        if effect == "read" and _EVERY_READ in self.tools:
            return True
        return _fits(tool, self.tools)

    def of_tenant(self, tenant: str | None, field_name: str) -> Caller:
        """Give it as it calls for a tenant, or for the only one that it is bound to; InputError, forbidden, for another's."""
        if tenant is None:
            only = next(iter(self.tenants)) if self.tenants and len(self.tenants) == 1 else None
            return self if only is None or self.tenant == only else replace(self, tenant=only)
        if re.fullmatch(_TENANT, tenant) is None:
            raise InputError(f"{field_name} is no name of a tenant", field=field_name)
        if not self.may_be_of(tenant):
            raise InputError(f"{self.name} may not call for this tenant", reason="forbidden", field=field_name)
        return self if self.tenant == tenant else replace(self, tenant=tenant)

    def may_be_of(self, tenant: str) -> bool:
        return self.tenants is None or tenant in self.tenants

    def may_answer(self, by: Iterable[str], asked_by: str) -> bool:
        """Tell whether a question to these roles or names (nobody named: anybody) may be answered; never by who asked."""
        if "approve" not in self.scopes or self.name == asked_by:
            return False
        named = set(by)
        return not named or self.kind == "cli" or bool(named & {self.name, *self.roles})

    def reads(self, scope: str) -> None:
        """Raise InputError, forbidden, where it may not read this scope of the context."""
        rights = self.context
        if rights is not None and not any(fnmatchcase(scope, glob) for glob in (*rights.read, *rights.write)):
            raise _closed(self.name, "read", scope)

    def writes(self, scope: str) -> None:
        """Raise InputError, forbidden, where it may not write this scope of the context."""
        if self.context is not None and not any(fnmatchcase(scope, glob) for glob in self.context.write):
            raise _closed(self.name, "write", scope)

    def require(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise InputError(
                f"{self.name} lacks the scope {scope!r}", reason="forbidden", next="ask who administers Drawbar"
            )


def _closed(name: str, what: str, scope: str) -> InputError:
    return InputError(
        f"{name} may not {what} the scope {scope!r} of the context",
        reason="forbidden",
        field="scope",
        next=f"list it under agents.{name}.context.{what}",
    )


def local(config: AgentConfig | None) -> Caller:
    """Give the caller without credentials on loopback: every read, and the writes that `agents.local.tools` names."""
    config = config or AgentConfig(scopes=["read", "run", "approve", "operate"])
    return _of_config("local", (_EVERY_READ, *config.tools), config)


def _of_config(name: str, tools: tuple[str, ...], config: AgentConfig) -> Caller:
    return Caller(
        name,
        tools=tools,
        scopes=frozenset(config.scopes),
        approval=tuple(config.approval),
        roles=frozenset(config.roles),
        tenants=None if config.tenants is None else frozenset(config.tenants),
        confirm=frozenset(config.confirm),
        per_minute=config.per_minute,
        concurrency=config.concurrency,
        max_steps=config.max_steps,
        context=config.context,
        sees=frozenset(config.sees),
    )
