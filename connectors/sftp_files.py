"""The verbs of a drop on one SFTP connection, confined to its root."""

from __future__ import annotations

import stat as modes
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO

from paramiko import SSHException

from ..core.errors import ConfigError, DrawbarError, InputError, OutcomeUnknown, Rejected, Unavailable
from .drop import SMALL_BYTES, Entry, Wanted, confined, part_name, shown
from .sftp_login import Login, connect
from .sftp_stream import ReadAhead, pour, small_files
from .sftp_wire import (
    ATTRS,
    CLOSE,
    FAILURE,
    FOR_NEW,
    FOR_READING,
    FOR_REWRITING,
    FOR_WRITING,
    HANDLE,
    LSTAT,
    MKDIR,
    NAME,
    NO_SUCH_FILE,
    OPEN,
    REALPATH,
    REFUSED,
    REMOVE,
    RENAME,
    STAT,
    UNSUPPORTED,
    Attributes,
    SftpWire,
    StatusError,
    string,
    u32,
    u64,
)

_IDLE_S = 20.0
_LOST = (SSHException, EOFError, OSError, struct.error)
_CHECKS = ("check-file-name", "check-file")


class SftpFiles:
    """One connection with one SFTP channel. `broken` when it may not be used again."""

    def __init__(self, login: Login, root: str, limit: float) -> None:
        self._transport = connect(login, limit)
        self.broken = False
        self.idle_since = 0.0
        try:
            self._wire = SftpWire(self._transport, limit)
            self._root = self._wire.real_path(root.encode() or b".")
            self._wire.attributes(self._root)
        except StatusError as error:
            self.close()
            raise ConfigError(f"there is no folder {root} on {login.host}: {error.text}", field="root") from error
        except _LOST as error:
            self.close()
            raise Unavailable(f"{login.host} did not open SFTP: {_text(error)}") from error
        except BaseException:
            self.close()
            raise

    def is_good(self, limit: float) -> bool:
        """Tell whether a line that lay idle still answers."""
        self._wire.limit(limit)
        if not self._transport.is_active() or not self._wire.is_open:
            return False
        if time.monotonic() - self.idle_since > _IDLE_S:
            with suppress(*_LOST, StatusError):
                self._wire.attributes(self._root)
                return True
            return False
        return True

    def close(self) -> None:
        self.broken = True
        with suppress(*_LOST):
            self._transport.close()

    def list(self, folder: str) -> list[Entry]:
        with self._phase(f"list {folder or 'the folder'}"):
            where = self._path(folder)
            try:
                found = list(self._wire.entries(where))
            except StatusError as error:
                if error.code == NO_SUCH_FILE:
                    return []
                raise
            return [entry for name, attributes in found if (entry := self._followed(where, name, attributes))]

    def stat(self, path: str) -> Entry | None:
        with self._phase(f"look at {path}"):
            asked = self._guarded(path, STAT)
            try:
                found = self._wire.take(asked, ATTRS).attributes()
            except StatusError as error:
                if error.code == NO_SUCH_FILE:
                    return None
                raise
            return _entry(confined(path)[-1], found)

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        doing = f"read {path}"
        with self._phase(doing):
            try:
                handle = self._wire.take(self._guarded(path, OPEN, u32(FOR_READING), u32(0)), HANDLE).text()
            except StatusError as error:
                if error.code == NO_SUCH_FILE:
                    raise InputError(f"there is no file {path}", reason="not_found") from error
                raise
            stream = ReadAhead(self._wire, handle, lambda: self._phase(doing))
        try:
            yield stream
        finally:
            stream.forget()
            self._let_go(handle)

    def fetch(self, wanted: Sequence[Wanted]) -> Iterator[tuple[int, bytes | None]]:
        """Read many small files with the questions about all of them in flight; None for one to read by itself."""
        with self._phase("read many files"):
            paths = [(self._unresolved(one.path), one.size) for one in wanted if one.size <= SMALL_BYTES]
            places = [at for at, one in enumerate(wanted) if one.size <= SMALL_BYTES]
            for index, content in small_files(self._wire, paths, self._root):
                yield places[index], content
        yield from ((at, None) for at, one in enumerate(wanted) if one.size > SMALL_BYTES)

    def write(self, path: str, content: BinaryIO, *, sha256: str | None = None) -> int:
        with self._phase(f"write {path}"):
            final = self._path(path)
            temporary = _temporary(final, sha256)
            there = self._attributes(temporary) if sha256 else None
        try:
            with self._phase(f"write {path}"):
                size = self._pour(temporary, content, there.size if there else None)
                arrived = self._wire.attributes(temporary).size
            if arrived != size:
                raise Unavailable(f"write {path}: the server has {arrived} of {size} bytes")
            with self._phase(f"check {path}"):
                if sha256 and self._digest(temporary) not in {None, sha256}:
                    raise Unavailable(f"write {path}: what arrived is not what was sent, by its SHA-256")
            with self._phase(f"rename to {path}", unknown=True):
                self._require_free(self._wire.post(LSTAT, string(final)), path)
                self._rename(temporary, final, path)
        except DrawbarError as error:
            with suppress(*_LOST, StatusError):
                if not self.broken:
                    self._say_why_full(error, final)
                    self._wire.ask(REMOVE, string(temporary))
            raise
        return size

    def create(self, path: str, content: bytes) -> bool:
        """Make a file that must be new, in one step; False when it is there."""
        with self._phase(f"write {path}", unknown=True):
            where = self._path(path)
            try:
                handle = self._wire.open(where, FOR_NEW)
            except StatusError:
                if self._there(where):
                    return False
                try:
                    handle = self._wire.open(where, FOR_NEW)  # it was there, and has gone since
                except StatusError:
                    if self._there(where):
                        return False
                    raise
            self._wire.take(self._wire.post_data(handle, 0, content))
            self._wire.close_handle(handle)
            return True

    def move(self, old: str, new: str) -> bool:
        with self._phase(f"rename {old}", unknown=True):
            source, target = self._unresolved(old), self._unresolved(new)
            real = [(path, self._wire.post(REALPATH, string(where))) for path, where in ((old, source), (new, target))]
            there = self._wire.post(LSTAT, string(target))
            for path, asked in real:
                self._require_inside(path, asked)
            try:
                self._require_free(there, new)
                self._rename(source, target, new)
            except StatusError as error:
                if error.code != NO_SUCH_FILE and self._there(source):
                    raise
                if self._there(source):
                    raise Rejected(f"there is no folder for {new}") from None
                return False
            return True

    def move_many(self, moves: Sequence[tuple[str, str]]) -> Sequence[bool]:
        with self._phase(f"rename {len(moves)} files", unknown=True):
            ways = [(self._unresolved(old), self._unresolved(new)) for old, new in moves]
            from_ = [self._wire.post(REALPATH, string(old)) for old, _ in ways]
            to = [
                self._wire.post(REALPATH, string(new.rpartition(b"/")[0])) for _, new in ways
            ]  # it is not there itself
            there = [self._wire.post(LSTAT, string(new)) for _, new in ways]
            inside = [(self._leads_inside(old), self._leads_inside(new)) for old, new in zip(from_, to, strict=True)]
            free = [self._says_no(asked, ATTRS) for asked in there]
            asked = [
                self._wire.post(RENAME, string(old), string(new)) if all(may) and is_free else None
                for (old, new), may, is_free in zip(ways, inside, free, strict=True)
            ]
            return [one is not None and not self._says_no(one) for one in asked]

    def remove(self, path: str) -> bool:
        with self._phase(f"remove {path}"):
            where = self._path(path)
            try:
                self._wire.ask(REMOVE, string(where))
            except StatusError as error:
                if error.code == NO_SUCH_FILE or not self._there(where):
                    return False
                raise
            return True

    def make_folder(self, path: str) -> None:
        with self._phase(f"make the folder {path}"):
            if not confined(path) or self.stat(path) is not None:
                return
            made = ""
            for name in path.split("/"):
                made = f"{made}/{name}".lstrip("/")
                where = self._path(made)
                if not self._there(where):
                    try:
                        self._wire.ask(MKDIR, string(where), u32(0))
                    except StatusError:
                        if not self._there(where):
                            raise

    def touch(self, path: str) -> float:
        where = b""
        try:
            with self._phase(f"write {path}"):
                where = self._path(path)
                handle = self._wire.open(where, FOR_REWRITING)
                try:
                    self._wire.take(self._wire.post_data(handle, 0, b"."))
                finally:
                    self._let_go(handle)
                return float(self._wire.attributes(where).modified)
        except Unavailable as error:
            with suppress(*_LOST, StatusError):
                if where and not self.broken:
                    self._say_why_full(error, where)
            raise

    def digest(self, path: str) -> str | None:
        """Let the server add up SHA-256 (draft-ietf-secsh-filexfer-extensions-00); None when it cannot."""
        with self._phase(f"check {path}"):
            return self._digest(self._path(path))

    def part(self, path: str, sha256: str) -> int:
        with self._phase(f"look at {path}"):
            there = self._attributes(_temporary(self._path(path), sha256))
            return there.size if there else 0

    @contextmanager
    def _phase(self, doing: str, *, unknown: bool = False) -> Iterator[None]:
        """Translate what fails: a line that is lost, or what the server answered."""
        try:
            yield
        except StatusError as error:
            if error.code in {NO_SUCH_FILE, REFUSED, UNSUPPORTED}:
                raise Rejected(f"{doing}: {error.text or 'refused'}") from error
            raise (Rejected if unknown else Unavailable)(f"{doing}: the server said {error.text!r}") from error
        except DrawbarError:
            raise
        except GeneratorExit:
            self.broken = True  # answers are under way that nobody waits for any more
            raise
        except _LOST as error:
            self.broken = True
            kind: type[DrawbarError] = OutcomeUnknown if unknown else Unavailable
            raise kind(f"{doing}: the connection was lost ({_text(error)})") from error

    def _unresolved(self, path: str) -> bytes:
        return b"/".join([self._root.rstrip(b"/"), *confined(path)])

    def _path(self, path: str) -> bytes:
        """Give the absolute path; InputError when a symbolic link on the way leads out of the root."""
        if not confined(path):
            return self._root
        absolute = self._unresolved(path)
        self._require_inside(path, self._wire.post(REALPATH, string(absolute)))
        return absolute

    def _guarded(self, path: str, kind: int, *parts: bytes) -> int:
        """Ask something that changes nothing, together with where the path really leads; InputError when that is outside."""
        if not confined(path):
            return self._wire.post(kind, string(self._root), *parts)
        absolute = self._unresolved(path)
        real, asked = self._wire.post(REALPATH, string(absolute)), self._wire.post(kind, string(absolute), *parts)
        try:
            self._require_inside(path, real)
        except BaseException:
            with suppress(StatusError):
                if kind == OPEN:
                    self._let_go(self._wire.take(asked, HANDLE).text())
            self._wire.forget(asked)
            raise
        return asked

    def _require_inside(self, path: str, asked: int) -> None:
        """Look at the answer to where a path leads."""
        try:
            answer = self._wire.take(asked, NAME)
            answer.number()
            is_inside = self._is_inside(answer.text())
        except StatusError:
            is_inside = self._is_inside(self._real(self._unresolved(path)))
        if not is_inside:
            raise InputError(f"{path!r} leads out of the drop", reason="forbidden", field="name")

    def _leads_inside(self, asked: int) -> bool:
        with suppress(StatusError):
            answer = self._wire.take(asked, NAME)
            answer.number()
            return self._is_inside(answer.text())
        return False

    def _says_no(self, asked: int, *expected: int) -> bool:
        try:
            self._wire.take(asked, *expected)
        except StatusError:
            return True
        return False

    def _is_inside(self, real: bytes) -> bool:
        return real == self._root or real.startswith(self._root.rstrip(b"/") + b"/")

    def _real(self, path: bytes) -> bytes:
        """Resolve symbolic links; servers differ about a path that is not there, so its folder counts then."""
        try:
            return self._wire.real_path(path)
        except StatusError as error:
            if error.code not in {NO_SUCH_FILE, FAILURE}:
                raise
            folder, _, name = path.rpartition(b"/")
            with suppress(StatusError):
                return self._wire.real_path(folder) + b"/" + name
            return path

    def _attributes(self, path: bytes) -> Attributes | None:
        try:
            return self._wire.attributes(path)
        except StatusError as error:
            if error.code == NO_SUCH_FILE:
                return None
            raise

    def _there(self, path: bytes) -> bool:
        try:
            self._wire.attributes(path, follow=False)
        except StatusError as error:
            if error.code == NO_SUCH_FILE:
                return False
            raise
        return True

    def _require_free(self, asked: int, name: str) -> None:
        try:
            self._wire.take(asked, ATTRS)
        except StatusError as error:
            if error.code == NO_SUCH_FILE:
                return
            raise
        raise Rejected(f"{name} exists already")

    def _rename(self, source: bytes, target: bytes, name: str) -> None:
        """Rename to a name that must be free. A server's plain rename refuses to replace; not all say why."""
        try:
            self._wire.ask(RENAME, string(source), string(target))
        except StatusError as error:
            if error.code != NO_SUCH_FILE and self._there(target) and self._there(source):
                raise Rejected(f"{name} exists already") from error
            raise

    def _pour(self, temporary: bytes, content: BinaryIO, there: int | None) -> int:
        """Write a file, or what is missing of one that a lost connection left; ask that it is on the disk."""
        handle = self._wire.open(temporary, FOR_NEW if there is None else FOR_WRITING)
        begin = there or 0
        if begin and content.seek(0, 2) < begin:
            begin = 0
        content.seek(begin)
        try:
            size = pour(self._wire, handle, content, begin)
            if "fsync@openssh.com" in self._wire.extensions:
                with suppress(StatusError):  # the size is compared anyway
                    self._wire.extended("fsync@openssh.com", string(handle))
        finally:
            self._let_go(handle)
        return size

    def _say_why_full(self, error: DrawbarError, path: bytes) -> None:
        """Add to a write's failure that the disk over there is full, where the server can tell."""
        if not isinstance(error, Unavailable) or "statvfs@openssh.com" not in self._wire.extensions:
            return
        answer = self._wire.extended("statvfs@openssh.com", string(path.rpartition(b"/")[0] or b"/"))
        unit = (answer.long(), answer.long())[1]
        free = [answer.long() for _ in range(3)][2] * unit
        if free < (1 << 20):
            error.message += f": its disk is full ({free} bytes are free)"
            error.args = (error.message,)

    def _digest(self, path: bytes) -> str | None:
        """Ask those who are known to answer; ProFTPD does, and does not say so."""
        if not ({*_CHECKS} & {*self._wire.extensions} or "mod_sftp" in self._transport.remote_version):
            return None
        try:
            answer = self._wire.extended("check-file-name", string(path), string(b"sha256"), u64(0), u64(0), u32(0))
        except StatusError:
            return None
        return answer.rest().hex() if answer.text() == b"sha256" else None

    def _let_go(self, handle: bytes) -> None:
        if not self.broken:
            with suppress(*_LOST):
                self._wire.forget(self._wire.post(CLOSE, string(handle)))
                self._wire.flush()

    def _followed(self, folder: bytes, name: bytes, attributes: Attributes) -> Entry | None:
        """Look behind a symbolic link; one that leads nowhere or out of the root is not shown."""
        if modes.S_ISLNK(attributes.mode):
            path = folder.rstrip(b"/") + b"/" + name
            with suppress(StatusError):
                if self._is_inside(self._wire.real_path(path)):
                    return _entry(name, self._wire.attributes(path))
            return None
        return _entry(name, attributes)


def _temporary(final: bytes, sha256: str | None) -> bytes:
    folder, _, name = final.rpartition(b"/")
    return folder + b"/" + part_name(name, sha256)


def _entry(name: bytes, attributes: Attributes) -> Entry:
    return Entry(shown(name), attributes.size, float(attributes.modified), modes.S_ISDIR(attributes.mode))


def _text(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or str(error)).strip() or type(error).__name__


__all__ = ["SftpFiles"]
