"""Where each field of a record lies: sizes, places, overlaps, tables and their counters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .copybook_enums import checked
from .copybook_fields import Alphabet, Codec
from .copybook_parser import Item
from .copybook_text import wrong
from .copybook_usages import codec_of

Ruled = Callable[[str, str, Codec], Codec]
"""Apply the configuration's rules (dates, NULLs) to a field: its name, its path, its codec."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


@dataclass(slots=True)
class Node:
    """
    A field or group, placed. FILLER has no name; `repeats` is 0 without OCCURS; `size` is all of its occurrences.

    `stays`: a table that varies keeps the room of all its entries, so that nothing behind it moves.

    `names` are the fields that a group's value has: its own, and those of FILLER groups in it.
    """

    item: Item
    name: str
    one_size: int
    repeats: int = 0
    codec: Codec | None = None
    slots: list[Slot] = field(default_factory=list)
    initial: bytes = b""
    depends_on: str = ""
    has_dynamic_inside: bool = False
    stays: bool = False
    names: frozenset[str] = frozenset()
    counters: dict[str, Counter] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.one_size * (self.repeats or 1)

    @property
    def is_dynamic(self) -> bool:
        return bool(self.depends_on) or self.has_dynamic_inside

    @property
    def is_text(self) -> bool:
        if self.codec is not None:
            return self.codec.type == "string"
        return all(node.is_text for node in self.nodes() if node.says_something)

    @property
    def says_something(self) -> bool:
        return bool(self.name or self.names)

    @property
    def description(self) -> str:
        return "; ".join(f"{name} is {' '.join(values)}" for name, values in self.item.conditions.items())

    def nodes(self) -> list[Node]:
        return [node for slot in self.slots for node in slot.nodes]

    def min_size(self) -> int:
        """Give the length of the shortest record: of overlapping descriptions at the end, the shortest counts."""
        least = self.item.occurs.least if self.depends_on and self.item.occurs else self.repeats
        if not self.slots or (self.repeats and not self.has_dynamic_inside):
            return self.one_size * (least if self.repeats else 1)
        *before, last = self.slots
        size = sum(slot.nodes[0].min_size() if slot.slides else slot.size for slot in before)
        return (size + min(node.min_size() for node in last.nodes)) * (least if self.repeats else 1)


@dataclass(slots=True)
class Slot:
    """One place in a group: one description, or several that overlap by REDEFINES, the described field first."""

    offset: int
    nodes: list[Node]

    @property
    def size(self) -> int:
        return max(node.size for node in self.nodes)

    @property
    def slides(self) -> bool:
        """Tell whether what comes behind moves with the entries of a table in here."""
        return len(self.nodes) == 1 and self.nodes[0].is_dynamic and not self.nodes[0].stays

    @property
    def initial(self) -> bytes:
        first = self.nodes[0]
        return (first.initial * (first.repeats or 1)).ljust(self.size, b"\0")


@dataclass(frozen=True, slots=True)
class Counter:
    """The field that says how many entries a table has, and where both stand; `overlaps`: the table may not be meant."""

    names: Sequence[str]
    table: Sequence[str]
    start: int
    end: int
    decode: Callable[[bytes], Any]
    least: int
    most: int
    overlaps: bool = False


def place(
    root: Item, file_name: str, alphabet: Alphabet, ruled: Ruled, *, enums: bool = False, stays: bool = False
) -> Node:
    """Lay out one record; ConfigError names file, line and column."""
    layout = _Layout(file_name, alphabet, ruled, enums=enums, stays=stays)
    node, _ = layout.node(root, 0, (), repeating=False, is_root=True)
    node.counters = layout.counters
    return node


def identifier(name: str) -> str:
    """Make a COBOL name an identifier: ORDER-ID is ORDER_ID."""
    plain = _NOT_IN_NAMES.sub("_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


class _Layout:
    def __init__(self, file_name: str, alphabet: Alphabet, ruled: Ruled, *, enums: bool, stays: bool) -> None:
        self._enums = enums
        self._stays = stays
        self._file = file_name
        self._alphabet = alphabet
        self._ruled = ruled
        self._fixed_places: dict[str, tuple[Sequence[str], int, Codec]] = {}
        self.counters: dict[str, Counter] = {}

    def node(
        self, item: Item, at: int | None, path: Sequence[str], *, repeating: bool, is_root: bool = False
    ) -> tuple[Node, int]:
        """Place an item at a byte of the record (None: behind a table that varies); give it and its alignment."""
        name = "" if is_root else identifier(item.name) if item.name else ""
        if not name and item.occurs and any(child.name for child in item.children):
            name = "FILLER"
        own = (*path, name) if name else tuple(path)
        repeating = repeating or item.occurs is not None
        node = Node(item, name, 0, repeats=item.occurs.most if item.occurs else 0, stays=self._stays)
        align = 1
        if item.children:
            align = self._group(node, at, own, repeating=repeating)
        else:
            self._field(node, at, own, repeating=repeating)
        if item.occurs is not None and item.occurs.depending is not None:
            self._counter(node, own)
        return node, align

    def _field(self, node: Node, at: int | None, own: Sequence[str], *, repeating: bool) -> None:
        item = node.item
        try:
            plain = codec_of(item, self._alphabet)
            codec = self._ruled(node.name, ".".join(own), plain) if node.name else plain
            if self._enums and item.conditions:
                codec = checked(codec, item.conditions)
            node.codec, node.one_size = codec, codec.size
            node.initial = _initial(item.value, codec, self._alphabet)
        except ValueError as cause:
            raise wrong(self._file, item.at, f"{item.name or 'FILLER'}: {cause}") from cause
        if item.name and at is not None and not repeating:
            self._fixed_places[item.name.upper()] = (own, at, codec)

    def _group(self, node: Node, at: int | None, own: Sequence[str], *, repeating: bool) -> int:
        offset, align = 0, 1
        for item in node.item.children:
            start = None if at is None else at + offset
            if item.redefines is not None:
                self._overlap(node, item, own, start=at, repeating=repeating)
                continue
            needed = _alignment(item, self._alphabet)
            if needed > 1:
                if start is None:
                    raise wrong(self._file, item.at, "SYNC behind a table that varies is not built yet")
                align = max(align, needed)
                offset += self._slack(node, offset, -start % needed)
                start = at + offset if at is not None else None
            child, inner = self.node(item, start, own, repeating=repeating)
            align = max(align, inner)
            node.slots.append(Slot(offset, [child]))
            offset += child.size
            if child.is_dynamic:
                node.has_dynamic_inside = True
                at = at if self._stays else None
        if node.repeats and align > 1:
            offset += self._slack(node, offset, -offset % align)
        node.one_size = sum(slot.size for slot in node.slots)
        node.initial = b"".join(slot.initial for slot in node.slots)
        node.names = self._names(node)
        return align

    def _overlap(self, group: Node, item: Item, own: Sequence[str], *, start: int | None, repeating: bool) -> None:
        target = item.redefines
        assert target is not None
        slot = group.slots[-1] if group.slots else None
        if slot is None or target.word not in {node.item.name.upper() for node in slot.nodes}:
            raise wrong(self._file, target, f"{target.text} is not the field before, which REDEFINES needs")
        at = None if start is None else start + slot.offset
        if slot.slides:
            raise wrong(self._file, item.at, f"{target.text} has OCCURS DEPENDING ON in it, and cannot be redefined")
        child, _ = self.node(item, at, own, repeating=repeating)
        group.has_dynamic_inside = group.has_dynamic_inside or child.is_dynamic
        slot.nodes.append(child)
        for node in slot.nodes:
            self._may_not_be_meant(node)

    def _may_not_be_meant(self, node: Node) -> None:
        if node.depends_on:
            self.counters[node.depends_on] = replace(self.counters[node.depends_on], overlaps=True)
        for inner in node.nodes():
            self._may_not_be_meant(inner)

    def _slack(self, node: Node, offset: int, size: int) -> int:
        if size:
            filler = Node(Item(0, "", node.item.at), "", size, codec=None, initial=bytes(size))
            node.slots.append(Slot(offset, [filler]))
        return size

    def _names(self, group: Node) -> frozenset[str]:
        seen: dict[str, str] = {}
        for node in group.nodes():
            for name in [node.name] if node.name else sorted(node.names):
                if name.upper() in seen:
                    raise wrong(
                        self._file, node.item.at, f"two fields of one group are called {name}; rename one of them"
                    )
                seen[name.upper()] = name
        return frozenset(seen.values())

    def _counter(self, node: Node, own: Sequence[str]) -> None:
        occurs = node.item.occurs
        assert occurs is not None
        assert occurs.depending is not None
        found = self._fixed_places.get(occurs.depending.word)
        if found is None:
            raise wrong(
                self._file, occurs.depending, f"{occurs.depending.text} is no field at a fixed place before this table"
            )
        names, start, codec = found
        node.depends_on = f"{'.'.join(own)}@{node.item.at.line}"
        self.counters[node.depends_on] = Counter(
            names,
            own,
            start,
            start + codec.size,
            codec.decode,
            occurs.least,
            occurs.most,
        )


def _alignment(item: Item, alphabet: Alphabet) -> int:
    if not item.synchronized:
        return 1
    if item.usage in {"float", "double"}:
        return 4 if item.usage == "float" else 8
    if item.usage == "bare":
        return item.bare[0] or alphabet.pointer_bytes
    if item.usage in {"binary", "native"} and item.picture is not None:
        return 2 if item.picture.digits <= 4 else 4
    return 1


def _initial(value: str | None, codec: Codec, alphabet: Alphabet) -> bytes:
    """Give what a field holds when nothing is said about it: its VALUE, else blanks or zero."""
    if value is None:
        return codec.initial
    constants: Mapping[str, bytes] = {
        **dict.fromkeys(["SPACE", "SPACES"], alphabet.space),
        **dict.fromkeys(["LOW-VALUE", "LOW-VALUES", "NULL", "NULLS"], b"\0"),
        **dict.fromkeys(["HIGH-VALUE", "HIGH-VALUES"], b"\xff"),
    }
    if value in constants:
        return constants[value] * codec.size
    if value in {"ZERO", "ZEROS", "ZEROES"}:
        return codec.encode("0" * codec.size if codec.type == "string" else 0)
    if hexadecimal := re.fullmatch(r"X['\"]([0-9A-Fa-f]*)['\"]", value):
        return bytes.fromhex(hexadecimal[1]).ljust(codec.size, alphabet.space)[: codec.size]
    return codec.encode(float(value) if codec.type == "number" else value)


__all__ = ["Counter", "Node", "Slot", "identifier", "place"]
