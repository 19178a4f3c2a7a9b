"""Makes the JSON Schema (2020-12) of a message from its type graph, as callers send it or as answers show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from . import soap_scalar_schema
from .soap_types import (
    ATTRIBUTES_KEY,
    TEXT_KEY,
    TYPE_KEY,
    AnyType,
    Attribute,
    Complex,
    Element,
    Group,
    Particle,
    Simple,
    Type,
    Wildcard,
    reached,
)

Schema = dict[str, Any]

_ANY: Schema = {
    "description": "Any value; XML as {xml: '<a/>'}.",
    "anyOf": [
        {"type": ["string", "number", "boolean"]},
        {"type": "object", "properties": {"xml": {"type": "string"}}, "required": ["xml"]},
    ],
}
_XML: Schema = {"type": "string", "description": "One element, as XML."}


def of_parts(parts: Iterable[tuple[str, Element, bool]], *, output: bool) -> Schema:
    """Give the schema of an object with these named parts, each required or not."""
    listed = list(parts)
    builder = _Builder([part.type for _, part, _ in listed], output=output)
    properties = {name: builder.one(part) for name, part, _ in listed}
    return builder.finished(
        {
            "type": "object",
            "properties": properties,
            "required": [name for name, _, required in listed if required],
            **({} if output else {"additionalProperties": False}),
        }
    )


def of_type(kind: Complex, extra: Iterable[tuple[str, Element]] = (), *, output: bool) -> Schema:
    """Give the schema of a message that is one complex type; `extra` are properties beside it (headers, MIME parts)."""
    added = list(extra)
    builder = _Builder([kind, *(part.type for _, part in added)], output=output)
    said = builder.body(kind)
    for name, part in added:
        said["properties"][name] = builder.one(part)
        if part.min_occurs:
            said["required"] = [*said.get("required", ()), name]
    return builder.finished(said)


class _Builder:
    def __init__(self, roots: list[Type], *, output: bool) -> None:
        self.output = output
        self.defs: dict[str, Schema] = {}
        self._names: dict[int, str] = {}
        self._shared = _shared(roots)

    def finished(self, said: Schema) -> Schema:
        return {**said, "$defs": self.defs} if self.defs else said

    def one(self, element: Element) -> Schema:
        """Give the schema of one occurrence of an element."""
        declared = element.declared
        said = dict(self.type(element.type))
        if declared.doc:
            said["description"] = declared.doc
        if declared.fixed is not None and isinstance(element.type, Simple) and not self.output:
            said["description"] = f"{said.get('description', '')} Always {declared.fixed}.".strip()
            said.update(_constant(said, element.type, declared.fixed))
        elif declared.default is not None and isinstance(element.type, Simple):
            said["default"] = soap_scalar_schema.to_json_default(element.type, declared.default)
        return _nullable(said) if declared.nillable else said

    def type(self, kind: Type) -> Schema:
        if isinstance(kind, AnyType):
            return {"description": "Any value."} if self.output else _ANY
        if isinstance(kind, Simple):
            said = soap_scalar_schema.schema(kind, output=self.output)
            return {**said, "description": kind.doc} if kind.doc else said
        if id(kind) not in self._shared:
            return self.body(kind)
        if id(kind) not in self._names:
            self._names[id(kind)] = name = self._free(kind.name or "Type")
            self.defs[name] = {}
            self.defs[name] = self.body(kind)
        return {"$ref": f"#/$defs/{self._names[id(kind)]}"}

    def body(self, kind: Complex) -> Schema:
        """Give a complex type in full, with those that may stand in its place."""
        own = self._object(kind)
        if not kind.derived:
            return own
        branches = [] if kind.abstract else [own]
        for each in kind.derived:
            if not each.abstract:
                derived = self._object(each)
                derived["properties"] = {TYPE_KEY: {"const": each.name}, **derived["properties"]}
                derived["required"] = [TYPE_KEY, *derived.get("required", ())]
                branches.append(derived)
        return {"anyOf": branches} if branches else own

    def _object(self, kind: Complex) -> Schema:
        if kind.array_of:
            return {"type": "array", "items": self.one(kind.array_of)}
        said: Schema = {"type": "object"}
        if kind.doc:
            said["description"] = kind.doc
        properties: Schema = {}
        required: list[str] = []
        rules: list[Schema] = []
        if kind.content:
            self._group(kind.content, properties, required, rules)
        if kind.text:
            properties[TEXT_KEY] = soap_scalar_schema.schema(kind.text, output=self.output)
            required.append(TEXT_KEY)
        for each in kind.attributes:
            properties[each.key] = self._attribute(each)
            if each.required and each.fixed is None and each.default is None:
                required.append(each.key)
        if kind.any_attributes:
            properties[ATTRIBUTES_KEY] = {"type": "object", "additionalProperties": {"type": "string"}}
        said["properties"] = properties
        if required:
            said["required"] = list(dict.fromkeys(required))
        said.update(_ruled(rules))
        if not self.output:
            said["additionalProperties"] = False
        return said

    def _attribute(self, each: Attribute) -> Schema:
        said = soap_scalar_schema.schema(each.type, output=self.output)
        if each.doc:
            said["description"] = each.doc
        if each.default is not None:
            said["default"] = soap_scalar_schema.to_json_default(each.type, each.default)
        return said if each.fixed is None or self.output else {**said, **_constant(said, each.type, each.fixed)}

    def _group(
        self, group: Group, properties: Schema, required: list[str], rules: list[Schema], *, sure: bool = True
    ) -> None:
        """Collect a content; `sure` says that it must be there, so that what it needs is needed."""
        mine: list[str] = []
        for item in group.items:
            if isinstance(item, Group) and not item.repeated:
                needed: list[str] = []
                inner = sure and group.kind != "choice" and item.min_occurs > 0
                self._group(item, properties, needed, rules, sure=inner)
                if item.min_occurs:
                    mine.extend(needed)
                elif item.kind != "choice" and needed and not self.output:
                    rules.append(_together(item, needed))
                continue
            properties[item.key] = self._item(item)
            if self._is_required(item):
                mine.append(item.key)
        if group.kind != "choice":
            required.extend(mine)
        else:
            rules.append(_one_of(group, sure=sure))
            if not self.output:
                rules.extend(_with_their_own(group))

    def _is_required(self, item: Element | Wildcard | Group) -> bool:
        # An answer shows an empty list, so that expressions may count it.
        if self.output and item.repeated:
            return not isinstance(item, Wildcard)
        fixed = isinstance(item, Element) and isinstance(item.type, Simple) and item.declared.fixed is not None
        return item.min_occurs > 0 and not fixed

    def _item(self, item: Element | Wildcard | Group) -> Schema:
        said = self.one(item) if isinstance(item, Element) else dict(_XML)
        if isinstance(item, Group):
            said = self._occurrence(item)
        if not item.repeated:
            return said
        many: Schema = {"type": "array", "items": said}
        if item.min_occurs and not self.output:
            many["minItems"] = item.min_occurs
        if item.max_occurs is not None and not self.output:
            many["maxItems"] = item.max_occurs
        return many

    def _occurrence(self, group: Group) -> Schema:
        properties: Schema = {}
        required: list[str] = []
        rules: list[Schema] = []
        self._group(Group(group.kind, group.items), properties, required, rules)
        said: Schema = {"type": "object", "properties": properties, "required": required, **_ruled(rules)}
        return said if self.output else {**said, "additionalProperties": False}

    def _free(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.defs:
            number += 1
            name = f"{wanted}_{number}"
        return name


def _shared(roots: list[Type]) -> set[int]:
    """Find the complex types that are recursive, or large and named more than once: they go into `$defs`."""
    seen: Counter[int] = Counter()
    known: dict[int, Complex] = {}
    on_circle: set[int] = set()

    def visit(kind: Type, above: tuple[int, ...]) -> None:
        if not isinstance(kind, Complex):
            return
        me = id(kind)
        if me in above:
            on_circle.add(me)
            return
        seen[me] += 1
        known[me] = kind
        if seen[me] > 1:
            return
        for below in reached(kind):
            visit(below, (*above, me))

    for root in roots:
        visit(root, ())
    return on_circle | {me for me, count in seen.items() if count > 1 and known[me].content}


def _ruled(rules: list[Schema]) -> Schema:
    if not rules:
        return {}
    return rules[0] if len(rules) == 1 else {"allOf": rules}


def _names(particle: Particle) -> list[str]:
    if isinstance(particle, Group) and not particle.repeated:
        return [name for item in particle.items for name in _names(item)]
    return [particle.key]


def _needs(particle: Particle) -> list[str]:
    if isinstance(particle, Group) and not particle.repeated:
        if particle.kind == "choice" or not particle.min_occurs:
            return []
        return [name for item in particle.items for name in _needs(item)]
    return [particle.key] if particle.min_occurs else []


def _present(particle: Particle) -> Schema:
    """Say that an alternative is there: what it needs, or any of what it may have."""
    if needed := _needs(particle):
        return {"required": needed}
    return {"anyOf": [{"required": [name]} for name in dict.fromkeys(_names(particle))]}


def _can_be_empty(particle: Particle) -> bool:
    if not particle.min_occurs:
        return True
    if isinstance(particle, Group):
        empty = [_can_be_empty(item) for item in particle.items]
        return any(empty) if particle.kind == "choice" else all(empty)
    return False


def _one_of(group: Group, *, sure: bool) -> Schema:
    alternatives = [_present(item) for item in group.items]
    if not sure or _can_be_empty(group):
        alternatives.append({"not": {"anyOf": list(alternatives)}})
    return {"oneOf": alternatives}


def _with_their_own(group: Group) -> Iterable[Schema]:
    """What an alternative may have comes with what it needs, where no other alternative has it too."""
    count = Counter(name for item in group.items for name in set(_names(item)))
    for item in group.items:
        if isinstance(item, Group) and (needed := _needs(item)):
            own = [name for name in dict.fromkeys(_names(item)) if count[name] == 1]
            rule = {name: others for name in own if (others := [each for each in needed if each != name])}
            if rule:
                yield {"dependentRequired": rule}


def _constant(said: Schema, kind: Simple, text: str) -> Schema:
    """Say that only one value is taken, where the schema's own types can say it exactly."""
    if said.get("type") in {"string", "boolean", "integer"} and "contentEncoding" not in said:
        return {"const": soap_scalar_schema.to_json_default(kind, text)}
    return {}


def _together(group: Group, needed: list[str]) -> Schema:
    """An optional sequence: with one of its elements come those that it needs."""
    return {"dependentRequired": {name: [each for each in needed if each != name] for name in _names(group)}}


def _nullable(said: Schema) -> Schema:
    kind = said.get("type")
    if kind is None or "anyOf" in said:
        return {"anyOf": [said, {"type": "null"}]} if said.keys() - {"description"} else said
    kinds = [kind] if isinstance(kind, str) else list(kind)
    said = {**said, "type": [*kinds, "null"]}
    if "enum" in said:
        said["enum"] = [*said["enum"], None]
    return said
