"""What rows of a batch were given from elsewhere: a place among the distinct answers for each row, and no dict until one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

NOWHERE = -1
"""The place of a row that was given nothing."""
_KINDS = ("lookup", "called")


class Beside(Sequence[Mapping[str, Any]]):
    """The `each` of a batch: what its source gave, `lookup.NAME` and `called.NAME`."""

    def __init__(self, count: int, own: Sequence[Mapping[str, Any]] | None) -> None:
        self._count = count
        self._own = own
        self._given: dict[str, dict[str, tuple[Sequence[int], Sequence[Any]]]] = {kind: {} for kind in _KINDS}

    def give(self, kind: str, name: str, places: Sequence[int], answers: Sequence[Any]) -> None:
        self._given[kind][name] = places, answers

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(at, slice):
            return [self[one] for one in range(self._count)[at]]
        more = {
            kind: {name: answers[places[at]] for name, (places, answers) in given.items() if places[at] != NOWHERE}
            for kind, given in self._given.items()
        }
        return {**self._own[at], **more} if self._own is not None else more

    def column(self, path: Sequence[str]) -> Sequence[Any] | None:
        """Give what a path leads to, for all rows; None where one of them has nothing there."""
        kind, name, column = path
        places, answers = self._given.get(kind, {}).get(name, ((), ()))
        if len(places) != self._count or NOWHERE in places:
            return None
        if not all(isinstance(answer, Mapping) and column in answer for answer in answers):
            return None
        values = [answer[column] for answer in answers]
        return [values[place] for place in places]

    def only(self, kept: Sequence[int]) -> Beside:
        left = Beside(len(kept), None if self._own is None else [self._own[at] for at in kept])
        for kind, given in self._given.items():
            for name, (places, answers) in given.items():
                left.give(kind, name, [places[at] for at in kept], answers)
        return left
