"""A tree of data descriptions to one decoder of whole records, compiled once at load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .copybook_layout import Counter, Node, Slot
from .format import Column

Decode = Callable[[Any], Any]
"""Reads the bytes of a field; where places depend on counts, a `Where`."""
Counts = Mapping[str, "int | WrongValue"]
"""How many entries each table has; of one in a REDEFINES whose counter is wrong, why it is."""
Where = tuple[bytes, int, Counts]
"""A record, a place in it, and its counts."""
Make = Callable[[Node, "Rules"], Decode]


class WrongValue(ValueError):
    """
    A field that cannot be read or written: its path, why, and at which byte of the record it begins (from 0).

    `is_whole`: path and place are those of the record, wherever it was found.
    """

    def __init__(self, path: str, reason: str, at: int = 0, *, is_whole: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason, self.at, self.is_whole = path, reason, at, is_whole

    @classmethod
    def within(cls, name: str, cause: ValueError, at: int = 0) -> WrongValue:
        """Name the field in which a value was wrong, from the inside out, and where its group begins."""
        if isinstance(cause, WrongValue):
            if cause.is_whole:
                return cause
            joint = "" if not name or not cause.path or cause.path.startswith("[") else "."
            return cls(f"{name}{joint}{cause.path}", cause.reason, cause.at + at)
        return cls(name or "FILLER", str(cause), at)


@dataclass(frozen=True, slots=True)
class Rules:
    """
    How overlapping descriptions are read.

    Of a REDEFINES, the described field itself must be right (`first`), or any one of the descriptions; the others read as
    null where they do not fit. `short`: a record may end early, and fields behind its end are null.
    `exact`: nothing stands behind the last field of a record whose length its counts say.
    """

    first: bool
    short: bool = False
    lenient: bool = False
    exact: bool = False
    meant: Mapping[int, bool] = field(default_factory=dict)
    """Of descriptions that a rule of the configuration is about (by the node's id): whether the rule says that it is meant."""

    def softly(self) -> Rules:
        return replace(self, lenient=True)


def decoder(root: Node, rules: Rules) -> Decode:
    """Compile the decoder of a record; it gives a dict and raises WrongValue."""
    if root.counters:
        walk = _walker(root, rules)

        def walked(raw: bytes) -> Any:
            value, end = walk(raw, 0, counts_of(root, raw))
            if rules.exact and end < len(raw):
                raise ValueError(f"the record has {len(raw)} bytes, and by its counts {end}")
            return value

        return walked
    return _node(root, rules)


def columns(root: Node) -> list[Column]:
    """Describe the fields of a record; FILLER is left out, and what lies in a FILLER group stands one level higher."""
    found: list[Column] = []
    for node in root.nodes():
        if not node.name:
            found += columns(node) if node.slots and not node.repeats else []
            continue
        inner = tuple(columns(node)) if node.slots else ()
        codec = node.codec
        column = codec.column(node.name, node.description) if codec else Column(node.name, "object", of=inner)
        found.append(Column(node.name, "array", of=(column,)) if node.repeats else column)
    return found


def _node(node: Node, rules: Rules) -> Decode:
    """Compile one description without OCCURS DEPENDING ON in it: all places are known."""
    one = _group(node, rules) if node.slots else _field(node, rules)
    if not node.repeats:
        return one
    size, total = node.one_size, node.size

    def table(raw: bytes) -> list[Any]:
        end = total if len(raw) >= total else len(raw) // size * size
        values = []
        try:
            for at in range(0, end, size):
                values.append(one(raw[at : at + size]))
        except ValueError as wrong:
            raise WrongValue.within(f"[{at // size}]", wrong, at) from None
        return values

    return table


def _field(node: Node, rules: Rules) -> Decode:
    codec = node.codec
    assert codec is not None
    decode, size, is_text = codec.decode, codec.size, codec.type == "string"
    if not rules.short and not rules.lenient:
        return decode

    def careful(raw: bytes) -> Any:
        if len(raw) < size and not (is_text and raw):
            if rules.lenient or not raw:
                return None
            raise ValueError(f"the record ends after {len(raw)} of its {size} bytes")
        try:
            return decode(raw)
        except ValueError:
            if rules.lenient:
                return None
            raise

    return careful


def _group(node: Node, rules: Rules) -> Decode:
    plan = [
        (inner.name, slot.offset, slot.offset + inner.size, decode)
        for slot in node.slots
        for inner, decode in _slot(slot, rules)
    ]

    def group(raw: bytes) -> dict[str, Any]:
        values: dict[str, Any] = {}
        name, start = "", 0
        try:
            for name, start, end, decode in plan:
                if name:
                    values[name] = decode(raw[start:end])
                else:
                    values.update(decode(raw[start:end]))
        except ValueError as wrong:
            raise WrongValue.within(name, wrong, start) from None
        return values

    return group


def _slot(slot: Slot, rules: Rules, make: Make | None = None) -> Iterator[tuple[Node, Decode]]:
    """Give the descriptions of one place that have something to say, each with its decoder, which `make` compiles."""
    make = make or _node
    nodes = [node for node in slot.nodes if node.says_something]
    said = [rules.meant.get(id(node)) for node in slot.nodes]
    if any(said) or (not all(one is None for one in said) and None not in said):
        yield from ((node, make(node, rules) if rules.meant.get(id(node)) else _not_meant(node)) for node in nodes)
    elif not all(one is None for one in said):
        silent = (node for node in nodes if rules.meant.get(id(node)) is None)
        yield from ((node, make(node, rules.softly())) for node in silent)
        yield from ((node, _not_meant(node)) for node in nodes if rules.meant.get(id(node)) is False)
    elif len(slot.nodes) == 1 or rules.lenient:
        yield from ((node, make(node, rules)) for node in nodes)
    elif rules.first and not rules.short:
        yield from ((node, make(node, rules if node is slot.nodes[0] else rules.softly())) for node in nodes)
    elif nodes:
        checks = [make(node, rules) for node in slot.nodes]
        first = make(nodes[0], rules.softly())

        def any_fits(raw: bytes) -> Any:
            _one_must_fit(checks, raw)
            return first(raw)

        yield nodes[0], any_fits
        yield from ((node, make(node, rules.softly())) for node in nodes[1:])


def _not_meant(node: Node) -> Decode:
    if node.name:
        return lambda raw: None
    nothing = dict.fromkeys(node.names)
    return lambda raw: nothing


def _one_must_fit(checks: Sequence[Decode], raw: bytes) -> None:
    first: ValueError | None = None
    for check in checks:
        try:
            check(raw)
        except ValueError as wrong:
            first = first or wrong
        else:
            return
    if first is not None:
        raise first


def _walker(node: Node, rules: Rules) -> Callable[[bytes, int, Counts], tuple[Any, int]]:
    """Compile a description in which places depend on counts: it walks, and gives where it ended."""
    if not node.is_dynamic:
        decode, size = _node(node, rules), node.size
        may_end = rules.short or rules.lenient

        def still(raw: bytes, at: int, counts: Counts) -> tuple[Any, int]:
            if at + size > len(raw) and not may_end:
                raise WrongValue("", f"the record ends at byte {len(raw)}, inside of it", at)
            return _at(decode, raw, at, at + size), at + size

        return still
    one = _walking_group(node, rules) if node.has_dynamic_inside else _still(node, rules)

    def table(raw: bytes, at: int, counts: Counts) -> tuple[Any, int]:
        if not node.repeats:
            return one(raw, at, counts)
        begin, values = at, []
        for index in range(_count(node, counts)):
            try:
                value, at = one(raw, at, counts)
            except ValueError as wrong:
                if rules.lenient and at + node.one_size > len(raw):
                    break
                raise WrongValue.within(f"[{index}]", wrong) from None
            values.append(value)
        return values, begin + node.size if node.stays else at

    return table


def _count(node: Node, counts: Counts) -> int:
    count = counts[node.depends_on] if node.depends_on else node.repeats
    if isinstance(count, WrongValue):
        raise count
    return count


def _still(node: Node, rules: Rules) -> Callable[[bytes, int, Counts], tuple[Any, int]]:
    """Compile one entry of a table, all of whose places are known."""
    decode, size = _group(node, rules) if node.slots else _field(node, rules), node.one_size

    def entry(raw: bytes, at: int, counts: Counts) -> tuple[Any, int]:
        if at + size > len(raw):
            raise WrongValue("", f"the record ends at byte {len(raw)}, inside of it", at)
        return _at(decode, raw, at, at + size), at + size

    return entry


def _at(decode: Decode, raw: bytes, at: int, end: int) -> Any:
    try:
        return decode(raw[at:end])
    except ValueError as wrong:
        raise (
            WrongValue.within("", wrong, at) if isinstance(wrong, WrongValue) else WrongValue("", str(wrong), at)
        ) from None


def _within(node: Node, rules: Rules) -> Decode:
    """Compile one of several descriptions of a place in which a table varies."""
    walk = _walker(node, rules)

    def there(where: Where) -> Any:
        try:
            return walk(*where)[0]
        except ValueError:
            if rules.lenient:
                return None if node.name else dict.fromkeys(node.names)
            raise

    return there


def _walking_group(node: Node, rules: Rules) -> Callable[[bytes, int, Counts], tuple[Any, int]]:
    plan: list[tuple[str, Any, int]] = []
    for slot in node.slots:
        if slot.slides:
            plan.append((slot.nodes[0].name, _walker(slot.nodes[0], rules), -1))
            continue
        plan += [(inner.name, decode, 0) for inner, decode in _slot(slot, rules, _within)]
        plan.append(("", None, slot.size))

    def group(raw: bytes, at: int, counts: Counts) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, decode, size in plan:
                if decode is None:
                    at += size
                    continue
                value, at = decode(raw, at, counts) if size < 0 else (decode((raw, at, counts)), at)
                if name:
                    values[name] = value
                else:
                    values.update(value)
        except ValueError as wrong:
            raise WrongValue.within(name, wrong) from None
        return values, at

    return group


def counts_of(root: Node, raw: bytes) -> dict[str, int | WrongValue]:
    found: dict[str, int | WrongValue] = {}
    for name, counter in root.counters.items():
        try:
            found[name] = _counted(counter, raw)
        except ValueError as cause:
            wrong = WrongValue(".".join(counter.names), str(cause), counter.start, is_whole=True)
            if not counter.overlaps:
                raise wrong from None
            found[name] = wrong
    return found


def _counted(counter: Counter, raw: bytes) -> int:
    found = counter.decode(raw[counter.start : counter.end])
    if not isinstance(found, int) or not counter.least <= found <= counter.most:
        raise ValueError(f"{found} is outside of OCCURS {counter.least} TO {counter.most}")
    return found
