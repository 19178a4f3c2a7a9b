"""
Connector = wire: what every place of files has in common, whether a server or a folder.

Paths are relative to the drop's root, with `/`. Names are shown as text: what is not UTF-8, and control characters, as %XX.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable

from ..core.errors import InputError
from .owners import is_dead_here, own_name

_ESCAPED = re.compile(r"%([0-9A-F]{2})")
SMALL_BYTES = 64 << 10
"""Files up to this size are read together with others."""
_AMBIGUOUS = re.compile(r"%(?=[0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. `modified` is in seconds since 1970 on the clock of its own system."""

    name: str
    size: int
    modified: float
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be read together with others, and the size that it had when it was listed."""

    path: str
    size: int


class Files(Protocol):
    """
    The verbs of a drop, on one line, for one thread.

    Rejected: the other side said no. Unavailable: nothing happened. OutcomeUnknown: only from a rename without an answer.
    """

    def list(self, folder: str) -> list[Entry]:
        """List a folder, hidden names included; one that is not there is empty."""

    def stat(self, path: str) -> Entry | None: ...

    def read(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Read a file as a stream in bounded memory; InputError (not_found) when it is not there."""

    def fetch(self, wanted: Sequence[Wanted]) -> Iterator[tuple[int, bytes | None]]:
        """Read many small files at once, as they come; None for one that must be read by itself, which says why."""

    def write(self, path: str, content: BinaryIO, *, sha256: str | None = None) -> int:
        """
        Write under a hidden temporary name, to the disk, then rename; give the size. Rejected when the name exists.

        With its SHA-256 it goes on where a lost connection ended, and what arrived is compared where the other side can.
        """

    def part(self, path: str, sha256: str) -> int:
        """Say how much of a file that is written with this SHA-256 has arrived under its temporary name."""

    def create(self, path: str, content: bytes) -> bool:
        """Make a small file that must be new, in one step; False when it is there already."""

    def digest(self, path: str) -> str | None:
        """Let the other side compute a file's SHA-256; None where it cannot."""

    def move(self, old: str, new: str) -> bool:
        """Rename atomically; False when `old` is gone, as another worker was faster. Rejected when `new` exists."""

    def move_many(self, moves: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Rename several with the questions about all of them in flight; False for one that was not, whatever the reason."""

    def remove(self, path: str) -> bool:
        """Remove a file; False when it was gone."""

    def make_folder(self, path: str) -> None:
        """Make a folder; one that is there is no error."""

    def touch(self, path: str) -> float:
        """Make or renew an empty file and give the time of its system."""


@runtime_checkable
class Nameless(Protocol):
    """A drop whose files can be begun where they will be, without a name, so that `write` need not copy them."""

    def nameless(self, path: str) -> BinaryIO | None:
        """Give an open file for what `write` is given under this path later; None where there is no such thing."""


class Drop(Protocol):
    """A place of files. Nothing is opened before the first session; `close` may be called twice."""

    def session(self, timeout_s: float | None = None) -> AbstractContextManager[Files]:
        """Give a line for this thread; everything in it ends within `timeout_s` a call, or the configured limit."""

    def place(self) -> str:
        """Name the place for people, without secrets."""

    def close(self) -> None: ...


def part_name(name: bytes, sha256: str | None) -> bytes:
    """Give the temporary name of a file that is written: the same one for the same content, else one of this process."""
    mark = own_name() if sha256 is None else hashlib.sha256(name + sha256.encode()).hexdigest()[:16]
    return f".{mark}.part".encode()


def is_left_over(name: str) -> bool:
    """Tell whether a name is a temporary one of a process of this machine that has ended."""
    return name.startswith(".") and name.endswith(".part") and is_dead_here(name[1:])


def shown(raw: bytes) -> str:
    """Show a file name; `raw_name` gives back its bytes."""
    return "".join(
        char if char.isprintable() or char == " " else "".join(f"%{byte:02X}" for byte in _bytes(char))
        for char in _AMBIGUOUS.sub("%25", raw.decode("utf-8", "surrogateescape"))
    )


def _bytes(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")


def raw_name(name: str) -> bytes:
    """Give the bytes of a name that was shown."""
    parts = _ESCAPED.split(name)
    return b"".join(
        bytes.fromhex(part) if index % 2 else part.encode("utf-8", "surrogateescape")
        for index, part in enumerate(parts)
    )


def confined(path: str) -> list[bytes]:
    """Split a path into raw names; InputError when it is absolute or climbs out."""
    if path in {"", "."}:
        return []
    names = [raw_name(part) for part in path.split("/")]
    if path.startswith("/") or any(name in {b"", b".", b".."} or b"\0" in name or b"/" in name for name in names):
        raise InputError(f"{path!r} is no path inside of the drop", field="name")
    return names


def checked_name(name: str) -> str:
    """Take one file name from a caller; InputError when it is a path."""
    if "/" in name or len(confined(name)) != 1:
        raise InputError(f"{name!r} is no file name", field="name")
    return name
