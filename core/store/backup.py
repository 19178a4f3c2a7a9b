"""A copy of the embedded journal, by SQLite's own means: whole, in one file, on the disk before anything is changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ..errors import ConfigError

_SPARE_BYTES = 2**20


def copied(source: sqlite3.Connection, path: Path, label: str) -> Path:
    """Copy an open journal to `FILE.LABEL-TIME.bak` and give that name; no file is ever overwritten. Raises ConfigError."""
    pages, page_bytes = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    # the copy, and as much again for what the change writes
    needed = 2 * pages * page_bytes + _SPARE_BYTES
    target = free_name(path, label)
    try:
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            raise _refused(path, f"{needed // 2**20 + 1} MB are wanted and {free // 2**20} MB are free")
        copy_to(source, target, mode=path.stat().st_mode & 0o777)
    except (sqlite3.Error, OSError) as error:
        raise _refused(path, str(error)) from error
    return target


def copy_to(source: sqlite3.Connection, target: Path, *, mode: int = 0o600, then: Sequence[str] = ()) -> None:
    """
    Copy an open journal to one file, which is there whole or not at all; what was there is replaced.

    `then` are statements for the copy. Raises sqlite3.Error and OSError.
    """
    part = Path(f"{target}.part")
    part.unlink(missing_ok=True)  # of one that was killed
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        with closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            for statement in then:
                copy.execute(statement)
            copy.commit()
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"state: {path} is of an earlier version and could not be copied before the upgrade: {why}",
        field="state",
        next=f"make room in {path.parent}; the file is as it was",
    )


def free_name(path: Path, label: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (Path(f"{path}.{label}-{stamp}{more}.bak") for more in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
