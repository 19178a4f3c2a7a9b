"""
Keeps contracts that were read on disk, so that a start reads JSON and not XML Schema.

An entry holds the hash of every document that it was made of, and is good while these, our version and the overlay are the
same. It is JSON with a hash of its own: whatever is wrong with it, the contract is read anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import orjson
import structlog

from .. import __version__
from .soap_contract import Contract, Message, Operation, Part
from .soap_documents import Documents
from .soap_types import (
    AnyType,
    Attribute,
    Complex,
    Declaration,
    Element,
    Facets,
    Group,
    Particle,
    Simple,
    Type,
    Wildcard,
)

log = structlog.get_logger("drawbar.soap")
_FORM = 5
"""Goes up when what is written here changes within one version."""
_FACETS = [each.name for each in fields(Facets)]


def contract(documents: Documents, folder: Path | None, read: Callable[[], Contract]) -> Contract:
    """Give the contract of these documents, as it was kept or as `read` reads it."""
    if folder is None:
        return read()
    file = folder / f"{_name(documents)}.json"
    if (found := _found(file, documents)) is not None:
        return found
    made = read()
    try:
        _write(file, documents, made)
    except OSError as error:
        log.warning("contract.unkept", file=str(file), error=str(error))
    return made


def _name(documents: Documents) -> str:
    patches = [asdict(patch) for patch in documents.overlay.patches]
    said = [__version__, _FORM, documents.location, patches]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def _found(file: Path, documents: Documents) -> Contract | None:
    try:
        digest, _, body = file.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        said = orjson.loads(body)
        for location, known in said["documents"]:
            if hashlib.sha256(documents.raw(location)).hexdigest() != known:
                return None
        return _Decoder(said["types"]).contract(said["contract"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _write(file: Path, documents: Documents, made: Contract) -> None:
    encoder = _Encoder()
    said = encoder.contract(made)
    hashes = [(at, hashlib.sha256(body).hexdigest()) for at, body in documents.fetched.items()]
    body = orjson.dumps({"documents": hashes, "contract": said, "types": encoder.types})
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        Path(beside).replace(file)
    except OSError:
        with suppress(OSError):
            Path(beside).unlink()
        raise


class _Encoder:
    """Writes the type graph: complex types by number, everything else where it stands."""

    def __init__(self) -> None:
        self.types: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._alive: list[Complex] = []

    def contract(self, made: Contract) -> Any:
        operations = [self._operation(each) for each in made.operations]
        return {"operations": operations, "tags": made.tags, "skipped": made.skipped, "notes": made.notes}

    def _operation(self, each: Operation) -> Any:
        return {
            **{name: getattr(each, name) for name in _PLAIN},
            "input": self._message(each.input),
            "output": self._message(each.output) if each.output else None,
            "faults": [self._element(one) for one in each.faults],
        }

    def _message(self, message: Message) -> Any:
        parts, headers = ([[part.name, self._element(part.element)] for part in some] for some in (message.parts, message.headers))  # fmt: skip
        return [message.wrapper, parts, headers, message.encoded, dict(message.attached)]

    def _element(self, each: Element) -> Any:
        said = each.declared
        declared = [said.nillable, said.default, said.fixed, said.doc]
        return ["e", each.key, each.tag, self._type(said.type), declared, each.min_occurs, each.max_occurs]

    def _type(self, kind: Type) -> Any:
        if isinstance(kind, AnyType):
            return None
        return self._simple(kind) if isinstance(kind, Simple) else self._complex(kind)

    def _simple(self, kind: Simple) -> Any:
        facets = {name: value for name in _FACETS if (value := getattr(kind.facets, name)) not in (None, ())}
        items = self._simple(kind.items) if kind.items else None
        members = [self._simple(each) for each in kind.members]
        return [kind.base, facets, kind.name, kind.doc, items, members, kind.qname]

    def _complex(self, kind: Complex) -> int:
        if id(kind) in self._numbers:
            return self._numbers[id(kind)]
        number = self._numbers[id(kind)] = len(self.types)
        self.types.append(None)
        self._alive.append(kind)
        self.types[number] = {
            "name": kind.name,
            "qname": kind.qname,
            "content": self._particle(kind.content) if kind.content else None,
            "text": self._simple(kind.text) if kind.text else None,
            "attributes": [[a.key, a.tag, self._simple(a.type), a.required, a.default, a.fixed, a.doc] for a in kind.attributes],
            "any_attributes": kind.any_attributes,
            "abstract": kind.abstract,
            "doc": kind.doc,
            "derived": [self._complex(each) for each in kind.derived],
            "array_of": self._element(kind.array_of) if kind.array_of else None,
        }  # fmt: skip
        return number

    def _particle(self, item: Particle) -> Any:
        if isinstance(item, Element):
            return self._element(item)
        if isinstance(item, Wildcard):
            return ["w", item.min_occurs, item.max_occurs, item.key]
        inner = [self._particle(each) for each in item.items]
        return ["g", item.kind, inner, item.min_occurs, item.max_occurs, item.key]


_PLAIN = ("service", "port", "name", "doc", "action", "soap12", "address", "input_schema", "output_schema")


class _Decoder:
    """Makes the type graph again; complex types are made first and filled then, since they are recursive."""

    def __init__(self, types: list[Mapping[str, Any]]) -> None:
        self._types = [Complex(str(said["name"]), said["qname"]) for said in types]
        for made, said in zip(self._types, types, strict=True):
            self._fill(made, said)

    def contract(self, said: Mapping[str, Any]) -> Contract:
        operations = tuple(self._operation(each) for each in said["operations"])
        return Contract(operations, said["tags"], tuple(said["skipped"]), tuple(said["notes"]))

    def _operation(self, said: Mapping[str, Any]) -> Operation:
        return Operation(
            **{name: said[name] for name in _PLAIN},
            input=self._message(said["input"]),
            output=self._message(said["output"]) if said["output"] else None,
            faults=tuple(self._element(each) for each in said["faults"]),
        )

    def _message(self, said: list[Any]) -> Message:
        wrapper, parts, headers, encoded, attached = said
        return Message(wrapper, self._parts(parts), self._parts(headers), encoded, attached)

    def _parts(self, said: list[Any]) -> tuple[Part, ...]:
        return tuple(Part(name, self._element(each)) for name, each in said)

    def _fill(self, made: Complex, said: Mapping[str, Any]) -> None:
        made.content = self._group(said["content"]) if said["content"] else None
        made.text = _simple(said["text"]) if said["text"] else None
        made.attributes = tuple(
            Attribute(key, tag, _simple(kind), *rest) for key, tag, kind, *rest in said["attributes"]
        )
        made.any_attributes, made.abstract, made.doc = said["any_attributes"], said["abstract"], said["doc"]
        made.derived = [self._types[number] for number in said["derived"]]
        made.array_of = self._element(said["array_of"]) if said["array_of"] else None

    def _element(self, said: list[Any]) -> Element:
        _, key, tag, kind, (nillable, default, fixed, doc), low, high = said
        made: Type = AnyType() if kind is None else self._types[kind] if isinstance(kind, int) else _simple(kind)
        declared = Declaration(lambda: made, nillable=nillable, default=default, fixed=fixed, doc=doc)
        return Element(key, tag, declared, low, high)

    def _particle(self, said: list[Any]) -> Particle:
        if said[0] == "e":
            return self._element(said)
        return Wildcard(*said[1:]) if said[0] == "w" else self._group(said)

    def _group(self, said: list[Any]) -> Group:
        _, kind, items, low, high, key = said
        return Group(kind, tuple(self._particle(each) for each in items), low, high, key)


def _simple(said: list[Any]) -> Simple:
    base, facets, name, doc, items, members, qname = said
    told: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in facets.items()}
    inner = _simple(items) if items else None
    return Simple(base, Facets(**told), name, doc, inner, tuple(_simple(each) for each in members), qname)
