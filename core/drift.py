"""
What a system's contract says, kept (a pin), and how one that is live differs from it: each change breaking or not.

A change is breaking when a call that was right before may be refused now, or when an answer may now hold, or lack, what a
reader of it does not expect.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from .errors import ConfigError

FILE = "survey.json"
Schema = Mapping[str, Any]
_LOWER = ("minLength", "minItems", "minimum", "exclusiveMinimum")
_UPPER = ("maxLength", "maxItems", "maximum", "exclusiveMaximum")
_SHAPE = ("format", "contentEncoding", "pattern", "const")
_MAX_DEPTH = 30


@dataclass(frozen=True, slots=True)
class Part:
    """
    One operation, statement or table. A change of one of the `facts` is breaking, one of what is `told` is not.

    `input` and `output` are JSON Schemas of what goes in and what comes out; `ordered` says that fields are sent in their order.
    """

    input: Schema | None = None
    output: Schema | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """A contract as it was found, part by part."""

    parts: Mapping[str, Part]

    def save(self, folder: Path) -> None:
        """Keep it as a file of its own, for contracts that are no documents themselves."""
        said = {name: asdict(part) for name, part in sorted(self.parts.items())}
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{FILE}"
        beside.write_text(json.dumps({"parts": said}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        beside.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Survey | None:
        """Give what was kept; None when nothing was."""
        try:
            said = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls({str(name): Part(**part) for name, part in said["parts"].items()})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"{folder / FILE} cannot be read: {error}"
            raise ConfigError(said, next="drawbar pin NAME --accept pins what is live now") from error


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, what in a sentence, and whether it breaks callers."""

    where: str
    what: str
    breaking: bool

    def as_json(self) -> dict[str, Any]:
        return {"where": self.where, "what": self.what, "breaking": self.breaking}


def compare(pinned: Survey, live: Survey) -> list[Change]:
    """List what changed, breaking changes first."""
    found = [Change(name, "is gone", breaking=True) for name in pinned.parts.keys() - live.parts.keys()]
    found += [Change(name, "is new", breaking=False) for name in live.parts.keys() - pinned.parts.keys()]
    for name in pinned.parts.keys() & live.parts.keys():
        found.extend(_part(name, pinned.parts[name], live.parts[name]))
    return sorted(found, key=lambda change: (not change.breaking, change.where, change.what))


def _part(name: str, old: Part, new: Part) -> Iterator[Change]:
    for facts, others, breaking in ((old.facts, new.facts, True), (old.told, new.told, False)):
        for key in sorted(facts.keys() | others.keys()):
            if facts.get(key) != others.get(key):
                yield Change(name, f"its {key} was {facts.get(key)!r} and is {others.get(key)!r}", breaking)
    for way in ("input", "output"):
        one, other = getattr(old, way), getattr(new, way)
        if one is not None and other is not None:
            walk = _Walk(one, other, "in" if way == "input" else "out", ordered=new.ordered)
            yield from walk.differences(f"{name}.{way}")
        elif one is not other:
            yield Change(f"{name}.{way}", "is gone" if other is None else "is new", breaking=other is None)


class _Walk:
    """Two schemas side by side; what breaks depends on which way the values go."""

    def __init__(self, old: Schema, new: Schema, way: Literal["in", "out"], *, ordered: bool) -> None:
        self._roots = (old, new)
        self._in = way == "in"
        self._ordered = ordered and self._in
        self._seen: set[tuple[int, int]] = set()

    def differences(self, where: str) -> Iterator[Change]:
        yield from self._schema(*self._roots, where, 0)

    def _schema(self, one: Schema, other: Schema, where: str, depth: int) -> Iterator[Change]:
        old, new = self._target(one, 0), self._target(other, 1)
        if (id(old), id(new)) in self._seen or depth > _MAX_DEPTH or (old == new and not _refers(old)):
            return
        self._seen.add((id(old), id(new)))
        yield from self._kind(old, new, where)
        yield from self._limits(old, new, where)
        yield from self._properties(old, new, where, depth)
        if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
            yield from self._schema(old["items"], new["items"], f"{where}[]", depth + 1)
        for key in ("anyOf", "oneOf", "allOf"):
            yield from self._branches(old.get(key) or [], new.get(key) or [], key, where, depth)
        if self._in and old.get("dependentRequired") != new.get("dependentRequired"):
            yield Change(where, "other fields must come together now", breaking=True)

    def _target(self, schema: Schema, side: int) -> Schema:
        for _ in range(_MAX_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            target: Any = self._roots[side]
            for step in reference.removeprefix("#").strip("/").split("/"):
                target = target.get(step, {}) if step else target
            schema = target
        return schema

    def _kind(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        before, after = _types(old), _types(new)
        if before != after:
            lost, more = before - after, after - before
            breaking = bool(lost) if self._in else bool(more)
            yield Change(where, f"was {_said(before)} and is {_said(after)}", breaking or not (before and after))
        enum, other = old.get("enum"), new.get("enum")
        if enum is not None and other is not None:
            gone = [value for value in enum if value not in other]
            added = [value for value in other if value not in enum]
            if gone:
                yield Change(where, f"may no longer be {_listed(gone)}", breaking=self._in)
            if added:
                yield Change(where, f"may also be {_listed(added)}", breaking=not self._in)
        elif enum is not None:
            yield Change(where, "may be any value, not only those that it named", breaking=not self._in)
        elif other is not None:
            yield Change(where, f"may only be {_listed(other)}", breaking=self._in)
        for key in _SHAPE:
            if old.get(key) != new.get(key) and not (key == "pattern" and key not in (new if self._in else old)):
                yield Change(where, f"its {key} was {old.get(key)!r} and is {new.get(key)!r}", breaking=True)
            elif old.get(key) != new.get(key):
                yield Change(where, f"its {key} {old.get(key)!r} is gone", breaking=False)

    def _limits(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        for key in (*_LOWER, *_UPPER):
            before, after = old.get(key), new.get(key)
            if before != after:
                grew = before is not None and after is not None and after > before
                looser = after is None or (before is not None and grew == (key in _UPPER))
                yield Change(where, f"its {key} was {before} and is {after}", breaking=self._in and not looser)

    def _properties(self, old: Schema, new: Schema, where: str, depth: int) -> Iterator[Change]:
        before, after = old.get("properties") or {}, new.get("properties") or {}
        needed, needs = set(old.get("required") or ()), set(new.get("required") or ())
        kept = [name for name in before if name in after]
        if self._ordered and kept != [name for name in after if name in before]:
            yield Change(where, "its fields are sent in another order", breaking=True)
        for name in before.keys() - after.keys():
            yield Change(f"{where}.{name}", "is gone", breaking=True)
        for name in after.keys() - before.keys():
            yield Change(f"{where}.{name}", f"is new{' and required' if name in needs else ''}", breaking=self._in and name in needs)  # fmt: skip
        for name in sorted(before.keys() & after.keys()):
            if name in needs - needed:
                yield Change(f"{where}.{name}", "is required now", breaking=self._in)
            if name in needed - needs:
                yield Change(f"{where}.{name}", "may be absent now", breaking=not self._in)
            yield from self._schema(before[name], after[name], f"{where}.{name}", depth + 1)

    def _branches(self, old: list[Any], new: list[Any], key: str, where: str, depth: int) -> Iterator[Change]:
        if len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                if "properties" in one or "$ref" in one or "type" in one:
                    yield from self._schema(one, other, where, depth + 1)
                elif one != other:
                    yield Change(where, "its alternatives are others", breaking=True)
            return
        if not old or not new:
            stricter = not old
            yield Change(where, "has alternatives now" if stricter else "has no alternatives any more", breaking=self._in == stricter)  # fmt: skip
            return
        fewer = len(new) < len(old)
        said = f"has {'fewer' if fewer else 'more'} alternatives ({len(old)}, now {len(new)})"
        yield Change(where, said, breaking=key == "allOf" or fewer == self._in)


def _refers(schema: Schema) -> bool:
    return "$ref" in json.dumps(schema, default=str)


def _types(schema: Schema) -> frozenset[str]:
    kind = schema.get("type")
    return frozenset([kind] if isinstance(kind, str) else kind or ())


def _said(types: frozenset[str]) -> str:
    return " or ".join(sorted(types)) or "anything"


def _listed(values: list[Any]) -> str:
    shown = ", ".join(map(repr, values[:5]))
    return shown if len(values) <= 5 else f"{shown} and {len(values) - 5} more"
