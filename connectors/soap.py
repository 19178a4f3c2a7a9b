"""
The wire to a SOAP service: its operations, and one call of one of them.

A connector is the wire: plain values go in and come out, and only the five errors leave it.
"""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..core.endpoints import Endpoints
from ..core.errors import ConfigError, InputError
from ..core.tool import Call, Effect
from ..core.trace import CARRIED
from .discovery import Look
from .soap_contract import Contract, Operation, load
from .soap_documents import Documents
from .soap_endpoints import Ways
from .soap_faults import body_of
from .soap_http import Http, Url
from .soap_messages import HEADERS_KEY, optional_object, reader_of, schema_of, writer_of
from .soap_read import Readers, dereferenced
from .soap_schema import Schema
from .soap_security import Login, security
from .soap_types import Simple
from .soap_wire import Answer
from .soap_write import Unfit, Writers, escaped
from .soap_xml import SOAP_11, SOAP_12, local, namespace

T = TypeVar("T")
_TRACE_CONTEXT = "https://www.w3.org/TR/trace-context/"


@dataclass(frozen=True, slots=True)
class Tls:
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a service needs to be reached; secrets in it are never shown.

    `endpoint` goes before the WSDL's own address, and `look`, which finds several, before both.
    """

    wsdl: str
    endpoint: str | None = None
    look: Look | None = None
    refresh_s: float | None = None
    connect_timeout_s: float = 5
    headers: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None
    timestamp_ttl_s: float | None = None
    basic: tuple[str, str] | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    tls: Tls = Tls()
    load_timeout_s: float = 30
    max_bytes: int = 64 * 2**20


class Service:
    """A service by its WSDL. Creating one loads the WSDL; calls share its connections and may come from any thread."""

    def __init__(self, settings: Settings, endpoints: Endpoints | None = None) -> None:
        """`endpoints` is where it is kept how those stand that `settings.look` finds."""
        self.settings = settings
        self._http = Http(
            tls=lambda: _context(settings.tls), headers=_http_headers(settings), max_bytes=settings.max_bytes
        )
        try:
            deadline = time.monotonic() + settings.load_timeout_s
            documents = Documents(settings.wsdl, self._http, deadline=deadline, max_bytes=settings.max_bytes)
            self.contract: Contract = load(documents)
        except BaseException:
            self._http.close()
            raise
        self._security = security(settings.login, settings.timestamp_ttl_s)
        self.ways: Ways | None = None
        if settings.look is not None and endpoints is not None:
            self.ways = Ways(
                settings.look,
                endpoints,
                self._http,
                refresh_s=settings.refresh_s,
                connect_timeout_s=settings.connect_timeout_s,
            )

    def bound(self, operation: Operation) -> Bound:
        """Make what calls an operation; its writers and readers are made once, here."""
        return Bound(self, operation)

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        address: Callable[[], Url],
        envelope: str,
        http_headers: str,
        call: Call,
        effect: Effect,
        read: Callable[[Url, Answer], T],
    ) -> T:
        """Post an envelope, to `address` or to one of several, and read the answer."""
        body = envelope.encode()
        if (carried := CARRIED.get()) is not None:
            http_headers = f"{http_headers}traceparent: {carried.traceparent}\r\n"
        if self.ways is not None:
            return self.ways.ask(body, http_headers, call, effect, read)
        url = address()
        call.notes["endpoint"] = url.text
        answer = self._http.post(url, body, http_headers, deadline=call.deadline, leaving=call.leaving)
        call.notes["http_status"] = answer.status
        return read(url, answer)

    def reach(self, url: Url) -> str:
        """Open a connection and say what was found; raises like a call."""
        self._http.reach(url, deadline=time.monotonic() + self.settings.load_timeout_s)
        return "TLS is trusted" if url.secure else "without TLS"

    def security_header(self, *, masked: bool) -> str:
        return self._security(masked)


class Bound:
    """One operation, ready to be called."""

    def __init__(self, service: Service, operation: Operation) -> None:
        self._service = service
        self.operation = operation
        settings = service.settings
        self._address = settings.endpoint or operation.address
        self._url: Url | None = None
        self.http_headers = _action_headers(operation)
        constant = settings.headers
        self._asked = tuple(part for part in operation.input.headers if part.name not in _filled(operation, constant))
        writers = Writers(encoded=operation.input.encoded)
        self._write = writer_of(writers, operation.input)
        self._write_headers = [(part.name, writers.element(part.element)) for part in self._asked]
        self._constant = _constant_headers(writers, service.contract, operation, constant)
        self._start, self._end = _envelope(operation, writers)
        readers = Readers()
        self._read = reader_of(readers, operation.output) if operation.output else None
        self._details = {element.tag: readers.element(element) for element in operation.faults}
        self._encoded = bool(operation.output and operation.output.encoded)

    @property
    def address(self) -> str:
        """Say where calls go; of several, all."""
        ways = self._service.ways
        return self._address or "" if ways is None else ", ".join(ways.names())

    def to(self) -> Url:
        """Say where calls go; ConfigError when the WSDL names nothing that can be used and the configuration nothing at all."""
        if self._url is None:
            if not self._address:
                raise ConfigError(f"the WSDL names no address for {self.operation.name}", field="endpoints")
            self._url = Url.of(self._address)
        return self._url

    @staticmethod
    def without(envelope: str, value: Any, mask: str) -> str:
        """Hide a value of an envelope that is shown."""
        return envelope.replace(f">{escaped(str(value))}<", f">{mask}<")

    def input_schema(self) -> Schema:
        headers = optional_object(self._asked)
        return schema_of(self.operation.input, headers, output=False)

    def output_schema(self) -> Schema:
        if self.operation.output is None:
            return {"type": "object", "properties": {}}
        return schema_of(self.operation.output, None, output=True)

    def envelope(self, arguments: Mapping[str, Any], *, masked: bool = False) -> str:
        """Write what a call sends; InputError names the field that does not fit."""
        out: list[str] = []
        try:
            self._write(arguments, out)
            body = "".join(out)
            headers = self._headers(arguments, masked=masked)
        except Unfit as error:
            raise InputError(f"{error.path or 'arguments'}: {error.message}", field=error.path or None) from None
        return f"{self._start}{headers}<soap:Body>{body}{self._end}"

    def call(self, arguments: Mapping[str, Any], call: Call, effect: Effect) -> dict[str, Any]:
        """Send one call and give its answer as plain values."""

        def read(url: Url, answer: Answer) -> dict[str, Any]:
            body = body_of(answer, effect=effect, details=self._details, endpoint=url.text, one_way=self._read is None)
            if body is None or self._read is None:
                return {}
            return self._read(dereferenced(body) if self._encoded else body)

        envelope = self.envelope(arguments)
        return self._service.ask(self.to, envelope, self.http_headers, call, effect, read)

    def _headers(self, arguments: Mapping[str, Any], *, masked: bool) -> str:
        said = self._constant
        given = arguments.get(HEADERS_KEY) or {}
        if given:
            out: list[str] = []
            for name, write in self._write_headers:
                if name in given:
                    write(given[name], out)
            said += "".join(out)
        said += self._service.security_header(masked=masked)
        if (carried := CARRIED.get()) is not None and carried.soap_header:
            said += f'<t:traceparent xmlns:t="{_TRACE_CONTEXT}">{carried.traceparent}</t:traceparent>'
        return f"<soap:Header>{said}</soap:Header>" if said else ""


def _envelope(operation: Operation, writers: Writers) -> tuple[str, str]:
    space = SOAP_12 if operation.soap12 else SOAP_11
    start = f'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="{space}"{writers.declarations()}>'
    return start, "</soap:Body></soap:Envelope>"


def _action_headers(operation: Operation) -> str:
    action = operation.action.replace('"', "%22")
    if any(c < " " or c > "~" for c in action):
        raise ConfigError(f"the soapAction of {operation.name} cannot be sent: {operation.action!r}")
    if operation.soap12:
        said = f'; action="{action}"' if action else ""
        return f"Content-Type: application/soap+xml; charset=utf-8{said}\r\n"
    return f'Content-Type: text/xml; charset=utf-8\r\nSOAPAction: "{action}"\r\n'


def _http_headers(settings: Settings) -> dict[str, str]:
    said = {
        "User-Agent": "drawbar",
        "Accept": "text/xml, application/soap+xml, */*;q=0.1",
        "Accept-Encoding": "identity",
    }
    if settings.basic:
        token = base64.b64encode(":".join(settings.basic).encode()).decode()
        said["Authorization"] = f"Basic {token}"
    elif settings.bearer:
        if any(c <= " " or c > "~" for c in settings.bearer):
            raise ConfigError("the bearer token has characters that HTTP cannot carry", field="security.bearer")
        said["Authorization"] = f"Bearer {settings.bearer}"
    return said


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
        if tls.certificate_file:
            context.load_cert_chain(str(tls.certificate_file), str(tls.key_file) if tls.key_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"a certificate cannot be read: {error}", field="security.tls") from error
    return context


def _filled(operation: Operation, constant: Mapping[str, str]) -> set[str]:
    return {part.name for part in operation.input.headers if constant.keys() & {part.name, local(part.element.tag)}}


def _constant_headers(writers: Writers, contract: Contract, operation: Operation, constant: Mapping[str, str]) -> str:
    """Write the configured headers: as the contract declares them, or as an element `{namespace}name`."""
    out: list[str] = []
    for name, value in constant.items():
        declared = next(
            (part for part in operation.input.headers if name in {part.name, local(part.element.tag)}), None
        )
        try:
            if declared and isinstance(declared.element.type, Simple):
                writers.element(declared.element)(value, out)
                continue
            known = contract.schemas.elements_named(local(name)) if not namespace(name) else []
            tag = writers.name(declared.element.tag if declared else known[0] if len(known) == 1 else name)
            out.append(f"<{tag}>{escaped(value)}</{tag}>")
        except ValueError as error:
            raise ConfigError(f"the header {name} does not fit: {error}", field="headers") from error
    return "".join(out)
