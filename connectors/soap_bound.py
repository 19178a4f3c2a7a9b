"""One operation of a service, ready to be called: what is written, what is read, and what it may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError, InputError
from ..core.tool import Call, Effect
from ..core.trace import CARRIED
from ..core.values import to_json
from .soap_attachments import Outgoing, packed
from .soap_content import Unfit, Write
from .soap_contract import Operation, Part
from .soap_faults import body_of, usual_body
from .soap_http import Url
from .soap_messages import HEADERS_KEY, read_headers, reader_of, schema_of, writer_of
from .soap_read import Readers, dereferenced
from .soap_reading import LONG_BYTES, Reading
from .soap_schema import Schema
from .soap_security import BODY, WSU
from .soap_sweeps import put_off
from .soap_text import escaped
from .soap_types import Simple
from .soap_wire import Answer
from .soap_write import Writers
from .soap_xml import SOAP_11, SOAP_12, Node, local, namespace

if TYPE_CHECKING:
    from .soap import Service

_TRACE_CONTEXT = "https://www.w3.org/TR/trace-context/"


@dataclass(frozen=True, slots=True)
class _Lines:
    """What is made once for an operation."""

    write: Write
    asked: Mapping[str, Write]
    varying: Mapping[str, Write]
    constant: str
    start: str
    read: Callable[[Node], dict[str, Any]] | None
    is_plain: bool
    """Answers need no prefixes, and nothing but their body is looked at."""
    details: Mapping[str, Callable[[Node], Any]]


class Bound:
    """One operation, ready to be called."""

    def __init__(self, service: Service, operation: Operation) -> None:
        self._service = service
        self.operation = operation
        settings = service.settings
        self._address = settings.endpoint or operation.address
        self._url: Url | None = None
        self.http_headers = _action_headers(operation)
        self._filled = _filled(operation, {*settings.headers, *settings.varying})
        self._encoded = bool(operation.output and operation.output.encoded)
        if settings.headers:
            _ = self._lines  # so that a header which does not fit is found when the service is loaded

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
        asked = self._asked()
        return schema_of(self.operation.input, asked, output=False) if asked else self.operation.input_schema

    def output_schema(self) -> Schema:
        return self.operation.output_schema

    def envelope(
        self, arguments: Mapping[str, Any], varying: Mapping[str, Any] | None = None, *, masked: bool = False
    ) -> str:
        """Write what a call sends; InputError names the field that does not fit."""
        return self._written(arguments, varying or {}, [], masked=masked)

    def call(
        self, arguments: Mapping[str, Any], call: Call, effect: Effect, varying: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send one call and give its answer as plain values; `varying` are SOAP headers of this call alone."""
        body, http_headers = self._request(arguments, varying or {})
        return self._service.ask(self.to, body, http_headers, call, effect, partial(self.answered, effect))

    def begin(
        self, arguments: Mapping[str, Any], call: Call, varying: Mapping[str, Any] | None = None
    ) -> Reading | None:
        """Send a read and wait for nothing; None where that needs a thread, and nothing has left."""
        if self._service.signer is not None or self._service.ways is not None:
            return None
        body, http_headers = self._request(arguments, varying or {})
        if len(body) > LONG_BYTES:
            return None
        return self._service.begin(self.to(), body, http_headers, call, partial(self.answered, "read"))

    def _request(self, arguments: Mapping[str, Any], varying: Mapping[str, Any]) -> tuple[bytes, str]:
        """Make the body and the header lines of one call."""
        out = Outgoing()
        envelope = self._written(arguments, varying, out, masked=False)
        if self._service.signer is not None:
            envelope = self._service.signer.sign(envelope)
        if not out.attachments:
            return envelope.encode(), self.http_headers
        xop = self._service.settings.mtom_over is not None
        return packed(envelope.encode(), self.http_headers, out.attachments, xop=xop)

    def answered(self, effect: Effect, url: Url, answer: Answer) -> dict[str, Any]:
        lines = self._lines
        if lines.is_plain and lines.read is not None:
            with put_off() if len(answer.body) > LONG_BYTES else nullcontext():
                found = _usually(lines.read, answer)
            if found is not None:
                return found
        body, beside = body_of(
            answer,
            effect=effect,
            details=lines.details,
            endpoint=url.text,
            one_way=lines.read is None,
            verify=self._service.verifier,
        )
        read = {} if body is None else self.read(body)
        return _with_attachments(read, beside, self.operation) if beside else read

    def read(self, body: Node) -> dict[str, Any]:
        """Read the `Body` of an answer."""
        read = self._lines.read
        return {} if read is None else read(dereferenced(body) if self._encoded else body)

    def _written(
        self, arguments: Mapping[str, Any], varying: Mapping[str, Any], out: list[str], *, masked: bool
    ) -> str:
        lines = self._lines
        try:
            lines.write(arguments, out)
            body = "".join(out)
            headers = self._headers(arguments, varying, masked=masked)
        except Unfit as error:
            raise InputError(f"{error.path or 'arguments'}: {error.message}", field=error.path or None) from None
        return f"{lines.start}{headers}<soap:Body{self._body_id}>{body}</soap:Body></soap:Envelope>"

    @property
    def _body_id(self) -> str:
        return f' xmlns:wsu="{WSU}" wsu:Id="{BODY}"' if self._service.signer is not None else ""

    def _headers(self, arguments: Mapping[str, Any], varying: Mapping[str, Any], *, masked: bool) -> str:
        lines = self._lines
        said = lines.constant
        given = arguments.get(HEADERS_KEY) or {}
        if given or varying:
            out: list[str] = []
            for values, writes in ((given, lines.asked), (varying, lines.varying)):
                for name, write in writes.items():
                    if values.get(name) is not None:
                        try:
                            write(values[name], out)
                        except Unfit as error:
                            raise error.under(f"{HEADERS_KEY}.{name}") from None
            said += "".join(out)
        said += self._service.security_header(masked=masked)
        if (carried := CARRIED.get()) is not None and carried.soap_header:
            said += f'<t:traceparent xmlns:t="{_TRACE_CONTEXT}">{carried.traceparent}</t:traceparent>'
        return f"<soap:Header>{said}</soap:Header>" if said else ""

    def _asked(self) -> tuple[Part, ...]:
        """Give the headers that the contract declares and the configuration does not fill."""
        return tuple(part for part in self.operation.input.headers if part.name not in self._filled)

    @cached_property
    def _lines(self) -> _Lines:
        operation, settings = self.operation, self._service.settings
        writers = Writers(encoded=operation.input.encoded, soap12=operation.soap12, beside_over=settings.mtom_over)
        write = writer_of(writers, operation.input)
        asked = {part.name: writers.element(part.element) for part in self._asked()}
        constant: list[str] = []
        for name, value in settings.headers.items():
            try:
                self._header(writers, name)(value, constant)
            except ValueError as error:
                raise ConfigError(f"the header {name} does not fit: {error}", field="headers") from error
        readers = Readers()
        read = reader_of(readers, operation.output) if operation.output else None
        if operation.output and operation.output.headers:
            read = read_headers(readers, operation.output, read)
        alone = (
            self._service.verifier is None and not self._encoded and not (operation.output and operation.output.headers)
        )
        return _Lines(
            write=write,
            asked=asked,
            varying={name: self._header(writers, name) for name in settings.varying},
            constant="".join(constant),
            start=_start(operation, writers),
            read=read,
            is_plain=alone and not readers.need_prefixes,
            details={element.tag: readers.element(element) for element in operation.faults},
        )

    def _header(self, writers: Writers, name: str) -> Write:
        """Make what writes a configured header: as the contract declares it, or as an element `{namespace}name`."""
        headers = self.operation.input.headers
        declared = next((part for part in headers if name in {part.name, local(part.element.tag)}), None)
        if declared is not None:
            exact = writers.element(declared.element)
            if isinstance(declared.element.type, Simple):
                return exact
            tag = writers.name(declared.element.tag)
            return lambda value, out: (exact if isinstance(value, Mapping) else _text(tag))(value, out)
        known = self._service.contract.tags.get(local(name), []) if not namespace(name) else []
        return _text(writers.name(known[0] if len(known) == 1 else name))


def _usually(read: Callable[[Node], dict[str, Any]], answer: Answer) -> dict[str, Any] | None:
    """Read a usual answer; None for any other."""
    body = usual_body(answer)
    return None if body is None else read(body)


def _text(tag: str) -> Write:
    def write(value: Any, out: list[str]) -> None:
        plain = to_json(value)
        text = str(plain).lower() if isinstance(plain, bool) else str(plain)
        out.append(f"<{tag}>{escaped(text)}</{tag}>")

    return write


def _with_attachments(found: dict[str, Any], beside: list[Any], operation: Operation) -> dict[str, Any]:
    """Add what came beside the envelope and is not named in it: the parts that the contract declares, and others."""
    names = list(operation.output.attached) if operation.output else []
    others: list[dict[str, Any]] = []
    for each in beside:
        own = next((name for name in names if each.content_id.partition("=")[0] == name), None)
        if own is None and len(names) == len(beside):
            own = names[0]
        if own is None:
            others.append({"content_type": each.content_type, "content": each.body})
        else:
            names.remove(own)
            found[own] = each.body
    return {**found, "_attachments": others} if others else found


def _start(operation: Operation, writers: Writers) -> str:
    space = SOAP_12 if operation.soap12 else SOAP_11
    return f'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="{space}"{writers.declarations()}>'


def _action_headers(operation: Operation) -> str:
    action = operation.action.replace('"', "%22")
    if any(c < " " or c > "~" for c in action):
        raise ConfigError(f"the soapAction of {operation.name} cannot be sent: {operation.action!r}")
    if operation.soap12:
        said = f'; action="{action}"' if action else ""
        return f"Content-Type: application/soap+xml; charset=utf-8{said}\r\n"
    return f'Content-Type: text/xml; charset=utf-8\r\nSOAPAction: "{action}"\r\n'


def _filled(operation: Operation, given: set[str]) -> set[str]:
    return {part.name for part in operation.input.headers if given & {part.name, local(part.element.tag)}}
