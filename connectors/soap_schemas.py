"""Reads XSD documents into the type graph of `soap_types`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Literal, cast

from .soap_names import is_name, text_in
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
    content,
)
from .soap_xml import ENCODINGS, XML, XSD, Node, clark, local, namespace, qualified

_X = f"{{{XSD}}}"
_MOST_DIGITS = 7
_MOST_EXPONENT = 400
_GLOBAL = ("element", "complexType", "simpleType", "group", "attributeGroup", "attribute")
_ARRAYS = {clark(space, "Array") for space in ENCODINGS}
_WSDL_ARRAY_TYPE = "{http://schemas.xmlsoap.org/wsdl/}arrayType"
SWA_REF = "{http://ws-i.org/profiles/basic/1.1/xsd}swaRef"
"""A text that names an attachment; callers give and get what is in it."""
_ANY = {"anyType", "ur-type"}
_OLD_NAMES = {"base64": "base64Binary", "timeDuration": "duration", "timeInstant": "dateTime"}


@dataclass(frozen=True, slots=True)
class Document:
    """One `xs:schema`; `space` is its target namespace, or that of who includes it."""

    root: Node
    space: str | None

    def form(self, kind: Literal["element", "attribute"]) -> bool:
        return str(self.root.get(f"{kind}FormDefault", "unqualified")) == "qualified"


@dataclass(frozen=True, slots=True)
class Found:
    node: Node
    document: Document


class Schemas:
    """All schemas of one service. `gaps` collects what could not be resolved and is taken as any type."""

    def __init__(self, documents: list[Document]) -> None:
        self.gaps: list[str] = []
        self._found: dict[tuple[str, str], Found] = {}
        self._by_name: dict[tuple[str, str], list[str]] = {}
        self._types: dict[str, Type] = {}
        self._elements: dict[str, Element] = {}
        for document in documents:
            for node in document.root:
                kind, name = local(node.tag), node.get("name")
                if kind in _GLOBAL and name:
                    tag = clark(document.space, name.strip())
                    self._found.setdefault((kind, tag), Found(node, document))
                    self._by_name.setdefault((kind, local(tag)), []).append(tag)
        self._substitutes = self._all_substitutes()
        self._derive()

    def element(self, tag: str) -> Element | None:
        """Give a global element by its qualified name, None when there is none."""
        if tag not in self._elements:
            found = self._find("element", tag)
            if found is None:
                return None
            self._elements[tag] = Element(local(tag), tag, self._declared(found))
        return self._elements[tag]

    def elements_named(self, name: str) -> list[str]:
        """Name the global elements with this local name."""
        return self._by_name.get(("element", name), [])

    def element_names(self) -> list[str]:
        """Name the global elements by their local names."""
        return [name for kind, name in self._by_name if kind == "element"]

    def type(self, tag: str) -> Type:
        """Give a global type by its qualified name; an unknown one is any type, and a gap."""
        if namespace(tag) in {XSD, *ENCODINGS} and tag not in _ARRAYS:
            return AnyType() if local(tag) in _ANY else Simple(_OLD_NAMES.get(local(tag), local(tag)))
        if tag == SWA_REF:
            return Simple("base64Binary", name="swaRef")
        if tag in _ARRAYS:
            item = Element("item", "item", Declaration(AnyType, nillable=True), 0, None)
            return Complex("Array", tag, array_of=item)
        if tag not in self._types:
            self._types[tag] = self._global_type(tag)
        return self._types[tag]

    # What follows reads one kind of declaration each.

    def _find(self, kind: str, tag: str) -> Found | None:
        found = self._found.get((kind, tag))
        if found is None and len(near := set(self._by_name.get((kind, local(tag)), ()))) == 1:
            found = self._found[kind, near.pop()]  # a wrong or missing prefix, common in old contracts
        return found

    def _global_type(self, tag: str) -> Type:
        if found := self._find("complexType", tag):
            made = Complex(local(tag), tag)
            self._types[tag] = made
            self._fill_complex(made, found)
            return made
        if found := self._find("simpleType", tag):
            return replace(self._simple(found, name=local(tag)), qname=tag)
        if namespace(tag) not in {XML, *ENCODINGS}:
            self.gaps.append(f"type {tag} is not defined")
        return AnyType()

    def _all_substitutes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for (kind, tag), each in self._found.items():
            if kind == "element" and (head := each.node.get("substitutionGroup")):
                found.setdefault(qualified(each.node, head, each.document.space), []).append(tag)
        return found

    def _derive(self) -> None:
        """Tell every named base type who extends or restricts it, so that `xsi:type` can be written and read."""
        for (kind, tag), found in list(self._found.items()):
            base = self._base_of(found) if kind == "complexType" else None
            if base and namespace(base) not in {XSD, *ENCODINGS}:
                above, mine = self.type(base), self.type(tag)
                if isinstance(above, Complex) and isinstance(mine, Complex) and mine is not above:
                    above.derived.append(mine)
        for known in list(self._types.values()):
            if isinstance(known, Complex):
                _spread(known, set())

    def _base_of(self, found: Found) -> str | None:
        for step in found.node.iter(f"{_X}extension", f"{_X}restriction"):
            if local(step.getparent().tag) in {"complexContent", "simpleContent"}:
                return qualified(step, step.get("base", "")) if step.getparent().getparent() is found.node else None
        return None

    def _declared(self, found: Found) -> Declaration:
        node = found.node
        plain = Simple(local(node.get("type", "").rpartition(":")[2]))
        default, fixed = _given(plain, node)
        return Declaration(
            lambda: self._element_type(found),
            nillable=node.get("nillable") in {"true", "1"},
            default=default,
            fixed=fixed,
            doc=documentation(node),
        )

    def _element_type(self, found: Found) -> Type:
        inner = _child(found.node, "complexType", "simpleType")
        if name := found.node.get("type"):
            return self.type(self._reference(name, found))
        if inner is None:
            return self._of_head(found.node, found)
        if local(inner.tag) == "simpleType":
            return self._simple(Found(inner, found.document))
        made = Complex(found.node.get("name", "").strip(), None)
        self._fill_complex(made, Found(inner, found.document))
        return made

    def _of_head(self, node: Node, found: Found) -> Type:
        head = node.get("substitutionGroup")
        above = self.element(qualified(node, head, found.document.space)) if head else None
        return above.type if above else AnyType()

    def _reference(self, name: str, found: Found) -> str:
        tag = qualified(found.node, name)
        # A document without namespace that is included takes the namespace of who includes it.
        return tag if namespace(tag) or found.document.root.get("targetNamespace") else clark(found.document.space, tag)

    def _fill_complex(self, made: Complex, found: Found) -> None:
        node = found.node
        made.abstract = node.get("abstract") in {"true", "1"}
        made.doc = documentation(node)
        body, base = node, None
        inner = _child(node, "complexContent", "simpleContent")
        if inner is not None:
            step = _child(inner, "extension", "restriction")
            if step is None:
                step = inner  # gSOAP leaves it out where it hides an array
            body, base = step, self.type(self._reference(step.get("base", "xs:anyType"), Found(step, found.document)))
        simple = inner is not None and local(inner.tag) == "simpleContent"
        extends = base is not None and local(body.tag) == "extension"
        own = self._own_content(body, found.document)
        if simple:
            made.text = self._text(body, base, found.document)
        elif extends and isinstance(base, Complex):
            made.content = content(_joined(base.content, own))
            made.array_of = base.array_of
        else:
            made.content = content(own)
        inherited = base if isinstance(base, Complex) else None
        self._take_attributes(made, inherited, list(self._attributes(body, found.document)))
        made.any_attributes = bool(inherited and inherited.any_attributes) or _has_any_attribute(body)
        if inherited is not None and local(body.tag) == "restriction" and not simple:
            made.array_of = self._array(body, inherited, made) or inherited.array_of

    def _text(self, body: Node, base: Type | None, document: Document) -> Simple:
        under = base.text if isinstance(base, Complex) else base
        under = under if isinstance(under, Simple) else Simple("string")
        return self._restricted(Found(body, document), under) if local(body.tag) == "restriction" else under

    @staticmethod
    def _take_attributes(made: Complex, base: Complex | None, own: list[tuple[Attribute, bool]]) -> None:
        every = {each.tag: each for each in base.attributes} if base else {}
        for each, prohibited in own:
            if prohibited:
                every.pop(each.tag, None)
            else:
                every[each.tag] = each
        used = set(_keys(made.content)) | ({"value"} if made.text else set())
        made.attributes = tuple(
            replace(each, key=f"attr_{each.key}") if each.key in used else each for each in every.values()
        )

    def _array(self, body: Node, base: Complex, made: Complex) -> Element | None:
        """Read `soapenc:Array` with its `wsdl:arrayType`, as rpc/encoded contracts write lists."""
        if base.qname not in _ARRAYS and base.array_of is None:
            return None
        for each in body.iter(f"{_X}attribute"):
            if name := each.get(_WSDL_ARRAY_TYPE):
                item = qualified(each, re.sub(r"(\[[\d,]*\])+$", "", name))
                return self._items(item)
        return next((item for item in (made.content.items if made.content else ()) if isinstance(item, Element)), None)

    def _items(self, tag: str) -> Element:
        return Element("item", "item", Declaration(lambda: self.type(tag), nillable=True), 0, None)

    def _own_content(self, body: Node, document: Document) -> Group | None:
        model = _child(body, "sequence", "choice", "all", "group")
        if model is None:
            return None
        particle = self._particle(model, document)
        return particle if isinstance(particle, Group) else None

    def _particle(self, node: Node, document: Document) -> Particle | None:
        kind = local(node.tag)
        low, high = _occurs(node)
        if kind == "element":
            return self._local_element(node, document, low, high)
        if kind == "any":
            return Wildcard(low, high)
        if kind == "group":
            found = self._find("group", qualified(node, node.get("ref", ""), document.space))
            model = None if found is None else _child(found.node, "sequence", "choice", "all")
            inner = None if found is None or model is None else self._particle(model, found.document)
            return Group("sequence", (inner,) if inner else (), low, high)
        if kind in {"sequence", "choice", "all"}:
            items = [self._particle(child, document) for child in node]
            shape = cast("Literal['sequence', 'choice', 'all']", kind)
            return Group(shape, tuple(item for item in items if item is not None), low, high)
        return None

    def _local_element(self, node: Node, document: Document, low: int, high: int | None) -> Particle:
        if name := node.get("ref"):
            return self._referred(qualified(node, name, document.space), low, high)
        own = node.get("form")
        is_qualified = own == "qualified" if own else document.form("element")
        name = (node.get("name") or "").strip()
        tag = clark(document.space if is_qualified else None, name)
        return Element(name, tag, self._declared(Found(node, document)), low, high)

    def _referred(self, tag: str, low: int, high: int | None) -> Particle:
        if tag == clark(XSD, "schema"):
            return Wildcard(low, high)  # .NET's DataSet sends its own schema
        head = self.element(tag)
        if head is None:
            self.gaps.append(f"element {tag} is not defined")
            return Wildcard(low, high)
        members = [each for each in map(self.element, self._may_stand_for(tag)) if each] or [head]
        if len(members) == 1:
            return replace(members[0], min_occurs=low, max_occurs=high)
        return Group("choice", tuple(members), low, high)

    def _may_stand_for(self, tag: str) -> list[str]:
        """Name the elements that may stand where one is referred to: itself first, no abstract ones."""
        every = [tag]
        for name in every:
            every += [each for each in self._substitutes.get(name, ()) if each not in every]
        found = {name: self._find("element", name) for name in every}
        return [name for name, one in found.items() if one and one.node.get("abstract") not in {"true", "1"}]

    def _attributes(self, body: Node, document: Document) -> Iterator[tuple[Attribute, bool]]:
        for node in body:
            kind = local(node.tag)
            if kind == "attribute":
                made = self._attribute(node, document)
                if made:
                    yield made, node.get("use") == "prohibited"
            elif kind == "attributeGroup" and node.get("ref"):
                found = self._find("attributeGroup", qualified(node, node.get("ref"), document.space))
                if found and namespace(qualified(node, node.get("ref"))) not in ENCODINGS:
                    yield from self._attributes(found.node, found.document)

    def _attribute(self, node: Node, document: Document) -> Attribute | None:
        required = node.get("use") == "required"
        if name := node.get("ref"):
            tag = qualified(node, name, document.space)
            if namespace(tag) in ENCODINGS:
                return None  # arrayType and its like: how an array is written, no data
            found = self._find("attribute", tag)
            kind = self._attribute_type(found) if found else Simple("string")
            return Attribute(local(tag), tag, kind, required, *_given(kind, node))
        form = node.get("form")
        is_qualified = form == "qualified" if form else document.form("attribute")
        name = (node.get("name") or "").strip()
        tag = clark(document.space if is_qualified else None, name)
        kind = self._attribute_type(Found(node, document))
        return Attribute(name, tag, kind, required, *_given(kind, node), documentation(node))

    def _attribute_type(self, found: Found) -> Simple:
        inner = _child(found.node, "simpleType")
        if inner is not None:
            return self._simple(Found(inner, found.document))
        name = found.node.get("type")
        kind = self.type(self._reference(name, found)) if name else Simple("string")
        return kind if isinstance(kind, Simple) else Simple("string")

    def _simple(self, found: Found, name: str | None = None) -> Simple:
        node, doc = found.node, documentation(found.node)
        step = _child(node, "restriction", "list", "union")
        if step is None:
            return Simple("string", name=name, doc=doc)
        here = Found(step, found.document)
        inner = [self._simple(Found(child, found.document)) for child in step if local(child.tag) == "simpleType"]
        if local(step.tag) == "list":
            item = inner[0] if inner else self._simple_named(step.get("itemType", "xs:string"), here)
            return Simple("list", name=name, doc=doc, items=item)
        if local(step.tag) == "union":
            named = [self._simple_named(each, here) for each in step.get("memberTypes", "").split()]
            return Simple("union", name=name, doc=doc, members=(*named, *inner))
        base = inner[0] if inner else self._simple_named(step.get("base", "xs:string"), here)
        return replace(self._restricted(here, base), name=name, doc=doc)

    def _simple_named(self, name: str, found: Found) -> Simple:
        kind = self.type(self._reference(name, found))
        return kind if isinstance(kind, Simple) else Simple("string")

    @staticmethod
    def _restricted(found: Found, base: Simple) -> Simple:
        said: dict[str, list[str]] = {}
        for node in found.node:
            if (value := node.get("value")) is not None:
                kind = local(node.tag)
                said.setdefault(kind, []).append(text_in(base, node, value) if kind == "enumeration" else value)
        if is_name(base):  # what else is said of names is said of their prefixes, or means nothing
            said = {name: values for name, values in said.items() if name == "enumeration" or base.items is not None}
        return replace(base, facets=_narrowed(base.facets, said))


def documentation(node: Node) -> str | None:
    """Give the text of a declaration's documentation in one line, None when it says nothing."""
    texts = [" ".join("".join(part.itertext()).split()) for part in node.iterfind(f"{_X}annotation/{_X}documentation")]
    return " ".join(text for text in texts if text)[:2000] or None


def _given(kind: Simple, node: Node) -> tuple[str | None, str | None]:
    """Give the default and the fixed value of a declaration."""
    default, fixed = node.get("default"), node.get("fixed")
    if not is_name(kind):
        return default, fixed
    return default and text_in(kind, node, default), fixed and text_in(kind, node, fixed)


def _child(node: Node, *kinds: str) -> Node | None:
    return next((child for child in node if local(child.tag) in kinds), None)


def _occurs(node: Node) -> tuple[int, int | None]:
    high = node.get("maxOccurs", "1").strip()
    return int(node.get("minOccurs", "1")), None if high == "unbounded" else int(high)


def _has_any_attribute(body: Node) -> bool:
    return _child(body, "anyAttribute") is not None


def _joined(base: Group | None, own: Group | None) -> Group | None:
    parts = tuple(part for part in (base, own) if part)
    return Group("sequence", parts) if parts else None


def _keys(group: Group | None) -> Iterator[str]:
    for item in group.items if group else ():
        if isinstance(item, Group) and not item.repeated:
            yield from _keys(item)
        else:
            yield item.key


def _spread(kind: Complex, above: set[int]) -> list[Complex]:
    """Make `derived` hold the types below in all generations; a circle of bases ends where it closes."""
    if id(kind) in above:
        return []
    below: dict[int, Complex] = {}
    for each in list(kind.derived):
        for one in [each, *_spread(each, above | {id(kind)})]:
            below[id(one)] = one
    below.pop(id(kind), None)
    kind.derived = list(below.values())
    return kind.derived


def _is_sane(text: str) -> bool:
    """Tell whether a bound can be written out: 1e999999999 would fill the memory."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return True  # a date, or a pattern
    return not value.is_finite() or abs(value.adjusted()) < _MOST_EXPONENT


def _narrowed(facets: Facets, said: dict[str, list[str]]) -> Facets:
    def last(name: str) -> str | None:
        return said[name][-1] if name in said and _is_sane(said[name][-1]) else None

    def number(*names: str, otherwise: int | None) -> int | None:
        given = next((said[name][-1] for name in names if name in said), None)
        return int(given) if given is not None and len(given) <= _MOST_DIGITS else otherwise

    patterns = (
        "|".join(f"(?:{each})" for each in said["pattern"]) if len(said.get("pattern", ())) > 1 else last("pattern")
    )
    return Facets(
        enum=tuple(said.get("enumeration", facets.enum)),
        patterns=(*facets.patterns, patterns) if patterns else facets.patterns,
        min_length=number("length", "minLength", otherwise=facets.min_length),
        max_length=number("length", "maxLength", otherwise=facets.max_length),
        minimum=last("minInclusive") or facets.minimum,
        maximum=last("maxInclusive") or facets.maximum,
        above=last("minExclusive") or facets.above,
        below=last("maxExclusive") or facets.below,
        total_digits=number("totalDigits", otherwise=facets.total_digits),
        fraction_digits=number("fractionDigits", otherwise=facets.fraction_digits),
    )
