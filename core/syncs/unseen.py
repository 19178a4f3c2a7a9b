"""
What a sync carries on of fields that its tools declare personal or secret: by the templates of its mapping, as for runs.

What it says of a record that failed, and of itself, is told without them: in reject files, reports, events, logs and webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..batch import Batch, Reject, Row, Would
from ..errors import DrawbarError
from ..expressions import Path, Template
from ..masking import ALL, MASK, masked, texts_at, without
from ..veils import carried, split
from .config import SyncConfig, WriteConfig

Hidden = Callable[[str], Collection[str]]
_ROWS = "rows."
_SAMPLE = ("", "row.", "key.", "changes.")
"""Where the samples of a dry run have the fields of a row."""
_LITERAL = re.compile(r"'([^']*)'")
_QUOTED = re.compile(
    r"""(')((?:[^'\\]|\\.|'')*)(')|(")((?:[^"\\]|\\.|"")*)(")"""
    r"""|((?:=|\bis|\bcontains)\s?\()([^()]*)(\))"""
)
"""Where an error quotes a value: 'DE89', "DE89", Key (iban)=(DE89), Failing row contains (1, DE89)."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """The hidden fields of one sync, by what its expressions see and by what it writes."""

    seen: frozenset[Path]
    written: tuple[str, ...]
    names: frozenset[str]
    """Of columns and tables: what an error may quote."""
    cursor: bool
    """Whether its cursor is a hidden field."""

    @classmethod
    def of(cls, config: SyncConfig, hidden: Hidden) -> Unseen | None:
        """Derive it; None where nothing is hidden."""
        seen, own = _seen(config, hidden), _own(config, hidden)
        if not seen and not own:
            return None
        written = (*carried_by(config, hidden), *own)
        of_cursor = config.from_.cursor is not None and _covers(seen, ("row", config.from_.cursor.column))
        return cls(frozenset(seen), written, frozenset(_names(config)), of_cursor)

    def records(self, failed: Sequence[Reject], batch: Batch | None = None) -> list[Reject]:
        """Give records that failed with reasons that quote nothing of what is hidden."""
        places = {} if batch is None else {number: at for at, number in enumerate(batch.record_nos)}
        return [self._record(one, batch, places.get(one.record_no)) for one in failed]

    def refused(self, reason: str, row: Row) -> str:
        """Tell why a target refused a row without what is hidden of the row."""
        places = [one for path in self.written for one in (path, *(f"{at}.{path}" for at in row if at.isdigit()))]
        told: str = without(reason, texts_at(dict(row), places))
        return told

    def error(self, error: DrawbarError, cursor: Any = None) -> None:
        """Take out of an error what may be a value; it names no record, so nobody can say which."""
        texts = texts_at(cursor, [ALL, "at"]) if self.cursor else ()
        error.message = self.said(without(error.message, texts))
        error.detail = _each_text(without(error.detail, texts), self.said)

    def said(self, text: str, allowed: Collection[str] = ()) -> str:
        """Take out what is quoted, unless it is a name of this sync or else may be seen."""

        def one(found: re.Match[str]) -> str:
            opens, inner, closes = (part for part in found.groups() if part is not None)
            if inner in allowed or inner in self.names or not inner.strip(" *"):
                return found[0]
            return f"{opens}{MASK}{closes}"

        return _QUOTED.sub(one, text)

    def _record(self, failed: Reject, batch: Batch | None, at: int | None) -> Reject:
        row = failed.row if at is None or batch is None else batch.rows[at]
        if row is None:
            return replace(failed, reason=self.said(failed.reason))
        more = batch.each[at] if batch is not None and batch.each is not None and at is not None else {}
        texts = texts_at({**more, "row": dict(row)}, [".".join(path) for path in self.seen])
        shown = {str(value) for value in row.values()} - texts
        return replace(failed, reason=self.said(without(failed.reason, texts), shown))


def carried_by(config: SyncConfig, hidden: Hidden) -> tuple[str, ...]:
    """Name the fields of what a sync writes that come from a field which a tool hides."""
    seen = _seen(config, hidden)
    if not seen:
        return ()
    if config.to.writes is not None:
        return tuple(dict.fromkeys(path for one in config.to.writes for path in _fanned(one, seen)))
    if config.map is None:
        return tuple(".".join(path[1:]) or ALL for path in seen if path[0] == "row")
    return tuple(dict.fromkeys(carried(_raw(config.map), seen)))


def asked_with(config: SyncConfig, call: str, hidden: Hidden) -> tuple[str, ...]:
    """Name the arguments of one of a sync's calls that come from a field which a tool hides."""
    seen = _seen(config, hidden)
    return tuple(dict.fromkeys(carried(_raw(config.calls[call].with_), seen))) if seen else ()


def shown(would: Would, config: SyncConfig, hidden: Hidden) -> Would:
    """Give what a dry run would do without what must not be seen of its samples."""
    own = _own(config, hidden)
    paths = [f"{place}{path}" for path in (*carried_by(config, hidden), *own) for place in _SAMPLE]
    return replace(would, samples=[masked(one, paths) for one in would.samples]) if paths else would


def _seen(config: SyncConfig, hidden: Hidden) -> set[Path]:
    """Name what is hidden of all that the expressions of a sync see."""
    seen = set(_read(config, hidden)) | {
        ("called", name, *split(path)) for name, call in config.calls.items() for path in hidden(call.tool)
    }
    for name, lookup in config.lookups.items():
        seen |= {("lookup", name, *split(path)) for path in _of_rows(hidden(f"{lookup.adapter}.read_{lookup.table}"))}
    return seen


def _own(config: SyncConfig, hidden: Hidden) -> list[str]:
    """Name what the target's own tools hide of what is written."""
    to = config.to
    if to.operation is not None:
        return list(hidden(f"{to.adapter}.{to.operation}"))
    tables = [to.table] if to.writes is None else [one.table for one in to.writes]
    return [path for table in tables for path in _of_rows(hidden(f"{to.adapter}.read_{table}"))]


def _fanned(write: WriteConfig, seen: set[Path]) -> Iterator[str]:
    """Name what is hidden of the rows of one of several tables; `item` is a line of a list that the record has."""
    whole = tuple((write.each or "").split("."))
    lines = {("item", *path[len(whole) :]) for path in seen if path[: len(whole)] == whole or _covers({path}, whole)}
    return carried(_raw(write.map), seen | (lines if write.each is not None else set()))


def _raw(templates: Mapping[str, Template]) -> dict[str, Any]:
    return {name: one.raw for name, one in templates.items()}


def _covers(seen: Collection[Path], place: Path) -> bool:
    return any(place[: len(path)] == path for path in seen)


def _names(config: SyncConfig) -> Iterator[str]:
    """Name columns and tables, as systems spell them."""
    to, writes = config.to, config.to.writes or ()
    templates = [config.map or {}, *(one.map for one in writes), *(one.with_ for one in config.calls.values())]
    said = [name for one in templates for name in one]
    said += [path[1] for one in templates for each in one.values() for path in each.paths if len(path) > 1]
    said += [
        name
        for one in (config.from_.table, to.table, *(one.table for one in writes))
        if one
        for name in (one, *one.split("."))
    ]
    said += [text for one in templates for each in one.values() for text in _LITERAL.findall(str(each.raw))]
    said += [*to.key, *(name for one in writes for name in one.key)]
    for name in said:
        yield from (name, name.lower(), name.upper())


def _each_text(value: Any, told: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return told(value)
    if isinstance(value, Mapping):
        return {name: _each_text(inner, told) for name, inner in value.items()}
    return [_each_text(inner, told) for inner in value] if isinstance(value, list | tuple) else value


def _read(config: SyncConfig, hidden: Hidden) -> Iterator[Path]:
    """Name what is hidden of a row as it is read; of a table and a statement, what their own tools hide."""
    from_ = config.from_
    if from_.operation is not None and from_.rows is not None:
        result = {("result", *split(path)) for path in hidden(f"{from_.adapter}.{from_.operation}")}
        paths: Collection[str] = list(carried({"rows": from_.rows.raw}, result))
    elif from_.consume is not None:
        told = [*hidden(f"{from_.adapter}.browse_{from_.consume}"), *hidden(f"{from_.adapter}.get_{from_.consume}")]
        paths = [f"rows{rest}" for path in told for _, body, rest in [path.partition(".body")] if body]
    else:
        name = from_.statement or f"read_{from_.table or from_.feed}"
        paths = [path.replace("records.", _ROWS, 1) for path in hidden(f"{from_.adapter}.{name}")]
    if "rows" in paths:
        yield ("row",)
    for path in _of_rows(paths):
        yield ("row", *split(path))


def _of_rows(paths: Collection[str]) -> list[str]:
    return [path.removeprefix(_ROWS) for path in paths if path.startswith(_ROWS)]
