"""Working copies: a file is read once, whole, and goes on where a lost connection ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ...connectors.drop import Drop
from ...core.errors import Unavailable

log = structlog.get_logger("drawbar.feeds")
_PART = 1 << 18


@dataclass(frozen=True, slots=True)
class Copied:
    copy: Path
    sha256: str
    size: int


def copied(drop: Drop, path: str, copy: Path, known: tuple[int, float]) -> Copied:
    """
    Copy a file whose size and time are known; after a lost connection go on by a new one, as long as each brings something.

    Unavailable: nothing comes, or it is another file than before. OSError: the copy cannot be written here.
    """
    digest, size = hashlib.sha256(), 0
    with copy.open("wb") as target:
        while True:
            before = size
            try:
                with drop.session() as files:
                    if size and ((there := files.stat(path)) is None or (there.size, there.modified) != known):
                        raise Unavailable(f"{path} has changed while it was read")
                    with files.read(path) as source:
                        source.seek(size)
                        while part := source.read(_PART):
                            digest.update(part)
                            target.write(part)
                            size += len(part)
                return Copied(copy, digest.hexdigest(), size)
            except Unavailable as error:
                if size == before:
                    raise
                log.info("feed.goes_on", file=path, at=size, error=error.message)


def written(content: bytes, copy: Path) -> Copied:
    """Keep what was read at once."""
    copy.write_bytes(content)
    return Copied(copy, hashlib.sha256(content).hexdigest(), len(content))


class Spool:
    """A local folder of working copies, each named for its worker and its file."""

    def __init__(self, folder: Path, owner: str, is_gone: Callable[[str], bool]) -> None:
        self.folder = folder
        self._owner = owner
        self._is_gone = is_gone

    def place(self, name: str) -> Path:
        """Give where a copy goes, with what dead workers of this machine left there removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for copy in self.folder.iterdir():
            owner = copy.name.partition("~")[0]
            if owner != self._owner and self._is_gone(owner):
                copy.unlink(missing_ok=True)
        hashed = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / f"{self._owner}~{hashed[:16]}"
