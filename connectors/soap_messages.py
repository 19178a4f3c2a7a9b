"""A message of an operation, as one object of plain values: its schema, what writes it and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .soap_contract import Message, Part
from .soap_read import Read, Readers
from .soap_schema import Schema, of_parts, of_type
from .soap_types import Complex
from .soap_write import Unfit, Write, Writers
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


def schema_of(message: Message, headers: tuple[str, Any] | None, *, output: bool) -> Schema:
    single = _single(message)
    if single is not None:
        said = of_type(single, output=output)
        doc = message.parts[0].element.declared.doc
        said = {**said, "description": doc} if doc and "description" not in said else said
    else:
        required = message.wrapper is None or not output
        said = of_parts(((_part_name(message, part), part.element, required) for part in message.parts), output=output)
    if headers:
        said = {**said, "properties": {**said.get("properties", {}), headers[0]: headers[1]}}
    return said


def optional_object(parts: tuple[Part, ...]) -> tuple[str, Schema] | None:
    if not parts:
        return None
    inner = of_parts(((part.name, part.element, False) for part in parts), output=False)
    return HEADERS_KEY, {**inner, "description": "SOAP headers that the contract declares."}


def writer_of(writers: Writers, message: Message) -> Write:
    if _single(message) is not None:
        return writers.element(message.parts[0].element)
    parts = [(_part_name(message, part), writers.element(part.element)) for part in message.parts]
    start, end = "", ""
    if message.wrapper:
        name = writers.name(message.wrapper)
        style = ' soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"' if message.encoded else ""
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


def _named_parts(node: Node, parts: Mapping[str, tuple[str, Read]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in node:
        entry = parts.get(local(child.tag))
        if entry is None and len(parts) == len(node) == 1:
            entry = next(iter(parts.values()))  # old rpc stacks name their only part as they like
        key, read = entry or (local(child.tag), plain)
        found[key] = read(child)
    return found
