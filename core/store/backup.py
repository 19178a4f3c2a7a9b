"""A copy of the embedded journal, by SQLite's own means: whole, in one file, on the disk before anything is changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ..errors import ConfigError

_SPARE_BYTES = 2**20


def copied(source: sqlite3.Connection, path: Path, label: str) -> Path:
    """Copy an open journal to `FILE.LABEL-TIME.bak` and give that name; no file is ever overwritten. Raises ConfigError."""
    pages, page_bytes = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    # the copy, and as much again for what the change writes
    needed = 2 * pages * page_bytes + _SPARE_BYTES
    target = _free_name(path, label)
    part = Path(f"{target}.part")
    try:
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            raise _refused(path, f"{needed // 2**20 + 1} MB are wanted and {free // 2**20} MB are free")
        part.unlink(missing_ok=True)  # of one that was killed: who copies has the turn
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, path.stat().st_mode & 0o777))
        with closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        _sync(part)
        part.rename(target)
        _sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise _refused(path, str(error)) from error
    return target


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"state: {path} is of an earlier version and could not be copied before the upgrade: {why}",
        field="state",
        next=f"make room in {path.parent}; the file is as it was",
    )


def _free_name(path: Path, label: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (Path(f"{path}.{label}-{stamp}{more}.bak") for more in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
