"""Rows that are gone from the source: found by comparing keys, bucket by bucket, and deleted in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

from ..batch import Cursor, Would, Written
from ..errors import ConfigError, Rejected
from ..mapping import column_of
from .config import DeleteRules, SyncConfig
from .setaside import SetAside

Key = tuple[Any, ...]
_SAMPLES = 5
_KEYS_OF_A_PART = 20_000
_MOST_PARTS = 256
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many keys are in a share of all, and the sum of their hashes."""

    count: int
    sum: int


class Keys(Protocol):
    """The keys of one table. Buckets are numbered alike by everybody."""

    def buckets(self) -> Mapping[int, Bucket]: ...

    def of(self, buckets: Sequence[int]) -> Iterator[Key]: ...

    def total(self) -> int: ...


@runtime_checkable
class Keyed(Protocol):
    """A source whose keys can be compared without reading its rows."""

    def keys(self, names: Sequence[str]) -> Keys: ...


@runtime_checkable
class Deleting(Protocol):
    """A sink that can delete by key, and keeps the cursor in the same transaction where it keeps one."""

    @property
    def key(self) -> Sequence[str]: ...

    def keys(self, names: Sequence[str]) -> Keys: ...

    def delete(self, keys: Collection[Key], *, portion: str, cursor: Cursor) -> None: ...


@dataclass(frozen=True, slots=True)
class Gone:
    """Keys of the target that the source has no more."""

    names: Sequence[str]
    keys: SetAside
    of: int

    def close(self) -> None:
        self.keys.close()

    def would(self) -> Would:
        samples = [
            {"would": "delete", "key": dict(zip(self.names, key, strict=True))} for key in islice(self.keys, _SAMPLES)
        ]
        return Would(Written(deleted=len(self.keys)), samples)


def gone(config: SyncConfig, source: object, sink: object, rules: DeleteRules) -> Gone:
    """
    Compare the keys of both ends. Rejected when more are gone than the rules allow: then something else is wrong.

    A key that differs in nothing but its case or trailing blanks is the same: some databases say so.
    """
    if not isinstance(source, Keyed) or not isinstance(sink, Deleting):
        raise ConfigError("deletes: both ends must be tables", field="deletes")
    here = sink.keys(sink.key)
    there = source.keys(_named(config, sink.key))
    ours, theirs = here.buckets(), there.buckets()
    total = sum(bucket.count for bucket in ours.values())
    wanted = sorted(at for at in {*ours, *theirs} if ours.get(at) != theirs.get(at))
    keys = SetAside()
    if doubtful := [at for at in wanted if at in ours]:
        # Every bucket of theirs that differs: a key that differs in its case alone stands in another one than ours.
        count = sum(theirs[at].count for at in wanted if at in theirs)
        _compare(here.of(doubtful), there.of(wanted), count, keys)
    if not rules.allow(len(keys), total):
        first = dict(zip(sink.key, next(iter(keys)), strict=True))
        keys.close()
        raise Rejected(
            f"{len(keys)} of {total} rows would be deleted, which is more than deletes allows; nothing was deleted; "
            f"one of them is {first}",
            field="deletes",
            next="is the source complete? otherwise raise deletes.max_share for this run",
        )
    return Gone(sink.key, keys, total)


def _compare(ours: Iterator[Key], theirs: Iterator[Key], count: int, gone: SetAside) -> None:
    """Keep those of our keys that are not among theirs, of which there are so many."""
    parts = min(count // _KEYS_OF_A_PART + 1, _MOST_PARTS)
    with closing(SetAside(parts)) as there, closing(SetAside(parts)) as here:
        for key in theirs:
            there.add(folded := _folded(key), hash(folded) % parts)
        for key in ours:
            here.add(key, hash(_folded(key)) % parts)
        for part in range(parts):
            known = frozenset(there.of(part))
            for key in here.of(part):
                if _folded(key) not in known:
                    gone.add(key)


def text_of(part: Any) -> str:
    """Give a part of a key in the form in which databases hash it."""
    if part is None:
        return ""
    if isinstance(part, int):
        return str(int(part))
    text = part if isinstance(part, str) else part.isoformat() if hasattr(part, "isoformat") else str(part)
    return text.rstrip(" ")


def _folded(key: Key) -> str:
    return _SEPARATOR.join(text_of(part).casefold() for part in key)


def _named(config: SyncConfig, key: Sequence[str]) -> list[str]:
    """Name the source's columns that the target's key is made of."""
    if config.map is None:
        return list(key)
    names = []
    for name in key:
        template = config.map.get(name)
        source = None if template is None else column_of(template)
        if source is None:
            raise ConfigError(
                f"deletes compares keys, so {name} must be a column of the source, unchanged", field=f"map.{name}"
            )
        names.append(source)
    return names
