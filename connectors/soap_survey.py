"""What a contract says of each operation, for a pin and for drift."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.drift import Part, Survey
from .soap_contract import Contract, Message, Operation
from .soap_types import Element, elements, in_order
from .soap_xml import namespace


def survey(contract: Contract) -> Survey:
    return Survey({".".join(each.key): _part(each) for each in contract.operations})


def _part(each: Operation) -> Part:
    facts = {
        "SOAP version": "1.2" if each.soap12 else "1.1",
        "action": each.action,
        "request": _shape(each.input),
        "answer": _shape(each.output) if each.output else "none",
        "namespaces": " ".join(sorted(set(_namespaces(each.input)))),
        "headers": " ".join(sorted(part.element.tag for part in each.input.headers)),
    }
    told = {"address": each.address, "description": each.doc, "faults": " ".join(sorted(f.tag for f in each.faults))}
    return Part(each.input_schema, each.output_schema, facts, told, ordered=True)


def _shape(message: Message) -> str:
    """Say what stands in the body, which JSON Schema does not: its outermost names, and how it is encoded."""
    inside = " ".join(part.element.tag for part in message.parts)
    outside = f"{message.wrapper} of " if message.wrapper else ""
    return f"{outside}{inside}{', encoded' if message.encoded else ''}"


def _namespaces(message: Message) -> Iterator[str]:
    for part in message.parts:
        yield namespace(part.element.tag)
        for kind in in_order(part.element.type):
            yield from (namespace(leaf.tag) for leaf in elements(kind.content) if isinstance(leaf, Element))
