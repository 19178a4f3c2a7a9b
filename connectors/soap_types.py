"""
The type graph of a service: what its XSD says, resolved, with everything that schema, writer and reader need.

zeep's own graph forgets facets, enumerations and documentation; this one is read from the same documents.
W3C XML Schema 1.0, parts 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

TEXT_KEY = "value"
"""Where simple content with attributes keeps its text."""
ITEMS_KEY = "_items"
"""Where a repeated choice or sequence keeps its occurrences, in order."""
ANY_KEY = "_any"
"""Where `xsd:any` keeps its elements, as XML."""
ATTRIBUTES_KEY = "_attributes"
TYPE_KEY = "_type"
"""Names the derived type of a value (`xsi:type`)."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Restrictions of a simple type; `patterns` must all match."""

    enum: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    above: str | None = None
    below: str | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple type: a builtin (`base`) with facets, a list of `items`, or a union of `members`."""

    base: str
    facets: Facets = Facets()
    name: str | None = None
    doc: str | None = None
    items: Simple | None = None
    members: tuple[Simple, ...] = ()
    qname: str | None = None


@dataclass(frozen=True, slots=True)
class AnyType:
    """`xsd:anyType`: a scalar, or XML."""


@dataclass(eq=False, slots=True)
class Complex:
    """A complex type; filled after it is made, because types are recursive."""

    name: str
    qname: str | None
    content: Group | None = None
    text: Simple | None = None
    attributes: tuple[Attribute, ...] = ()
    any_attributes: bool = False
    abstract: bool = False
    doc: str | None = None
    derived: list[Complex] = field(default_factory=list)
    array_of: Element | None = None


Type = Simple | Complex | AnyType


@dataclass(frozen=True, slots=True)
class Attribute:
    key: str
    tag: str
    type: Simple
    required: bool = False
    default: str | None = None
    fixed: str | None = None
    doc: str | None = None


class Declaration:
    """What an element is, wherever it is referred to. Its type is looked up when it is asked for: types are recursive."""

    __slots__ = ("_find", "_type", "default", "doc", "fixed", "nillable")

    def __init__(
        self,
        find: Callable[[], Type],
        *,
        nillable: bool = False,
        default: str | None = None,
        fixed: str | None = None,
        doc: str | None = None,
    ) -> None:
        self._find = find
        self._type: Type | None = None
        self.nillable = nillable
        self.default = default
        self.fixed = fixed
        self.doc = doc

    @property
    def type(self) -> Type:
        if self._type is None:
            self._type = self._find()
        return self._type


@dataclass(eq=False, slots=True)
class Element:
    """An element where it stands; `max_occurs` None is unbounded, `key` its name in plain values."""

    key: str
    tag: str
    declared: Declaration
    min_occurs: int = 1
    max_occurs: int | None = 1

    @property
    def repeated(self) -> bool:
        return self.max_occurs != 1

    @property
    def type(self) -> Type:
        return self.declared.type


@dataclass(eq=False, slots=True)
class Wildcard:
    """`xsd:any`."""

    min_occurs: int = 1
    max_occurs: int | None = 1
    key: str = ANY_KEY

    @property
    def repeated(self) -> bool:
        return self.max_occurs != 1


@dataclass(eq=False, slots=True)
class Group:
    """A sequence, choice or all; `key` is set where it repeats."""

    kind: Literal["sequence", "choice", "all"]
    items: tuple[Particle, ...]
    min_occurs: int = 1
    max_occurs: int | None = 1
    key: str = ITEMS_KEY

    @property
    def repeated(self) -> bool:
        return self.max_occurs != 1


Particle = Element | Wildcard | Group


def times(outer: int | None, inner: int | None) -> int | None:
    """Multiply two maxOccurs."""
    return None if outer is None or inner is None else outer * inner


def simplified(group: Group) -> Particle | None:
    """Take away what has no meaning of its own: empty groups, groups of one, and groups in groups of the same kind."""
    items: list[Particle] = []
    for item in group.items:
        small = simplified(item) if isinstance(item, Group) else item
        if small is None:
            continue
        same = isinstance(small, Group) and small.kind == group.kind and (small.min_occurs, small.max_occurs) == (1, 1)
        items.extend(small.items if same and isinstance(small, Group) else [small])
    if not items or group.max_occurs == 0:
        return None
    if len(items) == 1:
        only = items[0]
        low, high = group.min_occurs * only.min_occurs, times(group.max_occurs, only.max_occurs)
        return replace(only, min_occurs=low, max_occurs=high)
    return replace(group, items=tuple(items))


def content(group: Group | None) -> Group | None:
    """Simplify the content of a complex type and give every particle its key."""
    small = simplified(group) if group else None
    if small is None:
        return None
    if not isinstance(small, Group) or small.repeated:
        small = Group("sequence", (small,))
    keyed = _keyed(small, {})
    assert isinstance(keyed, Group)
    return keyed


def _keyed(particle: Particle, used: dict[str, str]) -> Particle:
    """Give keys that are unique in one object; exclusive alternatives may share one for the same tag."""
    if isinstance(particle, Element):
        return replace(particle, key=_free(particle.key, particle.tag, used))
    if isinstance(particle, Wildcard):
        return replace(particle, key=_free(ANY_KEY, "any", used))
    if particle.repeated:
        inside: dict[str, str] = {}
        key = _free(ITEMS_KEY, "group", used)
        return replace(particle, key=key, items=tuple(_scoped(particle, inside)))
    return replace(particle, items=tuple(_scoped(particle, used)))


def _scoped(group: Group, used: dict[str, str]) -> Iterator[Particle]:
    if group.kind != "choice":
        for item in group.items:
            yield _keyed(item, used)
        return
    before, after = dict(used), dict(used)
    for item in group.items:
        mine = dict(before)
        keyed = _keyed(item, mine)
        clash = any(after.get(key, tag) != tag for key, tag in mine.items())
        yield _keyed(item, mine := dict(after)) if clash else keyed
        after.update(mine)
    used.update(after)


def _free(wanted: str, tag: str, used: dict[str, str]) -> str:
    key, number = wanted, 1
    while key in used:
        number += 1
        key = f"{wanted}_{number}"
    used[key] = tag
    return key


def elements(group: Group | None) -> Iterator[Element | Wildcard]:
    """Give the leaves of a content in order, those of repeated groups too."""
    for item in group.items if group else ():
        if isinstance(item, Group):
            yield from elements(item)
        else:
            yield item


def in_order(root: Type) -> Iterator[Any]:
    """Give every complex type that a type reaches, itself first, each once."""
    seen: set[int] = set()
    waiting: list[Type] = [root]
    while waiting:
        kind = waiting.pop(0)
        if not isinstance(kind, Complex) or id(kind) in seen:
            continue
        seen.add(id(kind))
        yield kind
        waiting.extend(reached(kind))


def reached(kind: Complex) -> Iterator[Type]:
    """Give the types that a complex type names directly, derived ones included."""
    for leaf in elements(kind.content):
        if isinstance(leaf, Element):
            yield leaf.type
    if kind.array_of:
        yield kind.array_of.type
    yield from kind.derived
