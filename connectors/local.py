"""Connector = wire: a folder of this machine as a drop, confined to its root."""

from __future__ import annotations

import ctypes
import errno
import io
import os
import shutil
import stat as modes
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import ConfigError, InputError, Rejected, Unavailable
from .drop import SMALL_BYTES, Entry, Files, Wanted, confined, is_left_over, part_name, shown

_AT_FDCWD = -100
_NO_REPLACE = 1
_SWEEP_S = 60.0
_EARLY_BYTES = 8 << 20
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


class LocalDrop:
    """A folder. Every path is resolved and refused when a symbolic link leads out of the root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept: dict[Path, float] = {}

    @contextmanager
    def session(self, timeout_s: float | None = None) -> Iterator[Files]:
        if not self._root.is_dir():
            raise ConfigError(f"there is no folder {self._root}", next=f"mkdir -p {self._root}")
        yield self

    def place(self) -> str:
        return str(self._root)

    def close(self) -> None:
        pass

    def list(self, folder: str) -> list[Entry]:
        where = self._path(folder)
        found: list[Entry] = []
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    name = shown(os.fsencode(entry.name))
                    with suppress(OSError, InputError):
                        inside = self._path(f"{folder}/{name}" if folder else name)
                        found.append(_entry(entry.name, inside.stat()))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _said(error, f"list {folder or 'the folder'}") from error
        return found

    def stat(self, path: str) -> Entry | None:
        try:
            where = self._path(path)
            return _entry(os.fsencode(where.name), where.stat())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _said(error, f"look at {path}") from error

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        where = self._path(path)
        try:
            stream = where.open("rb")
        except FileNotFoundError as error:
            raise InputError(f"there is no file {path}", reason="not_found") from error
        except OSError as error:
            raise _said(error, f"read {path}") from error
        with stream:
            yield stream

    def fetch(self, wanted: Sequence[Wanted]) -> Iterator[tuple[int, bytes | None]]:
        for at, one in enumerate(wanted):
            content = None
            if one.size <= SMALL_BYTES:
                with suppress(OSError, InputError):
                    content = self._path(one.path).read_bytes()
            yield at, content

    def create(self, path: str, content: bytes) -> bool:
        where = self._path(path)
        try:
            with where.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except FileExistsError:
            return False
        except OSError as error:
            raise _said(error, f"write {path}") from error
        return True

    def digest(self, path: str) -> str | None:
        return None

    def part(self, path: str, sha256: str) -> int:
        return 0

    def write(self, path: str, content: BinaryIO, *, sha256: str | None = None) -> int:
        where = self._path(path)
        temporary = where.with_name(part_name(b"", None).decode())
        self._sweep(where.parent)
        try:
            size = content.named(temporary) if isinstance(content, _Nameless) else None
            if size is None:
                with temporary.open("xb") as stream:
                    shutil.copyfileobj(content, stream, 1 << 20)
                    size = _to_the_disk(stream)
            _rename(temporary, where, path)
        except OSError as error:
            raise _said(error, f"write {path}") from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        _sync_folder(where.parent)
        return size

    def nameless(self, path: str) -> BinaryIO | None:
        try:
            descriptor = os.open(self._path(path).parent, os.O_TMPFILE | os.O_RDWR, 0o666)
        except (AttributeError, OSError, InputError):  # another system, or a folder that is not there yet
            return None
        return _Nameless(io.FileIO(descriptor, "r+b"), 1 << 16)

    def move(self, old: str, new: str) -> bool:
        try:
            _rename(self._path(old), self._path(new), new)
        except FileNotFoundError:
            if self._path(old).exists():
                raise Rejected(f"there is no folder for {new}") from None
            return False
        except OSError as error:
            raise _said(error, f"rename {old}") from error
        return True

    def move_many(self, moves: Sequence[tuple[str, str]]) -> Sequence[bool]:
        moved = []
        for old, new in moves:
            try:
                moved.append(self.move(old, new))
            except (Rejected, InputError):
                moved.append(False)
        return moved

    def remove(self, path: str) -> bool:
        try:
            self._path(path).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _said(error, f"remove {path}") from error
        return True

    def make_folder(self, path: str) -> None:
        try:
            self._path(path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _said(error, f"make the folder {path}") from error

    def touch(self, path: str) -> float:
        where = self._path(path)
        try:
            where.touch()
            os.utime(where)
            return where.stat().st_mtime
        except OSError as error:
            raise _said(error, f"write {path}") from error

    def _sweep(self, folder: Path) -> None:
        """Remove what processes of this machine have left in a folder when they were killed; looks once a minute."""
        now = time.monotonic()
        if now - self._swept.get(folder, float("-inf")) < _SWEEP_S:
            return
        self._swept[folder] = now
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if is_left_over(entry.name):
                    with suppress(OSError):
                        Path(entry).unlink()

    def _path(self, path: str) -> Path:
        root = self._root.resolve()
        names = [os.fsdecode(name) for name in confined(path)]
        where = root.joinpath(*names)
        resolved = where.resolve()
        if resolved != root and root not in resolved.parents:
            raise InputError(f"{path!r} leads out of the drop", reason="forbidden", field="name")
        return where


class _Nameless(io.BufferedRandom):
    """A file that has no name yet: a process that is killed leaves nothing behind."""

    _asked = 0

    def write(self, part: Any) -> int:
        """Write, and let the system begin early to bring it to the disk, so that nobody waits for all of it at the end."""
        try:
            size = super().write(part)
            at = self.tell()
            if at - self._asked >= _EARLY_BYTES:
                self.flush()
                os.posix_fadvise(self.fileno(), self._asked, at - self._asked, os.POSIX_FADV_DONTNEED)
                self._asked = at
        except OSError as error:
            raise _said(error, "write a file") from error
        return size

    def close(self) -> None:
        """Close; what cannot be written any more was said by `write`, or nobody wants it."""
        with suppress(OSError):
            super().close()

    def named(self, path: Path) -> int | None:
        """Give it a name in its folder, and its size; None when it can be copied only."""
        self.seek(0, os.SEEK_END)
        size = _to_the_disk(self)
        try:
            # Without a descriptor, even one that means nothing, Python gives a name to the link and not to the file.
            os.link(f"/proc/self/fd/{self.fileno()}", path, src_dir_fd=self.fileno())
        except OSError:
            self.seek(0)
            return None
        return size


def _to_the_disk(stream: BinaryIO | io.BufferedRandom) -> int:
    stream.flush()
    os.fsync(stream.fileno())
    return stream.tell()


def _rename(source: Path, target: Path, name: str) -> None:
    """Rename in one step to a name that must be free; Rejected when it is not."""
    try:
        if not _rename_no_replace(source, target):
            if target.exists():
                raise FileExistsError(errno.EEXIST, "File exists")
            source.rename(target)
    except FileExistsError as error:
        raise Rejected(f"{name} exists already") from error


def _rename_no_replace(source: Path, target: Path) -> bool:
    """Ask Linux for the rename that never replaces; False where neither system nor file system has it."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _NO_REPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}:
        return False
    raise OSError(code, os.strerror(code))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(name: str | bytes, status: os.stat_result) -> Entry:
    return Entry(shown(os.fsencode(name)), status.st_size, status.st_mtime, modes.S_ISDIR(status.st_mode))


def _said(error: OSError, doing: str) -> Rejected | Unavailable:
    said = f"{doing}: {error.strerror or error}"
    return Rejected(said) if error.errno in _REFUSED else Unavailable(said)
