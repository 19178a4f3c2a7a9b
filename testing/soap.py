"""A stand-in for a SOAP service: any document/literal WSDL, SOAP 1.1 and 1.2, with scripted answers."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import zeep
from lxml import etree
from zeep.exceptions import Error as ZeepError
from zeep.helpers import serialize_object
from zeep.xsd.context import XmlParserContext

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
CONTENT_TYPES = {SOAP_11: "text/xml; charset=utf-8", SOAP_12: "application/soap+xml; charset=utf-8"}
ADDRESSES = ("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/")
MAX_BYTES = 10_000_000


class SoapFault(Exception):
    """
    Say no.

    `code` is "Client", "Server", or the service's own ("ERR-017"); `detail` fills the fault that the WSDL declares.
    """

    def __init__(self, code: str, text: str, detail: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.detail = detail


@dataclass(frozen=True)
class Hang:
    """Wait, then answer with `then`, or cut the line."""

    seconds: float
    then: Answer = None


@dataclass(frozen=True)
class Close:
    """Cut the line without an answer."""


@dataclass(frozen=True)
class HttpError:
    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/plain"


def Html(status: int = 200) -> HttpError:  # noqa: N802 - it reads as the other misbehaviours do
    """Answer with a web page, as a proxy in maintenance does."""
    return HttpError(status, "<html><body><h1>Maintenance</h1></body></html>", content_type="text/html")


Answer = Mapping[str, Any] | SoapFault | Hang | Close | HttpError | None
Script = Callable[[dict[str, Any]], Answer] | Sequence[Answer]


@dataclass(frozen=True)
class Received:
    operation: str
    arguments: dict[str, Any]
    headers: Mapping[str, str]


class SoapService:
    """
    Serve the operations of a WSDL until closed; `answers` has a script for each, by name.

    A callable gets the arguments and gives the answer, or raises SoapFault; of a list each call takes the next, and
    the last one stays. Whatever else a script gives is misbehaviour: the effect of a callable has then happened.
    """

    def __init__(self, wsdl: Path, answers: Mapping[str, Script], *, port: int = 0) -> None:
        self.wsdl_file = wsdl
        self.received: list[Received] = []
        self._scripts = {name: script if callable(script) else _in_turn(script) for name, script in answers.items()}
        self._document = zeep.Client(str(wsdl)).wsdl
        self._operations = {operation.input.body.qname: operation for operation in _operations(self._document)}
        if unknown := {*answers} - {operation.name for operation in self._operations.values()}:
            raise ValueError(f"the WSDL has no operation {', '.join(sorted(unknown))}")
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Request)
        self._http.service = self
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/{wsdl.stem}"
        self.wsdl = f"{self.url}?wsdl"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), name="soap-accept", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; a line that is kept open is cut at its next call."""
        self._http.closed = True
        self._http.shutdown()
        self._http.server_close()

    def file(self, target: str) -> bytes | None:
        """Give the WSDL with this service's address, or a schema file beside it."""
        if target == urlsplit(self.url).path:
            tree = etree.parse(str(self.wsdl_file))
            for namespace in ADDRESSES:
                for address in tree.iter(f"{{{namespace}}}address"):
                    address.set("location", self.url)
            return etree.tostring(tree, xml_declaration=True, encoding="utf-8")
        beside = self.wsdl_file.parent / target.rsplit("/", 1)[-1]
        return beside.read_bytes() if beside.suffix == ".xsd" and beside.is_file() else None

    def answer(self, data: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes] | Hang | Close | HttpError:
        """Answer one envelope: status, content type and body, or what else is to be done with the line."""
        version = SOAP_11
        try:
            envelope = _parse(data)
            version = etree.QName(envelope).namespace or ""
            if version not in CONTENT_TYPES or etree.QName(envelope).localname != "Envelope":
                version = SOAP_11
                raise SoapFault("VersionMismatch", "no envelope of SOAP 1.1 or 1.2")
            operation, element = self._wanted(envelope, version)
            said = self._run(operation, element, headers)
            return self.render(version, operation, said)
        except SoapFault as fault:
            return _rendered_fault(version, None, fault)

    def render(self, version: str, operation: Any, said: Answer) -> tuple[int, str, bytes] | Hang | Close | HttpError:
        match said:
            case Close() | HttpError():
                return said
            case Hang(seconds, then):
                time.sleep(seconds)
                return Close() if then is None else self.render(version, operation, then)
            case SoapFault():
                return _rendered_fault(version, operation, said)
        if operation.output is None or operation.output.body is None:
            return 202, CONTENT_TYPES[version], b""
        body = etree.Element(f"{{{version}}}Body")
        try:
            operation.output.body.render(body, operation.output.body(**(said or {})))
        except (ZeepError, TypeError, ValueError) as error:
            return _rendered_fault(version, None, SoapFault("Server", f"the scripted answer is wrong: {error}"))
        return 200, CONTENT_TYPES[version], _enveloped(version, body)

    def _wanted(self, envelope: etree._Element, version: str) -> tuple[Any, etree._Element]:
        body = envelope.find(f"{{{version}}}Body")
        elements = [] if body is None else [one for one in body if isinstance(one.tag, str)]
        if len(elements) != 1 or elements[0].tag not in self._operations:
            raise SoapFault("Client", f"no operation takes {[str(one.tag) for one in elements]}")
        return self._operations[elements[0].tag], elements[0]

    def _run(self, operation: Any, element: etree._Element, headers: Mapping[str, str]) -> Answer:
        arguments = self._arguments(operation, element)
        script = self._scripts.get(operation.name)
        with self._lock:
            self.received.append(Received(operation.name, arguments, headers))
        if script is None:
            return SoapFault("Server", f"{operation.name} has no script")
        try:
            return script(arguments)
        except SoapFault as fault:
            return fault

    def _arguments(self, operation: Any, element: etree._Element) -> dict[str, Any]:
        """Read the arguments; what the schema requires and zeep could not read is refused."""
        declared = operation.input.body
        context = XmlParserContext(settings=self._document.settings)
        try:
            value = declared.parse(element, self._document.types, context=context)
            declared.render(etree.Element("check"), value)
        except (ZeepError, TypeError, ValueError) as error:
            raise SoapFault("Client", f"{operation.name}: {error}") from error
        plain = serialize_object(value, dict)
        return plain if isinstance(plain, dict) else {} if plain is None else {"value": plain}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # hundreds of callers may come at the same moment
    service: SoapService
    closed = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no error here."""


class _Request(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def do_GET(self) -> None:
        found = self.server.service.file(urlsplit(self.path).path)
        self._send(200 if found else 404, "text/xml; charset=utf-8", found or b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            self.close_connection = True
            self._send(413 if length else 411, "text/plain", b"")
            return
        data = self.rfile.read(int(length))
        said = Close() if self.server.closed else self.server.service.answer(data, dict(self.headers.items()))
        match said:
            case HttpError():
                self._send(said.status, said.content_type, said.text.encode(), said.headers)
            case tuple():
                self._send(*said)
            case _:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        logging.getLogger(__name__).debug(format, *args)


def _operations(document: Any) -> Iterator[Any]:
    for service in document.services.values():
        for port in service.ports.values():
            for operation in port.binding.all().values():
                if operation.style != "document" or operation.input._is_body_wrapped:
                    raise ValueError(f"{operation.name} is not document/literal with one element")
                yield operation


def _in_turn(answers: Sequence[Answer]) -> Callable[[dict[str, Any]], Answer]:
    lock, waiting = threading.Lock(), list(answers)

    def answer(arguments: dict[str, Any]) -> Answer:
        with lock:
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer


def _parse(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise SoapFault("Client", f"no XML: {error.msg}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise SoapFault("Client", "a DTD is not allowed in SOAP")
    return root


def _enveloped(version: str, body: etree._Element) -> bytes:
    envelope = etree.Element(f"{{{version}}}Envelope", nsmap={"soap": version})
    envelope.append(body)
    return etree.tostring(envelope, xml_declaration=True, encoding="utf-8")


def _rendered_fault(version: str, operation: Any, fault: SoapFault) -> tuple[int, str, bytes]:
    body = etree.Element(f"{{{version}}}Body", nsmap={"soap": version})
    element = etree.SubElement(body, f"{{{version}}}Fault")
    if version == SOAP_11:
        standard = fault.code in ("Client", "Server", "VersionMismatch", "MustUnderstand")
        etree.SubElement(element, "faultcode").text = f"soap:{fault.code}" if standard else fault.code
        etree.SubElement(element, "faultstring").text = fault.text
        place = "detail"
    else:
        standard_12 = {"Client": "Sender", "Server": "Receiver", "VersionMismatch": "VersionMismatch"}
        code = etree.SubElement(element, f"{{{version}}}Code")
        etree.SubElement(code, f"{{{version}}}Value").text = f"soap:{standard_12.get(fault.code, 'Sender')}"
        if fault.code not in standard_12:
            subcode = etree.SubElement(code, f"{{{version}}}Subcode")
            etree.SubElement(subcode, f"{{{version}}}Value").text = fault.code
        reason = etree.SubElement(element, f"{{{version}}}Reason")
        text = etree.SubElement(reason, f"{{{version}}}Text")
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        text.text = fault.text
        place = f"{{{version}}}Detail"
    if fault.detail is not None:
        _render_detail(etree.SubElement(element, place), operation, fault.detail)
    client_error = version == SOAP_12 and fault.code != "Server"
    return 400 if client_error else 500, CONTENT_TYPES[version], _enveloped(version, body)


def _render_detail(parent: etree._Element, operation: Any, detail: Mapping[str, Any]) -> None:
    """Fill the first declared fault that takes the detail; without one, plain elements."""
    messages = [] if operation is None else operation.abstract.fault_messages.values()
    for element in (part.element for message in messages for part in message.parts.values()):
        with suppress(ZeepError, TypeError, ValueError):
            element.render(parent, element(**detail))
            return
    for name, value in detail.items():
        etree.SubElement(parent, name).text = str(value)
