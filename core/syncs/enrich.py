"""What rows are given before they are mapped: rows of another table, answers of a tool; and what they must be afterwards."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

from ..batch import Batch, Columns, Made, Reject
from ..errors import ConfigError
from ..expressions import EvaluationError, Template
from ..mapping import Mapped, column_of, seen_rows
from ..schema import Checker
from ..values import kept_canonical, name_of
from .beside import NOWHERE, Beside
from .calls import Remembered, is_refusal
from .config import SyncConfig

Find = Callable[[Sequence[tuple[Any, ...]]], Mapping[bytes, Mapping[str, Any]]]
"""Find the rows of another table by their keys; a key is named by its canonical form."""
Name = Hashable
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Lookup:
    """One table that is looked into; what was found is remembered."""

    find: Find
    known: dict[Name, Any]
    keep: int

    def each(self, keys: Mapping[Name, tuple[Any, ...]]) -> list[Any]:
        """Give the row of each key, by its name."""
        if missing := self._missing(keys):
            if len(self.known) + len(missing) > self.keep:
                self.known.clear()
                missing = self._missing(keys)
            self.known.update(self._found(missing))
        return [self.known[name] for name in keys]

    def _missing(self, keys: Mapping[Name, tuple[Any, ...]]) -> dict[Name, tuple[Any, ...]]:
        return {name: key for name, key in keys.items() if name not in self.known}

    def _found(self, wanted: Mapping[Name, tuple[Any, ...]]) -> dict[Name, Any]:
        found = self.find(list(wanted.values()))
        return {name: found.get(kept_canonical(key), _MISSING) for name, key in wanted.items()}


class _Asking:
    """A batch that is given more: what is asked for its rows, and which of them cannot be asked for."""

    def __init__(self, batch: Batch, moment: Mapping[str, Any], templates: Sequence[Template | None]) -> None:
        self.batch = batch
        self.beside = Beside(len(batch.rows), batch.each)
        self.reasons: dict[int, str] = {}
        self._common = {**batch.facts, "run": moment}
        self._templates = templates
        self._rows: Sequence[Any] | None = None

    def env(self, at: int) -> dict[str, Any]:
        """Give what expressions see of a row: of its columns only those that some expression names."""
        if self._rows is None:
            rows = self.batch.rows
            self._rows = list(seen_rows(self._templates, rows)) if isinstance(rows, Columns) else rows
        return {**self._common, "row": self._rows[at], "record_no": self.batch.record_nos[at], **self.beside[at]}

    def wanted(self, where: Template | None) -> Sequence[int]:
        """Leave out the rows that `where` will filter, as far as it can tell without an answer."""
        every = range(len(self.batch.rows))
        if where is None or any(path[0] in ("lookup", "called") for path in where.paths):
            return every
        return [at for at in every if self._may_be_wanted(where, at)]

    def _may_be_wanted(self, where: Template, at: int) -> bool:
        try:
            return where.fill(self.env(at)) is not False
        except EvaluationError:  # the mapping says it, for the row's reject
            return False

    def filled(self, what: str, wanted: Sequence[int], parts: Sequence[Template]) -> Iterator[tuple[int, list[Any]]]:
        """Give the values of templates for each row; a row for which they cannot be said is a reject."""
        if (columns := self._by_column(parts)) is not None:
            for at in wanted:
                if at not in self.reasons:
                    yield at, [column[at] for column in columns]
            return
        for at in wanted:
            if at not in self.reasons:
                try:
                    env = self.env(at)
                    yield at, [part.fill(env) for part in parts]
                except EvaluationError as error:
                    self.reasons[at] = f"{what}: {error.message}"

    def _by_column(self, parts: Sequence[Template]) -> list[Sequence[Any]] | None:
        """Give the columns that these are, unchanged; None where one is anything else."""
        rows = self.batch.rows
        if not isinstance(rows, Columns):
            return None
        found: list[Sequence[Any]] = []
        for part in parts:
            if (name := column_of(part)) not in rows.names:
                return None
            at = rows.names.index(name or "")
            values, read = rows.values[at], rows.reads[at]
            found.append(list(values if read is None else map(read, values)))
        return found

    def given(self) -> Batch:
        """Give the batch with what stands beside its rows, and without those that are rejects."""
        batch, reasons = self.batch, self.reasons
        if not reasons:
            return replace(batch, each=self.beside)
        is_kept = [at not in reasons for at in range(len(batch.rows))]
        kept = [at for at, one in enumerate(is_kept) if one]
        rejects = [
            Reject(batch.record_nos[at], reason, batch.raw_of(at), batch.rows[at], batch.facts)
            for at, reason in sorted(reasons.items())
        ]
        return replace(
            batch,
            rows=batch.rows.only(is_kept) if isinstance(batch.rows, Columns) else list(compress(batch.rows, is_kept)),
            record_nos=list(compress(batch.record_nos, is_kept)),
            rejects=[*batch.rejects, *rejects],
            raw=None if batch.raw is None else Made(batch.raw.__getitem__, kept),
            each=self.beside.only(kept),
            names=None if batch.names is None else list(compress(batch.names, is_kept)),
        )


class Enriching:
    """Puts `lookup.NAME` and `called.NAME` beside the rows of a batch; a row for which there is nothing is a reject."""

    def __init__(self, config: SyncConfig, lookups: Mapping[str, Lookup], calls: Mapping[str, Remembered]) -> None:
        self._config = config
        self._lookups = lookups
        self._calls = calls
        keys = [part for one in config.lookups.values() for part in one.key.values()]
        self._templates = [config.where, *keys, *(part for one in config.calls.values() for part in one.with_.values())]

    def enrich(self, batch: Batch, moment: Mapping[str, Any]) -> Batch:
        asking = _Asking(batch, moment, self._templates)
        wanted = asking.wanted(self._config.where)
        for name in self._config.lookups:
            self._look(name, wanted, asking)
        for name in self._config.calls:
            self._call(name, wanted, asking)
        return asking.given()

    def _look(self, name: str, wanted: Sequence[int], asking: _Asking) -> None:
        config = self._config.lookups[name]
        asked: dict[int, Name] = {}
        keys: dict[Name, tuple[Any, ...]] = {}
        for at, key in asking.filled(f"lookup {name}", wanted, list(config.key.values())):
            asked[at] = name_of(whole := tuple(key))
            keys.setdefault(asked[at], whole)
        found = self._lookups[name].each(keys)
        if config.missing == "null":
            nothing = dict.fromkeys(config.columns)
            found = [nothing if one is _MISSING else one for one in found]
        absent = {one for one, row in zip(keys, found, strict=True) if row is _MISSING}
        for at, one in asked.items() if absent else ():
            if one in absent:
                shown = ", ".join(f"{column} {part}" for column, part in zip(config.key, keys[one], strict=True))
                asking.reasons[at] = f"lookup {name}: nothing has {shown}"
        _give(asking, "lookup", name, asked, dict(zip(keys, found, strict=True)))

    def _call(self, name: str, wanted: Sequence[int], asking: _Asking) -> None:
        config = self._config.calls[name]
        asked: dict[int, Name] = {}
        arguments: dict[Name, dict[str, Any]] = {}
        for at, values in asking.filled(f"call {name}", wanted, list(config.with_.values())):
            asked[at] = name_of(tuple(values))
            if asked[at] not in arguments:
                arguments[asked[at]] = dict(zip(config.with_, values, strict=True))
        answers = dict(zip(arguments, self._calls[name].each(list(arguments.values())), strict=True))
        refused = {one: answer for one, answer in answers.items() if is_refusal(answer)}
        if refused and config.on_error == "fail":
            raise next(iter(refused.values()))
        if config.on_error == "null":
            answers |= dict.fromkeys(refused)
        else:
            asking.reasons |= {
                at: f"call {name}: {refused[one].message}" for at, one in asked.items() if one in refused
            }
        _give(asking, "called", name, asked, answers)


def _give(asking: _Asking, kind: str, name: str, asked: Mapping[int, Name], answers: Mapping[Name, Any]) -> None:
    """Put the answers beside the rows that asked, and have not become rejects."""
    at_answer = {one: place for place, one in enumerate(answers)}
    places = [NOWHERE] * len(asking.beside)
    for at, one in asked.items():
        if at not in asking.reasons:
            places[at] = at_answer[one]
    asking.beside.give(kind, name, places, list(answers.values()))


@dataclass(frozen=True, slots=True)
class Valid:
    """Rows against a JSON Schema, after they were mapped: decimals and stamps are texts there, as in every answer."""

    checker: Checker

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Valid:
        if not isinstance(schema, Mapping):
            raise ConfigError("a JSON Schema is an object", field="schema")
        return cls(Checker.of(schema, "schema"))

    def only(self, mapped: Mapped, batch: Batch) -> Mapped:
        """Take out the rows that break the schema."""
        wrong = {
            at: said for at, row in enumerate(mapped.rows) if (said := self.checker.deviation(dict(row))) is not None
        }
        if not wrong:
            return mapped
        kept = [at for at in range(len(mapped.rows)) if at not in wrong]
        places = [mapped.at[at] for at in wrong]
        rejects = [
            Reject(batch.record_nos[place], f"schema: {said}", batch.raw_of(place))
            for place, said in zip(places, wrong.values(), strict=True)
        ]
        return replace(
            mapped,
            rows=[mapped.rows[at] for at in kept],
            at=[mapped.at[at] for at in kept],
            rejects=[*mapped.rejects, *rejects],
        )
