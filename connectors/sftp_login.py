"""Connecting to an SSH server: strict host keys, login, and errors that say what to do."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from paramiko import (
    AuthenticationException,
    HostKeys,
    PasswordRequiredException,
    PKey,
    SSHException,
    Transport,
)
from paramiko.ssh_exception import IncompatiblePeer

from ..core.errors import ConfigError, Unavailable

_SSH_PORT = 22
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # it logs tracebacks of what our errors say in a sentence


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom. Secrets are not shown."""

    host: str
    port: int
    username: str
    password: str | None = field(default=None, repr=False)
    private_key_file: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    known_hosts: Path | None = None
    keepalive_s: int = 30


def connect(login: Login, limit_s: float) -> Transport:
    """
    Open a connection and log in.

    ConfigError: a person must act (host key, password, key, algorithms). Unavailable: nobody answers.
    """
    hosts = _known_hosts(login)
    key = _private_key(login)
    try:
        wire = socket.create_connection((login.host, login.port), timeout=limit_s)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise Unavailable(f"{login.host}:{login.port} does not answer: {error.strerror or error}") from error
    transport = Transport(wire)
    try:
        _shake_hands(transport, login, hosts, limit_s)
        _log_in(transport, login, key)
    except BaseException:
        with suppress(OSError, SSHException, EOFError):
            transport.close()
        raise
    transport.set_keepalive(login.keepalive_s)
    return transport


def fingerprint(key: PKey) -> str:
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _shake_hands(transport: Transport, login: Login, hosts: HostKeys, limit_s: float) -> None:
    name = login.host if login.port == _SSH_PORT else f"[{login.host}]:{login.port}"
    found: Mapping[str, PKey] = hosts.lookup(name) or {}
    known = {kind: found[kind] for kind in found}
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = transport.channel_timeout = (
        limit_s
    )
    options = transport.get_security_options()
    wanted = [name for name in options.key_types if _family(name) in {_family(each) for each in known}]
    if wanted:  # ask for a kind of key that we can compare
        options.key_types = wanted
    try:
        transport.start_client(timeout=limit_s)
        offered = transport.get_remote_server_key()
    except IncompatiblePeer as error:
        raise ConfigError(f"{login.host} and we have no algorithm in common: {error}", field="ssh") from error
    except (SSHException, EOFError, OSError) as error:
        raise Unavailable(
            f"{login.host}:{login.port} is no SSH server that answers: {str(error) or 'closed'}"
        ) from error
    expected = known.get(offered.get_name())
    if expected is None:
        raise ConfigError(
            f"the host key of {name} is not known; it shows {fingerprint(offered)}",
            field="known_hosts",
            next=f"compare the fingerprint with the server's owner, then add the key to {_known_hosts_file(login)}",
        )
    if expected != offered:
        raise ConfigError(
            f"the host key of {login.host} has changed: it shows {fingerprint(offered)}, known is {fingerprint(expected)}",
            field="known_hosts",
            next="somebody may be in between; ask the server's owner before you change known_hosts",
        )


def _log_in(transport: Transport, login: Login, key: PKey | None) -> None:
    what = "key" if key is not None else "password"
    try:
        if key is not None:
            transport.auth_publickey(login.username, key)
        else:
            transport.auth_password(login.username, login.password or "", fallback=True)
    except AuthenticationException as error:
        if "timeout" in str(error).lower():
            raise Unavailable(f"{login.host} did not answer the login in time") from error
        said = f"{login.host}:{login.port} refuses the {what} of {login.username}"
        raise ConfigError(said, field=what, next=f"check username and {what}") from error
    except (SSHException, EOFError, OSError) as error:
        raise Unavailable(f"{login.host} ended the login of {login.username}: {str(error) or 'closed'}") from error


def _known_hosts_file(login: Login) -> Path:
    return login.known_hosts or Path.home() / ".ssh" / "known_hosts"


def _known_hosts(login: Login) -> HostKeys:
    path = _known_hosts_file(login)
    try:
        return HostKeys(str(path))
    except OSError as error:
        raise ConfigError(f"known_hosts {path} cannot be read: {error.strerror}", field="known_hosts") from error
    except (SSHException, ValueError) as error:
        raise ConfigError(f"known_hosts {path} cannot be read: {error}", field="known_hosts") from error


def _private_key(login: Login) -> PKey | None:
    if login.private_key_file is None:
        return None
    path, passphrase = login.private_key_file, login.passphrase
    try:
        return PKey.from_path(path, passphrase.encode() if passphrase else None)  # type: ignore[arg-type]  # it wants bytes
    except OSError as error:
        raise ConfigError(f"the key {path} cannot be read: {error.strerror}", field="private_key_file") from error
    except (PasswordRequiredException, TypeError) as error:
        said = "cannot be read" if passphrase else "is encrypted: give passphrase"
        raise ConfigError(f"the key {path} {said}", field="passphrase") from error
    except (SSHException, ValueError) as error:
        field = "passphrase" if passphrase else "private_key_file"
        said = " with this passphrase" if passphrase else ""
        raise ConfigError(f"the key {path} cannot be read{said}", field=field) from error


def _family(name: str) -> str:
    """Give the kind of key of a signature algorithm: rsa-sha2-512 signs with an ssh-rsa key."""
    return "ssh-rsa" if name.startswith("rsa-sha2") else name
