"""
Reads a WSDL 1.1 by ourselves: what zeep cannot load, or leaves out, is often valid, or wrong in a place that does no harm.

A name is looked up by its qualified name, and by its local name where only one thing has it: old tools mistype prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .soap_schemas import Schemas
from .soap_types import AnyType, Declaration, Element
from .soap_xml import WSDL, Node, clark, local, namespace, qualified

SOAP_BINDING = "http://schemas.xmlsoap.org/wsdl/soap/"
SOAP_12_BINDING = "http://schemas.xmlsoap.org/wsdl/soap12/"
_MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_OCTETS = "application/octet-stream"
_KINDS = ("message", "portType", "binding", "service")
_HTTP = {"http://schemas.xmlsoap.org/soap/http", "http://www.w3.org/2003/05/soap/bindings/HTTP/", "", None}


class Unreadable(ValueError):
    """An operation that nobody can call; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One direction of an operation, as the binding has it."""

    wrapper: str | None
    parts: tuple[tuple[str, Element], ...]
    headers: tuple[tuple[str, Element], ...]
    attached: Mapping[str, str]
    encoded: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One operation of one port."""

    service: str
    port: str
    name: str
    action: str
    soap12: bool
    address: str
    input: Said
    output: Said | None
    faults: tuple[Element, ...]
    doc: str


class Definitions:
    """All documents of one WSDL. `gaps` says what was missing and is taken as any value."""

    def __init__(self, roots: list[Node], schemas: Schemas) -> None:
        self.gaps: list[str] = []
        self._schemas = schemas
        self._nodes: dict[tuple[str, str], Node] = {}
        self._named: dict[tuple[str, str], list[Node]] = {}
        self._services: list[Node] = []
        for root in roots:
            for node in root:
                if (kind := local(node.tag)) in _KINDS and namespace(node.tag) == WSDL:
                    name = node.get("name", "")
                    self._nodes.setdefault((kind, clark(root.get("targetNamespace"), name)), node)
                    self._named.setdefault((kind, name), []).append(node)
                    if kind == "service":
                        self._services.append(node)

    def ports(self) -> Iterator[tuple[str, Node, Node, bool]]:
        """Give each port that speaks SOAP: its service, itself, its binding, and whether that is SOAP 1.2."""
        for service in self._services:
            for port in service.iterfind(f"{{{WSDL}}}port"):
                binding = self._find("binding", port, port.get("binding", ""))
                style = None if binding is None else _soap(binding, "binding")
                if binding is not None and style is not None and style.get("transport") in _HTTP:
                    yield service.get("name", ""), port, binding, namespace(style.tag) == SOAP_12_BINDING

    def operations(self, wanted: set[tuple[str, str, str]] | None = None) -> Iterator[Found | tuple[str, str]]:
        """Give the operations, or for what cannot be read its name and the reason; `wanted` leaves others out."""
        for service, port, binding, soap12 in self.ports():
            kind = self._find("portType", binding, binding.get("type", ""))
            for node in binding.iterfind(f"{{{WSDL}}}operation"):
                name = node.get("name", "")
                if wanted is not None and (service, port.get("name", ""), name) not in wanted:
                    continue
                try:
                    yield self._operation(service, port, binding, kind, node, soap12=soap12)
                except Unreadable as error:
                    yield name, str(error)

    def _operation(self, service: str, port: Node, binding: Node, kind: Any, node: Node, *, soap12: bool) -> Found:
        name = node.get("name", "")
        abstract = None if kind is None else _abstract(kind, node)
        if abstract is None:
            raise Unreadable(f"its port type {binding.get('type')} has no such operation")
        said = _soap(node, "operation")
        common = _soap(binding, "binding")
        styles = [each.get("style") for each in (said, common) if each is not None]
        style = next((each for each in styles if each), "document")
        address = _soap(port, "address")
        output = abstract.find(f"{{{WSDL}}}output")
        if abstract.find(f"{{{WSDL}}}input") is None:
            raise Unreadable("it is a notification: the service would call us")
        return Found(
            service=service,
            port=port.get("name", ""),
            name=name,
            action=(said.get("soapAction") or "") if said is not None else "",
            soap12=soap12,
            address=(address.get("location") or "").strip() if address is not None else "",
            input=self._said(binding, node, abstract, "input", name, style),
            output=None if output is None else self._said(binding, node, abstract, "output", f"{name}Response", style),
            faults=tuple(self._faults(abstract)),
            doc=_doc(abstract),
        )

    def _said(self, binding: Node, node: Node, abstract: Node, way: str, wrapper: str, style: str) -> Said:
        spoken = abstract.find(f"{{{WSDL}}}{way}")
        message = self._find("message", spoken, spoken.get("message", ""))
        if message is None:
            raise Unreadable(f"its {way} message {spoken.get('message')} is not defined")
        inner = node.find(f"{{{WSDL}}}{way}")
        body = None if inner is None else next(_soaps(inner, "body"), None)
        headers = [] if inner is None else [self._header(each) for each in _soaps(inner, "header")]
        attached = attachments(inner)
        parts = {each.get("name", ""): each for each in message.iterfind(f"{{{WSDL}}}part")}
        listed = body.get("parts") if body is not None else None
        aside = {name for name, own in ((each[0], each[2]) for each in headers) if own is message} | set(attached)
        names = listed.split() if listed is not None else []
        if listed is None or (names and not parts.keys() & set(names)):  # gSOAP names a part Body that is none
            names = [name for name in parts if name not in aside]
        space = body.get("namespace") if body is not None else None
        root = node.getroottree().getroot()
        return Said(
            wrapper=clark(space or root.get("targetNamespace"), wrapper) if style == "rpc" else None,
            parts=tuple((name, self._part(parts[name])) for name in names if name in parts),
            headers=tuple((name, element) for name, element, _ in headers if element is not None),
            attached={name: kind for name, kind in attached.items() if name in parts and name not in names},
            encoded=body is not None and body.get("use") == "encoded",
        )

    def _header(self, node: Node) -> tuple[str, Element | None, Any]:
        message = self._find("message", node, node.get("message", ""))
        name = node.get("part", "")
        parts = [] if message is None else [p for p in message.iterfind(f"{{{WSDL}}}part") if p.get("name") == name]
        return name, self._part(parts[0]) if parts else None, message

    def _faults(self, abstract: Node) -> Iterator[Element]:
        for fault in abstract.iterfind(f"{{{WSDL}}}fault"):
            message = self._find("message", fault, fault.get("message", ""))
            for part in () if message is None else message.iterfind(f"{{{WSDL}}}part"):
                if part.get("element"):
                    yield self._part(part)

    def _part(self, node: Node) -> Element:
        name = node.get("name", "")
        if tag := node.get("element"):
            wanted = qualified(node, tag)
            found = self._schemas.element(wanted)
            if found is None:
                near = self._schemas.elements_named(local(wanted))
                found = self._schemas.element(near[0]) if len(near) == 1 else None
            if found is None:
                self.gaps.append(f"element {wanted} is declared nowhere: it is taken as any value")
                return Element(local(wanted), wanted, Declaration(AnyType))
            return found
        if kind := node.get("type"):
            made = self._schemas.type(qualified(node, kind))
            return Element(name, name, Declaration(lambda: made))
        return Element(name, name, Declaration(AnyType))

    def _find(self, kind: str, node: Node, name: str) -> Node | None:
        found = self._nodes.get((kind, qualified(node, name, node.getroottree().getroot().get("targetNamespace"))))
        near = self._named.get((kind, name.rpartition(":")[2]), [])
        return found if found is not None else near[0] if len(near) == 1 else None


def attachments(inner: Node | None) -> dict[str, str]:
    """Give the parts that travel as MIME parts beside the envelope (`mime:content`), with the first type that each may have."""
    found: dict[str, str] = {}
    for each in inner.iter("{*}content") if inner is not None else ():
        if name := each.get("part"):
            kind = (each.get("type") or "*").strip()
            found.setdefault(name, kind if _MIME_TYPE.fullmatch(kind) else _OCTETS)
    return found


def _abstract(kind: Node, node: Node) -> Node | None:
    """Find the operation of a port type; an overloaded one by the name of its input."""
    name = node.get("name")
    found = [each for each in kind.iterfind(f"{{{WSDL}}}operation") if each.get("name") == name]
    if len(found) > 1:
        spoken = node.find(f"{{{WSDL}}}input")
        wanted = None if spoken is None else spoken.get("name")
        same = [
            each for each in found if (own := each.find(f"{{{WSDL}}}input")) is not None and own.get("name") == wanted
        ]
        found = same or found
    return found[0] if found else None


def _soap(node: Node, name: str) -> Node | None:
    return next((each for each in node if _is_soap(each, name)), None)


def _soaps(node: Node, name: str) -> Iterator[Node]:
    """Give what SOAP says below a node, in MIME parts too."""
    yield from (each for each in node.iter("{*}" + name) if _is_soap(each, name))


def _is_soap(node: Node, name: str) -> bool:
    return node.tag in {f"{{{SOAP_BINDING}}}{name}", f"{{{SOAP_12_BINDING}}}{name}"}


def _doc(node: Node) -> str:
    return " ".join(" ".join("".join(each.itertext()) for each in node.iterfind(f"{{{WSDL}}}documentation")).split())
