"""What a WSDL says, read: its operations, each with its messages and their types, and their JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .soap_schema import Schema
from .soap_types import Element


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    element: Element


@dataclass(frozen=True, slots=True)
class Message:
    """
    What goes into a SOAP body: `wrapper` is the tag around the parts (rpc), None for documents.

    `attached` holds the parts that travel beside the envelope as MIME parts (SOAP with attachments): their types by name.
    """

    wrapper: str | None
    parts: tuple[Part, ...]
    headers: tuple[Part, ...]
    encoded: bool
    attached: Mapping[str, str] = field(default_factory=dict)


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
    input_schema: Schema
    """Without the SOAP headers that a caller may give: which these are, the configuration says."""
    output_schema: Schema

    @property
    def key(self) -> tuple[str, str, str]:
        return self.service, self.port, self.name


@dataclass(frozen=True, slots=True)
class Contract:
    """
    A loaded WSDL. `tags` are its global elements by local name; `skipped` says which operations cannot be called, and `notes`
    what was wrong and could be read all the same.
    """

    operations: tuple[Operation, ...]
    tags: Mapping[str, list[str]]
    skipped: tuple[str, ...]
    notes: tuple[str, ...] = ()
