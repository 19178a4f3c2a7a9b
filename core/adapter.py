"""What an adapter is, and how one is found by its kind."""

from __future__ import annotations

import difflib
import importlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from pydantic import Field, ModelWrapValidatorHandler, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, PydanticKnownError

from .access import TenantName
from .batch import Sink, Source
from .drift import Survey
from .drops import Remembers
from .endpoints import Endpoints
from .errors import ConfigError, DrawbarError, InputError
from .hours import Calendar
from .policy import Budget
from .queues import QUEUE_NAME
from .rules import ToolRules
from .strict import Strict
from .tenants import SHARED, merged
from .tool import Tool, marked_tools

_BUILT_IN = {
    "sql": "drawbar.adapters.sql:SqlAdapter",
    "soap": "drawbar.adapters.soap:SoapAdapter",
    "sftp": "drawbar.adapters.sftp:SftpAdapter",
    "local": "drawbar.adapters.local:LocalAdapter",
    "amqp": "drawbar.adapters.amqp:AmqpAdapter",
}

_NEXT = {
    "config": "correct the configuration of this adapter",
    "input": "correct the configuration of this adapter",
    "rejected": "ask the system's owner whether our login may do this",
    "unavailable": "is the address right, does the system run, and may this machine reach it?",
    "unknown": "the system took the question and gave no answer that can be used: see its own log",
}


QueueName = Annotated[str, StringConstraints(pattern=QUEUE_NAME)]


class AdapterConfig(Strict):
    """What every kind of adapter can say."""

    kind: str = Field(description="Which adapter: sql, soap, sftp, local, amqp, or one that a package brings.")
    owner: str | None = Field(None, description="Whom an operator asks about this system.")
    queue: QueueName | None = Field(
        None,
        description="Only processes that serve this queue touch the system (`drawbar worker --queues NAME`); "
        "without it, and with `default`, every process that is told of no queues does.",
    )
    budget: Budget = Field(Budget(), description="How much of the system everybody together may use.")
    call_timeout_s: float = Field(30, gt=0, le=3600, description="Limit of one call, in seconds.")
    tools: dict[str, ToolRules] = Field(
        default_factory=dict, description="What is said about one tool, by its own name."
    )
    tenants: dict[TenantName, Any] = Field(
        default_factory=dict,
        description="Where each tenant has a system of its own: by tenant, what is different there (address, login, budget).",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _of_each_tenant(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Make the configuration of each tenant's system; the adapter's own is that of the first."""
        if not isinstance(given, dict) or not isinstance(given.get("tenants"), dict) or not given["tenants"]:
            return handler(given)
        common = {key: value for key, value in given.items() if key != "tenants"}
        made: dict[str, Any] = {}
        for tenant, own in given["tenants"].items():
            made[tenant] = cls._of_tenant(tenant, common, {} if own is None else own)
        first = next(iter(given["tenants"].values())) or {}
        shown = handler({**merged(common, first), "tenants": dict.fromkeys(made)})
        return shown.model_copy(update={"tenants": made})

    @classmethod
    def _of_tenant(cls, tenant: str, common: dict[str, Any], own: Any) -> Self:
        if not isinstance(own, dict):
            raise _of_tenants(own, ("tenants", tenant), "dict_type")
        for key in SHARED:
            if key in own:
                said = PydanticCustomError("tenant", "{key} is the same for all tenants", {"key": key})
                raise _of_tenants(own, ("tenants", tenant, key), said)
        try:
            return cls.model_validate(merged(common, own))
        except ValidationError as error:
            lines = [_of_tenant(one, tenant, own) for one in error.errors(include_url=False)]
            raise ValidationError.from_exception_data("adapter", lines) from None

    @property
    def is_watched(self) -> bool:
        """Tell whether the adapter looks by itself for what should have happened: `watch`."""
        return False

    @property
    def has_endpoints(self) -> bool:
        """Tell whether the system may have several addresses."""
        return False

    @model_validator(mode="after")
    def _calls_fit_into_the_hours(self) -> Self:
        hours = self.budget.hours
        if hours is not None and Calendar(hours).free(time.time(), self.call_timeout_s) is None:
            said = "the system is never open for as long as a call may take ({limit_s} s)"
            raise PydanticCustomError("hours", said, {"limit_s": f"{self.call_timeout_s:g}"})
        return self


def _of_tenants(given: Any, at: tuple[str, ...], error: Any) -> ValidationError:
    return ValidationError.from_exception_data("adapter", [InitErrorDetails(type=error, loc=at, input=given)])


def _of_tenant(error: ErrorDetails, tenant: str, own: Mapping[str, Any]) -> InitErrorDetails:
    """Place an error of a tenant's configuration where it is written: at the tenant, or at what is common."""
    at = error["loc"]
    place = ("tenants", tenant, *at) if at and at[0] in own else at
    said = InitErrorDetails(type=error["type"], loc=place, input=error["input"], ctx=error.get("ctx", {}))
    try:
        PydanticKnownError(error["type"], said["ctx"])  # type: ignore[arg-type]  # where it is none, it says so
    except KeyError:
        said["type"] = PydanticCustomError(error["type"], "{said}", {**said["ctx"], "said": error["msg"]})
    return said


C = TypeVar("C", bound=AdapterConfig)
FileAction = Literal["retry", "release", "skip"]


class Groups(Protocol):
    """Groups of messages of which none may start a run now, by the queue (`adapter.consume`) that they come from."""

    def is_held(self, queue: str, group: str) -> bool: ...

    def hold(self, queue: str, group: str, reason: str) -> None:
        """Hold a group until a person releases it."""


class Taken(Protocol):
    """Messages that a call took from a queue and that are not yet settled, by adapter and claim."""

    def keep(self, adapter: str, claim: str, body: str) -> None: ...

    def find(self, adapter: str, claim: str) -> tuple[str | None, str | None] | None:
        """Give the body and the outcome of a message: one of the two is there."""

    def settle(self, adapter: str, claim: str, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where an adapter lives: `base` resolves relative paths of the configuration, `state` is a folder of our own.

    `taken` keeps messages that were taken from a queue where every process sees them; without it they are files in `state`.
    `drops` remembers files of feeds in the same way; what needs it says so without it.
    `endpoints` is where an adapter whose system has several addresses keeps how each of them stands.
    `groups` are the groups of messages that are held; what needs it says so without it.
    """

    base: Path
    state: Path
    taken: Taken | None = None
    endpoints: Endpoints | None = None
    drops: Remembers | None = None
    groups: Groups | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `drawbar check`: what was tried, what came of it, what to do."""

    what: str
    ok: bool
    found: str = ""
    next: str = ""

    @classmethod
    def of(cls, what: str, error: DrawbarError) -> Finding:
        """Explain a step that failed; where the error itself knows no next step, its kind does."""
        return cls(what, ok=False, found=error.message, next=error.next or _NEXT[error.kind])


@dataclass(frozen=True, slots=True)
class Occurrence:
    """
    Something that happened outside and starts a run.

    `env` is what the trigger's expressions see (`message`, `file`); `id` identifies it: the same id starts one run.
    Runs of one `group` come one after the other. With `most` unfinished runs of the workflow it starts none now.
    """

    id: str
    env: Mapping[str, Any]
    group: str | None = None
    most: int | None = None


class Begun(Protocol):
    """A run that an occurrence has started."""

    def ended(self) -> str | None:
        """Say what became of it: nothing where all is well, why it failed; None while it goes on."""


class Trigger(Protocol):
    def run(self, start: Callable[[Occurrence], Begun | None], stop: threading.Event) -> None:
        """
        Watch until `stop` is set, on a thread of the caller; come back by itself after a lost connection.

        `start` returns when the run is in the journal: then settle. It raises InputError for what will never start (park it)
        and Unavailable for what may later (leave it where it is).
        """


class Adapter(Generic[C]):
    """
    A configured system.

    Creating one touches no wire: connections open on first use, so that a dead system stops nothing else.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[AdapterConfig]]

    def __init__(self, name: str, config: C, place: Place) -> None:
        self.name = name
        self.config = config
        self.place = place

    @classmethod
    def tool_names(cls, config: C) -> set[str] | None:
        """Name the tools that this configuration gives, without a wire; None when only the system knows."""
        return None

    @classmethod
    def mistakes(cls, config: C, base: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Find what is wrong in files that the configuration names, without a wire: where, and a sentence."""
        yield from ()

    @classmethod
    def endpoints(cls, config: C) -> Mapping[str, set[str]]:
        """Name what syncs and triggers may refer to, by its key: `{"feed": {"orders"}, "table": {...}, "consume": {...}}`."""
        return {}

    def tools(self) -> Iterable[Tool]:
        """Give the tools; may open the wire to derive them from a contract or a catalogue."""
        return marked_tools(self)

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        """Try the connection step by step; the first finding that is not ok explains the failure."""
        raise NotImplementedError

    def depths(self) -> Mapping[str, int]:
        """Ask how many messages wait in the queues that it reads, by their names over there; nothing where it has none."""
        return {}

    def source(self, spec: Mapping[str, Any], *, sync: str) -> Source:
        raise ConfigError(f"{self.name}: an adapter of kind {self.kind} cannot be read by a sync")

    def sink(self, spec: Mapping[str, Any], *, sync: str) -> Sink:
        raise ConfigError(f"{self.name}: an adapter of kind {self.kind} cannot be written by a sync")

    def finder(
        self, spec: Mapping[str, Any]
    ) -> Callable[[Sequence[tuple[Any, ...]]], Mapping[bytes, Mapping[str, Any]]]:
        """Give what finds rows of a table by their keys, for the lookups of a sync; found rows stand by their canonical key."""
        raise ConfigError(f"{self.name}: nothing can be looked up in an adapter of kind {self.kind}")

    def trigger(self, spec: Mapping[str, Any], *, name: str) -> Trigger:
        raise ConfigError(f"{self.name}: an adapter of kind {self.kind} has nothing that triggers")

    def announce(self, exchange: str, kind: str, message_id: str, body: bytes, content_type: str) -> None:
        """Publish one event, and return when the other side has it; `kind` is what receivers choose by."""
        raise ConfigError(f"{self.name}: an adapter of kind {self.kind} publishes no events", field="events.publish")

    def files(self, feed: str) -> list[dict[str, Any]]:
        """List the files of a feed with their state, the quarantined ones with their reason."""
        raise InputError(f"{self.name} has no feed {feed!r}", reason="not_found")

    def file_act(self, feed: str, name: str, action: FileAction, *, by: str, reason: str | None) -> dict[str, Any]:
        """Do what an operator decided about one file of a feed, and give its new row."""
        raise InputError(f"{self.name} has no feed {feed!r}", reason="not_found")

    def watch(self) -> None:
        """Look for what should have happened by now; called again and again where the configuration `is_watched`."""

    @property
    def pin_folder(self) -> Path:
        """Say where the contract of this system is pinned."""
        return self.place.base / "pins" / self.name

    def survey(self) -> Survey:
        """Describe the contract as it is live, for a pin and for drift."""
        raise ConfigError(f"{self.name}: an adapter of kind {self.kind} has no contract that can be pinned")

    def pinned(self) -> Survey | None:
        """Give the contract as it was pinned; None when it was not."""
        return Survey.load(self.pin_folder)

    def pin(self, survey: Survey) -> None:
        """Pin what `survey` just gave; a pin that is there is replaced."""
        survey.save(self.pin_folder)

    def close(self) -> None:
        """Close what is open; a second call does nothing."""


def kinds() -> dict[str, str]:
    """Name every kind that can be used here, with where its class is."""
    brought = {point.name: point.value for point in entry_points(group="drawbar.adapters")}
    return {**brought, **_BUILT_IN}


@cache
def find(kind: str) -> type[Adapter[Any]]:
    """Import the class of a kind; ConfigError says what was meant or what to install."""
    known = _BUILT_IN if kind in _BUILT_IN else kinds()  # to look for what packages bring reads a file of each of them
    if kind not in known:
        near = difflib.get_close_matches(kind, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
        raise ConfigError(f"there is no adapter of kind {kind!r}; {hint}", field="kind")
    module, _, name = known[kind].partition(":")
    module = module.replace("drawbar.", f"{__package__.rpartition('.')[0]}.", 1) if kind in _BUILT_IN else module
    try:
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]  # an entry point's promise
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"adapters of kind {kind!r} need {missing.name}", next=f"pip install 'drawbar[{kind}]'"
        ) from missing
