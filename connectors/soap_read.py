"""
Reads XML as plain values, by readers that are made once for each element of the type graph.

Reading never fails: what no type describes is kept under its own name, a value that breaks its type stays text, and the
caller's check against the output schema names the deviation. An answer to a write must not be lost to its form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from . import soap_scalars
from .soap_names import is_name, read_in
from .soap_types import (
    ATTRIBUTES_KEY,
    TEXT_KEY,
    TYPE_KEY,
    AnyType,
    Complex,
    Element,
    Group,
    Simple,
    Type,
    Wildcard,
)
from .soap_xml import ENCODING_12, ENCODINGS, XSD, XSI, Node, as_text, local, namespace, plain, qualified

Read = Callable[[Node], Any]
Object = dict[str, Any]

_NIL = f"{{{XSI}}}nil"
_TYPE = f"{{{XSI}}}type"
_TRUE = {"true", "1"}
_REFERENCES = ((f"{{{ENCODING_12}}}ref", "href"), (f"{{{ENCODING_12}}}id", "id"))
_UNSEEN = {XSI, *ENCODINGS}


@dataclass(slots=True)
class Step:
    """One repeated group on the way to a leaf; `turn` orders its leaves, `choices` names the alternative of each choice."""

    key: str
    choices: tuple[tuple[int, int], ...] = ()
    turn: tuple[int, ...] = ()

    def at(self, group: Group, turn: int) -> Step:
        choices = (*self.choices, (id(group), turn)) if group.kind == "choice" else self.choices
        return Step(self.key, choices, (*self.turn, turn))

    def is_before(self, last: Step) -> bool:
        """Tell whether what stands here begins a new occurrence after `last`."""
        taken = dict(last.choices)
        return self.turn < last.turn or any(taken.get(group, turn) != turn for group, turn in self.choices)


@dataclass(slots=True)
class Leaf:
    """Where an element of a content goes."""

    key: str
    read: Read
    repeated: bool
    way: tuple[Step, ...] = ()
    scalar: Callable[[str], Any] | None = None
    """What makes a value of its text alone, where its type is a simple one."""
    turn: int = 0
    """Its place in the content, which tells apart what has one name."""


@dataclass(slots=True)
class Plan:
    """How the children of a complex type are read."""

    leaves: dict[str, list[Leaf]] = field(default_factory=dict)
    by_name: dict[str, list[Leaf]] = field(default_factory=dict)
    wild: list[Leaf] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    simple: bool = True
    count: int = 0


class Readers:
    """Makes readers, one for each type. `need_prefixes`: one of them reads only what lxml parsed."""

    def __init__(self) -> None:
        self.need_prefixes = False
        self._known: dict[int, Read] = {}
        self._alive: list[Type] = []

    def element(self, element: Element) -> Read:
        return self.type(element.type)

    def type(self, kind: Type) -> Read:
        if isinstance(kind, Simple):
            self.need_prefixes = self.need_prefixes or is_name(kind)
            return _scalar(kind)
        if isinstance(kind, AnyType):
            self.need_prefixes = True
            return _any
        if id(kind) not in self._known:
            self._alive.append(kind)
            late: list[Read] = []
            self._known[id(kind)] = lambda node: late[0](node)  # noqa: PLW0108 - it is not made yet
            late.append(self._complex(kind))
            self._known[id(kind)] = late[0]
        return self._known[id(kind)]

    def _complex(self, kind: Complex) -> Read:
        scalars = [each.type for each in kind.attributes] + ([kind.text] if kind.text else [])
        self.need_prefixes = self.need_prefixes or bool(kind.derived) or any(map(is_name, scalars))
        if kind.array_of:
            return _array(self.element(kind.array_of))
        read = self._text(kind, kind.text) if kind.text else self._children(kind)
        if not kind.derived:
            return read
        derived = {each.name: self.type(each) for each in kind.derived}
        names = {each.qname: each.name for each in kind.derived}

        def choose(node: Node) -> Any:
            said = node.get(_TYPE)
            name = names.get(qualified(node, said)) if said else None
            if name is None:
                return read(node)
            found = derived[name](node)
            return {TYPE_KEY: name, **found} if isinstance(found, dict) else found

        return choose

    @staticmethod
    def _text(kind: Complex, text: Simple) -> Read:
        scalar, attributes, is_named = soap_scalars.reader(text), _attributes(kind), is_name(text)

        def read(node: Node) -> Any:
            if node.get(_NIL) in _TRUE:
                return None
            said = node.text or ""
            found: Object = {TEXT_KEY: read_in(text, node, said) if is_named else scalar(said)}
            attributes(node, found)
            return found

        return read

    def _children(self, kind: Complex) -> Read:
        plan = Plan()
        if kind.content:
            self._plan(plan, kind.content, (), sure=True)
        attributes = _attributes(kind) if kind.attributes or kind.any_attributes else None
        flat = {tag: _flat(leaves[0]) for tag, leaves in plan.leaves.items()} if plan.simple else {}
        lists = plan.lists

        def read(node: Node) -> Any:
            found: Object = {}
            if attributes:
                attributes(node, found)
            for key in lists:
                found[key] = []
            empty, turn = True, 0
            for child in node:
                empty = False
                entry = flat.get(child.tag)
                if entry is None:
                    turn = _place(plan, found, child, turn)
                    continue
                key, one, scalar, is_text, repeated = entry
                if scalar is None or (value := child.text) is None or len(child):
                    value = one(child)
                elif not is_text:
                    value = scalar(value)
                if repeated:
                    found.setdefault(key, []).append(value)
                elif key in found:
                    _unexpected(found, child)
                else:
                    found[key] = value
            if empty and node.get(_NIL) in _TRUE:
                return None
            if (text := node.text) and text.strip():
                found.setdefault("_text", text)
            return found

        return read

    def _plan(self, plan: Plan, group: Group, way: tuple[Step, ...], *, sure: bool) -> None:
        for turn, item in enumerate(group.items):
            inner = sure and group.kind != "choice" and not way
            here = (*way[:-1], way[-1].at(group, turn)) if way else ()
            if isinstance(item, Group):
                if item.repeated:
                    plan.simple = False
                    if inner:
                        plan.lists.append(item.key)
                    self._plan(plan, item, (*here, Step(item.key)), sure=True)
                else:
                    self._plan(plan, item, here, sure=inner and item.min_occurs > 0)
                continue
            if item.repeated and inner and isinstance(item, Element):
                plan.lists.append(item.key)
            self._add(plan, item, here)

    def _add(self, plan: Plan, item: Element | Wildcard, way: tuple[Step, ...]) -> None:
        plan.count += 1
        if isinstance(item, Wildcard):
            self.need_prefixes = True
            plan.wild.append(Leaf(item.key, as_text, item.repeated, way, turn=plan.count))
            return
        by_text = isinstance(item.type, Simple) and not is_name(item.type)
        scalar = soap_scalars.reader(item.type) if by_text and isinstance(item.type, Simple) else None
        leaf = Leaf(item.key, self.element(item), item.repeated, way, scalar, plan.count)
        same = plan.leaves.setdefault(item.tag, [])
        if not any(each.key == leaf.key and each.way == way for each in same):
            same.append(leaf)
        plan.simple = plan.simple and len(same) == 1 and not way
        plan.by_name.setdefault(local(item.tag), []).append(leaf)


def _flat(leaf: Leaf) -> tuple[str, Read, Callable[[str], Any] | None, bool, bool]:
    """Take a leaf apart for the loop that most of an answer goes through."""
    return leaf.key, leaf.read, leaf.scalar, leaf.scalar is soap_scalars.same, leaf.repeated


def _place(plan: Plan, found: Object, child: Node, turn: int) -> int:
    """Put a child where it belongs when its tag alone does not say it; `turn` is where the one before it went."""
    leaves = plan.leaves.get(child.tag) or plan.by_name.get(local(child.tag)) or plan.wild
    if len(leaves) > 1 and not leaves[0].way:
        leaves = [each for each in leaves if each.turn >= turn] or leaves
    for leaf in leaves:
        target = _occurrence(found, leaf.way, leaf)
        if leaf.repeated:
            target.setdefault(leaf.key, []).append(leaf.read(child))
            return leaf.turn
        if leaf.key not in target:
            target[leaf.key] = leaf.read(child)
            return leaf.turn
    _unexpected(found, child)
    return turn


def _occurrence(found: Object, way: tuple[Step, ...], leaf: Leaf) -> Object:
    """Give the occurrence of a repeated group that a leaf goes into, a new one when the last is past it."""
    target = found
    for depth, step in enumerate(way):
        occurrences: list[Any] = target.setdefault(step.key, [])
        last = occurrences[-1] if occurrences else None
        is_leaf = depth == len(way) - 1
        if last is None or _is_past(last, step, leaf, is_leaf=is_leaf):
            occurrences.append(_Occurrence(step))
        occurrences[-1].step = step
        target = occurrences[-1]
    return target


class _Occurrence(dict[str, Any]):
    """An object of a repeated group that remembers which leaf came last."""

    __slots__ = ("step",)

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step


def _is_past(last: Any, step: Step, leaf: Leaf, *, is_leaf: bool) -> bool:
    if step.is_before(last.step):
        return True
    return is_leaf and not leaf.repeated and leaf.key in last


def _unexpected(found: Object, child: Node) -> None:
    name, value = local(child.tag), plain(child)
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]


def _scalar(kind: Simple) -> Read:
    if is_name(kind):
        return lambda node: None if node.get(_NIL) in _TRUE else read_in(kind, node, node.text or "")
    text = soap_scalars.reader(kind)
    is_text = kind.base == "string" and not kind.items and not kind.members

    def read(node: Node) -> Any:
        said = node.text
        if said is None:
            if node.get(_NIL) in _TRUE:
                return None
            return (plain(node) if len(node) else "") if is_text or len(node) else text("")
        if len(node):
            return plain(node)
        return said if is_text else text(said)

    return read


def _attributes(kind: Complex) -> Callable[[Node, Object], None]:
    named = {each.tag: each for each in kind.attributes if is_name(each.type)}
    known = {each.tag: (each.key, soap_scalars.reader(each.type)) for each in kind.attributes if each.tag not in named}

    def read(node: Node, found: Object) -> None:
        for tag, text in node.items():
            if (entry := known.get(tag)) is not None:
                found[entry[0]] = entry[1](text)
            elif tag in named:
                found[named[tag].key] = read_in(named[tag].type, node, text)
            elif namespace(tag) not in _UNSEEN and kind.any_attributes:
                found.setdefault(ATTRIBUTES_KEY, {})[tag] = text

    return read


def _array(item: Read) -> Read:
    def read(node: Node) -> Any:
        if node.get(_NIL) in _TRUE:
            return None
        return [item(child) for child in node]

    return read


def _any(node: Node) -> Any:
    if node.get(_NIL) in _TRUE:
        return None
    if len(node):
        return {"xml": "".join(as_text(child) for child in node)}
    said = node.get(_TYPE)
    tag = qualified(node, said) if said else ""
    base = local(tag) if namespace(tag) in {XSD, *ENCODINGS} else "string"
    return _scalar(Simple(base))(node)


def dereferenced(body: Node) -> Node:
    """
    Put the values that rpc/encoded keeps aside (`href="#id"`) where they are referred to.

    Each value is put in place of its first references only, and never inside itself: a few bytes must not grow into a tree.
    """
    for node in body.iter():  # SOAP 1.2 spells it otherwise, and may keep a value where it stands first
        for name, old in _REFERENCES:
            if (text := node.get(name)) is not None:
                node.set(old, f"#{text}" if old == "href" else text)
                del node.attrib[name]
    aside = {node.get("id"): node for node in body if node.get("id")}
    if not aside:
        return body
    left = [100_000]
    first = next((node for node in body if node.get("id") is None or node.get("href")), body[0])
    _follow(first, aside, (), left)
    for node in aside.values():
        if node is not first and node.getparent() is body:
            body.remove(node)
    return body


def _follow(node: Node, aside: dict[str, Node], above: Iterable[str], left: list[int]) -> None:
    href = (node.get("href") or "").removeprefix("#")
    here = tuple(above)
    if href in aside and href not in here and left[0] > 0:
        from copy import deepcopy

        source = deepcopy(aside[href])
        left[0] -= sum(1 for _ in source.iter())
        node.text = source.text
        for name, value in source.items():
            if name not in {"id", "root"}:
                node.set(name, value)
        node.attrib.pop("href", None)
        node.extend(list(source))
        here = (*here, href)
    for child in node:
        _follow(child, aside, here, left)
