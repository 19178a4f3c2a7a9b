"""Fields of a record by their paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .copybook_layout import Node


def find_node(root: Node, names: Iterable[str]) -> tuple[Node, int, int] | None:
    """Find a field at a fixed place by its path: the node and its first and last byte."""
    at, node = 0, root
    for name in names:
        inner = _child(node, name)
        if inner is None or inner[0].repeats:
            return None
        node, offset = inner
        at += offset
    return node, at, at + node.size


def _child(group: Node, name: str) -> tuple[Node, int] | None:
    at = 0
    for slot in group.slots:
        for node in slot.nodes:
            if node.name == name:
                return node, at
            if not node.name and name in node.names and (found := _child(node, name)) is not None:
                return found[0], at + found[1]
        if slot.slides:
            return None
        at += slot.size
    return None


def every_description(node: Node, path: str = "") -> Iterator[tuple[str, Node, bool]]:
    """Give every named description with its path, and whether it shares its place with others."""
    for slot in node.slots:
        for inner in slot.nodes:
            name = f"{path}.{inner.name}".strip(".")
            if inner.name:
                yield name, inner, len(slot.nodes) > 1
            yield from every_description(inner, name)


def leaves(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    for inner in node.nodes():
        name = f"{path}.{inner.name or 'FILLER'}".lstrip(".")
        if inner.slots:
            yield from leaves(inner, name)
        elif inner.codec is not None:
            yield name, inner
