"""A tree of data descriptions to one decoder and one encoder of whole records, compiled once at load."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.batch import Row
from .copybook_fields import Codec
from .copybook_layout import Node, Slot
from .format import Column

Decode = Callable[[bytes], Any]


class WrongValue(ValueError):
    """A field that cannot be read or written: its path, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    @classmethod
    def within(cls, name: str, cause: ValueError) -> WrongValue:
        """Name the field in which a value was wrong, from the inside out."""
        if isinstance(cause, WrongValue):
            joint = "" if not name or cause.path.startswith("[") else "."
            return cls(f"{name}{joint}{cause.path}", cause.reason)
        return cls(name or "FILLER", str(cause))


@dataclass(frozen=True, slots=True)
class Rules:
    """
    How overlapping descriptions are read.

    Of a REDEFINES, the described field itself must be right (`first`), or any one of the descriptions; the others read as
    null where they do not fit. `short`: a record may end early, and fields behind its end are null.
    """

    first: bool
    short: bool = False
    lenient: bool = False

    def softly(self) -> Rules:
        return Rules(self.first, self.short, lenient=True)


def decoder(root: Node, rules: Rules) -> Decode:
    """Compile the decoder of a record; it gives a dict and raises WrongValue."""
    if root.counters:
        walk = _walker(root, rules)
        return lambda raw: walk(raw, 0, _counts(root, raw))[0]
    return _node(root, rules)


def encode(root: Node, values: Row, raw: bytes | None) -> bytes:
    """
    Make the bytes of a record; WrongValue names the field.

    With `raw`, fields whose value is what `raw` holds keep its bytes, as does everything that has no name.
    """
    counts: dict[str, int] = {}
    if root.counters:
        values = _counted(root, values)
        counts = {key: int(_value_at(values, counter.names)) for key, counter in root.counters.items()}
        if raw is not None and counts != _counts(root, raw):
            raw = None
    return _Encoder(counts).group(root, values, raw, raw or b"", over=False)


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
            raise WrongValue.within(f"[{at // size}]", wrong) from None
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
        name = ""
        try:
            for name, start, end, decode in plan:
                if name:
                    values[name] = decode(raw[start:end])
                else:
                    values.update(decode(raw[start:end]))
        except ValueError as wrong:
            raise WrongValue.within(name, wrong) from None
        return values

    return group


def _slot(slot: Slot, rules: Rules) -> Iterator[tuple[Node, Decode]]:
    """Give the descriptions of one place that have something to say, each with its decoder."""
    nodes = [node for node in slot.nodes if node.says_something]
    if len(slot.nodes) == 1 or rules.lenient:
        yield from ((node, _node(node, rules)) for node in nodes)
    elif rules.first and not rules.short:
        yield from ((node, _node(node, rules if node is slot.nodes[0] else rules.softly())) for node in nodes)
    elif nodes:
        checks = [_node(node, rules) for node in slot.nodes]
        first = _node(nodes[0], rules.softly())

        def any_fits(raw: bytes) -> Any:
            _one_must_fit(checks, raw)
            return first(raw)

        yield nodes[0], any_fits
        yield from ((node, _node(node, rules.softly())) for node in nodes[1:])


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


def _walker(node: Node, rules: Rules) -> Callable[[bytes, int, Mapping[str, int]], tuple[Any, int]]:
    """Compile a description in which places depend on counts: it walks, and gives where it ended."""
    if not node.is_dynamic:
        decode, size = _node(node, rules), node.size
        return lambda raw, at, counts: (decode(raw[at : at + size]), at + size)
    one = _walking_group(node, rules) if node.has_dynamic_inside else None
    plain = None if one else _group(node, rules) if node.slots else _field(node, rules)
    size = node.one_size

    def table(raw: bytes, at: int, counts: Mapping[str, int]) -> tuple[Any, int]:
        if not node.repeats:
            assert one is not None
            return one(raw, at, counts)
        values: list[Any] = []
        for index in range(counts[node.depends_on] if node.depends_on else node.repeats):
            try:
                if one is not None:
                    value, at = one(raw, at, counts)
                else:
                    assert plain is not None
                    if at + size > len(raw):
                        raise ValueError(f"the record ends at byte {len(raw)}, inside of it")
                    value, at = plain(raw[at : at + size]), at + size
            except ValueError as wrong:
                raise WrongValue.within(f"[{index}]", wrong) from None
            values.append(value)
        return values, at

    return table


def _walking_group(node: Node, rules: Rules) -> Callable[[bytes, int, Mapping[str, int]], tuple[Any, int]]:
    plan: list[tuple[str, Any, int]] = []
    for slot in node.slots:
        if slot.nodes[0].is_dynamic:
            plan.append((slot.nodes[0].name, _walker(slot.nodes[0], rules), -1))
            continue
        plan += [(inner.name, decode, inner.size) for inner, decode in _slot(slot, rules)]
        plan.append(("", None, slot.size))

    def group(raw: bytes, at: int, counts: Mapping[str, int]) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, decode, size in plan:
                if decode is None:
                    at += size
                    continue
                value, after = decode(raw, at, counts) if size < 0 else (decode(raw[at : at + size]), at)
                at = after
                if name:
                    values[name] = value
                else:
                    values.update(value)
        except ValueError as wrong:
            raise WrongValue.within(name, wrong) from None
        return values, at

    return group


def _counts(root: Node, raw: bytes) -> dict[str, int]:
    found = {}
    for name, counter in root.counters.items():
        try:
            found[name] = counter.decode(raw[counter.start : counter.end])
        except ValueError as wrong:
            raise WrongValue(".".join(counter.names), str(wrong)) from None
        if not isinstance(found[name], int) or not counter.least <= found[name] <= counter.most:
            raise WrongValue(
                ".".join(counter.names), f"{found[name]} is outside of OCCURS {counter.least} TO {counter.most}"
            )
    return found


def _counted(root: Node, values: Row) -> dict[str, Any]:
    """Fill in counters that were not given, and refuse those that do not agree with their table."""
    filled: dict[str, Any] = _copied(values)
    for counter in root.counters.values():
        given = _value_at(filled, counter.names)
        table = _value_at(filled, counter.table)
        if counter.table and table is not None and not isinstance(table, (list, tuple)):
            raise WrongValue(".".join(counter.table), f"{table!r} is no list")
        size = len(table) if table is not None else given if given is not None else counter.least
        if given is None:
            _put(filled, counter.names, size)
        elif table is not None and int(given) != size:
            raise WrongValue(
                ".".join(counter.names), f"it says {given}, and {'.'.join(counter.table)} has {size} entries"
            )
        if not counter.least <= size <= counter.most:
            raise WrongValue(".".join(counter.names), f"{size} is outside of OCCURS {counter.least} TO {counter.most}")
    return filled


_ABSENT = object()


class _Encoder:
    """
    Writes values over what lies under them.

    `raw` are the original bytes: a field that still has their value is left alone. `under` are the bytes so far, which stay
    where nothing is said. `over` is true when another description of the same place was written before.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def node(self, node: Node, value: Any, raw: bytes | None, under: bytes, *, over: bool) -> bytes:
        if not node.repeats:
            return self._one(node, value, raw, under, over=over)
        entries = [] if value is None or value is _ABSENT else value
        repeats = self._counts[node.depends_on] if node.depends_on else node.repeats
        if not isinstance(entries, (list, tuple)):
            raise ValueError(f"{entries!r} is no list")
        if len(entries) > repeats:
            raise ValueError(f"it has {len(entries)} entries, and {repeats} is the most")
        parts: list[bytes] = []
        at = 0
        for index in range(repeats):
            entry = entries[index] if index < len(entries) else _ABSENT
            try:
                parts.append(self._one(node, entry, raw and raw[at:], under[at:], over=over))
            except ValueError as wrong:
                raise WrongValue.within(f"[{index}]", wrong) from None
            at += len(parts[-1])
        return b"".join(parts)

    def _one(self, node: Node, value: Any, raw: bytes | None, under: bytes, *, over: bool) -> bytes:
        if not node.has_dynamic_inside:
            under = under[: node.one_size] if len(under) >= node.one_size else node.initial
        if node.slots:
            return self.group(node, {} if value is None or value is _ABSENT else value, raw, under, over=over)
        codec = node.codec
        if codec is None or value is _ABSENT or (raw and _same(codec, raw[: codec.size], value)):
            return under
        if over and (value is None or _same(codec, under, value)):
            return under
        return codec.encode(value)

    def group(self, node: Node, values: Any, raw: bytes | None, under: bytes, *, over: bool) -> bytes:
        if not isinstance(values, Mapping):
            raise ValueError(f"{values!r} is no object")
        values = _known(node, values)
        parts: list[bytes] = []
        at = 0
        for slot in node.slots:
            parts.append(self._slot(slot, values, raw and raw[at:], under[at:], over=over))
            at += len(parts[-1])
        return b"".join(parts)

    def _slot(self, slot: Slot, values: Row, raw: bytes | None, under: bytes, *, over: bool) -> bytes:
        """
        Write one place. Of several descriptions, texts are written first and numbers over them.

        So bytes that a text cannot carry (a packed number seen as text) come from the description that can.
        """
        alone = len(slot.nodes) == 1
        part = under[: slot.size] if len(under) >= slot.size else slot.initial
        for node in sorted(slot.nodes, key=lambda node: not node.is_text):
            value = values.get(node.name, _ABSENT) if node.name else _only(values, node.names)
            if not alone and _says_nothing(node, value):
                continue
            try:
                new = self.node(node, value, raw, under if slot.is_dynamic else part, over=over)
            except ValueError as wrong:
                raise WrongValue.within(node.name, wrong) from None
            part = new if slot.is_dynamic else new + part[len(new) :]
            over = True
        return part


def _says_nothing(node: Node, value: Any) -> bool:
    """Tell whether one of several descriptions is not the one that was meant."""
    if value is None or value is _ABSENT:
        return True
    return not node.name and all(part is None for part in value.values())


def _only(values: Row, names: frozenset[str]) -> Any:
    """Give those of the values that a FILLER group holds."""
    return {name: values[name] for name in names if name in values} if names else _ABSENT


def _known(node: Node, values: Row) -> Row:
    """Refuse names that the group has not; take the copybook's own names beside ours."""
    unknown = [name for name in values if name not in node.names]
    if not unknown:
        return values
    renamed = dict(values)
    for name in unknown:
        ours = name.replace("-", "_")
        if ours not in node.names or ours in values:
            near = difflib.get_close_matches(ours, node.names, 1)
            raise WrongValue(name, f"there is no such field{f'; did you mean {near[0]}?' if near else ''}")
        renamed[ours] = renamed.pop(name)
    return renamed


def _same(codec: Codec, raw: bytes, value: Any) -> bool:
    try:
        held = codec.decode(raw)
    except ValueError:
        return value is None
    return bool(held == value) and (held is None) == (value is None)


def _value_at(values: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(values, Mapping):
            return None
        values = values.get(name, values.get(name.replace("_", "-")))
    return values if names else None


def _put(values: dict[str, Any], names: Sequence[str], value: Any) -> None:
    for name in names[:-1]:
        values = values.setdefault(name, {})
    values[names[-1]] = value


def _copied(values: Any) -> Any:
    return {name: _copied(value) for name, value in values.items()} if isinstance(values, Mapping) else values
