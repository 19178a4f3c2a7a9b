"""
HTTP for SOAP: kept connections, one deadline for a whole exchange, and errors that know their phase.

Nothing of the environment is read (no proxy, no CA bundle): what counts stands in the configuration.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ..core.errors import ConfigError, OutcomeUnknown, Unavailable
from .soap_wire import Answer, Broken, Wire

_IDLE = 1024  # the budget bounds how many are open at once
_REFUSALS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
_LOGIN = re.compile(r"(?<=//)[^/@]*@")
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Url:
    """
    An endpoint, taken apart once. `credentials` in it are refused: they belong to `security`.

    `at` is where to connect; TLS and the header Host keep to the host of the URL.
    """

    text: str
    secure: bool
    host: str
    port: int
    path: str
    head: str = field(repr=False)
    at: tuple[str, int] = ("", 0)

    @classmethod
    def of(cls, text: str, at: tuple[str, int] | None = None) -> Url:
        try:
            split = urlsplit(text)
            port = split.port
        except ValueError as error:
            raise ConfigError(f"{text!r} is no URL: {error}") from error
        if split.scheme not in {"http", "https"} or not split.hostname or any(c <= " " for c in text):
            raise ConfigError(f"{text!r} is no http or https URL")
        if split.username or split.password:
            raise ConfigError("an URL with a password in it is refused", next="use security.basic")
        path = (split.path or "/") + (f"?{split.query}" if split.query else "")
        secure = split.scheme == "https"
        host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
        head = f"{path} HTTP/1.1\r\nHost: {host}{f':{port}' if port else ''}\r\n"
        number = port or (443 if secure else 80)
        return cls(text, secure, split.hostname, number, path, head, at or (split.hostname, number))

    @property
    def origin(self) -> tuple[bool, str, str, int]:
        return self.secure, self.host, *self.at

    @property
    def where(self) -> str:
        """Say where a connection goes."""
        own = (self.host, self.port)
        return f"{self.host}:{self.port}" if self.at == own else f"{self.host}:{self.port} at {self.at[0]}:{self.at[1]}"


def without_secrets(location: str) -> str:
    """Leave a login and the query, which may be a token, out of what a host sends us to: it is quoted to agents too."""
    return _LOGIN.sub("", re.split("[?#]", location, maxsplit=1)[0])


class Http:
    """
    Connections to the hosts of one adapter.

    `post` and `get` raise Unavailable while the request has not left in full, OutcomeUnknown afterwards, and ConfigError
    for a certificate that is not trusted.
    """

    def __init__(self, *, tls: Callable[[], ssl.SSLContext], headers: Mapping[str, str], max_bytes: int) -> None:
        self._make_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._idle: dict[tuple[bool, str, str, int], deque[Wire]] = {}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.max_bytes = max_bytes
        self._closed = False

    def post(
        self,
        url: Url,
        body: bytes,
        headers: str,
        *,
        deadline: float,
        leaving: Callable[[], None] = lambda: None,
        connect_deadline: float | None = None,
    ) -> Answer:
        """Send one request; `headers` are lines that end in CRLF. A redirect is an answer like any other."""
        return self._exchange(url, self._posted(url, body, headers), deadline, leaving, connect_deadline)

    def begin(self, url: Url, body: bytes, headers: str, deadline: float) -> Wire | None:
        """Send a request on a connection that lies idle, and wait for nothing; None where that cannot be, and nothing left."""
        data = self._posted(url, body, headers)
        while (wire := self._taken(url)) is not None:
            wire.deadline = deadline
            try:
                if wire.send_now(data):
                    return wire
            except OSError:
                pass  # the next one may be whole
            wire.close()
        return None

    def give_back(self, url: Url, wire: Wire, *, kept: bool) -> None:
        """Keep a connection for the next call, or close it."""
        idle = self._idle.setdefault(url.origin, deque())
        if kept and not self._closed and len(idle) < _IDLE:
            idle.append(wire)
        else:
            wire.close()

    def ask(self, url: Url, *, deadline: float) -> Answer:
        """Send a GET; a redirect is an answer like any other."""
        return self._exchange(url, f"GET {url.head}{self._head}\r\n".encode("latin-1"), deadline, lambda: None)

    def get(self, url: Url, *, deadline: float) -> Answer:
        """Fetch a document, following redirects on the same host only."""
        for _ in range(5):
            answer = self.ask(url, deadline=deadline)
            if answer.status not in _REDIRECTS:
                return answer
            target = Url.of(urljoin(url.text, answer.headers.get("location", "")))
            if target.host != url.host or (url.secure and not target.secure):
                raise ConfigError(
                    f"{url.text} leads to {without_secrets(target.text)}, another host",
                    next="use that URL if you trust it",
                )
            url = target
        raise ConfigError(f"{without_secrets(url.text)} redirects in a circle")

    def reach(self, url: Url, *, deadline: float) -> None:
        """Open a connection and close it again."""
        self._open(url, deadline).close()

    def close(self) -> None:
        self._closed = True
        for wires in self._idle.values():
            while wires:
                wires.pop().close()

    def _exchange(
        self,
        url: Url,
        data: bytes,
        deadline: float,
        leaving: Callable[[], None],
        connect_deadline: float | None = None,
    ) -> Answer:
        wire = self._taken(url) or self._open(url, connect_deadline or deadline)
        wire.deadline = deadline
        kept = False
        try:
            leaving()
            self._send(wire, url, data)
            try:
                answer, kept = wire.receive(self.max_bytes)
            except TimeoutError:
                raise OutcomeUnknown(f"{url.text} did not answer in time") from None
            except (OSError, Broken) as error:
                raise_if_refused(url, error)
                raise OutcomeUnknown(f"{url.text} broke off its answer: {_said(error)}") from error
            return answer
        finally:
            self.give_back(url, wire, kept=kept)

    def _posted(self, url: Url, body: bytes, headers: str) -> bytes:
        head = f"POST {url.head}{self._head}{headers}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("latin-1") + body

    def _taken(self, url: Url) -> Wire | None:
        """Take a connection that lies idle and is still whole."""
        idle = self._idle.get(url.origin)
        while idle:
            try:
                wire = idle.pop()
            except IndexError:
                break
            if not wire.is_stale():
                return wire
            wire.close()
        return None

    def _open(self, url: Url, deadline: float) -> Wire:
        try:
            return Wire(*url.at, self._context() if url.secure else None, deadline, url.host)
        except ssl.SSLCertVerificationError as error:
            raise ConfigError(
                f"{url.where} shows a certificate that is not trusted: {error.verify_message}",
                next="security.tls.ca_file names the authority to trust",
            ) from error
        except ssl.SSLError as error:
            raise_if_refused(url, error)
            raise Unavailable(f"TLS with {url.where} failed: {error.reason or error}") from error
        except TimeoutError:
            raise Unavailable(f"{url.where} did not accept a connection in time") from None
        except socket.gaierror as error:
            raise Unavailable(f"the host name {url.host} cannot be found: {error.strerror}") from error
        except OSError as error:
            raise Unavailable(f"{url.where} cannot be reached: {error.strerror or error}") from error

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = self._make_tls()
            return self._tls

    @staticmethod
    def _send(wire: Wire, url: Url, data: bytes) -> None:
        try:
            wire.send(data)
        except OSError as error:
            raise_if_refused(url, error)
            # The host has not got the whole body, so it has nothing that it could work on.
            raise Unavailable(f"{url.text} did not take the whole request: {_said(error)}") from error


def raise_if_refused(url: Url, error: BaseException) -> None:
    """
    Raise ConfigError where a host's TLS refuses who we are: it has not read the request.

    With TLS 1.3 it says so only when our side of the handshake is over and the request may have left.
    """
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if "ALERT" in reason and any(word in reason for word in _REFUSALS):
        raise ConfigError(
            f"{url.where} does not take our certificate, or misses one: {reason.lower().replace('_', ' ')}",
            next="security.tls names certificate_file and key_file",
        ) from error


def _said(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
