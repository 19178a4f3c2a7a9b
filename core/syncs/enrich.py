"""What rows are given before they are mapped: rows of another table, answers of a tool; and what they must be afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..batch import Batch, Reject
from ..errors import ConfigError
from ..expressions import EvaluationError
from ..mapping import Mapped
from ..schema import Checker
from ..values import kept_canonical
from .calls import Remembered, is_refusal
from .config import SyncConfig

Find = Callable[[Sequence[tuple[Any, ...]]], Mapping[bytes, Mapping[str, Any]]]
"""Find the rows of another table by their keys; a key is named by its canonical form."""
_MISSING = object()
Question = TypeVar("Question")


@dataclass(frozen=True, slots=True)
class Lookup:
    """One table that is looked into; what was found is remembered."""

    find: Find
    known: dict[bytes, Any]
    keep: int

    def each(self, keys: Sequence[tuple[Any, ...]]) -> list[Any]:
        names = [kept_canonical(list(key)) for key in keys]
        if missing := self._missing(names, keys):
            if len(self.known) + len(missing) > self.keep:
                self.known.clear()
                missing = self._missing(names, keys)
            self.known.update(self._found(missing))
        return [self.known[name] for name in names]

    def _missing(self, names: Sequence[bytes], keys: Sequence[tuple[Any, ...]]) -> dict[bytes, tuple[Any, ...]]:
        return {name: key for name, key in zip(names, keys, strict=True) if name not in self.known}

    def _found(self, wanted: Mapping[bytes, tuple[Any, ...]]) -> dict[bytes, Any]:
        found = self.find(list(wanted.values()))
        return {name: found.get(name, _MISSING) for name in wanted}


class Enriching:
    """Puts `lookup.NAME` and `called.NAME` beside the rows of a batch; a row for which there is nothing is a reject."""

    def __init__(self, config: SyncConfig, lookups: Mapping[str, Lookup], calls: Mapping[str, Remembered]) -> None:
        self._config = config
        self._lookups = lookups
        self._calls = calls

    def enrich(self, batch: Batch, moment: Mapping[str, Any]) -> Batch:
        envs = [
            {**batch.facts, "run": moment, "row": row, "record_no": number, **(batch.each[at] if batch.each else {})}
            for at, (row, number) in enumerate(zip(batch.rows, batch.record_nos, strict=True))
        ]
        reasons: dict[int, str] = {}
        wanted = self._wanted(envs)
        more: list[dict[str, Any]] = [{"lookup": {}, "called": {}} for _ in envs]
        for at, env in enumerate(envs):
            env.update(more[at])
        for name in self._config.lookups:
            self._look(name, wanted, envs, more, reasons)
        for name in self._config.calls:
            self._call(name, wanted, envs, more, reasons)
        return _without(batch, reasons, more)

    def _wanted(self, envs: Sequence[Mapping[str, Any]]) -> list[int]:
        """Leave out the rows that `where` will filter, as far as it can tell without an answer."""
        where = self._config.where
        if where is None or any(path[0] in ("lookup", "called") for path in where.paths):
            return list(range(len(envs)))
        kept = []
        for at, env in enumerate(envs):
            try:
                if where.fill(env) is False:
                    continue
            except EvaluationError:  # the mapping says it, for the row's reject
                continue
            kept.append(at)
        return kept

    def _look(
        self, name: str, wanted: Sequence[int], envs: Sequence[dict[str, Any]], more: Any, reasons: dict[int, str]
    ) -> None:
        config = self._config.lookups[name]
        asked = _asked(
            f"lookup {name}", wanted, envs, reasons, lambda env: tuple(part.fill(env) for part in config.key.values())
        )
        for (at, key), found in zip(asked.items(), self._lookups[name].each(list(asked.values())), strict=True):
            if found is not _MISSING:
                more[at]["lookup"][name] = found
            elif config.missing == "reject":
                shown = ", ".join(f"{column} {part}" for column, part in zip(config.key, key, strict=True))
                reasons[at] = f"lookup {name}: nothing has {shown}"
            else:
                more[at]["lookup"][name] = dict.fromkeys(config.columns)

    def _call(
        self, name: str, wanted: Sequence[int], envs: Sequence[dict[str, Any]], more: Any, reasons: dict[int, str]
    ) -> None:
        config = self._config.calls[name]
        asked = _asked(
            f"call {name}",
            wanted,
            envs,
            reasons,
            lambda env: {argument: part.fill(env) for argument, part in config.with_.items()},
        )
        for at, answer in zip(asked, self._calls[name].each(list(asked.values())), strict=True):
            if not is_refusal(answer):
                more[at]["called"][name] = answer
            elif config.on_error == "reject":
                reasons[at] = f"call {name}: {answer.message}"
            elif config.on_error == "null":
                more[at]["called"][name] = None
            else:
                raise answer


def _asked(
    what: str,
    wanted: Sequence[int],
    envs: Sequence[dict[str, Any]],
    reasons: dict[int, str],
    fill: Callable[[dict[str, Any]], Question],
) -> dict[int, Question]:
    """Compose what is asked for each row; a row for which that cannot be said is a reject."""
    asked: dict[int, Question] = {}
    for at in wanted:
        if at not in reasons:
            try:
                asked[at] = fill(envs[at])
            except EvaluationError as error:
                reasons[at] = f"{what}: {error.message}"
    return asked


def _without(batch: Batch, reasons: Mapping[int, str], more: Sequence[dict[str, Any]]) -> Batch:
    each = [{**one, **more[at]} for at, one in enumerate(batch.each or [{}] * len(more))]
    if not reasons:
        return replace(batch, each=each)
    kept = [at for at in range(len(each)) if at not in reasons]
    rejects = [
        Reject(batch.record_nos[at], reason, batch.raw_of(at), batch.rows[at], batch.facts)
        for at, reason in sorted(reasons.items())
    ]
    return replace(
        batch,
        rows=[batch.rows[at] for at in kept],
        record_nos=[batch.record_nos[at] for at in kept],
        rejects=[*batch.rejects, *rejects],
        raw=None if batch.raw is None else [batch.raw[at] for at in kept],
        each=[each[at] for at in kept],
        names=None if batch.names is None else [batch.names[at] for at in kept],
    )


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
