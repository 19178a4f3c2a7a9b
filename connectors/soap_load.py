"""
Loads a WSDL: its documents under our own rules, its services and bindings by zeep, its types by `soap_schemas`.

WSDL 1.1. Nothing is fetched but what lies on the WSDL's own host (or, for a file, beside it, or in the pin); schemas that
everybody imports from the internet are served from here. What zeep cannot load is read by `soap_wsdl`, and said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ..core.errors import ConfigError
from .soap_contract import Contract, Message, Operation, Part
from .soap_documents import SERVED, Documents
from .soap_messages import schema_of
from .soap_schemas import Document, Schemas
from .soap_wsdl import Definitions, Found, Said
from .soap_xml import ENCODING, WSDL, XML, XSD, Node, local


def load(documents: Documents) -> Contract:
    """Read the contract. Raises ConfigError when it is none, Unavailable when its host cannot be reached."""
    root = documents.root(documents.location)
    try:
        return _contract(documents, root)
    except ValueError as error:
        raise ConfigError(f"{documents.location} holds a value that is none: {error}", field="wsdl") from None
    except RecursionError:
        said = f"{documents.location}: a type in it is made of itself, or of others, without an end"
        raise ConfigError(said, field="wsdl", next="overlay can take it away") from None


def _contract(documents: Documents, root: Node) -> Contract:
    if local(root.tag) != "definitions" or WSDL not in str(root.tag):
        what = "a WSDL 2.0, which is not supported" if local(root.tag) == "description" else f"<{local(root.tag)}>"
        raise ConfigError(f"{documents.location} is no WSDL 1.1: its root is {what}", field="wsdl")
    # Everything is fetched before zeep's turn: a host that is silent holds up no other system's contract.
    roots = list(_wsdl_roots(documents, documents.location, set()))
    read = list(_schema_documents(documents, roots))
    documents.overlay.require_used()
    schemas = Schemas(read)
    own = Definitions([each for each, _ in roots], schemas)
    wanted = {
        (service, port.get("name", ""), name) for service, port, binding, _ in own.ports() for name in _named(binding)
    }
    found, notes = _by_zeep(documents, schemas, [each for each, _ in roots])
    skipped: list[str] = []
    missing = wanted - {(each.service, each.port, each.name) for each in found}
    for each in own.operations(missing) if missing else ():
        if isinstance(each, Found):
            found.append(each)
        else:
            skipped.append(f"{each[0]}: {each[1]}")
    if missing:
        names = ", ".join(sorted({name for _, _, name in missing}))
        notes = [f"zeep leaves out {names}, which were read without it", *notes, *own.gaps]
    operations = tuple(_operation(each) for each in found)
    if not operations:
        why = "; ".join([*skipped, *notes])
        raise ConfigError(f"{documents.location} has no SOAP operation that can be called; {why}", field="wsdl")
    tags = {name: schemas.elements_named(name) for name in schemas.element_names()}
    return Contract(operations, tags, tuple(dict.fromkeys(skipped)), tuple(dict.fromkeys(notes)))


def _named(binding: Node) -> list[str]:
    return [each.get("name", "") for each in binding.iterfind(f"{{{WSDL}}}operation")]


def _by_zeep(documents: Documents, schemas: Schemas, roots: list[Node]) -> tuple[list[Found], list[str]]:
    """Read what zeep can read; where it can read nothing, its reason is a note."""
    from .soap_zeep import Raw, Reader, by_zeep

    try:
        wsdl, said = by_zeep(documents)
    except ConfigError as error:
        return [], [error.message]
    reader = Reader(schemas, Raw(roots))
    found = list(reader.operations(wsdl))
    return found, [*said, *reader.missed]


def _operation(found: Found) -> Operation:
    given, answer = _message(found.input), _message(found.output) if found.output else None
    nothing = {"type": "object", "properties": {}}
    return Operation(
        service=found.service,
        port=found.port,
        name=found.name,
        doc=found.doc,
        action=found.action,
        soap12=found.soap12,
        address=found.address,
        input=given,
        output=answer,
        faults=found.faults,
        input_schema=schema_of(given, output=False),
        output_schema=nothing if answer is None else schema_of(answer, answer.headers, output=True),
    )


def _message(said: Said) -> Message:
    parts, headers = ([Part(*each) for each in some] for some in (said.parts, said.headers))
    return Message(said.wrapper, tuple(parts), tuple(headers), said.encoded, said.attached)


def _absolute(location: str, base: str) -> str:
    """Say where an import lies, as zeep does: it asks for the same documents."""
    if urlsplit(location).scheme:
        return location
    if urlsplit(base).scheme:
        return urljoin(base, location)
    return location if Path(location).is_absolute() else os.path.realpath(Path(base).parent / location)


def _wsdl_roots(documents: Documents, location: str, seen: set[str]) -> Iterator[tuple[Node, str]]:
    if location in seen:
        return
    seen.add(location)
    root = documents.root(location)
    yield root, location
    for each in root.iterfind(f"{{{WSDL}}}import"):
        if each.get("location"):
            yield from _wsdl_roots(documents, _absolute(each.get("location"), location), seen)


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
        target = where if where in SERVED else _absolute(where, location)
        inner = documents.root(target)
        inherited = inner.get("targetNamespace") or (space if kind != "import" else each.get("namespace"))
        if (target, inherited) not in seen:
            seen.add((target, inherited))
            yield from _schema(documents, inner, target, inherited, seen)
