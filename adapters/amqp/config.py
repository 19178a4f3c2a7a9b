"""How the configuration spells a broker: what is published where, and which queues are consumed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ...core.adapter import AdapterConfig
from ...core.expressions import Sees, Template
from ...core.strict import Strict
from ..formats import AnyFormat

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Argument = Annotated[Template, Sees("arguments")]
Key = Annotated[str, StringConstraints(max_length=255)]


class Binding(Strict):
    """What of an exchange comes to a queue."""

    exchange: str = Field(min_length=1, max_length=255, description="The exchange that the queue is bound to.")
    routing_key: Key = Field("", description="Routing key or pattern of the binding.")
    type: Literal["topic", "direct", "fanout", "headers"] = Field("topic", description="Kind of that exchange.")


class QueueDeclared(Strict):
    """How a queue is made that is not there yet; it is always durable."""

    type: Literal["quorum", "classic"] = Field("quorum", description="Kind of the queue.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Further arguments, such as x-max-length.")
    bind: list[Binding] = Field(default_factory=list, description="Exchanges whose messages come to it.")


class ExchangeDeclared(Strict):
    """How an exchange is made that is not there yet; it is always durable."""

    type: Literal["topic", "direct", "fanout", "headers"] = Field("topic", description="Kind of the exchange.")


class TlsConfig(Strict):
    ca_file: Path | None = Field(None, description="Whom to trust; the system's authorities when absent.")
    certificate_file: Path | None = Field(None, description="Our own certificate, for brokers that ask for one.")
    key_file: Path | None = Field(None, description="Its key, when it is not in the same file.")
    login: Literal["password", "certificate"] = Field(
        "password",
        description="certificate: the broker takes the user from our certificate (EXTERNAL), and the url names none.",
    )


class Sent(Strict):
    """What every message that we send can say."""

    exchange: str = Field("", max_length=255, description="Exchange; the default exchange when absent.")
    routing_key: Argument = Field(description="Routing key; the queue's name on the default exchange.")
    content_type: str = Field("application/json", description="What the body is: JSON, text, XML, or bytes.")
    format: AnyFormat | None = Field(
        None, description="How records become bodies, as in a feed; content_type is then application/octet-stream."
    )
    records: bool = Field(False, description="A body of the format has several records: a list.")
    schema_: Path | dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema of the body, or its file."
    )
    headers: dict[str, Argument] = Field(default_factory=dict, description="Headers of every message.")
    description: str | None = Field(None, description="What callers read about the tool.")
    mandatory: bool = Field(True, description="A message that no queue takes is rejected, not dropped.")
    persistent: bool = Field(True, description="Messages survive a restart of the broker on durable queues.")

    correlation_id: Argument | None = Field(None, description="Correlation id, where a call gives none.")
    reply_to: Argument | None = Field(None, description="Where answers are awaited, where a call says nothing.")
    type: Argument | None = Field(None, description="What kind of message it is, for its receivers.")
    priority: int | None = Field(None, ge=0, le=255, description="Priority, on queues that have priorities.")
    expiration_s: float | None = Field(
        None,
        gt=0,
        le=4_294_967,
        description="A message that waits longer than so many seconds is dropped or dead-lettered.",
    )
    declare: bool | ExchangeDeclared = Field(
        False, description="Make the exchange when it is not there; without it, it is looked for and must be there."
    )

    later: ClassVar[dict[str, str]] = {"expiration": "is written expiration_s here, in seconds"}


class PublishConfig(Sent):
    """One publication: the tool `publish_<name>`."""


class ReplyConfig(Strict):
    """What comes back."""

    queue: Literal["direct", "exclusive"] = Field(
        "direct", description="direct: the broker's direct reply-to; exclusive: a queue of this connection's own."
    )
    content_type: str = Field("application/json", description="What an answer is that does not say it itself.")
    format: AnyFormat | None = Field(None, description="What is in the answers, as in a feed; over content_type.")
    records: bool = Field(False, description="An answer of the format has several records: a list.")


class RequestConfig(Sent):
    """One request that is answered: the tool `request_<name>`. An answer that does not come in time is an unknown outcome."""

    persistent: bool = Field(False, description="The request survives a restart of the broker on a durable queue.")
    reply: ReplyConfig = Field(default_factory=ReplyConfig, description="What comes back, and where.")

    later: ClassVar[dict[str, str]] = {
        **Sent.later,
        "reply_to": "is made by request_ itself; see reply:",
        "timeout_s": "is said of the tool: tools: { request_NAME: { timeout_s: } }",
    }


class DeadLetter(Strict):
    """Where messages go that cannot be worked on."""

    exchange: str = Field("", max_length=255, description="Exchange; the default exchange when absent.")
    routing_key: str = Field(max_length=255, description="The queue's name on the default exchange.")


class ConsumeConfig(Strict):
    """One queue: triggers, syncs, and the tools `get_<name>` and `settle_<name>`."""

    queue: str = Field(min_length=1, max_length=255, description="Name of the queue; it must be there.")
    prefetch: int = Field(20, ge=1, le=65535, description="How many messages may wait here for their answer.")
    max_attempts: int = Field(5, ge=1, description="After that many failures a message is dead-lettered.")
    settle: Literal["accepted", "finished"] = Field(
        "accepted",
        description="When a message is acknowledged: accepted: its run is in the journal; finished: its run has ended (one that failed is dead-lettered).",
    )
    max_waiting: int | None = Field(
        None,
        ge=1,
        description="With so many unfinished runs of the workflow no more begin; messages stay on the queue.",
    )
    group: Annotated[Template, Sees("message")] | None = Field(
        None,
        description="Runs of messages of the same group come one after the other, in the order of the queue, which one process at a time consumes.",
    )
    content_type: str = Field("application/json", description="What a body is that does not say it itself.")
    format: AnyFormat | None = Field(
        None, description="What is in the bodies, as in a feed: copybook, fixed, xml, edifact ...; over content_type."
    )
    records: bool = Field(False, description="A body of the format has several records: message.body is a list.")
    dead_letter: DeadLetter | None = Field(
        None, description="Where dead letters go; the queue's own dead letter exchange when absent."
    )

    declare: bool | QueueDeclared = Field(
        False,
        description="Make the queue, what it is bound to and the queue of its dead letters when they are not there; without it they are looked for and must be there.",
    )

    on_poison: Literal["continue", "hold_group"] = Field(
        "continue",
        description="What a dead letter does to its group: continue: those after it start their runs; hold_group: they wait on the queue, in order, until somebody releases the group.",
    )

    @model_validator(mode="after")
    def _holds_a_group(self) -> Self:
        if self.on_poison == "hold_group" and self.group is None:
            raise PydanticCustomError("on_poison", "on_poison: hold_group needs group:, which says what is held")
        return self


class AmqpConfig(AdapterConfig):
    """An AMQP 0-9-1 broker, such as RabbitMQ."""

    url: SecretStr = Field(description="amqp://user:password@host:5672/vhost, or amqps:// for TLS.")
    hosts: list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(:[0-9]{1,5})?$")]] = Field(
        default_factory=list,
        description="Further brokers of the same cluster, HOST or HOST:PORT, asked in turn when one cannot be reached; login, virtual host and TLS are those of `url`.",
    )
    tls: TlsConfig | None = Field(None, description="For amqps://: whom to trust, and our own certificate.")
    connect_timeout_s: float = Field(10, gt=0, le=300, description="Limit of connecting and logging in, in seconds.")
    heartbeat_s: int = Field(30, ge=1, le=3600, description="A line without a sign of life for twice that is dead.")
    publish: dict[Name, PublishConfig] = Field(default_factory=dict, description="What may be published, by name.")
    consume: dict[Name, ConsumeConfig] = Field(default_factory=dict, description="Which queues are read, by name.")

    request: dict[Name, RequestConfig] = Field(default_factory=dict, description="What is asked and answered, by name.")
    declare: bool = Field(False, description="`declare` of everything that does not say it itself.")

    @model_validator(mode="after")
    def _raw(self) -> Self:
        """Hide bodies that cannot be read where a field of the others is hidden."""
        for rules in self.tools.values():
            rules.hide_beside("body", ("raw", "problem"))
        return self

    @field_validator("hosts")
    @classmethod
    def _ports(cls, given: list[str]) -> list[str]:
        for one in given:
            if not 0 < int(one.partition(":")[2] or 5672) < 65536:
                raise PydanticCustomError("hosts", "{one} has no port that there is", {"one": one})
        return given

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise PydanticCustomError("url", "the url of a broker begins with amqp:// or amqps://")
        return url

    @model_validator(mode="after")
    def _tls_needs_its_scheme(self) -> Self:
        if self.tls and not self.url.get_secret_value().startswith("amqps://"):
            raise PydanticCustomError("tls", "tls: is for amqps://; this url begins with amqp://")
        return self
