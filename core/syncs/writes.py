"""One record into several tables: its own row for each, and a row for each line of a list that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..batch import Batch, Reject, Row
from ..expressions import Env, EvaluationError, Template
from ..mapping import FirstError, Mapped, Mapper
from .config import WriteConfig


@dataclass(frozen=True, slots=True)
class Fanning:
    """Filter and map records; what is written of one is `{"0": rows of the first table, "1": ...}`, all of it or nothing."""

    where: Template | None
    writes: Sequence[WriteConfig]

    def renames(self) -> Mapping[str, str] | None:
        raise ValueError("there are several tables")

    def map(self, batch: Batch, run: Mapping[str, Any], on_error: FirstError) -> Mapped:
        found = Mapper(self.where, None).map(batch, run, on_error)
        rows: list[Row] = []
        places: list[int] = []
        rejects = list(found.rejects)
        for row, at in zip(found.rows, found.at, strict=True):
            number = batch.record_nos[at]
            env: dict[str, Any] = {**batch.facts, "run": run, "row": row, "record_no": number}
            if batch.each is not None:
                env.update(batch.each[at])
            try:
                rows.append({str(place): list(_rows(write, row, env)) for place, write in enumerate(self.writes)})
            except EvaluationError as error:
                if len(rejects) == len(found.rejects):
                    on_error(row)
                rejects.append(Reject(number, error.message, batch.raw_of(at)))
                continue
            places.append(at)
        return Mapped(rows, places, rejects, found.filtered)


def _rows(write: WriteConfig, row: Row, env: dict[str, Any]) -> list[Row]:
    if write.each is None:
        return [_filled(write, env)]
    lines = _lines(write.each, row)
    return [_filled(write, {**env, "item": line, "index": place}) for place, line in enumerate(lines, 1)]


def _lines(each: str, row: Row) -> Sequence[Any]:
    """Give the list that a path names: nothing there is no line, a single object is one."""
    found: Any = row
    for name in each.split(".")[1:]:
        if found is None or (isinstance(found, Mapping) and name not in found):
            return []
        if not isinstance(found, Mapping):
            raise EvaluationError(f"{each}: there is nothing inside {found!r}")
        found = found[name]
    if found is None:
        return []
    if isinstance(found, Mapping):
        return [found]
    if not isinstance(found, Sequence) or isinstance(found, (str, bytes)):
        raise EvaluationError(f"{each} is no list")
    return found


def _filled(write: WriteConfig, env: Env) -> Row:
    made = {}
    for name, template in write.map.items():
        try:
            made[name] = template.fill(env)
        except EvaluationError as error:
            place = f" of line {env['index']}" if write.each is not None else ""
            raise EvaluationError(f"{write.table}.{name}{place}: {error.message}") from error
    return made
