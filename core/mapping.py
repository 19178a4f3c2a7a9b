"""Filter and map a batch: whole columns where an expression only names one, and a row at a time where it computes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from .batch import Batch, ByColumn, Columns, Read, Reject, Row
from .expressions import Env, EvaluationError, Template

_OF_A_ROW = frozenset({"row", "record_no"})
_COLUMN = re.compile(r"\s*\$\{\{\s*row\.([A-Za-z_]\w*)\s*\}\}\s*", re.ASCII)
_BESIDE = re.compile(r"\s*\$\{\{\s*((?:[A-Za-z_]\w*\.){2}[A-Za-z_]\w*)\s*\}\}\s*", re.ASCII)
FirstError = Callable[[Row], None]
"""Looks at the first row that failed: it may raise, when no row could have succeeded."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What is to be written, and for each of it its place in the batch."""

    rows: Sequence[Row]
    at: Sequence[int]
    rejects: Sequence[Reject]
    filtered: int


@dataclass(frozen=True, slots=True)
class Mapper:
    where: Template | None
    fields: Mapping[str, Template] | None

    def renames(self) -> Mapping[str, str] | None:
        """Give target's name: source's name when nothing else is done; ValueError otherwise. None is all as it is."""
        if self.where is not None:
            raise ValueError("rows are filtered")
        if self.fields is None:
            return None
        found = {name: column_of(template) for name, template in self.fields.items()}
        if (computed := next((name for name, source in found.items() if source is None), None)) is not None:
            raise ValueError(f"{computed} is computed")
        return {name: source for name, source in found.items() if source is not None}

    def map(self, batch: Batch, run: Mapping[str, Any], on_error: FirstError) -> Mapped:
        """Filter and map; a row whose expression fails is a reject of its own."""
        env = {**batch.facts, "run": run}
        if isinstance(batch.rows, Columns):
            return self._columns(batch, batch.rows, env, on_error)
        return self._rows(batch, env, on_error)

    def _rows(self, batch: Batch, env: dict[str, Any], on_error: FirstError) -> Mapped:
        where, fields = self.where, self.fields
        each = batch.each if _see_more([where, *(fields or {}).values()]) else None
        common = env
        rows: list[Row] = []
        places: list[int] = []
        rejects: list[Reject] = []
        filtered = 0
        for at, (row, number) in enumerate(zip(batch.rows, batch.record_nos, strict=True)):
            if each is not None:
                env = {**common, **each[at]}  # nothing of the row before
            env["row"], env["record_no"] = row, number
            try:
                if where is not None and not _condition(where.fill, env):
                    filtered += 1
                    continue
                value = row if fields is None else {name: _field(name, one.fill, env) for name, one in fields.items()}
            except EvaluationError as error:
                if not rejects:
                    on_error(row)
                rejects.append(Reject(number, error.message, batch.raw_of(at)))
                continue
            rows.append(value)
            places.append(at)
        return Mapped(rows, places, rejects, filtered)

    def _columns(self, batch: Batch, given: Columns, env: dict[str, Any], on_error: FirstError) -> Mapped:
        fields = self.fields or {}
        found = given if batch.each is None else _with_beside(given, fields.values(), batch.each)
        computed = {name: template for name, template in fields.items() if _passing(template, found) is None}
        if self.where is None and not any(template.paths for template in computed.values()):
            return Mapped(self._composed(found, _constants(computed, len(found))), range(len(found)), (), 0)
        templates = [self.where, *computed.values()]
        each = batch.each if _see_more(templates) else None
        common = env
        made: dict[str, list[Any]] = {name: [] for name in computed}
        appends = [(name, template.fill, made[name].append) for name, template in computed.items()]
        fills = [template.fill for template in computed.values()]
        kept: list[bool] = []
        rejects: list[Reject] = []
        for number, row in zip(batch.record_nos, seen_rows(templates, given), strict=True):
            if each is not None:
                env = {**common, **each[len(kept)]}
            env["row"], env["record_no"] = row, number
            is_wanted = self.where is None
            try:
                if self.where is not None and not (is_wanted := _condition(self.where.fill, env)):
                    kept.append(False)
                    continue
                values = [fill(env) for fill in fills]
            except EvaluationError as failed:
                error = _named(failed, appends, env) if is_wanted else failed
                at = len(kept)
                if not rejects:
                    on_error(given[at])
                rejects.append(Reject(number, error.message, batch.raw_of(at)))
                kept.append(False)
                continue
            for (_, _, append), value in zip(appends, values, strict=True):
                append(value)
            kept.append(True)
        left = sum(kept)
        rows = found if left == len(kept) else found.only(kept)
        places = range(len(kept)) if left == len(kept) else [at for at, one in enumerate(kept) if one]
        return Mapped(self._composed(rows, made), places, rejects, len(kept) - left - len(rejects))

    def _composed(self, found: Columns, made: Mapping[str, Sequence[Any]]) -> Columns:
        if self.fields is None:
            return found
        values: list[Sequence[Any]] = []
        reads: list[Read | None] = []
        for name, template in self.fields.items():
            if name in made:
                values.append(made[name])
                reads.append(None)
            else:
                at = found.names.index(_passing(template, found) or "")
                values.append(found.values[at])
                reads.append(found.reads[at])
        return Columns(list(self.fields), values, reads)


def column_of(template: Template) -> str | None:
    """Name the source's column that a value is, unchanged; None for anything else."""
    found = _COLUMN.fullmatch(template.raw) if isinstance(template.raw, str) else None
    return found.group(1) if found else None


def _passing(template: Template, found: Columns) -> str | None:
    name = column_of(template) or _beside(template)
    return name if name in found.names else None


def _beside(template: Template) -> str | None:
    """Name what a value is, unchanged, that stands beside the row: a name with dots, as no column of a row is named here."""
    found = _BESIDE.fullmatch(template.raw) if isinstance(template.raw, str) else None
    return found.group(1) if found else None


def _with_beside(given: Columns, templates: Iterable[Template], each: Sequence[Mapping[str, Any]]) -> Columns:
    """Add what stands beside the rows and can be had by column."""
    if not isinstance(each, ByColumn):
        return given
    named = dict.fromkeys(name for template in templates if (name := _beside(template)) is not None)
    more = {name: values for name in named if (values := each.column(name.split("."))) is not None}
    return Columns([*given.names, *more], [*given.values, *more.values()], [*given.reads, *[None] * len(more)])


def _see_more(templates: Sequence[Template | None]) -> bool:
    """Tell whether an expression names something beside the row, which a source may have to make."""
    return any(path[0] not in _OF_A_ROW for template in templates if template for path in template.paths)


def _constants(computed: Mapping[str, Template], count: int) -> dict[str, list[Any]]:
    return {name: [template.fill({})] * count for name, template in computed.items()}


def seen_rows(templates: Sequence[Template | None], found: Columns) -> Iterator[Row]:
    """Give rows of only what the expressions read of them; all of it where one takes the row as a whole."""
    paths = {path for template in templates if template is not None for path in template.paths if path[0] == "row"}
    if any(len(path) == 1 for path in paths):
        return iter(found)
    wanted = {path[1] for path in paths}
    at = [at for at, name in enumerate(found.names) if name in wanted]
    if not at:
        return repeat({}, len(found))
    if len(at) == 1:
        name, values, read = found.names[at[0]], found.values[at[0]], found.reads[at[0]]
        return ({name: value} for value in (values if read is None else map(read, values)))
    return iter(Columns([found.names[n] for n in at], [found.values[n] for n in at], [found.reads[n] for n in at]))


def _named(
    failed: EvaluationError, fields: Sequence[tuple[str, Callable[[Env], Any], Any]], env: Env
) -> EvaluationError:
    """Say which field failed; evaluating again is cheap, since it ends the row."""
    for name, fill, _ in fields:
        try:
            _field(name, fill, env)
        except EvaluationError as error:
            return error
    return failed


def _condition(fill: Callable[[Env], Any], env: Env) -> bool:
    found = fill(env)
    if not isinstance(found, bool):
        raise EvaluationError(f"where: {found!r} is neither true nor false")
    return found


def _field(name: str, fill: Callable[[Env], Any], env: Env) -> Any:
    try:
        return fill(env)
    except EvaluationError as error:
        raise EvaluationError(f"{name}: {error.message}") from error
