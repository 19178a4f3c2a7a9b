"""An operation as the source of a sync: asked page by page, or for what changed since the last time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ..batch import Batch, Cursor, Portion, Reject, Row, as_json
from ..errors import ConfigError, InputError, Rejected
from ..expressions import EvaluationError
from ..store.ids import new_id
from ..values import canonical
from .calls import Call
from .config import SyncFrom


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """The rows of one answer. The cursor moves with the last page alone: the pages before are in no order of their stamps."""

    id: str
    name: str
    cursor: Cursor
    rows: Sequence[Row]

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        for at in range(0, len(self.rows), batch_rows):
            rows = self.rows[at : at + batch_rows]
            yield Batch(rows, range(at + 1, at + 1 + len(rows)), raw=as_json(rows))

    def finished(self) -> None: ...

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


@dataclass(frozen=True, slots=True)
class AllPages:
    """All rows of an operation as one portion; its pages are asked for while it is read, from the first again each time."""

    name: str
    cursor: Cursor
    pages: Callable[[], Iterator[Sequence[Row]]]
    id: str = field(default_factory=lambda: f"full:{new_id()}")

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        first = 1
        for rows in self.pages():
            for at in range(0, len(rows), batch_rows):
                part = rows[at : at + batch_rows]
                yield Batch(part, range(first, first + len(part)), raw=as_json(part))
                first += len(part)

    def finished(self) -> None: ...

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


class ToolSource:
    """
    Ask a tool that reads until it has no more.

    A cursor is {"since": the greatest `changed` of all that was read}. What changed at that very moment is read again.
    """

    def __init__(self, config: SyncFrom, call: Call, moment: Mapping[str, Any], *, at_once: bool = False) -> None:
        """`at_once`: what replaces everything must come as one portion, not page by page."""
        self._at_once = at_once
        self._config = config
        self._tool = f"{config.adapter}.{config.operation}"
        self._call = call
        self._moment = moment
        self.one_effect = (
            False,
            "an operation is asked again from the last change on; upsert or replace have one effect"
            if config.changed is not None
            else "the operation is asked for everything each time: replace or upsert have one effect, insert repeats rows",
        )

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        if self._at_once:
            yield AllPages(self._tool, cursor, lambda: (rows for _, rows in self._pages(None)))
            return
        self.understand(cursor)
        since = None if cursor is None or self._config.changed is None else cursor["since"]
        greatest = since
        before: AnswerPage | None = None
        for number, rows in self._pages(since):
            greatest = self._greatest(greatest, rows)
            if before is not None:
                yield before
            before = AnswerPage(self._identity(since, number, rows), f"{self._tool} page {number}", cursor, rows)
        if before is not None and (before.rows or greatest != since):
            reached = {"since": greatest} if self._config.changed is not None else cursor
            yield AnswerPage(before.id, before.name, reached, before.rows)

    def understand(self, cursor: Cursor) -> None:
        """Raise InputError for what is no cursor of an operation that says what changed."""
        if cursor is None or self._config.changed is None:
            return
        if not isinstance(cursor, Mapping) or set(cursor) != {"since"}:
            raise InputError(
                "this is no cursor of an operation", field="cursor", next="since: the last change; null begins again"
            )

    def total(self, cursor: Cursor) -> int | None:
        return None

    def close(self) -> None: ...

    def _pages(self, since: Any) -> Iterator[tuple[int, list[Row]]]:
        """
        Give the pages that have rows, in order. Rejected for an operation that does not end.

        A page without rows is the last where pages are counted; where an answer names the next one, that alone decides.
        """
        config, next_, seen = self._config, None, set[bytes]()
        has_pages = config.next is not None or any(
            path[0] == "page" for one in config.with_.values() for path in one.paths
        )
        for page in range(1, config.max_pages + 1):
            env = {"since": since, "page": page, "next": next_, "run": self._moment}
            result = self._call(self._tool, self._filled(env))
            rows = self._rows(result, page)
            if rows:
                yield page, rows
            if not has_pages or (config.next is None and not rows):
                return
            if config.next is not None:
                next_ = self._answered(config.next, {"result": result, "page": page}, "next")
                if next_ in (None, "", False):
                    return
                mark = canonical(next_)
                if mark in seen:
                    raise Rejected(f"{self._tool} gave {next_!r} as the next page twice: it would never end")
                seen.add(mark)
        advice = "raise max_pages if that is right" + ("" if config.next is None else "; the last page has no next")
        raise Rejected(f"{self._tool} had more than {config.max_pages} pages", next=advice)

    def _filled(self, env: Mapping[str, Any]) -> dict[str, Any]:
        """Fill the arguments; one that is null is left out, as at the first call nothing is known yet."""
        filled = {name: self._answered(one, env, f"with.{name}") for name, one in self._config.with_.items()}
        return {name: value for name, value in filled.items() if value is not None}

    def _rows(self, result: Any, page: int) -> list[Row]:
        assert self._config.rows is not None
        try:
            found = self._config.rows.fill({"result": result, "page": page})
        except EvaluationError:  # an answer without the element has no rows; one with another meaning shows below
            return []
        if found is None:
            return []
        rows = [found] if isinstance(found, Mapping) else found
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise ConfigError(f"{self._tool}: rows is no list of objects", field="rows")
        return rows

    def _greatest(self, so_far: Any, rows: Sequence[Row]) -> Any:
        changed = self._config.changed
        if changed is None:
            return so_far
        for row in rows:
            at = self._answered(changed, {"row": row}, "changed")
            if at is not None and (so_far is None or _is_later(at, so_far)):
                so_far = at
        return so_far

    def _answered(self, template: Any, env: Mapping[str, Any], what: str) -> Any:
        try:
            return template.fill(env)
        except EvaluationError as error:
            if what == "next":
                return None
            raise ConfigError(f"{self._tool}: {what}: {error.message}", field=what) from error

    def _identity(self, since: Any, page: int, rows: Sequence[Row]) -> str:
        digest = hashlib.sha256(canonical([self._tool, since, page]))
        for row in rows:
            digest.update(canonical(row))
        return f"{self._tool}:{digest.hexdigest()}"


def _is_later(one: Any, other: Any) -> bool:
    """Compare two stamps by what they mean: answers spell numbers that may be long, and times, as texts."""
    first, second = _meant(one), _meant(other)
    return bool(first > second) if type(first) is type(second) else str(one) > str(other)


def _meant(value: Any) -> Any:
    """Give a number as Decimal, a time as datetime, anything else as text."""
    if isinstance(value, (int, Decimal)):
        return Decimal(value)
    with suppress(ValueError, InvalidOperation):
        text = value if isinstance(value, str) else str(value)
        number = Decimal(text) if text.strip("+-.0123456789") == "" else None
        if number is not None:
            return number
        at = datetime.fromisoformat(text)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return str(value)
