"""
Writes plain values as XML, by writers that are made once for each element of the type graph.

A writer appends text to a list. Namespaces get their prefixes when the writers are made, so that an envelope declares them
all once and nothing is looked up per call.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from . import soap_names, soap_scalars
from .soap_attachments import XOP, Outgoing
from .soap_attributes import attributes as attributes_of
from .soap_attributes import named_text
from .soap_content import Fill, Out, Unfit, Write, choice, keys, many, occurrences, wildcard, xml
from .soap_scalars import BadValue
from .soap_text import escaped, quoted
from .soap_types import TEXT_KEY, TYPE_KEY, AnyType, Complex, Element, Group, Particle, Simple, Type, Wildcard
from .soap_xml import ENCODING, ENCODING_12, XML, XSD, XSI, local, namespace

_Body = tuple[Callable[[Any], str] | None, Fill]


class Writers:
    """
    Makes writers. `encoded` writes as rpc/encoded wants it: each element with its `xsi:type`, lists as arrays.

    Binary values of more than `beside_over` bytes travel beside the envelope (MTOM), where what is written to can take them.
    """

    def __init__(self, *, encoded: bool = False, soap12: bool = False, beside_over: int | None = None) -> None:
        self._encoded = encoded
        self._soap12 = soap12
        self._beside_over = beside_over
        self._prefixes: dict[str, str] = {XSI: "xsi", XML: "xml"}
        self._bodies: dict[int, _Body] = {}
        self._alive: list[Type] = []
        if encoded:
            self._prefixes |= {XSD: "xsd", self.encoding: "soapenc"}

    @property
    def encoding(self) -> str:
        return ENCODING_12 if self._soap12 else ENCODING

    def name(self, tag: str) -> str:
        """Give a tag with its prefix."""
        space = namespace(tag)
        return f"{self._prefix(space)}:{local(tag)}" if space else local(tag)

    def declarations(self) -> str:
        """Give the `xmlns` attributes for all namespaces that were named so far."""
        return "".join(f' xmlns:{prefix}="{quoted(space)}"' for space, prefix in self._prefixes.items() if space != XML)

    def element(self, element: Element) -> Write:
        name, kind, nillable = self.name(element.tag), element.type, element.declared.nillable
        nil = f'<{name} xsi:nil="true"/>'
        optional = element.min_occurs == 0
        inside = self._inside(name, kind)
        if element.declared.fixed is not None and isinstance(kind, Simple):
            inside = _only(kind, element.declared.fixed, inside)

        def write(value: Any, out: Out) -> None:
            if value is None:
                if nillable:
                    out.append(nil)
                elif not optional:
                    raise Unfit("null is not allowed")
            else:
                inside(value, out)

        return write

    def _prefix(self, space: str) -> str:
        if space not in self._prefixes:
            self._prefixes[space] = f"n{len(self._prefixes)}"
        return self._prefixes[space]

    def _inside(self, name: str, kind: Type) -> Write:
        if isinstance(kind, Simple):
            return self._scalar(name, kind)
        if isinstance(kind, AnyType):
            return self._any(name)
        if kind.array_of:
            return self._array(name, kind.array_of) if self._encoded else self._list(name, kind.array_of)
        return self._complex(name, kind)

    def _typed(self, kind: Type) -> str:
        if not self._encoded:
            return ""
        if isinstance(kind, Simple):
            if kind.qname:
                return f' xsi:type="{self.name(kind.qname)}"'
            return f' xsi:type="xsd:{"string" if kind.items or kind.members else kind.base}"'
        return f' xsi:type="{self.name(kind.qname)}"' if isinstance(kind, Complex) and kind.qname else ""

    def _scalar(self, name: str, kind: Simple) -> Write:
        if kind.base == "base64Binary" and (kind.name == "swaRef" or self._beside_over is not None):
            return self._binary(name, kind)
        if soap_names.is_name(kind):
            return self._named(name, kind)
        text, start, end = soap_scalars.writer(kind), f"<{name}{self._typed(kind)}>", f"</{name}>"

        def write(value: Any, out: Out) -> None:
            try:
                out.append(start + escaped(text(value)) + end)
            except BadValue as error:
                raise Unfit(str(error)) from None

        return write

    def _named(self, name: str, kind: Simple) -> Write:
        """Write names with their prefixes, which are declared where they stand."""
        text, start, end = soap_names.writer(kind), f"<{name}{self._typed(kind)}", f"</{name}>"

        def write(value: Any, out: Out) -> None:
            try:
                declared, said = text(value, "q")
                out.append(f"{start}{declared}>{escaped(said)}{end}")
            except BadValue as error:
                raise Unfit(str(error)) from None

        return write

    def _binary(self, name: str, kind: Simple) -> Write:
        start, end, by_name = f"<{name}{self._typed(kind)}>", f"</{name}>", kind.name == "swaRef"
        text, over = soap_scalars.writer(kind), 0 if self._beside_over is None else self._beside_over

        def write(value: Any, out: Out) -> None:
            body = value if isinstance(value, bytes) else None
            try:
                shown = escaped(text(value))
                if isinstance(out, Outgoing) and (by_name or len(shown) * 3 // 4 > over):
                    at = out.attach(base64.b64decode(shown) if body is None else body)
                    shown = at if by_name else f'<xop:Include xmlns:xop="{XOP}" href="{at}"/>'
                out.append(start + shown + end)
            except BadValue as error:
                raise Unfit(str(error)) from None

        return write

    def _any(self, name: str) -> Write:
        self._prefix(XSD)
        xsd = self._prefixes[XSD]

        def write(value: Any, out: Out) -> None:
            if isinstance(value, dict) and isinstance(value.get("xml"), str):
                out.append(f"<{name}>{xml(value['xml'])}</{name}>")
                return
            base = "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "decimal"
            text = soap_scalars.writer(Simple(base))
            try:
                out.append(f'<{name} xsi:type="{xsd}:{base}">{escaped(text(value))}</{name}>')
            except BadValue as error:
                raise Unfit(str(error)) from None

        return write

    def _array(self, name: str, item: Element) -> Write:
        kind = item.type
        item_type = self._typed(kind).removeprefix(' xsi:type="').removesuffix('"') or "xsd:anyType"
        each = self.element(item)
        typed = ' xsi:type="soapenc:Array"'
        of, end = f' soapenc:arrayType="{item_type}[', ']"'
        if self._soap12:
            of, end = f' soapenc:itemType="{item_type}" soapenc:arraySize="', '"'

        def write(value: Any, out: Out) -> None:
            items = value if isinstance(value, list) else [value]
            size = f"{of}{len(items)}{end}"
            out.append(f"<{name}{typed}{size}>")
            many(each, items, out)
            out.append(f"</{name}>")

        return write

    def _list(self, name: str, item: Element) -> Write:
        each = self.element(item)

        def write(value: Any, out: Out) -> None:
            out.append(f"<{name}>")
            many(each, value if isinstance(value, list) else [value], out)
            out.append(f"</{name}>")

        return write

    def _complex(self, name: str, kind: Complex) -> Write:
        start, end, typed = f"<{name}", f"</{name}>", self._typed(kind)
        memo = self._bodies
        key = id(kind)
        self._body(kind)
        derived = {each.name: each for each in kind.derived}
        for each in kind.derived:
            self._body(each)
        names = {each.name: f' xsi:type="{self.name(each.qname)}"' for each in kind.derived if each.qname}

        def write(value: Any, out: Out) -> None:
            if not isinstance(value, Mapping):
                raise Unfit(f"{type(value).__name__} is no object")
            attributes, fill = memo[key]
            mark = typed
            if derived and (special := derived.get(value.get(TYPE_KEY, ""))):
                attributes, fill = memo[id(special)]
                mark = names[special.name]
            out.append(f"{start}{mark}{attributes(value)}>" if attributes else f"{start}{mark}>")
            fill(value, out)
            out.append(end)

        return write

    def _body(self, kind: Complex) -> _Body:
        """Make what writes a complex type once; who writes it looks it up per call, so recursion finds it when it is made."""
        if id(kind) in self._bodies:
            return self._bodies[id(kind)]
        self._alive.append(kind)
        self._bodies[id(kind)] = (None, _nothing)
        attributes = attributes_of(kind, self.name)
        if kind.text and soap_names.is_name(kind.text):
            attributes, fill = named_text(kind.text, attributes)
            self._bodies[id(kind)] = (attributes, fill)
            return self._bodies[id(kind)]
        fill = self._text(kind.text) if kind.text else self._group(kind.content) if kind.content else _nothing
        self._bodies[id(kind)] = (attributes, fill)
        return self._bodies[id(kind)]

    @staticmethod
    def _text(kind: Simple) -> Fill:
        text = soap_scalars.writer(kind)

        def fill(value: Any, out: Out) -> None:
            try:
                out.append(escaped(text(value[TEXT_KEY])))
            except KeyError:
                raise Unfit("it is missing", TEXT_KEY) from None
            except BadValue as error:
                raise Unfit(str(error), TEXT_KEY) from None

        return fill

    def _group(self, group: Group) -> Fill:
        parts = [self._particle(item) for item in group.items]
        if group.kind == "choice":
            return choice(group, [(frozenset(keys(item)), part) for item, part in zip(group.items, parts, strict=True)])
        if len(parts) == 1:
            return parts[0]

        def fill(value: Any, out: Out) -> None:
            for part in parts:
                part(value, out)

        return fill

    def _particle(self, item: Particle) -> Fill:
        if isinstance(item, Wildcard):
            return wildcard(item)
        if isinstance(item, Element):
            return self._member(item)
        if item.repeated:
            return occurrences(item, self._group(Group(item.kind, item.items)))
        inner = self._group(item)
        if item.min_occurs or item.kind == "choice":
            return inner
        names = frozenset(keys(item))
        return lambda value, out: inner(value, out) if names & value.keys() else None

    def _member(self, item: Element) -> Fill:
        key, low = item.key, item.min_occurs
        write = self.element(item)
        declared = item.declared
        fixed = declared.fixed if isinstance(item.type, Simple) else None

        def fill(value: Any, out: Out) -> None:
            if key not in value:
                if fixed is not None and low:
                    write(fixed, out)
                elif low:
                    raise Unfit("it is missing", key)
                return
            given = value[key]
            try:
                if item.repeated:
                    many(write, given if isinstance(given, list) else [given], out)
                else:
                    write(given, out)
            except Unfit as error:
                raise error.under(key) from None

        return fill


def _only(kind: Simple, fixed: str, inside: Write) -> Write:
    """Write what is fixed, and refuse another value of it."""
    is_it = soap_scalars.equals(kind, fixed)

    def write(value: Any, out: Out) -> None:
        if not is_it(value):
            raise Unfit(f"it is always {fixed}")
        inside(value, out)

    return write


def _nothing(value: Any, out: Out) -> None:
    pass
