"""
Connector = wire: an SFTP server as a drop, by paramiko, over a pool of connections that come back by themselves.

One SFTP client serves one thread at a time. A line on which a call failed or timed out is closed, never used again.
"""

from __future__ import annotations

import secrets
import stat as modes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from paramiko import SFTPAttributes, SFTPClient, SSHException
from paramiko.sftp import CMD_CLOSE, CMD_EXTENDED, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR, CMD_REALPATH

from ..core.errors import ConfigError, DrawbarError, InputError, OutcomeUnknown, Rejected, Unavailable
from .drop import Entry, Files, confined, shown
from .sftp_login import Login, connect
from .sftp_stream import ReadAhead, pour

_IDLE_S = 20.0
_NO_SUCH_FILE = 2
_REFUSED = 13
_LOST = (SSHException, EOFError, TimeoutError, ConnectionError)


class SftpDrop:
    """
    One server and one root on it.

    A session takes an idle connection or makes a new one; `most` bounds how many are open at once.
    """

    def __init__(self, login: Login, root: str, *, most: int, call_timeout_s: float) -> None:
        self._login = login
        self._root = root
        self._call_timeout_s = call_timeout_s
        self._free: list[_Line] = []
        self._slots = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()

    def place(self) -> str:
        return f"sftp://{self._login.username}@{self._login.host}:{self._login.port}/{self._root.lstrip('/')}"

    @contextmanager
    def session(self, timeout_s: float | None = None) -> Iterator[Files]:
        limit = min(timeout_s or self._call_timeout_s, self._call_timeout_s)
        if not self._slots.acquire(timeout=limit):
            raise Unavailable(f"all connections to {self._login.host} are in use", retry_after_s=1)
        try:
            line = self._line(limit)
            try:
                yield line
            finally:
                self._give_back(line)
        finally:
            self._slots.release()

    def close(self) -> None:
        with self._lock:
            free, self._free = self._free, []
        for line in free:
            line.close()

    def _line(self, limit: float) -> _Line:
        while True:
            with self._lock:
                line = self._free.pop() if self._free else None
            if line is None:
                return _Line(self._login, self._root, limit)
            if line.is_good(limit):
                return line
            line.close()

    def _give_back(self, line: _Line) -> None:
        if line.broken:
            line.close()
            return
        line.idle_since = time.monotonic()
        with self._lock:
            self._free.append(line)


class _Line:
    """One connection with one SFTP client; the verbs of a drop on it."""

    def __init__(self, login: Login, root: str, limit: float) -> None:
        self._transport = connect(login, limit)
        self.broken = False
        self.idle_since = 0.0
        try:
            self._client = self._open(limit)
            self._root = self._normal(root.encode() or b".")
        except FileNotFoundError as error:
            self.close()
            raise ConfigError(f"there is no folder {root} on {login.host}", field="root") from error
        except (*_LOST, OSError) as error:
            self.close()
            raise Unavailable(f"{login.host} did not open SFTP: {_text(error)}") from error
        except BaseException:
            self.close()
            raise

    def _open(self, limit: float) -> SFTPClient:
        channel = self._transport.open_session(timeout=limit)
        channel.settimeout(limit)
        channel.invoke_subsystem("sftp")
        return SFTPClient(channel)

    def is_good(self, limit: float) -> bool:
        """Tell whether a line that lay idle still answers."""
        self._channel.settimeout(limit)
        if not self._transport.is_active() or self._channel.closed:
            return False
        if time.monotonic() - self.idle_since > _IDLE_S:
            with suppress(OSError, SSHException, EOFError):
                self._client.stat(".")
                return True
            return False
        return True

    def close(self) -> None:
        self.broken = True
        with suppress(OSError, SSHException, EOFError):
            self._transport.close()

    @property
    def _raw(self) -> Any:
        """The client where paramiko has no public name for a request."""
        return self._client

    @property
    def _channel(self) -> Any:
        return self._client.get_channel()

    def list(self, folder: str) -> list[Entry]:
        with self._phase(f"list {folder or 'the folder'}"):
            where = self._path(folder)
            try:
                return list(self._entries(where))
            except FileNotFoundError:
                return []

    def stat(self, path: str) -> Entry | None:
        with self._phase(f"look at {path}"):
            try:
                return _entry(confined(path)[-1], self._client.stat(self._path(path)))
            except FileNotFoundError:
                return None

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        with self._phase(f"read {path}"):
            try:
                stream = self._client.open(self._path(path), "rb")
            except FileNotFoundError as error:
                raise InputError(f"there is no file {path}", reason="not_found") from error
            size = stream.stat().st_size or 0
        try:
            yield ReadAhead(stream, size, lambda: self._phase(f"read {path}"))
        finally:
            with suppress(OSError, SSHException, EOFError):
                stream.close()

    def write(self, path: str, content: BinaryIO) -> int:
        with self._phase(f"write {path}"):
            final = self._path(path)
            temporary = final.rpartition(b"/")[0] + b"/." + secrets.token_hex(8).encode() + b".part"
        try:
            with self._phase(f"write {path}"), self._client.open(temporary, "wbx") as stream:
                size = pour(content, stream)
                self._to_disk(stream.handle)
            with self._phase(f"write {path}"):
                arrived = self._client.stat(temporary).st_size
            if arrived != size:
                raise Unavailable(f"write {path}: the server has {arrived} of {size} bytes")
            with self._phase(f"rename to {path}", unknown=True):
                self._rename(temporary, final, path)
        except DrawbarError:
            with suppress(OSError, SSHException, EOFError):
                if not self.broken:
                    self._client.remove(temporary)
            raise
        return size

    def move(self, old: str, new: str) -> bool:
        with self._phase(f"rename {old}", unknown=True):
            try:
                self._rename(self._path(old), self._path(new), new)
            except FileNotFoundError:
                if self._there(self._path(old)):
                    raise Rejected(f"there is no folder for {new}") from None
                return False
            return True

    def remove(self, path: str) -> bool:
        with self._phase(f"remove {path}"):
            try:
                self._client.remove(self._path(path))
            except FileNotFoundError:
                return False
            return True

    def make_folder(self, path: str) -> None:
        with self._phase(f"make the folder {path}"):
            made = ""
            for name in path.split("/"):
                made = f"{made}/{name}".lstrip("/")
                where = self._path(made)
                if not self._there(where):
                    try:
                        self._client.mkdir(where)
                    except OSError:
                        if not self._there(where):
                            raise

    def touch(self, path: str) -> float:
        with self._phase(f"write {path}"):
            where = self._path(path)
            with self._client.open(where, "wb") as stream:
                stream.write(b".")
            return float(self._client.stat(where).st_mtime or 0)

    @contextmanager
    def _phase(self, doing: str, *, unknown: bool = False) -> Iterator[None]:
        """Translate what fails: a line that is lost, or what the server answered."""
        try:
            yield
        except DrawbarError:
            raise
        except (*_LOST, OSError) as error:
            lost = isinstance(error, _LOST) or self._channel.closed or not self._transport.is_active()
            if lost:
                self.broken = True
                kind: type[DrawbarError] = OutcomeUnknown if unknown else Unavailable
                raise kind(f"{doing}: the connection was lost ({_text(error)})") from error
            if isinstance(error, OSError) and error.errno in {_NO_SUCH_FILE, _REFUSED}:
                raise Rejected(f"{doing}: {_text(error)}") from error
            raise (Rejected if unknown else Unavailable)(f"{doing}: the server said {_text(error)!r}") from error

    def _path(self, path: str) -> bytes:
        """Give the absolute path; InputError when a symbolic link on the way leads out of the root."""
        names = confined(path)
        if not names:
            return self._root
        absolute = b"/".join([self._root.rstrip(b"/"), *names])
        real = self._real(absolute)
        if real != self._root and not real.startswith(self._root.rstrip(b"/") + b"/"):
            raise InputError(f"{path!r} leads out of the drop", reason="forbidden", field="name")
        return absolute

    def _real(self, path: bytes) -> bytes:
        """Resolve symbolic links; servers differ about a path that is not there, so its folder counts then."""
        try:
            return self._normal(path)
        except FileNotFoundError:
            folder, _, name = path.rpartition(b"/")
            with suppress(FileNotFoundError):
                return self._normal(folder) + b"/" + name
            return path

    def _normal(self, path: bytes) -> bytes:
        """Resolve a path; by hand, because paramiko's own fails on a name that is not UTF-8."""
        _, answer = self._raw._request(CMD_REALPATH, path)  # noqa: SLF001
        answer.get_int()
        return bytes(answer.get_binary())

    def _rename(self, source: bytes, target: bytes, name: str) -> None:
        """Rename to a name that must be free. A server's plain rename refuses to replace; not all say why."""
        if self._there(target):
            raise Rejected(f"{name} exists already")
        try:
            self._client.rename(source, target)
        except FileNotFoundError:
            raise
        except OSError as error:
            if not isinstance(error, _LOST) and self._there(target) and self._there(source):
                raise Rejected(f"{name} exists already") from error
            raise

    def _there(self, path: bytes) -> bool:
        try:
            self._client.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def _to_disk(self, handle: Any) -> None:
        """Ask for fsync; a server that does not know it has said so, and the size is compared anyway."""
        try:
            self._raw._request(CMD_EXTENDED, "fsync@openssh.com", handle)  # noqa: SLF001
        except _LOST:
            raise
        except OSError:
            pass

    def _entries(self, folder: bytes) -> Iterator[Entry]:
        """List by hand: paramiko's own listing fails on a name that is not UTF-8."""
        client = self._raw
        kind, answer = client._request(CMD_OPENDIR, folder)  # noqa: SLF001
        if kind != CMD_HANDLE:
            raise SSHException("expected a handle")
        handle = answer.get_binary()
        try:
            while True:
                try:
                    kind, answer = client._request(CMD_READDIR, handle)  # noqa: SLF001
                except EOFError:
                    break
                if kind != CMD_NAME:
                    raise SSHException("expected names")
                for _ in range(answer.get_int()):
                    name, _long = answer.get_binary(), answer.get_binary()
                    attributes: Any = SFTPAttributes()
                    attributes._unpack(answer)  # noqa: SLF001
                    if name not in {b".", b".."} and (entry := self._followed(folder, name, attributes)):
                        yield entry
        finally:
            with suppress(OSError, SSHException, EOFError):
                client._request(CMD_CLOSE, handle)  # noqa: SLF001

    def _followed(self, folder: bytes, name: bytes, attributes: SFTPAttributes) -> Entry | None:
        """Look behind a symbolic link; one that leads nowhere or out of the root is not shown."""
        if modes.S_ISLNK(attributes.st_mode or 0):
            path = folder.rstrip(b"/") + b"/" + name
            with suppress(FileNotFoundError):
                real = self._normal(path)
                if real.startswith(self._root.rstrip(b"/") + b"/"):
                    return _entry(name, self._client.stat(path))
            return None
        return _entry(name, attributes)


def _entry(name: bytes, attributes: SFTPAttributes) -> Entry:
    is_folder = modes.S_ISDIR(attributes.st_mode or 0)
    return Entry(shown(name), attributes.st_size or 0, float(attributes.st_mtime or 0), is_folder)


def _text(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or str(error)).strip() or type(error).__name__


__all__ = ["Login", "SftpDrop"]
