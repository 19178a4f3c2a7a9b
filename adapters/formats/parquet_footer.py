"""The footer of a Parquet file, as far as row groups of several files become those of one: parquet.thrift in Thrift's compact protocol."""

from __future__ import annotations

_ROWS, _GROUPS = (3,), (4,)
_PLACES = frozenset({(4, 5), (4, 1, 2), (4, 1, 3, 9), (4, 1, 3, 11)})
"""Where in the file something begins: file_offset of a group and of a column, data_page_offset, dictionary_page_offset."""
_TRUTHS, _BYTE, _NUMBERS, _DOUBLE, _TEXT, _LISTS, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12
_LONG_LIST = 15
Path = tuple[int, ...]


class Footer:
    """What stands at the end of a file of one row group, or of none."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._places: list[tuple[int, int]] = []
        self._spans: dict[Path, tuple[int, int]] = {}
        self._struct(())

    def group(self, moved: int) -> bytes:
        """Give what is said of the row group, which stands so many bytes further on in another file."""
        begin, end = self._spans[_GROUPS]
        said, at = b"", begin + 1
        for first, last in self._places:
            value = _plain(self._data, first)
            said += self._data[at:first] + number(value + moved if value else 0)  # 0 is none
            at = last
        return said + self._data[at:end]

    def around(self, rows: int, groups: int) -> tuple[bytes, bytes]:
        """Give what stands before and behind the row groups of a file that has so many."""
        (first, last), (begin, end) = self._spans[_ROWS], self._spans[_GROUPS]
        data = self._data
        return data[:first] + number(rows) + data[last:begin] + _list_of(groups), data[end:]

    def _struct(self, path: Path) -> None:
        name = 0
        while head := self._byte():
            name = name + (head >> 4) if head >> 4 else self._number() >> 1
            if head & 15 not in _TRUTHS:
                self._value(head & 15, (*path, name))

    def _value(self, kind: int, path: Path) -> None:
        begin = self._at
        if kind in _NUMBERS:
            self._number()
            if path in _PLACES:
                self._places.append((begin, self._at))
        elif kind == _TEXT:
            size = self._number()
            self._at += size
        elif kind in _LISTS:
            self._list(path)
        elif kind == _STRUCT:
            self._struct(path)
        elif kind in (_BYTE, _DOUBLE, *_TRUTHS):
            self._at += 8 if kind == _DOUBLE else 1
        else:
            raise ValueError(f"a footer of Parquet has no values of kind {kind}")
        if path in (_ROWS, _GROUPS):
            self._spans[path] = begin, self._at

    def _list(self, path: Path) -> None:
        head = self._byte()
        count = self._number() if head >> 4 == _LONG_LIST else head >> 4
        for _ in range(count):
            self._value(head & 15, path)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _number(self) -> int:
        found, self._at = _varint(self._data, self._at)
        return found


def number(value: int) -> bytes:
    """Write a number that is not negative: with its sign in the last bit, seven bits a byte."""
    return _bits(value << 1)


def _list_of(count: int) -> bytes:
    if count < _LONG_LIST:
        return bytes([count << 4 | _STRUCT])
    return bytes([_LONG_LIST << 4 | _STRUCT]) + _bits(count)


def _bits(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, at
        shift += 7


def _plain(data: bytes, at: int) -> int:
    return _varint(data, at)[0] >> 1
