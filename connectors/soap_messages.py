"""A message of an operation, as one object of plain values: its schema, what writes it and what reads it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .soap_attachments import Outgoing
from .soap_content import Unfit, Write
from .soap_contract import Message, Part
from .soap_read import Read, Readers
from .soap_schema import Schema, of_parts, of_type
from .soap_types import Complex, Declaration, Element, Group, Simple
from .soap_write import Writers
from .soap_xml import Node, local, plain

HEADERS_KEY = "_headers"
"""The argument that holds the SOAP headers that the contract declares and the configuration does not fill."""


def _single(message: Message) -> Complex | None:
    """Give the type whose content is the message itself: one part, whose element has a complex type."""
    if message.wrapper or len(message.parts) != 1:
        return None
    kind = message.parts[0].element.type
    return kind if isinstance(kind, Complex) and kind.array_of is None else None


def _part_name(message: Message, part: Part) -> str:
    return part.name if message.wrapper or len(message.parts) > 1 else local(part.element.tag)


def schema_of(message: Message, headers: tuple[Part, ...] = (), *, output: bool) -> Schema:
    """Give the schema of a message; `headers` are the SOAP headers that may be given, or come, with it."""
    single = _single(message)
    extra = [(HEADERS_KEY, _headers(headers))] if headers else []
    extra += [(name, Element(name, name, Declaration(_attached), 0 if output else 1)) for name in message.attached]
    if single is not None:
        said = of_type(single, extra, output=output)
        doc = message.parts[0].element.declared.doc
        return {**said, "description": doc} if doc and "description" not in said else said
    required = message.wrapper is None or not output
    parts = [(_part_name(message, part), part.element, required) for part in message.parts]
    parts += [(name, element, element.min_occurs > 0) for name, element in extra]
    return of_parts(parts, output=output)


def _attached() -> Simple:
    return Simple("base64Binary")


def _headers(parts: tuple[Part, ...]) -> Element:
    """Make the element whose content are the headers, each by its name and none needed."""
    items = tuple(replace(part.element, key=part.name, min_occurs=0, max_occurs=1) for part in parts)
    made = Complex("Headers", None, content=Group("sequence", items), doc="SOAP headers that the contract declares.")
    return Element(HEADERS_KEY, HEADERS_KEY, Declaration(lambda: made), 0)


def writer_of(writers: Writers, message: Message) -> Write:
    if not message.attached:
        return _body_writer(writers, message)
    write = _body_writer(writers, message)

    def with_parts(value: Any, out: list[str]) -> None:
        write(value, out)
        for name, kind in message.attached.items():
            if value.get(name) is not None:
                body = value[name] if isinstance(value[name], bytes) else base64.b64decode(value[name])
                if isinstance(out, Outgoing):
                    out.attach(body, name, kind)

    return with_parts


def _body_writer(writers: Writers, message: Message) -> Write:
    if _single(message) is not None:
        return writers.element(message.parts[0].element)
    parts = [(_part_name(message, part), writers.element(part.element)) for part in message.parts]
    start, end = "", ""
    if message.wrapper:
        name = writers.name(message.wrapper)
        style = f' soap:encodingStyle="{writers.encoding}"' if message.encoded else ""
        start, end = f"<{name}{style}>", f"</{name}>"

    def write(value: Any, out: list[str]) -> None:
        out.append(start)
        for key, part in parts:
            if key not in value:
                raise Unfit("it is missing", key)
            try:
                part(value[key], out)
            except Unfit as error:
                raise error.under(key) from None
        out.append(end)

    return write


def reader_of(readers: Readers, message: Message) -> Callable[[Node], dict[str, Any]]:
    if _single(message) is not None:
        read = readers.element(message.parts[0].element)

        def one(body: Node) -> dict[str, Any]:
            first = next(iter(body), None)
            found = read(first) if first is not None else None
            return found if isinstance(found, dict) else {}

        return one
    parts = {
        local(part.element.tag): (_part_name(message, part), readers.element(part.element)) for part in message.parts
    }
    wrapped = message.wrapper is not None
    return lambda body: _named_parts(next(iter(body), body) if wrapped else body, parts)


def read_headers(
    readers: Readers, message: Message, read: Callable[[Node], dict[str, Any]] | None
) -> Callable[[Node], dict[str, Any]]:
    """Make what reads a body and, beside it, the declared headers of its envelope."""
    known = {part.element.tag: (part.name, readers.element(part.element)) for part in message.headers}

    def both(body: Node) -> dict[str, Any]:
        found = {} if read is None else read(body)
        before = body.getprevious()
        for node in before if before is not None else ():
            if node.tag in known:
                name, one = known[node.tag]
                found.setdefault(HEADERS_KEY, {})[name] = one(node)
        return found

    return both


def _named_parts(node: Node, parts: Mapping[str, tuple[str, Read]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in node:
        entry = parts.get(local(child.tag))
        if entry is None and len(parts) == len(node) == 1:
            entry = next(iter(parts.values()))  # old rpc stacks name their only part as they like
        key, read = entry or (local(child.tag), plain)
        found[key] = read(child)
    return found
