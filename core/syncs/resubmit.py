"""Rejected records that somebody corrected, sent again through the same mapping into the same target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..batch import Batch, Cursor, Portion, Reject, Row, as_json
from ..errors import InputError, Unavailable, raise_as
from ..values import kept_json, load

SENT = "sent"


class CorrectedSource:
    """
    The reject files of one sync, each a portion; once it is carried, a file goes into the folder `sent`.

    A line whose `row` was corrected, or that has none, is read as it stands; one without a row cannot be sent.
    """

    one_effect = (True, "a reject file is known by its content: what the target has committed is not loaded again")

    def __init__(self, folder: Path, names: Sequence[str], *, dated: bool = False) -> None:
        """`dated`: the run that sends them has a business date of its own; else each keeps that of the run that refused it."""
        found = sorted(path for path in folder.glob("*.jsonl")) if folder.is_dir() else []
        missing = sorted(set(names) - {path.name for path in found})
        if missing:
            raise InputError(f"there is no reject file {missing[0]} in {folder}", reason="not_found", field="files")
        self._paths = [path for path in found if not names or path.name in names]
        self._dated = dated

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        for path in self._paths:
            yield CorrectedFile.of(path, cursor, dated=self._dated)

    def total(self, cursor: Cursor) -> int | None:
        return None

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CorrectedFile:
    """One reject file. The cursor stays where it is."""

    id: str
    name: str
    path: Path
    cursor: Cursor
    dated: bool = False

    @classmethod
    def of(cls, path: Path, cursor: Cursor, *, dated: bool) -> CorrectedFile:
        with raise_as(Unavailable, OSError, doing=f"reject file {path}"), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(f"corrected:{path.name}:{digest}", path.name, path, cursor, dated)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        lines: list[tuple[int, dict[str, Any]]] = []
        with raise_as(Unavailable, OSError, doing=f"reject file {self.path}"), self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    lines.append((number, _line(line, self.name, number)))
                if len(lines) >= batch_rows:
                    yield _batch(lines, dated=self.dated)
                    lines = []
        if lines:
            yield _batch(lines, dated=self.dated)

    def finished(self) -> None:
        with raise_as(Unavailable, OSError, doing=f"reject file {self.path}"):
            (self.path.parent / SENT).mkdir(exist_ok=True)
            self.path.replace(self.path.parent / SENT / self.path.name)

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None: ...


def _line(text: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        found = load(text)
    except (ValueError, KeyError) as error:
        raise InputError(f"{name}, line {number}: {error}", next="each line is one JSON object") from error
    if not isinstance(found, dict):
        raise InputError(f"{name}, line {number} is no JSON object")
    return found


def _batch(lines: Sequence[tuple[int, Mapping[str, Any]]], *, dated: bool) -> Batch:
    rows: list[Row] = []
    numbers: list[int] = []
    each: list[Mapping[str, Any]] = []
    rejects = []
    for number, line in lines:
        row = line.get("row")
        raw = kept_json({name: value for name, value in line.items() if name != "reason"})
        if isinstance(row, Mapping):
            rows.append(row)
            numbers.append(number)
            each.append(_seen(line, dated=dated))
        else:
            reason = "it has no row: correct the record in its file, or write the row"
            rejects.append(Reject(number, reason, raw))
    return Batch(rows, numbers, rejects, raw=as_json(rows), each=each)


def _seen(line: Mapping[str, Any], *, dated: bool) -> Mapping[str, Any]:
    """Give what expressions saw of a record; `run` is the first one's that refused it, unless the one that sends it has its own."""
    seen = dict(line.get("seen") or {})
    run = seen.pop("run", None) or line.get("run")
    return seen if dated or not run else {**seen, "run": run}
