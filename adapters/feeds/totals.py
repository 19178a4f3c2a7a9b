"""Control totals: what header and trailer say against what is in a file, proven before anything is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ...core.errors import ConfigError, InputError
from ...core.expressions import Sees, Template
from ...core.strict import Strict
from ..formats import Column, Format, IncompleteFile, Record, Reject, WrongFile
from ..formats.scalars import as_decimal

_EXACT = Context(prec=80)


class Total(Strict):
    """One total. Records that cannot be read count, and have no sum."""

    count: str | None = Field(None, description="Count the records of a layout: row.")
    sum: str | None = Field(None, description="Add up a field of the rows.")
    where: Annotated[Template, Sees("row", "record_no", "header", "file")] | None = Field(
        None, description="Only of these rows."
    )
    modulo: int | None = Field(None, ge=1, description="What is left of the total after division by this.")
    equals: Annotated[Template, Sees("header", "trailer", "file")] = Field(description="What it must be.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.count is None) == (self.sum is None):
            raise ValueError("a total has either count or sum")
        if self.where is not None and self.count not in {None, "row"}:
            raise ValueError("where: only for rows")
        return self

    def mistakes(self, form: Format) -> Iterator[str]:
        """Find names that the format's records do not have, as far as they are known before a file is there."""
        columns, layouts = form.columns() if form.is_closed else None, form.layouts()
        if self.sum is not None and columns is not None:
            yield from missing(self.sum.replace("-", "_").split("."), columns, "row")
        counted = {"row", *layouts, *getattr(form, "beside", ())}
        if self.count is not None and self.count not in counted:
            near = difflib.get_close_matches(self.count, counted, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"count: the format has no layout {self.count!r}; it has {', '.join(sorted(counted))}{hint}"
        for template in (self.where, self.equals):
            for path in sorted(template.paths if template is not None else ()):
                known = columns if path[0] == "row" else layouts.get(path[0])
                if path[0] in {"header", "trailer"} and known is None:
                    yield f"the format has no {path[0]}"
                elif known is not None and len(path) > 1:
                    yield from missing(path[1:], known, path[0])

    @property
    def label(self) -> str:
        return f"count of {self.count}" if self.count else f"sum of {self.sum}"


@dataclass(slots=True)
class Proof:
    """What the first pass over a file found."""

    header: dict[str, Any] | None = None
    trailer: dict[str, Any] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    totals: list[dict[str, Any]] = field(default_factory=list)
    """Each total that was compared: what it is of, what was found, and what the file says."""


_KEPT_REJECTS = 20


def missing(names: Sequence[str], columns: Sequence[Column], where: str) -> Iterator[str]:
    """Find the first of nested names that is no column."""
    for name in names:
        found = next((column for column in columns if column.name == name), None)
        if found is None:
            near = difflib.get_close_matches(name, [column.name for column in columns], 1)
            yield f"the {where} has no field {name}{f'; did you mean {near[0]}?' if near else ''}"
            return
        if found.type != "object":
            return
        columns = found.of


def prove(form: Format, path: Path, totals: Sequence[Total], file: Mapping[str, Any]) -> Proof:
    """
    Read a spooled file once and compare its totals.

    IncompleteFile: its end, or its trailer, is not there yet. WrongFile: a total differs, or its parts are out of place.
    ConfigError: a total names a field that its records do not have; the file is not to blame.
    """
    proof = Proof()
    sums = [Decimal(0)] * len(totals)
    with path.open("rb") as stream:
        for record in form.read(stream):
            if proof.trailer is not None and not (isinstance(record, Record) and record.layout == "trailer"):
                raise WrongFile("there are records after the trailer")
            if isinstance(record, Reject):
                proof.counts["row"] = proof.counts.get("row", 0) + 1
                if len(proof.rejects) < _KEPT_REJECTS:
                    proof.rejects.append(record)
                continue
            proof.counts[record.layout] = proof.counts.get(record.layout, 0) + 1
            _keep_part(proof, record)
            if record.layout == "row":
                _add(totals, sums, record, proof, file)
    expects_trailer = "trailer" in form.layouts() or any(
        path[:1] == ("trailer",) for t in totals for path in t.equals.paths
    )
    if expects_trailer and proof.trailer is None:
        raise IncompleteFile("the trailer is not there yet")
    for total, added in zip(totals, sums, strict=True):
        _compare(total, added, proof, file)
    return proof


def _keep_part(proof: Proof, record: Record) -> None:
    if record.layout == "header":
        if proof.header is not None:
            raise WrongFile(f"record {record.record_no} is a second header")
        proof.header = record.values
    elif record.layout == "trailer":
        if proof.trailer is not None:
            raise WrongFile(f"record {record.record_no} is a second trailer")
        proof.trailer = record.values


def _add(totals: Sequence[Total], sums: list[Decimal], record: Record, proof: Proof, file: Mapping[str, Any]) -> None:
    env = {"row": record.values, "record_no": record.record_no, "header": proof.header or {}, "file": file}
    for at, total in enumerate(totals):
        try:
            if total.where is not None and total.where.fill(env) is not True:
                continue
            if total.count is not None:
                sums[at] += 1
            elif (value := _value_at(record.values, total.sum or "")) is not None:
                sums[at] = _EXACT.add(sums[at], as_decimal(value))
        except (InputError, ValueError) as error:
            if proof.counts["row"] == 1:  # one that others have and this record lacks is a mistake of the file
                _look_for_names(total, {"row": record.values, "header": proof.header})
            raise WrongFile(f"{total.label}, record {record.record_no}: {error}") from error


def _compare(total: Total, added: Decimal, proof: Proof, file: Mapping[str, Any]) -> None:
    found: Decimal | int = added
    if total.count is not None and total.where is None:
        found = proof.counts.get(total.count, 0)
    elif total.count is not None:
        found = int(added)
    if total.modulo is not None:
        found = _EXACT.remainder(Decimal(found), Decimal(total.modulo))
    try:
        said = total.equals.fill({"header": proof.header or {}, "trailer": proof.trailer or {}, "file": file})
        expected = as_decimal(said.strip() if isinstance(said, str) else said)
    except (InputError, ValueError) as error:
        _look_for_names(total, {"header": proof.header, "trailer": proof.trailer})
        raise WrongFile(f"{total.label}: {error}") from error
    if found != expected:
        raise WrongFile(f"{total.label} is {found}, and the file says {expected}")
    proof.totals.append({"of": total.label, "found": f"{Decimal(found):f}", "says": f"{expected:f}"})


def _look_for_names(total: Total, parts: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Raise ConfigError for the first name of a total that a record has not."""
    named = [path for template in (total.where, total.equals) if template for path in sorted(template.paths)]
    named += [("row", *total.sum.replace("-", "_").split("."))] if total.sum else []
    for where, *names in named:
        value: Any = parts.get(where)
        for name in names:
            if not isinstance(value, Mapping):
                break
            if name not in value:
                near = difflib.get_close_matches(name, value, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                said = f"totals: {total.label}: the {where} has no field {name}{hint}"
                raise ConfigError(said, field="totals", next="correct totals in the configuration; the file stays")
            value = value[name]


def _value_at(values: Mapping[str, Any], path: str) -> Any:
    value: Any = values
    for name in path.replace("-", "_").split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise ValueError(f"there is no field {path}")
        value = value[name]
    return value
