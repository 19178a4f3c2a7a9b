"""A stand-in for OpenSSH's SFTP: a folder served on a loopback port, on threads of this process."""

from __future__ import annotations

import errno
import hmac
import io
import os
import posixpath
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import SFTP_OK
from paramiko.sftp_attr import SFTPAttributes

if TYPE_CHECKING:
    from typing_extensions import Buffer

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def answered(act: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R | int]:
    """Give an operating system's error to the client as an SFTP status."""

    @wraps(act)
    def answer(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R | int:
        try:
            return act(self, *args, **kwargs)
        except OSError as error:
            refused = error.errno in (errno.EPERM, errno.EACCES)
            return paramiko.SFTPServer.convert_errno(errno.EACCES if refused else error.errno or 0)

    return answer


class SftpServer:
    """
    Serve `folder` as the root of every login, until closed; nothing outside of it is reached.

    `authorized_keys` are lines as in OpenSSH's file of that name and good for every user. File names must be UTF-8.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        users: Mapping[str, str] | None = None,
        authorized_keys: Iterable[str] = (),
    ) -> None:
        self.folder = folder.resolve()
        self.users = dict(users or {"drawbar": "drawbar"})
        self._keys = {line.split()[1] for line in authorized_keys}
        self._host_key = new_key()
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._transports: set[paramiko.Transport] = set()
        threading.Thread(target=self._accept, name="sftp-accept", daemon=True).start()

    @property
    def known_hosts(self) -> str:
        """Give the line that a client's known_hosts file needs."""
        return f"[127.0.0.1]:{self.port} {self._host_key.get_name()} {self._host_key.get_base64()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def drop_connections(self) -> None:
        """Cut every line without a word."""
        for transport in list(self._transports):
            transport.sock.close()

    def close(self) -> None:
        """Stop listening and end every session; a second call does nothing."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for transport in list(self._transports):
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._greet, args=(client,), name="sftp-login", daemon=True).start()

    def _greet(self, client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transport.add_server_key(self._host_key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Folder, self.folder)
        self._transports = {one for one in self._transports if one.is_active()} | {transport}
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=Login(self.users, self._keys))


class Login(paramiko.ServerInterface):
    def __init__(self, users: Mapping[str, str], keys: set[str]) -> None:
        self._users = users
        self._keys = keys

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey" if self._keys else "password"

    def check_auth_password(self, username: str, password: str) -> int:
        known = self._users.get(username, "")
        good = hmac.compare_digest(known.encode(), password.encode())
        return AUTH_SUCCESSFUL if good and username in self._users else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL if username in self._users and key.get_base64() in self._keys else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class OpenFile(paramiko.SFTPHandle):
    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    @answered
    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    @answered
    def write(self, offset: int, data: Buffer) -> int:
        data = bytes(data)
        while data:
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written
        return SFTP_OK

    @answered
    def stat(self) -> SFTPAttributes:
        return SFTPAttributes.from_stat(os.fstat(self._descriptor))

    @answered
    def chattr(self, attr: SFTPAttributes) -> int:
        return set_attributes(self._descriptor, attr)

    def close(self) -> None:
        os.close(self._descriptor)


class Folder(paramiko.SFTPServerInterface):
    """The verbs of SFTP on one folder, which the client sees as "/"."""

    def __init__(self, server: paramiko.ServerInterface, root: Path) -> None:
        super().__init__(server)
        self._root = root

    def _inside(self, path: str, *, follow: bool = True) -> Path:
        """Find a path on the disk; with `follow=False` the last part may be a link that leads anywhere."""
        visible = posixpath.normpath("/" + path.lstrip("/"))
        whole = self._root / visible.lstrip("/")
        local = whole.resolve() if follow or whole == self._root else whole.parent.resolve() / whole.name
        if not local.is_relative_to(self._root):
            raise PermissionError(errno.EACCES, "outside the served folder")
        return local

    @answered
    def list_folder(self, path: str) -> list[SFTPAttributes]:
        return [SFTPAttributes.from_stat(one.lstat(), one.name) for one in self._inside(path).iterdir()]

    @answered
    def stat(self, path: str) -> SFTPAttributes:
        return SFTPAttributes.from_stat(self._inside(path).stat())

    @answered
    def lstat(self, path: str) -> SFTPAttributes:
        return SFTPAttributes.from_stat(self._inside(path, follow=False).lstat())

    @answered
    def open(self, path: str, flags: int, attr: SFTPAttributes) -> OpenFile:
        mode = attr.st_mode if attr.st_mode is not None else 0o666
        local = self._inside(path, follow=not flags & os.O_EXCL)
        return OpenFile(os.open(local, flags | os.O_CLOEXEC, mode & 0o777))

    @answered
    def remove(self, path: str) -> int:
        self._inside(path, follow=False).unlink()
        return SFTP_OK

    @answered
    def rename(self, oldpath: str, newpath: str) -> int:
        """Replace nothing: a link is made first, which fails where the new name is taken."""
        old, new = self._inside(oldpath, follow=False), self._inside(newpath, follow=False)
        if old.is_dir() and not os.path.lexists(new):
            old.rename(new)
        else:
            new.hardlink_to(old)
            old.unlink()
        return SFTP_OK

    @answered
    def posix_rename(self, oldpath: str, newpath: str) -> int:
        self._inside(oldpath, follow=False).replace(self._inside(newpath, follow=False))
        return SFTP_OK

    @answered
    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        mode = attr.st_mode if attr.st_mode is not None else 0o777
        self._inside(path, follow=False).mkdir(mode & 0o777)
        return SFTP_OK

    @answered
    def rmdir(self, path: str) -> int:
        self._inside(path, follow=False).rmdir()
        return SFTP_OK

    @answered
    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        return set_attributes(self._inside(path), attr)

    @answered
    def readlink(self, path: str) -> str:
        return str(self._inside(path, follow=False).readlink())

    @answered
    def symlink(self, target_path: str, path: str) -> int:
        link = self._inside(path, follow=False)
        target = self._inside(posixpath.join(posixpath.dirname(path), target_path))
        link.symlink_to(os.path.relpath(target, link.parent))
        return SFTP_OK


def set_attributes(target: Path | int, attr: SFTPAttributes) -> int:
    if attr.st_size is not None:
        os.truncate(target, attr.st_size)
    if attr.st_mode is not None:
        os.chmod(target, attr.st_mode & 0o7777)  # noqa: PTH101 - it may be an open file
    if attr.st_uid is not None and attr.st_gid is not None:
        os.chown(target, attr.st_uid, attr.st_gid)
    if attr.st_atime is not None and attr.st_mtime is not None:
        os.utime(target, (attr.st_atime, attr.st_mtime))
    return SFTP_OK


def new_key() -> paramiko.Ed25519Key:
    """Make a key pair of Ed25519, for a host or a client."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))
