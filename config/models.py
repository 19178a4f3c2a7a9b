"""The configuration as checked, frozen models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    SecretStr,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from ..core.access import AgentConfig
from ..core.adapter import AdapterConfig, find
from ..core.announce_config import EventsConfig
from ..core.claims_config import ClaimsConfig
from ..core.context_config import ContextConfig
from ..core.door_config import Authentication
from ..core.errors import ConfigError
from ..core.mcp_config import McpConfig
from ..core.notify_config import Notify
from ..core.retention_config import History
from ..core.strict import Strict
from ..core.syncs.config import SyncConfig
from ..core.trace_config import Traces
from ..core.workflow import Workflow
from .problems import Problem, Spot

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", max_length=255)]


class Server(Strict):
    """Where the facade listens."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on; other than loopback only when callers must show who they are."
    )
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    names: list[str] = Field(default_factory=list, description="Names that requests may use for it, beside loopback's.")
    cors: list[Origin] = Field(
        default_factory=list,
        description="Origins of web pages that may call it, as `https://desk.example.com`; absent: no page of another origin.",
    )
    authentication: Authentication = Field(Authentication(), description="How callers show who they are.")
    metrics: Literal["operate", "open"] = Field(
        "operate",
        description="Who reads `/metrics`: callers with the scope `operate`; `open`: whoever asks from loopback, too.",
    )
    adapters_over_rest: bool = Field(False, description="Let callers with the scope `administer` register adapters.")
    min_free_mb: int = Field(
        100, ge=0, description="Below so many free MB where the state lives no new run is accepted; what runs, ends."
    )


def _of_its_kind(given: Any, handler: Any) -> AdapterConfig:
    if isinstance(given, AdapterConfig):
        return given
    if isinstance(given, dict) and "kind" not in given:
        raise _at("kind", "missing", given)
    if not isinstance(given, dict):
        return handler(given)  # type: ignore[no-any-return]  # says what it must be
    if not isinstance(given["kind"], str):
        return handler(given)  # type: ignore[no-any-return]  # says what is wrong with it
    try:
        kind = find(given["kind"])
    except ConfigError as error:
        said = f"{error.message}; {error.next}" if error.next else error.message
        raise _at("kind", PydanticCustomError("kind", "{said}", {"said": said}), given) from error
    return kind.Config.model_validate(given)


def _at(key: str, error: PydanticCustomError | Literal["missing"], given: Any) -> ValidationError:
    """Place an error at a key below the one that is validated."""
    return ValidationError.from_exception_data("adapter", [InitErrorDetails(type=error, loc=(key,), input=given)])


AnyAdapter = Annotated[SerializeAsAny[AdapterConfig], WrapValidator(_of_its_kind)]


class Config(Strict):
    """One landscape: its systems, what runs over them, and who may call."""

    version: Literal[1] = Field(1, description="Version of this file's form.")
    state: str = Field(
        "sqlite:///drawbar.db",
        repr=False,
        description="Database of runs and the ledger: `sqlite:///FILE`, or `postgresql+psycopg://...` for many machines.",
    )
    queue: str = Field(
        "threads",
        repr=False,
        description="What rings the workers: `threads` of each process, or by Celery a RabbitMQ (`amqp://...`) or Redis (`redis://...`).",
    )
    state_key: SecretStr = Field(SecretStr(""), description="Encrypts kept inputs with secret or personal fields.")
    read_only: bool = Field(
        False, description="Nothing is changed at any system, and no run begins; `--read-only` says so for one process."
    )
    server: Server = Server()
    events: EventsConfig = Field(EventsConfig(), description="What becomes of events beside the journal.")
    notify: list[Notify] = Field(default_factory=list, description="Who is told of what, by webhook.")
    traces: Traces = Field(Traces(), description="Where spans of tool calls go.")
    history: History = Field(History(), description="For how long what is over is kept.")
    claims: ClaimsConfig = Field(ClaimsConfig(), description="What becomes of large values.")
    context: ContextConfig = Field(ContextConfig(), description="How much of the shared documents is kept.")
    mcp: McpConfig = Field(McpConfig(), description="What clients of MCP meet.")
    adapters: dict[Name, AnyAdapter] = Field(default_factory=dict, description="The systems, by name.")
    workflows: dict[Name, Workflow] = Field(default_factory=dict, description="Graphs of tasks, by name.")
    syncs: dict[Name, SyncConfig] = Field(default_factory=dict, description="What moves rows on a schedule, by name.")
    agents: dict[Name, AgentConfig] = Field(default_factory=dict, description="Named callers.")

    _base: Path = PrivateAttr(default_factory=Path.cwd)
    _files: tuple[Path, ...] = PrivateAttr(())
    _secrets: frozenset[str] = PrivateAttr(frozenset())
    _warnings: tuple[Problem, ...] = PrivateAttr(())
    _spots: dict[tuple[str | int, ...], Spot] = PrivateAttr(default_factory=dict)

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self._base

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read; none for the configuration that is not there."""
        return self._files

    @property
    def secrets(self) -> frozenset[str]:
        """What must never be printed."""
        return self._secrets

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What works and should not stay."""
        return self._warnings

    @property
    def state_url(self) -> str:
        """`state`, with the path of an SQLite file made absolute from `base`."""
        path = self.state.removeprefix("sqlite:///")
        if path == self.state or path.startswith((":memory:", "/", "file:")) or not path:
            return self.state
        return f"sqlite:///{(self._base / path).resolve()}"

    def placed(
        self,
        *,
        base: Path,
        files: tuple[Path, ...],
        secrets: frozenset[str],
        warnings: tuple[Problem, ...],
        spots: dict[tuple[str | int, ...], Spot],
    ) -> Self:
        """Tell a new configuration where it came from."""
        self._base, self._files, self._secrets = base, files, secrets
        self._warnings, self._spots = warnings, spots
        return self

    def spot(self, *path: str | int) -> Spot:
        """Give the place of a key in its file, for errors that are found later."""
        while path and path not in self._spots:
            path = path[:-1]
        return self._spots.get(path, Spot(str(self._files[0]) if self._files else "drawbar.yaml", 1, 1))

    @field_validator("state")
    @classmethod
    def _is_state(cls, given: str) -> str:
        if given.startswith(("postgresql://", "postgres://")):
            return f"postgresql+psycopg://{given.partition('://')[2]}"
        if not given.startswith(("sqlite:///", "postgresql+psycopg://")):
            said = "state is sqlite:///drawbar.db, or postgresql+psycopg://USER@HOST/DATABASE for many machines"
            raise PydanticCustomError("state", said)
        return given

    @field_validator("queue")
    @classmethod
    def _is_queue(cls, given: str, info: ValidationInfo) -> str:
        if given == "threads":
            return given
        if not given.startswith(("amqp://", "amqps://", "redis://", "rediss://")):
            said = "queue is 'threads', or for many machines amqp://USER@HOST/VHOST or redis://HOST/NUMBER"
            raise PydanticCustomError("queue", said)
        if str(info.data.get("state", "postgresql")).startswith("sqlite:"):
            raise PydanticCustomError("queue", "a queue on a broker needs state: postgresql+psycopg://...")
        return given
