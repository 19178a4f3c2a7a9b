"""Everything of one sort, wherever it was written: YAML is read-only, what was made over REST can be changed."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import ConfigError, InputError
from .store.definitions import Definitions, Stored
from .store.expected import Expected, one_of
from .store.ids import new_id
from .values import moment
from .workflow import Problem

M = TypeVar("M", bound=BaseModel)
_KEPT_PARSED = 1000


@dataclass(frozen=True, slots=True)
class Entry(Generic[M]):
    """One registered thing; `body` is what was written, `version` is 0 for YAML, which has no versions."""

    id: str
    name: str
    origin: Literal["yaml", "rest"]
    version: int
    body: Mapping[str, Any]
    model: M
    created_at: float | None = None
    changed_at: float | None = None
    changed_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            **self.body,
            "id": self.id,
            "name": self.name,
            "origin": self.origin,
            "version": self.version,
            "created_at": moment(self.created_at),
            "changed_at": moment(self.changed_at),
            "changed_by": self.changed_by,
        }


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    items: Sequence[Entry[M]]
    next: str | None


def _nothing_wrong(name: str, model: Any) -> Sequence[Problem]:
    return ()


@dataclass(slots=True)
class Register(Generic[M]):
    """
    All workflows, all agents or all adapters.

    `parse` makes the checked model of a body and may raise pydantic's ValidationError; `check` looks at what it refers to.
    """

    kind: str
    fixed: Mapping[str, M]
    definitions: Definitions
    parse: Callable[[str, dict[str, Any]], M]
    check: Callable[[str, M], Sequence[Problem]] = _nothing_wrong
    _parsed: dict[tuple[str, str], M] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, id: str) -> M | None:  # noqa: A002 - the word of the contract
        """Give the model, or None; each body is parsed once."""
        if (fixed := self.fixed.get(id)) is not None:
            return fixed
        stored = self.definitions.get(self.kind, id)
        return None if stored is None else self._model(stored)

    def entry(self, id: str) -> Entry[M]:  # noqa: A002
        if (fixed := self.fixed.get(id)) is not None:
            return _of_yaml(id, fixed)
        stored = self.definitions.get(self.kind, id)
        if stored is None:
            near = difflib.get_close_matches(id, self.fixed, 1)
            hint = f"did you mean {near[0]!r}?" if near else None
            raise InputError(f"there is no {self.kind} {id!r}", reason="not_found", next=hint)
        return self._of_rest(stored)

    def page(self, *, after: str | None = None, limit: int = 100) -> Page[M]:
        """List YAML's by name, then those made over REST; `next` of a page is the `after` of the following one."""
        items: list[Entry[M]] = []
        origin, _, last = (after or "yaml:").partition(":")
        if origin == "yaml":
            names = [name for name in sorted(self.fixed) if name > last]
            items = [_of_yaml(name, self.fixed[name]) for name in names[: limit + 1]]
            last = ""
        if len(items) <= limit:
            wanted = limit + 1 - len(items)
            items += map(self._of_rest, self.definitions.page(self.kind, after=last or None, limit=wanted))
        shown = items[:limit]
        return Page(shown, f"{shown[-1].origin}:{shown[-1].id}" if len(items) > limit else None)

    def every(self) -> Iterator[Entry[M]]:
        """Go through all of them, page by page."""
        after: str | None = None
        while True:
            page = self.page(after=after)
            yield from page.items
            if page.next is None:
                return
            after = page.next

    def create(self, name: str, body: dict[str, Any], *, by: str, id: str | None = None) -> Entry[M]:  # noqa: A002
        """Register a new one, under a generated id unless its id is its name."""
        made = id or new_id()
        if made in self.fixed:
            raise InputError(f"there is already a {self.kind} {made!r}", reason="conflict")
        body = _plain_numbers(body)
        self._checked(made, body)
        return self._of_rest(self.definitions.put(self.kind, made, name, body, by=by, expect=0))

    def replace(
        self,
        id: str,  # noqa: A002
        name: str,
        body: dict[str, Any],
        *,
        by: str,
        expect: Expected = None,
    ) -> Entry[M]:
        """Write a new version of one that exists."""
        return self._write(self._changeable(id), name, body, by=by, expect=expect)

    def merge(self, id: str, patch: dict[str, Any], *, by: str, expect: Expected = None) -> Entry[M]:  # noqa: A002
        """Change a part by a JSON merge patch (RFC 7396); `name` is part of what can be changed."""
        seen = self._changeable(id)
        merged = merge_patch({**seen.body, "name": seen.name}, patch)
        name = merged.pop("name", None)
        if not isinstance(name, str) or not name:
            raise InputError("name must be a text that is not empty", field="name")
        return self._write(seen, name, merged, by=by, expect=expect)

    def delete(self, id: str, *, by: str, expect: Expected = None) -> None:  # noqa: A002
        seen = self._changeable(id)
        self.definitions.remove(self.kind, id, by=by, expect=one_of(expect, seen.version))

    def _write(self, seen: Entry[M], name: str, body: dict[str, Any], *, by: str, expect: Expected) -> Entry[M]:
        """Put the version after the one seen; what another wrote in between is not written over, even when any would do."""
        body = _plain_numbers(body)
        self._checked(seen.id, body)
        version = seen.version if expect is None else one_of(expect, seen.version)
        return self._of_rest(self.definitions.put(self.kind, seen.id, name, body, by=by, expect=version))

    def _changeable(self, thing: str) -> Entry[M]:
        entry = self.entry(thing)
        if entry.origin == "yaml":
            raise InputError(
                f"{self.kind} {thing!r} comes from the configuration and is read-only here",
                reason="conflict",
                next="change it in the YAML file",
            )
        return entry

    def _checked(self, thing: str, body: dict[str, Any]) -> M:
        try:
            model = self.parse(thing, body)
        except ValidationError as error:
            raise refused(error) from error
        except ConfigError as error:  # whoever sends a wrong definition has made an input error
            raise InputError(error.message, field=error.field, next=error.next, detail=error.detail) from error
        if problems := self.check(thing, model):
            raise _input_error([(_path(path), message) for path, message in problems])
        return model

    def _of_rest(self, stored: Stored) -> Entry[M]:
        return Entry(
            stored.id,
            stored.name,
            "rest",
            stored.version,
            stored.body or {},
            self._model(stored),
            stored.created_at,
            stored.changed_at,
            stored.changed_by,
        )

    def _model(self, stored: Stored) -> M:
        key = (stored.id, stored.hash or "")
        if (known := self._parsed.get(key)) is not None:
            return known
        model = self.parse(stored.id, stored.body or {})
        with self._lock:
            if len(self._parsed) >= _KEPT_PARSED:
                self._parsed.clear()
            self._parsed[key] = model
        return model


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _plain_numbers(value: Any) -> Any:
    """Write numbers as YAML gives them: a definition is no amount of money, and reads back as it was sent."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: _plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return value


_WORDS = {
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be text",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
}
"""What the caller is told where the words of the library are meant for its programmers."""


def refused(error: ValidationError) -> InputError:
    """Say what a model refused as the caller's error, every place at once."""
    found = error.errors(include_url=False)
    return _input_error([(_path(wrong["loc"]), _WORDS.get(wrong["type"], wrong["msg"])) for wrong in found])


def _input_error(problems: list[tuple[str, str]]) -> InputError:
    field_, message = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    detail = [{"field": where, "message": what} for where, what in problems]
    return InputError(f"{field_}: {message}{more}" if field_ else f"{message}{more}", field=field_, detail=detail)


def _path(location: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in location)


def _of_yaml(name: str, model: M) -> Entry[M]:
    body = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Entry(name, name, "yaml", 0, body, model)
