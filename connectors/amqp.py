"""The wire to an AMQP 0-9-1 broker: where it is, how to log in, and what a failure to get there means."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException, AMQPConnectorStackTimeout
from pika.spec import BasicProperties

from ..core.errors import ConfigError, DrawbarError, OutcomeUnknown, Rejected, Unavailable
from .amqp_frames import properties_of

# What pika would log is in the errors that leave this package, without its parameters.
logging.getLogger("pika").setLevel(logging.CRITICAL)

FAILURES = (exceptions.AMQPError, exceptions.ChannelError, AMQPConnectorException, OSError)
_BROWSED_BYTES = 1 << 22
_PERMANENT = {403, 404, 405, 406, 530}
_NODE_DOWN = "is down or inaccessible"


@dataclass(frozen=True)
class Tls:
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    external: bool = False


@dataclass(frozen=True)
class Endpoint:
    """
    A broker, a virtual host and a login; the URL holds the password and is never shown.

    `hosts` are further brokers of the same cluster: where one cannot be reached, the next connection goes to the next one.
    """

    url: str = field(repr=False)
    tls: Tls = Tls()
    connect_timeout_s: float = 10
    heartbeat_s: int = 30
    blocked_timeout_s: float = 30
    hosts: tuple[str, ...] = ()
    _turn: list[int] = field(default_factory=lambda: [0], repr=False, compare=False)

    def go_on(self, tried: pika.URLParameters) -> None:
        """Let the next connection go to the next broker, unless somebody else saw to that."""
        if self.where == where(tried):
            self._turn[0] += 1

    @property
    def where(self) -> str:
        return self._places[self._at]

    def parameters(self) -> pika.URLParameters:
        """Give pika's parameters; ConfigError for a URL that cannot be read."""
        parameters = self._parsed(self._at)
        parameters.socket_timeout = self.connect_timeout_s
        parameters.stack_timeout = self.connect_timeout_s
        parameters.blocked_connection_timeout = self.blocked_timeout_s
        parameters.heartbeat = self.heartbeat_s
        parameters.connection_attempts = 1
        parameters.client_properties = {"product": "Drawbar", "connection_name": "drawbar"}
        if self.url.startswith("amqps:"):
            if self.tls.external:
                parameters.credentials = pika.credentials.ExternalCredentials()
            parameters.ssl_options = pika.SSLOptions(self._context(), parameters.host)
        return parameters

    @property
    def _at(self) -> int:
        return self._turn[0] % (len(self.hosts) + 1)

    @cached_property
    def _places(self) -> list[str]:
        """Every broker in words, read once: each call names one, and pika loads the system's authorities for a URL with TLS."""
        return [where(self._parsed(at)) for at in range(len(self.hosts) + 1)]

    def _parsed(self, at: int) -> pika.URLParameters:
        with_query = parse_qs(urlsplit(self.url).query)
        if with_query:
            raise ConfigError(
                "the AMQP URL takes no options after '?'", field="url", next=f"remove {', '.join(with_query)}"
            )
        try:
            parameters = pika.URLParameters(self.url)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise ConfigError(
                "the AMQP URL cannot be read", field="url", next="amqp://user:password@host:5672/vhost"
            ) from error
        if at:
            host, _, port = self.hosts[at - 1].partition(":")
            parameters.host, parameters.port = host, int(port) if port else parameters.port
        return parameters

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.tls.ca_file)
            if self.tls.certificate_file:
                context.load_cert_chain(self.tls.certificate_file, self.tls.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the TLS files cannot be used: {error}", field="tls") from error
        return context


@dataclass(frozen=True)
class Outgoing:
    """
    A message to publish.

    `properties` are those of AMQP by name (`content_type`, `message_id`, `headers`, ...); it has a message id, since
    returned messages are told apart by it. One that is `mandatory` must be taken by a queue.
    """

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    properties: Mapping[str, Any]
    mandatory: bool = True

    @property
    def message_id(self) -> str:
        return str(self.properties["message_id"])


@dataclass(eq=False, slots=True)
class Incoming:
    """
    One delivery. `tag` is good for an answer on the connection `life` that brought it, and nowhere else.

    `said` are its properties, encoded or by name.
    """

    body: bytes = field(repr=False)
    exchange: str
    routing_key: str
    redelivered: bool
    said: Mapping[str, Any] | bytes = field(repr=False)
    tag: int
    life: int = 0

    @property
    def properties(self) -> Mapping[str, Any]:
        if isinstance(self.said, bytes):
            self.said = properties_of(self.said)
        return self.said

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.properties.get("headers") or {}

    @property
    def message_id(self) -> str | None:
        return self.properties.get("message_id")

    @property
    def content_type(self) -> str | None:
        return self.properties.get("content_type")


def incoming(method: Any, properties: BasicProperties, body: bytes, life: int = 0) -> Incoming:
    plain = {name: value for name, value in vars(properties).items() if value is not None}
    return Incoming(body, method.exchange, method.routing_key, method.redelivered, plain, method.delivery_tag, life)


@contextmanager
def channel(endpoint: Endpoint, timeout_s: float) -> Iterator[BlockingChannel]:
    """
    Open a connection for a few calls of this thread; each waits `timeout_s` for its answer, and 6 seconds at least.

    What goes wrong in there is `refused` or Unavailable: whoever sends something in there decides for itself.
    """
    parameters = endpoint.parameters()
    # pika gives a silent broker up 5 s after a heartbeat is due: its blocking calls have no other limit.
    parameters.heartbeat = max(1, min(endpoint.heartbeat_s, int(timeout_s) - 5))
    parameters.stack_timeout = min(endpoint.connect_timeout_s, timeout_s)
    try:
        connection = pika.BlockingConnection(parameters)
    except (*FAILURES, ValueError) as error:
        raise unreachable(endpoint, error, parameters) from error
    try:
        yield connection.channel()
    except exceptions.ChannelClosedByBroker as error:
        raise refused(endpoint, error) from error
    except FAILURES as error:
        raise Unavailable(f"{endpoint.where}: the connection broke: {said(error)}") from error
    finally:
        with suppress(*FAILURES):
            connection.close()


def count(endpoint: Endpoint, queue: str, timeout_s: float) -> int:
    """Count the messages that wait in a queue; Rejected when there is none of that name."""
    with channel(endpoint, timeout_s) as opened:
        return waiting(opened, queue)


def counts(endpoint: Endpoint, queues: Sequence[str], timeout_s: float) -> dict[str, int]:
    """Count the messages that wait in several queues, over one connection; one that is not there is left out."""
    found: dict[str, int] = {}
    with channel(endpoint, timeout_s) as first:
        for queue in queues:
            opened = first.connection.channel()
            try:
                found[queue] = waiting(opened, queue)
                opened.close()
            except exceptions.ChannelClosedByBroker:
                continue
    return found


def browse(endpoint: Endpoint, queue: str, most: int, timeout_s: float) -> tuple[int, list[Incoming]]:
    """
    Count a queue and look at its first messages, which are all put back in their places.

    The broker marks them as redelivered, and a quorum queue counts that it had them back.
    """
    found: list[Incoming] = []
    with channel(endpoint, timeout_s) as opened:
        holds = waiting(opened, queue)
        while len(found) < most and sum(len(one.body) for one in found) < _BROWSED_BYTES:
            if (message := _first(opened, queue)) is None:
                break
            found.append(message)
        if found:
            opened.basic_nack(found[-1].tag, multiple=True, requeue=True)
            opened.close()
    return holds, found


def take(endpoint: Endpoint, queue: str, keep: Callable[[Incoming], None], timeout_s: float) -> Incoming | None:
    """
    Take one message: `keep` is given it and must have stored it when it returns; then it is acknowledged.

    A lost acknowledgement is OutcomeUnknown: the message is kept and may come again.
    """
    with channel(endpoint, timeout_s) as opened:
        if (message := _first(opened, queue)) is None:
            return None
        keep(message)
        try:
            opened.basic_ack(message.tag)
            opened.close()
        except FAILURES as error:
            raise OutcomeUnknown(f"{endpoint.where}: no answer to the acknowledgement: {said(error)}") from error
        return message


def waiting(opened: BlockingChannel, queue: str) -> int:
    return int(opened.queue_declare(queue, passive=True).method.message_count)


def _first(opened: BlockingChannel, queue: str) -> Incoming | None:
    method, properties, body = opened.basic_get(queue)
    if method is None or properties is None or body is None:
        return None
    return incoming(method, properties, body)


_GUESSES = (
    exceptions.IncompatibleProtocolError,
    exceptions.ProbableAuthenticationError,
    exceptions.ProbableAccessDeniedError,
)
_IF_IT_STAYS = "if it stays so, check port, user, password and virtual host, and amqps:// for TLS"


def where(parameters: pika.URLParameters) -> str:
    vhost = parameters.virtual_host
    return f"{parameters.host}:{parameters.port}{'' if vhost == '/' else f'/{vhost}'}"


def unreachable(endpoint: Endpoint, error: BaseException, tried: pika.URLParameters) -> DrawbarError:
    """
    Say why there is no connection; what a person must change is a ConfigError, all else Unavailable.

    The next connection goes to the next broker, where there are several.
    """
    place = where(tried)
    endpoint.go_on(tried)
    for cause in causes(error):
        if isinstance(cause, _GUESSES) and "StreamLostError" in str(cause.args):
            # pika guesses from the moment at which the line was lost; a broker that begins, or a proxy before it, cuts it too.
            return Unavailable(f"{place}: the connection was lost while it was made", next=_IF_IT_STAYS)
        code = getattr(cause, "reply_code", None)
        if isinstance(cause, exceptions.ProbableAuthenticationError) or code == 403:
            return ConfigError(f"{place} refused the login", field="url", next="check user and password")
        if isinstance(cause, exceptions.ProbableAccessDeniedError) or code == 530:
            next_step = "check the virtual host and the user's rights on it"
            return ConfigError(f"{place} refused the virtual host", field="url", next=next_step)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ConfigError(
                f"{place}: {cause.verify_message}", field="tls", next="check tls.ca_file and the host name"
            )
        if isinstance(cause, exceptions.IncompatibleProtocolError):
            return ConfigError(
                f"{place} does not speak AMQP 0-9-1", field="url", next="check the port, and amqps:// for TLS"
            )
    return Unavailable(f"{place}: no connection: {said(error)}")


def refused(endpoint: Endpoint, error: Any) -> DrawbarError:
    """Say why the broker closed a channel: it understood and said no, or it is in trouble itself."""
    is_away = _NODE_DOWN in error.reply_text  # a classic queue, or one without a majority: it comes back with its node
    kind = Rejected if error.reply_code in _PERMANENT and not is_away else Unavailable
    return kind(f"{endpoint.where}: {error.reply_text}", detail={"code": error.reply_code, "message": error.reply_text})


def said(error: BaseException) -> str:
    """Give the innermost reason in words: pika's own texts nest and show its parameters."""
    last = [*causes(error)][-1]
    if isinstance(last, AMQPConnectorStackTimeout | TimeoutError):
        return "no answer in time"
    if isinstance(last, OSError):
        return last.strerror or str(last) or type(last).__name__
    return getattr(last, "reply_text", None) or str(last.args[0] if last.args else "") or type(last).__name__


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that it carries, outermost first."""
    yield error
    inner = [getattr(error, "exception", None), *getattr(error, "exceptions", ()), *error.args]
    for one in inner:
        if isinstance(one, BaseException) and one is not error:
            yield from causes(one)
            return
