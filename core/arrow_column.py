"""A column of Arrow among a batch's columns: its values are made only for who asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any, overload


class ArrowColumn(Sequence[Any]):
    """A pyarrow.Array as a column of a batch."""

    __slots__ = ("_values", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self._values: list[Any] | None = None

    def only(self, kept: Sequence[bool]) -> ArrowColumn:
        import pyarrow as pa

        return ArrowColumn(self.array.filter(pa.array(kept, pa.bool_())))

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made())

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> ArrowColumn: ...
    def __getitem__(self, at: int | slice) -> Any:
        return ArrowColumn(self.array[at]) if isinstance(at, slice) else self._made()[at]

    def _made(self) -> list[Any]:
        if self._values is None:
            self._values = values_of(self.array)
        return self._values


def values_of(array: Any) -> list[Any]:
    """Give Python's values of an array; pyarrow's own way makes one in the time that these make ten."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_decimal(kind):
        return [None if text is None else Decimal(text) for text in array.cast(pa.string()).to_pylist()]
    if pa.types.is_date32(kind) or (pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz in (None, "UTC")):
        found: list[Any] = array.to_numpy(zero_copy_only=False).astype(_NUMPY[str(kind)[:4]]).tolist()
        if getattr(kind, "tz", None) is None:
            return found
        return [None if value is None else value.replace(tzinfo=UTC) for value in found]
    made: list[Any] = array.to_pylist()
    return made


_NUMPY = {"date": "M8[D]", "time": "M8[us]"}
