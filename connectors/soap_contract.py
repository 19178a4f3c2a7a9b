"""
Loads a WSDL: its documents under our own rules, its services and bindings by zeep, its types by `soap_schemas`.

WSDL 1.1. Nothing is fetched but what lies on the WSDL's own host (or, for a file, beside it); schemas that everybody
imports from the internet are served from here.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree
from zeep.exceptions import Error as ZeepError
from zeep.loader import absolute_location
from zeep.settings import Settings
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding
from zeep.wsdl.wsdl import Document as Wsdl

from ..core.errors import ConfigError, DrawbarError
from .soap_documents import SERVED, Documents
from .soap_schemas import Document, Schemas
from .soap_types import AnyType, Declaration, Element, Type
from .soap_xml import ENCODING, WSDL, XML, XSD, Node, clark, local, namespace

_LOADING = threading.Lock()
"""zeep speaks of what it leaves out by warnings, which are caught for a whole process."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    element: Element


@dataclass(frozen=True, slots=True)
class Message:
    """What goes into a SOAP body: `wrapper` is the tag around the parts (rpc), None for documents."""

    wrapper: str | None
    parts: tuple[Part, ...]
    headers: tuple[Part, ...]
    encoded: bool


@dataclass(frozen=True, slots=True)
class Operation:
    service: str
    port: str
    name: str
    doc: str
    action: str
    soap12: bool
    address: str
    input: Message
    output: Message | None
    faults: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """A loaded WSDL; `skipped` says which operations it has that cannot be called, each with the reason."""

    operations: tuple[Operation, ...]
    schemas: Schemas
    skipped: tuple[str, ...]


def load(documents: Documents) -> Contract:
    """Read the contract. Raises ConfigError when it is none, Unavailable when its host cannot be reached."""
    root = documents.root(documents.location)
    if local(root.tag) != "definitions" or WSDL not in str(root.tag):
        what = "a WSDL 2.0, which is not supported" if local(root.tag) == "description" else f"<{local(root.tag)}>"
        raise ConfigError(f"{documents.location} is no WSDL 1.1: its root is {what}", field="wsdl")
    # Everything is fetched before zeep's turn: a host that is silent holds up no other system's contract.
    raw = _Raw(list(_wsdl_roots(documents, documents.location, set())))
    read = list(_schema_documents(documents, raw.roots))
    wsdl, said = _by_zeep(documents)
    schemas = Schemas(read)
    reader = _Reader(schemas, raw)
    operations = tuple(reader.operations(wsdl))
    if not operations:
        why = "; ".join([*said, *reader.skipped])
        raise ConfigError(f"{documents.location} has no SOAP operation that can be called; {why}", field="wsdl")
    return Contract(operations, schemas, (*said, *reader.skipped))


def _by_zeep(documents: Documents) -> tuple[Wsdl, list[str]]:
    settings = Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False)
    logging.getLogger("zeep").setLevel(logging.CRITICAL)  # its debug log holds whole messages
    with _LOADING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wsdl = Wsdl(documents.location, documents, settings=settings)  # type: ignore[arg-type]  # it loads, like theirs
        except DrawbarError:
            raise
        except (
            ZeepError,
            etree.LxmlError,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            AssertionError,
            NotImplementedError,
            RecursionError,
            OSError,
        ) as error:
            text = str(error).strip() or type(error).__name__
            raise ConfigError(f"{documents.location} is a WSDL that zeep cannot load: {text}", field="wsdl") from error
    return wsdl, [str(each.message) for each in caught if not issubclass(each.category, DeprecationWarning)]


def _wsdl_roots(documents: Documents, location: str, seen: set[str]) -> Iterator[tuple[Node, str]]:
    if location in seen:
        return
    seen.add(location)
    root = documents.root(location)
    yield root, location
    for each in root.iterfind(f"{{{WSDL}}}import"):
        if each.get("location"):
            yield from _wsdl_roots(documents, absolute_location(each.get("location"), location), seen)


def _schema_documents(documents: Documents, roots: list[tuple[Node, str]]) -> Iterator[Document]:
    seen: set[tuple[str, str | None]] = set()
    for root, location in roots:
        if local(root.tag) == "schema":
            yield from _schema(documents, root, location, root.get("targetNamespace"), seen)
        for node in root.iterfind(f"{{{WSDL}}}types/{{{XSD}}}schema"):
            yield from _schema(documents, node, location, node.get("targetNamespace"), seen)


def _schema(
    documents: Documents, node: Node, location: str, space: str | None, seen: set[tuple[str, str | None]]
) -> Iterator[Document]:
    yield Document(node, space)
    for each in node:
        kind = local(each.tag)
        if kind not in {"import", "include", "redefine"}:
            continue
        where = each.get("schemaLocation") or {XML: "https://www.w3.org/2001/xml.xsd", ENCODING: ENCODING}.get(
            each.get("namespace", "")
        )
        if not where:
            continue
        target = where if where in SERVED else absolute_location(where, location)
        inner = documents.root(target)
        inherited = inner.get("targetNamespace") or (space if kind != "import" else each.get("namespace"))
        if (target, inherited) not in seen:
            seen.add((target, inherited))
            yield from _schema(documents, inner, target, inherited, seen)


class _Raw:
    """What zeep does not keep of a WSDL: documentation, and how a body is encoded."""

    def __init__(self, roots: list[tuple[Node, str]]) -> None:
        self.roots = roots
        self._nodes: dict[tuple[str, str, str], Node] = {}
        for root, _ in roots:
            space = root.get("targetNamespace")
            for kind in ("portType", "binding"):
                for node in root.iterfind(f"{{{WSDL}}}{kind}"):
                    for operation in node.iterfind(f"{{{WSDL}}}operation"):
                        key = (kind, clark(space, node.get("name", "")), operation.get("name", ""))
                        self._nodes.setdefault(key, operation)

    def operations(self, binding: str) -> list[str]:
        return [name for kind, owner, name in self._nodes if (kind, owner) == ("binding", binding)]

    def documentation(self, port_type: str, operation: str) -> str:
        node = self._nodes.get(("portType", port_type, operation))
        texts = [] if node is None else ["".join(each.itertext()) for each in node.iterfind(f"{{{WSDL}}}documentation")]
        return " ".join(" ".join(texts).split())

    def body(self, binding: str, operation: str, way: str) -> Node | None:
        """Give the `soap:body` element of one direction."""
        node = self._nodes.get(("binding", binding, operation))
        inner = None if node is None else node.find(f"{{{WSDL}}}{way}")
        return None if inner is None else next((each for each in inner.iter() if local(each.tag) == "body"), None)


class _Reader:
    """Takes the operations out of zeep's document."""

    def __init__(self, schemas: Schemas, raw: _Raw) -> None:
        self._schemas = schemas
        self._raw = raw
        self.skipped: list[str] = []

    def operations(self, wsdl: Wsdl) -> Iterator[Operation]:
        for service in wsdl.services.values():
            for port in service.ports.values():
                if not isinstance(port.binding, SoapBinding):
                    self.skipped.append(f"port {port.name}: it speaks no SOAP")
                    continue
                yield from self._port(service.name, port)

    def _port(self, service: str, port: Any) -> Iterator[Operation]:
        binding = port.binding
        known = binding.all()
        for name in self._raw.operations(binding.name.text):
            operation = known.get(name)
            if operation is None or operation.input is None:
                self.skipped.append(f"{name}: zeep found its binding or its messages incomplete")
                continue
            try:
                yield self._operation(service, port, operation)
            except (KeyError, AttributeError, TypeError) as error:
                self.skipped.append(f"{name}: {type(error).__name__} {error}")

    def _operation(self, service: str, port: Any, operation: Any) -> Operation:
        binding, abstract = port.binding, operation.abstract
        output = None
        if operation.output is not None and abstract.output_message is not None:
            output = self._message(binding, operation, "output", operation.output, abstract.output_message)
        return Operation(
            service=service,
            port=port.name,
            name=operation.name,
            doc=self._raw.documentation(binding.port_name.text, operation.name),
            action=operation.soapaction or "",
            soap12=isinstance(binding, Soap12Binding),
            address=port.binding_options.get("address") or "",
            input=self._message(binding, operation, "input", operation.input, abstract.input_message),
            output=output,
            faults=tuple(self._faults(abstract)),
        )

    def _message(self, binding: Any, operation: Any, way: str, concrete: Any, abstract: Any) -> Message:
        raw = self._raw.body(binding.name.text, operation.name, way)
        said = {} if raw is None else dict(raw.attrib)
        parts = dict(abstract.parts) if abstract is not None else {}
        headers = list(self._headers(concrete))
        names = said["parts"].split() if said.get("parts") else [n for n in parts if n not in {h.name for h in headers}]
        rpc = operation.style == "rpc"
        wrapper = None
        if rpc:
            name = operation.name if way == "input" else f"{operation.name}Response"
            # Without a namespace most stacks take the WSDL's own.
            wrapper = clark(said.get("namespace") or namespace(binding.name.text), name)
        made = [self._part(name, parts[name]) for name in names if name in parts]
        return Message(wrapper, tuple(made), tuple(headers), said.get("use") == "encoded")

    def _headers(self, concrete: Any) -> Iterator[Part]:
        header = getattr(concrete, "header", None)
        for name, element in header.type.elements if header is not None else ():
            if element.qname is not None and self._schemas.element(element.qname.text) is not None:
                yield Part(name, self._global(element.qname.text))
            elif element.type is not None and element.type.qname is not None:
                yield Part(name, _free(name, self._type(element.type)))

    def _faults(self, abstract: Any) -> Iterator[Element]:
        for message in abstract.fault_messages.values():
            for part in message.parts.values():
                if part.element is not None:
                    yield self._global(part.element.qname.text)

    def _part(self, name: str, part: Any) -> Part:
        if part.element is not None:
            return Part(name, self._global(part.element.qname.text))
        return Part(name, _free(name, self._type(part.type)))

    def _type(self, kind: Any) -> Type:
        return AnyType() if kind is None or kind.qname is None else self._schemas.type(kind.qname.text)

    def _global(self, tag: str) -> Element:
        found = self._schemas.element(tag)
        if found is None:
            raise KeyError(f"element {tag} is not defined")
        return found


def _free(name: str, kind: Type) -> Element:
    return Element(name, name, Declaration(lambda: kind))
