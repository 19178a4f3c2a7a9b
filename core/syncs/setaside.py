"""Keys that are more than memory should hold: in a temporary file, in parts that fit."""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections.abc import Collection, Iterator
from typing import Any

_AT_ONCE = 100


class SetAside(Collection[Any]):
    """Items of some parts, given back part by part in the order in which they came."""

    def __init__(self, parts: int = 1) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._held: list[list[Any]] = [[] for _ in range(parts)]
        self._places = [array("q") for _ in range(parts)]
        self._count = 0

    def add(self, item: Any, part: int = 0) -> None:
        held = self._held[part]
        held.append(item)
        self._count += 1
        if len(held) >= _AT_ONCE:
            self._places[part].append(self._file.seek(0, 2))
            pickle.dump(held, self._file)
            held.clear()

    def of(self, part: int) -> Iterator[Any]:
        for place in self._places[part]:
            self._file.seek(place)
            yield from pickle.load(self._file)  # noqa: S301 - nobody else has this file
        yield from self._held[part]

    def __iter__(self) -> Iterator[Any]:
        for part in range(len(self._held)):
            yield from self.of(part)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, item: object) -> bool:
        return any(one == item for one in self)

    def close(self) -> None:
        self._file.close()
