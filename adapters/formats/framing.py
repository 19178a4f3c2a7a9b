"""Bytes to records: lines, equal blocks, and records with a descriptor word before them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, Literal, Protocol

from .format import IncompleteFile, WrongFile

Newline = Literal["lf", "crlf", "nl", "cr"]
Placed = tuple[int, bytes]
"""A record, and at which offset of its file it stands, framing left out."""
MAX_RECORD_BYTES = 16 * 1024 * 1024
_NEWLINES = {"lf": "\n", "crlf": "\r\n", "nl": "\x85", "cr": "\r"}
_CHUNK = 1 << 18
_RDW = 4


def known_encoding(name: str) -> str:
    """Find a code page among Python's and those of the `ebcdic` package; ValueError says what there is."""
    try:
        codecs.lookup(name)
    except LookupError:
        try:
            import ebcdic  # type: ignore[import-untyped]  # noqa: F401 - no types; importing it registers code pages

            codecs.lookup(name)
        except (ImportError, LookupError):
            raise ValueError(
                f"there is no encoding {name!r}; cp037, cp500, cp1140, cp273 and utf-8 are usual"
            ) from None
    return name


def newline_bytes(newline: Newline, encoding: str) -> bytes:
    """Give the end of a line in an encoding; `nl` is EBCDIC's next line, X'15'."""
    try:
        return _NEWLINES[newline].encode(encoding)
    except UnicodeEncodeError:
        raise ValueError(f"newline: {newline} does not exist in {encoding}; use lf or crlf") from None


def lines(stream: BinaryIO, newline: bytes, limit: int = MAX_RECORD_BYTES) -> Iterator[tuple[bytes, bool]]:
    """Give each line without its end, and whether it had one: only the last may have none."""
    held = b""
    searched = 0
    while chunk := stream.read(_CHUNK):
        held += chunk
        start = 0
        at = held.find(newline, searched)
        while at >= 0:
            yield held[start:at], True
            start = at + len(newline)
            at = held.find(newline, start)
        held = held[start:]
        searched = max(len(held) - len(newline) + 1, 0)
        if len(held) > limit:
            raise WrongFile(f"a line is longer than {limit} bytes: is newline right?")
    if held:
        yield held, False


def blocks(stream: BinaryIO, length: int, skip: int = 0) -> Iterator[Placed]:
    """Give records of equal length; a rest at the end raises IncompleteFile."""
    begins = skip * length
    for chunk in whole_blocks(stream, length, max(_CHUNK // length, 1), skip):
        for at in range(0, len(chunk), length):
            yield begins + at, chunk[at : at + length]
        begins += len(chunk)


def whole_blocks(stream: BinaryIO, length: int, count: int, skip: int = 0) -> Iterator[bytes]:
    """Give up to `count` records of equal length at a time, in one piece; a rest at the end raises IncompleteFile."""
    number = skip
    _pass_over(stream, skip * length)
    while chunk := _exactly(stream, count * length):
        rest = len(chunk) % length
        number += len(chunk) // length
        if len(chunk) > rest:
            yield chunk[: len(chunk) - rest] if rest else chunk
        if rest:
            raise IncompleteFile(f"after record {number} there are {rest} bytes left, and a record has {length}")


def described(stream: BinaryIO, *, includes_itself: bool, at: int = 0) -> Iterator[Placed]:
    """
    Give records that begin with a record descriptor word (RDW), the first one at an offset.

    IBM writes the length big endian into the first two bytes; some gateways write it little endian into the last two, which
    no RDW of IBM can look like, since its length is never zero.
    """
    number = 0
    while head := _exactly(stream, _RDW):
        number += 1
        if len(head) < _RDW:
            raise IncompleteFile(f"record {number} ends inside its descriptor word")
        length = int.from_bytes(head[:2], "big") or int.from_bytes(head[2:], "little")
        if includes_itself:
            length -= _RDW
        if length < 0 or (head[:2] != b"\0\0" and head[2:] != b"\0\0"):
            raise WrongFile(f"record {number} has no valid descriptor word: {head.hex(' ')}")
        at += _RDW
        body = _exactly(stream, length)
        if len(body) < length:
            raise IncompleteFile(f"record {number} has {len(body)} of the {length} bytes that its descriptor word says")
        yield at, body
        at += length


def unblocked(stream: BinaryIO, *, includes_itself: bool) -> Iterator[Placed]:
    """
    Give records of blocks that begin with a block descriptor word (BDW), each with its own descriptor word.

    A BDW counts itself; its first bit is set where the length has 31 bits (large block interface).
    """
    blocks = at = 0
    while head := _exactly(stream, _RDW):
        blocks += 1
        if len(head) < _RDW:
            raise IncompleteFile(f"block {blocks} ends inside its descriptor word")
        wide = bool(head[0] & 0x80)
        length = int.from_bytes(head, "big") & 0x7FFFFFFF if wide else int.from_bytes(head[:2], "big")
        if length < 2 * _RDW or length > MAX_RECORD_BYTES or (not wide and head[2:] != b"\0\0"):
            raise WrongFile(f"block {blocks} has no valid descriptor word: {head.hex(' ')}")
        body = _exactly(stream, length - _RDW)
        if len(body) < length - _RDW:
            raise IncompleteFile(f"block {blocks} has {len(body) + _RDW} of the {length} bytes that it says")
        try:
            yield from described(io.BytesIO(body), includes_itself=includes_itself, at=at + _RDW)
        except (IncompleteFile, WrongFile) as cause:
            raise WrongFile(f"block {blocks}: {cause}") from cause
        at += length


def block_descriptor(length: int) -> bytes:
    """Give the block descriptor word before so many bytes of records."""
    return (length + _RDW).to_bytes(2, "big") + b"\0\0"


class Out(Protocol):
    def write(self, data: bytes, /) -> int: ...


class Blocks:
    """Puts records with descriptor words into blocks, each with its own."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._held = b""

    def write(self, data: bytes, /) -> int:
        if len(data) + _RDW > self._size:
            raise ValueError(f"a record of {len(data)} bytes does not fit into a block of {self._size}")
        if len(self._held) + len(data) + _RDW > self._size:
            self.finish()
        self._held += data
        return len(data)

    def undone(self, write: Callable[[], int]) -> int:
        """Write, or be as before when it fails: what is in the stream is thrown away by who asked."""
        kept = self._held
        try:
            return write()
        except BaseException:
            self._held = kept
            raise

    def finish(self) -> None:
        if self._held:
            self._stream.write(block_descriptor(len(self._held)) + self._held)
            self._held = b""


def descriptor(length: int, *, includes_itself: bool, little: bool = False) -> bytes:
    """Give the record descriptor word of a record of this length; `little` is the form of some gateways."""
    said = length + _RDW if includes_itself else length
    if said > 0xFFFF:
        raise ValueError(f"a record of {length} bytes is too long for a descriptor word")
    return b"\0\0" + said.to_bytes(2, "little") if little else said.to_bytes(2, "big") + b"\0\0"


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read until `size` bytes are there or the end is: a pipe and a socket give less at a time."""
    data = stream.read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (more := stream.read(missing)):
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)


def _pass_over(stream: BinaryIO, count: int) -> None:
    if count and stream.seekable():
        stream.seek(count, 1)
        return
    while count and (gone := stream.read(min(count, _CHUNK))):
        count -= len(gone)
