"""Values to the bytes of a record, over what lay there before."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.batch import Row
from .copybook_codec import WrongValue, counts_of
from .copybook_fields import Codec
from .copybook_layout import Node, Slot


def encode(root: Node, values: Row, raw: bytes | None) -> bytes:
    """
    Make the bytes of a record; WrongValue names the field.

    With `raw`, fields whose value is what `raw` holds keep its bytes, as does everything that has no name.
    """
    counts: dict[str, int] = {}
    if root.counters:
        values, counts = _counted(root, values)
        if raw is not None and any(counts_of(root, raw)[key] != count for key, count in counts.items()):
            raw = None
    return _Encoder(counts).group(root, values, raw, raw or b"", over=False)


def _counted(root: Node, values: Row) -> tuple[dict[str, Any], dict[str, int]]:
    """Fill in counters that were not given, and refuse those that do not agree with their table; those not meant are left out."""
    filled: dict[str, Any] = _copied(values)
    counts: dict[str, int] = {}
    for key, counter in root.counters.items():
        given = _value_at(filled, counter.names)
        table = _value_at(filled, counter.table)
        if counter.overlaps and table is None:
            continue
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
        counts[key] = int(size)
    return filled, counts


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
        repeats = self._counts.get(node.depends_on, 0) if node.depends_on else node.repeats
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
        made = b"".join(parts)
        return made + _filled(under, node.initial * node.repeats, node.size)[at:] if node.stays else made

    def _one(self, node: Node, value: Any, raw: bytes | None, under: bytes, *, over: bool) -> bytes:
        if not node.has_dynamic_inside:
            under = _filled(under, node.initial, node.one_size)
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
        part = _filled(under, slot.initial, slot.size)
        for node in sorted(slot.nodes, key=lambda node: not node.is_text):
            value = values.get(node.name, _ABSENT) if node.name else _only(values, node.names)
            if not alone and _says_nothing(node, value):
                continue
            try:
                new = self.node(node, value, raw, under if slot.slides else part, over=over)
            except ValueError as wrong:
                raise WrongValue.within(node.name, wrong) from None
            part = new if slot.slides else new + part[len(new) :]
            over = True
        return part


def _filled(under: bytes, initial: bytes, size: int) -> bytes:
    """Give what lies under a place; what a record that ends early has not is as if nothing had been said."""
    return under[:size] if len(under) >= size else under + initial[len(under) :]


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
