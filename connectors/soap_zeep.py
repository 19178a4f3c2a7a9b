"""Reads a WSDL by zeep: services, ports, bindings and messages; types come from `soap_schemas`."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from lxml import etree
from zeep.exceptions import Error as ZeepError
from zeep.settings import Settings
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding
from zeep.wsdl.wsdl import Document as Wsdl

from ..core.errors import ConfigError, DrawbarError
from .soap_documents import Documents
from .soap_schemas import Schemas
from .soap_types import AnyType, Declaration, Element, Type
from .soap_wsdl import Found, Said, attachments
from .soap_xml import WSDL, Node, clark, local, namespace

_LOADING = threading.Lock()
"""zeep speaks of what it leaves out by warnings, which are caught for a whole process."""


def by_zeep(documents: Documents) -> tuple[Wsdl, list[str]]:
    """Load a WSDL; give zeep's document and its warnings. Raises ConfigError with zeep's reason."""
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
    return wsdl, [str(each.message) for each in caught if issubclass(each.category, UserWarning)]


class Raw:
    """What zeep does not keep of a WSDL: documentation, and how a body is encoded."""

    def __init__(self, roots: list[Node]) -> None:
        self._nodes: dict[tuple[str, str, str], Node] = {}
        for root in roots:
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

    def way(self, binding: str, operation: str, way: str) -> Node | None:
        node = self._nodes.get(("binding", binding, operation))
        return None if node is None else node.find(f"{{{WSDL}}}{way}")

    def body(self, binding: str, operation: str, way: str) -> Node | None:
        """Give the `soap:body` element of one direction."""
        inner = self.way(binding, operation, way)
        return None if inner is None else next((each for each in inner.iter() if local(each.tag) == "body"), None)


class Reader:
    """Takes the operations out of zeep's document."""

    def __init__(self, schemas: Schemas, raw: Raw) -> None:
        self._schemas = schemas
        self._raw = raw
        self.missed: list[str] = []

    def operations(self, wsdl: Wsdl) -> Iterator[Found]:
        for service in wsdl.services.values():
            for port in service.ports.values():
                if not isinstance(port.binding, SoapBinding):
                    self.missed.append(f"port {port.name}: it speaks no SOAP")
                    continue
                yield from self._port(service.name, port)

    def _port(self, service: str, port: Any) -> Iterator[Found]:
        binding = port.binding
        known = binding.all()
        for name in self._raw.operations(binding.name.text):
            operation = known.get(name)
            if operation is None or operation.input is None:
                self.missed.append(f"{name}: zeep found its binding or its messages incomplete")
                continue
            try:
                yield self._operation(service, port, operation)
            except (KeyError, AttributeError, TypeError) as error:
                self.missed.append(f"{name}: {type(error).__name__} {error}")

    def _operation(self, service: str, port: Any, operation: Any) -> Found:
        binding, abstract = port.binding, operation.abstract
        output = None
        if operation.output is not None and abstract.output_message is not None:
            output = self._message(binding, operation, "output", operation.output, abstract.output_message)
        return Found(
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

    def _message(self, binding: Any, operation: Any, way: str, concrete: Any, abstract: Any) -> Said:
        raw = self._raw.body(binding.name.text, operation.name, way)
        said = {} if raw is None else dict(raw.attrib)
        parts = dict(abstract.parts) if abstract is not None else {}
        headers = list(self._headers(concrete))
        aside = attachments(self._raw.way(binding.name.text, operation.name, way))
        others = {name for name, _ in headers} | set(aside)
        names = said.get("parts", "").split()
        if "parts" not in said or (names and not parts.keys() & set(names)):  # gSOAP names a part Body that is none
            names = [name for name in parts if name not in others]
        rpc = operation.style == "rpc"
        wrapper = None
        if rpc:
            name = operation.name if way == "input" else f"{operation.name}Response"
            # Without a namespace most stacks take the WSDL's own.
            wrapper = clark(said.get("namespace") or namespace(binding.name.text), name)
        made = [self._part(name, parts[name]) for name in names if name in parts]
        beside = {name: kind for name, kind in aside.items() if name in parts and name not in names}
        return Said(wrapper, tuple(made), tuple(headers), beside, said.get("use") == "encoded")

    def _headers(self, concrete: Any) -> Iterator[tuple[str, Element]]:
        header = getattr(concrete, "header", None)
        for name, element in header.type.elements if header is not None else ():
            if element.qname is not None and self._schemas.element(element.qname.text) is not None:
                yield name, self._global(element.qname.text)
            elif element.type is not None and element.type.qname is not None:
                yield name, _free(name, self._type(element.type))

    def _faults(self, abstract: Any) -> Iterator[Element]:
        for message in abstract.fault_messages.values():
            for part in message.parts.values():
                if part.element is not None:
                    yield self._global(part.element.qname.text)

    def _part(self, name: str, part: Any) -> tuple[str, Element]:
        if part.element is not None:
            return name, self._global(part.element.qname.text)
        return name, _free(name, self._type(part.type))

    def _type(self, kind: Any) -> Type:
        return AnyType() if kind is None or kind.qname is None else self._schemas.type(kind.qname.text)

    def _global(self, tag: str) -> Element:
        found = self._schemas.element(tag)
        if found is None:
            raise KeyError(f"element {tag} is not defined")
        return found


def _free(name: str, kind: Type) -> Element:
    return Element(name, name, Declaration(lambda: kind))
